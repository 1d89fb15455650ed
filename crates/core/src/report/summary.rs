//! The counts of one span.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::Uptime;
use super::span::{Span, as_text};
use crate::history::IncidentRecord;
use crate::incident::IncidentState;
use crate::incident::Kind;
use crate::rule::health::Fault;
use crate::time::Wall;

/// The kinds that are incidents here, in the order in which they are told: a fault of our own
/// equipment is counted as a fault.
pub fn kinds() -> impl Iterator<Item = Kind> {
    Kind::ALL.into_iter().filter(|kind| !kind.facts().is_technical)
}

/// Two-sided 95 % of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// The way in which incidents ended; every incident is in one of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdicts {
    /// A person resolved it, or was at the scene.
    pub real: u64,
    /// A person declared it a false alarm.
    pub false_alarm: u64,
    /// It ended by itself, and nobody has said what it was.
    pub unanswered: u64,
    /// It has not ended yet.
    pub open: u64,
}

/// False alarms of the incidents with a verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Rate {
    /// Declared false.
    pub false_alarms: u64,
    /// With a verdict.
    pub told: u64,
    /// The first of the second, 0..1; null where there is no verdict.
    pub share: Option<f64>,
    /// Lower end of the 95 % interval.
    pub low: Option<f64>,
    /// Its upper end.
    pub high: Option<f64>,
}

impl Rate {
    /// Of `told` incidents, `false_alarms` were false; with the score interval of E. B. Wilson,
    /// *Probable inference, the law of succession, and statistical inference*, JASA 22 (1927),
    /// which holds for few incidents, and for none or all of them false, too.
    #[expect(clippy::cast_precision_loss, reason = "incidents are counted in thousands")]
    pub fn of(false_alarms: u64, told: u64) -> Self {
        if told == 0 {
            return Self { false_alarms, told, ..Self::default() };
        }
        let n = told as f64;
        let p = false_alarms as f64 / n;
        let scale = 1.0 + Z * Z / n;
        let centre = (p + Z * Z / (2.0 * n)) / scale;
        let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt() / scale;
        let (low, high) = ((centre - half).max(0.0), (centre + half).min(1.0));
        Self { false_alarms, told, share: Some(p), low: Some(low), high: Some(high) }
    }
}

/// The time that passed until something, of those to which it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Times {
    /// To how many it came.
    pub n: u64,
    /// Half of them took no longer, seconds.
    pub p50_s: Option<f64>,
    /// Nine in ten of them took no longer, seconds.
    pub p90_s: Option<f64>,
}

impl Times {
    /// Of these, milliseconds; nearest ranks.
    fn of(mut ms: Vec<i64>) -> Self {
        ms.sort_unstable();
        let rank = |percent: usize| {
            let at = (ms.len() * percent).div_ceil(100).saturating_sub(1);
            #[expect(clippy::cast_precision_loss, reason = "a span of time in milliseconds")]
            let seconds = |ms: &i64| *ms as f64 / 1_000.0;
            ms.get(at).map(seconds)
        };
        Self { n: ms.len() as u64, p50_s: rank(50), p90_s: rank(90) }
    }
}

/// Drills, and how they went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Drills {
    /// Their number.
    pub count: u64,
    /// Until somebody had taken charge.
    pub acknowledge: Times,
    /// Until somebody was at the scene.
    pub arrive: Times,
    /// Until it was over.
    pub duration: Times,
}

/// Incidents that were the cameras' own: each may be of many cameras.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CameraFaults {
    /// No answer, or no picture.
    pub offline: u64,
    /// The same picture again and again.
    pub frozen: u64,
    /// Pictures that don't show the street.
    pub blinded: u64,
    /// A wrong clock.
    pub clock: u64,
}

/// Incidents of one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Day {
    /// In the ward's zone.
    #[serde(serialize_with = "as_text")]
    pub date: Date,
    /// That were opened on it.
    pub incidents: u64,
}

/// The counts of one span.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Incidents: fires, smoke, loitering, what people reported.
    pub incidents: u64,
    /// By kind, every one of [`kinds`].
    pub by_kind: BTreeMap<&'static str, u64>,
    /// By hour of the ward's day, 24 of them.
    pub by_hour: Vec<u64>,
    /// By day, every day of the span.
    pub by_day: Vec<Day>,
    /// The way in which they ended.
    pub verdicts: Verdicts,
    /// The share of them that was false.
    pub false_alarms: Rate,
    /// The same by kind, every one of [`kinds`].
    pub false_alarms_by_kind: BTreeMap<&'static str, Rate>,
    /// Until somebody had taken charge.
    pub acknowledge: Times,
    /// Until somebody was at the scene.
    pub arrive: Times,
    /// Until it was over.
    pub duration: Times,
    /// They were not taken charge of in time.
    pub escalated: u64,
    /// Counted nowhere else.
    pub drills: Drills,
    /// Counted nowhere else.
    pub camera_faults: CameraFaults,
    /// Of its cameras together.
    pub uptime: Uptime,
}

/// Tells whether it is what is counted as an incident.
pub(super) fn is_incident(case: &IncidentRecord) -> bool {
    !case.kind.facts().is_technical && !case.exercise && case.merged_into.is_none()
}

