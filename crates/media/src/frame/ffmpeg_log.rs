//! FFmpeg's own log, which is turned off: errors of this crate say better what is wrong.

use std::sync::Once;

use ffmpeg_next::util::log;

/// Turns FFmpeg's messages on standard error off, once.
pub(super) fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| log::set_level(log::Level::Quiet));
}
