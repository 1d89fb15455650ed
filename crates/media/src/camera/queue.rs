//! The bounded queue from a camera's session (async) to its decoder (a thread).
//!
//! | | |
//! | --- | --- |
//! | bound | [`PACKETS_MAX`] packets and [`BYTES_MAX`] bytes |
//! | overflow | all up to the next key frame is dropped: what comes in, then what still waits |
//! | counter | the [`FlowCounters`] of the stage `Receive`: taken = passed + dropped + waiting |
//!
//! Neither side blocks the other: the sender never waits, and the receiver waits on a condition
//! that ends when a packet comes, when the sender is gone, or when a [`Closer`] says so.
//!
//! **Invariant:** the first packet, and the first one after each [`QueueItem::Discontinuity`], is a
//! key frame. A decoder never has to start, or to go on over a gap made here, without one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use crate::camera::Packet;
use crate::metrics::FlowCounters;

/// Packets that may wait: 2.5 s at 25 frames a second, more than a decoder may ever be behind.
pub const PACKETS_MAX: usize = 64;

/// Bytes that may wait. 64 packets of an ordinary 4 Mbit/s stream are 1.3 MB; this bound is for
/// cameras that send huge packets, so that 300 of them can't fill the memory.
pub const BYTES_MAX: usize = 16 * 1024 * 1024;

/// An item that the receiver gets.
#[derive(Clone, Debug)]
pub enum QueueItem {
    /// One access unit.
    Packet(Packet),
    /// A mark that what follows does not continue what came before: a new session (the codec may
    /// differ, the stream's time may start again) or a gap of dropped packets. A key frame follows.
    Discontinuity,
}

/// The outcome of sending a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// It waits for the receiver.
    Queued,
    /// It was dropped and counted: no key frame was seen yet, or the queue is full.
    Dropped,
    /// The packet will never be received: the receiver is gone or the queue was closed.
    Closed,
}

/// A queue; `flow` counts what goes through it.
pub fn channel(flow: FlowCounters) -> (Sender, Receiver) {
    let shared = Arc::new(Shared {
        inner: Mutex::new(QueueState {
            items: VecDeque::with_capacity(PACKETS_MAX + 2),
            packets: 0,
            bytes: 0,
            needs_key: true,
            sender_gone: false,
            closed: false,
        }),
        ready: Condvar::new(),
        flow,
    });
    (Sender { shared: Arc::clone(&shared) }, Receiver { shared })
}

/// The asynchronous side, which puts packets in.
#[derive(Debug)]
pub struct Sender {
    shared: Arc<Shared>,
}

impl Sender {
    /// Gives a packet to the receiver, or drops it by the overflow rule. Never waits.
    pub fn send(&self, packet: Packet) -> SendOutcome {
        let flow = &self.shared.flow;
        flow.taken.inc();
        let mut inner = self.shared.lock();
        if inner.closed {
            flow.dropped.inc();
            return SendOutcome::Closed;
        }
        let size = packet.data.len();
        let fits = inner.packets < PACKETS_MAX && inner.bytes + size <= BYTES_MAX;
        if size > BYTES_MAX || !packet.key && (inner.needs_key || !fits) {
            inner.needs_key = true;
            flow.dropped.inc();
            return SendOutcome::Dropped;
        }
        if !fits {
            // Decoding can start at this key frame: whatever waits before it is only late.
            flow.dropped.inc_by(inner.clear());
            inner.needs_key = true;
        }
        if inner.needs_key {
            inner.mark();
            inner.needs_key = false;
        }
        inner.packets += 1;
        inner.bytes += size;
        inner.items.push_back(QueueItem::Packet(packet));
        drop(inner);
        self.shared.ready.notify_one();
        SendOutcome::Queued
    }

    /// Says that what follows is another session: a [`QueueItem::Discontinuity`] comes before its
    /// first key frame.
    pub fn discontinuity(&self) {
        self.shared.lock().needs_key = true;
    }

    /// Returns whether nobody will receive what is sent.
    pub fn is_closed(&self) -> bool {
        self.shared.lock().closed
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.shared.lock().sender_gone = true;
        self.shared.ready.notify_all();
    }
}

