//! The time for which the daemon was at work, and how long each camera could be used.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use serde::Serialize;

use crate::history::{Availability, SIGN_EVERY, UptimeEvent, UptimeRecord};
use crate::time::Wall;
use crate::ward::Id;

/// Signs of life further apart leave a gap: a sign may be late on a busy machine, but one that is
/// missing altogether is not made up for.
const GAP_MAX: Duration = Duration::from_secs(SIGN_EVERY.as_secs() * 2);

/// The durations of each state of cameras, and how long they could be used of the time for which
/// that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Uptime {
    /// Milliseconds with usable pictures.
    pub up_ms: u64,
    /// Without any.
    pub offline_ms: u64,
    /// With the same picture again and again.
    pub frozen_ms: u64,
    /// With pictures that don't show the street.
    pub blinded_ms: u64,
    /// Usable of known time, 0..1; null where nothing is known.
    pub share: Option<f64>,
}

impl Uptime {
    fn add(&mut self, health: Availability, ms: u64) {
        match health {
            Availability::Up => self.up_ms += ms,
            Availability::Offline => self.offline_ms += ms,
            Availability::Frozen => self.frozen_ms += ms,
            Availability::Blinded => self.blinded_ms += ms,
            Availability::Unwatched => {}
        }
    }

    /// For how long it is known how they were, milliseconds.
    pub fn known_ms(&self) -> u64 {
        self.up_ms + self.offline_ms + self.frozen_ms + self.blinded_ms
    }

    fn sum(parts: impl Iterator<Item = Self>) -> Self {
        let mut sum = parts.fold(Self::default(), |a, b| Self {
            up_ms: a.up_ms + b.up_ms,
            offline_ms: a.offline_ms + b.offline_ms,
            frozen_ms: a.frozen_ms + b.frozen_ms,
            blinded_ms: a.blinded_ms + b.blinded_ms,
            share: None,
        });
        sum.share = share(sum.up_ms, sum.known_ms());
        sum
    }
}

/// A part of a whole, 0..1; none where there is no whole.
#[expect(clippy::cast_precision_loss, reason = "a share of days in milliseconds")]
pub(super) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// A range of time as the ledger's notes tell of it.
pub(super) struct RunningTime {
    /// Milliseconds that it is long.
    length_ms: u64,
    /// Milliseconds in which the daemon was at work.
    running_ms: u64,
    /// By khu phố and camera.
    cameras: BTreeMap<(Id, Id), Uptime>,
}

/// Goes through the notes in the order in which they were written.
struct Walk<'a> {
    range: &'a Range<Wall>,
    /// The last sign of life of a daemon that goes on.
    last: Option<Wall>,
    /// Milliseconds of the range in which the daemon was known to run, up to `last`.
    running_ms: u64,
    /// The availability of each camera, in which khu phố, and since which `running_ms`.
    now: BTreeMap<Id, (Id, Availability, u64)>,
    cameras: BTreeMap<(Id, Id), Uptime>,
}

impl RunningTime {
    pub(super) fn of(notes: &[UptimeRecord], range: &Range<Wall>) -> Self {
        let mut walk = Walk {
            range,
            last: None,
            running_ms: 0,
            now: BTreeMap::new(),
            cameras: BTreeMap::new(),
        };
        for note in notes {
            walk.take_in(note);
        }
        walk.forget();
        let length_ms = u64::try_from((range.end.0 - range.start.0) / 1_000).unwrap_or(0);
        Self { length_ms, running_ms: walk.running_ms, cameras: walk.cameras }
    }

    /// The part of the time in which the daemon was at work, 0..1.
    pub(super) fn share(&self) -> f64 {
        share(self.running_ms, self.length_ms).unwrap_or(0.0)
    }

    /// Every camera of which something is known, with its khu phố before it.
    pub(super) fn cameras(&self) -> impl Iterator<Item = (&Id, &Id)> {
        self.cameras.keys().map(|(khu_pho, camera)| (khu_pho, camera))
    }

