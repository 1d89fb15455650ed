//! The log against a real folder: what it keeps, what it finds, what it mends.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::folder::Folder;
use super::writer::Writer;
use super::*;
use crate::metrics::Metrics;
use crate::time::{ManualClock, Stamp, Wall};

fn record(number: u64) -> AuditRecord {
    let who = Actor::new(ActorKind::Team, "Tổ \"3\"\n");
    AuditRecord::new(who, Via::Mqtt, "acknowledge", &format!("kp3/i-{number}")).detail("đã nhận")
}

fn write(writer: &mut Writer, numbers: std::ops::RangeInclusive<u64>) -> ChainHead {
    let records: Vec<_> = numbers.map(|number| (record(number), Wall(1_000_000))).collect();
    writer.append(&records, Wall(2_000_000)).unwrap()
}

/// Three segments of five, three and one records.
fn filled(store: &Path) -> ChainHead {
    let mut writer = Writer::new(store).with_segments_of(1_500);
    write(&mut writer, 1..=5);
    write(&mut writer, 6..=8);
    write(&mut writer, 9..=9);
    let mut writer = writer.with_segments_of(1);
    let head = write(&mut writer, 10..=10);
    assert_eq!(Folder::of(store).segments().unwrap().len(), 3);
    head
}

fn segment(store: &Path, number: u64) -> PathBuf {
    Folder::of(store).segment(number)
}

fn edit(path: &Path, change: impl FnOnce(String) -> String) {
    fs::write(path, change(fs::read_to_string(path).unwrap())).unwrap();
}

#[test]
fn chain_continues_over_segments_and_restarts() {
    let store = tempfile::tempdir().unwrap();
    assert_eq!(
        verify(store.path(), None).unwrap().head,
        ChainHead::default(),
        "an empty one holds"
    );
    let head = filled(store.path());
    let summary = verify(store.path(), Some(&head)).unwrap();
    assert_eq!((summary.first, summary.head.number, summary.segments), (1, 10, 3));
    let mut again = Writer::new(store.path());
    let head = write(&mut again, 11..=12);
    assert_eq!(verify(store.path(), None).unwrap().head, head);
    let newest = last(store.path(), 4).unwrap();
    assert_eq!(newest.iter().map(|w| w.number).collect::<Vec<_>>(), [9, 10, 11, 12]);
    assert_eq!((newest[3].who.name.as_str(), newest[3].detail.as_str()), ("Tổ \"3\"\n", "đã nhận"));
    assert_eq!(newest[3].at, "1970-01-01T00:00:01.000Z");
    for (path, mode) in [(segment(store.path(), 1), 0o600), (store.path().join("audit"), 0o700)] {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{path:?}");
    }
}

#[test]
fn verify_finds_changed_removed_inserted_and_moved_records() {
    type Change = fn(String) -> String;
    let changes: [(&str, Change, &str); 7] = [
        ("a word", |text| text.replacen("kp3/i-2", "kp3/i-9", 1), "was changed"),
        (
            "a digit of a hash",
            |text| text.replacen("\"hash\":\"", "\"hash\":\"0", 1),
            "was changed",
        ),
        ("a line taken out", |text| lines_of(&text, &[0, 2, 3, 4]), "record 2 should"),
        ("two lines moved", |text| lines_of(&text, &[0, 2, 1, 3, 4]), "record 2 should"),
        ("a line put in twice", |text| lines_of(&text, &[0, 1, 1, 2, 3, 4]), "record 3 should"),
        ("no line at the beginning", |text| format!("{{}}\n{text}"), "is no record"),
        ("the end of a segment", |text| lines_of(&text, &[0, 1, 2, 3]), "record 5 should"),
    ];
    for (what, change, expected) in changes {
        let store = tempfile::tempdir().unwrap();
        filled(store.path());
        edit(&segment(store.path(), 1), change);
        let error = verify(store.path(), None).unwrap_err().to_string();
        assert!(error.contains(expected), "{what}: {error}");
    }
}

fn lines_of(text: &str, wanted: &[usize]) -> String {
    let lines: Vec<&str> = text.lines().collect();
    wanted.iter().map(|index| format!("{}\n", lines[*index])).collect()
}

#[test]
fn a_rewritten_record_with_a_hash_of_its_own_does_not_fit_the_next() {
    let store = tempfile::tempdir().unwrap();
    filled(store.path());
    let forged = {
        let text = fs::read_to_string(segment(store.path(), 1)).unwrap();
        let first = chain::read(text.lines().next().unwrap().as_bytes()).unwrap();
        let mut head = ChainHead { number: 1, hash: first.hash };
        chain::write(&record(99), Wall(1_000_000), &mut head)
    };
    edit(&segment(store.path(), 1), |text| {
        text.lines()
            .enumerate()
            .map(|(index, line)| if index == 1 { forged.clone() } else { format!("{line}\n") })
            .collect()
    });
    let error = verify(store.path(), None).unwrap_err().to_string();
    assert!(error.contains("line 3 (record 3): does not follow from record 2"), "{error}");
}

#[test]
fn kept_head_reveals_a_cut_end_and_a_rewritten_log() {
    let store = tempfile::tempdir().unwrap();
    let head = filled(store.path());
    fs::remove_file(segment(store.path(), 3)).unwrap();
    assert_eq!(verify(store.path(), None).unwrap().head.number, 9, "the end may be cut off");
    let error = verify(store.path(), Some(&head)).unwrap_err().to_string();
    assert!(error.contains("the log ends with record 9"), "{error}");
    fs::remove_dir_all(store.path().join("audit")).unwrap();
    write(&mut Writer::new(store.path()), 11..=30);
    let error = verify(store.path(), Some(&head)).unwrap_err().to_string();
    assert!(error.contains("record 10 has the hash"), "{error}");
}

