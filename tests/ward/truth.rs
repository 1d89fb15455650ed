//! The script of what truly happens, and how the incidents compare with it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use keng::detection::{Appearance, Class, Detection};
use keng::geometry::BoundingBox;
use keng::incident::Kind;

use crate::chance::{around, between, choice, uniform};
use crate::day::Told;
use crate::street::{CAMERAS, CAMERAS_A_KHU_PHO, KHU_PHO, partner};

/// The day begins at noon; so many seconds later it is 22:00, and 05:00.
const DUSK: f64 = 10.0 * 3_600.0;
const DAWN: f64 = 17.0 * 3_600.0;
const DAY: f64 = 24.0 * 3_600.0;

/// What the detector makes of something, and how it moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shape {
    /// Flames: a box that flickers and grows.
    Flame,
    /// Smoke: a box that drifts upwards and spreads.
    Smoke,
    /// Somebody who stays, with a sway, and steps aside now and then.
    Standing,
    /// Somebody, or a headlight, that crosses the view once.
    Crossing,
    /// A lamp: to the pixel the same.
    Rigid,
    /// A sign that goes on and off once a second.
    Blinking,
    /// A welder: flickers like flames for some seconds, then turns the piece.
    Bursts,
}

/// Something before cameras.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    pub(crate) class: Class,
    pub(crate) shape: Shape,
    pub(crate) cameras: Vec<usize>,
    /// Seconds since the day's beginning.
    pub(crate) from: f64,
    pub(crate) until: f64,
    /// In how many of the frames the detector sees it, 0..1.
    recall: f64,
    /// Mean and deviation of its confidence.
    confidence: (f64, f64),
    /// Centre and height in the first camera's view.
    place: (f64, f64, f64),
    seed: u64,
}

impl Truth {
    /// Tells whether an incident of `kind` on any of `cameras` would tell of it.
    pub(crate) fn is_told_by(&self, kind: Kind, cameras: &BTreeSet<usize>) -> bool {
        let burns = |kind| matches!(kind, Kind::Fire | Kind::Smoke);
        let same = kind == self.kind || burns(kind) && burns(self.kind);
        same && self.cameras.iter().any(|camera| cameras.contains(camera))
    }
}

/// What should be told of.
#[derive(Clone, Debug)]
pub(crate) struct Truth {
    pub(crate) kind: Kind,
    pub(crate) cameras: Vec<usize>,
    pub(crate) from: f64,
    pub(crate) until: f64,
    /// Told later than this many seconds after `from` is late.
    patience: f64,
}

/// A whole day.
pub(crate) struct Script {
    pub(crate) actors: Vec<Actor>,
    pub(crate) truths: Vec<Truth>,
    /// Cameras without a picture: which, from when, until when.
    pub(crate) outages: Vec<(usize, f64, f64)>,
    /// Patrols: khu phố, from when, how many minutes.
    pub(crate) patrols: Vec<(usize, f64, u32)>,
}

