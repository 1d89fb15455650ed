//! The tables that `keng tune` prints.

use std::io;
use std::io::Write;

use serde_json::{Value, json};

use crate::detection_log::Damage;
use crate::rule::RuleKind;
use crate::time::Wall;
use crate::tune::advice::{Advice, Choice, VERDICTS_MIN, share};
use crate::tune::compare::{JudgedOutcome, Row, Score};
use crate::ward::Id;

/// The result of a replay.
pub(super) struct Told {
    pub(super) frames: u64,
    pub(super) from: Wall,
    pub(super) until: Wall,
    pub(super) damage: Damage,
}

/// The differences.
pub(super) struct Findings {
    pub(super) heard: Told,
    pub(super) rows: Vec<Row>,
    pub(super) outcomes: Vec<(RuleKind, JudgedOutcome)>,
}

impl Told {
    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let hours = seconds(self.from, self.until) / 3_600.0;
        writeln!(out, "{} analysed frames of {hours:.1} h", self.frames)?;
        let Damage { places, bytes, nameless, .. } = self.damage;
        if places > 0 || nameless > 0 {
            writeln!(
                out,
                "{places} damaged places ({bytes} bytes) and {nameless} frames are passed over"
            )?;
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let Damage { places, bytes, nameless, .. } = self.damage;
        json!({
            "frames": self.frames, "seconds": seconds(self.from, self.until),
            "damaged_places": places, "damaged_bytes": bytes, "nameless_frames": nameless,
        })
    }
}

fn seconds(from: Wall, until: Wall) -> f64 {
    std::time::Duration::from_micros(until.0.abs_diff(from.0)).as_secs_f64()
}

/// Kept, gained, lost; and what people said.
pub(super) fn print_comparison(
    findings: &Findings,
    zone: &jiff::tz::TimeZone,
    as_json: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    let time = |wall: &Wall| wall.to_rfc3339(zone);
    if as_json {
        let times = |walls: &[Wall]| walls.iter().map(time).collect::<Vec<_>>();
        let rows = findings.rows.iter().map(|row| {
            json!({
                "camera": row.camera.as_str(), "rule": row.kind.as_str(), "kept": row.kept,
                "gained": times(&row.gained), "lost": times(&row.lost),
            })
        });
        let outcomes = findings.outcomes.iter().map(|(rule, outcome)| {
            let later: Vec<f64> = outcome.later.iter().map(|late| late.as_secs_f64()).collect();
            json!({
                "rule": rule.section(),
                "before": score_json(&outcome.before), "after": score_json(&outcome.after),
                "real_lost": times(&outcome.lost), "real_later_s": later,
                "false_spared": outcome.spared,
            })
        });
        let (rows, outcomes): (Vec<_>, Vec<_>) = (rows.collect(), outcomes.collect());
        let all = json!({ "read": findings.heard.json(), "alerts": rows, "verdicts": outcomes });
        writeln!(out, "{all}")?;
        return out.flush();
    }
    findings.heard.print(out)?;
    let cameras = findings.rows.iter().map(|row| row.camera.as_str().len());
    let width = cameras.max().unwrap_or(0).max(6);
    writeln!(out, "\n{:width$}  rule       kept  gained  lost", "camera")?;
    for row in &findings.rows {
        let (camera, rule) = (row.camera.as_str(), row.kind.as_str());
        let (kept, gained, lost) = (row.kept, row.gained.len(), row.lost.len());
        writeln!(out, "{camera:width$}  {rule:9} {kept:5} {gained:7} {lost:5}")?;
    }
    for row in &findings.rows {
        let which = row.gained.iter().map(|at| ("gained", at));
        for (what, at) in which.chain(row.lost.iter().map(|at| ("lost", at))) {
            writeln!(out, "{what:6}  {}  {} {}", time(at), row.camera, row.kind.as_str())?;
        }
    }
    writeln!(out)?;
    for (rule, outcome) in &findings.outcomes {
        print_outcome(*rule, outcome, out)?;
    }
    out.flush()
}

fn print_outcome(rule: RuleKind, outcome: &JudgedOutcome, out: &mut impl Write) -> io::Result<()> {
    let JudgedOutcome { before, after, lost, later, spared } = outcome;
    let rule = rule.section();
    if before.verdicts() == 0 {
        return writeln!(out, "{rule}: nobody has judged any");
    }
    let longest = later.iter().max().copied().unwrap_or_default().as_secs_f64();
    writeln!(
        out,
        "{rule}: of {} false alarms {} were told, {} would be: {spared} disappear",
        before.untrue.1, before.untrue.0, after.untrue.0
    )?;
    writeln!(
        out,
        "{rule}: of {} real ones {} were told, {} would be: {} lost, {} later (by {longest:.1} s \
         at most)",
        before.real.1,
        before.real.0,
        after.real.0,
        lost.len(),
        later.len()
    )
}

