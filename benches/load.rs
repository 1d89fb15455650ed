//! The load rig: a ward of cameras on this machine, and what the daemon makes of it.
//!
//! `make load CAMERAS="32 64 128" PROFILE=rated SECONDS=60`. The rig serves the cameras itself
//! (`keng::serve`), from this repository's own clips, cut by FFmpeg to the profile's sizes and key
//! frame intervals; the daemon is the built `keng run`, in a process of its own, so that its cost
//! is told apart. Both share the machine.

#![expect(clippy::print_stdout, reason = "a bench tells its figures")]

#[path = "load/ears.rs"]
mod ears;
#[path = "load/film.rs"]
mod film;
#[path = "load/process.rs"]
mod process;
#[path = "load/site.rs"]
mod site;
#[path = "load/tell.rs"]
mod tell;
#[path = "load/watch.rs"]
mod watch;

use std::time::Duration;

use film::Profile;
use tell::Round;

/// How long the cameras have to connect and attention to settle.
const SETTLE: Duration = Duration::from_secs(20);

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let test = std::env::args().any(|word| word == "--test");
    let word = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.into());
    let (cameras, seconds) = if test { ("4", "4") } else { ("128", "60") };
    let cameras: Vec<usize> = word("CAMERAS", cameras)
        .split_whitespace()
        .map(|count| count.parse().map_err(|_| format!("CAMERAS has {count:?}, no number")))
        .collect::<Result<_, _>>()?;
    let profile = Profile::named(&word("PROFILE", "rated"))?;
    let seconds: u64 = word("SECONDS", seconds).parse().map_err(|_| "SECONDS is a number")?;
    if let Some(missing) = film::missing() {
        println!("skipped: load ({missing})");
        return Ok(());
    }
    let reels = film::make(&profile)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let settle = if test { Duration::from_secs(6) } else { SETTLE };
    let mut rounds = Vec::new();
    for count in cameras {
        let round = runtime.block_on(round(&profile, &reels, count, settle, seconds))?;
        tell::round(&round);
        rounds.push(round);
    }
    if rounds.len() > 1 {
        tell::growth(&rounds);
    }
    let analysed = rounds.iter().all(|round| round.cameras.iter().any(|c| c.analysed > 0));
    if analysed { Ok(()) } else { Err("no frame was analysed".into()) }
}

/// One number of cameras, from start to stop.
async fn round(
    profile: &Profile,
    reels: &[film::Reel],
    count: usize,
    settle: Duration,
    seconds: u64,
) -> Result<Round, Failure> {
    let cameras = site::serve(profile, reels, count).await?;
    let mut site = site::Site::start(profile, &cameras).await?;
    let ears = ears::listen(site.broker);
    tokio::time::sleep(settle).await;
    ears.forget();
    let before = site.measure()?;
    let watched = watch::watch(&site, Duration::from_secs(seconds)).await?;
    let after = site.measure()?;
    let heard = ears.stop();
    site.stop().await?;
    cameras.stop().await;
    Ok(Round::new(profile, &before, &after, watched, heard))
}
