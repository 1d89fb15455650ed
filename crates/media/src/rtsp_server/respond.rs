//! Answers a client's requests, method by method.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rand::RngExt;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::net::UdpSocket;

use crate::rtsp_server::Loaded;
use crate::rtsp_server::auth::AuthResult;
use crate::rtsp_server::fault::InjectedFault;
use crate::rtsp_server::fault::ScriptedAnswer;
use crate::rtsp_server::player::Player;
use crate::rtsp_server::request::{Reply, Request};
use crate::rtsp_server::sdp;
use crate::rtsp_server::session::{ActiveStream, ClientTransport, Connection, Continuation};

const METHODS: &str = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, SET_PARAMETER, TEARDOWN";

impl Connection {
    /// Answers one request.
    pub(super) async fn respond(&mut self, request: &Request) -> io::Result<Continuation> {
        let shared = Arc::clone(&self.shared);
        let mount = shared.mounts.get(mount_name(&request.uri));
        if self.fault.is_none()
            && let Some(mount) = mount
        {
            let fault = mount.fault();
            let refuse = fault.refuse;
            self.fault = Some(fault);
            if self.rng.random_bool(refuse) {
                return Ok(Continuation::Close);
            }
        }
        let fault = self.fault.clone().unwrap_or_default();
        if fault.answer != ScriptedAnswer::Proper {
            return self.misbehave(fault.answer, request).await;
        }
        let reply = match request.method.as_str() {
            "OPTIONS" => Reply::new(200).header("Public", METHODS),
            _ => match (self.denied(request), mount) {
                (Some(denied), _) => denied,
                (None, None) => Reply::new(404),
                (None, Some(mount)) => self.serve(request, mount, &fault).await,
            },
        };
        self.write(&reply.encode(request.cseq)).await?;
        Ok(Continuation::Continue)
    }

    async fn serve(
        &mut self,
        request: &Request,
        mount: &Loaded,
        fault: &Arc<InjectedFault>,
    ) -> Reply {
        match request.method.as_str() {
            "DESCRIBE" => {
                if let Some(late) = fault.slow_describe {
                    tokio::time::sleep(late).await;
                }
                describe(request, mount, fault)
            }
            "SETUP" if self.playing.is_some() => Reply::new(455),
            "SETUP" => self.set_up(request).await,
            _ if self.is_anothers_session(request) => Reply::new(454),
            "PLAY" => self.play(request, mount, fault),
            "TEARDOWN" => {
                (self.playing, self.transport) = (None, None);
                Reply::new(200).header("Session", self.id.clone())
            }
            // Clients send these to be heard.
            "GET_PARAMETER" | "SET_PARAMETER" => Reply::new(200).header("Session", self.id.clone()),
            _ => Reply::new(405).header("Allow", METHODS),
        }
    }

    fn denied(&self, request: &Request) -> Option<Reply> {
        let guard = self.shared.guard.as_ref()?;
        let now = self.now();
        let stale = match guard.check(&request.method, request.header("Authorization"), now) {
            AuthResult::Granted => return None,
            AuthResult::Denied => false,
            AuthResult::Stale => true,
        };
        Some(Reply::new(401).header("WWW-Authenticate", guard.challenge(now, stale)))
    }

    fn is_anothers_session(&self, request: &Request) -> bool {
        let named = request.header("Session").and_then(|value| value.split(';').next());
        named.is_some_and(|id| id.trim() != self.id)
    }

    async fn set_up(&mut self, request: &Request) -> Reply {
        let offers = request.header("Transport").unwrap_or_default();
        let Some(offer) = offers.split(',').find_map(Offer::parse) else {
            return Reply::new(461);
        };
        let (transport, accepted) = match offer {
            Offer::Interleaved { rtp, rtcp } => (
                ClientTransport::Interleaved { rtp, rtcp },
                format!("RTP/AVP/TCP;unicast;interleaved={rtp}-{rtcp}"),
            ),
            Offer::Udp { rtp, rtcp } => match self.bind(rtp, rtcp).await {
                Ok(bound) => bound,
                Err(error) => {
                    tracing::warn!(peer = %self.peer, %error, "no UDP ports for a client");
                    return Reply::new(500);
                }
            },
        };
        self.transport = Some(transport);
        let seconds = self.shared.session_timeout.as_secs();
        Reply::new(200)
            .header("Transport", accepted)
            .header("Session", format!("{};timeout={seconds}", self.id))
    }

