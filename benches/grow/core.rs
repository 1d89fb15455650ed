//! The pure parts: what a frame costs by what it shows, by zones, incidents and cameras.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use keng::alert;
use keng::alert::AlertContext;
use keng::alert::Messages;
use keng::detection::ModelIdentity;
use keng::detector::classes::ClassMap;
use keng::detector::family;
use keng::detector::family::Family;
use keng::detector::family::Tensor;
use keng::frame::Frame;
use keng::frame::InputFormat;
use keng::frame::Letterbox;
use keng::frame::Picture;
use keng::frame::Pixels;
use keng::frame::Placement;
use keng::frame::Size;
use keng::frame::decode_rate::DecodeRate;
use keng::frame::mailbox::Mailboxes;
use keng::geometry::Point;
use keng::geometry::Polygon;
use keng::incident::Incident;
use keng::metrics::Metrics;
use keng::pipeline::Core;
use keng::pipeline::FrameResult;
use keng::pipeline::Watched;
use keng::rule::RuleKind;
use keng::rule::Rules;
use keng::rule::Zone;
use keng::time::Clock;
use keng::time::ManualClock;
use keng::track::Track;
use keng::track::Tracker;
use keng::ward::Coordinates;
use keng::ward::Id;
use keng::ward::KhuPho;
use keng::ward::Language;
use keng::ward::Location;
use keng::ward::Site;
use keng::ward::Ward;

use crate::Series;
use crate::support::scene;
use crate::support::scene::ANCHORS;
use crate::support::scene::FRAMES;
use crate::support::scene::INPUT;
use crate::support::scene::Scene;

/// Things in view where something else grows.
const THINGS: usize = 10;

/// Detections a frame: postprocessing, tracks, everything. Tracks are bounded, and so is the cost.
pub(crate) fn detections() -> Vec<Series> {
    let sizes = [1, 3, 10, 30, 100, 300];
    let over = "detections a frame";
    vec![
        Series::new(("postprocessing", over), &sizes, postprocess),
        Series::new(("tracker", over), &sizes, |things| {
            let scene = Scene::new(things);
            let (mut tracker, mut number) = (Tracker::new(), 0);
            move || {
                let frame = &scene.frames[number % FRAMES];
                let at = scene::at(number);
                number += 1;
                black_box(tracker.update(&frame.detections, scene::confident, at).count());
            }
        }),
        Series::new(("core", over), &sizes, |things| deciding(things, scene::core())),
    ]
}

fn postprocess(things: usize) -> impl FnMut() {
    let values = scene::shipped(things, 4);
    let classes = ClassMap::from_names(&["fire", "smoke", "person"].map(str::to_owned));
    let family = Family::Yolov8 { channels_first: true };
    let letterbox = letterbox();
    move || {
        let shape = [1, 7, ANCHORS];
        let context = family::DecodeContext {
            input: INPUT,
            letterbox: &letterbox,
            classes: &classes,
            confidence_min: 0.3,
        };
        let outputs = [Tensor { shape: &shape, values: &values }];
        black_box(family.decode(&outputs, 0, &context).expect("the tensor is as promised"));
    }
}

fn letterbox() -> Letterbox {
    let format = InputFormat { size: INPUT, placement: Placement::Center, pad: 114 };
    Letterbox::fit(Size { width: 640, height: 360 }, &format)
}

/// Frames of one camera through a core, round and round in rising time.
fn deciding(things: usize, mut core: Core) -> impl FnMut() {
    let mut scene = Scene::new(things);
    let mut number = 0;
    move || {
        let frame: &mut FrameResult = &mut scene.frames[number % FRAMES];
        frame.at = scene::at(number);
        number += 1;
        black_box(core.on_frame(frame));
    }
}

/// Zones of eight corners, all of them for every rule.
pub(crate) fn zones() -> Vec<Series> {
    let rules = |zones: usize| {
        let scene = Scene::new(THINGS);
        let recorded = scene.recorded();
        let mut config = scene::config();
        config.zones = (0..zones).map(zone).collect();
        let mut rules = Rules::new(scene::camera(), config.clone(), scene::at(0));
        let mut number = 0;
        move || {
            if number == FRAMES {
                (rules, number) = (Rules::new(scene::camera(), config.clone(), scene::at(0)), 0);
            }
            let tracks: Vec<&Track> = recorded[number].tracks.iter().collect();
            black_box(rules.on_frame(&tracks, &scene.zone, recorded[number].at));
            number += 1;
        }
    };
    vec![Series::new(("rules, 10 things", "zones"), &[1, 4, 16, 64], rules)]
}

fn zone(number: usize) -> Zone {
    let corner = |corner: usize| {
        let turn = corner as f32 / 8.0 * std::f32::consts::TAU;
        let middle = 0.2 + 0.6 * (number as f32 * 0.618).fract();
        Point { x: middle + 0.1 * turn.cos(), y: middle + 0.1 * turn.sin() }
    };
    Zone {
        name: format!("zone {number}"),
        rules: vec![RuleKind::Fire, RuleKind::Smoke, RuleKind::Loitering],
        polygon: Polygon::new((0..8).map(corner).collect()).expect("eight corners"),
        residents: Vec::new(),
    }
}

