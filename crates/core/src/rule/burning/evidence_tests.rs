//! Tests of the sums of evidence: what confirms when, and the laws.

use super::*;
use proptest::prelude::*;

const STEP: Duration = Duration::from_millis(250);

fn sight(confidence: f32, objection: f64) -> BurningSight {
    let bbox = BoundingBox::new(0.4, 0.4, 0.5, 0.5);
    BurningSight { bbox, confidence, sure: confidence >= 0.5, objection, grows: false }
}

fn weighing(at: Stamp) -> Weighing<'static> {
    let confirm = Duration::from_secs(3);
    Weighing { at, credit: STEP, gap: Duration::ZERO, confirm, patience: confirm, marks: &[] }
}

/// Seconds until it suffices, of a minute and a half, against verdicts on its place.
fn doubted_s(doubt: f64, frame: impl Fn(u32) -> Vec<BurningSight>) -> Option<f64> {
    let marks = [VerdictWeight { area: BoundingBox::new(0.3, 0.3, 0.6, 0.6), doubt }];
    let mut ledger = Ledger::default();
    (0..360_u32).find_map(|number| {
        let at = Stamp::default() + STEP * number;
        let how = Weighing { marks: &marks, ..weighing(at) };
        let found = ledger.weigh(&frame(number), how);
        found.filter(|found| found.suffices).map(|_| f64::from(number) * 0.25)
    })
}

fn confirmed_s(frame: impl Fn(u32) -> Vec<BurningSight>) -> Option<f64> {
    doubted_s(0.0, frame)
}

#[test]
fn the_time_of_confirmation_is_what_a_flame_takes_and_no_frame_less() {
    assert_eq!(confirmed_s(|_| vec![sight(0.6, 0.0)]), Some(3.0));
    assert_eq!(confirmed_s(|n| vec![sight(0.6, 0.0); usize::from(n < 12)]), None);
    let growing = BurningSight { grows: true, ..sight(0.6, 0.0) };
    assert_eq!(confirmed_s(|_| vec![growing]), Some(2.0));
}

#[test]
fn whatever_speaks_against_it_delays_it_to_the_stated_bars() {
    let half = |_| vec![sight(0.6, 0.5)];
    assert_eq!(confirmed_s(half), Some(8.75), "each second counts about a third of one");
    let known_late = |n: u32| vec![sight(0.6, if n.is_multiple_of(2) { 0.5 } else { 1.0 })];
    assert_eq!(confirmed_s(known_late), Some(3.0 * PLAIN_BAR / 0.5));
    assert_eq!(confirmed_s(|_| vec![sight(0.6, 1.0)]), None, "always the same: no flame");
    assert_eq!(doubted_s(0.25, |_| vec![sight(0.6, 0.0)]), Some(9.75), "one fresh verdict");
    assert_eq!(doubted_s(1.0, |_| vec![sight(0.6, 0.0)]), Some(30.0), "all there can be");
    let all = Some(3.0 * (PLAIN_BAR + MEMORY_PLAIN));
    assert_eq!(doubted_s(1.0, |_| vec![sight(0.6, 0.5)]), all);
    let growing = BurningSight { grows: true, ..sight(0.6, 0.0) };
    assert_eq!(doubted_s(1.0, |_| vec![growing]), Some(4.0));
    let large = BurningSight { bbox: BoundingBox::new(0.3, 0.3, 0.8, 0.8), ..sight(0.6, 0.0) };
    assert_eq!(doubted_s(1.0, |_| vec![large]), Some(3.0), "it reaches beyond the place");
}

#[test]
fn what_was_gathered_before_the_objection_is_taken_back() {
    // A lamp is known as one after two seconds; then it is shaken by the wind for two more.
    let lamp = |number: u32| match number {
        0..8 => vec![sight(0.6, 0.0)],
        8..40 => vec![sight(0.6, 1.0)],
        _ => vec![sight(0.6, 0.0); usize::from(number < 48)],
    };
    assert_eq!(confirmed_s(lamp), None);
}

#[test]
fn a_flame_beside_a_lamp_is_no_lamp() {
    let both = vec![sight(0.9, 1.0), sight(0.5, 0.0)];
    assert_eq!(confirmed_s(|_| both.clone()), Some(3.0));
}