    /// Of the cameras that `wanted` takes, by khu phố and id.
    pub(super) fn uptime(&self, wanted: impl Fn(&Id, &Id) -> bool) -> Uptime {
        let found = self.cameras.iter().filter(|((khu_pho, id), _)| wanted(khu_pho, id));
        Uptime::sum(found.map(|(_, uptime)| *uptime))
    }
}

impl Walk<'_> {
    fn take_in(&mut self, note: &UptimeRecord) {
        match &note.what {
            UptimeEvent::Started => {
                // Whoever went before has not said when it ended.
                self.forget();
                self.last = Some(note.at);
            }
            UptimeEvent::Alive => self.go_on(note.at),
            UptimeEvent::Stopped => {
                self.go_on(note.at);
                self.forget();
            }
            UptimeEvent::Camera { id, khu_pho, health } => {
                self.go_on(note.at);
                let seat = (khu_pho.clone(), *health, self.running_ms);
                if let Some(earlier) = self.now.insert(id.clone(), seat) {
                    self.add(id, earlier);
                }
            }
        }
    }

    /// The daemon lives at `at`; so it did since its last sign, if that is not long ago.
    fn go_on(&mut self, at: Wall) {
        let Some(last) = self.last.replace(at) else { return };
        let gap_us = at.0.saturating_sub(last.0);
        let gap_max_us = i64::try_from(GAP_MAX.as_micros()).unwrap_or(i64::MAX);
        if (0..=gap_max_us).contains(&gap_us) {
            let seen_us = at.0.min(self.range.end.0) - last.0.max(self.range.start.0);
            // Milliseconds by their ends, so that parts of a time add up to the whole.
            if seen_us > 0 {
                let ms =
                    at.min(self.range.end).as_millis() - last.max(self.range.start).as_millis();
                self.running_ms += u64::try_from(ms).unwrap_or(0);
            }
        }
    }

    /// Nothing is known from here on.
    fn forget(&mut self) {
        self.last = None;
        for (id, earlier) in std::mem::take(&mut self.now) {
            self.add(&id, earlier);
        }
    }

    /// A camera was so until now.
    fn add(&mut self, id: &Id, (khu_pho, health, since): (Id, Availability, u64)) {
        let uptime = self.cameras.entry((khu_pho, id.clone())).or_default();
        uptime.add(health, self.running_ms - since);
        uptime.share = share(uptime.up_ms, uptime.known_ms());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: i64 = 60_000_000;

    fn id(text: &str) -> Id {
        Id::new(text).unwrap()
    }

    fn note(minute: i64, what: UptimeEvent) -> UptimeRecord {
        UptimeRecord { at: Wall(minute * MINUTE), what }
    }

    fn camera(minute: i64, name: &str, health: Availability) -> UptimeRecord {
        note(minute, UptimeEvent::Camera { id: id(name), khu_pho: id("kp3"), health })
    }

    fn alive(from: i64, to: i64) -> impl Iterator<Item = UptimeRecord> {
        (from..=to).step_by(5).map(|minute| note(minute, UptimeEvent::Alive))
    }

    fn watch(notes: &[UptimeRecord], from: i64, to: i64) -> RunningTime {
        RunningTime::of(notes, &(Wall(from * MINUTE)..Wall(to * MINUTE)))
    }

    fn minutes(uptime: Uptime) -> [u64; 4] {
        [uptime.up_ms, uptime.offline_ms, uptime.frozen_ms, uptime.blinded_ms].map(|ms| ms / 60_000)
    }

    #[test]
    fn up_and_down_are_of_the_time_in_which_the_daemon_was_at_work() {
        let mut notes = vec![note(0, UptimeEvent::Started), camera(0, "a", Availability::Up)];
        notes.extend(alive(5, 60));
        notes.push(camera(62, "a", Availability::Frozen));
        notes.extend(alive(65, 70));
        notes.push(note(72, UptimeEvent::Stopped));
        // Nobody was there for an hour; then it is not known at once how the camera is.
        notes.push(note(132, UptimeEvent::Started));
        notes.push(camera(133, "a", Availability::Blinded));
        notes.push(note(135, UptimeEvent::Alive));
        // Killed: what came after its last sign is unknown.
        notes.push(note(180, UptimeEvent::Started));
        notes.push(camera(180, "a", Availability::Offline));
        notes.extend(alive(185, 200));
        let all = watch(&notes, 0, 240);
        let uptime = all.uptime(|_, _| true);
        assert_eq!(minutes(uptime), [62, 20, 10, 2]);
        assert_eq!(uptime.share, Some(62.0 / 94.0));
        assert_eq!(all.running_ms / 60_000, 72 + 3 + 20);
        assert_eq!(all.share(), 95.0 / 240.0);
        // A part of the time, with edges between the notes.
        let part = watch(&notes, 58, 66);
        assert_eq!(minutes(part.uptime(|_, _| true)), [4, 0, 4, 0]);
        assert_eq!(part.share(), 1.0);
        assert_eq!(watch(&notes, 80, 130).uptime(|_, _| true), Uptime::default());
    }

    #[test]
    fn a_gap_and_a_clock_that_jumps_are_unknown() {
        let gap = [
            note(0, UptimeEvent::Started),
            camera(0, "a", Availability::Up),
            note(5, UptimeEvent::Alive),
            note(65, UptimeEvent::Alive),
            note(70, UptimeEvent::Alive),
            note(10, UptimeEvent::Alive),
            note(15, UptimeEvent::Alive),
        ];
        assert_eq!(minutes(watch(&gap, 0, 100).uptime(|_, _| true)), [15, 0, 0, 0]);
    }

    #[test]
    fn a_camera_that_is_not_to_be_watched_is_neither_up_nor_down() {
        let notes = [
            note(0, UptimeEvent::Started),
            camera(0, "a", Availability::Unwatched),
            camera(0, "b", Availability::Offline),
            note(10, UptimeEvent::Alive),
        ];
        let watch = watch(&notes, 0, 10);
        assert_eq!(watch.uptime(|_, camera| camera.as_str() == "a").share, None);
        assert_eq!(watch.uptime(|_, camera| camera.as_str() == "b").share, Some(0.0));
    }

    proptest! {
        #[test]
        fn parts_of_a_time_add_up(
            steps in prop::collection::vec((0..9i64, 0..3usize, 0..8usize), 1..60),
            cut in 0..200i64,
        ) {
            let names = ["a", "b", "c"];
            let mut at = 0;
            let notes: Vec<UptimeRecord> = steps
                .into_iter()
                .map(|(step, name, what)| {
                    at += step * 61_234_567;
                    let what = match what {
                        0 => UptimeEvent::Started,
                        1 => UptimeEvent::Stopped,
                        2 => UptimeEvent::Alive,
                        n => UptimeEvent::Camera {
                            id: id(names[name]),
                            khu_pho: id("kp3"),
                            health: [
                                Availability::Up,
                                Availability::Offline,
                                Availability::Frozen,
                                Availability::Blinded,
                                Availability::Unwatched,
                            ][n - 3],
                        },
                    };
                    UptimeRecord { at: Wall(at), what }
                })
                .collect();
            let [whole, first, second] =
                [(0, 1_000), (0, cut), (cut, 1_000)].map(|(from, to)| watch(&notes, from, to));
            let all = |watch: &RunningTime| watch.uptime(|_, _| true);
            prop_assert_eq!(whole.running_ms, first.running_ms + second.running_ms);
            let sum = Uptime::sum([all(&first), all(&second)].into_iter());
            prop_assert_eq!(all(&whole), sum);
            prop_assert!(all(&whole).known_ms() <= 3 * whole.running_ms);
        }
    }
}
