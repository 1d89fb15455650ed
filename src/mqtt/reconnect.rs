//! The publisher: keeps a session with the broker for ever.
//!
//! rumqttc forgets what it has queued when a broker forgets the session, so it is trusted with
//! nothing: after any error it is thrown away, and all that was not acknowledged comes out of the
//! outbox again.

use std::error::Error as _;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Config;
use super::connect;
use super::connect::Error;
use super::publisher::BrokerState;
use super::publisher::Links;
use super::publisher::SessionState;
use super::session;
use crate::camera::backoff::Backoff;
use crate::camera::backoff::BackoffPolicy;
use crate::ward::Ward;

/// No wait for the broker is longer.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// A session that stood this long was a good one: the next attempt comes soon.
const GOOD_SESSION: Duration = Duration::from_secs(10);

/// Publishes until `shutdown`: then what is left is sent for 3 s at most, the offline status is
/// said, and the session closed. What is not acknowledged by then stays in the outbox. Never
/// gives up before: after any error it tries again, 5 s later at most.
pub async fn publish(config: Config, ward: Ward, links: Links, shutdown: CancellationToken) {
    let (mut backoff, waits) = (Backoff::default(), waits());
    let mut kept = None;
    while !shutdown.is_cancelled() {
        let begun = links.clock.now().mono;
        let result = attempt_session(&mut kept, &config, &ward, &links, &shutdown).await;
        links.metrics.broker_up.set(0);
        let Err(error) = result else { break };
        if links.clock.now().mono.since(begun) >= GOOD_SESSION {
            backoff.reset();
        }
        report(&links.state, &error);
        let pause = backoff.fail(&waits, &mut rand::rng());
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    links.state.send_replace(BrokerState::Stopped);
}

async fn attempt_session(
    kept: &mut Option<SessionState>,
    config: &Config,
    ward: &Ward,
    links: &Links,
    shutdown: &CancellationToken,
) -> Result<(), Error> {
    let state = match kept {
        Some(state) => state,
        None => kept.insert(SessionState::open(config.clone(), ward.clone(), links.clone()).await?),
    };
    // Each attempt, however it ends: what waits for a broker that is gone is counted too.
    state.measure();
    let result = session::run(state, shutdown).await;
    let (oldest, stood) = (state.in_flight.oldest(), std::mem::take(&mut state.stood));
    state.in_flight.disconnected();
    if result.is_err() && stood {
        state.suspect(oldest).await?;
    }
    state.save_cursor().await;
    let oversized = matches!(result, Err(Error::Oversized { .. }));
    state.incoming_bytes =
        if oversized { connect::INCOMING_BYTES_ONCE } else { connect::INCOMING_BYTES };
    result
}

/// Tells why, loudly only when it is news.
fn report(state: &watch::Sender<BrokerState>, error: &Error) {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    let failing = BrokerState::Failing(text.clone());
    let news = state.send_if_modified(|known| {
        let news = *known != failing;
        *known = failing;
        news
    });
    if news {
        tracing::warn!("{text}; alerts wait in the outbox");
    } else {
        tracing::debug!("{text}");
    }
}

/// The waits between attempts: from 0.125 to 0.25 s at first, doubling up to [`WAIT_MAX`], half of
/// each by chance, so that daemons don't come in step after a broker has started again.
fn waits() -> BackoffPolicy {
    const JITTER: f64 = 1.0 / 3.0;
    let mean = |longest: Duration| longest.div_f64(1.0 + JITTER);
    let (first, longest) = (mean(Duration::from_millis(250)), mean(WAIT_MAX));
    BackoffPolicy::new(first, longest, 2.0, JITTER).expect("0.25 s is less than 5 s")
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn pauses_double_up_to_five_seconds_and_never_hammer() {
        let mut rng = rand::rngs::SmallRng::seed_from_u64(7);
        let mut backoff = Backoff::default();
        let pauses: Vec<u128> =
            (0..100).map(|_| backoff.fail(&waits(), &mut rng).as_millis()).collect();
        for (attempt, full) in [(0, 250), (1, 500), (3, 2000), (5, 5000), (99, 5000)] {
            let pause = pauses[attempt];
            assert!((full / 2..=full).contains(&pause), "{attempt}: {pause}");
        }
    }

    #[test]
    fn a_failure_is_news_once_and_says_why() {
        let state = watch::Sender::new(BrokerState::Connecting);
        let error = || Error::Unreachable {
            broker: "b:1883".to_owned(),
            source: std::io::Error::other("no route"),
        };
        let mut watching = state.subscribe();
        report(&state, &error());
        assert!(watching.has_changed().unwrap());
        let text = format!("{:?}", *watching.borrow_and_update());
        assert!(text.contains("b:1883") && text.contains("no route"), "{text}");
        report(&state, &error());
        assert!(!watching.has_changed().unwrap());
    }
}
