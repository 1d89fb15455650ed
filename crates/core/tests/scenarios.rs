//! The core, judged by text tables: `tests/scenarios/*.txt`, one file an idea.
//!
//! ```text
//! camera gate kp1 0            name, khu phố, metres north of a common point (or -)
//! zone gate door loitering 0 0 0.5 1
//! set dwell 30
//! 22:10:00..22:10:29 gate person 0.3,0.5
//! 22:10:30 gate person 0.3,0.5 | #1 loitering warning open r1 gate
//! 22:11:31 kp1 says resolve #1 | #1 loitering warning resolved r2 gate
//! ```
//!
//! A range is stepped through at `set step` seconds; `-` is no frame at all, `none` a frame that
//! shows nothing. A thing is `class[:clothes] x,y[,confidence[,height]]`, clothes one of
//! [`CLOTHES`]; `x` is also `from>until`, for a walk through the range; fire and smoke flicker, and
//! a `lamp` is taken for fire and doesn't. A zone's edges may be followed by residents' hours. The
//! clock ticks once a second throughout.
//! `set loitering.quiet_s 30` sets any key of a rule; some have a short name, such as `dwell`.
//! `set escalate 180`, `set cap 6` and `siren kp1 AFTER SECONDS [quiet HOURS] [drills]` are the
//! ward's policy; `kp1 reports fire [drill [loud]]`, `kp1 says siren_off #1`; `stops` and
//! `restarts` are the daemon's; several happen one after the other at one time with `&`.
//! With `KENG_REWRITE_SCENARIOS=1` the files are written anew: read the difference before it is
//! committed. Behind the bar stands every revision that the line brings forth, in order.
//!
//! The alerts' own bytes, which the tables only sum up, are kept in `tests/golden`.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use std::fmt::Write as _;
use std::time::Duration;

use keng_core::detection::{Appearance, Class, Detection};
use keng_core::geometry::{BoundingBox, Point, Polygon};
use keng_core::incident::{
    Answer, Incident, IncidentId, Patrol, Policy, Report, Silence, SirenPolicy,
};
use keng_core::pipeline::{Command, Core, FrameResult, Watched};
use keng_core::rule::key::{DAY, KeyValue};
use keng_core::rule::{
    BurningConfig, Config, HealthConfig, Hours, LoiteringConfig, Night, RuleKind, Zone,
};
use keng_core::time::{Mono, Stamp, Wall};
use keng_core::ward::{Coordinates, Id, Location, Site};

mod golden;

/// Shirt and trousers, for people who shall be told apart; `grey` and `pale` in infrared too.
const CLOTHES: [(&str, [u8; 3], [u8; 3]); 4] = [
    ("dark", [40, 40, 45], [30, 30, 35]),
    ("red", [170, 50, 50], [40, 45, 70]),
    ("grey", [90, 90, 90], [60, 60, 60]),
    ("pale", [200, 200, 200], [160, 160, 160]),
];

#[test]
fn every_scenario_comes_out_as_written() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 5, "only {} scenario files in {}", files.len(), folder.display());
    let mut wrong = String::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let actual = Play::of(&text).run(&text);
        if actual != text && std::env::var_os("KENG_REWRITE_SCENARIOS").is_some() {
            std::fs::write(&file, &actual).unwrap();
        } else if actual != text {
            for diff in text.lines().zip(actual.lines()).filter(|(a, b)| a != b) {
                let name = file.file_name().unwrap().to_string_lossy();
                writeln!(wrong, "{name}\n  written: {}\n  came:    {}", diff.0, diff.1).unwrap();
            }
        }
        assert_eq!(actual, Play::of(&text).run(&text), "{} is not deterministic", file.display());
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// One file being played.
struct Play {
    core: Core,
    watched: Vec<Watched>,
    policy: Policy,
    step: Duration,
    now: Stamp,
    opened: Vec<IncidentId>,
    /// The incidents that were open when the daemon stopped.
    log: Vec<Incident>,
    /// Every revision that came, in order.
    revisions: Vec<Incident>,
}

