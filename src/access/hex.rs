//! Hexadecimal text.

/// Writes bytes as two small hexadecimal digits each.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Reads what [`hex`] writes; `None` where it is anything else.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let pair = |at| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let plain = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if plain { (0..text.len()).step_by(2).map(pair).collect() } else { None }
}
