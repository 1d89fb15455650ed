//! Connections: accepted within bounds, with TLS where there is a certificate, and cut where the
//! other end is slower than people are.
//!
//! | | |
//! | --- | --- |
//! | bound | `CONNECTIONS_MAX`, `AN_ADDRESS_MAX` of one address |
//! | overflow | more wait to be accepted; more of one address are closed at once |

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::task::Context;
use std::task::Poll;
use std::task::ready;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use hyper_util::service::TowerToHyperService;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::Peer;
use super::tls::Tls;

/// Connections that are served at the same time.
const CONNECTIONS_MAX: usize = 512;
/// Of one address; but for proxies and this machine, behind which more than one may be.
const AN_ADDRESS_MAX: usize = 48;
/// A TLS handshake, and a request's head, take no longer.
const HEAD: Duration = Duration::from_secs(10);
/// Headers of a request, all together, bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const HEADERS_MAX: usize = 64;
/// Whoever takes nothing of an answer for as long is gone.
const STALL: Duration = Duration::from_secs(30);
/// Until the system has room for connections again.
const NO_ROOM: Duration = Duration::from_millis(200);
/// Connections that are still open so long after the stop was asked for are cut.
const DRAIN: Duration = Duration::from_secs(3);

/// The parts that connections need.
pub(super) struct ListenParts {
    pub(super) listener: TcpListener,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) router: Router,
    /// More than one may be behind these.
    pub(super) shared_by_many: Vec<IpAddr>,
}

/// Serves until `shutdown`, then lets open requests end for at most [`DRAIN`].
pub(super) async fn serve(door: ListenParts, shutdown: CancellationToken) {
    let ListenParts { listener, tls, router, shared_by_many } = door;
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let permits = Seats::default();
    let connections = TaskTracker::new();
    let cut = CancellationToken::new();
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = accepted => accepted,
        };
        let (stream, address) = match accepted {
            Ok((stream, address)) => (stream, address.ip().to_canonical()),
            Err(error) => {
                tracing::debug!(%error, "a connection is not accepted");
                tokio::time::sleep(NO_ROOM).await;
                continue;
            }
        };
        let many = address.is_loopback() || shared_by_many.contains(&address);
        let Some(permit) =
            permits.take(address, if many { CONNECTIONS_MAX } else { AN_ADDRESS_MAX })
        else {
            continue;
        };
        let (tls, router) = (tls.clone(), router.clone());
        let (shutdown, cut) = (shutdown.clone(), cut.clone());
        connections.spawn(async move {
            let _held = (place, permit);
            tokio::select! {
                () = cut.cancelled() => {}
                () = serve_one(stream, address, tls, router, shutdown) => {}
            }
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
        cut.cancel();
        connections.wait().await;
    }
}

/// Server-sent events are small, and wait for nobody; who acknowledges nothing for [`STALL`] is
/// gone, though the system would try for a quarter of an hour and hold the feed's place.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let stall = u32::try_from(STALL.as_millis()).map_err(io::Error::other)?;
    Ok(rustix::net::sockopt::set_tcp_user_timeout(stream, stall)?)
}

async fn serve_one(
    stream: TcpStream,
    address: IpAddr,
    tls: Option<Arc<Tls>>,
    router: Router,
    shutdown: CancellationToken,
) {
    if let Err(error) = tune(&stream) {
        tracing::debug!(%error, "a connection is gone already");
    }
    let stream = Patient::new(stream);
    let Some(tls) = tls else {
        return talk(stream, Peer { address, tls: false }, router, shutdown).await;
    };
    match tokio::time::timeout(HEAD, tls.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => talk(stream, Peer { address, tls: true }, router, shutdown).await,
        Ok(Err(error)) => tracing::debug!(%address, %error, "no TLS"),
        Err(_) => tracing::debug!(%address, "a TLS handshake took too long"),
    }
}

async fn talk<S>(stream: S, peer: Peer, router: Router, shutdown: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(address = %peer.address, %error, "a connection broke");
    }
}

/// The number of connections of each address.
#[derive(Clone, Default)]
struct Seats(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

/// Given back when it is dropped.
struct ConnectionPermit {
    permits: Seats,
    address: IpAddr,
}

impl Seats {
    fn take(&self, address: IpAddr, most: usize) -> Option<ConnectionPermit> {
        let mut permits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = permits.entry(address).or_default();
        if *taken >= most {
            return None;
        }
        *taken += 1;
        Some(ConnectionPermit { permits: self.clone(), address })
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut permits = self.permits.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = permits.get_mut(&self.address) {
            *taken -= 1;
            if *taken == 0 {
                permits.remove(&self.address);
            }
        }
    }
}

/// A connection that breaks where the other end takes nothing for [`STALL`].
struct Patient {
    stream: TcpStream,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn new(stream: TcpStream) -> Self {
        Self { stream, stalled: None }
    }

    fn judge<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(STALL)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(written, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.judge(flushed, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_that_was_cut_is_noticed_within_the_stall() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        tune(&stream).unwrap();
        assert_eq!(rustix::net::sockopt::tcp_user_timeout(&stream).unwrap(), 30_000);
        assert!(stream.nodelay().unwrap());
    }

    #[test]
    fn one_address_has_only_so_many_seats_and_gives_them_back() {
        let permits = Seats::default();
        let (here, there) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let mut held: Vec<ConnectionPermit> =
            (0..3).filter_map(|_| permits.take(here, 3)).collect();
        assert!(permits.take(here, 3).is_none());
        assert!(permits.take(there, 3).is_some());
        held.pop();
        assert!(permits.take(here, 3).is_some());
        drop(held);
        assert!(permits.0.lock().unwrap().is_empty());
    }
}
