//! `keng replay CLIP…`: recorded clips through the very same core, in virtual time.
//!
//! The clips follow one another without a gap, as the hours of one camera's recording would. The
//! same decoder, pace, detector and core as the daemon's; only the clock is the clip's, so that it
//! runs as fast as the machine can and gives the same bytes each time.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::alert;
use crate::attention::motion::MotionDetector;
use crate::camera::Packet;
use crate::config;
use crate::config::CameraSettings;
use crate::config::Faults;
use crate::config::Settings;
use crate::detection::Class;
use crate::detection_log;
use crate::detector::Detector;
use crate::detector::flicker::{self, FlickerStage};
use crate::detector::onnx;
use crate::detector::onnx::{OnnxConfig, OnnxDetector};
use crate::frame::clip;
use crate::frame::clip::ClipReader;
use crate::frame::decode;
use crate::frame::decode::Decoder;
use crate::frame::decode_rate::DecodeSchedule;
use crate::frame::mask::Masks;
use crate::frame::worker;
use crate::incident::Incident;
use crate::pipeline::Core;
use crate::pipeline::FrameResult;
use crate::pipeline::Watched;
use crate::time::{Clock, ManualClock, Mono, Stamp, Wall};
use crate::ward::Id;

/// The start where `--start` says nothing: a night, so that every rule holds.
const START: &str = "2026-01-01T22:00:00";
/// The clock ticks in the core as often.
const TICK: Duration = Duration::from_secs(1);

/// Arguments of `keng replay`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The recordings, in the order of their time.
    #[arg(required = true, value_name = "CLIP")]
    pub clips: Vec<PathBuf>,
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// The camera whose view the clips are; the first one where nothing is said.
    #[arg(long, value_name = "ID")]
    pub camera: Option<String>,
    /// The alerts themselves, one JSON a line.
    #[arg(long)]
    pub json: bool,
    /// The time at which the first clip begins, as RFC 3339; 22:00 of some day where nothing is
    /// said.
    #[arg(long, value_name = "RFC3339")]
    pub start: Option<String>,
    /// Prints every analysed frame's detections to standard error as well.
    #[arg(long)]
    pub detections: bool,
}

/// The reason why a replay ended early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration.
    #[error("the configuration has faults:\n{0}")]
    Config(Faults),
    /// No such camera, or none at all.
    #[error("{0}")]
    Camera(String),
    /// `--start` is no time.
    #[error("--start {text:?} is no RFC 3339 time such as 2026-11-21T22:00:00+07:00")]
    Start {
        /// As given.
        text: String,
        /// The fault in it.
        source: jiff::Error,
    },
    /// The model.
    #[error(transparent)]
    Model(#[from] onnx::Error),
    /// A clip.
    #[error(transparent)]
    Clip(#[from] clip::Error),
    /// Standard output.
    #[error("failed to write")]
    Write(#[from] std::io::Error),
}

impl Error {
    /// Tells whether it is the configuration that has to be mended.
    pub fn is_config(&self) -> bool {
        matches!(self, Self::Config(_))
    }
}

/// Replays the clips and prints the alerts that would have been published.
///
/// # Errors
/// [`Error`]; a damaged place in a clip is told and skipped.
pub fn run(args: &Args, out: &mut impl Write, shutdown: CancellationToken) -> Result<(), Error> {
    let settings = config::load(&args.config).map_err(Error::Config)?.settings;
    let camera = choose(&settings, args.camera.as_deref())?.clone();
    let start = start(args.start.as_deref(), &settings.ward.timezone)?;
    let detector = load_detector(&settings)?;
    let mut replay = Replay::new(&settings, &camera, detector, start, args);
    for path in &args.clips {
        let reader = ClipReader::open(path)?;
        replay.play(reader, out, &shutdown)?;
        if shutdown.is_cancelled() {
            break;
        }
    }
    replay.finish(out)
}

/// Records what the detector sees in the clips, frame by frame, as the detection log would keep it.
/// `args` says which clips of which camera.
///
/// # Errors
/// As [`run`].
pub(super) fn record(
    args: &Args,
    settings: &Settings,
    shutdown: &CancellationToken,
) -> Result<Vec<FrameResult>, Error> {
    let camera = choose(settings, args.camera.as_deref())?.clone();
    let start = start(args.start.as_deref(), &settings.ward.timezone)?;
    let mut replay = Replay::new(settings, &camera, load_detector(settings)?, start, args);
    replay.recorded = Some(Vec::new());
    for path in &args.clips {
        replay.play(ClipReader::open(path)?, &mut std::io::sink(), shutdown)?;
    }
    Ok(replay.recorded.unwrap_or_default())
}

fn load_detector(settings: &Settings) -> Result<OnnxDetector, onnx::Error> {
    let model = OnnxConfig {
        model: settings.detector.model.clone(),
        runtime: None,
        intra_threads: settings.detector.threads,
        confidence_min: flicker::SUSPICION_MIN,
    };
    OnnxDetector::load(&model, &Class::ALL)
}

fn choose<'a>(settings: &'a Settings, wanted: Option<&str>) -> Result<&'a CameraSettings, Error> {
    let known = || {
        let ids: Vec<&str> = settings.cameras.iter().map(|c| c.site.id.as_str()).collect();
        ids.join(", ")
    };
    match wanted {
        None => settings.cameras.first().ok_or_else(|| {
            Error::Camera("the configuration has no [[camera]] to replay for".to_owned())
        }),
        Some(id) => settings.cameras.iter().find(|c| c.site.id.as_str() == id).ok_or_else(|| {
            Error::Camera(format!("no camera {id:?} in the configuration, which has: {}", known()))
        }),
    }
}

