//! Two months of a ward, always the same: what the ledger would hold of them.

use std::time::Duration;

use keng::incident::{IncidentId, IncidentState, Kind};
use keng::ledger::{Availability, History, IncidentRecord, UptimeEvent, UptimeRecord};
use keng::rule::health::Fault;
use keng::time::Wall;
use keng::ward::{Id, KhuPho, Language, Location, Site, Ward};

/// The first day that the ledger knows.
const FIRST: &str = "2026-09-25T00:00:00+07:00";
const DAYS: u64 = 71;
const DAY_S: u64 = 86_400;
/// The hours of a day in which things happen, the likely ones more often.
const HOURS: [u64; 16] = [22, 23, 23, 0, 1, 1, 2, 3, 4, 6, 9, 12, 15, 17, 18, 20];
pub(crate) const CAMERAS: [(&str, &str, &str); 9] = [
    ("hem-42", "kp3", "Hẻm 42 Lê Văn Sỹ"),
    ("hem-44", "kp3", "Hẻm 44 Lê Văn Sỹ"),
    ("cho-nho", "kp3", "Chợ nhỏ <cổng \"sau\" & bãi xe>"),
    ("truong-hoc", "kp4", "Trường tiểu học, cổng chính"),
    ("cau-sat", "kp4", "Chân cầu sắt"),
    ("nha-van-hoa", "kp4", "Nhà văn hoá khu phố 4"),
    ("ben-xe", "kp5", "Bến xe buýt"),
    ("hem-101", "kp5", "Hẻm 101"),
    ("hem-117", "kp5", "Hẻm 117"),
];

pub(crate) fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

pub(crate) fn wall(text: &str) -> Wall {
    Wall::parse_rfc3339(text).unwrap()
}

pub(crate) fn ward() -> Ward {
    Ward {
        id: id("phuong-14"),
        name: "Phường 14, quận Tân Bình".into(),
        timezone: jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").unwrap(),
        language: Language::Vi,
    }
}

pub(crate) fn khu_pho() -> Vec<KhuPho> {
    let of =
        |n: u8| KhuPho { id: id(&format!("kp{n}")), name: format!("Khu phố {n}"), team: None };
    (3..6).map(of).collect()
}

pub(crate) fn sites() -> Vec<Site> {
    let of = |(camera, khu_pho, address): (&str, &str, &str)| Site {
        id: id(camera),
        khu_pho: id(khu_pho),
        place: Location { address: address.into(), coordinates: None },
        owner: None,
        neighbours: Vec::new(),
    };
    CAMERAS.into_iter().map(of).collect()
}

/// Numbers that look like chance, and are the same on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        // Knuth's MMIX generator.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

fn after(seconds: u64) -> Wall {
    wall(FIRST) + Duration::from_secs(seconds)
}

fn case(dice: &mut Dice, opened_at: Wall, kind: Kind) -> IncidentRecord {
    let (camera, khu_pho, _) = CAMERAS[usize::try_from(dice.roll(9)).unwrap()];
    let name = format!("{}-{camera}", opened_at.to_jiff().strftime("%Y%m%dt%H%M%S%3fz"));
    let mut then = |most: u64| opened_at + Duration::from_secs(20 + dice.roll(most));
    let (answered, there, done) = (then(240), then(900), then(3_600));
    let (state, taken) = match (kind, dice.roll(10)) {
        (Kind::Loitering, ..3) | (Kind::Smoke, ..5) => (IncidentState::FalseAlarm, true),
        (_, ..2) => (IncidentState::FalseAlarm, true),
        (_, 2 | 3) => (IncidentState::Expired, false),
        _ => (IncidentState::Resolved, true),
    };
    let went = taken && dice.roll(3) > 0;
    IncidentRecord {
        id: IncidentId::parse(&name).unwrap(),
        revision: 4,
        khu_pho: id(khu_pho),
        kind,
        state,
        opened_at,
        acknowledged_at: taken.then_some(answered),
        on_scene_at: went.then_some(there),
        escalated_at: (!taken).then_some(opened_at + Duration::from_secs(120)),
        closed_at: Some(done.max(there).max(answered)),
        cameras: if kind == Kind::Other { Vec::new() } else { vec![id(camera)] },
        fault: (kind == Kind::Camera).then_some(Fault::Offline),
        merged_into: None,
        exercise: false,
    }
}

