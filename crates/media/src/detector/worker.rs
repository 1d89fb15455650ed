//! The thread around a detector: frames from the mailboxes, what they show to the core.
//!
//! The way to the core is bounded. Where the core is slow, detectors wait, frames in the
//! mailboxes are replaced by newer ones (and counted there), and nothing piles up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::Sender;

use super::AnalysedFrame;
use super::Detector;
use super::Timing;
use super::flicker::FlickerStage;
use super::onnx::Error;
use crate::detection::Detection;
use crate::frame::Frame;
use crate::frame::mailbox::Mailboxes;
use crate::metrics::FlowCounters;
use crate::metrics::Metrics;
use crate::metrics::Stage;
use crate::metrics::Timer;
use crate::time::Clock;
use crate::ward::Id;

/// Analysed frames that may wait for the core.
pub const ANALYSED_MAX: usize = 16;

/// Cameras whose counters are at hand; then they are looked up anew, those that are gone included.
const FLOWS_MAX: usize = 1024;

/// The resources of a detector thread besides its detector.
#[derive(Clone)]
pub struct DetectorSetup {
    /// The mailboxes that frames come from.
    pub mailboxes: Arc<Mailboxes>,
    /// The second stage, which corrects confidences; one for all detector threads.
    pub second: Arc<FlickerStage>,
    /// The channel that takes analysed frames, of [`ANALYSED_MAX`].
    pub analysed: Sender<AnalysedFrame>,
    /// The clock that frames were stamped with.
    pub clock: Arc<dyn Clock>,
    /// Counts frames at the stage `Inference`; times the stages `Queue` and `Inference`.
    pub metrics: Metrics,
}

/// Starts the thread `detect-{index}`. It ends when the exchange is closed or nobody takes what it
/// finds.
///
/// # Errors
/// Where the system has no thread left.
pub fn spawn(
    index: usize,
    detector: Box<dyn Detector>,
    setup: DetectorSetup,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(format!("detect-{index}")).spawn(move || {
        let mut worker = Worker {
            queue: setup.metrics.timer(Stage::Queue),
            inference: setup.metrics.timer(Stage::Inference),
            flows: BTreeMap::new(),
            detector,
            setup,
            complained: false,
        };
        while let Some(frame) = worker.setup.mailboxes.take() {
            if !worker.analyse(frame) {
                return;
            }
        }
    })
}

struct Worker {
    detector: Box<dyn Detector>,
    setup: DetectorSetup,
    queue: Timer,
    inference: Timer,
    /// Looking a camera's counters up costs an allocation and three locks.
    flows: BTreeMap<Id, FlowCounters>,
    /// Something failed since the last success; said once.
    complained: bool,
}

impl Worker {
    /// Analyses a frame; returns whether anybody still receives the results.
    fn analyse(&mut self, frame: Frame) -> bool {
        let flow = self.flow(&frame.camera);
        flow.taken.inc();
        let taken = self.setup.clock.now().mono;
        let decoded = frame.at.mono + Duration::from_micros(frame.decode_us);
        let queued = taken.since(decoded);
        let found = self.detector.detect(&[&frame]);
        let Some(mut detections) = self.take_result(found, &frame) else {
            flow.dropped.inc();
            return true;
        };
        self.setup.second.rescore(&frame, &mut detections);
        let took = self.setup.clock.now().mono.since(taken);
        self.queue.observe(queued);
        self.inference.observe(took);
        let timing = Timing {
            decode_us: frame.decode_us,
            queue_us: micros(queued),
            inference_us: micros(took),
        };
        let Frame { camera, sequence, at, picture, statistics, thumbnail, .. } = frame;
        let analysed = AnalysedFrame {
            camera,
            at,
            sequence,
            detections,
            picture,
            statistics,
            thumbnail,
            timing,
        };
        let sent = self.setup.analysed.blocking_send(analysed).is_ok();
        if sent {
            flow.passed.inc()
        } else {
            flow.dropped.inc()
        };
        sent
    }

    fn flow(&mut self, camera: &Id) -> FlowCounters {
        if let Some(flow) = self.flows.get(camera) {
            return flow.clone();
        }
        if self.flows.len() >= FLOWS_MAX {
            self.flows.clear();
        }
        let flow = self.setup.metrics.flow(camera.as_str(), Stage::Inference);
        self.flows.insert(camera.clone(), flow.clone());
        flow
    }

    fn take_result(
        &mut self,
        found: Result<Vec<Vec<Detection>>, Error>,
        frame: &Frame,
    ) -> Option<Vec<Detection>> {
        match found {
            Ok(mut lists) => {
                self.complained = false;
                Some(lists.pop().unwrap_or_default())
            }
            Err(error) => {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                if !self.complained {
                    tracing::error!(camera = %frame.camera, %error, source, "frame is lost");
                }
                self.complained = true;
                None
            }
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
