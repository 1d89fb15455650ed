//! A served page with users, two khu phố and what stands behind it, over real sockets.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use keng::access::Access;
use keng::access::Role;
use keng::access::password;
use keng::access::users;
use keng::access::users::User;
use keng::album::Album;
use keng::audit::AuditLog;
use keng::config;
use keng::metrics::Metrics;
use keng::outbox::Append;
use keng::outbox::Outbox;
use keng::outbox::Sequence;
use keng::outlet::cap::Issuer;
use keng::outlet::cap::Scope;
use keng::push;
use keng::push::Push;
use keng::rule;
use keng::time::Clock;
use keng::time::ManualClock;
use keng::time::Wall;
use keng::ward::Id;
use keng::ward::KhuPho;
use keng::ward::Language;
use keng::ward::Location;
use keng::ward::Owner;
use keng::ward::Secret;
use keng::ward::Site;
use keng::ward::Ward;
use keng::web::CameraSummary;
use keng::web::CommandOutcome;
use keng::web::Config;
use keng::web::ConfiguredCamera;
use keng::web::Gallery;
use keng::web::PageRequest;
use keng::web::REQUESTS_MAX;
use keng::web::Server;
use keng::web::State;
use keng::web::StatusBoard;
use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

pub(crate) const DEADLINE: Duration = Duration::from_secs(40);
pub(crate) const PASSWORD: &str = "gõ kẻng ba hồi";
/// A hostile name: whatever shows it must not take it for markup, nor for a header.
pub(crate) const NAME: &str = "\"><script>alert(1)</script>\r\nSet-Cookie: keng=stolen";

/// The documented alert, which has the form of the schema.
pub(crate) fn documented_alert() -> Value {
    let text = include_str!("../../docs/mqtt.md");
    let block = text.split("```json").nth(1).and_then(|rest| rest.split("```").next());
    serde_json::from_str(block.unwrap()).unwrap()
}

pub(crate) fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

/// Returns what holds where nothing is written.
fn rules() -> rule::Config {
    let around = config::Surroundings {
        file: Path::new("keng.toml"),
        base_dir: Path::new("."),
        binary_dir: None,
        env: &|_| None,
        now: Wall(0),
    };
    config::parse("[ward]\nid = \"p14\"", &around).unwrap().settings.rules
}

struct Board;

impl StatusBoard for Board {
    fn cameras(&self) -> Vec<(Id, Value)> {
        let status = |khu_pho: &str| {
            json!({
                "state": "offline", "since": "2026-11-21T22:14:03.120+07:00", "analysed_fps": 0.0,
                "attention": "idle", "clock_ahead_s": null, "reason": NAME, "khu_pho": khu_pho,
                "address": NAME,
            })
        };
        vec![(id("hem-3"), status("kp3")), (id("hem-4"), status("kp4"))]
    }

    fn camera(&self, camera: &Id) -> Option<CameraSummary> {
        let khu_pho = id(match camera.as_str() {
            "hem-3" => "kp3",
            "hem-4" => "kp4",
            _ => return None,
        });
        let owner = Some(Owner { name: "Tạp hoá Bảy".to_owned(), consent_until: None });
        Some(CameraSummary { khu_pho, streams: false, owner })
    }

    fn configured(&self) -> Arc<[ConfiguredCamera]> {
        let camera = |camera, khu_pho| ConfiguredCamera {
            site: Site {
                id: id(camera),
                khu_pho: id(khu_pho),
                place: Location { address: NAME.to_owned(), coordinates: None },
                owner: Some(Owner { name: "Tạp hoá Bảy".to_owned(), consent_until: None }),
                neighbours: vec![id("hem-3"), id("hem-4")],
            },
            masks: Vec::new(),
            rules: rules(),
        };
        [camera("hem-3", "kp3"), camera("hem-4", "kp4")].into()
    }

    fn khu_pho(&self) -> Vec<KhuPho> {
        let khu_pho = |text| KhuPho { id: id(text), name: NAME.to_owned(), team: None };
        vec![khu_pho("kp3"), khu_pho("kp4")]
    }

