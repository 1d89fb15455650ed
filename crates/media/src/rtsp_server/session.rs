//! One client's connection: reads requests, writes replies, sends the stream when it is due.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use crate::rtsp_server::fault::InjectedFault;
use crate::rtsp_server::player::Player;
use crate::rtsp_server::request;
use crate::rtsp_server::request::Message;
use crate::rtsp_server::rtp;
use crate::rtsp_server::shared::Shared;
use crate::time::Mono;

/// A client that takes nothing for so long is cut off.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// A stream that is so late goes on from where it is, as no camera sends the past in a burst.
const LAG_MAX: Duration = Duration::from_secs(2);
/// Between sender reports.
const REPORT_INTERVAL: Duration = Duration::from_secs(4);
/// Wake at least so often.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// The transport that carries RTP to the client.
#[derive(Debug)]
pub(super) enum ClientTransport {
    /// On the RTSP connection.
    Interleaved { rtp: u8, rtcp: u8 },
    /// By datagrams, from these sockets to these addresses.
    Udp { rtp: UdpSocket, rtcp: UdpSocket, to_rtp: SocketAddr, to_rtcp: SocketAddr },
}

/// A stream that is being sent.
pub(super) struct ActiveStream {
    pub(super) player: Player,
    started: Mono,
    report_due: Duration,
    fault: Arc<InjectedFault>,
    shared: Arc<Shared>,
}

impl ActiveStream {
    pub(super) fn new(player: Player, fault: Arc<InjectedFault>, shared: Arc<Shared>) -> Self {
        shared.playing.fetch_add(1, Ordering::SeqCst);
        let started = shared.clock.now().mono;
        Self { player, started, report_due: Duration::ZERO, fault, shared }
    }

    /// Returns the time at which something is to be done next, from PLAY.
    fn wake(&self) -> Duration {
        let stalled = |due: &Duration| self.fault.stall_after.is_none_or(|at| *due < at);
        let send = Some(self.player.due().min(self.report_due)).filter(stalled);
        [send, self.fault.close_after].into_iter().flatten().min().unwrap_or(Duration::MAX)
    }
}