fn score_json(score: &Score) -> Value {
    let Score { real, untrue } = score;
    let part = |share: Option<(f64, f64, f64)>| {
        share.map(|(p, low, high)| json!({ "is": p, "from": low, "to": high }))
    };
    json!({
        "real_told": real.0, "real": real.1, "false_told": untrue.0, "false": untrue.1,
        "precision": part(share(real.0, real.0 + untrue.0)), "recall": part(share(real.0, real.1)),
    })
}

/// Prints what to write, a rule, and why.
pub(super) fn print_advice(
    heard: &Told,
    advices: &[(RuleKind, Choice, Advice)],
    camera: Option<&Id>,
    as_json: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    if as_json {
        let rules = advices.iter().map(|(rule, present, advice)| {
            let (advice, outcome) = match advice {
                Advice::TooFew(verdicts) => (json!(null), json!({ "verdicts": verdicts })),
                Advice::Keep(score) => (choice_json(*rule, present), score_json(score)),
                Advice::Change(choice, o) => (choice_json(*rule, choice), score_json(&o.after)),
            };
            let present = choice_json(*rule, present);
            let rule = rule.section();
            json!({ "rule": rule, "present": present, "advice": advice, "expect": outcome })
        });
        let rules: Vec<Value> = rules.collect();
        writeln!(out, "{}", json!({ "read": heard.json(), "rules": rules }))?;
        return out.flush();
    }
    heard.print(out)?;
    let mut changes = String::new();
    for (rule, present, advice) in advices {
        let called = rule.section();
        match advice {
            Advice::TooFew(verdicts) => writeln!(
                out,
                "{called}: {verdicts} verdicts are too few for advice; it takes {VERDICTS_MIN}"
            )?,
            Advice::Keep(score) => {
                let now = choice(*rule, present).join(", ");
                writeln!(out, "{called}: keep {now}; nothing that was tried is better")?;
                print_score(called, score, out)?;
            }
            Advice::Change(wanted, outcome) => {
                let (now, then) = (choice(*rule, present), choice(*rule, wanted));
                writeln!(out, "{called}: {} instead of {}", then.join(", "), now.join(", "))?;
                print_score(called, &outcome.after, out)?;
                let spared = outcome.spared;
                writeln!(out, "{called}: {spared} false alarms disappear, nothing real is lost")?;
                let head = match camera {
                    None => format!("[rule.{called}]\n"),
                    Some(_) => String::new(),
                };
                let lines = then.iter().map(|line| match camera {
                    None => format!("{line}\n"),
                    Some(_) => format!("rule.{called}.{line}\n"),
                });
                changes.push_str(&head);
                changes.extend(lines);
            }
        }
    }
    if !changes.is_empty() {
        let place = camera.map_or_else(String::new, |id| format!(" into [[camera]] {id}"));
        writeln!(out, "\nTo paste{place}; keys that are there already are to be replaced:\n")?;
        write!(out, "{changes}")?;
        writeln!(
            out,
            "\nThis was chosen by the verdicts that it is measured on, and only what was told \
             can have\nbeen judged: expect a little less."
        )?;
    }
    out.flush()
}

fn print_score(rule: &str, score: &Score, out: &mut impl Write) -> io::Result<()> {
    let percent = |share: Option<(f64, f64, f64)>| match share {
        None => "not known".to_owned(),
        Some((p, low, high)) => {
            let [p, low, high] = [p, low, high].map(|share| share * 100.0);
            format!("{p:.0} % ({low:.0} to {high:.0})")
        }
    };
    let precision = percent(share(score.real.0, score.real.0 + score.untrue.0));
    let recall = percent(share(score.real.0, score.real.1));
    let verdicts = score.verdicts();
    writeln!(out, "{rule}: precision {precision}, recall {recall}, by {verdicts} verdicts")
}

/// The key that says how long evidence must last.
fn lasts_key(rule: RuleKind) -> &'static str {
    rule.tuning().map_or("", |tuning| tuning.lasts_key)
}

/// The two keys as TOML.
fn choice(rule: RuleKind, choice: &Choice) -> [String; 2] {
    let (lasts, seconds) = (lasts_key(rule), choice.lasts.as_secs_f64());
    [format!("confidence_min = {:.2}", choice.confidence_min), format!("{lasts} = {seconds:.1}")]
}

fn choice_json(rule: RuleKind, choice: &Choice) -> Value {
    let (lasts, seconds) = (lasts_key(rule), choice.lasts.as_secs_f64());
    json!({ "confidence_min": choice.confidence_min, lasts: seconds })
}
