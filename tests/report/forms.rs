//! The forms of the report, kept in `tests/testdata/report`, and that they are well-formed.
//!
//! `KENG_GOLDEN=write` writes what is kept anew: look at what has changed before it is committed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::civil::{Date, date};
use keng::report::{self, Figures, ReportScope, Span};
use keng::ward::Language;
use serde_json::Value;

use crate::markup;
use crate::sample;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/report").join(name)
}

/// Compares with what is kept; the line that differs first is shown.
fn compare(name: &str, text: &str) {
    let path = golden(name);
    if std::env::var_os("KENG_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    for (number, (kept, now)) in kept.lines().zip(text.lines()).enumerate() {
        assert_eq!(now, kept, "{name}, line {}", number + 1);
    }
    assert_eq!(text.len(), kept.len(), "{name} has another end");
}

fn figures(from: Date, to: Date, only: Option<&str>) -> Figures {
    let only = only.map(sample::id);
    let (ward, khu_pho, sites) = (sample::ward(), sample::khu_pho(), sample::sites());
    let scope = ReportScope {
        ward: &ward,
        khu_pho: &khu_pho,
        sites: &sites,
        span: Span::new(from, to).unwrap(),
        only: only.as_ref(),
        now: sample::wall("2026-12-01T08:30:00+07:00"),
    };
    Figures::of(&sample::book(), &scope)
}

fn november() -> Figures {
    figures(date(2026, 11, 1), date(2026, 11, 30), None)
}

fn week(only: Option<&str>) -> Figures {
    figures(date(2026, 11, 23), date(2026, 11, 29), only)
}

#[test]
fn text_is_as_it_was() {
    compare("thang.txt", &report::text::render(&november(), Language::Vi));
    compare("week.txt", &report::text::render(&week(None), Language::En));
}

#[test]
fn csv_is_as_it_was_and_tidy() {
    let text = report::csv::render(&week(Some("kp4")));
    compare("week.csv", &text);
    let mut rows = text.split_terminator("\r\n").map(|row| row.split(',').collect::<Vec<_>>());
    assert_eq!(rows.next().unwrap(), ["figure", "khu_pho", "key", "value", "before"]);
    let mut seen = BTreeMap::new();
    for row in rows {
        assert_eq!(row.len(), 5, "{row:?}");
        assert!(seen.insert(row[..3].join(","), row[3].to_owned()).is_none(), "{row:?} twice");
        let number = |cell: &str| cell.is_empty() || cell.parse::<f64>().is_ok();
        assert!(row[0] == "period" || number(row[3]) && number(row[4]), "{row:?}");
    }
    assert_eq!(seen["incidents,,"], seen["incidents,kp4,"]);
}

#[test]
fn json_is_as_it_was_and_says_what_csv_says() {
    let figures = week(Some("kp4"));
    let text = report::json::render(&figures);
    compare("week.json", &text);
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["schema"], "keng.report/1");
    let csv = report::csv::render(&figures);
    let cell = |of: &str| {
        let row = csv.lines().find_map(|row| row.strip_prefix(of)).unwrap();
        row.split(',').next().unwrap().to_owned()
    };
    let value = &json["total"]["value"];
    assert_eq!(cell("incidents,,,"), value["incidents"].to_string());
    assert_eq!(cell("incidents_by_kind,,loitering,"), value["by_kind"]["loitering"].to_string());
    assert_eq!(cell("verdicts,,real,"), value["verdicts"]["real"].to_string());
}

#[test]
fn html_is_as_it_was_well_formed_and_asks_for_nothing() {
    for (name, figures, language) in [
        ("thang.html", november(), Language::Vi),
        ("week.html", week(None), Language::En),
        ("quarter.html", figures(date(2026, 1, 1), date(2026, 11, 30), None), Language::En),
    ] {
        let page = report::html::page(&figures, language);
        markup::check(&page);
        for word in ["<script", "http:", "https:", "src=", "@import", "javascript", " style="] {
            assert!(!page.contains(word), "{name}: {word}");
        }
        assert!(report::html::STYLE.lines().all(|line| !line.contains("url(")), "{name}");
        if name != "quarter.html" {
            compare(name, &page);
        }
    }
}

#[test]
fn names_are_text_wherever_they_come_from() {
    let hostile = "</h1><script>alert(1)</script>\u{0}\u{1b}[2J";
    let mut ward = sample::ward();
    ward.name = hostile.to_owned();
    let mut khu_pho = sample::khu_pho();
    khu_pho[0].name = hostile.to_owned();
    let day = date(2026, 11, 23);
    let scope = ReportScope {
        ward: &ward,
        khu_pho: &khu_pho,
        sites: &sample::sites(),
        span: Span::new(day, day).unwrap(),
        only: None,
        now: sample::wall("2026-12-01T08:30:00+07:00"),
    };
    let figures = Figures::of(&sample::book(), &scope);
    let page = report::html::page(&figures, Language::Vi);
    markup::check(&page);
    assert!(!page.contains("<script"));
    let text = report::text::render(&figures, Language::Vi);
    assert!(!text.contains(['\u{0}', '\u{1b}']), "{text:?}");
}

#[test]
fn figures_of_nothing_are_written_too() {
    let (ward, now) = (sample::ward(), sample::wall("2026-11-30T00:00:00+07:00"));
    let day = date(2026, 11, 30);
    let span = Span::new(day, day).unwrap();
    let scope = ReportScope { ward: &ward, khu_pho: &[], sites: &[], span, only: None, now };
    let figures = Figures::of(&keng::ledger::History::default(), &scope);
    markup::check(&report::html::page(&figures, Language::Vi));
    assert!(report::text::render(&figures, Language::Vi).contains("không có kỳ trước"));
    assert!(report::csv::render(&figures).contains("\r\nincidents,,,0,\r\n"));
}
