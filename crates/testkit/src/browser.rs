//! Chromium, driven over its DevTools protocol through a pair of pipes: no driver, no Node, no
//! package of anybody's.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::process::Child;
use std::process::ChildStdin;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::Instant;

/// The time that Chromium may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);
/// Clicks at what moves meanwhile.
const CLICKS_MAX: u32 = 5;
/// The interval at which it is looked whether what is waited for is there.
const LOOK: Duration = Duration::from_millis(15);
/// Names of the program, as distributions have them.
const PROGRAMS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// A phone's browser says that it is one.
const PHONE_AGENT: &str = "Mozilla/5.0 (Linux; Android 14) Chrome/130 Mobile";

type Waiting = Arc<Mutex<BTreeMap<u64, mpsc::Sender<Value>>>>;

/// A running Chromium with a profile of its own; ends when dropped.
pub struct Browser {
    child: Child,
    pipe: Arc<Mutex<ChildStdin>>,
    waiting: Waiting,
    next: Arc<Mutex<u64>>,
    complaints: Arc<Mutex<Vec<(String, String)>>>,
    /// Of service workers, with the address that each is for.
    workers: Arc<Mutex<Vec<(String, String)>>>,
    _profile: TempDir,
}

/// The size of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// A duty officer's old PC, 1440×900.
    Desktop,
    /// A cheap phone, 390×844.
    Phone,
}

/// Returns where Chromium is; without one the test says that it was skipped.
#[expect(clippy::print_stdout, reason = "what is skipped is said")]
pub fn chromium() -> Option<&'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    let is_there = |name: &&str| folders.iter().any(|folder| folder.join(name).is_file());
    let found = PROGRAMS.into_iter().find(is_there);
    if found.is_none() {
        println!("skipped: no Chromium (on Debian: apt-get install chromium)");
    }
    found
}

impl Browser {
    pub fn start(program: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        // Chromium reads from descriptor 3 and writes to 4; its own output would only be noise.
        let script = "exec \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null";
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", program, "--headless=new", "--remote-debugging-pipe"]);
        command.args([
            "--no-first-run",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--mute-audio",
        ]);
        command.args(["--disable-background-networking", "--disable-component-update"]);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
            // Root has no user namespaces to build the sandbox from.
            command.arg("--no-sandbox");
        }
        command.arg("about:blank").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let pipe = Arc::new(Mutex::new(child.stdin.take().unwrap()));
        let waiting = Waiting::default();
        let complaints = Arc::<Mutex<Vec<_>>>::default();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        let workers = Arc::<Mutex<Vec<_>>>::default();
        let (answers, heard) = (Arc::clone(&waiting), Arc::clone(&complaints));
        let registered = Arc::clone(&workers);
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while reader.read_until(0, &mut message).is_ok_and(|count| count > 0) {
                message.pop();
                let said: Value = serde_json::from_slice(&message).unwrap_or_default();
                message.clear();
                if let Some(id) = said["id"].as_u64() {
                    let asker = answers.lock().unwrap().remove(&id);
                    asker.map(|asker| asker.send(said).ok());
                } else if said["method"] == "ServiceWorker.workerRegistrationUpdated" {
                    for one in said["params"]["registrations"].as_array().into_iter().flatten() {
                        let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
                        let session = said["sessionId"].as_str().unwrap_or_default();
                        let worker =
                            (format!("{session} {}", text("scopeURL")), text("registrationId"));
                        registered.lock().unwrap().push(worker);
                    }
                } else if let Some(complaint) = complaint(&said) {
                    let session = said["sessionId"].as_str().unwrap_or_default().to_owned();
                    heard.lock().unwrap().push((session, complaint));
                }
            }
        });
        let next = Arc::default();
        Self { child, pipe, waiting, next, complaints, workers, _profile: profile }
    }

    fn call(&self, session: &str, method: &str, params: Value) -> Value {
        let told = format!("{method} {params}");
        let said = self.ask(session, method, params);
        assert!(said["error"].is_null(), "{told}: {}", said["error"]);
        said["result"].clone()
    }

    /// Returns what Chromium says, an error too.
    fn ask(&self, session: &str, method: &str, params: Value) -> Value {
        let id = {
            let mut next = self.next.lock().unwrap();
            *next += 1;
            *next
        };
        let mut message = json!({"id": id, "method": method, "params": params});
        if !session.is_empty() {
            message["sessionId"] = json!(session);
        }
        let (asker, answer) = mpsc::channel();
        self.waiting.lock().unwrap().insert(id, asker);
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.pipe.lock().unwrap().write_all(&bytes).unwrap();
        let said = answer.recv_timeout(PATIENCE);
        said.unwrap_or_else(|_| panic!("Chromium has no answer to {method}"))
    }

    /// A page of somebody's own: its cookies and what it keeps are not those of others.
    pub fn open(&self, url: &str, screen: Screen) -> Page<'_> {
        let context = self.call("", "Target.createBrowserContext", json!({}));
        let context = context["browserContextId"].as_str().unwrap().to_owned();
        let about = json!({"url": "about:blank", "browserContextId": context});
        let target = self.call("", "Target.createTarget", about);
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = self.call("", "Target.attachToTarget", attach);
        let session = session["sessionId"].as_str().unwrap().to_owned();
        let page = Page { browser: self, session, context };
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            page.call(domain, json!({}));
        }
        page.resize(screen);
        page.go(url);
        page
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill().and_then(|()| self.child.wait()));
    }
}

