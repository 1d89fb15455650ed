//! Who asks, and whether they may.

use axum::Extension;
use axum::Json;
use axum::extract::Request;
use axum::extract::State as Extract;
use axum::http::StatusCode;
use axum::http::header;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::Value;
use serde_json::json;

use super::Shared;
use super::routes::Right;
use crate::access::Role;
use crate::access::Viewer;
use crate::ward::Language;

/// Every request that changes something bears the token of `/api/me` in this header: a page of
/// somebody else's can't read the one nor set the other.
const TOKEN: &str = "x-keng-csrf";

/// What stands before one address.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) shared: Shared,
    pub(super) right: Right,
    /// It changes something.
    pub(super) acts: bool,
}

/// Lets in whoever has the right, and tells the handler who it is.
pub(super) async fn admit(
    Extract(gate): Extract<Gate>,
    mut request: Request,
    next: Next,
) -> Response {
    let viewer = gate.shared.local_viewer();
    if gate.right == Right::Admin && !viewer.is_admin() {
        return refused(StatusCode::FORBIDDEN, "only an admin may see this");
    }
    if gate.acts
        && let Err(reason) = gate.shared.meant(&request)
    {
        return refused(StatusCode::FORBIDDEN, reason);
    }
    request.extensions_mut().insert(viewer);
    next.run(request).await
}

fn refused(status: StatusCode, reason: &str) -> Response {
    (status, Json(json!({ "outcome": "refused", "reason": reason }))).into_response()
}

impl Shared {
    fn local_viewer(&self) -> Viewer {
        let name = match self.state.ward.language {
            Language::Vi => "Máy trực",
            Language::En => "This machine",
        };
        Viewer { name: name.to_owned(), role: Role::Admin, local: true }
    }

    /// Whether the page itself has sent this, and not somebody else's.
    fn meant(&self, request: &Request) -> Result<(), &'static str> {
        let text = |name: &str| request.headers().get(name).and_then(|text| text.to_str().ok());
        let origin = text(header::ORIGIN.as_str()).and_then(|origin| origin.split_once("://"));
        let host = text(header::HOST.as_str());
        match (origin, host) {
            (Some((_, origin)), Some(host)) if origin == host => {}
            _ => return Err("the Origin header is not this page's"),
        }
        match text(TOKEN) {
            Some(token) if token == self.token.reveal() => Ok(()),
            _ => Err("the header X-Keng-CSRF does not bear the token of /api/me"),
        }
    }
}

/// `/api/me`: who asks, and what they may.
pub(super) async fn me(
    Extract(shared): Extract<Shared>,
    Extension(viewer): Extension<Viewer>,
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
    Json(json!({
        "name": viewer.name,
        "role": viewer.role.as_str(),
        "khu_pho": khu_pho,
        "local": viewer.local,
        "banner": banner,
        "csrf": shared.token.reveal(),
    }))
}