impl Play {
    fn of(text: &str) -> Self {
        let mut watched: Vec<Watched> = Vec::new();
        let (mut zones, mut rules, mut step) = (Vec::new(), default_rules(), 1.0);
        let mut policy = Policy::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["camera", name, khu_pho, north, neighbours @ ..] => watched.push(Watched {
                    site: site(name, khu_pho, north, neighbours),
                    rules: default_rules(),
                }),
                ["zone", camera, name, rule, edges @ ..] => {
                    zones.push((id(camera), zone(name, rule, edges)));
                }
                ["siren", khu_pho, after, longest, rest @ ..] => {
                    policy.siren = Some(siren(khu_pho, after, longest, rest));
                }
                ["set", "escalate", value] => {
                    policy.escalate_after = Some(Duration::from_secs(value.parse().unwrap()));
                }
                ["set", "cap", value] => {
                    policy.alerts_per_hour_max = Some(value.parse().unwrap());
                }
                ["set", "step", value] => step = value.parse().unwrap(),
                ["set", "night", "always"] => {
                    let midnight = jiff::civil::Time::midnight();
                    rules.loitering.night = Night::Hours { from: midnight, until: midnight };
                }
                ["set", "forget", value] => {
                    rules.fire.forget = Duration::from_secs_f64(value.parse().unwrap());
                }
                ["set", key, value] => set(&mut rules, key, value),
                _ => {}
            }
        }
        for camera in &mut watched {
            camera.rules = rules.clone();
            camera.rules.zones = zones
                .iter()
                .filter(|(id, _)| *id == camera.site.id)
                .map(|(_, zone)| zone.clone())
                .collect();
        }
        let first = text.lines().find_map(|line| moment(line.split("..").next()?)).unwrap();
        let step = Duration::from_secs_f64(step);
        let core = new_core(&watched, &policy, first);
        Self {
            core,
            watched,
            policy,
            step,
            now: first,
            opened: Vec::new(),
            log: Vec::new(),
            revisions: Vec::new(),
        }
    }

    /// The same text with what really came behind the bars.
    fn run(&mut self, text: &str) -> String {
        let mut actual = String::new();
        for line in text.lines() {
            let cause = line.split('|').next().unwrap_or_default().trim_end();
            let came = match cause.split_once(' ') {
                Some((when, what)) if when.as_bytes()[0].is_ascii_digit() => self.line(when, what),
                _ => Vec::new(),
            };
            let bar = if came.is_empty() { "" } else { " | " };
            writeln!(actual, "{cause}{bar}{}", came.join("; ")).unwrap();
        }
        actual
    }

    fn line(&mut self, when: &str, what: &str) -> Vec<String> {
        let (from, until) = when.split_once("..").unwrap_or((when, when));
        let (mut at, until) = (day(from, self.now), day(until, self.now));
        let (start, lasts) = (at, until.mono.since(at.mono).as_secs_f32().max(1e-3));
        let mut came = Vec::new();
        while at.mono <= until.mono {
            while self.now.mono + Duration::from_secs(1) <= at.mono {
                self.now = self.now + Duration::from_secs(1);
                came.extend(self.core.on_tick(self.now));
            }
            let progress = at.mono.since(start.mono).as_secs_f32() / lasts;
            for what in what.split('&') {
                came.extend(self.at(at, what.trim(), progress));
            }
            at = at + self.step;
        }
        let told = came.iter().map(|incident| self.tell(incident)).collect();
        self.revisions.extend(came);
        told
    }

    /// Lets the line's input happen at `at`, with `progress` (0..1) of its range.
    fn at(&mut self, at: Stamp, what: &str, progress: f32) -> Vec<Incident> {
        let words: Vec<&str> = what.split_whitespace().collect();
        match words.as_slice() {
            ["-"] => Vec::new(),
            ["stops"] => {
                self.log = self.core.open().cloned().collect();
                self.core = new_core(&[], &self.policy, at);
                Vec::new()
            }
            ["restarts"] => {
                self.core = new_core(&self.watched, &self.policy, at);
                self.core.restore(std::mem::take(&mut self.log), at);
                Vec::new()
            }
            [khu_pho, "says", "siren_off", number] => {
                let index = number.trim_start_matches('#').parse::<usize>().unwrap() - 1;
                let silence = Silence::new("Công an phường").unwrap();
                let command = Command::Silence(self.opened[index].clone(), silence);
                self.core.on_command(&id(khu_pho), command, at).ok().flatten().into_iter().collect()
            }
            [khu_pho, "says", action, number] => {
                let index = number.trim_start_matches('#').parse::<usize>().unwrap() - 1;
                let answer = Answer::new(action, "Công an phường", None).unwrap();
                let command = Command::Answer(self.opened[index].clone(), answer);
                self.core.on_command(&id(khu_pho), command, at).ok().flatten().into_iter().collect()
            }
            [khu_pho, "reports", kind, drill @ ..] => {
                let mut report = Report::new(kind, "Bà Năm", Some("chợ"), None, at.wall).unwrap();
                if drill.first() == Some(&"drill") {
                    report = report.as_exercise(drill.get(1) == Some(&"loud"));
                }
                let command = Command::Report(report);
                self.core.on_command(&id(khu_pho), command, at).unwrap().into_iter().collect()
            }
            [khu_pho, "patrols", minutes, zone @ ..] => {
                let zone = zone.first().copied();
                let patrol = Patrol::new("Tổ 3", minutes.parse().unwrap(), zone).unwrap();
                let command = Command::Patrol(patrol);
                self.core.on_command(&id(khu_pho), command, at).unwrap().into_iter().collect()
            }
            [camera, things @ ..] => {
                let detections = match things {
                    ["none"] => Vec::new(),
                    things => {
                        things.chunks(2).map(|words| detection(words, progress, at)).collect()
                    }
                };
                self.core.on_frame(&FrameResult { camera: id(camera), at, detections })
            }
            [] => panic!("nothing happens"),
        }
    }

    fn tell(&mut self, incident: &Incident) -> String {
        let index = self.opened.iter().position(|known| *known == incident.id);
        let number = index.unwrap_or_else(|| {
            self.opened.push(incident.id.clone());
            self.opened.len() - 1
        });
        let cameras: Vec<_> = incident.cameras.iter().map(|s| s.camera.to_string()).collect();
        let who = if cameras.is_empty() { "reported".into() } else { cameras.join(",") };
        let dwell = incident.dwell.map(|d| format!(" {}s", d.as_secs())).unwrap_or_default();
        let more = self.tell_more(incident);
        format!(
            "#{} {} {} {} r{} {who}{dwell}{more}",
            number + 1,
            incident.kind.as_str(),
            incident.severity.as_str(),
            incident.state.as_str(),
            incident.revision,
        )
    }

    fn tell_more(&self, incident: &Incident) -> String {
        let mut more = String::new();
        if incident.exercise {
            more.push_str(" drill");
        }
        if incident.escalated_at.is_some() {
            more.push_str(" escalated");
        }
        let ordered = incident.siren.as_ref().filter(|siren| siren.revision == incident.revision);
        if let Some(siren) = ordered {
            more.push_str(if siren.on { " SIREN-ON" } else { " SIREN-OFF" });
        }
        if incident.held_back > 0 {
            write!(more, " +{}", incident.held_back).unwrap();
        }
        if let Some(into) = &incident.merged_into {
            let index = self.opened.iter().position(|known| known == into).unwrap();
            write!(more, " into #{}", index + 1).unwrap();
        }
        more
    }
}

