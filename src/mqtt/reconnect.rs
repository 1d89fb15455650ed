//! The publisher: keeps a session with the broker for ever.
//!
//! rumqttc forgets what it has queued when a broker forgets the session, so it is trusted with
//! nothing: after any error it is thrown away, and all that was not acknowledged comes out of the
//! outbox again.

use std::error::Error as _;
use std::time::Duration;

use rand::Rng;
use rand::RngExt as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Config;
use super::connect;
use super::connect::Error;
use super::publisher::Links;
use super::publisher::SessionState;
use super::publisher::State;
use super::session;
use crate::ward::Ward;

const BACKOFF_MIN: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// A session that stood this long was a good one: the next attempt comes soon.
const GOOD_SESSION: Duration = Duration::from_secs(10);

/// Publishes until `shutdown`: then what is left is sent for 3 s at most, the offline status is
/// said, and the session closed. What is not acknowledged by then stays in the outbox. Never
/// gives up before: after any error it tries again, 5 s later at most.
pub async fn publish(config: Config, ward: Ward, links: Links, shutdown: CancellationToken) {
    let mut attempt = 0;
    let mut kept = None;
    while !shutdown.is_cancelled() {
        let begun = links.clock.now().mono;
        let result = attempt_session(&mut kept, &config, &ward, &links, &shutdown).await;
        links.meters.broker_up.set(0);
        let Err(error) = result else { break };
        if links.clock.now().mono.since(begun) >= GOOD_SESSION {
            attempt = 0;
        }
        report(&links.state, &error);
        let pause = pause(attempt, &mut rand::rng());
        attempt += 1;
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    links.state.send_replace(State::Stopped);
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
fn report(state: &watch::Sender<State>, error: &Error) {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    let failing = State::Failing(text.clone());
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

/// How long to wait after the failure number `attempt`: doubling, half of it by chance.
fn pause(attempt: u32, rng: &mut impl Rng) -> Duration {
    let full = BACKOFF_MIN.saturating_mul(1 << attempt.min(10)).min(BACKOFF_MAX);
    full.mul_f64(rng.random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn pauses_double_up_to_five_seconds_and_never_hammer() {
        let mut rng = rand::rngs::SmallRng::seed_from_u64(7);
        for (attempt, full) in [(0, 250), (1, 500), (3, 2000), (5, 5000), (99, 5000)] {
            let pause = pause(attempt, &mut rng).as_millis();
            assert!((full / 2..=full).contains(&pause), "{attempt}: {pause}");
        }
    }

    #[test]
    fn a_failure_is_news_once_and_says_why() {
        let state = watch::Sender::new(State::Connecting);
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
