//! RTSP 1.0 on the wire (RFC 2326): what a client sends, and replies. Pure, and hardened: every
//! size has a limit, and no bytes make it panic.

use std::fmt::Write as _;

/// Of request line and header lines together, in bytes.
const HEAD_MAX: usize = 16 * 1024;
/// Header lines of a request.
const HEADERS_MAX: usize = 64;
/// Of a request's body, in bytes.
const BODY_MAX: usize = 64 * 1024;

/// A reason for which bytes are no request. The connection can't go on after it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    /// Over the limit.
    #[error("a request head over {HEAD_MAX} bytes or {HEADERS_MAX} lines")]
    HeadTooLarge,
    /// Over the limit.
    #[error("a request body over {BODY_MAX} bytes")]
    BodyTooLarge,
    /// No text.
    #[error("a request head that is not UTF-8")]
    NotText,
    /// Not `METHOD URI RTSP/1.0`.
    #[error("a request line that is not RTSP/1.0")]
    RequestLine,
    /// A header line without a colon.
    #[error("a header line without a colon")]
    HeaderLine,
    /// `CSeq` or `Content-Length` is missing or no number.
    #[error("no usable {0}")]
    Number(&'static str),
}

/// One thing that a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// An RTSP request.
    Request(Request),
    /// A binary frame between requests: the client's RTCP.
    Interleaved {
        /// The number of the channel.
        channel: u8,
    },
}

/// An RTSP request without its body, which no method here needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// `DESCRIBE`, `SETUP`, …
    pub method: String,
    /// `rtsp://host/path`, or `*`.
    pub uri: String,
    /// To be repeated in the reply.
    pub cseq: u32,
    headers: Vec<(String, String)>,
}

impl Request {
    /// A header's value; names are compared without regard to case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// The first message in `bytes` and how many bytes it took; none where more must be read.
///
/// # Errors
/// Where the bytes are no RTSP, or over a limit.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Message, usize)>, Error> {
    // Some clients send an empty line after a body.
    let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    if blank > HEAD_MAX {
        return Err(Error::HeadTooLarge);
    }
    let bytes = &bytes[blank..];
    let parsed = match bytes {
        [b'$', channel, high, low, rest @ ..] => {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let whole = rest.len() >= length;
            whole.then_some((Message::Interleaved { channel: *channel }, 4 + length))
        }
        [b'$', ..] => None,
        _ => parse_request(bytes)?.map(|(request, used)| (Message::Request(request), used)),
    };
    Ok(parsed.map(|(message, used)| (message, blank + used)))
}

fn parse_request(bytes: &[u8]) -> Result<Option<(Request, usize)>, Error> {
    let window = &bytes[..bytes.len().min(HEAD_MAX)];
    let Some(head) = window.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if bytes.len() >= HEAD_MAX { Err(Error::HeadTooLarge) } else { Ok(None) };
    };
    let text = std::str::from_utf8(&bytes[..head]).map_err(|_| Error::NotText)?;
    let mut lines = text.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(uri), Some("RTSP/1.0"), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Error::RequestLine);
    };
    let token = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
    if method.is_empty() || !method.bytes().all(token) || uri.is_empty() {
        return Err(Error::RequestLine);
    }
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(Error::HeaderLine)?;
        if headers.len() == HEADERS_MAX {
            return Err(Error::HeadTooLarge);
        }
        headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    let mut request = Request { method: method.to_owned(), uri: uri.to_owned(), cseq: 0, headers };
    request.cseq =
        request.header("CSeq").and_then(|value| value.parse().ok()).ok_or(Error::Number("CSeq"))?;
    let body = match request.header("Content-Length") {
        None => 0,
        Some(value) => value.parse::<usize>().map_err(|_| Error::Number("Content-Length"))?,
    };
    if body > BODY_MAX {
        return Err(Error::BodyTooLarge);
    }
    let used = head + 4 + body;
    Ok((bytes.len() >= used).then_some((request, used)))
}

