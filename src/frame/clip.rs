//! Recorded clips as encoded packets, in the same shape as a camera's: Annex B access units with
//! the parameter sets before each key frame.
//!
//! FFmpeg reads the container and turns length prefixes into start codes (its own muxer of raw
//! streams does that, writing into memory), so that hostile sizes in a file are checked by code
//! that has met them before. Nothing is decoded here.
//!
//! Blocking: call it from a thread that may wait.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ffmpeg_next as ffmpeg;
use ffmpeg_next::format::context::{Input, Output, StreamIo};

use crate::camera::Codec;
use crate::camera::nal;
use crate::frame::Size;

/// Containers that may be opened. Playlists are not among them: they name further files.
const CONTAINERS: &str = "mov,matroska,avi,h264,hevc,mpegts,flv";

/// Of a whole clip in memory.
const CLIP_BYTES_MAX: usize = 1 << 30;

/// Where a file tells no usable frame rate.
const FRAME_RATE_DEFAULT: f64 = 25.0;

/// Why a clip can't be read.
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
    /// Whether decoding can start here: IDR, and for H.265 also CRA and BLA.
    pub key: bool,
    /// When to show it. Where the file does not say (raw streams), the same as `dts_us`.
    pub pts_us: i64,
    /// When to decode it; never runs backwards.
    pub dts_us: i64,
    /// Until the next one.
    pub duration_us: i64,
}

/// Parameter sets as NAL units without start codes: VPS (H.265 only), SPS, PPS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParameterSets {
    /// H.265's video parameter sets.
    pub vps: Vec<Vec<u8>>,
    /// Sequence parameter sets.
    pub sps: Vec<Vec<u8>>,
    /// Picture parameter sets.
    pub pps: Vec<Vec<u8>>,
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
    /// What it is encoded with.
    pub codec: Codec,
    /// As the container tells it; pictures of another size may follow.
    pub size: Size,
    /// Mean access units a second.
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

    /// What the clip is encoded with.
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
                    self.timeline.origin_us = origin;
                    self.ahead = Some(ClipPacket {
                        pts_us: 0,
                        dts_us: packet.dts_us.saturating_sub(origin),
                        ..packet
                    });
                    self.timeline.last_dts_us = self.timeline.last_dts_us.saturating_sub(origin);
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
        Ok(Self {
            path: path.to_owned(),
            codec: reader.codec,
            size: reader.size,
            frame_rate: reader.frame_rate,
            parameter_sets,
            packets,
            damaged,
        })
    }

    /// From the first packet's decoding time to the end of the last packet's.
    pub fn duration(&self) -> Duration {
        let span = self.packets.first().zip(self.packets.last()).map_or(0, |(first, last)| {
            last.dts_us.saturating_add(last.duration_us).saturating_sub(first.dts_us)
        });
        Duration::from_micros(u64::try_from(span).unwrap_or(0))
    }
}

impl ParameterSets {
    /// Whether a decoder can start with them.
    pub fn is_complete(&self, codec: Codec) -> bool {
        let vps = codec == Codec::H264 || !self.vps.is_empty();
        vps && !self.sps.is_empty() && !self.pps.is_empty()
    }

    /// Notes the sets in `unit`; where it is a key frame without any, puts the last ones before it.
    fn complete(&mut self, codec: Codec, key: bool, unit: Vec<u8>) -> Vec<u8> {
        let mut found = Self::default();
        for nal in nal::units(&unit) {
            let kind = match (codec, nal[0]) {
                (Codec::H264, header) => header & 0x1f,
                (Codec::H265, header) => (header >> 1) & 0x3f,
            };
            match (codec, kind) {
                (Codec::H265, 32) => found.vps.push(nal.to_vec()),
                (Codec::H264, 7) | (Codec::H265, 33) => found.sps.push(nal.to_vec()),
                (Codec::H264, 8) | (Codec::H265, 34) => found.pps.push(nal.to_vec()),
                _ => {}
            }
        }
        let inline = !found.sps.is_empty();
        for (known, new) in
            [(&mut self.vps, found.vps), (&mut self.sps, found.sps), (&mut self.pps, found.pps)]
        {
            if !new.is_empty() {
                *known = new;
            }
        }
        if !key || inline {
            return unit;
        }
        let mut whole = Vec::with_capacity(unit.len() + 256);
        for set in self.vps.iter().chain(&self.sps).chain(&self.pps) {
            whole.extend_from_slice(&[0, 0, 0, 1]);
            whole.extend_from_slice(set);
        }
        whole.extend_from_slice(&unit);
        whole
    }
}

