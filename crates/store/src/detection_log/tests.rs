//! Round trips, damage, retention.

use proptest::prelude::*;

use super::codec::{Encoder, HEADER, decode};
use super::*;
use crate::detection::Class;
use crate::metrics::Metrics;
use crate::time::{Clock, ManualClock, Mono};
use std::sync::Arc;

const WALL: i64 = 1_795_274_043_120_000;

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

fn at(us: u64) -> Stamp {
    Stamp { mono: Mono(us), wall: Wall(WALL) + Duration::from_micros(us) }
}

fn any_detection() -> impl Strategy<Value = Detection> {
    (0usize..3, 0f32..=1.0, 0f32..=1.0, 0f32..=1.0, 0f32..=1.0, 0f32..=1.0).prop_map(
        |(class, confidence, a, b, c, d)| Detection {
            class: Class::ALL[class],
            confidence,
            bbox: BoundingBox::new(a, b, c, d),
            appearance: None,
        },
    )
}

/// Stamps as they come: mostly a little later, now and then earlier; wall time may jump.
fn any_record() -> impl Strategy<Value = (i64, i64, LoggedInput)> {
    let frame = ("[a-e]", prop::collection::vec(any_detection(), 0..5)).prop_map(|(camera, d)| {
        LoggedInput::Frame(FrameResult { camera: id(&camera), at: at(0), detections: d })
    });
    let verdict = (1usize..6, any::<(bool, bool, i64)>(), prop::collection::vec("[a-e]", 0..4));
    let verdict = verdict.prop_map(|(state, (on_scene, exercise, opened), cameras)| {
        LoggedInput::Verdict(StoredVerdict {
            at: at(0),
            incident: IncidentId::parse("20261121t151403120z-hem-42").unwrap(),
            khu_pho: id("kp3"),
            kind: Kind::Smoke,
            state: IncidentState::ALL[state],
            on_scene,
            exercise,
            opened_at: Wall(opened),
            cameras: cameras.iter().map(|camera| id(camera)).collect(),
        })
    });
    let patrol = (0u64..100_000, prop::option::of("[a-zạ-ỹ ]{0,9}")).prop_map(|(ms, zone)| {
        let lasts = Duration::from_millis(ms);
        LoggedInput::Patrol(PatrolNotice { at: at(0), khu_pho: id("kp3"), lasts, zone })
    });
    let record = prop_oneof![8 => frame, 1 => verdict, 1 => patrol];
    let jump = prop_oneof![8 => Just(0i64), 1 => -3_600_000i64..3_600_000];
    (-200_000i64..2_000_000, jump.prop_map(|ms| ms * 1_000), record)
}

/// The records with their stamps set one after another, rounded as they are before the core.
fn in_order(drawn: Vec<(i64, i64, LoggedInput)>) -> Vec<LoggedInput> {
    let (mut now, mut ahead) = (at(10_000_000), 0);
    let mut records = Vec::new();
    for (step, jump, mut record) in drawn {
        ahead += jump;
        now.mono = Mono(now.mono.0.saturating_add_signed(step));
        now.wall = Wall(WALL + ahead + now.mono.0.cast_signed());
        match &mut record {
            LoggedInput::Frame(frame) => {
                frame.at = now;
                round(&mut frame.detections);
            }
            LoggedInput::Verdict(verdict) => verdict.at = now,
            LoggedInput::Patrol(patrol) => patrol.at = now,
        }
        records.push(record);
    }
    records
}

fn read(bytes: &[u8]) -> (Vec<LoggedInput>, Damage) {
    let mut records = Vec::new();
    let damage = decode(bytes, &mut |run, record| {
        assert_eq!(run, DaemonRun(7));
        records.push(record);
    });
    (records, damage)
}

/// A segment with so many records a block.
fn segment(records: &[LoggedInput], a_block: usize) -> Vec<u8> {
    let mut encoder = Encoder::default();
    let blocks = records.chunks(a_block).filter_map(|part| encoder.block(DaemonRun(7), part));
    let mut bytes = HEADER.to_vec();
    blocks.for_each(|block| bytes.extend(block));
    bytes
}

fn frames(count: u64) -> Vec<LoggedInput> {
    let frame = |n: u64| {
        let detections = match n % 3 {
            0 => vec![Detection {
                class: Class::Fire,
                confidence: 0.45,
                bbox: BoundingBox::new(0.1, 0.2, 0.3, 0.4),
                appearance: None,
            }],
            _ => Vec::new(),
        };
        let camera = id(["a", "b"][usize::try_from(n % 2).unwrap()]);
        LoggedInput::Frame(FrameResult { camera, at: at(n * 500_000), detections })
    };
    (0..count).map(frame).collect()
}

