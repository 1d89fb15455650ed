//! Which packets are worth decoding, for the rate at which pictures are wanted. Pure but for the
//! atomic that carries the wanted rate from the attention to the decoder's thread.
//!
//! Decoding is most of the daemon's work, and inter frames can't be left out one by one: each is
//! predicted from those before it. But a camera whose key frames come as often as pictures are
//! wanted needs no inter frame at all, which costs a tenth.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::decode::Want;
use crate::time::Mono;

/// How often a camera's pictures are wanted. Clones share the value.
#[derive(Clone, Debug, Default)]
pub struct Pace(Arc<AtomicU64>);

impl Pace {
    /// One picture a `period`; zero: every one.
    pub fn every(period: Duration) -> Self {
        let pace = Self::default();
        pace.set(period);
        pace
    }

    /// From now on, one picture a `period`, counted in milliseconds; zero: every one.
    pub fn set(&self, period: Duration) {
        self.0.store(u64::try_from(period.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The wanted period.
    pub fn period(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// What to do with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What the decoder shall do with it.
    pub want: Want,
    /// The packets after it are not decoded, so its picture must be had without them.
    pub alone: bool,
}

/// Decides packet by packet; learns the stream's rhythm from the times of arrival, because what
/// cameras say about it is often wrong.
#[derive(Debug, Default)]
pub struct Schedule {
    key_interval: Interval,
    packet_interval: Interval,
    /// When the last wanted picture was due; the next one is a period later.
    last_due: Option<Mono>,
}

impl Schedule {
    /// What arrives next does not continue what arrived before; the rhythm is likely the same.
    pub fn interrupt(&mut self) {
        self.key_interval.last = None;
        self.packet_interval.last = None;
    }

    /// What to do with the packet that arrived at `at`, pictures being wanted once a `period`.
    pub fn choose(&mut self, at: Mono, key: bool, period: Duration) -> Choice {
        self.packet_interval.note(at);
        if key {
            self.key_interval.note(at);
        }
        let key_frames_do = self.key_frames_do(at, period);
        let rhythm = if key_frames_do { self.key_interval } else { self.packet_interval };
        // Of two packets around the due time, the nearer one.
        let early = rhythm.usual.unwrap_or_default() / 2;
        let is_due = self.last_due.is_none_or(|last| at + early >= last + period);
        let want = match (key_frames_do, key, is_due) {
            (true, false, _) | (true, true, false) => Want::Nothing,
            (false, _, false) => Want::Reference,
            (_, _, true) => Want::Picture,
        };
        if want == Want::Picture {
            let due = self.last_due.map_or(at, |last| last + period);
            self.last_due = Some(if at.since(due) > period { at } else { due });
        }
        Choice { want, alone: key_frames_do }
    }

    /// Whether key frames alone come often enough. While their rhythm is not known yet, they are
    /// given one period to show it: should they not, nothing is lost but the work is done later.
    fn key_frames_do(&self, at: Mono, period: Duration) -> bool {
        let Some(last) = self.key_interval.last else { return false };
        let since = at.since(last);
        match self.key_interval.usual {
            Some(usual) => usual <= period + period / 10 && since <= period + period / 2,
            None => since < period,
        }
    }
}

/// How long it usually takes from one event to the next.
#[derive(Clone, Copy, Debug, Default)]
struct Interval {
    last: Option<Mono>,
    usual: Option<Duration>,
}

impl Interval {
    fn note(&mut self, at: Mono) {
        if let Some(last) = self.last {
            let new = at.since(last);
            self.usual = Some(self.usual.map_or(new, |usual| (usual * 3 + new) / 4));
        }
        self.last = Some(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream of `fps`, a key frame every `group`; what becomes of each packet, as text:
    /// P picture, r reference, . nothing.
    fn choices(schedule: &mut Schedule, from_ms: u64, packets: Packets, period_ms: u64) -> String {
        let choose = |index: u64| {
            // Arrival jitters by a third of the distance between packets.
            let jitter = [0, 9, 3, 13][(index % 4) as usize];
            let at = Mono((from_ms + index * 1000 / packets.fps + jitter) * 1000);
            let period = Duration::from_millis(period_ms);
            schedule.choose(at, index.is_multiple_of(packets.group), period).want
        };
        let text = (0..packets.count).map(choose).map(|want| match want {
            Want::Picture => 'P',
            Want::Reference => 'r',
            Want::Nothing => '.',
        });
        text.collect()
    }

    #[derive(Clone, Copy)]
    struct Packets {
        count: u64,
        fps: u64,
        group: u64,
    }

    #[test]
    fn every_picture_is_wanted_at_period_zero() {
        let packets = Packets { count: 6, fps: 25, group: 3 };
        assert_eq!(choices(&mut Schedule::default(), 0, packets, 0), "PPPPPP");
    }

    #[test]
    fn five_a_second_of_twenty_five_are_every_fifth() {
        let packets = Packets { count: 50, fps: 25, group: 50 };
        let text = choices(&mut Schedule::default(), 0, packets, 200);
        assert_eq!(text, format!("P....{}", "Prrrr".repeat(9)));
    }

    #[test]
    fn a_period_that_is_no_multiple_is_kept_on_average() {
        let packets = Packets { count: 250, fps: 25, group: 1000 };
        let text = choices(&mut Schedule::default(), 0, packets, 300);
        assert_eq!(text.matches('P').count(), 34);
    }

    #[test]
    fn key_frames_that_come_often_enough_are_all_that_is_decoded() {
        let packets = Packets { count: 100, fps: 10, group: 20 };
        let text = choices(&mut Schedule::default(), 0, packets, 2000);
        assert_eq!(text, format!("P{}", ".".repeat(19)).repeat(5));
        let often = Packets { group: 5, ..packets };
        let text = choices(&mut Schedule::default(), 0, often, 2000);
        assert_eq!(text, format!("P{}", ".".repeat(19)).repeat(5));
    }

    #[test]
    fn a_quicker_pace_decodes_everything_from_the_next_packet_on() {
        let mut schedule = Schedule::default();
        let packets = Packets { count: 45, fps: 10, group: 20 };
        choices(&mut schedule, 0, packets, 2000);
        let later = schedule.choose(Mono(4_500_000), false, Duration::from_millis(200));
        assert_eq!(later, Choice { want: Want::Picture, alone: false });
        let next = schedule.choose(Mono(4_600_000), false, Duration::from_millis(200));
        assert_eq!(next.want, Want::Reference);
    }

    #[test]
    fn key_frames_that_stay_away_are_not_waited_for() {
        let mut schedule = Schedule::default();
        let packets = Packets { count: 41, fps: 10, group: 20 };
        choices(&mut schedule, 0, packets, 2000);
        let wants: Vec<Want> = (1..60)
            .map(|i| schedule.choose(Mono((4000 + i * 100) * 1000), false, 2 * SECOND).want)
            .collect();
        assert_eq!(wants.iter().filter(|want| **want == Want::Picture).count(), 2);
        assert_eq!(wants[10], Want::Nothing);
        assert_eq!(wants[50], Want::Reference);
    }

    const SECOND: Duration = Duration::from_secs(1);
}
