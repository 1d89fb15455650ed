//! Waiting for what ends: threads, and steps of a stop.

use std::thread::JoinHandle;
use std::time::Duration;

/// A stop step that takes longer is left behind.
pub(super) const STEP_MAX: Duration = Duration::from_secs(5);

/// Waits for `work` for as long as a step may take, and says how it went.
pub(super) async fn step(name: &'static str, work: impl Future<Output = ()>) {
    match tokio::time::timeout(STEP_MAX, work).await {
        Ok(()) => tracing::info!(step = name, "stopped"),
        Err(_) => tracing::warn!(step = name, "did not stop in {} s", STEP_MAX.as_secs()),
    }
}

/// A thread that panicked has said so already.
pub(super) async fn join_all(threads: Vec<JoinHandle<()>>) {
    let joined = tokio::task::spawn_blocking(move || {
        threads.into_iter().filter_map(|thread| thread.join().err()).count()
    });
    if let Ok(broken @ 1..) = joined.await {
        tracing::error!(broken, "threads had panicked");
    }
}
