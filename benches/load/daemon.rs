//! The daemons that can be measured: ours, and the one that it is compared with.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

use keng::rtsp_server::RunningServer;

use crate::Failure;
use crate::film;
use crate::film::Profile;
use crate::root;

/// Whose daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `keng run`.
    Keng,
    /// `benches/peers/peer.py`.
    Peer,
}

impl Kind {
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        match name {
            "keng" => Ok(Self::Keng),
            "peer" => Ok(Self::Peer),
            other => Err(format!("DAEMONS has {other:?}; there are keng and peer")),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Keng => "keng",
            Self::Peer => "peer",
        }
    }
}

/// The folder of a daemon, and its peers.
pub(crate) struct Place<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) broker: SocketAddr,
    /// The broker is another program's.
    pub(crate) foreign: bool,
    pub(crate) page: SocketAddr,
}

/// Starts a daemon that watches all cameras of all `servers`.
pub(crate) fn start(
    kind: Kind,
    profile: &Profile,
    servers: &[&RunningServer],
    place: &Place<'_>,
) -> Result<Child, Failure> {
    let log = std::fs::File::create(film::folder()?.join(format!("{}.log", kind.name())))?;
    let mut command = match kind {
        Kind::Keng => keng(profile, servers, place)?,
        Kind::Peer => peer(servers, place)?,
    };
    let errors = log.try_clone()?;
    Ok(command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn()?)
}

/// Returns where the peer writes what it has counted.
pub(crate) fn peer_counts(folder: &Path) -> PathBuf {
    folder.join("counts.json")
}

fn model() -> PathBuf {
    let named = std::env::var_os("MODEL").map(PathBuf::from);
    named.unwrap_or_else(|| root().join("models/keng.onnx"))
}

fn keng(
    profile: &Profile,
    servers: &[&RunningServer],
    place: &Place<'_>,
) -> Result<Command, Failure> {
    let config = place.folder.join("keng.toml");
    std::fs::write(&config, text(profile, servers, place)?)?;
    let named = std::env::var_os("KENG").map(PathBuf::from);
    let program = named.unwrap_or_else(|| env!("CARGO_BIN_EXE_keng").into());
    let mut command = Command::new(program);
    command.arg("run").arg("--config").arg(&config).env("KENG_LOG", "info");
    let library = root().join(".runtime/onnxruntime/libonnxruntime.so");
    if std::env::var_os("ORT_DYLIB_PATH").is_none() && library.exists() {
        command.env("ORT_DYLIB_PATH", library);
    }
    Ok(command)
}

/// A ward whose cameras stand a kilometre apart, so that each fire is an incident of its own.
/// Attention is left as it comes, but where key frames are too rare for that.
fn text(
    profile: &Profile,
    servers: &[&RunningServer],
    place: &Place<'_>,
) -> Result<String, std::fmt::Error> {
    let Place { broker, page, .. } = place;
    let mqtt = match place.foreign {
        true => format!("url = \"mqtt://{broker}\""),
        false => format!("listen = \"{broker}\""),
    };
    let gap_s = (f64::from(profile.key_s) + 1.5).max(6.0);
    let mut text = format!(
        "[ward]\nid = \"load\"\nname = \"Load {}\"\n[mqtt]\n{mqtt}\n[web]\nlisten = \"{page}\"\n\
         [store]\npath = \"var\"\n[detector]\nmodel = \"{}\"\nthreads = 2\n[attention]\n\
         idle_gap_max_s = {gap_s:.1}\n[incident]\nalerts_per_hour_max = 1000\n\
         [rule.fire]\nquiet_s = 2\n[rule.smoke]\nquiet_s = 2\n\
         [[khu_pho]]\nid = \"kp\"\nname = \"KP\"\n",
        profile.name,
        model().display()
    );
    let cameras = servers.iter().flat_map(|running| running.served());
    for (index, camera) in cameras.enumerate() {
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

fn peer(servers: &[&RunningServer], place: &Place<'_>) -> Result<Command, Failure> {
    let python = std::env::var_os("PEER_PYTHON")
        .ok_or("PEER_PYTHON names no Python with benches/peers/requirements.txt: make peers")?;
    let cameras = servers.iter().flat_map(|running| running.served());
    let cameras: serde_json::Map<String, serde_json::Value> =
        cameras.map(|camera| (camera.name.clone(), camera.url.clone().into())).collect();
    let config = serde_json::json!({
        "broker": [place.broker.ip(), place.broker.port()],
        "topic": "keng/load/kp/alert",
        "model": model(),
        "counts": peer_counts(place.folder),
        "cameras": cameras,
    });
    let file = place.folder.join("peer.json");
    std::fs::write(&file, config.to_string())?;
    let mut command = Command::new(python);
    command.arg(root().join("benches/peers/peer.py")).arg("run").arg(file);
    Ok(command)
}
