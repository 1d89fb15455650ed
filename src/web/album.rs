//! The pictures of before, at and after, of each camera of an incident.

use axum::Extension;
use axum::extract::Path;
use axum::extract::State as Extract;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::Value;
use serde_json::json;

use super::feed::Failed;
use super::feed::off_thread;
use super::shared::Shared;
use super::views;
use crate::access::Viewer;
use crate::album::PictureKey;
use crate::incident::IncidentId;
use crate::ward::Id;

/// Between the parts of a picture's name: it stands in no id, and in no shot's name.
const BETWEEN: char = '~';

/// `/album/{name}`, as an incident's answer names it.
pub(super) async fn picture(
    Extract(shared): Extract<Shared>,
    Extension(viewer): Extension<Viewer>,
    Path(name): Path<String>,
) -> Result<Response, Failed> {
    let sealed = name.strip_suffix(".jpg").and_then(|name| shared.state.access.unsealed(name));
    let (subject, incident, shot) = sealed.and_then(parse).ok_or(Failed::NotThere)?;
    let (asks, theirs, album) = (viewer.clone(), subject.clone(), shared.state.album.clone());
    let wanted = shot.clone();
    // What it shows is as much theirs as the incident is just now.
    let found = off_thread(&shared.state.outbox, move |outbox| {
        let entry = outbox.latest_of(&theirs)?.filter(|entry| asks.may_see_entry(entry));
        let Some(entry) = entry else { return Ok(None) };
        let read = album.read(&incident, &wanted);
        let read = read.inspect_err(|error| tracing::error!(%error, "the album can't be read"));
        Ok(read.ok().flatten().map(|jpeg| (jpeg, entry)))
    });
    let (jpeg, entry) = found.await?.ok_or(Failed::NotThere)?;
    let jpeg = shared.picture_for(&viewer, jpeg, &entry).await.ok_or(Failed::NotThere)?;
    let now = shared.state.clock.now().mono;
    let what = format!("{} {}", shot.camera, shot.moment.as_str());
    if shared.views.is_news(&viewer, &format!("{subject} {what}"), now) {
        let record = views::looked(&viewer, "view_snapshot", &subject);
        shared.state.audit.note(record.detail(&what));
    }
    let headers =
        [(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, "private, max-age=600")];
    Ok((headers, jpeg).into_response())
}

impl Shared {
    /// Lists an incident's pictures, but for those of cameras that the viewer may not see.
    pub(super) async fn moments_of(
        &self,
        viewer: &Viewer,
        khu_pho: &str,
        id: &str,
    ) -> Result<Vec<Value>, Failed> {
        let incident = IncidentId::parse(id).ok_or(Failed::NotThere)?;
        let album = self.state.album.clone();
        let shots = tokio::task::spawn_blocking(move || album.shots(&incident));
        let shots = shots.await.map_err(|_| Failed::Ending)?;
        // The incident is told without its pictures rather than not at all.
        let shots = shots.inspect_err(|error| tracing::error!(%error, "the album can't be read"));
        let theirs = shots.unwrap_or_default().into_iter();
        let theirs = theirs.filter(|shot| self.may_see_camera(viewer, shot.camera.as_str()));
        let zone = &self.state.ward.timezone;
        let told = theirs.map(|shot| {
            let name = format!("{khu_pho}{BETWEEN}{id}{BETWEEN}{}", shot.name());
            json!({
                "camera": shot.camera.as_str(),
                "moment": shot.moment.as_str(),
                "at": shot.at.to_rfc3339(zone),
                "url": format!("/album/{}.jpg", self.state.access.sealed(&name)),
            })
        });
        Ok(told.collect())
    }
}

/// Its incident's subject and id, and which picture.
fn parse(name: &str) -> Option<(String, IncidentId, PictureKey)> {
    let mut parts = name.splitn(3, BETWEEN);
    let (khu_pho, id, shot) = (parts.next()?, parts.next()?, parts.next()?);
    let (khu_pho, id) = (Id::new(khu_pho).ok()?, IncidentId::parse(id)?);
    Some((format!("{khu_pho}/{id}"), id, PictureKey::parse(shot)?))
}
