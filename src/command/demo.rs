//! `keng demo`: the whole system on one machine, with nothing configured.
//!
//! Nothing in here is pretended: the clips are served over real RTSP, the daemon is the one that
//! `keng run` starts, with the shipped model and the embedded broker.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::alert::Head;
use crate::app;
use crate::app::App;
use crate::clock::SystemClock;
use crate::config;
use crate::config::Faults;
use crate::incident::IncidentState;
use crate::incident::Kind;
use crate::incident::Severity;
use crate::outbox::Entry;
use crate::outbox::Sequence;
use crate::rtsp_server;
use crate::rtsp_server::ServedMount;
use crate::time::Clock;
use crate::time::Wall;

const CONFIG: &str = include_str!("../../config/demo.toml");
const CLIPS: [&str; 3] = ["night_fire.mp4", "night_loiterer.mp4", "night_control.mp4"];
const MODEL: &str = "keng.onnx";

/// Arguments of `keng demo`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The place where the page is served.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// The place where the embedded broker listens; where that is taken, on a free port.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1883")]
    pub mqtt: SocketAddr,
    /// Language of messages and page: vi or en.
    #[arg(long, default_value = "vi", value_parser = ["vi", "en"])]
    pub language: String,
}

/// The reason why there is no demo.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bundled clips or the model are gone.
    #[error("{what} is in none of: {}; run the demo from the project's folder", .looked.join(", "))]
    Missing {
        /// The file.
        what: &'static str,
        /// The place where it was looked for.
        looked: Vec<String>,
    },
    /// The demo's own configuration.
    #[error("the demo's configuration has faults:\n{0}")]
    Config(Faults),
    /// The cameras.
    #[error("failed to serve the clips")]
    Serve(#[from] rtsp_server::Error),
    /// The daemon.
    #[error("failed to start")]
    Start(#[from] app::Error),
    /// The folder of the demo's log, or standard output.
    #[error("failed to write")]
    Write(#[from] std::io::Error),
    /// The log can't be read back.
    #[error("failed to read the alerts")]
    Outbox(#[from] crate::outbox::Error),
}

/// Shows the whole system until `shutdown`: prints what to open and each alert as it comes.
///
/// # Errors
/// [`Error`], most likely for a port that is in use or a file that is missing.
pub async fn run(
    args: &Args,
    out: &mut impl Write,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let clips =
        CLIPS.iter().map(|clip| find("assets/demo", clip)).collect::<Result<Vec<_>, _>>()?;
    let model = find("models", MODEL)?;
    let mounts = clips.iter().map(|clip| rtsp_server::Mount::new(clip)).collect();
    let cameras = rtsp_server::Server::start(rtsp_server::Options::new(mounts)).await?;
    let folder = Folder::new()?;
    let fill = [
        ("{language}", args.language.clone()),
        ("{mqtt}", free_or_any(args.mqtt).await.to_string()),
        ("{web}", args.listen.to_string()),
        ("{store}", folder.0.display().to_string()),
        ("{model}", model.display().to_string()),
        ("{rtsp}", format!("rtsp://{}", cameras.address)),
    ];
    let text = fill.iter().fold(CONFIG.to_owned(), |text, (word, value)| text.replace(word, value));
    let around = config::Surroundings {
        file: Path::new("config/demo.toml"),
        base_dir: &folder.0,
        binary_dir: None,
        env: &|_| None,
        now: clock.now().wall,
    };
    let settings = config::parse(&text, &around).map_err(Error::Config)?.settings;
    let ward = settings.ward.clone();
    let app = App::start(settings, None, clock).await?;
    invite(out, &app, &cameras, ward.id.as_str())?;
    let shown = show(out, &app, &ward.timezone, shutdown).await;
    app.drain().await;
    cameras.stop().await;
    shown
}

fn invite(
    out: &mut impl Write,
    app: &App,
    cameras: &rtsp_server::RunningServer,
    ward: &str,
) -> std::io::Result<()> {
    writeln!(out, "Kẻng demo: three street cameras at night.")?;
    for camera in cameras.served() {
        let (ServedMount { url, size, frame_rate, .. }, codec) = (camera, camera.codec.as_str());
        writeln!(
            out,
            "  camera   {url}  {codec} {}x{} {frame_rate:.0}/s",
            size.width, size.height
        )?;
    }
    writeln!(out, "  page     http://{}", app.page)?;
    if let Some(broker) = app.broker {
        let (host, port) = (broker.ip(), broker.port());
        writeln!(out, "  mqtt     mosquitto_sub -h {host} -p {port} -v -t 'keng/{ward}/+/alert'")?;
    }
    writeln!(
        out,
        "One of them will show a fire, one somebody who hangs about; one shows nothing."
    )?;
    writeln!(out, "Ctrl-C ends it. Alerts:")?;
    out.flush()
}

/// Prints each alert as it becomes durable.
async fn show(
    out: &mut impl Write,
    app: &App,
    timezone: &jiff::tz::TimeZone,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let mut durable = app.outbox.subscribe();
    let mut after = Sequence::default();
    loop {
        let outbox = app.outbox.clone();
        let read = tokio::task::spawn_blocking(move || outbox.read_after(after, 64)).await;
        for entry in read.expect("reading does not panic, and nobody cancels it")? {
            after = entry.sequence;
            writeln!(out, "{}", line(&entry, timezone))?;
            out.flush()?;
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            changed = durable.changed() => if changed.is_err() { return Ok(()) },
        }
    }
}

/// "22:14:03 fire critical open r1  CHÁY tại …"
fn line(entry: &Entry, timezone: &jiff::tz::TimeZone) -> String {
    let head = Head::read(&entry.payload).unwrap_or_default();
    let wall = Wall::parse_rfc3339(&head.updated_at).unwrap_or(entry.wall);
    let time = wall.to_jiff().to_zoned(timezone.clone()).strftime("%H:%M:%S").to_string();
    let kind = head.kind().map_or("", Kind::as_str);
    let severity = head.severity().map_or("", Severity::as_str);
    let state = head.state().map_or("", IncidentState::as_str);
    format!("{time} {kind} {severity} {state} r{}  {}", head.revision, head.message)
}

/// In the project's folder, seen from here or from the binary, or where a package puts it.
fn find(folder: &str, file: &'static str) -> Result<PathBuf, Error> {
    let binary = std::env::current_exe().ok();
    let beside = binary.as_deref().and_then(Path::parent);
    let mut places = vec![PathBuf::from(folder)];
    if let Some(beside) = beside {
        places.extend([beside.join("../..").join(folder), beside.join(folder)]);
    }
    places.push(Path::new("/usr/share/keng").join(folder));
    let found = places.iter().map(|place| place.join(file)).find(|path| path.is_file());
    let missing = || Error::Missing {
        what: file,
        looked: places.iter().map(|place| place.display().to_string()).collect(),
    };
    found.and_then(|path| path.canonicalize().ok()).ok_or_else(missing)
}

/// A broker may be at work on the usual port already: then any port will do.
async fn free_or_any(wanted: SocketAddr) -> SocketAddr {
    match tokio::net::TcpListener::bind(wanted).await {
        Ok(_) => wanted,
        Err(_) => SocketAddr::new(wanted.ip(), 0),
    }
}

/// A folder of this process's own that goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("keng-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "the demo's folder stays");
        }
    }
}
