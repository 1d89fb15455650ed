//! What the rig's cameras show: clips of this repository, in the sizes that street cameras send.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use crate::root;

/// A mix of cameras.
pub(crate) struct Profile {
    pub(crate) name: &'static str,
    /// Height of the picture and share of the cameras that send it, in percent.
    sizes: &'static [(u32, usize)],
    /// Seconds from one key frame to the next.
    pub(crate) key_s: u32,
    /// FFmpeg's encoder.
    codec: &'static str,
    /// Percent of the cameras at which something goes on.
    pub(crate) busy: usize,
}

const PROFILES: [Profile; 6] = [
    Profile { name: "rated", sizes: &[(360, 75), (720, 25)], key_s: 2, codec: "libx264", busy: 5 },
    Profile { name: "small", sizes: &[(360, 100)], key_s: 2, codec: "libx264", busy: 5 },
    Profile { name: "large", sizes: &[(720, 100)], key_s: 2, codec: "libx264", busy: 5 },
    Profile {
        name: "rare-keys",
        sizes: &[(360, 75), (720, 25)],
        key_s: 8,
        codec: "libx264",
        busy: 5,
    },
    Profile { name: "hevc", sizes: &[(360, 75), (720, 25)], key_s: 2, codec: "libx265", busy: 5 },
    // Many fires, so that a few seconds without a broker lose somebody's alerts.
    Profile { name: "fires", sizes: &[(360, 50), (720, 50)], key_s: 2, codec: "libx264", busy: 50 },
];

impl Profile {
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        let names = PROFILES.map(|profile| profile.name).join(", ");
        let found = PROFILES.into_iter().find(|profile| profile.name == name);
        found.ok_or_else(|| format!("no profile is called {name:?}; there are {names}"))
    }

    /// The height that the camera `index` sends: shares hold within each hundred, spread evenly.
    pub(crate) fn height(&self, index: usize) -> u32 {
        let mut place = index * 37 % 100;
        for (height, share) in self.sizes {
            if place < *share {
                return *height;
            }
            place -= share;
        }
        self.sizes[0].0
    }

    /// Whether something goes on at the camera `index`.
    pub(crate) fn is_busy(&self, index: usize) -> bool {
        self.busy > 0 && index % (100 / self.busy) == 1
    }
}

/// One clip, ready to be served.
pub(crate) struct Reel {
    pub(crate) height: u32,
    pub(crate) busy: bool,
    pub(crate) file: PathBuf,
    /// How long it is, in seconds.
    pub(crate) seconds: u64,
}

/// Quiet streets, and what burns: name, seconds of it, whether something goes on. The fire breaks
/// out at 5 s, and goes out where the clip begins again: an incident a round.
const SOURCES: [(&str, u64, bool); 2] = [("night_control", 36, false), ("night_fire", 16, true)];

/// Why nothing can be made here, if so.
pub(crate) fn missing() -> Option<&'static str> {
    let asked = Command::new("ffmpeg").arg("-version").output();
    asked.is_err().then_some("ffmpeg is not installed: make setup-test")
}

/// Where clips, logs and curves are kept, below Cargo's target folder.
pub(crate) fn folder() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("load");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

/// Each source in each size of the profile, made once and kept.
pub(crate) fn make(profile: &Profile) -> Result<Vec<Reel>, String> {
    let folder = folder()?;
    let mut reels = Vec::new();
    for (source, seconds, busy) in SOURCES {
        for (height, _) in profile.sizes {
            let (codec, key_s) = (profile.codec, profile.key_s);
            let file = folder.join(format!("{source}_{seconds}_{height}_{codec}_{key_s}.mp4"));
            if !file.exists() {
                let source = root().join("assets/demo").join(source).with_extension("mp4");
                encode((&source, seconds), &file, *height, profile)?;
            }
            reels.push(Reel { height: *height, busy, file, seconds });
        }
    }
    Ok(reels)
}

/// 15 frames a second where they are small and 20 where they are large, no B-frames, as cameras do.
fn encode(
    (source, seconds): (&Path, u64),
    file: &Path,
    height: u32,
    profile: &Profile,
) -> Result<(), String> {
    let (rate, bits) = if height < 720 { (15, "500k") } else { (20, "1500k") };
    let draft = file.with_extension("part.mp4");
    let done = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-i"])
        .arg(source)
        .args(["-t", &seconds.to_string()])
        .args(["-an", "-vf", &format!("scale=-2:{height},fps={rate}"), "-c:v", profile.codec])
        .args(["-preset", "veryfast", "-bf", "0", "-b:v", bits, "-maxrate", bits])
        .args(["-bufsize", bits, "-g", &(rate * profile.key_s).to_string()])
        .args(["-x265-params", "log-level=none", "-sc_threshold", "0"])
        .arg(&draft)
        .output()
        .map_err(|error| format!("ffmpeg: {error}"))?;
    if !done.status.success() {
        return Err(format!("ffmpeg: {}", String::from_utf8_lossy(&done.stderr).trim()));
    }
    std::fs::rename(&draft, file).map_err(|error| format!("{}: {error}", file.display()))
}
