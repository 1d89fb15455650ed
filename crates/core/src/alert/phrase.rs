//! The sentences of alerts: one template for each case, in the ward's language or an admin's words.

use std::collections::BTreeMap;

use super::template::{Placeholder, Template};
use crate::incident::Kind;
use crate::incident::kind::Sentence;
use crate::rule::health::Fault;
use crate::ward::Language;

/// One thing to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phrase {
    /// The first sentence: what happens.
    First(Kind),
    /// The first sentence in the other case that the kind names, where it names one: nobody but
    /// people saw it, or several cameras are concerned.
    FirstVaried(Kind),
    /// Behind the first sentence: somebody took charge.
    Acknowledged,
    /// A responder is there.
    OnScene,
    /// It was settled.
    Resolved,
    /// There was nothing.
    FalseAlarm,
    /// It went away by itself.
    Expired,
    /// It goes on in another incident.
    Merged,
    /// The durations of a drill's steps.
    Drill,
    /// It is unanswered for too long.
    Unanswered,
    /// The siren sounds.
    Siren,
    /// News was not told.
    HeldBack,
    /// Before the first sentence: it is a drill.
    Exercise,
}

impl Phrase {
    /// Those behind and before the first sentence.
    const AROUND: [Self; 11] = [
        Self::Acknowledged,
        Self::OnScene,
        Self::Resolved,
        Self::FalseAlarm,
        Self::Expired,
        Self::Merged,
        Self::Drill,
        Self::Unanswered,
        Self::Siren,
        Self::HeldBack,
        Self::Exercise,
    ];

    /// Every one, in the order of the configuration's documentation.
    pub fn all() -> impl Iterator<Item = Self> {
        let first = Kind::ALL.into_iter().flat_map(|kind| {
            let varied = kind.facts().variation.map(|_| Self::FirstVaried(kind));
            std::iter::once(Self::First(kind)).chain(varied)
        });
        first.chain(Self::AROUND)
    }

    /// The sentence of a kind.
    fn sentence(kind: Kind, varied: bool) -> &'static Sentence {
        match &kind.facts().variation {
            Some((_, sentence)) if varied => sentence,
            _ => &kind.facts().sentence,
        }
    }

    /// Its key in `[message]`.
    pub fn key(self) -> &'static str {
        match self {
            Self::First(kind) => Self::sentence(kind, false).key,
            Self::FirstVaried(kind) => Self::sentence(kind, true).key,
            Self::Acknowledged => "acknowledged",
            Self::OnScene => "on_scene",
            Self::Resolved => "resolved",
            Self::FalseAlarm => "false_alarm",
            Self::Expired => "expired",
            Self::Merged => "merged",
            Self::Drill => "drill",
            Self::Unanswered => "unanswered",
            Self::Siren => "siren",
            Self::HeldBack => "held_back",
            Self::Exercise => "exercise",
        }
    }

    fn vietnamese(self) -> &'static str {
        match self {
            Self::First(kind) => Self::sentence(kind, false).template.vi,
            Self::FirstVaried(kind) => Self::sentence(kind, true).template.vi,
            Self::Acknowledged => ". Đã tiếp nhận",
            Self::OnScene => ". Đã có mặt",
            Self::Resolved => ". Đã xong",
            Self::FalseAlarm => ". Báo nhầm",
            Self::Expired => ". Đã hết",
            Self::Merged => ", nhập vào sự việc khác",
            Self::Drill => ". Tiếp nhận {taken_after}, có mặt {there_after}, xong {over_after}",
            Self::Unanswered => ". CHƯA AI TIẾP NHẬN",
            Self::Siren => ". CÒI ĐANG HÚ",
            Self::HeldBack => " (gộp {held_back} tin)",
            Self::Exercise => "DIỄN TẬP. ",
        }
    }

    fn english(self) -> &'static str {
        match self {
            Self::First(kind) => Self::sentence(kind, false).template.en,
            Self::FirstVaried(kind) => Self::sentence(kind, true).template.en,
            Self::Acknowledged => ". Acknowledged",
            Self::OnScene => ". On scene",
            Self::Resolved => ". Resolved",
            Self::FalseAlarm => ". False alarm",
            Self::Expired => ". Over",
            Self::Merged => ", goes on in another incident",
            Self::Drill => {
                ". Acknowledged {taken_after}, on scene {there_after}, over {over_after}"
            }
            Self::Unanswered => ". NOBODY HAS ANSWERED",
            Self::Siren => ". THE SIREN SOUNDS",
            Self::HeldBack => " ({held_back} held back)",
            Self::Exercise => "EXERCISE. ",
        }
    }
}

/// All templates of a ward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Messages {
    language: Language,
    templates: BTreeMap<Phrase, Template>,
}

impl Messages {
    /// As a language says it.
    pub fn of(language: Language) -> Self {
        let template = |phrase: Phrase| {
            let text = match language {
                Language::Vi => phrase.vietnamese(),
                Language::En => phrase.english(),
            };
            Template::parse(text).expect("our own templates are parsed in tests")
        };
        let templates = Phrase::all().map(|phrase| (phrase, template(phrase))).collect();
        Self { language, templates }
    }

    /// Says one thing in other words.
    pub fn set(&mut self, phrase: Phrase, template: Template) {
        self.templates.insert(phrase, template);
    }

    pub(super) fn say(&self, phrase: Phrase, with: &dyn Fn(Placeholder) -> String) -> String {
        self.templates.get(&phrase).map(|template| template.fill(with)).unwrap_or_default()
    }

    /// "2 cameras see".
    pub(super) fn seen_by(&self, cameras: usize) -> String {
        match (self.language, cameras) {
            (Language::Vi, n) => format!("{n} camera thấy"),
            (Language::En, 1) => "1 camera sees".to_owned(),
            (Language::En, n) => format!("{n} cameras see"),
        }
    }

    /// Returns what is wrong with a camera.
    pub(super) fn fault(&self, fault: Fault) -> &'static str {
        match (self.language, fault) {
            (Language::Vi, Fault::Offline) => "mất tín hiệu",
            (Language::Vi, Fault::Frozen) => "bị đứng hình",
            (Language::Vi, Fault::Blinded) => "bị che hoặc lệch hướng",
            (Language::Vi, Fault::Clock) => "sai giờ",
            (Language::En, Fault::Offline) => "offline",
            (Language::En, Fault::Frozen) => "frozen",
            (Language::En, Fault::Blinded) => "covered or turned away",
            (Language::En, Fault::Clock) => "with a wrong clock",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_phrase_has_a_key_and_words_of_its_own() {
        let keys: BTreeSet<&str> = Phrase::all().map(Phrase::key).collect();
        assert_eq!(keys.len(), Phrase::all().count());
        for language in [Language::Vi, Language::En] {
            let messages = Messages::of(language);
            let said: BTreeSet<String> =
                Phrase::all().map(|phrase| messages.say(phrase, &|_| "x".to_owned())).collect();
            assert_eq!(said.len(), keys.len(), "{language:?}");
            assert!(!said.contains(""), "{language:?}");
        }
        assert_ne!(Messages::of(Language::Vi), Messages::of(Language::En));
    }

    #[test]
    fn the_first_sentences_are_the_kinds_in_the_order_of_their_list() {
        let keys: Vec<&str> = Phrase::all().map(Phrase::key).take(9).collect();
        let known = [
            "fire",
            "fire_reported",
            "smoke",
            "smoke_reported",
            "loitering",
            "loitering_reported",
            "camera",
            "cameras",
            "other",
        ];
        assert_eq!(keys, known);
    }
}
