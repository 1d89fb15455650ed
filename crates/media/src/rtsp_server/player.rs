//! A clip cut into RTP payloads once, and one client's way through it. Pure.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

use crate::camera::Codec;
use crate::frame::clip::Clip;
use crate::frame::clip::ParameterSets;
use crate::rtsp_server::fault::InjectedFault;
use crate::rtsp_server::rtp;

/// So that no clip, however short it says it is, makes a loop that burns a core.
const PERIOD_MIN_US: u64 = 10_000;

/// A clip cut into RTP payloads, shared by all its clients.
#[derive(Debug)]
pub(super) struct Reel {
    /// The codec that it is encoded with.
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
    /// The time at which it is sent, from the reel's start.
    due_us: u64,
    /// The time at which it is shown, from the reel's start.
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
    /// The time at which the running reel's first unit is due, from PLAY. Below zero where one
    /// joins in later.
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
        fault: &InjectedFault,
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

    /// Returns the time at which the next access unit is to be sent, from PLAY.
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
    pub(super) fn advance(&mut self, mut append_packet: impl FnMut([u8; rtp::HEADER], &[u8])) {
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
                append_packet(header.encode(), &wrong);
            } else {
                append_packet(header.encode(), payload);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Size;
    use crate::frame::clip::ClipPacket;
    use rand::SeedableRng;

    /// Four access units at 10/s, the second half a group of pictures of its own; shown 100 ms
    /// after they are decoded, as with B frames.
    fn reel() -> Arc<Reel> {
        let packets = (0..4)
            .map(|at| ClipPacket {
                data: [&[0, 0, 1, if at % 2 == 0 { 0x65 } else { 0x41 }], &[7; 3000][..]]
                    .concat()
                    .into(),
                key: at % 2 == 0,
                pts_us: at * 100_000,
                dts_us: at * 100_000 - 100_000,
                duration_us: 100_000,
            })
            .collect();
        Arc::new(Reel::new(&Clip {
            path: "synthetic".into(),
            codec: Codec::H264,
            size: Size { width: 16, height: 16 },
            frame_rate: 10.0,
            parameter_sets: ParameterSets::default(),
            packets,
            damaged: 0,
        }))
    }

    fn player(offset_ms: u64, fault: &str) -> Player {
        let rng = StdRng::seed_from_u64(1);
        let fault = fault.parse().unwrap();
        Player::new(vec![reel()], Duration::from_millis(offset_ms), &fault, rng)
    }

    /// Due time in ms, ticks since the start, and the packets' headers and payloads.
    type Step = (u128, u32, Vec<([u8; rtp::HEADER], Vec<u8>)>);

    fn steps(player: &mut Player, count: usize) -> Vec<Step> {
        let start = player.timestamp();
        let mut step = || {
            let (due, timestamp) = (player.due().as_millis(), player.timestamp());
            let mut packets = Vec::new();
            player.advance(|header, payload| packets.push((header, payload.to_vec())));
            (due, timestamp.wrapping_sub(start), packets)
        };
        (0..count).map(|_| step()).collect()
    }

    #[test]
    fn time_and_sequence_continue_over_the_loop() {
        let mut player = player(0, "");
        let first = player.sequence();
        let steps = steps(&mut player, 9);
        for (at, (due, ticks, packets)) in (0_u32..).zip(&steps) {
            assert_eq!((*due, *ticks), (u128::from(at) * 100, at * 9_000));
            let markers: Vec<bool> = packets.iter().map(|(h, _)| h[1] & 0x80 != 0).collect();
            assert_eq!(markers, [false, false, true]);
        }
        let sequences = steps.iter().flat_map(|(_, _, packets)| packets);
        for (expected, (header, _)) in (0_u16..).zip(sequences) {
            let sequence = u16::from_be_bytes([header[2], header[3]]);
            assert_eq!(sequence, first.wrapping_add(expected));
        }
        assert_eq!(player.sent().0, 27);
    }

    #[test]
    fn an_offset_joins_in_the_middle_at_once() {
        let mut player = player(150, "");
        let steps = steps(&mut player, 3);
        assert_eq!(steps[0].0, 0);
        assert_eq!(steps[2].0, 200);
        let fragment_of_key = steps[0].2[0].1[1] & 0x1f;
        assert_eq!(fragment_of_key, 5);
    }

    #[test]
    fn dropped_packets_still_advance_the_sequence() {
        let mut player = player(0, "drop=1");
        let first = player.sequence();
        assert!(steps(&mut player, 2).iter().all(|(_, _, packets)| packets.is_empty()));
        assert_eq!(player.sequence(), first.wrapping_add(6));
    }

    #[test]
    fn one_byte_of_a_corrupt_packet_is_wrong() {
        let right = steps(&mut player(0, ""), 1);
        let wrong = steps(&mut player(0, "corrupt=1"), 1);
        for ((_, right), (_, wrong)) in right[0].2.iter().zip(&wrong[0].2) {
            let differ = right.iter().zip(wrong).filter(|(a, b)| a != b).count();
            assert_eq!(differ, 1);
        }
    }

    #[test]
    fn claimed_rate_does_not_change_the_sending_rate() {
        let steps = steps(&mut player(0, "fps-lie=2"), 2);
        assert_eq!((steps[1].0, steps[1].1), (100, 4_500));
    }

    #[test]
    fn clips_alternate_only_when_told() {
        for (fault, expected) in [("", 0), ("resolution-switch", 1)] {
            let rng = StdRng::seed_from_u64(1);
            let fault = fault.parse().unwrap();
            let mut player = Player::new(vec![reel(), reel()], Duration::ZERO, &fault, rng);
            steps(&mut player, 4);
            assert_eq!(player.reel, expected);
        }
    }
}
