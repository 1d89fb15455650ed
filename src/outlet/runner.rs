//! One sink's way through the log: in order, at its own pace, the cursor moved on acknowledgement.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::DeliveryOutcome;
use super::Prepared;
use super::Sink;
use super::Standings;
use crate::camera::backoff::Backoff;
use crate::camera::backoff::BackoffPolicy;
use crate::metrics::Metrics;
use crate::metrics::OutletMetrics;
use crate::outbox;
use crate::outbox::Entry;
use crate::outbox::Outbox;
use crate::outbox::Sequence;
use crate::time::Clock;
use crate::time::Mono;

/// Entries that one read of the log takes.
const BATCH: usize = 16;
/// A delivery that is under way when the daemon stops may still be answered for so long.
const GRACE: Duration = Duration::from_secs(2);

/// The runner's connections to the rest of the daemon.
#[derive(Clone)]
pub struct RunnerLinks {
    /// The log that alerts come from.
    pub outbox: Outbox,
    /// Counts under the reader's name.
    pub metrics: Metrics,
    /// Tells how long something has failed.
    pub clock: Arc<dyn Clock>,
    /// The state of each sink, for the page.
    pub standings: Standings,
}

/// For how long a sink tries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Patience {
    /// The waits between attempts.
    pub backoff: BackoffPolicy,
    /// No receiver makes us wait longer by its `Retry-After`.
    pub retry_after_max: Duration,
    /// An alert that a receiver fails at is set aside after so many attempts ...
    pub failures: u32,
    /// ... and not before it has failed for so long.
    pub failing: Duration,
    /// An alert that is older is set aside where the receiver is still away.
    pub away: Duration,
}

impl Default for Patience {
    /// 1 s, 2 s, … 60 s; ten failures over 15 minutes; a day away.
    fn default() -> Self {
        let (first, longest) = (Duration::from_secs(1), Duration::from_secs(60));
        Self {
            backoff: BackoffPolicy::new(first, longest, 2.0, 0.2).expect("1 s is less than 60 s"),
            retry_after_max: Duration::from_secs(600),
            failures: 10,
            failing: Duration::from_secs(900),
            away: Duration::from_secs(86_400),
        }
    }
}

/// Delivers to `sink` until `stop`. Never gives up before; what can't be delivered is set aside.
pub async fn run<S: Sink>(
    sink: S,
    links: RunnerLinks,
    patience: Patience,
    rng: impl Rng + Send,
    stop: CancellationToken,
) {
    let reader = sink.reader().to_owned();
    let metrics = links.metrics.outlet(&reader);
    let updates = links.outbox.subscribe();
    let sink = Arc::new(sink);
    let mut runner = Runner {
        sink,
        reader,
        links,
        patience,
        rng,
        stop,
        metrics,
        updates,
        backoff: Backoff::default(),
        away_since: None,
    };
    // Ends by the stop alone.
    let _stopped = runner.follow().await;
    tracing::debug!(reader = runner.reader, "stopped");
}

/// The daemon stops.
struct Stopped;

struct Runner<S, R> {
    sink: Arc<S>,
    reader: String,
    links: RunnerLinks,
    patience: Patience,
    rng: R,
    stop: CancellationToken,
    metrics: OutletMetrics,
    updates: watch::Receiver<Sequence>,
    /// Of the log's own failures.
    backoff: Backoff,
    /// Since when the receiver is away.
    away_since: Option<Mono>,
}

type Ready<S> = Prepared<<S as Sink>::Delivery>;

impl<S: Sink, R: Rng + Send> Runner<S, R> {
    async fn follow(&mut self) -> Result<(), Stopped> {
        let reader = self.reader.clone();
        let begun = self.blocking(move |outbox, _| outbox.register_reader(&reader)).await?;
        let mut left = begun.backlog;
        while let Some(first) = left.first().copied() {
            let found = self.blocking(move |outbox, sink| {
                // What has a newer one comes with the newer one.
                let entry = outbox.get(first)?;
                let ready = |entry: Entry| Ok((prepare(outbox, sink, &entry)?, entry));
                entry.map(ready).transpose()
            });
            if let Some((prepared, entry)) = found.await? {
                self.settle(&entry, prepared).await?;
            }
            left.remove(0);
            let (reader, left) = (self.reader.clone(), left.clone());
            self.note(move |outbox| outbox.set_backlog(&reader, &left)).await;
        }
        let mut cursor = begun.cursor;
        loop {
            self.measure(cursor);
            let read = self.blocking(move |outbox, sink| {
                let entries = outbox.read_after(cursor, BATCH)?.into_iter();
                entries.map(|entry| Ok((prepare(outbox, sink, &entry)?, entry))).collect()
            });
            let batch: Vec<(Ready<S>, Entry)> = read.await?;
            if batch.is_empty() {
                tokio::select! {
                    biased;
                    () = self.stop.cancelled() => return Err(Stopped),
                    changed = self.updates.changed() => changed.map_err(|_| Stopped)?,
                }
            }
            let mut noted = true;
            for (prepared, entry) in batch {
                noted = !matches!(prepared, Prepared::Skipped);
                self.settle(&entry, prepared).await?;
                cursor = entry.sequence;
                if noted {
                    self.advance(cursor).await;
                }
            }
            if !noted {
                self.advance(cursor).await;
            }
        }
    }