/// Open incidents of other cameras: what a frame and a second cost.
pub(crate) fn incidents() -> Vec<Series> {
    let sizes = [1, 10, 100, 1_000, 10_000];
    let over = "open incidents";
    vec![
        Series::new(("core, a frame", over), &sizes, |open| deciding(THINGS, burdened(open))),
        Series::new(("core, a second's tick", over), &sizes, |open| {
            let mut core = burdened(open);
            // The same moment: else they would expire under way.
            move || drop(black_box(core.on_tick(scene::at(0))))
        }),
    ]
}

/// A core with so many incidents read back.
fn burdened(open: usize) -> Core {
    let scene = Scene::new(THINGS);
    let mut core = scene::core();
    let told = scene.frames.iter().find_map(|frame| core.on_frame(frame).pop());
    let told = told.expect("something burns in the scene");
    let (id, camera) = (told.id.to_string(), scene::camera().to_string());
    let bytes = context(scene.zone).render(&told, 1, None, None);
    let text = String::from_utf8(bytes).expect("JSON is text");
    let (head, tail) = id.split_at(id.len() - 5);
    let incident = |number: usize| -> Incident {
        let tail = format!("{number:0width$}", width = tail.len());
        let text = text.replace(&id, &format!("{head}{tail}"));
        let text = text.replace(&format!("\"{camera}\""), &format!("\"other{number}\""));
        alert::parse(text.as_bytes()).expect("it was rendered")
    };
    let mut core = scene::core();
    core.restore((0..open).map(incident), scene::at(0));
    core
}

fn context(timezone: TimeZone) -> AlertContext {
    let id = |text: &str| Id::new(text).expect("letters make an id");
    let language = Language::Vi;
    AlertContext {
        ward: Ward { id: id("ward"), name: "Phường 1".to_owned(), timezone, language },
        khu_pho: vec![KhuPho { id: id("kp1"), name: "Khu phố 1".to_owned(), team: None }],
        sites: vec![scene::site()],
        fire_points: Vec::new(),
        model: ModelIdentity { name: "keng".to_owned(), sha256: "0".repeat(64) },
        messages: Messages::of(language),
    }
}

/// Cameras of the ward: a frame's way through the mailboxes and the core, a second's tick.
pub(crate) fn cameras() -> Vec<Series> {
    let sizes = [1, 4, 16, 64, 256];
    let over = "cameras";
    vec![
        Series::new(("mailbox, in and out", over), &sizes, mailbox),
        Series::new(("core, a frame", over), &sizes, |cameras| {
            deciding(THINGS, Core::new(vietnam(), ward(cameras), scene::at(0)))
        }),
        Series::new(("core, a second's tick", over), &sizes, |cameras| {
            let mut core = Core::new(vietnam(), ward(cameras), scene::at(0));
            move || drop(black_box(core.on_tick(scene::at(0))))
        }),
        Series::new(("configuring", over), &sizes, |cameras| {
            let ward = ward(cameras);
            let mut core = Core::new(vietnam(), ward.clone(), scene::at(0));
            move || drop(black_box(core.configure(vietnam(), ward.clone(), scene::at(0))))
        }),
    ]
}

fn vietnam() -> TimeZone {
    TimeZone::get("Asia/Ho_Chi_Minh").expect("it is built in")
}

/// Cameras sixty metres apart along a street; the first is the scenes' one.
fn ward(cameras: usize) -> Vec<Watched> {
    let watched = |number: usize| {
        let name = format!("c{number}");
        let id = if number == 0 { Ok(scene::camera()) } else { Id::new(&name) };
        let latitude = 10.0 + number as f64 * 60.0 / 111_000.0;
        let coordinates = Some(Coordinates { latitude, longitude: 106.6 });
        let place = Location { address: name.clone(), coordinates };
        let site = Site { id: id.expect("letters make an id"), place, ..scene::site() };
        Watched { site, rules: scene::config() }
    };
    (0..cameras).map(watched).collect()
}

fn mailbox(cameras: usize) -> impl FnMut() {
    let clock = Arc::new(ManualClock::new(scene::at(0)));
    let mailboxes = Mailboxes::new(Arc::clone(&clock) as Arc<dyn Clock>, Metrics::new());
    let name = |index: usize| Id::new(&format!("c{index}")).expect("letters make an id");
    let ids: Vec<Id> = (0..cameras).map(name).collect();
    for id in &ids {
        mailboxes.add_camera(id, DecodeRate::every(Duration::from_secs(1)));
    }
    let mut number = 0;
    move || {
        clock.advance(Duration::from_millis(8));
        number += 1;
        mailboxes.post(Frame {
            camera: ids[number % ids.len()].clone(),
            sequence: number as u64,
            at: clock.now(),
            pixels: Pixels::default(),
            letterbox: letterbox(),
            picture: Picture::empty(),
            statistics: None,
            thumbnail: None,
            decode_us: 0,
        });
        assert!(black_box(mailboxes.try_take()).is_some(), "it is fresh");
    }
}
