//! The alert's terms as the page takes them: kinds and states, made of the daemon's own tables.
//!
//! They are two of the page's files like any other: its service worker keeps them for when the
//! daemon is away.

use std::fmt::Write as _;

use serde_json::Value;
use serde_json::json;

use crate::incident::IncidentState;
use crate::incident::Kind;

/// The address of [`script`].
pub(super) const SCRIPT: &str = "/terms.js";
/// The address of [`style`].
pub(super) const STYLE: &str = "/kinds.css";

/// The module: what the page goes by of each kind, and which states are closed.
pub(super) fn script() -> String {
    let kind = |kind: Kind| {
        let facts = kind.facts();
        let terms = json!({
            "name": { "vi": facts.name.vi, "en": facts.name.en },
            "mark": facts.page.mark,
            "burns": facts.burns,
            "technical": facts.is_technical,
            "reportable": facts.is_reportable,
            "cap": facts.cap.is_some(),
        });
        (kind.as_str(), terms)
    };
    let state = |state: IncidentState| (state.as_str(), json!({ "closed": state.is_closed() }));
    let mut script = "// The alert's terms, made by the daemon (web/terms.rs).\n".to_owned();
    table(&mut script, "Every kind, the gravest first.", "KINDS", Kind::ALL.map(kind));
    table(
        &mut script,
        "Every state, in the order of a life.",
        "STATES",
        IncidentState::ALL.map(state),
    );
    script
}

/// A map from word to terms, in order.
fn table<const N: usize>(
    script: &mut String,
    about: &str,
    name: &str,
    rows: [(&'static str, Value); N],
) {
    write!(script, "\n/** {about} */\nexport const {name} = new Map([\n")
        .expect("a string takes all");
    for (word, terms) in rows {
        writeln!(script, "  {},", json!([word, terms])).expect("a string takes all");
    }
    script.push_str("]);\n");
}

/// The style sheet: the kinds' colours on both grounds.
pub(super) fn style() -> String {
    let colours = |of: fn(Kind) -> &'static str| {
        let colour = |kind: Kind| format!(" --{}: {};", kind.as_str(), of(kind));
        Kind::ALL.map(colour).concat()
    };
    let (dark, light) =
        (colours(|kind| kind.facts().page.dark), colours(|kind| kind.facts().page.light));
    let mut style = "/* The kinds' colours, made by the daemon (web/terms.rs). */\n".to_owned();
    writeln!(style, ":root {{{dark} }}").expect("a string takes all");
    writeln!(style, ":root[data-theme=\"light\"] {{{light} }}").expect("a string takes all");
    for word in Kind::ALL.map(Kind::as_str) {
        writeln!(style, "[data-kind=\"{word}\"] {{ --kind: var(--{word}); }}")
            .expect("a string takes all");
    }
    style
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of one of the script's maps.
    fn rows(script: &str, name: &str) -> Vec<(String, Value)> {
        let begin = format!("export const {name} = new Map([\n");
        let rows = script.split_once(&begin).unwrap().1.split_once("]);\n").unwrap().0;
        rows.lines()
            .map(|row| serde_json::from_str(row.trim().trim_end_matches(',')).unwrap())
            .collect()
    }

    #[test]
    fn the_page_says_of_a_kind_what_the_table_says() {
        let script = script();
        let kinds = rows(&script, "KINDS");
        assert_eq!(kinds.len(), Kind::ALL.len());
        for ((word, terms), kind) in kinds.iter().zip(Kind::ALL) {
            let facts = kind.facts();
            assert_eq!(word, kind.as_str());
            assert_eq!(terms["name"]["vi"], facts.name.vi);
            assert_eq!(terms["name"]["en"], facts.name.en);
            assert_eq!(terms["mark"], facts.page.mark.to_string());
            assert_eq!(terms["burns"], facts.burns);
            assert_eq!(terms["technical"], facts.is_technical);
            assert_eq!(terms["reportable"], facts.is_reportable);
            assert_eq!(terms["cap"], facts.cap.is_some());
        }
    }

    #[test]
    fn the_page_knows_which_states_are_closed() {
        let states = rows(&script(), "STATES");
        let known: Vec<(String, Value)> = IncidentState::ALL
            .map(|state| (state.as_str().to_owned(), json!({ "closed": state.is_closed() })))
            .into();
        assert_eq!(states, known);
    }

    #[test]
    fn every_kind_has_a_colour_on_both_grounds() {
        let style = style();
        let (dark, light) = style.split_once(":root[data-theme=\"light\"]").unwrap();
        for kind in Kind::ALL {
            let (word, page) = (kind.as_str(), kind.facts().page);
            assert!(dark.contains(&format!("--{word}: {};", page.dark)), "{word}");
            assert!(light.contains(&format!("--{word}: {};", page.light)), "{word}");
            assert!(
                style.contains(&format!("[data-kind=\"{word}\"] {{ --kind: var(--{word}); }}"))
            );
        }
    }
}