#[test]
fn weak_sights_count_only_where_a_sure_one_was_of_late() {
    assert_eq!(confirmed_s(|_| vec![sight(0.4, 0.0)]), None);
    let one_of = |n: u32| {
        move |number: u32| {
            let confidence = if number.is_multiple_of(n) { 0.6 } else { 0.4 };
            vec![sight(confidence, 0.0)]
        }
    };
    assert_eq!(confirmed_s(one_of(12)), Some(3.0));
    let beside = |_| vec![sight(0.4, 0.0), sight(0.6, 1.0)];
    assert_eq!(confirmed_s(beside), Some(3.0), "the sure one vouches for the weak one");
}

#[test]
fn what_was_seen_before_a_gap_fades_in_it() {
    let mut ledger = Ledger::default();
    let mut see = |at_s: u64, gap_s: u64| {
        let at = Stamp::default() + Duration::from_secs(at_s);
        let (credit, gap) = (Duration::from_secs(1), Duration::from_secs(gap_s));
        let found = ledger.weigh(&[sight(0.6, 0.0)], Weighing { credit, gap, ..weighing(at) });
        found.is_some_and(|found| found.suffices)
    };
    // Two seconds of evidence, of which ten seconds' gap leave none.
    assert_eq!([0, 1, 2].map(|at| see(at, 0)), [false; 3]);
    assert_eq!(
        [13, 14, 15, 16].map(|at| see(at, if at == 13 { 10 } else { 0 })),
        [false, false, false, true]
    );
}

#[test]
fn rare_looks_confirm_a_flame_too_and_a_single_one_never_does() {
    let confirmed_s = |flame: std::ops::Range<u64>| {
        let mut ledger = Ledger::default();
        // As an overloaded machine looks: more rarely than the time of confirmation.
        (0..20_u64).map(|number| number * 45 / 10).find(|at_s| {
            let at = Stamp::default() + Duration::from_secs(*at_s);
            let (credit, gap) = (Duration::from_millis(1_500), Duration::from_secs(3));
            let sights = if flame.contains(at_s) { vec![sight(0.6, 0.0)] } else { Vec::new() };
            let found = ledger.weigh(&sights, Weighing { credit, gap, ..weighing(at) });
            assert_eq!(ledger.glimpses(at), flame.contains(at_s));
            assert_eq!(ledger.is_tense(), flame.contains(at_s) && *at_s > flame.start);
            found.is_some_and(|found| found.suffices)
        })
    };
    assert_eq!(confirmed_s(0..100), Some(18));
    assert_eq!(confirmed_s(9..10), None);
}

#[test]
fn all_of_it_is_forgotten() {
    let mut ledger = Ledger::default();
    for number in 0..200 {
        let sights = vec![sight(0.6, 0.0); usize::from(number < 20)];
        ledger.weigh(&sights, weighing(Stamp::default() + STEP * number));
        assert_eq!(ledger.cells.is_empty(), number >= 83, "{number}");
    }
}

#[test]
fn every_box_reaches_a_cell_and_none_outside() {
    for bbox in [
        BoundingBox::default(),
        BoundingBox::new(1.0, 1.0, 1.0, 1.0),
        BoundingBox::new(0.0, 0.0, 1.0, 1.0),
    ] {
        let cells: Vec<usize> = cells_of(&bbox).collect();
        assert!(!cells.is_empty() && cells.iter().all(|cell| *cell < CELLS), "{bbox:?}");
    }
    assert_eq!(cells_of(&BoundingBox::new(0.0, 0.0, 1.0, 1.0)).count(), CELLS);
}

fn any_sight() -> impl Strategy<Value = BurningSight> {
    let place = (0f32..1.0, 0f32..1.0, 0.01f32..0.4, 0.01f32..0.4);
    (place, 0.3f32..1.0, 0f64..1.0, any::<bool>()).prop_map(
        |((x, y, width, height), confidence, objection, grows)| BurningSight {
            bbox: BoundingBox::new(x, y, x + width, y + height),
            confidence,
            sure: false,
            objection,
            grows,
        },
    )
}

fn any_frames() -> impl Strategy<Value = Vec<(u64, Vec<BurningSight>)>> {
    let frame = (50u64..1_000, prop::collection::vec(any_sight(), 0..4));
    prop::collection::vec(frame, 1..80)
}

