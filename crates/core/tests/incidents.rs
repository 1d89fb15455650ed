//! Laws of the register that hold whatever cameras see and people do: which cameras share an
//! incident, how often people are called, when a siren sounds.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use keng_core::incident::{
    Answer, Incident, IncidentState, Kind, Policy, Register, Report, Silence, SirenPolicy, Sites,
};
use keng_core::rule::{Event, Evidence, Night, Phase, RuleKind};
use keng_core::time::{Mono, Stamp, Wall};
use keng_core::ward::{Coordinates, Id, Location, Site};
use proptest::prelude::*;

const CAMERAS: usize = 8;

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

fn camera(index: usize) -> Id {
    id(&format!("c{index}"))
}

/// A camera's khu phố, its place in metres north and east, where it is known, and a neighbour.
type Spot = (u8, Option<(u16, u16)>, Option<usize>);

fn any_spots() -> impl Strategy<Value = Vec<Spot>> {
    let place = prop::option::weighted(0.8, (0u16..400, 0u16..120));
    let neighbour = prop::option::weighted(0.15, 0..CAMERAS);
    prop::collection::vec((0u8..2, place, neighbour), CAMERAS)
}

fn sites(spots: &[Spot]) -> Sites {
    Sites::new(spots.iter().enumerate().map(|(index, (khu_pho, place, neighbour))| {
        let degrees = |metres: u16| f64::from(metres) / 111_195.0;
        let coordinates = place.map(|(north, east)| Coordinates {
            latitude: 10.79 + degrees(north),
            longitude: 106.66 + degrees(east),
        });
        Site {
            id: camera(index),
            khu_pho: id(&format!("kp{khu_pho}")),
            place: Location { address: String::new(), coordinates },
            owner: None,
            neighbours: neighbour.map(camera).into_iter().filter(|n| *n != camera(index)).collect(),
        }
    }))
}

fn at(ms: u64) -> Stamp {
    let wall = Wall(1_795_274_043_120_000) + Duration::from_millis(ms);
    Stamp { mono: Mono(ms * 1_000), wall }
}

fn event(index: usize, rule: RuleKind, since_ms: u64, ms: u64) -> Event {
    Event {
        camera: camera(index),
        rule,
        phase: Phase::Started,
        at: at(ms),
        since: at(since_ms),
        evidence: Evidence::default(),
    }
}

/// Returns which cameras stand together in the open incidents of a kind.
fn partition(register: &Register) -> BTreeSet<BTreeSet<Id>> {
    let cameras = |incident: &Incident| incident.cameras.iter().map(|s| s.camera.clone()).collect();
    register.open().map(cameras).collect()
}

/// Joins links into components by the book: sets are united until nothing is left to unite.
fn components(events: &[Event], linked: impl Fn(&Event, &Event) -> bool) -> BTreeSet<BTreeSet<Id>> {
    let mut sets: Vec<Vec<&Event>> = events.iter().map(|event| vec![event]).collect();
    'again: loop {
        for i in 0..sets.len() {
            for j in i + 1..sets.len() {
                if sets[i].iter().any(|a| sets[j].iter().any(|b| linked(a, b))) {
                    let more = sets.remove(j);
                    sets[i].extend(more);
                    continue 'again;
                }
            }
        }
        break;
    }
    sets.into_iter().map(|set| set.into_iter().map(|e| e.camera.clone()).collect()).collect()
}

/// One event of each camera, and an order to take them in.
fn any_order() -> impl Strategy<Value = Vec<usize>> {
    Just((0..CAMERAS).collect::<Vec<_>>()).prop_shuffle()
}

fn any_burning() -> impl Strategy<Value = RuleKind> {
    prop::sample::select(vec![RuleKind::Fire, RuleKind::Smoke])
}

