//! A publish that a broker cuts the session for, again and again: found out, and given up. Pure.
//!
//! A broker with a limit on packets has no word of MQTT 3.1.1 for "too large": it closes the
//! connection, and what is sent again from the log's place closes it again. So sessions that end
//! with the same publish unanswered make it a suspect; then publishes go out one at a time, so that
//! it can be no other's fault; and what has ended enough sessions over enough time is given up.

use std::time::Duration;

use super::in_flight::Part;
use crate::outbox::Sequence;
use crate::time::Mono;

/// After so many sessions publishes go out one at a time.
const CAREFUL: u32 = 2;
/// So many sessions end before it is given up ...
const SESSIONS: u32 = 5;
/// ... and over no less than this: a broker that restarts is not the alert's fault.
const SPAN: Duration = Duration::from_secs(120);

/// Whom the ends of sessions point at.
#[derive(Debug, Default)]
pub(super) struct Suspicion {
    suspect: Option<Suspect>,
}

#[derive(Debug)]
struct Suspect {
    publish: (Sequence, Part),
    sessions: u32,
    since: Mono,
}

impl Suspicion {
    /// A session that stood has ended at `now`, with `oldest` sent and not acknowledged. What is
    /// to be given up, if anything.
    pub(super) fn ended(
        &mut self,
        oldest: Option<(Sequence, Part)>,
        now: Mono,
    ) -> Option<(Sequence, Part)> {
        let Some(publish) = oldest else {
            self.suspect = None;
            return None;
        };
        match &mut self.suspect {
            Some(known) if known.publish == publish => known.sessions += 1,
            _ => self.suspect = Some(Suspect { publish, sessions: 1, since: now }),
        }
        let guilty = self
            .suspect
            .as_ref()
            .is_some_and(|known| known.sessions >= SESSIONS && now.since(known.since) >= SPAN);
        guilty.then(|| self.suspect.take()).flatten().map(|known| known.publish)
    }

    /// Whom it points at just now.
    pub(super) fn suspect(&self) -> Option<(Sequence, Part)> {
        self.suspect.as_ref().map(|known| known.publish)
    }

    /// The broker has acknowledged the suspect.
    pub(super) fn cleared(&mut self) {
        self.suspect = None;
    }

    /// Whether publishes go out one at a time.
    pub(super) fn is_careful(&self) -> bool {
        self.suspect.as_ref().is_some_and(|known| known.sessions >= CAREFUL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: (Sequence, Part) = (Sequence(1), Part::Snapshot);
    const TWO: (Sequence, Part) = (Sequence(2), Part::Alert);

    fn at(seconds: u64) -> Mono {
        Mono(seconds * 1_000_000)
    }

    #[test]
    fn only_the_same_publish_over_sessions_and_time_is_given_up() {
        let mut suspicion = Suspicion::default();
        for second in 0..4 {
            assert_eq!(suspicion.ended(Some(ONE), at(second)), None);
            assert_eq!(suspicion.is_careful(), second > 0);
        }
        assert_eq!(suspicion.ended(Some(ONE), at(119)), None, "not so soon");
        assert_eq!(suspicion.ended(Some(ONE), at(120)), Some(ONE));
        assert!(!suspicion.is_careful());
        assert_eq!(suspicion.ended(Some(ONE), at(121)), None, "begun anew");
    }

    #[test]
    fn a_broker_that_comes_and_goes_makes_nobody_guilty() {
        let mut suspicion = Suspicion::default();
        for second in (0..1_000).step_by(10) {
            assert_eq!(suspicion.ended(Some(ONE), at(second)), None);
            assert_eq!(suspicion.ended(Some(TWO), at(second + 5)), None);
        }
        for second in 2_000..3_000 {
            assert_eq!(suspicion.ended(Some(ONE), at(second)), None);
            assert_eq!(suspicion.suspect(), Some(ONE));
            suspicion.cleared();
        }
        for second in 3_000..4_000 {
            assert_eq!(suspicion.ended(Some(ONE), at(second)), None);
            assert_eq!(suspicion.ended(None, at(second)), None);
        }
    }
}
