//! What is counted and timed, everywhere: one list of all metrics.
//!
//! Handles are cheap clones of atomics: take yours once, at the start, and keep it. Serving them
//! is `telemetry`'s and `web`'s work; here nothing is printed, and no clock is read.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// A stage of the way of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Stage {
    /// Packets from the camera to the decoder's queue.
    Receive,
    /// Packets to frames, scaling and masks included.
    Decode,
    /// Frames waiting in the mailbox for a detector.
    Queue,
    /// Preprocessing, the network, postprocessing.
    Inference,
    /// Track, rule, incident.
    Core,
    /// Appending to the outbox until it is durable.
    Store,
    /// From the outbox to the broker's acknowledgement.
    Publish,
}

/// Labels of what is counted a camera and stage.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CameraStageLabel {
    /// The camera's id.
    pub camera: String,
    /// The stage.
    pub stage: Stage,
}

/// Labels of what is counted a camera.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CameraLabel {
    /// The camera's id.
    pub camera: String,
}

/// Labels of what is timed a stage.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StageLabel {
    /// The stage.
    pub stage: Stage,
}

/// Labels of what is counted a reader of the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReaderLabel {
    /// The reader: its cursor's name, such as `mqtt` or `webhook/zalo`.
    pub reader: String,
}

/// What one outlet has done.
#[derive(Clone, Debug, Default)]
pub struct OutletMetrics {
    /// Alerts that the receiver has taken.
    pub delivered: Counter,
    /// Attempts that have failed.
    pub failures: Counter,
    /// Alerts that it has not read yet.
    pub behind: Gauge,
    /// Alerts that were set aside, since they can never be delivered.
    pub set_aside: Counter,
}

/// In, out and dropped of one camera at one stage.
#[derive(Clone, Debug, Default)]
pub struct Flow {
    /// What came in.
    pub taken: Counter,
    /// What went on.
    pub passed: Counter,
    /// What was dropped by the stage's overflow rule, or for being broken.
    pub dropped: Counter,
}

/// Every metric of the daemon. Clone it freely: clones count into the same place.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    taken: Family<CameraStageLabel, Counter>,
    passed: Family<CameraStageLabel, Counter>,
    dropped: Family<CameraStageLabel, Counter>,
    seconds: Family<StageLabel, Histogram>,
    camera_up: Family<CameraLabel, Gauge>,
    camera_sessions: Family<CameraLabel, Counter>,
    delivered: Family<ReaderLabel, Counter>,
    failures: Family<ReaderLabel, Counter>,
    behind: Family<ReaderLabel, Gauge>,
    set_aside: Family<ReaderLabel, Counter>,
    /// Alerts that were set aside and are still kept as such, of all readers.
    pub set_aside_now: Gauge,
    /// From a frame's last packet to its alert being durable.
    pub alert_seconds: Histogram,
    /// Alerts appended to the outbox.
    pub alerts: Counter,
    /// News that the cap on alerts has held back, to be told in a summary.
    pub alerts_held_back: Counter,
    /// Frames (and the like) that were not kept for `keng tune`: the disk was behind, or refused.
    pub detections_dropped: Counter,
    /// Orders to a siren that came too late and were dropped.
    pub siren_orders_dropped: Counter,
    /// Records that the audit log could not take.
    pub audit_lost: Counter,
    /// Pictures of before, at and after that were not kept: the disk was behind, short, or refused.
    pub album_dropped: Counter,
    /// Push messages that some browser was never sent.
    pub push_dropped: Counter,
    /// Commands, reports and patrols over MQTT that were refused; at the page, those too many.
    pub messages_refused: Counter,
    /// Alerts that the broker has not acknowledged yet.
    pub outbox_depth: Gauge,
    /// 1 while alerts wait for a disk that refuses them.
    pub outbox_stuck: Gauge,
    /// 1 while the broker's session stands.
    pub broker_up: Gauge,
    /// Reloads of the configuration that did not check out.
    pub reload_failures: Counter,
    /// How much of the wanted rate of frames is granted, 0..1; 1 while capacity suffices.
    pub granted: Gauge<f64, AtomicU64>,
    /// How much of closer and more frequent looks is saved, 0..5 (see `attention::budget`).
    pub pressure: Gauge<f64, AtomicU64>,
    /// What that goes by, of the second before.
    pub load: LoadGauges,
}

