//! Our RTSP client against GStreamer's server, and against listeners that misbehave.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::sync::Arc;
use std::time::Duration;

use keng::camera::CameraState;
use keng::camera::Codec;
use keng::camera::Config;
use keng::camera::Error;
use keng::camera::Packet;
use keng::camera::Session;
use keng::camera::Source;
use keng::camera::Transport;
use keng::camera::nal;
use keng::camera::queue;
use keng::camera::rtsp::Rtsp;
use keng::camera::rtsp::RtspSession;
use keng::camera::supervisor;
use keng::clock::SystemClock;
use keng::command::probe;
use keng::metrics::Metrics;
use keng::metrics::Stage;
use keng::time::Clock;
use keng::ward::Id;
use keng::ward::Secret;
use rand::SeedableRng;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use keng_testkit::gst;
use keng_testkit::script;

use gst::Auth;
use gst::Server;
use script::Manners;

const PATIENCE: Duration = Duration::from_secs(20);

fn config(port: u16, path: &str, transport: Transport) -> Config {
    Config {
        id: Id::new("hem-42").unwrap(),
        url: url::Url::parse(&format!("rtsp://127.0.0.1:{port}{path}")).unwrap(),
        username: None,
        password: None,
        transport,
    }
}

fn with_password(config: Config, password: &str) -> Config {
    let password = Some(Secret::new(password.to_owned()));
    Config { username: Some("viewer".to_owned()), password, ..config }
}

fn rtsp() -> Rtsp {
    Rtsp::new(Arc::new(SystemClock::new()))
}

async fn open(config: &Config) -> Result<RtspSession, Error> {
    timeout(PATIENCE, rtsp().open(config)).await.unwrap()
}

async fn refusal(config: &Config) -> Error {
    match open(config).await {
        Ok(_) => panic!("a session where there should be none"),
        Err(error) => error,
    }
}

/// Plays 25 packets of the clip and checks them.
async fn plays(codec: Codec, auth: Auth, transport: Transport) {
    let compressed = match codec {
        Codec::H264 => gst::Codec::H264,
        Codec::H265 => gst::Codec::H265,
    };
    let server = Server::start(compressed, auth, 0).await;
    let mut config = config(server.port, "/cam", transport);
    if !matches!(auth, Auth::None) {
        config = with_password(config, "right");
    }
    let mut session = open(&config).await.unwrap();
    assert_eq!(session.codec(), codec);
    let mut packets: Vec<Packet> = Vec::new();
    while packets.len() < 25 {
        packets.push(timeout(PATIENCE, session.next()).await.unwrap().unwrap());
    }
    assert_eq!(session.size(), Some(gst::SIZE));
    timeout(Duration::from_secs(3), session.close()).await.unwrap();

    let keys: Vec<&Packet> = packets.iter().filter(|packet| packet.key).collect();
    assert!(keys.len() >= 2, "{} key frames in 2.5 s of one a second", keys.len());
    if codec == Codec::H265 {
        // The second key frame of the clip is CRA (type 21), which is no IDR.
        let cra = |unit: &[u8]| (unit[0] >> 1) & 0x3f == 21;
        assert!(keys.iter().any(|key| nal::units(&key.data).any(cra)));
    }
    for key in keys {
        assert!(nal::has_parameter_sets(codec, &key.data), "decoding can start at each");
    }
    assert!(packets.iter().all(|packet| packet.codec == codec && packet.lost == 0));
    assert!(packets.windows(2).all(|pair| pair[0].received <= pair[1].received));
    let span = packets[24].media_time_us - packets[0].media_time_us;
    assert!((span - 2_400_000).abs() < 200_000, "24 frames at 10 a second, not {span} us");
}

#[tokio::test]
async fn h264_over_tcp() {
    plays(Codec::H264, Auth::None, Transport::Tcp).await;
}

#[tokio::test]
async fn h264_over_tcp_with_digest() {
    plays(Codec::H264, Auth::Digest, Transport::Tcp).await;
}

#[tokio::test]
async fn h264_over_tcp_with_basic() {
    plays(Codec::H264, Auth::Basic, Transport::Tcp).await;
}

#[tokio::test]
async fn h264_over_udp() {
    plays(Codec::H264, Auth::None, Transport::Udp).await;
}

#[tokio::test]
async fn h264_over_udp_with_digest() {
    plays(Codec::H264, Auth::Digest, Transport::Udp).await;
}

#[tokio::test]
async fn h264_over_udp_with_basic() {
    plays(Codec::H264, Auth::Basic, Transport::Udp).await;
}

#[tokio::test]
async fn h265_over_tcp() {
    plays(Codec::H265, Auth::None, Transport::Tcp).await;
}

#[tokio::test]
async fn h265_over_tcp_with_digest() {
    plays(Codec::H265, Auth::Digest, Transport::Tcp).await;
}

#[tokio::test]
async fn h265_over_tcp_with_basic() {
    plays(Codec::H265, Auth::Basic, Transport::Tcp).await;
}

#[tokio::test]
async fn h265_over_udp() {
    plays(Codec::H265, Auth::None, Transport::Udp).await;
}

