//! The built `keng` as a child process, with a ward's folder of its own.

use std::fmt::Write as _;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Output;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::mosquitto::PATIENCE;
use crate::mosquitto::until;
use crate::program;
use crate::root;

/// Any request for the page is answered within.
const ANSWER: Duration = Duration::from_secs(10);

/// Sees a cell of pure red as fire, of green as smoke, of blue as a person.
pub fn scripted_model() -> PathBuf {
    root().join("tests/testdata/models/yolov8_like.onnx")
}

/// A configuration of ward `p14` with khu phố `kp3`, on the broker at this port.
pub fn ward(broker: u16, cameras: &[String]) -> String {
    let broker = format!("url = \"mqtt://127.0.0.1:{broker}\"");
    ward_with(&broker, "127.0.0.1:0", cameras)
}

/// The same with its own `[mqtt]` and address of the page.
pub fn ward_with(mqtt: &str, page: &str, cameras: &[String]) -> String {
    let model = scripted_model();
    format!(
        "[ward]\nid = \"p14\"\nname = \"Phường 14\"\n\n[mqtt]\n{mqtt}\n\n[web]\nlisten = \
         \"{page}\"\n\n[store]\npath = \"var\"\n\n[detector]\nmodel = \"{}\"\nthreads = 1\n\n\
         [rule.fire]\nconfirm_s = 1.0\n\n[[khu_pho]]\nid = \"kp3\"\nname = \"Khu phố 3\"\n\n{}",
        model.display(),
        cameras.join("\n")
    )
}

/// A camera for [`ward`]. Places are a kilometre apart, so that no two see the same thing.
pub fn camera(place: u16, id: &str, url: &str, more: &str) -> String {
    let latitude = 10.0 + f64::from(place) / 100.0;
    format!(
        "[[camera]]\nid = \"{id}\"\nkhu_pho = \"kp3\"\nurl = \"{url}\"\nplace = {{ address = \
         \"Hẻm {place}\", latitude = {latitude}, longitude = 106.6 }}\n{more}\n"
    )
}

/// A folder with a configuration, where `keng` runs.
pub struct Site {
    folder: TempDir,
    /// The environment of children beside ours.
    environment: Vec<(String, String)>,
}

impl Default for Site {
    fn default() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), environment: Vec::new() }
    }
}

impl Site {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn with_secret(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn config(&self) -> PathBuf {
        self.path("keng.toml")
    }

    /// Writes the configuration as a careful editor does.
    pub fn configure(&self, text: &str) {
        let draft = self.path("keng.toml.new");
        std::fs::write(&draft, text).unwrap();
        std::fs::rename(draft, self.config()).unwrap();
    }

    /// `keng` with these arguments, ready to be started in this folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_remove("KENG_LOG").envs(self.environment.iter().cloned());
        // A target folder elsewhere is no reason not to find what `make setup` fetched.
        let library = root().join(".runtime/onnxruntime/libonnxruntime.so");
        if std::env::var_os("ORT_DYLIB_PATH").is_none() && library.exists() {
            command.env("ORT_DYLIB_PATH", library);
        }
        command
    }

    /// Runs `keng` to its end.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        let command =
            tokio::process::Command::from(self.command(arguments)).kill_on_drop(true).output();
        let ended = tokio::time::timeout(PATIENCE, command).await;
        ended.unwrap_or_else(|_| panic!("keng {arguments:?} did not end")).unwrap()
    }

    /// Runs `keng` with the configuration's path behind the arguments, to its end.
    pub async fn run_configured(&self, arguments: &[&str]) -> Output {
        let config = self.config();
        let config = ["--config", config.to_str().unwrap()];
        self.run(&[arguments, &config[..]].concat()).await
    }

    /// Starts the daemon and waits until it is at work.
    pub async fn start(&self) -> Daemon {
        let mut daemon = Daemon::of(&mut self.daemon());
        daemon.ready().await;
        daemon
    }

    /// Starts the daemon where no file may grow, as if the disk were full; waits for nothing.
    pub fn start_without_room(&self) -> Daemon {
        let inner = self.daemon();
        let mut limited = Command::new("bash");
        limited.args(["-c", "trap '' XFSZ; ulimit -S -f 0; exec \"$0\" \"$@\""]);
        limited.arg(inner.get_program()).args(inner.get_args()).stdin(Stdio::null());
        limited.current_dir(self.folder.path());
        limited.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Daemon::of(&mut limited)
    }

    fn daemon(&self) -> Command {
        let config = self.config();
        self.command(&["--log", "json", "run", "--config", config.to_str().unwrap()])
    }
}

/// The lines that a child has written on standard error.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn follow(&self, stderr: impl Read + Send + 'static) -> JoinHandle<()> {
        let lines = self.0.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
        })
    }

    pub fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }

    /// The events, as JSON.
    pub fn events(&self) -> Vec<Value> {
        let lines = self.0.lock().unwrap();
        lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn page(&self, words: &str) -> Option<SocketAddr> {
        let events = self.events();
        let told = events.iter().find(|event| event["fields"]["message"] == words)?;
        let page = told["fields"]["page"].as_str()?;
        page.strip_prefix("http://").unwrap_or(page).parse().ok()
    }
}

