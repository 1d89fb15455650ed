//! The keeper on a real outbox and a real folder, with a clock and cameras of the test's.

use std::sync::Mutex;

use super::*;
use crate::ledger::Book;
use crate::outbox::Append;
use crate::time::ManualClock;

/// What the cameras are set to.
#[derive(Default)]
struct Board(Mutex<Vec<Seen>>);

impl Cameras for Board {
    fn seen(&self) -> Vec<Seen> {
        self.0.lock().unwrap().clone()
    }
}

struct Desk {
    store: tempfile::TempDir,
    outbox: Outbox,
    board: Arc<Board>,
    clock: Arc<ManualClock>,
}

fn wall(text: &str) -> Wall {
    Wall::parse_rfc3339(text).unwrap()
}

impl Desk {
    fn new() -> Self {
        let store = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(store.path()).unwrap();
        let clock = Arc::new(ManualClock::default());
        clock.set(Stamp { mono: Mono(1), wall: wall("2026-11-21T10:00:00Z") });
        Self { store, outbox, board: Arc::default(), clock }
    }

    fn keeper(&self) -> Keeper {
        let (board, clock) = (Arc::clone(&self.board), Arc::clone(&self.clock));
        Keeper::new(self.store.path(), self.outbox.clone(), board, clock)
    }

    fn book(&self) -> Book {
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

    fn set(&self, camera: &str, health: Option<Health>) {
        let id = Id::new(camera).unwrap();
        let mut board = self.board.0.lock().unwrap();
        board.retain(|seen| seen.id != id);
        let khu_pho = Id::new("kp3").unwrap();
        board.push(Seen { id, khu_pho, health, since: self.clock.now().wall });
    }
}

fn revisions(book: &Book) -> Vec<(&str, u32)> {
    book.cases.iter().map(|case| (case.id.as_str(), case.revision)).collect()
}

#[test]
fn an_incident_is_one_line_for_each_thing_that_happens_to_it() {
    let desk = Desk::new();
    let mut keeper = desk.keeper();
    for (revision, state) in [(1, "open"), (2, "open"), (3, "open"), (4, "acknowledged")] {
        desk.tell("a", revision, state);
        assert!(!keeper.step(false).unwrap());
    }
    // The head, the start, opened, taken charge of.
    assert_eq!(desk.lines(), 4);
    desk.tell("a", 5, "acknowledged");
    desk.tell("a", 6, "resolved");
    desk.tell("b", 1, "open");
    keeper.step(false).unwrap();
    assert_eq!(desk.lines(), 6);
    assert_eq!(revisions(&desk.book()), [("a", 6), ("b", 1)]);
    assert_eq!(desk.outbox.cursor(CURSOR).unwrap(), Sequence(7));
}

#[test]
fn retention_waits_for_the_ledger_and_what_it_has_outlives_the_alerts() {
    let desk = Desk::new();
    let mut keeper = desk.keeper();
    desk.tell("a", 1, "resolved");
    desk.tell("b", 1, "resolved");
    keeper.step(false).unwrap();
    desk.tell("c", 1, "resolved");
    desk.tell("d", 1, "resolved");
    assert_eq!(desk.outbox.prune(Wall(i64::MAX)).unwrap(), 2);
    keeper.step(false).unwrap();
    assert_eq!(desk.outbox.prune(Wall(i64::MAX)).unwrap(), 1);
    assert_eq!(desk.book().cases.len(), 4);
}

#[test]
fn a_crash_between_line_and_cursor_costs_a_line_twice_and_nothing_else() {
    let desk = Desk::new();
    for n in 0..700 {
        desk.tell(&format!("i{n:03}"), 1, "open");
    }
    let mut keeper = desk.keeper();
    let page = keeper.page(desk.clock.now(), false).unwrap();
    keeper.pen.append(desk.clock.now().wall, &page.lines).unwrap();
    drop(keeper);
    // Another daemon begins where the cursor stands: at the beginning.
    let mut keeper = desk.keeper();
    assert!(!keeper.step(false).unwrap());
    let book = desk.book();
    assert_eq!((book.cases.len(), book.damaged, desk.lines()), (700, 0, 1 + 2 * 701));
    keeper.step(true).unwrap();
    assert_eq!(desk.book().notes.last().map(|note| &note.what), Some(&Noted::Stopped));
}

#[test]
fn a_folder_that_can_not_be_written_costs_nothing_once_it_can() {
    let desk = Desk::new();
    let blocked = desk.store.path().join("ledger");
    std::fs::write(&blocked, "x").unwrap();
    let mut keeper = desk.keeper();
    desk.set("hem-42", Some(Health::Up));
    desk.tell("a", 1, "open");
    assert!(matches!(keeper.step(false), Err(Error::Write { .. })));
    assert!(!keeper.try_step(false) && keeper.complained);
    assert_eq!(desk.outbox.cursor(CURSOR).unwrap(), Sequence(0));
    std::fs::remove_file(&blocked).unwrap();
    desk.clock.advance(Duration::from_secs(3_600));
    keeper.step(false).unwrap();
    let book = desk.book();
    assert_eq!(revisions(&book), [("a", 1)]);
    // It has begun when it could be written, not before.
    assert_eq!(book.notes[0], Note { at: wall("2026-11-21T11:00:00Z"), what: Noted::Started });
    assert_eq!(book.notes.len(), 2);
}

#[test]
fn cameras_are_noted_when_they_change_and_anew_in_a_new_file() {
    let desk = Desk::new();
    let mut keeper = desk.keeper();
    let mut pass = |minutes: u64| {
        desk.clock.advance(Duration::from_secs(60 * minutes));
        keeper.step(false).unwrap();
        desk.book().notes
    };
    desk.set("a", Some(Health::Up));
    desk.set("b", None);
    assert_eq!(pass(0).len(), 2, "b is not known yet");
    desk.clock.advance(Duration::from_secs(20));
    desk.set("a", Some(Health::Frozen));
    let notes = pass(1);
    assert_eq!((notes.len(), notes[2].at), (3, wall("2026-11-21T10:00:20Z")));
    desk.set("b", Some(Health::Offline));
    assert_eq!(pass(1).len(), 4);
    assert_eq!(pass(1).len(), 4, "nothing has changed");
    desk.set("a", None);
    let notes = pass(1);
    assert!(matches!(&notes[4].what, Noted::Camera { health: Health::Offline, .. }));
    desk.board.0.lock().unwrap().remove(0);
    let notes = pass(1);
    assert!(matches!(&notes[5].what, Noted::Camera { id, health: Health::Unwatched, .. }
        if id.as_str() == "b"));
    assert_eq!(notes[6].what, Noted::Alive);
    // Ten days on it is December.
    let notes = pass(60 * 24 * 10);
    let new: Vec<&Noted> = notes[7..].iter().map(|note| &note.what).collect();
    assert!(matches!(new[..], [Noted::Alive, Noted::Camera { .. }]), "{new:?}");
    let december = Folder::of(desk.store.path()).read(wall("2026-12-01T02:00:00Z")).unwrap();
    assert_eq!(december.notes.len(), 2);
    assert_eq!(december.begun, Some(wall("2026-11-21T10:00:00Z")));
}
