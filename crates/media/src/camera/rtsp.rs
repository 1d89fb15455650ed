//! One RTSP session over retina: describe, set up, play, receive, tear down.
//!
//! Every request has a time limit; receiving has none here, because whoever receives watches the
//! age of packets anyway ([`crate::camera::supervisor`], `keng probe`).
//!
//! What retina (0.4.21) leaves to us, each seen or read in its source: only IDR counts as a random
//! access point, and parameter sets are put before those alone (in-band ones are taken out), so
//! before CRA and BLA we put them; a bad RTP packet is an error of a stream that goes on.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use retina::client::Credentials;
use retina::client::Demuxed;
use retina::client::Described;
use retina::client::InitialSequenceNumberPolicy;
use retina::client::InitialTimestampPolicy;
use retina::client::PlayOptions;
use retina::client::SessionGroup;
use retina::client::SessionIdPolicy;
use retina::client::SessionOptions;
use retina::client::SetupOptions;
use retina::client::TeardownPolicy;
use retina::client::UnassignedChannelDataPolicy;
use retina::client::UnknownRtcpSsrcPolicy;
use retina::codec::CodecItem;
use retina::codec::FrameFormat;
use retina::codec::ParametersRef;
use retina::codec::VideoFrame;
use retina::codec::VideoParameters;
use retina::codec::VideoParametersCodec;
use tokio::time::timeout;

use crate::camera::Codec;
use crate::camera::Config;
use crate::camera::Error;
use crate::camera::Packet;
use crate::camera::Session;
use crate::camera::Source;
use crate::camera::Transport;
use crate::camera::error;
use crate::camera::error::Step;
use crate::camera::nal;
use crate::time::Clock;
use crate::time::Stamp;
use crate::time::Wall;

/// Limit of TCP connect and DESCRIBE together, which includes the second one with credentials.
/// The system repeats a lost SYN after 1 s and 3 s: a camera that wakes up meanwhile is found.
const DESCRIBE_MAX: Duration = Duration::from_secs(6);
/// Limit of SETUP, and of PLAY: short questions to a camera that just answered one.
const REQUEST_MAX: Duration = Duration::from_secs(5);
/// Limit of TEARDOWN. A camera that does not hear it ends the session by itself, mostly in 60 s.
const TEARDOWN_MAX: Duration = Duration::from_secs(2);
/// Bad RTP packets in a row after which a session is given up. When a camera starts in the middle
/// of a key frame, or a packet of one is lost, each fragment that follows is bad, and a key frame
/// of a 4K camera has several hundreds.
const BAD_IN_A_ROW_MAX: u32 = 1000;

/// Opens RTSP sessions.
#[derive(Clone)]
pub struct Rtsp {
    clock: Arc<dyn Clock>,
}

impl Rtsp {
    /// Packets are stamped by `clock` when they have arrived.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }
}

impl Source for Rtsp {
    type Session = RtspSession;

    async fn open(&self, config: &Config) -> Result<RtspSession, Error> {
        let group = Arc::new(SessionGroup::default());
        let options = session_options(config, Arc::clone(&group));
        let describe = retina::client::Session::describe(config.url.clone(), options);
        let mut session = within(config, Step::Describe, DESCRIBE_MAX, describe).await?;
        let (index, codec) = choose_stream(config, &session)?;
        let setup = SetupOptions::default()
            .transport(match config.transport {
                Transport::Tcp => retina::client::Transport::Tcp(Default::default()),
                Transport::Udp => retina::client::Transport::Udp(Default::default()),
            })
            .frame_format(FrameFormat::SIMPLE);
        within(config, Step::Setup, REQUEST_MAX, session.setup(index, setup)).await?;
        let play = session.play(play_options());
        let playing = within(config, Step::Play, REQUEST_MAX, play).await?;
        let demuxed = playing
            .demuxed()
            .map_err(|error| Error::from_retina(config, Step::Describe, &error))?;
        Ok(RtspSession {
            place: error::place(config),
            clock: Arc::clone(&self.clock),
            group,
            demuxed,
            index,
            codec,
            bad: 0,
            last_error: None,
            report: None,
        })
    }
}

/// A playing RTSP session.
pub struct RtspSession {
    place: String,
    clock: Arc<dyn Clock>,
    group: Arc<SessionGroup>,
    demuxed: Demuxed,
    index: usize,
    codec: Codec,
    /// Bad packets since the last good one.
    bad: u32,
    last_error: Option<String>,
    report: Option<SenderReport>,
}

/// The camera's statement about its own clock (the RTCP sender report).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderReport {
    /// The camera's wall clock.
    pub camera: Wall,
    /// The time at which that arrived here.
    pub received: Stamp,
}

