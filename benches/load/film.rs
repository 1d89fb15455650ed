//! The pictures of the rig's cameras: clips of this repository, and real streets where
//! `KENG_CORPUS` names them, in the sizes that street cameras send.

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
    /// What the others show.
    quiet: &'static [Source],
}

/// What a camera shows, over and over.
#[derive(Clone, Copy)]
struct Source {
    name: &'static str,
    /// So much of it.
    seconds: u64,
    /// Of the corpus; of this repository otherwise.
    real: bool,
    /// Seconds from one key frame to the next, where not the profile's.
    key_s: Option<u32>,
}

impl Source {
    const fn ours(name: &'static str, seconds: u64) -> Self {
        Self { name, seconds, real: false, key_s: None }
    }

    const fn real(name: &'static str, seconds: u64, key_s: u32) -> Self {
        Self { name, seconds, real: true, key_s: Some(key_s) }
    }

    /// None where it is real, and there is no corpus.
    fn path(&self) -> Option<PathBuf> {
        let folder = if self.real {
            Path::new(&std::env::var_os("KENG_CORPUS")?).join("clips")
        } else {
            root().join("assets/demo")
        };
        Some(folder.join(self.name).with_extension("mp4"))
    }
}

/// A made street at night, where nothing burns.
const STREET: Source = Source::ours("night_control", 36);
/// The fire breaks out at 5 s, and goes out where the clip begins again: an incident a round.
const FIRE: Source = Source::ours("night_fire", 16);
/// Real streets without fire: cars by day, a crowded street, a road by infrared.
const STREETS: [Source; 4] = [
    STREET,
    Source::real("neg_overhead_cars_day", 30, 1),
    Source::real("neg_street_traffic_day", 17, 4),
    Source::real("neg_ir_night_cctv_empty", 55, 8),
];

const RATED: Profile = Profile {
    name: "rated",
    sizes: &[(360, 75), (720, 25)],
    key_s: 2,
    codec: "libx264",
    busy: 5,
    quiet: &[STREET],
};

const PROFILES: [Profile; 8] = [
    RATED,
    Profile { name: "small", sizes: &[(360, 100)], ..RATED },
    Profile { name: "large", sizes: &[(720, 100)], ..RATED },
    Profile { name: "rare-keys", key_s: 8, ..RATED },
    Profile { name: "hevc", codec: "libx265", ..RATED },
    // As most hours are.
    Profile { name: "still", busy: 0, ..RATED },
    // Many fires, so that a few seconds without a broker lose somebody's alerts.
    Profile { name: "fires", sizes: &[(360, 50), (720, 50)], busy: 50, ..RATED },
    Profile { name: "mixed", quiet: &STREETS, ..RATED },
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

    /// Tells whether something goes on at the camera `index`.
    pub(crate) fn is_busy(&self, index: usize) -> bool {
        self.busy > 0 && index % (100 / self.busy) == 1
    }
}

/// One clip, ready to be served.
pub(crate) struct Reel {
    pub(crate) height: u32,
    pub(crate) busy: bool,
    pub(crate) file: PathBuf,
    /// Its duration in seconds.
    pub(crate) seconds: u64,
}

/// Returns why nothing can be made here, if so.
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
    let quiet = profile.quiet.iter().map(|source| (source, false));
    for (source, busy) in quiet.chain([(&FIRE, true)]) {
        let Some(path) = source.path() else {
            println!("without {}: KENG_CORPUS is not set", source.name);
            continue;
        };
        for (height, _) in profile.sizes {
            let key_s = source.key_s.unwrap_or(profile.key_s);
            let Source { name, seconds, .. } = source;
            let codec = profile.codec;
            let file = folder.join(format!("{name}_{seconds}_{height}_{codec}_{key_s}.mp4"));
            if !file.exists() {
                encode((&path, *seconds), &file, (*height, key_s), codec)?;
            }
            reels.push(Reel { height: *height, busy, file, seconds: *seconds });
        }
    }
    Ok(reels)
}

/// 15 frames a second where they are small and 20 where they are large, no B-frames, as cameras do.
fn encode(
    (source, seconds): (&Path, u64),
    file: &Path,
    (height, key_s): (u32, u32),
    codec: &str,
) -> Result<(), String> {
    let (rate, bits) = if height < 720 { (15, "500k") } else { (20, "1500k") };
    let draft = file.with_extension("part.mp4");
    let done = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-i"])
        .arg(source)
        .args(["-t", &seconds.to_string()])
        .args(["-an", "-vf", &format!("scale=-2:{height},fps={rate}"), "-c:v", codec])
        .args(["-preset", "veryfast", "-bf", "0", "-b:v", bits, "-maxrate", bits])
        .args(["-bufsize", bits, "-g", &(rate * key_s).to_string()])
        .args(["-x265-params", "log-level=none", "-sc_threshold", "0"])
        .arg(&draft)
        .output()
        .map_err(|error| format!("ffmpeg: {error}"))?;
    if !done.status.success() {
        return Err(format!("ffmpeg: {}", String::from_utf8_lossy(&done.stderr).trim()));
    }
    std::fs::rename(&draft, file).map_err(|error| format!("{}: {error}", file.display()))
}
