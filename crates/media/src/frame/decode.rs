//! One camera's decoder: packets in, pictures at the detector's input size out.
//!
//! The doorway is narrow on purpose (a packet in, a frame out), so that decoders can move into a
//! process of their own. A decoder belongs to one thread.
//!
//! | what comes in | what happens |
//! | --- | --- |
//! | nothing but inter frames yet | skipped until the first key frame |
//! | bytes that FFmpeg refuses | an error; pictures are held back until the next key frame |
//! | RTP packets lost before it | pictures are held back likewise: they would be smeared |
//! | another size or pixel format | the scaler is made anew |
//! | another codec | the decoder is made anew, and waits for a key frame |
//!
//! Holding back ends [`HOLD_BACK_MAX`] after the last true picture too: a smeared street is better
//! than none, and some cameras send key frames every ten seconds, or never.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec;
use ffmpeg_next::codec::discard::Discard;
use ffmpeg_next::frame::Video;

use super::backlog::Backlog;
use super::ffmpeg_log;
use super::mask::Masks;
use super::scale::{ScaleError, Scaler};
use super::snapshot::Picture;
use super::statistics::FrameStatistics;
use super::thumbnail::Thumbnail;
use super::{Frame, InputFormat};
use crate::camera::{Codec, Packet};
use crate::time::{Clock, Mono, Stamp};
use crate::ward::Id;

/// Damaged pictures are held back, but for no longer than this after the last true one.
pub const HOLD_BACK_MAX: Duration = Duration::from_secs(3);

/// 4096 x 4096: whoever claims more wants the memory of all others.
const PIXELS_MAX: &str = "16777216";
/// The interval of statistics: what a camera shows as a whole changes slowly.
const STATISTICS_INTERVAL: Duration = Duration::from_secs(1);
/// The interval at which a thumbnail is made, to be kept for a while.
pub const THUMBNAIL_INTERVAL: Duration = Duration::from_secs(5);

/// Packets whose pictures may still be inside the decoder: H.264 and H.265 reorder over 16.
const IN_FLIGHT_MAX: usize = 64;

/// A reason for which a packet gave no picture, or a camera has no decoder.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// FFmpeg was built without this decoder, or refuses to open it.
    #[error("camera {camera}: no decoder for {codec:?}")]
    Open {
        /// The camera.
        camera: Id,
        /// The codec of its stream.
        codec: Codec,
        /// FFmpeg's reason.
        source: ffmpeg::Error,
    },
    /// The packet can't be decoded; it is lost and the decoder goes on.
    #[error("camera {camera}: packet of {bytes} bytes can't be decoded")]
    Decode {
        /// The camera.
        camera: Id,
        /// The packet's size.
        bytes: usize,
        /// FFmpeg's reason.
        source: ffmpeg::Error,
    },
    /// The picture can't be scaled; it is lost and the decoder goes on.
    #[error("camera {camera}")]
    Scale {
        /// The camera.
        camera: Id,
        /// FFmpeg's error.
        source: ScaleError,
    },
}

/// The treatment of one packet by the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeMode {
    /// Decode it and hand out its picture.
    Picture,
    /// Decode it because others are predicted from it; don't scale it.
    Reference,
    /// Don't decode it now; keep it in case that a later one is wanted.
    Skip,
}

/// The configuration of a [`Decoder`].
#[derive(Clone, Debug)]
pub struct Config {
    /// The camera that the stream is of.
    pub camera: Id,
    /// The format that its pictures are scaled to.
    pub input: InputFormat,
    /// Painted before anybody sees a picture.
    pub masks: Arc<Masks>,
}

/// See the module's documentation.
pub struct Decoder {
    config: Config,
    clock: Arc<dyn Clock>,
    opened: Option<(Codec, codec::decoder::Video)>,
    scaler: Scaler,
    /// Since the last key frame, that included; empty where decoding can't go on from there.
    backlog: Backlog,
    /// The packets that the decoder was fed, by the number that FFmpeg carries through as a
    /// timestamp.
    in_flight: VecDeque<InFlight>,
    number: i64,
    spare: Option<Video>,
    /// True if what is decoded now needs no loop filter.
    unfiltered: bool,
    sequence: u64,
    last_at: Stamp,
    /// Something was lost since the last key frame.
    damaged: bool,
    /// The time at which the packet of the last true picture arrived, or, before any, the first
    /// packet.
    true_at: Option<Mono>,
    held_back: u64,
    size: Option<(u32, u32)>,
    measured_at: Option<Mono>,
    copied_at: Option<Mono>,
}

/// One packet inside FFmpeg's decoder.
#[derive(Clone, Copy, Debug)]
struct InFlight {
    number: i64,
    received: Stamp,
    wanted: bool,
}