#[tokio::test]
async fn h265_over_udp_with_digest() {
    plays(Codec::H265, Auth::Digest, Transport::Udp).await;
}

#[tokio::test]
async fn h265_over_udp_with_basic() {
    plays(Codec::H265, Auth::Basic, Transport::Udp).await;
}

#[tokio::test]
async fn a_wrong_password_and_none_are_told_apart() {
    for auth in [Auth::Digest, Auth::Basic] {
        let server = Server::start(gst::Codec::H264, auth, 0).await;
        let config = config(server.port, "/cam", Transport::Tcp);
        assert!(matches!(refusal(&config).await, Error::NeedsPassword { .. }));
        let error = refusal(&with_password(config, "hunter2")).await;
        assert!(matches!(error, Error::WrongPassword { status: 401, .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn a_path_that_is_not_there_is_named() {
    let server = Server::start(gst::Codec::H264, Auth::None, 0).await;
    let error = refusal(&config(server.port, "/nothing", Transport::Tcp)).await;
    assert!(matches!(&error, Error::NoStream { path, status: 404, .. } if path == "/nothing"));
}

#[tokio::test]
async fn packets_flow_again_within_5_s_after_the_camera_is_back() {
    let server = Server::start(gst::Codec::H264, Auth::Digest, 0).await;
    let config = with_password(config(server.port, "/cam", Transport::Tcp), "right");
    let metrics = Metrics::new();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let (queue, receiver) = queue::channel(metrics.flow("hem-42", Stage::Receive));
    let (to_state, mut state) = watch::channel(CameraState::Connecting { since: clock.now() });
    let doors = supervisor::SupervisorContext {
        source: rtsp(),
        clock: Arc::clone(&clock),
        connects: Arc::new(tokio::sync::Semaphore::new(supervisor::CONNECTS_MAX)),
        metrics: metrics.clone(),
        waits: supervisor::RetryPolicies::default(),
    };
    let shutdown = CancellationToken::new();
    let outlets = supervisor::SupervisorOutputs { queue, state: to_state };
    let rng = rand::rngs::StdRng::seed_from_u64(1);
    let task = tokio::spawn(supervisor::supervise(config, doors, outlets, rng, shutdown.clone()));
    let streaming = |state: &CameraState| matches!(state, CameraState::Streaming { .. });
    timeout(PATIENCE, state.wait_for(streaming)).await.unwrap().unwrap();

    let port = server.kill().await;
    let waiting = |state: &CameraState| matches!(state, CameraState::Waiting { .. });
    timeout(PATIENCE, state.wait_for(waiting)).await.unwrap().unwrap();
    // Long enough away for the waits to have grown to their longest.
    let attempts = |metrics: &Metrics| metrics.camera_sessions("hem-42").get();
    assert_eq!(attempts(&metrics), 1);
    for _ in 0..5 {
        timeout(PATIENCE, state.changed()).await.unwrap().unwrap();
        timeout(PATIENCE, state.wait_for(waiting)).await.unwrap().unwrap();
    }

    let revived = Server::start(gst::Codec::H264, Auth::Digest, port).await;
    let back = clock.now();
    timeout(PATIENCE, state.wait_for(streaming)).await.unwrap().unwrap();
    let took = clock.now().mono.since(back.mono);
    println!("streams again after {took:?}");
    assert!(took <= Duration::from_secs(5), "{took:?}");
    assert_eq!(attempts(&metrics), 2);
    let mut marks = 0;
    while let Some(item) = receiver.try_recv() {
        marks += usize::from(matches!(item, queue::QueueItem::Discontinuity));
    }
    assert_eq!(marks, 2, "one a session");

    shutdown.cancel();
    timeout(Duration::from_secs(3), task).await.unwrap().unwrap();
    drop(revived);
}

/// A listener that answers each connection's first bytes with `answer`, then closes.
async fn answering(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 2048];
            if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                // Whether the client still listens is its own affair.
                drop(stream.write_all(answer).await);
            }
        }
    });
    port
}

#[tokio::test]
async fn a_web_server_is_no_camera() {
    let html = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n<html>no</html>";
    let error = refusal(&config(answering(html).await, "/", Transport::Tcp)).await;
    assert!(matches!(error, Error::NotRtsp { .. }), "{error:?}");
    assert!(error.to_string().contains("554"), "{error}");
}

#[tokio::test]
async fn garbage_is_no_camera() {
    let garbage = &[0x00, 0xff, 0x13, b'\n', 0x80, 0x80, b'\r', b'\n', b'\r', b'\n'];
    let error = refusal(&config(answering(garbage).await, "/", Transport::Tcp)).await;
    assert!(matches!(error, Error::NotRtsp { .. } | Error::Ended { .. }), "{error:?}");
    assert!(!error.to_string().contains('\n'), "{error}");
}

#[tokio::test]
async fn a_closed_port_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = refusal(&config(port, "/", Transport::Tcp)).await;
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_camera_that_accepts_and_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let error = refusal(&config(port, "/", Transport::Tcp)).await;
    assert!(matches!(error, Error::NoAnswer { .. }), "{error:?}");
    drop(listener);
}

