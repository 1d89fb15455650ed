//! The cameras, and a daemon that watches them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use keng::rtsp_server::Mount;
use keng::rtsp_server::Options;
use keng::rtsp_server::RunningServer;
use keng::rtsp_server::Server;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::Failure;
use crate::daemon;
use crate::daemon::Kind;
use crate::daemon::Place;
use crate::film::Profile;
use crate::film::Reel;
use crate::metrics::Counts;
use crate::process;

/// Whoever is started answers within.
const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// Serves cameras, none of whose key frames come together with its neighbour's.
pub(crate) async fn serve(
    profile: &Profile,
    reels: &[Reel],
    which: Range<usize>,
) -> Result<RunningServer, Failure> {
    let mounts = which.map(|index| {
        let (height, busy) = (profile.height(index), profile.is_busy(index));
        let fits = |reel: &&Reel| reel.height == height && reel.busy == busy;
        let fitting: Vec<&Reel> = reels.iter().filter(fits).collect();
        assert!(!fitting.is_empty(), "each height was made busy and quiet");
        // Heights change from camera to camera: of each, one after another.
        let reel = fitting[index / 4 % fitting.len()];
        let offset = Duration::from_millis(index as u64 * 7_919 % (reel.seconds * 1_000));
        Mount { name: format!("c{index}"), offset, ..Mount::new(&reel.file) }
    });
    let options = Options { seed: Some(1), ..Options::new(mounts.collect()) };
    Ok(Server::start(options).await?)
}

/// The daemon at work, in a folder of its own.
pub(crate) struct Site {
    pub(crate) broker: SocketAddr,
    mosquitto: Option<Child>,
    kind: Kind,
    page: SocketAddr,
    daemon: Child,
    folder: TempDir,
}

/// Counters and costs at a moment.
pub(crate) struct Measured {
    pub(crate) at: Instant,
    /// Of the daemon, by kind of thread, and of this process.
    pub(crate) daemon_s: BTreeMap<String, f64>,
    pub(crate) rig_s: f64,
    /// Of the daemon, now and at most; and of this process.
    pub(crate) memory_mib: (f64, f64),
    pub(crate) rig_mib: f64,
    pub(crate) counts: Counts,
}

impl Site {
    /// Starts a daemon for all cameras of `servers`; `foreign`: with a broker beside it.
    pub(crate) async fn start(
        kind: Kind,
        profile: &Profile,
        servers: &[&RunningServer],
        foreign: bool,
    ) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let (broker, page) = (free_port()?, free_port()?);
        let mosquitto = if foreign { Some(mosquitto(&folder, broker)?) } else { None };
        if foreign {
            reachable(broker).await?;
        }
        let place = Place { folder: folder.path(), broker, foreign, page };
        let daemon = daemon::start(kind, profile, servers, &place)?;
        let mut site = Self { broker, mosquitto, kind, page, daemon, folder };
        let begun = Instant::now();
        while site.counts().await.is_err() {
            site.check()?;
            if begun.elapsed() > STARTS_WITHIN {
                return Err(format!("{} says nothing", kind.name()).into());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(site)
    }

    /// Returns what the daemon has counted until now.
    pub(crate) async fn counts(&self) -> Result<Counts, Failure> {
        match self.kind {
            Kind::Keng => Ok(Counts::read(&self.get("/metrics").await?)),
            Kind::Peer => {
                let text = std::fs::read_to_string(daemon::peer_counts(self.folder.path()))?;
                Ok(Counts::of_peer(&text).ok_or("the peer's counts can't be read")?)
            }
        }
    }

    /// The body of one of the page's answers.
    async fn get(&self, path: &str) -> Result<String, Failure> {
        let mut stream = TcpStream::connect(self.page).await?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.page);
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let answer = String::from_utf8(answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("no HTTP answer")?;
        if !head.starts_with("HTTP/1.1 200") {
            return Err(format!("{path}: {}", head.lines().next().unwrap_or_default()).into());
        }
        Ok(body.to_owned())
    }

    /// Tells whether the daemon still works.
    fn check(&mut self) -> Result<(), Failure> {
        match self.daemon.try_wait()? {
            None => Ok(()),
            Some(status) => {
                let log = crate::film::folder()?.join(format!("{}.log", self.kind.name()));
                Err(format!("the daemon has ended: {status}; see {}", log.display()).into())
            }
        }
    }

    /// Returns what has been spent until now.
    pub(crate) async fn measure(&mut self) -> Result<Measured, Failure> {
        self.check()?;
        let (pid, own) = (self.daemon.id(), std::process::id());
        Ok(Measured {
            at: Instant::now(),
            daemon_s: process::seconds(pid),
            rig_s: process::total(own),
            memory_mib: process::memory(pid),
            rig_mib: process::memory(own).0,
            counts: self.counts().await?,
        })
    }

    /// Nobody takes alerts from now on.
    pub(crate) async fn stop_broker(&mut self) -> Result<(), Failure> {
        match self.mosquitto.take() {
            Some(mosquitto) => end(mosquitto).await,
            None => Err("the broker is the daemon's own".into()),
        }
    }

    /// Somebody does again, on the same port.
    pub(crate) async fn start_broker(&mut self) -> Result<(), Failure> {
        self.mosquitto = Some(mosquitto(&self.folder, self.broker)?);
        reachable(self.broker).await
    }

    pub(crate) async fn stop(self) -> Result<(), Failure> {
        end(self.daemon).await?;
        if let Some(mosquitto) = self.mosquitto {
            end(mosquitto).await?;
        }
        Ok(())
    }
}

async fn end(mut child: Child) -> Result<(), Failure> {
    child.kill()?;
    tokio::task::spawn_blocking(move || child.wait()).await??;
    Ok(())
}

/// A broker as Debian has it, whose sessions outlive it: only what never reached it can be lost.
fn mosquitto(folder: &TempDir, address: SocketAddr) -> Result<Child, Failure> {
    let config = folder.path().join("mosquitto.conf");
    let text = format!(
        "listener {} {}\nallow_anonymous true\npersistence true\npersistence_location {}/\n\
         autosave_interval 1\nautosave_on_changes true\nmax_queued_messages 0\n",
        address.port(),
        address.ip(),
        folder.path().display()
    );
    std::fs::write(&config, text)?;
    let debian = "/usr/sbin/mosquitto";
    let program = if std::path::Path::new(debian).exists() { debian } else { "mosquitto" };
    let mut command = Command::new(program);
    command.arg("-c").arg(&config).stdin(Stdio::null());
    Ok(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
}

async fn reachable(address: SocketAddr) -> Result<(), Failure> {
    let begun = Instant::now();
    while TcpStream::connect(address).await.is_err() {
        if begun.elapsed() > STARTS_WITHIN {
            return Err(format!("no broker answers on {address}: make setup-test").into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

fn free_port() -> std::io::Result<SocketAddr> {
    std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()
}