fn new_core(watched: &[Watched], policy: &Policy, at: Stamp) -> Core {
    let timezone = jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").unwrap();
    let mut core = Core::new(timezone, watched.to_vec(), at);
    core.set_policy(policy.clone());
    core
}

fn siren(khu_pho: &str, after: &str, longest: &str, rest: &[&str]) -> SirenPolicy {
    let quiet = rest.iter().position(|word| *word == "quiet").map(|at| {
        let (from, until) = rest[at + 1].split_once('-').unwrap();
        Night::Hours { from: from.parse().unwrap(), until: until.parse().unwrap() }
    });
    SirenPolicy {
        khu_pho: vec![id(khu_pho)],
        after: Duration::from_secs(after.parse().unwrap()),
        seconds_max: longest.parse().unwrap(),
        quiet,
        exercise: rest.contains(&"drills"),
    }
}

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

fn site(name: &str, khu_pho: &str, north: &str, neighbours: &[&str]) -> Site {
    let coordinates = north
        .parse::<f64>()
        .ok()
        .map(|m| Coordinates { latitude: 10.79 + m / 111_195.0, longitude: 106.66 });
    Site {
        id: id(name),
        khu_pho: id(khu_pho),
        place: Location { address: name.to_owned(), coordinates },
        owner: None,
        neighbours: neighbours.iter().map(|n| id(n)).collect(),
    }
}

fn zone(name: &str, rule: &str, edges: &[&str]) -> Zone {
    let named = |kind: &RuleKind| kind.is_zoned() && kind.section() == rule;
    let found = RuleKind::ALL.into_iter().find(named);
    let rules = vec![found.unwrap_or_else(|| panic!("unknown rule {rule}"))];
    let [x0, y0, x1, y1, residents @ ..] = edges else { panic!("a zone has four edges") };
    let [x0, y0, x1, y1] = [x0, y0, x1, y1].map(|edge| edge.parse::<f32>().unwrap());
    let corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)].map(|(x, y)| Point { x, y });
    let polygon = Polygon::new(corners.to_vec()).unwrap();
    let residents = residents.iter().map(|span| hours(span)).collect();
    Zone { name: name.to_owned(), rules, polygon, residents }
}

fn hours(span: &str) -> Hours {
    let (from, until) = span.split_once('-').unwrap();
    Hours { from: from.parse().unwrap(), until: until.parse().unwrap() }
}

