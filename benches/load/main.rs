//! The load rig: a ward of cameras on this machine, and what the daemon makes of it.
//!
//! `make load CAMERAS="32 64 128" PROFILE=rated SECONDS=60`. The rig serves the cameras itself
//! (`keng::rtsp_server`), from this repository's own clips, cut by FFmpeg to the profile's sizes
//! and key frame intervals; the daemon is the built `keng run`, in a process of its own, so that
//! its cost is told apart. Both share the machine. From the environment:
//!
//! | | |
//! | --- | --- |
//! | `CAMERAS` | numbers of cameras, one round each; several give a curve |
//! | `PROFILE` | what the cameras send, see `load/film.rs` |
//! | `KENG_CORPUS` | real streets for the profile `mixed` |
//! | `SECONDS`, `SETTLE` | how long is measured, and how long before that is not |
//! | `RELIEF=1` | at last twice as many cameras, then the rest of them: how soon all is as before |
//! | `DAEMONS` | `keng`, `peer` (`benches/peers`, its Python in `PEER_PYTHON`), or both |
//! | `ANSWER` | an incident is resolved so many seconds after each of its alerts, 0 as it comes |
//! | `OUTAGE` | so many seconds of measuring without a broker: which alerts are lost |
//! | `MODEL` | another detector |
//! | `RECORD=1` | the figures replace this profile's in `docs/results.json` |
//! | `KENG` | another build of the daemon, such as the one before a change |

#![expect(clippy::print_stdout, reason = "a bench tells its figures")]

mod daemon;
mod subscriber;
mod film;
use keng_testkit::machine;
use keng_testkit::results;
mod metrics;
mod plot;
mod process;
mod site;
mod tell;
mod watch;

use std::path::PathBuf;
use std::time::Duration;

use daemon::Kind;
use film::Profile;
use film::Reel;
use site::Site;
use subscriber::AlertSubscriber;
use tell::Relief;
use tell::Round;
use tokio::time::Instant;

/// After the relief it is watched for so long.
const RECOVERY: Duration = Duration::from_secs(30);
/// Alerts that waited for the broker are waited for so long.
const CATCHES_UP_WITHIN: Duration = Duration::from_secs(20);

type Failure = Box<dyn std::error::Error>;

/// What was asked for.
struct Plan {
    profile: Profile,
    cameras: Vec<usize>,
    daemons: Vec<Kind>,
    settle: Duration,
    lasts: Duration,
    outage: Option<Duration>,
    answer: Duration,
    relief: bool,
}

impl Plan {
    fn read(test: bool) -> Result<Self, Failure> {
        let word = |name: &str, or: &str| std::env::var(name).unwrap_or_else(|_| or.into());
        let seconds = |name: &str, or: &str| -> Result<Duration, Failure> {
            let text = word(name, or);
            let seconds = text.parse().map_err(|_| format!("{name} has {text:?}, no number"))?;
            Ok(Duration::from_secs(seconds))
        };
        let (cameras, lasts, settle) = if test { ("4", "3", "4") } else { ("128", "60", "60") };
        let counts = word("CAMERAS", cameras);
        let counts = counts.split_whitespace();
        let numbers = counts.map(|count| {
            let number: Option<usize> = count.parse().ok().filter(|number| *number > 0);
            number.ok_or_else(|| format!("CAMERAS has {count:?}, no number of cameras"))
        });
        let daemons = word("DAEMONS", "keng");
        let outage = seconds("OUTAGE", "0")?;
        Ok(Self {
            profile: Profile::named(&word("PROFILE", "rated"))?,
            cameras: numbers.collect::<Result<_, _>>()?,
            daemons: daemons.split_whitespace().map(Kind::named).collect::<Result<_, _>>()?,
            settle: seconds("SETTLE", settle)?,
            lasts: seconds("SECONDS", lasts)?,
            outage: (!outage.is_zero()).then_some(outage),
            answer: seconds("ANSWER", "0")?,
            relief: word("RELIEF", "").starts_with(['1', 'y']),
        })
    }
}

