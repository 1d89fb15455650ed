//! The diary through the core, in virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::detection_log::{DaemonRun, LoggedInput, PatrolNotice, StoredVerdict};
use crate::incident::{Answer, Incident, IncidentId, IncidentState, Kind, Patrol};
use crate::pipeline::{Command, Core, Watched};
use crate::time::{Stamp, Wall};
use crate::ward::Id;

/// The clock ticks in the core as often.
const TICK: Duration = Duration::from_secs(1);
/// The person who answers in a replay.
const BY: &str = "diary";

/// One incident as a replay tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayedAlert {
    /// The kind that it came to.
    pub kind: Kind,
    /// The cameras that saw it.
    pub cameras: BTreeSet<Id>,
    /// The time at which its first event began to count.
    pub opened_at: Wall,
    /// The time at which people would have heard of it.
    pub told_at: Wall,
    /// Its last news.
    pub until: Wall,
}

/// One replay: the core under some thresholds, and what it has told so far.
#[derive(Clone, Debug)]
pub struct Lane {
    timezone: jiff::tz::TimeZone,
    cameras: Vec<Watched>,
    core: Option<(DaemonRun, Core)>,
    ticked: Stamp,
    told: BTreeMap<IncidentId, ReplayedAlert>,
    /// The incidents that were declared false, for cores of later starts.
    lessons: Vec<Incident>,
}

impl Lane {
    /// Watches these cameras; their own health is left out, since it can't be told from what was
    /// detected. `timezone` is the ward's.
    pub fn new(timezone: jiff::tz::TimeZone, mut cameras: Vec<Watched>) -> Self {
        for watched in &mut cameras {
            watched.rules.camera.enabled = false;
        }
        Self {
            timezone,
            cameras,
            core: None,
            ticked: Stamp::default(),
            told: BTreeMap::new(),
            lessons: Vec::new(),
        }
    }

    /// Takes in what comes next.
    pub fn play(&mut self, records: &[(DaemonRun, LoggedInput)]) {
        for (run, record) in records {
            let at = record.at();
            let mut core = match self.core.take() {
                Some((before, core)) if before == *run => core,
                before => self.start(before.map(|(_, core)| core), at),
            };
            self.tick_until(&mut core, at);
            let revisions = match record {
                LoggedInput::Frame(frame) => core.on_frame(frame),
                LoggedInput::Verdict(verdict) => self.answer(&mut core, verdict),
                LoggedInput::Patrol(notice) => patrol(&mut core, notice),
            };
            self.note(&revisions);
            self.core = Some((*run, core));
        }
    }

    /// Everything that was told, oldest first.
    pub fn finish(self) -> Vec<ReplayedAlert> {
        let mut told: Vec<ReplayedAlert> = self.told.into_values().collect();
        told.sort_by(|a, b| (a.opened_at, &a.cameras).cmp(&(b.opened_at, &b.cameras)));
        told
    }

    /// As the daemon starts: nothing is known but what the log says.
    fn start(&mut self, before: Option<Core>, at: Stamp) -> Core {
        let mut core = Core::new(self.timezone.clone(), self.cameras.clone(), at);
        core.restore(before.iter().flat_map(Core::open).cloned(), at);
        for lesson in &self.lessons {
            core.recall(lesson, at);
        }
        self.ticked = at;
        core
    }

    fn tick_until(&mut self, core: &mut Core, at: Stamp) {
        while self.ticked.mono + TICK <= at.mono {
            let mono = self.ticked.mono + TICK;
            let back = i64::try_from(at.mono.since(mono).as_micros()).unwrap_or(i64::MAX);
            self.ticked = Stamp { mono, wall: Wall(at.wall.0.saturating_sub(back)) };
            let revisions = core.on_tick(self.ticked);
            self.note(&revisions);
        }
    }

    /// Closes here, too, what a person's verdict closed then.
    fn answer(&mut self, core: &mut Core, verdict: &StoredVerdict) -> Vec<Incident> {
        if !matches!(verdict.state, IncidentState::Resolved | IncidentState::FalseAlarm)
            || verdict.exercise
        {
            return Vec::new();
        }
        let meant = |incident: &&Incident| {
            incident.kind.joins(verdict.kind)
                && incident.cameras.iter().any(|seen| verdict.cameras.contains(&seen.camera))
        };
        let meant: Vec<_> = core.open().filter(meant).cloned().collect();
        let mut revisions = Vec::new();
        for incident in meant {
            let answer = Answer { state: verdict.state, by: BY.to_owned(), note: None };
            let command = Command::Answer(incident.id, answer);
            if let Ok(Some(closed)) = core.on_command(&incident.khu_pho, command, verdict.at) {
                if closed.state == IncidentState::FalseAlarm {
                    self.lessons.push(closed.clone());
                }
                revisions.push(closed);
            }
        }
        revisions
    }

    fn note(&mut self, revisions: &[Incident]) {
        for incident in revisions {
            let told = self.told.entry(incident.id.clone()).or_insert_with(|| ReplayedAlert {
                kind: incident.kind,
                cameras: BTreeSet::new(),
                opened_at: incident.opened_at,
                told_at: incident.updated_at,
                until: incident.updated_at,
            });
            told.kind = told.kind.max(incident.kind);
            told.until = told.until.max(incident.updated_at);
            told.cameras.extend(incident.cameras.iter().map(|seen| seen.camera.clone()));
            let Some(other) = &incident.merged_into else { continue };
            // It was one, told once: by whichever was heard first.
            let Some(merged) = self.told.remove(&incident.id) else { continue };
            if let Some(other) = self.told.get_mut(other) {
                other.kind = other.kind.max(merged.kind);
                other.opened_at = other.opened_at.min(merged.opened_at);
                other.told_at = other.told_at.min(merged.told_at);
                other.until = other.until.max(merged.until);
                other.cameras.extend(merged.cameras);
            }
        }
    }
}

fn patrol(core: &mut Core, notice: &PatrolNotice) -> Vec<Incident> {
    let PatrolNotice { at, khu_pho, lasts, zone } = notice.clone();
    let patrol = Patrol { team: BY.to_owned(), lasts, zone };
    let said = core.on_command(&khu_pho, Command::Patrol(patrol), at);
    said.ok().flatten().into_iter().collect()
}

/// The same records through all lanes, on as many threads as the machine has cores.
pub fn play_all(lanes: &mut [Lane], records: &[(DaemonRun, LoggedInput)]) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = lanes.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        for some in lanes.chunks_mut(share) {
            scope.spawn(move || some.iter_mut().for_each(|lane| lane.play(records)));
        }
    });
}
