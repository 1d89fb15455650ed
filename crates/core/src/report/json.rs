//! For programs: [`Figures`] as one JSON object, `docs/report.md` says key by key what it holds.
//!
//! [`Figures`]: super::Figures

use super::Figures;

/// The report as JSON of several lines, with a newline at its end.
pub fn render(figures: &Figures) -> String {
    let mut text = serde_json::to_string_pretty(figures)
        .expect("texts, finite numbers and maps with texts for keys always serialise");
    text.push('\n');
    text
}
