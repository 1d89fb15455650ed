//! From RTP to access units: our RTSP session beside retina used directly, both on a camera that
//! our own server plays in this process.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Duration;

use futures::StreamExt;
use keng::camera::Config;
use keng::camera::Session;
use keng::camera::Source;
use keng::camera::Transport;
use keng::camera::rtsp::Rtsp;
use keng::camera::rtsp::RtspSession;
use keng::clock::SystemClock;
use keng::rtsp_server::Mount;
use keng::rtsp_server::Options;
use keng::rtsp_server::Server;
use keng::time::Clock;
use keng::time::Mono;
use keng::time::Stamp;
use keng::time::Wall;
use keng::ward::Id;
use retina::client::Demuxed;
use retina::client::PlayOptions;
use retina::client::SessionOptions;
use retina::client::SetupOptions;
use retina::codec::CodecItem;
use retina::codec::FrameFormat;
use tokio::runtime::Runtime;

use super::bench::Bench;
use super::bench::Plan;
use crate::support::clips;
use crate::support::measure::ClockId;
use crate::support::measure::seconds;

/// Access units a turn.
const UNITS: usize = 100;
/// The server sends about one a millisecond.
const PAUSE: Duration = Duration::from_millis(150);

/// A frame passes each time that somebody looks, so that the server sends as fast as it is heard.
#[derive(Default)]
struct Hasty(AtomicU64);

impl Clock for Hasty {
    fn now(&self) -> Stamp {
        let micros = self.0.fetch_add(1_000_000 / clips::RATE, Ordering::Relaxed);
        Stamp { mono: Mono(micros), wall: Wall(0) }
    }
}

/// Adds `depacketise`.
pub(crate) fn measure(bench: &mut Bench) {
    // The server has a thread of its own: only what its clients do is timed.
    let (ready, url) = mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = std::thread::spawn(move || {
        runtime().block_on(async {
            let mut options = Options::new(vec![Mount::new(&clips::path("night_fire.mp4"))]);
            options.clock = Arc::new(Hasty::default());
            let running = Server::start(options).await.expect("the server starts");
            ready.send(running.served()[0].url.clone()).expect("somebody waits");
            drop(stopped.await);
            running.stop().await;
        });
    });
    let url = url.recv().expect("the server starts");
    let runtime = runtime();
    let config = Config {
        id: Id::new("bench").expect("letters make an id"),
        url: url.parse().expect("it is a URL"),
        username: None,
        password: None,
        transport: Transport::Tcp,
    };
    let source = Rtsp::new(Arc::new(SystemClock::new()));
    let mut ours = runtime.block_on(source.open(&config)).expect("a session of ours");
    let mut bare = runtime.block_on(open(&url)).expect("a session of retina's");
    let (title, key) = ("depacketise (RTSP over TCP)", None);
    let plan = Plan { title, key, clock: ClockId::ThreadCPUTime, turns: 150 };
    let mut odd = false;
    bench.pairs(plan, || {
        // Both find as much that has come meanwhile: reading what is there and waiting for what
        // comes differ more in cost than the two do.
        runtime.block_on(async { tokio::time::sleep(PAUSE).await });
        odd = !odd;
        let (mut of_ours, mut of_bare) = (0.0, 0.0);
        for arm in [odd, !odd] {
            let start = seconds(plan.clock);
            if arm {
                runtime.block_on(read(&mut ours));
            } else {
                runtime.block_on(read_bare(&mut bare));
            }
            let took = (seconds(plan.clock) - start) * 1e6 / UNITS as f64;
            *(if arm { &mut of_ours } else { &mut of_bare }) = took;
        }
        (of_ours, of_bare)
    });
    bench.extra("  of which ours, over retina's", "depacketise_extra");
    runtime.block_on(async {
        ours.close().await;
        // retina takes its leave in the background of a runtime.
        drop(bare);
    });
    drop(stop);
    server.join().expect("the server does not panic");
}

async fn read(session: &mut RtspSession) {
    for _ in 0..UNITS {
        let packet = session.next().await.expect("the server goes on");
        assert!(!packet.data.is_empty());
    }
}

async fn read_bare(session: &mut Demuxed) {
    for _ in 0..UNITS {
        assert!(!next(session).await.is_empty());
    }
}

fn runtime() -> Runtime {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.expect("the system has a poll")
}

/// retina's own example, in the frame format that a decoder without extra data takes.
async fn open(url: &str) -> Result<Demuxed, retina::Error> {
    let url = url.parse().expect("it is a URL");
    let mut session = retina::client::Session::describe(url, SessionOptions::default()).await?;
    let setup = SetupOptions::default().frame_format(FrameFormat::SIMPLE);
    session.setup(0, setup).await?;
    session.play(PlayOptions::default()).await?.demuxed()
}

async fn next(session: &mut Demuxed) -> Vec<u8> {
    loop {
        let item = session.next().await.expect("the server goes on").expect("it sends no nonsense");
        if let CodecItem::VideoFrame(frame) = item {
            return frame.into_data();
        }
    }
}