/// FFmpeg's muxer of raw streams, writing into memory. It turns length prefixes into start codes
/// and puts the container's parameter sets before key frames.
struct AnnexB {
    output: Output,
    sink: Sink,
}

impl AnnexB {
    fn new(codec: Codec, parameters: ffmpeg::codec::Parameters) -> Result<Self, ffmpeg::Error> {
        let format = match codec {
            Codec::H264 => "h264",
            Codec::H265 => "hevc",
        };
        let sink = Sink::default();
        let io = StreamIo::from_write(sink.clone())?;
        let mut output = ffmpeg::format::output_to_stream(io, None, Some(format))?;
        output.add_stream(ffmpeg::codec::Id::None)?.set_parameters(parameters);
        let mut options = ffmpeg::Dictionary::new();
        // So that one packet in is one access unit out.
        options.set("flush_packets", "1");
        drop(output.write_header_with(options)?);
        Ok(Self { output, sink })
    }

    fn convert(&mut self, packet: &mut ffmpeg::Packet) -> Result<Vec<u8>, ffmpeg::Error> {
        packet.set_stream(0);
        let written = packet.write(&mut self.output);
        let unit = self.sink.take();
        written.map(|_| unit)
    }
}

/// The muxer's end of the pipe; what it wrote is taken at the other end. One thread uses both.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// From a container's timestamps to microseconds that never run backwards.
struct Timeline {
    numerator: i64,
    denominator: i64,
    frame_us: i64,
    origin_us: i64,
    last_dts_us: i64,
    last_duration_us: i64,
}

impl Timeline {
    fn new(time_base: ffmpeg::Rational, frame_rate: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the rate lies in 0.01..=1000")]
        let frame_us = (1_000_000.0 / frame_rate) as i64;
        Self {
            numerator: i64::from(time_base.numerator()),
            denominator: i64::from(time_base.denominator()).max(1),
            frame_us,
            origin_us: 0,
            last_dts_us: i64::MIN,
            last_duration_us: 0,
        }
    }

    /// Presentation, decoding and duration in microseconds.
    fn place(&mut self, pts: Option<i64>, dts: Option<i64>, duration: i64) -> (i64, i64, i64) {
        let duration_us = match self.micros(duration) {
            known @ 1.. => known,
            _ => self.frame_us,
        };
        let follows = if self.last_dts_us == i64::MIN {
            0
        } else {
            self.last_dts_us.saturating_add(self.last_duration_us)
        };
        let told = dts.map(|ticks| self.micros(ticks).saturating_sub(self.origin_us));
        let dts_us = told.unwrap_or(follows).max(self.last_dts_us);
        let pts_us = pts.map_or(dts_us, |ticks| self.micros(ticks).saturating_sub(self.origin_us));
        (self.last_dts_us, self.last_duration_us) = (dts_us, duration_us);
        (pts_us, dts_us, duration_us)
    }

    fn micros(&self, ticks: i64) -> i64 {
        let scaled = i128::from(ticks) * i128::from(self.numerator) * 1_000_000;
        let micros = scaled / i128::from(self.denominator);
        i64::try_from(micros).unwrap_or(if micros < 0 { i64::MIN } else { i64::MAX })
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
