//! Scenes as a detector would tell them: things that walk to and fro, and the tensors behind.

use std::f32::consts::TAU;
use std::time::Duration;

use jiff::tz::TimeZone;
use keng::detection::Appearance;
use keng::detection::Class;
use keng::detection::Detection;
use keng::frame::Size;
use keng::geometry::BoundingBox;
use keng::pipeline::Core;
use keng::pipeline::FrameResult;
use keng::pipeline::Watched;
use keng::rule;
use keng::rule::BurningConfig;
use keng::rule::HealthConfig;
use keng::rule::LoiteringConfig;
use keng::time::Mono;
use keng::time::Stamp;
use keng::time::Wall;
use keng::track::Track;
use keng::track::Tracker;
use keng::ward::Id;
use keng::ward::Location;
use keng::ward::Site;

/// Frames of a scene: a minute at five a second.
pub(crate) const FRAMES: usize = 300;
/// 22:30 in Vietnam, when people who stay are looked at.
const NIGHT: Wall = Wall(1_795_275_000_000_000);
/// Of the network's input.
pub(crate) const INPUT: Size = Size { width: 512, height: 288 };
/// Cells of the grids of 8, 16 and 32 pixels on that input.
pub(crate) const ANCHORS: usize = 64 * 36 + 32 * 18 + 16 * 9;

/// What a detector gave, frame by frame.
pub(crate) struct Scene {
    pub(crate) frames: Vec<FrameResult>,
    pub(crate) zone: TimeZone,
}

/// The tracks as they stood after a frame.
pub(crate) struct Recorded {
    pub(crate) at: Stamp,
    pub(crate) tracks: Vec<Track>,
}

impl Scene {
    /// So many things that move about, mostly people, one in eight a fire, one in eight smoke.
    pub(crate) fn new(things: usize) -> Self {
        let frame = |number: usize| FrameResult {
            camera: camera(),
            at: at(number),
            detections: (0..things).map(|thing| detection(thing, number)).collect(),
        };
        let zone = TimeZone::get("Asia/Ho_Chi_Minh").expect("it is built in");
        Self { frames: (0..FRAMES).map(frame).collect(), zone }
    }

    pub(crate) fn recorded(&self) -> Vec<Recorded> {
        let mut tracker = Tracker::new();
        let mut record = |frame: &FrameResult| {
            let tracks = tracker.update(&frame.detections, confident, frame.at).cloned().collect();
            Recorded { at: frame.at, tracks }
        };
        self.frames.iter().map(&mut record).collect()
    }
}

/// A core that watches the one camera by the usual rules.
pub(crate) fn core() -> Core {
    let zone = TimeZone::get("Asia/Ho_Chi_Minh").expect("it is built in");
    Core::new(zone, vec![Watched { site: site(), rules: config() }], at(0))
}

/// Returns where the one camera hangs.
pub(crate) fn site() -> Site {
    Site {
        id: camera(),
        khu_pho: Id::new("kp1").expect("it is an id"),
        place: Location { address: "Hẻm 42".to_owned(), coordinates: None },
        owner: None,
        neighbours: Vec::new(),
    }
}

/// The one camera of the benches.
pub(crate) fn camera() -> Id {
    Id::new("bench").expect("letters make an id")
}

/// Returns when a frame was taken.
pub(crate) fn at(number: usize) -> Stamp {
    Stamp { mono: Mono(0), wall: NIGHT } + Duration::from_millis(200 * number as u64)
}

/// Things walk to and fro on rows; their boxes shake, their confidence varies.
fn detection(thing: usize, number: usize) -> Detection {
    let class = match thing % 8 {
        6 => Class::Fire,
        7 => Class::Smoke,
        _ => Class::Person,
    };
    let share = |step: f32| (thing as f32 * step).fract();
    let turn = number as f32 / FRAMES as f32 + share(0.414);
    let shake = ((number * 31 + thing * 17) % 7) as f32 * 0.001;
    let x = 0.05 + 0.85 * share(0.618) + 0.05 * (turn * TAU).sin() + shake;
    let y = 0.1 + 0.7 * share(0.732) + shake;
    let confidence = 0.4 + ((number * 13 + thing * 7) % 50) as f32 / 100.0;
    let shade = u8::try_from(thing % 200).expect("it is below 200");
    let appearance = (class == Class::Person).then(|| Appearance::plain([shade; 3], [60; 3]));
    Detection { class, confidence, bbox: BoundingBox::new(x, y, x + 0.03, y + 0.12), appearance }
}

/// Sure enough for its rule.
pub(crate) fn confident(detection: &Detection) -> bool {
    detection.confidence >= config().confidence_min(detection.class)
}

/// As `config/default.toml` has it.
pub(crate) fn config() -> rule::Config {
    let seconds = Duration::from_secs;
    let quiet = seconds(20);
    rule::Config {
        fire: BurningConfig { quiet, ..BurningConfig::default() },
        smoke: BurningConfig { quiet, ..BurningConfig::smoke() },
        loitering: LoiteringConfig { quiet, ..LoiteringConfig::default() },
        camera: HealthConfig { offline: seconds(30), ..HealthConfig::default() },
        ..rule::Config::default()
    }
}

/// `[4 + 3, A]`: each thing is seen by `each` anchors, the others see next to nothing.
pub(crate) fn shipped(things: usize, each: usize) -> Vec<f32> {
    let mut values = vec![0.01; 7 * ANCHORS];
    for (anchor, thing) in seeing(things, each) {
        let (x, y) = place(thing, anchor);
        for (channel, value) in [x, y, 22.0, 44.0].into_iter().enumerate() {
            values[channel * ANCHORS + anchor] = value;
        }
        values[(4 + thing % 3) * ANCHORS + anchor] = score(anchor);
    }
    values
}

/// Returns which anchor sees which thing; spread over the whole grid.
pub(crate) fn seeing(things: usize, each: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..things * each).map(move |index| (index * 997 % ANCHORS, index % things))
}

/// Pixels: things in rows of ten, its anchors around it.
fn place(thing: usize, anchor: usize) -> (f32, f32) {
    let around = (anchor % 5) as f32 - 2.0;
    ((thing % 10) as f32 * 50.0 + 25.0 + around, (thing / 10) as f32 * 28.0 + 16.0 + around)
}

/// By anchor, so that it is not always the same.
pub(crate) fn score(anchor: usize) -> f32 {
    0.4 + (anchor % 50) as f32 / 100.0
}
