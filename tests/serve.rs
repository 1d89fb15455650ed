//! The camera server against strangers: ffprobe and ffmpeg over TCP and UDP, H.264 and H.265,
//! with and without passwords; and against a bare socket, where it misbehaves on purpose.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as its tests do")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use futures::future::join_all;
use keng::rtsp_server::{
    Credentials, Error, InjectedFault, Mount, Options, RunningServer, Scheme, Server,
};
use keng::ward::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

/// Far more than anything here takes; a wait that ends with it has failed.
const DEADLINE: Duration = Duration::from_secs(60);
/// Of the rendered clips.
const FRAMES: usize = 20;

struct Clips {
    _directory: tempfile::TempDir,
    h264: PathBuf,
    h265: PathBuf,
    small: PathBuf,
}

/// Two seconds of a moving test picture in each codec, ten pictures a second.
async fn clips() -> Clips {
    let directory = tempfile::tempdir().unwrap();
    let render = async |name: &str, size: &str, encoder: &[&str]| {
        let path = directory.path().join(name);
        let source = format!("testsrc2=size={size}:rate=10:duration=2");
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-f", "lavfi", "-i", &source, "-pix_fmt", "yuv420p"]);
        let output = run(ffmpeg.args(encoder).arg(&path)).await;
        assert!(output.status.success(), "{output:?}");
        path
    };
    let x264 = ["-c:v", "libx264", "-preset", "veryfast", "-g", "10", "-bf", "2"];
    let x265 = ["-c:v", "libx265", "-preset", "veryfast", "-x265-params", "log-level=0:keyint=10"];
    let h264 = render("street.mp4", "320x240", &x264).await;
    let h265 = render("gate.mp4", "320x240", &x265).await;
    let small = render("small.mkv", "160x120", &x264).await;
    Clips { _directory: directory, h264, h265, small }
}

async fn run(command: &mut Command) -> Output {
    command.kill_on_drop(true).stdin(std::process::Stdio::null());
    let output = timeout(DEADLINE, command.output()).await.expect("it ends in time");
    output.expect("ffmpeg and ffprobe are installed (apt-get install ffmpeg)")
}

fn credentials(scheme: Scheme) -> Credentials {
    let password = Secret::new("s3cret".to_owned());
    Credentials { username: "viewer".to_owned(), password, scheme }
}

fn mount(clip: &Path, fault: &str) -> Mount {
    Mount { name: "camera".to_owned(), fault: fault.parse().unwrap(), ..Mount::new(clip) }
}

async fn serve(clip: &Path, fault: &str) -> RunningServer {
    let mounts = vec![mount(clip, fault)];
    Server::start(Options { seed: Some(1), ..Options::new(mounts) }).await.unwrap()
}

async fn decode(input: &str, transport: Option<&str>, count: usize) -> Vec<String> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error"]);
    if let Some(transport) = transport {
        ffmpeg.args(["-rtsp_transport", transport]);
    }
    ffmpeg.args(["-i", input, "-frames:v", &count.to_string()]);
    let output = run(ffmpeg.args(["-fps_mode", "passthrough", "-f", "framemd5", "-"])).await;
    assert!(output.status.success(), "{output:?}");
    // One line a picture, which ends with its checksum.
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit(',').next().unwrap().trim().to_owned()).collect()
}

async fn probe(url: &str, transport: &str) -> Output {
    let mut ffprobe = Command::new("ffprobe");
    ffprobe.args(["-v", "error", "-rtsp_transport", transport, "-timeout", "5000000"]);
    let entries = ["-show_entries", "stream=codec_name,width,height", "-of", "csv=p=0", url];
    run(ffprobe.args(entries)).await
}

