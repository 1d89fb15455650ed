//! Starts the outlets beside broker and page: one task each.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::status::Statuses;
use crate::config::Outlets;
use crate::config::Settings;
use crate::metrics::Metrics;
use crate::mqtt;
use crate::outbox::Outbox;
use crate::outlet::Group;
use crate::outlet::RunnerLinks;
use crate::outlet::webhook;
use crate::outlet::webhook::Webhook;
use crate::push;
use crate::push::Push;

/// Every kind of outlet that reads the log.
fn groups(settings: &Settings, push: Option<&Push>, parts: &mqtt::Links) -> Vec<Group> {
    // Home Assistant hears of incidents from its announcer; CAP is a form that others send.
    let Outlets { webhooks, home_assistant: _, cap: _ } = &settings.outlets;
    let webhook = |config: &webhook::Config| Webhook::new(config.clone(), Arc::clone(&parts.clock));
    let pushers = push.map(|push| push.pushers(&parts.metrics)).unwrap_or_default();
    vec![
        Group::new(webhook::PREFIX, webhooks.iter().map(webhook)),
        Group::new(push::PREFIX, pushers),
    ]
}

/// Starts them, beside the publisher whose `parts` they share; they end at the token.
pub(super) async fn start(
    settings: &Settings,
    push: Option<&Push>,
    parts: &mqtt::Links,
    statuses: &Statuses,
    (tasks, stop): (&TaskTracker, &CancellationToken),
) {
    let groups = groups(settings, push, parts);
    let (outbox, metrics) = (parts.outbox.clone(), parts.metrics.clone());
    let tidied = tokio::task::spawn_blocking(move || {
        for group in &groups {
            group.dismiss_others(&outbox);
        }
        count_set_aside(&outbox, &metrics);
        groups
    });
    let groups = tidied.await.expect("tidying does not panic, and nobody cancels it");
    let links = RunnerLinks {
        outbox: parts.outbox.clone(),
        metrics: parts.metrics.clone(),
        clock: Arc::clone(&parts.clock),
        standings: statuses.standings.clone(),
    };
    for group in groups {
        group.spawn(&links, tasks, stop);
    }
    if let Some(home) = statuses.home() {
        tasks.spawn(home.follow(parts.outbox.clone(), stop.clone()));
    }
}

/// Counts the alerts that are set aside, for whoever shows it.
pub(super) fn count_set_aside(outbox: &Outbox, metrics: &Metrics) {
    match outbox.set_aside_count() {
        Ok(count) => {
            metrics.set_aside_now.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        Err(error) => tracing::warn!(%error, "can't count what was set aside"),
    }
}
