//! One session with the broker, from CONNECT to its end.
//!
//! Order on a fresh connection: online status, retained incidents as the outbox knows them (a
//! broker may have forgotten, or remember what was cleared since), then alerts, then the board.

use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use rumqttc::AsyncClient;
use rumqttc::ConnectionError;
use rumqttc::Event;
use rumqttc::EventLoop;
use rumqttc::Outgoing;
use rumqttc::Packet;
use rumqttc::Publish;
use rumqttc::QoS;
use rumqttc::SubscribeFilter;
use rumqttc::SubscribeReasonCode;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::Error;
use super::INBOUND_BYTES_MAX;
use super::Inbound;
use super::board::Echo;
use super::connect;
use super::in_flight::Part;
use super::letter::Letter;
use super::letter::Message;
use super::publisher::CURSOR;
use super::publisher::Line;
use super::publisher::State;
use super::publisher::blocking;
use crate::outbox::Entry;

/// Requests that wait for rumqttc; publishes stop earlier, so that acknowledgements have room.
const REQUESTS: usize = 2048;
/// Publishes that are not acknowledged.
const PUBLISHES: usize = 128;
/// Events that rumqttc may be ahead; it waits when there are more.
const EVENTS: usize = 64;
/// Messages that came in and are not acknowledged.
const INBOUND: usize = 1024;
/// What waits to be said of statuses; what is left over beyond that is cleared at the next connect.
const LEFTOVERS: usize = 2048;
/// Newest entries that are looked through for incidents that the broker may still retain.
const CLOSED: usize = 256;
/// Time for what is left in the outbox after a shutdown, and then for the last words.
const DRAIN: Duration = Duration::from_millis(2500);
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The one member of a status that matters here.
#[derive(Deserialize)]
struct Said {
    state: String,
}

type EventResult = Result<Event, ConnectionError>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Talking,
    Draining,
    LastWords,
    Leaving,
}

/// What came in beyond the bound, and all behind it, is left to the next session. It begins once
/// all before it is acknowledged, or it would only be the same ones again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overflow {
    No,
    Yes,
    /// All else is acknowledged, and the broker is told that this session ends.
    Leaving,
}

struct Session<'a> {
    line: &'a mut Line,
    broker: String,
    client: AsyncClient,
    stage: Stage,
    /// Goes before any alert.
    first: VecDeque<Message>,
    board: VecDeque<Message>,
    board_version: u64,
    /// Came in, not yet handed on.
    waiting: VecDeque<Inbound>,
    /// Packet ids of what came in, and whether it was taken over.
    taken_over: FuturesUnordered<BoxFuture<'static, (u16, bool)>>,
    /// More came in than there is room for.
    overflow: Overflow,
    /// What is retained in our name is being looked through.
    sweeping: bool,
    /// The one message that this session's limit was raised for has come.
    swallowed: bool,
}