/// Shares, 0..1, as in `attention::budget::Load`.
#[derive(Clone, Debug, Default)]
pub struct LoadGauges {
    /// Processor time, of all cores'.
    pub cpu: Gauge<f64, AtomicU64>,
    /// Time in which detector threads were busy, of all their time.
    pub detectors: Gauge<f64, AtomicU64>,
    /// Cameras that decoded a wanted picture too late, of those that stream.
    pub late: Gauge<f64, AtomicU64>,
}

impl Metrics {
    /// A fresh set, all zero.
    pub fn new() -> Self {
        // From 0.1 ms to 6.5 s in doublings: the budget of 250 ms falls well inside.
        let latency = || Histogram::new(exponential_buckets(0.000_1, 2.0, 17));
        let taken = Family::<CameraStageLabel, Counter>::default();
        let passed = Family::<CameraStageLabel, Counter>::default();
        let dropped = Family::<CameraStageLabel, Counter>::default();
        let seconds = Family::<StageLabel, Histogram>::new_with_constructor(latency);
        let camera_up = Family::<CameraLabel, Gauge>::default();
        let camera_sessions = Family::<CameraLabel, Counter>::default();
        let delivered = Family::<ReaderLabel, Counter>::default();
        let failures = Family::<ReaderLabel, Counter>::default();
        let behind = Family::<ReaderLabel, Gauge>::default();
        let set_aside = Family::<ReaderLabel, Counter>::default();
        let set_aside_now = Gauge::default();
        let alert_seconds = latency();
        let alerts = Counter::default();
        let alerts_held_back = Counter::default();
        let detections_dropped = Counter::default();
        let siren_orders_dropped = Counter::default();
        let audit_lost = Counter::default();
        let album_dropped = Counter::default();
        let push_dropped = Counter::default();
        let messages_refused = Counter::default();
        let outbox_depth = Gauge::default();
        let outbox_stuck = Gauge::default();
        let broker_up = Gauge::default();
        let reload_failures = Counter::default();
        let granted = Gauge::default();
        let (pressure, load) = (Gauge::default(), LoadGauges::default());

        let mut r = Registry::with_prefix("keng");
        r.register("stage_taken", "Units that entered a stage", taken.clone());
        r.register("stage_passed", "Units that left a stage", passed.clone());
        r.register("stage_dropped", "Units dropped by a stage", dropped.clone());
        r.register("stage_seconds", "Time spent in a stage", seconds.clone());
        r.register("camera_up", "1 while the camera streams", camera_up.clone());
        r.register("camera_sessions", "RTSP sessions begun", camera_sessions.clone());
        r.register("outlet_delivered", "Alerts an outlet has passed on", delivered.clone());
        r.register("outlet_failures", "Attempts of an outlet that failed", failures.clone());
        r.register("outlet_behind", "Alerts an outlet has not read yet", behind.clone());
        r.register("set_aside", "Alerts that can never be delivered", set_aside.clone());
        let kept = "Dead letters that are kept now";
        r.register("set_aside_now", kept, set_aside_now.clone());
        r.register("alert_seconds", "Last packet to durable alert", alert_seconds.clone());
        r.register("alerts", "Alerts made durable", alerts.clone());
        r.register("alerts_held_back", "News told in a summary", alerts_held_back.clone());
        let unkept = "Frames whose detections were not kept";
        r.register("detections_dropped", unkept, detections_dropped.clone());
        let late = "Siren orders dropped for being late";
        r.register("siren_orders_dropped", late, siren_orders_dropped.clone());
        r.register("audit_lost", "Records that the audit log could not take", audit_lost.clone());
        r.register("album_dropped", "Pictures not kept", album_dropped.clone());
        r.register("push_dropped", "Push messages given up for a browser", push_dropped.clone());
        r.register("messages_refused", "What people sent in vain", messages_refused.clone());
        r.register("outbox_depth", "Alerts the broker has not acknowledged", outbox_depth.clone());
        r.register("outbox_stuck", "1 while alerts wait for the disk", outbox_stuck.clone());
        r.register("broker_up", "1 while the broker's session stands", broker_up.clone());
        r.register("reload_failures", "Reloads refused", reload_failures.clone());
        r.register("granted", "Share of the wanted frame rate", granted.clone());
        r.register("pressure", "How much is saved, 0..5", pressure.clone());
        r.register("load_cpu", "Processor time, of all cores'", load.cpu.clone());
        r.register("load_detectors", "Detector threads' busy time", load.detectors.clone());
        r.register("load_late", "Cameras decoded too late", load.late.clone());
        Self {
            registry: Arc::new(r),
            taken,
            passed,
            dropped,
            seconds,
            camera_up,
            camera_sessions,
            delivered,
            failures,
            behind,
            set_aside,
            set_aside_now,
            alert_seconds,
            alerts,
            alerts_held_back,
            detections_dropped,
            siren_orders_dropped,
            audit_lost,
            album_dropped,
            push_dropped,
            messages_refused,
            outbox_depth,
            outbox_stuck,
            broker_up,
            reload_failures,
            granted,
            pressure,
            load,
        }
    }