    /// Datagrams go to the RTSP client's own address only, whatever it asks for.
    async fn bind(&self, to_rtp: u16, to_rtcp: u16) -> io::Result<(ClientTransport, String)> {
        let (rtp, rtcp) = port_pair(self.local).await?;
        let ports = (rtp.local_addr()?.port(), rtcp.local_addr()?.port());
        let accepted = format!(
            "RTP/AVP;unicast;client_port={to_rtp}-{to_rtcp};server_port={}-{}",
            ports.0, ports.1
        );
        let to = |port| SocketAddr::new(self.peer.ip(), port);
        let (to_rtp, to_rtcp) = (to(to_rtp), to(to_rtcp));
        Ok((ClientTransport::Udp { rtp, rtcp, to_rtp, to_rtcp }, accepted))
    }

    fn play(&mut self, request: &Request, mount: &Loaded, fault: &Arc<InjectedFault>) -> Reply {
        if self.transport.is_none() {
            return Reply::new(455);
        }
        if self.playing.is_none() {
            let rng = StdRng::seed_from_u64(self.rng.random());
            let player = Player::new(mount.reels.clone(), mount.offset, fault, rng);
            let playing = ActiveStream::new(player, Arc::clone(fault), Arc::clone(&self.shared));
            self.playing = Some(playing);
        }
        let reply = Reply::new(200).header("Session", self.id.clone());
        let Some(ActiveStream { player, .. }) = &self.playing else { return reply };
        let info = format!(
            "url={}{};seq={};rtptime={}",
            base(&request.uri),
            sdp::CONTROL,
            player.sequence(),
            player.timestamp()
        );
        reply.header("Range", "npt=now-").header("RTP-Info", info)
    }

    async fn misbehave(
        &mut self,
        answer: ScriptedAnswer,
        request: &Request,
    ) -> io::Result<Continuation> {
        match answer {
            ScriptedAnswer::Proper | ScriptedAnswer::Silence => Ok(Continuation::Continue),
            ScriptedAnswer::Status(_) if request.method == "OPTIONS" => {
                let reply = Reply::new(200).header("Public", METHODS);
                self.write(&reply.encode(request.cseq)).await?;
                Ok(Continuation::Continue)
            }
            ScriptedAnswer::Status(status) => {
                let mut reply = Reply::new(status);
                if status == 401 {
                    let nonce: u128 = self.rng.random();
                    let challenge = format!("Digest realm=\"keng\", nonce=\"{nonce:032x}\"");
                    reply = reply.header("WWW-Authenticate", challenge);
                }
                self.write(&reply.encode(request.cseq)).await?;
                Ok(Continuation::Continue)
            }
            ScriptedAnswer::Html => {
                let page = "<!DOCTYPE html><html><body>Web login</body></html>\r\n";
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close";
                let answer = format!("{head}\r\nContent-Length: {}\r\n\r\n{page}", page.len());
                self.write(answer.as_bytes()).await?;
                Ok(Continuation::Close)
            }
            ScriptedAnswer::Garbage => {
                let mut bytes = [0_u8; 512];
                self.rng.fill(&mut bytes);
                self.write(&bytes).await?;
                Ok(Continuation::Continue)
            }
        }
    }
}

/// A transport that a client offers and that is served here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offer {
    Interleaved { rtp: u8, rtcp: u8 },
    Udp { rtp: u16, rtcp: u16 },
}

impl Offer {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split(';').map(str::trim);
        let profile = parts.next()?;
        let parts: Vec<&str> = parts.collect();
        let value =
            |name: &str| parts.iter().find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        if parts.iter().any(|part| part.eq_ignore_ascii_case("multicast")) {
            return None;
        }
        if profile.eq_ignore_ascii_case("RTP/AVP/TCP") {
            let (rtp, rtcp) = pair(value("interleaved").unwrap_or("0-1"))?;
            let (rtp, rtcp) = (u8::try_from(rtp).ok()?, u8::try_from(rtcp).ok()?);
            Some(Self::Interleaved { rtp, rtcp })
        } else if profile.eq_ignore_ascii_case("RTP/AVP")
            || profile.eq_ignore_ascii_case("RTP/AVP/UDP")
        {
            let (rtp, rtcp) = pair(value("client_port")?)?;
            (rtp > 0).then_some(Self::Udp { rtp, rtcp })
        } else {
            None
        }
    }
}