/// Connects, and talks until `shutdown` is done with (`Ok`) or the session ends.
pub(super) async fn run(line: &mut Line, shutdown: &CancellationToken) -> Result<(), Error> {
    let broker = connect::broker_name(&line.config);
    let (config, ward) = (line.config.clone(), line.ward.id.clone());
    let will = connect::will(line.topics.status(), br#"{"state":"offline"}"#);
    let incoming_bytes = line.incoming_bytes;
    let options = blocking(&line.links.outbox, move |_| {
        Ok(connect::options(&config, &ward, will, incoming_bytes))
    });
    let (client, event_loop) = AsyncClient::new(options.await??, REQUESTS);
    // Of its own: its poll must never be cancelled half-way.
    let (sender, mut events) = mpsc::channel(EVENTS);
    let _poll = AbortOnDropHandle::new(tokio::spawn(poll(event_loop, sender)));
    let connected = tokio::select! {
        biased;
        () = shutdown.cancelled() => return Ok(()),
        event = events.recv() => event,
    };
    let remembered = match connected {
        Some(Ok(Event::Incoming(Packet::ConnAck(answer)))) => answer.session_present,
        Some(Err(error)) => return Err(connect::explain(broker, error)),
        other => return Err(Error::Lost { broker, detail: format!("{other:?} for a CONNACK") }),
    };
    tracing::info!(broker, remembered, "the MQTT session stands");
    let mut session = Session {
        line,
        broker,
        client,
        stage: Stage::Talking,
        first: VecDeque::new(),
        board: VecDeque::new(),
        board_version: 0,
        waiting: VecDeque::new(),
        taken_over: FuturesUnordered::new(),
        overflow: Overflow::No,
        sweeping: false,
        swallowed: false,
    };
    let ended = match session.greet().await {
        Ok(()) => session.talk(&mut events, shutdown).await,
        failed => failed,
    };
    let Err(Error::Lost { broker, .. }) = &ended else { return ended };
    // What could not be sent any more says less than what ended the event loop.
    while let Ok(event) = events.try_recv() {
        if let Err(error) = event {
            return Err(connect::explain(broker.clone(), error));
        }
    }
    ended
}

async fn poll(mut event_loop: EventLoop, events: mpsc::Sender<EventResult>) {
    loop {
        let event = event_loop.poll().await;
        let last = event.is_err();
        if events.send(event).await.is_err() || last {
            return;
        }
    }
}

impl Session<'_> {
    /// Status, subscriptions, retained incidents.
    async fn greet(&mut self) -> Result<(), Error> {
        self.line.stood = true;
        self.line.links.metrics.broker_up.set(1);
        self.line.links.state.send_replace(State::Online);
        let filters = self.line.topics.filters();
        let filters = filters.map(|filter| SubscribeFilter::new(filter, QoS::AtLeastOnce));
        // Not kept for us while we are away: only what is said from now on matters.
        let own = SubscribeFilter::new(self.line.topics.status(), QoS::AtMostOnce);
        let filters = filters.into_iter().chain([own]);
        self.client.try_subscribe_many(filters).map_err(|error| self.lost(error))?;
        for filter in self.line.links.board.filters() {
            let subscribed = self.client.try_subscribe(filter, QoS::AtLeastOnce);
            subscribed.map_err(|error| self.lost(error))?;
        }
        // The embedded broker forgets everything with us.
        if let Some(filter) = self.line.links.board.claimed()
            && self.line.config.url.is_some()
        {
            let subscribed = self.client.try_subscribe(filter, QoS::AtMostOnce);
            subscribed.map_err(|error| self.lost(error))?;
            self.sweeping = true;
        }
        // First, so that what is set in between is sent once too often rather than never.
        self.take_board(true);
        self.first.push_back(self.online());

        let cursor = self.line.in_flight.cursor();
        let entries = blocking(&self.line.links.outbox, move |outbox| {
            let mut subjects = BTreeSet::new();
            let mut newest = outbox.newest(CLOSED)?;
            newest.extend(outbox.live()?.into_iter().rev());
            newest.retain(|entry| subjects.insert(entry.subject.clone()));
            // Those behind the cursor come by themselves; the broker would end the session for
            // those that were set aside.
            let letters = outbox.set_aside_list()?;
            let given_up = |entry: &Entry| {
                letters.iter().any(|l| l.reader == CURSOR && l.sequence == entry.sequence)
            };
            newest.retain(|entry| entry.sequence <= cursor && !given_up(entry));
            Ok(newest)
        });
        for entry in entries.await?.iter().rev() {
            if let Ok(letter) = Letter::new(&self.line.topics, entry, None) {
                self.first.extend(letter.part(Part::Retained).cloned());
            }
        }
        Ok(())
    }

    async fn talk(
        &mut self,
        events: &mut mpsc::Receiver<EventResult>,
        shutdown: &CancellationToken,
    ) -> Result<(), Error> {
        let mut appended = self.line.links.outbox.subscribe();
        let mut set = self.line.links.board.subscribe();
        // What was set before this wakes nobody.
        self.take_board(false);
        let inbound = self.line.links.inbound.clone();
        let mut grace = pin!(tokio::time::sleep(Duration::ZERO));
        loop {
            self.line.save_cursor().await;
            self.line.fill().await?;
            self.send()?;
            self.make_room()?;
            if self.said_all() {
                grace.set(tokio::time::sleep(LAST_WORDS));
                self.say_next()?;
                continue;
            }
            let stage = self.stage;
            tokio::select! {
                biased;
                () = shutdown.cancelled(), if stage == Stage::Talking => {
                    self.stage = Stage::Draining;
                    grace.set(tokio::time::sleep(DRAIN));
                }
                () = &mut grace, if stage != Stage::Talking => {
                    if stage == Stage::Leaving {
                        return Ok(());
                    }
                    grace.set(tokio::time::sleep(LAST_WORDS));
                    self.say_next()?;
                }
                Some((packet, taken)) = self.taken_over.next(), if !self.taken_over.is_empty() => {
                    self.on_taken_over(packet, taken)?;
                }
                event = events.recv() => {
                    let mut event = Some(event);
                    while let Some(next) = event {
                        if self.on_event(next)? {
                            return Ok(());
                        }
                        event = events.try_recv().ok().map(Some);
                    }
                }
                Ok(permit) = inbound.reserve(), if !self.waiting.is_empty() => {
                    if let Some(message) = self.waiting.pop_front() {
                        permit.send(message);
                        self.line.came_in.passed.inc();
                    }
                }
                _ = appended.changed() => {}
                _ = set.changed() => self.take_board(false),
            }
        }
    }

    /// Ends the session in order once all that was taken is acknowledged, after an overflow, or
    /// after what its limit was raised for.
    fn make_room(&mut self) -> Result<(), Error> {
        let quiet = self.line.in_flight.unacknowledged() == 0 && self.first.is_empty();
        let over = match self.overflow {
            Overflow::No => self.swallowed && quiet,
            Overflow::Yes => true,
            Overflow::Leaving => false,
        };
        let done = self.waiting.is_empty() && self.taken_over.is_empty();
        if over && self.stage == Stage::Talking && done {
            self.overflow = Overflow::Leaving;
            // Behind the acknowledgements: they are out when this is.
            return self.client.try_disconnect().map_err(|error| self.lost(error));
        }
        Ok(())
    }

    /// Whether what the stage is for has been said and acknowledged.
    fn said_all(&self) -> bool {
        let line = &self.line.in_flight;
        let quiet = line.unacknowledged() == 0 && self.first.is_empty();
        match self.stage {
            Stage::Talking | Stage::Leaving => false,
            Stage::Draining => {
                quiet && line.is_idle() && line.loaded() >= self.line.links.outbox.last()
            }
            Stage::LastWords => quiet,
        }
    }

    /// From draining to the last words, from there to leaving.
    fn say_next(&mut self) -> Result<(), Error> {
        if self.stage == Stage::Draining {
            self.stage = Stage::LastWords;
            let (topic, payload) = (self.line.topics.status(), self.status("offline"));
            self.first.clear();
            let payload = payload.as_bytes().into();
            self.first.push_back(Message { topic, retain: true, payload });
            return Ok(());
        }
        self.stage = Stage::Leaving;
        self.client.try_disconnect().map_err(|error| self.lost(error))
    }

    /// Requests as many publishes as may go out.
    fn send(&mut self) -> Result<(), Error> {
        if self.overflow == Overflow::Leaving {
            return Ok(());
        }
        while self.line.in_flight.unacknowledged() < self.line.publishes_max(PUBLISHES) {
            if let Some(message) = self.first.pop_front() {
                self.request_other(&message)?;
                continue;
            }
            if self.stage == Stage::LastWords || self.stage == Stage::Leaving {
                return Ok(());
            }
            if let Some((sequence, part)) = self.line.in_flight.next() {
                if self.line.drops(sequence, part) {
                    continue;
                }
                let letter = self.line.letter(sequence).and_then(|letter| letter.part(part));
                let message = letter.expect("an entry is kept until the cursor has passed it");
                self.request(message)?;
            } else if let Some(message) = self.board.pop_front() {
                self.request_other(&message)?;
            } else {
                return Ok(());
            }
        }
        Ok(())
    }

    fn request_other(&mut self, message: &Message) -> Result<(), Error> {
        self.line.in_flight.requested_other();
        self.request(message)
    }

    fn request(&self, message: &Message) -> Result<(), Error> {
        let payload = message.payload.to_vec();
        self.client
            .try_publish(&message.topic, QoS::AtLeastOnce, message.retain, payload)
            .map_err(|error| self.lost(error))
    }

    fn take_board(&mut self, greeting: bool) {
        let status = self.line.topics.status();
        let (changed, version) = self.line.links.board.since(self.board_version);
        self.board_version = version;
        for message in changed {
            // The greeting has said it, and after the last words it would be a lie.
            if message.topic == status && (greeting || self.stage != Stage::Talking) {
                continue;
            }
            self.board.retain(|older| older.topic != message.topic);
            self.board.push_back(message);
        }
    }

    /// True: the session is closed as wished.
    fn on_event(&mut self, event: Option<EventResult>) -> Result<bool, Error> {
        let event = match event {
            Some(Ok(event)) => event,
            _ if self.stage == Stage::Leaving => return Ok(true),
            Some(Err(error)) => return Err(connect::explain(self.broker.clone(), error)),
            None => return Err(self.lost("the event loop has ended")),
        };
        match event {
            Event::Outgoing(Outgoing::Publish(packet)) => {
                let asked = self.line.in_flight.sent(packet);
                return if asked { Ok(false) } else { Err(self.lost("an unasked publish")) };
            }
            Event::Outgoing(Outgoing::AwaitAck(packet)) => {
                return Err(self.lost(format_args!("packet {packet} was never acknowledged")));
            }
            Event::Outgoing(Outgoing::Disconnect) if self.overflow == Overflow::Leaving => {
                return Err(if self.swallowed { Error::Swallowed } else { Error::NotTaken });
            }
            Event::Outgoing(Outgoing::Disconnect) => return Ok(self.stage == Stage::Leaving),
            Event::Incoming(Packet::PubAck(ack)) => match self.line.in_flight.acked(ack.pkid) {
                Some(progress) => self.line.progress(progress),
                None => return Err(self.lost("an acknowledgement of nothing")),
            },
            Event::Incoming(Packet::SubAck(ack)) => self.on_subscribed(&ack.return_codes),
            Event::Incoming(Packet::Publish(publish)) => self.on_publish(publish)?,
            _ => {}
        }
        Ok(false)
    }

    fn on_subscribed(&self, codes: &[SubscribeReasonCode]) {
        let refused = |code: &SubscribeReasonCode| *code == SubscribeReasonCode::Failure;
        // The last one is our own status.
        if codes.split_last().is_some_and(|(_, others)| others.iter().any(refused)) {
            tracing::error!(
                broker = self.broker,
                "the broker refuses our subscriptions, so no command or report comes in; \
                 check its access list"
            );
        }
    }

    /// The last will of a session before this one may come late: brokers publish it when they
    /// notice that the old connection is dead, and this one may stand by then. Whoever says that
    /// we are gone is told that we aren't.
    fn on_own_status(&mut self, publish: &Publish) -> Result<(), Error> {
        let status: Option<Said> = serde_json::from_slice(&publish.payload).ok();
        let gone = status.is_some_and(|status| status.state == "offline");
        if gone && !publish.retain && self.stage == Stage::Talking {
            tracing::info!("somebody says that we are offline: said anew that we are not");
            let status = self.online();
            self.first.retain(|message| message.topic != status.topic);
            self.first.push_back(status);
        }
        if publish.qos == QoS::AtMostOnce {
            return Ok(());
        }
        self.client.try_ack(publish).map_err(|error| self.lost(error))
    }

    /// What the ward's status topic shall say.
    fn online(&self) -> Message {
        let topic = self.line.topics.status();
        let payload = match self.line.links.board.get(&topic) {
            Some(payload) => payload,
            None => self.status("online").as_bytes().into(),
        };
        Message { topic, retain: true, payload }
    }

    /// Once one of our own comes back, all that was retained before has come: nothing more is to
    /// be heard there.
    fn swept(&mut self) -> Result<(), Error> {
        if std::mem::take(&mut self.sweeping)
            && let Some(filter) = self.line.links.board.claimed()
        {
            self.client.try_unsubscribe(filter).map_err(|error| self.lost(error))?;
        }
        Ok(())
    }

    fn on_publish(&mut self, publish: Publish) -> Result<(), Error> {
        // Nobody who means it well sends half as much.
        let raised = self.line.incoming_bytes > connect::INCOMING_BYTES;
        if raised && publish.payload.len() > connect::INCOMING_BYTES / 2 && !self.swallowed {
            self.swallowed = true;
            // Answered behind our acknowledgement: once it is, the broker has that for sure.
            self.first.push_back(self.online());
        }
        if publish.topic == self.line.topics.status() {
            return self.on_own_status(&publish);
        }
        if let Some(echo) = self.line.links.board.hear(&publish.topic, &publish.payload) {
            if let Echo::Leftover(message) = echo
                && self.board.len() < LEFTOVERS
            {
                self.board.push_back(message);
            }
            if publish.qos == QoS::AtMostOnce {
                return if publish.retain { Ok(()) } else { self.swept() };
            }
            return self.client.try_ack(&publish).map_err(|error| self.lost(error));
        }
        self.line.came_in.taken.inc();
        let topic = self.line.topics.parse(&publish.topic);
        let refusal = match &topic {
            None => Some("unknown topic"),
            // Left there by an earlier one: what it asks for is long over.
            Some(_) if publish.retain => Some("retained"),
            Some(_) if publish.payload.len() > INBOUND_BYTES_MAX => Some("too large"),
            Some(_) => None,
        };
        if let Some(reason) = refusal {
            self.line.came_in.dropped.inc();
            let bytes = publish.payload.len();
            tracing::warn!(topic = publish.topic, bytes, reason, "refused what came in over MQTT");
            return self.client.try_ack(&publish).map_err(|error| self.lost(error));
        }
        // A broker that has been restarted may send all that it holds at once.
        let full = self.waiting.len().max(self.taken_over.len()) >= INBOUND;
        if full && self.overflow == Overflow::No {
            self.overflow = Overflow::Yes;
        }
        if self.overflow != Overflow::No {
            self.line.came_in.dropped.inc();
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

    fn on_taken_over(&mut self, packet: u16, taken: bool) -> Result<(), Error> {
        if taken {
            let mut publish = Publish::new("", QoS::AtLeastOnce, Vec::new());
            publish.pkid = packet;
            self.client.try_ack(&publish).map_err(|error| self.lost(error))
        } else if self.stage == Stage::Talking {
            Err(Error::NotTaken)
        } else {
            Ok(())
        }
    }

    fn status(&self, state: &str) -> String {
        let zone = &self.line.ward.timezone;
        let since = self.line.links.clock.now().wall.to_rfc3339(zone);
        let version = env!("CARGO_PKG_VERSION");
        serde_json::json!({ "state": state, "since": since, "version": version }).to_string()
    }

    fn lost(&self, detail: impl std::fmt::Display) -> Error {
        Error::Lost { broker: self.broker.clone(), detail: detail.to_string() }
    }
}