    fn reload_error(&self) -> Option<String> {
        Some("keng.toml:1:1: wrong".to_owned())
    }

    fn not_ready(&self) -> Option<String> {
        None
    }

    fn outlets(&self) -> Vec<(String, Option<String>)> {
        vec![("webhook/zalo".to_owned(), Some("HTTP 404: no such chat -1001234".to_owned()))]
    }

    fn shortage(&self) -> Option<f64> {
        None
    }
}

/// What is served, and what stands behind it.
pub(crate) struct House {
    pub(crate) address: SocketAddr,
    pub(crate) outbox: Outbox,
    pub(crate) album: Album,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) audit: AuditLog,
    pub(crate) folder: TempDir,
}

/// The names of users and what they may: the same in every house that has some.
pub(crate) fn everybody() -> [(&'static str, Role); 3] {
    [("khu", Role::KhuPho([id("kp3")].into())), ("police", Role::Police), ("admin", Role::Admin)]
}

pub(crate) fn add_users(store: &Path) {
    static HASH: OnceLock<String> = OnceLock::new();
    let hash = HASH.get_or_init(|| password::hash("x", &Secret::new(PASSWORD.to_owned())).unwrap());
    users::change(store, |users| {
        for (name, role) in everybody() {
            let full_name = Some(format!("Full {name}"));
            users.insert(name.to_owned(), User { full_name, role, hash: hash.clone() });
        }
        Ok(())
    })
    .unwrap();
}

impl House {
    pub(crate) async fn with_users() -> Self {
        let folder = tempfile::tempdir().unwrap();
        add_users(folder.path());
        Self::at(folder, Config::new(([127, 0, 0, 1], 0).into())).await
    }

    pub(crate) async fn at(folder: TempDir, config: Config) -> Self {
        let outbox = Outbox::open(folder.path()).unwrap();
        let album = Album::open(folder.path()).unwrap();
        let clock = Arc::new(ManualClock::default());
        let shared: Arc<dyn Clock> = clock.clone();
        let access = Access::open(folder.path(), shared.clone()).unwrap();
        let audit = AuditLog::open(folder.path(), shared.clone(), &Metrics::new()).unwrap();
        let (requests, asked) = mpsc::channel(REQUESTS_MAX);
        tokio::spawn(core(asked));
        let wanted = push::Config {
            contact: "mailto:admin@phuong-14.example".to_owned(),
            services: vec!["push.example".parse().unwrap()],
            ca_file: None,
        };
        let push = Push::open(folder.path(), wanted, access.clone(), shared.clone(), Language::Vi);
        let push = push.unwrap();
        let server = Server::bind(&config, &access, &shared).await.unwrap();
        let address = server.address();
        let ward = Arc::new(Ward {
            id: id("phuong-14"),
            name: NAME.to_owned(),
            timezone: jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").unwrap(),
            language: Language::Vi,
        });
        let state = State {
            outbox: outbox.clone(),
            album: album.clone(),
            metrics: Metrics::new(),
            board: Arc::new(Board),
            gallery: Gallery::new(shared.clone()),
            requests,
            clock: shared,
            access,
            audit: audit.clone(),
            store: folder.path().to_owned(),
            cap: Some(Arc::new(Issuer {
                sender: "phuong-14.example".to_owned(),
                scope: Scope::Public,
                ward: ward.as_ref().clone(),
                khu_pho: Board.khu_pho(),
            })),
            ward,
            push: Some(push),
        };
        tokio::spawn(server.serve(state, CancellationToken::new()));
        Self { address, outbox, album, clock, audit, folder }
    }

    /// Appends the alert of an incident that goes on, with a picture.
    pub(crate) fn append(&self, khu_pho: &str, incident: &str) -> Sequence {
        let subject = format!("{khu_pho}/{incident}");
        let jpeg = vec![0xff, 0xd8, 0xff, 0xd9];
        let append = Append { subject, live: true, wall: Wall(1), snapshot: Some(jpeg) };
        let payload = |sequence: Sequence| {
            let mut alert = documented_alert();
            alert["sequence"] = json!(sequence.0);
            alert["khu_pho"] = json!(khu_pho);
            for seen in alert["cameras"].as_array_mut().unwrap() {
                seen["id"] = json!(format!("hem-{}", &khu_pho[2..]));
            }
            alert["id"] = json!(incident);
            alert.to_string().into_bytes()
        };
        self.outbox.append(append, payload).unwrap()
    }

    /// Sends bytes and reads until the other end closes.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // It may refuse before it has read everything.
        drop(stream.write_all(bytes).await);
        let mut answer = Vec::new();
        let read = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
        // What was refused unread is reset; what came before counts.
        drop(read.expect("it answers or closes"));
        Answer::parse(&answer)
    }

    /// A request with these further lines of its head.
    pub(crate) async fn send(&self, line: &str, head: &str, body: &str) -> Answer {
        let (host, length) = (self.address, body.len());
        let request = format!(
            "{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: \
             {length}\r\n{head}\r\n{body}"
        );
        self.raw(request.as_bytes()).await
    }

    pub(crate) async fn get(&self, path: &str, browser: &Browser) -> Answer {
        self.send(&format!("GET {path}"), &browser.cookie, "").await
    }

    pub(crate) async fn post(&self, path: &str, browser: &Browser, body: &Value) -> Answer {
        let head = format!("{}{}{}", browser.cookie, self.origin(), browser.token);
        self.send(&format!("POST {path}"), &head, &body.to_string()).await
    }

    pub(crate) fn origin(&self) -> String {
        format!("Origin: http://{}\r\n", self.address)
    }

    pub(crate) async fn try_sign_in(&self, name: &str, password: &str, more: &str) -> Answer {
        let encoded: String = password.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let body = format!("name={name}&password={encoded}&next=%2Fcameras");
        let form = "Content-Type: application/x-www-form-urlencoded\r\n";
        self.send("POST /sign-in", &format!("{form}{}{more}", self.origin()), &body).await
    }

    /// Returns what a feed from the beginning says until it says `end`.
    pub(crate) async fn heard(&self, browser: &Browser, end: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let (address, cookie) = (self.address, &browser.cookie);
        let request = format!("GET /events?after=0 HTTP/1.1\r\nHost: {address}\r\n{cookie}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut heard = String::new();
        let mut buffer = [0; 4096];
        while !heard.contains(end) {
            let read = tokio::time::timeout(DEADLINE, stream.read(&mut buffer)).await;
            let read = read.unwrap().unwrap();
            assert!(read > 0, "{heard}");
            heard.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
        heard
    }

    pub(crate) async fn sign_in(&self, name: &str) -> Browser {
        let answer = self.try_sign_in(name, PASSWORD, "").await;
        assert_eq!(answer.status, 303, "{answer:?}");
        let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        self.browser(&cookie).await
    }

    /// Somebody with this cookie, who has asked for their token.
    pub(crate) async fn browser(&self, cookie: &str) -> Browser {
        let cookie = format!("Cookie: {cookie}\r\n");
        let mut browser = Browser { cookie, token: String::new() };
        let me = self.get("/api/me", &browser).await.json();
        browser.token = format!("X-Keng-CSRF: {}\r\n", me["csrf"].as_str().unwrap_or("-"));
        browser
    }
}

/// What one browser sends along.
#[derive(Clone, Debug, Default)]
pub(crate) struct Browser {
    pub(crate) cookie: String,
    pub(crate) token: String,
}

impl Browser {
    pub(crate) fn nobody() -> Self {
        Self::default()
    }
}

/// One answer.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// 0: closed without one.
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Self::default();
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head, body: bytes[end + 4..].to_vec() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// Answers that it was so already.
async fn core(mut asked: mpsc::Receiver<PageRequest>) {
    while let Some(ask) = asked.recv().await {
        if let PageRequest::Command { answered, .. } = ask {
            let (done, durable) = oneshot::channel();
            drop(answered.send(CommandOutcome::Already { durable }));
            done.send(()).ok();
        }
    }
}
