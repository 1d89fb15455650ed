//! A browser whose page is closed is told all the same: by a push service that reads nothing.

use serde_json::Value;
use serde_json::json;

use crate::LIVE;
use crate::Post;
use crate::browser::Browser;
use crate::browser::Screen;
use crate::browser::chromium;
use crate::mosquitto::until;
use crate::phone::Phone;
use crate::receiver::Receiver;
use crate::signed_in;

/// The part of a browser that its maker's service plays: no test may ask that for a subscription.
fn stand_in(phone: &Phone) -> String {
    let made = json!({
        "endpoint": phone.endpoint,
        "keys": {"p256dh": phone.p256dh(), "auth": phone.auth()},
    });
    format!(
        "(() => {{ let kept = null; PushManager.prototype.getSubscription = async () => kept; \
         PushManager.prototype.subscribe = async (options) => kept = {{ options, endpoint: \
         {made}.endpoint, toJSON: () => ({made}), unsubscribe: async () => {{ kept = null; return \
         true; }} }}; }})()"
    )
}

#[tokio::test]
async fn a_closed_page_is_told_through_a_service_that_can_not_read_it() {
    let Some(program) = chromium() else { return };
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    let service = Receiver::start_tls(&ca_file).await;
    let port = service.address.port();
    let post = Post::with_web(&format!(
        "push = true\npush_contact = \"mailto:admin@p14.example\"\npush_services = \
         [\"localhost:{port}\"]\npush_ca_file = {:?}\n",
        ca_file.display().to_string()
    ));
    let daemon = post.site.start().await;
    signed_in::add(&post, "ba-nam", &["khu_pho", "--khu-pho", "kp3"]);
    let browser = Browser::start(program);
    let page = browser.open(&post.page, Screen::Phone);
    signed_in::sign_in(&page, "ba-nam").await;
    page.wait(LIVE).await;
    page.allow_notifications();
    page.eval("navigator.serviceWorker.ready.then(() => true)");
    let phone = Phone::new(7, format!("https://localhost:{port}/send/phone"));
    page.eval(&stand_in(&phone));
    page.click("#bell").await;
    page.wait("document.querySelector('#bell-box').open").await;
    page.click("[data-push=start]").await;
    page.wait("document.querySelector('[data-push=stop]')").await;

    // Whoever reports is elsewhere; this phone's page is closed.
    let other = browser.open(&post.page, Screen::Desktop);
    signed_in::sign_in(&other, "ba-nam").await;
    other.wait(LIVE).await;
    page.go("about:blank");
    let reported = other.eval(
        "fetch('/api/me').then((answer) => answer.json()).then((me) => \
         fetch('/api/khu-pho/kp3/report', { method: 'POST', headers: { 'X-Keng-CSRF': me.csrf }, \
         body: JSON.stringify({ kind: 'fire', place: 'Chợ nhỏ' }) })).then((answer) => \
         answer.json())",
    );
    let Some(id) = reported["alert"]["id"].as_str().map(str::to_owned) else {
        panic!("no alert came of the report: {reported}");
    };
    until("the service has it", || !service.got().is_empty()).await;
    let got = service.got();
    assert!(!String::from_utf8_lossy(&got[0].body).contains("Chợ"));
    let told = phone.told(&got).remove(0);
    assert_eq!((&told["id"], &told["urgent"]), (&json!(id), &json!(true)));

    // What the browser has read, it hands to the page's service worker.
    page.go(&format!("{}favicon.svg", post.page));
    page.push(&post.page, &told.to_string()).await;
    let newer = json!({"id": id, "khu_pho": "kp3", "revision": 9, "title": "Cháy · Kẻng",
                       "body": "Đã tiếp nhận", "urgent": false});
    page.push(&post.page, &newer.to_string()).await;
    page.push(&post.page, &told.to_string()).await;
    page.push(&post.page, "no JSON").await;
    let shown = other.eval(
        "navigator.serviceWorker.getRegistration().then((worker) => \
         worker?.getNotifications() ?? []).then((all) => all.length)",
    );
    assert_eq!(shown, 0, "each browser has its own");
    page.go(&post.page);
    page.wait(LIVE).await;
    let mut shown: Vec<Value> = Vec::new();
    until("the last message is shown", || {
        let all = page.eval(
            "navigator.serviceWorker.ready.then((worker) => worker.getNotifications()).then((all) \
             => all.map((one) => [one.title, one.body, one.tag, one.data.url]))",
        );
        shown = all.as_array().unwrap().clone();
        shown.iter().any(|one| one[2] == "keng")
    })
    .await;
    let place = format!("/#/incident/kp3/{id}");
    let first = json!(["Cháy · Kẻng", "Đã tiếp nhận", id, place]);
    assert!(shown.contains(&first), "the newest word of it: {shown:?}");
    assert!(shown.contains(&json!(["Kẻng", "", "keng", "/"])), "never nothing: {shown:?}");
    assert_eq!(shown.len(), 2, "{shown:?}");

    // The browser's service puts another subscription in the old one's place.
    let kept = || std::fs::read_to_string(post.site.path("var/access/push.json")).unwrap();
    assert!(kept().contains("send/phone"));
    let newer = Phone::new(8, format!("https://localhost:{port}/send/newer"));
    let replaced = format!(
        "(() => {{ {}; const event = new ExtendableEvent('pushsubscriptionchange'); const done = \
         new Promise((resolve) => {{ event.waitUntil = resolve; }}); event.oldSubscription = {{ \
         endpoint: {:?} }}; self.dispatchEvent(event); return done.then(() => true); }})()",
        stand_in(&newer),
        phone.endpoint
    );
    assert_eq!(page.eval_in_worker(&replaced).await, true);
    assert!(kept().contains("send/newer") && !kept().contains("send/phone"), "{}", kept());

    // Where nobody is signed in any more there is nobody to tell for: nothing is subscribed.
    let nobody = "self.fetch = async () => new Response('', { status: 401 }); self.tried = false; \
                  PushManager.prototype.subscribe = async () => { self.tried = true; }; true";
    assert_eq!(page.eval_in_worker(nobody).await, true);
    let again =
        replaced.replace("(() => { (() => { let kept", "(() => { (() => { return; let kept");
    assert_ne!(again, replaced);
    assert_eq!(page.eval_in_worker(&again).await, true);
    assert_eq!(page.eval_in_worker("self.tried").await, false);

    // Signing out ends it, at the daemon too.
    page.eval(&stand_in(&newer));
    page.eval("PushManager.prototype.subscribe({}).then(() => true)");
    page.click("#sign-out").await;
    page.wait("location.pathname === '/sign-in'").await;
    assert_eq!(kept(), "[]");
    drop(daemon);
}