proptest! {
    #[test]
    fn records_round_trip(
        drawn in prop::collection::vec(any_record(), 1..200), a_block in 1usize..40,
    ) {
        let records = in_order(drawn);
        let (found, damage) = read(&segment(&records, a_block));
        prop_assert_eq!(damage, Damage::default());
        prop_assert_eq!(found, records);
    }

    #[test]
    fn rounding_is_idempotent(mut detections in prop::collection::vec(any_detection(), 0..80)) {
        round(&mut detections);
        let once = detections.clone();
        round(&mut detections);
        prop_assert_eq!(once, detections);
    }

    #[test]
    fn damage_in_the_middle_loses_only_its_blocks(
        place in any::<prop::sample::Index>(), bytes in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let (records, a_block) = (frames(200), 10);
        let mut segment = segment(&records, a_block);
        let from = HEADER.len() + place.index(segment.len() - HEADER.len());
        let until = (from + bytes.len()).min(segment.len());
        segment[from..until].copy_from_slice(&bytes[..until - from]);
        let (found, damage) = read(&segment);
        // Two blocks at the most, and frames of cameras that the damaged one named.
        prop_assert!(found.iter().all(|record| records.contains(record)), "nothing is made up");
        let lost = records.len() - found.len();
        prop_assert!(lost <= 2 * a_block + usize::try_from(damage.nameless).unwrap());
        prop_assert!(damage.nameless <= 160);
    }

    #[test]
    fn hostile_bytes_are_refused_without_a_panic(
        noise in prop::collection::vec(any::<u8>(), 0..300), headed: bool,
    ) {
        let mut bytes = if headed { HEADER.to_vec() } else { Vec::new() };
        bytes.extend(&noise);
        let (found, damage) = read(&bytes);
        prop_assert!(found.is_empty());
        prop_assert_eq!(damage.torn + damage.bytes > 0, !noise.is_empty());
    }

    #[test]
    fn inconsistent_block_is_refused_without_a_panic(
        drawn in prop::collection::vec(any_record(), 1..20),
        at in any::<prop::sample::Index>(), value: u8,
    ) {
        // The checksum is right; what it vouches for is not.
        let mut block = segment(&in_order(drawn), 20).split_off(HEADER.len());
        let end = block.len() - 8;
        block[8 + at.index(end - 8)] = value;
        let sum = sha2::Digest::finalize(sha2::Digest::chain_update(
            <sha2::Sha256 as sha2::Digest>::new(), &block[4..end],
        ));
        block[end..].copy_from_slice(&sum[..8]);
        decode(&block, &mut |_, record| drop(record));
    }
}

#[test]
fn a_segment_may_end_anywhere() {
    let records = frames(40);
    let whole = segment(&records, 8);
    let mut before = 0;
    for end in 0..=whole.len() {
        let (found, damage) = read(&whole[..end]);
        assert_eq!(found, records[..found.len()], "cut at {end}");
        assert!(found.len().is_multiple_of(8) && found.len() >= before, "cut at {end}");
        assert_eq!((damage.places, damage.bytes, damage.nameless), (0, 0, 0), "cut at {end}");
        before = found.len();
    }
    assert_eq!(before, 40);
}

#[test]
fn segment_of_another_version_is_kept_and_reported() {
    let mut bytes = segment(&frames(10), 5);
    bytes[HEADER.len() - 1] = 9;
    let (found, damage) = read(&bytes);
    assert_eq!((found.len(), damage.places, damage.bytes), (0, 1, bytes.len() as u64));
}

#[test]
fn threshold_decimals_lie_on_confidence_steps() {
    for hundredths in 0..=100u8 {
        let confidence = f32::from(hundredths) / 100.0;
        let bbox = BoundingBox::new(0.0, confidence, 1.0, confidence);
        let mut detections =
            vec![Detection { class: Class::Fire, confidence, bbox, appearance: None }];
        let before = detections.clone();
        round(&mut detections);
        assert_eq!(before, detections);
    }
}

