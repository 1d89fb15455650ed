//! The configuration of cameras, as far as the page shows it.

use axum::Extension;
use axum::Json;
use axum::extract::Path;
use axum::extract::State as Extract;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::board::ConfiguredCamera;
use super::feed::Failed;
use super::shared::Shared;
use crate::access::Viewer;
use crate::geometry::Polygon;
use crate::metrics::Stage;
use crate::mqtt;
use crate::rule;
use crate::rule::Zone;
use crate::rule::key::KeyValue;
use crate::rule::key::RuleKey;
use crate::rule::key::days;
use crate::ward::Id;
use crate::ward::Site;

/// `/api/cameras`: every camera that is theirs to see, in the configuration's order.
pub(super) async fn cameras(
    Extract(shared): Extract<Shared>,
    Extension(viewer): Extension<Viewer>,
) -> Json<Value> {
    let views = shared.state.board.configured();
    let theirs = views.iter().filter(|view| viewer.may_see(&view.site.khu_pho));
    let cameras: Vec<Value> = theirs.map(|view| shared.shown(view, &viewer)).collect();
    Json(json!({ "cameras": cameras }))
}

/// `/api/cameras/{id}`.
pub(super) async fn camera(
    Extract(shared): Extract<Shared>,
    Extension(viewer): Extension<Viewer>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failed> {
    let views = shared.state.board.configured();
    let theirs = views.iter().find(|view| view.site.id.as_str() == id);
    let theirs = theirs.filter(|view| viewer.may_see(&view.site.khu_pho));
    Ok(Json(shared.shown(theirs.ok_or(Failed::NotThere)?, &viewer)))
}

/// `/api/system`: how far the log's readers are.
pub(super) async fn system(Extract(shared): Extract<Shared>) -> Result<Json<Value>, Failed> {
    let state = &shared.state;
    let read = move |outbox: &crate::outbox::Outbox| outbox.cursor(mqtt::CURSOR);
    let taken = super::feed::off_thread(&state.outbox, read).await?;
    let outbox = json!({
        "last": state.outbox.last().0,
        "mqtt": taken.0,
        "depth": state.metrics.outbox_depth.get(),
    });
    Ok(Json(json!({ "version": env!("CARGO_PKG_VERSION"), "outbox": outbox })))
}

impl Shared {
    fn shown(&self, view: &ConfiguredCamera, viewer: &Viewer) -> Value {
        let Site { id, khu_pho, place, owner, neighbours } = &view.site;
        let metrics = &self.state.metrics;
        let flows = [Stage::Receive, Stage::Decode, Stage::Queue, Stage::Inference];
        let flows = flows.map(|stage| metrics.flow(id.as_str(), stage));
        // Which cameras another khu phố has is not told either.
        let seen =
            |id: &&Id| self.state.board.camera(id).is_some_and(|s| viewer.may_see(&s.khu_pho));
        let neighbours: Vec<&str> = neighbours.iter().filter(seen).map(Id::as_str).collect();
        let owner = owner.as_ref().filter(|_| viewer.is_admin()).map(|owner| {
            let until = owner.consent_until.map(|date| date.to_string());
            json!({ "name": owner.name, "consent_until": until })
        });
        json!({
            "id": id.as_str(),
            "khu_pho": khu_pho.as_str(),
            "address": place.address,
            "latitude": place.coordinates.map(|at| at.latitude),
            "longitude": place.coordinates.map(|at| at.longitude),
            "neighbours": neighbours,
            "owner": owner,
            "masks": view.masks.iter().map(corners).collect::<Vec<_>>(),
            "zones": view.rules.zones.iter().map(zone).collect::<Vec<_>>(),
            "rules": rules(&view.rules),
            "received": flows[0].taken.get(),
            "analysed": flows[3].passed.get(),
            "dropped": flows.iter().map(|flow| flow.dropped.get()).sum::<u64>(),
            "sessions": metrics.camera_sessions(id.as_str()).get(),
        })
    }
}

fn corners(polygon: &Polygon) -> Vec<[f64; 2]> {
    // A thousandth of a picture is less than anybody can point at.
    let round = |share: f32| (f64::from(share) * 1_000.0).round() / 1_000.0;
    polygon.corners().iter().map(|corner| [round(corner.x), round(corner.y)]).collect()
}

fn zone(zone: &Zone) -> Value {
    let named = zone.rules.iter().filter(|kind| kind.is_zoned());
    let rules: Vec<&str> = named.map(|kind| kind.section()).collect();
    let residents: Vec<String> = zone.residents.iter().map(ToString::to_string).collect();
    json!({
        "name": zone.name,
        "rules": rules,
        "polygon": corners(&zone.polygon),
        "residents": residents,
    })
}

/// All keys of each rule's section, as the configuration has them.
fn rules(rules: &rule::Config) -> Value {
    let mut rules = rules.clone();
    let section = |keys: Vec<RuleKey<'_>>| -> Map<String, Value> {
        keys.iter().map(|key| (key.name.to_owned(), value(&key.value))).collect()
    };
    let sections = rules.sections().into_iter();
    sections.map(|(name, keys)| (name.to_owned(), Value::from(section(keys)))).collect()
}

fn value(value: &KeyValue<'_>) -> Value {
    match value {
        KeyValue::Flag(flag) => json!(flag),
        KeyValue::Share(share) => json!((f64::from(**share) * 1_000.0).round() / 1_000.0),
        KeyValue::Count(count, _) => json!(count),
        KeyValue::Seconds(duration, _) => json!(duration.as_secs_f64()),
        KeyValue::Days(duration, _) => json!(days(**duration)),
        KeyValue::Night(night) => json!(night.to_string()),
    }
}
