//! Loitering: how long one person stays in a zone at night.
//!
//! Each person has a dwell of their own (`stay`), which outlives gaps of the
//! detector, other names by the tracker and returns within a window (`known`).
//! Whoever passes through never gathers enough. A group lowers the bar. Where a patrol is, or
//! where residents have their hours, nobody is looked at, and whoever is still there afterwards
//! begins anew.

mod config;
mod known;
mod stay;

use std::time::Duration;

use crate::detection::Class;
use crate::geometry::BoundingBox;
use crate::rule::contract::Observation;
use crate::rule::contract::Rule;
use crate::rule::contract::RuleContext;
use crate::rule::event::UnattributedEvent;
use crate::rule::found::OngoingEvent;
use crate::rule::kind::RuleKind;
use crate::rule::zone::{self, Zone, ZoneMatch};
use crate::time::Stamp;
use crate::track::{Track, TrackState};

pub use config::LoiteringConfig;

use known::known;
use stay::{GRACE, PersonSighting, Stay};

/// The dwell of an ongoing event is told again after as long.
const RETELL: Duration = Duration::from_secs(60);
/// Members of a group were all seen within as long: the detector misses some of them in any frame.
const TOGETHER: Duration = Duration::from_secs(5);
/// More people at once are a festival; whoever was away longest is forgotten for a new one.
const STAYS_MAX: usize = 128;

/// The rule on one camera.
#[derive(Clone, Debug, Default)]
pub struct Loitering {
    stays: Vec<Stay>,
    /// Zones (none: everywhere) in which nobody was looked at, and the newest frame of that.
    silent: Vec<(Option<String>, Stamp)>,
    loitering: Option<OngoingEvent>,
}

/// The part of the view where loitering is looked for at one moment.
#[derive(Clone, Copy, Debug)]
struct WatchedArea<'a> {
    /// The camera's.
    zones: &'a [Zone],
    /// Tells whether it is night.
    night: bool,
    /// The ward's time of day.
    time: jiff::civil::Time,
    /// Zones in which a patrol is; none: it is everywhere.
    patrols: &'a [Option<String>],
}

impl<'a> WatchedArea<'a> {
    fn place(&self, bbox: &BoundingBox) -> ZoneMatch<'a> {
        if self.patrols.contains(&None) {
            return ZoneMatch::Outside;
        }
        let open = |zone: &Zone| !self.is_silent(zone);
        zone::of_person(self.zones, RuleKind::Loitering, bbox, open)
    }

    /// Tells whether a patrol or the residents have the zone for themselves.
    fn is_silent(&self, zone: &Zone) -> bool {
        let residents = zone.residents.iter().any(|hours| hours.hold(self.time));
        residents || self.patrols.iter().flatten().any(|name| *name == zone.name)
    }

    /// Returns where nobody is looked at: zones' names, none for everywhere.
    fn silent(&self) -> impl Iterator<Item = Option<&'a str>> {
        let everywhere = !self.night || self.patrols.contains(&None);
        let zones = self.zones.iter().filter(|zone| self.is_silent(zone));
        everywhere.then_some(None).into_iter().chain(zones.map(|zone| Some(zone.name.as_str())))
    }

    /// Tells whether what was gathered in the zone of that name counts no more.
    fn has_silenced(&self, name: Option<&str>) -> bool {
        let named = |zone: &&Zone| Some(zone.name.as_str()) == name;
        self.patrols.contains(&None)
            || self.zones.iter().find(named).is_some_and(|zone| self.is_silent(zone))
    }
}

impl Loitering {
    fn on_frame(
        &mut self,
        config: &LoiteringConfig,
        ground: &WatchedArea<'_>,
        tracks: &[&Track],
        at: Stamp,
        events: &mut Vec<UnattributedEvent>,
    ) {
        self.stays.retain(|stay| !ground.has_silenced(stay.zone()));
        self.note_silence(ground, at);
        if config.enabled && ground.night {
            self.look(config, ground, tracks, at);
        }
        self.tick(config, at, events);
        let Some(stay) = self.worst(config, at) else { return };
        let (since, evidence) = (stay.since(), stay.evidence());
        match &mut self.loitering {
            None => {
                let (found, started) = OngoingEvent::new(RuleKind::Loitering, since, at, evidence);
                self.loitering = Some(found);
                events.push(started);
            }
            Some(found) => events.extend(found.see(evidence, RETELL, at)),
        }
    }

