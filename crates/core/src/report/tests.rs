//! Counting at the edges, and sums.

use jiff::civil::date;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::history::{UptimeEvent, UptimeRecord};
use crate::incident::{IncidentId, IncidentState, Kind};
use crate::rule::health::Fault;
use crate::ward::{Language, Location};

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

fn wall(text: &str) -> Wall {
    Wall::parse_rfc3339(text).unwrap()
}

fn ward(zone: &str) -> Ward {
    Ward {
        id: id("phuong-14"),
        name: "Phường 14".into(),
        timezone: TimeZone::get(zone).unwrap(),
        language: Language::Vi,
    }
}

/// A fire of `kp3` that was opened then and resolved ten minutes later.
fn fire(name: &str, opened: &str) -> IncidentRecord {
    let opened_at = wall(opened);
    let after = |seconds| Some(opened_at + std::time::Duration::from_secs(seconds));
    IncidentRecord {
        id: IncidentId::parse(name).unwrap(),
        revision: 5,
        khu_pho: id("kp3"),
        kind: Kind::Fire,
        state: IncidentState::Resolved,
        opened_at,
        acknowledged_at: after(60),
        on_scene_at: after(300),
        escalated_at: None,
        closed_at: after(600),
        cameras: vec![id("hem-42")],
        fault: None,
        merged_into: None,
        exercise: false,
    }
}

fn book(cases: Vec<IncidentRecord>) -> History {
    History { cases, begun: Some(wall("2026-01-01T00:00:00Z")), ..History::default() }
}

/// The figures of some days of 2026.
fn figures(book: &History, zone: &str, from: (i8, i8), to: (i8, i8)) -> Figures {
    let day = |(month, day)| date(2026, month, day);
    let span = Span::new(day(from), day(to)).unwrap();
    let now = wall("2026-12-31T00:00:00Z");
    let ward = ward(zone);
    let scope = ReportScope { ward: &ward, khu_pho: &[], sites: &[], span, only: None, now };
    Figures::of(book, &scope)
}

fn november(cases: Vec<IncidentRecord>) -> Both<Summary> {
    figures(&book(cases), "Asia/Ho_Chi_Minh", (11, 21), (11, 21)).total
}

#[test]
fn an_incident_counts_where_it_was_opened() {
    let mut late = fire("late", "2026-11-21T23:59:59.999+07:00");
    late.closed_at = Some(wall("2026-11-22T01:00:00+07:00"));
    let cases = vec![
        fire("before", "2026-11-20T23:59:59.999+07:00"),
        fire("first", "2026-11-21T00:00:00+07:00"),
        late,
        fire("after", "2026-11-22T00:00:00+07:00"),
    ];
    let Both { value, before } = november(cases);
    assert_eq!((value.incidents, before.incidents), (2, 1));
    assert_eq!((value.by_hour[0], value.by_hour[23]), (1, 1));
    assert_eq!(value.by_day, [Day { date: date(2026, 11, 21), incidents: 2 }]);
    assert_eq!(before.by_day[0].date, date(2026, 11, 20));
    assert_eq!(value.duration, Times { n: 2, p50_s: Some(600.0), p90_s: Some(3_600.001) });
}

#[test]
fn an_hour_that_comes_twice_is_one_hour_and_one_that_is_left_out_is_none() {
    let cases = vec![
        fire("summer", "2026-10-25T02:30:00+02:00"),
        fire("winter", "2026-10-25T02:30:00+01:00"),
        fire("last", "2026-10-25T23:30:00+01:00"),
        fire("next", "2026-10-26T00:00:00+01:00"),
        fire("spring", "2026-03-29T03:00:00+02:00"),
    ];
    let book = book(cases);
    let autumn = figures(&book, "Europe/Berlin", (10, 25), (10, 25)).total.value;
    assert_eq!((autumn.incidents, autumn.by_hour[2], autumn.by_hour[23]), (3, 2, 1));
    let spring = figures(&book, "Europe/Berlin", (3, 29), (3, 29)).total.value;
    assert_eq!((spring.incidents, spring.by_hour[2], spring.by_hour[3]), (1, 0, 1));
}

#[test]
fn what_was_merged_counts_once_and_drills_and_cameras_count_apart() {
    let at = "2026-11-21T12:00:00+07:00";
    let mut merged = fire("merged", at);
    (merged.state, merged.merged_into) = (IncidentState::Expired, IncidentId::parse("whole"));
    let mut drill = fire("drill", at);
    drill.exercise = true;
    let mut gone = fire("gone", at);
    (gone.kind, gone.fault) = (Kind::Camera, Some(Fault::Frozen));
    let mut unknown = fire("unknown", at);
    (unknown.kind, unknown.fault) = (Kind::Camera, None);
    let value = november(vec![merged, fire("whole", at), drill, gone, unknown]).value;
    assert_eq!((value.incidents, value.by_hour[12], value.by_kind["fire"]), (1, 1, 1));
    assert_eq!((value.drills.count, value.drills.arrive.p50_s), (1, Some(300.0)));
    assert_eq!(
        value.camera_faults,
        CameraFaults { frozen: 1, offline: 1, ..CameraFaults::default() }
    );
    assert_eq!((value.camera_faults.total(), value.acknowledge.n), (2, 1));
}

