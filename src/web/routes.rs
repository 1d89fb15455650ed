//! Every address of the page, and the right that each asks for: the router is made of this table
//! and of nothing else, so that there is no address without a right.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::HeaderMap;
use axum::http::Method;
use axum::middleware;
use axum::routing::MethodRouter;
use axum::routing::get;
use axum::routing::post;

use super::act;
use super::admit;
use super::album;
use super::assets;
use super::camera;
use super::configured;
use super::feed;
use super::guard;
use super::health;
use super::incident;
use super::log;
use super::push;
use super::right::Right;
use super::shared::Shared;
use super::sign_in;
use super::statistics;

/// No request has a body worth reading beyond this.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// One address, for those who check that none is without a right, or not documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// With its parameters in braces.
    pub path: &'static str,
    /// The right that it asks for.
    pub right: Right,
}

/// Every address that is served.
pub fn addresses() -> Vec<Address> {
    let address = |Route { method, path, right, .. }| {
        let method = if method == Method::POST { "POST" } else { "GET" };
        Address { method, path, right }
    };
    table().into_iter().map(address).collect()
}

/// One row.
struct Route {
    method: Method,
    path: &'static str,
    right: Right,
    handler: MethodRouter<Shared>,
    /// It goes on for as long as somebody reads.
    endless: bool,
}

fn read(path: &'static str, right: Right, handler: MethodRouter<Shared>) -> Route {
    Route { method: Method::GET, path, right, handler, endless: false }
}

fn act(path: &'static str, right: Right, handler: MethodRouter<Shared>) -> Route {
    Route { method: Method::POST, path, right, handler, endless: false }
}

/// All addresses.
fn table() -> Vec<Route> {
    use Right::{Admin, Anybody, Machine, SignedIn};
    let files = assets::FILES.iter().map(|file| {
        read(file.path, Anybody, get(move |headers: HeaderMap| assets::file(file, headers)))
    });
    let mut table = vec![
        read("/", SignedIn, get(assets::page)),
        read("/sw.js", Anybody, get(assets::worker)),
        read("/sign-in", Anybody, get(sign_in::page)),
        act("/sign-in", Anybody, post(sign_in::sign_in)),
        act("/sign-out", SignedIn, post(sign_in::sign_out)),
        read("/api/openapi.json", Anybody, get(assets::openapi)),
        read("/api/me", SignedIn, get(admit::me)),
        read("/api/alerts", SignedIn, get(feed::alerts)),
        Route { endless: true, ..read("/events", SignedIn, get(feed::events)) },
        read("/snapshots/{name}", SignedIn, get(feed::snapshot)),
        read("/album/{name}", SignedIn, get(album::picture)),
        read("/api/status", SignedIn, get(health::status)),
        read("/api/khu-pho/{khu_pho}/incidents/{id}", SignedIn, get(incident::incident)),
        read("/api/khu-pho/{khu_pho}/incidents/{id}/cap.xml", SignedIn, get(incident::cap)),
        read("/api/report", SignedIn, get(statistics::report)),
        read("/api/cameras", SignedIn, get(configured::cameras)),
        read("/api/cameras/{id}", SignedIn, get(configured::camera)),
        read("/api/system", Admin, get(configured::system)),
        read("/api/cameras/{id}/picture.jpg", SignedIn, get(camera::picture)),
        act("/api/cameras/{id}/look", SignedIn, post(act::look)),
        act("/api/khu-pho/{khu_pho}/incidents/{id}/command", SignedIn, post(act::command)),
        act("/api/khu-pho/{khu_pho}/report", SignedIn, post(act::report)),
        act("/api/khu-pho/{khu_pho}/patrol", SignedIn, post(act::patrol)),
        read("/api/push", SignedIn, get(push::told)),
        act("/api/push/subscribe", SignedIn, post(push::subscribe)),
        act("/api/push/unsubscribe", SignedIn, post(push::unsubscribe)),
        read("/api/audit", Admin, get(log::newest)),
        read("/healthz", Anybody, get(health::alive)),
        read("/readyz", Anybody, get(health::ready)),
        read("/metrics", Machine, get(health::metrics)),
    ];
    table.extend(files);
    table
}

/// The table as a router.
pub(super) fn router(shared: Shared) -> Router {
    let mut router = Router::new();
    let policy = guard::policy(shared.config.tiles.as_ref());
    for Route { method, path, right, handler, endless } in table() {
        let gate =
            admit::AddressCheck { shared: shared.clone(), right, acts: method == Method::POST };
        let mut handler = handler.layer(middleware::from_fn_with_state(gate, admit::admit));
        if !endless {
            handler = handler.layer(middleware::from_fn(guard::in_time));
        }
        router = router.route(path, handler);
    }
    router
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(shared.clone(), guard::known_host))
        .layer(middleware::from_fn_with_state(policy, guard::headers))
        .with_state(shared)
}
