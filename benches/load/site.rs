//! The cameras, and a daemon that watches them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use keng::serve::Mount;
use keng::serve::Options;
use keng::serve::Running;
use keng::serve::Server;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::Failure;
use crate::film::Profile;
use crate::film::Reel;
use crate::process;

/// The daemon answers its page within.
const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// Serves `count` cameras, none of whose key frames come together with its neighbour's.
pub(crate) async fn serve(
    profile: &Profile,
    reels: &[Reel],
    count: usize,
) -> Result<Running, Failure> {
    let mounts = (0..count).map(|index| {
        let (height, busy) = (profile.height(index), profile.is_busy(index));
        let reel = reels.iter().find(|reel| reel.height == height && reel.busy == busy);
        let reel = reel.expect("each height was made busy and quiet");
        let offset = Duration::from_millis(index as u64 * 7_919 % (reel.seconds * 1_000));
        Mount { name: format!("c{index}"), offset, ..Mount::new(&reel.file) }
    });
    let options = Options { seed: Some(1), ..Options::new(mounts.collect()) };
    Ok(Server::start(options).await?)
}

/// The daemon at work, in a folder of its own.
pub(crate) struct Site {
    pub(crate) broker: SocketAddr,
    page: SocketAddr,
    daemon: Child,
    _folder: TempDir,
}

/// Counters and costs at a moment.
pub(crate) struct Measured {
    pub(crate) at: tokio::time::Instant,
    /// Of the daemon, by kind of thread, and of this process.
    pub(crate) daemon_s: BTreeMap<String, f64>,
    pub(crate) rig_s: f64,
    pub(crate) memory_mib: (f64, f64),
}

impl Site {
    pub(crate) async fn start(profile: &Profile, cameras: &Running) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let (broker, page) = (free_port()?, free_port()?);
        let config = folder.path().join("keng.toml");
        std::fs::write(&config, text(profile, cameras, broker, page)?)?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_keng"));
        command.arg("run").arg("--config").arg(&config).stdin(Stdio::null());
        let log = std::fs::File::create(root.join("target/load/keng.log"))?;
        command.stdout(Stdio::null()).stderr(log).env("KENG_LOG", "warn");
        let library = root.join(".runtime/onnxruntime/libonnxruntime.so");
        if std::env::var_os("ORT_DYLIB_PATH").is_none() && library.exists() {
            command.env("ORT_DYLIB_PATH", library);
        }
        let daemon = command.spawn()?;
        let site = Self { broker, page, daemon, _folder: folder };
        let begun = tokio::time::Instant::now();
        while site.get("/healthz").await.is_err() {
            if begun.elapsed() > STARTS_WITHIN {
                return Err("the daemon does not answer; see target/load/keng.log".into());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(site)
    }

    /// The body of one of the page's answers.
    pub(crate) async fn get(&self, path: &str) -> Result<String, Failure> {
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

    /// What has been spent until now.
    pub(crate) fn measure(&mut self) -> Result<Measured, Failure> {
        if let Some(status) = self.daemon.try_wait()? {
            return Err(format!("the daemon has ended: {status}; see target/load/keng.log").into());
        }
        let pid = self.daemon.id();
        Ok(Measured {
            at: tokio::time::Instant::now(),
            daemon_s: process::seconds(pid),
            rig_s: process::seconds(std::process::id()).values().sum(),
            memory_mib: process::memory(pid),
        })
    }

    pub(crate) async fn stop(mut self) -> Result<(), Failure> {
        self.daemon.kill()?;
        tokio::task::spawn_blocking(move || self.daemon.wait()).await??;
        Ok(())
    }
}

fn free_port() -> std::io::Result<SocketAddr> {
    std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// A ward whose cameras stand a kilometre apart, so that each fire is an incident of its own.
fn text(
    profile: &Profile,
    cameras: &Running,
    broker: SocketAddr,
    page: SocketAddr,
) -> Result<String, std::fmt::Error> {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/keng.onnx");
    let mut text = format!(
        "[ward]\nid = \"load\"\nname = \"Load {}\"\n[mqtt]\nlisten = \"{broker}\"\n[web]\nlisten = \
         \"{page}\"\n[store]\npath = \"var\"\n[detector]\nmodel = \"{}\"\nthreads = 2\n\
         [incident]\nalerts_per_hour_max = 1000\n[[khu_pho]]\nid = \"kp\"\nname = \"KP\"\n",
        profile.name,
        model.display()
    );
    for (index, camera) in cameras.served().iter().enumerate() {
        let latitude = 10.0 + index as f64 / 100.0;
        let (name, url) = (&camera.name, &camera.url);
        write!(
            text,
            "[[camera]]\nid = \"{name}\"\nkhu_pho = \"kp\"\nurl = \"{url}\"\nplace = {{ address = \
             \"{name}\", latitude = {latitude:.2}, longitude = 106.6 }}\n"
        )?;
    }
    Ok(text)
}