impl Drop for ActiveStream {
    fn drop(&mut self) {
        self.shared.playing.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The decision whether a connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Continuation {
    Continue,
    Close,
}

/// One client.
pub(super) struct Connection {
    socket: TcpStream,
    pub(super) local: SocketAddr,
    pub(super) peer: SocketAddr,
    pub(super) shared: Arc<Shared>,
    pub(super) rng: StdRng,
    pub(super) id: String,
    pub(super) transport: Option<ClientTransport>,
    pub(super) playing: Option<ActiveStream>,
    /// The faults of the first request's mount.
    pub(super) fault: Option<Arc<InjectedFault>>,
    inbox: Vec<u8>,
    last_heard: Mono,
    /// Reused from access unit to access unit: packets one after another, and where each ends.
    scratch: (Vec<u8>, Vec<usize>),
}

enum Event {
    Read(usize),
    Reported,
    Due,
}

impl Connection {
    pub(super) fn new(socket: TcpStream, shared: Arc<Shared>) -> io::Result<Self> {
        // Packets are written an access unit at a time; waiting for more would only delay them.
        socket.set_nodelay(true)?;
        let (local, peer) = (socket.local_addr()?, socket.peer_addr()?);
        let seed = shared.rng.lock().unwrap_or_else(std::sync::PoisonError::into_inner).random();
        let mut rng = StdRng::seed_from_u64(seed);
        let id = format!("{:016x}", rng.random::<u64>());
        let last_heard = shared.clock.now().mono;
        Ok(Self {
            socket,
            local,
            peer,
            shared,
            rng,
            id,
            transport: None,
            playing: None,
            fault: None,
            inbox: Vec::new(),
            last_heard,
            scratch: (Vec::new(), Vec::new()),
        })
    }

    /// Until the client goes, is silent for too long, or says what is no RTSP.
    pub(super) async fn run(mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        loop {
            let wait = self.wait();
            let event = tokio::select! {
                read = self.socket.read(&mut buffer) => Event::Read(read?),
                () = rtcp_arrived(self.transport.as_ref()) => Event::Reported,
                () = tokio::time::sleep(wait) => Event::Due,
            };
            let after = match event {
                Event::Read(0) => Continuation::Close,
                Event::Read(length) => {
                    self.last_heard = self.now();
                    self.inbox.extend_from_slice(&buffer[..length]);
                    self.answer().await?
                }
                Event::Reported => {
                    self.last_heard = self.now();
                    Continuation::Continue
                }
                Event::Due => self.send_due().await?,
            };
            if after == Continuation::Close {
                return Ok(());
            }
        }
    }

    pub(super) fn now(&self) -> Mono {
        self.shared.clock.now().mono
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        tokio::time::timeout(WRITE_TIMEOUT, self.socket.write_all(bytes)).await?
    }

    /// Until something is due: a packet, a report, the end of a silent client.
    fn wait(&self) -> Duration {
        let now = self.now();
        let stream = self
            .playing
            .as_ref()
            .map_or(WAIT_MAX, |playing| playing.wake().saturating_sub(now.since(playing.started)));
        let silence = self.silence_max().saturating_sub(now.since(self.last_heard));
        stream.min(silence)
    }

    /// A client that takes what is sent to it by TCP is alive; of the others one must hear.
    fn silence_max(&self) -> Duration {
        match (&self.transport, &self.playing) {
            (Some(ClientTransport::Interleaved { .. }), Some(_)) => WAIT_MAX * 24 * 365,
            // Some are only just in time.
            _ => self.shared.session_timeout * 5 / 4,
        }
    }

    async fn answer(&mut self) -> io::Result<Continuation> {
        loop {
            match request::parse(&self.inbox) {
                Ok(None) => return Ok(Continuation::Continue),
                Ok(Some((message, used))) => {
                    self.inbox.drain(..used);
                    if let Message::Request(request) = message
                        && self.respond(&request).await? == Continuation::Close
                    {
                        return Ok(Continuation::Close);
                    }
                }
                Err(error) => {
                    tracing::debug!(peer = %self.peer, %error, "no RTSP");
                    let status = if error == request::Error::RequestLine { 505 } else { 400 };
                    self.write(&request::Reply::new(status).encode(0)).await?;
                    return Ok(Continuation::Close);
                }
            }
        }
    }

    async fn send_due(&mut self) -> io::Result<Continuation> {
        let now = self.shared.clock.now();
        if now.mono.since(self.last_heard) >= self.silence_max() {
            tracing::debug!(peer = %self.peer, "no sign of life");
            return Ok(Continuation::Close);
        }
        let (Some(playing), Some(transport)) = (&mut self.playing, &self.transport) else {
            return Ok(Continuation::Continue);
        };
        let elapsed = now.mono.since(playing.started);
        if playing.fault.close_after.is_some_and(|at| elapsed >= at) {
            return Ok(Continuation::Close);
        }
        if playing.wake() > elapsed {
            return Ok(Continuation::Continue);
        }
        let (packets, ends) = &mut self.scratch;
        packets.clear();
        ends.clear();
        let reports = playing.report_due <= elapsed;
        if reports {
            playing.report_due = elapsed + REPORT_INTERVAL;
            let micros = i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX);
            let timestamp = playing.player.timestamp_at(micros);
            let (ssrc, sent) = (playing.player.ssrc(), playing.player.sent());
            let report = rtp::sender_report(ssrc, now.wall, timestamp, sent);
            append_packet(transport, true, &[&report], packets);
            ends.push(packets.len());
        }
        if playing.player.due() <= elapsed {
            let late = elapsed.saturating_sub(playing.player.due());
            if late > LAG_MAX {
                playing.started = playing.started + late;
            }
            playing.player.advance(|header, payload| {
                append_packet(transport, false, &[&header, payload], packets);
                ends.push(packets.len());
            });
        }
        self.flush(reports).await?;
        Ok(Continuation::Continue)
    }

    /// Sends what lies in `scratch`; the first packet of it is a report where `reports`.
    async fn flush(&mut self, reports: bool) -> io::Result<()> {
        let (packets, ends) = &self.scratch;
        match &self.transport {
            None => {}
            Some(ClientTransport::Interleaved { .. }) => {
                let write = self.socket.write_all(packets);
                tokio::time::timeout(WRITE_TIMEOUT, write).await??;
            }
            Some(ClientTransport::Udp { rtp, rtcp, to_rtp, to_rtcp }) => {
                let mut from = 0;
                for (index, end) in ends.iter().enumerate() {
                    let (socket, to) =
                        if reports && index == 0 { (rtcp, to_rtcp) } else { (rtp, to_rtp) };
                    // Lost on the way or lost here: to the client it is the same.
                    if let Err(error) = socket.send_to(&packets[from..*end], to).await {
                        tracing::trace!(peer = %to, %error, "datagram not sent");
                    }
                    from = *end;
                }
            }
        }
        Ok(())
    }
}

/// Appends one packet as the transport carries it.
fn append_packet(
    transport: &ClientTransport,
    report: bool,
    parts: &[&[u8]],
    packets: &mut Vec<u8>,
) {
    if let ClientTransport::Interleaved { rtp, rtcp } = transport {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let length = u16::try_from(length).expect("a packet is far below 64 KiB");
        packets.extend_from_slice(&[b'$', if report { *rtcp } else { *rtp }]);
        packets.extend_from_slice(&length.to_be_bytes());
    }
    for part in parts {
        packets.extend_from_slice(part);
    }
}

/// Returns when a UDP client's RTCP arrives; that it is alive is all that is read from it.
async fn rtcp_arrived(transport: Option<&ClientTransport>) {
    let Some(ClientTransport::Udp { rtcp, .. }) = transport else {
        return std::future::pending().await;
    };
    loop {
        match rtcp.recv_from(&mut [0; 2048]).await {
            Ok(_) => return,
            // The client's port is closed; its connection will tell when it is gone.
            Err(error) => {
                tracing::trace!(%error, "no report");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}
