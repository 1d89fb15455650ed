//! The packets that a decoder needs to go on from the last key frame, should it be asked to. Pure.

use std::collections::VecDeque;

use crate::camera::Packet;

/// Packets kept since the last key frame, for going on from there: 12 s at 25 frames a second.
pub const BACKLOG_PACKETS_MAX: usize = 300;

/// Bytes of those packets.
pub const BACKLOG_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The packets since the last key frame, and how many of them the decoder has had.
#[derive(Default)]
pub(super) struct Backlog {
    packets: VecDeque<Packet>,
    bytes: usize,
    fed: usize,
    /// Nothing can be decoded until a key frame comes.
    broken: bool,
}

impl Backlog {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Keeps the packet; `false` where it can't be decoded for want of a key frame.
    pub(super) fn push(&mut self, packet: &Packet) -> bool {
        if packet.key {
            self.clear();
        } else if self.broken || self.packets.is_empty() && self.fed == 0 {
            return false;
        }
        let bytes = self.bytes + packet.data.len();
        if self.packets.len() >= BACKLOG_PACKETS_MAX || bytes > BACKLOG_BYTES_MAX {
            return self.push_over_bound(packet);
        }
        self.packets.push_back(packet.clone());
        self.bytes = bytes;
        true
    }

    /// A very long group of pictures: a decoder that has had everything goes on without a backlog;
    /// one that was to catch up can't any more.
    fn push_over_bound(&mut self, packet: &Packet) -> bool {
        if self.fed < self.packets.len() {
            self.packets.clear();
            self.bytes = 0;
            self.broken = true;
            return false;
        }
        self.packets.clear();
        self.packets.push_back(packet.clone());
        self.bytes = packet.data.len();
        self.fed = 0;
        true
    }

    /// The next packet that the decoder has not had, and whether it is the last one.
    pub(super) fn next(&mut self) -> Option<(Packet, bool)> {
        let packet = self.packets.get(self.fed)?.clone();
        self.fed += 1;
        Some((packet, self.fed == self.packets.len()))
    }

    /// The decoder has forgotten everything: it must be fed from the key frame on.
    pub(super) fn rewind(&mut self) {
        if self.packets.front().is_some_and(|packet| packet.key) {
            self.fed = 0;
        } else {
            self.packets.clear();
            self.broken = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::Codec;
    use crate::time::Stamp;

    fn packet(key: bool, number: i64) -> Packet {
        Packet {
            codec: Codec::H264,
            data: vec![0; 100].into(),
            key,
            media_time_us: number,
            received: Stamp::default(),
            lost: 0,
        }
    }

    /// The numbers of what comes out until nothing more does.
    fn rest(backlog: &mut Backlog) -> Vec<i64> {
        std::iter::from_fn(|| backlog.next().map(|(packet, _)| packet.media_time_us)).collect()
    }

    #[test]
    fn backlog_begins_with_a_key_frame_and_gives_each_packet_once() {
        let mut backlog = Backlog::default();
        assert!(!backlog.push(&packet(false, 0)));
        assert!(backlog.push(&packet(true, 1)) && backlog.push(&packet(false, 2)));
        assert_eq!(rest(&mut backlog), [1, 2]);
        backlog.push(&packet(false, 3));
        assert_eq!(
            backlog.next().map(|(packet, last)| (packet.media_time_us, last)),
            Some((3, true))
        );
        backlog.push(&packet(false, 4));
        backlog.push(&packet(true, 5));
        assert_eq!(rest(&mut backlog), [5]);
    }

    #[test]
    fn rewound_backlog_gives_everything_again() {
        let mut backlog = Backlog::default();
        backlog.push(&packet(true, 1));
        backlog.push(&packet(false, 2));
        assert_eq!(rest(&mut backlog), [1, 2]);
        backlog.rewind();
        assert_eq!(rest(&mut backlog), [1, 2]);
    }

    #[test]
    fn backlog_over_its_bound_resumes_only_without_gaps() {
        for fed in [true, false] {
            let mut backlog = Backlog::default();
            backlog.push(&packet(true, 0));
            for number in 1..BACKLOG_PACKETS_MAX as i64 {
                assert!(backlog.push(&packet(false, number)));
            }
            if fed {
                rest(&mut backlog);
            }
            assert_eq!(backlog.push(&packet(false, 1000)), fed);
            assert_eq!(backlog.push(&packet(false, 1001)), fed);
            assert_eq!(rest(&mut backlog), if fed { vec![1000, 1001] } else { vec![] });
            backlog.rewind();
            assert!(!backlog.push(&packet(false, 1002)), "the key frame is gone");
            assert!(backlog.push(&packet(true, 2000)));
        }
    }
}
