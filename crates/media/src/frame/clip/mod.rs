//! Recorded clips as encoded packets, in the same shape as a camera's: Annex B access units with
//! the parameter sets before each key frame.
//!
//! FFmpeg reads the container and turns length prefixes into start codes (its own muxer of raw
//! streams does that, writing into memory), so that hostile sizes in a file are checked by code
//! that has met them before. Nothing is decoded here.
//!
//! Blocking: call it from a thread that may wait.

mod annex_b;
mod timeline;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ffmpeg_next as ffmpeg;
use ffmpeg_next::format::context::{Input, StreamIo};

use crate::camera::Codec;
use crate::camera::nal;
use crate::frame::Size;

pub use annex_b::ParameterSets;

use annex_b::AnnexB;
use timeline::Timeline;

/// Containers that may be opened. Playlists are not among them: they name further files.
const CONTAINERS: &str = "mov,matroska,avi,h264,hevc,mpegts,flv";

/// Of a whole clip in memory.
const CLIP_BYTES_MAX: usize = 1 << 30;

/// The frame rate of a file that tells no usable one, in frames a second.
const FRAME_RATE_DEFAULT: f64 = 25.0;

/// A reason for which a clip can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be opened.
    #[error("opening the clip {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file is of no container that is read here, or broken.
    #[error("reading {path} as mp4, mkv, mov, avi, ts, flv, h264 or h265")]
    Container {
        /// The file.
        path: PathBuf,
        /// FFmpeg's reason.
        source: ffmpeg::Error,
    },
    /// No video among its streams.
    #[error("{path} holds no video")]
    NoVideo {
        /// The file.
        path: PathBuf,
    },
    /// Neither H.264 nor H.265.
    #[error("{path} is encoded with {found}; only h264 and h265 are served and replayed")]
    Codec {
        /// The file.
        path: PathBuf,
        /// FFmpeg's name of what was found.
        found: String,
    },
    /// The file has no access unit at which decoding could start.
    #[error("{path} has no key frame with its parameter sets")]
    NoKeyFrame {
        /// The file.
        path: PathBuf,
    },
    /// One access unit could not be understood; what follows may be.
    #[error("a damaged access unit in {path}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// FFmpeg's reason.
        source: ffmpeg::Error,
    },
    /// More than a clip in memory may have.
    #[error("{path} is over {} MiB; cut it, or give a smaller one", CLIP_BYTES_MAX >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
}

/// One access unit of a clip. Times are in microseconds and count from the first key frame's
/// presentation, so that decoding times before it are below zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClipPacket {
    /// Annex B byte stream; parameter sets stand before each key frame.
    pub data: Arc<[u8]>,
    /// True if decoding can start here: IDR, and for H.265 also CRA and BLA.
    pub key: bool,
    /// The time to show it, in microseconds. Where the file does not say (raw streams), the same as
    /// `dts_us`.
    pub pts_us: i64,
    /// The time to decode it, in microseconds; never runs backwards.
    pub dts_us: i64,
    /// Until the next one.
    pub duration_us: i64,
}

/// Reads a clip's access units one after another, from its first key frame on.
pub struct ClipReader {
    path: PathBuf,
    input: Input,
    annex_b: AnnexB,
    stream: usize,
    codec: Codec,
    size: Size,
    frame_rate: f64,
    duration: Option<Duration>,
    timeline: Timeline,
    sets: ParameterSets,
    ahead: Option<ClipPacket>,
    ended: bool,
}

/// A whole clip in memory.
#[derive(Clone, Debug)]
pub struct Clip {
    /// The file.
    pub path: PathBuf,
    /// The codec that it is encoded with.
    pub codec: Codec,
    /// As the container tells it; pictures of another size may follow.
    pub size: Size,
    /// Mean access units a second, counted.
    pub frame_rate: f64,
    /// Of the first key frame.
    pub parameter_sets: ParameterSets,
    /// In decoding order; the first one is a key frame.
    pub packets: Vec<ClipPacket>,
    /// Access units that were left out because they were damaged.
    pub damaged: u64,
}

