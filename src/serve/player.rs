//! A clip cut into RTP payloads once, and one client's way through it. Pure.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

use crate::camera::Codec;
use crate::frame::clip::Clip;
use crate::frame::clip::ParameterSets;
use crate::serve::fault::Fault;
use crate::serve::rtp;

/// So that no clip, however short it says it is, makes a loop that burns a core.
const PERIOD_MIN_US: u64 = 10_000;

/// A clip cut into RTP payloads, shared by all its clients.
#[derive(Debug)]
pub(super) struct Reel {
    /// What it is encoded with.
    pub codec: Codec,
    /// Access units a second.
    pub frame_rate: f64,
    /// Of its first key frame.
    pub sets: ParameterSets,
    units: Vec<Unit>,
    payloads: Vec<Range<usize>>,
    bytes: Vec<u8>,
    period_us: u64,
}

#[derive(Debug)]
struct Unit {
    /// When it is sent, from the reel's start.
    due_us: u64,
    /// When it is shown, from the reel's start.
    shown_us: i64,
    payloads: Range<usize>,
}

impl Reel {
    /// Cuts a clip.
    pub(super) fn new(clip: &Clip) -> Self {
        let start = clip.packets.first().map_or(0, |packet| packet.dts_us);
        let (mut units, mut payloads, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
        for packet in &clip.packets {
            let first = payloads.len();
            for payload in rtp::packetise(clip.codec, &packet.data, rtp::PAYLOAD_MAX) {
                let from = bytes.len();
                bytes.extend_from_slice(&payload);
                payloads.push(from..bytes.len());
            }
            units.push(Unit {
                due_us: u64::try_from(packet.dts_us.saturating_sub(start)).unwrap_or(0),
                shown_us: packet.pts_us.saturating_sub(start),
                payloads: first..payloads.len(),
            });
        }
        let period_us = u64::try_from(clip.duration().as_micros()).unwrap_or(u64::MAX);
        Self {
            codec: clip.codec,
            frame_rate: clip.frame_rate,
            sets: clip.parameter_sets.clone(),
            units,
            payloads,
            bytes,
            period_us: period_us.max(PERIOD_MIN_US),
        }
    }
}

/// One client's RTP stream: which access unit comes next, when, and under what numbers.
#[derive(Debug)]
pub(super) struct Player {
    reels: Vec<Arc<Reel>>,
    reel: usize,
    unit: usize,
    /// When the running reel's first unit is due, from PLAY. Below zero where one joins in later.
    base_us: i64,
    slowdown: f64,
    drop: f64,
    corrupt: f64,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    sent: (u32, u32),
    rng: StdRng,
}

impl Player {
    /// Starts `offset` into the first reel, as one joins a camera that has been running: also
    /// between key frames. `reels` holds one at least, and each has a unit at least.
    pub(super) fn new(
        reels: Vec<Arc<Reel>>,
        offset: Duration,
        fault: &Fault,
        mut rng: StdRng,
    ) -> Self {
        let reels = if fault.resolution_switch { reels } else { reels[..1].to_vec() };
        let first = &reels[0];
        let offset = u64::try_from(offset.as_micros()).unwrap_or(u64::MAX) % first.period_us;
        let unit = first.units.partition_point(|unit| unit.due_us < offset) % first.units.len();
        let base_us = 0_i64.saturating_sub_unsigned(first.units[unit].due_us);
        Self {
            reels,
            reel: 0,
            unit,
            base_us,
            slowdown: fault.fps_lie.unwrap_or(1.0),
            drop: fault.drop,
            corrupt: fault.corrupt,
            sequence: rng.random(),
            timestamp: rng.random(),
            ssrc: rng.random(),
            sent: (0, 0),
            rng,
        }
    }

    /// The stream's source.
    pub(super) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The next packet's sequence number.
    pub(super) fn sequence(&self) -> u16 {
        self.sequence
    }

    /// RTP packets and payload bytes sent so far.
    pub(super) fn sent(&self) -> (u32, u32) {
        self.sent
    }

    /// When the next access unit is to be sent, from PLAY.
    pub(super) fn due(&self) -> Duration {
        let due = self.base_us.saturating_add_unsigned(self.current().due_us);
        Duration::from_micros(u64::try_from(due).unwrap_or(0))
    }

    /// The next access unit's RTP timestamp.
    pub(super) fn timestamp(&self) -> u32 {
        self.timestamp_at(self.base_us.saturating_add(self.current().shown_us))
    }

    /// The RTP timestamp of a moment after PLAY.
    pub(super) fn timestamp_at(&self, micros: i64) -> u32 {
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a lie")]
        let told =
            if self.slowdown == 1.0 { micros } else { (micros as f64 / self.slowdown) as i64 };
        self.timestamp.wrapping_add(rtp::ticks(told))
    }

    /// Gives the packets of the next access unit to `put`, header and payload, and goes on.
    pub(super) fn advance(&mut self, mut put: impl FnMut([u8; rtp::HEADER], &[u8])) {
        let timestamp = self.timestamp();
        let reel = Arc::clone(&self.reels[self.reel]);
        let unit = &reel.units[self.unit];
        for index in unit.payloads.clone() {
            let payload = &reel.bytes[reel.payloads[index].clone()];
            let header = rtp::Header {
                marker: index + 1 == unit.payloads.end,
                sequence: self.sequence,
                timestamp,
                ssrc: self.ssrc,
            };
            self.sequence = self.sequence.wrapping_add(1);
            let octets = u32::try_from(payload.len()).expect("a payload fits into a packet");
            self.sent = (self.sent.0.wrapping_add(1), self.sent.1.wrapping_add(octets));
            if self.drop > 0.0 && self.rng.random_bool(self.drop) {
                continue;
            }
            if self.corrupt > 0.0 && self.rng.random_bool(self.corrupt) {
                let mut wrong = payload.to_vec();
                let at = self.rng.random_range(0..wrong.len());
                wrong[at] ^= self.rng.random_range(1..=255_u8);
                put(header.encode(), &wrong);
            } else {
                put(header.encode(), payload);
            }
        }
        self.unit += 1;
        if self.unit == reel.units.len() {
            self.unit = 0;
            self.base_us = self.base_us.saturating_add_unsigned(reel.period_us);
            self.reel = (self.reel + 1) % self.reels.len();
        }
    }

    fn current(&self) -> &Unit {
        &self.reels[self.reel].units[self.unit]
    }
}
