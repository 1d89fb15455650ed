//! The checks that every request and every answer passes.

use std::time::Duration;

use axum::extract::Request;
use axum::extract::State as Extract;
use axum::http::HeaderMap;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::Method;
use axum::http::StatusCode;
use axum::http::header;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;

use super::client::Peer;
use super::client::is_local;
use super::shared::Shared;
use super::tiles::Tiles;

/// No answer but the feed takes longer.
const ANSWER: Duration = Duration::from_secs(10);

/// But for pictures: see [`policy`].
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      font-src 'self'; manifest-src 'self'; worker-src 'self'; media-src 'self'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
                      object-src 'none'; img-src 'self' data: blob:";
const FEATURES: &str = "camera=(), microphone=(), geolocation=(), payment=(), usb=()";
/// For as long browsers ask for nothing but TLS once they have had it.
const ONLY_TLS: &str = "max-age=31536000";

/// Refuses names that are not this machine's while nobody has to sign in: a page of somebody
/// else's whose name was pointed at 127.0.0.1 (DNS rebinding) must not read the ward's alerts. A
/// session's cookie is bound to its host.
pub(super) async fn known_host(
    Extract(shared): Extract<Shared>,
    request: Request,
    next: Next,
) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let signed = !shared.config.is_for_this_machine() || shared.state.access.has_users();
    if signed || host.is_some_and(is_local) {
        return next.run(request).await;
    }
    let text = "this page is served to this machine only: open it as localhost or 127.0.0.1; \
                for others make users by keng user add\n";
    (StatusCode::MISDIRECTED_REQUEST, text).into_response()
}

/// Ends what takes too long: with a body it is the body that does not come.
pub(super) async fn in_time(request: Request, next: Next) -> Response {
    let late = match *request.method() {
        Method::POST => StatusCode::REQUEST_TIMEOUT,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    match tokio::time::timeout(ANSWER, next.run(request)).await {
        Ok(response) => response,
        Err(_) => (late, "took too long\n").into_response(),
    }
}

/// Returns what a browser may load for the page: nothing from elsewhere but the map's tiles, where
/// an admin has configured some.
pub(super) fn policy(tiles: Option<&Tiles>) -> HeaderValue {
    let more = tiles.map(|tiles| format!(" {}", tiles.origin())).unwrap_or_default();
    HeaderValue::try_from(format!("{POLICY}{more}")).expect("an origin is plain text")
}

/// Headers of every answer. A handler's own `Cache-Control` stands.
pub(super) async fn headers(
    Extract(policy): Extract<HeaderValue>,
    request: Request,
    next: Next,
) -> Response {
    let tls = request.extensions().get::<Peer>().is_some_and(|peer| peer.tls);
    let mut response = next.run(request).await;
    let headers: &mut HeaderMap = response.headers_mut();
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // Not "no-referrer": browsers then send the sign-in form with the origin "null".
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), FEATURES),
    ];
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(ONLY_TLS));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_come_from_here_and_from_the_map_that_is_configured() {
        let alone = policy(None);
        assert!(alone.to_str().unwrap().ends_with("; img-src 'self' data: blob:"));
        let tiles = Tiles::new("https://Tiles.ward.example:8443/a/{z}/{x}/{y}.png", "").unwrap();
        let mapped = policy(Some(&tiles));
        let more = mapped.to_str().unwrap().strip_prefix(alone.to_str().unwrap());
        assert_eq!(more, Some(" https://tiles.ward.example:8443"));
    }

    #[test]
    fn only_this_machines_names_are_known() {
        for good in ["localhost", "LOCALHOST:9090", "127.0.0.1:8080", "127.0.0.1", "[::1]:8080"] {
            assert!(is_local(good), "{good}");
        }
        for bad in ["evil.example", "evil.example:8080", "192.0.2.1:80", "localhost.evil:80", ""] {
            assert!(!is_local(bad), "{bad}");
        }
    }
}
