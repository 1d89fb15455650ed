//! Clips of all containers, and what is no clip.

use super::*;
use std::process::Command;

const SOURCE: &str = "testsrc2=size=160x120:rate=10:duration=2";
const H264: &[&str] = &["-c:v", "libx264", "-preset", "veryfast", "-g", "10", "-bf", "2"];
const H265: &[&str] =
    &["-c:v", "libx265", "-preset", "veryfast", "-x265-params", "log-level=none:keyint=10"];

/// Renders a moving test picture with the installed ffmpeg.
fn render(directory: &tempfile::TempDir, name: &str, arguments: &[&str]) -> PathBuf {
    let path = directory.path().join(name);
    let ffmpeg = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", SOURCE, "-pix_fmt", "yuv420p"])
        .args(arguments)
        .arg(&path)
        .status()
        .expect("ffmpeg is installed (apt-get install ffmpeg)");
    assert!(ffmpeg.success());
    path
}

fn kinds(codec: Codec, packet: &ClipPacket) -> Vec<u8> {
    let kind = |nal: &[u8]| match codec {
        Codec::H264 => nal[0] & 0x1f,
        Codec::H265 => (nal[0] >> 1) & 0x3f,
    };
    nal::units(&packet.data).map(kind).collect()
}

#[test]
fn every_container_gives_annex_b_with_sets_before_key_frames() {
    let directory = tempfile::tempdir().unwrap();
    let cases = [
        ("a.mp4", Codec::H264),
        ("a.mkv", Codec::H264),
        ("a.mov", Codec::H264),
        ("a.avi", Codec::H264),
        ("a.ts", Codec::H264),
        ("a.h264", Codec::H264),
        ("b.mp4", Codec::H265),
        ("b.mkv", Codec::H265),
        ("b.h265", Codec::H265),
    ];
    for (name, codec) in cases {
        let (arguments, sets): (_, &[u8]) = match codec {
            Codec::H264 => (H264, &[7, 8]),
            Codec::H265 => (H265, &[32, 33, 34]),
        };
        let clip = Clip::open(&render(&directory, name, arguments)).unwrap();
        assert_eq!((clip.codec, clip.damaged), (codec, 0), "{name}");
        assert_eq!(clip.size, Size { width: 160, height: 120 }, "{name}");
        assert!((clip.frame_rate - 10.0).abs() < 0.6, "{name}: {}", clip.frame_rate);
        assert!((19..=20).contains(&clip.packets.len()), "{name}: {}", clip.packets.len());
        assert!(clip.parameter_sets.is_complete(codec), "{name}");
        let keys: Vec<_> = clip.packets.iter().filter(|packet| packet.key).collect();
        assert_eq!(keys.len(), 2, "{name}");
        for key in keys {
            let found = kinds(codec, key);
            assert!(sets.iter().all(|set| found.contains(set)), "{name}: {found:?}");
        }
        assert!(clip.packets.is_sorted_by_key(|packet| packet.dts_us), "{name}");
        assert_eq!(clip.packets[0].pts_us, 0, "{name}");
    }
}

#[test]
fn unreadable_clip_is_reported_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let told = |path: &Path| ClipReader::open(path).unwrap_err();
    assert!(matches!(told(&directory.path().join("none.mp4")), Error::Open { .. }));
    assert!(matches!(told(directory.path()), Error::Container { .. }));
    let other = render(&directory, "m.mp4", &["-c:v", "mpeg4"]);
    let message = told(&other).to_string();
    assert!(
        message
            .ends_with("m.mp4 is encoded with mpeg4; only h264 and h265 are served and replayed"),
        "{message}"
    );
    let text = directory.path().join("text.mp4");
    std::fs::write(&text, "#EXTM3U\n#EXTINF:1,\n/etc/passwd\n").unwrap();
    assert!(matches!(told(&text), Error::Container { .. }));
}

#[test]
fn a_damaged_file_makes_errors_and_no_panic() {
    let directory = tempfile::tempdir().unwrap();
    for (name, arguments) in [("a.mp4", H264), ("b.mkv", H265), ("c.avi", H264)] {
        let whole = std::fs::read(render(&directory, name, arguments)).unwrap();
        let path = directory.path().join(format!("damaged-{name}"));
        for step in 1..14_usize {
            let mut bytes = whole.clone();
            for at in (step * 7..bytes.len()).step_by(97 * step) {
                bytes[at] ^= 0x55;
            }
            bytes.truncate(bytes.len() - bytes.len() / 80 * (step % 7));
            std::fs::write(&path, bytes).unwrap();
            if let Ok(clip) = Clip::open(&path) {
                assert!(clip.packets[0].key);
            }
        }
    }
}
