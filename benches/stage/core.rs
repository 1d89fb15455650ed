//! Tracks, rules and the whole core, on scenes that were recorded before; and how that grows with
//! the number of things in view.

use keng::rule::Rules;
use keng::track::Track;
use keng::track::Tracker;

use super::bench::Bench;
use super::bench::Plan;
use crate::support::measure::ClockId;
use crate::support::scene;
use crate::support::scene::FRAMES;
use crate::support::scene::Recorded;
use crate::support::scene::Scene;

const CLOCK: ClockId = ClockId::ThreadCPUTime;

/// Adds `track`, `rules`, `core` for a busy street, and `core` for a crowd.
pub(crate) fn measure(bench: &mut Bench) {
    let scene = Scene::new(10);
    let plan = |title, key| Plan { title, key: Some(key), clock: CLOCK, turns: 60 };
    bench.alone(plan("track, 10 things", "track"), || track(&scene));
    let recorded = scene.recorded();
    bench.alone(plan("rules, 10 things", "rules"), || rules(&scene, &recorded));
    bench.alone(plan("core (track, rules, incidents), 10 things", "core"), || core(&scene));
    let crowd = Scene::new(300);
    bench.alone(plan("core, 300 things", "core_crowded"), || core(&crowd));
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
        let track = bench.time(CLOCK, 20, || track(&scene));
        let rules = bench.time(CLOCK, 20, || rules(&scene, &recorded));
        let core = bench.time(CLOCK, 20, || core(&scene));
        let frames = 1e6 / core;
        bench.note(format!(
            "{things:>12}{tracks:>8}{track:>10.1}{rules:>10.1}{core:>10.1}{frames:>12.0}"
        ));
    }
}

fn track(scene: &Scene) -> usize {
    let mut tracker = Tracker::new();
    for frame in &scene.frames {
        let tracks = tracker.update(&frame.detections, scene::confident, frame.at).count();
        std::hint::black_box(tracks);
    }
    FRAMES
}

fn rules(scene: &Scene, recorded: &[Recorded]) -> usize {
    let mut rules = Rules::new(scene::camera(), scene::config(), scene::at(0));
    for frame in recorded {
        let tracks: Vec<&Track> = frame.tracks.iter().collect();
        std::hint::black_box(rules.on_frame(&tracks, &scene.zone, frame.at));
    }
    FRAMES
}

fn core(scene: &Scene) -> usize {
    let mut core = scene::core();
    for frame in &scene.frames {
        std::hint::black_box(core.on_frame(frame));
    }
    FRAMES
}
