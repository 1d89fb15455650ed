//! Where frames wait for a detector: one slot a camera, the newest frame wins.
//!
//! | | |
//! | --- | --- |
//! | bound | one frame a camera |
//! | overflow | a newer frame replaces the one that waits |
//! | age | a frame older than [`AGE_MAX`] is never handed out |
//! | counter | the [`Flow`] of the stage `Queue`: taken = passed + dropped + waiting |
//!
//! Who is next: cameras in focus before others, and among equals the one that has waited longest
//! since it was last served. After [`FOCUSED_RUN_MAX`] turns for cameras in focus, one of the
//! others has a turn, so that nobody starves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use super::Frame;
use crate::meter::Flow;
use crate::meter::Meters;
use crate::meter::Stage;
use crate::time::Clock;
use crate::time::Mono;
use crate::ward::Id;

/// An analysed frame is never older.
pub const AGE_MAX: Duration = Duration::from_secs(1);

/// Turns in a row that cameras in focus may have while others wait.
pub const FOCUSED_RUN_MAX: u32 = 3;

/// How urgent a camera's frames are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Priority {
    /// Nothing is known to happen there.
    #[default]
    Ordinary,
    /// Something happens or may happen there.
    Focused,
}

/// All cameras' mailboxes, between decoder and detector threads.
pub struct Exchange {
    clock: Arc<dyn Clock>,
    meters: Meters,
    inner: Mutex<Inner>,
    ready: Condvar,
}

#[derive(Default)]
struct Inner {
    slots: BTreeMap<Id, Slot>,
    turn: u64,
    focused_run: u32,
    closed: bool,
}

struct Slot {
    frame: Option<Frame>,
    priority: Priority,
    /// The turn in which it was last served; 0: never.
    served: u64,
    flow: Flow,
}

impl Slot {
    fn drop_frame(&mut self) {
        if self.frame.take().is_some() {
            self.flow.dropped.inc();
        }
    }
}

impl Exchange {
    /// Empty mailboxes; `clock` is what frames were stamped with.
    pub fn new(clock: Arc<dyn Clock>, meters: Meters) -> Self {
        Self { clock, meters, inner: Mutex::default(), ready: Condvar::new() }
    }

    /// Puts a frame into its camera's mailbox, in place of one that waits there.
    pub fn post(&self, frame: Frame) {
        let mut inner = self.lock();
        let camera = frame.camera.clone();
        let closed = inner.closed;
        let slot = self.slot(&mut inner, camera);
        slot.flow.taken.inc();
        slot.drop_frame();
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
            if let Some(frame) = inner.next(self.clock.now().mono) {
                return Some(frame);
            }
            inner = self.ready.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The next frame to analyse if one waits; never blocks.
    pub fn try_take(&self) -> Option<Frame> {
        self.lock().next(self.clock.now().mono)
    }

    /// How urgent this camera's frames are from now on.
    pub fn set_priority(&self, camera: &Id, priority: Priority) {
        self.slot(&mut self.lock(), camera.clone()).priority = priority;
    }

    /// Forgets a camera; what waits there is dropped.
    pub fn remove(&self, camera: &Id) {
        if let Some(mut slot) = self.lock().slots.remove(camera) {
            slot.drop_frame();
        }
    }

    /// Frames that wait.
    pub fn waiting(&self) -> usize {
        self.lock().slots.values().filter(|slot| slot.frame.is_some()).count()
    }

    /// Drops what waits; from now on nothing is handed out.
    pub fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        inner.slots.values_mut().for_each(Slot::drop_frame);
        drop(inner);
        self.ready.notify_all();
    }

    /// Nothing in here panics while it holds the lock, so a poisoned one is as good as any.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot<'a>(&self, inner: &'a mut Inner, camera: Id) -> &'a mut Slot {
        inner.slots.entry(camera).or_insert_with_key(|camera| Slot {
            frame: None,
            priority: Priority::default(),
            served: 0,
            flow: self.meters.flow(camera.as_str(), Stage::Queue),
        })
    }
}

