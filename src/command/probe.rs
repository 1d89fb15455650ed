//! `keng probe URL`: connects once, says what the camera sends, prints a `[[camera]]` to paste.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::camera;
use crate::camera::Codec;
use crate::camera::Config;
use crate::camera::Packet;
use crate::camera::Session;
use crate::camera::Source;
use crate::camera::Transport;
use crate::camera::rtsp::Rtsp;
use crate::camera::rtsp::RtspSession;
use crate::time::Clock;
use crate::time::Stamp;
use crate::ward::Id;
use crate::ward::Secret;

/// No packet for this long ends the probe.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// Packets of the first second say nothing about the camera's rate: many cameras and recorders
/// begin with a burst of what they kept.
const BURST: Duration = Duration::from_secs(1);
/// A longer interval between key frames delays the first picture of a session, and idle cameras
/// are looked at by their key frames alone.
const KEY_INTERVAL_GOOD_S: f64 = 4.0;

/// Arguments of `keng probe`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// rtsp://[USER:PASSWORD@]HOST[:PORT]/PATH
    #[arg(value_name = "URL", value_parser = secret)]
    url: Secret,
    /// The camera's user, if it wants one
    #[arg(long)]
    username: Option<String>,
    /// Environment variable that holds the password
    #[arg(long, value_name = "VAR")]
    password_env: Option<String>,
    /// The carrier of the video
    #[arg(long, value_enum, default_value_t = Carrier::Tcp)]
    transport: Carrier,
    /// The time to measure for
    #[arg(long, value_name = "N", default_value_t = 5,
          value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
}

/// [`Transport`] on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Carrier {
    /// Interleaved with RTSP: passes firewalls, loses nothing
    Tcp,
    /// For cameras whose TCP is broken
    Udp,
}

/// The reason why there is nothing to report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The url can't be used. Its text is not repeated: it may hold a password.
    #[error(
        "the url is not rtsp://host/path ({0}); if user or password hold other characters than \
         letters and digits, use --username and --password-env"
    )]
    Url(&'static str),
    /// The variable with the password is not there.
    #[error("the environment variable {0} is not set")]
    Environment(String),
    /// The camera.
    #[error(transparent)]
    Camera(#[from] camera::Error),
    /// The report can't be written.
    #[error("can't write the report: {0}")]
    Write(#[from] std::io::Error),
}

/// Connects, measures, and writes the report. `environment` looks a variable up.
///
/// # Errors
/// [`Error`] says why there is no report.
pub async fn run(
    args: Args,
    out: &mut impl Write,
    clock: Arc<dyn Clock>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<(), Error> {
    let (config, variable) = target(&args, environment)?;
    let mut session = Rtsp::new(clock).open(&config).await?;
    let measured = measure(&config, &mut session, Duration::from_secs(args.seconds.into())).await;
    let facts = Facts {
        codec: session.codec(),
        profile: session.profile().map(str::to_owned),
        size: session.size(),
        camera_ahead_s: session.sender_report().map(|report| seconds(report.ahead_us())),
    };
    session.close().await;
    write_report(out, &config, &facts, &measured?)?;
    write_block(out, &config, &variable)?;
    Ok(())
}

fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text.to_owned()))
}

