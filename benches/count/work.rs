//! The pure pieces of the hot loop, each a type with a function `once` that does one frame's (or
//! packet's, or alert's) work.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use keng::alert::AlertContext;
use keng::alert::Latency;
use keng::alert::Messages;
use keng::attention::motion::MotionDetector;
use keng::camera::Codec;
use keng::camera::Packet;
use keng::camera::queue;
use keng::camera::queue::QueueItem;
use keng::detection::ModelIdentity;
use keng::detector::classes::ClassMap;
use keng::detector::family;
use keng::detector::family::Family;
use keng::detector::family::Tensor;
use keng::detector::preprocess;
use keng::detector::preprocess::ColorOrder;
use keng::detector::preprocess::Scale;
use keng::frame::Frame;
use keng::frame::FrameStatistics;
use keng::frame::InputFormat;
use keng::frame::Letterbox;
use keng::frame::Picture;
use keng::frame::Placement;
use keng::frame::Size;
use keng::frame::decode_rate::DecodeRate;
use keng::frame::decode_rate::DecodeSchedule;
use keng::frame::mailbox::Mailboxes;
use keng::frame::pixels::Pool;
use keng::incident::Incident;
use keng::metrics::Metrics;
use keng::metrics::Stage;
use keng::pipeline::Core;
use keng::rule::Rules;
use keng::time::Clock;
use keng::time::ManualClock;
use keng::track::Track;
use keng::track::Tracker;
use keng::ward::Id;
use keng::ward::KhuPho;
use keng::ward::Language;
use keng::ward::Ward;

use crate::support::scene;
use crate::support::scene::FRAMES;
use crate::support::scene::INPUT;
use crate::support::scene::Recorded;
use crate::support::scene::Scene;

/// Cameras that share the mailboxes.
const CAMERAS: usize = 128;
/// Things in view: a busy street.
const THINGS: usize = 10;

/// One piece: its name, and what does its work once.
pub(crate) type Piece = (&'static str, Box<dyn FnMut()>);

/// Each piece and its type here.
pub(crate) const NAMES: &[(&str, &str)] = &[
    ("packet", "Packets"),
    ("look", "Looks"),
    ("mailbox", "Exchanging"),
    ("preprocess", "Preprocess"),
    ("postprocess", "Postprocess"),
    ("track", "Tracking"),
    ("rules", "Judging"),
    ("core", "Deciding"),
    ("core_quiet", "Idling"),
    ("alert", "Telling"),
];

/// All of them, ready to work.
pub(crate) fn all() -> Vec<Piece> {
    fn piece<W: 'static>(mut work: W, once: fn(&mut W)) -> Box<dyn FnMut()> {
        Box::new(move || once(&mut work))
    }
    let works = [
        piece(Packets::new(), Packets::once),
        piece(Looks::new(), Looks::once),
        piece(Exchanging::new(), Exchanging::once),
        piece(Preprocess::new(), Preprocess::once),
        piece(Postprocess::new(), Postprocess::once),
        piece(Tracking::new(), Tracking::once),
        piece(Judging::new(), Judging::once),
        piece(Deciding::new(THINGS), Deciding::once),
        piece(Idling(Deciding::new(0)), Idling::once),
        piece(Telling::new(), Telling::once),
    ];
    NAMES.iter().map(|(name, _)| *name).zip(works).collect()
}

fn bytes() -> Vec<u8> {
    let length = 3 * INPUT.width as usize * INPUT.height as usize;
    (0..length).map(|i| (i * 31 % 251).to_le_bytes()[0]).collect()
}

fn letterbox() -> Letterbox {
    let format = InputFormat { size: INPUT, placement: Placement::Center, pad: 114 };
    Letterbox::fit(Size { width: 640, height: 360 }, &format)
}

/// A packet's way to its decoder: queue, motion, what is to be done with it.
struct Packets {
    sender: queue::Sender,
    receiver: queue::Receiver,
    motion: MotionDetector,
    schedule: DecodeSchedule,
    decode_rate: DecodeRate,
    data: Arc<[u8]>,
    number: usize,
}

impl Packets {
    fn new() -> Self {
        let (sender, receiver) = queue::channel(Metrics::new().flow("bench", Stage::Receive));
        Self {
            sender,
            receiver,
            motion: MotionDetector::default(),
            schedule: DecodeSchedule::default(),
            decode_rate: DecodeRate::every(Duration::from_millis(125)),
            data: vec![0; 3000].into(),
            number: 0,
        }
    }

    #[inline(never)]
    fn once(&mut self) {
        let key = self.number.is_multiple_of(30);
        let packet = Packet {
            codec: Codec::H264,
            data: Arc::clone(&self.data),
            key,
            media_time_us: 0,
            received: scene::at(self.number),
            lost: 0,
        };
        self.number += 1;
        black_box(self.sender.send(packet));
        while let Some(item) = self.receiver.try_recv() {
            let QueueItem::Packet(packet) = item else { continue };
            let at = packet.received.mono;
            black_box(self.motion.note(at, packet.key, packet.data.len()));
            black_box(self.schedule.choose(at, packet.key, self.decode_rate.wanted()));
        }
    }
}

/// What a picture looks like as a whole.
struct Looks(Vec<u8>);

impl Looks {
    fn new() -> Self {
        Self(bytes())
    }

    #[inline(never)]
    fn once(&mut self) {
        black_box(FrameStatistics::of(&self.0, &letterbox()));
    }
}

/// A frame's way to a detector, among those of all other cameras.
struct Exchanging {
    clock: Arc<ManualClock>,
    mailboxes: Mailboxes,
    cameras: Vec<Id>,
    pool: Pool,
    number: usize,
}