/// A client without any library: requests as text, replies as bytes.
struct Client {
    socket: TcpStream,
    url: String,
    cseq: u32,
}

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).await.unwrap();
        Self { socket, url: format!("rtsp://{address}/camera"), cseq: 0 }
    }

    async fn send(&mut self, method: &str, headers: &str) {
        self.cseq += 1;
        let request =
            format!("{method} {} RTSP/1.0\r\nCSeq: {}\r\n{headers}\r\n", self.url, self.cseq);
        self.socket.write_all(request.as_bytes()).await.unwrap();
    }

    /// Sends a request and gives the reply's head.
    async fn ask(&mut self, method: &str, headers: &str) -> String {
        self.send(method, headers).await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.byte().await.expect("a whole reply"));
        }
        let head = String::from_utf8(head).unwrap();
        let length = value(&head, "Content-Length: ").map_or(0, |text| text.parse().unwrap());
        for _ in 0..length {
            self.byte().await.expect("a whole body");
        }
        head
    }

    async fn play(&mut self) -> String {
        let set_up = self.ask("SETUP", "Transport: RTP/AVP/TCP;unicast;interleaved=4-5\r\n").await;
        assert!(set_up.contains("interleaved=4-5"), "{set_up}");
        self.ask("PLAY", "").await
    }

    /// None at the connection's end.
    async fn byte(&mut self) -> Option<u8> {
        let read = timeout(DEADLINE, self.socket.read_u8()).await.expect("something in time");
        read.ok()
    }

    /// The next interleaved packet: channel and bytes. None at the connection's end.
    async fn packet(&mut self) -> Option<(u8, Vec<u8>)> {
        assert_eq!(self.byte().await?, b'$');
        let channel = self.byte().await?;
        let length = [self.byte().await?, self.byte().await?];
        let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
        let read = timeout(DEADLINE, self.socket.read_exact(&mut bytes)).await;
        read.expect("something in time").ok()?;
        Some((channel, bytes))
    }
}

fn value<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name))
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_see_the_clips_very_pictures_and_see_them_again() {
    let clips = clips().await;
    let mounts = || [&clips.h264, &clips.h265].map(|clip| Mount::new(clip)).to_vec();
    let locked = |scheme| {
        let credentials = Some(credentials(scheme));
        Server::start(Options { credentials, ..Options::new(mounts()) })
    };
    let open = Server::start(Options::new(mounts())).await.unwrap();
    let digest = locked(Scheme::Digest).await.unwrap();
    let quality = locked(Scheme::DigestQop).await.unwrap();
    let basic = locked(Scheme::Basic).await.unwrap();

    let h264 = decode(clips.h264.to_str().unwrap(), None, FRAMES).await;
    let h265 = decode(clips.h265.to_str().unwrap(), None, FRAMES).await;
    assert_eq!((h264.len(), h265.len()), (FRAMES, FRAMES));

    let watch = async |server: &RunningServer, who: &str, transport: &str, mount: &str| {
        let url = format!("rtsp://{who}{}/{mount}", server.address);
        let seen = probe(&url, transport).await;
        let (codec, expected) = if mount == "street" { ("h264", &h264) } else { ("hevc", &h265) };
        let streams = String::from_utf8_lossy(&seen.stdout).trim().to_owned();
        assert_eq!(streams, format!("{codec},320,240"), "{url} {transport}: {seen:?}");
        // Over the end of the clip, where it begins anew.
        let found = decode(&url, Some(transport), FRAMES + 5).await;
        let expected: Vec<_> = expected.iter().chain(&expected[..5]).cloned().collect();
        assert_eq!(found, expected, "{url} {transport}");
    };
    let cases: &[(&RunningServer, &str, &str)] = &[
        (&open, "", "tcp"),
        (&open, "", "udp"),
        (&digest, "viewer:s3cret@", "tcp"),
        (&digest, "viewer:s3cret@", "udp"),
        (&quality, "viewer:s3cret@", "tcp"),
        (&basic, "viewer:s3cret@", "tcp"),
    ];
    for mount in ["street", "gate"] {
        let all = cases.iter().map(|(server, who, transport)| watch(server, who, transport, mount));
        join_all(all).await;
    }
    for server in [&digest, &quality, &basic] {
        for who in ["", "viewer:guess@", "other:s3cret@"] {
            let refused = probe(&format!("rtsp://{who}{}/street", server.address), "tcp").await;
            let told = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(told.contains("401 Unauthorized"), "{who}: {told}");
        }
    }
}

