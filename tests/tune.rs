//! `keng tune`, from what the daemon keeps to what is advised.

#![expect(clippy::unwrap_used, reason = "a test that can't go on shall say where")]

use keng_testkit::daemon;
use keng_testkit::gst;
use keng_testkit::scene;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keng::clock::SystemClock;
use keng::detection::{Class, Detection};
use keng::detection_log;
use keng::detection_log::{DaemonRun, Folder, LoggedInput, PatrolNotice, StoredVerdict};
use keng::geometry::BoundingBox;
use keng::incident::{Answer, Incident, IncidentId, IncidentState, Kind};
use keng::metrics::Metrics;
use keng::pipeline::{Command, Core, FrameResult, Watched};
use keng::time::{Clock, ManualClock, Mono, Stamp, Wall};
use keng::tune::play::Lane;
use keng::ward::{Id, Location, Site as Spot};
use keng_testkit::gst::Codec;
use serde_json::Value;

use daemon::{Site, camera, ward};

/// 22:00 in the ward.
const NIGHT: &str = "2026-11-21T22:00:00+07:00";
/// Cameras of the small ward; each has a lamp and then a fire.
const CAMERAS: u64 = 6;

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

fn at(ms: u64) -> Stamp {
    let wall = Wall::parse_rfc3339(NIGHT).unwrap();
    Stamp { mono: Mono(ms * 1_000), wall: wall + Duration::from_millis(ms) }
}

/// Flames: they grow, waver and are never the same twice.
fn flames(ms: u64, x: f32, confidence: f32) -> Detection {
    let phase = ms as f32 / 1_000.0;
    let (a, b) = ((phase * 2.3).sin() * 0.013, (phase * 3.7).sin() * 0.017);
    let height = 0.12 + 0.002 * phase + a;
    let bbox = BoundingBox::new(x, 0.6 - height - b, x + 0.1 + b, 0.6 + a / 3.0);
    Detection { class: Class::Fire, confidence: confidence + a, bbox, appearance: None }
}

fn frame(camera: &str, ms: u64, detections: Vec<Detection>) -> LoggedInput {
    let mut detections = detections;
    detection_log::round(&mut detections);
    LoggedInput::Frame(FrameResult { camera: id(camera), at: at(ms), detections })
}

fn said(camera: &str, ms: u64, opened_ms: u64, state: IncidentState) -> LoggedInput {
    LoggedInput::Verdict(StoredVerdict {
        at: at(ms),
        incident: IncidentId::parse(&format!("{opened_ms}-{camera}")).unwrap(),
        khu_pho: id("kp3"),
        kind: Kind::Fire,
        state,
        on_scene: false,
        exercise: false,
        opened_at: at(opened_ms).wall,
        cameras: vec![id(camera)],
    })
}

/// Twenty seconds of flames from `from_ms` on, half a minute of nothing, and what people said.
fn episode(
    camera: &str,
    from_ms: u64,
    x: f32,
    confidence: f32,
    state: IncidentState,
) -> Vec<LoggedInput> {
    let burns = (0..80).map(|n| from_ms + n * 250);
    let mut records: Vec<LoggedInput> =
        burns.map(|ms| frame(camera, ms, vec![flames(ms - from_ms, x, confidence)])).collect();
    let quiet = (0..40).map(|n| from_ms + 20_000 + n * 1_000);
    records.extend(quiet.map(|ms| frame(camera, ms, Vec::new())));
    records.push(said(camera, from_ms + 60_000, from_ms + 2_000, state));
    records
}

/// A lamp of 0.52 and a fire of 0.85 on each camera.
fn small_ward() -> Vec<LoggedInput> {
    let of_camera = |n: u64| {
        let (name, from) = (format!("hem-{n}"), n * 300_000);
        let mut records = episode(&name, from, 0.1, 0.52, IncidentState::FalseAlarm);
        records.extend(episode(&name, from + 120_000, 0.7, 0.85, IncidentState::Resolved));
        records
    };
    (0..CAMERAS).flat_map(of_camera).collect()
}

/// Keeps the records as the daemon does.
fn keep(store: &Path, records: &[LoggedInput]) {
    let config = detection_log::Config {
        folder: Folder::of(store),
        retention: Duration::from_secs(30 * 86_400),
        bytes_max: 1 << 30,
    };
    let metrics = Metrics::new();
    let now = Stamp { mono: Mono(1), wall: SystemClock::new().now().wall };
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(now));
    // As many as wait at once, so that nothing is dropped.
    for part in records.chunks(8_000) {
        let (keeper, thread) =
            detection_log::spawn(config.clone(), &metrics, Arc::clone(&clock)).unwrap();
        part.iter().for_each(|record| keeper.append(record.clone()));
        drop(keeper);
        thread.join().unwrap();
    }
    assert_eq!(metrics.detections_dropped.get(), 0);
}