    /// Until the entry needs no more care.
    async fn settle(&mut self, entry: &Entry, prepared: Ready<S>) -> Result<(), Stopped> {
        let given_up = match prepared {
            Prepared::Skipped => return Ok(()),
            Prepared::Delivery(parcel) => self.deliver(entry, &parcel).await?,
            Prepared::Poison(reason) => Some(reason),
        };
        let Some(reason) = given_up else { return Ok(()) };
        let (reader, sequence) = (self.reader.clone(), entry.sequence);
        tracing::error!(reader, sequence = sequence.0, reason, "an alert was set aside");
        let at = self.links.clock.now().wall;
        let set_aside =
            self.blocking(move |outbox, _| outbox.set_aside(&reader, sequence, &reason, at));
        let kept = set_aside.await?;
        self.metrics.set_aside.inc();
        self.links.metrics.set_aside_now.set(i64::try_from(kept).unwrap_or(i64::MAX));
        Ok(())
    }

    /// Tries until the receiver has it, or refuses it for good: then why.
    async fn deliver(
        &mut self,
        entry: &Entry,
        parcel: &S::Delivery,
    ) -> Result<Option<String>, Stopped> {
        let begun = self.links.clock.now().mono;
        let mut backoff = Backoff::default();
        let mut failures = 0;
        loop {
            let answer = self.attempt(parcel).await?;
            if answer != DeliveryOutcome::Taken {
                self.metrics.failures.inc();
            }
            let (reason, retry_after) = match answer {
                DeliveryOutcome::Taken => {
                    self.away_since = None;
                    self.metrics.delivered.inc();
                    self.links.standings.works(&self.reader);
                    return Ok(None);
                }
                DeliveryOutcome::Refused(reason) => {
                    self.links.standings.fails(&self.reader, &reason);
                    return Ok(Some(reason));
                }
                DeliveryOutcome::Failed(reason) => {
                    failures += 1;
                    self.away_since = None;
                    if self.is_hopeless(failures, begun) {
                        return Ok(Some(reason));
                    }
                    (reason, None)
                }
                DeliveryOutcome::Away { reason, retry_after } => {
                    if self.is_too_old(entry) {
                        return Ok(Some(reason));
                    }
                    (reason, retry_after)
                }
            };
            if self.links.standings.fails(&self.reader, &reason) {
                tracing::warn!(reader = self.reader, reason, "alerts wait in the outbox");
            }
            let least = retry_after.unwrap_or_default().min(self.patience.retry_after_max);
            let wait = backoff.fail(&self.patience.backoff, &mut self.rng).max(least);
            self.pause(wait).await?;
        }
    }

    /// One attempt; on a stop it is given a moment, so that what has arrived is known to have.
    async fn attempt(&self, parcel: &S::Delivery) -> Result<DeliveryOutcome, Stopped> {
        let cut = async {
            self.stop.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            biased;
            answer = self.sink.deliver(parcel) => Ok(answer),
            () = cut => Err(Stopped),
        }
    }

    fn is_hopeless(&self, failures: u32, begun: Mono) -> bool {
        let failing = self.links.clock.now().mono.since(begun);
        failures >= self.patience.failures && failing >= self.patience.failing
    }

    /// A wall clock that jumps ahead must not be enough to give up.
    fn is_too_old(&mut self, entry: &Entry) -> bool {
        let now = self.links.clock.now();
        let since = *self.away_since.get_or_insert(now.mono);
        let long = now.mono.since(since) >= self.patience.failing.min(self.patience.away);
        long && entry.wall + self.patience.away <= now.wall
    }

    async fn pause(&self, wait: Duration) -> Result<(), Stopped> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Stopped),
            () = tokio::time::sleep(wait) => Ok(()),
        }
    }

    /// Writes the cursor down.
    async fn advance(&self, cursor: Sequence) {
        let reader = self.reader.clone();
        self.note(move |outbox| outbox.advance(&reader, cursor)).await;
        self.measure(cursor);
    }

    /// Notes what is done. Where the disk refuses, the same comes again after a restart: no reason
    /// to keep back what is next.
    async fn note<F>(&self, note: F)
    where
        F: FnOnce(&Outbox) -> Result<(), outbox::Error> + Send + 'static,
    {
        let outbox = self.links.outbox.clone();
        let noted = tokio::task::spawn_blocking(move || note(&outbox)).await;
        if let Ok(Err(error)) = noted {
            tracing::warn!(reader = self.reader, %error, "can't note what was delivered");
        }
    }

    fn measure(&self, cursor: Sequence) {
        let behind = self.links.outbox.last().0.saturating_sub(cursor.0);
        self.metrics.behind.set(i64::try_from(behind).unwrap_or(i64::MAX));
    }

    /// Runs `work` where it may block, until it works: without the log nothing can be done.
    async fn blocking<T, F>(&mut self, work: F) -> Result<T, Stopped>
    where
        T: Send + 'static,
        F: Fn(&Outbox, &S) -> Result<T, outbox::Error> + Send + Sync + 'static,
    {
        let work = Arc::new(work);
        loop {
            let (outbox, sink) = (self.links.outbox.clone(), Arc::clone(&self.sink));
            let todo = Arc::clone(&work);
            let done = tokio::task::spawn_blocking(move || todo(&outbox, &sink)).await;
            let done = done.map_err(|error| {
                tracing::error!(reader = self.reader, %error, "an outlet has ended");
                Stopped
            });
            match done? {
                Ok(value) => {
                    self.backoff.reset();
                    return Ok(value);
                }
                Err(error) => {
                    tracing::warn!(reader = self.reader, %error, "an outlet waits for the outbox");
                    let wait = self.backoff.fail(&self.patience.backoff, &mut self.rng);
                    self.pause(wait).await?;
                }
            }
        }
    }
}

fn prepare<S: Sink>(outbox: &Outbox, sink: &S, entry: &Entry) -> Result<Ready<S>, outbox::Error> {
    if entry.payload.is_empty() {
        return Ok(Prepared::Poison("its record is damaged".to_owned()));
    }
    sink.prepare(outbox, entry)
}
