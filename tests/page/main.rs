//! The page as people see it: a real Chromium, a real daemon, on a desktop's screen and a phone's.

#![expect(clippy::unwrap_used, reason = "a test that can't go on shall say where")]

#[path = "../support/browser.rs"]
mod browser;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/daemon.rs"]
mod daemon;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/mosquitto.rs"]
mod mosquitto;

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/gst.rs"]
mod gst;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../outlets/phone.rs"]
mod phone;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../outlets/receiver.rs"]
mod receiver;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/scene.rs"]
mod scene;

mod access;
mod closed;
mod drawing;
mod kept;
mod many;
mod real;
mod signed_in;
mod telling;
mod watch;

use serde_json::Value;
use serde_json::json;

use crate::daemon::Daemon;
use crate::daemon::Site;
use crate::daemon::ward_with;
use crate::mosquitto::free_port;

/// A ward without a camera that answers, its broker within, its page on a port of its own.
struct Post {
    site: Site,
    page: String,
}

impl Post {
    fn new(cameras: &[String]) -> Self {
        let site = Site::new();
        let page = format!("127.0.0.1:{}", free_port());
        let broker = format!("listen = \"127.0.0.1:{}\"", free_port());
        site.configure(&ward_with(&broker, &page, cameras));
        Self { site, page: format!("http://{page}/") }
    }

    /// Without cameras, and with these further lines of `[web]`.
    fn with_web(more: &str) -> Self {
        let post = Self::new(&[]);
        let text = std::fs::read_to_string(post.site.config()).unwrap();
        post.site.configure(&text.replace("[web]\n", &format!("[web]\n{more}")));
        post
    }
}

/// Somebody reports a fire; answers its alert.
fn report(daemon: &Daemon, place: &str) -> Value {
    let report = json!({"kind": "fire", "place": place, "note": "khói to"});
    let (status, said) = daemon.act("/api/khu-pho/kp3/report", &report);
    assert_eq!(status, 200, "{said}");
    said["alert"].clone()
}

/// The card of an incident, as a selector.
fn card(alert: &Value) -> String {
    format!(".card[data-id=\"{}\"]", alert["id"].as_str().unwrap())
}

/// That the page is at work, as a condition.
const LIVE: &str = "document.querySelector('#link')?.dataset.state === 'up'";