impl ClipReader {
    /// Opens a file and reads up to its first key frame.
    ///
    /// # Errors
    /// Where the file can't be read, is no video, or of another codec than H.264 and H.265.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let container = |source| Error::Container { path: path.to_owned(), source };
        let input = open_input(path)?;
        let stream = input
            .streams()
            .best(ffmpeg::media::Type::Video)
            .ok_or_else(|| Error::NoVideo { path: path.to_owned() })?;
        let codec = match stream.parameters().id() {
            ffmpeg::codec::Id::H264 => Codec::H264,
            ffmpeg::codec::Id::HEVC => Codec::H265,
            other => {
                return Err(Error::Codec { path: path.to_owned(), found: other.name().to_owned() });
            }
        };
        let picture = ffmpeg::codec::Context::from_parameters(stream.parameters())
            .and_then(|context| context.decoder().video())
            .map_err(container)?;
        let size = Size { width: picture.width(), height: picture.height() };
        let frame_rate = [stream.avg_frame_rate(), stream.rate()]
            .into_iter()
            .map(|rate| f64::from(rate.numerator()) / f64::from(rate.denominator()))
            .find(|rate| (0.01..=1000.0).contains(rate))
            .unwrap_or(FRAME_RATE_DEFAULT);
        let duration = u64::try_from(input.duration()).ok().map(Duration::from_micros);
        let annex_b = AnnexB::new(codec, stream.parameters()).map_err(container)?;
        let timeline = Timeline::new(stream.time_base(), frame_rate);
        let stream = stream.index();
        let mut reader = Self {
            path: path.to_owned(),
            input,
            annex_b,
            stream,
            codec,
            size,
            frame_rate,
            duration,
            timeline,
            sets: ParameterSets::default(),
            ahead: None,
            ended: false,
        };
        reader.seek_key_frame()?;
        Ok(reader)
    }

    /// Returns the clip's codec.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// As the container tells it.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Mean access units a second, as the container tells it.
    pub fn frame_rate(&self) -> f64 {
        self.frame_rate
    }

    /// As the container tells it; raw streams do not.
    pub fn duration(&self) -> Option<Duration> {
        self.duration
    }

    /// Those that hold for what was read last.
    pub fn parameter_sets(&self) -> &ParameterSets {
        &self.sets
    }

    /// Nothing before the first key frame can be decoded, so nothing before it is handed out.
    fn seek_key_frame(&mut self) -> Result<(), Error> {
        while let Some(packet) = self.read() {
            match packet {
                Ok(packet) if packet.key && self.sets.is_complete(self.codec) => {
                    let origin = packet.pts_us;
                    self.timeline.rebase(origin);
                    self.ahead = Some(ClipPacket {
                        pts_us: 0,
                        dts_us: packet.dts_us.saturating_sub(origin),
                        ..packet
                    });
                    return Ok(());
                }
                Ok(_) | Err(Error::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::NoKeyFrame { path: self.path.clone() })
    }

    fn read(&mut self) -> Option<Result<ClipPacket, Error>> {
        while !self.ended {
            let mut packet = ffmpeg::Packet::empty();
            let outcome = match packet.read(&mut self.input) {
                Ok(()) if packet.stream() != self.stream => continue,
                Ok(()) => self.annex_b.convert(&mut packet),
                // The container's reader finds its way again after these, and no others.
                Err(ffmpeg::Error::InvalidData) => Err(ffmpeg::Error::InvalidData),
                Err(ffmpeg::Error::Eof) => {
                    self.ended = true;
                    return None;
                }
                Err(source) => {
                    self.ended = true;
                    return Some(Err(Error::Container { path: self.path.clone(), source }));
                }
            };
            return Some(match outcome {
                Ok(unit) if unit.is_empty() => continue,
                Ok(unit) => Ok(self.finish(&packet, unit)),
                Err(source) => Err(Error::Damaged { path: self.path.clone(), source }),
            });
        }
        None
    }

    fn finish(&mut self, packet: &ffmpeg::Packet, unit: Vec<u8>) -> ClipPacket {
        let key = nal::is_key(self.codec, &unit);
        let unit = self.sets.complete(self.codec, key, unit);
        let (pts_us, dts_us, duration_us) =
            self.timeline.place(packet.pts(), packet.dts(), packet.duration());
        ClipPacket { data: unit.into(), key, pts_us, dts_us, duration_us }
    }
}

impl Iterator for ClipReader {
    type Item = Result<ClipPacket, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.ahead.take().map(Ok).or_else(|| self.read())
    }
}

impl std::fmt::Debug for ClipReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClipReader").field("path", &self.path).field("codec", &self.codec).finish()
    }
}

impl Clip {
    /// Reads a whole file. What is damaged in it is left out and counted.
    ///
    /// # Errors
    /// As [`ClipReader::open`], and where it is over 1 GiB.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let mut reader = ClipReader::open(path)?;
        let parameter_sets = reader.parameter_sets().clone();
        let (mut packets, mut damaged, mut bytes) = (Vec::new(), 0, 0_usize);
        for packet in &mut reader {
            match packet {
                Ok(packet) => {
                    bytes = bytes.saturating_add(packet.data.len());
                    if bytes > CLIP_BYTES_MAX {
                        return Err(Error::TooLarge { path: path.to_owned() });
                    }
                    packets.push(packet);
                }
                Err(Error::Damaged { .. }) => damaged += 1,
                Err(error) => return Err(error),
            }
        }
        let mut clip = Self {
            path: path.to_owned(),
            codec: reader.codec,
            size: reader.size,
            frame_rate: reader.frame_rate,
            parameter_sets,
            packets,
            damaged,
        };
        // Containers err about their frame rate more often than about their times.
        let seconds = clip.duration().as_secs_f64();
        if seconds > 0.0 {
            #[expect(clippy::cast_precision_loss, reason = "a clip has fewer than 2^52 frames")]
            let count = clip.packets.len() as f64;
            clip.frame_rate = count / seconds;
        }
        Ok(clip)
    }

    /// Returns how long it plays: after so long it can begin anew without going back in time.
    pub fn duration(&self) -> Duration {
        let span = |time: fn(&ClipPacket) -> i64| {
            let begin = self.packets.iter().map(time).min().unwrap_or(0);
            let end = |packet: &ClipPacket| time(packet).saturating_add(packet.duration_us);
            self.packets.iter().map(end).max().unwrap_or(0).saturating_sub(begin)
        };
        // Matroska does not tell the first decoding times, so that they may span too little.
        let span = span(|packet| packet.dts_us).max(span(|packet| packet.pts_us));
        Duration::from_micros(u64::try_from(span).unwrap_or(0))
    }
}

fn open_input(path: &Path) -> Result<Input, Error> {
    let file = File::open(path).map_err(|source| Error::Open { path: path.to_owned(), source })?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let mut options = ffmpeg::Dictionary::new();
    options.set("format_whitelist", CONTAINERS);
    StreamIo::from_read_seek(file)
        .and_then(|io| ffmpeg::format::input_from_stream(io, name.as_deref(), Some(options)))
        .map_err(|source| Error::Container { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
