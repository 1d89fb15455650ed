//! Rows, verdicts, advice.

use std::time::Duration;

use super::advice::{Advice, Choice, VERDICTS_MIN, advise, share};
use super::compare::{JudgedIncident, judged, outcome, rows};
use super::play::ReplayedAlert;
use crate::detection_log::StoredVerdict;
use crate::incident::{IncidentId, IncidentState, Kind};
use crate::rule::RuleKind;
use crate::time::{Mono, Stamp, Wall};
use crate::ward::Id;

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

fn second(s: i64) -> Wall {
    Wall(s * 1_000_000)
}

/// Told after 3 s, over after 30.
fn told(kind: Kind, camera: &str, from: i64) -> ReplayedAlert {
    ReplayedAlert {
        kind,
        cameras: [id(camera)].into(),
        opened_at: second(from),
        told_at: second(from + 3),
        until: second(from + 30),
    }
}

fn verdict(kind: Kind, camera: &str, from: i64, real: bool) -> JudgedIncident {
    JudgedIncident {
        kind,
        cameras: vec![id(camera)],
        opened_at: second(from),
        judged_at: second(from + 60),
        real,
    }
}

#[test]
fn what_is_told_both_times_is_kept_whatever_it_is_called() {
    let fire = |camera, from| told(Kind::Fire, camera, from);
    let before = [fire("a", 0), fire("a", 1_000), fire("b", 0)];
    let after = [
        told(Kind::Smoke, "a", 10),
        fire("a", 5_000),
        told(Kind::Loitering, "a", 1_000),
        fire("b", 89),
    ];
    let found = rows(&before, &after);
    let plain: Vec<_> = found
        .iter()
        .map(|row| {
            let (gained, lost) = (row.gained.as_slice(), row.lost.as_slice());
            (row.camera.as_str(), row.kind, row.kept, gained, lost)
        })
        .collect();
    let expected = [
        ("a", Kind::Loitering, 0, &[second(1_003)][..], &[][..]),
        ("a", Kind::Fire, 1, &[second(5_003)][..], &[second(1_003)][..]),
        ("b", Kind::Fire, 1, &[][..], &[][..]),
    ];
    assert_eq!(plain, expected);
    // One second later it is another fire.
    let far = rows(&[fire("b", 0)], &[fire("b", 91)]);
    assert_eq!((far[0].kept, far[0].gained.len(), far[0].lost.len()), (0, 1, 1));
}

#[test]
fn one_alert_is_matched_once() {
    let twice = [told(Kind::Fire, "a", 0), told(Kind::Fire, "a", 20)];
    let found = rows(&twice, &twice[..1]);
    assert_eq!((found[0].kept, found[0].lost.len()), (1, 1));
}

#[test]
fn the_last_word_counts_and_drills_do_not() {
    let said = |incident: &str, state, on_scene, exercise, camera: Option<&str>| StoredVerdict {
        at: Stamp { mono: Mono(0), wall: second(60) },
        incident: IncidentId::parse(incident).unwrap(),
        khu_pho: id("kp1"),
        kind: Kind::Fire,
        state,
        on_scene,
        exercise,
        opened_at: second(0),
        cameras: camera.map(id).into_iter().collect(),
    };
    let verdicts = [
        said("1", IncidentState::Acknowledged, false, false, Some("a")),
        said("1", IncidentState::FalseAlarm, false, false, Some("a")),
        said("2", IncidentState::OnScene, true, false, Some("b")),
        said("2", IncidentState::Expired, true, false, Some("b")),
        said("3", IncidentState::Acknowledged, false, false, Some("c")),
        said("4", IncidentState::FalseAlarm, false, true, Some("d")),
        said("5", IncidentState::Resolved, false, false, None),
        said("6", IncidentState::Expired, false, false, Some("e")),
    ];
    let found = judged(&verdicts);
    let plain: Vec<_> = found.iter().map(|one| (one.cameras[0].as_str(), one.real)).collect();
    assert_eq!(plain, [("a", false), ("b", true)]);
}

