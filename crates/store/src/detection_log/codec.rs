//! A segment's bytes. Pure.
//!
//! ```text
//! segment: "kengdet" │ version u8 │ block…
//! block:   mark 4 bytes │ length u32 │ payload │ checksum 8 bytes
//! payload: run │ mono │ wall │ names │ record…
//! record:  head │ mono, as a difference │ [wall, as a difference] │ body
//! ```
//!
//! Numbers are of variable length but where their width is written. The checksum is the beginning
//! of a SHA-256 over length and payload. After damage, reading goes on at the next mark whose block
//! is whole. A record's head is the camera's number in the segment (from 1; 0: no frame), times 4,
//! plus 2 where wall time has moved against monotonic time, plus 1 where the frame shows something;
//! so a frame without detections takes 3 to 5 bytes. A block tells the cameras that are new, and
//! every sixteenth all of them: numbers are never used twice in a segment, so that after damage
//! frames may be lost, but never given to the wrong camera.

use std::collections::BTreeMap;
use std::time::Duration;

use sha2::Digest as _;
use sha2::Sha256;

use super::bytes::{Reader, put_signed, put_text, put_unsigned};
use super::{BOX_STEPS, CONFIDENCE_STEPS, DETECTIONS_MAX, share, steps};
use super::{DaemonRun, LoggedInput, PatrolNotice, StoredVerdict};
use crate::detection::Class;
use crate::detection::Detection;
use crate::geometry::BoundingBox;
use crate::incident::{IncidentId, IncidentState, Kind};
use crate::pipeline::FrameResult;
use crate::time::{Mono, Stamp, Wall};
use crate::ward::Id;

/// The bytes that a segment begins with: its form and version.
pub(super) const HEADER: [u8; 8] = *b"kengdet\x01";

const MARK: [u8; 4] = [0xd1, 0xa7, 0x9e, 0x5b];
const LENGTH: usize = 4;
const CHECKSUM: usize = 8;
/// No block is longer.
const BLOCK_BYTES_MAX: usize = 4 << 20;
/// Every so many blocks tell all cameras.
const NAMES_EVERY: u64 = 16;
/// Wall time that has moved less against monotonic time has not moved.
const WALL_STEP_US: u64 = 1_000;

const SHOWS_SOMETHING: u64 = 1;
const WALL_MOVED: u64 = 2;
const CAMERA: u64 = 4;
const VERDICT: u8 = 1;
const PATROL: u8 = 2;
const ON_SCENE: u8 = 1;
const EXERCISE: u8 = 2;
/// Bytes of one detection: class and confidence, four corners.
const DETECTION: usize = 10;
/// The class stands above a confidence's 14 bits.
const CONFIDENCE_BITS: u32 = 14;

/// The parts of the log that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Damage {
    /// Places in the middle of files.
    pub places: u64,
    /// Bytes there.
    pub bytes: u64,
    /// Frames whose camera is not known, since the block that named it is damaged.
    pub nameless: u64,
    /// Bytes at files' ends: of a block that a crash, or the reading itself, cut off.
    pub torn: u64,
}

impl Damage {
    /// Adds what is lost elsewhere.
    pub(super) fn add(&mut self, other: Self) {
        self.places += other.places;
        self.bytes += other.bytes;
        self.nameless += other.nameless;
        self.torn += other.torn;
    }
}

/// Makes the blocks of one segment, in order.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    numbers: BTreeMap<Id, u64>,
    names: Vec<Id>,
    named: usize,
    blocks: u64,
}

