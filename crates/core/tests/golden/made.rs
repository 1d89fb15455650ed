//! Made-up incidents: each kind in each state, and each optional member of an alert at least once.

use std::time::Duration;

use keng_core::incident::{
    Acknowledgement, Incident, IncidentId, IncidentState, Kind, Severity, Siren, Witness,
};
use keng_core::rule::health::Fault;
use keng_core::time::Wall;

use super::sighting;
use crate::id;

/// 2026-11-21T22:14:03.120+07:00.
const EVENING: Wall = Wall(1_795_274_043_120_000);

fn later(seconds: i64) -> Wall {
    Wall(EVENING.0 + seconds * 1_000_000)
}

fn step(seconds: i64, note: Option<&str>) -> Acknowledgement {
    let by = "Công an phường".to_owned();
    Acknowledgement { at: later(seconds), by, note: note.map(str::to_owned) }
}

fn report(note: &str) -> Witness {
    let place = Some("chợ, sạp 3".to_owned());
    Witness { at: EVENING, by: "Bà Năm".to_owned(), place, note: Some(note.to_owned()) }
}

fn plain(kind: Kind) -> Incident {
    let cameras = match kind {
        Kind::Other => Vec::new(),
        Kind::Camera => {
            let mut seen = sighting("gate", EVENING);
            (seen.confidence, seen.bbox, seen.fault) = (None, None, Some(Fault::Offline));
            vec![seen]
        }
        _ => vec![sighting("gate", EVENING)],
    };
    Incident {
        id: IncidentId::parse("20261121t151403120z-gate").unwrap(),
        revision: 1,
        khu_pho: id("kp1"),
        kind,
        severity: match kind {
            Kind::Fire => Severity::Critical,
            Kind::Camera => Severity::Info,
            _ => Severity::Warning,
        },
        state: IncidentState::Open,
        opened_at: EVENING,
        updated_at: EVENING,
        closed_at: None,
        cameras,
        reports: if kind == Kind::Other { vec![report("cây đổ")] } else { Vec::new() },
        dwell: (kind == Kind::Loitering).then(|| Duration::from_millis(754_321)),
        acknowledged: None,
        on_scene_at: None,
        on_scene: None,
        closed: None,
        escalated_at: None,
        siren: None,
        held_back: 0,
        merged_into: None,
        exercise: false,
    }
}

/// As the register has it once people have done what leads to `state`.
fn in_state(incident: Incident, state: IncidentState) -> Incident {
    let closed = state.is_closed();
    let answered = state != IncidentState::Open && state != IncidentState::Expired;
    let there = state == IncidentState::OnScene || state == IncidentState::Resolved;
    Incident {
        state,
        revision: incident.revision + 1,
        updated_at: later(900),
        acknowledged: answered.then(|| step(45, Some("đi ngay"))),
        on_scene_at: there.then(|| later(310)),
        on_scene: there.then(|| step(310, None)),
        closed: (closed && answered).then(|| step(900, Some("đã dập tắt \"xong\""))),
        closed_at: closed.then(|| later(900)),
        ..incident
    }
}

/// An incident of two khu phố with all that can be said beside.
fn crowded(kind: Kind) -> Incident {
    let mut incident = plain(kind);
    let fault = incident.cameras.first().and_then(|seen| seen.fault);
    for camera in ["gate", "lane", "market"] {
        if incident.cameras.iter().all(|seen| seen.camera != id(camera)) {
            incident.cameras.push(sighting(camera, later(5)));
        }
    }
    for seen in incident.cameras.iter_mut().filter(|_| fault.is_some()) {
        (seen.confidence, seen.bbox, seen.fault) = (None, None, fault);
    }
    incident.cameras[0].zone = Some("cổng trường".to_owned());
    incident.reports = vec![report("thấy khói"), report("khói <to> & đen\n\"lắm\"")];
    Incident { severity: Severity::Critical, revision: 7, updated_at: later(200), ..incident }
}

/// All of them, in an order that stays.
pub(super) fn all() -> Vec<Incident> {
    let mut all = Vec::new();
    for kind in [Kind::Fire, Kind::Smoke, Kind::Loitering, Kind::Camera, Kind::Other] {
        all.push(plain(kind));
        all.extend(IncidentState::ALL.map(|state| in_state(plain(kind), state)));
        all.push(crowded(kind));
        all.push(Incident { escalated_at: Some(later(200)), ..crowded(kind) });
        all.push(Incident { held_back: 12, ..crowded(kind) });
        all.push(Incident { exercise: true, ..plain(kind) });
        for state in IncidentState::ALL {
            all.push(Incident { exercise: true, ..in_state(crowded(kind), state) });
        }
    }
    for fault in Fault::ALL {
        for base in [plain(Kind::Camera), crowded(Kind::Camera)] {
            let mut incident = base;
            incident.cameras.iter_mut().for_each(|seen| seen.fault = Some(fault));
            all.push(incident);
        }
    }
    let siren = |on, by: Option<&str>| {
        let by = by.map(str::to_owned);
        Some(Siren { on, at: later(200), seconds_max: 60, revision: 7, by })
    };
    let called = Incident { escalated_at: Some(later(180)), ..crowded(Kind::Fire) };
    all.push(Incident { siren: siren(true, None), ..called.clone() });
    all.push(Incident { siren: siren(false, Some("Công an phường")), ..called.clone() });
    let merged_into = IncidentId::parse("20261121t151403120z-market");
    all.push(Incident { merged_into, ..in_state(called, IncidentState::Resolved) });
    all
}
