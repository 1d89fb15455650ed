//! The sinks of one kind of outlet, whatever their type: started together, forgotten together.

use std::collections::BTreeSet;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Patience;
use super::RunnerLinks;
use super::Sink;
use super::run;
use crate::outbox::Outbox;

type Run = Box<dyn FnOnce(RunnerLinks, CancellationToken) -> BoxFuture<'static, ()> + Send>;

/// The sinks of one kind of outlet. Their readers' names share a prefix that no other kind has.
pub struct Group {
    prefix: &'static str,
    /// Each sink's reader, and what runs it.
    sinks: Vec<(String, Run)>,
}

impl Group {
    /// Makes a group of all `sinks` whose readers' names begin with `prefix`.
    pub fn new<S: Sink>(prefix: &'static str, sinks: impl IntoIterator<Item = S>) -> Self {
        let sink = |sink: S| {
            let reader = sink.reader().to_owned();
            let start: Run = Box::new(move |links, stop| {
                let rng = StdRng::from_rng(&mut rand::rng());
                run(sink, links, Patience::default(), rng, stop).boxed()
            });
            (reader, start)
        };
        Self { prefix, sinks: sinks.into_iter().map(sink).collect() }
    }

    /// Forgets the readers under the prefix that are none of this group's, which would hold back
    /// alerts for ever; where the disk fails, says so and goes on. Blocks on the disk.
    pub fn dismiss_others(&self, outbox: &Outbox) {
        let kept: BTreeSet<&str> = self.sinks.iter().map(|(reader, _)| reader.as_str()).collect();
        let prefix = self.prefix;
        match outbox.remove_reader(prefix, |name| kept.contains(name)) {
            Ok(dismissed) => dismissed.iter().for_each(|reader| {
                tracing::info!(
                    reader,
                    "is not configured any more: its place in the log is forgotten"
                );
            }),
            Err(error) => {
                tracing::warn!(%error, prefix, "what was removed still holds alerts back");
            }
        }
    }

    /// Runs each sink as a task of its own until `stop`.
    pub fn spawn(self, links: &RunnerLinks, tasks: &TaskTracker, stop: &CancellationToken) {
        for (reader, run) in self.sinks {
            links.standings.works(&reader);
            tasks.spawn(run(links.clone(), stop.clone()));
        }
    }
}
