//! Plays a script through the core: frames as often as the core asks for them, ticks, commands.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;

use keng::attention::Level;
use keng::incident::{Answer, Incident, IncidentId, Kind, Patrol};
use keng::pipeline::{Command, Core, FrameResult};
use keng::time::{Mono, Stamp, Wall};
use keng::ward::Id;

use crate::street::{CAMERAS, name, watched};
use crate::truth::{Actor, Script};

/// Noon in the ward.
const NOON: i64 = 1_795_237_200_000_000;
/// Frames come at multiples of this, so that many share a moment.
const SLOT_MS: u64 = 100;
/// An idle camera is looked at as often.
const IDLE_MS: u64 = 2_000;
/// People answer after as long.
const ANSWER_MS: u64 = 60_000;

/// In which order the cameras of one moment come.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Forward,
    Backward,
    Shuffled,
}

/// What became of one incident.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) cameras: BTreeSet<usize>,
    pub(crate) opened_ms: u64,
    pub(crate) closed_ms: Option<u64>,
    pub(crate) revisions: u32,
}

struct Day<'a> {
    script: &'a Script,
    core: Core,
    ids: Vec<Id>,
    /// Actors of each camera by their beginning, and how many have begun.
    casts: Vec<(Vec<&'a Actor>, usize)>,
    on_stage: Vec<Vec<&'a Actor>>,
    told: BTreeMap<IncidentId, Told>,
    /// Answers that people will give: when, about what.
    answers: BTreeMap<(u64, IncidentId), Id>,
}

/// Everything that was told, in the order in which it was opened.
pub(crate) fn play(script: &Script, seconds: u64, order: Order) -> Vec<Told> {
    let mut day = Day::new(script);
    let mut frames: BinaryHeap<Reverse<(u64, u64, usize)>> = BinaryHeap::new();
    let rank = |camera: usize| match order {
        Order::Forward => camera as u64,
        Order::Backward => (CAMERAS - camera) as u64,
        Order::Shuffled => (camera as u64 * 7_919) % 10_007,
    };
    for camera in 0..CAMERAS {
        frames.push(Reverse((camera as u64 * SLOT_MS % IDLE_MS, rank(camera), camera)));
    }
    let mut patrols: Vec<_> = script.patrols.clone();
    patrols.sort_by(|a, b| b.1.total_cmp(&a.1));
    for second in 0..seconds {
        while let Some(Reverse((ms, order, camera))) = frames.peek().copied() {
            if ms >= (second + 1) * 1_000 {
                break;
            }
            frames.pop();
            let next = day.frame(camera, ms);
            frames.push(Reverse((next, order, camera)));
        }
        let ms = (second + 1) * 1_000;
        while patrols.last().is_some_and(|(_, from, _)| *from * 1_000.0 <= ms as f64) {
            let (khu_pho, _, minutes) = patrols.pop().unwrap();
            day.patrol(khu_pho, minutes, ms);
        }
        day.answer(ms);
        let revisions = day.core.on_tick(stamp(ms));
        day.note(revisions, ms);
    }
    let mut told: Vec<Told> = day.told.into_values().collect();
    told.sort_by(|a, b| (a.opened_ms, &a.id).cmp(&(b.opened_ms, &b.id)));
    told
}

fn stamp(ms: u64) -> Stamp {
    Stamp { mono: Mono(ms * 1_000), wall: Wall(NOON) + Duration::from_millis(ms) }
}

impl<'a> Day<'a> {
    fn new(script: &'a Script) -> Self {
        let zone = jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").unwrap();
        let mut casts: Vec<(Vec<&Actor>, usize)> = vec![(Vec::new(), 0); CAMERAS];
        for actor in &script.actors {
            for camera in &actor.cameras {
                casts[*camera].0.push(actor);
            }
        }
        for (cast, _) in &mut casts {
            cast.sort_by(|a, b| a.from.total_cmp(&b.from));
        }
        Self {
            script,
            core: Core::new(zone, watched(), stamp(0)),
            ids: (0..CAMERAS).map(|camera| Id::new(&name(camera)).unwrap()).collect(),
            casts,
            on_stage: vec![Vec::new(); CAMERAS],
            told: BTreeMap::new(),
            answers: BTreeMap::new(),
        }
    }

    /// One frame; answers with the time of the camera's next.
    fn frame(&mut self, camera: usize, ms: u64) -> u64 {
        let second = ms as f64 / 1_000.0;
        let outage = self
            .script
            .outages
            .iter()
            .find(|(c, from, until)| *c == camera && *from <= second && second < *until);
        if outage.is_some() {
            return ms + IDLE_MS;
        }
        let (cast, begun) = &mut self.casts[camera];
        let stage = &mut self.on_stage[camera];
        while cast.get(*begun).is_some_and(|actor| actor.from <= second) {
            stage.push(cast[*begun]);
            *begun += 1;
        }
        stage.retain(|actor| second < actor.until);
        let detections = stage.iter().filter_map(|actor| actor.seen(camera, second)).collect();
        let result = FrameResult { camera: self.ids[camera].clone(), at: stamp(ms), detections };
        let revisions = self.core.on_frame(&result);
        self.note(revisions, ms);
        let pause = match self.core.level(&self.ids[camera], stamp(ms)) {
            Level::Idle => IDLE_MS,
            level => (level.period().as_millis() as u64).next_multiple_of(SLOT_MS),
        };
        ms + pause
    }

    fn patrol(&mut self, khu_pho: usize, minutes: u32, ms: u64) {
        let patrol = Patrol::new("Tổ tuần tra", minutes, None).unwrap();
        let id = Id::new(&format!("kp{}", khu_pho + 1)).unwrap();
        self.core.on_command(&id, Command::Patrol(patrol), stamp(ms)).unwrap();
    }

    /// Whoever is on duty looks, and takes charge or says that there is nothing.
    fn answer(&mut self, ms: u64) {
        while let Some(entry) = self.answers.first_entry() {
            if entry.key().0 > ms {
                return;
            }
            let ((_, incident), khu_pho) = entry.remove_entry();
            let second = ms as f64 / 1_000.0;
            let real = self.told.get(&incident).is_some_and(|told| {
                self.script.truths.iter().any(|truth| {
                    let lasts = truth.from <= second && second <= truth.until + 300.0;
                    lasts && truth.is_told_by(told.kind, &told.cameras)
                })
            });
            let action = if real { "acknowledge" } else { "false_alarm" };
            let answer = Answer::new(action, "Trực ban", None).unwrap();
            // It may be over already.
            let said = self.core.on_command(&khu_pho, Command::Answer(incident, answer), stamp(ms));
            self.note(said.ok().flatten().into_iter().collect(), ms);
        }
    }

    fn note(&mut self, revisions: Vec<Incident>, ms: u64) {
        for incident in revisions {
            let told = self.told.entry(incident.id.clone()).or_insert_with(|| Told {
                id: incident.id.to_string(),
                kind: incident.kind,
                cameras: BTreeSet::new(),
                opened_ms: ms,
                closed_ms: None,
                revisions: 0,
            });
            if incident.revision == 1 && incident.kind != Kind::Camera {
                self.answers
                    .insert((ms + ANSWER_MS, incident.id.clone()), incident.khu_pho.clone());
            }
            told.kind = told.kind.max(incident.kind);
            told.revisions += 1;
            let number = |id: &Id| self.ids.iter().position(|known| known == id);
            told.cameras.extend(incident.cameras.iter().filter_map(|s| number(&s.camera)));
            if incident.state.is_closed() {
                told.closed_ms = Some(ms);
            }
        }
    }
}
