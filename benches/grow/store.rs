//! The cost of the outbox by the alerts that it keeps.

use std::path::Path;

use keng::outbox::Append;
use keng::outbox::Outbox;
use keng::outbox::Sequence;
use keng::time::Wall;

use crate::Series;
use crate::least_us;
use crate::support::measure::ClockId;
use crate::support::measure::is_test;

/// Of an ordinary alert.
const PAYLOAD_BYTES: usize = 1100;
/// Alerts of one incident.
const REVISIONS: usize = 3;
/// Incidents that go on.
const OPEN: usize = 20;
/// Appended at a time while the outbox is filled.
const GROUP: usize = 512;

/// Appending one, reading the newest, an incident's newest, and opening again.
pub(crate) fn stored() -> Vec<Series> {
    let most = std::env::var("STORED").ok().and_then(|most| most.parse().ok());
    let most = most.unwrap_or(if is_test() { 100 } else { 100_000 });
    let sizes: Vec<usize> =
        (1..).map(|power| 10usize.pow(power)).take_while(|n| *n <= most).collect();
    let over = "stored alerts";
    let titles = ["append until durable", "read 64 of the newest", "newest of one", "open again"];
    let mut all = titles.map(|title| Series { title, over, points: Vec::new() });
    // The build's folder, since a temporary one may lie in memory, where syncing is free.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("there is room");
    let mut number = 0;
    for size in sizes {
        let outbox = open(folder.path());
        while number < size {
            let group = (number..size.min(number + GROUP)).map(|number| append(number, size));
            number += group.len();
            outbox.append_many(group.collect()).expect("there is room");
        }
        let clock = ClockId::Monotonic;
        let last = outbox.last();
        let before = Sequence(last.0.saturating_sub(64));
        let costs = [
            least_us(clock, || {
                let (one, make) = append(number, number + 1);
                outbox.append(one, make).expect("there is room");
            }),
            least_us(clock, || {
                std::hint::black_box(outbox.read_after(before, 64).expect("it reads"));
            }),
            least_us(clock, || {
                let found = outbox.latest_of(&subject(size / 2)).expect("it reads");
                assert!(found.is_some(), "it was appended");
            }),
        ];
        drop(outbox);
        let opened = least_us(clock, || drop(open(folder.path())));
        for (series, cost) in all.iter_mut().zip(costs.into_iter().chain([opened])) {
            series.points.push((size as f64, cost));
        }
    }
    all.into()
}

fn open(folder: &Path) -> Outbox {
    Outbox::open(folder).expect("it opens")
}

fn append(number: usize, of: usize) -> (Append, impl FnOnce(Sequence) -> Vec<u8>) {
    let live = number + OPEN * REVISIONS >= of;
    let append = Append { subject: subject(number), live, wall: Wall(0), snapshot: None };
    (append, move |_| format!("{number:0PAYLOAD_BYTES$}").into_bytes())
}

fn subject(number: usize) -> String {
    format!("kp3/{:032}", number / REVISIONS)
}
