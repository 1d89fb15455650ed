//! The error of the dwell that is told, against the truth,, over rates from 0.5 to 10 frames a
//! second: on simulated streets. Real clips are in the root package's `tests/dwell_clips`.
//!
//! `cargo test -p keng-core --test dwell -- --nocapture` prints the tables. With
//! `KENG_REWRITE_FIGURES=1` the plot `docs/dwell-error.svg` is drawn anew.

#![expect(clippy::cast_precision_loss, reason = "counts and microseconds of minutes")]
#![expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers")]

use keng_testkit::error_plot;
use keng_testkit::street;
use keng_testkit::watch;

use proptest::prelude::*;

use street::{Camera, Random, Street, Walker, height_at};
use watch::{Watch, ZONE};

/// Frames a second.
const RATES: [f64; 6] = [0.5, 1.0, 2.0, 3.0, 5.0, 10.0];
/// Streets of each kind; each is another one.
const SEEDS: u64 = 40;

const DARK: [[u8; 3]; 2] = [[45, 45, 50], [35, 35, 40]];
const RED: [[u8; 3]; 2] = [[170, 60, 60], [50, 55, 80]];
const PALE: [[u8; 3]; 2] = [[205, 205, 205], [150, 150, 150]];

/// A kind of street, and how far dwell may be off: median and 95th percentile of the error's
/// amount in seconds, at 0.5, at 1 and from 2 frames a second on.
struct Kind {
    name: &'static str,
    make: fn(&mut Random) -> Street,
    bounds: [(f64, f64); 3],
}

const KINDS: [Kind; 6] = [
    Kind { name: "stands", make: stands, bounds: [(13.0, 45.0), (5.0, 20.0), (3.0, 12.0)] },
    Kind {
        name: "paces behind a post",
        make: paces,
        bounds: [(26.0, 70.0), (9.0, 30.0), (3.0, 12.0)],
    },
    Kind {
        name: "stands in a crowd",
        make: crowd,
        bounds: [(16.0, 60.0), (7.0, 25.0), (4.0, 35.0)],
    },
    Kind { name: "two cross", make: cross, bounds: [(20.0, 60.0), (7.0, 25.0), (4.0, 15.0)] },
    Kind { name: "two take turns", make: turns, bounds: [(13.0, 35.0), (6.0, 20.0), (3.0, 12.0)] },
    Kind { name: "comes back", make: returns, bounds: [(40.0, 75.0), (18.0, 40.0), (12.0, 40.0)] },
];

/// Comes from the left, stands, leaves.
fn stay(random: &mut Random, from_s: f64, stands_s: f64, clothes: [[u8; 3]; 2]) -> Walker {
    let (x, y) = (random.within(0.45, 0.55), random.within(0.6, 0.9));
    let walk_s = (x / (height_at(y) * random.within(0.35, 0.8))).max(2.0);
    let mut way = vec![(from_s, -0.05, y), (from_s + walk_s, x, y)];
    let until = from_s + walk_s + stands_s;
    let mut t = from_s + walk_s;
    while t < until {
        t = (t + random.within(2.0, 8.0)).min(until);
        let sway = height_at(y) * 0.3;
        way.push((t, x + random.within(-sway, sway), y + random.within(-0.01, 0.01)));
    }
    way.push((until + walk_s, 1.05, y));
    Walker { way, clothes }
}

/// Walks through the whole view, one way or the other.
fn passer(random: &mut Random, from_s: f64, clothes: [[u8; 3]; 2]) -> Walker {
    let y = random.within(0.55, 0.95);
    let walk_s = 1.1 / (height_at(y) * random.within(0.5, 0.9));
    let ends = if random.within(0.0, 1.0) < 0.5 { (-0.05, 1.05) } else { (1.05, -0.05) };
    Walker { way: vec![(from_s, ends.0, y), (from_s + walk_s, ends.1, y)], clothes }
}

fn any_clothes(random: &mut Random) -> [[u8; 3]; 2] {
    [0, 1].map(|_| {
        let grey = random.within(40.0, 210.0);
        [0, 1, 2].map(|_| (grey + random.within(-35.0, 35.0)) as u8)
    })
}