impl Encoder {
    /// A block of these records; `None` where there are none.
    pub(super) fn block(&mut self, run: DaemonRun, records: &[LoggedInput]) -> Option<Vec<u8>> {
        let base = records.first()?.at();
        for record in records {
            if let LoggedInput::Frame(frame) = record
                && !self.numbers.contains_key(&frame.camera)
            {
                self.names.push(frame.camera.clone());
                self.numbers.insert(frame.camera.clone(), self.names.len() as u64);
            }
        }
        if self.blocks.is_multiple_of(NAMES_EVERY) {
            self.named = 0;
        }
        let mut block = MARK.to_vec();
        block.extend([0; LENGTH]);
        put_unsigned(&mut block, run.0);
        put_unsigned(&mut block, base.mono.0);
        put_signed(&mut block, base.wall.0);
        put_unsigned(&mut block, self.named as u64);
        put_unsigned(&mut block, (self.names.len() - self.named) as u64);
        for name in &self.names[self.named..] {
            put_text(&mut block, name.as_str());
        }
        let mut clocks = LastClocks::at(base);
        for record in records {
            self.record(&mut block, record, &mut clocks);
        }
        let payload = block.len() - MARK.len() - LENGTH;
        let length = u32::try_from(payload).ok().filter(|_| payload <= BLOCK_BYTES_MAX)?;
        block[MARK.len()..][..LENGTH].copy_from_slice(&length.to_le_bytes());
        let sum = checksum(&block[MARK.len()..]);
        block.extend(sum);
        self.named = self.names.len();
        self.blocks += 1;
        Some(block)
    }

    fn record(&self, block: &mut Vec<u8>, record: &LoggedInput, clocks: &mut LastClocks) {
        let camera = match record {
            LoggedInput::Frame(frame) => self.numbers.get(&frame.camera).copied().unwrap_or(0),
            LoggedInput::Verdict(_) | LoggedInput::Patrol(_) => 0,
        };
        let shows = matches!(record, LoggedInput::Frame(frame) if !frame.detections.is_empty());
        let (mono, wall) = clocks.moved_to(record.at());
        let moved = if wall == 0 { 0 } else { WALL_MOVED };
        let head = camera * CAMERA + moved + if shows { SHOWS_SOMETHING } else { 0 };
        put_unsigned(block, head);
        put_signed(block, mono);
        if wall != 0 {
            put_signed(block, wall);
        }
        match record {
            LoggedInput::Frame(frame) if shows => put_detections(block, &frame.detections),
            LoggedInput::Frame(_) => {}
            LoggedInput::Verdict(verdict) => put_verdict(block, verdict),
            LoggedInput::Patrol(patrol) => put_patrol(block, patrol),
        }
    }
}

/// Both clocks as the record before has left them.
struct LastClocks {
    mono: u64,
    /// Wall time less monotonic time.
    ahead: i64,
}

impl LastClocks {
    fn at(stamp: Stamp) -> Self {
        Self { mono: stamp.mono.0, ahead: ahead(stamp) }
    }

    /// Returns how far monotonic time has gone, and by how much wall time has moved against it.
    fn moved_to(&mut self, at: Stamp) -> (i64, i64) {
        let mono = at.mono.0.wrapping_sub(self.mono).cast_signed();
        self.mono = at.mono.0;
        let wall = ahead(at).wrapping_sub(self.ahead);
        if wall.unsigned_abs() < WALL_STEP_US {
            return (mono, 0);
        }
        self.ahead = ahead(at);
        (mono, wall)
    }

    fn moved_by(&mut self, mono: i64, wall: i64) -> Stamp {
        self.mono = self.mono.wrapping_add_signed(mono);
        self.ahead = self.ahead.wrapping_add(wall);
        Stamp {
            mono: Mono(self.mono),
            wall: Wall(self.mono.cast_signed().wrapping_add(self.ahead)),
        }
    }
}

fn ahead(stamp: Stamp) -> i64 {
    stamp.wall.0.wrapping_sub(stamp.mono.0.cast_signed())
}

fn put_detections(block: &mut Vec<u8>, detections: &[Detection]) {
    let kept = &detections[..detections.len().min(DETECTIONS_MAX)];
    put_unsigned(block, kept.len() as u64);
    for Detection { class, confidence, bbox, .. } in kept {
        let class = match class {
            Class::Fire => 0u16,
            Class::Smoke => 1,
            Class::Person => 2,
        };
        let confidence = steps(*confidence, CONFIDENCE_STEPS);
        block.extend((class << CONFIDENCE_BITS | confidence).to_le_bytes());
        for side in [bbox.x0, bbox.y0, bbox.x1, bbox.y1] {
            block.extend(steps(side, BOX_STEPS).to_le_bytes());
        }
    }
}

