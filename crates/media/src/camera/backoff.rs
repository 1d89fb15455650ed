//! Computes the wait before what has failed is tried again, be it a camera, the broker or an
//! outlet's receiver: exponential, with jitter.
//!
//! Pure: it waits for nothing and draws from the randomness that it is handed.

use std::time::Duration;

use rand::Rng;
use rand::RngExt;

/// The shape of a sequence of waits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackoffPolicy {
    min: Duration,
    max: Duration,
    factor: f64,
    jitter: f64,
}

/// A reason for which numbers make no [`BackoffPolicy`].
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum BackoffPolicyError {
    /// The first wait is longer than the longest.
    #[error("the first wait of {min:?} is longer than the longest of {max:?}")]
    MinOverMax {
        /// The first wait.
        min: Duration,
        /// The longest wait.
        max: Duration,
    },
    /// Waits of zero would hammer whoever is waited for.
    #[error("the first wait is zero")]
    Zero,
    /// The factor is below 1, or no number.
    #[error("the factor {0} is not 1 or more")]
    Factor(f64),
    /// The jitter lies outside 0..1, or is no number.
    #[error("the jitter {0} is not from 0 to below 1")]
    Jitter(f64),
}

impl BackoffPolicy {
    /// For a camera that is away (switched off, rebooting, network gone): 0.5, 1, 2, 2, … s.
    ///
    /// An attempt at a camera that is away costs it and the network a TCP handshake, so the
    /// waits may be short, and have to be: it must be analysed again 5 s after it answers again.
    /// The longest wait is 2 s + 20 % = 2.4 s, which leaves 2.6 s for DESCRIBE, SETUP, PLAY and
    /// the first key frame, of which most cameras send one every 1 s or 2 s. With 300 cameras
    /// dead that is 150 handshakes a second over all, and the jitter keeps them from coming in
    /// step after a power cut.
    pub const AWAY: Self = Self {
        min: Duration::from_millis(500),
        max: Duration::from_secs(2),
        factor: 2.0,
        jitter: 0.2,
    };

    /// For a camera that answers, but that a person has to mend (wrong password, no video, a
    /// codec that we don't decode): 5, 15, 45, 135, 300, 300, … s.
    ///
    /// Common cameras lock an account or an address for half an hour after five to seven wrong
    /// passwords, which would lock out the owner as well; so such attempts become rare quickly.
    pub const REFUSED: Self = Self {
        min: Duration::from_secs(5),
        max: Duration::from_secs(300),
        factor: 3.0,
        jitter: 0.2,
    };

    /// Waits from `min` up to `max`, each `factor` times the one before, and each longer or
    /// shorter by up to `jitter` of itself (so the longest possible is `max * (1 + jitter)`).
    ///
    /// # Errors
    /// [`BackoffPolicyError`] where the numbers make no such sequence.
    pub fn new(
        min: Duration,
        max: Duration,
        factor: f64,
        jitter: f64,
    ) -> Result<Self, BackoffPolicyError> {
        if min > max {
            return Err(BackoffPolicyError::MinOverMax { min, max });
        }
        if min.is_zero() {
            return Err(BackoffPolicyError::Zero);
        }
        if !(factor.is_finite() && factor >= 1.0) {
            return Err(BackoffPolicyError::Factor(factor));
        }
        if !(0.0..1.0).contains(&jitter) {
            return Err(BackoffPolicyError::Jitter(jitter));
        }
        Ok(Self { min, max, factor, jitter })
    }

    /// The same waits without jitter: for tests.
    pub fn steady(self) -> Self {
        Self { jitter: 0.0, ..self }
    }

    /// The wait after `failures` failures in a row; `failures` 0 and 1 both give the first.
    fn wait(&self, failures: u32, rng: &mut impl Rng) -> Duration {
        let exponent = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        // min <= max, so a product that overflows to infinity is cut to max as well.
        let nominal = (self.min.as_secs_f64() * self.factor.powi(exponent))
            .clamp(self.min.as_secs_f64(), self.max.as_secs_f64());
        let swing =
            if self.jitter > 0.0 { rng.random_range(-self.jitter..=self.jitter) } else { 0.0 };
        Duration::from_secs_f64(nominal * (1.0 + swing))
    }
}

/// Counts the failures in a row of one camera, broker or receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Counts one more failure; how long to wait now.
    pub fn fail(&mut self, policy: &BackoffPolicy, rng: &mut impl Rng) -> Duration {
        self.failures = self.failures.saturating_add(1);
        policy.wait(self.failures, rng)
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Starts anew: a session was stable.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    fn waits(policy: BackoffPolicy, count: usize) -> Vec<f64> {
        let (mut backoff, mut rng) = (Backoff::default(), StdRng::seed_from_u64(1));
        (0..count).map(|_| backoff.fail(&policy, &mut rng).as_secs_f64()).collect()
    }

    #[test]
    fn waits_grow_to_the_longest_and_stay_there() {
        assert_eq!(waits(BackoffPolicy::AWAY.steady(), 6), [0.5, 1.0, 2.0, 2.0, 2.0, 2.0]);
        assert_eq!(
            waits(BackoffPolicy::REFUSED.steady(), 6),
            [5.0, 15.0, 45.0, 135.0, 300.0, 300.0]
        );
    }

    #[test]
    fn jitter_stays_within_its_share_and_differs() {
        let nominal = waits(BackoffPolicy::AWAY.steady(), 200);
        let jittered = waits(BackoffPolicy::AWAY, 200);
        assert!(jittered.iter().zip(&nominal).all(|(j, n)| (j / n - 1.0).abs() <= 0.2 + 1e-9));
        assert!(jittered.windows(2).any(|pair| pair[0] > pair[1]));
        assert!(jittered.iter().all(|wait| *wait <= 2.4 + 1e-9));
    }

    #[test]
    fn a_stable_session_starts_anew() {
        let (mut backoff, mut rng) = (Backoff::default(), StdRng::seed_from_u64(1));
        let policy = BackoffPolicy::AWAY.steady();
        for _ in 0..5 {
            backoff.fail(&policy, &mut rng);
        }
        backoff.reset();
        assert_eq!(backoff.fail(&policy, &mut rng), Duration::from_millis(500));
        assert_eq!(backoff.failures(), 1);
    }

    #[test]
    fn failure_counter_does_not_overflow() {
        let mut backoff = Backoff { failures: u32::MAX - 1 };
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..3 {
            let wait = backoff.fail(&BackoffPolicy::AWAY.steady(), &mut rng);
            assert_eq!(wait, Duration::from_secs(2));
        }
    }

    #[test]
    fn impossible_numbers_are_refused() {
        let (one, two) = (Duration::from_secs(1), Duration::from_secs(2));
        assert_eq!(
            BackoffPolicy::new(two, one, 2.0, 0.1),
            Err(BackoffPolicyError::MinOverMax { min: two, max: one })
        );
        assert_eq!(
            BackoffPolicy::new(Duration::ZERO, one, 2.0, 0.1),
            Err(BackoffPolicyError::Zero)
        );
        assert_eq!(BackoffPolicy::new(one, two, 0.5, 0.1), Err(BackoffPolicyError::Factor(0.5)));
        assert!(BackoffPolicy::new(one, two, f64::NAN, 0.1).is_err());
        assert_eq!(BackoffPolicy::new(one, two, 2.0, 1.0), Err(BackoffPolicyError::Jitter(1.0)));
        assert!(BackoffPolicy::new(one, one, 1.0, 0.0).is_ok());
    }
}
