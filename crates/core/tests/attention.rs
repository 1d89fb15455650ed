//! The causes that make the core look closer at a camera, and for how long.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use std::time::Duration;

use keng_core::attention::Level;
use keng_core::detection::{Class, Detection};
use keng_core::geometry::BoundingBox;
use keng_core::picture::statistics::{Cell, FrameStatistics};
use keng_core::pipeline::{Core, FrameResult, Watched};
use keng_core::rule::Config;
use keng_core::time::Stamp;
use keng_core::ward::{Id, Location, Site};

fn site(name: &str, neighbours: &[&str]) -> Site {
    Site {
        id: Id::new(name).unwrap(),
        khu_pho: Id::new("kp1").unwrap(),
        place: Location { address: name.into(), coordinates: None },
        owner: None,
        neighbours: neighbours.iter().map(|name| Id::new(name).unwrap()).collect(),
    }
}

/// A street without colour; `bright` of its 144 cells is brighter than it was.
fn picture(bright: Option<usize>) -> FrameStatistics {
    let cells = std::array::from_fn(|cell| {
        let light = if bright == Some(cell) { 90_000 } else { 60_000 };
        Cell { light, texture: 9_000 }
    });
    FrameStatistics { cells, pixels_a_cell: 1_000.0, grey: true }
}

#[test]
fn who_walks_through_the_small_picture_makes_the_core_look_closer() {
    let start = Stamp::default() + Duration::from_secs(10);
    let watched = Watched { site: site("a", &[]), rules: Config::default() };
    let mut core = Core::new(jiff::tz::TimeZone::UTC, vec![watched], start);
    let camera = Id::new("a").unwrap();
    let level_after = |core: &mut Core, second: u64, bright: Option<usize>| {
        let at = start + Duration::from_secs(second);
        core.on_statistics(&camera, &picture(bright), at);
        core.level(&camera, at)
    };
    for second in 0..30 {
        assert_eq!(level_after(&mut core, second, None), Level::Idle);
    }
    assert_eq!(level_after(&mut core, 30, Some(70)), Level::Idle);
    assert_eq!(level_after(&mut core, 31, Some(71)), Level::Curious);
    for second in 32..37 {
        level_after(&mut core, second, None);
    }
    assert_eq!(level_after(&mut core, 37, None), Level::Idle);
}

#[test]
fn a_flame_a_neighbours_event_a_movement_and_a_look_make_the_core_look_closer() {
    let rules = Config::default();
    let watched = [site("a", &["b"]), site("b", &["a"]), site("c", &["a"]), site("d", &["d"])];
    let watched = watched.map(|site| Watched { site, rules: rules.clone() });
    let start = Stamp::default() + Duration::from_secs(10);
    let mut core = Core::new(jiff::tz::TimeZone::UTC, watched.into(), start);
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| Id::new(name).unwrap());
    core.on_motion(&d, start);
    core.look(&c, start);
    let levels = |core: &Core, at: Stamp| [&a, &b, &c, &d].map(|id| core.level(id, at));
    use Level::{Curious, Focused, Followed, Idle};
    assert_eq!(levels(&core, start), [Idle, Idle, Focused, Curious]);
    let later = start + Duration::from_secs(10);
    assert_eq!(levels(&core, later), [Idle; 4]);
    // At first sight, for a moment: a flash is no reason to stare.
    let flash = FrameResult { camera: d.clone(), at: later, detections: vec![fire(later)] };
    assert!(core.on_frame(&flash).is_empty());
    assert_eq!(levels(&core, later), [Idle, Idle, Idle, Focused]);
    assert_eq!(core.level(&d, later + Duration::from_secs(2)), Curious);
    let (mut at, mut before, mut revisions) = (later + Duration::from_secs(5), Idle, Vec::new());
    assert_eq!(levels(&core, at), [Idle; 4]);
    while revisions.is_empty() {
        at = at + Duration::from_millis(250);
        assert!(at < later + Duration::from_secs(25), "it burns");
        before = core.level(&a, at);
        let detections = vec![fire(at)];
        revisions = core.on_frame(&FrameResult { camera: a.clone(), at, detections });
    }
    // Once it is told it is followed, less closely.
    assert_eq!(before, Focused);
    assert_eq!(levels(&core, at), [Followed, Curious, Curious, Idle]);
    assert_eq!(levels(&core, at + Duration::from_secs(29))[1], Curious);
    assert_eq!(levels(&core, at + Duration::from_secs(30))[1], Idle);
}

/// Returns what burns at `at`: flames never look the same twice.
fn fire(at: Stamp) -> Detection {
    let edge = |of: f32, n: u64| of + ((at.mono.0 / 250_000 * n) % 17) as f32 / 400.0;
    Detection {
        class: Class::Fire,
        confidence: 0.9,
        bbox: BoundingBox::new(edge(0.4, 5), edge(0.4, 7), edge(0.6, 3), edge(0.6, 11)),
        appearance: None,
    }
}

#[test]
fn a_flame_behind_a_loiterer_who_was_told_is_looked_at_as_closely_as_any() {
    let start = Stamp::default() + Duration::from_secs(10);
    let watched = Watched { site: site("a", &[]), rules: Config::default() };
    let mut core = Core::new(jiff::tz::TimeZone::UTC, vec![watched], start);
    let camera = Id::new("a").unwrap();
    let somebody = Detection {
        class: Class::Person,
        confidence: 0.9,
        bbox: BoundingBox::new(0.1, 0.5, 0.2, 0.9),
        appearance: None,
    };
    let (mut at, mut told) = (start, false);
    let mut see = |core: &mut Core, burns: bool| {
        at = at + Duration::from_millis(250);
        let mut detections = vec![somebody];
        detections.extend(burns.then(|| fire(at)));
        let told = core.on_frame(&FrameResult { camera: camera.clone(), at, detections });
        (!told.is_empty(), core.level(&camera, at))
    };
    let mut level = Level::Idle;
    for _ in 0..4 * 600 {
        (told, level) = see(&mut core, false);
        if told {
            break;
        }
    }
    assert!(told, "nobody loiters after ten minutes");
    assert_eq!(level, Level::Followed);
    let flame = [true, true, false].map(|burns| see(&mut core, burns).1);
    assert_eq!(flame, [Level::Focused; 3]);
    // What gathers is looked at for longer than a glimpse, also while it hides.
    for _ in 0..8 {
        see(&mut core, true);
    }
    let hidden: Vec<Level> = (0..4 * 4).map(|_| see(&mut core, false).1).collect();
    assert_eq!(hidden, [Level::Focused; 16]);
    // Once it is told it is followed with whoever loiters there.
    let mut burning = (0..4 * 20).map(|_| see(&mut core, true)).collect::<Vec<_>>();
    let fire_told = burning.iter().position(|(told, _)| *told).unwrap();
    assert!(burning[..fire_told].iter().all(|(_, level)| *level == Level::Focused));
    let after = burning.split_off(fire_told + 4 * 3);
    assert!(after.iter().all(|(_, level)| *level == Level::Followed), "{after:?}");
}
