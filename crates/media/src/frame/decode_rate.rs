//! Chooses the packets that are worth decoding for the rate at which pictures are wanted. Pure but
//! for the atomics that carry what is wanted to the decoder's thread, and what it noticed back.
//!
//! Decoding is most of the daemon's work, and inter frames can't be left out one by one: each is
//! predicted from those before it. But a camera whose key frames come as often as pictures are
//! wanted needs no inter frame at all, which costs a tenth.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::decode::DecodeMode;
use super::key_frames::KeyFrames;
use super::key_frames::Packets;
use crate::time::Mono;

/// The rate at which a camera's pictures are wanted, and what its decoder's thread noticed. Clones
/// share the values.
#[derive(Clone, Debug, Default)]
pub struct DecodeRate(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// See [`RateTarget::lead`].
    lead: f64,
    period_ms: AtomicU64,
    /// 0: no bound.
    gap_ms: AtomicU64,
    /// 0: key frames alone do only where they come as often as pictures are wanted.
    thrift_ms: AtomicU64,
    patient: AtomicBool,
    asked: AtomicBool,
    late: AtomicBool,
    /// The time at which something moved last, in microseconds; 0: never, or told already.
    moved_us: AtomicU64,
}

/// The rate at which a camera's pictures are wanted just now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateTarget {
    /// One picture a `period`; zero: every one.
    pub period: Duration,
    /// Two pictures are never further apart, as far as the stream allows.
    pub gap: Duration,
    /// Key frames alone do wherever they come within as long, though a picture is wanted sooner;
    /// zero: only where they come as often as pictures are wanted.
    pub thrift: Duration,
    /// Going over from key frames to every frame waits for the next key frame, which spares
    /// decoding what lies between.
    pub patient: bool,
    /// The last picture came to nothing: the next one is wanted as soon as there is one.
    pub asked: bool,
    /// The share (0..1) of a growth of the period by which the next picture comes sooner. Were it
    /// the same for all cameras, a ward that goes over to every second key frame would pass over
    /// one together and decode the next together, on and on: two seconds of overload, two of rest.
    pub lead: f64,
}

impl From<Duration> for RateTarget {
    fn from(period: Duration) -> Self {
        Self {
            period,
            gap: Duration::MAX,
            thrift: Duration::ZERO,
            patient: false,
            asked: false,
            lead: 0.0,
        }
    }
}

impl DecodeRate {
    /// For a camera with this [`RateTarget::lead`].
    pub fn with_lead(lead: f64) -> Self {
        Self(Arc::new(Shared { lead, ..Shared::default() }))
    }

    /// One picture a `period`; zero: every one.
    pub fn every(period: Duration) -> Self {
        let decode_rate = Self::default();
        decode_rate.set(period);
        decode_rate
    }

    /// From now on, one picture a `period`, counted in milliseconds; zero: every one.
    pub fn set(&self, period: Duration) {
        self.0.period_ms.store(millis(period), Ordering::Relaxed);
    }

    /// From now on, within which distance of one another key frames suffice though pictures are
    /// wanted sooner, and whether more than those can wait for the next one.
    pub fn save(&self, thrift: Option<Duration>, patient: bool) {
        self.0.thrift_ms.store(thrift.map_or(0, millis), Ordering::Relaxed);
        self.0.patient.store(patient, Ordering::Relaxed);
    }

    /// From now on, two pictures are never further apart than `gap`.
    pub fn bound(&self, gap: Duration) {
        self.0.gap_ms.store(millis(gap), Ordering::Relaxed);
    }

    /// Asks for another picture: the last one was lost on its way.
    pub fn ask(&self) {
        self.0.asked.store(true, Ordering::Relaxed);
    }

