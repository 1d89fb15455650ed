//! Numbers and texts as bytes: variable-length integers of seven bits a byte, as Protocol Buffers
//! have them, signed ones zigzag.

/// Takes bytes off the front; `None` where they end too soon or mean nothing.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.bytes(1).map(|bytes| bytes[0])
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.bytes(2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    pub(super) fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        let zigzag = self.unsigned()?;
        Some((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
    }

    /// Reads the number of things that follow, of at least `bytes_each`.
    pub(super) fn count(&mut self, bytes_each: usize) -> Option<usize> {
        let count = usize::try_from(self.unsigned()?).ok()?;
        (count <= self.0.len() / bytes_each).then_some(count)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let length = self.count(1)?;
        std::str::from_utf8(self.bytes(length)?).ok()
    }
}

pub(super) fn put_unsigned(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push(u8::try_from(value & 0x7f).unwrap_or(0x7f) | 0x80);
        value >>= 7;
    }
    into.push(u8::try_from(value).unwrap_or(0x7f));
}

pub(super) fn put_signed(into: &mut Vec<u8>, value: i64) {
    put_unsigned(into, (value << 1 ^ value >> 63).cast_unsigned());
}

pub(super) fn put_text(into: &mut Vec<u8>, text: &str) {
    put_unsigned(into, text.len() as u64);
    into.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_and_texts_round_trip(
            unsigned: u64, signed: i64, text in "[a-zạ-ỹ]{0,9}", shift in 0u32..64,
        ) {
            let (unsigned, signed) = (unsigned >> shift, signed >> shift);
            let mut bytes = Vec::new();
            put_unsigned(&mut bytes, unsigned);
            put_signed(&mut bytes, signed);
            put_text(&mut bytes, &text);
            let mut reader = Reader(&bytes);
            prop_assert_eq!(reader.unsigned(), Some(unsigned));
            prop_assert_eq!(reader.signed(), Some(signed));
            prop_assert_eq!(reader.text(), Some(text.as_str()));
            prop_assert!(reader.is_empty());
        }
    }

    #[test]
    fn too_large_or_too_short_values_are_refused() {
        assert_eq!(Reader(&[0xff; 9]).unsigned(), None);
        assert_eq!(Reader(&[0xff; 10]).unsigned(), None);
        assert_eq!(Reader(&[5, b'a']).text(), None);
        assert_eq!(Reader(&[1, 0xff]).text(), None);
    }
}
