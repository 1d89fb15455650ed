//! The registry of metrics: one list of all that is counted and timed.
//!
//! A metric is one entry in the declaration of [`Metrics`]: its name at `/metrics`, behind `keng_`,
//! its type, and the help that a collector shows.
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

/// The counters of one outlet.
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
pub struct FlowCounters {
    /// Units that came in.
    pub taken: Counter,
    /// Units that went on.
    pub passed: Counter,
    /// Units that were dropped by the stage's overflow rule, or for being broken.
    pub dropped: Counter,
}

/// Declares the set of all metrics: a field for each, registered under the field's name with its
/// help. A metric starts as its type's default unless a value is given.
macro_rules! metrics {
    (
        $(#[$about:meta])*
        pub struct $set:ident {
            $(
                $(#[$doc:meta])*
                $visibility:vis $name:ident: $kind:ty $(= $start:expr)?, $help:literal;
            )*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug)]
        pub struct $set {
            registry: Arc<Registry>,
            $($(#[$doc])* $visibility $name: $kind,)*
        }

        impl $set {
            /// A fresh set, all zero.
            pub fn new() -> Self {
                let mut registry = Registry::with_prefix("keng");
                $(
                    let $name: $kind = metrics!(@start $($start)?);
                    registry.register(stringify!($name), $help, $name.clone());
                )*
                Self { registry: Arc::new(registry), $($name),* }
            }
        }
    };
    (@start) => { Default::default() };
    (@start $start:expr) => { $start };
}

metrics! {
    /// Every metric of the daemon. Clone it freely: clones count into the same place.
    pub struct Metrics {
        stage_taken: Family<CameraStageLabel, Counter>, "Units that entered a stage";
        stage_passed: Family<CameraStageLabel, Counter>, "Units that left a stage";
        stage_dropped: Family<CameraStageLabel, Counter>, "Units dropped by a stage";
        stage_seconds: Family<StageLabel, Histogram> = Family::new_with_constructor(latency),
            "Time spent in a stage";
        camera_up: Family<CameraLabel, Gauge>, "1 while the camera streams";
        camera_sessions: Family<CameraLabel, Counter>, "RTSP sessions begun";
        outlet_delivered: Family<ReaderLabel, Counter>, "Alerts an outlet has passed on";
        outlet_failures: Family<ReaderLabel, Counter>, "Attempts of an outlet that failed";
        outlet_behind: Family<ReaderLabel, Gauge>, "Alerts an outlet has not read yet";
        set_aside: Family<ReaderLabel, Counter>, "Alerts that can never be delivered";
        /// Alerts that were set aside and are still kept as such, of all readers.
        pub set_aside_now: Gauge, "Dead letters that are kept now";
        /// From a frame's last packet to its alert being durable.
        pub alert_seconds: Histogram = latency(), "Last packet to durable alert";
        /// Alerts appended to the outbox.
        pub alerts: Counter, "Alerts made durable";
        /// News that the cap on alerts has held back, to be told in a summary.
        pub alerts_held_back: Counter, "News told in a summary";
        /// Frames (and the like) that were not kept for `keng tune`: the disk was behind, or
        /// refused.
        pub detections_dropped: Counter, "Frames whose detections were not kept";
        /// Orders to a siren that came too late and were dropped.
        pub siren_orders_dropped: Counter, "Siren orders dropped for being late";
        /// Records that the audit log could not take.
        pub audit_lost: Counter, "Records that the audit log could not take";
        /// Pictures of before, at and after that were not kept: the disk was behind, short, or
        /// refused.
        pub album_dropped: Counter, "Pictures not kept";
        /// Push messages that some browser was never sent.
        pub push_dropped: Counter, "Push messages given up for a browser";
        /// Commands, reports and patrols over MQTT that were refused; at the page, those too many.
        pub messages_refused: Counter, "What people sent in vain";
        /// Alerts that the broker has not acknowledged yet.
        pub outbox_depth: Gauge, "Alerts the broker has not acknowledged";
        /// 1 while alerts wait for a disk that refuses them.
        pub outbox_stuck: Gauge, "1 while alerts wait for the disk";
        /// 1 while the broker's session stands.
        pub broker_up: Gauge, "1 while the broker's session stands";
        /// Reloads of the configuration that did not check out.
        pub reload_failures: Counter, "Reloads refused";
        /// The share of the wanted rate of frames that is granted, 0..1; 1 while capacity suffices.
        pub granted: Gauge<f64, AtomicU64>, "Share of the wanted frame rate";
        /// The amount of closer and more frequent analysis that is saved, 0..5 (see
        /// `attention::budget`).
        pub pressure: Gauge<f64, AtomicU64>, "How much is saved, 0..5";
        /// Processor time in the second before, of all cores', 0..1.
        pub load_cpu: Gauge<f64, AtomicU64>, "Processor time, of all cores'";
        /// Time in which detector threads were busy in the second before, of all their time, 0..1.
        pub load_detectors: Gauge<f64, AtomicU64>, "Detector threads' busy time";
        /// Cameras that decoded a wanted picture too late, of those that stream, 0..1.
        pub load_late: Gauge<f64, AtomicU64>, "Cameras decoded too late";
    }
}

/// From 0.1 ms to 6.5 s in doublings: the budget of 250 ms falls well inside.
fn latency() -> Histogram {
    Histogram::new(exponential_buckets(0.000_1, 2.0, 17))
}

impl Metrics {
    /// The counters of one camera at one stage.
    pub fn flow(&self, camera: &str, stage: Stage) -> FlowCounters {
        let labels = CameraStageLabel { camera: camera.to_owned(), stage };
        FlowCounters {
            taken: self.stage_taken.get_or_create(&labels).clone(),
            passed: self.stage_passed.get_or_create(&labels).clone(),
            dropped: self.stage_dropped.get_or_create(&labels).clone(),
        }
    }

    /// The timer of one stage.
    pub fn timer(&self, stage: Stage) -> Timer {
        Timer(self.stage_seconds.get_or_create(&StageLabel { stage }).clone())
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
            delivered: self.outlet_delivered.get_or_create(&labels).clone(),
            failures: self.outlet_failures.get_or_create(&labels).clone(),
            behind: self.outlet_behind.get_or_create(&labels).clone(),
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
    fn counted_values_are_encoded() {
        let metrics = Metrics::new();
        metrics.flow("hem-42", Stage::Decode).dropped.inc();
        metrics.timer(Stage::Core).observe(Duration::from_millis(2));
        let text = metrics.encode().unwrap();
        assert!(text.contains("keng_stage_dropped_total{camera=\"hem-42\",stage=\"Decode\"} 1"));
        assert!(text.contains("keng_stage_seconds_count{stage=\"Core\"} 1"));
    }

    /// Every metric with a value of its own, and one label where it has labels.
    fn every_metric() -> Metrics {
        let m = Metrics::new();
        let flow = m.flow("hem-42", Stage::Decode);
        flow.taken.inc_by(3);
        flow.passed.inc_by(2);
        flow.dropped.inc();
        m.timer(Stage::Core).observe(Duration::from_millis(2));
        m.camera_up("hem-42").set(1);
        m.camera_sessions("hem-42").inc_by(4);
        let outlet = m.outlet("webhook/chat");
        outlet.delivered.inc_by(5);
        outlet.failures.inc_by(6);
        outlet.behind.set(7);
        outlet.set_aside.inc_by(8);
        m.set_aside_now.set(9);
        m.alert_seconds.observe(0.25);
        m.alerts.inc_by(10);
        m.alerts_held_back.inc_by(11);
        m.detections_dropped.inc_by(12);
        m.siren_orders_dropped.inc_by(13);
        m.audit_lost.inc_by(14);
        m.album_dropped.inc_by(15);
        m.push_dropped.inc_by(16);
        m.messages_refused.inc_by(17);
        m.outbox_depth.set(18);
        m.outbox_stuck.set(1);
        m.broker_up.set(1);
        m.reload_failures.inc_by(19);
        m.granted.set(0.75);
        m.pressure.set(2.5);
        m.load_cpu.set(0.5);
        m.load_detectors.set(0.25);
        m.load_late.set(0.125);
        m
    }

    #[test]
    fn the_text_at_metrics_is_the_same_to_the_byte() {
        assert_eq!(every_metric().encode().unwrap(), include_str!("every_metric.txt"));
    }
}
