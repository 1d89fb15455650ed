//! One camera's core, and the longest dwell that its alerts tell.

use std::time::Duration;

use keng_core::detection::Detection;
use keng_core::geometry::{Point, Polygon};
use keng_core::incident::{Answer, Incident};
use keng_core::pipeline::{Command, Core, FrameResult, Watched};
use keng_core::rule::{Config, LoiteringConfig, Night, RuleKind, Zone};
use keng_core::time::Stamp;
use keng_core::ward::{Id, Location, Site};

use crate::street::stamp;

/// The zone is the part of the view between these.
pub const ZONE: (f64, f64) = (0.2, 0.8);

/// The core, and what it has told.
pub struct Watch {
    core: Core,
    ticked: Stamp,
    longest: Duration,
}

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

impl Watch {
    /// Of a camera at which whoever stays for `dwell_s` in the zone loiters, at any hour.
    pub fn new(dwell_s: f64) -> Self {
        Self::over(Config { zones: vec![zone()], ..rules(dwell_s) })
    }

    /// The same with the whole view for a zone, and each visit counting alone.
    pub fn everywhere(dwell_s: f64) -> Self {
        let mut rules = rules(dwell_s);
        rules.loitering.return_window = Duration::ZERO;
        Self::over(rules)
    }

    fn over(rules: Config) -> Self {
        let site = Site {
            id: id("gate"),
            khu_pho: id("kp1"),
            place: Location::default(),
            owner: None,
            neighbours: Vec::new(),
        };
        let start = stamp(0.0);
        let core = Core::new(jiff::tz::TimeZone::UTC, vec![Watched { site, rules }], start);
        Self { core, ticked: start, longest: Duration::ZERO }
    }

    /// The longest dwell that is told of these frames, in seconds, until some minutes after.
    pub fn play(mut self, frames: &[(f64, Vec<Detection>)]) -> f64 {
        for (t, detections) in frames {
            self.frame(*t, detections.clone());
        }
        let last = frames.last().map_or(0.0, |frame| frame.0);
        self.tick(last + 600.0);
        self.longest.as_secs_f64()
    }

    /// Takes in one frame.
    pub fn frame(&mut self, t: f64, detections: Vec<Detection>) {
        self.tick(t);
        let result = FrameResult { camera: id("gate"), at: stamp(t), detections };
        let told = self.core.on_frame(&result);
        self.take(&told);
    }

    /// Closes what is open; returns the longest dwell that was published so far, in seconds, and
    /// counts from nought again.
    pub fn settle(&mut self, t: f64) -> f64 {
        self.tick(t);
        let open: Vec<_> = self.core.open().map(|incident| incident.id.clone()).collect();
        for incident in open {
            let answer = Answer::new("resolve", "Tổ 3", None).unwrap();
            let told =
                self.core.on_command(&id("kp1"), Command::Answer(incident, answer), stamp(t));
            self.take(&told.unwrap().into_iter().collect::<Vec<_>>());
        }
        std::mem::take(&mut self.longest).as_secs_f64()
    }

    fn tick(&mut self, until: f64) {
        while self.ticked.mono + Duration::from_secs(1) <= stamp(until).mono {
            self.ticked = self.ticked + Duration::from_secs(1);
            let told = self.core.on_tick(self.ticked);
            self.take(&told);
        }
    }

    fn take(&mut self, told: &[Incident]) {
        let dwell = told.iter().filter_map(|incident| incident.dwell).max();
        self.longest = self.longest.max(dwell.unwrap_or_default());
    }
}

/// As delivered, but for `dwell_s`, the hours and groups.
fn rules(dwell_s: f64) -> Config {
    let delivered = Config::default();
    let midnight = jiff::civil::Time::midnight();
    let loitering = LoiteringConfig {
        dwell: Duration::from_secs_f64(dwell_s),
        night: Night::Hours { from: midnight, until: midnight },
        group_size: 50,
        quiet: Duration::from_secs(2),
        ..delivered.loitering
    };
    Config { loitering, ..delivered }
}

fn zone() -> Zone {
    let (left, right) = (ZONE.0 as f32, ZONE.1 as f32);
    let corners = [(left, 0.0), (right, 0.0), (right, 1.0), (left, 1.0)];
    let corners = corners.map(|(x, y)| Point { x, y }).to_vec();
    Zone {
        name: "cổng".to_owned(),
        rules: vec![RuleKind::Loitering],
        polygon: Polygon::new(corners).unwrap(),
        residents: Vec::new(),
    }
}