impl Decoder {
    /// A decoder that waits for a key frame.
    pub fn new(config: Config, clock: Arc<dyn Clock>) -> Self {
        ffmpeg_log::silence();
        let scaler = Scaler::new(config.input, Arc::clone(&config.masks));
        Self {
            config,
            clock,
            opened: None,
            scaler,
            backlog: Backlog::default(),
            in_flight: VecDeque::with_capacity(IN_FLIGHT_MAX),
            number: 0,
            spare: None,
            unfiltered: false,
            sequence: 0,
            last_at: Stamp::default(),
            damaged: false,
            true_at: None,
            held_back: 0,
            size: None,
            measured_at: None,
            copied_at: None,
        }
    }

    /// Forgets everything about the stream so far: what comes next does not continue it.
    pub fn reset(&mut self) {
        self.close();
        self.backlog.clear();
        self.damaged = false;
        self.true_at = None;
    }

    /// Takes the next packet; gives the newest wanted picture that is ready. With B frames that
    /// is an earlier packet's: each comes out with its own packet's stamp.
    ///
    /// # Errors
    /// [`Error`] says what of the packet or picture is lost; the decoder can go on.
    pub fn push(&mut self, packet: &Packet, want: DecodeMode) -> Result<Option<Frame>, Error> {
        if self.opened.as_ref().is_some_and(|(codec, _)| *codec != packet.codec) {
            tracing::info!(camera = %self.config.camera, codec = ?packet.codec, "codec changed");
            self.reset();
        }
        self.note_damage(packet);
        if packet.data.is_empty() || !self.backlog.push(packet) || want == DecodeMode::Skip {
            return Ok(None);
        }
        self.open(packet.codec)?;
        let mut frame = None;
        while let Some((next, last)) = self.backlog.next() {
            // Only the last one is asked for: those before it were not wanted when they came.
            let wanted = last && want == DecodeMode::Picture;
            frame = self.decode(&next, wanted)?.or(frame);
        }
        Ok(frame)
    }

    /// Takes a packet after which none is decoded, and gives its picture.
    ///
    /// A key frame is decoded without the loop filter: that is a tenth to a fifth cheaper, and the
    /// detector finds the same in it (`docs/performance.md`). Pictures that are predicted from it
    /// would drift, so whoever goes on from there begins with the key frame again.
    ///
    /// # Errors
    /// As [`Decoder::push`].
    pub fn push_alone(&mut self, packet: &Packet) -> Result<Option<Frame>, Error> {
        self.unfiltered = packet.key;
        let pushed = self.push(packet, DecodeMode::Picture);
        self.unfiltered = false;
        if matches!(pushed, Ok(None)) && !self.in_flight.is_empty() {
            return self.drain();
        }
        if packet.key {
            self.begin_again();
        }
        pushed
    }

    /// Gets the picture of a key frame that stands alone out of a decoder that would keep it for
    /// reordering, as happens where the packets after it are not decoded.
    ///
    /// # Errors
    /// As [`Decoder::push`].
    pub fn drain(&mut self) -> Result<Option<Frame>, Error> {
        if self.in_flight.is_empty() {
            return Ok(None);
        }
        let Some((_, decoder)) = &mut self.opened else { return Ok(None) };
        let sent = decoder.send_eof();
        let frame = match sent {
            Ok(()) => self.receive(),
            Err(source) => {
                Err(Error::Decode { camera: self.config.camera.clone(), bytes: 0, source })
            }
        };
        self.begin_again();
        frame
    }

    /// Forgets the decoder's references: to go on, it is fed from the key frame on.
    fn begin_again(&mut self) {
        if let Some((_, decoder)) = &mut self.opened {
            decoder.flush();
        }
        self.in_flight.clear();
        self.backlog.rewind();
    }

    /// Wanted pictures since the last call that were held back because they are not true.
    pub fn take_held_back(&mut self) -> u64 {
        std::mem::take(&mut self.held_back)
    }

    /// Notes what makes the next pictures untrue, and when they are true again.
    fn note_damage(&mut self, packet: &Packet) {
        if packet.key && self.damaged {
            // Damage can teach FFmpeg to expect reordering, and then every picture would be late
            // for ever. Key frames bring their parameter sets: a new decoder can start here.
            self.close();
        }
        self.damaged = !packet.key && (self.damaged || packet.lost > 0);
        self.true_at.get_or_insert(packet.received.mono);
    }

    fn close(&mut self) {
        self.opened = None;
        self.in_flight.clear();
    }

    fn open(&mut self, codec: Codec) -> Result<(), Error> {
        if self.opened.is_none() {
            let decoder = open(codec).map_err(|source| Error::Open {
                camera: self.config.camera.clone(),
                codec,
                source,
            })?;
            self.opened = Some((codec, decoder));
        }
        Ok(())
    }