fn put_verdict(block: &mut Vec<u8>, verdict: &StoredVerdict) {
    let place = |found: Option<usize>| u8::try_from(found.unwrap_or(0)).unwrap_or(0);
    block.push(VERDICT);
    put_text(block, verdict.incident.as_str());
    put_text(block, verdict.khu_pho.as_str());
    block.push(verdict.kind.facts().log_number);
    block.push(place(IncidentState::ALL.iter().position(|state| *state == verdict.state)));
    let on_scene = if verdict.on_scene { ON_SCENE } else { 0 };
    block.push(on_scene | if verdict.exercise { EXERCISE } else { 0 });
    put_signed(block, verdict.opened_at.0);
    put_unsigned(block, verdict.cameras.len() as u64);
    for camera in &verdict.cameras {
        put_text(block, camera.as_str());
    }
}

fn put_patrol(block: &mut Vec<u8>, patrol: &PatrolNotice) {
    block.push(PATROL);
    put_text(block, patrol.khu_pho.as_str());
    put_unsigned(block, u64::try_from(patrol.lasts.as_millis()).unwrap_or(u64::MAX));
    block.push(u8::from(patrol.zone.is_some()));
    put_text(block, patrol.zone.as_deref().unwrap_or_default());
}

/// Reads a whole segment, and tells what of it can't be read.
pub(super) fn decode(bytes: &[u8], take: &mut dyn FnMut(DaemonRun, LoggedInput)) -> Damage {
    let mut damage = Damage::default();
    let (form, version) = HEADER.split_at(HEADER.len() - 1);
    if bytes.starts_with(form) && bytes.get(form.len()).is_some_and(|v| [*v] != version) {
        return Damage { places: 1, bytes: bytes.len() as u64, ..damage };
    }
    let mut names = Vec::new();
    let mut at = if bytes.starts_with(&HEADER) { HEADER.len() } else { 0 };
    let mut lost = 0;
    while at < bytes.len() {
        let Some((payload, length)) = block_at(&bytes[at..]) else {
            let next = bytes[at + 1..].windows(MARK.len()).position(|four| four == MARK);
            let step = next.map_or(bytes.len() - at, |next| next + 1);
            (at, lost) = (at + step, lost + step as u64);
            continue;
        };
        if records(payload, &mut names, &mut damage.nameless, take).is_none() {
            lost += length as u64;
        } else if lost > 0 {
            damage.places += 1;
            damage.bytes += std::mem::take(&mut lost);
        }
        at += length;
    }
    damage.torn = lost;
    damage
}

/// The payload of the whole block that `bytes` begin with, and how long the block is.
fn block_at(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let rest = bytes.strip_prefix(&MARK)?;
    let length = rest.first_chunk::<LENGTH>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    if length > BLOCK_BYTES_MAX {
        return None;
    }
    let (sound, rest) = rest.split_at_checked(LENGTH + length)?;
    let whole = rest.get(..CHECKSUM)? == checksum(sound);
    whole.then_some((&sound[LENGTH..], MARK.len() + LENGTH + length + CHECKSUM))
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let digest = Sha256::digest(bytes);
    let mut sum = [0; CHECKSUM];
    sum.copy_from_slice(&digest[..CHECKSUM]);
    sum
}

