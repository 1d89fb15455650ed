//! Appending an alert until it is durable, beside sled and the disk used directly. Wall time is
//! mostly the disk's, whose answers scatter more than all that is ours takes: it shows a sync too
//! many, no more. Processor time shows the rest.

use std::fs::File;
use std::io::Write;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::mpsc;

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

/// Adds `outbox`: beside sled with the same keys, made as durable by hand; beside one insert and
/// sled's own flush; beside the disk.
pub(crate) fn measure(bench: &mut Bench) {
    // The build's folder, since a temporary one may lie in memory, where syncing is free.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("there is room");
    let outbox = Outbox::open(&folder.path().join("ours")).expect("it opens");
    let mut durable = Sled::open(&folder.path().join("durable"));
    let mut flushed = Sled::open(&folder.path().join("flushed"));
    let mut file = File::create(folder.path().join("file")).expect("there is room");
    let mut number = 0;
    let (mut beside, mut processor) = (Vec::new(), Vec::new());
    let mut measure = || {
        number += 1;
        let (mut all, mut busy) = ([0.0; 4], [0.0; 4]);
        // In every order, so that nobody always pays for the same other one's writes.
        for arm in order(number) {
            let start = [ClockId::Monotonic, ClockId::ProcessCPUTime].map(seconds);
            match arm {
                0 => append(&outbox, number),
                1 => durable.insert_durably(number..=number),
                2 => flushed.insert(number),
                _ => {
                    file.write_all(&payload(number)).expect("there is room");
                    file.sync_data().expect("there is room");
                }
            }
            all[arm] = (seconds(ClockId::Monotonic) - start[0]) * 1e6;
            busy[arm] = (seconds(ClockId::ProcessCPUTime) - start[1]) * 1e6;
        }
        (all, busy)
    };
    // sled begins with an empty log: let it have some.
    for _ in 0..bench.turns(50) {
        std::hint::black_box(measure());
    }
    let clock = ClockId::Monotonic;
    let title = "outbox append, until durable";
    bench.pairs(Plan { title, key: Some("outbox"), clock, turns: TURNS }, || {
        let (all, busy) = measure();
        beside.push(all);
        processor.push(busy);
        (all[0], all[1])
    });
    let (title, clock) = ("  its processor time", ClockId::ProcessCPUTime);
    let mut taken = processor.iter().cycle();
    bench.pairs(Plan { title, key: Some("outbox_cpu"), clock, turns: TURNS }, || {
        let busy = taken.next().expect("there was a turn at least");
        (busy[0], busy[1])
    });
    let clock = ClockId::Monotonic;
    for (title, arm) in [
        ("  beside one insert and flush, not durable", 2),
        ("  beside the disk's fdatasync of as much", 3),
    ] {
        let mut taken = beside.iter().cycle();
        bench.pairs(Plan { title, key: None, clock, turns: TURNS }, || {
            let all = taken.next().expect("there was a turn at least");
            (all[0], all[arm])
        });
    }
}

/// Alerts that wait at once, as the scribe's group bounds them.
const WAITING: usize = 64;
/// Groups that are measured.
const GROUPS: usize = 200;

/// One that waits for its alert to be durable.
struct Waiting {
    begun: f64,
    durable: mpsc::Sender<()>,
}