#[tokio::test]
async fn a_codec_that_we_do_not_decode_is_named_and_so_is_a_stream_without_video() {
    let jpeg = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Type: application/sdp\r\n\
        Content-Length: 65\r\n\r\nv=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\n\
        m=video 0 RTP/AVP 26\r\n";
    let error = refusal(&config(answering(jpeg).await, "/", Transport::Tcp)).await;
    assert!(matches!(&error, Error::Codec { codec, .. } if codec == "jpeg"), "{error:?}");
    let audio = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Type: application/sdp\r\n\
        Content-Length: 64\r\n\r\nv=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\n\
        m=audio 0 RTP/AVP 0\r\n";
    let error = refusal(&config(answering(audio).await, "/", Transport::Tcp)).await;
    assert!(matches!(&error, Error::NoVideo { found, .. } if found == "audio"), "{error:?}");
}

#[tokio::test]
async fn a_probe_reports_and_prints_a_block_without_the_password() {
    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        args: probe::Args,
    }
    let server = Server::start(gst::Codec::H265, Auth::Digest, 0).await;
    let url = format!("rtsp://viewer:right@127.0.0.1:{}/cam", server.port);
    let cli = <Cli as clap::Parser>::parse_from(["probe", url.as_str(), "--seconds", "4"]);
    let mut out = Vec::new();
    let run = probe::run(cli.args, &mut out, Arc::new(SystemClock::new()), |_| None);
    timeout(PATIENCE, run).await.unwrap().unwrap();
    let text = String::from_utf8(out).unwrap();
    println!("{text}");
    let (report, block) = text.split_once("\n\n").unwrap();
    assert!(report.contains("H.265 (hvc1") && report.contains("320 x 180"), "{report}");
    assert!(report.contains("every 1.0 s (10 frames)"), "{report}");
    assert!(!text.contains("right"), "{text}");
    let block: toml::Table = toml::from_str(block).unwrap();
    assert_eq!(block["camera"][0]["password"]["env"].as_str(), Some("KENG_CAM_127_0_0_1"));
}

/// Access units of a fresh H.264 clip, without delimiters.
fn access_units(size: (u32, u32)) -> Vec<Vec<Vec<u8>>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.h264");
    gst::encode_h264(&path, size);
    let stream = std::fs::read(path).unwrap();
    let mut made: Vec<Vec<Vec<u8>>> = Vec::new();
    for unit in nal::units(&stream) {
        match unit[0] & 0x1f {
            9 => made.push(Vec::new()),
            _ => made.last_mut().unwrap().push(unit.to_vec()),
        }
    }
    made
}

#[tokio::test]
async fn a_camera_that_breaks_the_rules_is_borne_with() {
    let (small, large) = (access_units((160, 96)), access_units((320, 180)));
    let mut rtp = script::Rtp::default();
    // Joined between key frames, then a key frame, with rubbish in between.
    rtp.access_unit(&small[9]);
    rtp.access_unit(&small[10]);
    rtp.bad_payload();
    rtp.bad_header();
    rtp.stray();
    rtp.access_unit(&small[11]);
    // Somebody changes the camera's resolution.
    rtp.access_unit(&large[0]);
    rtp.access_unit(&large[1]);
    let mut camera = script::serve(rtp.data, Manners::Answers).await;
    let mut session = open(&config(camera.port, "/", Transport::Tcp)).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..5 {
        let packet = timeout(PATIENCE, session.next()).await.unwrap().unwrap();
        seen.push((packet.key, packet.lost, session.size(), packet.media_time_us));
    }
    let (small, large) = (Some((160, 96)), Some((320, 180)));
    assert_eq!(
        seen,
        [
            (false, 0, None, 0),
            (true, 0, small, 100_000),
            (false, 2, small, 200_000),
            (true, 0, large, 300_000),
            (false, 0, large, 400_000),
        ]
    );
    session.close().await;
    let mut asked = Vec::new();
    while let Ok(method) = camera.methods.try_recv() {
        asked.push(method);
    }
    assert_eq!(asked, ["DESCRIBE", "SETUP", "PLAY", "TEARDOWN"]);
}

#[tokio::test]
async fn a_camera_that_does_not_answer_teardown_is_left_after_2_s() {
    let camera = script::serve(Vec::new(), Manners::Ignores).await;
    let session = open(&config(camera.port, "/", Transport::Tcp)).await.unwrap();
    timeout(Duration::from_secs(3), session.close()).await.unwrap();
}

#[tokio::test]
async fn a_stream_of_rubbish_is_given_up() {
    let mut rtp = script::Rtp::default();
    (0..2000).for_each(|_| rtp.bad_payload());
    let camera = script::serve(rtp.data, Manners::Answers).await;
    let mut session = open(&config(camera.port, "/", Transport::Tcp)).await.unwrap();
    let error = timeout(PATIENCE, session.next()).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Broken { count: 1000, .. }), "{error:?}");
}
