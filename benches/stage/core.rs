//! Tracks, rules and the whole core, on scenes that were recorded before; and how that grows with
//! the number of things in view.

use std::f32::consts::TAU;
use std::time::Duration;

use jiff::tz::TimeZone;
use keng::detection::Appearance;
use keng::detection::Class;
use keng::detection::Detection;
use keng::geometry::BoundingBox;
use keng::pipeline::Core;
use keng::pipeline::FrameResult;
use keng::pipeline::Watched;
use keng::rule;
use keng::rule::BurningConfig;
use keng::rule::HealthConfig;
use keng::rule::LoiteringConfig;
use keng::rule::Night;
use keng::rule::Rules;
use keng::time::Mono;
use keng::time::Stamp;
use keng::time::Wall;
use keng::track::Track;
use keng::track::Tracker;
use keng::ward::Id;
use keng::ward::Place;
use keng::ward::Site;

use super::bench::Bench;
use super::bench::Plan;
use crate::support::measure::ClockId;

/// Frames of a scene: a minute at five a second.
const FRAMES: usize = 300;
/// 22:30 in Vietnam, when people who stay are looked at.
const NIGHT: Wall = Wall(1_795_275_000_000_000);
const CLOCK: ClockId = ClockId::ThreadCPUTime;

/// Adds `track`, `rules`, `core` for a busy street, and `core` for a crowd.
pub(crate) fn measure(bench: &mut Bench) {
    let scene = Scene::new(10);
    let plan = |title, key| Plan { title, key: Some(key), clock: CLOCK, turns: 60 };
    bench.alone(plan("track, 10 things", "track"), || scene.track());
    let recorded = scene.recorded();
    bench.alone(plan("rules, 10 things", "rules"), || scene.rules(&recorded));
    bench.alone(plan("core (track, rules, incidents), 10 things", "core"), || scene.core());
    let crowd = Scene::new(300);
    bench.alone(plan("core, 300 things", "core_crowded"), || crowd.core());
}

/// Notes how the core's cost grows.
pub(crate) fn measure_crowds(bench: &mut Bench) {
    bench.note("\nthe core by detections a frame:".to_owned());
    bench.note(format!(
        "{:>12}{:>8}{:>10}{:>10}{:>10}{:>12}",
        "detections", "tracks", "track µs", "rules µs", "core µs", "frames/s"
    ));
    for things in [0, 10, 100, 300] {
        let scene = Scene::new(things);
        let recorded = scene.recorded();
        let tracks = recorded.iter().map(|frame| frame.tracks.len()).max().unwrap_or(0);
        let track = bench.time(CLOCK, 20, || scene.track());
        let rules = bench.time(CLOCK, 20, || scene.rules(&recorded));
        let core = bench.time(CLOCK, 20, || scene.core());
        let frames = 1e6 / core;
        bench.note(format!(
            "{things:>12}{tracks:>8}{track:>10.1}{rules:>10.1}{core:>10.1}{frames:>12.0}"
        ));
    }
}

/// What a detector gave, frame by frame.
struct Scene {
    frames: Vec<FrameResult>,
    zone: TimeZone,
}

/// The tracks as they stood after a frame.
struct Recorded {
    at: Stamp,
    tracks: Vec<Track>,
}

impl Scene {
    /// So many things that move about, mostly people, one in eight a fire, one in eight smoke.
    fn new(things: usize) -> Self {
        let frame = |number: usize| FrameResult {
            camera: camera(),
            at: at(number),
            detections: (0..things).map(|thing| detection(thing, number)).collect(),
        };
        let zone = TimeZone::get("Asia/Ho_Chi_Minh").expect("it is built in");
        Self { frames: (0..FRAMES).map(frame).collect(), zone }
    }

    fn track(&self) -> usize {
        let mut tracker = Tracker::new();
        for frame in &self.frames {
            let tracks = tracker.update(&frame.detections, confident, frame.at).count();
            std::hint::black_box(tracks);
        }
        FRAMES
    }

