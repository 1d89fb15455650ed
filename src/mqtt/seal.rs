//! Whether what came in was signed with the key of its khu phố's team.
//!
//! The signature is the HMAC-SHA256 (RFC 2104) of the topic and of every other member of the
//! payload, as [`signed_text`] puts them: so a message can't be used on another topic, for another
//! incident, or with other words. Its time `at` is part of it; one that is too old is refused, and
//! one that was taken in before is known again for as long, so that nobody gains by sending it
//! once more. That memory does not outlive the daemon.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value};
use sha2::Sha256;

use crate::time::Wall;
use crate::ward::Secret;

/// The member that carries the signature.
const SIGNATURE: &str = "hmac";
/// The member that says when it was sent.
const SENT: &str = "at";
/// A phone's clock may be ahead of ours by as much.
const AHEAD_MAX: Duration = Duration::from_secs(300);
/// Signatures that are known again, of one khu phố; the one that was taken in first is forgotten.
const KNOWN_MAX: usize = 1_024;

/// Why a message is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Not an object of plain values.
    #[error("the payload can't be signed: {0}")]
    Form(String),
    /// No signature.
    #[error("it is not signed, and this khu phố has a key")]
    Unsigned,
    /// No time, or none that can be read.
    #[error("it has no time \"at\" such as 2026-11-21T22:14:03+07:00")]
    NoTime,
    /// Not signed with this key, for this topic, with these words.
    #[error("its signature is wrong")]
    Wrong,
    /// Sent too long ago.
    #[error("it was sent {0} s ago, which is too long")]
    Old(u64),
    /// Its time has yet to come.
    #[error("it was sent {0} s from now; check the clocks of both machines")]
    Early(u64),
}

/// What a message that is believed is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// Signed, and not seen before.
    Fresh,
    /// The very same was taken in before.
    Repeated,
}

/// The signatures that were taken in, a khu phố's by its id.
#[derive(Debug, Default)]
pub struct Seals(BTreeMap<String, VecDeque<Vec<u8>>>);

impl Seals {
    /// Looks at a message that came in on `topic` of `khu_pho`, whose team has `key`.
    ///
    /// # Errors
    /// [`SealError`] says why it is not believed.
    pub fn check(
        &mut self,
        (khu_pho, topic): (&str, &str),
        payload: &[u8],
        key: &Key<'_>,
        now: Wall,
    ) -> Result<Seal, SealError> {
        let form = |error: serde_json::Error| SealError::Form(error.to_string());
        let members: Map<String, Value> = serde_json::from_slice(payload).map_err(form)?;
        let signature = match members.get(SIGNATURE) {
            Some(Value::String(text)) => unhex(text).ok_or(SealError::Wrong)?,
            Some(_) => return Err(SealError::Wrong),
            None => return Err(SealError::Unsigned),
        };
        let mut mac = mac(key.secret);
        mac.update(signed_text(topic, &members)?.as_bytes());
        mac.verify_slice(&signature).map_err(|_| SealError::Wrong)?;
        let sent = members.get(SENT).and_then(Value::as_str);
        let sent = sent.and_then(|text| Wall::parse_rfc3339(text).ok()).ok_or(SealError::NoTime)?;
        let us = |from: Wall, to: Wall| u64::try_from(to.0.saturating_sub(from.0)).unwrap_or(0);
        let age = Duration::from_micros(us(sent, now));
        let ahead = Duration::from_micros(us(now, sent));
        if age > key.age_max {
            return Err(SealError::Old(age.as_secs()));
        }
        if ahead > AHEAD_MAX {
            return Err(SealError::Early(ahead.as_secs()));
        }
        let known = self.0.entry(khu_pho.to_owned()).or_default();
        if known.contains(&signature) {
            return Ok(Seal::Repeated);
        }
        known.push_back(signature);
        if known.len() > KNOWN_MAX {
            known.pop_front();
        }
        Ok(Seal::Fresh)
    }
}

/// What a team signs with, and how old a message may be.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// The key.
    pub secret: &'a Secret,
    /// What was sent longer ago is refused.
    pub age_max: Duration,
}

/// The text that is signed: the topic, then a line `name=value` for each member but the signature,
/// sorted by name, with newlines between and none at the end. Members that are null are left out.
///
/// # Errors
/// [`SealError::Form`] for a list, an object, a number with a fraction, or a text with control
/// characters: with those, two messages could have one text.
pub fn signed_text(topic: &str, members: &Map<String, Value>) -> Result<String, SealError> {
    let sorted: BTreeMap<&String, &Value> = members.iter().collect();
    let mut text = topic.to_owned();
    for (name, value) in sorted {
        let value = match value {
            _ if name == SIGNATURE => continue,
            Value::Null => continue,
            Value::String(value) => value.clone(),
            Value::Bool(value) => value.to_string(),
            Value::Number(value) if !value.is_f64() => value.to_string(),
            _ => return Err(SealError::Form(format!("{name:.40} is no text and no whole number"))),
        };
        if name.contains(|c: char| c.is_control() || c == '=') || value.contains(char::is_control) {
            return Err(SealError::Form(format!("{name:.40} has control characters")));
        }
        text.push('\n');
        text.push_str(name);
        text.push('=');
        text.push_str(&value);
    }
    Ok(text)
}

