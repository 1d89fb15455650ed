//! Attention as a whole: 10 to 1,000 cameras against the scheduler in virtual time; what packet
//! sizes and looks tell of real clips.
//!
//! `docs/attention.svg` plots the simulation. With `KENG_REWRITE_PLOTS=1` it is written anew.

#![expect(clippy::cast_possible_truncation, reason = "clips have few seconds")]
#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use keng_testkit::plot;
mod streets;

use std::path::Path;
use std::sync::Arc;

use keng::attention::Level;
use keng::attention::change::Change;
use keng::attention::motion::MotionDetector;
use keng::camera::Packet;
use keng::frame::clip::ClipReader;
use keng::frame::decode::{self, DecodeMode, Decoder};
use keng::frame::mask::Masks;
use keng::frame::{InputFormat, Placement, Size};
use keng::time::{ManualClock, Mono, Stamp};
use keng::ward::Id;

use streets::{Seen, Ward};

const COUNTS: [usize; 8] = [10, 30, 100, 200, 300, 500, 700, 1000];
/// Everybody is seen as often as `idle_gap_max_s` says with as many cameras on the simulated
/// machine; with more it can't be done.
const ENOUGH_FOR: usize = 500;
const GAP_MAX_S: f64 = 6.0;
/// What the simulated cameras are; none is followed, which would cost less.
const LEVELS: [Level; 3] = [Level::Idle, Level::Curious, Level::Focused];

/// The result with so many cameras.
struct Outcome {
    count: usize,
    seen: Vec<Seen>,
    granted: f64,
}

impl Outcome {
    fn of(count: usize) -> Self {
        let mut ward = Ward::new(count, 14);
        for index in 0..count {
            let level = match index % 50 {
                0 => Level::Focused,
                1..=5 => Level::Curious,
                _ => Level::Idle,
            };
            ward.set_level(index, level);
        }
        ward.run(30);
        ward.measure();
        ward.run(60);
        Self { count, seen: ward.seen.clone(), granted: ward.governor.granted() }
    }

    fn at(&self, level: Level) -> impl Iterator<Item = &Seen> {
        self.seen.iter().filter(move |seen| seen.level == level)
    }

    fn gap_s(&self, level: Level) -> f64 {
        self.at(level).map(|seen| seen.gap_s).fold(0.0, f64::max)
    }

    fn age_s(&self) -> f64 {
        self.seen.iter().map(|seen| seen.age_s).fold(0.0, f64::max)
    }

    /// The least of any camera of this level.
    fn fps(&self, level: Level) -> f64 {
        self.at(level).map(|seen| f64::from(seen.frames) / 60.0).fold(f64::MAX, f64::min)
    }

    /// R. Jain's index over the idle cameras' frames: 1 where all got as many.
    fn fairness(&self) -> f64 {
        let frames: Vec<f64> = self.at(Level::Idle).map(|seen| f64::from(seen.frames)).collect();
        let (sum, squares) =
            frames.iter().fold((0.0, 0.0), |(sum, squares), x| (sum + x, squares + x * x));
        sum * sum / (frames.len() as f64 * squares)
    }
}

#[test]
fn from_ten_to_a_thousand_cameras_nobody_starves_and_focus_comes_first() {
    let outcomes: Vec<Outcome> = COUNTS.into_iter().map(Outcome::of).collect();
    for outcome in &outcomes {
        let count = outcome.count;
        let [idle, curious, focused] = LEVELS.map(|level| outcome.fps(level));
        println!(
            "{count} cameras: granted {:.2}, least frames a second {idle:.2} {curious:.2} \
             {focused:.2}, longest gaps {:.1} {:.1} {:.1} s, oldest frame {:.2} s, Jain {:.3}",
            outcome.granted,
            outcome.gap_s(Level::Idle),
            outcome.gap_s(Level::Curious),
            outcome.gap_s(Level::Focused),
            outcome.age_s(),
            outcome.fairness(),
        );
    }
    for outcome in &outcomes {
        let count = outcome.count;
        assert!(outcome.age_s() <= 1.0, "{count}: a frame of {} s was analysed", outcome.age_s());
        let [idle, curious, focused] = LEVELS.map(|level| outcome.fps(level));
        assert!(focused >= curious && curious >= idle * 0.8 && idle > 0.0, "{count}");
        assert!(count > ENOUGH_FOR || outcome.gap_s(Level::Focused) <= 1.0, "{count}");
        assert!(outcome.fairness() >= 0.9, "{count}: Jain {}", outcome.fairness());
        let longest = outcome.seen.iter().map(|seen| seen.gap_s).fold(0.0, f64::max);
        let allowed = if count <= ENOUGH_FOR { GAP_MAX_S } else { 3.0 * GAP_MAX_S };
        assert!(longest <= allowed, "{count}: somebody was not seen for {longest} s");
    }
    assert_eq!(outcomes[0].granted, 1.0);
    assert!(outcomes[0].fps(Level::Focused) > 7.0 && outcomes[0].gap_s(Level::Idle) < 2.5);
    assert!(outcomes[7].granted < 0.5, "a thousand are too many");
    compare_plot(&outcomes);
}

