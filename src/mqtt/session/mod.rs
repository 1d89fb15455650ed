//! One session with the broker, from CONNECT to its end.
//!
//! Three things live as long as it does, each with a life cycle of its own: what goes out
//! (`outgoing`), what comes in (`intake`), and the session's end at a shutdown (`closing`). Here is
//! what drives them: the event loop of rumqttc, and everything that wakes the session.

mod closing;
mod connection;
mod intake;
mod outgoing;

use std::pin::pin;
use std::time::Duration;

use rumqttc::AsyncClient;
use rumqttc::ConnectionError;
use rumqttc::Event;
use rumqttc::EventLoop;
use rumqttc::Outgoing as Sent;
use rumqttc::Packet;
use rumqttc::Publish;
use rumqttc::SubscribeReasonCode;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use self::closing::ClosingStage;
use self::connection::Connection;
use self::intake::Intake;
use self::outgoing::Outgoing;
use super::connect;
use super::connect::Error;
use super::publisher::SessionState;
use super::publisher::blocking;

/// Requests that wait for rumqttc; publishes stop earlier, so that acknowledgements have room.
const REQUESTS: usize = 2048;
/// Events that rumqttc may be ahead; it waits when there are more.
const EVENTS: usize = 64;

type EventResult = Result<Event, ConnectionError>;

struct Session<'a> {
    state: &'a mut SessionState,
    connection: Connection,
    stage: ClosingStage,
    outgoing: Outgoing,
    intake: Intake,
}

/// Connects, and talks until `shutdown` is done with (`Ok`) or the session ends.
pub(super) async fn run(
    state: &mut SessionState,
    shutdown: &CancellationToken,
) -> Result<(), Error> {
    let broker = connect::broker_name(&state.config);
    let (config, ward) = (state.config.clone(), state.ward.id.clone());
    let will = connect::will(state.topics.status(), br#"{"state":"offline"}"#);
    let incoming_bytes = state.incoming_bytes;
    let options = blocking(&state.links.outbox, move |_| {
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
        state,
        connection: Connection::new(broker, client),
        stage: ClosingStage::Talking,
        outgoing: Outgoing::default(),
        intake: Intake::default(),
    };
    let ended = match session.outgoing.greet(session.state, &session.connection).await {
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
    async fn talk(
        &mut self,
        events: &mut mpsc::Receiver<EventResult>,
        shutdown: &CancellationToken,
    ) -> Result<(), Error> {
        let mut appended = self.state.links.outbox.subscribe();
        let mut set = self.state.links.retained.subscribe();
        // What was set before this wakes nobody.
        self.take_board();
        let inbound = self.state.links.inbound.clone();
        let mut grace = pin!(tokio::time::sleep(Duration::ZERO));
        loop {
            self.state.save_cursor().await;
            self.state.fill().await?;
            self.send()?;
            if self.stage == ClosingStage::Talking {
                let quiet = self.outgoing.is_quiet(self.state);
                self.intake.make_room(&self.connection, quiet)?;
            }
            if self.stage.is_done(self.state, &self.outgoing) {
                grace.set(tokio::time::sleep(self.end_stage()?));
                continue;
            }
            let stage = self.stage;
            tokio::select! {
                biased;
                () = shutdown.cancelled(), if stage == ClosingStage::Talking => {
                    self.stage = ClosingStage::Draining;
                    grace.set(tokio::time::sleep(self.stage.lasts()));
                }
                () = &mut grace, if stage != ClosingStage::Talking => {
                    if stage == ClosingStage::Leaving {
                        return Ok(());
                    }
                    grace.set(tokio::time::sleep(self.end_stage()?));
                }
                Some(taken) = self.intake.next_taken_over(), if self.intake.is_handed_on() => {
                    Intake::on_taken_over(&self.connection, taken, stage == ClosingStage::Talking)?;
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
                Ok(permit) = inbound.reserve(), if self.intake.is_waiting() => {
                    if let Some(message) = self.intake.next_waiting() {
                        permit.send(message);
                        self.state.came_in.passed.inc();
                    }
                }
                _ = appended.changed() => {}
                _ = set.changed() => self.take_board(),
            }
        }
    }

    /// Ends the stage, and says how long the next one lasts.
    fn end_stage(&mut self) -> Result<Duration, Error> {
        self.stage.end(self.state, &mut self.outgoing, &self.connection)?;
        Ok(self.stage.lasts())
    }

    /// Requests as many publishes as may go out.
    fn send(&mut self) -> Result<(), Error> {
        if self.intake.leaves_for().is_some() {
            return Ok(());
        }
        self.outgoing.send(self.state, &self.connection, self.stage.sends_entries())
    }

    /// After the last words our own status would be a lie.
    fn take_board(&mut self) {
        self.outgoing.take_board(self.state, self.stage == ClosingStage::Talking);
    }

    /// True: the session is closed as wished.
    fn on_event(&mut self, event: Option<EventResult>) -> Result<bool, Error> {
        let event = match event {
            Some(Ok(event)) => event,
            _ if self.stage == ClosingStage::Leaving => return Ok(true),
            Some(Err(error)) => return Err(self.connection.explain(error)),
            None => return Err(self.connection.lost("the event loop has ended")),
        };
        match event {
            Event::Outgoing(Sent::Publish(packet)) => {
                let asked = self.state.in_flight.sent(packet);
                let unasked = || self.connection.lost("an unasked publish");
                return if asked { Ok(false) } else { Err(unasked()) };
            }
            Event::Outgoing(Sent::AwaitAck(packet)) => {
                let lost = |detail| self.connection.lost(detail);
                return Err(lost(format!("packet {packet} was never acknowledged")));
            }
            Event::Outgoing(Sent::Disconnect) => {
                let closed = self.stage == ClosingStage::Leaving;
                return self.intake.leaves_for().map_or(Ok(closed), Err);
            }
            Event::Incoming(Packet::PubAck(ack)) => match self.state.in_flight.acked(ack.pkid) {
                Some(progress) => self.state.progress(progress),
                None => return Err(self.connection.lost("an acknowledgement of nothing")),
            },
            Event::Incoming(Packet::SubAck(ack)) => self.on_subscribed(&ack.return_codes),
            Event::Incoming(Packet::Publish(publish)) => self.on_publish(&publish)?,
            _ => {}
        }
        Ok(false)
    }

    fn on_subscribed(&self, codes: &[SubscribeReasonCode]) {
        let refused = |code: &SubscribeReasonCode| *code == SubscribeReasonCode::Failure;
        // The last one is our own status.
        if codes.split_last().is_some_and(|(_, others)| others.iter().any(refused)) {
            tracing::error!(
                broker = self.connection.broker,
                "the broker refuses our subscriptions, so no command or report comes in; \
                 check its access list"
            );
        }
    }

    fn on_publish(&mut self, publish: &Publish) -> Result<(), Error> {
        let (state, connection) = (&mut *self.state, &self.connection);
        if self.intake.swallows(state, publish) {
            // Answered behind our acknowledgement: once it is, the broker has that for sure.
            self.outgoing.say_online(state);
        }
        if publish.topic == state.topics.status() {
            let talking = self.stage == ClosingStage::Talking;
            return self.outgoing.on_own_status(state, connection, publish, talking);
        }
        if let Some(echo) = state.links.retained.take_in(&publish.topic, &publish.payload) {
            return self.outgoing.on_echo(state, connection, publish, echo);
        }
        self.intake.take_in(state, connection, publish)
    }
}
