//! The page and its feed over a real socket, against a real outbox.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use keng::access::Access;
use keng::album::Album;
use keng::audit::AuditLog;
use keng::metrics::Metrics;
use keng::outbox::Append;
use keng::outbox::Outbox;
use keng::outbox::Sequence;
use keng::time::Clock;
use keng::time::ManualClock;
use keng::time::Wall;
use keng::ward::Id;
use keng::ward::KhuPho;
use keng::ward::Language;
use keng::ward::Ward;
use keng::web::CameraSummary;
use keng::web::Config;
use keng::web::ConfiguredCamera;
use keng::web::Error;
use keng::web::Gallery;
use keng::web::REQUESTS_MAX;
use keng::web::Server;
use keng::web::State;
use keng::web::StatusBoard;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(20);

/// A hostile name: whatever shows it must not take it for markup.
const NAME: &str = "</script><img src=x onerror=alert(1)>";

#[derive(Default)]
struct Board {
    waits: Mutex<Option<String>>,
}

impl StatusBoard for Board {
    fn cameras(&self) -> Vec<(Id, Value)> {
        vec![(Id::new("hem-42").unwrap(), json!({ "state": "online" }))]
    }
    fn camera(&self, id: &Id) -> Option<CameraSummary> {
        let khu_pho = Id::new("kp3").unwrap();
        (id.as_str() == "hem-42").then_some(CameraSummary { khu_pho, streams: true, owner: None })
    }
    fn configured(&self) -> Arc<[ConfiguredCamera]> {
        Arc::default()
    }
    fn khu_pho(&self) -> Vec<KhuPho> {
        vec![KhuPho { id: Id::new("kp3").unwrap(), name: NAME.to_owned(), team: None }]
    }
    fn reload_error(&self) -> Option<String> {
        Some("x.toml:1:1: wrong".to_owned())
    }
    fn shortage(&self) -> Option<f64> {
        Some(0.62)
    }

    fn not_ready(&self) -> Option<String> {
        self.waits.lock().unwrap().clone()
    }
}

/// A served page, and what stands behind it.
struct House {
    address: SocketAddr,
    outbox: Outbox,
    board: Arc<Board>,
    access: Access,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
    served: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

async fn house(language: Language) -> House {
    let folder = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(folder.path()).unwrap();
    let board = Arc::new(Board::default());
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
    let access = Access::open(folder.path(), clock.clone()).unwrap();
    let (requests, _) = mpsc::channel(REQUESTS_MAX);
    let state = State {
        ward: Arc::new(Ward {
            id: Id::new("phuong-14").unwrap(),
            name: NAME.to_owned(),
            timezone: jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").unwrap(),
            language,
        }),
        outbox: outbox.clone(),
        album: Album::open(folder.path()).unwrap(),
        metrics: Metrics::new(),
        board: board.clone(),
        gallery: Gallery::new(clock.clone()),
        requests,
        access: access.clone(),
        audit: AuditLog::open(folder.path(), clock.clone(), &Metrics::new()).unwrap(),
        store: folder.path().to_owned(),
        cap: None,
        push: None,
        clock: clock.clone(),
    };
    let listen = Config::new(([127, 0, 0, 1], 0).into());
    let server = Server::bind(&listen, &access, &clock).await.unwrap();
    let address = server.address();
    let shutdown = CancellationToken::new();
    let served = tokio::spawn(server.serve(state, shutdown.clone()));
    House { address, outbox, board, access, clock, shutdown, served, _folder: folder }
}

impl House {
    /// Appends the alert of an incident that goes on, and answers its bytes.
    fn append(&self, incident: u64, snapshot: Option<Vec<u8>>) -> Vec<u8> {
        let subject = format!("kp3/incident-{incident}");
        let append = Append { subject, live: true, wall: Wall(1), snapshot };
        let mut bytes = Vec::new();
        let payload = |sequence: Sequence| {
            let alert = json!({"schema": "keng.alert/1", "sequence": sequence.0, "id": NAME});
            bytes = alert.to_string().into_bytes();
            bytes.clone()
        };
        self.outbox.append(append, payload).unwrap();
        bytes
    }

    async fn open(&self, request: &str) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        BufReader::new(stream)
    }

