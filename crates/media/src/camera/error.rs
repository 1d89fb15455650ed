//! Errors of a camera's session: each names what failed, where, and what to do about it.
//!
//! **Invariant:** no text in here holds a credential. Hosts are named by address and port;
//! paths are shown only where they can't hold one (some cameras want `user=…&password=…` in the
//! path), and queries never.

use std::time::Duration;

use crate::camera::config::Config;

/// A step of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Connecting and asking what there is (DESCRIBE).
    Describe,
    /// Asking for the video stream (SETUP).
    Setup,
    /// Starting it (PLAY).
    Play,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Describe => "DESCRIBE",
            Self::Setup => "SETUP",
            Self::Play => "PLAY",
        })
    }
}

/// An error that keeps a session from beginning, or ends it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The TCP connection was refused or the host can't be reached.
    #[error("{place} can't be reached: {detail}; is the camera on, and is the port right?")]
    Unreachable {
        /// Host and port.
        place: String,
        /// The operating system's message.
        detail: String,
    },
    /// Nothing came back in time.
    #[error("{place} did not answer {step} in {limit:?}; is it an RTSP port, is the camera busy?")]
    NoAnswer {
        /// Host and port.
        place: String,
        /// The request that was sent.
        step: Step,
        /// The time limit that has passed.
        limit: Duration,
    },
    /// The answer is not RTSP.
    #[error("{place} does not speak RTSP at {step}: {detail}; is the port right (often 554)?")]
    NotRtsp {
        /// Host and port.
        place: String,
        /// The request that was sent.
        step: Step,
        /// The fault in the answer.
        detail: String,
    },
    /// 401 and no credentials are configured.
    #[error("{place} wants a password (401) and none is given; set username and password")]
    NeedsPassword {
        /// Host and port.
        place: String,
    },
    /// 401 to our credentials, or 403.
    #[error("{place} refuses username or password ({status}); check them at the camera")]
    WrongPassword {
        /// Host and port.
        place: String,
        /// The answer's code.
        status: u16,
    },
    /// 404, 410 or 454.
    #[error("{place} has no stream {path} ({status}); check the path of the url")]
    NoStream {
        /// Host and port.
        place: String,
        /// Path of the url, or `/…` where it may hold a credential.
        path: String,
        /// The answer's code.
        status: u16,
    },
    /// 461: the transport is not offered.
    #[error("{place} does not offer this transport ({status}); try the other one of tcp and udp")]
    Transport {
        /// Host and port.
        place: String,
        /// The answer's code.
        status: u16,
    },
    /// Any other answer that is not 200.
    #[error("{place} answers {step} with {status}: {detail}")]
    Status {
        /// Host and port.
        place: String,
        /// The request that was sent.
        step: Step,
        /// The answer's code.
        status: u16,
        /// The answer's reason.
        detail: String,
    },
    /// Nothing in it is a video.
    #[error("{place} has no video in this stream, only: {found}; choose another path")]
    NoVideo {
        /// Host and port.
        place: String,
        /// The media that the stream has instead.
        found: String,
    },
    /// A video, but not H.264 or H.265.
    #[error("{place} sends {codec}; set the camera to H.264 or H.265")]
    Codec {
        /// Host and port.
        place: String,
        /// The codec, as the camera names it.
        codec: String,
    },
    /// The camera ended the session, or the connection broke.
    #[error("{place} ended the session: {detail}")]
    Ended {
        /// Host and port.
        place: String,
        /// The last thing that was wrong, or that nothing was.
        detail: String,
    },
    /// Too many bad packets in a row.
    #[error("{place} sends a broken stream ({count} bad packets in a row): {detail}")]
    Broken {
        /// Host and port.
        place: String,
        /// Bad packets in a row.
        count: u32,
        /// The fault of the last bad packet.
        detail: String,
    },
    /// The session stands, but no complete packet came.
    #[error("{place} sent no picture for {limit:?}; it will be asked again")]
    Stalled {
        /// Host and port.
        place: String,
        /// The time limit that has passed.
        limit: Duration,
    },
    /// Packets come, but none to begin decoding with.
    #[error("{place} sent no key frame in {limit:?}; lower the camera's I-frame interval")]
    NoKeyFrame {
        /// Host and port.
        place: String,
        /// The time limit that has passed.
        limit: Duration,
    },
}

