//! A receiver of webhooks: a real HTTP server that answers as it is told and notes what it got.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::Uri;
use axum::response::Response;
use axum::serve::Listener;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::task::AbortOnDropHandle;

/// One answer.
#[derive(Clone, Debug)]
pub enum Reply {
    /// This status, this header, this body.
    Says(u16, &'static str, &'static str, String),
    /// Nothing, ever.
    Silence,
    /// 200 and a body that never ends.
    Endless,
}

/// 2xx, 4xx and so on, without words.
pub fn status(code: u16) -> Reply {
    Reply::Says(code, "x-test", "1", String::new())
}

/// A request that came in.
#[derive(Clone, Debug)]
pub struct Got {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub at: Instant,
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }
}

#[derive(Clone)]
struct Desk {
    got: Arc<Mutex<Vec<Got>>>,
    replies: Arc<Mutex<VecDeque<Reply>>>,
    judge: fn(&Got) -> Option<Reply>,
}

/// A running receiver.
pub struct Receiver {
    pub address: SocketAddr,
    desk: Desk,
    _task: AbortOnDropHandle<()>,
}

impl Receiver {
    /// Gives these answers, one after the other, and then 200 to everything.
    pub async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::at(0, replies, |_| None).await
    }

    /// On this port; `judge` may answer before the list does.
    pub async fn at(
        port: u16,
        replies: impl IntoIterator<Item = Reply>,
        judge: fn(&Got) -> Option<Reply>,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let address = listener.local_addr().unwrap();
        Self::serve(listener, address, desk(replies, judge))
    }

    /// Behind TLS, with a certificate of an authority whose PEM file is written to `ca_file`.
    pub async fn start_tls(ca_file: &Path) -> Self {
        Self::tls(ca_file, [], |_| None).await
    }

    /// The same with these answers.
    pub async fn tls(
        ca_file: &Path,
        replies: impl IntoIterator<Item = Reply>,
        judge: fn(&Got) -> Option<Reply>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(certified(ca_file)));
        Self::serve(Tls { listener, acceptor }, address, desk(replies, judge))
    }

    fn serve<L>(listener: L, address: SocketAddr, desk: Desk) -> Self
    where
        L: Listener<Addr = SocketAddr>,
    {
        let router = Router::new().fallback(take).with_state(desk.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, desk, _task: AbortOnDropHandle::new(task) }
    }

    pub fn got(&self) -> Vec<Got> {
        self.desk.got.lock().unwrap().clone()
    }

    pub fn texts(&self) -> Vec<String> {
        self.got().iter().map(Got::text).collect()
    }
}

fn desk(replies: impl IntoIterator<Item = Reply>, judge: fn(&Got) -> Option<Reply>) -> Desk {
    let replies = Arc::new(Mutex::new(replies.into_iter().collect()));
    Desk { got: Arc::default(), replies, judge }
}

async fn take(State(desk): State<Desk>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let got = Got { path: uri.to_string(), headers, body, at: Instant::now() };
    let judged = (desk.judge)(&got);
    desk.got.lock().unwrap().push(got);
    let reply = judged.or_else(|| desk.replies.lock().unwrap().pop_front());
    let answer = Response::builder();
    match reply {
        None => answer.body(Body::empty()).unwrap(),
        Some(Reply::Says(code, name, value, body)) => {
            answer.status(code).header(name, value).body(Body::from(body)).unwrap()
        }
        Some(Reply::Silence) => std::future::pending().await,
        Some(Reply::Endless) => {
            let chunks = std::iter::repeat(Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 1024])));
            answer.body(Body::from_stream(futures::stream::iter(chunks))).unwrap()
        }
    }
}

struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, from)) = self.listener.accept().await else { continue };
            let handshake = self.acceptor.accept(stream);
            let handshake = tokio::time::timeout(Duration::from_secs(5), handshake).await;
            if let Ok(Ok(stream)) = handshake {
                return (stream, from);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

fn certified(ca_file: &Path) -> rustls::ServerConfig {
    let authority = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    std::fs::write(ca_file, parameters.self_signed(&authority).unwrap().pem()).unwrap();
    let issuer = rcgen::Issuer::new(parameters, authority);
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate =
        rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap()
}