fn stands(random: &mut Random) -> Street {
    let lasts = random.within(40.0, 240.0);
    let clothes = any_clothes(random);
    Street { walkers: vec![stay(random, 3.0, lasts, clothes)], posts: Vec::new() }
}

fn paces(random: &mut Random) -> Street {
    let y = random.within(0.6, 0.9);
    let (mut t, mut side, until) = (3.0, 0.35, random.within(60.0, 240.0));
    let mut way = vec![(t, -0.05, y)];
    while t < until {
        t += 0.3 / (height_at(y) * random.within(0.3, 0.7));
        way.push((t, side, y));
        side = 1.0 - side;
    }
    way.push((t + 6.0, 1.05, y));
    Street {
        walkers: vec![Walker { way, clothes: any_clothes(random) }],
        posts: vec![(0.47, 0.53)],
    }
}

fn crowd(random: &mut Random) -> Street {
    let lasts = random.within(60.0, 240.0);
    let mut walkers = vec![stay(random, 3.0, lasts, RED)];
    let mut t = 5.0;
    while t < lasts {
        let clothes = any_clothes(random);
        walkers.push(passer(random, t, clothes));
        t += random.within(4.0, 20.0);
    }
    Street { walkers, posts: Vec::new() }
}

fn cross(random: &mut Random) -> Street {
    let lasts = [random.within(40.0, 90.0), random.within(120.0, 240.0)];
    let mut street = Street::default();
    for (lasts, clothes) in lasts.into_iter().zip([DARK, PALE]) {
        let y = random.within(0.7, 0.75);
        let (mut t, mut side) = (3.0, 0.35);
        let mut way = vec![(t, -0.05, y)];
        while t < lasts {
            t += 0.3 / (height_at(y) * random.within(0.3, 0.7));
            way.push((t, side, y));
            side = 1.0 - side;
        }
        way.push((t + 6.0, 1.05, y));
        street.walkers.push(Walker { way, clothes });
    }
    street
}

fn turns(random: &mut Random) -> Street {
    let first = random.within(50.0, 100.0);
    let one = stay(random, 3.0, first, DARK);
    let (then, second) = (one.ends() + random.within(0.0, 10.0), random.within(50.0, 100.0));
    Street { walkers: vec![one, stay(random, then, second, PALE)], posts: Vec::new() }
}

fn returns(random: &mut Random) -> Street {
    let clothes = any_clothes(random);
    let (mut t, mut walkers) = (3.0, Vec::new());
    for _ in 0..4 {
        let lasts = random.within(20.0, 50.0);
        let visit = stay(random, t, lasts, clothes);
        t = visit.ends() + random.within(20.0, 60.0);
        walkers.push(visit);
    }
    let mut whole: Vec<(f64, f64, f64)> = Vec::new();
    for visit in &walkers {
        // Out of the picture between visits.
        whole.extend(whole.last().map(|end| (end.0 + 0.01, 3.0, 0.7)));
        whole.extend((!whole.is_empty()).then_some((visit.way[0].0 - 0.01, 3.0, 0.7)));
        whole.extend(&visit.way);
    }
    Street { walkers: vec![Walker { way: whole, clothes }], posts: Vec::new() }
}

/// The longest that anybody of the street is in the zone, all visits taken together, in seconds.
fn truth(street: &Street) -> f64 {
    let step = 0.05;
    let inside = |feet: (f64, f64)| (ZONE.0..ZONE.1).contains(&feet.0);
    let stays = street.walkers.iter().map(|walker| {
        let times = (0..(walker.ends() / step) as usize).map(|index| index as f64 * step);
        times.filter(|t| walker.feet(*t).is_some_and(inside)).count() as f64 * step
    });
    stays.fold(0.0, f64::max)
}

/// Dwell that was told less the truth, over all seeds; in order of their amount.
fn errors(make: fn(&mut Random) -> Street, camera: &Camera) -> Vec<f64> {
    let mut errors: Vec<f64> = (0..SEEDS)
        .map(|seed| {
            let mut random = Random(seed);
            let street = make(&mut random);
            let frames = street.filmed(camera, &mut random);
            Watch::new(20.0).play(&frames) - truth(&street)
        })
        .collect();
    errors.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    errors
}

/// The amount below which that share of the errors stays.
fn quantile(errors: &[f64], share: f64) -> f64 {
    errors[((errors.len() - 1) as f64 * share).round() as usize].abs()
}

