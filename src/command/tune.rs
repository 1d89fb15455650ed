//! `keng tune`: what other thresholds would have told, on what was really detected.
//!
//! Reads the detections that the daemon keeps (it may run meanwhile), or clips, and plays them
//! through the very same core: once as the file says, and once as `--set` says, or many times over
//! a small grid. Prints; never writes the configuration.

use std::io::Write;
use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use super::replay;
use super::tune_table::{Findings, Told, print_advice, print_comparison};
use crate::config;
use crate::config::{Faults, Settings};
use crate::detection_log::{DaemonRun, Damage, Folder, LoggedInput, StoredVerdict, TimeRange};
use crate::incident::Kind;
use crate::pipeline::Watched;
use crate::rule::RuleKind;
use crate::time::Wall;
use crate::tune;
use crate::tune::advice::{Choice, VERDICTS_MIN, advise};
use crate::tune::compare::{JudgedIncident, judged, outcome, rows};
use crate::tune::play::{Lane, play_all};
use crate::ward::Id;

/// Keys of other sections change nothing that was detected.
const TUNABLE: &str = "rule";

/// Arguments of `keng tune`.
///
/// Without `--set` it tries a small grid of `confidence_min` and `confirm_s` (loitering: `dwell_s`)
/// for each rule with enough verdicts, and advises what to write.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Clips to play instead of what the daemon has kept; `--camera` says whose view they are.
    #[arg(value_name = "CLIP")]
    pub clips: Vec<PathBuf>,
    /// The configuration file; it is only read.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Detections from then on, as RFC 3339; of clips, when the first begins. Not given: all that
    /// are kept.
    #[arg(long, value_name = "RFC3339")]
    pub since: Option<String>,
    /// Detections before then.
    #[arg(long, value_name = "RFC3339")]
    pub until: Option<String>,
    /// This camera alone; changes hold for it alone then. Not given: the whole ward.
    #[arg(long, value_name = "ID")]
    pub camera: Option<String>,
    /// A key to change and its value, such as rule.fire.confidence_min=0.55; may be repeated.
    /// Without --camera it holds for the ward: cameras that have such a key of their own keep it.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// One JSON object instead of tables.
    #[arg(long)]
    pub json: bool,
}