#[test]
fn verdicts_are_what_people_said() {
    let at = "2026-11-21T12:00:00+07:00";
    let case = |name: &str, state: IncidentState, seen: bool| {
        let on_scene_at = seen.then(|| wall("2026-11-21T12:05:00+07:00"));
        let closed_at = state.is_closed().then(|| wall("2026-11-21T12:30:00+07:00"));
        IncidentRecord { state, on_scene_at, closed_at, ..fire(name, at) }
    };
    let value = november(vec![
        case("a", IncidentState::Resolved, false),
        case("b", IncidentState::FalseAlarm, true),
        case("c", IncidentState::FalseAlarm, false),
        case("d", IncidentState::Expired, true),
        case("e", IncidentState::Expired, false),
        case("f", IncidentState::Open, false),
        case("g", IncidentState::OnScene, true),
    ])
    .value;
    assert_eq!(value.verdicts, Verdicts { real: 2, false_alarm: 2, unanswered: 1, open: 2 });
    assert_eq!(value.false_alarms, Rate::of(2, 4));
    assert_eq!(value.false_alarms_by_kind["fire"], Rate::of(2, 4));
    assert_eq!(value.false_alarms_by_kind["smoke"], Rate::default());
    assert_eq!((value.arrive.n, value.duration.n), (3, 5));
}

#[test]
fn a_time_that_ran_backwards_is_no_time() {
    let mut case = fire("a", "2026-11-21T12:00:00+07:00");
    case.acknowledged_at = Some(wall("2026-11-21T11:00:00+07:00"));
    let value = november(vec![case]).value;
    assert_eq!((value.acknowledge, value.arrive.n), (Times::default(), 1));
}

#[test]
fn the_period_before_is_compared_with_only_where_all_of_it_is_known() {
    let mut known = book(Vec::new());
    let complete = |book: &History| {
        let figures = figures(book, "Asia/Ho_Chi_Minh", (11, 15), (11, 21));
        (figures.period.complete, figures.before.complete)
    };
    assert_eq!(complete(&known), (true, true));
    known.begun = Some(wall("2026-11-08T00:00:00+07:00"));
    assert_eq!(complete(&known), (true, true));
    known.begun = Some(wall("2026-11-08T00:00:01+07:00"));
    assert_eq!(complete(&known), (true, false));
    known.begun = None;
    assert_eq!(complete(&known), (false, false));
    let last = figures(&book(Vec::new()), "Asia/Ho_Chi_Minh", (12, 1), (12, 31));
    assert!(!last.period.complete, "the last day is not over");
    assert!(last.before.complete);
}

#[test]
fn one_neighbourhood_alone_and_those_that_only_the_ledger_knows() {
    let mut other = fire("b", "2026-11-21T12:00:00+07:00");
    (other.khu_pho, other.cameras) = (id("kp9"), vec![id("cho-nho")]);
    let mut book = book(vec![fire("a", "2026-11-21T12:00:00+07:00"), other]);
    let noted = |at: &str, what| UptimeRecord { at: wall(at), what };
    let up = UptimeEvent::Camera {
        id: id("cho-nho"),
        khu_pho: id("kp9"),
        health: crate::history::Availability::Up,
    };
    book.notes = vec![
        noted("2026-11-21T10:00:00+07:00", up),
        noted("2026-11-21T10:05:00+07:00", UptimeEvent::Alive),
    ];
    let khu_pho = [KhuPho { id: id("kp3"), name: "Khu phố 3".into(), team: None }];
    let sites = [Site {
        id: id("hem-42"),
        khu_pho: id("kp3"),
        place: Location { address: "Hẻm 42".into(), coordinates: None },
        owner: None,
        neighbours: Vec::new(),
    }];
    let ward = ward("Asia/Ho_Chi_Minh");
    let day = date(2026, 11, 21);
    let mut scope = ReportScope {
        ward: &ward,
        khu_pho: &khu_pho,
        sites: &sites,
        span: Span::new(day, day).unwrap(),
        only: None,
        now: wall("2026-12-31T00:00:00Z"),
    };
    let all = Figures::of(&book, &scope);
    let names: Vec<&str> = all.khu_pho.iter().map(|known| known.name.as_str()).collect();
    assert_eq!((names, all.total.value.incidents), (vec!["Khu phố 3", "kp9"], 2));
    let cameras: Vec<_> = all
        .cameras
        .iter()
        .map(|camera| (camera.id.as_str(), camera.figures.value.incidents))
        .collect();
    assert_eq!(cameras, [("hem-42", 1), ("cho-nho", 1)]);
    assert_eq!(all.cameras[1].figures.value.uptime.share, Some(1.0));
    let kp9 = id("kp9");
    scope.only = Some(&kp9);
    let one = Figures::of(&book, &scope);
    assert_eq!((one.khu_pho.len(), one.cameras.len(), one.total.value.incidents), (1, 1, 1));
    assert_eq!(one.total, one.khu_pho[0].figures);
}