#[tokio::test]
async fn a_report_comes_first_and_then_the_packet_that_was_told() {
    let clips = clips().await;
    let server = serve(&clips.h264, "").await;
    let mut client = Client::connect(server.address).await;
    assert!(client.ask("OPTIONS", "").await.contains("Public: OPTIONS, DESCRIBE"));
    assert!(client.ask("DESCRIBE", "").await.contains("application/sdp"));
    assert!(client.ask("PLAY", "").await.starts_with("RTSP/1.0 455"), "PLAY before SETUP");
    let head = client.play().await;
    let info = value(&head, "RTP-Info: ").unwrap();
    let number = |name: &str| -> u32 {
        info.split(';').find_map(|part| part.strip_prefix(name)).unwrap().parse().unwrap()
    };
    let (channel, report) = client.packet().await.unwrap();
    assert_eq!((channel, report[1]), (5, 200));
    let (channel, packet) = client.packet().await.unwrap();
    assert_eq!(channel, 4);
    assert_eq!(u32::from(u16::from_be_bytes([packet[2], packet[3]])), number("seq="));
    assert_eq!(packet[4..8], number("rtptime=").to_be_bytes());
    assert_eq!(packet[8..12], report[4..8], "one source");
    assert_eq!(server.playing(), 1);

    client.send("TEARDOWN", "Session: 0\r\n").await;
    client.send("TEARDOWN", "").await;
    until("none is playing", || server.playing() == 0).await;
}

#[tokio::test]
async fn what_can_not_be_answered_is_refused() {
    let clips = clips().await;
    let server = serve(&clips.small, "").await;
    let mut client = Client::connect(server.address).await;
    let cases = [
        ("SETUP", "Transport: RTP/AVP;multicast\r\n", "461"),
        ("SETUP", "", "461"),
        ("GET_PARAMETER", "Session: 1234\r\n", "454"),
        ("RECORD", "", "405"),
        ("GET_PARAMETER", "", "200"),
    ];
    for (method, headers, status) in cases {
        let reply = client.ask(method, headers).await;
        assert!(reply.starts_with(&format!("RTSP/1.0 {status} ")), "{method}: {reply}");
    }
    client.url.push_str("-2");
    assert!(client.ask("DESCRIBE", "").await.starts_with("RTSP/1.0 404 "));
    client.socket.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut rest = String::new();
    timeout(DEADLINE, client.socket.read_to_string(&mut rest)).await.unwrap().unwrap();
    assert!(rest.starts_with("RTSP/1.0 505 "), "{rest}");
}

#[tokio::test]
async fn a_camera_answers_wrong_as_told() {
    let clips = clips().await;
    for (fault, told) in [
        ("status=404", "404 Not Found"),
        ("status=401", "401 Unauthorized"),
        ("status=503", "503"),
        ("html", ""),
        ("refuse=1", ""),
    ] {
        let server = serve(&clips.small, fault).await;
        let seen = probe(&server.served()[0].url, "tcp").await;
        let error = String::from_utf8_lossy(&seen.stderr).into_owned();
        assert!(!seen.status.success() && error.contains(told), "{fault}: {error}");
    }
    let server = serve(&clips.small, "no-video").await;
    let mut client = Client::connect(server.address).await;
    client.send("DESCRIBE", "").await;
    let mut sdp = vec![0; 4096];
    let length = timeout(DEADLINE, client.socket.read(&mut sdp)).await.unwrap().unwrap();
    let sdp = String::from_utf8_lossy(&sdp[..length]).into_owned();
    assert!(sdp.contains("m=audio") && !sdp.contains("m=video"), "{sdp}");

    let server = serve(&clips.small, "garbage").await;
    let mut client = Client::connect(server.address).await;
    client.send("OPTIONS", "").await;
    let mut bytes = [0; 8];
    timeout(DEADLINE, client.socket.read_exact(&mut bytes)).await.unwrap().unwrap();
    assert_ne!(&bytes, b"RTSP/1.0");

    let server = serve(&clips.small, "half-open").await;
    let mut client = Client::connect(server.address).await;
    client.send("OPTIONS", "").await;
    let silence = timeout(Duration::from_millis(300), client.socket.read_u8()).await;
    assert!(silence.is_err(), "{silence:?}");
}

