//! The page's files, embedded: plain modules that ask for nothing from elsewhere. What would be a
//! copy of the daemon's own tables is made of them ([`terms`]).

use std::borrow::Cow;
use std::sync::LazyLock;

use axum::extract::State as Extract;
use axum::http::HeaderMap;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;

use super::shared::Shared;
use super::statistics;
use super::terms;
use crate::report;
use crate::ward::Language;

const PAGE: &str = include_str!("page/index.html");
/// It has the names of all others filled in.
const WORKER: &str = include_str!("page/sw.js");

/// Every address, and what it answers: for people who write against it, and for tests.
const OPENAPI: &str = include_str!("../../docs/openapi.json");

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const MANIFEST: &str = "application/manifest+json";
const SVG: &str = "image/svg+xml";
const PNG: &str = "image/png";

/// One file of the page. It tells nothing of the ward.
#[derive(Debug)]
pub(super) struct File {
    /// The place where it is served.
    pub(super) path: &'static str,
    kind: &'static str,
    bytes: Cow<'static, [u8]>,
}

/// All but the documents and the service worker: what lies in `page/`, and what is generated.
pub(super) static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    // The list of the folder's files, written by build.rs.
    let found = include!(concat!(env!("OUT_DIR"), "/page_files.rs"));
    found.into_iter().chain(generated()).collect()
});

/// A file of `page/` under its own name.
fn page_file(path: &'static str, kind: &'static str, bytes: &'static [u8]) -> File {
    File { path, kind, bytes: Cow::Borrowed(bytes) }
}

/// The files that the daemon writes itself.
fn generated() -> [File; 3] {
    let report = Cow::Borrowed(report::html::STYLE.as_bytes());
    let (script, style) = (terms::script().into_bytes(), terms::style().into_bytes());
    [
        File { path: statistics::STYLE, kind: STYLE, bytes: report },
        File { path: terms::SCRIPT, kind: SCRIPT, bytes: Cow::Owned(script) },
        File { path: terms::STYLE, kind: STYLE, bytes: Cow::Owned(style) },
    ]
}

/// Another one for any other content (FNV-1a): browsers keep what has not changed.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let all = FILES.iter().map(|file| &*file.bytes);
    let all = all.chain([PAGE.as_bytes(), WORKER.as_bytes()]).flatten();
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", all.fold(0xcbf2_9ce4_8422_2325, mix))
});

/// `/`: the only thing that differs from ward to ward is the language.
pub(super) async fn page(Extract(shared): Extract<Shared>) -> impl IntoResponse {
    let page = match shared.state.ward.language {
        Language::Vi => PAGE.to_owned(),
        Language::En => PAGE.replacen("<html lang=\"vi\">", "<html lang=\"en\">", 1),
    };
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page)
}

/// `/sw.js`: the service worker, which keeps the files for when the daemon is away.
pub(super) async fn worker(headers: HeaderMap) -> Response {
    static FILLED: LazyLock<String> = LazyLock::new(|| {
        let paths: Vec<&str> = FILES.iter().map(|file| file.path).collect();
        WORKER.replace("{version}", &VERSION).replace("{files}", &paths.join("', '"))
    });
    answer(&headers, SCRIPT, FILLED.as_bytes())
}

/// One of [`FILES`].
pub(super) async fn file(file: &'static File, headers: HeaderMap) -> Response {
    answer(&headers, file.kind, &file.bytes)
}

/// The bytes, or that the browser's copy is still good.
fn answer(asked: &HeaderMap, kind: &'static str, bytes: &'static [u8]) -> Response {
    let tag = format!("\"{}\"", *VERSION);
    let same = asked.get(header::IF_NONE_MATCH).is_some_and(|had| had == tag.as_str());
    let tag = HeaderValue::from_str(&tag).expect("hexadecimal digits in quotes");
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::ETAG, tag),
    ];
    if same {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, bytes).into_response()
}

