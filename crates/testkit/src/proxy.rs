//! A way to the broker that can be cut, go silent, or drag.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// The kind of way.
#[derive(Clone, Copy, Default)]
struct Way {
    /// Cuts what goes through, lets nobody in.
    shut: bool,
    /// Connections made before the so many-th silence stay open, and carry nothing for ever.
    silences: u64,
    /// Each piece waits for as long.
    delay: Duration,
}

/// A port that leads to the broker.
pub struct Proxy {
    pub port: u16,
    way: watch::Sender<Way>,
    _task: AbortOnDropHandle<()>,
}

impl Proxy {
    pub async fn new(broker: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (way, watched) = watch::channel(Way::default());
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if !watched.borrow().shut {
                    tokio::spawn(carry(near, broker, watched.clone()));
                }
            }
        });
        Self { port, way, _task: AbortOnDropHandle::new(task) }
    }

    /// Cuts every connection; nobody gets in until it is opened.
    pub fn shut(&self) {
        self.way.send_modify(|way| way.shut = true);
    }

    /// As at the beginning.
    pub fn open(&self) {
        self.way.send_modify(|way| (way.shut, way.delay) = (false, Duration::ZERO));
    }

    /// Every connection that stands is half-open from now on; new ones work.
    pub fn silence(&self) {
        self.way.send_modify(|way| way.silences += 1);
    }

    /// Each piece waits for as long.
    pub fn delay(&self, delay: Duration) {
        self.way.send_modify(|way| way.delay = delay);
    }
}

async fn carry(near: TcpStream, broker: u16, way: watch::Receiver<Way>) {
    let born = way.borrow().silences;
    let Ok(far) = TcpStream::connect(("127.0.0.1", broker)).await else { return };
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    // Whichever end closes first, the other one hears of it, unless there is silence.
    tokio::select! {
        () = pump(near_in, far_out, way.clone(), born) => {}
        () = pump(far_in, near_out, way, born) => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut way: watch::Receiver<Way>,
    born: u64,
) {
    let mut piece = vec![0; 16 * 1024];
    loop {
        let now = *way.borrow_and_update();
        if now.shut {
            return;
        }
        if now.silences > born {
            // Open until the proxy itself is gone.
            return std::future::pending().await;
        }
        let read = tokio::select! {
            biased;
            changed = way.changed() => {
                if changed.is_err() {
                    return;
                }
                continue;
            }
            read = from.read(&mut piece) => read,
        };
        let Ok(bytes @ 1..) = read else { return };
        tokio::time::sleep(now.delay).await;
        if to.write_all(&piece[..bytes]).await.is_err() {
            return;
        }
    }
}