    fn recorded(&self) -> Vec<Recorded> {
        let mut tracker = Tracker::new();
        let mut record = |frame: &FrameResult| {
            let tracks = tracker.update(&frame.detections, confident, frame.at).cloned().collect();
            Recorded { at: frame.at, tracks }
        };
        self.frames.iter().map(&mut record).collect()
    }

    fn rules(&self, recorded: &[Recorded]) -> usize {
        let mut rules = Rules::new(camera(), config(), at(0));
        for frame in recorded {
            let tracks: Vec<&Track> = frame.tracks.iter().collect();
            std::hint::black_box(rules.on_frame(&tracks, &self.zone, frame.at));
        }
        FRAMES
    }

    fn core(&self) -> usize {
        let mut core = core();
        for frame in &self.frames {
            std::hint::black_box(core.on_frame(frame));
        }
        FRAMES
    }
}

/// A core that watches the one camera by the usual rules.
pub(crate) fn core() -> Core {
    let site = Site {
        id: camera(),
        khu_pho: Id::new("kp1").expect("it is an id"),
        place: Place { address: "Hẻm 42".to_owned(), coordinates: None },
        owner: None,
        neighbours: Vec::new(),
    };
    let zone = TimeZone::get("Asia/Ho_Chi_Minh").expect("it is built in");
    Core::new(zone, vec![Watched { site, rules: config() }], at(0))
}

/// The one camera of the benches.
pub(crate) fn camera() -> Id {
    Id::new("bench").expect("letters make an id")
}

/// When a frame was taken.
pub(crate) fn at(number: usize) -> Stamp {
    Stamp { mono: Mono(0), wall: NIGHT } + Duration::from_millis(200 * number as u64)
}

/// Things walk to and fro on rows; their boxes shake, their confidence varies.
fn detection(thing: usize, number: usize) -> Detection {
    let class = match thing % 8 {
        6 => Class::Fire,
        7 => Class::Smoke,
        _ => Class::Person,
    };
    let share = |step: f32| (thing as f32 * step).fract();
    let turn = number as f32 / FRAMES as f32 + share(0.414);
    let shake = ((number * 31 + thing * 17) % 7) as f32 * 0.001;
    let x = 0.05 + 0.85 * share(0.618) + 0.05 * (turn * TAU).sin() + shake;
    let y = 0.1 + 0.7 * share(0.732) + shake;
    let confidence = 0.4 + ((number * 13 + thing * 7) % 50) as f32 / 100.0;
    let shade = u8::try_from(thing % 200).expect("it is below 200");
    let appearance = (class == Class::Person).then(|| Appearance::plain([shade; 3], [60; 3]));
    Detection { class, confidence, bbox: BoundingBox::new(x, y, x + 0.03, y + 0.12), appearance }
}

fn confident(detection: &Detection) -> bool {
    detection.confidence >= config().confidence_min(detection.class)
}

/// As `config/default.toml` has it.
fn config() -> rule::Config {
    let seconds = Duration::from_secs;
    let burning = |confidence_min, confirm| BurningConfig {
        enabled: true,
        confidence_min,
        confirm: seconds(confirm),
        quiet: seconds(20),
        forget: seconds(14 * 86_400),
    };
    let night =
        Night::Hours { from: jiff::civil::time(22, 0, 0, 0), until: jiff::civil::time(5, 0, 0, 0) };
    rule::Config {
        fire: burning(0.45, 3),
        smoke: burning(0.5, 6),
        loitering: LoiteringConfig {
            enabled: true,
            confidence_min: 0.45,
            dwell: seconds(120),
            night,
            quiet: seconds(20),
            return_window: seconds(600),
            group_size: 3,
            group_dwell: seconds(60),
        },
        camera: HealthConfig {
            enabled: true,
            offline: seconds(30),
            frozen: seconds(60),
            blinded: seconds(30),
            clock: Duration::ZERO,
        },
        zones: Vec::new(),
    }
}
