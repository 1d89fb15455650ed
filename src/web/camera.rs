//! The cameras' newest pictures, on demand.

use axum::Extension;
use axum::extract::Path;
use axum::extract::Query;
use axum::extract::State as Extract;
use axum::http::HeaderName;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use serde::Deserialize;

use super::feed::Failed;
use super::gallery::PictureView;
use super::gallery::Width;
use super::shared::Shared;
use super::views;
use crate::access::Viewer;
use crate::ward::Id;

/// The time at which the picture was taken.
const TAKEN_AT: HeaderName = HeaderName::from_static("x-keng-taken-at");

/// The picture that is asked for.
#[derive(Debug, Deserialize)]
pub(super) struct PictureQuery {
    /// `small`: 320 pixels wide; else 960.
    size: Option<String>,
}

/// `/api/cameras/{id}/picture.jpg?size=small`: the newest analysed picture, masked, and
/// without faces for whoever may not see them.
pub(super) async fn picture(
    Extract(shared): Extract<Shared>,
    Extension(viewer): Extension<Viewer>,
    Path(camera): Path<String>,
    Query(which): Query<PictureQuery>,
) -> Result<Response, Failed> {
    let (camera, streams) = shared.known_camera(&viewer, &camera).ok_or(Failed::NotThere)?;
    let small = which.size.as_deref() == Some("small");
    let width = if small { Width::Small } else { Width::Large };
    let view = PictureView { width, faces: viewer.may_see_faces() };
    let shown = shared.state.gallery.picture(&camera, view, streams).await;
    let shown = shown.ok_or(Failed::NotThere)?;
    let now = shared.state.clock.now().mono;
    if shared.views.is_news(&viewer, camera.as_str(), now) {
        shared.state.audit.note(views::looked(&viewer, "view_camera", camera.as_str()));
    }
    let taken = shown.at.wall.to_rfc3339(&shared.state.ward.timezone);
    let headers = [(header::CONTENT_TYPE, "image/jpeg".to_owned()), (TAKEN_AT, taken)];
    Ok((headers, shown.jpeg).into_response())
}

impl Shared {
    /// A camera that is there and theirs to see, and whether its pictures come just now.
    pub(super) fn known_camera(&self, viewer: &Viewer, camera: &str) -> Option<(Id, bool)> {
        let id = Id::new(camera).ok()?;
        let seat = self.state.board.camera(&id)?;
        viewer.may_see(&seat.khu_pho).then_some((id, seat.streams))
    }
}
