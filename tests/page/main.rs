//! The page as people see it: a real Chromium, a real daemon, on a desktop's screen and a phone's.

#![expect(clippy::unwrap_used, reason = "a test that can't go on shall say where")]

use keng_testkit::browser;
use keng_testkit::daemon;
use keng_testkit::mosquitto;

use keng_testkit::gst;
use keng_testkit::phone;
use keng_testkit::receiver;
use keng_testkit::scene;

mod access;
mod closed;
mod drawing;
mod kept;
mod many;
mod map;
mod real;
mod signed_in;
mod telling;
mod watch;

use keng::clock::SystemClock;
use keng::outbox::Append;
use keng::outbox::Outbox;
use keng::time::Clock as _;
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
        post.add_to_web(more);
        post
    }

    /// Further lines of `[web]`.
    fn add_to_web(&self, more: &str) {
        let text = std::fs::read_to_string(self.site.config()).unwrap();
        self.site.configure(&text.replace("[web]\n", &format!("[web]\n{more}")));
    }
}

/// Somebody reports a fire; answers its alert.
fn report(daemon: &Daemon, place: &str) -> Value {
    let report = json!({"kind": "fire", "place": place, "note": "khói to"});
    let (status, said) = daemon.act("/api/khu-pho/kp3/report", &report);
    assert_eq!(status, 200, "{said}");
    said["alert"].clone()
}

/// A fire that goes on, of khu phố 3, in the store before the daemon's start: the camera `hem-42`
/// sees it, and the khu phố `also` are named. Answers where its page is.
fn seed(post: &Post, also: &[&str]) -> String {
    let text = include_str!("../../docs/mqtt.md");
    let block = text.split("```json").nth(1).and_then(|rest| rest.split("```").next());
    let mut alert: Value = serde_json::from_str(block.unwrap()).unwrap();
    let now = SystemClock::new().now().wall;
    let told = json!(now.to_rfc3339(&jiff::tz::TimeZone::UTC));
    (alert["khu_pho"], alert["id"], alert["state"]) = (json!("kp3"), json!("f-1"), json!("open"));
    (alert["opened_at"], alert["updated_at"]) = (told.clone(), told.clone());
    for empty in ["closed_at", "acknowledged", "on_scene", "on_scene_at", "closed"] {
        alert[empty] = Value::Null;
    }
    let mut seen = alert["cameras"][0].clone();
    (seen["id"], seen["since"], seen["address"]) = (json!("hem-42"), told, json!("Hẻm 1"));
    (seen["latitude"], seen["longitude"]) = (json!(10.01), json!(106.6));
    alert["cameras"] = json!([seen]);
    alert["message"] = json!("CHÁY tại Hẻm 1");
    if !also.is_empty() {
        alert["also_khu_pho"] = json!(also);
    }
    let outbox = Outbox::open(&post.site.path("var")).unwrap();
    let append = Append { subject: "kp3/f-1".to_owned(), live: true, wall: now, snapshot: None };
    outbox.append(append, |_| alert.to_string().into_bytes()).unwrap();
    "#/incident/kp3/f-1".to_owned()
}

/// The card of an incident, as a selector.
fn card(alert: &Value) -> String {
    format!(".card[data-id=\"{}\"]", alert["id"].as_str().unwrap())
}

/// That the page is at work, as a condition.
const LIVE: &str = "document.querySelector('#link')?.dataset.state === 'up'";
