//! Signing in and out.

use std::time::Duration;

use axum::Extension;
use axum::Form;
use axum::extract::Query;
use axum::extract::State as Extract;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use serde::Deserialize;

use super::client::Client;
use super::session::Session;
use super::shared::Shared;
use super::views;
use crate::access::SignInRefused;
use crate::access::Viewer;
use crate::audit::AuditRecord;
use crate::outbox::DiskSpace;
use crate::ward::Language;
use crate::ward::Secret;

const PAGE: &str = include_str!("page/sign-in.html");
/// As long may one wait for others who sign in: a password costs 19 MiB and 20 ms.
const TURN: Duration = Duration::from_secs(5);
/// Longer places to go back to are none of ours.
const NEXT_BYTES_MAX: usize = 512;

/// The place to go to afterwards.
#[derive(Deserialize)]
pub(super) struct ReturnTo {
    next: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct SignInForm {
    name: String,
    password: String,
    next: Option<String>,
}

/// The prefix binds a cookie to TLS, this host and all paths; browsers refuse it without TLS.
pub(super) fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-keng" } else { "keng" }
}

fn cookie(id: &str, secure: bool) -> String {
    let name = cookie_name(secure);
    let more = if secure { "; Secure" } else { "" };
    let gone = if id.is_empty() { "; Max-Age=0" } else { "" };
    format!("{name}={id}; Path=/; HttpOnly; SameSite=Strict{more}{gone}")
}

/// A place of this page's own: anything else, and anything odd, is the feed.
fn own(place: Option<&str>) -> &str {
    let fits = |place: &&str| {
        place.starts_with('/')
            && !place[1..].starts_with(['/', '\\'])
            && place.len() <= NEXT_BYTES_MAX
            && place.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    };
    place.filter(fits).unwrap_or("/")
}

fn go(place: &str) -> Response {
    let place = HeaderValue::from_str(place).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response()
}

/// To the sign-in page, and from there back to `place`.
pub(super) fn to_sign_in(place: &str) -> Response {
    let next: String = own(Some(place)).bytes().fold(String::new(), |text, byte| match byte {
        b'/' | b'-' | b'.' | b'_' => text + &char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => text + &char::from(byte).to_string(),
        _ => text + &format!("%{byte:02X}"),
    });
    if next == "/" { go("/sign-in") } else { go(&format!("/sign-in?next={next}")) }
}

/// `GET /sign-in`.
pub(super) async fn page(
    Extract(shared): Extract<Shared>,
    viewer: Option<Extension<Viewer>>,
    Query(ReturnTo { next }): Query<ReturnTo>,
) -> Response {
    let next = own(next.as_deref());
    if viewer.is_some() { go(next) } else { shared.sign_in_page(StatusCode::OK, next, "") }
}

/// `POST /sign-in`: a new session, whatever session there was.
pub(super) async fn sign_in(
    Extract(shared): Extract<Shared>,
    Extension(client): Extension<Client>,
    Extension(session): Extension<Session>,
    Form(form): Form<SignInForm>,
) -> Response {
    let SignInForm { name, password, next } = form;
    let (name, password) = (name.trim().to_owned(), Secret::new(password));
    let next = own(next.as_deref());
    let vi = shared.state.ward.language == Language::Vi;
    let say = |here: &'static str, there: &'static str| if vi { here } else { there };
    if !client.secure && !client.address.is_loopback() {
        let why = say(
            "Kết nối chưa được mã hóa, nên không nhận mật khẩu. Hãy mở bằng https.",
            "This connection is not encrypted, so no password is taken: open it by https.",
        );
        return shared.sign_in_page(StatusCode::FORBIDDEN, next, why);
    }
    let turn = tokio::time::timeout(TURN, shared.sign_ins.clone().acquire_owned()).await;
    let Ok(Ok(turn)) = turn else {
        let why = say("Máy đang bận, hãy thử lại.", "Busy just now, please try again.");
        return shared.sign_in_page(StatusCode::TOO_MANY_REQUESTS, next, why);
    };
    let (access, address) = (shared.state.access.clone(), client.address);
    let (user, former) = (name.clone(), session.0);
    let signed_in = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let id = access.sign_in(&user, &password, address)?;
        if let Some(former) = former {
            access.sign_out(&former)?;
        }
        Ok(id)
    });
    let Ok(signed_in) = signed_in.await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let known = shared.state.access.is_user(&name);
    // What is typed where a name belongs may be a password.
    let who = if known { name.as_str() } else { "?" };
    match signed_in {
        Ok(id) => {
            shared.state.audit.note(views::signing(who, "sign_in", address));
            let cookie = cookie(id.reveal(), client.secure);
            ([(header::SET_COOKIE, cookie)], go(next)).into_response()
        }
        Err(SignInRefused::Wrong) => {
            shared.note_refused(views::signing(who, "sign_in_failed", address));
            let why = say("Tên hoặc mật khẩu không đúng.", "The name or the password is wrong.");
            shared.sign_in_page(StatusCode::UNAUTHORIZED, next, why)
        }
        Err(SignInRefused::TooOften(wait)) => {
            shared.note_refused(views::signing(who, "sign_in_held_off", address));
            let why = say(
                "Thử sai quá nhiều lần. Hãy đợi một phút rồi thử lại.",
                "Too many attempts. Wait a minute, then try again.",
            );
            let page = shared.sign_in_page(StatusCode::TOO_MANY_REQUESTS, next, why);
            ([(header::RETRY_AFTER, (wait.as_secs() + 1).to_string())], page).into_response()
        }
        Err(SignInRefused::Failed(error)) => {
            tracing::error!(%error, "nobody can sign in");
            let why = say("Máy có lỗi, hãy xem nhật ký.", "Something is wrong; see the log.");
            shared.sign_in_page(StatusCode::SERVICE_UNAVAILABLE, next, why)
        }
    }
}