    /// The whole answer to one request, head and body.
    async fn get(&self, path: &str) -> (String, Vec<u8>) {
        self.get_as(path, "localhost").await
    }

    async fn get_as(&self, path: &str, host: &str) -> (String, Vec<u8>) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let mut answer = Vec::new();
        let mut stream = self.open(&request).await;
        in_time(stream.read_to_end(&mut answer)).await.unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_lowercase();
        (head, answer[end + 4..].to_vec())
    }

    async fn json(&self, path: &str) -> Value {
        let (head, body) = self.get(path).await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        serde_json::from_slice(&body).unwrap()
    }

    /// A feed, its head read.
    async fn feed(&self, query: &str, header: &str) -> Feed {
        let request = format!("GET /events{query} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n");
        let mut feed = Feed(self.open(&request).await);
        assert!(feed.line().await.starts_with("HTTP/1.1 200"));
        while !feed.line().await.is_empty() {}
        feed
    }
}

struct Feed(BufReader<TcpStream>);

impl Feed {
    async fn line(&mut self) -> String {
        let mut line = String::new();
        let count = in_time(self.0.read_line(&mut line)).await.unwrap();
        assert!(count > 0, "the feed goes on");
        line.trim_end().to_owned()
    }

    /// The next alert: its id and its bytes.
    async fn alert(&mut self) -> (u64, Vec<u8>) {
        let (mut id, mut data) = (None, None);
        loop {
            let line = self.line().await;
            if let Some(text) = line.strip_prefix("id: ") {
                id = text.parse().ok();
            } else if let Some(text) = line.strip_prefix("data: ") {
                data = Some(text.as_bytes().to_vec());
            } else if line.is_empty()
                && let (Some(id), Some(data)) = (id, data.take())
            {
                return (id, data);
            }
        }
    }
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work).await.expect("it takes less than the deadline")
}

#[tokio::test]
async fn a_browser_that_was_away_goes_on_where_it_stopped() {
    let house = house(Language::Vi).await;
    let alerts: Vec<Vec<u8>> = (1..=150).map(|incident| house.append(incident, None)).collect();
    let mut feed = house.feed("?after=3", "Last-Event-ID: 7\r\n").await;
    for (sequence, expected) in (1..=150).zip(&alerts).skip(7) {
        assert_eq!(feed.alert().await, (sequence, expected.clone()));
    }
    drop(feed);
    let missed = house.append(151, None);
    let mut feed = house.feed("", "Last-Event-ID: 150\r\n").await;
    assert_eq!(feed.alert().await, (151, missed));
    let live = house.append(152, None);
    assert_eq!(feed.alert().await, (152, live));
}

#[tokio::test]
async fn a_feed_without_a_place_begins_now_and_one_from_the_future_too() {
    let house = house(Language::Vi).await;
    house.append(1, None);
    let mut plain = house.feed("", "").await;
    let mut future = house.feed("?after=99", "").await;
    let live = house.append(2, None);
    assert_eq!(plain.alert().await, (2, live.clone()));
    assert_eq!(future.alert().await, (2, live));
}

