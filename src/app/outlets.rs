//! Starts the outlets beside broker and page: one task each.

use std::collections::BTreeSet;
use std::sync::Arc;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::status::Statuses;
use crate::config::Settings;
use crate::metrics::Metrics;
use crate::mqtt;
use crate::outbox::Outbox;
use crate::outlet;
use crate::outlet::Links;
use crate::outlet::Patience;
use crate::outlet::Sink as _;
use crate::outlet::webhook;
use crate::outlet::webhook::Webhook;
use crate::push;
use crate::push::Push;

/// Starts them, beside the publisher whose `parts` they share; they end at the token.
pub(super) async fn start(
    settings: &Settings,
    push: Option<&Push>,
    parts: &mqtt::Links,
    statuses: &Statuses,
    (tasks, stop): (&TaskTracker, &CancellationToken),
) {
    let wanted = settings.webhooks.iter().map(|webhook| webhook::reader(&webhook.id));
    let wanted: BTreeSet<String> = wanted.collect();
    let pushers = push.map(|push| push.pushers(&parts.metrics)).unwrap_or_default();
    let services = pushers.iter().map(|pusher| pusher.reader().to_owned());
    let services: BTreeSet<String> = services.collect();
    let (outbox, metrics) = (parts.outbox.clone(), parts.metrics.clone());
    let tidied = tokio::task::spawn_blocking(move || {
        for (prefix, kept) in [(webhook::PREFIX, &wanted), (push::PREFIX, &services)] {
            if let Err(error) = outlet::dismiss_others(&outbox, prefix, kept) {
                tracing::warn!(%error, prefix, "what was removed still holds alerts back");
            }
        }
        count_set_aside(&outbox, &metrics);
    });
    tidied.await.expect("tidying does not panic, and nobody cancels it");
    let links = Links {
        outbox: parts.outbox.clone(),
        metrics: parts.metrics.clone(),
        clock: Arc::clone(&parts.clock),
        standings: statuses.standings.clone(),
    };
    for config in &settings.webhooks {
        let sink = Webhook::new(config.clone(), Arc::clone(&parts.clock));
        links.standings.works(&webhook::reader(&config.id));
        let rng = StdRng::from_rng(&mut rand::rng());
        tasks.spawn(outlet::run(sink, links.clone(), Patience::default(), rng, stop.clone()));
    }
    for pusher in pushers {
        links.standings.works(pusher.reader());
        let rng = StdRng::from_rng(&mut rand::rng());
        tasks.spawn(outlet::run(pusher, links.clone(), Patience::default(), rng, stop.clone()));
    }
    if let Some(home) = statuses.home() {
        tasks.spawn(home.follow(parts.outbox.clone(), stop.clone()));
    }
}

/// How many alerts are set aside, for whoever shows it.
pub(super) fn count_set_aside(outbox: &Outbox, metrics: &Metrics) {
    match outbox.set_aside_count() {
        Ok(count) => {
            metrics.set_aside_now.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        Err(error) => tracing::warn!(%error, "can't count what was set aside"),
    }
}
