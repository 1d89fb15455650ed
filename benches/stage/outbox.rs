//! Appending an alert until it is durable, beside sled and the disk used directly. Wall time: the
//! disk is what is waited for.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use keng::outbox::Append;
use keng::outbox::Outbox;
use keng::time::Wall;

use super::bench::Bench;
use super::bench::Plan;
use crate::support::measure::ClockId;
use crate::support::measure::seconds;

/// Of an ordinary alert.
const PAYLOAD_BYTES: usize = 1100;
/// Incidents that go on at a time.
const SUBJECTS: usize = 20;
const TURNS: usize = 300;

/// Adds `outbox`: beside sled made as durable by hand, beside sled's own flush, beside the disk.
pub(crate) fn measure(bench: &mut Bench) {
    // The build's folder, since a temporary one may lie in memory, where syncing is free.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("there is room");
    let outbox = Outbox::open(&folder.path().join("ours")).expect("it opens");
    let mut durable = Sled::open(&folder.path().join("durable"));
    let mut flushed = Sled::open(&folder.path().join("flushed"));
    let mut file = File::create(folder.path().join("file")).expect("there is room");
    let mut number = 0;
    let mut beside = Vec::new();
    let mut measure = || {
        number += 1;
        let mut all = [0.0; 4];
        // Each begins once in four turns, so that nobody always pays for another one's writes.
        for arm in 0..4 {
            let arm = (arm + number) % 4;
            let start = seconds(ClockId::Monotonic);
            match arm {
                0 => append(&outbox, number),
                1 => durable.insert_durably(number),
                2 => flushed.insert(number),
                _ => {
                    file.write_all(&payload(number)).expect("there is room");
                    file.sync_data().expect("there is room");
                }
            }
            all[arm] = (seconds(ClockId::Monotonic) - start) * 1e6;
        }
        all
    };
    // sled begins with an empty log: let it have some.
    for _ in 0..bench.turns(50) {
        std::hint::black_box(measure());
    }
    let clock = ClockId::Monotonic;
    let title = "outbox append, until durable";
    bench.pairs(Plan { title, key: Some("outbox"), clock, turns: TURNS }, || {
        let all = measure();
        beside.push(all);
        (all[0], all[1])
    });
    for (title, arm) in [
        ("  beside sled's insert and flush, not durable", 2),
        ("  beside the disk's fdatasync of as much", 3),
    ] {
        let mut taken = beside.iter().cycle();
        bench.pairs(Plan { title, key: None, clock, turns: TURNS }, || {
            let all = taken.next().expect("there was a turn at least");
            (all[0], all[arm])
        });
    }
}

/// sled as the outbox uses it, with one key an entry and nothing else.
struct Sled {
    db: sled::Db,
    log: File,
}

impl Sled {
    fn open(folder: &Path) -> Self {
        let config = sled::Config::default().path(folder).cache_capacity(16 << 20);
        let db = config.flush_every_ms(None).open().expect("it opens");
        Self { db, log: File::open(folder.join("db")).expect("sled keeps its log there") }
    }

    fn insert(&mut self, number: usize) {
        self.db.insert(number.to_be_bytes(), payload(number)).expect("there is room");
        self.db.flush().expect("there is room");
    }

    fn insert_durably(&mut self, number: usize) {
        self.insert(number);
        self.log.sync_data().expect("there is room");
    }
}

fn append(outbox: &Outbox, number: usize) {
    let append = Append {
        subject: format!("kp3/{:032}", number % SUBJECTS),
        live: true,
        wall: Wall(0),
        snapshot: None,
    };
    let appended = outbox.append(append, |_| payload(number));
    appended.expect("there is room");
}

fn payload(number: usize) -> Vec<u8> {
    format!("{number:0PAYLOAD_BYTES$}").into_bytes()
}