/// `/api/openapi.json`.
pub(super) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every file that is text, the page and the worker included.
    fn texts() -> Vec<(&'static str, &'static str)> {
        let text = |file: &'static File| Some((file.path, std::str::from_utf8(&file.bytes).ok()?));
        FILES.iter().filter_map(text).chain([("/", PAGE), ("/sw.js", WORKER)]).collect()
    }

    #[test]
    fn the_page_asks_for_nothing_from_elsewhere_and_has_nothing_inline() {
        for (path, text) in texts() {
            // The name of a kind of element is no address.
            let text = text.replace("http://www.w3.org/2000/svg", "");
            for foreign in ["https://", "http://", "//cdn", "@import", "url("] {
                assert!(!text.contains(foreign), "{path}: {foreign}");
            }
        }
        for inline in ["<style", " style=", " onclick", "<script>", "javascript:"] {
            assert!(!PAGE.contains(inline), "{inline}");
        }
        assert!(PAGE.contains("<html lang=\"vi\">"));
    }

    #[test]
    fn what_came_from_outside_is_never_taken_for_markup() {
        for (path, text) in texts() {
            for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
                assert!(!text.contains(way), "{path}: {way}");
            }
        }
    }

    #[test]
    fn what_a_file_asks_for_is_there() {
        let there: Vec<&str> = FILES.iter().map(|file| file.path).chain(["/", "/sw.js"]).collect();
        for (path, text) in texts() {
            let imports = text.split("from './").skip(1).filter_map(|rest| rest.split('\'').next());
            for import in imports {
                assert!(there.contains(&format!("/{import}").as_str()), "{path}: {import}");
            }
            let links = text.split("=\"/").skip(1).filter_map(|rest| rest.split('"').next());
            for link in links {
                assert!(there.contains(&format!("/{link}").as_str()), "{path}: {link}");
            }
        }
    }

    #[test]
    fn every_file_of_the_folder_is_found() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/page");
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let names = names.map(|name| format!("/{}", name.to_str().unwrap()));
        let mut there: Vec<String> =
            names.filter(|name| !name.ends_with(".html") && name != "/sw.js").collect();
        there.extend([statistics::STYLE, terms::SCRIPT, terms::STYLE].map(str::to_owned));
        there.sort();
        let mut served: Vec<&str> = FILES.iter().map(|file| file.path).collect();
        served.sort_unstable();
        assert_eq!(served, there);
        for (path, kind) in [("/main.js", SCRIPT), ("/app.css", STYLE), ("/favicon.svg", SVG)] {
            let file = FILES.iter().find(|file| file.path == path).unwrap();
            assert_eq!(file.kind, kind);
        }
    }

    #[test]
    fn no_script_is_longer_than_can_be_read_at_once() {
        for (path, text) in texts() {
            assert!(text.lines().count() <= 400, "{path}");
        }
    }

    /// Keys of one language's words, as they stand in the file.
    fn keys(words: &str) -> Vec<&str> {
        let mut keys: Vec<&str> = words
            .lines()
            .flat_map(|line| line.split(", "))
            .filter_map(|part| part.trim().split_once(": "))
            .map(|(key, _)| key)
            .filter(|key| key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
            .collect();
        keys.sort_unstable();
        keys
    }

    /// The words of Vietnamese and of English.
    fn words() -> (&'static str, &'static str) {
        let words = texts().into_iter().find(|(path, _)| *path == "/words.js").unwrap().1;
        let (vi, en) = words.split_once("\n  en: {").unwrap();
        let vi = vi.split_once("\n  vi: {").unwrap().1;
        (vi, en.split_once("\n};").unwrap().0)
    }

    #[test]
    fn both_languages_say_the_same() {
        let (vi, en) = words();
        assert!(keys(vi).len() > 150);
        assert_eq!(keys(vi), keys(en));
    }

    #[test]
    fn what_is_said_has_words() {
        let known = keys(words().0);
        for (path, text) in texts() {
            let said = text.split("say('").skip(1).filter_map(|rest| rest.split('\'').next());
            let shown = ["data-say=\"", "data-label=\"", "data-hint=\""]
                .map(|mark| text.split(mark).skip(1).filter_map(|rest| rest.split('"').next()));
            for key in said.chain(shown.into_iter().flatten()) {
                assert!(known.contains(&key), "{path}: {key}");
            }
        }
    }
}
