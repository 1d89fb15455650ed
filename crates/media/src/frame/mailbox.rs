//! Mailboxes in which frames wait for a detector: one slot a camera, the newest frame wins.
//!
//! | | |
//! | --- | --- |
//! | bound | one frame a camera |
//! | overflow | a newer frame replaces the one that waits |
//! | age | a frame older than `AGE_MAX` is never handed out; its camera is asked for another |
//! | counter | the [`FlowCounters`] of the stage `Queue`: taken = passed + dropped + waiting |
//!
//! Who is next is [`Turns`]'s to decide.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use super::Frame;
use super::decode_rate::DecodeRate;
use crate::attention::Level;
use crate::attention::budget;
use crate::attention::schedule::Seat;
use crate::attention::schedule::Turns;
use crate::metrics::FlowCounters;
use crate::metrics::Metrics;
use crate::metrics::Stage;
use crate::time::Clock;
use crate::time::Mono;
use crate::ward::Id;

/// All cameras' mailboxes, between decoder and detector threads.
pub struct Mailboxes {
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    inner: Mutex<MailboxState>,
    ready: Condvar,
}

struct MailboxState {
    slots: BTreeMap<Id, Mailbox>,
    turns: Turns,
    /// Threads that wait for a frame; since when that is so; how long all have waited until then.
    waiting: u32,
    counted: Mono,
    waited: Duration,
    closed: bool,
}

struct Mailbox {
    frame: Option<Frame>,
    seat: Seat,
    /// The rate by which another frame is asked for; none where nobody decodes for it (any more).
    decode_rate: Option<DecodeRate>,
    flow: FlowCounters,
}

impl Mailbox {
    fn drop_frame(&mut self) {
        self.seat.waits = None;
        if self.frame.take().is_some() {
            self.flow.dropped.inc();
        }
    }
}

impl Mailboxes {
    /// Empty mailboxes; `clock` is what frames were stamped with.
    pub fn new(clock: Arc<dyn Clock>, metrics: Metrics) -> Self {
        let inner = MailboxState {
            slots: BTreeMap::new(),
            turns: Turns::new(budget::Config::default().idle_gap_max),
            waiting: 0,
            counted: clock.now().mono,
            waited: Duration::ZERO,
            closed: false,
        };
        Self { clock, metrics, inner: Mutex::new(inner), ready: Condvar::new() }
    }

    /// No camera may go unanalysed for longer than `gap_max`, where that can be.
    pub fn set_gap_max(&self, gap_max: Duration) {
        self.lock().turns.gap_max = gap_max;
    }

    /// A camera's frames come from now on; by `pace` another one is asked for where one is lost.
    pub fn add_camera(&self, camera: &Id, decode_rate: DecodeRate) {
        self.slot(&mut self.lock(), camera.clone()).decode_rate = Some(decode_rate);
    }

    /// Puts a frame into its camera's mailbox, in place of one that waits there.
    pub fn post(&self, frame: Frame) {
        let mut inner = self.lock();
        let camera = frame.camera.clone();
        let closed = inner.closed;
        let slot = self.slot(&mut inner, camera);
        slot.flow.taken.inc();
        slot.drop_frame();
        slot.seat.waits = Some(frame.at.mono);
        slot.frame = Some(frame);
        if closed {
            slot.drop_frame();
        }
        drop(inner);
        self.ready.notify_one();
    }

    /// The next frame to analyse; blocks the thread until there is one. `None` once closed.
    pub fn take(&self) -> Option<Frame> {
        let mut inner = self.lock();
        loop {
            if inner.closed {
                return None;
            }
            let now = self.clock.now().mono;
            if let Some(frame) = inner.next(now) {
                return Some(frame);
            }
            inner.count_waiting(now);
            inner.waiting += 1;
            inner = self.ready.wait(inner).unwrap_or_else(PoisonError::into_inner);
            inner.count_waiting(self.clock.now().mono);
            inner.waiting -= 1;
        }
    }

    /// The next frame to analyse if one waits; never blocks.
    pub fn try_take(&self) -> Option<Frame> {
        self.lock().next(self.clock.now().mono)
    }

