//! Zones are drawn by mouse and by keyboard, and what is to be pasted is a good configuration.

use crate::Post;
use crate::browser::Browser;
use crate::browser::Screen;
use crate::browser::chromium;
use crate::daemon::camera;
use crate::daemon::ward_with;

const ZONES: &str = "mask = [[[0.0, 0.0], [0.3, 0.0], [0.3, 0.4]]]\n\n[[camera.zone]]\nname = \
                     \"cổng \\\"trường\\\"\"\nrules = [\"loitering\"]\nresidents_hours = \
                     [\"06:00-08:00\"]\npolygon = [[0.2, 0.5], [0.9, 0.5], [0.9, 1.0]]\n";

#[tokio::test]
async fn zones_are_drawn_over_the_picture_and_the_text_for_the_file_checks_out() {
    let Some(program) = chromium() else { return };
    let post = Post::new(&[camera(1, "hem-42", "rtsp://127.0.0.1:1/cam", ZONES)]);
    let daemon = post.site.start().await;
    let browser = Browser::start(program);
    let page = browser.open(&format!("{}#/camera/hem-42", post.page), Screen::Desktop);
    page.wait("document.querySelectorAll('.layer polygon').length === 2").await;
    let configured = page.eval("document.querySelector('pre.toml').textContent");
    for part in ["cổng \\\"trường\\\"", "06:00-08:00", "mask = ["] {
        assert!(configured.as_str().unwrap().contains(part), "{part}: {configured}");
    }

    // By mouse.
    page.click("[data-tool=zone_new]").await;
    page.wait("document.querySelector('.layer.drawing')").await;
    let area = page.eval(
        "(() => { document.querySelector('.layer').scrollIntoView({block: 'center'}); const r = \
         document.querySelector('.layer').getBoundingClientRect(); return [r.x, r.y, r.width, \
         r.height]; })()",
    );
    let area: Vec<f64> = area.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    for (x, y) in [(0.1, 0.1), (0.5, 0.1), (0.5, 0.6)] {
        page.press(area[0] + x * area[2], area[1] + y * area[3]);
    }
    page.wait("document.querySelectorAll('.handle').length === 3").await;
    page.wait("document.activeElement.dataset.point === '2'").await;
    // By keyboard: a point moved, one added, one removed.
    page.key("ArrowRight");
    page.key("Insert");
    page.wait("document.querySelectorAll('.handle').length === 4").await;
    page.key("Delete");
    page.wait("document.querySelectorAll('.handle').length === 3").await;
    page.eval("document.querySelectorAll('fieldset.shape input[type=text]')[1].focus()");
    page.type_in("lề đường");
    page.click("[data-tool=finish]").await;
    let drawn = page.eval("document.querySelector('pre.toml').textContent");
    let drawn = drawn.as_str().unwrap();
    assert!(drawn.contains("name = \"lề đường\"") && drawn.contains("[0.505, 0.6]"), "{drawn}");
    let unknown = page.complaints().into_iter().filter(|said| !said.contains("picture.jpg"));
    assert_eq!(unknown.collect::<Vec<_>>(), [""; 0]);
    drop(daemon);

    // Pasted as it says, the file checks out.
    let pasted = camera(1, "hem-42", "rtsp://127.0.0.1:1/cam", drawn);
    post.site.configure(&ward_with("listen = \"127.0.0.1:0\"", "127.0.0.1:0", &[pasted]));
    let checked = post.site.run_configured(&["check"]).await;
    let told = String::from_utf8_lossy(&checked.stdout);
    assert_eq!(checked.status.code(), Some(0), "{}", String::from_utf8_lossy(&checked.stderr));
    assert!(told.contains("lề đường"), "{told}");
}