/// A running daemon; killed when dropped, and its log shown where the test has failed.
pub struct Daemon {
    child: Child,
    pub log: Log,
    page: Option<SocketAddr>,
    reader: Option<JoinHandle<()>>,
}

impl Daemon {
    fn of(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = Log::default();
        let reader = log.follow(child.stderr.take().unwrap());
        Self { child, log, page: None, reader: Some(reader) }
    }

    /// Waits until it is at work.
    pub async fn ready(&mut self) {
        until("the daemon is ready or has ended", || {
            self.page = self.log.page("ready");
            self.page.is_some() || self.child.try_wait().unwrap().is_some()
        })
        .await;
        assert!(self.page.is_some(), "the daemon ended at its start");
    }

    /// Waits until it has said so of a page.
    pub async fn says_of_its_page(&mut self, words: &str) {
        until(words, || {
            self.page = self.log.page(words);
            self.page.is_some()
        })
        .await;
    }

    /// The disk that was full has room again.
    pub fn give_room(&self) {
        let child = self.child.id().to_string();
        let lift = Command::new("prlimit").args(["--fsize=unlimited", "--pid", &child]).status();
        assert!(lift.expect("prlimit is part of util-linux").success());
    }

    /// The body of a page.
    pub fn get(&self, path: &str) -> String {
        String::from_utf8(self.bytes(path)).unwrap()
    }

    /// The same for what is no text.
    pub fn bytes(&self, path: &str) -> Vec<u8> {
        self.bytes_with(path, "")
    }

    /// The same, asked for with these further lines of the head.
    pub fn bytes_with(&self, path: &str, headers: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.page.unwrap()).unwrap();
        stream.set_read_timeout(Some(ANSWER)).unwrap();
        let head = format!("Host: localhost\r\nConnection: close\r\n{headers}");
        write!(stream, "GET {path} HTTP/1.1\r\n{head}\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&answer[..end]);
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
        answer.split_off(end + 4)
    }

    /// The answer to any request: its status, its head and its body.
    pub fn answer(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> (u16, String, String) {
        let (page, length) = (self.page.unwrap(), body.len());
        let mut stream = TcpStream::connect(page).unwrap();
        stream.set_read_timeout(Some(ANSWER)).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {page}\r\nOrigin: http://{page}\r\nConnection: \
             close\r\nContent-Length: {length}\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_owned(), body.to_owned())
    }

    /// The answer to a request with a body: its status and its JSON, where it is some.
    pub fn post(&self, path: &str, headers: &str, body: &str) -> (u16, Value) {
        let (status, _, body) = self.answer("POST", path, headers, body);
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    /// Posts `body` as a person at this machine does, where there are no users.
    pub fn act(&self, path: &str, body: &Value) -> (u16, Value) {
        let me: Value = serde_json::from_str(&self.get("/api/me")).unwrap();
        let token = format!("X-Keng-CSRF: {}\r\n", me["csrf"].as_str().unwrap());
        self.post(path, &token, &body.to_string())
    }

    /// The list of alerts, as its bytes came.
    pub fn feed(&self) -> String {
        self.get("/api/alerts?after=0&limit=500")
    }

    /// The alerts so far, oldest first.
    pub fn alerts(&self) -> Vec<Value> {
        let feed: Value = serde_json::from_str(&self.feed()).unwrap();
        feed["alerts"].as_array().unwrap().clone()
    }

    pub fn status(&self) -> Value {
        serde_json::from_str(&self.get("/api/status")).unwrap()
    }

    /// Returns how a camera is, as the page tells it.
    pub fn camera(&self, id: &str) -> Value {
        let status = self.status();
        let cameras = status["cameras"].as_array().unwrap();
        cameras.iter().find(|camera| camera["id"] == id).cloned().unwrap_or(Value::Null)
    }

    /// A metric by its name and labels as they are written; 0 where it is not there yet.
    pub fn metric(&self, name: &str) -> u64 {
        let text = self.get("/metrics");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }

    /// Frames of a camera that were looked at.
    pub fn analysed(&self, camera: &str) -> u64 {
        let labels = format!("{{camera=\"{camera}\",stage=\"Inference\"}}");
        self.metric(&format!("keng_stage_passed_total{labels}"))
    }

    /// RTSP sessions with a camera.
    pub fn sessions(&self, camera: &str) -> u64 {
        self.metric(&format!("keng_camera_sessions_total{{camera=\"{camera}\"}}"))
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Kill -9.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; how it ended, how long that took, and its whole log.
    pub async fn stop(mut self) -> (ExitStatus, Duration, Log) {
        self.signal("TERM");
        let begun = Instant::now();
        let mut status = None;
        until("the daemon ends after SIGTERM", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        let took = begun.elapsed();
        self.reader.take().unwrap().join().unwrap();
        (status.unwrap(), took, self.log.clone())
    }
}

impl Drop for Daemon {
    #[expect(clippy::print_stderr, reason = "why a test failed is in the daemon's log")]
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let mut text = String::new();
            for line in self.log.text().lines() {
                writeln!(text, "  {line}").unwrap();
            }
            eprintln!("the daemon's log:\n{text}");
        }
    }
}