    /// Sets how closely a camera is watched from now on, and how often.
    pub fn set_focus(&self, camera: &Id, level: Level, period: Duration) {
        let mut inner = self.lock();
        let seat = &mut self.slot(&mut inner, camera.clone()).seat;
        (seat.level, seat.period) = (level, period);
    }

    /// Returns how long threads have waited for frames, all together; the rest of their time they
    /// worked.
    pub fn total_wait(&self) -> Duration {
        let mut inner = self.lock();
        inner.count_waiting(self.clock.now().mono);
        inner.waited
    }

    /// Forgets a camera; what waits there is dropped.
    pub fn remove(&self, camera: &Id) {
        if let Some(mut slot) = self.lock().slots.remove(camera) {
            slot.drop_frame();
        }
    }

    /// Returns the number of frames that wait.
    pub fn waiting(&self) -> usize {
        self.lock().slots.values().filter(|slot| slot.frame.is_some()).count()
    }

    /// Drops what waits; from now on nothing is handed out.
    pub fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        inner.slots.values_mut().for_each(Mailbox::drop_frame);
        drop(inner);
        self.ready.notify_all();
    }

    /// Nothing in here panics while it holds the lock, so a poisoned one is as good as any.
    fn lock(&self) -> MutexGuard<'_, MailboxState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot<'a>(&self, inner: &'a mut MailboxState, camera: Id) -> &'a mut Mailbox {
        inner.slots.entry(camera).or_insert_with_key(|camera| Mailbox {
            frame: None,
            seat: Seat::default(),
            decode_rate: None,
            flow: self.metrics.flow(camera.as_str(), Stage::Queue),
        })
    }
}

impl MailboxState {
    fn next(&mut self, now: Mono) -> Option<Frame> {
        for slot in self.slots.values_mut().filter(|slot| slot.seat.is_stale(now)) {
            slot.drop_frame();
            if let Some(decode_rate) = &slot.decode_rate {
                decode_rate.ask();
            }
        }
        let seats = self.slots.iter().map(|(camera, slot)| (camera, &slot.seat));
        let camera = self.turns.next(seats, now)?.clone();
        let slot = self.slots.get_mut(&camera)?;
        slot.flow.passed.inc();
        slot.seat.served = Some(now);
        slot.seat.waits = None;
        slot.frame.take()
    }

