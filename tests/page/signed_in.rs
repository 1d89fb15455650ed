//! Somebody of one khu phố signs in, on a phone.

use std::io::Write;
use std::process::Stdio;

use crate::LIVE;
use crate::Post;
use crate::browser::Browser;
use crate::browser::Screen;
use crate::browser::chromium;
use crate::card;
use crate::report;

const PASSWORD: &str = "đêm nay trời trong";

/// `keng user add`, with its password on standard input.
fn add(post: &Post, name: &str, role: &[&str]) {
    let config = post.site.config();
    let arguments = ["user", "add", "--config", config.to_str().unwrap(), name, "--role"];
    let mut command = post.site.command(&[&arguments[..], role].concat());
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{PASSWORD}").unwrap();
    assert!(child.wait().unwrap().success());
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
    page.wait("location.pathname === '/sign-in'").await;
    page.wait("document.querySelector('#password')").await;
    page.eval("document.querySelector('#name').focus()");
    page.type_in("ba-nam");
    page.eval("document.querySelector('#password').focus()");
    page.type_in(PASSWORD);
    page.click("button[type=submit]").await;
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