impl Actor {
    /// What the detector sees of it on `camera` at `second`, if anything.
    pub(crate) fn seen(&self, camera: usize, second: f64) -> Option<Detection> {
        let moment = (second * 1_000.0).round() as u64;
        let key = |n: u64| [self.seed, camera as u64, moment, n];
        let age = second - self.from;
        let dark = match self.shape {
            Shape::Blinking => age.rem_euclid(1.0) >= 0.5,
            Shape::Bursts => age.rem_euclid(31.0) >= 6.0,
            // Somebody walks between, or the detector loses who stands there.
            Shape::Standing => age.rem_euclid(70.0) >= 62.0,
            _ => false,
        };
        if dark || uniform(&key(0)) >= self.recall {
            return None;
        }
        let mirrored = camera != self.cameras[0];
        let (mut x, mut y, mut h) = self.place;
        let mut aspect = 0.9;
        match self.shape {
            Shape::Flame => {
                h *= 1.0 + 0.004 * age.min(300.0) + 0.25 * (uniform(&key(1)) - 0.5);
                x += h * 0.2 * (uniform(&key(2)) - 0.5);
                aspect = between(0.6, 1.2, &key(3));
            }
            Shape::Smoke => {
                h *= 1.0 + 0.01 * age.min(200.0) + 0.2 * (uniform(&key(1)) - 0.5);
                y -= 0.001 * age.min(100.0) + h * 0.08 * (uniform(&key(2)) - 0.5);
                x += 0.02 * (age / 7.0).sin() + h * 0.08 * (uniform(&key(5)) - 0.5);
                aspect = between(1.1, 1.5, &key(3));
            }
            Shape::Standing => {
                x += 0.01 * (age / 3.0).sin() + 0.03 * (age / 47.0).sin();
                y += 0.004 * (uniform(&key(1)) - 0.5);
                aspect = 0.4;
            }
            Shape::Crossing => {
                x = -0.05 + 1.1 * age / (self.until - self.from).max(0.1);
                aspect = if self.class == Class::Person { 0.4 } else { 1.2 };
            }
            Shape::Bursts => {
                h *= between(0.7, 1.4, &key(1));
                aspect = between(0.6, 1.2, &key(3));
            }
            Shape::Rigid | Shape::Blinking => {}
        }
        if mirrored {
            x = 1.0 - x;
        }
        if !(0.0..=1.0).contains(&x) {
            return None;
        }
        let half = h * aspect / 2.0 * 9.0 / 16.0;
        let (mean, deviation) = self.confidence;
        let cloth = |n: u64| [1, 2, 3].map(|c| (uniform(&[self.seed, n, c]) * 255.0) as u8);
        let appearance =
            (self.class == Class::Person).then(|| Appearance::plain(cloth(7), cloth(8)));
        Some(Detection {
            appearance,
            class: self.class,
            confidence: around(mean, deviation, &key(4)).clamp(0.05, 0.99) as f32,
            bbox: BoundingBox::new(
                (x - half) as f32,
                (y - h / 2.0) as f32,
                (x + half) as f32,
                (y + h / 2.0) as f32,
            ),
        })
    }
}

impl Script {
    /// The one day that is played.
    pub(crate) fn of_a_day() -> Self {
        let mut script =
            Self { actors: Vec::new(), truths: Vec::new(), outages: vec![], patrols: vec![] };
        script.failures();
        script.burning();
        script.people();
        script.deceptions();
        script
    }

    fn act(&mut self, class: Class, shape: Shape, seed: u64) -> &mut Actor {
        let place = (
            between(0.2, 0.8, &[seed, 11]),
            between(0.45, 0.7, &[seed, 12]),
            between(0.08, 0.3, &[seed, 13]),
        );
        let camera = choice(CAMERAS, &[seed, 14]);
        self.actors.push(Actor {
            class,
            shape,
            cameras: vec![camera],
            from: between(60.0, DAY - 2_400.0, &[seed, 15]),
            until: 0.0,
            recall: 0.8,
            confidence: (0.6, 0.1),
            place,
            seed,
        });
        self.actors.last_mut().unwrap()
    }

    fn burning(&mut self) {
        for n in 0..24u64 {
            let seed = 1_000 + n;
            let smoke = n % 3 == 2;
            // Every sixth is hard to see.
            let faint = n % 6 == 3;
            let (class, shape) =
                if smoke { (Class::Smoke, Shape::Smoke) } else { (Class::Fire, Shape::Flame) };
            let camera = self.quiet_camera(n);
            let actor = self.act(class, shape, seed);
            actor.cameras = vec![camera];
            if n % 2 == 0 {
                actor.cameras.push(partner(camera));
            }
            // One fire an hour of the day.
            actor.from = 300.0 + n as f64 * 3_500.0 + between(0.0, 600.0, &[seed, 1]);
            actor.until = actor.from + between(240.0, 900.0, &[seed, 2]);
            actor.recall = if faint { 0.4 } else { between(0.5, 0.95, &[seed, 3]) };
            let mean = if faint { 0.48 } else { between(0.5, 0.75, &[seed, 4]) };
            actor.confidence = (mean, 0.08);
            let (cameras, from, until) = (actor.cameras.clone(), actor.from, actor.until);
            let kind = if smoke { Kind::Smoke } else { Kind::Fire };
            let patience = if smoke { 30.0 } else { 15.0 };
            self.truths.push(Truth { kind, cameras, from, until, patience });
        }
    }