/// `a-b`, or `a` alone for `a` and the one after it.
fn pair(text: &str) -> Option<(u16, u16)> {
    match text.split_once('-') {
        Some((first, second)) => Some((first.parse().ok()?, second.parse().ok()?)),
        None => {
            let first: u16 = text.parse().ok()?;
            Some((first, first.checked_add(1)?))
        }
    }
}

/// An even port and the one after it, as RFC 3550 wishes.
async fn port_pair(local: SocketAddr) -> io::Result<(UdpSocket, UdpSocket)> {
    let mut failure = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..32 {
        let rtp = UdpSocket::bind(SocketAddr::new(local.ip(), 0)).await?;
        let port = rtp.local_addr()?.port();
        if !port.is_multiple_of(2) {
            continue;
        }
        match UdpSocket::bind(SocketAddr::new(local.ip(), port + 1)).await {
            Ok(rtcp) => return Ok((rtp, rtcp)),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn describe(request: &Request, mount: &Loaded, fault: &InjectedFault) -> Reply {
    let reel = &mount.reels[0];
    let text = if fault.no_video {
        sdp::sound_only(&mount.name)
    } else {
        sdp::video(&sdp::StreamDescription {
            name: &mount.name,
            codec: reel.codec,
            frame_rate: reel.frame_rate * fault.fps_lie.unwrap_or(1.0),
            sets: &reel.sets,
        })
    };
    Reply::new(200).header("Content-Base", base(&request.uri)).body("application/sdp", text)
}

/// The mount's URL with a slash at its end.
fn base(uri: &str) -> String {
    let uri = uri.split('?').next().unwrap_or_default().trim_end_matches('/');
    let uri = uri.strip_suffix(sdp::CONTROL).unwrap_or(uri);
    format!("{}/", uri.trim_end_matches('/'))
}

/// The mount that a URL means; empty for `*`.
fn mount_name(uri: &str) -> &str {
    let path = match uri.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => uri.trim_start_matches('/'),
    };
    let path = path.split('?').next().unwrap_or_default().trim_end_matches('/');
    path.strip_suffix(sdp::CONTROL).unwrap_or(path).trim_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_found_however_clients_write_its_url() {
        for uri in [
            "rtsp://h:8554/night_fire",
            "rtsp://h:8554/night_fire/",
            "rtsp://h:8554/night_fire/trackID=0",
            "rtsp://h:8554/night_fire?channel=1",
            "/night_fire",
        ] {
            assert_eq!(mount_name(uri), "night_fire", "{uri}");
        }
        assert_eq!(mount_name("rtsp://h"), "");
        assert_eq!(base("rtsp://h/a/trackID=0"), "rtsp://h/a/");
        assert_eq!(base("rtsp://h/a?x=1"), "rtsp://h/a/");
    }

    #[test]
    fn transports_are_read_as_clients_write_them() {
        let cases = [
            ("RTP/AVP/TCP;unicast;interleaved=2-3", Some(Offer::Interleaved { rtp: 2, rtcp: 3 })),
            ("RTP/AVP/TCP;unicast", Some(Offer::Interleaved { rtp: 0, rtcp: 1 })),
            ("RTP/AVP;unicast;client_port=5000-5001", Some(Offer::Udp { rtp: 5000, rtcp: 5001 })),
            ("RTP/AVP/UDP;client_port=5000", Some(Offer::Udp { rtp: 5000, rtcp: 5001 })),
            ("RTP/AVP;unicast;client_port=65535", None),
            ("RTP/AVP;unicast;client_port=0-1", None),
            ("RTP/AVP;multicast;client_port=5000-5001", None),
            ("RTP/AVP/TCP;interleaved=256-257", None),
            ("RTP/SAVP;client_port=1-2", None),
            ("", None),
        ];
        for (text, offer) in cases {
            assert_eq!(Offer::parse(text), offer, "{text}");
        }
    }
}
