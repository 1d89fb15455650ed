//! GStreamer's RTSP server as a process of its own, and clips for it.

use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::io::AsyncBufReadExt;
use tokio::io::BufReader;
use tokio::process::Child;
use tokio::process::Command;

use crate::root;

/// Frames a second of the clips.
pub const FPS: u32 = 10;
/// Width and height of the clips in pixels.
pub const SIZE: (u32, u32) = (320, 180);
/// Frames between key frames of the clips.
pub const GOP: u32 = 10;

/// The way in which the pictures of a clip are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    H264,
    H265,
}

impl Codec {
    /// As the server's script and FFmpeg's raw formats name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::H265 => "h265",
        }
    }
}

/// A running server; killed when dropped.
pub struct Server {
    process: Child,
    /// The place where it listens on 127.0.0.1.
    pub port: u16,
}

/// The way in which a server asks for a password; the user is "viewer", the password "right".
#[derive(Clone, Copy, Debug)]
pub enum Auth {
    None,
    Digest,
    Basic,
}

impl Server {
    /// Serves moving bars at `/cam`; `port` 0 lets the system choose.
    pub async fn start(codec: Codec, auth: Auth, port: u16) -> Self {
        Self::serve((codec, &clip(codec), FPS), auth, port).await
    }

    /// Serves a clip of so many frames a second, Annex B with access unit delimiters, at `/cam`.
    pub async fn serve((codec, clip, fps): (Codec, &Path, u32), auth: Auth, port: u16) -> Self {
        let script = root().join("crates/testkit/src/gst_rtsp_server.py");
        let mut command = Command::new("/usr/bin/python3");
        command.arg(script).args([&port.to_string(), codec.as_str(), &fps.to_string()]).arg(clip);
        match auth {
            Auth::None => {}
            Auth::Digest => drop(command.args(["digest", "viewer", "right"])),
            Auth::Basic => drop(command.args(["basic", "viewer", "right"])),
        }
        let mut process = command
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("/usr/bin/python3 can be started");
        let stdout = process.stdout.take().expect("stdout is piped");
        let mut lines = BufReader::new(stdout).lines();
        let line = tokio::time::timeout(Duration::from_secs(30), lines.next_line())
            .await
            .expect("GStreamer's RTSP server is ready within 30 s")
            .expect("its output can be read");
        let port = line.as_deref().and_then(|line| line.strip_prefix("ready ")).expect(
            "GStreamer's RTSP server starts; it needs the Debian packages python3-gi, \
             gir1.2-gst-rtsp-server-1.0 and gstreamer1.0-plugins-{base,good,bad}",
        );
        Self { process, port: port.parse().expect("a port") }
    }

    /// Ends it at once, as a power cut does.
    pub async fn kill(mut self) -> u16 {
        self.process.kill().await.expect("the server can be killed");
        self.port
    }
}

/// Two seconds of moving bars with a key frame a second.
fn clip(codec: Codec) -> PathBuf {
    static CLIPS: OnceLock<(tempfile::TempDir, PathBuf, PathBuf)> = OnceLock::new();
    let (_folder, h264, h265) = CLIPS.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder for clips");
        let h264 = folder.path().join("clip.h264");
        let h265 = folder.path().join("clip.h265");
        encode(&h264, Codec::H264, &bars(SIZE));
        encode(&h265, Codec::H265, &bars(SIZE));
        (folder, h264, h265)
    });
    match codec {
        Codec::H264 => h264.clone(),
        Codec::H265 => h265.clone(),
    }
}

/// The same clip in H.264 and any size.
pub fn encode_h264(path: &Path, size: (u32, u32)) {
    encode(path, Codec::H264, &bars(size));
}

fn bars((width, height): (u32, u32)) -> String {
    format!("testsrc2=size={width}x{height}:rate={FPS}:duration=2")
}

/// Makes a video of FFmpeg's filter `source`, with access unit delimiters and a key frame every
/// [`GOP`] frames; the path's ending says in what: Annex B or a container. H.265's groups of
/// pictures are open: all key frames but the first are CRA, which is what tells a client that knows
/// IDR only.
pub fn encode(path: &Path, codec: Codec, source: &str) {
    let x264 = format!("keyint={GOP}:min-keyint={GOP}:scenecut=0:bframes=0:aud=1:slices=1");
    let x265 = format!(
        "keyint={GOP}:min-keyint={GOP}:scenecut=0:aud=1:open-gop=1:pools=1:repeat-headers=1:\
         log-level=error"
    );
    let codec = match codec {
        Codec::H264 => ["-c:v", "libx264", "-preset", "ultrafast", "-x264-params", &x264],
        Codec::H265 => ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", &x265],
    };
    let done = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p"])
        .args(codec)
        .arg(path)
        .output()
        .expect("ffmpeg is installed");
    assert!(done.status.success(), "ffmpeg: {}", String::from_utf8_lossy(&done.stderr));
}
