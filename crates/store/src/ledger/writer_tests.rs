//! The keeper on a real outbox and a real folder, with a clock and cameras of the test's.

use std::sync::Mutex;

use super::*;
use crate::ledger::History;
use crate::outbox::Append;
use crate::time::ManualClock;

/// The availability that the cameras are set to.
#[derive(Default)]
struct Sampled(Mutex<Vec<CameraAvailability>>);

impl AvailabilitySource for Sampled {
    fn availability(&self) -> Vec<CameraAvailability> {
        self.0.lock().unwrap().clone()
    }
}

struct Bench {
    store: tempfile::TempDir,
    outbox: Outbox,
    cameras_now: Arc<Sampled>,
    clock: Arc<ManualClock>,
}

fn wall(text: &str) -> Wall {
    Wall::parse_rfc3339(text).unwrap()
}

impl Bench {
    fn new() -> Self {
        let store = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(store.path()).unwrap();
        let clock = Arc::new(ManualClock::default());
        clock.set(Stamp { mono: Mono(1), wall: wall("2026-11-21T10:00:00Z") });
        Self { store, outbox, cameras_now: Arc::default(), clock }
    }

    fn writer(&self) -> LedgerWriter {
        let (cameras_now, clock) = (Arc::clone(&self.cameras_now), Arc::clone(&self.clock));
        LedgerWriter::new(self.store.path(), self.outbox.clone(), cameras_now, clock)
    }

    fn book(&self) -> History {
        Folder::of(self.store.path()).read(Wall(0)).unwrap()
    }

    fn lines(&self) -> usize {
        let folder = self.store.path().join("ledger");
        let files = std::fs::read_dir(folder).unwrap();
        files.map(|f| std::fs::read_to_string(f.unwrap().path()).unwrap().lines().count()).sum()
    }

    /// The alert that the documents show, as another incident in another state.
    fn tell(&self, id: &str, revision: u32, state: &str) {
        let text = include_str!("../../../../docs/mqtt.md");
        let block = text.split("```json").nth(1).and_then(|rest| rest.split("```").next());
        let mut alert: serde_json::Value = serde_json::from_str(block.unwrap()).unwrap();
        alert["id"] = id.into();
        alert["revision"] = revision.into();
        alert["state"] = state.into();
        let append = Append {
            subject: format!("kp3/{id}"),
            live: state == "open",
            wall: self.clock.now().wall,
            snapshot: None,
        };
        self.outbox.append(append, |_| serde_json::to_vec(&alert).unwrap()).unwrap();
    }

    fn set(&self, camera: &str, health: Option<Availability>) {
        let id = Id::new(camera).unwrap();
        let mut cameras_now = self.cameras_now.0.lock().unwrap();
        cameras_now.retain(|availability| availability.id != id);
        let khu_pho = Id::new("kp3").unwrap();
        cameras_now.push(CameraAvailability { id, khu_pho, health, since: self.clock.now().wall });
    }
}

fn revisions(book: &History) -> Vec<(&str, u32)> {
    book.cases.iter().map(|case| (case.id.as_str(), case.revision)).collect()
}

#[test]
fn each_change_of_an_incident_is_one_line() {
    let bench = Bench::new();
    let mut writer = bench.writer();
    for (revision, state) in [(1, "open"), (2, "open"), (3, "open"), (4, "acknowledged")] {
        bench.tell("a", revision, state);
        assert!(!writer.step(false).unwrap());
    }
    // The head, the start, opened, taken charge of.
    assert_eq!(bench.lines(), 4);
    bench.tell("a", 5, "acknowledged");
    bench.tell("a", 6, "resolved");
    bench.tell("b", 1, "open");
    writer.step(false).unwrap();
    assert_eq!(bench.lines(), 6);
    assert_eq!(revisions(&bench.book()), [("a", 6), ("b", 1)]);
    assert_eq!(bench.outbox.cursor(CURSOR).unwrap(), Sequence(7));
}

