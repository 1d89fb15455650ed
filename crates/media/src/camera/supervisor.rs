//! Keeps one camera streaming: connecting → streaming → waiting → connecting → …
//!
//! Each phase is a function that says how it ends. Shutdown ends every phase, first of all.
//!
//! **Invariant:** a supervisor shares with others nothing but the permits to connect, and gives
//! its permit back in bounded time, so that no camera waits for another one's answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use rand::Rng;
use tokio::sync::Semaphore;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::camera::CameraState;
use crate::camera::Codec;
use crate::camera::Config;
use crate::camera::Error;
use crate::camera::Session;
use crate::camera::Source;
use crate::camera::backoff::Backoff;
use crate::camera::backoff::BackoffPolicy;
use crate::camera::error;
use crate::camera::queue;
use crate::camera::queue::SendOutcome;
use crate::metrics::Metrics;
use crate::time::Clock;
use crate::time::Stamp;

/// Permits of the semaphore that all supervisors share: attempts at the same time. An answering
/// camera needs some 50 to 300 ms, so that 300 cameras are up in a few seconds after a power cut,
/// without all of them (often behind one recorder or one radio link) asking at once.
pub const CONNECTS_MAX: usize = 32;

/// After this long an attempt gives its permit back and goes on without. Otherwise a street of
/// cameras that are off (each attempt takes its whole time limit) would keep those that answer
/// waiting for minutes. With 300 of them off, 46 attempts begin a second and hold 23 permits.
const PERMIT_HELD_MAX: Duration = Duration::from_millis(500);

/// A camera's clock is told anew where it differs by as much from what was told.
const CLOCK_JITTER_S: u64 = 5;

/// A session without a complete packet for this long is dead: cameras send several a second.
const STALL_AFTER: Duration = Duration::from_secs(5);

/// Longest wait for the first key frame of a session. Cameras with "smart" codecs send one in
/// 10 s or 20 s only.
const KEY_FRAME_MAX: Duration = Duration::from_secs(30);

/// A session that streamed for so long makes the failures before it forgotten.
const STABLE_AFTER: Duration = Duration::from_secs(30);

/// The share of a wait that remains however long the attempt itself took: it keeps cameras that
/// were switched off together from being asked in step.
const WAIT_SHARE_MIN: u32 = 6;

/// The resources that a supervisor works with; all supervisors share them by clones.
#[derive(Clone)]
pub struct SupervisorContext<S> {
    /// Opens sessions with cameras.
    pub source: S,
    /// Tells monotonic and wall time.
    pub clock: Arc<dyn Clock>,
    /// Permits to connect; [`CONNECTS_MAX`] of them.
    pub connects: Arc<Semaphore>,
    /// Counts sessions and packets.
    pub metrics: Metrics,
    /// The waits for cameras that are away, and for those that refuse us.
    pub waits: RetryPolicies,
}

/// The waits between attempts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryPolicies {
    /// The policy where the failure may pass by itself.
    pub away: BackoffPolicy,
    /// The policy where a person has to mend it.
    pub refused: BackoffPolicy,
}

impl Default for RetryPolicies {
    fn default() -> Self {
        Self { away: BackoffPolicy::AWAY, refused: BackoffPolicy::REFUSED }
    }
}

/// The channels that take a camera's packets and state.
#[derive(Debug)]
pub struct SupervisorOutputs {
    /// The queue to the decoder.
    pub queue: queue::Sender,
    /// The state of the camera, for all who watch it.
    pub state: watch::Sender<CameraState>,
}

/// Keeps the camera streaming until `shutdown`, or until nobody receives its packets any more.
/// Ends within 2 s of `shutdown`: a playing session is torn down first.
pub async fn supervise<S: Source>(
    config: Config,
    context: SupervisorContext<S>,
    outputs: SupervisorOutputs,
    rng: impl Rng + Send,
    shutdown: CancellationToken,
) {
    let span = tracing::info_span!("camera", id = %config.id);
    let up = context.metrics.camera_up(config.id.as_str());
    let sessions = context.metrics.camera_sessions(config.id.as_str());
    let supervisor = Supervisor {
        config,
        context,
        outputs,
        rng,
        shutdown,
        up,
        sessions,
        away: Backoff::default(),
        refused: Backoff::default(),
        throttle: LogThrottle::default(),
    };
    supervisor.run().instrument(span).await;
}

/// An end to all work: shutdown, or the receiver of the packets is gone.
struct Stopped;

struct Supervisor<S, R> {
    config: Config,
    context: SupervisorContext<S>,
    outputs: SupervisorOutputs,
    rng: R,
    shutdown: CancellationToken,
    up: Gauge,
    sessions: Counter,
    /// Counted apart: an hour of silence must not make a refusal at the first answer last for
    /// minutes.
    away: Backoff,
    refused: Backoff,
    throttle: LogThrottle,
}

impl<S: Source, R: Rng + Send> Supervisor<S, R> {
    async fn run(mut self) {
        // `up` was lowered when the last session ended: whoever follows may have raised it since.
        while self.run_session().await.is_ok() {}
        tracing::debug!("camera task ends");
    }

    /// One way through all phases.
    async fn run_session(&mut self) -> Result<(), Stopped> {
        let began = self.now();
        let failure = match self.connecting().await? {
            Ok(session) => self.streaming(session).await?,
            Err(failure) => failure,
        };
        self.waiting(failure, began).await
    }