    /// Returns the wanted rate; a picture that was asked for is reported once.
    #[inline]
    pub fn wanted(&self) -> RateTarget {
        let shared = &*self.0;
        let gap = match shared.gap_ms.load(Ordering::Relaxed) {
            0 => Duration::MAX,
            gap => Duration::from_millis(gap),
        };
        // Looked at first: a swap would take the cache line from the other threads each time.
        let asked =
            shared.asked.load(Ordering::Relaxed) && shared.asked.swap(false, Ordering::Relaxed);
        let period = Duration::from_millis(shared.period_ms.load(Ordering::Relaxed));
        let thrift = Duration::from_millis(shared.thrift_ms.load(Ordering::Relaxed));
        let patient = shared.patient.load(Ordering::Relaxed);
        RateTarget { period, gap, thrift, patient, asked, lead: shared.lead }
    }

    /// A wanted picture was late already when it was its turn to be decoded.
    pub fn report_late(&self) {
        self.0.late.store(true, Ordering::Relaxed);
    }

    /// Returns whether a picture was late since the last call.
    pub fn take_late(&self) -> bool {
        self.0.late.swap(false, Ordering::Relaxed)
    }

    /// Something moved at `at`.
    pub fn report_motion(&self, at: Mono) {
        self.0.moved_us.store(at.0.max(1), Ordering::Relaxed);
    }

