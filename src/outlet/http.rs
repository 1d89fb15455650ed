//! One POST, its answer, and nothing else: no redirects, no connection kept, everything bounded.
//!
//! hyper's bare client over a socket of our own: hyper, tokio-rustls and rustls are in the daemon
//! anyway, for the page and the broker, so that webhooks add no second TLS and no second resolver.
//! A pool is not missed: alerts are rare, and a connection that has stood for hours is what
//! half-open ones are made of. Proxies of the environment are not asked, and a redirect is not
//! followed: whoever answers must not choose whom the daemon talks to.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use http_body_util::Full;
use hyper::HeaderMap;
use hyper::Method;
use hyper::Request;
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header;
use hyper::header::HeaderValue;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use super::reach::Reach;

/// The bytes that are read of an answer; the rest says nothing that we need.
const REPLY_BYTES_MAX: usize = 16 * 1024;

/// The request that is posted.
pub(crate) struct Post<'a> {
    /// Never shown: it may hold a secret.
    pub(crate) url: &'a Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The response that came back.
#[derive(Debug)]
pub(crate) struct HttpReply {
    pub(crate) status: StatusCode,
    /// In seconds; dates are not understood.
    pub(crate) retry_after: Option<Duration>,
    /// Its beginning.
    pub(crate) body: Vec<u8>,
}

/// The reason why nothing came back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("can't reach {host}: {source}")]
    Unreachable { host: String, source: std::io::Error },
    #[error("{host} stands for no address of the Internet; nothing is sent into this network")]
    Inside { host: String },
    #[error("no TLS session with {host}: {source}; a private authority belongs in ca_file")]
    Tls { host: String, source: std::io::Error },
    #[error("can't read certificates from {path} ({detail}); ca_file wants a PEM file")]
    Authorities { path: PathBuf, detail: String },
    #[error("no authorities to trust; install ca-certificates or set ca_file")]
    NoAuthorities,
    #[error("{host} does not answer in {} s", .limit.as_secs_f32())]
    Silent { host: String, limit: Duration },
    #[error("{host} does not speak HTTP as it should: {source}")]
    Http { host: String, source: hyper::Error },
    #[error("the url can't be asked for")]
    Url,
}

/// Posts to one receiver.
#[derive(Debug)]
pub(crate) struct HttpClient {
    ca_file: Option<PathBuf>,
    limit: Duration,
    reach: Reach,
    /// Made at the first https request, and again where that has failed.
    tls: OnceCell<Arc<ClientConfig>>,
}

impl HttpClient {
    /// Trusts `ca_file` instead of the system's authorities; everything together may take `limit`.
    pub(crate) fn new(ca_file: Option<PathBuf>, limit: Duration) -> Self {
        Self { ca_file, limit, reach: Reach::Anywhere, tls: OnceCell::new() }
    }

    /// The same, connecting to no other addresses than these.
    pub(crate) fn within(self, reach: Reach) -> Self {
        Self { reach, ..self }
    }

    pub(crate) async fn post(&self, post: Post<'_>) -> Result<HttpReply, Error> {
        let host = post.url.host_str().unwrap_or_default().to_owned();
        let limit = self.limit;
        let exchange = self.exchange(post, &host);
        let done = tokio::time::timeout(limit, exchange).await;
        done.unwrap_or_else(|_| Err(Error::Silent { host: host.clone(), limit }))
    }

