//! The cost of 32 decoders as a thread each and as a pool of two threads that take turns.
//!
//! `cargo bench --bench decode_threads`. Prints wall and CPU time, and how late pictures were: from
//! a packet's due time to its decoded picture. Judges nothing; a few packets with `-- --test`.

#![expect(clippy::print_stdout, reason = "a benchmark reports")]

mod support {
    pub(crate) mod clips;
    pub(crate) mod measure;
    pub(crate) mod middle;
}

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Duration;

use keng::camera::Packet;
use keng::clock::SystemClock;
use keng::frame::InputFormat;
use keng::frame::Placement;
use keng::frame::Size;
use keng::frame::decode::Config;
use keng::frame::decode::DecodeMode;
use keng::frame::decode::Decoder;
use keng::time::Clock;
use keng::ward::Id;

use support::clips;
use support::measure::ClockId;
use support::measure::is_test;
use support::measure::seconds;
use support::middle::median;

const CAMERAS: usize = 32;
const PACKETS: usize = 100;

fn main() {
    let mut packets = clips::packets("night_fire.mp4");
    packets.truncate(if is_test() { 4 } else { PACKETS });
    let count = packets.len();
    let packets = Arc::new(packets);
    println!("{CAMERAS} cameras, {count} packets each, every fifth scaled");
    for pace in [Pace::Flat, Pace::Real(clips::RATE)] {
        for threads in [CAMERAS, 2] {
            measure(&packets, threads, pace);
        }
    }
}

/// The arrival of packets.
#[derive(Clone, Copy, Debug)]
enum Pace {
    /// As fast as they are decoded.
    Flat,
    /// So many a second.
    Real(u64),
}

fn measure(packets: &Arc<Vec<Packet>>, threads: usize, pace: Pace) {
    let clock = Arc::new(SystemClock::new());
    let lateness = Arc::new(Mutex::new(Vec::new()));
    let (cpu, start) = (seconds(ClockId::ProcessCPUTime), clock.now().mono);
    let work: Vec<Arc<Camera>> = (0..CAMERAS).map(|index| Arc::new(Camera::new(index))).collect();
    let mut senders = Vec::new();
    let mut workers = Vec::new();
    for worker in 0..threads {
        // The pool shares nothing but the cameras: each belongs to one of its threads, which is
        // the kindest pool there is.
        let (sender, receiver) = mpsc::channel::<(usize, Packet)>();
        let mine: Vec<_> = work.iter().enumerate().filter(|(i, _)| i % threads == worker).collect();
        let mine: Vec<(usize, Arc<Camera>)> =
            mine.into_iter().map(|(i, camera)| (i, Arc::clone(camera))).collect();
        let (clock, lateness) = (Arc::clone(&clock), Arc::clone(&lateness));
        senders.push(sender);
        workers.push(std::thread::spawn(move || {
            let dyn_clock: Arc<dyn Clock> = clock.clone();
            let mut decoders: Vec<(usize, Decoder)> = mine
                .iter()
                .map(|(i, camera)| (*i, Decoder::new(camera.config(), Arc::clone(&dyn_clock))))
                .collect();
            let mut late = Vec::new();
            while let Ok((index, packet)) = receiver.recv() {
                let wanted = mine.iter().find(|(i, _)| *i == index).expect("it is mine");
                let place = decoders.iter_mut().find(|(i, _)| *i == index).expect("it is mine");
                place.1.push(&packet, wanted.1.want()).expect("the stream is sound");
                late.push(clock.now().mono.since(packet.received.mono));
            }
            lateness.lock().expect("nobody panics").extend(late);
        }));
    }
    for (number, packet) in packets.iter().enumerate() {
        if let Pace::Real(rate) = pace {
            let due = start + Duration::from_micros(1_000_000 * number as u64 / rate);
            let (_keep, wait) = mpsc::channel::<()>();
            let wait = wait.recv_timeout(due.since(clock.now().mono));
            assert!(wait.is_err(), "nothing is ever sent");
        }
        for camera in 0..CAMERAS {
            let received = clock.now();
            let packet = Packet { received, ..packet.clone() };
            senders[camera % threads].send((camera, packet)).expect("the thread waits");
        }
    }
    drop(senders);
    for worker in workers {
        worker.join().expect("nobody panics");
    }
    let wall = clock.now().mono.since(start).as_secs_f64();
    let cpu = seconds(ClockId::ProcessCPUTime) - cpu;
    let late = lateness.lock().expect("nobody panics").clone();
    let mut late: Vec<f64> = late.into_iter().map(|late| late.as_secs_f64() * 1e3).collect();
    let p50 = median(&mut late);
    let p99 = late[(late.len() - 1) * 99 / 100];
    println!(
        "{pace:?}: {threads:2} threads: wall {wall:.2} s, cpu {cpu:.2} s, \
         late p50 {p50:.1} ms, p99 {p99:.1} ms"
    );
}

struct Camera {
    index: usize,
    count: AtomicUsize,
}

impl Camera {
    fn new(index: usize) -> Self {
        Self { index, count: AtomicUsize::new(0) }
    }

    fn config(&self) -> Config {
        let size = Size { width: 512, height: 288 };
        let input = InputFormat { size, placement: Placement::Center, pad: 114 };
        let camera = Id::new(&format!("cam-{}", self.index)).expect("digits make an id");
        Config { camera, input, masks: Arc::default() }
    }

    fn want(&self) -> DecodeMode {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        if count.is_multiple_of(5) { DecodeMode::Picture } else { DecodeMode::Reference }
    }
}