/// The reason why nothing could be said.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration, as it is or as `--set` makes it.
    #[error("the configuration has faults:\n{0}")]
    Config(Faults),
    /// `--since` or `--until` is no time.
    #[error("{text:?} is no RFC 3339 time such as 2026-11-21T22:00:00+07:00")]
    Time {
        /// As given.
        text: String,
        /// The fault in it.
        source: jiff::Error,
    },
    /// No such camera.
    #[error("no camera {0:?} in the configuration")]
    Camera(String),
    /// The kept detections can't be read.
    #[error("detections can't be read from {path}")]
    Read {
        /// The place of it.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// There is nothing.
    #[error("no detections are kept in {0} for that time; [store] detections_mb_max keeps them")]
    Nothing(PathBuf),
    /// A clip, or the model.
    #[error(transparent)]
    Clips(#[from] replay::Error),
    /// Standard output.
    #[error("failed to write")]
    Write(#[from] std::io::Error),
    /// A signal stopped it.
    #[error("stopped")]
    Stopped,
}

impl Error {
    /// Tells whether it is the configuration that has to be mended.
    pub fn is_config(&self) -> bool {
        matches!(self, Self::Config(_)) || matches!(self, Self::Clips(error) if error.is_config())
    }
}

/// Replays what is kept and prints what would change.
///
/// # Errors
/// [`Error`]; damage in what is kept is told and passed over.
pub fn run(args: &Args, out: &mut impl Write, stop: &CancellationToken) -> Result<(), Error> {
    let settings = config::load(&args.config).map_err(Error::Config)?.settings;
    let camera = args.camera.as_deref().or_else(|| {
        let first = settings.cameras.first().filter(|_| !args.clips.is_empty());
        first.map(|camera| camera.site.id.as_str())
    });
    let camera = match camera {
        None => None,
        Some(id) => Some(known(&settings, id)?),
    };
    let sets: Vec<(&str, &str)> = args.set.iter().filter_map(|set| set.split_once('=')).collect();
    let changed = config::load_changed(&args.config, |text| match args.set.len() - sets.len() {
        0 => changed(&text, &sets, camera.as_ref()),
        _ => Err("--set wants KEY=VALUE, such as rule.fire.confirm_s=4".to_owned()),
    });
    let changed = changed.map_err(Error::Config)?.settings;
    let source = source(args, &settings, camera.clone())?;
    let session = Session { settings: &settings, camera, source, stop };
    let heard = session.survey()?;
    let mut verdicts = judged(&heard.verdicts);
    // What began before the first frame can't be told again.
    verdicts.retain(|one| heard.span.is_some_and(|(from, _)| one.opened_at >= from));
    if args.set.is_empty() {
        return session.advise(&verdicts, heard.told(), args.json, out);
    }
    let mut lanes = [session.lane(&settings), session.lane(&changed)];
    session.play(&mut lanes)?;
    let [before, after] = lanes.map(Lane::finish);
    let findings = Findings {
        heard: heard.told(),
        rows: rows(&before, &after),
        outcomes: tune::rules()
            .map(|rule| (rule, outcome(of_rule(&verdicts, rule), &before, &after)))
            .collect(),
    };
    Ok(print_comparison(&findings, &settings.ward.timezone, args.json, out)?)
}

fn known(settings: &Settings, id: &str) -> Result<Id, Error> {
    let camera = settings.cameras.iter().find(|camera| camera.site.id.as_str() == id);
    camera.map(|camera| camera.site.id.clone()).ok_or_else(|| Error::Camera(id.to_owned()))
}

fn of_rule(
    verdicts: &[JudgedIncident],
    rule: RuleKind,
) -> impl Iterator<Item = &JudgedIncident> + Clone {
    verdicts.iter().filter(move |one| one.kind == Kind::from(rule))
}

/// The configuration's text with keys laid over: `[rule]`'s, or those of one camera.
fn changed(text: &str, sets: &[(&str, &str)], camera: Option<&Id>) -> Result<String, String> {
    if sets.is_empty() {
        return Ok(text.to_owned());
    }
    let mut file: toml::Table = text.parse().map_err(|e: toml::de::Error| e.to_string())?;
    for (key, value) in sets {
        let key = key.trim();
        if key.split('.').next() != Some(TUNABLE) {
            return Err(format!("--set {key}: only keys of [rule] can be tried"));
        }
        // Hours and words may come without quotes.
        let plain = format!("{key} = {value}").parse();
        let read = plain.or_else(|_| format!("{key} = {value:?}").parse());
        let over: toml::Table = read.map_err(|_| format!("--set {key}={value} is no TOML"))?;
        let of_camera = |table: &&mut toml::Value| {
            table.get("id").and_then(toml::Value::as_str) == camera.map(Id::as_str)
        };
        let under = match camera {
            None => Some(&mut file),
            Some(_) => file
                .get_mut("camera")
                .and_then(|cameras| cameras.as_array_mut()?.iter_mut().find(of_camera))
                .and_then(toml::Value::as_table_mut),
        };
        lay(under.ok_or("there is no such camera")?, over);
    }
    toml::to_string(&file).map_err(|error| error.to_string())
}

fn lay(under: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(toml::Value::Table(under)), toml::Value::Table(over)) => lay(under, over),
            (_, value) => drop(under.insert(key, value)),
        }
    }
}

/// The source of detections.
enum Source {
    Kept(Folder, TimeRange),
    Clips(Vec<(DaemonRun, LoggedInput)>),
}

fn source(args: &Args, settings: &Settings, camera: Option<Id>) -> Result<Source, Error> {
    let time = |text: &Option<String>| {
        let read = text.as_deref().map(|text| {
            Wall::parse_rfc3339(text)
                .map_err(|source| Error::Time { text: text.to_owned(), source })
        });
        read.transpose()
    };
    let (since, until) = (time(&args.since)?, time(&args.until)?);
    if args.clips.is_empty() {
        let span = since.unwrap_or(Wall(i64::MIN))..until.unwrap_or(Wall(i64::MAX));
        return Ok(Source::Kept(Folder::of(&settings.store.path), span));
    }
    let clips = replay::Args {
        clips: args.clips.clone(),
        config: args.config.clone(),
        camera: camera.map(|camera| camera.to_string()),
        json: false,
        start: args.since.clone(),
        detections: false,
    };
    let frames = replay::record(&clips, settings, &CancellationToken::new())?;
    let records = frames.into_iter().map(|frame| (DaemonRun::default(), LoggedInput::Frame(frame)));
    Ok(Source::Clips(records.collect()))
}

