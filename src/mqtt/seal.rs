//! The check that a message was signed with the key of its khu phố's team.
//!
//! The signature is the HMAC-SHA256 (RFC 2104) of the topic and of every other member of the
//! payload, as [`signed_text`] puts them: so a message can't be used on another topic, for another
//! incident, or with other words. Its time `at` is part of it; one that is too old is refused, and
//! one that was taken in before is known again, so that nobody gains by sending it once more.
//!
//! That memory outlives the daemon: each signature is a [`StateChange`] in the write that makes
//! durable what the message has brought. Never before: a daemon that dies in between must take the
//! message in when the broker delivers it again. Whatever was forgotten is refused as old, so a
//! clock that is set back opens nothing either.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value};
use sha2::Sha256;

use crate::outbox::StateChange;
use crate::time::Wall;
use crate::ward::Secret;

/// The member that carries the signature.
const SIGNATURE: &str = "hmac";
/// The member that says when it was sent.
const SENT: &str = "at";
/// A phone's clock may be ahead of ours by as much.
const AHEAD_MAX: Duration = Duration::from_secs(300);
/// Signatures that are known again, of one khu phố; the one that was sent first is forgotten.
const KNOWN_MAX: usize = 1_024;
/// With as many read back, some may have been forgotten before; a failed write may cost a few.
const FORGETFUL: usize = KNOWN_MAX / 2;
/// Signatures' notes begin so.
const NOTED: &[u8] = b"seal/";

/// The reason why a message is not believed.
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

/// The signature of a message that is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seal {
    /// Signed, and not seen before. To be noted in the write that makes durable what it brings.
    Fresh(Vec<StateChange>),
    /// The very same was taken in before.
    Repeated,
}

/// The signatures that were taken in, a khu phố's by its id.
#[derive(Debug, Default)]
pub struct Seals(BTreeMap<String, SeenSignatures>);

/// Of one khu phố.
#[derive(Debug, Default)]
struct SeenSignatures {
    /// The time at which each was sent, and its signature.
    seen: BTreeSet<(Wall, Vec<u8>)>,
    /// Nothing that was sent until then is believed any more: some of it was forgotten.
    forgotten: Option<Wall>,
}

impl Seals {
    /// Reads back what was noted; what is no such note is passed over.
    pub fn restore(notes: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> Self {
        let mut seals = Self::default();
        for (key, value) in notes {
            if let Some((khu_pho, seen)) = read(&key, &value) {
                seals.0.entry(khu_pho).or_default().seen.insert(seen);
            }
        }
        for known in seals.0.values_mut().filter(|known| known.seen.len() >= FORGETFUL) {
            known.forgotten = known.seen.first().map(|(sent, _)| *sent);
        }
        seals
    }

    /// The beginning of the keys that [`Seals::restore`] reads.
    pub fn noted() -> &'static [u8] {
        NOTED
    }

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
        let seen = (sent, signature);
        if known.seen.contains(&seen) {
            return Ok(Seal::Repeated);
        }
        if known.forgotten.is_some_and(|forgotten| sent <= forgotten) {
            return Err(SealError::Old(age.as_secs()));
        }
        let value = sent.0.to_be_bytes().to_vec();
        let mut notes = vec![StateChange::Put { key: key_of(khu_pho, &seen.1), value }];
        known.seen.insert(seen);
        if known.seen.len() > KNOWN_MAX
            && let Some((sent, signature)) = known.seen.pop_first()
        {
            known.forgotten = known.forgotten.max(Some(sent));
            notes.push(StateChange::Delete { key: key_of(khu_pho, &signature) });
        }
        Ok(Seal::Fresh(notes))
    }
}

/// The khu phố's id, which has no zero byte, a zero byte, and the signature.
fn key_of(khu_pho: &str, signature: &[u8]) -> Vec<u8> {
    [NOTED, khu_pho.as_bytes(), &[0], signature].concat()
}

fn read(key: &[u8], value: &[u8]) -> Option<(String, (Wall, Vec<u8>))> {
    let rest = key.strip_prefix(NOTED)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    let (khu_pho, signature) = (std::str::from_utf8(&rest[..end]).ok()?, &rest[end + 1..]);
    let sent = Wall(i64::from_be_bytes(value.try_into().ok()?));
    Some((khu_pho.to_owned(), (sent, signature.to_vec())))
}

/// The key that a team signs with, and how old a message may be.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// The key.
    pub secret: &'a Secret,
    /// A message that was sent longer ago is refused.
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
        assert!(is_fresh(&check(&mut seals, TOPIC, &payload)));
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
        assert!(is_fresh(&check(&at("2026-11-21T22:00:00+07:00"))));
        assert!(is_fresh(&check(&at("2026-11-21T15:20:00Z"))));
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

    fn is_fresh(seal: &Result<Seal, SealError>) -> bool {
        matches!(seal, Ok(Seal::Fresh(_)))
    }

    /// A store of notes.
    #[derive(Default)]
    struct Noted(BTreeMap<Vec<u8>, Vec<u8>>);

    impl Noted {
        fn take(&mut self, seal: Result<Seal, SealError>) {
            let Ok(Seal::Fresh(notes)) = seal else { panic!("{seal:?}") };
            for note in notes {
                match note {
                    StateChange::Put { key, value } => drop(self.0.insert(key, value)),
                    StateChange::Delete { key } => drop(self.0.remove(&key)),
                }
            }
        }

        fn restore(&self) -> Seals {
            let strange = (b"seal/no zero".to_vec(), b"x".to_vec());
            Seals::restore(self.0.clone().into_iter().chain([strange]))
        }
    }

    #[test]
    fn what_was_taken_in_is_known_again_after_a_restart() {
        let (mut seals, mut noted) = (Seals::default(), Noted::default());
        let (one, two) =
            (signed(TOPIC, command(NOW)), signed(&TOPIC.replace('1', "2"), command(NOW)));
        noted.take(check(&mut seals, TOPIC, &one));
        let mut seals = noted.restore();
        assert_eq!(check(&mut seals, TOPIC, &one), Ok(Seal::Repeated));
        assert!(is_fresh(&check(&mut seals, &TOPIC.replace('1', "2"), &two)));
    }

    #[test]
    fn the_memory_is_bounded_and_what_it_has_lost_is_refused() {
        let (mut seals, mut noted) = (Seals::default(), Noted::default());
        let said = |second: usize| {
            let at = Wall(now().0 - 600_000_000 + i64::try_from(second).unwrap() * 500_000);
            let at = at.to_rfc3339(&jiff::tz::TimeZone::UTC);
            signed(TOPIC, serde_json::json!({"by": "x", "at": at}))
        };
        for number in 0..KNOWN_MAX + 10 {
            noted.take(check(&mut seals, TOPIC, &said(number)));
        }
        assert_eq!((seals.0["kp3"].seen.len(), noted.0.len()), (KNOWN_MAX, KNOWN_MAX));
        for mut seals in [seals, noted.restore()] {
            assert_eq!(check(&mut seals, TOPIC, &said(0)), Err(SealError::Old(600)));
            assert_eq!(check(&mut seals, TOPIC, &said(10)), Ok(Seal::Repeated));
            assert_eq!(check(&mut seals, TOPIC, &said(KNOWN_MAX + 9)), Ok(Seal::Repeated));
            assert!(is_fresh(&check(&mut seals, TOPIC, &said(KNOWN_MAX + 10))));
        }
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