#[test]
fn retention_waits_for_the_ledger_which_outlives_the_alerts() {
    let bench = Bench::new();
    let mut writer = bench.writer();
    bench.tell("a", 1, "resolved");
    bench.tell("b", 1, "resolved");
    writer.step(false).unwrap();
    bench.tell("c", 1, "resolved");
    bench.tell("d", 1, "resolved");
    assert_eq!(bench.outbox.prune(Wall(i64::MAX)).unwrap(), 2);
    writer.step(false).unwrap();
    assert_eq!(bench.outbox.prune(Wall(i64::MAX)).unwrap(), 1);
    assert_eq!(bench.book().cases.len(), 4);
}

#[test]
fn crash_between_line_and_cursor_repeats_the_line_only() {
    let bench = Bench::new();
    for n in 0..700 {
        bench.tell(&format!("i{n:03}"), 1, "open");
    }
    let mut writer = bench.writer();
    let batch = writer.batch(bench.clock.now(), false).unwrap();
    writer.file.append(bench.clock.now().wall, &batch.lines).unwrap();
    drop(writer);
    // Another daemon begins where the cursor stands: at the beginning.
    let mut writer = bench.writer();
    assert!(!writer.step(false).unwrap());
    let book = bench.book();
    assert_eq!((book.cases.len(), book.damaged, bench.lines()), (700, 0, 1 + 2 * 701));
    writer.step(true).unwrap();
    assert_eq!(bench.book().notes.last().map(|note| &note.what), Some(&UptimeEvent::Stopped));
}

#[test]
fn unwritable_folder_loses_nothing_once_writable() {
    let bench = Bench::new();
    let blocked = bench.store.path().join("ledger");
    std::fs::write(&blocked, "x").unwrap();
    let mut writer = bench.writer();
    bench.set("hem-42", Some(Availability::Up));
    bench.tell("a", 1, "open");
    assert!(matches!(writer.step(false), Err(Error::Write { .. })));
    assert!(!writer.try_step(false) && writer.complained);
    assert_eq!(bench.outbox.cursor(CURSOR).unwrap(), Sequence(0));
    std::fs::remove_file(&blocked).unwrap();
    bench.clock.advance(Duration::from_secs(3_600));
    writer.step(false).unwrap();
    let book = bench.book();
    assert_eq!(revisions(&book), [("a", 1)]);
    // It has begun when it could be written, not before.
    assert_eq!(
        book.notes[0],
        UptimeRecord { at: wall("2026-11-21T11:00:00Z"), what: UptimeEvent::Started }
    );
    assert_eq!(book.notes.len(), 2);
}

#[test]
fn cameras_are_written_on_change_and_at_the_start_of_a_file() {
    let bench = Bench::new();
    let mut writer = bench.writer();
    let mut pass = |minutes: u64| {
        bench.clock.advance(Duration::from_secs(60 * minutes));
        writer.step(false).unwrap();
        bench.book().notes
    };
    bench.set("a", Some(Availability::Up));
    bench.set("b", None);
    assert_eq!(pass(0).len(), 2, "b is not known yet");
    bench.clock.advance(Duration::from_secs(20));
    bench.set("a", Some(Availability::Frozen));
    let notes = pass(1);
    assert_eq!((notes.len(), notes[2].at), (3, wall("2026-11-21T10:00:20Z")));
    bench.set("b", Some(Availability::Offline));
    assert_eq!(pass(1).len(), 4);
    assert_eq!(pass(1).len(), 4, "nothing has changed");
    bench.set("a", None);
    let notes = pass(1);
    assert!(matches!(&notes[4].what, UptimeEvent::Camera { health: Availability::Offline, .. }));
    bench.cameras_now.0.lock().unwrap().remove(0);
    let notes = pass(1);
    assert!(
        matches!(&notes[5].what, UptimeEvent::Camera { id, health: Availability::Unwatched, .. }
        if id.as_str() == "b")
    );
    assert_eq!(notes[6].what, UptimeEvent::Alive);
    // Ten days on it is December.
    let notes = pass(60 * 24 * 10);
    let new: Vec<&UptimeEvent> = notes[7..].iter().map(|note| &note.what).collect();
    assert!(matches!(new[..], [UptimeEvent::Alive, UptimeEvent::Camera { .. }]), "{new:?}");
    let december = Folder::of(bench.store.path()).read(wall("2026-12-01T02:00:00Z")).unwrap();
    assert_eq!(december.notes.len(), 2);
    assert_eq!(december.begun, Some(wall("2026-11-21T10:00:00Z")));
}
