//! The plan of an incident's cameras: without a map nobody is asked; with one, that server alone.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::Mutex;

use crate::Post;
use crate::access;
use crate::browser::Browser;
use crate::browser::Page;
use crate::browser::Screen;
use crate::browser::chromium;
use crate::daemon::camera;
use crate::seed;

/// Somebody's map: an odd column of it is missing.
struct Map {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Map {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let heard = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = String::new();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                while reader.read_line(&mut head).is_ok_and(|read| read > 2) {}
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let column = path.split('/').nth(2).and_then(|x| x.parse::<u64>().ok());
                let picture = include_bytes!("../../src/web/page/icon-192.png");
                let (status, body) = match column {
                    Some(x) if x.is_multiple_of(2) => ("200 OK", &picture[..]),
                    _ => ("404 Not Found", &[][..]),
                };
                heard.lock().unwrap().push(head.to_lowercase());
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: image/png\r\nContent-Length: \
                     {length}\r\nConnection: close\r\n\r\n"
                );
                // Chromium may have gone on to another page.
                drop(stream.write_all(&[head.as_bytes(), body].concat()));
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Returns whose pictures and files the page has asked for, but its own.
fn elsewhere(page: &Page<'_>) -> usize {
    let script = "performance.getEntriesByType('resource').filter((one) => \
                  !one.name.startsWith(location.origin)).length";
    page.eval(script).as_u64().unwrap().try_into().unwrap()
}

#[tokio::test]
async fn a_map_is_asked_for_where_one_is_configured_and_nobody_else_ever() {
    let Some(program) = chromium() else { return };
    let browser = Browser::start(program);
    let (map, other) = (Map::start(), Map::start());
    let cameras = [camera(1, "hem-42", "rtsp://127.0.0.1:1/cam", "")];

    let post = Post::new(&cameras);
    let place = seed(&post, &[]);
    let daemon = post.site.start().await;
    let page = browser.open(&format!("{}{place}", post.page), Screen::Desktop);
    page.wait("document.querySelector('.plan .spot.sees')").await;
    page.wait("document.querySelector('#signed, .nav')").await;
    assert_eq!(page.eval("document.querySelectorAll('.plan image, .credit').length"), 0);
    assert_eq!((elsewhere(&page), page.complaints()), (0, Vec::new()));
    drop(daemon);

    let post = Post::new(&cameras);
    let place = seed(&post, &[]);
    post.add_to_web(&format!(
        "tiles = \"{}/{{z}}/{{x}}/{{y}}.png\"\ntiles_credit = \"© <b>Bản đồ</b>\"\n",
        map.address
    ));
    let daemon = post.site.start().await;
    let page = browser.open(&format!("{}{place}", post.page), Screen::Desktop);
    page.wait(
        "document.querySelector('.plan .spot.sees') && document.querySelector('.tiles image')",
    )
    .await;
    // What can't be had is left out; the plan stays.
    page.wait(
        "[...document.querySelectorAll('.tiles image')].every((tile) => \
         Number(tile.getAttribute('href').split('/').at(-2)) % 2 === 0)",
    )
    .await;
    page.wait("document.querySelectorAll('.tiles image').length >= 2").await;
    assert_eq!(page.eval("document.querySelector('.credit').textContent"), "© <b>Bản đồ</b>");
    assert!(elsewhere(&page) > 0);
    access::check(&page, "a plan with a map");
    let asked = map.asked();
    assert!(asked.iter().any(|head| head.starts_with("get /19/") && head.contains(".png")));
    assert!(asked.iter().all(|head| !head.contains("referer") && !head.contains("cookie")));
    let complaints = page.complaints();
    assert!(complaints.iter().all(|said| said.contains("404")), "{complaints:?}");

    // Another server's pictures are refused by the browser itself.
    let script = format!(
        "new Promise((done) => {{ const image = new Image(); image.onerror = () => done('no'); \
         image.onload = () => done('yes'); image.src = '{}/0/0/0.png'; }})",
        other.address
    );
    assert_eq!(page.eval(&script), "no");
    assert!(page.complaints().iter().any(|said| said.contains("Content Security Policy")));
    assert!(other.asked().is_empty());
    drop(daemon);
}
