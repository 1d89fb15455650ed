//! The intake of a session: a message waits here → handed on → taken over (durable) → acknowledged
//! to the broker.

use std::collections::VecDeque;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use rumqttc::Publish;
use rumqttc::QoS;
use tokio::sync::oneshot;

use super::connection::Connection;
use crate::mqtt::INBOUND_BYTES_MAX;
use crate::mqtt::Inbound;
use crate::mqtt::connect;
use crate::mqtt::connect::Error;
use crate::mqtt::publisher::SessionState;

/// Messages that came in and are not acknowledged.
const INBOUND: usize = 1024;

/// The messages beyond the bound, and all behind them, are left to the next session. It begins once
/// all before are acknowledged, or it would only be the same ones again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Overflow {
    #[default]
    No,
    Yes,
    /// All else is acknowledged, and the broker is told that this session ends.
    Leaving,
}

/// The messages that came in and are not acknowledged.
#[derive(Default)]
pub(super) struct Intake {
    /// Not yet handed on.
    waiting: VecDeque<Inbound>,
    /// Packet ids of what came in, and whether it was taken over.
    taken_over: FuturesUnordered<BoxFuture<'static, (u16, bool)>>,
    /// More came in than there is room for.
    overflow: Overflow,
    /// The one message that this session's limit was raised for has come.
    swallowed: bool,
}

impl Intake {
    /// Tells whether this is the one message that the session's limit was raised for.
    pub(super) fn swallows(&mut self, state: &SessionState, publish: &Publish) -> bool {
        // Every message of use is less than half as long.
        let raised = state.incoming_bytes > connect::INCOMING_BYTES;
        let found =
            raised && publish.payload.len() > connect::INCOMING_BYTES / 2 && !self.swallowed;
        self.swallowed |= found;
        found
    }

    /// Takes in a command, a report or a patrol, or refuses it.
    pub(super) fn take_in(
        &mut self,
        state: &SessionState,
        connection: &Connection,
        publish: &Publish,
    ) -> Result<(), Error> {
        state.came_in.taken.inc();
        let topic = state.topics.parse(&publish.topic);
        let refusal = match &topic {
            None => Some("unknown topic"),
            // Left there by an earlier one: what it asks for is long over.
            Some(_) if publish.retain => Some("retained"),
            Some(_) if publish.payload.len() > INBOUND_BYTES_MAX => Some("too large"),
            Some(_) => None,
        };
        if let Some(reason) = refusal {
            state.came_in.dropped.inc();
            let bytes = publish.payload.len();
            tracing::warn!(topic = publish.topic, bytes, reason, "refused what came in over MQTT");
            return connection.acknowledge(publish);
        }
        // A broker that has been restarted may send all that it holds at once.
        let full = self.waiting.len().max(self.taken_over.len()) >= INBOUND;
        if full && self.overflow == Overflow::No {
            self.overflow = Overflow::Yes;
        }
        if self.overflow != Overflow::No {
            state.came_in.dropped.inc();
            return Ok(());
        }
        if let Some(topic) = topic {
            let (done, taken) = oneshot::channel();
            if publish.qos != QoS::AtMostOnce {
                let packet = publish.pkid;
                let taken = async move { (packet, taken.await.is_ok()) };
                self.taken_over.push(Box::pin(taken));
            }
            self.waiting.push_back(Inbound { topic, payload: publish.payload.to_vec(), done });
        }
        Ok(())
    }

    /// Tells whether a message waits to be handed on.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The message to hand on next.
    pub(super) fn next_waiting(&mut self) -> Option<Inbound> {
        self.waiting.pop_front()
    }

    /// Tells whether somebody has a message that is not taken over yet.
    pub(super) fn is_handed_on(&self) -> bool {
        !self.taken_over.is_empty()
    }

    /// Waits until a message is taken over (true) or is not going to be. Nothing is lost where
    /// the wait is given up.
    pub(super) async fn next_taken_over(&mut self) -> Option<(u16, bool)> {
        self.taken_over.next().await
    }

    /// Acknowledges what was taken over; `talking`: what was not ends the session.
    pub(super) fn on_taken_over(
        connection: &Connection,
        (packet, taken): (u16, bool),
        talking: bool,
    ) -> Result<(), Error> {
        if taken {
            connection.acknowledge_packet(packet)
        } else if talking {
            Err(Error::NotTaken)
        } else {
            Ok(())
        }
    }

    /// Ends the session in order once all that was taken is acknowledged, after an overflow, or
    /// after what its limit was raised for. `quiet`: all that we sent is acknowledged.
    pub(super) fn make_room(&mut self, connection: &Connection, quiet: bool) -> Result<(), Error> {
        let over = match self.overflow {
            Overflow::No => self.swallowed && quiet,
            Overflow::Yes => true,
            Overflow::Leaving => false,
        };
        if over && self.waiting.is_empty() && self.taken_over.is_empty() {
            self.overflow = Overflow::Leaving;
            // Behind the acknowledgements: they are out when this is.
            return connection.disconnect();
        }
        Ok(())
    }

    /// Returns why the session ends, where [`Intake::make_room`] has ended it.
    pub(super) fn leaves_for(&self) -> Option<Error> {
        let error = || if self.swallowed { Error::Swallowed } else { Error::NotTaken };
        (self.overflow == Overflow::Leaving).then(error)
    }
}
