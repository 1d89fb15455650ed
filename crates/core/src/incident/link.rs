//! Links between events and open incidents, and the merging of incidents that turn out to be one.
//!
//! Two events are linked by kind, time and place. Incidents are what links hold together: an event
//! that is linked with two of them shows that they were one all along, and they become one. So
//! which cameras share an incident does not depend on the order in which they saw it.

use std::time::Duration;

use crate::incident::answer::REPORTS_MAX;
use crate::incident::entry::{JOIN_WITHIN, OpenIncident};
use crate::incident::register::Serial;
use crate::incident::{Incident, IncidentState, Kind, Register, Sighting, Siren, Sites};
use crate::rule::Event;
use crate::rule::health::Fault;
use crate::time::Stamp;

/// Cameras that failed in the same way within as long of each other failed together.
const CUT_WITHIN: Duration = Duration::from_secs(60);
/// Of so many merged incidents, the newest, people may still answer by the old id.
const FORMERLY_MAX: usize = 64;

impl Register {
    /// The open incidents that the event belongs to, oldest first; those that people know of
    /// stand before those that they don't.
    pub(super) fn linked(&self, event: &Event, sites: &Sites) -> Vec<Serial> {
        let found = self.open.iter().filter(|(_, entry)| belongs(entry, event, sites));
        let mut linked: Vec<Serial> = found.map(|(serial, _)| *serial).collect();
        linked.sort_by_key(|serial| (!self.open[serial].is_told(), *serial));
        linked
    }

    /// Makes the first of `linked` take the others in. What it answers with closes those that
    /// people know of, and says where they go on.
    pub(super) fn merge(&mut self, linked: &mut [Serial], at: Stamp) -> Vec<Incident> {
        let [into, others @ ..] = linked else { return Vec::new() };
        let mut closed = Vec::new();
        for serial in others {
            let Some(mut other) = self.open.remove(serial) else { continue };
            let Some(entry) = self.open.get_mut(into) else { continue };
            entry.absorb(&mut other);
            other.incident.merged_into = Some(entry.incident.id.clone());
            if other.is_told() {
                closed.push(other.close(IncidentState::Expired, at));
            }
        }
        closed
    }
}

impl OpenIncident {
    fn absorb(&mut self, other: &mut Self) {
        self.formerly.append(&mut other.formerly);
        if other.is_told() {
            self.formerly.push((other.incident.id.clone(), other.incident.khu_pho.clone()));
        }
        let surplus = self.formerly.len().saturating_sub(FORMERLY_MAX);
        self.formerly.drain(..surplus);
        self.active.extend(other.active.iter().cloned());
        for (camera, since) in &other.since {
            self.since.entry(camera.clone()).or_insert(*since);
        }
        if other.last_evidence > self.last_evidence {
            (self.last_evidence, self.evidence) = (other.last_evidence, other.evidence);
        }
        self.size = self.size.max(other.size);
        self.growth = self.growth.max(other.growth);
        self.at_night |= other.at_night;
        let (mine, its) = (&mut self.incident, &mut other.incident);
        if mine.siren.is_none() && mine.khu_pho == its.khu_pho {
            // One that sounds goes on sounding, for this incident; one that is off stays off, and
            // isn't told so again: it may sound for somebody else.
            let revision = |on| mine.revision + u32::from(on);
            let siren = its.siren.take();
            mine.siren = siren.map(|siren| Siren { revision: revision(siren.on), ..siren });
            self.siren = other.siren;
        }
        mine.kind = mine.kind.max(its.kind);
        mine.severity = mine.severity.max(its.severity);
        mine.state = mine.state.max(its.state);
        mine.dwell = mine.dwell.max(its.dwell);
        mine.held_back = mine.held_back.saturating_add(its.held_back);
        mine.acknowledged = mine.acknowledged.take().or_else(|| its.acknowledged.clone());
        mine.on_scene_at = mine.on_scene_at.or(its.on_scene_at);
        mine.on_scene = mine.on_scene.take().or_else(|| its.on_scene.clone());
        if mine.escalated_at.is_none() {
            (mine.escalated_at, self.escalated) = (its.escalated_at, other.escalated);
        }
        for seen in &its.cameras {
            if !mine.cameras.iter().any(|known| known.camera == seen.camera) {
                mine.cameras.push(seen.clone());
            }
        }
        mine.reports.extend(its.reports.iter().cloned());
        mine.reports.sort_by_key(|report| report.at);
        let surplus = mine.reports.len().saturating_sub(REPORTS_MAX);
        mine.reports.drain(..surplus);
    }
}

/// Tells whether the event belongs to the incident: the same kind of thing, at the same time, in
/// the same place. Never to a drill.
fn belongs(entry: &OpenIncident, event: &Event, sites: &Sites) -> bool {
    let kind = Kind::from(event.rule);
    if !entry.incident.kind.joins(kind) || entry.incident.exercise {
        return false;
    }
    let cameras = &entry.incident.cameras;
    let own = cameras.iter().any(|seen| seen.camera == event.camera);
    let place = |seen: &&Sighting| sites.may_share(&seen.camera, &event.camera);
    if kind == Kind::Camera {
        // A cut takes away many at once, and so do fog and a broken recorder. Cameras share the
        // khu phố's lines, or a neighbour's.
        let together = |seen: &&Sighting| {
            let both = entry.since.get(&seen.camera).map(|since| (*since, event.since.mono));
            both.is_some_and(|(a, b)| a.since(b).max(b.since(a)) <= CUT_WITHIN)
        };
        let here = |seen: &&Sighting| sites.same_khu_pho(&seen.camera, &event.camera);
        let fault = Fault::of(event.rule);
        let cut = |seen: &Sighting| {
            seen.fault == fault && together(&seen) && (here(&seen) || place(&seen))
        };
        return own || cameras.iter().any(cut);
    }
    let fresh = !entry.active.is_empty() || event.at.mono.since(entry.last_evidence) <= JOIN_WITHIN;
    let reported = cameras.is_empty()
        && sites.get(&event.camera).is_some_and(|site| site.khu_pho == entry.incident.khu_pho);
    own || fresh && (reported || cameras.iter().any(|seen| place(&seen)))
}
