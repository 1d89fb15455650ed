//! What 32 decoders cost as a thread each and as a pool of two threads that take turns.
//!
//! `cargo bench --bench decode_threads`; needs `ffmpeg` for the stream. Prints wall and CPU time,
//! and how late pictures were: from a packet's due time to its decoded picture.

#![expect(clippy::print_stdout, reason = "a benchmark reports")]

use std::process::Command;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Duration;

use keng::camera::Codec;
use keng::camera::Packet;
use keng::frame::InputFormat;
use keng::frame::Placement;
use keng::frame::Size;
use keng::frame::decode::Config;
use keng::frame::decode::Decoder;
use keng::frame::decode::Want;
use keng::time::Clock;
use keng::time::Mono;
use keng::time::Stamp;
use keng::time::SystemClock;
use keng::ward::Id;

const CAMERAS: usize = 32;
const PACKETS: usize = 100;

fn main() {
    let packets = Arc::new(stream());
    println!("{CAMERAS} cameras, {PACKETS} packets each, every fifth scaled");
    for pace in [Pace::Flat, Pace::Real(8)] {
        for threads in [CAMERAS, 2] {
            measure(&packets, threads, pace);
        }
    }
}

/// How packets come in.
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
    let (cpu, start) = (cpu_seconds(), clock.now().mono);
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
    let cpu = cpu_seconds() - cpu;
    let mut late = lateness.lock().expect("nobody panics").clone();
    late.sort();
    let ms = |share: usize| late[(late.len() - 1) * share / 100].as_secs_f64() * 1e3;
    let (p50, p99) = (ms(50), ms(99));
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

    fn want(&self) -> Want {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        if count.is_multiple_of(5) { Want::Picture } else { Want::Reference }
    }
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux has it");
    let after = stat.rsplit(')').next().expect("the name ends with it");
    let ticks: f64 =
        after.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<f64>().ok()).sum();
    ticks / 100.0
}

/// 720p, 2 Mbit/s, a key frame every two seconds, no B frames: an ordinary camera.
fn stream() -> Vec<Packet> {
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=s=1280x720:r=25,noise=alls=6:allf=t"])
        .args(["-frames:v", &PACKETS.to_string(), "-pix_fmt", "yuv420p", "-c:v", "libx264"])
        .args(["-preset", "veryfast", "-b:v", "2M", "-maxrate", "2M", "-bufsize", "2M"])
        .args(["-x264-params", "aud=1:repeat-headers=1:bframes=0:keyint=50:log-level=0"])
        .args(["-f", "h264", "-"])
        .output()
        .expect("ffmpeg must be installed: `make setup`");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let bytes = made.stdout;
    let mut starts: Vec<usize> =
        (0..bytes.len() - 4).filter(|i| bytes[*i..].starts_with(&[0, 0, 0, 1, 9])).collect();
    starts.push(bytes.len());
    let units = starts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
    let packet = |(index, unit): (usize, &[u8])| Packet {
        codec: Codec::H264,
        data: unit.into(),
        key: index % 50 == 0,
        media_time_us: 0,
        received: Stamp { mono: Mono(0), ..Stamp::default() },
        lost: 0,
    };
    units.enumerate().map(packet).collect()
}
