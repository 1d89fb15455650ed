//! Browsers that want to be told while their page is closed.

use axum::Extension;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State as Extract;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use super::shared::Shared;
use super::views;
use crate::access::Viewer;
use crate::push::Error;
use crate::push::Push;
use crate::push::SubscriptionRefused;

/// The members of a browser's `PushSubscription` that matter here.
#[derive(Deserialize)]
struct Subscription {
    endpoint: String,
    keys: Keys,
}

#[derive(Deserialize)]
struct Keys {
    p256dh: String,
    auth: String,
}

#[derive(Deserialize)]
struct Gone {
    endpoint: String,
}

/// `/api/push`: the key that browsers subscribe with; null where it is not turned on, or where
/// whoever requests has not signed in.
pub(super) async fn told(
    Extract(shared): Extract<Shared>,
    Extension(viewer): Extension<Viewer>,
) -> Json<Value> {
    let push = shared.state.push.as_ref().filter(|_| !viewer.local);
    Json(json!({ "key": push.map(Push::key) }))
}

/// `POST /api/push/subscribe`.
pub(super) async fn subscribe(
    Extract(shared): Extract<Shared>,
    Extension(viewer): Extension<Viewer>,
    body: Bytes,
) -> Result<StatusCode, PushRefusal> {
    let push = shared.state.push.clone().ok_or(PushRefusal::Off)?;
    let asked: Subscription = read(&body)?;
    let who = viewer.clone();
    let done = tokio::task::spawn_blocking(move || {
        push.subscribe(&who, &asked.endpoint, &asked.keys.p256dh, &asked.keys.auth)
    });
    let service = done.await.map_err(|_| PushRefusal::Ending)??;
    shared.state.audit.note(views::looked(&viewer, "push_on", &service));
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/push/unsubscribe`; what is unknown, or somebody else's, is answered alike.
pub(super) async fn unsubscribe(
    Extract(shared): Extract<Shared>,
    Extension(viewer): Extension<Viewer>,
    body: Bytes,
) -> Result<StatusCode, PushRefusal> {
    let push = shared.state.push.clone().ok_or(PushRefusal::Off)?;
    let asked: Gone = read(&body)?;
    let who = viewer.clone();
    let done = tokio::task::spawn_blocking(move || push.unsubscribe(&who, &asked.endpoint));
    if done.await.map_err(|_| PushRefusal::Ending)?? {
        shared.state.audit.note(views::looked(&viewer, "push_off", &viewer.login));
    }
    Ok(StatusCode::NO_CONTENT)
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, PushRefusal> {
    serde_json::from_slice(body).map_err(|error| PushRefusal::Form(error.to_string()))
}

/// The reason why nothing was done.
#[derive(Debug, thiserror::Error)]
pub(super) enum PushRefusal {
    #[error("Web Push is not turned on here: see [web] push")]
    Off,
    #[error("the body is not of this address's form: {0}")]
    Form(String),
    #[error(transparent)]
    SubscriptionRefused(#[from] SubscriptionRefused),
    #[error("the daemon is ending")]
    Ending,
}

impl From<Error> for PushRefusal {
    fn from(error: Error) -> Self {
        Self::SubscriptionRefused(SubscriptionRefused::Failed(error))
    }
}

impl IntoResponse for PushRefusal {
    fn into_response(self) -> Response {
        let (status, reason) = match &self {
            Self::Off => (StatusCode::NOT_FOUND, self.to_string()),
            Self::Ending => (StatusCode::SERVICE_UNAVAILABLE, self.to_string()),
            Self::SubscriptionRefused(SubscriptionRefused::Nobody) => {
                (StatusCode::FORBIDDEN, self.to_string())
            }
            Self::SubscriptionRefused(SubscriptionRefused::Full) => {
                (StatusCode::TOO_MANY_REQUESTS, self.to_string())
            }
            Self::SubscriptionRefused(SubscriptionRefused::Failed(error)) => {
                tracing::error!(%error, "push subscriptions can't be written");
                (StatusCode::SERVICE_UNAVAILABLE, "it can't be kept; see the log".to_owned())
            }
            Self::Form(_) | Self::SubscriptionRefused(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, self.to_string())
            }
        };
        let body = json!({ "outcome": "refused", "reason": reason, "alert": null });
        (status, Json(body)).into_response()
    }
}
