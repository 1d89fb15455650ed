//! The store's files, cut and torn wherever a write could have been cut: what was durable is there
//! with the same bytes, or its loss is named; never a panic, never other bytes, never a number
//! twice.
//!
//! Two worlds. In the first the disk keeps its word: what was synced stays, and only the write
//! that was under way is torn; nothing durable may be missing then. In the second it doesn't:
//! bytes that were synced are flipped, zeroed, cut. Then sled ends its log at the first message
//! that it can't read, which no layer above can mend; that must be told, and nothing else happen.

#![expect(clippy::unwrap_used, reason = "a test that can't go on shall say where")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use keng::outbox;
use keng::outbox::Append;
use keng::outbox::Error;
use keng::outbox::Outbox;
use keng::outbox::Sequence;
use keng::time::Wall;
use rand::RngExt as _;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use tempfile::TempDir;

const APPENDS: u64 = 36;
/// The daemon starts anew after as many: sled writes its index then.
const LIFE: u64 = 9;
const PAGE: usize = 4096;
const HURTS: usize = 90;

/// The files of a store, by their paths in it.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// In memory where there is such a place: syncing is not what is tried here.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

fn read(root: &Path) -> Files {
    let mut files = Files::new();
    for folder in ["outbox", "outbox/blobs", "snapshots"] {
        for file in fs::read_dir(root.join(folder)).unwrap() {
            let path = file.unwrap().path();
            if path.is_file() {
                let name = path.strip_prefix(root).unwrap().to_owned();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn write(files: &Files) -> TempDir {
    let root = folder();
    for folder in ["outbox/blobs", "snapshots"] {
        fs::create_dir_all(root.path().join(folder)).unwrap();
    }
    for (name, bytes) in files {
        fs::write(root.path().join(name), bytes).unwrap();
    }
    root
}

fn payload(at: Sequence) -> Vec<u8> {
    let bytes = if at.0 % 12 == 7 { 20_000 } else { 900 };
    let mut payload = format!("alert {} ", at.0).into_bytes();
    payload.resize(bytes, b'.');
    payload
}

fn append(outbox: &Outbox, number: u64) -> Sequence {
    let subject = format!("kp3/{}", number % 5);
    let snapshot = number.is_multiple_of(3).then(|| vec![7; 500]);
    let append = Append { subject, live: !number.is_multiple_of(4), wall: Wall(1), snapshot };
    outbox.append(append, payload).unwrap()
}

/// The files after each append; the last ones are `APPENDS` alerts with a cursor behind 20.
fn history() -> Vec<Files> {
    let root = folder();
    let mut states = Vec::new();
    let mut number = 0;
    while number < APPENDS {
        let outbox = Outbox::open(root.path()).unwrap();
        states.push(read(root.path()));
        for _ in 0..LIFE {
            number += 1;
            append(&outbox, number);
            if number == 20 {
                outbox.advance("mqtt", Sequence(20)).unwrap();
            }
            states.push(read(root.path()));
        }
    }
    states
}

/// Returns how many alerts were durable in a state: the mark is written behind each.
fn durable(files: &Files) -> u64 {
    let mark = files.get(Path::new("outbox/mark"));
    let place = mark.and_then(|mark| mark.get(..8)?.try_into().ok());
    place.map_or(0, u64::from_be_bytes)
}

/// Returns what a write from `old` to `new` leaves behind when it is cut in some way.
fn cut(old: &[u8], new: &[u8], way: u32, rng: &mut SmallRng) -> Vec<u8> {
    let changed: Vec<usize> = (0..new.len()).filter(|at| old.get(*at) != new.get(*at)).collect();
    if changed.is_empty() {
        return new.to_vec();
    }
    let pivot = changed[rng.random_range(0..changed.len())];
    let mut torn = new.to_vec();
    let was = |at: usize| old.get(at).copied().unwrap_or(0);
    match way {
        // The end is not there yet.
        0 => changed.iter().filter(|at| **at >= pivot).for_each(|at| torn[*at] = was(*at)),
        // The disk wrote the end first.
        1 => changed.iter().filter(|at| **at < pivot).for_each(|at| torn[*at] = was(*at)),
        // Some pages are there, some aren't.
        2 => {
            let whole: Vec<bool> = (0..=new.len() / PAGE).map(|_| rng.random()).collect();
            changed.iter().filter(|at| !whole[**at / PAGE]).for_each(|at| torn[*at] = was(*at));
        }
        // The file has not grown.
        _ => torn.truncate(old.len().max(pivot)),
    }
    torn
}

#[test]
fn a_write_that_was_cut_costs_nothing_that_was_durable() {
    let states = history();
    let mut rng = SmallRng::seed_from_u64(7);
    let mut tried = 0;
    for pair in states.windows(2) {
        let (old, new) = (&pair[0], &pair[1]);
        for way in 0..4 {
            // The log is torn; of the other files each is as it was, or as it becomes.
            let log = Path::new("outbox/db");
            let mut files = if rng.random() { old.clone() } else { new.clone() };
            files.insert(log.to_owned(), cut(&old[log], &new[log], way, &mut rng));
            files.insert("outbox/mark".into(), old[Path::new("outbox/mark")].clone());
            // What sled syncs before it drops the older one is there.
            for (name, bytes) in new.iter().filter(|(name, _)| is_index(name)) {
                files.insert(name.clone(), bytes.clone());
            }
            let root = write(&files);
            let outbox = Outbox::open(root.path()).unwrap_or_else(|error| {
                panic!("{way} behind {}: {error}", durable(old));
            });
            let entries = outbox.read_after(Sequence(0), usize::MAX).unwrap();
            let known: Vec<u64> = entries.iter().map(|entry| entry.sequence.0).collect();
            let least = durable(old);
            assert!(known.len() as u64 >= least, "{way}: {known:?}, durable were {least}");
            assert!(known.iter().copied().eq(1..=known.len() as u64), "{way}: {known:?}");
            for entry in &entries {
                assert!(*entry.payload == *payload(entry.sequence), "{way}: other bytes");
            }
            assert_eq!(append(&outbox, 99).0, known.len() as u64 + 1);
            tried += 1;
        }
    }
    println!("{tried} cut writes: nothing durable was lost");
}

fn is_index(name: &Path) -> bool {
    name.to_string_lossy().starts_with("outbox/snap.")
}

/// A disk that breaks its word, at a place chosen by chance.
fn hurt(files: &mut Files, rng: &mut SmallRng) -> String {
    let names: Vec<PathBuf> =
        files.keys().filter(|name| !name.ends_with("mark")).cloned().collect();
    // Mostly the log.
    let log = PathBuf::from("outbox/db");
    let name = if rng.random_range(0..3) > 0 {
        log
    } else {
        names[rng.random_range(0..names.len())].clone()
    };
    let bytes = files.get_mut(&name).unwrap();
    let at = rng.random_range(0..bytes.len().max(1));
    let way = match rng.random_range(0..5) {
        0 => {
            bytes[at] ^= 1 << rng.random_range(0..8);
            "a bit flipped"
        }
        1 => {
            let end = (at + PAGE).min(bytes.len());
            bytes[at..end].fill(0);
            "a page zeroed"
        }
        2 => {
            bytes.truncate(at);
            "cut short"
        }
        3 => {
            bytes[at..].fill(0);
            "the tail zeroed"
        }
        _ => {
            let end = (at + PAGE).min(bytes.len());
            rng.fill(&mut bytes[at..end]);
            "a page of rubbish"
        }
    };
    format!("{} at {at}: {way}", name.display())
}

#[test]
fn a_disk_that_breaks_its_word_is_told_and_nothing_else_happens() {
    let whole = history().pop().unwrap();
    let mut rng = SmallRng::seed_from_u64(11);
    let mut counts = [0; 3];
    for _ in 0..HURTS {
        let mut files = whole.clone();
        let what = hurt(&mut files, &mut rng);
        let root = write(&files);
        let verdict = outbox::verify(root.path(), false).unwrap();
        drop(root);

        let root = write(&files);
        let outbox = match Outbox::open(root.path()) {
            Ok(outbox) => outbox,
            Err(Error::Damaged { .. }) => {
                counts[2] += 1;
                assert!(!verdict.faults.is_empty(), "{what}");
                assert!(!outbox::verify(root.path(), true).unwrap().faults.is_empty());
                Outbox::open(root.path()).unwrap_or_else(|error| panic!("{what}: {error}"))
            }
            Err(error) => panic!("{what}: {error:?}"),
        };
        // Nothing that a reader was told is ever another alert.
        let next = append(&outbox, 99);
        assert!(next.0 > APPENDS, "{what}: {next:?} is given twice");
        let read = outbox.read_after(Sequence(0), usize::MAX);
        let entries = match read {
            Ok(entries) => entries,
            Err(Error::Damaged { .. }) => Vec::new(),
            Err(error) => panic!("{what}: {error:?}"),
        };
        let mut there = 0;
        for entry in entries.iter().filter(|entry| entry.sequence.0 <= APPENDS) {
            assert!(
                entry.payload.is_empty() || *entry.payload == *payload(entry.sequence),
                "{what}: {:?} has other bytes",
                entry.sequence
            );
            there += u64::from(!entry.payload.is_empty());
        }
        if there < APPENDS {
            counts[1] += 1;
            assert!(!verdict.faults.is_empty(), "{what}: {there} of {APPENDS}, and no word of it");
        } else {
            counts[0] += 1;
        }
    }
    let [harmless, told, unreadable] = counts;
    println!("{HURTS} hurts: {harmless} cost no alert, {told} did, {unreadable} of them all");
}

#[test]
fn what_a_repair_has_mended_is_whole() {
    let states = history();
    let root = write(states.last().unwrap());
    assert_eq!(outbox::verify(root.path(), false).unwrap().faults, []);
    // A snapshot too many, one too few, and the log without its end.
    fs::write(root.path().join("snapshots/1.jpg"), b"nobody's").unwrap();
    fs::remove_file(root.path().join("snapshots/3.jpg")).unwrap();
    fs::write(root.path().join("outbox/db"), &states[15][Path::new("outbox/db")]).unwrap();
    let found = outbox::verify(root.path(), false).unwrap();
    let words: Vec<String> = found.faults.iter().map(ToString::to_string).collect();
    for expected in ["alerts are lost", "missing, their alerts are there: 3", "no alert: 1"] {
        assert!(words.iter().any(|word| word.contains(expected)), "{expected}: {words:?}");
    }
    assert_eq!(outbox::verify(root.path(), true).unwrap().faults, found.faults);
    let mended = outbox::verify(root.path(), false).unwrap();
    assert_eq!(mended.faults, []);
    assert_eq!((mended.last, mended.entries + mended.lost_before), (Sequence(APPENDS), APPENDS));
    let outbox = Outbox::open(root.path()).unwrap();
    assert_eq!(append(&outbox, 99), Sequence(APPENDS + 1));
    assert!(matches!(outbox::verify(root.path(), false), Err(Error::Locked { .. })));
}

#[test]
fn an_outbox_that_is_not_there_is_not_made() {
    let root = folder();
    assert!(matches!(outbox::verify(root.path(), true), Err(Error::Absent { .. })));
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}
