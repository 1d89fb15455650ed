//! The page as a duty officer relies on it all night.

use std::time::Duration;

use tokio::time::Instant;

use crate::LIVE;
use crate::Post;
use crate::browser::Browser;
use crate::browser::Page;
use crate::browser::Screen;
use crate::browser::chromium;
use crate::card;
use crate::mosquitto::until;
use crate::report;

/// From the durable alert to the screen.
const SOON: Duration = Duration::from_secs(2);

/// Listens to what goes to the loudspeaker: whether anything sounds, not whether it was asked to.
const HEAR: &str = "(() => { window.loudest = 0; const connect = AudioNode.prototype.connect; \
    AudioNode.prototype.connect = function (to, ...more) { if (this instanceof GainNode) { const \
    ear = this.context.createAnalyser(); connect.call(this, ear); const heard = new \
    Float32Array(ear.fftSize); setInterval(() => { ear.getFloatTimeDomainData(heard); \
    window.loudest = Math.max(window.loudest, ...heard.map(Math.abs)); }, 40); } return \
    connect.call(this, to, ...more); }; })()";

/// Returns what the element that a selector finds says.
fn text(page: &Page<'_>, selector: &str) -> String {
    let said = page.eval(&format!("document.querySelector({selector:?}).innerText"));
    said.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_fire_shows_and_sounds_at_once_and_an_answer_shows_everywhere() {
    let Some(program) = chromium() else { return };
    let post = Post::new(&[]);
    let daemon = post.site.start().await;
    let browser = Browser::start(program);
    let desktop = browser.open(&post.page, Screen::Desktop);
    let phone = browser.open(&post.page, Screen::Phone);
    for page in [&desktop, &phone] {
        page.wait(LIVE).await;
        page.wait("!document.querySelector('#quiet').hidden").await;
        assert!(text(page, "#quiet").contains("không có camera nào"), "an honest quiet");
        page.eval("window.stayed = true");
    }
    desktop.click("#bell-bar-go").await;
    desktop.wait("document.querySelector('#bell').getAttribute('aria-pressed') === 'true'").await;
    desktop.eval(HEAR);

    let begun = Instant::now();
    let alert = report(&daemon, "Chợ nhỏ");
    let shown = format!("document.querySelector('{}.hot')", card(&alert));
    for page in [&desktop, &phone] {
        page.wait(&format!("{shown}?.getBoundingClientRect().height > 0")).await;
        page.wait("Number(document.querySelector('#bell').dataset.strikes) > 0").await;
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        assert!(page.eval("document.title").as_str().unwrap().starts_with("(1) CHÁY"));
    }
    assert!(text(&desktop, "#ringing").contains("KẺNG ĐANG GÕ: 1"));
    assert!(text(&phone, "#ringing").contains("1 sự việc khẩn cấp chưa ai nhận"));
    desktop.wait("Number(document.querySelector('#bell').dataset.strikes) > 1").await;
    desktop.wait("window.loudest > 0.05").await;

    phone.click(&format!("{} [data-action=acknowledge]", card(&alert))).await;
    for page in [&desktop, &phone] {
        let state = format!("document.querySelector('{} .chip').dataset.state", card(&alert));
        page.wait(&format!("{state} === 'acknowledged'")).await;
        page.wait("document.querySelector('#ringing').hidden").await;
        let who = format!("document.querySelector('{}').innerText", card(&alert));
        page.wait(&format!("{who}.includes('Máy trực tiếp nhận')")).await;
    }
    // What can't be undone is asked about, with a note.
    desktop.click(&format!("{} [data-action=resolve]", card(&alert))).await;
    desktop.click("#ask button[value=yes]").await;
    phone.wait(&format!("document.querySelector('#past {}')", card(&alert))).await;
    let alert = report(&daemon, "Bến xe");
    desktop.click(&format!("{} [data-action=false_alarm]", card(&alert))).await;
    desktop.wait("document.querySelector('#ask').open").await;
    desktop.eval("document.querySelector('#ask-note').focus()");
    desktop.type_in("Đốt rác <b>thôi</b>");
    desktop.click("#ask button[value=yes]").await;
    let over = format!("document.querySelector('#past {}')", card(&alert));
    for page in [&desktop, &phone] {
        page.wait(&over).await;
        // As text, not as markup.
        let shown = format!("document.querySelector('{}').innerText", card(&alert));
        page.wait(&format!("{shown}.includes('Đốt rác <b>thôi</b>')")).await;
        assert_eq!(page.eval("window.stayed"), true, "no reload");
        assert_eq!(page.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_daemon_that_is_gone_is_told_loudly_and_nothing_is_missed_when_it_is_back() {
    let Some(program) = chromium() else { return };
    let post = Post::new(&[]);
    let daemon = post.site.start().await;
    let browser = Browser::start(program);
    let page = browser.open(&post.page, Screen::Phone);
    page.wait(LIVE).await;
    let first = report(&daemon, "Chợ");
    page.wait(&format!("document.querySelector('{}')", card(&first))).await;
    page.eval("navigator.serviceWorker.ready.then(() => true)");
    page.eval("window.stayed = true");

    daemon.kill();
    page.wait("!document.querySelector('#down').hidden").await;
    let down = text(&page, "#down");
    assert!(down.contains("KHÔNG NHẬN ĐƯỢC TÍN HIỆU") && down.contains("từ "), "{down}");
    assert_eq!(
        page.eval(&format!("document.querySelector('{} button').disabled", card(&first))),
        true
    );

    // It is told while the page is still looking for the daemon.
    let daemon = post.site.start().await;
    let missed = [report(&daemon, "Bến xe"), report(&daemon, "Trường học")];
    page.wait(LIVE).await;
    page.wait("document.querySelector('#down').hidden").await;
    for alert in daemon.alerts() {
        let revision = format!("document.querySelector('{}')", card(&alert));
        page.wait(&revision).await;
    }
    for alert in &missed {
        page.wait(&format!("document.querySelector('{}')", card(alert))).await;
    }
    assert_eq!(page.eval("window.stayed"), true, "no reload");

    // Opened while the daemon is away, it shows what was last known, and says so.
    page.reload().await;
    page.wait(LIVE).await;
    page.wait("window.stayed === undefined && document.querySelectorAll('.card').length > 0").await;
    page.eval("caches.open('keng-last').then((kept) => kept.keys()).then((keys) => keys.length)");
    daemon.kill();
    page.reload().await;
    page.wait("!document.querySelector('#old').hidden").await;
    page.wait("!document.querySelector('#down').hidden").await;
    assert!(text(&page, "#old").contains("ĐANG XEM BẢN CŨ"));
    page.wait(&format!("document.querySelector('{}')", card(&first))).await;
    let daemon = post.site.start().await;
    page.wait(LIVE).await;
    page.wait("document.querySelector('#old').hidden").await;
    page.wait(&format!("document.querySelector('{}')", card(&first))).await;
    drop(daemon);
}

#[tokio::test]
async fn an_incident_s_page_tells_what_happened_as_it_happens() {
    let Some(program) = chromium() else { return };
    let post = Post::new(&[crate::daemon::camera(1, "hem-42", "rtsp://127.0.0.1:1/cam", "")]);
    let daemon = post.site.start().await;
    let alert = report(&daemon, "Chợ nhỏ");
    let id = alert["id"].as_str().unwrap();
    let browser = Browser::start(program);
    let page = browser.open(&format!("{}#/incident/kp3/{id}", post.page), Screen::Desktop);
    page.wait("document.querySelectorAll('.timeline li').length === 1").await;
    assert!(text(&page, "h1").contains("Chợ nhỏ"));
    // News that comes while the button is down does not take it away from under the mouse.
    let pressed = page.click_slowly("[data-action=acknowledge]", async || {
        let told = report(&daemon, "Bến xe");
        let newest = format!(
            "import('/state.js').then((known) => known.incidents.get('{id}').alert.revision)"
        );
        until("the page has heard", || page.eval(&newest) == told["revision"]).await;
        assert_eq!(page.eval("document.querySelectorAll('.timeline li').length"), 1);
    });
    assert!(pressed.await, "the click was lost");
    page.wait("document.querySelectorAll('.timeline li').length === 3").await;
    assert!(text(&page, ".timeline").contains("Đã tiếp nhận"));

    let path = format!("/api/khu-pho/kp3/incidents/{id}");
    let told: serde_json::Value = serde_json::from_str(&daemon.get(&path)).unwrap();
    assert_eq!((&told["complete"], told["revisions"].as_array().unwrap().len()), (&true.into(), 3));
    assert_eq!(told["revisions"][0], alert);

    // Another language, at once and remembered; the address stays.
    page.click("#lang").await;
    page.wait("document.documentElement.lang === 'en'").await;
    page.wait("document.querySelector('.timeline')?.innerText.includes('Incident opened')").await;
    page.reload().await;
    page.wait("document.querySelector('.timeline')?.innerText.includes('Acknowledged')").await;
    page.eval("location.hash = '#/incident/kp3/nowhere'");
    page.wait("document.querySelector('main').innerText.includes('Not found')").await;
    let complaints = page.complaints();
    assert!(complaints.iter().all(|said| said.contains("nowhere")), "{complaints:?}");
}