    /// Takes in who is where.
    fn look(
        &mut self,
        config: &LoiteringConfig,
        ground: &WatchedArea<'_>,
        tracks: &[&Track],
        at: Stamp,
    ) {
        let in_view = |track: &&&Track| {
            track.class == Class::Person
                && track.state == TrackState::Confirmed
                && track.seen_at(at)
        };
        let mut new = Vec::new();
        for track in tracks.iter().filter(in_view) {
            let place = ground.place(&track.bbox);
            match self.stays.iter_mut().find(|stay| stay.track == track.id) {
                Some(stay) if place == ZoneMatch::Outside => stay.see_outside(track, at),
                Some(stay) => {
                    let sight = PersonSighting { track, place, begun: (at, track.bbox), at };
                    stay.see(&sight, config.return_window);
                }
                // A known person may be seen weakly; a new one must be seen well.
                None if place != ZoneMatch::Outside
                    && track.confidence >= config.confidence_min =>
                {
                    let begun = self.begun(ground, track, at);
                    new.push(PersonSighting { track, place, begun, at });
                }
                None => {}
            }
        }
        if !new.is_empty() {
            self.welcome(config, &new);
        }
    }

    /// Takes in people whose tracks have no stay: under whose name they come, or as new ones.
    fn welcome(&mut self, config: &LoiteringConfig, new: &[PersonSighting<'_>]) {
        let names = known(&self.stays, new, config.return_window);
        for (sight, name) in new.iter().zip(names) {
            match name.and_then(|index| self.stays.get_mut(index)) {
                Some(stay) => stay.see(sight, config.return_window),
                None => self.stays.push(Stay::new(sight)),
            }
        }
        // Only now, since names are indices.
        while self.stays.len() > STAYS_MAX {
            let longest_away = self.stays.iter().enumerate().min_by_key(|(_, s)| s.last_alive.mono);
            let Some((index, _)) = longest_away else { return };
            self.stays.remove(index);
        }
    }

    fn note_silence(&mut self, ground: &WatchedArea<'_>, at: Stamp) {
        self.silent.retain(|(_, newest)| at.mono.since(newest.mono) <= GRACE);
        for zone in ground.silent() {
            match self.silent.iter_mut().find(|(name, _)| name.as_deref() == zone) {
                Some((_, newest)) => *newest = at,
                None => self.silent.push((zone.map(str::to_owned), at)),
            }
        }
    }

    /// Since when and where a track that had no stay has been in a zone.
    fn begun(&self, ground: &WatchedArea<'_>, track: &Track, at: Stamp) -> (Stamp, BoundingBox) {
        let place = ground.place(&track.origin);
        let zone = place.name();
        let looked = |(name, newest): &(Option<String>, Stamp)| {
            *newest < track.first_seen || name.is_some() && *name != zone
        };
        match place != ZoneMatch::Outside && self.silent.iter().all(looked) {
            true => (track.first_seen, track.origin),
            false => (at, track.bbox),
        }
    }

    /// Of those in view who loiter, the one with the longest dwell.
    fn worst(&self, config: &LoiteringConfig, at: Stamp) -> Option<&Stay> {
        let loiters = |stay: &&Stay| stay.dwell() >= self.bar(config, stay.zone(), at);
        let in_view = self.stays.iter().filter(|stay| stay.last_seen == at);
        in_view.filter(loiters).max_by_key(|stay| stay.dwell())
    }

    /// Whoever stays longer in the zone of that name loiters: less is enough in a group.
    fn bar(&self, config: &LoiteringConfig, zone: Option<&str>, at: Stamp) -> Duration {
        let member = |stay: &&Stay| {
            stay.zone() == zone
                && at.mono.since(stay.last_seen.mono) <= TOGETHER
                && stay.dwell() >= config.group_dwell
        };
        let lower = config.group_dwell < config.dwell;
        if lower && self.stays.iter().filter(member).count() >= config.group_size {
            config.group_dwell
        } else {
            config.dwell
        }
    }
}

impl Rule for Loitering {
    type Config = LoiteringConfig;

    fn observe(
        &mut self,
        config: &LoiteringConfig,
        observation: Observation<'_>,
        context: &RuleContext<'_>,
        events: &mut Vec<UnattributedEvent>,
    ) {
        let Observation::Frame(tracks) = observation else { return };
        let (at, timezone) = (context.at, context.timezone);
        let ground = WatchedArea {
            zones: context.zones,
            night: config.night.holds(at.wall, timezone),
            time: at.wall.to_jiff().to_zoned(timezone.clone()).time(),
            patrols: context.patrols,
        };
        self.on_frame(config, &ground, tracks, at, events);
    }

    fn tick(&mut self, config: &LoiteringConfig, at: Stamp, events: &mut Vec<UnattributedEvent>) {
        let memory = config.return_window.max(GRACE);
        self.stays.retain(|stay| at.mono.since(stay.last_alive.mono) <= memory);
        let quiet = self.loitering.as_ref().is_some_and(|found| found.is_quiet(config.quiet, at));
        if !config.enabled || quiet {
            self.stop(at, events);
        }
    }

    /// Ends the event. Stays go on: whoever is still there is found again.
    fn stop(&mut self, at: Stamp, events: &mut Vec<UnattributedEvent>) {
        events.extend(self.loitering.take().map(|found| found.end(at)));
    }

    fn has_event(&self) -> bool {
        self.loitering.is_some()
    }
}