fn detection(words: &[&str], progress: f32, at: Stamp) -> Detection {
    let [name, numbers] = words else { panic!("a thing is a class and numbers: {words:?}") };
    let (name, clothes) = name.split_once(':').unwrap_or((name, ""));
    let named = |class: &Class| class.as_str() == if name == "lamp" { "fire" } else { name };
    let class = Class::ALL.into_iter().find(named).unwrap();
    let appearance = CLOTHES.iter().find(|(name, ..)| *name == clothes);
    let appearance = appearance.map(|(_, upper, lower)| Appearance::plain(*upper, *lower));
    assert!(clothes.is_empty() || appearance.is_some(), "unknown clothes {clothes}");
    let (x, numbers) = numbers.split_once(',').unwrap();
    let (from, until) = x.split_once('>').unwrap_or((x, x));
    let [from, until] = [from, until].map(|x| x.parse::<f32>().unwrap());
    let numbers: Vec<f32> = numbers.split(',').map(|n| n.parse().unwrap()).collect();
    let (x, y) = (from + (until - from) * progress, numbers[0]);
    let confidence = numbers.get(1).copied().unwrap_or(0.8);
    let height = numbers.get(2).copied().unwrap_or(0.3);
    // Flames and smoke never look the same twice.
    let flickers = class != Class::Person && name != "lamp";
    let [left, top, right] = [1, 2, 3].map(|n| if flickers { flicker(at, n, height) } else { 0.0 });
    let bbox = BoundingBox::new(
        x - height / 6.0 + left,
        y - height / 2.0 + top,
        x + height / 6.0 + right,
        y + height / 2.0,
    );
    Detection { class, confidence, bbox, appearance }
}

/// By how much an edge moves, some pixels either way, another each moment; looks random, is not.
fn flicker(at: Stamp, number: u64, height: f32) -> f32 {
    // The finaliser of SplitMix64.
    let mut mixed = at.mono.0.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (f32::from(u16::try_from(mixed >> 48).unwrap()) / 65_536.0 - 0.5) * (0.02 + height / 10.0)
}

fn default_rules() -> Config {
    let seconds = Duration::from_secs;
    let quiet = seconds(20);
    Config {
        fire: BurningConfig { quiet, ..BurningConfig::default() },
        smoke: BurningConfig { quiet, ..BurningConfig::smoke() },
        loitering: LoiteringConfig { quiet, ..LoiteringConfig::default() },
        camera: HealthConfig {
            offline: seconds(3_600),
            frozen: seconds(3_600),
            blinded: seconds(3_600),
            ..HealthConfig::default()
        },
        ..Config::default()
    }
}

/// Sets a key of the rules for all cameras: `section.key`, or one that the tables call shorter.
fn set(rules: &mut Config, name: &str, value: &str) {
    let name = match name {
        "dwell" => "loitering.dwell_s",
        "group_dwell" => "loitering.group_dwell_s",
        "group_size" => "loitering.group_size",
        "return_window" => "loitering.return_window_s",
        "confirm" => "fire.confirm_s",
        "confirm_smoke" => "smoke.confirm_s",
        "offline" => "camera.offline_s",
        other => other,
    };
    let (section, key) = name.split_once('.').unwrap_or_else(|| panic!("unknown setting {name}"));
    let found = rules.section(section).into_iter().find(|found| found.name == key);
    match found.unwrap_or_else(|| panic!("unknown setting {name}")).value {
        KeyValue::Flag(flag) => *flag = value.parse().unwrap(),
        KeyValue::Share(share) => *share = value.parse().unwrap(),
        KeyValue::Count(count, _) => *count = value.parse().unwrap(),
        KeyValue::Seconds(duration, _) => {
            *duration = Duration::from_secs_f64(value.parse().unwrap());
        }
        KeyValue::Days(duration, _) => *duration = DAY.mul_f64(value.parse().unwrap()),
        KeyValue::Night(night) => {
            let Hours { from, until } = hours(value);
            *night = Night::Hours { from, until };
        }
    }
}

/// `HH:MM:SS[.fff]` of the first evening.
fn moment(line: &str) -> Option<Stamp> {
    let text = line.split_whitespace().next()?;
    let time: jiff::civil::Time = text.parse().ok()?;
    let zoned = jiff::civil::date(2026, 11, 21)
        .to_datetime(time)
        .to_zoned(jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").unwrap())
        .unwrap();
    let wall = Wall::from_jiff(zoned.timestamp());
    Some(Stamp { mono: Mono(wall.0.unsigned_abs()), wall })
}

/// The next time after `now` that the clock shows `text`: scenarios go over midnight.
fn day(text: &str, now: Stamp) -> Stamp {
    let mut stamp = moment(text).unwrap_or_else(|| panic!("{text} is no time of day"));
    while stamp.mono < now.mono {
        stamp = stamp + Duration::from_secs(86_400);
    }
    stamp
}