/// Returns when it suffices first, by a rule that is sure from `least` on.
fn first(frames: &[(u64, Vec<BurningSight>)], least: f32) -> Option<Stamp> {
    let (mut ledger, mut at) = (Ledger::default(), Stamp::default());
    frames.iter().find_map(|(pause_ms, sights)| {
        let credit = Duration::from_millis(*pause_ms);
        at = at + credit;
        let counts = sights.iter().filter(|sight| sight.confidence >= least * 0.6);
        let sights: Vec<BurningSight> =
            counts.map(|s| BurningSight { sure: s.confidence >= least, ..*s }).collect();
        let how = Weighing { credit, confirm: Duration::from_secs(1), ..weighing(at) };
        ledger.weigh(&sights, how).filter(|found| found.suffices).map(|_| at)
    })
}

/// Returns when it suffices first, of sure sights.
fn alarmed(
    frames: &[(u64, Vec<BurningSight>)],
    marks: &[VerdictWeight],
    confirm: Duration,
) -> Option<Stamp> {
    let (mut ledger, mut at) = (Ledger::default(), Stamp::default());
    frames.iter().find_map(|(pause_ms, sights)| {
        let credit = Duration::from_millis(*pause_ms);
        at = at + credit;
        let how = Weighing { credit, confirm, marks, ..weighing(at) };
        ledger.weigh(sights, how).filter(|found| found.suffices).map(|_| at)
    })
}

fn no_later(sooner: Option<Stamp>, later: Option<Stamp>) -> bool {
    later.is_none_or(|later| sooner.is_some_and(|sooner| sooner <= later))
}

proptest! {
    #[test]
    fn a_lower_threshold_never_alarms_later(
        frames in any_frames(), least in 0.3f32..1.0, share in 0f32..1.0,
    ) {
        let (low, high) = (first(&frames, least * share), first(&frames, least));
        prop_assert!(no_later(low, high), "{:?} after {:?}", low, high);
    }

    #[test]
    fn more_evidence_never_alarms_later(
        frames in any_frames(),
        more in prop::collection::vec(any_sight(), 80),
        by in 0f32..0.5,
    ) {
        let mut richer = frames.clone();
        for ((_, sights), sight) in richer.iter_mut().zip(more) {
            for old in sights.iter_mut() {
                old.confidence = (old.confidence + by).min(1.0);
            }
            sights.push(sight);
        }
        let (rich, poor) = (first(&richer, 0.5), first(&frames, 0.5));
        prop_assert!(no_later(rich, poor), "{:?} after {:?}", rich, poor);
    }

    #[test]
    fn what_speaks_against_it_never_delays_a_flame_beyond_the_bars(
        frames in any_frames(), doubt in 0f64..1.0,
    ) {
        // A flame: not the same in more than half of the cases.
        let flames: Vec<_> = frames.iter().map(|(pause_ms, sights)| {
            let flame =
                |s: &BurningSight| BurningSight { sure: true, objection: s.objection / 2.0, ..*s };
            (*pause_ms, sights.iter().map(flame).collect::<Vec<_>>())
        }).collect();
        // Nothing speaks against it, and as many times the evidence is asked for.
        let plain: Vec<_> = flames.iter().map(|(pause_ms, sights)| {
            let plain = |s: &BurningSight| BurningSight { objection: 0.0, grows: false, ..*s };
            (*pause_ms, sights.iter().map(plain).collect::<Vec<_>>())
        }).collect();
        let whole = [VerdictWeight { area: BoundingBox::new(0.0, 0.0, 1.0, 1.0), doubt }];
        let times = Duration::from_millis(100).mul_f64(PLAIN_BAR + MEMORY_PLAIN);
        let slow = alarmed(&plain, &[], times);
        let doubted = alarmed(&flames, &whole, Duration::from_millis(100));
        prop_assert!(no_later(doubted, slow), "{:?} after {:?}", doubted, slow);
    }

    #[test]
    fn the_order_of_sights_does_not_matter(frames in any_frames()) {
        let turned: Vec<_> = frames.iter().map(|(pause_ms, sights)| {
            (*pause_ms, sights.iter().rev().copied().collect::<Vec<_>>())
        }).collect();
        prop_assert_eq!(first(&frames, 0.5), first(&turned, 0.5));
    }
}
