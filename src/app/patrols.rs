//! The announced patrols, noted so that a daemon that starts again does not alarm on them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::incident::Patrol;
use crate::outbox::StateChange;
use crate::time::Wall;
use crate::ward::Id;

/// Patrols' notes begin so; the khu phố's id follows.
pub(super) const NOTED: &[u8] = b"patrol/";
/// Of one khu phố; the one that was announced first gives way, as the core has it.
const PATROLS_MAX: usize = 32;

/// The patrols that were announced, a khu phố's by its id.
#[derive(Debug, Default)]
pub(super) struct Patrols(BTreeMap<Id, Vec<Announced>>);

/// One of them, as it is noted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Announced {
    team: String,
    zone: Option<String>,
    /// Microseconds of wall time.
    until: i64,
    lasts_s: u64,
}

impl Patrols {
    /// Reads back what was noted; what is no such note is passed over.
    pub(super) fn restore(notes: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> Self {
        let read = |(key, value): (Vec<u8>, Vec<u8>)| {
            let id = std::str::from_utf8(key.strip_prefix(NOTED)?).ok()?;
            Some((Id::new(id).ok()?, serde_json::from_slice(&value).ok()?))
        };
        Self(notes.into_iter().filter_map(read).collect())
    }

    /// Takes in a patrol, and gives what is to be noted of its khu phố.
    pub(super) fn take(&mut self, khu_pho: &Id, patrol: &Patrol, now: Wall) -> StateChange {
        let Patrol { team, lasts, zone } = patrol;
        let all = self.0.entry(khu_pho.clone()).or_default();
        all.retain(|known| known.until > now.0 && (&known.team, &known.zone) != (team, zone));
        if all.len() >= PATROLS_MAX {
            all.remove(0);
        }
        let span = i64::try_from(lasts.as_micros()).unwrap_or(i64::MAX);
        all.push(Announced {
            team: team.clone(),
            zone: zone.clone(),
            until: now.0.saturating_add(span),
            lasts_s: lasts.as_secs(),
        });
        let value = serde_json::to_vec(all).expect("texts and numbers can be written");
        StateChange::Put { key: [NOTED, khu_pho.as_str().as_bytes()].concat(), value }
    }

    /// Those that are not over yet at `now`, with the time that is left to them; no clock that was
    /// set back makes it longer.
    pub(super) fn still_there(&self, now: Wall) -> Vec<(Id, Patrol)> {
        let mut found = Vec::new();
        for (khu_pho, all) in &self.0 {
            for Announced { team, zone, until, lasts_s } in all {
                let left = u64::try_from(until.saturating_sub(now.0)).unwrap_or(0);
                let lasts = Duration::from_micros(left).min(Duration::from_secs(*lasts_s));
                if !lasts.is_zero() {
                    let patrol = Patrol { team: team.clone(), lasts, zone: zone.clone() };
                    found.push((khu_pho.clone(), patrol));
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_US: i64 = 60_000_000;

    fn patrol(team: &str, zone: Option<&str>) -> Patrol {
        Patrol::new(team, 30, zone).unwrap()
    }

    fn restored(note: StateChange) -> Patrols {
        let StateChange::Put { key, value } = note else { panic!("{note:?}") };
        Patrols::restore([(key, value), (b"patrol/KP!".to_vec(), b"[]".to_vec())])
    }

    #[test]
    fn a_patrol_is_still_there_after_a_restart_for_what_is_left() {
        let kp3 = Id::new("kp3").unwrap();
        let mut patrols = Patrols::default();
        patrols.take(&kp3, &patrol("Tổ 3", None), Wall(0));
        patrols.take(&kp3, &patrol("Tổ 4", Some("chợ")), Wall(0));
        let note = patrols.take(&kp3, &patrol("Tổ 3", None), Wall(10 * MINUTE_US));
        let patrols = restored(note);
        let there = |minutes: i64| -> Vec<(String, u64)> {
            let all = patrols.still_there(Wall(minutes * MINUTE_US));
            all.into_iter().map(|(_, p)| (p.team, p.lasts.as_secs() / 60)).collect()
        };
        let of = |team: &str, minutes| (team.to_owned(), minutes);
        assert_eq!(there(20), [of("Tổ 4", 10), of("Tổ 3", 20)]);
        assert_eq!(there(35), [of("Tổ 3", 5)]);
        assert_eq!(there(40), []);
        assert_eq!(there(-600), [of("Tổ 4", 30), of("Tổ 3", 30)], "the clock was set back");
    }

    #[test]
    fn whoever_announces_without_end_fills_nothing() {
        let kp3 = Id::new("kp3").unwrap();
        let mut patrols = Patrols::default();
        for number in 0..PATROLS_MAX * 3 {
            patrols.take(&kp3, &patrol(&format!("Tổ {number}"), None), Wall(0));
        }
        assert_eq!(patrols.still_there(Wall(0)).len(), PATROLS_MAX);
    }
}