/// `POST /sign-out`: ends the session, here and for whoever has its id.
pub(super) async fn sign_out(
    Extract(shared): Extract<Shared>,
    Extension(viewer): Extension<Viewer>,
    Extension(client): Extension<Client>,
    Extension(session): Extension<Session>,
) -> Response {
    if let Session(Some(id)) = session {
        let access = shared.state.access.clone();
        let ended = tokio::task::spawn_blocking(move || access.sign_out(&id)).await;
        if let Ok(Err(error)) = ended {
            tracing::error!(%error, "the end of a session is not written");
        }
        shared.state.audit.note(views::signing(&viewer.login, "sign_out", client.address));
    }
    let clear = HeaderName::from_static("clear-site-data");
    let headers = [
        (header::SET_COOKIE, cookie("", client.secure)),
        (clear, "\"cache\", \"storage\"".to_owned()),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

impl Shared {
    /// Anybody can have as many of these as they like: only so many are written down, and none
    /// where the disk's last room is for alerts.
    fn note_refused(&self, record: AuditRecord) {
        if self.state.outbox.disk_space() == DiskSpace::Enough {
            let now = self.state.clock.now().mono;
            self.minutes.refused(record, now, &self.state.audit);
        }
    }

    fn sign_in_page(&self, status: StatusCode, next: &str, why: &str) -> Response {
        let lang = match self.state.ward.language {
            Language::Vi => "vi",
            Language::En => "en",
        };
        let page = PAGE
            .replace("{lang}", lang)
            .replace("{next}", &escaped(next))
            .replace("{why}", &escaped(why))
            .replace("{ward}", &escaped(&self.state.ward.name));
        (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
    }
}

/// As text within markup, and within an attribute in quotes.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut made, c| {
        match c {
            '&' => made.push_str("&amp;"),
            '<' => made.push_str("&lt;"),
            '>' => made.push_str("&gt;"),
            '"' => made.push_str("&quot;"),
            '\'' => made.push_str("&#39;"),
            other => made.push(other),
        }
        made
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_goes_back_to_a_place_of_the_page_s_own_alone() {
        for good in ["/", "/cameras/hem-42?x=1", "/#a"] {
            assert_eq!(own(Some(good)), good);
        }
        for bad in ["", "//evil.example", "/\\evil", "https://evil.example", "/a\r\nb", "/é", "a"]
        {
            assert_eq!(own(Some(bad)), "/", "{bad:?}");
        }
        assert_eq!(own(None), "/");
    }

    #[test]
    fn a_cookie_is_bound_as_tightly_as_browsers_can() {
        assert_eq!(cookie("ab", true), "__Host-keng=ab; Path=/; HttpOnly; SameSite=Strict; Secure");
        assert_eq!(cookie("ab", false), "keng=ab; Path=/; HttpOnly; SameSite=Strict");
        assert!(cookie("", true).ends_with("; Max-Age=0"));
    }

    #[test]
    fn markup_is_text() {
        assert_eq!(escaped("<a b=\"c\">&'"), "&lt;a b=&quot;c&quot;&gt;&amp;&#39;");
    }
}