fn compare_plot(outcomes: &[Outcome]) {
    let points = |of: &dyn Fn(&Outcome) -> f64| {
        outcomes.iter().map(|outcome| (outcome.count as f64, of(outcome))).collect()
    };
    let staleness = [
        ("idle", "#888", points(&|o| o.gap_s(Level::Idle))),
        ("curious", "#d80", points(&|o| o.gap_s(Level::Curious))),
        ("focused", "#c00", points(&|o| o.gap_s(Level::Focused))),
        ("oldest frame", "#06c", points(&|o| o.age_s())),
    ]
    .map(|(name, colour, points)| plot::Line { name, colour, points });
    let shares = [
        ("fairness (Jain)", "#080", points(&Outcome::fairness)),
        ("granted", "#a0a", points(&|o| o.granted)),
    ]
    .map(|(name, colour, points)| plot::Line { name, colour, points });
    let panels = [
        plot::Panel { title: "Longest time unseen, seconds", top: 12.0, lines: &staleness },
        plot::Panel { title: "Shares", top: 1.0, lines: &shares },
    ];
    let svg = plot::svg(&panels, &COUNTS.map(|count| count as f64), "cameras");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/attention.svg");
    if std::env::var_os("KENG_REWRITE_PLOTS").is_some() {
        std::fs::write(&file, &svg).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap();
    assert!(committed == svg, "docs/attention.svg is out of date: KENG_REWRITE_PLOTS=1 writes it");
}

#[test]
fn relief_is_passed_on_within_five_seconds() {
    let mut ward = Ward::new(100, 3);
    ward.run(30);
    let calm = ward.governor.granted();
    (0..60).for_each(|index| ward.set_level(index, Level::Focused));
    ward.run(20);
    let short = ward.governor.granted();
    assert!(short < 0.6, "sixty in focus are too many: {short}");
    ward.measure();
    ward.run(10);
    let unseen = ward.seen.iter().map(|seen| seen.gap_s).fold(0.0, f64::max);
    assert!(unseen <= GAP_MAX_S, "somebody was not seen for {unseen} s");
    (0..60).for_each(|index| ward.set_level(index, Level::Idle));
    ward.run(5);
    let relieved = ward.governor.granted();
    assert!(relieved >= 0.95 * calm, "{calm} before, {short} in need, {relieved} after");
}

/// When something that matters is there, in seconds, by the corpus' `manifest.csv`.
const CLIPS: [(&str, &[(f64, f64)]); 9] = [
    ("ir_night_cctv_person", &[(11.5, 33.0)]),
    ("neg_ir_night_cctv_empty", &[]),
    ("indoor_person_one_by_one", &[(3.0, 24.5), (31.0, 49.5), (54.5, 60.0)]),
    ("dollhouse_fire_day_fixedcam", &[(7.0, 30.0)]),
    ("parking_arson_night_cctv", &[(1.4, 5.84)]),
    ("shop_cctv_people_day", &[(0.0, 20.2)]),
    ("neg_overhead_cars_day", &[]),
    ("neg_street_traffic_day", &[]),
    ("thermal_playground_people", &[(11.0, 29.8)]),
];

/// What packet sizes and looks at the small picture tell of real clips: seconds with motion among
/// those with something to see, those without, and how soon after each arrival.
#[test]
fn packets_and_looks_tell_of_people_who_come_and_little_of_an_empty_road() {
    let Some(corpus) = std::env::var_os("KENG_CORPUS") else {
        println!("skipped: KENG_CORPUS is not set");
        return;
    };
    println!(
        "| clip | by | seconds with something there | told | seconds without | told | after |"
    );
    let mut counts = Vec::new();
    for (name, there) in CLIPS {
        let told = moves(&Path::new(&corpus).join("clips").join(format!("{name}.mp4")));
        counts.push([("packets", told.packets), ("looks", told.looks)].map(|(by, told)| {
            let (row, after) = count(&told, there);
            let Row { with, told_with, without, told_without } = row;
            println!(
                "| {name} | {by} | {with} | {told_with} | {without} | {told_without} | {after} |"
            );
            row
        }));
    }
    for (by, empty) in ["packets", "looks"].iter().zip(&counts[1]) {
        let (told, of) = (empty.told_without, empty.without);
        assert!(told * 5 <= of, "by {by} the empty road moves in {told} of {of} s");
    }
    for (by, people) in ["packets", "looks"].iter().zip(&counts[2]) {
        let told = people.told_with;
        assert!(told >= 3, "by {by} who comes into the room is told in {told} s only");
    }
    let road = counts[0][1].told_with;
    assert!(road >= 3, "who walks along the road at night is told by looks in {road} s only");
}

/// Seconds of a clip with and without something to see, and those of them with motion.
struct Row {
    with: usize,
    told_with: usize,
    without: usize,
    told_without: usize,
}

/// Counts the seconds, and how soon after each arrival motion was told.
fn count(told: &[bool], there: &[(f64, f64)]) -> (Row, String) {
    let is_there = |second: f64| there.iter().any(|(from, to)| (*from..*to).contains(&second));
    let (with, without): (Vec<_>, Vec<_>) =
        told.iter().enumerate().partition(|(second, _)| is_there(*second as f64 + 0.5));
    let count = |list: &[(usize, &bool)]| list.iter().filter(|(_, told)| **told).count();
    let after: Vec<String> = there
        .iter()
        .map(|(from, until)| {
            let range = *from as usize..(*until as usize).min(told.len());
            let first = told[range].iter().position(|told| *told);
            first.map_or("never".to_owned(), |seconds| format!("{seconds} s"))
        })
        .collect();
    let row = Row {
        with: with.len(),
        told_with: count(&with),
        without: without.len(),
        told_without: count(&without),
    };
    (row, after.join(", "))
}

/// Tells whether something moved, second by second.
struct Told {
    packets: Vec<bool>,
    looks: Vec<bool>,
}

/// Returns what an idle camera's stream tells: all its packets, and a look a second.
fn moves(clip: &Path) -> Told {
    let reader = ClipReader::open(clip).unwrap();
    let codec = reader.codec();
    let input = InputFormat {
        size: Size { width: 512, height: 288 },
        placement: Placement::Center,
        pad: 114,
    };
    let camera = Id::new("clip").unwrap();
    let config = decode::Config { camera, input, masks: Arc::new(Masks::default()) };
    let mut decoder = Decoder::new(config, Arc::new(ManualClock::new(Stamp::default())));
    let (mut motion, mut change) = (MotionDetector::default(), Change::default());
    let mut told = Told { packets: Vec::new(), looks: Vec::new() };
    for unit in reader {
        let unit = unit.unwrap();
        let at_us = u64::try_from(unit.dts_us).unwrap_or(0);
        let (at, second) = (Mono(at_us), (at_us / 1_000_000) as usize);
        for list in [&mut told.packets, &mut told.looks] {
            list.resize(list.len().max(second + 1), false);
        }
        told.packets[second] |= motion.note(at, unit.key, unit.data.len());
        let received = Stamp { mono: at, ..Stamp::default() };
        let (data, key, media_time_us) = (unit.data, unit.key, unit.pts_us);
        let packet = Packet { codec, data, key, media_time_us, received, lost: 0 };
        let Ok(Some(frame)) = decoder.push(&packet, DecodeMode::Picture) else { continue };
        if let Some(look) = &frame.statistics {
            told.looks[second] |= change.see(frame.at.mono, look.grey, look.brightness());
        }
    }
    told
}
