//! `keng check --store`: in use, absent, whole, damaged, mended; by its exit codes.

#![expect(clippy::unwrap_used, reason = "a test that can't go on shall say where")]

use std::path::Path;
use std::process::Command;

use keng::outbox::Append;
use keng::outbox::Outbox;
use keng::outbox::Sequence;
use keng::time::Wall;

/// The exit code, and all that was said.
fn check(config: &Path, more: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keng"));
    command.args(["check", "--config", config.to_str().unwrap(), "--store"]).args(more);
    let done = command.output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    (done.status.code().unwrap(), String::from_utf8(said).unwrap())
}

#[test]
fn a_store_is_checked_and_mended_while_nobody_uses_it() {
    let folder = tempfile::tempdir().unwrap();
    let (config, store) = (folder.path().join("keng.toml"), folder.path().join("var"));
    std::fs::write(&config, "[ward]\nid = \"w\"\n").unwrap();
    let says = |more: &[&str], code: i32, words: &[&str]| {
        let (ended, said) = check(&config, more);
        assert!(ended == code && words.iter().all(|word| said.contains(word)), "{ended}: {said}");
    };
    says(&[], 1, &["there is no outbox at"]);
    let outbox = Outbox::open(&store).unwrap();
    for _ in 0..5 {
        let subject = "kp3/a".to_owned();
        let append = Append { subject, live: true, wall: Wall(1), snapshot: None };
        outbox.append(append, |_| b"{}".to_vec()).unwrap();
    }
    outbox.advance("mqtt", Sequence(4)).unwrap();
    says(&[], 1, &["a daemon is at work on", "offline only"]);
    drop(outbox);
    says(&[], 0, &["alerts   5 whole, the last one is 5", "mqtt is done up to 4", "is whole"]);

    std::fs::write(store.join("snapshots/2.jpg"), b"nobody's").unwrap();
    says(&[], 1, &["snapshots belong to no alert: 2", "--repair"]);
    says(&["--repair"], 0, &["belong to no alert: 2", "deleted", "consistent again"]);
    says(&[], 0, &["the store is whole"]);

    // sled's page of pages: nothing can be read any more.
    let log = store.join("outbox/db");
    std::fs::write(&log, vec![0; std::fs::read(&log).unwrap().len()]).unwrap();
    let (ended, said) = check(&config, &["--repair"]);
    assert!(ended == 0 && said.contains("5 alerts are lost: 1 to 5"), "{ended}: {said}");
    assert_eq!(Outbox::open(&store).unwrap().last(), Sequence(5));

    std::fs::write(&config, "[ward]\nid = \"W\"\n").unwrap();
    says(&[], 78, &["1 fault in"]);
}
