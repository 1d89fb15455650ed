//! How the daemon is doing: for the page, for a supervisor, for a metrics collector.

use axum::Json;
use axum::extract::State as Extract;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::Value;
use serde_json::json;

use super::Shared;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `/api/status`.
pub(super) async fn status(Extract(shared): Extract<Shared>) -> Json<Value> {
    let state = &shared.state;
    let mut cameras = Vec::new();
    for (id, mut status) in state.board.cameras() {
        if let Some(fields) = status.as_object_mut() {
            fields.insert("id".to_owned(), json!(id.as_str()));
        }
        cameras.push(status);
    }
    let khu_pho: Vec<Value> = state
        .board
        .khu_pho()
        .iter()
        .map(|khu_pho| json!({ "id": khu_pho.id.as_str(), "name": khu_pho.name }))
        .collect();
    let outlet = |(reader, failing): (String, Option<String>)| {
        let behind = state.meters.outlet(&reader).behind.get();
        json!({ "id": reader, "behind": behind, "failing": failing })
    };
    let outlets: Vec<Value> = state.board.outlets().into_iter().map(outlet).collect();
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "ward": {
            "id": state.ward.id.as_str(),
            "name": state.ward.name,
            "timezone": state.ward.timezone.iana_name(),
        },
        "khu_pho": khu_pho,
        "cameras": cameras,
        "reload_error": state.board.reload_error(),
        "not_ready": state.board.not_ready(),
        "degraded": state.board.shortage().is_some(),
        "granted": state.board.shortage().unwrap_or(1.0),
        "store": state.outbox.room().as_str(),
        "broker_up": state.meters.broker_up.get() > 0,
        "outlets": outlets,
        "set_aside": state.meters.set_aside_now.get(),
        "last": state.outbox.last().0,
    }))
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
    match shared.state.meters.encode() {
        Ok(text) => ([(CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics can't be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
