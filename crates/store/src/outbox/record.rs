//! An entry's bytes on disk. Pure.
//!
//! ```text
//! version u8 │ flags u8 │ wall i64 │ subject length u16 │ subject │ payload │ checksum 8 bytes
//! ```
//!
//! Numbers are big-endian. The checksum is the beginning of a SHA-256 over the sequence and all
//! that stands before it, so that a record can't be mistaken for another one's either.

use std::sync::Arc;

use sha2::Digest as _;
use sha2::Sha256;

use super::Entry;
use super::Sequence;
use crate::time::Wall;

/// Longest subject, bytes.
pub(super) const SUBJECT_BYTES_MAX: usize = 1024;

const VERSION: u8 = 1;
const LIVE: u8 = 1;
const SNAPSHOT: u8 = 2;
const HEAD: usize = 12;
const CHECKSUM: usize = 8;

/// A reason for which bytes are no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RecordError {
    #[error("{0} bytes are too few for a record")]
    Short(usize),
    #[error("the checksum does not fit")]
    Checksum,
    #[error("version {0} of the record is not known")]
    Version(u8),
    #[error("the subject is no text")]
    Subject,
}

/// The bytes of `entry`; its subject fits [`SUBJECT_BYTES_MAX`].
pub(super) fn encode(entry: &Entry) -> Vec<u8> {
    let subject = entry.subject.as_bytes();
    let length = u16::try_from(subject.len()).expect("append refuses longer subjects");
    let flags = if entry.live { LIVE } else { 0 } | if entry.snapshot { SNAPSHOT } else { 0 };
    let mut bytes = Vec::with_capacity(HEAD + subject.len() + entry.payload.len() + CHECKSUM);
    bytes.push(VERSION);
    bytes.push(flags);
    bytes.extend(entry.wall.0.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes.extend(subject);
    bytes.extend(entry.payload.iter());
    bytes.extend(checksum(entry.sequence, &bytes));
    bytes
}

/// The entry of `bytes`, which lay at `sequence`.
pub(super) fn decode(sequence: Sequence, bytes: &[u8]) -> Result<Entry, RecordError> {
    if bytes.len() < HEAD + CHECKSUM {
        return Err(RecordError::Short(bytes.len()));
    }
    let (body, sum) = bytes.split_at(bytes.len() - CHECKSUM);
    if checksum(sequence, body) != *sum {
        return Err(RecordError::Checksum);
    }
    if body[0] != VERSION {
        return Err(RecordError::Version(body[0]));
    }
    let mut wall = [0; 8];
    wall.copy_from_slice(&body[2..10]);
    let length = usize::from(u16::from_be_bytes([body[10], body[11]]));
    let rest = &body[HEAD..];
    let subject = rest.get(..length).ok_or(RecordError::Short(bytes.len()))?;
    Ok(Entry {
        sequence,
        subject: std::str::from_utf8(subject).map_err(|_| RecordError::Subject)?.into(),
        live: body[1] & LIVE != 0,
        wall: Wall(i64::from_be_bytes(wall)),
        payload: Arc::from(&rest[length..]),
        snapshot: body[1] & SNAPSHOT != 0,
    })
}

fn checksum(sequence: Sequence, body: &[u8]) -> [u8; CHECKSUM] {
    let mut hash = Sha256::new();
    hash.update(sequence.0.to_be_bytes());
    hash.update(body);
    let digest = hash.finalize();
    let mut sum = [0; CHECKSUM];
    sum.copy_from_slice(&digest[..CHECKSUM]);
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries() -> impl Strategy<Value = Entry> {
        (
            any::<u64>(),
            "[a-z/0-9ạ-ỹ]{0,40}",
            any::<(bool, bool, i64)>(),
            prop::collection::vec(any::<u8>(), 0..300),
        )
            .prop_map(|(sequence, subject, (live, snapshot, wall), payload)| Entry {
                sequence: Sequence(sequence),
                subject: subject.as_str().into(),
                live,
                wall: Wall(wall),
                payload: payload.into(),
                snapshot,
            })
    }

    proptest! {
        #[test]
        fn records_are_decoded_as_encoded(entry in entries()) {
            prop_assert_eq!(decode(entry.sequence, &encode(&entry)), Ok(entry));
        }

        #[test]
        fn flipped_bits_and_cuts_are_detected(
            entry in entries(), at in any::<prop::sample::Index>(), bit in 0u8..8,
        ) {
            let bytes = encode(&entry);
            let mut flipped = bytes.clone();
            flipped[at.index(bytes.len())] ^= 1 << bit;
            prop_assert!(decode(entry.sequence, &flipped).is_err());
            prop_assert!(decode(entry.sequence, &bytes[..at.index(bytes.len())]).is_err());
        }

        #[test]
        fn record_at_another_sequence_is_detected(entry in entries()) {
            prop_assert_eq!(
                decode(Sequence(entry.sequence.0 ^ 1), &encode(&entry)),
                Err(RecordError::Checksum)
            );
        }

        #[test]
        fn any_bytes_are_refused_without_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            prop_assert!(decode(Sequence(1), &bytes).is_err());
        }
    }
}