    /// Until a session plays, or there is none to be had.
    async fn connecting(&self) -> Result<Result<S::Session, Error>, Stopped> {
        self.outputs.state.send_replace(CameraState::Connecting { since: self.now() });
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Err(Stopped),
            opened = self.open() => Ok(opened),
        }
    }

    /// Opens a session, holding a permit for the first part of that.
    async fn open(&self) -> Result<S::Session, Error> {
        // Nobody closes the semaphore; if somebody does, there is no cap.
        let permit = self.context.connects.acquire().await.ok();
        let mut opening = std::pin::pin!(self.context.source.open(&self.config));
        tokio::select! {
            biased;
            opened = &mut opening => return opened,
            () = sleep(PERMIT_HELD_MAX) => drop(permit),
        }
        opening.await
    }

    /// Until the session ends, stalls, or never gets to a key frame. Closes the session.
    async fn streaming(&mut self, mut session: S::Session) -> Result<Error, Stopped> {
        self.sessions.inc();
        self.outputs.queue.discontinuity();
        let mut since = None;
        let ended = self.receive(&mut session, &mut since).await;
        self.up.set(0);
        let stable = |since: Stamp| self.now().mono.since(since.mono) >= STABLE_AFTER;
        if since.is_some_and(stable) {
            self.away.reset();
            self.refused.reset();
            self.throttle.reset();
        }
        match ended {
            Err(Stopped) => {
                session.close().await;
                Err(Stopped)
            }
            Ok(failure) => tokio::select! {
                biased;
                () = self.shutdown.cancelled() => Err(Stopped),
                () = session.close() => Ok(failure),
            },
        }
    }

    /// Packets to the queue, for as long as they come. `since` is set once the first key frame
    /// is in the queue.
    async fn receive(
        &mut self,
        session: &mut S::Session,
        since: &mut Option<Stamp>,
    ) -> Result<Error, Stopped> {
        let place = || error::place(&self.config);
        let began = self.now();
        loop {
            let next = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return Err(Stopped),
                next = timeout(STALL_AFTER, session.next()) => next,
            };
            let packet = match next {
                Ok(Ok(packet)) => packet,
                Ok(Err(failure)) => return Ok(failure),
                Err(_elapsed) => {
                    return Ok(Error::Stalled { place: place(), limit: STALL_AFTER });
                }
            };
            let codec = packet.codec;
            match self.outputs.queue.send(packet) {
                SendOutcome::Queued if since.is_none() => *since = Some(self.streams(codec)),
                SendOutcome::Queued => self.publish_clock(session.clock_ahead_s()),
                SendOutcome::Closed => return Err(Stopped),
                SendOutcome::Dropped => {
                    let waited = self.now().mono.since(began.mono);
                    if since.is_none() && waited >= KEY_FRAME_MAX {
                        return Ok(Error::NoKeyFrame { place: place(), limit: KEY_FRAME_MAX });
                    }
                }
            }
        }
    }

    /// The first key frame of a session is there.
    fn streams(&self, codec: Codec) -> Stamp {
        let since = self.now();
        self.up.set(1);
        self.outputs.state.send_replace(CameraState::Streaming {
            since,
            codec,
            clock_ahead_s: None,
        });
        let failures = self.throttle.failures;
        if self.throttle.told {
            tracing::info!(?codec, failures, "camera streams");
        } else {
            tracing::debug!(?codec, failures, "camera streams");
        }
        since
    }

    /// Network delays make it waver; only what differs by seconds is news.
    fn publish_clock(&self, ahead_s: Option<i64>) {
        self.outputs.state.send_if_modified(|state| {
            let CameraState::Streaming { clock_ahead_s, .. } = state else { return false };
            let news = match (&clock_ahead_s, ahead_s) {
                (Some(told), Some(now)) => told.abs_diff(now) >= CLOCK_JITTER_S,
                (told, now) => told.is_some() != now.is_some(),
            };
            if news {
                *clock_ahead_s = ahead_s;
            }
            news
        });
    }

    /// Until it is time for the next attempt. Waits are counted from the beginning of the last
    /// attempt, so that a camera that is not there is asked just as often as one that refuses.
    async fn waiting(&mut self, failure: Error, began: Stamp) -> Result<(), Stopped> {
        let RetryPolicies { away, refused } = self.context.waits;
        let nominal = match failure.needs_person() {
            true => self.refused.fail(&refused, &mut self.rng),
            false => self.away.fail(&away, &mut self.rng),
        };
        let spent = self.now().mono.since(began.mono);
        let wait = nominal.saturating_sub(spent).max(nominal / WAIT_SHARE_MIN);
        let tells = self.throttle.tells(failure.kind());
        let (failures, seconds) = (self.throttle.failures, wait.as_secs_f32());
        if tells {
            tracing::warn!(%failure, failures, wait_s = seconds, "camera does not stream");
        } else {
            tracing::debug!(%failure, failures, wait_s = seconds, "camera does not stream");
        }
        let reason = failure.to_string();
        self.outputs.state.send_replace(CameraState::Waiting { since: self.now(), reason });
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Err(Stopped),
            () = sleep(wait) => Ok(()),
        }
    }

    fn now(&self) -> Stamp {
        self.context.clock.now()
    }
}

/// Keeps a camera that fails over and over from filling the log.
struct LogThrottle {
    /// Kinds of failure that were told since the last stable session.
    kinds: BTreeSet<&'static str>,
    /// True if the newest failure was logged; then its end is logged as well.
    told: bool,
    /// In a row, of whatever kind.
    failures: u32,
}

impl Default for LogThrottle {
    fn default() -> Self {
        Self { kinds: BTreeSet::new(), told: true, failures: 0 }
    }
}

impl LogThrottle {
    /// Returns whether to log another failure in a row: each kind the first time, then the 1st,
    /// 2nd, 4th, 8th, … of all. A camera that is off for a month is told 20 times.
    fn tells(&mut self, kind: &'static str) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.told = self.kinds.insert(kind) || self.failures.is_power_of_two();
        self.told
    }

    fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
#[path = "supervisor_tests.rs"]
mod tests;