#[test]
fn dwell_is_right_at_any_rate() {
    let mut wrong = Vec::new();
    let mut series = Vec::new();
    println!("error of dwell in seconds: median | 95th percentile | mean, sign kept");
    println!("{:<34}{}", "", RATES.map(|rate| format!("{rate:>20} /s")).concat());
    for kind in &KINDS {
        for (how, looks, clumps_s) in
            [("", true, 0.0), (", no clothes", false, 0.0), (", clumps", true, 1.0)]
        {
            let mut row = Vec::new();
            for fps in RATES {
                let errors = errors(kind.make, &Camera { fps, clumps_s, looks });
                let mean = errors.iter().sum::<f64>() / errors.len() as f64;
                row.push((quantile(&errors, 0.5), quantile(&errors, 0.95), mean));
                let bound = kind.bounds[((fps * 2.0).log2() as usize).min(2)];
                let last = row[row.len() - 1];
                if how.is_empty() && (last.0 > bound.0 || last.1 > bound.1) {
                    wrong.push(format!("{} at {fps}/s: {last:?}, bound {bound:?}", kind.name));
                }
            }
            let cell = |(p50, p95, mean): &(f64, f64, f64)| {
                format!("{:>23}", format!("{p50:.1} | {p95:.1} | {mean:+.1}"))
            };
            let cells: String = row.iter().map(cell).collect();
            println!("{:<34}{cells}", format!("{}{how}", kind.name));
            if how.is_empty() {
                series.push((kind.name, row));
            }
        }
    }
    if std::env::var_os("KENG_REWRITE_FIGURES").is_some() {
        error_plot::write("docs/dwell-error.svg", &RATES, &series);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A busy street for ten minutes: everybody is on the way somewhere.
#[test]
fn passers_by_never_loiter() {
    for fps in RATES {
        for looks in [true, false] {
            for seed in 0..SEEDS / 4 {
                let mut random = Random(seed);
                let mut street = Street::default();
                let mut t = 1.0;
                while t < 600.0 {
                    let clothes = any_clothes(&mut random);
                    street.walkers.push(passer(&mut random, t, clothes));
                    t += random.within(1.0, 20.0);
                }
                let frames = street.filmed(&Camera { fps, clumps_s: 0.0, looks }, &mut random);
                let dwell = Watch::new(120.0).play(&frames);
                assert!(dwell == 0.0, "{dwell} s at {fps}/s, seed {seed}, clothes {looks}");
            }
        }
    }
}

#[test]
fn boxes_in_any_order_tell_the_same_dwell() {
    for make in [cross, crowd, turns] {
        for seed in 0..5 {
            let mut random = Random(seed);
            let street = make(&mut random);
            let camera = Camera { fps: 2.0, clumps_s: 0.0, looks: true };
            let frames = street.filmed(&camera, &mut random);
            let mut turned = frames.clone();
            turned.iter_mut().for_each(|(_, seen)| seen.reverse());
            assert_eq!(Watch::new(20.0).play(&frames), Watch::new(20.0).play(&turned));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Frames between two others tell nothing new of one who stands: leaving some of them out
    /// changes the dwell by what is missing at both ends, and by nothing else.
    #[test]
    fn more_frames_are_not_more_dwell(
        frames in prop::collection::vec((50u32..1_500, any::<bool>()), 60..200)
    ) {
        let person = |t| (t, vec![street::person([0.45, 0.5, 0.55, 0.8], 0.8, None)]);
        let mut t = 0.0;
        let mut all = Vec::new();
        let mut some = Vec::new();
        for (pause_ms, kept) in frames {
            t += f64::from(pause_ms) / 1e3;
            all.push(person(t));
            let last: f64 = some.last().map_or(0.0, |frame: &(f64, _)| frame.0);
            if kept || t - last > 2.5 {
                some.push(person(t));
            }
        }
        let ends = (some[0].0 - all[0].0) + (t - some[some.len() - 1].0);
        let (whole, part) = (Watch::new(5.0).play(&all), Watch::new(5.0).play(&some));
        prop_assert!((whole - (t - all[0].0)).abs() < 1e-3, "all of it is dwell");
        prop_assert!((whole - part - ends).abs() < 1e-3, "{whole} s, {part} s, ends {ends} s");
    }
}