    /// The counters of one camera at one stage.
    pub fn flow(&self, camera: &str, stage: Stage) -> Flow {
        let labels = CameraStageLabel { camera: camera.to_owned(), stage };
        Flow {
            taken: self.taken.get_or_create(&labels).clone(),
            passed: self.passed.get_or_create(&labels).clone(),
            dropped: self.dropped.get_or_create(&labels).clone(),
        }
    }

    /// The clock-hand of one stage.
    pub fn timer(&self, stage: Stage) -> Timer {
        Timer(self.seconds.get_or_create(&StageLabel { stage }).clone())
    }

    /// 1 while the camera streams.
    pub fn camera_up(&self, camera: &str) -> Gauge {
        self.camera_up.get_or_create(&CameraLabel { camera: camera.to_owned() }).clone()
    }

    /// RTSP sessions begun.
    pub fn camera_sessions(&self, camera: &str) -> Counter {
        self.camera_sessions.get_or_create(&CameraLabel { camera: camera.to_owned() }).clone()
    }

    /// The counters of one reader of the outbox.
    pub fn outlet(&self, reader: &str) -> OutletMetrics {
        let labels = ReaderLabel { reader: reader.to_owned() };
        OutletMetrics {
            delivered: self.delivered.get_or_create(&labels).clone(),
            failures: self.failures.get_or_create(&labels).clone(),
            behind: self.behind.get_or_create(&labels).clone(),
            set_aside: self.set_aside(reader),
        }
    }

    /// Alerts that one reader of the outbox has set aside.
    pub fn set_aside(&self, reader: &str) -> Counter {
        self.set_aside.get_or_create(&ReaderLabel { reader: reader.to_owned() }).clone()
    }

    /// OpenMetrics text of everything.
    ///
    /// # Errors
    /// Where a metric can't be written as text.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Takes durations of one stage.
#[derive(Clone, Debug)]
pub struct Timer(Histogram);

impl Timer {
    /// Adds one duration.
    pub fn observe(&self, duration: Duration) {
        self.0.observe(duration.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_encoded() {
        let metrics = Metrics::new();
        metrics.flow("hem-42", Stage::Decode).dropped.inc();
        metrics.timer(Stage::Core).observe(Duration::from_millis(2));
        let text = metrics.encode().unwrap();
        assert!(text.contains("keng_stage_dropped_total{camera=\"hem-42\",stage=\"Decode\"} 1"));
        assert!(text.contains("keng_stage_seconds_count{stage=\"Core\"} 1"));
    }
}
