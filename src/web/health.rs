//! The daemon's health: for the page, for a supervisor, for a metrics collector.

use axum::Extension;
use axum::Json;
use axum::extract::State as Extract;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::Value;
use serde_json::json;

use super::shared::Shared;
use crate::access::Viewer;
use crate::ward::Owner;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Of a webhook, for whoever is not to read its receiver's words.
const FAILS: &str = "it fails; an admin sees at what";

/// `/api/status`: of what is theirs to see; who gave the cameras, what is wrong with the
/// configuration, and what a webhook's receiver says, is for admins. The police see that one fails.
pub(super) async fn status(
    Extract(shared): Extract<Shared>,
    Extension(viewer): Extension<Viewer>,
) -> Json<Value> {
    let state = &shared.state;
    let admin = viewer.is_admin();
    let mut cameras = Vec::new();
    for (id, mut status) in state.board.cameras() {
        let Some(seat) = state.board.camera(&id) else { continue };
        if !viewer.may_see(&seat.khu_pho) {
            continue;
        }
        if let Some(fields) = status.as_object_mut() {
            fields.insert("id".to_owned(), json!(id.as_str()));
            if admin {
                fields.insert("owner".to_owned(), owner(seat.owner.as_ref()));
            }
        }
        cameras.push(status);
    }
    let khu_pho: Vec<Value> = state
        .board
        .khu_pho()
        .iter()
        .filter(|khu_pho| viewer.may_see(&khu_pho.id))
        .map(|khu_pho| json!({ "id": khu_pho.id.as_str(), "name": khu_pho.name }))
        .collect();
    let outlet = |(reader, failing): (String, Option<String>)| {
        let behind = state.metrics.outlet(&reader).behind.get();
        let failing = failing.map(|words| if admin { words } else { FAILS.to_owned() });
        json!({ "id": reader, "behind": behind, "failing": failing })
    };
    let told = state.board.outlets().into_iter().filter(|_| viewer.sees_outlets());
    let outlets: Vec<Value> = told.map(outlet).collect();
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "ward": {
            "id": state.ward.id.as_str(),
            "name": state.ward.name,
            "timezone": state.ward.timezone.iana_name(),
        },
        "khu_pho": khu_pho,
        "cameras": cameras,
        "reload_error": state.board.reload_error().filter(|_| admin),
        "not_ready": state.board.not_ready(),
        "degraded": state.board.shortage().is_some(),
        "granted": state.board.shortage().unwrap_or(1.0),
        "store": state.outbox.disk_space().as_str(),
        "broker_up": state.metrics.broker_up.get() > 0,
        "outlets": outlets,
        "set_aside": state.metrics.set_aside_now.get(),
        "last": state.outbox.last().0,
    }))
}

fn owner(owner: Option<&Owner>) -> Value {
    match owner {
        Some(Owner { name, consent_until }) => {
            json!({ "name": name, "consent_until": consent_until.map(|day| day.to_string()) })
        }
        None => Value::Null,
    }
}

/// `/healthz`: the process answers.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// `/readyz`: the daemon does its work.
pub(super) async fn ready(Extract(shared): Extract<Shared>) -> Response {
    match shared.state.board.not_ready() {
        None => "ready\n".into_response(),
        Some(waits) => (StatusCode::SERVICE_UNAVAILABLE, format!("{waits}\n")).into_response(),
    }
}

/// `/metrics`: OpenMetrics text.
pub(super) async fn metrics(Extract(shared): Extract<Shared>) -> Response {
    match shared.state.metrics.encode() {
        Ok(text) => ([(CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics can't be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