    fn decode(&mut self, packet: &Packet, wanted: bool) -> Result<Option<Frame>, Error> {
        let Some((_, decoder)) = &mut self.opened else { return Ok(None) };
        self.number += 1;
        let mut data = ffmpeg::Packet::copy(&packet.data);
        data.set_pts(Some(self.number));
        data.set_dts(Some(self.number));
        if self.in_flight.len() == IN_FLIGHT_MAX {
            self.in_flight.pop_front();
        }
        let skipped = if self.unfiltered { Discard::All } else { Discard::Default };
        decoder.skip_loop_filter(skipped);
        let (number, received) = (self.number, packet.received);
        self.in_flight.push_back(InFlight { number, received, wanted });
        if let Err(source) = decoder.send_packet(&data) {
            self.in_flight.pop_back();
            self.damaged = true;
            let (camera, bytes) = (self.config.camera.clone(), packet.data.len());
            return Err(Error::Decode { camera, bytes, source });
        }
        self.receive()
    }

    /// Takes out whatever is ready; gives the newest wanted picture.
    fn receive(&mut self) -> Result<Option<Frame>, Error> {
        let mut newest = None;
        while let Some((_, decoder)) = &mut self.opened {
            let mut video = self.spare.take().unwrap_or_else(Video::empty);
            if decoder.receive_frame(&mut video).is_err() {
                // Either it wants another packet, or the packet was broken and said so already.
                self.spare = Some(video);
                break;
            }
            let number = video.pts().unwrap_or(self.number);
            let place = self.in_flight.iter().position(|packet| packet.number == number);
            let Some(packet) = place.and_then(|place| self.in_flight.remove(place)) else {
                self.spare = Some(video);
                continue;
            };
            let presentable = self.is_presentable(&video, packet.received.mono);
            if presentable && packet.wanted {
                newest = Some((video, packet.received));
            } else {
                self.held_back += u64::from(packet.wanted);
                self.spare = Some(video);
            }
        }
        newest.map(|(video, received)| self.finish(video, received)).transpose()
    }

    /// Returns whether the picture shows the street as it is, or nothing better was seen for too
    /// long.
    fn is_presentable(&mut self, video: &Video, at: Mono) -> bool {
        let is_true = !self.damaged && !video.is_corrupt() && !video.has_decode_errors();
        if is_true {
            self.true_at = Some(at);
        }
        is_true || self.true_at.is_none_or(|true_at| at.since(true_at) >= HOLD_BACK_MAX)
    }

    fn finish(&mut self, video: Video, received: Stamp) -> Result<Frame, Error> {
        let camera = self.config.camera.clone();
        let size = (video.width(), video.height());
        if self.size.is_some_and(|before| before != size) {
            let (width, height) = size;
            tracing::info!(%camera, width, height, "picture size changed");
        }
        self.size = Some(size);
        let (pixels, letterbox) = match self.scaler.scale(&video) {
            Ok(scaled) => scaled,
            Err(source) => return Err(Error::Scale { camera, source }),
        };
        self.sequence += 1;
        self.last_at = self.last_at.max(received);
        let at = self.last_at.mono;
        let statistics = is_due(&mut self.measured_at, at, STATISTICS_INTERVAL);
        let statistics =
            statistics.then(|| FrameStatistics::of(&pixels, &letterbox).map(Box::new)).flatten();
        let thumbnail = is_due(&mut self.copied_at, at, THUMBNAIL_INTERVAL);
        let thumbnail = thumbnail.then(|| Thumbnail::of(&pixels, &letterbox)).flatten();
        let took = self.clock.now().mono.since(received.mono);
        Ok(Frame {
            camera,
            sequence: self.sequence,
            at: self.last_at,
            pixels,
            letterbox,
            picture: Picture::new(video, Arc::clone(&self.config.masks)),
            statistics,
            thumbnail,
            decode_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        })
    }
}

/// Returns whether something that is done every so often is to be done now; then it is noted as
/// done.
fn is_due(last: &mut Option<Mono>, now: Mono, every: Duration) -> bool {
    let due = last.is_none_or(|last| now.since(last) >= every);
    if due {
        *last = Some(now);
    }
    due
}

fn open(codec: Codec) -> Result<codec::decoder::Video, ffmpeg::Error> {
    let id = match codec {
        Codec::H264 => codec::Id::H264,
        Codec::H265 => codec::Id::HEVC,
    };
    let found = codec::decoder::find(id).ok_or(ffmpeg::Error::DecoderNotFound)?;
    let mut context = codec::Context::new_with_codec(found);
    // Many cameras share few cores: more threads a decoder would only add latency and memory.
    context.set_threading(codec::threading::Config::count(1));
    let mut options = ffmpeg::Dictionary::new();
    options.set("flags", "+low_delay");
    options.set("max_pixels", PIXELS_MAX);
    context.decoder().open_as_with(found, options)?.video()
}