    /// A camera of its own for each fire, none of which fails just then.
    fn quiet_camera(&self, n: u64) -> usize {
        (n as usize * 8 + 4) % CAMERAS
    }

    fn people(&mut self) {
        for n in 0..40u64 {
            let seed = 2_000 + n;
            let from = DUSK + 120.0 + n as f64 * 600.0;
            let actor = self.act(Class::Person, Shape::Standing, seed);
            actor.cameras = vec![(n as usize * 5 + 2) % CAMERAS];
            actor.place.2 = between(0.15, 0.4, &[seed, 1]);
            actor.from = from;
            actor.recall = between(0.6, 0.95, &[seed, 2]);
            actor.confidence = (0.62, 0.1);
            // Every other one goes before the two minutes are over.
            let stays = n % 2 == 0;
            let lasts = if stays { between(240.0, 1_200.0, &[seed, 3]) } else { 95.0 };
            actor.until = (from + lasts).min(DAWN - 60.0);
            let (cameras, until) = (actor.cameras.clone(), actor.until);
            let patrolled = n % 10 == 8;
            if patrolled {
                // A team says where it is, and stands there.
                self.patrols.push((cameras[0] / CAMERAS_A_KHU_PHO, from - 30.0, 25));
            } else if stays {
                let kind = Kind::Loitering;
                self.truths.push(Truth { kind, cameras, from, until, patience: 150.0 });
            }
        }
        for n in 0..3_000u64 {
            let seed = 10_000 + n;
            let actor = self.act(Class::Person, Shape::Crossing, seed);
            actor.until = actor.from + between(8.0, 40.0, &[seed, 1]);
            actor.place.2 = between(0.12, 0.5, &[seed, 2]);
            actor.recall = 0.85;
        }
    }

    fn deceptions(&mut self) {
        for n in 0..60u64 {
            let actor = self.act(Class::Fire, Shape::Rigid, 3_000 + n);
            (actor.from, actor.until) = (6.0 * 3_600.0, 18.0 * 3_600.0);
            actor.recall = 0.5;
            actor.confidence = (0.28, 0.06);
            actor.place.2 = 0.06;
        }
        for n in 0..3_000u64 {
            let seed = 20_000 + n;
            let actor = self.act(Class::Fire, Shape::Crossing, seed);
            actor.from = between(7.0 * 3_600.0, DAWN, &[seed, 1]);
            actor.until = actor.from + between(1.5, 6.0, &[seed, 2]);
            actor.recall = 0.7;
            actor.confidence = (0.42, 0.08);
            actor.place.2 = 0.07;
        }
        // Signs and lamps that the detector takes for fire more often than not, and welders.
        for n in 0..14u64 {
            let seed = 6_000 + n;
            let (shape, recall, mean, hours) = match n {
                0..6 => (Shape::Rigid, 0.8, 0.46, 8.0),
                6..11 => (Shape::Blinking, 0.9, 0.55, 8.0),
                _ => (Shape::Bursts, 0.8, 0.6, 2.0),
            };
            let actor = self.act(Class::Fire, shape, seed);
            actor.cameras = vec![(n as usize * 14 + 6) % CAMERAS];
            actor.from = 7.0 * 3_600.0 + n as f64 * 400.0;
            actor.until = actor.from + hours * 3_600.0;
            (actor.recall, actor.confidence) = (recall, (mean, 0.05));
            actor.place.2 = 0.07;
        }
        // Insects close to the lens: one frame, large, anything.
        for n in 0..4_000u64 {
            let seed = 30_000 + n;
            let class = if n % 2 == 0 { Class::Smoke } else { Class::Person };
            let actor = self.act(class, Shape::Rigid, seed);
            actor.from = between(DUSK, DAWN, &[seed, 1]);
            actor.until = actor.from + 0.4;
            actor.recall = 1.0;
            actor.confidence = (0.5, 0.1);
            actor.place.2 = between(0.2, 0.6, &[seed, 2]);
        }
    }

