//! Loitering: how long one person stays in a zone at night.
//!
//! Dwell is counted a track and in seconds between sights, the gap between two of them capped: a
//! camera that was away for an hour has not watched anybody for an hour. Whoever passes through
//! never gathers enough; whoever steps out and comes back within the grace goes on counting.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::detection::Class;
use crate::rule::found::Found;
use crate::rule::{Draft, Evidence, LoiteringConfig, RuleKind, Zone, zone};
use crate::time::Stamp;
use crate::track::{State, Track, TrackId};

/// Two sights further apart vouch for no more presence than this.
const GAP_MAX: Duration = Duration::from_secs(5);
/// Out of the zone or out of sight for longer: the stay is over.
const GRACE: Duration = Duration::from_secs(15);
/// The dwell of an ongoing event is told again after as long.
const RETELL: Duration = Duration::from_secs(60);

/// The rule on one camera.
#[derive(Clone, Debug, Default)]
pub struct Loitering {
    stays: BTreeMap<TrackId, Stay>,
    loitering: Option<Found>,
}

/// One person's presence.
#[derive(Clone, Debug)]
struct Stay {
    since: Stamp,
    last_seen: Stamp,
    dwell: Duration,
    evidence: Evidence,
}

impl Loitering {
    /// Whether somebody loiters or has begun to stay.
    pub(crate) fn is_tense(&self) -> bool {
        self.loitering.is_some()
    }

    /// `place` is the camera's zones and whether it is night.
    pub(crate) fn on_frame(
        &mut self,
        config: &LoiteringConfig,
        place: (&[Zone], bool),
        tracks: &[&Track],
        at: Stamp,
        events: &mut Vec<Draft>,
    ) {
        let (zones, night) = place;
        if config.enabled && night {
            for track in tracks {
                self.see(config, zones, track, at);
            }
        }
        self.on_tick(config, at, events);
        let longest = self
            .stays
            .values()
            .filter(|stay| stay.last_seen == at && stay.dwell >= config.dwell)
            .max_by_key(|stay| stay.dwell);
        let Some(stay) = longest else { return };
        let (since, evidence) = (stay.since, stay.evidence.clone());
        match &mut self.loitering {
            None => {
                let (found, started) = Found::new(RuleKind::Loitering, since, at, evidence);
                self.loitering = Some(found);
                events.push(started);
            }
            Some(found) => events.extend(found.see(evidence, RETELL, at)),
        }
    }

    pub(crate) fn on_tick(&mut self, config: &LoiteringConfig, at: Stamp, events: &mut Vec<Draft>) {
        self.stays.retain(|_, stay| at.mono.since(stay.last_seen.mono) <= GRACE);
        let quiet = self.loitering.as_ref().is_some_and(|found| found.is_quiet(config.quiet, at));
        if !config.enabled || quiet {
            self.end(at, events);
        }
    }

    /// What goes on ends. Stays go on: whoever is still there is found again.
    pub(crate) fn end(&mut self, at: Stamp, events: &mut Vec<Draft>) {
        events.extend(self.loitering.take().map(|found| found.end(at)));
    }

    fn see(&mut self, config: &LoiteringConfig, zones: &[Zone], track: &Track, at: Stamp) {
        let is_here = track.class == Class::Person
            && track.state == State::Confirmed
            && track.seen_at(at)
            // A known person may be seen weakly; a new one must be seen well.
            && (track.confidence >= config.confidence_min || self.stays.contains_key(&track.id));
        let place = zone::of_person(zones, RuleKind::Loitering, &track.bbox);
        if !is_here || place == zone::Place::Outside {
            return;
        }
        let stay = self.stays.entry(track.id).or_insert(Stay {
            since: at,
            last_seen: at,
            dwell: Duration::ZERO,
            evidence: Evidence::default(),
        });
        stay.dwell += at.mono.since(stay.last_seen.mono).min(GAP_MAX);
        stay.last_seen = at;
        stay.evidence = Evidence {
            confidence: track.confidence,
            bbox: Some(track.bbox),
            zone: place.name(),
            dwell: Some(stay.dwell),
        };
    }
}
