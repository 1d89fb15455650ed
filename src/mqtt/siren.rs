//! The order to a siren that an alert carries. Pure.
//!
//! An order is part of an entry of the log, and so as durable and as well ordered as its alert. But
//! an old "on" must never sound: what comes out of a broker's or the line's failure too late is
//! dropped. "Off" is never too late.

use std::sync::Arc;
use std::time::Duration;

use super::message::Message;
use super::topic::Topics;
use crate::alert::SirenHead;
use crate::time::Wall;
use crate::ward::Id;

/// The clock may have been set back a little since the order; more, and nothing can be said of
/// the order's age.
const SLACK: Duration = Duration::from_secs(60);

/// An order, addressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) message: Message,
    /// From when until when it may be sent; none: whenever.
    valid: Option<(Wall, Wall)>,
}

impl Order {
    /// The order of the alert with this `revision`, where it is this one that orders, and not one
    /// before that it only remembers. An order that can't be dated is none but "off".
    pub(super) fn new(
        topics: &Topics,
        (khu_pho, incident): (&Id, &Id),
        (head, revision, exercise): (&SirenHead<'_>, u64, bool),
    ) -> Option<Self> {
        if head.revision != revision {
            return None;
        }
        let on = head.is_on();
        let at = Wall::parse_rfc3339(&head.at);
        let length = Duration::from_secs(u64::from(head.seconds_max));
        let valid = match (on, at) {
            (false, _) => None,
            (true, Ok(at)) => {
                let slack_us = i64::try_from(SLACK.as_micros()).unwrap_or(i64::MAX);
                Some((Wall(at.0.saturating_sub(slack_us)), at + length))
            }
            (true, Err(_)) => return None,
        };
        let order = serde_json::json!({
            "state": if on { "on" } else { "off" },
            "incident": incident.as_str(),
            "seconds_max": head.seconds_max,
            "at": head.at,
            "exercise": exercise,
        });
        let payload = Arc::from(order.to_string().as_bytes());
        let message = Message { topic: topics.siren(khu_pho), retain: false, payload };
        Some(Self { message, valid })
    }

    /// Tells whether it comes too late, or from a future that the clock has to reach first.
    pub(super) fn is_stale(&self, now: Wall) -> bool {
        self.valid.is_some_and(|(from, until)| now < from || until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(siren: &str) -> Option<Order> {
        let head: SirenHead<'_> = serde_json::from_str(siren).unwrap();
        let topics = Topics::new(Id::new("p14").unwrap());
        let (khu_pho, incident) = (Id::new("kp3").unwrap(), Id::new("i-1").unwrap());
        Order::new(&topics, (&khu_pho, &incident), (&head, 4, false))
    }

    fn wall(time: &str) -> Wall {
        Wall::parse_rfc3339(&format!("2026-11-21T{time}+07:00")).unwrap()
    }

    const ON: &str = r#"{"state":"on","at":"2026-11-21T22:00:00.000+07:00","seconds_max":60,
        "revision":4,"by":null}"#;

    #[test]
    fn an_old_order_to_sound_is_stale_and_one_to_stop_never() {
        let on = order(ON).unwrap();
        let off = order(&ON.replace("\"on\"", "\"off\"")).unwrap();
        for (time, stale) in [
            ("21:58:59.999", true),
            ("21:59:00.000", false),
            ("22:00:00.000", false),
            ("22:00:59.999", false),
            ("22:01:00.000", true),
            ("23:59:59.000", true),
        ] {
            assert_eq!(on.is_stale(wall(time)), stale, "{time}");
            assert!(!off.is_stale(wall(time)), "{time}");
        }
    }

    #[test]
    fn only_the_revision_that_orders_carries_the_order() {
        let on = order(ON).unwrap();
        assert_eq!(on.message.topic, "keng/p14/kp3/siren");
        assert!(!on.message.retain, "a siren that comes back must not find an old order");
        let told: serde_json::Value = serde_json::from_slice(&on.message.payload).unwrap();
        assert_eq!(
            told,
            serde_json::json!({
                "state": "on", "incident": "i-1", "seconds_max": 60, "exercise": false,
                "at": "2026-11-21T22:00:00.000+07:00",
            })
        );
        assert_eq!(order(&ON.replace("\"revision\":4", "\"revision\":3")), None);
        assert_eq!(order(&ON.replace("2026-11-21T", "some day ")), None);
    }
}
