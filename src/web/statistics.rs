//! Statistics of some days, as `keng report` counts them.

use std::sync::Arc;

use axum::Extension;
use axum::extract::Query;
use axum::extract::State as Extract;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use jiff::civil::Date;
use serde::Deserialize;

use super::feed::Failed;
use super::shared::Shared;
use crate::access::Role;
use crate::access::Viewer;
use crate::ledger::Folder;
use crate::report;
use crate::report::Figures;
use crate::report::ReportScope;
use crate::report::Span;
use crate::ward::Id;
use crate::ward::KhuPho;
use crate::ward::Language;
use crate::ward::Site;

/// The number of days where none are named.
const DAYS: u16 = 7;
/// Longer ones are the command line's: they read years, and the daemon has other work.
const DAYS_MAX: usize = 366;

/// The query; members that are left empty have not been said.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StatisticsQuery {
    from: String,
    to: String,
    khu_pho: String,
    format: String,
    language: String,
}

/// The way in which it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Html,
    Json,
    Csv,
}

impl StatisticsQuery {
    fn format(&self) -> Result<Format, String> {
        match self.format.as_str() {
            "" | "html" => Ok(Format::Html),
            "json" => Ok(Format::Json),
            "csv" => Ok(Format::Csv),
            _ => Err("format is one of html, json, csv".to_owned()),
        }
    }

    fn language(&self, ward: Language) -> Result<Language, String> {
        match self.language.as_str() {
            "" => Ok(ward),
            "vi" => Ok(Language::Vi),
            "en" => Ok(Language::En),
            _ => Err("language is vi or en".to_owned()),
        }
    }

    /// `yesterday`: the last day, where none is named.
    fn span(&self, yesterday: Date) -> Result<Span, String> {
        let day = |name: &str, text: &str| match text {
            "" => Ok(None),
            _ => text
                .parse::<Date>()
                .map(Some)
                .map_err(|_| format!("{name} is a day such as 2026-11-01")),
        };
        let to = day("to", &self.to)?.unwrap_or(yesterday);
        let from = day("from", &self.from)?.unwrap_or_else(|| Span::days_until(to, DAYS));
        let span = Span::new(from, to).map_err(|error| error.to_string())?;
        match span.days() {
            days if days > DAYS_MAX => Err(format!(
                "{days} days are more than the {DAYS_MAX} that the page counts: for longer \
                 periods there is keng report"
            )),
            _ => Ok(span),
        }
    }
}

/// The neighbourhood that is told; none: all of them. Whoever has some only gets one of theirs, the
/// first where they name none.
fn only(viewer: &Viewer, known: &[KhuPho], wanted: &str) -> Result<Option<Id>, Failed> {
    let mut theirs = known.iter().map(|khu_pho| &khu_pho.id).filter(|id| viewer.may_see(id));
    let found = match (wanted, &viewer.role) {
        ("", Role::Police | Role::Admin) => return Ok(None),
        ("", Role::KhuPho(_)) => theirs.next(),
        _ => theirs.find(|id| id.as_str() == wanted),
    };
    found.cloned().map(Some).ok_or(Failed::NotThere)
}

/// `/api/report?from=&to=&khu_pho=&format=&language=`.
pub(super) async fn report(
    Extract(shared): Extract<Shared>,
    Extension(viewer): Extension<Viewer>,
    Query(wish): Query<StatisticsQuery>,
) -> Result<Response, Failed> {
    let state = &shared.state;
    let ward = Arc::clone(&state.ward);
    let now = state.clock.now().wall;
    let yesterday = Span::last_days(1, now, &ward.timezone).to;
    let format = wish.format().map_err(Failed::Wrong)?;
    let language = wish.language(ward.language).map_err(Failed::Wrong)?;
    let span = wish.span(yesterday).map_err(Failed::Wrong)?;
    let khu_pho = state.board.khu_pho();
    let only = only(&viewer, &khu_pho, &wish.khu_pho)?;
    let configured = state.board.configured();
    let folder = Folder::of(&state.store);
    let turn = Arc::clone(&shared.reports).acquire_owned().await.map_err(|_| Failed::Ending)?;
    let written = tokio::task::spawn_blocking(move || {
        let sites: Vec<Site> = configured.iter().map(|camera| camera.site.clone()).collect();
        let only = only.as_ref();
        let scope = ReportScope { ward: &ward, khu_pho: &khu_pho, sites: &sites, span, only, now };
        let book = folder.read(Figures::needs_from(&scope))?;
        let figures = Figures::of(&book, &scope);
        // Even where nobody waits for it any more, the next one begins when this one is over.
        drop(turn);
        Ok(match format {
            Format::Html => report::html::linked(&figures, language, STYLE),
            Format::Json => report::json::render(&figures),
            Format::Csv => report::csv::render(&figures),
        })
    });
    let text = written.await.map_err(|_| Failed::Ending)?.map_err(Failed::Ledger)?;
    let kind = match format {
        Format::Html => "text/html; charset=utf-8",
        Format::Json => "application/json",
        Format::Csv => "text/csv; charset=utf-8",
    };
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// The address of [`report::html::STYLE`].
pub(super) const STYLE: &str = "/report.css";

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn wish(from: &str, to: &str) -> StatisticsQuery {
        StatisticsQuery { from: from.to_owned(), to: to.to_owned(), ..StatisticsQuery::default() }
    }

    #[test]
    fn what_is_not_named_is_the_last_seven_days() {
        let yesterday = date(2026, 11, 21);
        let days = |from, to| wish(from, to).span(yesterday).map(|span| (span.from, span.to));
        assert_eq!(days("", ""), Ok((date(2026, 11, 15), yesterday)));
        assert_eq!(days("2026-11-20", ""), Ok((date(2026, 11, 20), yesterday)));
        assert_eq!(days("", "2026-10-07"), Ok((date(2026, 10, 1), date(2026, 10, 7))));
        assert!(days("2025-11-21", "2026-11-21").is_ok(), "a year and a day");
    }

    #[test]
    fn what_makes_no_period_is_refused_in_words() {
        let refused = |from, to| wish(from, to).span(date(2026, 11, 21)).unwrap_err();
        assert_eq!(refused("gestern", ""), "from is a day such as 2026-11-01");
        assert_eq!(refused("", "2026-02-30"), "to is a day such as 2026-11-01");
        assert!(refused("2026-11-21", "2026-11-20").contains("ends"), "backwards");
        assert!(refused("2025-11-20", "2026-11-21").contains("367 days"), "too long");
        assert!(refused("0001-01-01", "9999-12-31").contains("at most"), "far too long");
    }
}
