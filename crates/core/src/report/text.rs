//! For a terminal.

use super::Figures;
use super::table::{Table, Tables};
use super::words::Words;
use crate::ward::Language;

/// A bar is no longer.
const BAR_MAX: u64 = 40;

/// The report as text, in one language.
pub fn render(figures: &Figures, language: Language) -> String {
    let words = Words(language);
    let tables = Tables { figures, words };
    let mut out = String::new();
    line(&mut out, words.say("THỐNG KÊ SỰ VIỆC", "INCIDENTS"));
    line(&mut out, &title(figures));
    let (period, before) = (figures.period.span, figures.before.span);
    line(&mut out, &format!("{}: {}", words.say("Kỳ này", "Period"), words.span(period)));
    line(&mut out, &format!("{}: {}", words.say("Kỳ trước", "Before"), words.span(before)));
    line(&mut out, "");
    line(&mut out, &tables.lead());
    for note in tables.notes() {
        line(&mut out, &note);
    }
    let shown = [
        tables.kinds(),
        tables.khu_pho(),
        tables.verdicts(),
        tables.false_alarms(),
        tables.times(),
        tables.apart(),
    ];
    for table in &shown {
        write_table(&mut out, table);
    }
    hours(&mut out, figures, words);
    write_table(&mut out, &tables.cameras(false));
    line(&mut out, "");
    wrapped(&mut out, tables.method());
    out
}

/// The ward, and the neighbourhood where it is of one alone.
pub(super) fn title(figures: &Figures) -> String {
    match &figures.only {
        Some(only) => format!("{}, {}", figures.ward_name, figures.name(only)),
        None => figures.ward_name.clone(),
    }
}

/// Without what a terminal would obey: names come from a file that people write.
fn line(out: &mut String, text: &str) {
    out.extend(text.trim_end().chars().map(|c| if c.is_control() { ' ' } else { c }));
    out.push('\n');
}

/// At word ends, to the width of a narrow terminal.
fn wrapped(out: &mut String, text: &str) {
    let mut row = String::new();
    for word in text.split_whitespace() {
        if row.chars().count() + word.chars().count() >= 80 {
            line(out, &row);
            row.clear();
        }
        if !row.is_empty() {
            row.push(' ');
        }
        row.push_str(word);
    }
    line(out, &row);
}

/// First column to the left, the others to the right.
fn write_table(out: &mut String, table: &Table) {
    if table.rows.is_empty() {
        return;
    }
    line(out, "");
    line(out, table.title);
    let head: Vec<String> = table.head.iter().map(|cell| (*cell).to_owned()).collect();
    let width = |column: usize| {
        let cells = table.rows.iter().chain([&head]).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    for row in [&head].into_iter().chain(&table.rows) {
        let mut text = String::from("  ");
        for (column, cell) in row.iter().enumerate() {
            let space = " ".repeat(widths[column].saturating_sub(cell.chars().count()));
            let (first, second) = if column == 0 { (cell, &space) } else { (&space, cell) };
            text.push_str(first);
            text.push_str(second);
            text.push_str("  ");
        }
        line(out, &text);
    }
}

/// A row for each hour, with a bar.
fn hours(out: &mut String, figures: &Figures, words: Words) {
    let counts = &figures.total.value.by_hour;
    let most = counts.iter().copied().max().unwrap_or(0);
    line(out, "");
    line(out, words.say("Theo giờ trong ngày", "By hour of the day"));
    for (hour, count) in counts.iter().enumerate() {
        let length = if most > BAR_MAX { (count * BAR_MAX).div_ceil(most) } else { *count };
        let bar = "█".repeat(usize::try_from(length).unwrap_or(0));
        line(out, &format!("  {hour:02}  {:>5}  {bar}", words.count(*count)));
    }
}