/// A reply in the making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// 200, 401, …
    pub status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Reply {
    /// A reply without headers and body.
    pub(super) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// Adds a header.
    #[must_use]
    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds a body of the given content type.
    #[must_use]
    pub(super) fn body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let reply = self
            .header("Content-Type", content_type)
            .header("Content-Length", body.len().to_string());
        Self { body, ..reply }
    }

    /// As it stands on the wire.
    pub(super) fn encode(&self, cseq: u32) -> Vec<u8> {
        let mut head = format!("RTSP/1.0 {} {}\r\n", self.status, reason(self.status));
        let _infallible = write!(head, "CSeq: {cseq}\r\nServer: keng\r\n");
        for (name, value) in &self.headers {
            let _infallible = write!(head, "{name}: {value}\r\n");
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        453 => "Not Enough Bandwidth",
        454 => "Session Not Found",
        455 => "Method Not Valid in This State",
        461 => "Unsupported Transport",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "RTSP Version Not Supported",
        _ => "Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request(text: &str) -> Result<Option<(Message, usize)>, Error> {
        parse(text.as_bytes())
    }

    #[test]
    fn a_request_is_read_whole_or_not_at_all() {
        let text = "SETUP rtsp://a/b/trackID=0 RTSP/1.0\r\ncseq: 3\r\nTransport: x\r\n\r\n";
        let (Message::Request(found), used) = request(text).unwrap().unwrap() else {
            panic!("no request");
        };
        assert_eq!((found.method.as_str(), found.cseq, used), ("SETUP", 3, text.len()));
        assert_eq!(found.header("TRANSPORT"), Some("x"));
        for end in 0..text.len() {
            assert_eq!(parse(&text.as_bytes()[..end]), Ok(None));
        }
    }

    #[test]
    fn body_is_awaited_and_skipped() {
        let text = "SET_PARAMETER * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 4\r\n\r\nabcd$";
        assert_eq!(parse(&text.as_bytes()[..text.len() - 2]), Ok(None));
        assert_eq!(request(text).unwrap().unwrap().1, text.len() - 1);
    }

    #[test]
    fn interleaved_rtcp_is_separated_from_requests() {
        let bytes = [b'$', 1, 0, 2, 9, 9, b'O'];
        assert_eq!(parse(&bytes), Ok(Some((Message::Interleaved { channel: 1 }, 6))));
        assert_eq!(parse(&bytes[..5]), Ok(None));
    }

    #[test]
    fn invalid_requests_are_refused() {
        let cases = [
            ("GET / HTTP/1.1\r\n\r\n", Error::RequestLine),
            ("OPTIONS * RTSP/1.0 x\r\n\r\n", Error::RequestLine),
            ("options * RTSP/1.0\r\n\r\n", Error::RequestLine),
            ("OPTIONS * RTSP/1.0\r\nCSeq\r\n\r\n", Error::HeaderLine),
            ("OPTIONS * RTSP/1.0\r\n\r\n", Error::Number("CSeq")),
            ("OPTIONS * RTSP/1.0\r\nCSeq: -1\r\n\r\n", Error::Number("CSeq")),
            ("A * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 99999999\r\n\r\n", Error::BodyTooLarge),
        ];
        for (text, error) in cases {
            assert_eq!(request(text), Err(error), "{text:?}");
        }
        assert_eq!(parse(&[b'A'; HEAD_MAX]), Err(Error::HeadTooLarge));
        assert_eq!(parse(&[b'\n'; HEAD_MAX + 1]), Err(Error::HeadTooLarge));
        assert_eq!(parse(b"\xff * RTSP/1.0\r\n\r\n"), Err(Error::NotText));
    }

    #[test]
    fn a_reply_names_its_length() {
        let reply = Reply::new(200).body("text/plain", "abc").encode(5);
        let text = String::from_utf8(reply).unwrap();
        assert!(text.starts_with("RTSP/1.0 200 OK\r\nCSeq: 5\r\n"));
        assert!(text.ends_with("Content-Length: 3\r\n\r\nabc"));
    }

    proptest! {
        #[test]
        fn no_bytes_cause_a_panic(bytes: Vec<u8>) {
            if let Ok(Some((_, used))) = parse(&bytes) {
                prop_assert!(used <= bytes.len() && used > 0);
            }
        }

        #[test]
        fn no_text_makes_it_panic(
            text in "[A-Z$]{0,9} ?[ -~]{0,20}( RTSP/1.0)?(\r\n[ -~]{0,30}){0,9}",
        ) {
            if let Ok(Some((_, used))) = parse(text.as_bytes()) {
                prop_assert!(used <= text.len() && used > 0);
            }
        }
    }
}
