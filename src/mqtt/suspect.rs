//! A publish that a broker cuts the session for, again and again: found out, and given up. Pure.
//!
//! A broker with a limit on packets has no word of MQTT 3.1.1 for "too large": it closes the
//! connection, and what is sent again from the log's place closes it again. So after sessions that
//! have ended without any entry done, publishes go out one at a time, and whose turn it was when
//! the session ended can be told; what has ended enough of them over enough time is given up.

use std::time::Duration;

use super::in_flight::Part;
use crate::outbox::Sequence;
use crate::time::Mono;

/// After so many sessions publishes go out one at a time.
const CAREFUL: u32 = 2;
/// So many of those end before it is given up ...
const SESSIONS: u32 = 5;
/// ... and over no less than this: a picture may be more than a line or a broker can take.
const PICTURE_SPAN: Duration = Duration::from_secs(120);
/// The alert itself is small: a broker that falls over again and again is rather to blame.
const ALERT_SPAN: Duration = Duration::from_secs(900);

/// The entries that the ends of sessions point at.
#[derive(Debug, Default)]
pub(super) struct Suspicion {
    /// Sessions that have ended since an entry was last done.
    ended: u32,
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
        let publish = oldest?;
        let alone = self.is_careful();
        self.ended = self.ended.saturating_add(1);
        if !alone {
            // Any of those under way may have been it.
            return None;
        }
        match &mut self.suspect {
            Some(known) if known.publish == publish => known.sessions += 1,
            _ => self.suspect = Some(Suspect { publish, sessions: 1, since: now }),
        }
        let span = if publish.1 == Part::Snapshot { PICTURE_SPAN } else { ALERT_SPAN };
        let guilty = |known: &Suspect| known.sessions >= SESSIONS && now.since(known.since) >= span;
        let found = self.suspect.as_ref().is_some_and(guilty);
        found.then(|| std::mem::take(self).suspect).flatten().map(|known| known.publish)
    }

    /// An entry is done: the broker takes what we send.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Tells whether publishes go out one at a time.
    pub(super) fn is_careful(&self) -> bool {
        self.ended >= CAREFUL
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
        for second in 0..6 {
            assert_eq!(suspicion.is_careful(), second > 1);
            assert_eq!(suspicion.ended(Some(ONE), at(second)), None);
        }
        assert_eq!(suspicion.ended(Some(ONE), at(121)), None, "not so soon");
        assert_eq!(suspicion.ended(Some(ONE), at(122)), Some(ONE));
        assert!(!suspicion.is_careful());
        assert_eq!(suspicion.ended(Some(ONE), at(123)), None, "begun anew");
        suspicion.clear();
        let mut ends = (0..2_000).map(|second| suspicion.ended(Some(TWO), at(second)));
        assert_eq!(ends.position(|end| end == Some(TWO)), Some(902), "an alert later");
    }

    #[test]
    fn a_broker_that_comes_and_goes_makes_nobody_guilty() {
        let mut suspicion = Suspicion::default();
        for second in (0..1_000).step_by(10) {
            assert_eq!(suspicion.ended(Some(ONE), at(second)), None);
            assert_eq!(suspicion.ended(Some(TWO), at(second + 5)), None);
        }
        for second in 2_000..3_000 {
            suspicion.clear();
            assert_eq!(suspicion.ended(Some(ONE), at(second)), None);
        }
        suspicion.clear();
        for second in 3_000..4_000 {
            assert_eq!(suspicion.ended(None, at(second)), None, "nothing was under way");
        }
        assert!(!suspicion.is_careful());
    }
}