/// Returns what a page's console says that it should not.
fn complaint(said: &Value) -> Option<String> {
    let params = &said["params"];
    match said["method"].as_str()? {
        "Runtime.exceptionThrown" => Some(params["exceptionDetails"].to_string()),
        "Log.entryAdded" if params["entry"]["level"] == "error" => {
            Some(params["entry"].to_string())
        }
        _ => None,
    }
}

/// One page.
pub struct Page<'a> {
    browser: &'a Browser,
    session: String,
    context: String,
}

impl Page<'_> {
    fn call(&self, method: &str, params: Value) -> Value {
        self.browser.call(&self.session, method, params)
    }

    pub fn go(&self, url: &str) {
        self.call("Page.navigate", json!({"url": url}));
    }

    /// Loads the page anew; what is asked afterwards is asked of the new one, never of the old
    /// one that is still on the screen for a moment.
    pub async fn reload(&self) {
        self.eval("window.stale = true");
        self.call("Page.reload", json!({}));
        self.wait("window.stale === undefined && document.readyState !== 'loading'").await;
    }

    pub fn resize(&self, screen: Screen) {
        let (width, height, mobile) = match screen {
            Screen::Desktop => (1440, 900, false),
            Screen::Phone => (390, 844, true),
        };
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile});
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        self.call("Emulation.setTouchEmulationEnabled", json!({"enabled": mobile}));
        if mobile {
            self.call("Emulation.setUserAgentOverride", json!({"userAgent": PHONE_AGENT}));
        }
    }

    /// Returns what `script` comes to, as JSON; a promise is waited for.
    pub fn eval(&self, script: &str) -> Value {
        let asked = json!({
            "expression": script, "awaitPromise": true, "returnByValue": true, "userGesture": true,
        });
        let said = self.call("Runtime.evaluate", asked);
        assert!(said["exceptionDetails"].is_null(), "{script}: {}", said["exceptionDetails"]);
        said["result"]["value"].clone()
    }

    /// Waits until `condition` is something in the page.
    pub async fn wait(&self, condition: &str) -> Value {
        let begun = Instant::now();
        loop {
            // The page may be on its way to another one: then there is nothing to ask just now.
            let asked = json!({
                "expression": format!("(() => {{ try {{ return {condition}; }} catch {{ }} }})()"),
                "returnByValue": true,
            });
            let said = self.browser.ask(&self.session, "Runtime.evaluate", asked);
            let said = said["result"]["result"]["value"].clone();
            if !matches!(said, Value::Null | Value::Bool(false)) && said != "" && said != 0 {
                return said;
            }
            if begun.elapsed() > PATIENCE {
                let shown = self.eval("document.body.innerText");
                panic!("waited in vain: {condition}\n{shown}\n{:?}", self.complaints());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until what the selector finds can be clicked: it must be on the screen and on top.
    /// The middle of it.
    async fn reach(&self, selector: &str) -> [f64; 2] {
        let script = format!(
            "(() => {{ const e = document.querySelector({selector:?}); if (!e || e.disabled) \
             return null; e.scrollIntoView({{block: 'center'}}); const r = \
             e.getBoundingClientRect(); const [x, y] = [r.x + r.width / 2, r.y + r.height / 2]; \
             const top = document.elementFromPoint(x, y); if (e !== top && !e.contains(top)) \
             return null; window.missed = true; addEventListener('click', (event) => {{ if \
             (event.target.closest({selector:?})) window.missed = false; }}, {{once: true, \
             capture: true}}); return [x, y]; }})()"
        );
        let found = self.wait(&script).await;
        [found[0].as_f64().unwrap(), found[1].as_f64().unwrap()]
    }

    /// Clicks what the selector finds, as a mouse does.
    pub async fn click(&self, selector: &str) {
        // What comes meanwhile may push it away from under the mouse: people try again, too.
        for _ in 0..CLICKS_MAX {
            let [x, y] = self.reach(selector).await;
            self.press(x, y);
            if !self.missed() {
                return;
            }
        }
        panic!("{selector} slips away from under the mouse");
    }

    /// Clicks what the selector finds, slowly: `meanwhile` happens before the button is let go.
    /// Whether the click was heard.
    pub async fn click_slowly(&self, selector: &str, meanwhile: impl AsyncFnOnce()) -> bool {
        let [x, y] = self.reach(selector).await;
        self.mouse("mousePressed", x, y);
        meanwhile().await;
        self.mouse("mouseReleased", x, y);
        !self.missed()
    }

    fn missed(&self) -> bool {
        // A click may lead away: then there is nothing to ask, and it was heard.
        let asked = json!({"expression": "window.missed === true", "returnByValue": true});
        let said = self.browser.ask(&self.session, "Runtime.evaluate", asked);
        said["result"]["result"]["value"] == true
    }

    /// Clicks at a place of the screen.
    pub fn press(&self, x: f64, y: f64) {
        self.mouse("mousePressed", x, y);
        self.mouse("mouseReleased", x, y);
    }

    fn mouse(&self, kind: &str, x: f64, y: f64) {
        let event = json!({"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1});
        self.call("Input.dispatchMouseEvent", event);
    }

    /// Presses a key that has no text, such as `ArrowLeft`.
    pub fn key(&self, name: &str) {
        for kind in ["keyDown", "keyUp"] {
            let event = json!({"type": kind, "key": name, "code": name});
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Types into what has the focus.
    pub fn type_in(&self, text: &str) {
        self.call("Input.insertText", json!({"text": text}));
    }

    /// As if somebody had said yes to the browser's question.
    pub fn allow_notifications(&self) {
        let asked =
            json!({"permissions": ["notifications"], "browserContextId": self.context.as_str()});
        self.browser.call("", "Browser.grantPermissions", asked);
    }

    /// A message of a push service, as the browser hands it to the service worker of `url`.
    pub async fn push(&self, url: &str, text: &str) {
        self.call("ServiceWorker.enable", json!({}));
        let wanted = format!("{} {url}", self.session);
        let begun = Instant::now();
        let known = || {
            let workers = self.browser.workers.lock().unwrap();
            workers.iter().rfind(|(scope, _)| *scope == wanted).map(|(_, id)| id.clone())
        };
        let registration = loop {
            if let Some(id) = known() {
                break id;
            }
            assert!(begun.elapsed() < PATIENCE, "no service worker of {url}");
            tokio::time::sleep(LOOK).await;
        };
        let origin = url.trim_end_matches('/');
        let message = json!({"origin": origin, "registrationId": registration, "data": text});
        self.call("ServiceWorker.deliverPushMessage", message);
    }

    /// Returns what `script` comes to in the page's service worker; a promise is waited for.
    pub async fn eval_in_worker(&self, script: &str) -> Value {
        let begun = Instant::now();
        let target = loop {
            let all = self.browser.call("", "Target.getTargets", json!({}));
            let mut all = all["targetInfos"].as_array().into_iter().flatten();
            let found = all.find(|one| {
                one["type"] == "service_worker" && one["browserContextId"] == self.context.as_str()
            });
            if let Some(id) = found.and_then(|one| one["targetId"].as_str()) {
                break id.to_owned();
            }
            assert!(begun.elapsed() < PATIENCE, "no service worker is at work");
            // One that sleeps is woken by the page's own files.
            self.eval("fetch('/favicon.svg').then(() => true)");
            tokio::time::sleep(LOOK).await;
        };
        let asked = json!({"targetId": target, "flatten": true});
        let attached = self.browser.call("", "Target.attachToTarget", asked);
        let session = attached["sessionId"].as_str().unwrap().to_owned();
        let asked = json!({"expression": script, "awaitPromise": true, "returnByValue": true});
        let said = self.browser.call(&session, "Runtime.evaluate", asked);
        assert!(said["exceptionDetails"].is_null(), "{script}: {}", said["exceptionDetails"]);
        said["result"]["value"].clone()
    }

    /// Returns how long its thread has computed, in seconds of a core: however busy the machine is
    /// beside.
    pub fn busy(&self) -> f64 {
        self.call("Performance.enable", json!({"timeDomain": "threadTicks"}));
        let metrics = self.call("Performance.getMetrics", json!({}));
        let all = metrics["metrics"].as_array().unwrap();
        let task = all.iter().find(|metric| metric["name"] == "TaskDuration").unwrap();
        task["value"].as_f64().unwrap()
    }

    /// Returns what its console complained of: exceptions, refused content, failed requests.
    pub fn complaints(&self) -> Vec<String> {
        let all = self.browser.complaints.lock().unwrap();
        let mine = all.iter().filter(|(session, _)| *session == self.session);
        mine.map(|(_, complaint)| complaint.clone()).collect()
    }
}
