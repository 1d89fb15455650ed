//! The wall clock is stepped an hour ahead and back while the daemon is at work.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use keng::app::App;
use keng::clock::SystemClock;
use keng::mqtt::BrokerState;
use keng::time::Clock;
use keng::time::Stamp;
use keng::time::Wall;

use crate::daemon::Site;
use crate::daemon::ward;
use crate::ledger::Ledger;
use crate::load::Load;
use crate::mosquitto::Mosquitto;
use crate::mosquitto::until;

const HOUR_US: i64 = 3_600_000_000;

/// Where Debian puts libfaketime; `KENG_FAKETIME` names it elsewhere.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// The wall clock of a real daemon, moved by libfaketime; the monotonic one goes on as it is.
pub(crate) struct WallClock {
    library: PathBuf,
    /// Read at each look at the clock.
    file: PathBuf,
}

impl WallClock {
    /// None where there is no libfaketime.
    pub(crate) fn new(site: &Site) -> Option<Self> {
        let library = std::env::var_os("KENG_FAKETIME").unwrap_or_else(|| FAKETIME.into());
        let wall = Self { library: library.into(), file: site.path("faketime") };
        wall.library.is_file().then_some(wall).inspect(|wall| wall.set(0))
    }

    /// So many hours off.
    pub(crate) fn set(&self, hours: i32) {
        let draft = self.file.with_extension("new");
        std::fs::write(&draft, format!("{hours:+}h\n")).unwrap();
        std::fs::rename(draft, &self.file).unwrap();
    }

    pub(crate) fn put_before(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library);
        command.env("FAKETIME_TIMESTAMP_FILE", &self.file);
        command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }
}

/// The system's clock, its wall time off by something.
struct Stepping {
    system: SystemClock,
    off_us: AtomicI64,
}

impl Clock for Stepping {
    fn now(&self) -> Stamp {
        let Stamp { mono, wall } = self.system.now();
        Stamp { mono, wall: Wall(wall.0 + self.off_us.load(Ordering::Relaxed)) }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_the_clock_is_stepped() {
    let broker = Mosquitto::start().await;
    let site = Site::new();
    site.configure(&ward(broker.port, &["[[khu_pho]]\nid = \"kp5\"\n".to_owned()]));
    let settings = keng::config::load(&site.config()).unwrap().settings;
    let clock = Stepping { system: SystemClock::new(), off_us: AtomicI64::new(0) };
    let clock = Arc::new(clock);
    let app = App::start(settings, None, clock.clone()).await.unwrap();
    let ledger = Arc::new(Ledger::new(broker.port));
    // What is said before there is a session is nobody's.
    let mut session = app.broker_state.clone();
    session.wait_for(|state| *state == BrokerState::Online).await.unwrap();
    let load = Load::start(broker.port, &ledger, 7, None);
    for step in [0, HOUR_US, -HOUR_US, HOUR_US, 0] {
        clock.off_us.store(step, Ordering::Relaxed);
        let news = ledger.book().news;
        until("alerts go on", || ledger.book().news > news + 10).await;
    }
    load.stop().await;
    let acknowledged = load.acknowledged.lock().unwrap().clone();
    until("every report has become an alert", || {
        let book = ledger.book();
        acknowledged.is_subset(&book.told)
    })
    .await;
    tokio::time::timeout(Duration::from_secs(20), app.drain()).await.unwrap();
    let book = ledger.book();
    assert_eq!((book.disordered, book.differing), (0, 0));
    println!("clock stepped by 1 h four times: {} reports, none lost", acknowledged.len());
}
