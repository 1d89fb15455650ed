//! The advice which thresholds to choose, by what people said of the present ones' alerts. Pure.
//!
//! Nothing that is real and told today may be lost for it, nor come much later; among what is left
//! fewer false alarms win, and then the smaller change. A choice that would tell more alerts which
//! nobody has judged is none: their truth is not known.

use std::time::Duration;

use super::compare::{JudgedIncident, JudgedOutcome, Score, outcome};
use super::play::ReplayedAlert;
use crate::incident::Kind;
use crate::rule;
use crate::rule::RuleKind;
use crate::rule::key::KeyValue;

/// With fewer verdicts on a rule nothing is advised.
pub const VERDICTS_MIN: usize = 10;
/// Steps of confidence that are tried, beside the present one.
const CONFIDENCE_STEPS: [f32; 7] = [-0.10, -0.05, 0.0, 0.05, 0.10, 0.15, 0.20];
/// Times the present duration.
const TIME_FACTORS: [f64; 5] = [0.5, 1.0, 1.5, 2.0, 3.0];
/// Confidences that make sense.
const CONFIDENCE_MIN: f32 = 0.1;
const CONFIDENCE_MAX: f32 = 0.95;
/// The threshold that every rule of `tune` has.
const CONFIDENCE_KEY: &str = "confidence_min";
/// Of a normal distribution, for 95 %.
const Z: f64 = 1.96;

/// Thresholds of one rule: the two that most depend on the place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// `confidence_min`.
    pub confidence_min: f32,
    /// The time for which evidence must last: `confirm_s`, `dwell_s` and the like.
    pub lasts: Duration,
}

impl Choice {
    /// The thresholds that hold in `config`; `None` for a rule that can't be tuned.
    pub fn of(rule: RuleKind, config: &rule::Config) -> Option<Self> {
        let mut config = config.clone();
        let (confidence_min, lasts) = thresholds(rule, &mut config)?;
        Some(Self { confidence_min: *confidence_min, lasts: *lasts })
    }

    /// Makes it hold in `config`, but for what differs from `ward` there: that was chosen for the
    /// camera.
    pub fn lay(self, rule: RuleKind, config: &mut rule::Config, ward: Self) {
        let Some(own) = Self::of(rule, config) else { return };
        let Some((confidence_min, lasts)) = thresholds(rule, config) else { return };
        if own.confidence_min.total_cmp(&ward.confidence_min).is_eq() {
            *confidence_min = self.confidence_min;
        }
        if own.lasts == ward.lasts {
            *lasts = self.lasts;
        }
    }

    /// All that are tried, the present one first.
    pub fn grid(self) -> Vec<Self> {
        let mut all = vec![self];
        for step in CONFIDENCE_STEPS {
            let wanted = (self.confidence_min + step).clamp(CONFIDENCE_MIN, CONFIDENCE_MAX);
            let confidence_min =
                if step == 0.0 { self.confidence_min } else { (wanted * 100.0).round() / 100.0 };
            for factor in TIME_FACTORS {
                let tenths = (self.lasts.as_secs_f64() * factor * 10.0).round().max(1.0);
                let lasts =
                    if factor == 1.0 { self.lasts } else { Duration::from_secs_f64(tenths / 10.0) };
                let choice = Self { confidence_min, lasts };
                if !all.contains(&choice) {
                    all.push(choice);
                }
            }
        }
        all
    }

    /// Returns how far it is from `other`, in steps of the grid.
    fn distance(self, other: Self) -> f64 {
        let confidence = f64::from((self.confidence_min - other.confidence_min).abs()) / 0.05;
        let ratio = self.lasts.as_secs_f64() / other.lasts.as_secs_f64().max(1e-3);
        confidence + ratio.max(1e-3).log2().abs()
    }
}

/// Returns where the two thresholds of a rule stand in `config`; `None` for one that can't be
/// tuned.
fn thresholds(rule: RuleKind, config: &mut rule::Config) -> Option<(&mut f32, &mut Duration)> {
    let lasts_key = rule.tuning()?.lasts_key;
    let (mut confidence_min, mut lasts) = (None, None);
    for key in config.section(rule.section()) {
        match key.value {
            KeyValue::Share(share) if key.name == CONFIDENCE_KEY => confidence_min = Some(share),
            KeyValue::Seconds(duration, _) if key.name == lasts_key => lasts = Some(duration),
            _ => {}
        }
    }
    confidence_min.zip(lasts)
}

/// The advice for one rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Advice {
    /// Too few verdicts to say anything: how many there are.
    TooFew(usize),
    /// Nothing that was tried is better.
    Keep(Score),
    /// This is.
    Change(Choice, JudgedOutcome),
}

/// Judges what each choice tells; the first is the present one.
pub fn advise(
    rule: RuleKind,
    judged: &[JudgedIncident],
    tried: &[(Choice, Vec<ReplayedAlert>)],
) -> Advice {
    let kind = Kind::from(rule);
    let ours = judged.iter().filter(|one| one.kind == kind);
    let Some(((present, before), others)) = tried.split_first() else {
        return Advice::TooFew(ours.count());
    };
    let score = Score::of(ours.clone(), before);
    if score.verdicts() < VERDICTS_MIN {
        return Advice::TooFew(score.verdicts());
    }
    let later_max = rule.tuning().map_or(Duration::ZERO, |tuning| tuning.later_max);
    let alerts = |told: &[ReplayedAlert]| told.iter().filter(|told| told.kind == kind).count();
    let mut best: Option<(Choice, JudgedOutcome)> = None;
    for (choice, told) in others {
        let outcome = outcome(ours.clone(), before, told);
        let found = outcome.after.real.0.saturating_sub(score.real.0);
        let sound = outcome.lost.is_empty()
            && outcome.later.iter().all(|later| *later <= later_max)
            && alerts(told) <= alerts(before) + found;
        let worth = |score: &Score| (score.real.0, std::cmp::Reverse(score.untrue.0));
        let least = best.as_ref().map_or(&score, |(_, outcome)| &outcome.after);
        let better = match worth(&outcome.after).cmp(&worth(least)) {
            std::cmp::Ordering::Equal => best
                .as_ref()
                .is_some_and(|(other, _)| choice.distance(*present) < other.distance(*present)),
            order => order.is_gt(),
        };
        if sound && better {
            best = Some((*choice, outcome));
        }
    }
    best.map_or(Advice::Keep(score), |(choice, outcome)| Advice::Change(choice, outcome))
}

/// A share, and between what it lies with 95 % certainty (Wilson, "Probable inference, the law of
/// succession, and statistical inference", 1927). Nothing of nothing is not known.
#[expect(clippy::cast_precision_loss, reason = "counts of verdicts")]
pub fn share(of: usize, all: usize) -> Option<(f64, f64, f64)> {
    if all == 0 {
        return None;
    }
    let (n, p) = (all as f64, of as f64 / all as f64);
    let denominator = 1.0 + Z * Z / n;
    let middle = (p + Z * Z / (2.0 * n)) / denominator;
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt() / denominator;
    Some((p, (middle - half).max(0.0), (middle + half).min(1.0)))
}
