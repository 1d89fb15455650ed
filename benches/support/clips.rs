//! The repository's own clips, as packets of a camera.

use std::path::Path;
use std::path::PathBuf;

use keng::camera::Packet;
use keng::frame::clip::Clip;
use keng::time::Stamp;

/// Frames a second of every demo clip.
pub(crate) const RATE: u64 = 15;

/// Returns where a clip of the demo lies.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo").join(name)
}

/// A demo clip's access units, stamped with zero.
pub(crate) fn packets(name: &str) -> Vec<Packet> {
    let clip = Clip::open(&path(name)).expect("the demo's clips are in the repository");
    let codec = clip.codec;
    let packet = |unit: keng::frame::clip::ClipPacket| Packet {
        codec,
        data: unit.data,
        key: unit.key,
        media_time_us: unit.pts_us,
        received: Stamp::default(),
        lost: 0,
    };
    clip.packets.into_iter().map(packet).collect()
}
