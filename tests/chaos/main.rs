//! Whatever can die dies, over and over, under a load of alerts: nothing is lost, nothing comes
//! out of order, and what comes twice is the same.
//!
//! People report over MQTT. A report that the broker has acknowledged must come out as an alert.
//! Meanwhile the daemon is killed with -9, at its start too; the broker is restarted; the daemon's
//! way to it is cut, goes silent or drags; the disk is filled; the wall clock is stepped, where
//! libfaketime is installed in a real daemon, else in this process alone. A
//! subscriber with a persistent session keeps the ledger. Beside it a publisher without an outbox
//! has the same lot. `KILLS`, `BREAKS` and `SEED` choose how much and which; `make chaos` is the
//! long form. The broker is stopped in order, never killed: what it acknowledged and then forgot
//! would be its loss, not ours.

#![expect(clippy::unwrap_used, reason = "a test that can't go on shall say where")]
#![expect(clippy::print_stdout, reason = "what was lost and how long it took is the result")]

use keng_testkit::daemon;
use keng_testkit::mosquitto;
use keng_testkit::proxy;

mod bare;
mod clock;
mod disk;
mod ledger;
mod load;

use std::fs::File;
use std::process::Child;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use keng::outbox::Outbox;
use keng::outbox::Sequence;
use rand::RngExt as _;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom as _;
use tokio::time::Instant;

use clock::WallClock;
use daemon::Site;
use daemon::ward;
use disk::Disk;
use ledger::Ledger;
use load::Load;
use load::SIGNING;
use mosquitto::Mosquitto;
use mosquitto::until;
use proxy::Proxy;

/// A half-open connection is given up after twice as long.
const KEEP_ALIVE_S: u32 = 4;
/// Of one khu phố's team.
const KEY: &str = "0123456789abcdef0123456789abcdef";
/// So long without a new alert, and what was not told is lost.
const LAST_WAIT: Duration = Duration::from_secs(45);

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Kill,
    KillAtStart,
    BrokerRestart,
    Cut,
    HalfOpen,
    Delay,
    DiskFull,
    ClockStep,
}

impl Fault {
    fn words(self) -> &'static str {
        match self {
            Self::Kill => "daemon killed (-9) at work",
            Self::KillAtStart => "daemon killed (-9) while starting",
            Self::BrokerRestart => "broker restarted",
            Self::Cut => "connection cut for 0.1 to 1 s",
            Self::HalfOpen => "connection half-open, for ever",
            Self::Delay => "packets delayed by 20 to 200 ms, for 1 s",
            Self::DiskFull => "disk filled for 2 s",
            Self::ClockStep => "wall clock stepped by up to 2 h",
        }
    }
}

