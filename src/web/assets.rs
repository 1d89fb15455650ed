//! The page's files, embedded.

use axum::extract::State as Extract;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use crate::ward::Language;

use super::Shared;

const PAGE: &str = include_str!("page/index.html");
const SCRIPT: &str = include_str!("page/app.js");
const STYLE: &str = include_str!("page/app.css");
const SIGN_IN_STYLE: &str = include_str!("page/sign-in.css");
/// Every address, and what it answers: for people who write against it, and for tests.
const OPENAPI: &str = include_str!("../../docs/openapi.json");
const ICON: &str = include_str!("page/favicon.svg");

/// `/`: the only thing that differs from ward to ward is the language.
pub(super) async fn page(Extract(shared): Extract<Shared>) -> impl IntoResponse {
    let page = match shared.state.ward.language {
        Language::Vi => PAGE.to_owned(),
        Language::En => PAGE.replacen("<html lang=\"vi\">", "<html lang=\"en\">", 1),
    };
    ([(CONTENT_TYPE, "text/html; charset=utf-8")], page)
}

/// `/app.js`.
pub(super) async fn script() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], SCRIPT)
}

/// `/app.css`.
pub(super) async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)
}

/// `/sign-in.css`.
pub(super) async fn sign_in_style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], SIGN_IN_STYLE)
}

/// `/api/openapi.json`.
pub(super) async fn openapi() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], OPENAPI)
}

/// `/favicon.svg`.
pub(super) async fn icon() -> impl IntoResponse {
    ([(CONTENT_TYPE, "image/svg+xml")], ICON)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_asks_for_nothing_from_elsewhere_and_has_nothing_inline() {
        for text in [PAGE, SCRIPT, STYLE] {
            for foreign in ["https://", "http://", "//cdn", "@import", "url("] {
                assert!(!text.contains(foreign), "{foreign}");
            }
        }
        for inline in ["<style", " style=", " onclick", "<script>", "javascript:"] {
            assert!(!PAGE.contains(inline), "{inline}");
        }
        assert!(PAGE.contains("<html lang=\"vi\">"));
    }

    #[test]
    fn what_came_from_outside_is_never_taken_for_markup() {
        for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!SCRIPT.contains(way), "{way}");
        }
    }
}
