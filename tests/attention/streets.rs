//! A ward in virtual time: cameras of mixed brands, decoder threads and detector threads on some
//! cores, with the product's own pace, turns and budget between them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::VecDeque;
use std::time::Duration;

use keng::attention::Level;
use keng::attention::budget::{Config, Demand, Governor, Load};
use keng::attention::schedule::{AGE_MAX, Seat, Turns};
use keng::frame::decode::DecodeMode;
use keng::frame::decode_rate::{DecodeSchedule, RateTarget};
use keng::time::Mono;

/// The machine and what things cost on it, in microseconds of one core: ARCHITECTURE.md's figures
/// for 720p and a small detector.
pub(crate) const CORES: usize = 4;
pub(crate) const DETECTORS: usize = 3;
const KEY_US: u64 = 8_000;
const INTER_US: u64 = 2_400;
const INFER_US: u64 = 6_000;
/// As the daemon's queue from camera to decoder.
const PACKETS_MAX: usize = 64;

/// What happened to one camera in the time that was measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) level: Level,
    pub(crate) frames: u32,
    pub(crate) gap_s: f64,
    pub(crate) age_s: f64,
    last: Option<Mono>,
}

struct Camera {
    interval_us: u64,
    group: u64,
    packets: u64,
    /// When each arrived, whether it is a key frame, and whether something was dropped before it.
    queue: VecDeque<(Mono, bool, bool)>,
    decoding: bool,
    /// Packets since the last key frame, that included, which the decoder has not had.
    skipped: u64,
    late: bool,
    was_late: bool,
    /// After a drop only a key frame may come next.
    needs_key: bool,
    spot: f64,
    thrift: Option<Duration>,
    schedule: DecodeSchedule,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Packet(usize),
    Decoded(usize, Option<Mono>),
    Inferred,
    Tick,
}

pub(crate) struct Ward {
    pub(crate) governor: Governor,
    pub(crate) seen: Vec<Seen>,
    now: Mono,
    cameras: Vec<Camera>,
    seats: Vec<Seat>,
    turns: Turns,
    events: BinaryHeap<Reverse<(Mono, u64, Event)>>,
    number: u64,
    /// What is ready to run, and how many cores are busy.
    ready: VecDeque<(u64, Event)>,
    running: usize,
    detectors_free: usize,
    /// Microseconds of cores and of detectors' idleness since the last tick.
    used_us: u64,
    idle_us: u64,
    idle_since: Mono,
}

impl Ward {
    /// `count` cameras whose rates, groups and phases come from `seed`.
    pub(crate) fn new(count: usize, seed: u64) -> Self {
        let config = Config::default();
        let mut random = seed;
        let mut draw = |below: u64| {
            // Knuth's MMIX generator; its upper bits are the better ones.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040);
            (random >> 33) % below
        };
        let mut ward = Self {
            governor: Governor::new(config),
            seen: vec![Seen::default(); count],
            now: Mono(0),
            cameras: Vec::new(),
            seats: vec![Seat::default(); count],
            turns: Turns::new(config.idle_gap_max),
            events: BinaryHeap::new(),
            number: 0,
            ready: VecDeque::new(),
            running: 0,
            detectors_free: DETECTORS,
            used_us: 0,
            idle_us: 0,
            idle_since: Mono(0),
        };
        for index in 0..count {
            let fps = 12 + draw(14);
            let group = fps << draw(3);
            ward.cameras.push(Camera {
                interval_us: 1_000_000 / fps,
                group,
                packets: draw(group),
                queue: VecDeque::new(),
                decoding: false,
                skipped: u64::MAX,
                late: false,
                was_late: false,
                needs_key: true,
                // The golden ratio's multiples fill 0..1 evenly.
                spot: (index as f64 * 0.618_033_988_75).fract(),
                thrift: None,
                schedule: DecodeSchedule::default(),
            });
            ward.at(Mono(draw(1_000_000 / fps)), Event::Packet(index));
        }
        ward.at(Mono(1_000_000), Event::Tick);
        ward
    }

    pub(crate) fn set_level(&mut self, camera: usize, level: Level) {
        self.seen[camera].level = level;
        let seat = &mut self.seats[camera];
        (seat.level, seat.period) = (level, self.governor.period(level));
        self.cameras[camera].thrift = self.governor.thrift(level, self.cameras[camera].spot);
    }

    /// Begins to measure.
    pub(crate) fn measure(&mut self) {
        for seen in &mut self.seen {
            *seen = Seen { level: seen.level, last: Some(self.now), ..Seen::default() };
        }
    }

    pub(crate) fn run(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while let Some(Reverse((at, _, event))) = self.events.peek().copied() {
            if at > end {
                break;
            }
            self.events.pop();
            self.now = at;
            self.take(event);
        }
        self.now = end;
        for seen in &mut self.seen {
            // Who is not seen until the end has waited at least so long.
            let waited = seen.last.map_or(0.0, |last| end.seconds_since(last));
            seen.gap_s = seen.gap_s.max(waited);
        }
    }

