//! For paper and for a browser: one file, nothing to fetch, nothing to run.
//!
//! [`article`] is what a page of another style may show: it has classes alone, no style of its own.

use std::fmt;
use std::fmt::Write as _;

use super::plot::{self, Bar, Interval, Shares, escape};
use super::table::{Table, Tables, worst_first};
use super::text::title;
use super::words::Words;
use super::{Both, CameraFigures, Figures, Rate, Uptime};
use crate::ward::Language;

/// The style sheet of [`article`], for A4 and for a screen.
pub const STYLE: &str = include_str!("report.css");
/// The style sheet of the ground around it in [`page`].
const GROUND: &str = "body { margin: 0; background: #f3f1ed; }\n\
                      @media print { body { background: none; } }\n";

/// More columns don't fit on paper: then months are drawn.
const DAYS_DRAWN_MAX: usize = 92;
/// Cameras that are drawn; the table has all of them.
const CAMERAS_DRAWN_MAX: usize = 20;

/// The report as a document of its own, in one language.
pub fn page(figures: &Figures, language: Language) -> String {
    document(figures, language, &format!("<style>\n{GROUND}{STYLE}</style>"))
}

/// The same with [`STYLE`] at the address `style`, for a browser that takes none within the page.
/// The days and the neighbourhood stand at the body, for scripts.
pub fn linked(figures: &Figures, language: Language, style: &str) -> String {
    let style = escape(style);
    document(figures, language, &format!("<link rel=\"stylesheet\" href=\"{style}\"/>"))
}

fn document(figures: &Figures, language: Language, style: &str) -> String {
    let words = Words(language);
    let heading = words.say("Thống kê sự việc", "Incidents");
    format!(
        "<!DOCTYPE html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <title>{heading}: {}</title>\n{style}\n</head>\n<body data-from=\"{}\" \
         data-to=\"{}\" data-khu-pho=\"{}\">\n{}</body>\n</html>\n",
        words.say("vi", "en"),
        escape(&title(figures)),
        figures.period.span.from,
        figures.period.span.to,
        escape(figures.only.as_deref().unwrap_or_default()),
        article(figures, language)
    )
}

/// The report as one `<article class="report">`, in one language.
pub fn article(figures: &Figures, language: Language) -> String {
    let words = Words(language);
    let tables = Tables { figures, words };
    let mut out = String::from("<article class=\"report\">\n");
    head(&mut out, tables);
    section(&mut out, &tables.kinds(), "", "");
    section(&mut out, &tables.khu_pho(), "", "");
    let comparable = figures.before.complete;
    let key = plot::key(
        words.say("kỳ này", "this period"),
        comparable.then(|| words.say("kỳ trước", "the period before")),
    );
    let (name, bars) = days(figures, words);
    drawn(&mut out, name, &key, &plot::columns(name, &bars));
    let name = words.say("Theo giờ trong ngày", "By hour of the day");
    drawn(&mut out, name, &key, &plot::columns(name, &hours(figures)));
    section(&mut out, &tables.verdicts(), "", "");
    let table = tables.false_alarms();
    let key = plot::rates_key(
        words.say("kỳ này, với khoảng tin cậy 95 %", "this period, with its 95 % interval"),
        comparable.then(|| words.say("kỳ trước", "the period before")),
    );
    let plot = plot::intervals(table.title, &rates(figures, words));
    let plot = format!("<p class=\"legend\">{key}</p>\n{plot}");
    section(&mut out, &table, &plot, "");
    section(&mut out, &tables.times(), "", "");
    section(&mut out, &tables.apart(), "", "");
    let table = tables.cameras(true);
    if !table.rows.is_empty() {
        let plot = uptime(figures, words);
        section(&mut out, &table, &plot, " cameras");
    }
    add(
        &mut out,
        format_args!(
            "<footer><p>{}</p><p>{} {}. Kẻng {}.</p></footer>\n</article>\n",
            escape(tables.method()),
            words.say("Lập lúc", "Made at"),
            escape(&made_at(figures, words)),
            env!("CARGO_PKG_VERSION")
        ),
    );
    out
}

/// To the minute, without the zone: it is the ward's own.
fn made_at(figures: &Figures, words: Words) -> String {
    let text = figures.made_at.get(..16).unwrap_or_default();
    let (date, time) = text.split_once('T').unwrap_or_default();
    match date.parse() {
        Ok(date) => format!("{time} {}", words.date(date)),
        Err(_) => text.to_owned(),
    }
}

fn head(out: &mut String, tables: Tables<'_>) {
    let (figures, words) = (tables.figures, tables.words);
    let heading = words.say("Thống kê sự việc", "Incidents");
    add(
        out,
        format_args!(
            "<header>\n<p class=\"ward\">{}</p>\n<h1>{heading}</h1>\n<p class=\"days\">{}: \
         <strong>{}</strong>; {}: {}</p>\n</header>\n<p class=\"lead\">{}</p>\n",
            escape(&title(figures)),
            words.say("Kỳ này", "Period"),
            words.span(figures.period.span),
            words.say("kỳ trước", "before"),
            words.span(figures.before.span),
            escape(&tables.lead()),
        ),
    );
    for note in tables.notes() {
        add(out, format_args!("<p class=\"note\">{}</p>\n", escape(&note)));
    }
}

