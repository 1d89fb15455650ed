//! The end of a session at a shutdown: talking → draining → last words → leaving.

use std::time::Duration;

use super::connection::Connection;
use super::outgoing::Outgoing;
use crate::mqtt::connect::Error;
use crate::mqtt::publisher::SessionState;

/// Time for what is left in the outbox after a shutdown, and then for the last words.
const DRAIN: Duration = Duration::from_millis(2500);
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The stage of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClosingStage {
    Talking,
    Draining,
    LastWords,
    Leaving,
}

impl ClosingStage {
    /// The longest that this stage lasts once a shutdown has begun.
    pub(super) fn lasts(self) -> Duration {
        if self == Self::Draining { DRAIN } else { LAST_WORDS }
    }

    /// Tells whether alerts and statuses still go out.
    pub(super) fn sends_entries(self) -> bool {
        matches!(self, Self::Talking | Self::Draining)
    }

    /// Tells whether what the stage is for has been said and acknowledged.
    pub(super) fn is_done(self, state: &SessionState, outgoing: &Outgoing) -> bool {
        let in_flight = &state.in_flight;
        match self {
            Self::Talking | Self::Leaving => false,
            Self::Draining => {
                outgoing.is_quiet(state)
                    && in_flight.is_idle()
                    && in_flight.loaded() >= state.links.outbox.last()
            }
            Self::LastWords => outgoing.is_quiet(state),
        }
    }

    /// From draining to the last words, from there to leaving.
    pub(super) fn end(
        &mut self,
        state: &SessionState,
        outgoing: &mut Outgoing,
        connection: &Connection,
    ) -> Result<(), Error> {
        if *self == Self::Draining {
            *self = Self::LastWords;
            outgoing.say_offline(state);
            return Ok(());
        }
        *self = Self::Leaving;
        connection.disconnect()
    }
}
