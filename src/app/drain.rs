//! Last step: everything that runs is stopped, in the order of the flow.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::camera_runtime::CameraRuntimes;
use super::threads::{STEP_MAX, join_all, step};
use crate::frame::mailbox::Mailboxes;

/// The interval at which it is checked whether every thread is still there.
const LOOK: Duration = Duration::from_secs(1);

/// The parts that are stopped, in the order of the fields.
pub(super) struct DrainedParts {
    pub(super) cameras: CancellationToken,
    pub(super) core: tokio::task::JoinHandle<CameraRuntimes>,
    pub(super) mailboxes: Arc<Mailboxes>,
    pub(super) detectors: Vec<JoinHandle<()>>,
    pub(super) writer: JoinHandle<()>,
    pub(super) album: JoinHandle<()>,
    pub(super) detection_log: JoinHandle<()>,
    pub(super) outlets: CancellationToken,
    pub(super) tasks: TaskTracker,
    /// Those of `tasks` that no daemon can do without.
    pub(super) vital: [(&'static str, tokio::task::JoinHandle<()>); 3],
}

impl DrainedParts {
    /// Ends when a thread that everything needs has ended by itself: it has panicked, and half a
    /// daemon that looks healthy is worse than one that starts again.
    pub(super) async fn broken(&self) -> String {
        let mut looks = tokio::time::interval(LOOK);
        loop {
            looks.tick().await;
            if self.writer.is_finished() {
                return "the outbox's thread has ended".to_owned();
            }
            if self.detectors.iter().any(JoinHandle::is_finished) {
                return "a detector's thread has ended".to_owned();
            }
            if self.core.is_finished() {
                return "the core has ended".to_owned();
            }
            if let Some((what, _)) = self.vital.iter().find(|(_, task)| task.is_finished()) {
                return format!("{what} has ended");
            }
        }
    }

    /// Stops in the order of the flow: cameras, decoders, detectors, core, outbox, then whoever
    /// reads from it. What the broker has not acknowledged stays in the outbox.
    pub(super) async fn drain(self) {
        let stops = self;
        stops.cameras.cancel();
        let mut core = stops.core;
        // It may wait for a disk that never has room again.
        match tokio::time::timeout(STEP_MAX, &mut core).await {
            Ok(Ok(cameras)) => step("cameras", cameras.stop_all()).await,
            Ok(Err(error)) => tracing::error!(%error, "the core had ended"),
            Err(_) => {
                core.abort();
                tracing::warn!(step = "core", "did not stop in {} s", STEP_MAX.as_secs());
            }
        }
        stops.mailboxes.close();
        step("detectors", join_all(stops.detectors)).await;
        step("outbox", join_all(vec![stops.writer])).await;
        step("album", join_all(vec![stops.album])).await;
        step("diary", join_all(vec![stops.detection_log])).await;
        stops.outlets.cancel();
        stops.tasks.close();
        step("mqtt and page", stops.tasks.wait()).await;
    }
}