/// `None` where a block that is whole makes no sense: what stands before is taken all the same.
fn records(
    payload: &[u8],
    names: &mut Vec<Option<Id>>,
    nameless: &mut u64,
    take: &mut dyn FnMut(DaemonRun, LoggedInput),
) -> Option<()> {
    let mut reader = Reader(payload);
    let run = DaemonRun(reader.unsigned()?);
    let (mono, wall) = (Mono(reader.unsigned()?), Wall(reader.signed()?));
    let first = usize::try_from(reader.unsigned()?).ok()?;
    let count = reader.count(1)?;
    // A block before may be lost, but no block names more than it has bytes.
    if first > BLOCK_BYTES_MAX {
        return None;
    }
    names.resize(names.len().max(first + count), None);
    for name in &mut names[first..first + count] {
        *name = Some(Id::new(reader.text()?).ok()?);
    }
    let mut clocks = LastClocks::at(Stamp { mono, wall });
    while !reader.is_empty() {
        let head = reader.unsigned()?;
        let mono = reader.signed()?;
        let wall = if head & WALL_MOVED == 0 { 0 } else { reader.signed()? };
        let at = clocks.moved_by(mono, wall);
        let Some(camera) = (head / CAMERA).checked_sub(1) else {
            take(run, other(&mut reader, at)?);
            continue;
        };
        let detections = match head & SHOWS_SOMETHING {
            0 => Vec::new(),
            _ => detections(&mut reader)?,
        };
        let known = usize::try_from(camera).ok().and_then(|camera| names.get(camera));
        match known.cloned().flatten() {
            Some(camera) => take(run, LoggedInput::Frame(FrameResult { camera, at, detections })),
            None => *nameless += 1,
        }
    }
    Some(())
}

fn detections(reader: &mut Reader<'_>) -> Option<Vec<Detection>> {
    let count = reader.count(DETECTION).filter(|count| *count <= DETECTIONS_MAX)?;
    let one = |_| {
        let (packed, mut side) = (reader.u16()?, || reader.u16());
        let (x0, y0, x1, y1) = (side()?, side()?, side()?, side()?);
        let class = match packed >> CONFIDENCE_BITS {
            0 => Class::Fire,
            1 => Class::Smoke,
            2 => Class::Person,
            _ => return None,
        };
        let confidence = share(packed & ((1 << CONFIDENCE_BITS) - 1), CONFIDENCE_STEPS).min(1.0);
        let [x0, y0, x1, y1] = [x0, y0, x1, y1].map(|side| share(side, BOX_STEPS));
        let bbox = BoundingBox::new(x0, y0, x1, y1);
        Some(Detection { class, confidence, bbox, appearance: None })
    };
    (0..count).map(one).collect()
}

fn other(reader: &mut Reader<'_>, at: Stamp) -> Option<LoggedInput> {
    match reader.byte()? {
        VERDICT => verdict(reader, at).map(LoggedInput::Verdict),
        PATROL => patrol(reader, at).map(LoggedInput::Patrol),
        _ => None,
    }
}

fn verdict(reader: &mut Reader<'_>, at: Stamp) -> Option<StoredVerdict> {
    let incident = IncidentId::parse(reader.text()?)?;
    let khu_pho = Id::new(reader.text()?).ok()?;
    let kind = Kind::of_log_number(reader.byte()?)?;
    let state = *IncidentState::ALL.get(usize::from(reader.byte()?))?;
    let flags = reader.byte()?;
    let opened_at = Wall(reader.signed()?);
    let count = reader.count(1)?;
    let cameras: Option<Vec<Id>> = (0..count).map(|_| Id::new(reader.text()?).ok()).collect();
    Some(StoredVerdict {
        at,
        incident,
        khu_pho,
        kind,
        state,
        on_scene: flags & ON_SCENE != 0,
        exercise: flags & EXERCISE != 0,
        opened_at,
        cameras: cameras?,
    })
}

fn patrol(reader: &mut Reader<'_>, at: Stamp) -> Option<PatrolNotice> {
    let khu_pho = Id::new(reader.text()?).ok()?;
    let lasts = Duration::from_millis(reader.unsigned()?);
    let whole = reader.byte()? == 0;
    let zone = Some(reader.text()?.to_owned()).filter(|_| !whole);
    Some(PatrolNotice { at, khu_pho, lasts, zone })
}