/// Seventy days; fewer incidents in the later ones.
pub(crate) fn book() -> History {
    let mut dice = Dice(14);
    let mut cases = Vec::new();
    for day in 0..DAYS {
        let most = if day < 37 { 5 } else { 3 };
        for _ in 0..dice.roll(most) {
            let hour = HOURS[usize::try_from(dice.roll(16)).unwrap()];
            let at = after(day * DAY_S + hour * 3_600 + dice.roll(3_600));
            let kind = match dice.roll(12) {
                0 => Kind::Fire,
                1 | 2 => Kind::Smoke,
                3 | 4 => Kind::Other,
                5 => Kind::Camera,
                _ => Kind::Loitering,
            };
            cases.push(case(&mut dice, at, kind));
        }
    }
    // A drill in each month, one that was merged, one that goes on.
    for (day, seconds) in [(20, 95), (52, 71)] {
        let mut drill = case(&mut dice, after(day * DAY_S + 9 * 3_600), Kind::Fire);
        drill.acknowledged_at = Some(drill.opened_at + Duration::from_secs(seconds));
        drill.exercise = true;
        cases.push(drill);
    }
    let mut merged = case(&mut dice, after(50 * DAY_S), Kind::Fire);
    (merged.state, merged.merged_into) = (IncidentState::Expired, Some(cases[0].id.clone()));
    let mut open = case(&mut dice, after(65 * DAY_S + 80_000), Kind::Smoke);
    (open.state, open.closed_at) = (IncidentState::OnScene, None);
    cases.extend([merged, open]);
    cases.sort_by_key(|case| case.opened_at);
    History { cases, notes: notes(), begun: Some(wall(FIRST)), damaged: 0 }
}

/// A daemon that was off for a night, and cameras of which some are worse than others.
fn notes() -> Vec<UptimeRecord> {
    let mut notes = vec![UptimeRecord { at: after(0), what: UptimeEvent::Started }];
    let camera = |at: u64, index: usize, health| {
        let (camera, khu_pho, _) = CAMERAS[index];
        let what = UptimeEvent::Camera { id: id(camera), khu_pho: id(khu_pho), health };
        UptimeRecord { at: after(at), what }
    };
    notes.extend((0..8).map(|index| camera(1, index, Availability::Up)));
    let mut faults = Vec::new();
    for (index, every_h, lasts_h, health) in [
        (1, 53, 2, Availability::Offline),
        (2, 170, 9, Availability::Offline),
        (4, 31, 6, Availability::Offline),
        (5, 400, 30, Availability::Frozen),
        (6, 240, 20, Availability::Blinded),
        (7, 11, 1, Availability::Offline),
    ] {
        for from in (every_h..DAYS * 24).step_by(usize::try_from(every_h).unwrap()) {
            faults.push((from * 3_600, index, health));
            faults.push(((from + lasts_h) * 3_600, index, Availability::Up));
        }
    }
    let off = (55 * DAY_S + 20 * 3_600, 56 * DAY_S + 7 * 3_600);
    let signs = (300..DAYS * DAY_S)
        .step_by(300)
        .map(|at| UptimeRecord { at: after(at), what: UptimeEvent::Alive });
    notes.extend(signs.filter(|note| note.at <= after(off.0) || note.at > after(off.1)));
    notes.push(UptimeRecord { at: after(off.0), what: UptimeEvent::Stopped });
    notes.push(UptimeRecord { at: after(off.1), what: UptimeEvent::Started });
    notes.extend((0..8).map(|index| camera(off.1 + 4, index, Availability::Up)));
    let seen = faults.into_iter().filter(|(at, ..)| *at < off.0 || *at > off.1 + 60);
    notes.extend(seen.map(|(at, index, health)| camera(at, index, health)));
    notes.sort_by_key(|note| note.at);
    notes
}
