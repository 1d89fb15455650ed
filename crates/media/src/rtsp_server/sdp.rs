//! A clip's session description (RFC 4566, RFC 6184, RFC 7798). Pure.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::camera::Codec;
use crate::frame::clip::ParameterSets;
use crate::rtsp_server::rtp::{CLOCK_RATE, PAYLOAD_TYPE};

/// The name of the one track below the mount's URL.
pub(super) const CONTROL: &str = "trackID=0";

/// The facts about a mount that its description tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamDescription<'a> {
    /// The mount's name.
    pub name: &'a str,
    /// The video's codec.
    pub codec: Codec,
    /// Access units a second.
    pub frame_rate: f64,
    /// Sent along, for clients that want them before the first key frame.
    pub sets: &'a ParameterSets,
}

/// The description of a mount with one video track.
pub(super) fn video(description: &StreamDescription<'_>) -> String {
    let StreamDescription { name, codec, frame_rate, sets } = *description;
    let (encoding, parameters) = match codec {
        Codec::H264 => ("H264", h264_parameters(sets)),
        Codec::H265 => ("H265", h265_parameters(sets)),
    };
    let mut text = head(name);
    let _infallible = write!(
        text,
        "m=video 0 RTP/AVP {PAYLOAD_TYPE}\r\nc=IN IP4 0.0.0.0\r\n\
         a=rtpmap:{PAYLOAD_TYPE} {encoding}/{CLOCK_RATE}\r\n\
         a=fmtp:{PAYLOAD_TYPE} {parameters}\r\n\
         a=framerate:{frame_rate:.2}\r\na=control:{CONTROL}\r\n"
    );
    text
}

/// The description of a mount that has sound and no picture.
pub(super) fn sound_only(name: &str) -> String {
    let audio = "m=audio 0 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n";
    format!("{}{audio}a=rtpmap:0 PCMU/8000\r\na=control:{CONTROL}\r\n", head(name))
}

fn head(name: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns={name}\r\nt=0 0\r\n\
         a=control:*\r\na=range:npt=now-\r\n"
    )
}

fn h264_parameters(sets: &ParameterSets) -> String {
    let mut text = "packetization-mode=1".to_owned();
    if let Some([_, profile, compatibility, level, ..]) = sets.sps.first().map(Vec::as_slice) {
        let _infallible =
            write!(text, ";profile-level-id={profile:02X}{compatibility:02X}{level:02X}");
    }
    let list = joined(sets.sps.iter().chain(&sets.pps));
    if !list.is_empty() {
        let _infallible = write!(text, ";sprop-parameter-sets={list}");
    }
    text
}

fn h265_parameters(sets: &ParameterSets) -> String {
    let named = [("sprop-vps", &sets.vps), ("sprop-sps", &sets.sps), ("sprop-pps", &sets.pps)];
    let parts: Vec<String> = named
        .into_iter()
        .filter(|(_, sets)| !sets.is_empty())
        .map(|(name, sets)| format!("{name}={}", joined(sets.iter())))
        .collect();
    parts.join(";")
}

fn joined<'a>(sets: impl Iterator<Item = &'a Vec<u8>>) -> String {
    sets.map(|set| STANDARD.encode(set)).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_sets_are_written_in_base64() {
        // The examples of RFC 4648, section 10.
        let sets: Vec<Vec<u8>> = (0..=6).map(|length| b"foobar"[..length].to_vec()).collect();
        assert_eq!(joined(sets.iter()), ",Zg==,Zm8=,Zm9v,Zm9vYg==,Zm9vYmE=,Zm9vYmFy");
    }

    #[test]
    fn h264_tells_profile_and_sets() {
        let sets = ParameterSets {
            vps: vec![],
            sps: vec![vec![0x67, 0x64, 0x00, 0x1f, 1]],
            pps: vec![vec![0x68, 0xee]],
        };
        let text = video(&StreamDescription {
            name: "a",
            codec: Codec::H264,
            frame_rate: 15.0,
            sets: &sets,
        });
        assert!(text.contains("a=rtpmap:96 H264/90000\r\n"));
        assert!(text.contains(";profile-level-id=64001F;sprop-parameter-sets=Z2QAHwE=,aO4=\r\n"));
        assert!(text.contains("a=framerate:15.00\r\na=control:trackID=0\r\n"));
    }

    #[test]
    fn h265_tells_three_kinds_of_sets() {
        let sets =
            ParameterSets { vps: vec![vec![0x40]], sps: vec![vec![0x42]], pps: vec![vec![0x44]] };
        let text = video(&StreamDescription {
            name: "a",
            codec: Codec::H265,
            frame_rate: 15.0,
            sets: &sets,
        });
        assert!(text.contains("a=fmtp:96 sprop-vps=QA==;sprop-sps=Qg==;sprop-pps=RA==\r\n"));
    }

    #[test]
    fn sound_only_has_no_video() {
        assert!(!sound_only("a").contains("m=video"));
    }
}
