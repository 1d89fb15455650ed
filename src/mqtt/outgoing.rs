//! An entry of the outbox as the broker gets it: which bytes on which topics. Pure.

use std::sync::Arc;

use super::in_flight::Part;
use super::message::Message;
use super::siren::Order;
use super::topic::Topics;
use crate::alert::ALSO_KHU_PHO_MAX;
use crate::alert::Head;
use crate::outbox::Entry;
use crate::time::Wall;
use crate::ward::Id;
use crate::ward::IdError;

/// Longer alerts are refused: brokers do, too.
const ALERT_BYTES_MAX: usize = 256 * 1024;
/// Larger snapshots are left out; so nothing of ours is larger.
pub const SNAPSHOT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// An entry, addressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OutgoingAlert {
    alert: Message,
    also: Vec<Message>,
    siren: Option<Order>,
    retained: Message,
    snapshot: Option<Message>,
}

/// The reason why an entry can't be sent, ever.
#[derive(Debug, thiserror::Error)]
pub(super) enum Undeliverable {
    #[error("it is {0} bytes long")]
    Length(usize),
    #[error("it is no alert")]
    Json(#[from] serde_json::Error),
    #[error("it is no alert: it has no state")]
    State,
    #[error("it has no id that could stand in a topic")]
    Id(#[from] IdError),
}

impl OutgoingAlert {
    /// Addresses `entry`.
    pub(super) fn new(
        topics: &Topics,
        entry: &Entry,
        snapshot: Option<Vec<u8>>,
    ) -> Result<Self, Undeliverable> {
        if entry.payload.is_empty() || entry.payload.len() > ALERT_BYTES_MAX {
            return Err(Undeliverable::Length(entry.payload.len()));
        }
        let head = Head::read(&entry.payload)?;
        if !head.has_state() {
            return Err(Undeliverable::State);
        }
        let (khu_pho, id) = (Id::new(&head.khu_pho)?, Id::new(&head.id)?);
        let message = |topic, retain, payload| Message { topic, retain, payload };
        let retained = if head.is_closed() { Arc::from([]) } else { entry.payload.clone() };
        let order = head.siren.as_ref().and_then(|siren| {
            Order::new(topics, (&khu_pho, &id), (siren, head.revision, head.exercise))
        });
        let also =
            head.also_khu_pho.iter().take(ALSO_KHU_PHO_MAX).map(|other| {
                Ok(message(topics.alert(&Id::new(other)?), false, entry.payload.clone()))
            });
        Ok(Self {
            also: also.collect::<Result<_, IdError>>()?,
            siren: order,
            alert: message(topics.alert(&khu_pho), false, entry.payload.clone()),
            retained: message(topics.incident(&khu_pho, &id), true, retained),
            snapshot: snapshot
                .filter(|jpeg| jpeg.len() <= SNAPSHOT_BYTES_MAX)
                .map(|jpeg| message(topics.snapshot(&khu_pho, &id), false, jpeg.into())),
        })
    }

    /// Returns the parts that it consists of, in the order in which they are sent.
    pub(super) fn parts(&self) -> Vec<Part> {
        let also = (0u8..).zip(&self.also).map(|(index, _)| Part::Also(index));
        let siren = self.siren.as_ref().map(|_| Part::Siren);
        let snapshot = self.snapshot.as_ref().map(|_| Part::Snapshot);
        let first = std::iter::once(Part::Alert).chain(siren).chain(also);
        first.chain([Part::Retained]).chain(snapshot).collect()
    }

    /// One of its parts.
    pub(super) fn part(&self, part: Part) -> Option<&Message> {
        match part {
            Part::Alert => Some(&self.alert),
            Part::Also(index) => self.also.get(usize::from(index)),
            Part::Siren => self.siren.as_ref().map(|order| &order.message),
            Part::Retained => Some(&self.retained),
            Part::Snapshot => self.snapshot.as_ref(),
        }
    }

    /// Tells whether a part has become harmful at `now`: a siren that sounds hours late.
    pub(super) fn is_stale(&self, part: Part, now: Wall) -> bool {
        part == Part::Siren && self.siren.as_ref().is_some_and(|order| order.is_stale(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::Sequence;

    fn outgoing(payload: &str, snapshot: Option<Vec<u8>>) -> Result<OutgoingAlert, Undeliverable> {
        let entry = Entry {
            sequence: Sequence(1),
            subject: "s".into(),
            live: true,
            wall: Wall(0),
            payload: payload.as_bytes().into(),
            snapshot: snapshot.is_some(),
        };
        OutgoingAlert::new(&Topics::new(Id::new("p14").unwrap()), &entry, snapshot)
    }

    #[test]
    fn an_open_incident_is_retained_and_a_closed_one_cleared() {
        let open = r#"{"khu_pho":"kp3","id":"i-1","state":"on_scene","closed_at":null,"x":1}"#;
        let kept = outgoing(open, Some(vec![1])).unwrap();
        assert_eq!(kept.parts().len(), 3);
        assert_eq!(&*kept.part(Part::Retained).unwrap().payload, open.as_bytes());
        assert!(!kept.part(Part::Snapshot).unwrap().retain);
        for state in ["resolved", "false_alarm", "expired"] {
            let closed = open.replace("on_scene", state);
            let cleared = outgoing(&closed, None).unwrap();
            assert!(cleared.part(Part::Retained).unwrap().payload.is_empty());
            assert_eq!(&*cleared.part(Part::Alert).unwrap().payload, closed.as_bytes());
        }
    }

    #[test]
    fn an_alert_that_orders_the_siren_goes_there_too() {
        let alert = r#"{"khu_pho":"kp3","id":"i-1","state":"open","revision":2,"siren":
            {"state":"on","at":"2026-11-21T22:00:00.000+07:00","seconds_max":60,"revision":2,
             "by":null}}"#;
        let outgoing = outgoing(alert, None).unwrap();
        assert_eq!(outgoing.parts(), [Part::Alert, Part::Siren, Part::Retained]);
        assert_eq!(outgoing.part(Part::Siren).unwrap().topic, "keng/p14/kp3/siren");
        let hours_later = Wall::parse_rfc3339("2026-11-22T01:00:00+07:00").unwrap();
        assert!(outgoing.is_stale(Part::Siren, hours_later));
        assert!(!outgoing.is_stale(Part::Alert, hours_later));
    }

    #[test]
    fn a_neighbouring_khu_pho_whose_cameras_see_it_hears_of_it() {
        let alert = r#"{"khu_pho":"kp3","id":"i-1","state":"open","also_khu_pho":["kp4","kp5"]}"#;
        let outgoing = outgoing(alert, None).unwrap();
        let all = [Part::Alert, Part::Also(0), Part::Also(1), Part::Retained];
        assert_eq!(outgoing.parts(), all);
        let there = outgoing.part(Part::Also(1)).unwrap();
        assert_eq!((there.topic.as_str(), there.retain), ("keng/p14/kp5/alert", false));
        assert_eq!(&*there.payload, alert.as_bytes());
    }

    #[test]
    fn what_is_no_alert_is_poison() {
        for bad in [
            "",
            "{}",
            "gong",
            r##"{"khu_pho":"#","id":"i-1","state":"open"}"##,
            r#"{"khu_pho":"kp3","id":"a/b","state":"open"}"#,
            r#"{"khu_pho":"kp3","id":"i-1","state":"open","also_khu_pho":["+"]}"#,
        ] {
            assert!(outgoing(bad, None).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_huge_snapshot_is_left_out() {
        let open = r#"{"khu_pho":"kp3","id":"i-1","state":"open"}"#;
        let outgoing = outgoing(open, Some(vec![0; SNAPSHOT_BYTES_MAX + 1])).unwrap();
        assert_eq!(outgoing.parts(), [Part::Alert, Part::Retained]);
    }
}