fn start(text: Option<&str>, timezone: &jiff::tz::TimeZone) -> Result<Stamp, Error> {
    let wall = match text {
        Some(text) => Wall::parse_rfc3339(text)
            .map_err(|source| Error::Start { text: text.to_owned(), source })?,
        None => {
            let night: jiff::civil::DateTime = START.parse().expect("it is a date and time");
            let ambiguous = timezone.to_ambiguous_zoned(night);
            let zoned = ambiguous.compatible().expect("that day is in every zone");
            Wall::from_jiff(zoned.timestamp())
        }
    };
    Ok(Stamp { mono: Mono(0), wall })
}

/// One camera in virtual time.
struct Replay<'a> {
    args: &'a Args,
    camera: Id,
    clock: Arc<ManualClock>,
    decoder: Decoder,
    schedule: DecodeSchedule,
    motion: MotionDetector,
    detector: OnnxDetector,
    second: FlickerStage,
    core: Core,
    context: alert::AlertContext,
    /// The time at which the clip that plays began.
    begun: Stamp,
    ticked: Stamp,
    sequence: u64,
    frames: u64,
    damaged: u64,
    /// The results of the frames, where they are wanted.
    recorded: Option<Vec<FrameResult>>,
}

impl<'a> Replay<'a> {
    fn new(
        settings: &Settings,
        camera: &CameraSettings,
        detector: OnnxDetector,
        start: Stamp,
        args: &'a Args,
    ) -> Self {
        let clock = Arc::new(ManualClock::new(start));
        let config = decode::Config {
            camera: camera.site.id.clone(),
            input: detector.input(),
            masks: Arc::new(Masks::new(camera.masks.clone())),
        };
        let watched = Watched { site: camera.site.clone(), rules: camera.rules.clone() };
        let mut core = Core::new(settings.ward.timezone.clone(), vec![watched], start);
        core.set_policy(settings.incidents.clone());
        Self {
            args,
            camera: camera.site.id.clone(),
            decoder: Decoder::new(config, Arc::clone(&clock) as Arc<dyn Clock>),
            schedule: DecodeSchedule::default(),
            motion: MotionDetector::default(),
            core,
            context: crate::app::context(settings, detector.identity()),
            detector,
            second: FlickerStage::default(),
            clock,
            begun: start,
            ticked: start,
            sequence: 0,
            frames: 0,
            damaged: 0,
            recorded: None,
        }
    }

