//! A camera by script: plays the RTSP game correctly up to PLAY, then sends what it is told.

use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::BufReader;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// Audio stands first, and no parameter sets are told, as some cameras do.
const SDP: &str = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\na=control:*\r\n\
    m=audio 0 RTP/AVP 0\r\na=control:track0\r\n\
    m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n\
    a=control:track1\r\n";

/// The camera's behaviour when it is asked for TEARDOWN.
#[derive(Clone, Copy, PartialEq)]
pub enum Manners {
    Answers,
    Ignores,
}

/// A running scripted camera.
pub struct Camera {
    pub port: u16,
    /// The methods that it was asked for.
    pub methods: mpsc::UnboundedReceiver<String>,
}

/// Serves client after client: interleaved data, sent after PLAY, then silence.
pub async fn serve(data: Vec<u8>, manners: Manners) -> Camera {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (asked, methods) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that goes away ends its own session only.
            drop(session(stream, &data, manners, &asked).await);
        }
    });
    Camera { port, methods }
}

async fn session(
    stream: TcpStream,
    data: &[u8],
    manners: Manners,
    asked: &mpsc::UnboundedSender<String>,
) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    let (mut method, mut cseq) = (String::new(), String::new());
    while let Some(line) = lines.next_line().await? {
        if method.is_empty() {
            method = line.split(' ').next().unwrap_or_default().to_owned();
        } else if let Some(value) = line.strip_prefix("CSeq: ") {
            cseq = value.to_owned();
        } else if line.is_empty() {
            // The test may have heard enough.
            drop(asked.send(method.clone()));
            if method == "TEARDOWN" && manners == Manners::Ignores {
                method.clear();
                continue;
            }
            let (headers, body) = match method.as_str() {
                "DESCRIBE" => ("Content-Type: application/sdp\r\n", SDP),
                "SETUP" => ("Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n", ""),
                // A nonsense first number and time: not to be believed.
                "PLAY" => ("Session: 1\r\nRTP-Info: url=track1;seq=40000;rtptime=7\r\n", ""),
                _ => ("Session: 1\r\n", ""),
            };
            let length = body.len();
            let head = format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\nContent-Length: {length}\r\n");
            writer.write_all(format!("{head}{headers}\r\n{body}").as_bytes()).await?;
            if method == "PLAY" {
                writer.write_all(data).await?;
            }
            method.clear();
        }
    }
    Ok(())
}

/// Writes interleaved RTP packets.
#[derive(Default)]
pub struct Rtp {
    pub data: Vec<u8>,
    sequence: u16,
    time: u32,
}

impl Rtp {
    /// One access unit, a packet a NAL unit, a tenth of a second after the one before.
    pub fn access_unit(&mut self, units: &[Vec<u8>]) {
        self.time += 9_000;
        for (index, unit) in units.iter().enumerate() {
            let last = index + 1 == units.len();
            self.packet(0x80, last, unit);
        }
    }

    /// A packet whose payload is no H.264.
    pub fn bad_payload(&mut self) {
        self.packet(0x80, false, &[0xff, 0xff]);
    }

    /// A packet that is no RTP.
    pub fn bad_header(&mut self) {
        self.packet(0x00, false, &[1, 2, 3]);
        self.sequence -= 1;
    }

    /// Data on a channel that nobody asked for.
    pub fn stray(&mut self) {
        self.data.extend_from_slice(&[b'$', 7, 0, 3, 1, 2, 3]);
    }

    fn packet(&mut self, version: u8, mark: bool, payload: &[u8]) {
        self.sequence = self.sequence.wrapping_add(1);
        let length = u16::try_from(payload.len() + 12).expect("the clip's units are small");
        self.data.extend_from_slice(&[b'$', 0]);
        self.data.extend_from_slice(&length.to_be_bytes());
        self.data.extend_from_slice(&[version, 96 | if mark { 0x80 } else { 0 }]);
        self.data.extend_from_slice(&self.sequence.to_be_bytes());
        self.data.extend_from_slice(&self.time.to_be_bytes());
        self.data.extend_from_slice(&[0, 0, 0, 9]);
        self.data.extend_from_slice(payload);
    }
}