/// Cases of three khu phố, of all kinds and ends, over some days around midnight in Berlin.
fn cases() -> impl Strategy<Value = Vec<IncidentRecord>> {
    let begin = wall("2026-10-23T00:00:00Z").0;
    let one = (0..6 * 86_400_000i64, 0..3usize, 0..5usize, 0..6usize, any::<[bool; 4]>());
    prop::collection::vec(one, 0..60).prop_map(move |list| {
        let make =
            |(index, (ms, place, kind, state, flags)): (usize, (i64, _, _, _, [bool; 4]))| {
                let kinds = [Kind::Fire, Kind::Smoke, Kind::Loitering, Kind::Other, Kind::Camera];
                let [merged, exercise, seen, escalated] = flags;
                let opened_at = Wall(begin + ms * 1_000);
                let state: IncidentState = IncidentState::ALL[state];
                IncidentRecord {
                    id: IncidentId::parse(&format!("i{index}")).unwrap(),
                    khu_pho: id(["kp1", "kp2", "kp3"][place]),
                    kind: kinds[kind],
                    state,
                    opened_at,
                    on_scene_at: seen.then_some(opened_at),
                    escalated_at: escalated.then_some(opened_at),
                    closed_at: state.is_closed().then_some(opened_at),
                    merged_into: merged.then(|| IncidentId::parse("x").unwrap()),
                    exercise,
                    ..fire("x", "2026-10-23T00:00:00Z")
                }
            };
        list.into_iter().enumerate().map(make).collect()
    })
}

fn sum(counts: impl IntoIterator<Item = u64>) -> u64 {
    counts.into_iter().sum()
}

fn ends(verdicts: Verdicts) -> u64 {
    verdicts.real + verdicts.false_alarm + verdicts.unanswered + verdicts.open
}

proptest! {
    #[test]
    fn every_way_of_counting_gives_the_same_sum(cases in cases()) {
        let figures = figures(&book(cases), "Europe/Berlin", (10, 24), (10, 26));
        let Both { value, .. } = &figures.total;
        let total = value.incidents;
        prop_assert_eq!(sum(value.by_kind.values().copied()), total);
        prop_assert_eq!(sum(value.by_hour.iter().copied()), total);
        prop_assert_eq!(sum(value.by_day.iter().map(|day| day.incidents)), total);
        prop_assert_eq!(ends(value.verdicts), total);
        let each = || figures.khu_pho.iter().map(|known| &known.figures.value);
        prop_assert_eq!(sum(each().map(|s| s.incidents)), total);
        prop_assert_eq!(sum(each().map(|s| s.drills.count)), value.drills.count);
        prop_assert_eq!(sum(each().map(|s| s.escalated)), value.escalated);
        prop_assert_eq!(
            sum(each().map(|s| s.camera_faults.total())),
            value.camera_faults.total()
        );
        let rates = value.false_alarms_by_kind.values();
        prop_assert_eq!(sum(rates.map(|rate| rate.told)), value.false_alarms.told);
    }

    #[test]
    fn two_periods_add_up_to_both(cases in cases()) {
        let book = book(cases);
        let of = |from, to| figures(&book, "Europe/Berlin", from, to).total.value;
        let (a, b, both) = (of((10, 24), (10, 25)), of((10, 26), (10, 27)), of((10, 24), (10, 27)));
        prop_assert_eq!(a.incidents + b.incidents, both.incidents);
        for (kind, count) in &both.by_kind {
            prop_assert_eq!(a.by_kind[kind] + b.by_kind[kind], *count);
        }
        for hour in 0..24 {
            prop_assert_eq!(a.by_hour[hour] + b.by_hour[hour], both.by_hour[hour]);
        }
        let days: Vec<Day> = a.by_day.iter().chain(&b.by_day).copied().collect();
        prop_assert_eq!(days, both.by_day);
        prop_assert_eq!(a.false_alarms.told + b.false_alarms.told, both.false_alarms.told);
        prop_assert_eq!(a.drills.count + b.drills.count, both.drills.count);
        prop_assert_eq!(a.arrive.n + b.arrive.n, both.arrive.n);
        // What was before is what the period before would have told.
        let later = figures(&book, "Europe/Berlin", (10, 26), (10, 27));
        prop_assert_eq!(later.total.before, a);
    }
}