/// Adds `group`: alerts a second and the wait for each, while 64 wait at any time. Each of 64
/// threads hands one in, waits until it is durable, and hands in the next. Beside it sled with the
/// same keys, made as durable by hand, and what the disk alone takes to make as many bytes durable,
/// in the same turns.
pub(crate) fn measure_groups(bench: &mut Bench) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("there is room");
    let outbox = Outbox::open(&folder.path().join("ours")).expect("it opens");
    let mut durable = Sled::open(&folder.path().join("durable"));
    let mut file = File::create(folder.path().join("file")).expect("there is room");
    let now = || seconds(ClockId::Monotonic);
    let groups = bench.turns(GROUPS);
    let (sender, receiver) = mpsc::sync_channel::<Waiting>(4 * WAITING);
    let (mut waits, mut spans, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WAITING {
            let sender = sender.clone();
            scope.spawn(move || {
                loop {
                    let (durable, told) = mpsc::channel();
                    // It ends with the bench, which drops what still waits.
                    if sender.send(Waiting { begun: now(), durable }).is_err()
                        || told.recv().is_err()
                    {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut number = 0;
        for _ in 0..groups {
            let group: Vec<Waiting> = receiver.iter().take(1).chain(receiver.try_iter()).collect();
            let begun = now();
            let appends = group.iter().map(|_| {
                number += 1;
                let (at, wall) = (number, Wall(0));
                let append = Append { subject: subject(at), live: true, wall, snapshot: None };
                (append, move |_| payload(at))
            });
            outbox.append_many(appends.collect()).expect("there is room");
            let end = now();
            let mut sled = || {
                let begun = now();
                durable.insert_durably((number + 1 - group.len())..=number);
                now() - begun
            };
            let mut disk = || {
                let (begun, alone) = (now(), payload(number).repeat(group.len()));
                file.write_all(&alone).and_then(|()| file.sync_data()).expect("there is room");
                now() - begun
            };
            // Ours goes first, since somebody waits for it; the others take turns.
            let (sled, disk) = if spans.len() % 2 == 0 {
                let sled = sled();
                (sled, disk())
            } else {
                let disk = disk();
                (sled(), disk)
            };
            spans.push([end - begun, sled, disk]);
            sizes.push(group.len());
            for waited in group {
                waits.push(end - waited.begun);
                waited.durable.send(()).expect("it waits for this");
            }
        }
        drop(receiver);
    });
    let [mut ours, mut sled, mut disk] =
        [0, 1, 2].map(|arm| spans.iter().map(|span: &[f64; 3]| span[arm]).collect::<Vec<f64>>());
    let rate = waits.len() as f64 / ours.iter().sum::<f64>();
    let ms = |values: &mut Vec<f64>, percent| percentile(values, percent) * 1e3;
    bench.note(format!(
        "\ngroup commit, {WAITING} alerts of {PAYLOAD_BYTES} bytes waiting: {rate:.0} durable \
         alerts/s; an append of {} p50 {:.1} ms, p99 {:.1} ms (target 20); from handing in to \
         durable p50 {:.1} ms, p99 {:.1} ms\n  in turns with it: sled alone p50 {:.1} ms, p99 \
         {:.1} ms; the disk's fdatasync of as much p50 {:.1} ms, p99 {:.1} ms",
        sizes.iter().sum::<usize>() / sizes.len(),
        ms(&mut ours, 50),
        ms(&mut ours, 99),
        ms(&mut waits, 50),
        ms(&mut waits, 99),
        ms(&mut sled, 50),
        ms(&mut sled, 99),
        ms(&mut disk, 50),
        ms(&mut disk, 99),
    ));
    for (title, key, arm) in [
        ("outbox append of 64, until durable", Some("outbox_group"), 1),
        ("  beside the disk's fdatasync of as much", None, 2),
    ] {
        let mut taken = spans.iter().cycle();
        let clock = ClockId::Monotonic;
        bench.pairs(Plan { title, key, clock, turns: GROUPS }, || {
            let all = taken.next().expect("there was a turn at least");
            (all[0] * 1e6, all[arm] * 1e6)
        });
    }
}

/// The value that so many in a hundred are below.
fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) * percent).div_ceil(100)]
}

/// The `number`-th of the 24 orders of four.
fn order(number: usize) -> [usize; 4] {
    let mut order = [0, 1, 2, 3];
    order.swap(0, number % 4);
    order.swap(1, 1 + number / 4 % 3);
    order.swap(2, 2 + number / 12 % 2);
    order
}

/// sled set as the outbox sets it.
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

    /// The same keys as the outbox's: the entry, its subject's newest, its subject's life.
    fn insert_durably(&mut self, numbers: RangeInclusive<usize>) {
        let mut batch = sled::Batch::default();
        for number in numbers {
            let place = number.to_be_bytes();
            batch.insert([b"e".as_slice(), &place].concat(), payload(number));
            for index in ["s", "l"] {
                batch.insert(format!("{index}{}", subject(number)).as_bytes(), &place);
            }
        }
        self.db.apply_batch(batch).expect("there is room");
        self.db.flush().expect("there is room");
        self.log.sync_data().expect("there is room");
    }
}

fn append(outbox: &Outbox, number: usize) {
    let append = Append { subject: subject(number), live: true, wall: Wall(0), snapshot: None };
    let appended = outbox.append(append, |_| payload(number));
    appended.expect("there is room");
}

fn subject(number: usize) -> String {
    format!("kp3/{:032}", number % SUBJECTS)
}

fn payload(number: usize) -> Vec<u8> {
    format!("{number:0PAYLOAD_BYTES$}").into_bytes()
}