    fn count_waiting(&mut self, now: Mono) {
        self.waited += now.since(self.counted) * self.waiting;
        self.counted = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attention::schedule::AGE_MAX;
    use crate::frame::Letterbox;
    use crate::frame::Picture;
    use crate::frame::Size;
    use crate::time::ManualClock;

    struct Setup {
        clock: Arc<ManualClock>,
        metrics: Metrics,
        mailboxes: Mailboxes,
    }

    fn setup() -> Setup {
        let clock = Arc::new(ManualClock::default());
        let metrics = Metrics::new();
        let mailboxes = Mailboxes::new(clock.clone(), metrics.clone());
        Setup { clock, metrics, mailboxes }
    }

    impl Setup {
        fn post(&self, camera: &str, sequence: u64) {
            self.mailboxes.post(Frame {
                camera: Id::new(camera).unwrap(),
                sequence,
                at: self.clock.now(),
                pixels: vec![0; 3].into(),
                letterbox: Letterbox::none(Size { width: 1, height: 1 }),
                picture: Picture::empty(),
                statistics: None,
                thumbnail: None,
                decode_us: 0,
            });
        }

        fn focus(&self, camera: &str) {
            let level = Level::Focused;
            self.mailboxes.set_focus(&Id::new(camera).unwrap(), level, level.period());
        }

        fn take(&self) -> String {
            let frame = self.mailboxes.try_take();
            frame.map_or_else(String::new, |f| format!("{}{}", f.camera, f.sequence))
        }

        fn flow(&self, camera: &str) -> (u64, u64, u64) {
            let flow = self.metrics.flow(camera, Stage::Queue);
            (flow.taken.get(), flow.passed.get(), flow.dropped.get())
        }
    }

    #[test]
    fn the_newest_frame_wins_and_the_loser_is_counted() {
        let t = setup();
        t.post("a", 1);
        t.post("a", 2);
        assert_eq!((t.take(), t.take()), ("a2".to_owned(), String::new()));
        assert_eq!(t.flow("a"), (2, 1, 1));
    }

    #[test]
    fn longest_waiting_camera_is_served_first() {
        let t = setup();
        for round in 1..=3 {
            for camera in ["c", "a", "b"] {
                t.post(camera, round);
            }
            for camera in ["a", "b", "c"] {
                assert_eq!(t.take(), format!("{camera}{round}"));
                t.clock.advance(Duration::from_millis(20));
            }
        }
        t.post("a", 4);
        t.post("b", 4);
        assert_eq!(t.take(), "a4");
        t.post("a", 5);
        assert_eq!((t.take(), t.take()), ("b4".to_owned(), "a5".to_owned()));
    }

    #[test]
    fn focused_cameras_come_first_without_starving_others() {
        let t = setup();
        t.focus("z");
        let mut order = String::new();
        for sequence in 0..400 {
            for camera in ["a", "b", "z"] {
                t.post(camera, sequence);
            }
            order.push_str(&t.take()[..1]);
            t.clock.advance(Duration::from_millis(50));
        }
        // Never seen before: they are seen first, but in turns with the one in focus.
        assert_eq!(&order[..5], "azbzz");
        let count = |camera| order.matches(camera).count();
        assert!(count('z') > 380 && count('a') >= 4 && count('b') >= 4, "{order}");
    }

    #[test]
    fn lost_frame_is_requested_again() {
        let t = setup();
        let decode_rate = DecodeRate::every(Duration::from_secs(5));
        t.mailboxes.add_camera(&Id::new("a").unwrap(), decode_rate.clone());
        t.post("a", 1);
        assert!(!decode_rate.wanted().asked);
        t.clock.advance(AGE_MAX + Duration::from_micros(1));
        assert_eq!(t.take(), "");
        assert!(decode_rate.wanted().asked);
        assert!(!decode_rate.wanted().asked);
    }

    #[test]
    fn waiting_is_counted_for_each_thread_that_waits() {
        let t = setup();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| t.mailboxes.take());
            }
            while t.mailboxes.lock().waiting < 2 {
                std::thread::yield_now();
            }
            t.clock.advance(Duration::from_millis(300));
            assert_eq!(t.mailboxes.total_wait(), Duration::from_millis(600));
            t.mailboxes.close();
        });
        t.clock.advance(Duration::from_millis(300));
        assert_eq!(t.mailboxes.total_wait(), Duration::from_millis(600));
    }

    #[test]
    fn a_frame_too_old_is_never_handed_out() {
        let t = setup();
        t.post("a", 1);
        t.post("b", 1);
        t.clock.advance(AGE_MAX);
        assert_eq!(t.take(), "a1");
        t.clock.advance(Duration::from_micros(1));
        assert_eq!(t.take(), "");
        assert_eq!(t.flow("b"), (1, 0, 1));
    }

    #[test]
    fn a_waiting_thread_wakes_for_a_frame_and_for_the_end() {
        let t = setup();
        std::thread::scope(|scope| {
            let taker = scope.spawn(|| {
                let first = t.mailboxes.take().map(|frame| frame.sequence);
                (first, t.mailboxes.take().map(|frame| frame.sequence))
            });
            t.post("a", 7);
            while t.flow("a").1 == 0 {
                std::thread::yield_now();
            }
            t.mailboxes.close();
            assert_eq!(taker.join().unwrap(), (Some(7), None));
        });
        t.post("a", 8);
        assert_eq!((t.take(), t.flow("a")), (String::new(), (2, 1, 1)));
    }

    #[test]
    fn a_removed_camera_is_forgotten() {
        let t = setup();
        t.post("a", 1);
        t.mailboxes.remove(&Id::new("a").unwrap());
        assert_eq!((t.take(), t.mailboxes.waiting()), (String::new(), 0));
        assert_eq!(t.flow("a"), (1, 0, 1));
    }
}
