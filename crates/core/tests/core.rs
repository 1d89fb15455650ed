//! Laws of the core that hold whatever comes in: `pipeline` and `incident`, by random input.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use keng_core::detection::{Class, Detection};
use keng_core::geometry::BoundingBox;
use keng_core::incident::{Answer, Incident, IncidentState, Kind, Policy, Report, SirenPolicy};
use keng_core::pipeline::{Command, Core, FrameResult, Watched};
use keng_core::rule::{BurningConfig, Config, LoiteringConfig, Night};
use keng_core::time::{Mono, Stamp, Wall};
use keng_core::ward::{Id, Location, Site};
use proptest::prelude::*;

const CAMERAS: [&str; 3] = ["a", "b", "c"];

/// One thing that happens, and how long after the one before.
#[derive(Clone, Debug)]
enum Input {
    Frame { camera: usize, things: Vec<(usize, f32, f32, f32)> },
    Tick,
    Answer { incident: usize, action: &'static str },
    Report { kind: &'static str },
    Forget { camera: usize },
}

fn any_input() -> impl Strategy<Value = (u64, Input)> {
    let thing = (0usize..3, 0f32..1.0, 0f32..1.0, 0f32..1.0);
    let frame = (0usize..3, prop::collection::vec(thing, 0..4))
        .prop_map(|(camera, things)| Input::Frame { camera, things });
    let actions = vec!["acknowledge", "on_scene", "resolve", "false_alarm"];
    let answer = (0usize..8, prop::sample::select(actions))
        .prop_map(|(incident, action)| Input::Answer { incident, action });
    let kinds = vec!["fire", "smoke", "loitering", "other"];
    let report = prop::sample::select(kinds).prop_map(|kind| Input::Report { kind });
    let input = prop_oneof![
        20 => frame,
        4 => Just(Input::Tick),
        2 => answer,
        1 => report,
        1 => (0usize..3).prop_map(|camera| Input::Forget { camera }),
    ];
    // Mostly a frame's pause, now and then minutes.
    (prop_oneof![9 => 0u64..1_000, 1 => 0u64..400_000], input)
}

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

fn watched(name: &str) -> Watched {
    let seconds = Duration::from_secs;
    let burning = |confirm| BurningConfig {
        confidence_min: 0.4,
        confirm: seconds(confirm),
        quiet: seconds(20),
        ..BurningConfig::default()
    };
    let midnight = jiff::civil::Time::midnight();
    Watched {
        site: Site {
            id: id(name),
            khu_pho: id("kp1"),
            place: Location::default(),
            owner: None,
            neighbours: Vec::new(),
        },
        rules: Config {
            fire: burning(1),
            smoke: burning(2),
            loitering: LoiteringConfig {
                confidence_min: 0.4,
                dwell: seconds(5),
                night: Night::Hours { from: midnight, until: midnight },
                quiet: seconds(20),
                return_window: seconds(60),
                group_size: 2,
                group_dwell: seconds(3),
                ..LoiteringConfig::default()
            },
            ..Config::default()
        },
    }
}

/// All revisions, in order.
fn play(inputs: &[(u64, Input)]) -> Vec<Incident> {
    play_by(&Policy::default(), inputs, |now| now)
}

/// A ward that calls soon, hears little, and has a siren.
fn strict() -> Policy {
    Policy {
        escalate_after: Some(Duration::from_secs(20)),
        alerts_per_hour_max: Some(3),
        siren: Some(SirenPolicy {
            khu_pho: vec![id("kp1")],
            after: Duration::from_secs(5),
            seconds_max: 10,
            quiet: None,
            exercise: false,
        }),
    }
}

/// The same on a machine whose clocks show what `clock` makes of true time.
fn play_by(
    policy: &Policy,
    inputs: &[(u64, Input)],
    clock: impl Fn(Stamp) -> Stamp,
) -> Vec<Incident> {
    let mut truly = Stamp { mono: Mono(0), wall: Wall(1_795_274_043_120_000) };
    let mut now = clock(truly);
    let all = || CAMERAS.map(watched).to_vec();
    let mut core = Core::new(jiff::tz::TimeZone::UTC, all(), now);
    core.set_policy(policy.clone());
    let mut revisions: Vec<Incident> = Vec::new();
    for (pause_ms, input) in inputs {
        truly = truly + Duration::from_millis(*pause_ms);
        now = clock(truly);
        let came = match input {
            Input::Frame { camera, things } => {
                let detections = things.iter().map(|&(class, x, y, confidence)| Detection {
                    class: Class::ALL[class],
                    confidence,
                    // Few places, so that things meet again.
                    bbox: BoundingBox::new(x.round() * 0.5, y * 0.1, x.round() * 0.5 + 0.2, 0.6),
                    appearance: None,
                });
                let camera = id(CAMERAS[*camera]);
                let detections = detections.collect();
                core.on_frame(&FrameResult { camera, at: now, detections })
            }
            Input::Tick => core.on_tick(now),
            Input::Answer { incident, action } => {
                let known: Vec<_> = core.open().map(|incident| incident.id.clone()).collect();
                let Some(target) = known.get(*incident).cloned() else { continue };
                let answer = Answer::new(action, "Tổ 3", None).unwrap();
                let said = core.on_command(&id("kp1"), Command::Answer(target, answer), now);
                said.ok().flatten().into_iter().collect()
            }
            Input::Report { kind } => {
                let report = Report::new(kind, "Bà Năm", None, None, now.wall).unwrap();
                let said = core.on_command(&id("kp1"), Command::Report(report), now);
                said.unwrap().into_iter().collect()
            }
            Input::Forget { camera } => {
                let mut rest = all();
                rest.remove(*camera);
                let mut came = core.configure(jiff::tz::TimeZone::UTC, rest, now);
                came.extend(core.configure(jiff::tz::TimeZone::UTC, all(), now));
                came
            }
        };
        revisions.extend(came);
    }
    revisions
}

#[test]
fn the_player_of_these_tests_does_bring_forth_incidents() {
    let fire = |camera| Input::Frame { camera, things: vec![(0, 0.1, 0.1, 0.9)] };
    let mut inputs: Vec<_> = (0..40).map(|step| (200, fire(step % 3))).collect();
    inputs.push((0, Input::Answer { incident: 0, action: "acknowledge" }));
    inputs.push((0, Input::Forget { camera: 1 }));
    inputs.push((400_000, Input::Tick));
    let revisions = play(&inputs);
    let fires: Vec<_> = revisions.iter().filter(|i| i.kind == Kind::Fire).collect();
    let last = fires.last().unwrap();
    assert!(fires.iter().all(|incident| incident.id == last.id), "one khu phố, one fire");
    assert!(revisions.iter().any(|i| i.kind == Kind::Camera), "then all of them are silent");
    assert_eq!((last.cameras.len(), last.state), (3, IncidentState::Acknowledged));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_laws_of_incidents_hold(
        inputs in prop::collection::vec(any_input(), 1..200), is_strict: bool,
    ) {
        let policy = if is_strict { strict() } else { Policy::default() };
        let play = |inputs: &[(u64, Input)]| play_by(&policy, inputs, |now| now);
        let revisions = play(&inputs);
        let mut newest: BTreeMap<_, Incident> = BTreeMap::new();
        for incident in &revisions {
            let before = newest.insert(incident.id.clone(), incident.clone());
            let expected = before.as_ref().map_or(1, |before| before.revision + 1);
            prop_assert_eq!(incident.revision, expected, "revisions count up by one");
            prop_assert_eq!(incident.closed_at.is_some(), incident.state.is_closed());
            prop_assert!(!incident.cameras.is_empty() || !incident.reports.is_empty());
            if let Some(before) = before {
                prop_assert!(!before.state.is_closed(), "a closed one never changes");
                prop_assert!(incident.kind >= before.kind && incident.state >= before.state);
                prop_assert_eq!(incident.opened_at, before.opened_at);
                prop_assert!(incident.updated_at >= before.updated_at);
                prop_assert!(incident.severity >= before.severity, "it never falls");
                let kept = before.cameras.iter().zip(&incident.cameras);
                prop_assert!(kept.into_iter().all(|(old, new)| old.camera == new.camera));
            } else {
                prop_assert_eq!(incident.state, IncidentState::Open);
            }
        }
        prop_assert_eq!(&play(&inputs), &revisions, "the same inputs give the same revisions");
    }

    #[test]
    fn a_wall_clock_that_jumps_changes_nothing_but_the_times_that_are_told(
        inputs in prop::collection::vec(any_input(), 1..200),
        jump_s in -3_600i64..3_600,
    ) {
        // Reports are told apart by the wall's time, so that a redelivery is known again.
        let inputs: Vec<_> =
            inputs.into_iter().filter(|(_, i)| !matches!(i, Input::Report { .. })).collect();
        let jumps = |now: Stamp| match now.mono.0 {
            0..20_000_000 => now,
            _ => Stamp { wall: Wall(now.wall.0 + jump_s * 1_000_000), ..now },
        };
        let timeless = |incidents: Vec<Incident>| -> Vec<_> {
            incidents.into_iter().map(|i| (i.revision, i.kind, i.state, i.dwell)).collect()
        };
        let by_default = Policy::default();
        let (steady, jumping) = (play(&inputs), play_by(&by_default, &inputs, jumps));
        // Incidents of one moment are told in the order of their ids, which carry the time.
        let (mut steady, mut jumping) = (timeless(steady), timeless(jumping));
        steady.sort_unstable();
        jumping.sort_unstable();
        prop_assert_eq!(steady, jumping);
    }
}
