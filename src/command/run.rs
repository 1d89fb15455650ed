//! `keng run --config FILE`: the daemon.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::app;
use crate::app::App;
use crate::clock::SystemClock;
use crate::config;
use crate::config::{ConfigWatch, Faults};
use crate::time::Clock;

/// Arguments of `keng run`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The configuration file; a change to it is taken in while the daemon runs.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// The reason why the daemon did not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration.
    #[error("the configuration has faults:\n{0}")]
    Config(Faults),
    /// Something it needs.
    #[error("failed to start")]
    Start(#[from] app::Error),
    /// A part of it has panicked.
    #[error("{0}, see the log; whoever supervises the daemon should start it again")]
    Broken(String),
}

impl Error {
    /// Tells whether it is the configuration that has to be mended.
    pub fn is_config(&self) -> bool {
        matches!(self, Self::Config(_))
    }
}

/// Runs until `shutdown`, then drains.
///
/// # Errors
/// [`Error`] where it can't start, or where a part that everything needs has panicked.
pub async fn run(args: &Args, shutdown: CancellationToken) -> Result<(), Error> {
    tracing::info!(version = env!("CARGO_PKG_VERSION"), config = %args.config.display(), "keng");
    // Begun first: a change from here on is seen.
    let watch = ConfigWatch::new(&args.config);
    let loaded = config::load(&args.config).map_err(Error::Config)?;
    for warning in &loaded.warnings {
        tracing::warn!(%warning, "configuration");
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let web = loaded.settings.web.clone();
    let app = tokio::select! {
        biased;
        // It may wait for the disk; nothing has been taken in that could be lost.
        () = shutdown.cancelled() => return Ok(()),
        app = App::start(loaded.settings, Some(watch), clock) => app?,
    };
    tracing::info!(page = %web.url(app.page), broker = ?app.broker, "ready");
    let broken = tokio::select! {
        biased;
        () = shutdown.cancelled() => None,
        what = app.broken() => Some(what),
    };
    tracing::info!("draining; a second signal ends at once");
    app.drain().await;
    tracing::info!("stopped");
    broken.map_or(Ok(()), |what| Err(Error::Broken(what)))
}
