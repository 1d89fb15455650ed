//! Fire and smoke against what is taken for them: our rule beside others on the same detections,
//! and the laws that it keeps.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use keng_testkit::judges;
use keng_testkit::sequences;

use std::time::Duration;

use keng_core::detection::{Class, Detection};
use keng_core::geometry::BoundingBox;
use keng_core::incident::{Answer, Incident};
use keng_core::pipeline::{Command, Core, FrameResult, Watched};
use keng_core::rule::{BurningConfig, Config, HealthConfig, LoiteringConfig, Night};
use keng_core::time::{Mono, Stamp, Wall};
use keng_core::ward::{Id, Location, Site};
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
    let midnight = jiff::civil::Time::midnight();
    Watched {
        site: Site {
            id: id("gate"),
            khu_pho: id("kp1"),
            place: Location::default(),
            owner: None,
            neighbours: Vec::new(),
        },
        rules: Config {
            fire: BurningConfig { confidence_min, ..BurningConfig::default() },
            smoke: BurningConfig {
                confidence_min: confidence_min + 0.05,
                ..BurningConfig::smoke()
            },
            loitering: LoiteringConfig {
                enabled: false,
                night: Night::Hours { from: midnight, until: midnight },
                ..LoiteringConfig::default()
            },
            camera: HealthConfig { enabled: false, ..HealthConfig::default() },
            ..Config::default()
        },
    }
}

/// Returns when a scene of these tests begins: some evening.
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

/// The same where people have said each evening before that it is nothing.
fn ours_after(verdicts: u32, scene: Scene, seed: u64) -> Option<f64> {
    let mut core = core(0.45, evening());
    let frames = scene.play(seed);
    let mut begin = evening();
    for _ in 0..verdicts {
        if let Some((incident, at_s)) = first(&mut core, &frames, begin) {
            let answer = Answer::new("false_alarm", "Tổ 3", None).unwrap();
            let at = begin + Duration::from_secs_f64(at_s);
            core.on_command(&id("kp1"), Command::Answer(incident.id, answer), at).unwrap();
        }
        core.on_tick(begin + Duration::from_secs(3_600));
        begin = begin + DAY;
    }
    first(&mut core, &frames, begin).map(|(_, at_s)| at_s)
}

/// The rate at which it alarmed, and after how long in the middle.
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

