//! `keng camera`: serves clips as endless RTSP cameras.

use std::convert::Infallible;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use tokio_util::sync::CancellationToken;

use crate::camera::Codec;
use crate::rtsp_server;
use crate::rtsp_server::Credentials;
use crate::rtsp_server::InjectedFault;
use crate::rtsp_server::Mount;
use crate::rtsp_server::Options;
use crate::rtsp_server::Scheme;
use crate::rtsp_server::Server;
use crate::ward::Secret;

/// Serve clips as endless RTSP cameras, without re-encoding.
///
/// Each clip becomes rtsp://ADDRESS:PORT/NAME, NAME being the file's name without its ending.
#[derive(Debug, Parser)]
pub struct Args {
    /// Video files with H.264 or H.265 in them.
    #[arg(required = true, value_name = "CLIP")]
    pub clips: Vec<PathBuf>,
    /// The port; 0 lets the system choose one.
    #[arg(long, default_value_t = 8554)]
    pub port: u16,
    /// The address to listen on.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub listen: IpAddr,
    /// Let in this user only.
    #[arg(long, requires = "password")]
    pub user: Option<String>,
    /// The user's password.
    #[arg(long, requires = "user", value_parser = secret)]
    pub password: Option<Secret>,
    /// The way in which the password is asked for.
    #[arg(long, value_enum, default_value_t = Auth::Digest, requires = "user")]
    pub auth: Auth,
    /// The faults that the cameras show, separated by commas: drop=0.01, corrupt=0.01,
    /// stall-after=10s, close-after=10s, refuse=0.5, status=404, html, garbage, half-open,
    /// slow-describe=5s, no-video, fps-lie=2.0, resolution-switch (all clips as one camera, one
    /// after another).
    #[arg(long, value_name = "SPEC", default_value = "")]
    pub fault: InjectedFault,
    /// Seed of all randomness, so that faults repeat.
    #[arg(long)]
    pub seed: Option<u64>,
}

/// The way in which a password is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Auth {
    /// Digest as most cameras do it (RFC 2069).
    Digest,
    /// Digest with qop=auth (RFC 2617).
    DigestQop,
    /// The password in clear.
    Basic,
}

/// The reason why the command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server can't start.
    #[error("serving the clips")]
    Serve(#[from] rtsp_server::Error),
    /// The addresses that are served can't be written.
    #[error("writing to standard output")]
    Output(#[from] std::io::Error),
}

/// Serves until `shutdown`, after one line a camera on standard output.
///
/// # Errors
/// Where a clip can't be read or the port can't be had.
pub async fn run(args: Args, shutdown: CancellationToken) -> Result<(), Error> {
    let running = Server::start(options(args)).await?;
    announce(&running, &mut std::io::stdout().lock())?;
    shutdown.cancelled().await;
    running.stop().await;
    Ok(())
}

fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text.to_owned()))
}

fn options(args: Args) -> Options {
    let scheme = match args.auth {
        Auth::Digest => Scheme::Digest,
        Auth::DigestQop => Scheme::DigestQop,
        Auth::Basic => Scheme::Basic,
    };
    let credentials = args.user.zip(args.password).map(|(username, password)| Credentials {
        username,
        password,
        scheme,
    });
    let mut mounts: Vec<Mount> = args.clips.iter().map(|clip| Mount::new(clip)).collect();
    if args.fault.resolution_switch {
        mounts.truncate(1);
        for mount in &mut mounts {
            mount.clips.clone_from(&args.clips);
        }
    }
    for mount in &mut mounts {
        mount.fault = args.fault.clone();
    }
    let listen = SocketAddr::new(args.listen, args.port);
    Options { listen, credentials, seed: args.seed, ..Options::new(mounts) }
}

fn announce(running: &rtsp_server::RunningServer, out: &mut dyn Write) -> std::io::Result<()> {
    for rtsp_server::ServedMount { url, codec, size, frame_rate, .. } in running.served() {
        let codec = match codec {
            Codec::H264 => "h264",
            Codec::H265 => "h265",
        };
        writeln!(out, "{url}  {codec} {}x{} {frame_rate:.2}/s", size.width, size.height)?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(std::iter::once("camera").chain(line.split_whitespace()))
    }

    #[test]
    fn each_clip_is_a_camera_with_the_faults_that_were_told() {
        let args = parse("a.mp4 b.mkv --port 0 --fault drop=0.1,close-after=2s").unwrap();
        let options = options(args);
        let names: Vec<_> = options.mounts.iter().map(|mount| mount.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        for mount in &options.mounts {
            assert_eq!(mount.fault.close_after, Some(Duration::from_secs(2)));
        }
        assert!(options.credentials.is_none() && options.listen.ip().is_loopback());
    }

    #[test]
    fn clips_that_alternate_are_one_camera() {
        let options = options(parse("a.mp4 b.mkv --fault resolution-switch").unwrap());
        assert_eq!(options.mounts.len(), 1);
        assert_eq!(options.mounts[0].clips.len(), 2);
    }

    #[test]
    fn a_user_has_a_password_and_a_scheme() {
        let args = parse("a.mp4 --user viewer --password s3cret --auth digest-qop").unwrap();
        let credentials = options(args).credentials.unwrap();
        assert_eq!(credentials.scheme, Scheme::DigestQop);
        assert!(!format!("{credentials:?}").contains("s3cret"));
    }

    #[test]
    fn wrong_usage_is_told() {
        for (line, told) in [
            ("", "<CLIP>"),
            ("a.mp4 --user viewer", "--password"),
            ("a.mp4 --fault flood", "no fault is called \"flood\""),
            ("a.mp4 --port 70000", "70000"),
        ] {
            let message = parse(line).unwrap_err().to_string();
            assert!(message.contains(told), "{line}: {message}");
        }
    }
}