#[test]
fn what_people_said_is_held_against_both() {
    let judged = [
        verdict(Kind::Fire, "a", 0, false),
        verdict(Kind::Fire, "b", 0, true),
        verdict(Kind::Fire, "c", 0, true),
        verdict(Kind::Fire, "d", 0, true),
    ];
    let before = ["a", "b", "c"].map(|camera| told(Kind::Fire, camera, 0));
    let mut after = [told(Kind::Fire, "c", 0)];
    after[0].told_at = second(5);
    let found = outcome(&judged, &before, &after);
    assert_eq!((found.before.real, found.before.untrue), ((2, 3), (1, 1)));
    assert_eq!((found.after.real, found.after.untrue), ((1, 3), (0, 1)));
    assert_eq!((found.lost, found.spared), (vec![second(0)], 1));
    assert_eq!(found.later, [Duration::from_secs(2)]);
}

const PRESENT: Choice = Choice { confidence_min: 0.45, lasts: Duration::from_secs(3) };

fn choice(confidence_min: f32) -> Choice {
    Choice { confidence_min, ..PRESENT }
}

/// Six real fires and as many lamps, a camera each.
fn ward(verdicts: usize) -> (Vec<JudgedIncident>, Vec<ReplayedAlert>) {
    let camera = |n: usize| format!("c{n}");
    let judged = (0..verdicts).map(|n| verdict(Kind::Fire, &camera(n), 0, n.is_multiple_of(2)));
    let all = (0..verdicts).map(|n| told(Kind::Fire, &camera(n), 0));
    (judged.collect(), all.collect())
}

#[test]
fn fewer_false_alarms_win_and_then_the_smaller_change() {
    let (judged, before) = ward(12);
    let real: Vec<ReplayedAlert> = before.iter().step_by(2).cloned().collect();
    let mut fewer = real.clone();
    fewer.truncate(5);
    let mut late = real.clone();
    late[0].told_at = second(3 + 6);
    let mut talkative = real.clone();
    talkative.extend((0..20).map(|n| told(Kind::Fire, "x", 1_000 * (n + 1))));
    let tried = |wanted: &[(f32, &Vec<ReplayedAlert>)]| -> Vec<(Choice, Vec<ReplayedAlert>)> {
        let rest = wanted.iter().map(|(confidence, told)| (choice(*confidence), (*told).clone()));
        std::iter::once((PRESENT, before.clone())).chain(rest).collect()
    };
    let best = tried(&[(0.65, &real), (0.55, &real), (0.60, &real), (0.50, &before)]);
    let Advice::Change(found, outcome) = advise(RuleKind::Fire, &judged, &best) else { panic!() };
    assert_eq!((found, outcome.spared), (choice(0.55), 6));
    // What loses a real one, is late, or says what nobody has judged, is never advised.
    let worse = tried(&[(0.55, &fewer), (0.60, &late), (0.30, &talkative)]);
    assert!(matches!(advise(RuleKind::Fire, &judged, &worse), Advice::Keep(_)));
    // Of another rule there are no verdicts.
    assert_eq!(advise(RuleKind::Smoke, &judged, &best), Advice::TooFew(0));
}

#[test]
fn a_verdict_short_of_enough_gives_no_advice() {
    for (verdicts, enough) in [(VERDICTS_MIN - 1, false), (VERDICTS_MIN, true)] {
        let (judged, before) = ward(verdicts);
        let advice = advise(RuleKind::Fire, &judged, &[(PRESENT, before)]);
        assert_eq!(matches!(advice, Advice::Keep(_)), enough, "{verdicts}: {advice:?}");
    }
}

#[test]
fn the_grid_begins_with_the_present_and_makes_sense() {
    for confidence_min in [0.0, 0.12, 0.45, 0.9, 1.0] {
        let present = choice(confidence_min);
        let grid = present.grid();
        assert_eq!(grid[0], present);
        assert!(grid.len() > 10 && grid.len() <= 36, "{}", grid.len());
        for (index, one) in grid.iter().enumerate() {
            assert!((0.0..=1.0).contains(&one.confidence_min) && !one.lasts.is_zero());
            assert!(!grid[..index].contains(one), "{one:?} twice");
        }
    }
}

#[test]
fn a_share_of_few_is_wide() {
    // Wilson's interval of 8 in 10, as tables have it.
    let (p, low, high) = share(8, 10).unwrap();
    assert!((p - 0.8).abs() < 1e-9 && (low - 0.490).abs() < 1e-3 && (high - 0.943).abs() < 1e-3);
    assert_eq!(share(0, 0), None);
    assert_eq!(share(10, 10).unwrap().2, 1.0);
}