/// A number from the environment.
fn wanted(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// All that is to happen, in the order in which it will.
fn plan((kills, breaks): (u64, u64), town: &mut Town) -> Vec<Fault> {
    let mut plan = Vec::new();
    for number in 0..kills {
        plan.push(if number % 4 == 3 { Fault::KillAtStart } else { Fault::Kill });
    }
    for number in 0..breaks {
        // Keep-alive alone tells a half-open connection, which takes its time.
        plan.push(match number % 10 {
            9 => Fault::HalfOpen,
            other => [Fault::BrokerRestart, Fault::Cut, Fault::Delay][(other % 3) as usize],
        });
    }
    let few = usize::try_from(1 + kills / 40).unwrap();
    if town.disk.is_some() {
        plan.extend(vec![Fault::DiskFull; few]);
    }
    if town.wall.is_some() {
        plan.extend(vec![Fault::ClockStep; 2 * few]);
    }
    plan.shuffle(&mut town.rng);
    plan
}

/// Everything that can be hurt.
struct Town {
    site: Site,
    broker: Mosquitto,
    proxy: Proxy,
    disk: Option<Disk>,
    wall: Option<WallClock>,
    daemon: Child,
    bare: Child,
    rng: SmallRng,
}

impl Town {
    async fn build(seed: u64) -> Self {
        // Nothing that it holds for somebody is dropped for its number. It writes its store when it
        // is stopped, and never otherwise: with a write and a sync for each change it was the
        // slowest of all, ever slower the more it held, and what it held grew with each fault.
        let more = "max_queued_messages 0\nautosave_on_changes false\nautosave_interval 0\n";
        let broker = Mosquitto::start_with(|_| format!("allow_anonymous true\n{more}")).await;
        let proxy = Proxy::new(broker.port).await;
        let disk = Disk::mount();
        if let Err(reason) = &disk {
            println!("skipped: no disk to fill ({reason})");
        }
        let disk = disk.ok();
        let site = Site::new();
        let wall = WallClock::new(&site);
        // What is signed carries the time: nobody signs while the daemon's clock is stepped.
        let key = if wall.is_none() { "key = { file = \"kp5.key\" }\n" } else { "" };
        std::fs::write(site.path("kp5.key"), KEY).unwrap();
        let second = format!("[[khu_pho]]\nid = \"{SIGNING}\"\n{key}");
        // Silence is told by the keep-alive alone: short, or half of the time is spent in it. And
        // everybody speaks far more often than people do.
        let text = ward(proxy.port, &[second]);
        let more = format!("keep_alive_s = {KEEP_ALIVE_S}\nreports_per_minute = 100000\n");
        let mut text = text.replace("\n[web]", &format!("{more}\n[web]"));
        if let Some(disk) = &disk {
            let store = format!("path = \"{}\"", disk.path().join("var").display());
            text = text.replace("path = \"var\"", &store);
        }
        site.configure(&text);
        if wall.is_none() {
            println!("skipped: no daemon's wall clock is stepped (there is no libfaketime)");
        }
        let (daemon, bare) = (start(&site, wall.as_ref()), bare::spawn(proxy.port));
        let rng = SmallRng::seed_from_u64(seed);
        Self { site, broker, proxy, disk, wall, daemon, bare, rng }
    }

    /// Returns what the people of one khu phố sign with.
    fn key(&self) -> Option<&'static str> {
        self.wall.is_none().then_some(KEY)
    }

    /// Waits until everybody has a session: what is said before is nobody's.
    async fn is_whole(&self, ledger: &Ledger) {
        let mut voice = load::Voice::new(self.broker.port, "first");
        let heard = || {
            let book = ledger.book();
            book.told.contains(&0) && book.bare.iter().all(|told| told.contains(&0))
        };
        while !heard() {
            let report = r#"{"kind":"other","by":"Bà Tám","note":"0"}"#;
            voice.say("keng/p14/kp3/report", report).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Hurts, and returns when the hurt is over: healing begins.
    async fn suffer(&mut self, fault: Fault) {
        match fault {
            Fault::Kill => {
                self.kill();
                self.start();
            }
            Fault::KillAtStart => {
                self.kill();
                self.start();
                self.pause(0..400).await;
                self.kill();
                self.start();
            }
            Fault::BrokerRestart => {
                self.broker.stop();
                self.pause(0..500).await;
                self.broker.restart().await;
            }
            Fault::Cut => {
                self.proxy.shut();
                self.pause(100..1000).await;
                self.proxy.open();
            }
            Fault::HalfOpen => self.proxy.silence(),
            Fault::Delay => {
                let delay = Duration::from_millis(self.rng.random_range(20..200));
                self.proxy.delay(delay);
                self.pause(1000..1001).await;
                self.proxy.open();
            }
            Fault::DiskFull => {
                let disk = self.disk.as_ref().unwrap();
                disk.fill();
                tokio::time::sleep(Duration::from_secs(2)).await;
                disk.clear();
            }
            Fault::ClockStep => {
                let hours = self.rng.random_range(-1..=1);
                self.wall.as_ref().unwrap().set(hours);
            }
        }
    }

    fn kill(&mut self) {
        for child in [&mut self.daemon, &mut self.bare] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Nothing but a kill ends it.
    fn must_live(&mut self) {
        let ended = self.daemon.try_wait().unwrap();
        assert_eq!(ended, None, "the daemon has ended by itself");
    }

    fn start(&mut self) {
        let daemon = start(&self.site, self.wall.as_ref());
        (self.daemon, self.bare) = (daemon, bare::spawn(self.proxy.port));
    }

    async fn pause(&mut self, ms: std::ops::Range<u64>) {
        let pause = Duration::from_millis(self.rng.random_range(ms));
        tokio::time::sleep(pause).await;
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        for child in [&mut self.daemon, &mut self.bare] {
            // It may have ended by itself.
            drop(child.kill());
            drop(child.wait());
        }
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.site.path("log")).unwrap_or_default();
            let told = |line: &&str| !line.contains(" INFO ") && !line.contains("is refused");
            let tail: Vec<&str> = log.lines().rev().filter(told).take(60).collect();
            for line in tail.iter().rev() {
                println!("  {line}");
            }
        }
    }
}

/// Starts the daemon and waits for nothing.
fn start(site: &Site, wall: Option<&WallClock>) -> Child {
    let config = site.config();
    let mut command = site.command(&["run", "--config", config.to_str().unwrap()]);
    if let Some(wall) = wall {
        wall.put_before(&mut command);
    }
    let log = File::options().append(true).create(true).open(site.path("log")).unwrap();
    command.stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_whatever_dies() {
    let (kills, breaks) = (wanted("KILLS", 6), wanted("BREAKS", 6));
    let seed = wanted("SEED", 7);
    let begun = Instant::now();
    let mut town = Town::build(seed).await;
    let ledger = Arc::new(Ledger::new(town.broker.port));
    town.is_whole(&ledger).await;
    let load = Load::start(town.broker.port, &ledger, seed, town.key());
    until("the first alerts", || ledger.book().news > 20).await;

    let plan = plan((kills, breaks), &mut town);
    let mut healed: Vec<(Fault, Duration)> = Vec::new();
    for fault in &plan {
        let waiting = load.acknowledged.lock().unwrap().difference(&ledger.book().told).count();
        let (at, words) = (begun.elapsed().as_secs_f64(), fault.words());
        println!("{at:.1} s: {words}; {waiting} reports under way");
        town.pause(0..300).await;
        let hurt = Instant::now();
        town.suffer(*fault).await;
        // What was on its way already arrives; the next one has come the whole way.
        let over = Instant::now();
        tokio::time::sleep(Duration::from_millis(30)).await;
        let news = ledger.book().news;
        until("alerts come again", || {
            town.must_live();
            ledger.book().news > news
        })
        .await;
        let since = if matches!(fault, Fault::Kill | Fault::KillAtStart) { hurt } else { over };
        healed.push((*fault, since.elapsed()));
    }
    load.stop().await;
    let acknowledged = load.acknowledged.lock().unwrap().clone();
    // As long as news come, they are waited for; what is missing then is counted as lost.
    let (mut news, mut since) = (0, Instant::now());
    while !acknowledged.is_subset(&ledger.book().told) {
        town.must_live();
        let heard = ledger.book().news;
        if heard > news {
            (news, since) = (heard, Instant::now());
        } else if since.elapsed() > LAST_WAIT {
            let missing = acknowledged.difference(&ledger.book().told).copied().collect::<Vec<_>>();
            println!("no alert has told of the reports {missing:?}");
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // What the publisher without an outbox still has under way, too.
    tokio::time::sleep(Duration::from_secs(1)).await;
    town.kill();

    let took = begun.elapsed();
    let store = town.disk.as_ref().map_or(town.site.path("var"), |disk| disk.path().join("var"));
    let outbox = Outbox::open(&store).unwrap();
    let entries = outbox.read_after(Sequence(0), usize::MAX).unwrap();
    let book = ledger.book();
    let unheard = entries.iter().filter(|entry| !book.has(&entry.payload)).count();
    table(&healed);
    let lost = acknowledged.difference(&book.told).count();
    println!(
        "{} kills and {breaks} breaks in {:.0} s, seed {seed}: {} reports acknowledged, {} alerts \
         heard; {lost} reports lost, {unheard} alerts of the log not heard, {} out of order, \
         {} with other bytes, {} came again with the same",
        kills + plan.iter().filter(|fault| **fault == Fault::KillAtStart).count() as u64,
        took.as_secs_f64(),
        acknowledged.len(),
        book.news,
        book.disordered,
        book.differing,
        book.again
    );
    for (qos, told) in book.bare.iter().enumerate() {
        let lost = acknowledged.difference(told).count();
        println!("without an outbox, QoS {qos}: {lost} of {} lost", acknowledged.len());
    }
    assert_eq!((lost, unheard, book.disordered, book.differing), (0, 0, 0, 0));
    assert_eq!(entries.last().unwrap().sequence.0, entries.len() as u64, "no gaps");
    if kills >= 50 {
        let [none, _] = &book.bare;
        assert!(!acknowledged.is_subset(none), "the faults were harmless");
    }
}

/// How long it took each time until alerts came again.
fn table(healed: &[(Fault, Duration)]) {
    let mut kinds: Vec<Fault> = healed.iter().map(|(fault, _)| *fault).collect();
    kinds.sort_unstable();
    kinds.dedup();
    println!("{:<44}{:>6}{:>10}{:>10}", "what happened", "times", "p50 s", "p99 s");
    for kind in kinds {
        let of_kind = healed.iter().filter(|(fault, _)| *fault == kind);
        let mut times: Vec<f64> = of_kind.map(|(_, took)| took.as_secs_f64()).collect();
        times.sort_by(f64::total_cmp);
        let at = |percent: usize| times[(times.len() - 1) * percent / 100];
        let p99 = times[((times.len() - 1) * 99).div_ceil(100)];
        println!("{:<44}{:>6}{:>10.2}{:>10.2}", kind.words(), times.len(), at(50), p99);
    }
}
