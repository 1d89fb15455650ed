//! What is said of what: one template each, in the ward's language or an admin's words.

use super::template::{Slot, Template};
use crate::rule::health::Fault;
use crate::ward::Language;

/// One thing to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phrase {
    /// Cameras see flames.
    Fire,
    /// People report a fire that no camera sees.
    FireReported,
    /// Cameras see smoke.
    Smoke,
    /// People report smoke that no camera sees.
    SmokeReported,
    /// A camera sees somebody who stays.
    Loitering,
    /// People report somebody who stays.
    LoiteringReported,
    /// Something is wrong with one camera.
    Camera,
    /// Something is wrong with several at once.
    Cameras,
    /// People report something else.
    Other,
    /// Behind the first sentence: somebody took charge.
    Acknowledged,
    /// Somebody is there.
    OnScene,
    /// It was settled.
    Resolved,
    /// There was nothing.
    FalseAlarm,
    /// It went away by itself.
    Expired,
    /// It goes on in another incident.
    Merged,
    /// How long a drill's steps took.
    Drill,
    /// Nobody has answered for too long.
    Unanswered,
    /// The siren sounds.
    Siren,
    /// News was not told.
    HeldBack,
    /// Before the first sentence: it is a drill.
    Exercise,
}

impl Phrase {
    /// Every one, in the order of the configuration's documentation.
    pub const ALL: [Self; 20] = [
        Self::Fire,
        Self::FireReported,
        Self::Smoke,
        Self::SmokeReported,
        Self::Loitering,
        Self::LoiteringReported,
        Self::Camera,
        Self::Cameras,
        Self::Other,
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

    /// Its key in `[message]`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Fire => "fire",
            Self::FireReported => "fire_reported",
            Self::Smoke => "smoke",
            Self::SmokeReported => "smoke_reported",
            Self::Loitering => "loitering",
            Self::LoiteringReported => "loitering_reported",
            Self::Camera => "camera",
            Self::Cameras => "cameras",
            Self::Other => "other",
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
            Self::Fire => "CHÁY tại {place}, {cameras} camera thấy lửa",
            Self::FireReported => "CHÁY tại {place}, người dân báo",
            Self::Smoke => "KHÓI tại {place}, {cameras} camera thấy khói",
            Self::SmokeReported => "KHÓI tại {place}, người dân báo",
            Self::Loitering => "Có người lảng vảng tại {place}, đã {dwell}[, {zone}]",
            Self::LoiteringReported => "Có người lảng vảng tại {place}, người dân báo",
            Self::Camera => "Camera {fault} tại {place}[, {owner}]",
            Self::Cameras => "{cameras} camera {fault} tại {place}",
            Self::Other => "Người dân báo tại {place}[: {note}]",
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
            Self::Fire => "FIRE at {place}, {seen_by} flames",
            Self::FireReported => "FIRE at {place}, reported by a resident",
            Self::Smoke => "SMOKE at {place}, {seen_by} smoke",
            Self::SmokeReported => "SMOKE at {place}, reported by a resident",
            Self::Loitering => "Loitering at {place}, for {dwell}[, {zone}]",
            Self::LoiteringReported => "Loitering at {place}, reported by a resident",
            Self::Camera => "Camera {fault} at {place}[, {owner}]",
            Self::Cameras => "{cameras} cameras {fault} at {place}",
            Self::Other => "Resident's report at {place}[: {note}]",
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
    templates: [Template; Phrase::ALL.len()],
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
        Self { language, templates: Phrase::ALL.map(template) }
    }

    /// Says one thing in other words.
    pub fn set(&mut self, phrase: Phrase, template: Template) {
        self.templates[phrase as usize] = template;
    }

    pub(super) fn say(&self, phrase: Phrase, with: &dyn Fn(Slot) -> String) -> String {
        self.templates[phrase as usize].fill(with)
    }

    /// "2 cameras see".
    pub(super) fn seen_by(&self, cameras: usize) -> String {
        match (self.language, cameras) {
            (Language::Vi, n) => format!("{n} camera thấy"),
            (Language::En, 1) => "1 camera sees".to_owned(),
            (Language::En, n) => format!("{n} cameras see"),
        }
    }

    /// What is wrong with a camera.
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
    use super::*;

    #[test]
    fn phrases_stand_where_their_number_says() {
        for (index, phrase) in Phrase::ALL.into_iter().enumerate() {
            assert_eq!(phrase as usize, index, "{phrase:?}");
        }
        assert_ne!(Messages::of(Language::Vi), Messages::of(Language::En));
    }
}