    fn at(&mut self, at: Mono, event: Event) {
        self.number += 1;
        self.events.push(Reverse((at, self.number, event)));
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Packet(index) => self.packet(index),
            Event::Decoded(index, picture) => {
                self.running -= 1;
                self.cameras[index].decoding = false;
                if let Some(taken) = picture {
                    self.seats[index].waits = Some(taken);
                }
                self.decode(index);
            }
            Event::Inferred => {
                self.running -= 1;
                self.count_idle();
                self.detectors_free += 1;
            }
            Event::Tick => self.tick(),
        }
        self.infer();
        self.start();
    }

    fn packet(&mut self, index: usize) {
        let camera = &mut self.cameras[index];
        let key = camera.packets.is_multiple_of(camera.group);
        camera.packets += 1;
        // As `camera::queue` does it.
        let full = camera.queue.len() >= PACKETS_MAX;
        let mut restarts = false;
        if key {
            restarts = full || camera.needs_key;
            if full {
                camera.queue.clear();
            }
            camera.needs_key = false;
        }
        camera.needs_key |= full && !key;
        if !camera.needs_key {
            camera.queue.push_back((self.now, key, restarts));
        }
        let next = self.now + Duration::from_micros(camera.interval_us);
        self.at(next, Event::Packet(index));
        self.decode(index);
    }

    /// The camera's thread goes on, if it can.
    fn decode(&mut self, index: usize) {
        let camera = &mut self.cameras[index];
        while !camera.decoding
            && let Some((taken, key, restarts)) = camera.queue.pop_front()
        {
            if restarts {
                camera.schedule.interrupt();
                camera.skipped = u64::MAX;
            }
            let period = self.seats[index].period;
            let gap = self.governor.gap(self.seats[index].level);
            let patient = self.governor.is_patient(self.seats[index].level);
            let thrift = camera.thrift.unwrap_or_default();
            let wanted =
                RateTarget { period, gap, thrift, patient, asked: false, lead: camera.spot };
            let mut want = camera.schedule.choose(taken, key, wanted).mode;
            if want == DecodeMode::Picture {
                let late = self.now.since(taken) > AGE_MAX;
                if late {
                    want = DecodeMode::Reference;
                    camera.schedule.ask();
                    camera.was_late = true;
                }
                camera.late = late;
            }
            if key {
                camera.skipped = 0;
            } else if camera.skipped == u64::MAX {
                continue;
            }
            if want == DecodeMode::Skip {
                camera.skipped += 1;
                continue;
            }
            let own = if key { KEY_US } else { INTER_US };
            let before =
                if camera.skipped > 0 { KEY_US + (camera.skipped - 1) * INTER_US } else { 0 };
            camera.skipped = 0;
            camera.decoding = true;
            let picture = (want == DecodeMode::Picture).then_some(taken);
            self.ready.push_back((own + before, Event::Decoded(index, picture)));
        }
    }

    fn infer(&mut self) {
        if self.detectors_free == 0 {
            return;
        }
        for (seat, camera) in self.seats.iter_mut().zip(&mut self.cameras) {
            if seat.is_stale(self.now) {
                seat.waits = None;
                camera.schedule.ask();
            }
        }
        while self.detectors_free > 0
            && let Some(index) = self.turns.next(self.seats.iter().enumerate(), self.now)
        {
            let taken = self.seats[index].waits.take().unwrap();
            self.seats[index].served = Some(self.now);
            let seen = &mut self.seen[index];
            seen.frames += 1;
            seen.age_s = seen.age_s.max(self.now.seconds_since(taken));
            if let Some(last) = seen.last.replace(self.now) {
                seen.gap_s = seen.gap_s.max(self.now.seconds_since(last));
            }
            self.count_idle();
            self.detectors_free -= 1;
            self.ready.push_back((INFER_US, Event::Inferred));
        }
    }

    fn start(&mut self) {
        while self.running < CORES
            && let Some((cost_us, event)) = self.ready.pop_front()
        {
            self.running += 1;
            self.used_us += cost_us;
            self.at(self.now + Duration::from_micros(cost_us), event);
        }
    }

    fn count_idle(&mut self) {
        let waited = u64::try_from(self.now.since(self.idle_since).as_micros()).unwrap();
        self.idle_us += waited * self.detectors_free as u64;
        self.idle_since = self.now;
    }

    fn tick(&mut self) {
        self.count_idle();
        let mut demand = Demand::default();
        self.seats.iter().for_each(|seat| demand.add(seat.level));
        let late =
            self.cameras.iter_mut().filter_map(|c| std::mem::take(&mut c.was_late).then_some(()));
        let load = Load {
            late: late.count() as f64 / self.seats.len() as f64,
            cpu: self.used_us as f64 / 1e6 / CORES as f64,
            detectors: 1.0 - self.idle_us as f64 / 1e6 / DETECTORS as f64,
        };
        (self.used_us, self.idle_us) = (0, 0);
        self.governor.step(self.now, demand, load);
        self.turns.gap_max = self.governor.wait_max();
        for (seat, camera) in self.seats.iter_mut().zip(&mut self.cameras) {
            seat.period = self.governor.period(seat.level);
            camera.thrift = self.governor.thrift(seat.level, camera.spot);
        }
        self.at(self.now + Duration::from_secs(1), Event::Tick);
    }
}
