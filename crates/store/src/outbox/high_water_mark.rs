//! The highest place that was ever told as durable, in a file of its own: 16 bytes, overwritten
//! in place after each append.
//!
//! sled ends its log at the first message that it can't read, and knows nothing of what stood
//! behind. This file does: where it is ahead of the log, that is what was lost, and the numbering
//! goes on behind it. It is written, not synced, so it costs no time; a power cut may set it back,
//! never ahead.

use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use sha2::Digest as _;
use sha2::Sha256;

use super::Sequence;

const NAME: &str = "mark";
const PLACE: usize = 8;
const BYTES: usize = 16;

/// The open file.
pub(super) struct HighWaterMark(File);

impl HighWaterMark {
    /// Opens, or makes, the mark in `folder`. The place is none where it is new or torn.
    pub(super) fn open(folder: &Path) -> io::Result<(Self, Option<Sequence>)> {
        let path = folder.join(NAME);
        let options =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = options?;
        let mut bytes = [0; BYTES];
        let place = match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => decode(&bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(error) => return Err(error),
        };
        Ok((Self(file), place))
    }

    pub(super) fn set(&self, place: Sequence) -> io::Result<()> {
        self.0.write_all_at(&encode(place), 0)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

fn encode(place: Sequence) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes[..PLACE].copy_from_slice(&place.0.to_be_bytes());
    let digest = Sha256::digest(&bytes[..PLACE]);
    bytes[PLACE..].copy_from_slice(&digest[..BYTES - PLACE]);
    bytes
}

fn decode(bytes: &[u8; BYTES]) -> Option<Sequence> {
    let mut place = [0; PLACE];
    place.copy_from_slice(&bytes[..PLACE]);
    let place = Sequence(u64::from_be_bytes(place));
    (encode(place) == *bytes).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mark_is_read_back_and_torn_mark_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let (high_water_mark, place) = HighWaterMark::open(folder.path()).unwrap();
        assert_eq!(place, None);
        high_water_mark.set(Sequence(7)).unwrap();
        high_water_mark.set(Sequence(1 << 40)).unwrap();
        assert_eq!(HighWaterMark::open(folder.path()).unwrap().1, Some(Sequence(1 << 40)));
        let path = folder.path().join(NAME);
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut torn = whole.clone();
            torn[at] ^= 1;
            std::fs::write(&path, &torn).unwrap();
            assert_eq!(HighWaterMark::open(folder.path()).unwrap().1, None, "byte {at}");
            std::fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(HighWaterMark::open(folder.path()).unwrap().1, None, "cut at {at}");
        }
    }
}