    fn play(
        &mut self,
        reader: ClipReader,
        out: &mut impl Write,
        shutdown: &CancellationToken,
    ) -> Result<(), Error> {
        let codec = reader.codec();
        let mut end_us = 0;
        self.decoder.reset();
        self.schedule.interrupt();
        self.motion.interrupt();
        for unit in reader {
            if shutdown.is_cancelled() {
                return Ok(());
            }
            let unit = match unit {
                Ok(unit) => unit,
                Err(error @ clip::Error::Damaged { .. }) => {
                    tracing::warn!(%error, "skipped");
                    self.damaged += 1;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            // It would arrive when it is due to be decoded; before the first picture, at once.
            let due_us = u64::try_from(unit.dts_us).unwrap_or(0);
            end_us = end_us.max(due_us + u64::try_from(unit.duration_us).unwrap_or(0));
            let received = self.begun + Duration::from_micros(due_us);
            self.tick_until(received, out)?;
            self.take(
                &Packet {
                    codec,
                    data: unit.data,
                    key: unit.key,
                    media_time_us: unit.pts_us,
                    received,
                    lost: 0,
                },
                out,
            )?;
        }
        self.begun = self.begun + Duration::from_micros(end_us);
        self.tick_until(self.begun, out)
    }

    fn take(&mut self, packet: &Packet, out: &mut impl Write) -> Result<(), Error> {
        self.clock.set(packet.received);
        if self.motion.note(packet.received.mono, packet.key, packet.data.len()) {
            self.core.on_motion(&self.camera, packet.received);
        }
        let period = self.core.level(&self.camera, packet.received).period();
        let choice = self.schedule.choose(packet.received.mono, packet.key, period);
        let frame = match worker::decode(&mut self.decoder, packet, choice) {
            Ok(Some(frame)) => frame,
            Ok(None) => return Ok(()),
            Err(error) => {
                tracing::warn!(%error, "skipped");
                self.damaged += 1;
                return Ok(());
            }
        };
        self.frames += 1;
        let at = frame.at;
        let mut detections = self.detector.detect(&[&frame])?.pop().unwrap_or_default();
        self.second.rescore(&frame, &mut detections);
        detection_log::round(&mut detections);
        if self.args.detections {
            tracing::info!(at_s = at.mono.0 as f64 / 1e6, ?detections, "frame");
        }
        let result = FrameResult { camera: self.camera.clone(), at, detections };
        if let Some(recorded) = &mut self.recorded {
            recorded.push(result.clone());
        }
        let mut revisions = self.core.on_frame(&result);
        if let Some(look) = &frame.statistics {
            revisions.extend(self.core.on_statistics(&self.camera, look, at));
        }
        self.print(&revisions, out)
    }

    fn tick_until(&mut self, until: Stamp, out: &mut impl Write) -> Result<(), Error> {
        while self.ticked.mono + TICK <= until.mono {
            self.ticked = self.ticked + TICK;
            let revisions = self.core.on_tick(self.ticked);
            self.print(&revisions, out)?;
        }
        Ok(())
    }

    fn print(&mut self, revisions: &[Incident], out: &mut impl Write) -> Result<(), Error> {
        for incident in revisions {
            self.sequence += 1;
            let alert = self.context.render(incident, self.sequence, None, None);
            if self.args.json {
                out.write_all(&alert)?;
                writeln!(out)?;
            } else {
                let time = incident.updated_at.to_rfc3339(&self.context.ward.timezone);
                let message = self.context.message(incident);
                let kind = incident.kind.as_str();
                writeln!(out, "{time} {kind} r{}  {message}", incident.revision)?;
            }
        }
        Ok(())
    }

    fn finish(self, out: &mut impl Write) -> Result<(), Error> {
        if !self.args.json {
            let seconds = self.begun.mono.seconds_since(Mono(0));
            let (alerts, frames, damaged) = (self.sequence, self.frames, self.damaged);
            writeln!(
                out,
                "{alerts} alerts from {frames} analysed frames of {seconds:.1} s; \
                 {damaged} damaged places skipped"
            )?;
        }
        Ok(out.flush()?)
    }
}
