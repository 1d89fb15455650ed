//! The report: figures of a span of days, against those of the span before. Pure.
//!
//! Belongs here: counting what the ledger knows ([`Figures`]), and writing the figures for a
//! terminal ([`text`]), a spreadsheet ([`csv`]), a program ([`json`]) and paper ([`html`]). Does
//! not belong here: reading the ledger.
//!
//! # How it counts
//!
//! - An *incident* is a fire, smoke, somebody who loiters, or what people reported. It counts once,
//!   on the day and in the hour of the ward when it was opened, whenever it ended; one that was
//!   merged into another does not count. Drills and faults of cameras are counted apart.
//! - A verdict is *real* where somebody resolved it or was at the scene, *false* where somebody
//!   said so. The rate of false alarms is that of incidents with a verdict, with Wilson's interval.
//! - Times run from the opening; of those that never came there is no time, so each says of how
//!   many it is. Percentiles are nearest ranks: times that really occurred.
//! - A camera's uptime is the share of the time in which it gave usable pictures, of the time for
//!   which that is known: the daemon was at work, and the camera was to be watched. How much that
//!   was stands beside it.

pub mod csv;
pub mod html;
pub mod json;
mod plot;
mod span;
mod summary;
mod table;
pub mod text;
mod uptime;
mod words;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::history::History;
use crate::history::IncidentRecord;
use crate::time::Wall;
use crate::ward::Id;
use crate::ward::KhuPho;
use crate::ward::Site;
use crate::ward::Ward;

pub use span::{DAYS_MAX, Span, SpanError};
pub use summary::{CameraFaults, Day, Drills, Rate, Summary, Times, Verdicts, kinds};
pub use uptime::Uptime;

use uptime::RunningTime;

/// Name and version of the JSON form.
pub const SCHEMA: &str = "keng.report/1";

/// The scope of a report: the ward, the days, and the cameras.
#[derive(Clone, Copy, Debug)]
pub struct ReportScope<'a> {
    /// The ward that the figures are of.
    pub ward: &'a Ward,
    /// Its neighbourhoods, in the order in which they are told.
    pub khu_pho: &'a [KhuPho],
    /// Its cameras.
    pub sites: &'a [Site],
    /// These days of the ward.
    pub span: Span,
    /// One neighbourhood alone.
    pub only: Option<&'a Id>,
    /// The present: later times have not happened yet.
    pub now: Wall,
}

/// A figure and what it was in the span before.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Both<T> {
    /// In the span that was asked for.
    pub value: T,
    /// In the one before.
    pub before: T,
}

/// A span and how much of it is known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Coverage {
    /// Its days.
    #[serde(flatten)]
    pub span: Span,
    /// Tells whether the ledger reaches back to its beginning, and it is over.
    pub complete: bool,
    /// The part of it, up to now, in which the daemon was at work, 0..1.
    pub watched: f64,
}

/// The figures of one neighbourhood.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Neighbourhood {
    /// The one concerned.
    pub id: String,
    /// For people; the id where the configuration has it no longer.
    pub name: String,
    /// Its figures.
    #[serde(flatten)]
    pub figures: Both<Summary>,
}

/// The figures of one camera.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CameraCounts {
    /// The time for which the camera could be used.
    pub uptime: Uptime,
    /// Incidents that it saw; one that two cameras saw counts for both.
    pub incidents: u64,
    /// Those of them that were declared false alarms.
    pub false_alarms: u64,
}

/// The figures of one camera.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CameraFigures {
    /// The one concerned.
    pub id: String,
    /// The neighbourhood that it watches.
    pub khu_pho: String,
    /// The place where it hangs; empty where the configuration has it no longer.
    pub address: String,
    /// Its figures.
    #[serde(flatten)]
    pub figures: Both<CameraCounts>,
}

/// Everything that a report tells.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The ward's id.
    pub ward: String,
    /// For people.
    pub ward_name: String,
    /// IANA name of the zone of its days and hours.
    pub timezone: String,
    /// The time at which the report was made, RFC 3339.
    pub made_at: String,
    /// The neighbourhood that it is of; null: all.
    pub only: Option<String>,
    /// The days that were asked for.
    pub period: Coverage,
    /// As many days before them.
    pub before: Coverage,
    /// Of all neighbourhoods, or of the only one.
    pub total: Both<Summary>,
    /// In the order of the configuration.
    pub khu_pho: Vec<Neighbourhood>,
    /// In the order of the configuration.
    pub cameras: Vec<CameraFigures>,
}

/// One span with what is known of it.
struct Side<'a> {
    span: Span,
    cases: Vec<&'a IncidentRecord>,
    watch: RunningTime,
}

impl Figures {
    /// From when on the ledger has to be read for this.
    pub fn needs_from(scope: &ReportScope<'_>) -> Wall {
        scope.span.before().range(&scope.ward.timezone).start
    }

