//! RTP and RTCP on the wire: access units to payloads (RFC 6184, RFC 7798), headers, sender
//! reports. Pure.

use crate::camera::Codec;
use crate::camera::nal;
use crate::time::Wall;

/// Bytes of an RTP header without extensions.
pub(super) const HEADER: usize = 12;
/// An RTP packet of this many bytes passes every network that carries cameras.
pub(super) const PACKET_MAX: usize = 1400;
/// Bytes that a payload may have, so that header and payload stay within [`PACKET_MAX`].
pub(super) const PAYLOAD_MAX: usize = PACKET_MAX - HEADER;
/// Dynamic payload type of the video.
pub(super) const PAYLOAD_TYPE: u8 = 96;
/// Ticks a second of RTP timestamps of video.
pub(super) const CLOCK_RATE: u32 = 90_000;

/// Seconds from 1900, where NTP begins, to 1970.
const NTP_TO_UNIX: u64 = 2_208_988_800;

/// The fixed fields of an RTP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Set on the last packet of an access unit.
    pub marker: bool,
    /// Counts packets, and wraps.
    pub sequence: u16,
    /// In ticks of [`CLOCK_RATE`], and wraps.
    pub timestamp: u32,
    /// The source.
    pub ssrc: u32,
}

impl Header {
    /// As it stands on the wire.
    pub(super) fn encode(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[0] = 0x80;
        bytes[1] = PAYLOAD_TYPE | if self.marker { 0x80 } else { 0 };
        bytes[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        bytes
    }
}

/// Microseconds as RTP ticks; wraps, as timestamps do.
pub(super) fn ticks(micros: i64) -> u32 {
    let ticks = (i128::from(micros) * i128::from(CLOCK_RATE) / 1_000_000).rem_euclid(1 << 32);
    u32::try_from(ticks).expect("a remainder of 2^32 is below 2^32")
}

/// Splits an Annex B access unit into payloads of at most `payload_max` bytes: small NAL units
/// are aggregated, large ones fragmented.
pub(super) fn packetise(codec: Codec, access_unit: &[u8], payload_max: usize) -> Vec<Vec<u8>> {
    let header = nal_header(codec);
    let mut payloads = Vec::new();
    let mut group: Vec<&[u8]> = Vec::new();
    let mut group_bytes = header;
    for unit in nal::units(access_unit).filter(|unit| unit.len() >= header) {
        if group_bytes + 2 + unit.len() > payload_max {
            flush(codec, &mut group, &mut payloads);
            group_bytes = header;
        }
        if unit.len() > payload_max {
            fragment(codec, unit, payload_max, &mut payloads);
        } else {
            group_bytes += 2 + unit.len();
            group.push(unit);
        }
    }
    flush(codec, &mut group, &mut payloads);
    payloads
}

/// A sender report and the source's name, as one compound packet (RFC 3550, 6.1).
pub(super) fn sender_report(ssrc: u32, wall: Wall, timestamp: u32, sent: (u32, u32)) -> Vec<u8> {
    let (packets, octets) = sent;
    let micros = u64::try_from(wall.0).unwrap_or(0);
    let seconds = (micros / 1_000_000 + NTP_TO_UNIX) & u64::from(u32::MAX);
    let ntp = (seconds << 32) | (((micros % 1_000_000) << 32) / 1_000_000);
    let mut bytes = vec![0x80, 200, 0, 6];
    bytes.extend_from_slice(&ssrc.to_be_bytes());
    bytes.extend_from_slice(&ntp.to_be_bytes());
    bytes.extend_from_slice(&timestamp.to_be_bytes());
    bytes.extend_from_slice(&packets.to_be_bytes());
    bytes.extend_from_slice(&octets.to_be_bytes());
    bytes.extend_from_slice(&[0x81, 202, 0, 3]);
    bytes.extend_from_slice(&ssrc.to_be_bytes());
    bytes.extend_from_slice(b"\x01\x04keng\0\0");
    bytes
}

fn nal_header(codec: Codec) -> usize {
    match codec {
        Codec::H264 => 1,
        Codec::H265 => 2,
    }
}

fn flush(codec: Codec, group: &mut Vec<&[u8]>, payloads: &mut Vec<Vec<u8>>) {
    match group.as_slice() {
        [] => {}
        [one] => payloads.push(one.to_vec()),
        many => payloads.push(aggregate(codec, many)),
    }
    group.clear();
}

/// STAP-A of H.264, AP of H.265.
fn aggregate(codec: Codec, units: &[&[u8]]) -> Vec<u8> {
    let mut payload = match codec {
        Codec::H264 => {
            let importance = units.iter().map(|unit| unit[0] & 0x60).max().unwrap_or(0);
            vec![importance | 24]
        }
        Codec::H265 => {
            let layer = units.iter().map(|unit| layer_id(unit)).min().unwrap_or(0);
            let temporal = units.iter().map(|unit| unit[1] & 0x07).min().unwrap_or(1);
            vec![(48 << 1) | (layer >> 5), (layer << 3) | temporal]
        }
    };
    for unit in units {
        let length = u16::try_from(unit.len()).expect("a unit here fits into one packet");
        payload.extend_from_slice(&length.to_be_bytes());
        payload.extend_from_slice(unit);
    }
    payload
}

fn layer_id(unit: &[u8]) -> u8 {
    ((unit[0] & 1) << 5) | (unit[1] >> 3)
}

/// FU-A of H.264, FU of H.265.
fn fragment(codec: Codec, unit: &[u8], payload_max: usize, payloads: &mut Vec<Vec<u8>>) {
    let header = nal_header(codec);
    let (prefix, kind) = match codec {
        Codec::H264 => (vec![(unit[0] & 0xe0) | 28], unit[0] & 0x1f),
        Codec::H265 => (vec![(unit[0] & 0x81) | (49 << 1), unit[1]], (unit[0] >> 1) & 0x3f),
    };
    let body = &unit[header..];
    let step = payload_max - header - 1;
    let last = body.len().div_ceil(step).saturating_sub(1);
    for (index, chunk) in body.chunks(step).enumerate() {
        let start = if index == 0 { 0x80 } else { 0 };
        let end = if index == last { 0x40 } else { 0 };
        let mut payload = Vec::with_capacity(header + 1 + chunk.len());
        payload.extend_from_slice(&prefix);
        payload.push(start | end | kind);
        payload.extend_from_slice(chunk);
        payloads.push(payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The NAL units that a receiver gets back; written from the RFCs, not from the code above.
    fn depacketise(codec: Codec, payloads: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut units: Vec<Vec<u8>> = Vec::new();
        for payload in payloads {
            let (kind, header) = match codec {
                Codec::H264 => (payload[0] & 0x1f, 1),
                Codec::H265 => ((payload[0] >> 1) & 0x3f, 2),
            };
            match (codec, kind) {
                (Codec::H264, 24) | (Codec::H265, 48) => {
                    let mut rest = &payload[header..];
                    while !rest.is_empty() {
                        let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
                        units.push(rest[2..2 + length].to_vec());
                        rest = &rest[2 + length..];
                    }
                }
                (Codec::H264, 28) | (Codec::H265, 49) => {
                    let fragment = payload[header];
                    if fragment & 0x80 != 0 {
                        units.push(match codec {
                            Codec::H264 => vec![(payload[0] & 0xe0) | (fragment & 0x1f)],
                            Codec::H265 => {
                                vec![(payload[0] & 0x81) | ((fragment & 0x3f) << 1), payload[1]]
                            }
                        });
                    }
                    let unit = units.last_mut().expect("a fragment follows its start");
                    unit.extend_from_slice(&payload[header + 1..]);
                }
                _ => units.push(payload.clone()),
            }
        }
        units
    }

    /// Without zeros, so that no start code and no padding is among the bytes.
    fn unit(codec: Codec, kind: u8, length: usize) -> Vec<u8> {
        let mut bytes = match codec {
            Codec::H264 => vec![0x60 | kind],
            Codec::H265 => vec![kind << 1, 1],
        };
        bytes.extend((0..length).map(|at| u8::try_from(at % 255).unwrap() + 1));
        bytes
    }

    fn check(codec: Codec, units: &[Vec<u8>], payload_max: usize) {
        let stream: Vec<u8> =
            units.iter().flat_map(|unit| [&[0, 0, 0, 1], unit.as_slice()].concat()).collect();
        let payloads = packetise(codec, &stream, payload_max);
        assert!(payloads.iter().all(|payload| payload.len() <= payload_max));
        assert_eq!(depacketise(codec, &payloads), units);
    }

    #[test]
    fn parameter_sets_travel_together_and_a_large_slice_in_pieces() {
        let sets = [unit(Codec::H264, 7, 20), unit(Codec::H264, 8, 4), unit(Codec::H264, 5, 5000)];
        check(Codec::H264, &sets, PAYLOAD_MAX);
        let stream = [&[0, 0, 1], sets[0].as_slice(), &[0, 0, 1], &sets[1]].concat();
        let payloads = packetise(Codec::H264, &stream, PAYLOAD_MAX);
        assert_eq!(payloads.len(), 1);
        assert_eq!(payloads[0][0], 0x60 | 24);
    }

    #[test]
    fn an_h265_unit_of_one_byte_is_left_out() {
        assert!(packetise(Codec::H265, &[0, 0, 1, 0x40], PAYLOAD_MAX).is_empty());
    }

    #[test]
    fn header_matches_the_rfc() {
        let header = Header { marker: true, sequence: 0x0102, timestamp: 0x0304_0506, ssrc: 7 };
        assert_eq!(header.encode(), [0x80, 0xe0, 1, 2, 3, 4, 5, 6, 0, 0, 0, 7]);
    }

    #[test]
    fn a_sender_report_tells_wall_time_as_ntp() {
        let report = sender_report(9, Wall(500_000), 90_000, (3, 400));
        assert_eq!(report.len(), 28 + 16);
        assert_eq!(report[8..12], 2_208_988_800_u32.to_be_bytes());
        assert_eq!(report[12..16], 0x8000_0000_u32.to_be_bytes());
        assert_eq!(report[16..20], 90_000_u32.to_be_bytes());
    }

    #[test]
    fn ticks_wrap_and_go_below_zero() {
        assert_eq!(ticks(1_000_000), 90_000);
        assert_eq!(ticks(-1_000_000), 0_u32.wrapping_sub(90_000));
        assert_eq!(ticks(i64::MAX), ticks(i64::MAX));
    }

    proptest! {
        #[test]
        fn packetised_units_are_reassembled(
            lengths in proptest::collection::vec(0_usize..4000, 1..8),
            h265: bool,
            payload_max in 64_usize..PAYLOAD_MAX,
        ) {
            let codec = if h265 { Codec::H265 } else { Codec::H264 };
            let units: Vec<_> = lengths.iter().map(|length| unit(codec, 1, *length)).collect();
            check(codec, &units, payload_max);
        }

        #[test]
        fn no_bytes_cause_a_panic(bytes: Vec<u8>, h265: bool) {
            let codec = if h265 { Codec::H265 } else { Codec::H264 };
            packetise(codec, &bytes, PAYLOAD_MAX);
        }
    }
}
