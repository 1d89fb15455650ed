//! Hundreds of incidents at once.

use keng::clock::SystemClock;
use keng::outbox::Append;
use keng::outbox::Outbox;
use keng::outbox::Sequence;
use keng::time::Clock;
use serde_json::json;

use crate::LIVE;
use crate::Post;
use crate::browser::Browser;
use crate::browser::Screen;
use crate::browser::chromium;
use crate::card;
use crate::report;

const INCIDENTS: usize = 500;

/// Frames of scrolling.
const FRAMES: u32 = 60;
/// What a frame may cost the page's thread, in seconds of a core: at 60 a second it has 16 ms.
const FRAME_MAX: f64 = 0.016;

/// Scrolls on frame by frame, as fast as a strong hand turns the wheel.
fn scroll() -> String {
    format!(
        "new Promise((done) => {{ let left = {FRAMES}; const step = () => {{ window.scrollBy(0, \
         250); left -= 1; if (left > 0) requestAnimationFrame(step); else done(window.scrollY); \
         }}; requestAnimationFrame(step); }})"
    )
}

/// As many open incidents in the store as a very bad night has.
fn fill(outbox: &Outbox) {
    let wall = SystemClock::new().now().wall;
    let at = wall.to_rfc3339(&jiff::tz::TimeZone::UTC);
    let appends = (0..INCIDENTS).map(|number| {
        let id = format!("20261122t000000000z-n{number}");
        let append = Append { subject: format!("kp3/{id}"), live: true, wall, snapshot: None };
        let at = at.clone();
        let payload = move |sequence: Sequence| {
            json!({
                "schema": "keng.alert/1", "sequence": sequence.0, "id": id, "revision": 1,
                "ward": "p14", "khu_pho": "kp3", "kind": "other", "severity": "warning",
                "state": "open", "opened_at": at, "updated_at": at, "closed_at": null,
                "message": format!("Tin báo số {number} tại Hẻm {number}"), "cameras": [],
                "fire_points": [], "team": null,
                "reports": [{"at": at, "by": "Tổ 5", "place": "Chợ", "note": "…"}],
                "dwell_s": null, "acknowledged": null, "snapshot": null, "exercise": false,
                "model": {"name": "keng", "sha256": "00"}, "latency_ms": null,
            })
            .to_string()
            .into_bytes()
        };
        (append, payload)
    });
    outbox.append_many(appends.collect()).unwrap();
}

#[tokio::test]
async fn five_hundred_open_incidents_scroll_and_one_more_touches_none_of_them() {
    let Some(program) = chromium() else { return };
    let post = Post::new(&[]);
    fill(&Outbox::open(&post.site.path("var")).unwrap());
    let daemon = post.site.start().await;
    let browser = Browser::start(program);
    for screen in [Screen::Desktop, Screen::Phone] {
        let page = browser.open(&post.page, screen);
        page.wait(LIVE).await;
        page.wait("document.querySelectorAll('#open .card').length >= 500").await;
        let before = page.busy();
        let down = page.eval(&scroll()).as_f64().unwrap();
        let frame = (page.busy() - before) / f64::from(FRAMES);
        println!("{screen:?}: {:.1} ms of a core a frame", frame * 1e3);
        assert!(down > 10_000.0, "{screen:?}: scrolled to {down}");
        assert!(frame < FRAME_MAX, "{screen:?}: a frame costs {:.1} ms", frame * 1e3);
        page.eval("for (const card of document.querySelectorAll('.card')) card.same = true");
        let alert = report(&daemon, &format!("Bến xe {screen:?}"));
        page.wait(&format!("document.querySelector('{}.hot')", card(&alert))).await;
        let kept =
            page.eval("[...document.querySelectorAll('.card')].filter((c) => c.same).length");
        assert!(kept.as_u64().unwrap() >= 500, "{kept} cards stayed");
        // A search narrows them down, without marks: 77, 177, 277, 377, 477.
        page.eval("document.querySelector('#f-q').value = 'hem 77'");
        page.eval("document.querySelector('#f-q').dispatchEvent(new Event('input'))");
        page.wait("document.querySelectorAll('#open .card').length === 5").await;
        assert!(page.eval("location.hash").as_str().unwrap().contains("q=hem+77"));
        page.wait("!document.querySelector('#hidden-open').hidden").await;
        assert_eq!(page.complaints(), [""; 0]);
    }
}