#[test]
fn quiet_hour_takes_few_bytes() {
    // 50 cameras, a frame a second each, in blocks of five seconds.
    let ids: Vec<Id> = (0..50).map(|n| id(&format!("hem-{n}"))).collect();
    let frame = |n: u64| {
        let camera = ids[usize::try_from(n % 50).unwrap()].clone();
        LoggedInput::Frame(FrameResult {
            camera,
            at: at(n * 20_000 + n * 7_919 % 9_973),
            detections: vec![],
        })
    };
    let records: Vec<LoggedInput> = (0..50 * 600).map(frame).collect();
    let bytes = segment(&records, 250).len();
    let a_frame = f64::from(u32::try_from(bytes).unwrap()) / 30_000.0;
    assert!(a_frame < 5.0, "{a_frame} bytes a frame");
}

/// A keeper in a folder of its own, its clock, and its thread.
fn log(
    folder: &Folder,
    bytes_max: u64,
) -> (DetectionLogWriter, Metrics, std::thread::JoinHandle<()>) {
    let config =
        Config { folder: folder.clone(), retention: Duration::from_secs(86_400), bytes_max };
    let metrics = Metrics::new();
    let now = crate::clock::SystemClock::new().now().wall;
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Stamp { mono: Mono(1), wall: now }));
    let (log, thread) = spawn(config, &metrics, clock).unwrap();
    (log, metrics, thread)
}

fn kept(folder: &Folder) -> Vec<(DaemonRun, LoggedInput)> {
    let mut all = Vec::new();
    let damage = folder.read(&(Wall(i64::MIN)..Wall(i64::MAX)), |part| all.extend(part)).unwrap();
    assert_eq!(damage, Damage::default());
    all
}

#[test]
fn appended_records_are_on_disk_when_the_thread_ends() {
    let store = tempfile::tempdir().unwrap();
    let folder = Folder::of(store.path());
    let records = frames(8_000);
    for part in records.chunks(4_000) {
        let (log, metrics, thread) = log(&folder, 1 << 30);
        part.iter().for_each(|record| log.append(record.clone()));
        drop(log);
        thread.join().unwrap();
        assert_eq!(metrics.detections_dropped.get(), 0);
    }
    let (runs, found): (Vec<DaemonRun>, Vec<LoggedInput>) = kept(&folder).into_iter().unzip();
    assert_eq!(found, records);
    assert!(runs[0] <= runs[7_999] && runs[0] == runs[3_999]);
    // 4 000 frames are 2 000 s, so each start wrote one segment.
    assert_eq!(folder.segments().unwrap().len(), 2);
    let span = at(10_000_000).wall..at(20_000_000).wall;
    let mut some = Vec::new();
    folder.read(&span, |part| some.extend(part)).unwrap();
    assert_eq!(some.len(), 20);
}

#[test]
fn segments_are_pruned_by_age_and_by_size() {
    let store = tempfile::tempdir().unwrap();
    let folder = Folder::of(store.path());
    for _ in 0..5 {
        let (mut file, _) = folder.begin().unwrap();
        std::io::Write::write_all(&mut file, &[0; 1_000]).unwrap();
    }
    let numbers = |folder: &Folder| -> Vec<u64> {
        folder.segments().unwrap().iter().map(|segment| segment.number).collect()
    };
    let old = std::time::UNIX_EPOCH + Duration::from_secs(1_000);
    std::fs::File::options()
        .write(true)
        .open(&folder.segments().unwrap()[1].path)
        .and_then(|file| file.set_modified(old))
        .unwrap();
    assert_eq!(folder.prune(Wall(2_000_000_000), u64::MAX).unwrap(), 1);
    assert_eq!(numbers(&folder), [1, 3, 4, 5]);
    assert_eq!(folder.prune(Wall(0), 3_999).unwrap(), 1);
    assert_eq!(folder.prune(Wall(0), 3_000).unwrap(), 0);
    assert_eq!(numbers(&folder), [3, 4, 5]);
    // Off: nothing is kept, and what was goes.
    let (log, _, thread) = log(&folder, 0);
    log.append(frames(1).remove(0));
    thread.join().unwrap();
    assert_eq!(numbers(&folder), [0u64; 0]);
}

#[test]
fn failed_writes_are_counted_as_dropped() {
    let store = tempfile::tempdir().unwrap();
    // A file stands where the folder should be.
    let blocked = store.path().join("store");
    std::fs::write(&blocked, "x").unwrap();
    let folder = Folder::of(&blocked);
    let (log, metrics, thread) = log(&folder, 1 << 30);
    frames(20).into_iter().for_each(|record| log.append(record));
    drop(log);
    thread.join().unwrap();
    assert_eq!(metrics.detections_dropped.get(), 20);
}