impl Error {
    /// Returns whether a person has to mend it; if not, it may pass by itself.
    pub fn needs_person(&self) -> bool {
        matches!(
            self,
            Self::NeedsPassword { .. }
                | Self::WrongPassword { .. }
                | Self::NoVideo { .. }
                | Self::Codec { .. }
        )
    }

    /// Its kind in a word, for telling failures apart whose texts differ in a number only.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::NoAnswer { .. } => "no answer",
            Self::NotRtsp { .. } => "not RTSP",
            Self::NeedsPassword { .. } => "needs a password",
            Self::WrongPassword { .. } => "wrong password",
            Self::NoStream { .. } => "no such stream",
            Self::Transport { .. } => "transport",
            Self::Status { .. } => "status",
            Self::NoVideo { .. } => "no video",
            Self::Codec { .. } => "codec",
            Self::Ended { .. } => "ended",
            Self::Broken { .. } => "broken",
            Self::Stalled { .. } => "stalled",
            Self::NoKeyFrame { .. } => "no key frame",
        }
    }

    /// Translates retina's error into one of these.
    pub(crate) fn from_retina(config: &Config, step: Step, error: &retina::Error) -> Self {
        let place = place(config);
        let detail = detail(error);
        match error.status_code() {
            Some(401) if config.username.is_none() && config.password.is_none() => {
                Self::NeedsPassword { place }
            }
            Some(status @ (401 | 403)) => Self::WrongPassword { place, status },
            Some(status @ (404 | 410 | 454)) => {
                Self::NoStream { place, path: shown_path(config), status }
            }
            Some(status @ 461) => Self::Transport { place, status },
            Some(status) => Self::Status { place, step, status, detail },
            // retina tells its errors apart in their texts alone.
            None if detail.starts_with("Unable to connect") => {
                let cause = std::error::Error::source(error).map(ToString::to_string);
                Self::Unreachable { place, detail: cause.unwrap_or(detail) }
            }
            None if detail.starts_with("Error reading") => Self::Ended { place, detail },
            None => Self::NotRtsp { place, step, detail },
        }
    }
}

/// Host and port of the camera.
pub fn place(config: &Config) -> String {
    let host = config.url.host_str().unwrap_or("(no host)");
    format!("{host}:{}", config.url.port().unwrap_or(554))
}

/// retina's error without its context of several lines, and without dumps of what came in.
pub(crate) fn detail(error: &retina::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    let line = line.split("; buffered").next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(160).collect()
}

/// The url's path; `/…` where it looks as if it holds more than a path.
fn shown_path(config: &Config) -> String {
    let path = config.url.path();
    if path.contains(['=', '&', '@', ':']) || path.len() > 80 {
        "/…".to_owned()
    } else {
        path.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ward::Id;

    fn config(url: &str) -> Config {
        Config {
            id: Id::new("hem-42").unwrap(),
            url: url::Url::parse(url).unwrap(),
            username: None,
            password: None,
            transport: crate::camera::Transport::Tcp,
        }
    }

    #[test]
    fn a_place_is_host_and_port() {
        assert_eq!(place(&config("rtsp://192.0.2.14/stream2")), "192.0.2.14:554");
        assert_eq!(place(&config("rtsp://[2001:db8::1]:8554/a")), "[2001:db8::1]:8554");
    }

    #[test]
    fn a_path_that_may_hold_a_password_is_not_shown() {
        assert_eq!(
            shown_path(&config("rtsp://h/Streaming/Channels/102?token=x")),
            "/Streaming/Channels/102"
        );
        assert_eq!(shown_path(&config("rtsp://h/user=a&password=hunter2&channel=1.sdp")), "/…");
    }

    #[test]
    fn only_what_a_person_must_mend_needs_a_person() {
        let place = || "h:554".to_owned();
        assert!(Error::WrongPassword { place: place(), status: 401 }.needs_person());
        assert!(Error::Codec { place: place(), codec: "jpeg".into() }.needs_person());
        let away = Error::Unreachable { place: place(), detail: "refused".into() };
        assert!(!away.needs_person());
        assert_eq!(away.kind(), "unreachable");
    }
}