#[tokio::test]
async fn the_page_is_served_with_its_policy() {
    let house = house(Language::En).await;
    for path in ["/", "/main.js", "/sw.js", "/app.css", "/favicon.svg", "/api/status", "/nowhere"] {
        let (head, _) = house.get(path).await;
        let policy = head.lines().find(|line| line.starts_with("content-security-policy:"));
        let policy = policy.expect("every answer has a policy");
        assert!(policy.contains("script-src 'self'") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(head.contains("x-content-type-options: nosniff"), "{head}");
        assert!(head.contains("referrer-policy: same-origin"), "{head}");
    }
    let (_, page) = house.get("/").await;
    let page = String::from_utf8(page).unwrap();
    assert!(page.contains("<html lang=\"en\">") && !page.contains(NAME));
}

#[tokio::test]
async fn somebody_elses_name_for_this_machine_is_refused() {
    let house = house(Language::Vi).await;
    for path in ["/", "/events", "/api/alerts"] {
        let (head, _) = house.get_as(path, "rebound.example:8080").await;
        assert!(head.starts_with("http/1.1 421"), "{head}");
    }
    let (head, _) = house.get_as("/", "127.0.0.1:9999").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
}

#[tokio::test]
async fn a_list_holds_the_newest_and_whatever_goes_on() {
    let house = house(Language::Vi).await;
    assert_eq!(house.json("/api/alerts").await, json!({"last": 0, "alerts": [], "pictures": {}}));
    for incident in 1..=6 {
        house.append(incident, None);
    }
    let subject = "kp3/incident-2".to_owned();
    let over = Append { subject, live: false, wall: Wall(1), snapshot: None };
    let payload = |sequence: Sequence| json!({"sequence": sequence.0}).to_string().into_bytes();
    house.outbox.append(over, payload).unwrap();
    let sequences = |list: Value| -> Vec<u64> {
        let alerts = list["alerts"].as_array().unwrap().clone();
        alerts.iter().map(|alert| alert["sequence"].as_u64().unwrap()).collect()
    };
    assert_eq!(sequences(house.json("/api/alerts?limit=1").await), [1, 3, 4, 5, 6, 7]);
    assert_eq!(sequences(house.json("/api/alerts?after=2&limit=2").await), [3, 4]);
    let (head, _) = house.get("/api/alerts?after=x").await;
    assert!(head.starts_with("http/1.1 400"), "{head}");
}

#[tokio::test]
async fn a_snapshot_is_served_as_the_picture_that_it_is() {
    let house = house(Language::Vi).await;
    let jpeg = vec![0xff, 0xd8, 0xff, 0xd9];
    house.append(1, Some(jpeg.clone()));
    let list = house.json("/api/alerts").await;
    let place = list["pictures"]["1"].as_str().unwrap().to_owned();
    let (head, body) = house.get(&place).await;
    assert!(head.contains("content-type: image/jpeg"), "{head}");
    assert_eq!(body, jpeg);
    for path in ["/snapshots/1.jpg", "/snapshots/x.jpg", "/snapshots/..%2f1.jpg", &place[..40]] {
        let (head, _) = house.get(path).await;
        assert!(head.starts_with("http/1.1 404"), "{path}: {head}");
    }
}

#[tokio::test]
async fn health_status_and_metrics_answer() {
    let house = house(Language::Vi).await;
    let status = house.json("/api/status").await;
    assert_eq!(status["cameras"], json!([{"id": "hem-42", "state": "online", "owner": null}]));
    assert_eq!(status["reload_error"], "x.toml:1:1: wrong");
    assert_eq!(status["ward"]["timezone"], "Asia/Ho_Chi_Minh");
    assert!(house.get("/healthz").await.0.starts_with("http/1.1 200"));
    assert!(house.get("/readyz").await.0.starts_with("http/1.1 200"));
    *house.board.waits.lock().unwrap() = Some("the model is loading".to_owned());
    let (head, body) = house.get("/readyz").await;
    assert!(head.starts_with("http/1.1 503"), "{head}");
    assert_eq!(body, b"the model is loading\n");
    let (head, body) = house.get("/metrics").await;
    assert!(head.contains("application/openmetrics-text"), "{head}");
    let text = String::from_utf8(body).unwrap();
    assert!(text.contains("keng_outbox_depth 0") && text.contains("# EOF"), "{text}");
}

#[tokio::test]
async fn a_port_in_use_is_said_so_with_the_remedy() {
    let house = house(Language::Vi).await;
    let bind = |listen| {
        let config = Config::new(listen);
        let (access, clock) = (house.access.clone(), house.clock.clone());
        async move { Server::bind(&config, &access, &clock).await.err().unwrap() }
    };
    let error = bind(house.address).await;
    let expected = format!(
        "port {} is in use: stop the other program, or give [web] another listen",
        house.address.port()
    );
    assert_eq!(error.to_string(), expected);
    let everywhere = bind(([0, 0, 0, 0], 0).into()).await;
    assert!(matches!(everywhere, Error::Open(_)), "{everywhere}");
}

#[tokio::test]
async fn shutting_down_ends_open_feeds_at_once() {
    let house = house(Language::Vi).await;
    let mut feed = house.feed("", "").await;
    house.shutdown.cancel();
    let mut rest = Vec::new();
    in_time(feed.0.read_to_end(&mut rest)).await.unwrap();
    in_time(house.served).await.unwrap();
    assert_eq!(house.outbox.last(), Sequence(0));
}
