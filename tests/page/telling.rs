//! Reports and patrols at the page, and its statistics of past days.

use crate::LIVE;
use crate::Post;
use crate::browser::Browser;
use crate::browser::Screen;
use crate::browser::chromium;
use crate::daemon::camera;

#[tokio::test]
async fn a_report_a_patrol_and_the_sheet_of_past_days() {
    let Some(program) = chromium() else { return };
    let zone = "[[camera.zone]]\nname = \"cổng\"\nrules = [\"fire\"]\n\
                polygon = [[0.2, 0.5], [0.9, 0.5], [0.9, 1.0]]\n";
    let post = Post::new(&[camera(1, "hem-42", "rtsp://127.0.0.1:1/cam", zone)]);
    let daemon = post.site.start().await;
    let browser = Browser::start(program);
    let page = browser.open(&post.page, Screen::Phone);
    page.wait(LIVE).await;
    page.wait("!document.querySelector('#tell-report').disabled").await;
    page.click("#tell-report").await;
    page.wait("document.querySelector('#report-box').open").await;
    // Without a kind nothing is sent.
    page.click("#report-form .primary").await;
    assert_eq!(page.eval("document.querySelector('#report-box').open"), true);
    page.eval("document.querySelector('#report-form [name=kind]').value = 'smoke'");
    page.eval("document.querySelector('#report-form [name=place]').focus()");
    page.type_in("Chợ <b>nhỏ</b>");
    page.eval("document.querySelector('#report-form [name=exercise]').click()");
    page.click("#report-form .primary").await;
    page.wait("document.querySelector('.card[data-kind=smoke]')").await;
    page.wait("!document.querySelector('#report-box').open").await;
    let alerts = daemon.alerts();
    let alert = alerts.last().unwrap();
    assert_eq!((&alert["exercise"], &alert["kind"]), (&true.into(), &"smoke".into()));
    assert_eq!(alert["reports"][0]["place"], "Chợ <b>nhỏ</b>", "text, not markup");

    page.click("#tell-patrol").await;
    page.wait("document.querySelector('#patrol-form [name=zone]').options.length === 2").await;
    page.eval("document.querySelector('#patrol-form [name=minutes]').value = '45'");
    page.click("#patrol-form .primary").await;
    let said = "document.querySelector('#tell .told').textContent.includes('45')";
    page.wait(said).await;

    page.eval("location.hash = '#/statistics'");
    page.wait("document.querySelector('.sheet')?.shadowRoot?.querySelector('svg')").await;
    page.wait("document.querySelector('#s-from').value !== ''").await;
    page.wait("document.querySelector('a[download$=csv]')").await;
    // Days in the wrong order are told of in the daemon's words.
    page.eval("location.hash = '#/statistics?from=2026-11-21&to=2026-11-20'");
    page.wait("document.querySelector('main [role=status]')?.textContent.includes('ends')").await;
    let complaints = page.complaints();
    assert!(complaints.iter().all(|said| said.contains("2026-11-21")), "{complaints:?}");
}
