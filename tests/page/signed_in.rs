//! A user of one khu phố signs in, on a phone.

use std::io::Write;
use std::process::Stdio;

use serde_json::json;

use crate::LIVE;
use crate::Post;
use crate::browser::Browser;
use crate::browser::Page;
use crate::browser::Screen;
use crate::browser::chromium;
use crate::card;
use crate::daemon::camera;
use crate::report;
use crate::seed;

const PASSWORD: &str = "đêm nay trời trong";

/// `keng user add`, with its password on standard input.
pub(crate) fn add(post: &Post, name: &str, role: &[&str]) {
    let config = post.site.config();
    let arguments = ["user", "add", "--config", config.to_str().unwrap(), name, "--role"];
    let mut command = post.site.command(&[&arguments[..], role].concat());
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{PASSWORD}").unwrap();
    assert!(child.wait().unwrap().success());
}

/// Signs in where the page asks for it.
pub(crate) async fn sign_in(page: &Page<'_>, name: &str) {
    page.wait("location.pathname === '/sign-in'").await;
    page.wait("document.querySelector('#password')").await;
    page.eval("document.querySelector('#name').focus()");
    page.type_in(name);
    page.eval("document.querySelector('#password').focus()");
    page.type_in(PASSWORD);
    page.click("button[type=submit]").await;
}

/// What stands in no page's own words: nothing of khu phố 3.
#[tokio::test]
async fn somebody_of_another_khu_pho_finds_every_page_empty() {
    let Some(program) = chromium() else { return };
    let elsewhere = "[[khu_pho]]\nid = \"kp9\"\nname = \"Khu phố 9\"\n".to_owned();
    let post = Post::new(&[camera(1, "hem-42", "rtsp://127.0.0.1:1/cam", ""), elsewhere]);
    let daemon = post.site.start().await;
    let alert = report(&daemon, "Chợ nhỏ");
    let id = alert["id"].as_str().unwrap();
    add(&post, "tu", &["khu_pho", "--khu-pho", "kp9"]);
    let browser = Browser::start(program);
    let page = browser.open(&post.page, Screen::Desktop);
    sign_in(&page, "tu").await;
    page.wait(LIVE).await;
    page.wait("!document.querySelector('#quiet').hidden").await;
    for (address, there) in [
        ("#/".to_owned(), "document.querySelector('#quiet')"),
        (format!("#/incident/kp3/{id}"), "document.querySelector('main .none')"),
        ("#/cameras".to_owned(), "document.querySelector('main .none')?.checkVisibility()"),
        ("#/camera/hem-42".to_owned(), "document.querySelector('main .none')"),
        ("#/statistics".to_owned(), "document.querySelector('.sheet')"),
        ("#/system".to_owned(), "document.querySelector('main')?.innerText.trim()"),
    ] {
        page.eval(&format!("location.hash = {address:?}"));
        page.wait(there).await;
        page.wait("!document.querySelector('main').innerText.includes('Đang tải')").await;
        let said = page.eval(
            "document.body.innerText + (document.querySelector('.sheet')?.shadowRoot?.textContent \
             ?? '') + document.title",
        );
        let said = said.as_str().unwrap();
        for foreign in ["Chợ", "hem-42", "Khu phố 3", "CHÁY"] {
            assert!(!said.contains(foreign), "{address}: {foreign} in {said}");
        }
        assert_eq!(page.eval("document.querySelectorAll('.card, .tile').length"), 0, "{address}");
    }
    assert_eq!(page.eval("Number(document.querySelector('#bell').dataset.strikes)"), 0);
    drop(daemon);
}

#[tokio::test]
async fn who_signs_in_comes_back_to_where_they_were_and_answers_under_their_name() {
    let Some(program) = chromium() else { return };
    let post = Post::new(&[]);
    let daemon = post.site.start().await;
    let alert = report(&daemon, "Chợ nhỏ");
    add(&post, "ba-nam", &["khu_pho", "--khu-pho", "kp3", "--full-name", "Ba Năm"]);
    let browser = Browser::start(program);
    let page = browser.open(&post.page, Screen::Phone);
    sign_in(&page, "ba-nam").await;
    page.wait(LIVE).await;
    page.click(&format!("{} [data-action=acknowledge]", card(&alert))).await;
    let told = format!("document.querySelector('{}')?.innerText.includes('Ba Năm')", card(&alert));
    page.wait(&told).await;
    // What is not theirs is not even named.
    assert_eq!(page.eval("document.querySelector('.nav [data-page=system]').hidden"), true);
    page.wait("document.querySelector('#signed').innerText.includes('Ba Năm')").await;

    page.eval("caches.has('keng-last')");
    page.click("#sign-out").await;
    page.wait("location.pathname === '/sign-in'").await;
    assert_eq!(page.eval("caches.has('keng-last')"), false, "nothing stays on the phone");
    drop(daemon);
}

#[tokio::test]
async fn who_only_sees_it_too_reads_and_does_not_answer() {
    let Some(program) = chromium() else { return };
    let khu_pho = |id: &str| format!("[[khu_pho]]\nid = \"{id}\"\nname = \"Khu phố {id}\"\n");
    let there = camera(1, "hem-42", "rtsp://127.0.0.1:1/cam", "");
    let here = camera(2, "hem-9", "rtsp://127.0.0.1:1/cam", "").replace("\"kp3\"", "\"kp9\"");
    let post = Post::new(&[there, here, khu_pho("kp8"), khu_pho("kp9")]);
    let place = seed(&post, &["kp9"]);
    let daemon = post.site.start().await;
    add(&post, "tu", &["khu_pho", "--khu-pho", "kp9"]);
    add(&post, "tam", &["khu_pho", "--khu-pho", "kp8"]);
    let browser = Browser::start(program);
    let page = browser.open(&post.page, Screen::Phone);
    sign_in(&page, "tu").await;
    page.wait(LIVE).await;
    page.wait("document.querySelector('#open .card[data-id=f-1]')").await;
    page.wait("/Tổ ở đó trả lời/.test(document.querySelector('.card').innerText)").await;
    let foreign = "[document.querySelectorAll('[data-action]').length, \
                   document.body.innerText.match(/.*(Hẻm 1|hem-42).*/g)]";
    assert_eq!(page.eval(foreign), json!([0, null]));
    page.eval(&format!("location.hash = {place:?}"));
    page.wait("document.querySelectorAll('.timeline li').length === 1").await;
    page.wait("/Tổ ở đó trả lời/.test(document.querySelector('.title').innerText)").await;
    assert_eq!(page.eval(foreign), json!([0, null]));
    // The gong is for those who can answer.
    assert_eq!(page.eval("Number(document.querySelector('#bell').dataset.strikes ?? 0)"), 0);
    // Before the sign-in some things were refused, and nothing since.
    let complaints = page.complaints();
    assert!(complaints.iter().all(|said| said.contains("401")), "{complaints:?}");

    let other = browser.open(&post.page, Screen::Phone);
    sign_in(&other, "tam").await;
    other.wait(LIVE).await;
    other.wait("!document.querySelector('#quiet').hidden").await;
    assert_eq!(other.eval("document.querySelectorAll('.card').length"), 0);
    drop(daemon);
}