/// Mostly one, so that there is something to join.
fn any_fault() -> impl Strategy<Value = RuleKind> {
    prop_oneof![
        4 => Just(RuleKind::Offline),
        1 => Just(RuleKind::Blinded),
        1 => Just(RuleKind::Frozen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn which_cameras_share_a_fire_does_not_depend_on_the_order(
        spots in any_spots(),
        order in any_order(),
        burns in prop::collection::vec(any_burning(), CAMERAS),
        apart_ms in prop::collection::vec(0u64..5_000, CAMERAS),
    ) {
        let sites = sites(&spots);
        let mut register = Register::default();
        let (mut ms, mut events) = (0, Vec::new());
        let mut newest: BTreeMap<_, Incident> = BTreeMap::new();
        for (index, pause) in order.into_iter().zip(apart_ms) {
            ms += pause;
            let event = event(index, burns[index], ms, ms);
            for incident in register.on_events(std::slice::from_ref(&event), &sites) {
                let expected = newest.get(&incident.id).map_or(1, |known| known.revision + 1);
                prop_assert_eq!(incident.revision, expected);
                if let Some(known) = newest.get(&incident.id) {
                    prop_assert!(!known.state.is_closed(), "a closed one never changes");
                    let mut kept = incident.cameras.iter().zip(&known.cameras);
                    prop_assert!(kept.all(|(a, b)| a.camera == b.camera), "never split");
                }
                newest.insert(incident.id.clone(), incident);
            }
            events.push(event);
        }
        let expected = components(&events, |a, b| sites.may_share(&a.camera, &b.camera));
        prop_assert_eq!(partition(&register), expected);
        // Whoever follows the closed ones finds all that is known of them where they lead.
        for closed in newest.values().filter(|incident| incident.state.is_closed()) {
            let into = &newest[closed.merged_into.as_ref().unwrap()];
            for seen in &closed.cameras {
                prop_assert!(into.cameras.iter().any(|known| known.camera == seen.camera));
            }
        }
    }

    #[test]
    fn which_cameras_share_a_power_cut_does_not_depend_on_the_order(
        spots in any_spots(),
        order in any_order(),
        since_ms in prop::collection::vec(0u64..200_000, CAMERAS),
        faults in prop::collection::vec(any_fault(), CAMERAS),
    ) {
        let sites = sites(&spots);
        let mut register = Register::default();
        let mut events = Vec::new();
        for (step, index) in (0u64..).zip(order) {
            events.push(event(index, faults[index], since_ms[index], 260_000 + step));
            drop(register.on_events(&events[events.len() - 1..], &sites));
        }
        let expected = components(&events, |a, b| {
            let apart = a.since.mono.since(b.since.mono).max(b.since.mono.since(a.since.mono));
            let near = sites.same_khu_pho(&a.camera, &b.camera)
                || sites.may_share(&a.camera, &b.camera);
            a.rule == b.rule && apart <= Duration::from_secs(60) && near
        });
        prop_assert_eq!(partition(&register), expected);
    }

    #[test]
    fn what_happens_at_one_moment_gives_the_same_bytes_in_any_order(
        spots in any_spots(), order in any_order(),
    ) {
        let sites = sites(&spots);
        let play = |order: &[usize]| {
            let events: Vec<_> =
                order.iter().map(|index| event(*index, RuleKind::Fire, 0, 0)).collect();
            Register::default().on_events(&events, &sites)
        };
        let sorted: Vec<usize> = (0..CAMERAS).collect();
        prop_assert_eq!(play(&order), play(&sorted));
    }
}

/// One thing that happens in a street with a siren.
#[derive(Clone, Debug)]
enum Input {
    Fire(usize),
    Gone(usize),
    Report { exercise: bool, loud: bool, fire: bool },
    Answer(usize, &'static str),
    Silence(usize),
    Tick,
    Restart,
}

fn any_input() -> impl Strategy<Value = (u64, Input)> {
    let actions = vec!["acknowledge", "on_scene", "resolve", "false_alarm"];
    let report = any::<(bool, bool, bool)>().prop_map(|(exercise, loud, fire)| Input::Report {
        exercise,
        loud,
        fire,
    });
    let input = prop_oneof![
        4 => (0..CAMERAS).prop_map(Input::Fire),
        2 => (0..CAMERAS).prop_map(Input::Gone),
        2 => report,
        1 => (0usize..4, prop::sample::select(actions)).prop_map(|(n, a)| Input::Answer(n, a)),
        1 => (0usize..4).prop_map(Input::Silence),
        20 => Just(Input::Tick),
        1 => Just(Input::Restart),
    ];
    (0u64..12_000, input)
}

const SIREN_S: u64 = 20;
const ESCALATE_S: u64 = 30;

fn policy(drills: bool) -> Policy {
    Policy {
        escalate_after: Some(Duration::from_secs(ESCALATE_S)),
        alerts_per_hour_max: Some(6),
        siren: Some(SirenPolicy {
            khu_pho: vec![id("kp0")],
            after: Duration::from_secs(10),
            seconds_max: u32::try_from(SIREN_S).unwrap(),
            quiet: Some(Night::Hours {
                from: jiff::civil::time(15, 20, 0, 0),
                until: jiff::civil::time(16, 0, 0, 0),
            }),
            exercise: drills,
        }),
    }
}

/// All revisions, and when each was made.
fn play(spots: &[Spot], inputs: &[(u64, Input)], policy: &Policy) -> Vec<(u64, Incident)> {
    let sites = sites(spots);
    let new = || {
        let mut register = Register::default();
        register.set_policy(policy.clone());
        register
    };
    let (mut register, mut ms, mut revisions) = (new(), 0, Vec::new());
    for (pause, input) in inputs {
        let next = ms + pause;
        // The clock ticks once a second throughout.
        while ms / 1_000 < next / 1_000 {
            ms = (ms / 1_000 + 1) * 1_000;
            revisions.extend(register.on_tick(at(ms)).into_iter().map(|incident| (ms, incident)));
        }
        ms = next;
        let khu_pho = id("kp0");
        let known = |n: usize| register.open().nth(n).map(|incident| incident.id.clone());
        let came: Vec<Incident> = match input {
            Input::Fire(index) => {
                register.on_events(&[event(*index, RuleKind::Fire, ms, ms)], &sites)
            }
            Input::Gone(index) => {
                let gone = event(*index, RuleKind::Fire, ms, ms);
                register.on_events(&[Event { phase: Phase::Ended, ..gone }], &sites)
            }
            Input::Report { exercise, loud, fire } => {
                let kind = if *fire { "fire" } else { "smoke" };
                let report = Report::new(kind, "Bà Năm", None, None, at(ms).wall).unwrap();
                let report = if *exercise { report.as_exercise(*loud) } else { report };
                register.on_report(&khu_pho, report, at(ms)).into_iter().collect()
            }
            Input::Answer(n, action) => {
                let Some(target) = known(*n) else { continue };
                let answer = Answer::new(action, "Tổ 3", None).unwrap();
                let said = register.on_answer(&khu_pho, &target, answer, at(ms));
                said.ok().flatten().into_iter().collect()
            }
            Input::Silence(n) => {
                let Some(target) = known(*n) else { continue };
                let silence = Silence::new("Tổ 3").unwrap();
                let said = register.on_silence(&khu_pho, &target, silence, at(ms));
                said.ok().flatten().into_iter().collect()
            }
            Input::Tick => register.on_tick(at(ms)),
            Input::Restart => {
                let open: Vec<Incident> = register.open().cloned().collect();
                register = new();
                register.restore(open, at(ms));
                Vec::new()
            }
        };
        revisions.extend(came.into_iter().map(|incident| (ms, incident)));
    }
    revisions
}

#[test]
fn the_player_of_these_tests_does_sound_the_siren() {
    let spots = vec![(0, Some((0, 0)), None); CAMERAS];
    let inputs = [(0, Input::Fire(0)), (0, Input::Fire(1)), (70_000, Input::Tick)];
    let revisions = play(&spots, &inputs, &policy(false));
    let orders = revisions.iter().filter_map(|(ms, i)| Some((*ms, i.siren.clone()?.on)));
    let orders = orders.collect::<Vec<_>>();
    assert_eq!(orders, [(40_000, true), (60_000, false)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_siren_sounds_only_by_the_rules_and_never_for_long(
        spots in any_spots(),
        inputs in prop::collection::vec(any_input(), 1..150),
        drills: bool,
    ) {
        let policy = policy(drills);
        let revisions = play(&spots, &inputs, &policy);
        prop_assert_eq!(&play(&spots, &inputs, &policy), &revisions, "the same again");
        let mut sounding: BTreeMap<_, u64> = BTreeMap::new();
        for (ms, incident) in &revisions {
            for (id, since) in &sounding {
                let late = ms.saturating_sub(since + SIREN_S * 1_000);
                prop_assert!(late <= 1_000 || *id == incident.id, "{id} sounds for too long");
            }
            prop_assert!(incident.khu_pho == id("kp0") || incident.siren.is_none());
            let Some(siren) = incident.siren.as_ref() else { continue };
            if siren.revision != incident.revision {
                prop_assert!(siren.revision < incident.revision);
                continue;
            }
            if !siren.on {
                sounding.remove(&incident.id);
                continue;
            }
            if siren.at < incident.updated_at {
                // Another incident was merged into this one while it sounded.
                let since = sounding.values().next().copied();
                prop_assert!(sounding.len() == 1, "handed over");
                sounding = BTreeMap::from([(incident.id.clone(), since.unwrap())]);
                continue;
            }
            prop_assert!(sounding.is_empty(), "one at a time");
            sounding.insert(incident.id.clone(), *ms);
            prop_assert_eq!(incident.state, IncidentState::Open, "somebody has taken charge");
            prop_assert!(incident.escalated_at.is_some());
            let quiet = policy.siren.as_ref().unwrap().quiet.unwrap();
            prop_assert!(!quiet.holds(at(*ms).wall, &jiff::tz::TimeZone::UTC));
            prop_assert!(matches!(incident.kind, Kind::Fire | Kind::Smoke));
            prop_assert!(incident.cameras.len() > 1 || !incident.reports.is_empty());
            prop_assert!(!incident.exercise || drills);
            prop_assert!(!incident.exercise || incident.cameras.is_empty(), "drills stay drills");
        }
        for (_, closed) in revisions.iter().filter(|(_, i)| i.state.is_closed()) {
            prop_assert!(!closed.siren.as_ref().is_some_and(|siren| siren.on), "it ends with it");
        }
    }
}