fn mac(key: &Secret) -> Hmac<Sha256> {
    Hmac::new_from_slice(key.reveal().as_bytes()).expect("HMAC takes keys of any length")
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let nibble = |byte: u8| char::from(byte).to_digit(16).and_then(|n| u8::try_from(n).ok());
    let pair = |pair: &[u8]| Some(nibble(pair[0])? << 4 | nibble(*pair.get(1)?)?);
    text.as_bytes().chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOPIC: &str = "keng/p14/kp3/incident/i-1/command";
    const NOW: &str = "2026-11-21T22:15:00+07:00";

    fn secret() -> Secret {
        Secret::new("a key of sixteen bytes or more".to_owned())
    }

    fn now() -> Wall {
        Wall::parse_rfc3339(NOW).unwrap()
    }

    fn signed(topic: &str, mut members: Value) -> String {
        let map = members.as_object_mut().unwrap();
        let mut mac = mac(&secret());
        mac.update(signed_text(topic, map).unwrap().as_bytes());
        let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
        map.insert("hmac".to_owned(), hex.into());
        members.to_string()
    }

    fn command(at: &str) -> Value {
        serde_json::json!({"action": "resolve", "by": "Tổ 3", "note": "xong", "at": at})
    }

    fn check(seals: &mut Seals, topic: &str, payload: &str) -> Result<Seal, SealError> {
        let key = Key { secret: &secret(), age_max: Duration::from_secs(900) };
        seals.check(("kp3", topic), payload.as_bytes(), &key, now())
    }

    #[test]
    fn the_text_is_what_the_documents_say() {
        let members = command(NOW);
        let text = signed_text(TOPIC, members.as_object().unwrap()).unwrap();
        let expected = format!("{TOPIC}\naction=resolve\nat={NOW}\nby=Tổ 3\nnote=xong");
        assert_eq!(text, expected);
    }

    #[test]
    fn rfc_4231_test_case_2() {
        let mut mac = mac(&Secret::new("Jefe".to_owned()));
        mac.update(b"what do ya want for nothing?");
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(mac.finalize().into_bytes().to_vec(), unhex(expected).unwrap());
    }

    #[test]
    fn what_is_signed_is_believed_once() {
        let mut seals = Seals::default();
        let payload = signed(TOPIC, command(NOW));
        assert_eq!(check(&mut seals, TOPIC, &payload), Ok(Seal::Fresh));
        assert_eq!(check(&mut seals, TOPIC, &payload), Ok(Seal::Repeated));
        let other = payload.replace("hmac\":\"", "hmac\":\"00");
        assert_eq!(check(&mut seals, TOPIC, &other), Err(SealError::Wrong));
    }

    #[test]
    fn whatever_is_changed_is_refused() {
        let mut seals = Seals::default();
        let payload = signed(TOPIC, command(NOW));
        for changed in [
            payload.replace("resolve", "false_alarm"),
            payload.replace("Tổ 3", "Tổ 4"),
            payload.replace("xong", "khác"),
            payload.replace("22:15:00", "22:15:01"),
            payload.replacen('{', "{\"siren\":true,", 1),
            payload.replace(",\"note\":\"xong\"", ""),
        ] {
            assert_ne!(changed, payload);
            assert_eq!(check(&mut seals, TOPIC, &changed), Err(SealError::Wrong), "{changed}");
        }
        let elsewhere = TOPIC.replace("i-1", "i-2");
        assert_eq!(check(&mut seals, &elsewhere, &payload), Err(SealError::Wrong));
        let unsigned = command(NOW).to_string();
        assert_eq!(check(&mut seals, TOPIC, &unsigned), Err(SealError::Unsigned));
    }

    #[test]
    fn what_is_old_or_early_is_refused() {
        let mut seals = Seals::default();
        let at = |at: &str| signed(TOPIC, command(at));
        let mut check = |at: &str| check(&mut seals, TOPIC, at);
        assert_eq!(check(&at("2026-11-21T22:00:00+07:00")), Ok(Seal::Fresh));
        assert_eq!(check(&at("2026-11-21T15:20:00Z")), Ok(Seal::Fresh));
        assert_eq!(check(&at("2026-11-21T21:59:59+07:00")), Err(SealError::Old(901)));
        assert_eq!(check(&at("2026-11-21T22:20:01+07:00")), Err(SealError::Early(301)));
        assert_eq!(check(&at("yesterday")), Err(SealError::NoTime));
        let none = signed(TOPIC, serde_json::json!({"action": "resolve", "by": "x"}));
        assert_eq!(check(&none), Err(SealError::NoTime));
    }

    #[test]
    fn no_two_messages_have_one_text() {
        for members in [
            serde_json::json!({"by": "x\nnote=y"}),
            serde_json::json!({"a=b": "c"}),
            serde_json::json!({"by": ["x"]}),
            serde_json::json!({"minutes": 1.5}),
        ] {
            let text = signed_text(TOPIC, members.as_object().unwrap());
            assert!(matches!(text, Err(SealError::Form(_))), "{members}");
        }
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut seals = Seals::default();
        for number in 0..KNOWN_MAX + 10 {
            let members = serde_json::json!({"by": format!("{number}"), "at": NOW});
            check(&mut seals, TOPIC, &signed(TOPIC, members)).unwrap();
        }
        assert_eq!(seals.0["kp3"].len(), KNOWN_MAX);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(payload in ".{0,60}", hmac in "[0-9a-fé]{0,9}") {
            let mut seals = Seals::default();
            drop(check(&mut seals, TOPIC, &payload));
            let text = serde_json::json!({"hmac": hmac, "by": payload}).to_string();
            assert!(check(&mut seals, TOPIC, &text).is_err());
        }
    }
}
