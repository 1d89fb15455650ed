//! The page keeps for an outage what one user may see, and nothing of another's.

use crate::LIVE;
use crate::Post;
use crate::browser::Browser;
use crate::browser::Screen;
use crate::browser::chromium;
use crate::mosquitto::until;

/// The paths of which something is kept, and for whom.
const KEPT: &str = "caches.open('keng-last').then(async (cache) => { let told = []; \
                    for (const at of await cache.keys()) { \
                    const { login } = await (await cache.match(at))?.json() ?? {}; \
                    told.push(new URL(at.url).pathname + '=' + login); } return told.join(); })";

const ASKED_TWICE: &str = "performance.getEntriesByType('resource') \
                           .filter((one) => one.name.endsWith('/api/me')).length >= 2";

#[tokio::test]
async fn what_was_kept_for_somebody_else_is_gone() {
    let Some(program) = chromium() else { return };
    let post = Post::new(&[]);
    let daemon = post.site.start().await;
    let browser = Browser::start(program);
    let page = browser.open(&post.page, Screen::Phone);
    page.wait(LIVE).await;
    // Who looks is asked at the start, and again once the feed stands.
    page.wait(ASKED_TWICE).await;
    let kept = || page.eval(KEPT).as_str().unwrap().to_owned();
    // Without users there is nobody to name.
    until("what is there is kept", || kept().contains("/api/alerts=")).await;
    // What the second answer takes away of it is put there again.
    let put = || {
        for (path, login) in [("/theirs", "{login: 'tu', at: 1}"), ("/old", "{at: 1}")] {
            page.eval(&format!(
                "caches.open('keng-last').then((cache) => cache.put('{path}', new \
                 Response(JSON.stringify({login}))))"
            ));
        }
        kept().contains("/theirs=tu") && kept().contains("/old=undefined")
    };
    until("somebody else's is there", put).await;
    page.reload().await;
    page.wait(LIVE).await;
    until("they are gone", || !kept().contains("/theirs") && !kept().contains("/old")).await;
    assert!(kept().contains("/api/alerts="), "{}", kept());
    drop(daemon);
}