fn main() -> Result<(), Failure> {
    let plan = Plan::read(std::env::args().any(|word| word == "--test"))?;
    if let Some(missing) = film::missing() {
        println!("skipped: load ({missing})");
        return Ok(());
    }
    let reels = film::make(&plan.profile)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    tell::conditions();
    let mut rounds = Vec::new();
    for count in &plan.cameras {
        for kind in &plan.daemons {
            let round = runtime.block_on(round(&plan, &reels, (*kind, *count)))?;
            tell::round(&round);
            rounds.push(round);
        }
    }
    if rounds.len() > 1 {
        tell::growth(&rounds);
        let file = film::folder()?.join(format!("{}.svg", plan.profile.name));
        std::fs::write(&file, plot::knee(&rounds)?)?;
        println!("\ncurves: {}", file.display());
    }
    let alone = rounds.iter().rfind(|round| round.kind() == Kind::Keng);
    let mut relieved = None;
    if let Some(alone) = alone.filter(|_| plan.relief) {
        let relief = runtime.block_on(relief(&plan, &reels, alone))?;
        tell::relief(&relief);
        relieved = Some(relief);
    }
    if !cfg!(debug_assertions) {
        let figures = tell::to_json(&rounds, relieved.as_ref());
        results::record(&root(), &format!("load.{}", plan.profile.name), &figures)?;
    }
    let analysed = rounds.iter().all(|round| round.cameras.iter().any(|c| c.analysed > 0));
    if analysed { Ok(()) } else { Err("no frame was analysed".into()) }
}

/// One daemon with one number of cameras, from start to stop.
async fn round(
    plan: &Plan,
    reels: &[Reel],
    (kind, count): (Kind, usize),
) -> Result<Round, Failure> {
    let cameras = site::serve(&plan.profile, reels, 0..count).await?;
    let broken = plan.outage.is_some() || kind == Kind::Peer;
    let mut site = Site::start(kind, &plan.profile, &[&cameras], broken).await?;
    let subscriber = subscriber::listen(site.broker, plan.answer);
    tokio::time::sleep(plan.settle).await;
    subscriber.forget();
    let before = site.measure().await?;
    let watching = async {
        match plan.outage {
            None => watch::watch(&site, plan.lasts).await,
            Some(outage) => {
                let first = plan.lasts.saturating_sub(outage) / 2;
                watch::watch(&site, first).await?;
                site.stop_broker().await?;
                watch::watch(&site, outage).await?;
                site.start_broker().await?;
                watch::watch(&site, plan.lasts.saturating_sub(first + outage)).await
            }
        }
    };
    let watched = watching.await?;
    let after = site.measure().await?;
    catch_up(&subscriber, after.counts.alerts - before.counts.alerts).await;
    let heard = subscriber.stop();
    site.stop().await?;
    cameras.stop().await;
    Ok(Round::new(kind, &plan.profile, (&before, &after), watched, heard))
}

/// Waits for alerts that were made and have not come yet.
async fn catch_up(subscriber: &AlertSubscriber, made: u64) {
    let begun = Instant::now();
    while (subscriber.distinct() as u64) < made && begun.elapsed() < CATCHES_UP_WITHIN {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Twice as many cameras as in the round `alone`, until half of them go away.
async fn relief(plan: &Plan, reels: &[Reel], alone: &Round) -> Result<Relief, Failure> {
    let count = alone.cameras.len();
    let stay = site::serve(&plan.profile, reels, 0..count).await?;
    let go = site::serve(&plan.profile, reels, count..2 * count).await?;
    let mut site = Site::start(Kind::Keng, &plan.profile, &[&stay, &go], false).await?;
    let subscriber = subscriber::listen(site.broker, plan.answer);
    tokio::time::sleep(plan.settle).await;
    subscriber.forget();
    let before = site.measure().await?;
    let watched = watch::watch(&site, plan.lasts).await?;
    let after = site.measure().await?;
    catch_up(&subscriber, after.counts.alerts - before.counts.alerts).await;
    let heard = subscriber.snapshot();
    let over = Round::new(Kind::Keng, &plan.profile, (&before, &after), watched, heard);
    go.stop().await;
    let begun = Instant::now();
    let watched = watch::watch(&site, RECOVERY).await?;
    let heard = subscriber.stop();
    site.stop().await?;
    stay.stop().await;
    Ok(Relief::new(over, alone, watched, (&heard, begun)))
}

/// Returns where this repository lies.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