fn read(store: &Path) -> Vec<(DaemonRun, LoggedInput)> {
    let mut all = Vec::new();
    let span = Wall(i64::MIN)..Wall(i64::MAX);
    Folder::of(store).read(&span, |part| all.extend(part)).unwrap();
    all
}

fn site(records: &[LoggedInput]) -> Site {
    let site = Site::new();
    let camera = |n: u64| {
        let place = u16::try_from(n).unwrap();
        camera(place, &format!("hem-{n}"), "rtsp://192.0.2.1/a", "")
    };
    let cameras: Vec<String> = (0..CAMERAS).map(camera).collect();
    let text = ward(1, &cameras).replace("confirm_s = 1.0", "confirm_s = 2.0");
    site.configure(&text);
    keep(&site.path("var"), records);
    site
}

async fn tune(site: &Site, more: &[&str]) -> String {
    let before = std::fs::read(site.config()).unwrap();
    let output = site.run_configured(&[&["tune"], more].concat()).await;
    let (out, err) = (String::from_utf8(output.stdout), String::from_utf8(output.stderr));
    assert_eq!(output.status.code(), Some(0), "{}", err.unwrap());
    assert_eq!(std::fs::read(site.config()).unwrap(), before, "the file is the admin's");
    out.unwrap()
}

#[tokio::test]
async fn thresholds_between_lamps_and_fires_lose_the_lamps() {
    let site = site(&small_ward());
    let json = tune(&site, &["--set", "rule.fire.confidence_min=0.65", "--json"]).await;
    let found: Value = serde_json::from_str(&json).unwrap();
    let rows = found["alerts"].as_array().unwrap();
    assert_eq!(rows.len(), 6, "{found:#}");
    for row in rows {
        assert_eq!((&row["rule"], &row["kept"]), (&"fire".into(), &1.into()), "{row:#}");
        assert_eq!(row["gained"].as_array().unwrap().len(), 0, "{row:#}");
        let lost = row["lost"].as_array().unwrap();
        assert_eq!(lost.len(), 1, "{row:#}");
    }
    let fire = &found["verdicts"][0];
    assert_eq!(fire["before"]["false_told"], 6, "{fire:#}");
    assert_eq!((&fire["after"]["false_told"], &fire["false_spared"]), (&0.into(), &6.into()));
    assert_eq!((&fire["after"]["real_told"], &fire["after"]["real"]), (&6.into(), &6.into()));
    assert_eq!(fire["real_lost"].as_array().unwrap().len(), 0);
    // Too high for the fires as well, for one camera alone.
    let text = tune(&site, &["--set", "rule.fire.confidence_min=0.95", "--camera", "hem-2"]).await;
    assert!(text.contains("hem-2   fire          0       0     2\n"), "{text}");
    assert!(!text.contains("hem-1"), "{text}");
    assert!(text.contains("fire: of 1 real ones 1 were told, 0 would be: 1 lost"), "{text}");
    // Slower, all are told, and later by that.
    let text = tune(&site, &["--set", "rule.fire.confirm_s=6"]).await;
    assert!(text.contains("of 6 real ones 6 were told, 6 would be: 0 lost, 6 later"), "{text}");
    // Back again from a file that is stricter: they are gained.
    let strict = std::fs::read_to_string(site.config()).unwrap();
    site.configure(&strict.replace("confirm_s = 2.0", "confirm_s = 2.0\nconfidence_min = 0.65"));
    let text = tune(&site, &["--set", "rule.fire.confidence_min=0.45"]).await;
    assert!(text.contains("hem-0   fire          1       1     0\n"), "{text}");
}

#[tokio::test]
async fn advice_rests_on_enough_verdicts_and_can_be_pasted() {
    let site = site(&small_ward());
    let text = tune(&site, &[]).await;
    assert!(text.contains("smoke: 0 verdicts are too few for advice; it takes 10"), "{text}");
    assert!(text.contains("fire: precision 100 %") && text.contains("by 12 verdicts"), "{text}");
    assert!(text.contains("6 false alarms disappear, nothing real is lost"), "{text}");
    let pasted = text.split("[rule.fire]\n").nth(1).unwrap();
    let keys: toml::Table = pasted.lines().take(2).collect::<Vec<_>>().join("\n").parse().unwrap();
    let sets: Vec<String> = keys.iter().map(|(k, v)| format!("rule.fire.{k}={v}")).collect();
    let text = tune(&site, &["--set", &sets[0], "--set", &sets[1]]).await;
    assert!(text.contains("of 6 false alarms 6 were told, 0 would be: 6 disappear"), "{text}");
    // One camera has two.
    let text = tune(&site, &["--camera", "hem-2"]).await;
    assert!(text.contains("fire: 2 verdicts are too few for advice"), "{text}");
    // Nor is anything said about times of which nothing is kept.
    let none = site.run_configured(&["tune", "--since", "2027-01-01T00:00:00Z"]).await;
    assert_eq!(none.status.code(), Some(1));
}