/// The camera's config, and the variable that holds, or is to hold, its password.
fn target(
    args: &Args,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<(Config, String), Error> {
    let mut url = url::Url::parse(args.url.reveal()).map_err(|_| Error::Url("unreadable"))?;
    if url.scheme() != "rtsp" {
        return Err(Error::Url("the scheme is not rtsp"));
    }
    let host = url.host_str().filter(|host| !host.is_empty());
    let id = id_from_host(host.ok_or(Error::Url("no host"))?);
    let in_url = |text: &str| (!text.is_empty()).then(|| percent_decoded(text));
    let username = args.username.clone().or_else(|| in_url(url.username()));
    let mut password = url.password().map(percent_decoded);
    url.set_username("").map_err(|()| Error::Url("no host"))?;
    url.set_password(None).map_err(|()| Error::Url("no host"))?;
    if let Some(name) = &args.password_env {
        password = Some(environment(name).ok_or_else(|| Error::Environment(name.clone()))?);
    }
    let made_up = || format!("KENG_CAM_{}", id.as_str().to_uppercase().replace('-', "_"));
    let variable = args.password_env.clone().unwrap_or_else(made_up);
    let transport = match args.transport {
        Carrier::Tcp => Transport::Tcp,
        Carrier::Udp => Transport::Udp,
    };
    let password = password.map(Secret::new);
    Ok((Config { id, url, username, password, transport }, variable))
}

/// `192.0.2.14` becomes `192-0-2-14`.
fn id_from_host(host: &str) -> Id {
    let words = host.to_ascii_lowercase();
    let words = words.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let text: String = words.collect::<Vec<_>>().join("-").chars().take(60).collect();
    let fallback = || Id::new("cam").expect("three letters are an id");
    Id::new(&text).or_else(|_| Id::new(&format!("cam-{text}"))).unwrap_or_else(|_| fallback())
}

/// `%40` becomes `@`; bytes that are no UTF-8 are replaced.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The facts that are known without measuring.
struct Facts {
    codec: Codec,
    profile: Option<String>,
    size: Option<(u32, u32)>,
    /// The camera's wall clock less ours, in seconds.
    camera_ahead_s: Option<f64>,
}

/// One packet, as far as figures go.
struct Sample {
    received: Stamp,
    media_time_us: i64,
    key: bool,
    bytes: usize,
    lost: u32,
}

impl From<&Packet> for Sample {
    fn from(packet: &Packet) -> Self {
        Self {
            received: packet.received,
            media_time_us: packet.media_time_us,
            key: packet.key,
            bytes: packet.data.len(),
            lost: packet.lost,
        }
    }
}

/// Takes packets for `span` from the first one on.
async fn measure(
    config: &Config,
    session: &mut RtspSession,
    span: Duration,
) -> Result<Vec<Sample>, Error> {
    let mut samples: Vec<Sample> = Vec::new();
    loop {
        let packet = timeout(SILENCE_MAX, session.next()).await.map_err(|_elapsed| {
            let place = camera::error::place(config);
            camera::Error::Stalled { place, limit: SILENCE_MAX }
        })??;
        samples.push(Sample::from(&packet));
        if since_first(&samples, packet.received) >= span {
            return Ok(samples);
        }
    }
}

fn since_first(samples: &[Sample], now: Stamp) -> Duration {
    samples.first().map_or(Duration::ZERO, |first| now.mono.since(first.received.mono))
}

/// Figures of a stream.
#[derive(Debug, PartialEq)]
struct Figures {
    span_s: f64,
    frames: usize,
    /// Frames a second, after the burst at the beginning.
    fps: f64,
    /// Seconds of the stream's own time, and frames, between key frames, where two were seen.
    key_interval: Option<(f64, f64)>,
    bits_per_s: f64,
    lost: u64,
    /// The percentage by which the stream's clock runs faster than ours.
    rate_skew_percent: Option<f64>,
}

impl Figures {
    fn of(samples: &[Sample]) -> Self {
        let last = samples.last().map_or_else(Stamp::default, |last| last.received);
        let span = since_first(samples, last);
        // A short probe has nothing to spare.
        let skip = if span >= BURST * 2 { BURST } else { Duration::ZERO };
        let begins = samples.partition_point(|s| since_first(samples, s.received) < skip);
        let steady = &samples[begins..];
        let steady_s = since_first(steady, last).as_secs_f64().max(1e-6);
        let keys: Vec<usize> = (0..samples.len()).filter(|at| samples[*at].key).collect();
        let key_interval = match (keys.first(), keys.last()) {
            (Some(first), Some(last)) if first < last => {
                let gaps = (keys.len() - 1) as f64;
                let media = samples[*last].media_time_us - samples[*first].media_time_us;
                Some((seconds(media) / gaps, (last - first) as f64 / gaps))
            }
            _ => None,
        };
        let bytes: usize = steady.iter().skip(1).map(|sample| sample.bytes).sum();
        Self {
            span_s: span.as_secs_f64(),
            frames: samples.len(),
            fps: steady.len().saturating_sub(1) as f64 / steady_s,
            key_interval,
            bits_per_s: bytes as f64 * 8.0 / steady_s,
            // Before the first packet nothing can be lost: the stream was joined there.
            lost: samples.iter().skip(1).map(|sample| u64::from(sample.lost)).sum(),
            rate_skew_percent: slope(steady).map(|slope| (slope - 1.0) * 100.0),
        }
    }
}

/// Seconds of stream time that pass in a second of ours: the least-squares line through all
/// packets, so that single late ones (and B-frames, whose times go to and fro) count little.
fn slope(samples: &[Sample]) -> Option<f64> {
    let first = samples.first()?;
    let points: Vec<(f64, f64)> = samples
        .iter()
        .map(|s| {
            let ours = s.received.mono.seconds_since(first.received.mono);
            (ours, seconds(s.media_time_us.saturating_sub(first.media_time_us)))
        })
        .collect();
    let count = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let over: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let under: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    (points.len() >= 3 && under > 0.0).then(|| over / under)
}

fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

fn write_report(
    out: &mut impl Write,
    config: &Config,
    facts: &Facts,
    samples: &[Sample],
) -> std::io::Result<()> {
    let figures = Figures::of(samples);
    let codec = match facts.codec {
        Codec::H264 => "H.264",
        Codec::H265 => "H.265",
    };
    let carrier = match config.transport {
        Transport::Tcp => "TCP",
        Transport::Udp => "UDP",
    };
    writeln!(out, "{} plays over {carrier}", camera::error::place(config))?;
    match &facts.profile {
        Some(profile) => writeln!(out, "  codec       {codec} ({profile})")?,
        None => writeln!(out, "  codec       {codec}")?,
    }
    match facts.size {
        Some((width, height)) => writeln!(out, "  size        {width} x {height}")?,
        None => writeln!(out, "  size        unknown: the camera sent no parameter sets")?,
    }
    let Figures { fps, frames, span_s, lost, .. } = figures;
    writeln!(out, "  frames      {fps:.1} a second ({frames} in {span_s:.1} s)")?;
    match figures.key_interval {
        Some((interval_s, frames)) => {
            writeln!(out, "  key frames  every {interval_s:.1} s ({frames:.0} frames)")?;
        }
        None => writeln!(out, "  key frames  fewer than two in {span_s:.1} s")?,
    }
    writeln!(out, "  bitrate     {:.2} Mbit/s", figures.bits_per_s / 1e6)?;
    writeln!(out, "  lost        {lost} RTP packets")?;
    if let Some(skew) = figures.rate_skew_percent {
        writeln!(out, "  clock rate  {skew:+.2} % against ours")?;
    }
    match facts.camera_ahead_s {
        Some(ahead) if ahead < 0.0 => {
            writeln!(out, "  clock       {:.1} s behind ours", -ahead)?;
        }
        Some(ahead) => writeln!(out, "  clock       {ahead:.1} s ahead of ours")?,
        None => writeln!(out, "  clock       not told (no RTCP sender report in time)")?,
    }
    let interval = figures.key_interval.map_or(span_s, |(interval_s, _)| interval_s);
    if interval > KEY_INTERVAL_GOOD_S {
        writeln!(out, "Hint: set the camera's I-frame interval to 2 s or less.")?;
    }
    Ok(())
}

fn write_block(out: &mut impl Write, config: &Config, variable: &str) -> std::io::Result<()> {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    writeln!(out, "\n[[camera]]")?;
    writeln!(out, "id = \"{}\"", config.id)?;
    writeln!(out, "khu_pho = \"kp1\"  # the id of one of your [[khu_pho]]")?;
    writeln!(out, "url = {}", quoted(config.url.as_str()))?;
    if let Some(username) = &config.username {
        writeln!(out, "username = {}", quoted(username))?;
    }
    if config.password.is_some() {
        writeln!(out, "password = {{ env = {} }}", quoted(variable))?;
    }
    if config.transport == Transport::Udp {
        writeln!(out, "transport = \"udp\"")?;
    }
    writeln!(out, "place = {{ address = \"\" }}  # for people, such as \"Hẻm 42 Lê Văn Sỹ\"")
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;
