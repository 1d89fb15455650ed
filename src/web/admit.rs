//! Admission: identifies the sender of each request and checks the right that the address asks for.

use axum::Extension;
use axum::Json;
use axum::extract::Request;
use axum::extract::State as Extract;
use axum::http::HeaderMap;
use axum::http::HeaderValue;
use axum::http::Method;
use axum::http::StatusCode;
use axum::http::header;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::Value;
use serde_json::json;

use super::client::Client;
use super::client::Peer;
use super::client::is_local;
use super::right::Right;
use super::session::Session;
use super::shared::Shared;
use super::sign_in;
use crate::access::Role;
use crate::access::Viewer;
use crate::ward::Language;

/// Every request that changes something bears the token of `/api/me` in this header: a page of
/// somebody else's can't read the one nor set the other.
const TOKEN: &str = "x-keng-csrf";

/// The check that stands before one address.
#[derive(Clone)]
pub(super) struct AddressCheck {
    pub(super) shared: Shared,
    pub(super) right: Right,
    /// It changes something.
    pub(super) acts: bool,
}

/// Lets in whoever has the right, and tells the handler who it is.
pub(super) async fn admit(
    Extract(gate): Extract<AddressCheck>,
    mut request: Request,
    next: Next,
) -> Response {
    let AddressCheck { shared, right, acts } = gate;
    let Some(peer) = request.extensions().get::<Peer>().copied() else {
        tracing::error!("a request without a connection");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let client = Client::of(peer, request.headers(), &shared.config);
    let session = cookie(request.headers(), sign_in::cookie_name(client.secure));
    let viewer = shared.viewer(&client, session.as_deref());
    let session = Session(session.filter(|_| viewer.as_ref().is_some_and(|v| !v.local)));
    if let Some(refused) = shared.refusal(right, viewer.as_ref(), &client, &request) {
        return refused;
    }
    if acts && let Err(reason) = shared.meant(right, &session, &client, request.headers()) {
        return refused(StatusCode::FORBIDDEN, reason);
    }
    let extensions = request.extensions_mut();
    extensions.insert(client);
    extensions.insert(session);
    if let Some(viewer) = viewer {
        extensions.insert(viewer);
    }
    next.run(request).await
}

fn refused(status: StatusCode, reason: &str) -> Response {
    (status, Json(json!({ "outcome": "refused", "reason": reason, "alert": null }))).into_response()
}

/// A cookie's value; none where it stands there twice, since one of them is somebody else's.
fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim());
    let value = values.next()?;
    values.next().is_none().then(|| value.to_owned())
}

impl Shared {
    /// Without users, whoever sits at this machine may do everything; as soon as there is one,
    /// everybody signs in.
    fn viewer(&self, client: &Client, session: Option<&str>) -> Option<Viewer> {
        if self.state.access.has_users() || !self.config.is_for_this_machine() {
            return self.state.access.viewer(session?);
        }
        if !client.local {
            return None;
        }
        let name = match self.state.ward.language {
            Language::Vi => "Máy trực",
            Language::En => "This machine",
        };
        let (name, login) = (name.to_owned(), String::new());
        Some(Viewer { name, login, role: Role::Admin, local: true })
    }

    /// Returns what whoever asks without this right is answered; none: they have it.
    fn refusal(
        &self,
        right: Right,
        viewer: Option<&Viewer>,
        client: &Client,
        request: &Request,
    ) -> Option<Response> {
        let has = match right {
            Right::Anybody => true,
            Right::SignedIn => viewer.is_some(),
            Right::Admin => viewer.is_some_and(Viewer::is_admin),
            Right::Machine => {
                viewer.is_some_and(Viewer::is_admin)
                    || (client.local && client.host.as_deref().is_some_and(is_local))
            }
        };
        if has {
            return None;
        }
        if viewer.is_some() {
            return Some(refused(StatusCode::FORBIDDEN, "only an admin may see this"));
        }
        if !self.state.access.has_users() {
            let reason = "there are no users yet: make one by keng user add";
            return Some(refused(StatusCode::FORBIDDEN, reason));
        }
        let accepts = request.headers().get(header::ACCEPT).and_then(|text| text.to_str().ok());
        let is_page = accepts.is_some_and(|accepts| accepts.contains("text/html"));
        if request.method() == Method::GET && is_page {
            let place = request.uri().path_and_query().map_or("/", |place| place.as_str());
            return Some(sign_in::to_sign_in(place));
        }
        Some(refused(StatusCode::UNAUTHORIZED, "sign in first"))
    }

    /// Tells whether the page itself has sent this, and not somebody else's.
    fn meant(
        &self,
        right: Right,
        session: &Session,
        client: &Client,
        headers: &HeaderMap,
    ) -> Result<(), &'static str> {
        let text =
            |value: Option<&HeaderValue>| value.and_then(|v| v.to_str().ok().map(str::to_owned));
        let origin = text(headers.get(header::ORIGIN));
        let origin = origin.as_deref().and_then(|origin| origin.split_once("://"));
        let is_ours = match (origin, client.host.as_deref()) {
            (Some((scheme, origin)), Some(host)) => {
                origin.eq_ignore_ascii_case(host) && (scheme == "https" || !client.secure)
            }
            _ => false,
        };
        if !is_ours {
            return Err("the Origin header is not this page's");
        }
        // Whoever is to sign in has no token yet; the origin alone tells the page from others.
        if right == Right::Anybody {
            return Ok(());
        }
        match text(headers.get(TOKEN)) {
            Some(token) if self.state.access.is_token(session.0.as_deref(), &token) => Ok(()),
            _ => Err("the header X-Keng-CSRF does not bear the token of /api/me"),
        }
    }
}

/// `/api/me`: who asks, and what they may.
pub(super) async fn me(
    Extract(shared): Extract<Shared>,
    Extension(viewer): Extension<Viewer>,
    Extension(session): Extension<Session>,
) -> Json<Value> {
    let khu_pho = match &viewer.role {
        Role::KhuPho(theirs) => json!(theirs.iter().map(|id| id.as_str()).collect::<Vec<_>>()),
        Role::Police | Role::Admin => Value::Null,
    };
    let banner = viewer.local.then(|| match shared.state.ward.language {
        Language::Vi => {
            "Chưa có người dùng: ai ngồi ở máy này cũng làm được mọi việc. \
             Tạo người dùng bằng lệnh keng user add."
        }
        Language::En => {
            "There are no users yet: whoever sits at this machine may do everything. \
             Make one by keng user add."
        }
    });
    let login = (!viewer.local).then_some(viewer.login);
    Json(json!({
        "name": viewer.name,
        "login": login,
        "role": viewer.role.as_str(),
        "khu_pho": khu_pho,
        "local": viewer.local,
        "banner": banner,
        "tiles": shared.config.tiles.as_ref().map(|tiles| {
            json!({ "url": tiles.template(), "credit": tiles.credit() })
        }),
        "csrf": shared.state.access.token(session.0.as_deref()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_read_and_two_of_one_name_are_none() {
        let read = |lines: &[&str], name: &str| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::COOKIE, line.parse().unwrap());
            }
            cookie(&headers, name)
        };
        assert_eq!(read(&["a=1; keng=x"], "keng").as_deref(), Some("x"));
        assert_eq!(read(&["a=1", "keng=x=y"], "keng").as_deref(), Some("x=y"));
        assert_eq!(read(&["keng=x; keng=y"], "keng"), None);
        assert_eq!(read(&["keng=x", "keng=x"], "keng"), None);
        assert_eq!(read(&["xkeng=x; keng", "=; ;;"], "keng"), None);
    }
}
