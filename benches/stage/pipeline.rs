//! The whole way of a frame, from the camera's queue to the core, on the daemon's own threads;
//! beside decoding, scaling and inferring the same frames with the bare libraries in one thread.
//! Processor time of the whole process: handing over between threads is part of our cost.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use keng::camera::Packet;
use keng::camera::queue;
use keng::detector;
use keng::detector::AnalysedFrame;
use keng::detector::Detector;
use keng::detector::layout::Layout;
use keng::detector::onnx::OnnxDetector;
use keng::frame;
use keng::frame::decode::DecodeMode;
use keng::frame::decode_rate::DecodeRate;
use keng::frame::decode_rate::DecodeSchedule;
use keng::frame::mailbox::Mailboxes;
use keng::metrics::Metrics;
use keng::metrics::Stage;
use keng::pipeline::Core;
use keng::pipeline::FrameResult;
use keng::time::Clock;
use keng::time::ManualClock;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::bench::Bench;
use super::bench::Plan;
use super::decode;
use super::decode::GROUP;
use super::decode::Groups;
use super::network;
use crate::support::clips;
use crate::support::measure::ClockId;
use crate::support::measure::seconds;
use crate::support::scene;

/// A thread that stops would otherwise be waited for for ever.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// Adds `pipeline`, analysing every frame and as many as where something happens; from the former
/// follows what a frame costs with the bare libraries.
pub(crate) fn measure(bench: &mut Bench) {
    let every = Plan {
        title: "whole pipeline, every frame",
        key: Some("pipeline"),
        clock: ClockId::ProcessCPUTime,
        turns: 60,
    };
    let frame_us = measure_at(bench, every, Duration::ZERO);
    bench.set_frame(frame_us);
    let some = Plan { title: "whole pipeline, 5 of 15 frames a second", ..every };
    measure_at(bench, some, Duration::from_millis(200));
}

fn measure_at(bench: &mut Bench, plan: Plan, period: Duration) -> f64 {
    let detector = network::detector();
    let mut bare = Bare::new(detector.layout().clone());
    let mut ours = Ours::new(detector, period);
    let mut groups = Groups::new();
    let mut schedule = DecodeSchedule::default();
    let clock = Arc::clone(&ours.clock);
    let mut odd = false;
    bench.pairs(plan, || {
        let mut group: Vec<(Packet, bool)> = Vec::with_capacity(GROUP);
        for packet in groups.next() {
            clock.advance(Duration::from_micros(1_000_000 / clips::RATE));
            let packet = Packet { received: clock.now(), ..packet.clone() };
            // The decoding thread decides likewise: the bare libraries do the same frames.
            let choice = schedule.choose(packet.received.mono, packet.key, period);
            group.push((packet, choice.mode == DecodeMode::Picture));
        }
        let frames = group.iter().filter(|(_, wanted)| *wanted).count().max(1) as f64;
        let timed = |work: &mut dyn FnMut()| {
            let start = seconds(plan.clock);
            work();
            (seconds(plan.clock) - start) * 1e6 / frames
        };
        odd = !odd;
        if odd {
            let first = timed(&mut || ours.run(&group));
            (first, timed(&mut || bare.run(&group)))
        } else {
            let first = timed(&mut || bare.run(&group));
            (timed(&mut || ours.run(&group)), first)
        }
    })
}

/// The daemon's threads for one camera, its core in this one.
struct Ours {
    clock: Arc<ManualClock>,
    packets: Option<queue::Sender>,
    mailboxes: Arc<Mailboxes>,
    analysed: mpsc::Receiver<AnalysedFrame>,
    core: Core,
    runtime: Runtime,
    threads: Vec<JoinHandle<()>>,
}

impl Ours {
    fn new(detector: OnnxDetector, period: Duration) -> Self {
        let clock = Arc::new(ManualClock::new(scene::at(0)));
        let shared: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
        let metrics = Metrics::new();
        let mailboxes = Arc::new(Mailboxes::new(Arc::clone(&shared), metrics.clone()));
        let (packets, receiver) = queue::channel(metrics.flow("bench", Stage::Receive));
        let decoding = frame::worker::DecodeSetup {
            config: decode::config(detector.input()),
            decode_rate: DecodeRate::every(period),
            mailboxes: Arc::clone(&mailboxes),
            clock: Arc::clone(&shared),
            metrics: metrics.clone(),
        };
        let (sender, analysed) = mpsc::channel(detector::worker::ANALYSED_MAX);
        let detecting = detector::worker::DetectorSetup {
            mailboxes: Arc::clone(&mailboxes),
            second: Arc::default(),
            analysed: sender,
            clock: shared,
            metrics,
        };
        let threads = vec![
            frame::worker::spawn(decoding, receiver).expect("a thread is left"),
            detector::worker::spawn(0, Box::new(detector), detecting).expect("a thread is left"),
        ];
        let built = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let (packets, core) = (Some(packets), scene::core());
        let runtime = built.expect("the system has a timer");
        Self { clock, packets, mailboxes, analysed, core, runtime, threads }
    }

    /// A frame is waited for, since a mailbox would drop it for the next one.
    fn run(&mut self, group: &[(Packet, bool)]) {
        for (packet, wanted) in group {
            let packets = self.packets.as_ref().expect("it goes on");
            assert_eq!(packets.send(packet.clone()), queue::SendOutcome::Queued);
            if *wanted {
                let next = async { tokio::time::timeout(ANSWER_MAX, self.analysed.recv()).await };
                let analysed = self.runtime.block_on(next).expect("in time").expect("it goes on");
                assert_eq!(analysed.at, packet.received, "the frames are those of the bare ones");
                let AnalysedFrame { camera, at, detections, .. } = analysed;
                let result = FrameResult { camera, at, detections };
                std::hint::black_box(self.core.on_frame(&result));
            }
        }
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        drop(self.packets.take());
        self.mailboxes.close();
        for thread in self.threads.drain(..) {
            // A panic there was told already.
            drop(thread.join());
        }
    }
}

/// The same with the libraries alone.
struct Bare {
    decoder: Option<decode::Bare>,
    network: network::Bare,
    layout: Layout,
    tensor: Vec<f32>,
}

impl Bare {
    fn new(layout: Layout) -> Self {
        let size = layout.input.size;
        let tensor = vec![0.0; 3 * size.width as usize * size.height as usize];
        Self { decoder: None, network: network::Bare::new(&layout), layout, tensor }
    }

    fn run(&mut self, group: &[(Packet, bool)]) {
        let Self { decoder, network, layout, tensor } = self;
        let decoder =
            decoder.get_or_insert_with(|| decode::Bare::new(group[0].0.codec, layout.input));
        for (packet, wanted) in group {
            assert!(decoder.decode(packet), "each packet is a picture");
            if *wanted {
                decoder.scale();
                fill(tensor, decoder, layout);
                std::hint::black_box(network.run(tensor));
            }
        }
    }
}

/// Straight from FFmpeg's planes (green, blue, red) into the tensor; the padding stays as it is.
fn fill(tensor: &mut [f32], decoder: &decode::Bare, layout: &Layout) {
    let scaled = &decoder.scaled;
    let (width, height) = (scaled.width() as usize, scaled.height() as usize);
    let row = layout.input.size.width as usize;
    let plane = row * layout.input.size.height as usize;
    for (channel, from) in [2usize, 0, 1].into_iter().enumerate() {
        let (bytes, stride) = (scaled.data(from), scaled.stride(from));
        for y in 0..height {
            let to = &mut tensor[channel * plane + y * row..][..width];
            network::convert(to, &bytes[y * stride..][..width], layout.scale);
        }
    }
}