    /// Returns the time of the last motion, if there was any since the last call.
    pub fn take_motion(&self) -> Option<Mono> {
        match self.0.moved_us.swap(0, Ordering::Relaxed) {
            0 => None,
            moved => Some(Mono(moved)),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The treatment that was chosen for a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeChoice {
    /// The way in which the decoder treats it.
    pub mode: DecodeMode,
    /// The packets after it are not decoded, so its picture must be had without them.
    pub alone: bool,
}

/// Decides packet by packet, by the stream's rhythm.
#[derive(Debug, Default)]
pub struct DecodeSchedule {
    key_frames: KeyFrames,
    packets: Packets,
    /// As it was wanted at the packet before.
    period: Duration,
    /// The time at which the last wanted picture was due; the next one is a period later.
    last_due: Option<Mono>,
    /// The time at which the packet of the last wanted picture arrived.
    last_picture: Option<Mono>,
    /// That picture came to nothing.
    asked: bool,
    /// Key frames alone are decoded just now.
    alone: bool,
}

impl DecodeSchedule {
    /// Notes that what arrives next does not continue what arrived before; the rhythm is likely the
    /// same.
    pub fn interrupt(&mut self) {
        self.key_frames.interrupt();
        self.packets.interrupt();
    }

    /// The picture that was chosen last is lost: another one is due as soon as there is one.
    pub fn ask(&mut self) {
        self.asked = true;
    }

    /// Chooses the treatment of the packet that arrived at `at`, pictures being wanted as `wanted`
    /// says.
    pub fn choose(&mut self, at: Mono, key: bool, wanted: impl Into<RateTarget>) -> DecodeChoice {
        let wanted = wanted.into();
        let period = wanted.period;
        let grown = period.saturating_sub(std::mem::replace(&mut self.period, period));
        self.last_due = self.last_due.map(|due| due - grown.mul_f64(wanted.lead));
        self.asked |= wanted.asked;
        self.packets.note(at);
        if key {
            self.key_frames.note(at);
        }
        let stays = self.alone && wanted.patient && !key && self.key_frame_nears(at);
        let key_frames_do = stays || self.key_frames_do(at, wanted);
        let was_alone = std::mem::replace(&mut self.alone, key_frames_do);
        let leaves = key_frames_do && !was_alone && !key;
        let apart = self.key_frames.usual().filter(|_| key_frames_do);
        // Of two packets around the due time, the nearer one.
        let usual = apart.unwrap_or_else(|| self.packets.usual());
        let in_turn = self.last_due.is_some_and(|last| at + usual / 2 >= last + period);
        // The next one would come too late.
        let is_last = self.last_picture.is_some_and(|last| at + usual > last + wanted.gap);
        let is_due = in_turn || is_last || self.asked || self.last_due.is_none();
        let want = match (key_frames_do, key, is_due) {
            // The decoder can still give one, and the next key frame may be too late.
            (true, false, _) if leaves && self.key_frame_misses(wanted.gap) => DecodeMode::Picture,
            (true, false, _) | (true, true, false) => DecodeMode::Skip,
            (false, _, false) => DecodeMode::Reference,
            (_, _, true) => DecodeMode::Picture,
        };
        if want == DecodeMode::Picture {
            let due = self.last_due.map_or(at, |last| last + period);
            self.last_due = Some(if in_turn && at.since(due) <= period { due } else { at });
            self.last_picture = Some(at);
            self.asked = false;
        }
        DecodeChoice { mode: want, alone: key_frames_do }
    }

    /// Returns whether the next key frame is still to be expected at its time.
    fn key_frame_nears(&self, at: Mono) -> bool {
        let known = self.key_frames.last().zip(self.key_frames.usual());
        known.is_some_and(|(last, usual)| at.since(last) <= usual + usual / 4)
    }

    /// Returns whether the next key frame is to be expected later than `gap` after the last
    /// picture.
    fn key_frame_misses(&self, gap: Duration) -> bool {
        let known = self.last_picture.zip(self.key_frames.next());
        known.is_some_and(|(picture, next)| next > picture + gap)
    }

    /// Returns whether key frames alone come often enough. While their rhythm is not known yet,
    /// they are given one period to show it: should they not, nothing is lost but the work is done
    /// later. For thrift's sake more is left out only once they have shown it twice.
    fn key_frames_do(&self, at: Mono, wanted: RateTarget) -> bool {
        let Some(last) = self.key_frames.last() else { return false };
        let since = at.since(last);
        let (period, thrifty) = (wanted.period, wanted.period.max(wanted.thrift));
        let Some(usual) = self.key_frames.usual() else { return since < thrifty };
        let period = if self.key_frames.is_settled() { thrifty } else { period };
        // Beyond the bound on the gap there is nothing to be saved.
        let enough = (period + period / 10).min(wanted.gap);
        let patience = (period + period / 2).min(wanted.gap);
        usual <= enough && since <= patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream of `fps`, a key frame every `group`; what becomes of each packet, as text:
    /// P picture, r reference, . nothing.
    fn choices(
        schedule: &mut DecodeSchedule,
        from_ms: u64,
        packets: Packets,
        period_ms: u64,
    ) -> String {
        let choose = |index: u64| {
            // Arrival jitters by a third of the distance between packets.
            let jitter = [0, 9, 3, 13][(index % 4) as usize];
            let at = Mono((from_ms + index * 1000 / packets.fps + jitter) * 1000);
            let period = Duration::from_millis(period_ms);
            schedule.choose(at, index.is_multiple_of(packets.group), period).mode
        };
        let text = (0..packets.count).map(choose).map(|want| match want {
            DecodeMode::Picture => 'P',
            DecodeMode::Reference => 'r',
            DecodeMode::Skip => '.',
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
        assert_eq!(choices(&mut DecodeSchedule::default(), 0, packets, 0), "PPPPPP");
    }

    #[test]
    fn five_a_second_of_twenty_five_are_every_fifth() {
        let packets = Packets { count: 50, fps: 25, group: 50 };
        let text = choices(&mut DecodeSchedule::default(), 0, packets, 200);
        assert_eq!(text, format!("P....{}", "Prrrr".repeat(9)));
    }

    #[test]
    fn a_period_that_is_no_multiple_is_kept_on_average() {
        let packets = Packets { count: 250, fps: 25, group: 1000 };
        let text = choices(&mut DecodeSchedule::default(), 0, packets, 300);
        assert_eq!(text.matches('P').count(), 34);
    }

    #[test]
    fn key_frames_that_come_often_enough_are_all_that_is_decoded() {
        let packets = Packets { count: 100, fps: 10, group: 20 };
        let text = choices(&mut DecodeSchedule::default(), 0, packets, 2000);
        assert_eq!(text, format!("P{}", ".".repeat(19)).repeat(5));
        let often = Packets { group: 5, ..packets };
        let text = choices(&mut DecodeSchedule::default(), 0, often, 2000);
        assert_eq!(text, format!("P{}", ".".repeat(19)).repeat(5));
    }

    #[test]
    fn key_frames_alone_suffice_only_within_thrift() {
        let pictures = |group: u64, thrift: u32| {
            let mut schedule = DecodeSchedule::default();
            let thrift = thrift * SECOND;
            let wanted = RateTarget { thrift, gap: 5 * SECOND, ..RateTarget::from(SECOND) };
            let choose = |index: u64| {
                let key = index.is_multiple_of(group);
                schedule.choose(Mono(index * 100_000), key, wanted).mode
            };
            let wants: Vec<DecodeMode> = (0..200).map(choose).collect();
            // What it has come to when the rhythm of key frames is known.
            [DecodeMode::Picture, DecodeMode::Reference]
                .map(|want| wants[120..].iter().filter(|chosen| **chosen == want).count())
        };
        assert_eq!(pictures(20, 0), [8, 72]);
        assert_eq!(pictures(20, 2), [4, 0]);
        assert_eq!(pictures(40, 2), [8, 72]);
        assert_eq!(pictures(40, 5), [2, 0]);
        assert_eq!(pictures(80, 5), [8, 72], "the bound on the gap would be broken");
    }

    #[test]
    fn scene_change_key_frames_do_not_count_as_regular() {
        // A key frame at 1.3 s of each 5.8, as some encoders put one where something flares up: an
        // idle camera that waited for the next one would miss what it was put for.
        let mut schedule = DecodeSchedule::default();
        let wanted = RateTarget { thrift: 2 * SECOND, gap: 3 * SECOND, ..RateTarget::from(SECOND) };
        let picture = |index: &u64| {
            let key = matches!(index % 58, 0 | 13);
            schedule.choose(Mono(index * 100_000), key, wanted).mode == DecodeMode::Picture
        };
        let times: Vec<u64> = (0..300).filter(picture).collect();
        let apart = times.windows(2).map(|pair| pair[1] - pair[0]);
        assert_eq!(apart.max(), Some(13), "{times:?}");
    }

    #[test]
    fn shorter_period_decodes_everything_from_the_next_packet() {
        let mut schedule = DecodeSchedule::default();
        let packets = Packets { count: 45, fps: 10, group: 20 };
        choices(&mut schedule, 0, packets, 2000);
        let later = schedule.choose(Mono(4_500_000), false, Duration::from_millis(200));
        assert_eq!(later, DecodeChoice { mode: DecodeMode::Picture, alone: false });
        let next = schedule.choose(Mono(4_600_000), false, Duration::from_millis(200));
        assert_eq!(next.mode, DecodeMode::Reference);
    }

    #[test]
    fn missing_key_frames_are_not_waited_for() {
        let mut schedule = DecodeSchedule::default();
        let packets = Packets { count: 41, fps: 10, group: 20 };
        choices(&mut schedule, 0, packets, 2000);
        let wants: Vec<DecodeMode> = (1..60)
            .map(|i| schedule.choose(Mono((4000 + i * 100) * 1000), false, 2 * SECOND).mode)
            .collect();
        assert_eq!(wants.iter().filter(|want| **want == DecodeMode::Picture).count(), 2);
        assert_eq!(wants[10], DecodeMode::Skip);
        assert_eq!(wants[50], DecodeMode::Reference);
    }

    #[test]
    fn a_bound_on_the_gap_is_kept_where_key_frames_miss_the_period() {
        // A key frame every 3 s, and one picture in 4.5 s: on average that leaves some out.
        let pictures = |gap: u32| {
            let mut schedule = DecodeSchedule::default();
            let wanted = RateTarget {
                period: Duration::from_millis(4500),
                gap: gap * SECOND,
                ..RateTarget::from(Duration::ZERO)
            };
            let at = |index: u64| Mono(index * 100_000);
            let chosen = (0..600u64).filter(|index| {
                schedule.choose(at(*index), index.is_multiple_of(30), wanted).mode
                    == DecodeMode::Picture
            });
            let times: Vec<u64> = chosen.collect();
            times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
        };
        assert_eq!(pictures(100), 60);
        assert_eq!(pictures(5), 30);
    }

    #[test]
    fn lead_spreads_skipped_key_frames_over_cameras() {
        // A hundred cameras with a key frame every 2 s, all at another time of these; at 20 s a
        // picture every 4.5 s has to do.
        let of_each_second = |lead: fn(u64) -> f64| {
            let mut pictures = [0; 20];
            for camera in 0..100_u64 {
                let mut schedule = DecodeSchedule::default();
                for number in 0..30_u64 {
                    let at = Mono(number * 2_000_000 + camera * 20_000);
                    let ms = if number < 10 { 2_000 } else { 4_500 };
                    let period = Duration::from_millis(ms);
                    let lead = lead(camera);
                    let wanted = RateTarget { gap: 5 * SECOND, lead, ..RateTarget::from(period) };
                    let second = (at.0 / 1_000_000).checked_sub(40).and_then(|s| s.try_into().ok());
                    let place = second.and_then(|second: usize| pictures.get_mut(second));
                    if schedule.choose(at, true, wanted).mode == DecodeMode::Picture
                        && let Some(pictures) = place
                    {
                        *pictures += 1;
                    }
                }
            }
            pictures.into_iter().min().zip(pictures.into_iter().max())
        };
        assert_eq!(of_each_second(|_| 0.0), Some((0, 50)));
        let spread = of_each_second(|camera| (camera as f64 * 0.618).fract());
        assert!(spread.is_some_and(|(least, most)| least >= 15 && most <= 35), "{spread:?}");
    }

    #[test]
    fn last_picture_is_decoded_before_a_late_key_frame() {
        // A key frame every 4 s, a picture every 3.5 s, at 3.5 and 7 s; at 8.5 s thrift sets in.
        let wants = |gap_s: u32| {
            let mut schedule = DecodeSchedule::default();
            let mut choose = |index: u64| {
                let thrift = if index < 85 { Duration::ZERO } else { 5 * SECOND };
                let period = Duration::from_millis(3500);
                let wanted = RateTarget { thrift, gap: gap_s * SECOND, ..RateTarget::from(period) };
                let at = Mono(index * 100_000);
                schedule.choose(at, index.is_multiple_of(40), wanted)
            };
            (0..85).for_each(|index| {
                choose(index);
            });
            let choices: Vec<DecodeChoice> = (85..121).map(choose).collect();
            assert!(choices.iter().all(|choice| choice.alone));
            [choices[0].mode, choices[1].mode, choices[35].mode]
        };
        assert_eq!(wants(6), [DecodeMode::Skip, DecodeMode::Skip, DecodeMode::Picture]);
        assert_eq!(wants(5), [DecodeMode::Skip, DecodeMode::Skip, DecodeMode::Picture]);
        assert_eq!(wants(4), [DecodeMode::Picture, DecodeMode::Skip, DecodeMode::Picture]);
    }

    #[test]
    fn lost_picture_is_replaced_by_the_next_decodable_packet() {
        let mut schedule = DecodeSchedule::default();
        let packets = Packets { count: 35, fps: 10, group: 1000 };
        choices(&mut schedule, 0, packets, 2000);
        let decode_rate = DecodeRate::every(2 * SECOND);
        decode_rate.ask();
        let next = schedule.choose(Mono(3_500_000), false, decode_rate.wanted());
        assert_eq!(next.mode, DecodeMode::Picture);
        let then = schedule.choose(Mono(3_600_000), false, decode_rate.wanted());
        assert_eq!(then.mode, DecodeMode::Reference);
    }

    #[test]
    fn late_and_motion_reports_are_taken_once() {
        let decode_rate = DecodeRate::default();
        decode_rate.report_motion(Mono(7));
        decode_rate.report_late();
        assert_eq!((decode_rate.take_motion(), decode_rate.take_motion()), (Some(Mono(7)), None));
        assert!(decode_rate.take_late() && !decode_rate.take_late());
    }

    const SECOND: Duration = Duration::from_secs(1);
}