/// The detections that there are to replay.
#[derive(Default)]
struct ReplayInput {
    frames: u64,
    span: Option<(Wall, Wall)>,
    verdicts: Vec<StoredVerdict>,
    damage: Damage,
}

impl ReplayInput {
    fn told(&self) -> Told {
        let (from, until) = self.span.unwrap_or_default();
        Told { frames: self.frames, from, until, damage: self.damage }
    }
}

struct Session<'a> {
    settings: &'a Settings,
    camera: Option<Id>,
    source: Source,
    stop: &'a CancellationToken,
}

impl Session<'_> {
    /// The records that concern us, in order, some at a time.
    fn read(&self, mut take: impl FnMut(&[(DaemonRun, LoggedInput)])) -> Result<Damage, Error> {
        let (folder, span) = match &self.source {
            Source::Clips(records) => {
                take(records);
                return Ok(Damage::default());
            }
            Source::Kept(folder, span) => (folder, span),
        };
        let read = folder.read(span, |mut records| {
            if let Some(camera) = &self.camera {
                records.retain(|(_, record)| match record {
                    LoggedInput::Frame(frame) => frame.camera == *camera,
                    LoggedInput::Verdict(verdict) => verdict.cameras.contains(camera),
                    LoggedInput::Patrol(_) => true,
                });
            }
            if !self.stop.is_cancelled() {
                take(&records);
            }
        });
        if self.stop.is_cancelled() {
            return Err(Error::Stopped);
        }
        read.map_err(|source| Error::Read { path: folder.path().to_owned(), source })
    }

    /// Counts what there is, and hears what people said.
    fn survey(&self) -> Result<ReplayInput, Error> {
        let mut heard = ReplayInput::default();
        heard.damage = self.read(|records| {
            for (_, record) in records {
                match record {
                    LoggedInput::Frame(frame) => {
                        heard.frames += 1;
                        let wall = frame.at.wall;
                        let (from, until) = heard.span.unwrap_or((wall, wall));
                        heard.span = Some((from.min(wall), until.max(wall)));
                    }
                    LoggedInput::Verdict(verdict) => heard.verdicts.push(verdict.clone()),
                    LoggedInput::Patrol(_) => {}
                }
            }
        })?;
        if heard.frames == 0 {
            let path = Folder::of(&self.settings.store.path).path().to_owned();
            return Err(Error::Nothing(path));
        }
        Ok(heard)
    }

    fn lane(&self, settings: &Settings) -> Lane {
        let ours = |watched: &&config::CameraSettings| {
            self.camera.as_ref().is_none_or(|camera| watched.site.id == *camera)
        };
        let watched = |camera: &config::CameraSettings| Watched {
            site: camera.site.clone(),
            rules: camera.rules.clone(),
        };
        let cameras = settings.cameras.iter().filter(ours).map(watched).collect();
        Lane::new(settings.ward.timezone.clone(), cameras)
    }

    fn play(&self, lanes: &mut [Lane]) -> Result<(), Error> {
        self.read(|records| play_all(lanes, records)).map(drop)
    }

    fn advise(
        &self,
        verdicts: &[JudgedIncident],
        heard: Told,
        json: bool,
        out: &mut impl Write,
    ) -> Result<(), Error> {
        let mut advices = Vec::new();
        for rule in tune::rules() {
            let base = match &self.camera {
                None => &self.settings.rules,
                Some(id) => {
                    let mut all = self.settings.cameras.iter();
                    let found = all.find(|camera| camera.site.id == *id);
                    found.map_or(&self.settings.rules, |camera| &camera.rules)
                }
            };
            let Some(present) = Choice::of(rule, base) else { continue };
            let enough = of_rule(verdicts, rule).count() >= VERDICTS_MIN;
            let choices = if enough { present.grid() } else { Vec::new() };
            let mut lanes: Vec<Lane> = choices
                .iter()
                .map(|choice| self.lane(&self.with(*choice, rule, present)))
                .collect();
            if enough {
                self.play(&mut lanes)?;
            }
            let told = lanes.into_iter().map(Lane::finish);
            let tried: Vec<_> = choices.into_iter().zip(told).collect();
            advices.push((rule, present, advise(rule, verdicts, &tried)));
        }
        Ok(print_advice(&heard, &advices, self.camera.as_ref(), json, out)?)
    }

    fn with(&self, choice: Choice, rule: RuleKind, present: Choice) -> Settings {
        let mut settings = self.settings.clone();
        for camera in &mut settings.cameras {
            choice.lay(rule, &mut camera.rules, present);
        }
        settings
    }
}
