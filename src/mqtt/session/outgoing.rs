//! The output of a session: a message waits here → requested → acknowledged.
//!
//! Order on a fresh connection: online status, retained incidents as the outbox knows them (a
//! broker may have forgotten, or remember what was cleared since), then alerts, then the board.

use std::collections::BTreeSet;
use std::collections::VecDeque;

use rumqttc::Publish;
use rumqttc::QoS;
use rumqttc::SubscribeFilter;
use serde::Deserialize;

use super::connection::Connection;
use crate::mqtt::connect::Error;
use crate::mqtt::in_flight::Part;
use crate::mqtt::message::Message;
use crate::mqtt::outgoing::OutgoingAlert;
use crate::mqtt::publisher::BrokerState;
use crate::mqtt::publisher::CURSOR;
use crate::mqtt::publisher::SessionState;
use crate::mqtt::publisher::blocking;
use crate::mqtt::retained::Echo;
use crate::outbox::Entry;

/// Publishes that are not acknowledged.
const PUBLISHES: usize = 128;
/// The bound on statuses that wait to be said; what is left over beyond that is cleared at the next
/// connect.
const LEFTOVERS: usize = 2048;
/// Newest entries that are looked through for incidents that the broker may still retain.
const CLOSED: usize = 256;

/// The one member of a status that matters here.
#[derive(Deserialize)]
struct Status {
    state: String,
}

/// The messages that are not requested yet, but for the outbox's entries.
#[derive(Default)]
pub(super) struct Outgoing {
    /// Goes before any alert.
    first: VecDeque<Message>,
    retained: VecDeque<Message>,
    board_version: u64,
    /// The retained topics under our name are being looked through.
    sweeping: bool,
}

impl Outgoing {
    /// Status, subscriptions, retained incidents.
    pub(super) async fn greet(
        &mut self,
        state: &mut SessionState,
        connection: &Connection,
    ) -> Result<(), Error> {
        state.stood = true;
        state.links.metrics.broker_up.set(1);
        state.links.state.send_replace(BrokerState::Online);
        let filters = state.topics.filters();
        let filters = filters.map(|filter| SubscribeFilter::new(filter, QoS::AtLeastOnce));
        // Not kept for us while we are away: only what is said from now on matters.
        let own = SubscribeFilter::new(state.topics.status(), QoS::AtMostOnce);
        connection.subscribe_many(filters.into_iter().chain([own]))?;
        for filter in state.links.retained.filters() {
            connection.subscribe(filter, QoS::AtLeastOnce)?;
        }
        // The embedded broker forgets everything with us.
        if let Some(filter) = state.links.retained.claimed()
            && state.config.url.is_some()
        {
            connection.subscribe(filter, QoS::AtMostOnce)?;
            self.sweeping = true;
        }
        // First, so that what is set in between is sent once too often rather than never. The
        // greeting says our own status.
        self.take_board(state, false);
        self.say_online(state);
        self.say_retained(state).await
    }

    /// Says again what the broker retains of incidents.
    async fn say_retained(&mut self, state: &SessionState) -> Result<(), Error> {
        let cursor = state.in_flight.cursor();
        let entries = blocking(&state.links.outbox, move |outbox| {
            let mut subjects = BTreeSet::new();
            let mut newest = outbox.newest(CLOSED)?;
            newest.extend(outbox.live()?.into_iter().rev());
            newest.retain(|entry| subjects.insert(entry.subject.clone()));
            // Those behind the cursor come by themselves; the broker would end the session for
            // those that were set aside.
            let outgoing = outbox.set_aside_list()?;
            let given_up = |entry: &Entry| {
                outgoing.iter().any(|l| l.reader == CURSOR && l.sequence == entry.sequence)
            };
            newest.retain(|entry| entry.sequence <= cursor && !given_up(entry));
            Ok(newest)
        });
        for entry in entries.await?.iter().rev() {
            if let Ok(outgoing) = OutgoingAlert::new(&state.topics, entry, None) {
                self.first.extend(outgoing.part(Part::Retained).cloned());
            }
        }
        Ok(())
    }

    /// Says before any alert that we are here.
    pub(super) fn say_online(&mut self, state: &SessionState) {
        let topic = state.topics.status();
        let payload = match state.links.retained.get(&topic) {
            Some(payload) => payload,
            None => status(state, "online").as_bytes().into(),
        };
        self.first.push_back(Message { topic, retain: true, payload });
    }