#[tokio::test]
async fn what_can_not_be_tried_is_refused() {
    let site = site(&small_ward()[..10]);
    for (set, word) in [
        ("mqtt.listen=\"127.0.0.1:1\"", "only keys of [rule]"),
        ("rule.fire.confidence=0.5", "unknown key"),
        ("rule.fire.confidence_min=2", "out of range"),
        ("rule.fire.confidence_min", "KEY=VALUE"),
    ] {
        let output = site.run_configured(&["tune", "--set", set]).await;
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{set}: {err}");
        assert!(err.contains(word), "{set}: {err}");
    }
    let output = site.run_configured(&["tune", "--camera", "hem-99"]).await;
    assert_eq!(output.status.code(), Some(1));
    // Hours need no quotes.
    tune(&site, &["--set", "rule.loitering.night=21:00-05:00"]).await;
}

#[tokio::test]
async fn a_day_of_one_camera_takes_seconds() {
    let mut records = Vec::new();
    for second in 0..86_400u64 {
        if second % 7_200 == 3_600 {
            let from = second * 1_000;
            let x = 0.05 * (second / 7_200) as f32;
            let state = if second % 14_400 == 3_600 {
                IncidentState::FalseAlarm
            } else {
                IncidentState::Resolved
            };
            records.extend(episode("hem-0", from, x, 0.7, state));
        } else if second % 7_200 < 3_600 || second % 7_200 > 3_660 {
            let person = |x: f32| Detection {
                class: Class::Person,
                confidence: 0.3,
                bbox: BoundingBox::new(x, 0.3, x + 0.1, 0.7),
                appearance: None,
            };
            let seen =
                if second % 60 < 10 { vec![person(0.01 * (second % 10) as f32)] } else { vec![] };
            records.push(frame("hem-0", second * 1_000, seen));
        }
    }
    let site = site(&records);
    let bytes: u64 = std::fs::read_dir(Folder::of(&site.path("var")).path())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    let begun = tokio::time::Instant::now();
    let text = tune(&site, &["--set", "rule.fire.confidence_min=0.9"]).await;
    let once = begun.elapsed();
    let advice = tune(&site, &[]).await;
    let grid = begun.elapsed() - once;
    println!("{} frames in {bytes} bytes; --set {once:?}, grid {grid:?}", records.len());
    assert!(text.contains("hem-0   fire"), "{text}");
    assert!(advice.contains("by 12 verdicts"), "{advice}");
    assert!(once < Duration::from_secs(30), "{once:?}");
}

#[tokio::test]
async fn clips_can_be_tried_as_well() {
    let site = site(&small_ward()[..10]);
    // Its flames are painted and stand still, which takes patience.
    let config = std::fs::read_to_string(site.config()).unwrap();
    site.configure(&config.replace("confirm_s = 2.0", "confirm_s = 1.0"));
    gst::encode(&site.path("fire.mp4"), Codec::H264, &scene::fire(3, 12));
    let same = ["fire.mp4", "--camera", "hem-1", "--set", "rule.fire.confirm_s=1.2"];
    let text = tune(&site, &same).await;
    assert!(text.contains("hem-1   fire          1       0     0\n"), "{text}");
    let never = ["fire.mp4", "--camera", "hem-1", "--set", "rule.fire.enabled=false"];
    let text = tune(&site, &never).await;
    assert!(text.contains("hem-1   fire          0       0     1\n"), "{text}");
}

/// Cameras far apart.
fn watched(count: u64) -> Vec<Watched> {
    let text = ward(1, &[]);
    let around = keng::config::Surroundings {
        file: Path::new("keng.toml"),
        base_dir: Path::new("."),
        binary_dir: None,
        env: &|_| None,
        now: Wall(0),
    };
    let mut rules = keng::config::parse(&text, &around).unwrap().settings.rules;
    rules.camera.enabled = false;
    rules.loitering.dwell = Duration::from_secs(20);
    let one = |n: u64| Watched {
        site: Spot {
            id: id(&format!("hem-{n}")),
            khu_pho: id(&format!("kp{n}")),
            place: Location::default(),
            owner: None,
            neighbours: Vec::new(),
        },
        rules: rules.clone(),
    };
    (0..count).map(one).collect()
}

