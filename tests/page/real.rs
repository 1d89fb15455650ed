//! From a camera's stream to the screen: a real RTSP server, the real decoder, a real browser.

use std::time::Duration;

use keng::clock::SystemClock;
use keng::frame::redaction::PeopleNote;
use keng::time::Clock as _;
use keng::time::Wall;
use keng_testkit::gst::Codec;

use crate::LIVE;
use crate::Post;
use crate::access;
use crate::browser::Browser;
use crate::browser::Screen;
use crate::browser::chromium;
use crate::card;
use crate::daemon::camera;
use crate::gst;
use crate::gst::Auth;
use crate::gst::Server;
use crate::scene;

/// From an alert's own time to the screen.
const SOON: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_fire_in_front_of_a_camera_is_on_the_screen_within_two_seconds_of_its_alert() {
    let Some(program) = chromium() else { return };
    let browser = Browser::start(program);
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("fire.h264");
    gst::encode(&clip, Codec::H264, &scene::fire(6, 30));
    let server = Server::serve((Codec::H264, &clip, gst::FPS), Auth::None, 0).await;
    let url = format!("rtsp://127.0.0.1:{}/cam", server.port);
    let post = Post::new(&[camera(1, "hem-42", &url, "")]);
    let daemon = post.site.start().await;
    let page = browser.open(&post.page, Screen::Desktop);
    page.wait(LIVE).await;
    page.eval("window.stayed = true");
    page.wait("document.querySelector('#open .card[data-kind=fire]')").await;
    let shown = SystemClock::new().now().wall;
    let alert = daemon.alerts().into_iter().find(|alert| alert["kind"] == "fire").unwrap();
    let told = Wall::parse_rfc3339(alert["updated_at"].as_str().unwrap()).unwrap();
    let after = shown.as_millis() - told.as_millis();
    println!("on the screen {after} ms after its alert");
    assert!(after < i64::try_from(SOON.as_millis()).unwrap(), "{after} ms");
    assert_eq!(page.eval("window.stayed"), true, "no reload");
    // Its picture has come too, and says whose it is to whoever hides faces.
    let image = format!("document.querySelector('{} img')", card(&alert));
    page.wait(&format!("{image}?.naturalWidth > 0")).await;
    let place = page.eval(&format!("new URL({image}.src).pathname"));
    let snapshot = daemon.bytes(place.as_str().unwrap());
    assert_eq!(PeopleNote::read(&snapshot).unwrap().camera.as_str(), "hem-42");

    // Each camera before, at and after: what comes later comes by itself.
    page.eval(&format!("location.hash = '#/incident/kp3/{}'", alert["id"].as_str().unwrap()));
    for moment in ["before", "at", "after"] {
        let image = format!("document.querySelector('[data-moment={moment}] img')");
        page.wait(&format!("{image}?.naturalWidth > 0")).await;
        let place = page.eval(&format!("new URL({image}.src).pathname"));
        let jpeg = daemon.bytes(place.as_str().unwrap());
        assert_eq!(PeopleNote::read(&jpeg).unwrap().camera.as_str(), "hem-42", "{moment}");
    }
    let times = "[...document.querySelectorAll('.moments time')].map((one) => \
                 Date.parse(one.dateTime))";
    let times: Vec<i64> = serde_json::from_value(page.eval(times)).unwrap();
    let apart = [times[1] - times[0], times[2] - times[1]];
    assert!((2_000..=60_000).contains(&apart[0]), "{apart:?}");
    assert!((5_900..=60_000).contains(&apart[1]), "{apart:?}");

    access::check(&page, "before, at and after");

    // The wall shows the camera as it is: a picture, its rate, and how late that is. What was
    // enlarged doesn't lie over it.
    page.eval("document.querySelector('[data-moment=at] .picture').click()");
    page.wait("document.getElementById('large').open").await;
    page.eval("location.hash = '#/cameras'");
    page.wait("!document.getElementById('large').open").await;
    page.wait("document.querySelector('.tile img')?.naturalWidth > 0").await;
    page.wait("/hình\\/s.*trễ \\d+ ms/.test(document.querySelector('.tile').innerText)").await;
    page.eval("location.hash = '#/camera/hem-42'");
    page.wait("document.querySelector('img.view')?.naturalWidth > 0").await;
    page.wait("/\\d+ ms từ gói hình cuối/.test(document.querySelector('main').innerText)").await;
    assert_eq!(page.complaints(), [""; 0]);
    drop(server);
}