fn add(out: &mut String, text: fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes everything");
}

/// A plot and its table.
fn section(out: &mut String, table: &Table, plot: &str, class: &str) {
    add(out, format_args!("<section class=\"part{class}\">\n<h2>{}</h2>\n", escape(table.title)));
    out.push_str(plot);
    let last = if table.has_sum { " class=\"sum\"" } else { "" };
    out.push_str("<div class=\"wide\"><table>\n<thead><tr>");
    for cell in &table.head {
        add(out, format_args!("<th scope=\"col\">{}</th>", escape(cell)));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for (index, row) in table.rows.iter().enumerate() {
        let class = if index + 1 == table.rows.len() { last } else { "" };
        add(out, format_args!("<tr{class}>"));
        for (column, cell) in row.iter().enumerate() {
            let cell = escape(cell);
            if column == 0 {
                add(out, format_args!("<th scope=\"row\">{cell}</th>"));
            } else {
                add(out, format_args!("<td>{cell}</td>"));
            }
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table></div>\n</section>\n");
}

/// A plot without a table.
fn drawn(out: &mut String, name: &str, key: &str, plot: &str) {
    add(
        out,
        format_args!(
            "<section class=\"part\">\n<h2>{}</h2>\n<p class=\"legend\">{key}</p>\n{plot}\
             </section>\n",
            escape(name)
        ),
    );
}

/// Days, or months where there are too many of them.
fn days(figures: &Figures, words: Words) -> (&'static str, Vec<Bar>) {
    let Both { value, before } = &figures.total;
    let comparable = figures.before.complete;
    if value.by_day.len() > DAYS_DRAWN_MAX {
        let mut months: Vec<Bar> = Vec::new();
        for day in &value.by_day {
            let label = day.date.strftime("%m/%y").to_string();
            match months.last_mut().filter(|last| last.label == label) {
                Some(last) => last.value += day.incidents,
                // Months before are of other lengths.
                None => months.push(Bar { label, value: day.incidents, before: None }),
            }
        }
        return (words.say("Theo tháng", "By month"), months);
    }
    let pairs = value.by_day.iter().zip(&before.by_day);
    let bar = |(day, earlier): (&super::summary::Day, &super::summary::Day)| Bar {
        label: day.date.strftime("%-d/%-m").to_string(),
        value: day.incidents,
        before: comparable.then_some(earlier.incidents),
    };
    (words.say("Theo ngày", "By day"), pairs.map(bar).collect())
}

fn hours(figures: &Figures) -> Vec<Bar> {
    let Both { value, before } = &figures.total;
    let pairs = value.by_hour.iter().zip(&before.by_hour).enumerate();
    let bar = |(hour, (value, before)): (usize, (&u64, &u64))| Bar {
        label: hour.to_string(),
        value: *value,
        before: figures.before.complete.then_some(*before),
    };
    pairs.map(bar).collect()
}

fn rates(figures: &Figures, words: Words) -> Vec<Interval> {
    let Both { value, before } = &figures.total;
    let line = |label: &str, rate: &Rate, earlier: &Rate| Interval {
        label: label.to_owned(),
        note: format!("n = {}", words.count(rate.told)),
        rate: rate
            .share
            .map(|share| [rate.low.unwrap_or(share), share, rate.high.unwrap_or(share)]),
        before: earlier.share.filter(|_| figures.before.complete),
    };
    let all = words.say("Tất cả", "All");
    let mut lines = vec![line(all, &value.false_alarms, &before.false_alarms)];
    for kind in super::kinds() {
        let of = |summary: &super::Summary| {
            summary.false_alarms_by_kind.get(kind.as_str()).copied().unwrap_or_default()
        };
        lines.push(line(words.kind(kind), &of(value), &of(before)));
    }
    lines
}

/// The cameras that could be used least.
fn uptime(figures: &Figures, words: Words) -> String {
    let worst = worst_first(figures).into_iter();
    let line = |camera: &CameraFigures| {
        let Uptime { up_ms, offline_ms, frozen_ms, blinded_ms, share } =
            camera.figures.value.uptime;
        let known = up_ms + offline_ms + frozen_ms + blinded_ms;
        let part = |ms| super::uptime::share(ms, known).unwrap_or(0.0);
        Shares {
            label: camera.id.chars().take(24).collect(),
            note: words.some_percent(share, 2),
            shares: [up_ms, offline_ms, frozen_ms, blinded_ms].map(part),
        }
    };
    let lines: Vec<Shares> = worst.take(CAMERAS_DRAWN_MAX).map(line).collect();
    let legend = if words.is_vi() {
        ["hoạt động", "mất tín hiệu", "đứng hình", "bị che, lệch"]
    } else {
        ["up", "offline", "frozen", "blinded"]
    };
    let title = words.say("Camera hoạt động kém nhất", "Cameras that could be used least");
    plot::shares(title, &lines, legend)
}