/// The live core: frames as they come, a tick each second, answers by the incident's id, and a
/// start anew where monotonic time falls.
fn live(cameras: &[Watched], records: &[LoggedInput]) -> Vec<Incident> {
    let zone = jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").unwrap();
    let mut told = Vec::new();
    let mut core = Core::new(zone, cameras.to_vec(), records[0].at());
    let mut ticked = records[0].at();
    for record in records {
        while ticked.mono + Duration::from_secs(1) <= record.at().mono {
            ticked = ticked + Duration::from_secs(1);
            told.extend(core.on_tick(ticked));
        }
        match record {
            LoggedInput::Frame(frame) => told.extend(core.on_frame(frame)),
            LoggedInput::Patrol(_) => {}
            LoggedInput::Verdict(verdict) => {
                let open: Vec<Incident> = core
                    .open()
                    .filter(|i| i.cameras.iter().any(|seen| verdict.cameras.contains(&seen.camera)))
                    .cloned()
                    .collect();
                for incident in open {
                    let action =
                        if verdict.truth() == Some(false) { "false_alarm" } else { "resolve" };
                    let answer = Answer::new(action, "Tổ 3", None).unwrap();
                    let command = Command::Answer(incident.id, answer);
                    told.extend(core.on_command(&incident.khu_pho, command, record.at()).unwrap());
                }
            }
        }
    }
    told
}

#[test]
fn a_replay_of_what_was_kept_tells_what_was_told() {
    let store = tempfile::tempdir().unwrap();
    let mut records = small_ward();
    for n in 0..400u64 {
        let x = 0.3 + 0.01 * (n as f32 * 0.7).sin();
        let person = Detection {
            class: Class::Person,
            confidence: 0.77,
            bbox: BoundingBox::new(x, 0.31, x + 0.08, 0.712_345),
            appearance: None,
        };
        records.push(frame("hem-1", CAMERAS * 300_000 + n * 333, vec![person]));
    }
    let cameras = watched(CAMERAS);
    let direct = live(&cameras, &records);
    let mut opened: Vec<(Kind, Wall)> =
        direct.iter().filter(|i| i.revision == 1).map(|i| (i.kind, i.updated_at)).collect();
    assert_eq!(opened.len(), 13, "six lamps, six fires, one who loiters: {opened:#?}");
    keep(store.path(), &records);
    let kept = read(store.path());
    let plain: Vec<LoggedInput> = kept.iter().map(|(_, record)| record.clone()).collect();
    assert_eq!(plain, records, "bit by bit");
    let zone = jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").unwrap();
    let mut lane = Lane::new(zone, cameras);
    // However it is cut into parts.
    kept.chunks(777).for_each(|part| lane.play(part));
    let mut replayed: Vec<(Kind, Wall)> =
        lane.finish().iter().map(|told| (told.kind, told.told_at)).collect();
    opened.sort_unstable();
    replayed.sort_unstable();
    assert_eq!(replayed, opened);
}

#[test]
fn a_start_anew_takes_open_incidents_along_and_a_patrol_keeps_quiet() {
    let zone = jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").unwrap();
    let burning = |from: u64, count: u64| -> Vec<LoggedInput> {
        let frames = (0..count).map(|n| from + n * 250);
        frames.map(|ms| frame("hem-0", ms, vec![flames(ms, 0.5, 0.8)])).collect()
    };
    // The second start's monotonic time begins anew; its wall time goes on.
    let mut again = burning(40_000, 60);
    for record in &mut again {
        if let LoggedInput::Frame(frame) = record {
            frame.at.mono = Mono(frame.at.mono.0 - 39_000_000);
        }
    }
    let mut lane = Lane::new(zone.clone(), watched(1));
    let of_run = |run, records: Vec<LoggedInput>| -> Vec<(DaemonRun, LoggedInput)> {
        records.into_iter().map(|record| (DaemonRun(run), record)).collect()
    };
    lane.play(&of_run(1, burning(0, 60)));
    lane.play(&of_run(2, again));
    assert_eq!(lane.finish().len(), 1, "one fire");

    for (patrolled, expected) in [(false, 1), (true, 0)] {
        let mut lane = Lane::new(zone.clone(), watched(1));
        if patrolled {
            let lasts = Duration::from_secs(600);
            let notice = PatrolNotice { at: at(0), khu_pho: id("kp0"), lasts, zone: None };
            lane.play(&[(DaemonRun(1), LoggedInput::Patrol(notice))]);
        }
        let stands = (0..90).map(|n| {
            let bbox = BoundingBox::new(0.4, 0.3, 0.48, 0.7);
            let person =
                Detection { class: Class::Person, confidence: 0.8, bbox, appearance: None };
            frame("hem-0", n * 500, vec![person])
        });
        lane.play(&of_run(1, stands.collect()));
        assert_eq!(lane.finish().len(), expected, "patrolled: {patrolled}");
    }
}
