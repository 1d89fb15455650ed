//! Fire and smoke against what is taken for them: our rule beside others on the same detections,
//! and the laws that it keeps.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

#[path = "support/judges.rs"]
mod judges;
#[path = "support/sequences.rs"]
mod sequences;

use std::time::Duration;

use keng::detection::{Class, Detection};
use keng::geometry::BoundingBox;
use keng::incident::{Answer, Incident, Kind};
use keng::pipeline::{Command, Core, FrameResult, Watched};
use keng::rule::{BurningConfig, Config, HealthConfig, LoiteringConfig, Night};
use keng::time::{Mono, Stamp, Wall};
use keng::ward::{Id, Place, Site};
use proptest::prelude::*;

use sequences::Frame;
use sequences::Scene;

const SEEDS: u64 = 40;
const DAY: Duration = Duration::from_secs(86_400);

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

/// As `config/default.toml` has it.
fn watched(confidence_min: f32) -> Watched {
    let seconds = Duration::from_secs;
    let burning = |confidence_min, confirm| BurningConfig {
        enabled: true,
        confidence_min,
        confirm: seconds(confirm),
        quiet: seconds(30),
        forget: DAY * 14,
    };
    let midnight = jiff::civil::Time::midnight();
    Watched {
        site: Site {
            id: id("gate"),
            khu_pho: id("kp1"),
            place: Place::default(),
            owner: None,
            neighbours: Vec::new(),
        },
        rules: Config {
            fire: burning(confidence_min, 3),
            smoke: burning(confidence_min + 0.05, 6),
            loitering: LoiteringConfig {
                enabled: false,
                confidence_min: 0.45,
                dwell: seconds(120),
                night: Night::Hours { from: midnight, until: midnight },
                quiet: seconds(60),
            },
            camera: HealthConfig { enabled: false, offline: seconds(60) },
            zones: Vec::new(),
        },
    }
}

/// When a scene of these tests begins: some evening.
fn evening() -> Stamp {
    Stamp { mono: Mono(0), wall: Wall(1_795_274_043_120_000) }
}

fn core(confidence_min: f32, now: Stamp) -> Core {
    Core::new(jiff::tz::TimeZone::UTC, vec![watched(confidence_min)], now)
}

/// Plays `frames` from `begin` on. The first incident, and after how many seconds.
fn first(core: &mut Core, frames: &[Frame], begin: Stamp) -> Option<(Incident, f64)> {
    frames.iter().find_map(|(at_s, detections)| {
        let at = begin + Duration::from_secs_f64(*at_s);
        let detections = detections.clone();
        let revisions = core.on_frame(&FrameResult { camera: id("gate"), at, detections });
        revisions.into_iter().next().map(|incident| (incident, *at_s))
    })
}

fn ours(frames: &[Frame]) -> Option<f64> {
    first(&mut core(0.45, evening()), frames, evening()).map(|(_, at_s)| at_s)
}

/// The same where people have answered `verdicts` times that it is nothing, a day apart.
fn ours_after(verdicts: u64, scene: Scene, seed: u64) -> Option<f64> {
    let mut core = core(0.45, evening());
    for day in 0..verdicts {
        let frames = scene.play(seed + day * 1_000);
        // The same place as `seed`'s, another day's boxes.
        let here = scene.play(seed);
        let begin = evening() + DAY * u32::try_from(day).unwrap();
        let moved: Vec<Frame> = here.into_iter().zip(frames).map(|(a, _)| a).collect();
        let Some((incident, at_s)) = first(&mut core, &moved, begin) else { continue };
        let answer = Answer::new("false_alarm", "Tổ 3", None).unwrap();
        let after = begin + Duration::from_secs_f64(at_s);
        let said = Command::Answer(incident.id, answer);
        core.on_command(&id("kp1"), said, after).unwrap();
        core.on_tick(begin + Duration::from_secs(3_600));
    }
    let begin = evening() + DAY * u32::try_from(verdicts).unwrap();
    first(&mut core, &scene.play(seed), begin).map(|(_, at_s)| at_s)
}

/// How often it alarmed, and after how long in the middle.
#[derive(Clone, Copy, Debug)]
struct Tally {
    share: f64,
    middle_s: f64,
}

impl Tally {
    fn of(alarms: impl Iterator<Item = Option<f64>>) -> Self {
        let all: Vec<Option<f64>> = alarms.collect();
        let mut at: Vec<f64> = all.iter().flatten().copied().collect();
        at.sort_by(f64::total_cmp);
        let middle_s = at.get(at.len() / 2).copied().unwrap_or(f64::NAN);
        Self { share: at.len() as f64 / all.len() as f64, middle_s }
    }

    fn told(self) -> String {
        match self.share {
            0.0 => "–".to_owned(),
            share => format!("{:.0} % {:.1} s", share * 100.0, self.middle_s),
        }
    }
}

/// Ours, seconds alone, log-odds, Pyronear's window at our frames, and at its own pace.
fn judged(frames: &[Frame], class: Class) -> [Option<f64>; 5] {
    let terms = if class == Class::Smoke { (0.5, 6.0) } else { (0.45, 3.0) };
    [
        ours(frames),
        judges::summed(frames, class, terms, judges::seconds),
        judges::summed(frames, class, terms, judges::log_odds),
        judges::pyronear(frames, class, 0.0),
        judges::pyronear(frames, class, 30.0),
    ]
}

#[expect(clippy::print_stdout, reason = "the table is what the test is run for")]
#[test]
fn our_rule_beside_others_over_made_sequences() {
    println!("| two minutes of | ours | seconds alone | log-odds | Pyronear's window | at 30 s |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for (name, scene) in Scene::ALL {
        let all: Vec<_> =
            (0..SEEDS).map(|seed| judged(&scene.play(seed), scene.class())).collect();
        let tallies = [0, 1, 2, 3, 4].map(|judge| Tally::of(all.iter().map(|row| row[judge])));
        let cells = tallies.map(Tally::told).join(" | ");
        println!("| {name} | {cells} |");
        let [ours, seconds, ..] = tallies;
        if scene.burns() {
            assert!(ours.share >= seconds.share, "{name}: {ours:?} after {seconds:?}");
            assert!(ours.middle_s <= seconds.middle_s + 0.5, "{name}: {ours:?}, {seconds:?}");
        } else {
            assert!(ours.share <= seconds.share, "{name}: {ours:?} after {seconds:?}");
        }
    }
    for verdicts in [1, 3, 8] {
        for scene in [Scene::Welding, Scene::Lamp, Scene::Fire(0.6)] {
            let tally = Tally::of((0..SEEDS).map(|seed| ours_after(verdicts, scene, seed)));
            println!("after {verdicts} verdicts, {scene:?}: {}", tally.told());
        }
    }
}
