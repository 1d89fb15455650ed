//! Two replays beside one another, and beside what people said. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use super::play::ReplayedAlert;
use crate::detection_log::StoredVerdict;
use crate::incident::{IncidentId, Kind};
use crate::time::Wall;
use crate::ward::Id;

/// Alerts of two replays that are so close together are the same thing.
const SAME_WITHIN: Duration = Duration::from_secs(60);
/// A thing that is told so much later is told later.
const LATER: Duration = Duration::from_secs(1);

/// The changes of one camera and rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The camera.
    pub camera: Id,
    /// The kind of the rule's alerts.
    pub kind: Kind,
    /// Told both times.
    pub kept: usize,
    /// Told only under the changed thresholds: when.
    pub gained: Vec<Wall>,
    /// Told only under those of the file: when.
    pub lost: Vec<Wall>,
}

/// Counts what is kept, gained and lost from `before` to `after`, a camera and rule, in their
/// order.
///
/// Smoke that has become a fire, or the other way round, is kept, under what it was before.
pub fn rows(before: &[ReplayedAlert], after: &[ReplayedAlert]) -> Vec<Row> {
    let mut rows: BTreeMap<(Id, Kind), Row> = BTreeMap::new();
    let mut row = |camera: &Id, kind: Kind, change: &dyn Fn(&mut Row)| {
        let empty =
            Row { camera: camera.clone(), kind, kept: 0, gained: Vec::new(), lost: Vec::new() };
        change(rows.entry((camera.clone(), kind)).or_insert(empty));
    };
    let mut taken: Vec<(usize, &Id)> = Vec::new();
    for told in before {
        for camera in &told.cameras {
            let same = after.iter().enumerate().find(|(index, other)| {
                is_same(told, other, camera) && !taken.contains(&(*index, camera))
            });
            match same {
                Some((index, _)) => {
                    taken.push((index, camera));
                    row(camera, told.kind, &|row| row.kept += 1);
                }
                None => row(camera, told.kind, &|row| row.lost.push(told.told_at)),
            }
        }
    }
    for (index, told) in after.iter().enumerate() {
        for camera in told.cameras.iter().filter(|camera| !taken.contains(&(index, camera))) {
            row(camera, told.kind, &|row| row.gained.push(told.told_at));
        }
    }
    rows.into_values().collect()
}

fn is_same(one: &ReplayedAlert, other: &ReplayedAlert, camera: &Id) -> bool {
    one.kind.joins(other.kind)
        && other.cameras.contains(camera)
        && one.opened_at <= other.until + SAME_WITHIN
        && other.opened_at <= one.until + SAME_WITHIN
}

/// The verdict of people on one incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgedIncident {
    /// The kind that it was taken for.
    pub kind: Kind,
    /// The cameras that saw it.
    pub cameras: Vec<Id>,
    /// The time at which its first event began to count.
    pub opened_at: Wall,
    /// The time at which it was judged.
    pub judged_at: Wall,
    /// Tells whether it was real.
    pub real: bool,
}

/// The last word on each incident that people judged and a camera saw, oldest first.
pub fn judged<'a>(verdicts: impl IntoIterator<Item = &'a StoredVerdict>) -> Vec<JudgedIncident> {
    let mut last: BTreeMap<&IncidentId, &StoredVerdict> = BTreeMap::new();
    for verdict in verdicts {
        last.insert(&verdict.incident, verdict);
    }
    let mut judged: Vec<JudgedIncident> = (last.into_values())
        .filter(|verdict| !verdict.cameras.is_empty())
        .filter_map(|verdict| {
            Some(JudgedIncident {
                kind: verdict.kind,
                cameras: verdict.cameras.clone(),
                opened_at: verdict.opened_at,
                judged_at: verdict.at.wall,
                real: verdict.truth()?,
            })
        })
        .collect();
    judged.sort_by(|a, b| (a.opened_at, &a.cameras).cmp(&(b.opened_at, &b.cameras)));
    judged
}

impl JudgedIncident {
    /// Returns when a replay tells of it; `None` where it doesn't.
    pub fn told_at(&self, told: &[ReplayedAlert]) -> Option<Wall> {
        let this = |told: &&ReplayedAlert| {
            told.kind.joins(self.kind)
                && self.cameras.iter().any(|camera| told.cameras.contains(camera))
                && told.opened_at <= self.judged_at
                && self.opened_at <= told.until + SAME_WITHIN
        };
        told.iter().filter(this).map(|told| told.told_at).min()
    }
}

/// The score of a replay by what people said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Score {
    /// Real ones that it tells, and how many there are.
    pub real: (usize, usize),
    /// False ones that it tells, and how many there are.
    pub untrue: (usize, usize),
}

impl Score {
    /// Of a replay.
    pub fn of<'a>(
        judged: impl IntoIterator<Item = &'a JudgedIncident>,
        told: &[ReplayedAlert],
    ) -> Self {
        let mut score = Self::default();
        for one in judged {
            let count = if one.real { &mut score.real } else { &mut score.untrue };
            count.0 += usize::from(one.told_at(told).is_some());
            count.1 += 1;
        }
        score
    }

    /// Returns how many verdicts it rests on.
    pub fn verdicts(&self) -> usize {
        self.real.1 + self.untrue.1
    }
}

/// The outcome for the incidents that people judged.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct JudgedOutcome {
    /// Under the file's thresholds.
    pub before: Score,
    /// Under the changed ones.
    pub after: Score,
    /// Real ones that would not be told any more: since when they were.
    pub lost: Vec<Wall>,
    /// By how much real ones would be told later, where they would.
    pub later: Vec<Duration>,
    /// False ones that would disappear.
    pub spared: usize,
}

/// Holds both replays against what people said.
pub fn outcome<'a>(
    judged: impl IntoIterator<Item = &'a JudgedIncident> + Clone,
    before: &[ReplayedAlert],
    after: &[ReplayedAlert],
) -> JudgedOutcome {
    let mut outcome = JudgedOutcome {
        before: Score::of(judged.clone(), before),
        after: Score::of(judged.clone(), after),
        ..JudgedOutcome::default()
    };
    for one in judged {
        match (one.told_at(before), one.told_at(after)) {
            (Some(_), None) if one.real => outcome.lost.push(one.opened_at),
            (Some(_), None) => outcome.spared += 1,
            (Some(was), Some(is)) if one.real => {
                let micros = u64::try_from(is.0.saturating_sub(was.0)).unwrap_or(0);
                let later = Duration::from_micros(micros);
                outcome.later.extend((later >= LATER).then_some(later));
            }
            _ => {}
        }
    }
    outcome
}