    /// Says that we are gone, and nothing else before it.
    pub(super) fn say_offline(&mut self, state: &SessionState) {
        let (topic, payload) = (state.topics.status(), status(state, "offline"));
        self.first.clear();
        self.first.push_back(Message { topic, retain: true, payload: payload.as_bytes().into() });
    }

    /// Tells whether nothing goes before the alerts, and all that was requested is acknowledged.
    pub(super) fn is_quiet(&self, state: &SessionState) -> bool {
        state.in_flight.unacknowledged() == 0 && self.first.is_empty()
    }

    /// Requests as many publishes as may go out; `entries`: alerts and the board too.
    pub(super) fn send(
        &mut self,
        state: &mut SessionState,
        connection: &Connection,
        entries: bool,
    ) -> Result<(), Error> {
        while state.in_flight.unacknowledged() < state.publishes_max(PUBLISHES) {
            if let Some(message) = self.first.pop_front() {
                state.in_flight.requested_other();
                connection.publish(&message)?;
                continue;
            }
            if !entries {
                return Ok(());
            }
            if let Some((sequence, part)) = state.in_flight.next() {
                if state.drops(sequence, part) {
                    continue;
                }
                let outgoing = state.outgoing(sequence).and_then(|outgoing| outgoing.part(part));
                connection
                    .publish(outgoing.expect("an entry is kept until the cursor has passed it"))?;
            } else if let Some(message) = self.retained.pop_front() {
                state.in_flight.requested_other();
                connection.publish(&message)?;
            } else {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Takes in what was set on the board; `own_status`: ours too.
    pub(super) fn take_board(&mut self, state: &SessionState, own_status: bool) {
        let status = state.topics.status();
        let (changed, version) = state.links.retained.since(self.board_version);
        self.board_version = version;
        for message in changed {
            if message.topic == status && !own_status {
                continue;
            }
            self.retained.retain(|older| older.topic != message.topic);
            self.retained.push_back(message);
        }
    }

    /// The last will of a session before this one may come late: brokers publish it when they
    /// notice that the old connection is dead, and this one may stand by then. Whoever says that
    /// we are gone is told that we aren't, while that is so (`talking`).
    pub(super) fn on_own_status(
        &mut self,
        state: &SessionState,
        connection: &Connection,
        publish: &Publish,
        talking: bool,
    ) -> Result<(), Error> {
        let status: Option<Status> = serde_json::from_slice(&publish.payload).ok();
        let gone = status.is_some_and(|status| status.state == "offline");
        if gone && !publish.retain && talking {
            tracing::info!("somebody says that we are offline: said anew that we are not");
            let topic = state.topics.status();
            self.first.retain(|message| message.topic != topic);
            self.say_online(state);
        }
        if publish.qos == QoS::AtMostOnce {
            return Ok(());
        }
        connection.acknowledge(publish)
    }

    /// Takes in a message that was meant for the retained topics.
    pub(super) fn on_echo(
        &mut self,
        state: &SessionState,
        connection: &Connection,
        publish: &Publish,
        echo: Echo,
    ) -> Result<(), Error> {
        if let Echo::Leftover(message) = echo
            && self.retained.len() < LEFTOVERS
        {
            self.retained.push_back(message);
        }
        if publish.qos == QoS::AtMostOnce {
            return if publish.retain { Ok(()) } else { self.swept(state, connection) };
        }
        connection.acknowledge(publish)
    }

    /// Once one of our own comes back, all that was retained before has come: nothing more is to
    /// be heard there.
    fn swept(&mut self, state: &SessionState, connection: &Connection) -> Result<(), Error> {
        if std::mem::take(&mut self.sweeping)
            && let Some(filter) = state.links.retained.claimed()
        {
            connection.unsubscribe(filter)?;
        }
        Ok(())
    }
}

fn status(state: &SessionState, word: &str) -> String {
    let zone = &state.ward.timezone;
    let since = state.links.clock.now().wall.to_rfc3339(zone);
    let version = env!("CARGO_PKG_VERSION");
    serde_json::json!({ "state": word, "since": since, "version": version }).to_string()
}