#[tokio::test]
async fn a_camera_stalls_and_another_closes() {
    let clips = clips().await;
    let server = serve(&clips.small, "stall-after=300ms").await;
    let mut client = Client::connect(server.address).await;
    client.play().await;
    let mut packets = 0;
    while let Ok(packet) = timeout(Duration::from_secs(2), client.packet()).await {
        packet.expect("the connection stays");
        packets += 1;
    }
    assert!(packets > 0);
    assert!(client.ask("GET_PARAMETER", "").await.starts_with("RTSP/1.0 200"));

    let server = serve(&clips.small, "close-after=300ms").await;
    let mut client = Client::connect(server.address).await;
    client.play().await;
    while client.packet().await.is_some() {}
    until("nobody is playing", || server.playing() == 0).await;
}

#[tokio::test]
async fn the_picture_changes_its_size_in_the_middle() {
    let clips = clips().await;
    let mut mount = mount(&clips.small, "resolution-switch");
    mount.clips.push(clips.h264.clone());
    let server = Server::start(Options::new(vec![mount])).await.unwrap();
    let mut ffprobe = Command::new("ffprobe");
    ffprobe.args(["-v", "error", "-rtsp_transport", "tcp", "-read_intervals", "%+4"]);
    ffprobe.args(["-show_entries", "frame=width,height", "-of", "csv=p=0"]);
    let seen = run(ffprobe.arg(&server.served()[0].url)).await;
    let sizes = String::from_utf8(seen.stdout).unwrap();
    assert!(sizes.contains("160,120") && sizes.contains("320,240"), "{sizes}");
}

#[tokio::test]
async fn a_udp_client_that_is_silent_is_forgotten() {
    let clips = clips().await;
    let session_timeout = Duration::from_millis(400);
    let options = Options { session_timeout, ..Options::new(vec![mount(&clips.small, "")]) };
    let server = Server::start(options).await.unwrap();
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let mut client = Client::connect(server.address).await;
    let transport = format!("Transport: RTP/AVP;unicast;client_port={port}-{}\r\n", port ^ 1);
    let reply = client.ask("SETUP", &transport).await;
    assert!(reply.contains("server_port="), "{reply}");
    client.ask("PLAY", "").await;
    let mut packet = [0; 2048];
    timeout(DEADLINE, socket.recv(&mut packet)).await.unwrap().unwrap();
    assert_eq!(packet[0], 0x80);
    assert!(client.byte().await.is_none(), "the connection ends");
}

#[tokio::test]
async fn a_camera_is_mended_cut_off_and_comes_back_on_its_port() {
    let clips = clips().await;
    let server = serve(&clips.small, "status=404").await;
    let address = server.address;
    let mut client = Client::connect(address).await;
    assert!(client.ask("DESCRIBE", "").await.starts_with("RTSP/1.0 404"));
    assert!(server.set_fault("camera", InjectedFault::default()));
    assert!(!server.set_fault("other", InjectedFault::default()));
    server.kick();
    assert!(client.byte().await.is_none());

    let mut client = Client::connect(address).await;
    client.play().await;
    assert!(client.packet().await.is_some());
    server.stop().await;
    while client.packet().await.is_some() {}
    // A program that another test starts holds all that is open here until it has begun to run.
    let freed = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, freed).await.unwrap();

    let options = || Options { listen: address, ..Options::new(vec![mount(&clips.small, "")]) };
    let server = Server::start(options()).await.unwrap();
    assert_eq!(server.address, address);
    let refused = Server::start(options()).await.unwrap_err();
    assert!(matches!(refused, Error::Listen { .. }), "{refused}");
}

#[tokio::test]
async fn what_can_not_be_served_is_told_at_the_start() {
    let clips = clips().await;
    let start = async |mounts| Server::start(Options::new(mounts)).await.unwrap_err();
    assert!(matches!(start(vec![]).await, Error::NoClips));
    let twice = vec![Mount::new(&clips.small), Mount::new(&clips.small)];
    assert!(matches!(start(twice).await, Error::SameName(name) if name == "small"));
    let missing = vec![Mount::new(Path::new("none.mp4"))];
    assert!(matches!(start(missing).await, Error::Clip { mount, .. } if mount == "none"));
    let mut mixed = Mount::new(&clips.h264);
    mixed.clips.push(clips.h265.clone());
    assert!(matches!(start(vec![mixed]).await, Error::MixedCodecs(_)));
}
