use super::*;

fn incident(subject: &str, live: bool, wall: i64) -> Append {
    Append { subject: subject.into(), live, wall: Wall(wall), snapshot: None }
}

fn add(outbox: &Outbox, append: Append) -> Sequence {
    outbox.append(append, |at| format!("alert {}", at.0).into_bytes()).unwrap()
}

fn places(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.sequence.0).collect()
}

#[test]
fn numbering_continues_without_a_gap_after_reopen() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let outbox = Outbox::open(folder.path()).unwrap();
        assert_eq!(outbox.last(), Sequence(round * 4));
        for _ in 0..2 {
            add(&outbox, incident("kp3/a", true, 1));
        }
        let two =
            vec![(incident("kp3/b", true, 1), |at: Sequence| at.0.to_string().into_bytes()); 2];
        assert_eq!(outbox.append_many(two).unwrap(), Sequence(round * 4 + 4));
    }
    let outbox = Outbox::open(folder.path()).unwrap();
    let all = outbox.read_after(Sequence(0), 100).unwrap();
    assert_eq!(places(&all), (1..=12).collect::<Vec<_>>());
    assert_eq!(&*all[4].payload, b"alert 5");
    assert_eq!(places(&outbox.read_after(Sequence(3), 2).unwrap()), [4, 5]);
    assert_eq!(places(&outbox.newest(3).unwrap()), [12, 11, 10]);
    assert_eq!(outbox.get(Sequence(13)).unwrap(), None);
}

#[test]
fn files_are_private_to_the_user() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("var");
    let _outbox = Outbox::open(&store).unwrap();
    for path in [store.clone(), store.join("outbox"), store.join("snapshots")] {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{}", path.display());
    }
}

#[test]
fn live_subjects_are_known_by_their_newest_entry() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(folder.path()).unwrap();
    for (subject, live) in [("a", true), ("b", true), ("a", true), ("b", false)] {
        add(&outbox, incident(subject, live, 1));
    }
    assert_eq!(places(&outbox.live().unwrap()), [3]);
    assert_eq!(outbox.latest_of("b").unwrap().unwrap().sequence, Sequence(4));
    assert_eq!(outbox.latest_of("c").unwrap(), None);
}

#[test]
fn second_daemon_gets_a_locked_error() {
    let folder = tempfile::tempdir().unwrap();
    let _first = Outbox::open(folder.path()).unwrap();
    assert!(matches!(Outbox::open(folder.path()), Err(Error::Locked { .. })));
}

#[test]
fn pruning_keeps_what_somebody_still_needs() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(folder.path()).unwrap();
    add(&outbox, incident("live", true, 1));
    for wall in [1, 2, 9, 1, 1, 1] {
        add(&outbox, incident("done", false, wall));
    }
    outbox.advance("mqtt", Sequence(5)).unwrap();
    assert_eq!(outbox.prune(Wall(5)).unwrap(), 3);
    assert_eq!(places(&outbox.read_after(Sequence(0), 9).unwrap()), [1, 4, 6, 7]);
    outbox.advance("mqtt", Sequence(7)).unwrap();
    assert_eq!(outbox.prune(Wall(99)).unwrap(), 2);
    assert_eq!(places(&outbox.read_after(Sequence(0), 9).unwrap()), [1, 7]);
    assert_eq!(add(&outbox, incident("done", false, 1)), Sequence(8));
}

#[test]
fn a_cursor_never_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(folder.path()).unwrap();
    outbox.advance("mqtt", Sequence(5)).unwrap();
    outbox.advance("mqtt", Sequence(3)).unwrap();
    assert_eq!(outbox.cursor("mqtt").unwrap(), Sequence(5));
    assert_eq!(outbox.cursor("feed").unwrap(), Sequence(0));
}

#[test]
fn failed_snapshot_does_not_stop_its_alert() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(folder.path()).unwrap();
    let with_snapshot = Append { snapshot: Some(vec![7; 9]), ..incident("a", true, 1) };
    let first = add(&outbox, with_snapshot.clone());
    assert_eq!(outbox.snapshot(first).unwrap(), Some(vec![7; 9]));
    std::fs::remove_dir_all(folder.path().join("snapshots")).unwrap();
    let second = add(&outbox, with_snapshot);
    assert!(!outbox.get(second).unwrap().unwrap().snapshot);
    assert_eq!(outbox.snapshot(second).unwrap(), None);
}

#[test]
fn large_entries_are_kept_as_well() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let outbox = Outbox::open(folder.path()).unwrap();
        outbox.append(incident("a", true, 1), |_| vec![7; 300_000]).unwrap();
    }
    let outbox = Outbox::open(folder.path()).unwrap();
    let all = outbox.read_after(Sequence(0), 9).unwrap();
    assert!(all.len() == 3 && all.iter().all(|entry| entry.payload.len() == 300_000));
}

#[test]
fn torn_tail_loses_only_torn_entries() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(folder.path()).unwrap();
    let log = folder.path().join("outbox/db");
    for _ in 0..20 {
        add(&outbox, incident("a", true, 1));
    }
    let whole = std::fs::read(&log).unwrap();
    add(&outbox, incident("a", true, 1));
    drop(outbox);
    // What the last append has changed, half of it lost.
    let grown = std::fs::read(&log).unwrap();
    let changed = (0..grown.len()).filter(|at| whole.get(*at) != grown.get(*at));
    let changed: Vec<usize> = changed.collect();
    let mut torn = grown.clone();
    for at in &changed[changed.len() / 2..] {
        torn[*at] = whole.get(*at).copied().unwrap_or(0);
    }
    std::fs::write(&log, torn).unwrap();
    let outbox = Outbox::open(folder.path()).unwrap();
    let all = outbox.read_after(Sequence(0), 99).unwrap();
    assert_eq!(places(&all), (1..=21).collect::<Vec<_>>());
    assert!(all[..20].iter().all(|entry| entry.payload.starts_with(b"alert ")));
    // It had been told as durable: its place is nobody else's.
    assert!(all[20].payload.is_empty() || *all[20].payload == *b"alert 21");
    assert_eq!(add(&outbox, incident("a", true, 1)), Sequence(22));
}

