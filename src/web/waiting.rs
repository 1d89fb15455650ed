//! The page that is served while the daemon can't start yet: it says that it waits, and for what.

use std::net::IpAddr;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header;
use axum::middleware;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::get;
use tokio_util::sync::CancellationToken;

use super::Server;
use super::guard;
use super::health;
use super::listen;

/// Browsers look again after so many seconds.
const AGAIN_S: &str = "10";

/// Tells no path and no name: whoever asks has not signed in.
const PAGE: &str = "<!doctype html>\n<html lang=\"vi\"><meta charset=\"utf-8\">\n\
    <title>Kẻng: ổ đĩa đầy</title>\n\
    <h1>Ổ đĩa đầy: Kẻng chưa chạy được</h1>\n\
    <p>Camera chưa được theo dõi. Hãy giải phóng dung lượng; Kẻng sẽ tự chạy tiếp.</p>\n\
    <h1 lang=\"en\">The disk is full: Kẻng can't start</h1>\n\
    <p lang=\"en\">No camera is watched. Free some space; Kẻng goes on by itself.</p></html>\n";

impl Server {
    /// Tells everybody who asks, until `stop`, that the disk is full and nothing is watched: 503,
    /// but for `/healthz`. Gives the port back before it returns.
    pub async fn serve_full(self, stop: CancellationToken) {
        let Self { listener, config, tls, .. } = self;
        let policy = guard::policy(None);
        let router = Router::new()
            .route("/healthz", get(health::alive))
            .fallback(full)
            .layer(middleware::from_fn_with_state(policy, guard::headers));
        let shared_by_many = config.proxies.iter().map(IpAddr::to_canonical).collect();
        listen::serve(listen::ListenParts { listener, tls, router, shared_by_many }, stop).await;
    }
}

async fn full() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::RETRY_AFTER, AGAIN_S),
        (header::REFRESH, AGAIN_S),
    ];
    (StatusCode::SERVICE_UNAVAILABLE, headers, PAGE).into_response()
}