/// Tells whether somebody said that there was nothing.
pub(super) fn is_false(case: &IncidentRecord) -> bool {
    case.state == IncidentState::FalseAlarm
}

/// Tells whether somebody vouches for it.
fn is_real(case: &IncidentRecord) -> bool {
    case.state == IncidentState::Resolved
        || case.state == IncidentState::Expired && case.on_scene_at.is_some()
}

impl Summary {
    /// Of the cases that were opened in `span`; others may be among them.
    pub(super) fn of<'a>(
        cases: impl Iterator<Item = &'a IncidentRecord>,
        span: Span,
        zone: &TimeZone,
        uptime: Uptime,
    ) -> Self {
        let (mut incidents, mut drills, mut faults) =
            (Vec::new(), Vec::new(), CameraFaults::default());
        let mut by_hour = vec![0; 24];
        let mut by_day: Vec<Day> = span.dates().map(|date| Day { date, incidents: 0 }).collect();
        for case in cases.filter(|case| case.merged_into.is_none()) {
            let opened = case.opened_at.to_jiff().to_zoned(zone.clone());
            let Some(day) = span.index(opened.date()) else { continue };
            if case.exercise {
                drills.push(case);
            } else if case.kind.facts().is_technical {
                faults.count(case.fault);
            } else {
                incidents.push(case);
                by_hour[usize::try_from(opened.hour()).unwrap_or(0)] += 1;
                by_day[day].incidents += 1;
            }
        }
        let of_kind = |kind: Kind| incidents.iter().copied().filter(move |case| case.kind == kind);
        let verdicts = Verdicts::of(&incidents);
        Self {
            incidents: incidents.len() as u64,
            by_kind: kinds().map(|kind| (kind.as_str(), of_kind(kind).count() as u64)).collect(),
            by_hour,
            by_day,
            verdicts,
            false_alarms: verdicts.rate(),
            false_alarms_by_kind: kinds()
                .map(|kind| {
                    let of_it: Vec<&IncidentRecord> = of_kind(kind).collect();
                    (kind.as_str(), Verdicts::of(&of_it).rate())
                })
                .collect(),
            acknowledge: until(&incidents, |case| case.acknowledged_at),
            arrive: until(&incidents, |case| case.on_scene_at),
            duration: until(&incidents, |case| case.closed_at),
            escalated: incidents.iter().filter(|case| case.escalated_at.is_some()).count() as u64,
            drills: Drills {
                count: drills.len() as u64,
                acknowledge: until(&drills, |case| case.acknowledged_at),
                arrive: until(&drills, |case| case.on_scene_at),
                duration: until(&drills, |case| case.closed_at),
            },
            camera_faults: faults,
            uptime,
        }
    }
}

impl Verdicts {
    fn of(cases: &[&IncidentRecord]) -> Self {
        let mut verdicts = Self::default();
        for case in cases {
            let counter = if !case.state.is_closed() {
                &mut verdicts.open
            } else if is_false(case) {
                &mut verdicts.false_alarm
            } else if is_real(case) {
                &mut verdicts.real
            } else {
                &mut verdicts.unanswered
            };
            *counter += 1;
        }
        verdicts
    }

    fn rate(self) -> Rate {
        Rate::of(self.false_alarm, self.false_alarm + self.real)
    }
}

impl CameraFaults {
    fn count(&mut self, fault: Option<Fault>) {
        let counter = match fault.unwrap_or(Fault::Offline) {
            Fault::Offline => &mut self.offline,
            Fault::Frozen => &mut self.frozen,
            Fault::Blinded => &mut self.blinded,
            Fault::Clock => &mut self.clock,
        };
        *counter += 1;
    }

    /// All of them.
    pub fn total(self) -> u64 {
        self.offline + self.frozen + self.blinded + self.clock
    }
}

/// Milliseconds from the opening; none that a clock which was put back made less than nothing.
fn until(cases: &[&IncidentRecord], when: impl Fn(&IncidentRecord) -> Option<Wall>) -> Times {
    let taken = cases.iter().filter_map(|case| {
        let us = when(case)?.0.saturating_sub(case.opened_at.0);
        (us >= 0).then_some(us / 1_000)
    });
    Times::of(taken.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_s_interval_is_that_of_the_tables() {
        // Newcombe 1998, table I: 81/263 and 0/20, method 3.
        for (x, n, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let rate = Rate::of(x, n);
            assert!((rate.low.unwrap() - low).abs() < 5e-5, "{x}/{n}: {rate:?}");
            assert!((rate.high.unwrap() - high).abs() < 5e-5, "{x}/{n}: {rate:?}");
        }
        assert_eq!(Rate::of(5, 5).high, Some(1.0));
        assert_eq!(Rate::of(0, 0), Rate::default());
    }

    #[test]
    fn percentiles_are_times_that_occurred() {
        let of = |n: i64| Times::of((1..=n).rev().map(|s| s * 1_000).collect());
        assert_eq!(of(0), Times::default());
        assert_eq!(of(1), Times { n: 1, p50_s: Some(1.0), p90_s: Some(1.0) });
        assert_eq!(of(10), Times { n: 10, p50_s: Some(5.0), p90_s: Some(9.0) });
        assert_eq!(of(11), Times { n: 11, p50_s: Some(6.0), p90_s: Some(10.0) });
    }
}