#[test]
fn our_rule_beside_others_over_made_sequences() {
    println!("| two minutes of | ours | seconds alone | log-odds | Pyronear's window | at 30 s |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for (name, scene) in Scene::ALL {
        let all: Vec<_> = (0..SEEDS).map(|seed| judged(&scene.play(seed), scene.class())).collect();
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

/// The detections that `keng replay` prints, frame by frame; none where the corpus is not there.
#[expect(clippy::print_stdout, reason = "what is skipped is collected and told")]
fn clips() -> Option<Vec<(String, Vec<Frame>)>> {
    let Some(corpus) = std::env::var_os("KENG_CORPUS") else {
        println!("skipped: KENG_CORPUS is not set");
        return None;
    };
    let root = keng_testkit::root();
    let model = root.join("models/keng.onnx");
    if !model.exists() {
        println!("skipped: there is no models/keng.onnx");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("keng.toml");
    let text = format!(
        "[ward]\nid = \"w\"\n[detector]\nmodel = {:?}\n[[khu_pho]]\nid = \"kp1\"\n[[camera]]\n\
         id = \"gate\"\nkhu_pho = \"kp1\"\nurl = \"rtsp://192.0.2.1/a\"\n\
         place = {{ address = \"x\" }}\n",
        model.to_str().unwrap()
    );
    std::fs::write(&config, text).unwrap();
    let listing = std::fs::read_dir(std::path::Path::new(&corpus).join("clips")).unwrap();
    let mut files: Vec<_> = listing.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "mp4"));
    files.sort();
    let runtime = root.join(".runtime/onnxruntime/libonnxruntime.so");
    let replay = |file: &std::path::PathBuf| {
        let mut command = std::process::Command::new(keng_testkit::program());
        command.arg("replay").arg(file).arg("--config").arg(&config).arg("--detections");
        if runtime.exists() {
            command.env("ORT_DYLIB_PATH", &runtime);
        }
        let output = command.env("NO_COLOR", "1").output().unwrap();
        assert!(output.status.success(), "{}: {output:?}", file.display());
        let told = String::from_utf8(output.stderr).unwrap();
        let frames: Vec<Frame> = told.lines().filter_map(frame).collect();
        assert!(!frames.is_empty(), "{}: no frames are told", file.display());
        (file.file_stem().unwrap().to_string_lossy().into_owned(), frames)
    };
    Some(files.iter().map(replay).collect())
}

/// A line of `--detections`.
fn frame(line: &str) -> Option<Frame> {
    let (_, rest) = line.split_once(" at_s=")?;
    let (at_s, list) = rest.split_once(" detections=")?;
    let number = |text: &str, key: &str| -> f32 {
        let (_, rest) = text.split_once(key).unwrap();
        let end = rest.find([',', ' ', '}']).unwrap();
        rest[..end].parse().unwrap()
    };
    let detections = list.split("class: ").skip(1).map(|text| {
        let class = match text.split(',').next() {
            Some("Fire") => Class::Fire,
            Some("Smoke") => Class::Smoke,
            _ => Class::Person,
        };
        let [x0, y0, x1, y1] = ["x0: ", "y0: ", "x1: ", "y1: "].map(|key| number(text, key));
        let confidence = number(text, "confidence: ");
        Detection { class, confidence, bbox: BoundingBox::new(x0, y0, x1, y1), appearance: None }
    });
    Some((at_s.parse().unwrap(), detections.collect()))
}

#[test]
fn our_rule_beside_others_over_real_clips() {
    let Some(clips) = clips() else { return };
    println!("| clip | ours | seconds alone | log-odds | Pyronear's window |");
    println!("| --- | --- | --- | --- | --- |");
    for (name, frames) in clips {
        let told = |alarm: Option<f64>| alarm.map_or("–".to_owned(), |s| format!("{s:.1} s"));
        let [fire, smoke] = [Class::Fire, Class::Smoke].map(|class| judged(&frames, class));
        let sooner = |judge: usize| match (fire[judge], smoke[judge]) {
            (Some(fire), Some(smoke)) => Some(fire.min(smoke)),
            (fire, smoke) => fire.or(smoke),
        };
        let cells = [0, 1, 2, 3].map(|judge| told(sooner(judge))).join(" | ");
        println!("| {name} | {cells} |");
        if sooner(1).is_none() {
            assert!(sooner(0).is_none(), "{name}: told where seconds alone tell nothing");
        }
        // A camera held by hand that pans takes the flames out of their place; and a glow that
        // stands still behind windows is doubted for a while.
        let late = |own: f64, plain: f64| own > plain + 3.0;
        if let (Some(own), Some(plain)) = (sooner(0), sooner(1)) {
            assert!(!late(own, plain), "{name}: {own} s after {plain} s");
        }
    }
}

#[test]
fn what_false_alarms_taught_survives_a_restart_and_a_camera_that_was_away() {
    let frames = Scene::Fire(0.9).play(3);
    let fresh = ours(&frames).unwrap();
    let mut before = core(0.45, evening());
    let (incident, at_s) = first(&mut before, &frames, evening()).unwrap();
    let answer = Answer::new("false_alarm", "Tổ 3", None).unwrap();
    let at = evening() + Duration::from_secs_f64(at_s);
    let said = before.on_command(&id("kp1"), Command::Answer(incident.id, answer), at);
    let closed = said.unwrap().unwrap();

    let next_day = evening() + DAY;
    before.on_tick(at + Duration::from_secs(3_600));
    let kept = first(&mut before.clone(), &frames, next_day).unwrap().1;
    assert!(kept > fresh * 2.0, "{kept} s, at first {fresh} s");

    // Consent ends, and is given again.
    before.configure(jiff::tz::TimeZone::UTC, Vec::new(), at + Duration::from_secs(7_200));
    let again = at + Duration::from_secs(7_300);
    before.configure(jiff::tz::TimeZone::UTC, vec![watched(0.45)], again);
    assert_eq!(first(&mut before, &frames, next_day).unwrap().1, kept);

    // The daemon starts again: its monotonic clock begins anew, and cameras come after the log.
    let start = Stamp { mono: Mono(5_000_000), ..next_day };
    let mut after = Core::new(jiff::tz::TimeZone::UTC, Vec::new(), start);
    after.recall(&closed, start);
    after.configure(jiff::tz::TimeZone::UTC, vec![watched(0.45)], start);
    assert_eq!(first(&mut after, &frames, start).unwrap().1, kept);

    // Long ago is nearly forgotten; a drill and what was settled teach nothing.
    let long_after = Stamp { wall: start.wall + DAY * 300, ..start };
    let settled =
        Incident { state: keng_core::incident::IncidentState::Resolved, ..closed.clone() };
    let drill = Incident { exercise: true, ..closed.clone() };
    for (incident, start) in [(closed, long_after), (settled, start), (drill, start)] {
        let mut other = core(0.45, start);
        other.recall(&incident, start);
        assert_eq!(first(&mut other, &frames, start).unwrap().1, fresh);
    }
}

/// Frames of few things at few places, at any pace.
fn any_frames() -> impl Strategy<Value = Vec<Frame>> {
    let thing = (0usize..2, 0u8..4, 0.2f32..1.0, -0.02f32..0.02, -0.02f32..0.02);
    let frame = (100u32..1_200, prop::collection::vec(thing, 0..4));
    prop::collection::vec(frame, 1..60).prop_map(|frames| {
        let mut at_s = 0.0;
        let shown = |(class, place, confidence, dx, dy): (usize, u8, f32, f32, f32)| {
            let (x, y) = (0.2 * f32::from(place) + 0.1 + dx, 0.4 + dy);
            let bbox = BoundingBox::new(x, y, x + 0.1 + dy, y + 0.1 + dx);
            let class = [Class::Fire, Class::Smoke][class];
            Detection { class, confidence, bbox, appearance: None }
        };
        let placed = |(pause_ms, things): (u32, Vec<_>)| {
            at_s += f64::from(pause_ms) / 1_000.0;
            (at_s, things.into_iter().map(shown).collect())
        };
        frames.into_iter().map(placed).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_lower_confidence_min_never_alarms_later(
        frames in any_frames(), least in 0.35f32..0.8, less in 0f32..0.4,
    ) {
        let at = |least: f32| first(&mut core(least, evening()), &frames, evening());
        let (low, high) = (at((least - less).max(0.34)), at(least));
        if let Some((_, high_s)) = high {
            prop_assert!(low.is_some_and(|(_, low_s)| low_s <= high_s));
        }
    }

    #[test]
    fn the_order_of_detections_in_a_frame_does_not_matter(frames in any_frames()) {
        let turned: Vec<Frame> = frames.iter().map(|(at_s, detections)| {
            (*at_s, detections.iter().rev().copied().collect())
        }).collect();
        let play = |frames: &[Frame]| first(&mut core(0.45, evening()), frames, evening());
        prop_assert_eq!(play(&frames), play(&turned));
    }

    #[test]
    fn a_wall_clock_that_jumps_changes_nothing(
        frames in any_frames(), jump_s in -90_000i64..90_000, after in 0usize..60,
    ) {
        let play = |jump_s: i64| {
            let mut core = core(0.45, evening());
            let mut told = Vec::new();
            for (number, (at_s, detections)) in frames.iter().enumerate() {
                let truly = evening() + Duration::from_secs_f64(*at_s);
                let jump_us = if number >= after { jump_s * 1_000_000 } else { 0 };
                let at = Stamp { wall: Wall(truly.wall.0 + jump_us), ..truly };
                let detections = detections.clone();
                let frame = FrameResult { camera: id("gate"), at, detections };
                for incident in core.on_frame(&frame) {
                    told.push((*at_s, incident.kind, incident.revision));
                    let answer = Answer::new("false_alarm", "Tổ 3", None).unwrap();
                    let said = Command::Answer(incident.id, answer);
                    core.on_command(&id("kp1"), said, at).unwrap();
                }
            }
            told
        };
        prop_assert_eq!(play(0), play(jump_s));
    }
}