/// The decoder's side, which takes packets out.
#[derive(Debug)]
pub struct Receiver {
    shared: Arc<Shared>,
}

impl Receiver {
    /// The next item; blocks the thread until there is one. `None` once the sender is gone and
    /// everything was received, or, at once, when the queue was closed.
    pub fn recv(&self) -> Option<QueueItem> {
        let mut inner = self.shared.lock();
        loop {
            if let Some(item) = self.take(&mut inner) {
                return Some(item);
            }
            if inner.sender_gone || inner.closed {
                return None;
            }
            inner = self.shared.ready.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The next item if one waits; never blocks.
    pub fn try_recv(&self) -> Option<QueueItem> {
        self.take(&mut self.shared.lock())
    }

    /// Returns the number of packets that wait.
    pub fn len(&self) -> usize {
        self.shared.lock().packets
    }

    /// Returns whether no packet waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A handle that ends the receiver's wait from any thread.
    pub fn closer(&self) -> Closer {
        Closer { shared: Arc::clone(&self.shared) }
    }

    #[inline]
    fn take(&self, inner: &mut QueueState) -> Option<QueueItem> {
        let item = inner.items.pop_front()?;
        if let QueueItem::Packet(packet) = &item {
            inner.packets -= 1;
            inner.bytes -= packet.data.len();
            self.shared.flow.passed.inc();
        }
        Some(item)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// Ends the receiver's wait.
#[derive(Clone, Debug)]
pub struct Closer {
    shared: Arc<Shared>,
}

impl Closer {
    /// Drops (and counts) what waits; from now on the receiver gets `None` and the sender
    /// [`SendOutcome::Closed`].
    pub fn close(&self) {
        self.shared.close();
    }
}

#[derive(Debug)]
struct Shared {
    inner: Mutex<QueueState>,
    ready: Condvar,
    flow: FlowCounters,
}

impl Shared {
    /// Nothing in here panics while it holds the lock, so a poisoned one is as good as any.
    #[inline]
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        self.flow.dropped.inc_by(inner.clear());
        drop(inner);
        self.ready.notify_all();
    }
}

#[derive(Debug)]
struct QueueState {
    items: VecDeque<QueueItem>,
    packets: usize,
    bytes: usize,
    /// Set at the start, at a new session and after a drop: only a key frame may come next.
    needs_key: bool,
    sender_gone: bool,
    closed: bool,
}

impl QueueState {
    /// Forgets what waits; how many packets that were.
    fn clear(&mut self) -> u64 {
        let packets = self.packets;
        self.items.clear();
        self.packets = 0;
        self.bytes = 0;
        packets as u64
    }

    #[inline]
    fn mark(&mut self) {
        self.items.push_back(QueueItem::Discontinuity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::Codec;
    use crate::time::Stamp;

    fn packet(key: bool, size: usize) -> Packet {
        Packet {
            codec: Codec::H264,
            data: vec![0; size].into(),
            key,
            media_time_us: 0,
            received: Stamp::default(),
            lost: 0,
        }
    }

    /// Renders what waits as text: K key, p other, | discontinuity.
    fn drain(receiver: &Receiver) -> String {
        std::iter::from_fn(|| receiver.try_recv())
            .map(|item| match item {
                QueueItem::Packet(packet) if packet.key => 'K',
                QueueItem::Packet(_) => 'p',
                QueueItem::Discontinuity => '|',
            })
            .collect()
    }

    fn balanced(flow: &FlowCounters, waiting: u64) -> bool {
        flow.taken.get() == flow.passed.get() + flow.dropped.get() + waiting
    }

    #[test]
    fn queue_starts_with_a_key_frame() {
        let flow = FlowCounters::default();
        let (sender, receiver) = channel(flow.clone());
        assert_eq!(sender.send(packet(false, 1)), SendOutcome::Dropped);
        assert_eq!(sender.send(packet(true, 1)), SendOutcome::Queued);
        assert_eq!(sender.send(packet(false, 1)), SendOutcome::Queued);
        assert_eq!(drain(&receiver), "|Kp");
        assert!(balanced(&flow, 0));
    }

    #[test]
    fn a_new_session_is_marked_once_and_starts_with_a_key_frame() {
        let (sender, receiver) = channel(FlowCounters::default());
        sender.send(packet(true, 1));
        sender.discontinuity();
        sender.discontinuity();
        sender.send(packet(false, 1));
        sender.send(packet(true, 1));
        assert_eq!(drain(&receiver), "|K|K");
    }

    #[test]
    fn when_full_everything_up_to_the_next_key_frame_is_dropped() {
        let flow = FlowCounters::default();
        let (sender, receiver) = channel(flow.clone());
        sender.send(packet(true, 1));
        for _ in 0..200 {
            sender.send(packet(false, 1));
        }
        assert_eq!(receiver.len(), PACKETS_MAX);
        receiver.try_recv();
        receiver.try_recv();
        assert_eq!(sender.send(packet(false, 1)), SendOutcome::Dropped, "there is room, but a gap");
        assert_eq!(sender.send(packet(true, 1)), SendOutcome::Queued);
        assert_eq!(drain(&receiver), format!("{}|K", "p".repeat(PACKETS_MAX - 1)));
        assert!(balanced(&flow, 0));
    }

    #[test]
    fn a_key_frame_into_a_full_queue_replaces_what_waits() {
        let flow = FlowCounters::default();
        let (sender, receiver) = channel(flow.clone());
        for index in 0..=PACKETS_MAX {
            assert_eq!(sender.send(packet(index % PACKETS_MAX == 0, 1)), SendOutcome::Queued);
        }
        assert_eq!(flow.dropped.get(), PACKETS_MAX as u64);
        assert_eq!(drain(&receiver), "|K");
        assert!(balanced(&flow, 0));
    }

    #[test]
    fn bytes_are_bounded() {
        let (sender, receiver) = channel(FlowCounters::default());
        assert_eq!(sender.send(packet(true, BYTES_MAX - 1)), SendOutcome::Queued);
        assert_eq!(sender.send(packet(false, 2)), SendOutcome::Dropped);
        assert_eq!(
            sender.send(packet(true, BYTES_MAX + 1)),
            SendOutcome::Dropped,
            "fits in no queue"
        );
        assert_eq!(sender.send(packet(false, 1)), SendOutcome::Dropped);
        assert_eq!(receiver.len(), 1);
    }

    #[test]
    fn sent_packets_are_received_after_the_sender_is_dropped() {
        let (sender, receiver) = channel(FlowCounters::default());
        sender.send(packet(true, 1));
        drop(sender);
        assert!(matches!(receiver.recv(), Some(QueueItem::Discontinuity)));
        assert!(matches!(receiver.recv(), Some(QueueItem::Packet(_))));
        assert!(receiver.recv().is_none());
    }

    #[test]
    fn a_waiting_thread_wakes_for_a_packet_and_for_the_end() {
        let (sender, receiver) = channel(FlowCounters::default());
        let (seen_by, seen) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            while let Some(item) = receiver.recv() {
                seen_by.send(matches!(item, QueueItem::Packet(_))).unwrap();
            }
        });
        sender.send(packet(true, 1));
        assert!(!seen.recv().unwrap());
        assert!(seen.recv().unwrap());
        drop(sender);
        thread.join().unwrap();
    }

    #[test]
    fn a_closer_ends_the_wait_at_once_and_counts_what_is_lost() {
        let flow = FlowCounters::default();
        let (sender, receiver) = channel(flow.clone());
        let closer = receiver.closer();
        sender.send(packet(true, 1));
        closer.close();
        assert!(receiver.recv().is_none());
        assert_eq!(sender.send(packet(true, 1)), SendOutcome::Closed);
        assert!(sender.is_closed());
        assert!(balanced(&flow, 0));

        let (_sender, receiver) = channel(FlowCounters::default());
        let closer = receiver.closer();
        let thread = std::thread::spawn(move || receiver.recv().is_none());
        closer.close();
        assert!(thread.join().unwrap());
    }

    #[test]
    fn dropped_receiver_closes_the_queue() {
        let (sender, receiver) = channel(FlowCounters::default());
        drop(receiver);
        assert_eq!(sender.send(packet(true, 1)), SendOutcome::Closed);
    }
}