    fn failures(&mut self) {
        for n in 0..3u64 {
            let khu_pho = choice(KHU_PHO, &[4_000 + n, 1]);
            let from = 8_000.0 + n as f64 * 27_000.0;
            let until = from + between(240.0, 900.0, &[4_000 + n, 2]);
            let first = khu_pho * CAMERAS_A_KHU_PHO;
            let cameras: Vec<usize> = (first..first + CAMERAS_A_KHU_PHO).collect();
            self.outages.extend(cameras.iter().map(|camera| (*camera, from, until)));
            let kind = Kind::Camera;
            self.truths.push(Truth { kind, cameras, from, until, patience: 70.0 });
        }
        for n in 0..20u64 {
            let from = 1_500.0 + n as f64 * 4_000.0;
            let until = from + between(30.0, 900.0, &[5_000 + n, 1]);
            let camera = (n as usize * 10 + 1) % CAMERAS;
            self.outages.push((camera, from, until));
            if until - from > 65.0 {
                let (kind, cameras) = (Kind::Camera, vec![camera]);
                self.truths.push(Truth { kind, cameras, from, until, patience: 70.0 });
            }
        }
    }
}

/// The counts, and what lies behind them.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) right: usize,
    pub(crate) late: usize,
    pub(crate) missed: usize,
    pub(crate) untrue: usize,
    pub(crate) duplicate: usize,
    pub(crate) details: String,
    delays: Vec<(Kind, f64)>,
}

/// An incident may still be told of so long after the thing itself is gone.
const AFTERWARDS: f64 = 90.0;

impl Verdict {
    /// Holds what was told against the script.
    pub(crate) fn of(script: &Script, told: &[Told]) -> Self {
        let mut verdict = Self::default();
        let mut explained = vec![false; told.len()];
        for truth in &script.truths {
            let about = |t: &Told| truth.is_told_by(t.kind, &t.cameras);
            let opened = |t: &Told| t.opened_ms as f64 / 1_000.0;
            let overlaps = |t: &Told| {
                let closed = t.closed_ms.map_or(f64::INFINITY, |ms| ms as f64 / 1_000.0);
                opened(t) <= truth.until + AFTERWARDS && closed >= truth.from
            };
            let own: Vec<usize> =
                (0..told.len()).filter(|&i| about(&told[i]) && overlaps(&told[i])).collect();
            for &i in &own {
                explained[i] = true;
            }
            let Some(&first) = own.iter().min_by_key(|&&i| told[i].opened_ms) else {
                verdict.missed += 1;
                writeln!(verdict.details, "missed {truth:?}").unwrap();
                continue;
            };
            let delay = (opened(&told[first]) - truth.from).max(0.0);
            verdict.delays.push((truth.kind, delay));
            if delay > truth.patience {
                verdict.late += 1;
                writeln!(verdict.details, "late {delay:.1} s {truth:?}").unwrap();
            } else {
                verdict.right += 1;
            }
            let again = own.iter().filter(|&&i| opened(&told[i]) >= truth.from).count();
            if again > 1 {
                verdict.duplicate += again - 1;
                writeln!(verdict.details, "{again} times {truth:?}").unwrap();
            }
        }
        for (_, t) in explained.iter().zip(told).filter(|(explained, _)| !**explained) {
            verdict.untrue += 1;
            writeln!(verdict.details, "false {t:?}").unwrap();
        }
        verdict
    }

    /// The table.
    #[expect(clippy::print_stdout, reason = "the figures are what the day is played for")]
    pub(crate) fn print(&self) {
        println!(
            "ward: {} right, {} late, {} missed, {} false, {} duplicate",
            self.right, self.late, self.missed, self.untrue, self.duplicate
        );
        for kind in [Kind::Fire, Kind::Smoke, Kind::Loitering, Kind::Camera] {
            let mut delays: Vec<f64> =
                self.delays.iter().filter(|(k, _)| *k == kind).map(|(_, d)| *d).collect();
            delays.sort_by(f64::total_cmp);
            if let (Some(worst), Some(median)) = (delays.last(), delays.get(delays.len() / 2)) {
                let (kind, count) = (kind.as_str(), delays.len());
                println!("ward: {kind:9} {count:3} told after {median:.1} s, at most {worst:.1} s");
            }
        }
    }
}
