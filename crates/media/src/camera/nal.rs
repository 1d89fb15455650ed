//! NAL units of an Annex B byte stream: where they begin, and whether decoding can start here.
//!
//! Looks at one or two header bytes of a unit and no further. Input may be hostile: whatever the
//! bytes are, there is an answer and no panic.

use crate::camera::Codec;

/// H.264 slices without (1) and with data partitioning (2..=4), and IDR slices (5).
const H264_SLICES: std::ops::RangeInclusive<u8> = 1..=5;
const H264_IDR: u8 = 5;
const H264_SPS: u8 = 7;
/// H.265 slices; those from 16 on are IRAP: BLA, IDR, CRA and two reserved types.
const H265_SLICES: std::ops::RangeInclusive<u8> = 0..=31;
const H265_IRAP: std::ops::RangeInclusive<u8> = 16..=23;
const H265_SPS: u8 = 33;

/// The NAL units of an Annex B byte stream, without start codes and without the zero bytes that
/// may trail a unit. What stands before the first start code is left out, as are empty units.
pub fn units(annex_b: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(annex_b);
    std::iter::from_fn(move || {
        loop {
            let data = rest?;
            let next = find_start_code(data);
            let unit = &data[..next.unwrap_or(data.len())];
            rest = next.map(|at| &data[at + 3..]);
            // A unit ends in a one bit (or in 3, after cabac_zero_words), so its last byte is
            // not zero: zeros here belong to a 4-byte start code or are padding.
            let length = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            if length > 0 {
                return Some(&unit[..length]);
            }
        }
    })
}

/// Returns whether a decoder can start at this access unit: IDR, and for H.265 every IRAP picture,
/// so also CRA and BLA, of which open groups of pictures consist.
///
/// The first slice decides, so that a long access unit is not searched to its end.
pub fn is_key(codec: Codec, annex_b: &[u8]) -> bool {
    let mut rest = after_start_code(annex_b);
    while let Some(unit) = rest {
        match unit.first().map(|header| unit_type(codec, *header)) {
            Some(kind) if slices(codec).contains(&kind) => {
                return match codec {
                    Codec::H264 => kind == H264_IDR,
                    Codec::H265 => H265_IRAP.contains(&kind),
                };
            }
            _ => rest = after_start_code(unit),
        }
    }
    false
}

/// Returns whether a sequence parameter set stands before the first slice.
pub fn has_parameter_sets(codec: Codec, annex_b: &[u8]) -> bool {
    let sequence_set = match codec {
        Codec::H264 => H264_SPS,
        Codec::H265 => H265_SPS,
    };
    let mut rest = after_start_code(annex_b);
    while let Some(unit) = rest {
        match unit.first().map(|header| unit_type(codec, *header)) {
            Some(kind) if kind == sequence_set => return true,
            Some(kind) if slices(codec).contains(&kind) => return false,
            _ => rest = after_start_code(unit),
        }
    }
    false
}

fn slices(codec: Codec) -> std::ops::RangeInclusive<u8> {
    match codec {
        Codec::H264 => H264_SLICES,
        Codec::H265 => H265_SLICES,
    }
}

/// The unit's type, from the first byte of its header.
fn unit_type(codec: Codec, header: u8) -> u8 {
    match codec {
        Codec::H264 => header & 0x1f,
        Codec::H265 => (header >> 1) & 0x3f,
    }
}

fn after_start_code(data: &[u8]) -> Option<&[u8]> {
    find_start_code(data).map(|at| &data[at + 3..])
}

/// Finds where the next `00 00 01` begins. Looks at every third byte of ordinary data only.
fn find_start_code(data: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match *data.get(at + 2)? {
            0 => at += 1,
            1 if data[at] == 0 && data[at + 1] == 0 => return Some(at),
            _ => at += 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(annex_b: &[u8]) -> Vec<&[u8]> {
        units(annex_b).collect()
    }

    #[test]
    fn start_codes_of_three_and_four_bytes_end_a_unit() {
        let stream = [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 1, 0x65, 4];
        assert_eq!(split(&stream), [&[0x67, 1, 2][..], &[0x68, 3], &[0x65, 4]]);
    }

    #[test]
    fn padding_and_emulation_prevention_are_told_apart() {
        let stream = [9, 9, 0, 0, 1, 0x41, 0, 0, 3, 1, 0, 0, 0, 0, 0, 1, 0x41, 7, 0, 0];
        assert_eq!(split(&stream), [&[0x41, 0, 0, 3, 1][..], &[0x41, 7]]);
    }

    #[test]
    fn no_start_code_no_unit() {
        assert!(split(&[]).is_empty());
        assert!(split(&[0, 0]).is_empty());
        assert!(split(&[0x65; 40]).is_empty());
        assert!(split(&[0, 0, 1]).is_empty());
        assert!(split(&[0, 0, 1, 0, 0, 1, 0, 0, 0, 1]).is_empty());
    }

    #[test]
    fn h264_is_key_at_idr_only() {
        let unit = |kind: u8| vec![0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 1, 0, 0, 1, kind, 0x88];
        assert!(is_key(Codec::H264, &unit(0x65)));
        assert!(!is_key(Codec::H264, &unit(0x41)));
        assert!(!is_key(Codec::H264, &unit(0x06)), "parameter sets and SEI are no picture");
        assert!(!is_key(Codec::H264, &[]));
    }

    #[test]
    fn h265_is_key_at_every_irap_picture() {
        let unit = |kind: u8| vec![0, 0, 0, 1, 32 << 1, 1, 9, 0, 0, 1, kind << 1, 1, 0x88];
        for kind in 0..=31 {
            assert_eq!(is_key(Codec::H265, &unit(kind)), (16..=23).contains(&kind), "{kind}");
        }
        assert!(!is_key(Codec::H265, &unit(39)), "SEI is no picture");
    }

    #[test]
    fn parameter_sets_count_only_before_the_first_slice() {
        let with = [0, 0, 1, 0x67, 1, 0, 0, 1, 0x65, 1];
        let without = [0, 0, 1, 0x65, 1, 0, 0, 1, 0x67, 1];
        assert!(has_parameter_sets(Codec::H264, &with));
        assert!(!has_parameter_sets(Codec::H264, &without));
        assert!(has_parameter_sets(Codec::H265, &[0, 0, 1, 33 << 1, 1, 0, 0, 1, 21 << 1, 1]));
        assert!(!has_parameter_sets(Codec::H265, &[0, 0, 1, 21 << 1, 1]));
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_answer(data in prop::collection::vec(0u8..4, 0..200)) {
            let total: usize = units(&data).map(<[u8]>::len).sum();
            prop_assert!(total <= data.len());
            prop_assert!(units(&data).all(|unit| find_start_code(unit).is_none()));
            is_key(Codec::H264, &data);
            is_key(Codec::H265, &data);
        }

        #[test]
        fn what_was_joined_is_split_again(
            parts in prop::collection::vec(
                (prop::collection::vec(1u8.., 1..40), any::<bool>()), 1..8)
        ) {
            let mut stream = Vec::new();
            for (part, long) in &parts {
                stream.extend_from_slice(if *long { &[0, 0, 0, 1] } else { &[0, 0, 1] });
                stream.extend_from_slice(part);
            }
            let wanted: Vec<&[u8]> = parts.iter().map(|(part, _)| part.as_slice()).collect();
            prop_assert_eq!(split(&stream), wanted);
        }
    }
}
