//! The thread that decodes one camera: packets from its queue, frames into its mailbox.
//!
//! A thread a camera, not a pool: the scheduler of the kernel is fair, a camera whose stream
//! stalls FFmpeg (or makes it panic) harms itself alone, and idle threads cost nothing.

use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::thread::JoinHandle;

use super::Frame;
use super::decode::Config;
use super::decode::DecodeMode;
use super::decode::Decoder;
use super::decode::Error;
use super::decode_rate::DecodeChoice;
use super::decode_rate::DecodeRate;
use super::decode_rate::DecodeSchedule;
use super::mailbox::Mailboxes;
use crate::attention::motion::MotionDetector;
use crate::attention::schedule::AGE_MAX;
use crate::camera::Packet;
use crate::camera::queue::QueueItem;
use crate::camera::queue::Receiver;
use crate::metrics::FlowCounters;
use crate::metrics::Metrics;
use crate::metrics::Stage;
use crate::metrics::Timer;
use crate::time::Clock;
use crate::time::Mono;

/// The resources of a decode thread besides its packets.
#[derive(Clone)]
pub struct DecodeSetup {
    /// The camera, and the format of its pictures.
    pub config: Config,
    /// The rate at which pictures are wanted; the attention changes it at any time.
    pub decode_rate: DecodeRate,
    /// The mailboxes that take frames.
    pub mailboxes: Arc<Mailboxes>,
    /// The clock that packets were stamped with.
    pub clock: Arc<dyn Clock>,
    /// Counts packets (taken), frames (passed), and both where they are lost (dropped), at the
    /// stage `Decode`.
    pub metrics: Metrics,
}

/// Starts the thread `decode-{camera}`. It ends when the queue does.
///
/// # Errors
/// Where the system has no thread left.
pub fn spawn(setup: DecodeSetup, packets: Receiver) -> std::io::Result<JoinHandle<()>> {
    let name = format!("decode-{}", setup.config.camera);
    std::thread::Builder::new().name(name).spawn(move || {
        let mut worker = Worker::new(setup);
        while let Some(item) = packets.recv() {
            worker.take(item);
        }
    })
}

struct Worker {
    setup: DecodeSetup,
    flow: FlowCounters,
    timer: Timer,
    decoder: Decoder,
    schedule: DecodeSchedule,
    motion: MotionDetector,
    /// The thread is behind, which is said once.
    late: bool,
    /// Something failed since the last frame; said once.
    complained: bool,
}

impl Worker {
    fn new(setup: DecodeSetup) -> Self {
        let flow = setup.metrics.flow(setup.config.camera.as_str(), Stage::Decode);
        let timer = setup.metrics.timer(Stage::Decode);
        let decoder = Decoder::new(setup.config.clone(), Arc::clone(&setup.clock));
        setup.mailboxes.add_camera(&setup.config.camera, setup.decode_rate.clone());
        Self {
            setup,
            flow,
            timer,
            decoder,
            schedule: DecodeSchedule::default(),
            motion: MotionDetector::default(),
            late: false,
            complained: false,
        }
    }

    fn take(&mut self, item: QueueItem) {
        let QueueItem::Packet(packet) = item else {
            self.decoder.reset();
            self.schedule.interrupt();
            self.motion.interrupt();
            return;
        };
        self.flow.taken.inc();
        let at = packet.received.mono;
        if self.motion.note(at, packet.key, packet.data.len()) {
            self.setup.decode_rate.report_motion(at);
        }
        let mut choice = self.schedule.choose(at, packet.key, self.setup.decode_rate.wanted());
        if choice.mode == DecodeMode::Picture {
            self.skip_if_late(at, &mut choice);
        }
        // A panic in FFmpeg's bindings is this camera's own misfortune: it begins anew.
        let decoded = catch_unwind(AssertUnwindSafe(|| decode(&mut self.decoder, &packet, choice)));
        self.flow.dropped.inc_by(self.decoder.take_held_back());
        match decoded {
            Ok(Ok(frame)) => {
                if let Some(frame) = frame {
                    self.pass(frame);
                }
            }
            Ok(Err(error)) => self.fail(&error),
            Err(_) => {
                self.flow.dropped.inc();
                tracing::error!(camera = %self.setup.config.camera, "decoder panicked; made anew");
                let config = self.setup.config.clone();
                self.decoder = Decoder::new(config, Arc::clone(&self.setup.clock));
            }
        }
    }

    /// Skips a late picture: nobody would take its frame, so it is not scaled, and the first one
    /// that is not late is had.
    fn skip_if_late(&mut self, at: Mono, choice: &mut DecodeChoice) {
        let late = self.setup.clock.now().mono.since(at) > AGE_MAX;
        if late {
            choice.mode = DecodeMode::Reference;
            self.schedule.ask();
            if !self.late {
                self.flow.dropped.inc();
                self.setup.decode_rate.report_late();
            }
        }
        self.late = late;
    }

    fn pass(&mut self, frame: Frame) {
        self.complained = false;
        self.flow.passed.inc();
        self.timer.observe(std::time::Duration::from_micros(frame.decode_us));
        self.setup.mailboxes.post(frame);
    }

    fn fail(&mut self, error: &Error) {
        self.flow.dropped.inc();
        let source = std::error::Error::source(error).map(ToString::to_string);
        if self.complained {
            tracing::debug!(%error, source);
        } else {
            tracing::warn!(%error, source, "further errors until the next frame are not logged");
        }
        self.complained = true;
    }
}

/// Decodes one packet as the schedule has chosen.
///
/// # Errors
/// The decoder's; the next key frame mends it.
pub fn decode(
    decoder: &mut Decoder,
    packet: &Packet,
    choice: DecodeChoice,
) -> Result<Option<Frame>, Error> {
    if choice.alone && choice.mode == DecodeMode::Picture {
        decoder.push_alone(packet)
    } else {
        decoder.push(packet, choice.mode)
    }
}
