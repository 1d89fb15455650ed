//! The machine's load, measured once a second for the budget.

use std::sync::Arc;
use std::time::Duration;

use super::camera_runtime::CameraRuntimes;
use crate::attention::budget::Load;
use crate::metrics::Metrics;
use crate::time::{Clock, Stamp};

/// Compares what was used with what it had been at the reading before.
pub(super) struct Gauge {
    clock: Arc<dyn Clock>,
    cores: f64,
    threads: f64,
    read: Stamp,
    processor: Duration,
    waited: Duration,
}

impl Gauge {
    /// Of a daemon with so many detector threads, on this machine.
    pub(super) fn new(threads: usize, clock: Arc<dyn Clock>) -> Self {
        // Fewer than the machine's where the process may not use them all.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (read, processor) = (clock.now(), clock.processor());
        let (cores, threads) = (count(cores), count(threads.max(1)));
        Self { clock, cores, threads, read, processor, waited: Duration::ZERO }
    }

    /// The load since the reading before, `streaming` cameras being at work.
    pub(super) fn read(&mut self, now: Stamp, cameras: &CameraRuntimes, streaming: usize) -> Load {
        let elapsed_s = now.mono.seconds_since(self.read.mono);
        let (processor, waited) = (self.clock.processor(), cameras.waited());
        let used_s = processor.saturating_sub(self.processor).as_secs_f64();
        let idle_s = waited.saturating_sub(self.waited).as_secs_f64();
        let late = cameras.take_late();
        (self.read, self.processor, self.waited) = (now, processor, waited);
        if elapsed_s <= 0.0 {
            return Load::default();
        }
        Load {
            cpu: used_s / elapsed_s / self.cores,
            detectors: (1.0 - idle_s / elapsed_s / self.threads).clamp(0.0, 1.0),
            late: if streaming > 0 { count(late) / count(streaming) } else { 0.0 },
        }
    }
}

/// Shows a load at `/metrics`.
pub(super) fn record(load: Load, metrics: &Metrics) {
    metrics.load_cpu.set(load.cpu);
    metrics.load_detectors.set(load.detectors);
    metrics.load_late.set(load.late);
}

/// Cores, threads and cameras are few.
fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