fn with_snapshot(subject: &str, live: bool, bytes: usize) -> Append {
    Append { snapshot: Some(vec![7; bytes]), ..incident(subject, live, 1) }
}

#[test]
fn the_numbering_goes_on_behind_a_lost_end() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("outbox/db");
    let outbox = Outbox::open(folder.path()).unwrap();
    for _ in 0..20 {
        add(&outbox, incident("a", true, 1));
    }
    let early = std::fs::read(&log).unwrap();
    for _ in 0..20 {
        add(&outbox, incident("a", true, 1));
    }
    drop(outbox);
    std::fs::write(&log, early).unwrap();
    let outbox = Outbox::open(folder.path()).unwrap();
    assert_eq!(outbox.last(), Sequence(40));
    assert_eq!(add(&outbox, incident("a", true, 1)), Sequence(41));
    let all = outbox.read_after(Sequence(0), 99).unwrap();
    assert_eq!(places(&all), (1..=20).chain([40, 41]).collect::<Vec<_>>());
    assert!(all[20].payload.is_empty(), "what is lost is passed as damage");
    drop(outbox);
    assert_eq!(Outbox::open(folder.path()).unwrap().last(), Sequence(41));
}

#[test]
fn store_opens_despite_a_half_written_index() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..2 {
        let outbox = Outbox::open(folder.path()).unwrap();
        assert_eq!(add(&outbox, incident("a", true, 1)), Sequence(round + 1));
    }
    let unfinished = folder.path().join("outbox/snap.FFFFFFFFFFFFFFFF.generating");
    std::fs::write(&unfinished, b"torn").unwrap();
    assert_eq!(Outbox::open(folder.path()).unwrap().last(), Sequence(2));
    assert!(!unfinished.exists());
    std::fs::write(folder.path().join("outbox/snap.FFFFFFFFFFFFFFFF"), b"torn, too").unwrap();
    let outbox = Outbox::open(folder.path()).unwrap();
    assert_eq!(places(&outbox.read_after(Sequence(0), 9).unwrap()), [1, 2]);
}

#[test]
fn snapshot_of_an_unwritten_entry_is_not_reused() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(folder.path()).unwrap();
    let orphan = folder.path().join("snapshots/1.jpg");
    std::fs::write(&orphan, b"somebody else's").unwrap();
    assert_eq!(outbox.snapshot(Sequence(1)).unwrap(), None);
    drop(outbox);
    let outbox = Outbox::open(folder.path()).unwrap();
    assert!(!orphan.exists());
    add(&outbox, incident("a", true, 1));
    assert_eq!(outbox.snapshot(Sequence(1)).unwrap(), None);
}

#[test]
fn snapshots_beyond_the_bound_go_oldest_first_but_never_a_live_ones_newest() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(folder.path()).unwrap();
    for append in [
        with_snapshot("live", true, 100),
        with_snapshot("live", true, 100),
        incident("live", true, 1),
        with_snapshot("done", true, 100),
        with_snapshot("done", false, 100),
        with_snapshot("other", false, 100),
    ] {
        add(&outbox, append);
    }
    let kept = |outbox: &Outbox| -> Vec<u64> {
        let has = |at: &u64| outbox.snapshot(Sequence(*at)).unwrap().is_some();
        (1..=6).filter(has).collect()
    };
    let within = |most| StorageLimits { snapshots_bytes_max: most, reserve_bytes: 0 };
    assert_eq!(outbox.set_limits(within(500)).unwrap(), 0);
    assert_eq!(outbox.set_limits(within(400)).unwrap(), 2);
    assert_eq!(kept(&outbox), [2, 5, 6]);
    assert_eq!(outbox.set_limits(within(1)).unwrap(), 2);
    assert_eq!(kept(&outbox), [2]);
    outbox.prune(Wall(9)).unwrap();
    assert_eq!(kept(&outbox), [2], "retention keeps it as well");
    assert_eq!(outbox.read_after(Sequence(0), 9).unwrap().len(), 3, "2, the live one's newest, 6");
}

#[test]
fn under_the_reserve_alerts_come_without_snapshots_until_there_is_room_again() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(folder.path()).unwrap();
    let disk_space = outbox.watch_disk_space();
    let within = |reserve| StorageLimits { snapshots_bytes_max: 1 << 30, reserve_bytes: reserve };
    outbox.set_limits(within(u64::MAX)).unwrap();
    assert_eq!(*disk_space.borrow(), DiskSpace::Low);
    let bare = add(&outbox, with_snapshot("a", true, 9));
    assert!(!outbox.get(bare).unwrap().unwrap().snapshot);
    outbox.set_limits(within(0)).unwrap();
    assert_eq!(*disk_space.borrow(), DiskSpace::Enough);
    let whole = add(&outbox, with_snapshot("a", true, 9));
    assert_eq!(outbox.snapshot(whole).unwrap(), Some(vec![7; 9]));
}