impl SenderReport {
    /// Returns the microseconds by which the camera's clock is ahead of ours; negative where it is
    /// behind.
    pub fn ahead_us(&self) -> i64 {
        self.camera.0.saturating_sub(self.received.wall.0)
    }
}

impl RtspSession {
    /// Returns the stream's codec.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Width and height of the picture in pixels, once the camera has told them.
    pub fn size(&self) -> Option<(u32, u32)> {
        self.parameters().map(VideoParameters::pixel_dimensions)
    }

    /// Profile and level in the form of RFC 6381 (`avc1.4D401E`), once known.
    pub fn profile(&self) -> Option<&str> {
        self.parameters().map(VideoParameters::rfc6381_codec)
    }

    /// The newest sender report, where the camera sends any.
    pub fn sender_report(&self) -> Option<SenderReport> {
        self.report
    }

    fn parameters(&self) -> Option<&VideoParameters> {
        match self.demuxed.streams().get(self.index)?.parameters()? {
            ParametersRef::Video(parameters) => Some(parameters),
            _ => None,
        }
    }

    fn packet(&mut self, frame: VideoFrame) -> Packet {
        if frame.has_new_parameters() {
            tracing::debug!(size = ?self.size(), profile = ?self.profile(), "stream parameters");
        }
        let lost = u32::from(frame.loss()).saturating_add(std::mem::take(&mut self.bad));
        let media_time_us = media_time_us(frame.timestamp());
        let mut data = frame.into_data();
        let key = nal::is_key(self.codec, &data);
        if key
            && !nal::has_parameter_sets(self.codec, &data)
            && let Some(parameters) = self.parameters()
        {
            data.splice(0..0, parameter_sets(parameters));
        }
        Packet {
            codec: self.codec,
            data: data.into(),
            key,
            media_time_us,
            received: self.clock.now(),
            lost,
        }
    }

    /// Counts a bad packet; an error once there are too many in a row.
    fn bad_packet(&mut self, error: &retina::Error) -> Result<(), Error> {
        self.bad = self.bad.saturating_add(1);
        // The first is logged, the rest of the row only counted: they come by the hundred.
        if self.bad == 1 {
            let detail = error::detail(error);
            tracing::debug!(%detail, "bad packet from the camera, skipped");
            self.last_error = Some(detail);
        }
        if self.bad < BAD_IN_A_ROW_MAX {
            return Ok(());
        }
        let (place, detail) = (self.place.clone(), error::detail(error));
        Err(Error::Broken { place, count: self.bad, detail })
    }

    fn ended(&mut self) -> Error {
        let closed = || "it closed the connection".to_owned();
        let detail = if self.bad > 0 { self.last_error.take() } else { None };
        Error::Ended { place: self.place.clone(), detail: detail.unwrap_or_else(closed) }
    }
}

impl Session for RtspSession {
    async fn next(&mut self) -> Result<Packet, Error> {
        loop {
            match self.demuxed.next().await {
                Some(Ok(CodecItem::VideoFrame(frame))) => return Ok(self.packet(frame)),
                Some(Ok(CodecItem::Rtcp(compound))) => {
                    if let Some(camera) = sender_report(&compound) {
                        self.report = Some(SenderReport { camera, received: self.clock.now() });
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    self.bad_packet(&error)?;
                    // An error that stays would otherwise keep this thread to itself.
                    tokio::task::yield_now().await;
                }
                None => return Err(self.ended()),
            }
        }
    }

    fn clock_ahead_s(&self) -> Option<i64> {
        let ahead_us = self.sender_report()?.ahead_us();
        Some(ahead_us.saturating_add(500_000).div_euclid(1_000_000))
    }

    async fn close(self) {
        let Self { demuxed, group, .. } = self;
        // retina sends TEARDOWN in the background when the session is dropped.
        drop(demuxed);
        match timeout(TEARDOWN_MAX, group.await_teardown()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(detail = %error::detail(&error), "the camera refused TEARDOWN");
            }
            Err(_elapsed) => tracing::debug!("the camera did not answer TEARDOWN in time"),
        }
    }
}

/// Options for cameras that break the rules: as tolerantly as our use allows.
fn session_options(config: &Config, group: Arc<SessionGroup>) -> SessionOptions {
    let creds = (config.username.is_some() || config.password.is_some()).then(|| Credentials {
        username: config.username.clone().unwrap_or_default(),
        password: config.password.as_ref().map_or("", |secret| secret.reveal()).to_owned(),
    });
    SessionOptions::default()
        .creds(creds)
        .user_agent(concat!("keng/", env!("CARGO_PKG_VERSION")).to_owned())
        .session_group(group)
        // Some cameras change the id from answer to answer; the first stays valid.
        .session_id(SessionIdPolicy::UseFirst)
        // Some cameras send streams that were not asked for, or the rest of an old session.
        .unassigned_channel_data(UnassignedChannelDataPolicy::Ignore)
        // TCP: once, as the closed connection says the same. UDP: until it is heard, because
        // nothing else stops the camera from sending.
        .teardown(TeardownPolicy::Auto)
}

