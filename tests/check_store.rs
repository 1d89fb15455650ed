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
    says(&["--repair"], 0, &["belong to no alert: 2", "deleted", "is consistent"]);
    says(&[], 0, &["the store is whole"]);

    // What could not be delivered is shown, and tried once more or forgotten.
    let outbox = Outbox::open(&store).unwrap();
    outbox.register_reader("webhook/chat").unwrap();
    outbox.set_aside("webhook/chat", Sequence(2), "HTTP 403", Wall(1)).unwrap();
    outbox.set_aside("mqtt", Sequence(3), "too long", Wall(1)).unwrap();
    drop(outbox);
    says(&[], 0, &["undelivered  1 by webhook/chat; the newest is 2, ", "HTTP 403", "1 by mqtt"]);
    says(&["--retry", "mqtt"], 1, &["--forget mqtt"]);
    says(&["--retry", "webhook/chat"], 0, &["1 of webhook/chat will be delivered once more"]);
    says(&["--forget", "mqtt"], 0, &["1 of mqtt forgotten"]);
    let (_, said) = check(&config, &[]);
    assert!(!said.contains("undelivered"), "{said}");
    let backlog = Outbox::open(&store).unwrap().register_reader("webhook/chat").unwrap().backlog;
    assert!(backlog.contains(&Sequence(2)), "{backlog:?}");

    // The audit log and the ledger are looked at too.
    says(&[], 0, &["audit    empty", "ledger   0 incidents"]);
    std::fs::create_dir_all(store.join("ledger")).unwrap();
    std::fs::write(store.join("ledger/2026-11.jsonl"), "rubbish\n").unwrap();
    says(&[], 0, &["1 lines of the ledger are damaged", "the store is whole"]);
    std::fs::create_dir_all(store.join("audit")).unwrap();
    std::fs::write(store.join("audit/0000000001.jsonl"), "rubbish\n").unwrap();
    says(&["--repair"], 1, &["the audit log does not check out", "line 1"]);
    std::fs::remove_dir_all(store.join("audit")).unwrap();

    // sled's page of pages: nothing can be read any more.
    let log = store.join("outbox/db");
    std::fs::write(&log, vec![0; std::fs::read(&log).unwrap().len()]).unwrap();
    let (ended, said) = check(&config, &["--repair"]);
    assert!(ended == 0 && said.contains("5 alerts are lost: 1 to 5"), "{ended}: {said}");
    assert_eq!(Outbox::open(&store).unwrap().last(), Sequence(5));

    std::fs::write(&config, "[ward]\nid = \"W\"\n").unwrap();
    says(&[], 78, &["1 fault in"]);
}
