//! The audit log, for admins.

use axum::Extension;
use axum::Json;
use axum::extract::Query;
use axum::extract::State as Extract;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use super::feed::Failed;
use super::shared::Shared;
use super::views;
use crate::access::Viewer;
use crate::audit;
use crate::audit::StoredRecord;

/// Records of one list, unless asked for otherwise.
const LIST: usize = 100;
/// Records of one list at most.
const LIST_MAX: usize = 1_000;

/// Their number.
#[derive(Debug, Deserialize)]
pub(super) struct Last {
    last: Option<usize>,
}

/// `/api/audit?last=`: the newest records, oldest first.
pub(super) async fn newest(
    Extract(shared): Extract<Shared>,
    Extension(viewer): Extension<Viewer>,
    Query(Last { last }): Query<Last>,
) -> Result<Json<Value>, Failed> {
    let count = last.unwrap_or(LIST).clamp(1, LIST_MAX);
    let now = shared.state.clock.now().mono;
    if shared.views.is_news(&viewer, "audit", now) {
        shared.state.audit.note(views::looked(&viewer, "view_audit", "audit"));
    }
    let store = shared.state.store.clone();
    let read = tokio::task::spawn_blocking(move || audit::last(&store, count)).await;
    let records = read.map_err(|_| Failed::Ending)?.map_err(Failed::Audit)?;
    let records: Vec<Value> = records.iter().map(record).collect();
    Ok(Json(json!({ "records": records })))
}

fn record(record: &StoredRecord) -> Value {
    json!({
        "number": record.number,
        "at": record.at,
        "who": { "kind": record.who.kind.as_str(), "name": record.who.name },
        "via": record.via.as_str(),
        "action": record.action,
        "subject": record.subject,
        "detail": record.detail,
    })
}