fn play_options() -> PlayOptions {
    PlayOptions::default()
        // RTP-Info joins several streams in time; we take one, and some cameras lie in it.
        .initial_timestamp(InitialTimestampPolicy::Ignore)
        // The same header: a wrong first number looks like thousands of lost packets, or has
        // the right ones thrown away as late.
        .initial_seq(InitialSequenceNumberPolicy::Ignore)
        // Sender reports of somebody else's would spoil the probe's clock; they are no reason
        // to end a session.
        .unknown_rtcp_ssrc(UnknownRtcpSsrcPolicy::DropPackets)
}

async fn within<T>(
    config: &Config,
    step: Step,
    limit: Duration,
    request: impl Future<Output = Result<T, retina::Error>>,
) -> Result<T, Error> {
    match timeout(limit, request).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(Error::from_retina(config, step, &error)),
        Err(_elapsed) => Err(Error::NoAnswer { place: error::place(config), step, limit }),
    }
}

/// The first video stream with a codec that we decode.
fn choose_stream(
    config: &Config,
    session: &retina::client::Session<Described>,
) -> Result<(usize, Codec), Error> {
    let streams = session.streams();
    let mut videos = streams.iter().enumerate().filter(|(_, stream)| stream.media() == "video");
    if let Some(chosen) = videos.clone().find_map(|(index, stream)| {
        let codec = match stream.encoding_name() {
            "h264" => Codec::H264,
            "h265" => Codec::H265,
            _ => return None,
        };
        Some((index, codec))
    }) {
        return Ok(chosen);
    }
    let place = error::place(config);
    if let Some((_, other)) = videos.next() {
        return Err(Error::Codec { place, codec: other.encoding_name().to_owned() });
    }
    let found: Vec<&str> = streams.iter().map(retina::client::Stream::media).collect();
    let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
    Err(Error::NoVideo { place, found })
}

/// The parameter sets as an Annex B byte stream.
fn parameter_sets(parameters: &VideoParameters) -> Vec<u8> {
    let sets = match parameters.codec_params() {
        VideoParametersCodec::H264 { sps, pps } => vec![sps, pps],
        VideoParametersCodec::H265 { vps, sps, pps } => vec![vps, sps, pps],
        _ => Vec::new(),
    };
    sets.into_iter().flat_map(|set| [&[0, 0, 0, 1], &set[..]].concat()).collect()
}

fn media_time_us(timestamp: retina::Timestamp) -> i64 {
    let rate = i128::from(timestamp.clock_rate().get());
    let micros = i128::from(timestamp.elapsed()) * 1_000_000 / rate;
    i64::try_from(micros).unwrap_or(if micros < 0 { i64::MIN } else { i64::MAX })
}

/// The camera's wall clock, if this begins with a sender report.
fn sender_report(compound: &retina::rtcp::ReceivedCompoundPacket) -> Option<Wall> {
    compound.rtp_timestamp()?;
    let report = compound.pkts().next()?.as_sender_report().ok()??;
    let since_epoch = report.ntp_timestamp().0.wrapping_sub(retina::UNIX_EPOCH.0);
    let micros = (u128::from(since_epoch) * 1_000_000) >> 32;
    i64::try_from(micros).ok().map(Wall)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    #[test]
    fn media_time_is_micros_since_the_start() {
        let rate = NonZeroU32::new(90_000).unwrap();
        let at = |ticks| retina::Timestamp::new(ticks, rate, 1000).unwrap();
        assert_eq!(media_time_us(at(1000)), 0);
        assert_eq!(media_time_us(at(1000 + 90_000)), 1_000_000);
        assert_eq!(media_time_us(at(1000 - 45_000)), -500_000);
        assert_eq!(media_time_us(at(i64::MAX)), i64::MAX, "cut, not wrapped");
    }

    #[test]
    fn a_sender_report_tells_the_cameras_time() {
        let report = b"\x80\xc8\x00\x06\x66\x42\x6a\xe1\xe4\x36\x2f\x99\xcc\xcc\xcc\xcc\
            \x85\x2e\xf8\x07\x00\x2a\x43\x33\x2f\x4c\x34\x1d";
        let stamp = retina::Timestamp::new(0, NonZeroU32::new(90_000).unwrap(), 0);
        let compound = retina::rtcp::ReceivedCompoundPacket::dummy(stamp, report);
        let wall = sender_report(&compound).unwrap();
        assert_eq!(wall.to_jiff().to_string(), "2021-04-30T07:26:17.799999Z");
    }
}
