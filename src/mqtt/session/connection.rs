//! The connection of one session: what is requested of rumqttc, and errors that name the broker.

use rumqttc::AsyncClient;
use rumqttc::ClientError;
use rumqttc::ConnectionError;
use rumqttc::Publish;
use rumqttc::QoS;
use rumqttc::SubscribeFilter;

use crate::mqtt::connect;
use crate::mqtt::connect::Error;
use crate::mqtt::message::Message;

/// A connection that stands.
pub(super) struct Connection {
    pub(super) broker: String,
    client: AsyncClient,
}

impl Connection {
    pub(super) fn new(broker: String, client: AsyncClient) -> Self {
        Self { broker, client }
    }

    /// Requests a publish at least once.
    pub(super) fn publish(&self, message: &Message) -> Result<(), Error> {
        let payload = message.payload.to_vec();
        let topic = &message.topic;
        self.requested(self.client.try_publish(topic, QoS::AtLeastOnce, message.retain, payload))
    }

    pub(super) fn subscribe(&self, filter: String, qos: QoS) -> Result<(), Error> {
        self.requested(self.client.try_subscribe(filter, qos))
    }

    pub(super) fn subscribe_many(
        &self,
        filters: impl IntoIterator<Item = SubscribeFilter>,
    ) -> Result<(), Error> {
        self.requested(self.client.try_subscribe_many(filters))
    }

    pub(super) fn unsubscribe(&self, filter: String) -> Result<(), Error> {
        self.requested(self.client.try_unsubscribe(filter))
    }

    pub(super) fn acknowledge(&self, publish: &Publish) -> Result<(), Error> {
        self.requested(self.client.try_ack(publish))
    }

    /// Acknowledges a publish of which only its packet's number is left.
    pub(super) fn acknowledge_packet(&self, packet: u16) -> Result<(), Error> {
        let mut publish = Publish::new("", QoS::AtLeastOnce, Vec::new());
        publish.pkid = packet;
        self.acknowledge(&publish)
    }

    /// Ends the session in order, behind everything that was requested before.
    pub(super) fn disconnect(&self) -> Result<(), Error> {
        self.requested(self.client.try_disconnect())
    }

    /// The session has ended for a reason of its own.
    pub(super) fn lost(&self, detail: impl std::fmt::Display) -> Error {
        Error::Lost { broker: self.broker.clone(), detail: detail.to_string() }
    }

    /// The session has ended, as rumqttc reports.
    pub(super) fn explain(&self, error: ConnectionError) -> Error {
        connect::explain(self.broker.clone(), error)
    }

    fn requested(&self, result: Result<(), ClientError>) -> Result<(), Error> {
        result.map_err(|error| self.lost(error))
    }
}