    /// Counts what the ledger says.
    pub fn of(book: &History, scope: &ReportScope<'_>) -> Self {
        let zone = &scope.ward.timezone;
        let sides = [scope.span, scope.span.before()].map(|span| {
            let range = span.range(zone);
            let wanted = |case: &&IncidentRecord| {
                let here = scope.only.is_none_or(|only| case.khu_pho == *only);
                here && case.merged_into.is_none() && span.has(case.opened_at, zone)
            };
            let cases = book.cases.iter().filter(wanted).collect();
            let range = range.start..range.end.min(scope.now).max(range.start);
            Side { span, cases, watch: RunningTime::of(&book.notes, &range) }
        });
        let coverage = |side: &Side<'_>| {
            let range = side.span.range(zone);
            let reached = book.begun.is_some_and(|begun| begun <= range.start);
            Coverage {
                span: side.span,
                complete: reached && range.end <= scope.now,
                watched: side.watch.share(),
            }
        };
        let both = |only: Option<&Id>| {
            let summary = |side: &Side<'_>| {
                let here = |id: &Id| only.is_none_or(|only| only == id);
                let cases = side.cases.iter().copied().filter(|case| here(&case.khu_pho));
                let uptime = side.watch.uptime(|khu_pho, _| here(khu_pho));
                Summary::of(cases, side.span, zone, uptime)
            };
            Both { value: summary(&sides[0]), before: summary(&sides[1]) }
        };
        let khu_pho = neighbourhoods(&sides, scope).into_iter().map(|(id, name)| {
            let figures = both(Some(&id));
            Neighbourhood { id: id.to_string(), name, figures }
        });
        Self {
            schema: SCHEMA,
            ward: scope.ward.id.to_string(),
            ward_name: scope.ward.name.clone(),
            timezone: zone.iana_name().unwrap_or("UTC").to_owned(),
            made_at: scope.now.to_rfc3339(zone),
            only: scope.only.map(ToString::to_string),
            period: coverage(&sides[0]),
            before: coverage(&sides[1]),
            total: both(scope.only),
            khu_pho: khu_pho.collect(),
            cameras: cameras(&sides, scope),
        }
    }

    /// The name of a neighbourhood; its id where it has none.
    fn name<'a>(&'a self, id: &'a str) -> &'a str {
        self.khu_pho.iter().find(|known| known.id == id).map_or(id, |known| &known.name)
    }
}

/// The configuration's, and behind them those that only the ledger knows.
fn neighbourhoods(sides: &[Side<'_>], scope: &ReportScope<'_>) -> Vec<(Id, String)> {
    let mut list: Vec<(Id, String)> =
        scope.khu_pho.iter().map(|known| (known.id.clone(), known.name.clone())).collect();
    let seen = sides.iter().flat_map(|side| {
        let cases = side.cases.iter().map(|case| &case.khu_pho);
        cases.chain(side.watch.cameras().map(|(khu_pho, _)| khu_pho))
    });
    let mut rest: Vec<&Id> =
        seen.filter(|id| !list.iter().any(|(known, _)| known == *id)).collect();
    rest.sort();
    rest.dedup();
    let rest: Vec<(Id, String)> = rest.into_iter().map(|id| (id.clone(), id.to_string())).collect();
    list.extend(rest);
    list.retain(|(id, _)| scope.only.is_none_or(|only| only == id));
    list
}

/// The configuration's, and behind them those that only the ledger knows.
fn cameras(sides: &[Side<'_>; 2], scope: &ReportScope<'_>) -> Vec<CameraFigures> {
    let mut places: Vec<(Id, Id, String)> = scope
        .sites
        .iter()
        .map(|site| (site.khu_pho.clone(), site.id.clone(), site.place.address.clone()))
        .collect();
    let mut rest: Vec<(&Id, &Id)> = sides.iter().flat_map(|side| side.watch.cameras()).collect();
    rest.sort();
    rest.dedup();
    for (khu_pho, id) in rest {
        if !places.iter().any(|(its, known, _)| known == id && its == khu_pho) {
            places.push((khu_pho.clone(), id.clone(), String::new()));
        }
    }
    places.retain(|(khu_pho, ..)| scope.only.is_none_or(|only| only == khu_pho));
    let counts = [seen_by(&sides[0].cases), seen_by(&sides[1].cases)];
    let of = |index: usize, khu_pho: &Id, id: &Id| {
        let (incidents, false_alarms) = counts[index].get(id).copied().unwrap_or_default();
        let uptime = sides[index].watch.uptime(|its, known| its == khu_pho && known == id);
        CameraCounts { uptime, incidents, false_alarms }
    };
    let figures = places.into_iter().map(|(khu_pho, id, address)| {
        let figures = Both { value: of(0, &khu_pho, &id), before: of(1, &khu_pho, &id) };
        CameraFigures { id: id.to_string(), khu_pho: khu_pho.to_string(), address, figures }
    });
    figures.collect()
}

/// Returns how many incidents each camera saw, and how many of them were false alarms.
fn seen_by<'a>(cases: &[&'a IncidentRecord]) -> BTreeMap<&'a Id, (u64, u64)> {
    let mut counts: BTreeMap<&Id, (u64, u64)> = BTreeMap::new();
    for case in cases.iter().filter(|case| summary::is_incident(case)) {
        for camera in &case.cameras {
            let (incidents, false_alarms) = counts.entry(camera).or_default();
            *incidents += 1;
            *false_alarms += u64::from(summary::is_false(case));
        }
    }
    counts
}

#[cfg(test)]
mod tests;
