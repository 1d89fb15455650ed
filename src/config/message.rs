//! `[message]`: what alerts say, in an admin's words.

use crate::alert::{Messages, Phrase, Template};
use crate::ward::Language;

use super::reader::Section;

/// Longer templates fit no lock screen, characters.
const TEMPLATE_CHARS_MAX: usize = 120;

/// The language's own templates, with `[message]` laid over.
pub(super) fn read(root: &Section<'_>, language: Language) -> Messages {
    let mut messages = Messages::of(language);
    let Some(section) = root.section("message") else { return messages };
    for phrase in Phrase::all() {
        let Some(item) = section.item(phrase.key()) else { continue };
        let Some(text) = item.raw_text(TEMPLATE_CHARS_MAX) else { continue };
        match Template::parse(text) {
            Ok(template) => messages.set(phrase, template),
            Err(error) => {
                let remedy = "write {name} for a gap, [, {name}] for a part that may be missing";
                item.fault_within(error.at, error.reason, remedy);
            }
        }
    }
    section.finish();
    messages
}