    async fn exchange(&self, post: Post<'_>, host: &str) -> Result<HttpReply, Error> {
        let port = post.url.port_or_known_default().ok_or(Error::Url)?;
        // An IPv6 address stands in brackets in a url, and nowhere else.
        let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let unreachable = |source| Error::Unreachable { host: host.to_owned(), source };
        // The very addresses that were looked at are connected to: asked for again, a name may
        // stand for others.
        let found = tokio::net::lookup_host((name.as_str(), port)).await.map_err(unreachable)?;
        let found: Vec<_> = found.filter(|address| self.reach.allows(address.ip())).collect();
        if found.is_empty() {
            return Err(Error::Inside { host: host.to_owned() });
        }
        let socket = TcpStream::connect(&found[..]).await.map_err(unreachable)?;
        socket.set_nodelay(true).map_err(unreachable)?;
        let request = request(post, host)?;
        if request.1 == "http" {
            return talk(socket, request.0, host).await;
        }
        let made = self.tls.get_or_try_init(|| trust(self.ca_file.clone())).await?;
        let connector = TlsConnector::from(Arc::clone(made));
        let server = ServerName::try_from(name).map_err(|_| Error::Url)?;
        let tls = connector.connect(server, socket).await;
        let tls = tls.map_err(|source| Error::Tls { host: host.to_owned(), source })?;
        talk(tls, request.0, host).await
    }
}

/// The request, and the scheme that it goes by.
fn request(post: Post<'_>, host: &str) -> Result<(Request<Full<Bytes>>, String), Error> {
    let authority = match post.url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    let target = match post.url.query() {
        Some(query) => format!("{}?{query}", post.url.path()),
        None => post.url.path().to_owned(),
    };
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(target)
        .body(Full::new(post.body))
        .map_err(|_| Error::Url)?;
    let headers = request.headers_mut();
    *headers = post.headers;
    headers.insert(header::HOST, HeaderValue::try_from(authority).map_err(|_| Error::Url)?);
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    let agent = concat!("keng/", env!("CARGO_PKG_VERSION"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
    Ok((request, post.url.scheme().to_owned()))
}

async fn talk<S>(stream: S, request: Request<Full<Bytes>>, host: &str) -> Result<HttpReply, Error>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let wrong = |source| Error::Http { host: host.to_owned(), source };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(wrong)?;
    let _connection = AbortOnDropHandle::new(tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a receiver's connection has broken");
        }
    }));
    let response = sender.send_request(request).await.map_err(wrong)?;
    let (head, body) = response.into_parts();
    let seconds = head.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let seconds = seconds.and_then(|text| text.trim().parse().ok());
    let body = beginning(body).await;
    Ok(HttpReply { status: head.status, retry_after: seconds.map(Duration::from_secs), body })
}

/// The first bytes of a body. One that breaks off has said its status all the same.
async fn beginning(mut body: Incoming) -> Vec<u8> {
    let mut read = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Some(data) = frame.data_ref() {
            read.extend(data.iter().take(REPLY_BYTES_MAX - read.len()));
        }
        if read.len() >= REPLY_BYTES_MAX {
            break;
        }
    }
    read
}

async fn trust(ca_file: Option<PathBuf>) -> Result<Arc<ClientConfig>, Error> {
    let roots = tokio::task::spawn_blocking(move || roots(ca_file.as_deref())).await;
    let roots = roots.unwrap_or(Err(Error::NoAuthorities))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has suites for the default protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    let Some(path) = ca_file else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return if roots.is_empty() { Err(Error::NoAuthorities) } else { Ok(roots) };
    };
    let unreadable = |detail| Error::Authorities { path: path.to_owned(), detail };
    let found =
        CertificateDer::pem_file_iter(path).map_err(|error| unreadable(error.to_string()))?;
    for certificate in found {
        let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unreadable("it holds no certificate".to_owned()));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_of_the_internet_that_leads_into_this_network_is_not_followed() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]"] {
            let url = Url::parse(&format!("https://{host}:{port}/x")).unwrap();
            let post = Post { url: &url, headers: HeaderMap::new(), body: Bytes::new() };
            let client = HttpClient::new(None, Duration::from_secs(5)).within(Reach::Public);
            let error = client.post(post).await.unwrap_err();
            assert!(matches!(error, Error::Inside { .. }), "{host}: {error}");
        }
        let nobody = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
        assert!(nobody.is_err(), "nothing was connected to");
    }
}
