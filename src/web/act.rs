//! Commands from the page: the same as over MQTT, under the name of the user who signed in.

use std::borrow::Cow;
use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::Path;
use axum::extract::State as Extract;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use serde::Deserialize;
use tokio::sync::oneshot;

use super::feed::off_thread;
use super::requests::CommandOutcome;
use super::requests::PageRequest;
use super::shared::Shared;
use super::views;
use crate::access::Viewer;
use crate::incident::Answer;
use crate::incident::AnswerError;
use crate::incident::IncidentId;
use crate::incident::Patrol;
use crate::incident::Report;
use crate::incident::Silence;
use crate::pipeline::Command;
use crate::ward::Id;

/// As long is waited until what was said is durable; a full disk takes longer.
const DURABLE_WAIT: Duration = Duration::from_secs(8);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandForm {
    action: String,
    note: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReportForm {
    kind: String,
    place: Option<String>,
    note: Option<String>,
    /// A drill, which may ask for the siren too.
    #[serde(default)]
    exercise: bool,
    #[serde(default)]
    siren: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PatrolForm {
    minutes: u32,
    zone: Option<String>,
}

/// `POST /api/khu-pho/{khu_pho}/incidents/{id}/command`.
pub(super) async fn command(
    Extract(shared): Extract<Shared>,
    Extension(viewer): Extension<Viewer>,
    Path((khu_pho, id)): Path<(String, String)>,
    body: Bytes,
) -> Result<Response, ActionRefusal> {
    let khu_pho = shared.known_khu_pho(&viewer, &khu_pho)?;
    let id = IncidentId::parse(&id).ok_or(ActionRefusal::NoIncident)?;
    let form: CommandForm = read(&body)?;
    let command = if form.action == Silence::ACTION {
        Command::Silence(id.clone(), Silence::new(&viewer.name)?)
    } else {
        let answer = Answer::new(&form.action, &viewer.name, form.note.as_deref())?;
        Command::Answer(id.clone(), answer)
    };
    shared.tell(&viewer, khu_pho, command, Some(id)).await
}

/// `POST /api/khu-pho/{khu_pho}/report`.
pub(super) async fn report(
    Extract(shared): Extract<Shared>,
    Extension(viewer): Extension<Viewer>,
    Path(khu_pho): Path<String>,
    body: Bytes,
) -> Result<Response, ActionRefusal> {
    let khu_pho = shared.known_khu_pho(&viewer, &khu_pho)?;
    let form: ReportForm = read(&body)?;
    shared.not_too_often(&viewer)?;
    let (place, note) = (form.place.as_deref(), form.note.as_deref());
    let at = shared.state.clock.now().wall;
    let mut report = Report::new(&form.kind, &viewer.name, place, note, at)?;
    if form.exercise {
        if !viewer.may_drill() {
            return Err(ActionRefusal::Drill);
        }
        report = report.as_exercise(form.siren);
    }
    shared.tell(&viewer, khu_pho, Command::Report(report), None).await
}

/// `POST /api/khu-pho/{khu_pho}/patrol`.
pub(super) async fn patrol(
    Extract(shared): Extract<Shared>,
    Extension(viewer): Extension<Viewer>,
    Path(khu_pho): Path<String>,
    body: Bytes,
) -> Result<Response, ActionRefusal> {
    let khu_pho = shared.known_khu_pho(&viewer, &khu_pho)?;
    let form: PatrolForm = read(&body)?;
    shared.not_too_often(&viewer)?;
    let patrol = Patrol::new(&viewer.name, form.minutes, form.zone.as_deref())?;
    shared.tell(&viewer, khu_pho, Command::Patrol(patrol), None).await
}

/// `POST /api/cameras/{id}/look`: somebody looks at this camera.
pub(super) async fn look(
    Extract(shared): Extract<Shared>,
    Extension(viewer): Extension<Viewer>,
    Path(camera): Path<String>,
) -> Result<Response, ActionRefusal> {
    let (camera, _) = shared.known_camera(&viewer, &camera).ok_or(ActionRefusal::NoCamera)?;
    shared
        .state
        .requests
        .try_send(PageRequest::WatchCamera { camera })
        .map_err(|_| ActionRefusal::Busy)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ActionRefusal> {
    serde_json::from_slice(body).map_err(|error| ActionRefusal::Form(error.to_string()))
}

impl Shared {
    fn not_too_often(&self, viewer: &Viewer) -> Result<(), ActionRefusal> {
        let now = self.state.clock.now().mono;
        self.minutes.report(viewer, now).map_err(|wait| {
            self.state.metrics.messages_refused.inc();
            ActionRefusal::TooOften(wait.as_secs() + 1)
        })
    }

    fn known_khu_pho(&self, viewer: &Viewer, khu_pho: &str) -> Result<Id, ActionRefusal> {
        let id = Id::new(khu_pho).map_err(|_| ActionRefusal::NoKhuPho)?;
        let known = self.state.board.khu_pho().iter().any(|known| known.id == id);
        (known && viewer.may_see(&id)).then_some(id).ok_or(ActionRefusal::NoKhuPho)
    }

    /// Hands the command to the core, and answers once what came of it is durable. `about`: the
    /// incident that was spoken of.
    async fn tell(
        &self,
        viewer: &Viewer,
        khu_pho: Id,
        command: Command,
        about: Option<IncidentId>,
    ) -> Result<Response, ActionRefusal> {
        let (answered, answer) = oneshot::channel();
        let who = views::actor(viewer);
        let ask = PageRequest::Command { khu_pho: khu_pho.clone(), who, command, answered };
        self.state.requests.try_send(ask).map_err(|_| ActionRefusal::Busy)?;
        let outcome = tokio::time::timeout(DURABLE_WAIT, async {
            Ok::<_, ActionRefusal>(match answer.await.map_err(|_| ActionRefusal::Ending)? {
                CommandOutcome::Done { incident, durable } => {
                    durable.await.map_err(|_| ActionRefusal::Ending)?;
                    (StatusCode::OK, "done", None, incident)
                }
                CommandOutcome::Already { durable } => {
                    durable.await.map_err(|_| ActionRefusal::Ending)?;
                    (StatusCode::OK, "already", None, about)
                }
                CommandOutcome::Refused(error) => {
                    (StatusCode::CONFLICT, "refused", Some(error.to_string()), about)
                }
            })
        });
        let (mut status, outcome, reason, incident) =
            outcome.await.map_err(|_| ActionRefusal::NotDurable)??;
        let alert = match incident {
            Some(incident) => self.newest_alert(viewer, format!("{khu_pho}/{incident}")).await,
            None => None,
        };
        if status == StatusCode::CONFLICT && alert.is_none() {
            status = StatusCode::NOT_FOUND;
        }
        Ok(answer_of(status, outcome, reason.as_deref(), alert.as_deref()))
    }

    /// The newest alert of an incident, as the outbox has it.
    async fn newest_alert(&self, viewer: &Viewer, subject: String) -> Option<String> {
        let entry = off_thread(&self.state.outbox, move |outbox| outbox.latest_of(&subject)).await;
        let entry = entry.unwrap_or_else(|error| {
            tracing::error!(%error, "an alert can't be read back");
            None
        })?;
        self.alert_for(viewer, &entry).map(Cow::into_owned)
    }
}

/// The alert's own bytes stand in it.
fn answer_of(
    status: StatusCode,
    outcome: &str,
    reason: Option<&str>,
    alert: Option<&str>,
) -> Response {
    let reason = serde_json::json!(reason);
    let alert = alert.unwrap_or("null");
    let body = format!(r#"{{"outcome":"{outcome}","reason":{reason},"alert":{alert}}}"#);
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// The reason why nothing was done.
#[derive(Debug, thiserror::Error)]
pub(super) enum ActionRefusal {
    #[error("there is no such khu phố")]
    NoKhuPho,
    #[error("there is no such incident")]
    NoIncident,
    #[error("there is no such camera")]
    NoCamera,
    #[error("only police and admins may begin a drill")]
    Drill,
    #[error("the body is not of this address's form: {0}")]
    Form(String),
    #[error(transparent)]
    Words(#[from] AnswerError),
    #[error("too many reports in a minute; wait {0} s")]
    TooOften(u64),
    #[error("too much is asked at once; try again")]
    Busy,
    #[error("it is not durable yet (a full disk?) and may come yet: look before you try again")]
    NotDurable,
    #[error("the daemon is ending")]
    Ending,
}

impl IntoResponse for ActionRefusal {
    fn into_response(self) -> Response {
        let status = match self {
            Self::NoKhuPho | Self::NoIncident | Self::NoCamera => StatusCode::NOT_FOUND,
            Self::Drill => StatusCode::FORBIDDEN,
            Self::Form(_) | Self::Words(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Busy | Self::TooOften(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NotDurable | Self::Ending => StatusCode::SERVICE_UNAVAILABLE,
        };
        answer_of(status, "refused", Some(&self.to_string()), None)
    }
}
