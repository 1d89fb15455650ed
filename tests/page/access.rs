//! Tells whether everybody can read and use the page: contrast, names, headings, room on a phone.

use serde_json::Value;

use crate::LIVE;
use crate::Post;
use crate::browser::Browser;
use crate::browser::Page;
use crate::browser::Screen;
use crate::browser::chromium;
use crate::daemon::camera;
use crate::report;

/// What is wrong with the page as it stands, in words.
const FAULTS: &str = include_str!("faults.js");

/// Where axe-core's script is; it finds more than we look for. `make test` fetches it.
const AXE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/.runtime/axe/axe.min.js");

/// Fails where somebody could not read or use the page as it stands.
pub(crate) fn check(page: &Page<'_>, what: &str) {
    let faults = page.eval(FAULTS);
    assert_eq!(faults, Value::Array(Vec::new()), "{what}");
    let Ok(axe) = std::fs::read_to_string(AXE) else { return };
    if page.eval("typeof axe") == "undefined" {
        page.eval(&axe);
    }
    let found = page.eval(
        "axe.run({resultTypes: ['violations']}).then((r) => r.violations.map((v) => v.id + ': ' + \
         v.nodes.slice(0, 3).map((n) => n.html + ' ' + n.failureSummary).join(' | ')))",
    );
    assert_eq!(found, Value::Array(Vec::new()), "{what}: axe");
}

#[tokio::test]
async fn everybody_can_read_and_use_every_page_in_both_themes_on_both_screens() {
    let Some(program) = chromium() else { return };
    if !std::path::Path::new(AXE).exists() {
        println!("skipped: axe-core's rules (bash tools/setup/axe.sh fetches them)");
    }
    let zone = "[[camera.zone]]\nname = \"cổng\"\nrules = [\"fire\"]\n\
                polygon = [[0.2, 0.5], [0.9, 0.5], [0.9, 1.0]]\n";
    let post = Post::new(&[camera(1, "hem-42", "rtsp://127.0.0.1:1/cam", zone)]);
    let daemon = post.site.start().await;
    let alert = report(&daemon, "Chợ nhỏ");
    let incident = format!("#/incident/kp3/{}", alert["id"].as_str().unwrap());
    let browser = Browser::start(program);
    for screen in [Screen::Desktop, Screen::Phone] {
        let page = browser.open(&post.page, screen);
        page.wait(LIVE).await;
        for theme in ["dark", "light"] {
            for (address, there) in [
                ("#/", ".card"),
                (incident.as_str(), ".timeline li"),
                ("#/cameras", ".tile .state"),
                ("#/camera/hem-42", "fieldset.shape"),
                ("#/statistics", ".sheet"),
                ("#/system", ".figures tbody td"),
            ] {
                page.eval(&format!("location.hash = {address:?}"));
                page.wait(&format!("document.querySelector({there:?})")).await;
                check(&page, &format!("{address} {theme} {screen:?}"));
            }
            page.eval("location.hash = '#/'");
            page.wait("document.querySelector('.card [data-action=resolve]:not(:disabled)')").await;
            page.click(".card [data-action=resolve]").await;
            page.wait("document.querySelector('#ask').open").await;
            check(&page, &format!("the question, {theme} {screen:?}"));
            page.click("#ask button[value=no]").await;
            page.wait("!document.querySelector('#ask').open").await;
            page.click("#theme").await;
        }
        for what in ["report", "patrol"] {
            page.click(&format!("#tell-{what}")).await;
            page.wait(&format!("document.querySelector('#{what}-box').open")).await;
            check(&page, &format!("the box of a {what}, {screen:?}"));
            page.click(&format!("#{what}-box [data-close]")).await;
        }
        page.eval("document.querySelector('#bell').click()");
        page.wait("document.querySelector('#bell-box').open").await;
        check(&page, &format!("the bell, {screen:?}"));
    }
    // The keyboard alone gets to the answers, and sees where it is.
    let page = browser.open(&post.page, Screen::Desktop);
    page.wait("document.querySelector('.card [data-action=acknowledge]:not(:disabled)')").await;
    for _ in 0..40 {
        page.key("Tab");
        if page.eval("document.activeElement.dataset.action ?? ''") == "acknowledge" {
            break;
        }
    }
    let seen = "(() => { const at = document.activeElement; return at.dataset.action + ' ' + \
                getComputedStyle(at).outlineStyle; })()";
    assert_eq!(page.eval(seen), "acknowledge solid");
}