#[test]
fn log_verifies_after_old_segments_are_deleted() {
    let store = tempfile::tempdir().unwrap();
    let head = filled(store.path());
    fs::remove_file(segment(store.path(), 1)).unwrap();
    let summary = verify(store.path(), Some(&head)).unwrap();
    assert!(summary.first > 1 && summary.head == head, "{summary:?}");
}

#[test]
fn torn_line_is_cut_off_and_recorded() {
    let store = tempfile::tempdir().unwrap();
    write(&mut Writer::new(store.path()), 1..=2);
    let path = segment(store.path(), 1);
    let text = fs::read(&path).unwrap();
    let first = text.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for cut in (0..text.len()).step_by(3) {
        fs::write(&path, &text[..cut]).unwrap();
        let torn = if cut < first { cut } else { cut - first };
        assert_eq!(verify(store.path(), None).unwrap_or_else(|e| panic!("{cut}: {e}")).torn, torn);
        let head = write(&mut Writer::new(store.path()), 3..=3);
        let summary = verify(store.path(), None).unwrap_or_else(|e| panic!("{cut}: {e}"));
        assert_eq!((summary.torn, &summary.head), (0, &head), "{cut}");
        let told = last(store.path(), 2).unwrap();
        let repaired = told[0].action == "audit_repaired";
        assert_eq!(repaired, torn > 0, "{cut}: {told:?}");
    }
}

#[test]
fn damaged_end_is_kept_and_the_log_continues_behind_it() {
    let store = tempfile::tempdir().unwrap();
    write(&mut Writer::new(store.path()), 1..=3);
    edit(&segment(store.path(), 1), |text| text.replacen("i-3", "i-4", 1));
    let head = write(&mut Writer::new(store.path()), 4..=4);
    assert_eq!(head.number, 4, "the third is not known any more");
    let error = verify(store.path(), None).unwrap_err().to_string();
    assert!(error.contains("0000000001.jsonl, line 3: was changed"), "{error}");
    assert_eq!(last(store.path(), 2).unwrap()[0].action, "audit_damaged");
    let again = write(&mut Writer::new(store.path()), 5..=5);
    assert_eq!((again.number, Folder::of(store.path()).segments().unwrap().len()), (5, 2));
}

#[test]
fn two_processes_write_one_chain() {
    let store = tempfile::tempdir().unwrap();
    let mut one = Writer::new(store.path()).with_segments_of(2_000);
    let mut two = Writer::new(store.path()).with_segments_of(2_000);
    for turn in 0..20 {
        write(&mut one, turn..=turn);
        write(&mut two, turn..=turn);
    }
    let summary = verify(store.path(), None).unwrap();
    assert_eq!(summary.head.number, 40);
    assert!(summary.segments > 2, "{summary:?}");
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Stamp { wall: Wall(1_795_000_000_000_000), ..Stamp::default() }))
}

#[tokio::test]
async fn handle_numbers_records_flushes_and_reports_its_head() {
    let store = tempfile::tempdir().unwrap();
    let log = AuditLog::open(store.path(), clock(), &Metrics::new()).unwrap();
    assert_eq!(log.head(), ChainHead::default());
    log.note(record(1));
    assert_eq!(log.clone().record(record(2)).await.unwrap(), 2);
    log.note(record(3));
    log.flush().await;
    assert_eq!(verify(store.path(), Some(&log.head())).unwrap().head.number, 3);
    let cli = record_once(store.path(), &*clock(), record(4)).unwrap();
    assert_eq!((cli, log.record(record(5)).await.unwrap()), (4, 5), "beside the daemon");
}

#[tokio::test]
async fn lost_records_are_counted_and_recorded_when_the_disk_recovers() {
    let store = tempfile::tempdir().unwrap();
    let metrics = Metrics::new();
    let log = AuditLog::open(store.path(), clock(), &metrics).unwrap();
    log.record(record(1)).await.unwrap();
    let (path, aside) = (store.path().join("audit"), store.path().join("aside"));
    fs::rename(&path, &aside).unwrap();
    fs::write(&path, "in the way").unwrap();
    log.note(record(2));
    assert!(log.record(record(3)).await.is_err());
    assert_eq!(metrics.audit_lost.get(), 2);
    fs::remove_file(&path).unwrap();
    fs::rename(&aside, &path).unwrap();
    assert_eq!(log.record(record(4)).await.unwrap(), 3);
    let told = last(store.path(), 2).unwrap();
    let gap = (told[0].action.as_str(), told[0].detail.as_str());
    assert_eq!(gap, ("audit_gap", "2 records before could not be written"));
    assert_eq!(verify(store.path(), None).unwrap().head.number, 3);
}

#[test]
fn long_texts_are_cut() {
    let record = record(1).detail(&"á".repeat(100_000));
    let line = chain::write(&record, Wall(0), &mut ChainHead::default());
    assert!(line.len() < chain::LINE_BYTES_MAX / 4, "{}", line.len());
    let controls = AuditRecord::new(
        Actor::new(ActorKind::Mqtt, &"\u{1}".repeat(1_000)),
        Via::Mqtt,
        "report",
        &"\u{1}".repeat(1_000),
    );
    let line =
        chain::write(&controls.detail(&"\u{1}".repeat(9_999)), Wall(0), &mut ChainHead::default());
    assert!(line.len() < chain::LINE_BYTES_MAX, "{}", line.len());
}