impl Inner {
    fn next(&mut self, now: Mono) -> Option<Frame> {
        for slot in self.slots.values_mut() {
            if slot.frame.as_ref().is_some_and(|frame| now.since(frame.at.mono) > AGE_MAX) {
                slot.drop_frame();
            }
        }
        let ordinary_waits = self.oldest(Priority::Ordinary);
        let focused_waits = self.oldest(Priority::Focused);
        let others_turn = self.focused_run >= FOCUSED_RUN_MAX && ordinary_waits.is_some();
        let camera = if others_turn { ordinary_waits } else { focused_waits.or(ordinary_waits) }?;
        self.turn += 1;
        let slot = self.slots.get_mut(&camera)?;
        let is_focused = slot.priority == Priority::Focused;
        self.focused_run = if is_focused { self.focused_run + 1 } else { 0 };
        slot.served = self.turn;
        slot.flow.passed.inc();
        slot.frame.take()
    }

    /// The camera that has waited longest since it was served, of those with a frame.
    fn oldest(&self, priority: Priority) -> Option<Id> {
        let waiting = self.slots.iter();
        waiting
            .filter(|(_, slot)| slot.priority == priority && slot.frame.is_some())
            .min_by_key(|(_, slot)| slot.served)
            .map(|(camera, _)| camera.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Letterbox;
    use crate::frame::Picture;
    use crate::frame::Size;
    use crate::time::ManualClock;

    struct Setup {
        clock: Arc<ManualClock>,
        meters: Meters,
        exchange: Exchange,
    }

    fn setup() -> Setup {
        let clock = Arc::new(ManualClock::default());
        let meters = Meters::new();
        let exchange = Exchange::new(clock.clone(), meters.clone());
        Setup { clock, meters, exchange }
    }

    impl Setup {
        fn post(&self, camera: &str, sequence: u64) {
            self.exchange.post(Frame {
                camera: Id::new(camera).unwrap(),
                sequence,
                at: self.clock.now(),
                pixels: vec![0; 3].into(),
                letterbox: Letterbox::none(Size { width: 1, height: 1 }),
                picture: Picture::empty(),
                look: None,
                decode_us: 0,
            });
        }

        fn focus(&self, camera: &str) {
            self.exchange.set_priority(&Id::new(camera).unwrap(), Priority::Focused);
        }

        fn take(&self) -> String {
            let frame = self.exchange.try_take();
            frame.map_or_else(String::new, |f| format!("{}{}", f.camera, f.sequence))
        }

        fn flow(&self, camera: &str) -> (u64, u64, u64) {
            let flow = self.meters.flow(camera, Stage::Queue);
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
    fn who_waited_longest_is_served_first() {
        let t = setup();
        for round in 1..=3 {
            for camera in ["c", "a", "b"] {
                t.post(camera, round);
            }
            let order = (t.take(), t.take(), t.take());
            assert_eq!(order, (format!("a{round}"), format!("b{round}"), format!("c{round}")));
        }
        t.post("a", 4);
        t.post("b", 4);
        assert_eq!(t.take(), "a4");
        t.post("a", 5);
        assert_eq!((t.take(), t.take()), ("b4".to_owned(), "a5".to_owned()));
    }

    #[test]
    fn cameras_in_focus_come_first_but_starve_nobody() {
        let t = setup();
        t.focus("z");
        t.post("a", 1);
        t.post("b", 1);
        let mut order = String::new();
        for sequence in 0..8 {
            t.post("z", sequence);
            order.push_str(&t.take()[..1]);
        }
        assert_eq!(order, "zzzazzzb");
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
                let first = t.exchange.take().map(|frame| frame.sequence);
                (first, t.exchange.take().map(|frame| frame.sequence))
            });
            t.post("a", 7);
            while t.flow("a").1 == 0 {
                std::thread::yield_now();
            }
            t.exchange.close();
            assert_eq!(taker.join().unwrap(), (Some(7), None));
        });
        t.post("a", 8);
        assert_eq!((t.take(), t.flow("a")), (String::new(), (2, 1, 1)));
    }

    #[test]
    fn a_removed_camera_is_forgotten() {
        let t = setup();
        t.post("a", 1);
        t.exchange.remove(&Id::new("a").unwrap());
        assert_eq!((t.take(), t.exchange.waiting()), (String::new(), 0));
        assert_eq!(t.flow("a"), (1, 0, 1));
    }
}