impl Exchanging {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(scene::at(0)));
        let mailboxes = Mailboxes::new(Arc::clone(&clock) as Arc<dyn Clock>, Metrics::new());
        let name = |index: usize| Id::new(&format!("c{index}")).expect("letters make an id");
        let cameras: Vec<Id> = (0..CAMERAS).map(name).collect();
        for camera in &cameras {
            mailboxes.add_camera(camera, DecodeRate::every(Duration::from_secs(1)));
        }
        Self { clock, mailboxes, cameras, pool: Pool::default(), number: 0 }
    }

    #[inline(never)]
    fn once(&mut self) {
        self.clock.advance(Duration::from_millis(8));
        self.number += 1;
        self.mailboxes.post(Frame {
            camera: self.cameras[self.number % CAMERAS].clone(),
            sequence: self.number as u64,
            at: self.clock.now(),
            pixels: self.pool.take(16, 114),
            letterbox: letterbox(),
            picture: Picture::empty(),
            statistics: None,
            thumbnail: None,
            decode_us: 0,
        });
        assert!(black_box(self.mailboxes.try_take()).is_some(), "it is fresh");
    }
}

/// Bytes to the network's input.
struct Preprocess {
    bytes: Vec<u8>,
    tensor: Vec<f32>,
}

impl Preprocess {
    fn new() -> Self {
        let bytes = bytes();
        let tensor = vec![0.0; bytes.len()];
        Self { bytes, tensor }
    }

    #[inline(never)]
    fn once(&mut self) {
        let tensor = &mut self.tensor;
        assert!(preprocess::fill(tensor, &self.bytes, ColorOrder::Rgb, Scale::Unit));
        black_box(tensor);
    }
}

/// The network's output to boxes.
struct Postprocess {
    values: Vec<f32>,
    family: Family,
    classes: ClassMap,
}

impl Postprocess {
    fn new() -> Self {
        let classes = ClassMap::from_names(&["fire", "smoke", "person"].map(str::to_owned));
        let family = Family::Yolov8 { channels_first: true };
        Self { values: scene::shipped(3, 4), family, classes }
    }

    #[inline(never)]
    fn once(&mut self) {
        let shape = [1, 7, scene::ANCHORS];
        let (letterbox, classes) = (letterbox(), &self.classes);
        let context = family::DecodeContext {
            input: INPUT,
            letterbox: &letterbox,
            classes,
            confidence_min: 0.3,
        };
        let outputs = [Tensor { shape: &shape, values: &self.values }];
        let found = self.family.decode(&outputs, 0, &context).expect("the tensor is as promised");
        assert!(black_box(found).len() >= 3, "everything is found");
    }
}

/// Who is who.
struct Tracking {
    scene: Scene,
    tracker: Tracker,
    number: usize,
}

impl Tracking {
    fn new() -> Self {
        Self { scene: Scene::new(THINGS), tracker: Tracker::new(), number: 0 }
    }

    #[inline(never)]
    fn once(&mut self) {
        let frame = &self.scene.frames[self.number % FRAMES];
        let at = scene::at(self.number);
        self.number += 1;
        black_box(self.tracker.update(&frame.detections, scene::confident, at).count());
    }
}

/// What it means.
struct Judging {
    scene: Scene,
    recorded: Vec<Recorded>,
    rules: Rules,
    number: usize,
}

impl Judging {
    fn new() -> Self {
        let scene = Scene::new(THINGS);
        let recorded = scene.recorded();
        let rules = Rules::new(scene::camera(), scene::config(), scene::at(0));
        Self { scene, recorded, rules, number: 0 }
    }

    #[inline(never)]
    fn once(&mut self) {
        if self.number == FRAMES {
            self.rules = Rules::new(scene::camera(), scene::config(), scene::at(0));
            self.number = 0;
        }
        let frame = &self.recorded[self.number];
        self.number += 1;
        let tracks: Vec<&Track> = frame.tracks.iter().collect();
        black_box(self.rules.on_frame(&tracks, &self.scene.zone, frame.at));
    }
}

/// Tracks, rules and incidents.
struct Deciding {
    scene: Scene,
    core: Core,
    number: usize,
}

impl Deciding {
    fn new(things: usize) -> Self {
        Self { scene: Scene::new(things), core: scene::core(), number: 0 }
    }

    #[inline(never)]
    fn once(&mut self) {
        let frame = &mut self.scene.frames[self.number % FRAMES];
        frame.at = scene::at(self.number);
        self.number += 1;
        black_box(self.core.on_frame(frame));
    }
}

/// The same where nothing is: most frames of most cameras.
struct Idling(Deciding);

impl Idling {
    #[inline(never)]
    fn once(&mut self) {
        self.0.once();
    }
}

/// An incident to its alert's bytes.
struct Telling {
    context: AlertContext,
    incident: Incident,
}

impl Telling {
    fn new() -> Self {
        let scene = Scene::new(THINGS);
        let mut core = scene::core();
        let told = scene.frames.iter().find_map(|frame| core.on_frame(frame).pop());
        let id = |text: &str| Id::new(text).expect("letters make an id");
        let (name, language) = ("Phường 1".to_owned(), Language::Vi);
        let ward = Ward { id: id("ward"), name, timezone: scene.zone, language };
        let khu_pho = KhuPho { id: id("kp1"), name: "Khu phố 1".to_owned(), team: None };
        let context = AlertContext {
            ward,
            khu_pho: vec![khu_pho],
            sites: vec![scene::site()],
            fire_points: Vec::new(),
            model: ModelIdentity { name: "keng".to_owned(), sha256: "0".repeat(64) },
            messages: Messages::of(language),
        };
        Self { context, incident: told.expect("something burns in the scene") }
    }

    #[inline(never)]
    fn once(&mut self) {
        black_box(self.context.render(&self.incident, 1, None, Some(Latency::default())));
    }
}
