//! The kinds of incidents: one table of everything that is said of a kind anywhere.
//!
//! A new kind is one constant of [`KindFacts`] and one row of the list below it. Alerts, messages,
//! severity, CAP, Home Assistant, push, webhooks, ledger, detection log, report and the page all
//! follow from the table; a kind without a row, and a row without one of its facts, do not compile.
//! The rule that finds it is told in `From<RuleKind>`, and the enumerations of
//! `config/alert.schema.json` and `docs/openapi.json` are checked by tests.
//!
//! Does not belong here: what a rule is (`rule`'s), how an outlet writes its form.

use crate::incident::severity::Aggravation;
use crate::incident::severity::Severity;
use crate::rule::RuleKind;
use crate::ward::Language;

/// The same words in each language of a ward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bilingual {
    /// In Vietnamese.
    pub vi: &'static str,
    /// In English.
    pub en: &'static str,
}

impl Bilingual {
    /// Chooses the words of `language`.
    pub const fn of(self, language: Language) -> &'static str {
        match language {
            Language::Vi => self.vi,
            Language::En => self.en,
        }
    }
}

/// A sentence that the ward may replace in `[message]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// Its key in `[message]`.
    pub key: &'static str,
    /// Its template in each language (see `alert::Template`).
    pub template: Bilingual,
}

/// A case in which an alert begins with a kind's second sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variation {
    /// No camera sees it: people have reported it.
    OnlyReported,
    /// Several cameras are concerned.
    SeveralCameras,
}

/// The parts of a CAP message (OASIS CAP 1.2) that depend on the kind; its event is the kind's
/// name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapFacts {
    /// The element `category`.
    pub category: &'static str,
    /// The element `responseType` while the incident goes on.
    pub response: &'static str,
    /// The element `instruction`.
    pub instruction: Bilingual,
}

/// The way in which the page shows a kind, beside its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageFacts {
    /// A shape beside the colour, for those who can't tell colours apart.
    pub mark: char,
    /// The colour on a dark ground, with a contrast of 4.5 or more.
    pub dark: &'static str,
    /// The colour on a light ground, with a contrast of 4.5 or more.
    pub light: &'static str,
}

/// Everything that is said of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindFacts {
    /// The word in alerts, commands, configuration, ledger and figures.
    pub word: &'static str,
    /// The number in the detection log's files.
    pub log_number: u8,
    /// The name on the page, in notifications, in Home Assistant and in CAP's event.
    pub name: Bilingual,
    /// The name in the report, where it differs.
    pub report_name: Option<Bilingual>,
    /// The first sentence of an alert.
    pub sentence: Sentence,
    /// The first sentence of an alert in another case.
    pub variation: Option<(Variation, Sentence)>,
    /// The least severity.
    pub severity: Severity,
    /// Each of these signs makes it one step graver.
    pub aggravated_by: &'static [Aggravation],
    /// It burns: smoke and fire join, sirens sound, fire points are named, the gong strikes.
    pub burns: bool,
    /// Its pictures show faces to everybody who may see the incident: whoever is to be helped out
    /// of a fire has to be found.
    pub shows_faces: bool,
    /// It is a fault of our own equipment: nobody is called for it, and the report counts it as a
    /// fault and not as an incident.
    pub is_technical: bool,
    /// People may report it.
    pub is_reportable: bool,
    /// The device class of its binary sensors in Home Assistant; none: there is no sensor.
    pub sensor: Option<&'static str>,
    /// The form in which civil protection is notified; none: it is not.
    pub cap: Option<CapFacts>,
    /// The way in which the page shows it.
    pub page: PageFacts,
}

/// Makes [`Kind`], its list and its facts of the same rows.
macro_rules! kinds {
    ($($(#[$about:meta])* $kind:ident = $facts:ident;)+) => {
        /// The sort of thing that happens. A later kind is graver: an incident that is two of them
        /// is called by the graver one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind {
            $($(#[$about])* $kind,)+
        }

        impl Kind {
            /// Every kind, the gravest first: the order of every list that people see.
            pub const ALL: [Self; [$(Self::$kind),+].len()] = reversed([$(Self::$kind),+]);

            /// Everything that is said of it.
            #[inline]
            pub const fn facts(self) -> &'static KindFacts {
                match self {
                    $(Self::$kind => &$facts,)+
                }
            }
        }
    };
}

kinds! {
    /// A person reported something that no rule knows.
    Other = OTHER;
    /// A camera gives no picture.
    Camera = CAMERA;
    /// A person hangs about at night.
    Loitering = LOITERING;
    /// Smoke, and no flames seen yet.
    Smoke = SMOKE;
    /// Flames.
    Fire = FIRE;
}

/// The kind of incident that an event of a rule opens.
impl From<RuleKind> for Kind {
    fn from(rule: RuleKind) -> Self {
        match rule {
            RuleKind::Fire => Self::Fire,
            RuleKind::Smoke => Self::Smoke,
            RuleKind::Loitering => Self::Loitering,
            RuleKind::Offline | RuleKind::Frozen | RuleKind::Blinded | RuleKind::Clock => {
                Self::Camera
            }
        }
    }
}

const OTHER: KindFacts = KindFacts {
    word: "other",
    log_number: 0,
    name: Bilingual { vi: "Tin báo", en: "Report" },
    report_name: Some(Bilingual { vi: "Người dân báo", en: "Reported by residents" }),
    sentence: Sentence {
        key: "other",
        template: Bilingual {
            vi: "Người dân báo tại {place}[: {note}]",
            en: "Resident's report at {place}[: {note}]",
        },
    },
    variation: None,
    severity: Severity::Warning,
    aggravated_by: &[Aggravation::Unanswered],
    burns: false,
    shows_faces: false,
    is_technical: false,
    is_reportable: true,
    sensor: None,
    cap: None,
    page: PageFacts { mark: '✚', dark: "#c6d0da", light: "#414b57" },
};

const CAMERA: KindFacts = KindFacts {
    word: "camera",
    log_number: 1,
    name: Bilingual { vi: "Camera", en: "Camera" },
    report_name: None,
    sentence: Sentence {
        key: "camera",
        template: Bilingual {
            vi: "Camera {fault} tại {place}[, {owner}]",
            en: "Camera {fault} at {place}[, {owner}]",
        },
    },
    variation: Some((
        Variation::SeveralCameras,
        Sentence {
            key: "cameras",
            template: Bilingual {
                vi: "{cameras} camera {fault} tại {place}",
                en: "{cameras} cameras {fault} at {place}",
            },
        },
    )),
    // One camera is its owner's matter; a street of them is a power cut or worse.
    severity: Severity::Info,
    aggravated_by: &[Aggravation::ManyCameras],
    burns: false,
    shows_faces: false,
    is_technical: true,
    is_reportable: false,
    sensor: None,
    cap: None,
    page: PageFacts { mark: '■', dark: "#7cc3cf", light: "#0c6470" },
};

const LOITERING: KindFacts = KindFacts {
    word: "loitering",
    log_number: 2,
    name: Bilingual { vi: "Lảng vảng", en: "Loitering" },
    report_name: None,
    sentence: Sentence {
        key: "loitering",
        template: Bilingual {
            vi: "Có người lảng vảng tại {place}, đã {dwell}[, {zone}]",
            en: "Loitering at {place}, for {dwell}[, {zone}]",
        },
    },
    variation: Some((
        Variation::OnlyReported,
        Sentence {
            key: "loitering_reported",
            template: Bilingual {
                vi: "Có người lảng vảng tại {place}, người dân báo",
                en: "Loitering at {place}, reported by a resident",
            },
        },
    )),
    severity: Severity::Warning,
    aggravated_by: &[],
    burns: false,
    shows_faces: false,
    is_technical: false,
    is_reportable: true,
    sensor: Some("occupancy"),
    cap: None,
    page: PageFacts { mark: '●', dark: "#a9b6ff", light: "#3f46b8" },
};

const SMOKE: KindFacts = KindFacts {
    word: "smoke",
    log_number: 3,
    name: Bilingual { vi: "Khói", en: "Smoke" },
    report_name: None,
    sentence: Sentence {
        key: "smoke",
        template: Bilingual {
            vi: "KHÓI tại {place}, {cameras} camera thấy khói",
            en: "SMOKE at {place}, {seen_by} smoke",
        },
    },
    variation: Some((
        Variation::OnlyReported,
        Sentence {
            key: "smoke_reported",
            template: Bilingual {
                vi: "KHÓI tại {place}, người dân báo",
                en: "SMOKE at {place}, reported by a resident",
            },
        },
    )),
    severity: Severity::Warning,
    aggravated_by: &[Aggravation::Spreads, Aggravation::AtNight, Aggravation::Unanswered],
    burns: true,
    shows_faces: true,
    is_technical: false,
    is_reportable: true,
    sensor: Some("smoke"),
    cap: Some(CAP_FIRE),
    page: PageFacts { mark: '◆', dark: "#f2b544", light: "#825400" },
};

const FIRE: KindFacts = KindFacts {
    word: "fire",
    log_number: 4,
    name: Bilingual { vi: "Cháy", en: "Fire" },
    report_name: None,
    sentence: Sentence {
        key: "fire",
        template: Bilingual {
            vi: "CHÁY tại {place}, {cameras} camera thấy lửa",
            en: "FIRE at {place}, {seen_by} flames",
        },
    },
    variation: Some((
        Variation::OnlyReported,
        Sentence {
            key: "fire_reported",
            template: Bilingual {
                vi: "CHÁY tại {place}, người dân báo",
                en: "FIRE at {place}, reported by a resident",
            },
        },
    )),
    severity: Severity::Critical,
    aggravated_by: &[],
    burns: true,
    shows_faces: true,
    is_technical: false,
    is_reportable: true,
    // Home Assistant knows no fire; `heat` would read "hot" and "normal", `safety` "unsafe".
    sensor: Some("safety"),
    cap: Some(CAP_FIRE),
    page: PageFacts { mark: '▲', dark: "#ff7f6b", light: "#b42318" },
};

const CAP_FIRE: CapFacts = CapFacts {
    category: "Fire",
    response: "Avoid",
    instruction: Bilingual {
        vi: "Gọi 114. Tránh xa khu vực, nhường đường cho xe chữa cháy.",
        en: "Call 114. Keep away, and keep the way clear for fire engines.",
    },
};

impl Kind {
    /// The word in alerts, commands, configuration, ledger and figures.
    #[inline]
    pub const fn as_str(self) -> &'static str {
        self.facts().word
    }

    /// Reads such a word; none where no kind has it.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The kind with this number in the detection log's files.
    pub fn of_log_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.facts().log_number == number)
    }

    /// The words of the kinds that people may report, the gravest first, with commas.
    pub fn reportable_words() -> String {
        let reportable = Self::ALL.into_iter().filter(|kind| kind.facts().is_reportable);
        reportable.map(Self::as_str).collect::<Vec<_>>().join(", ")
    }

    /// Tells whether both may be the same thing: smoke and fire are.
    pub fn joins(self, other: Self) -> bool {
        self == other || self.facts().burns && other.facts().burns
    }
}

const fn reversed<const N: usize>(mut kinds: [Kind; N]) -> [Kind; N] {
    let mut at = 0;
    while at < N / 2 {
        kinds.swap(at, N - 1 - at);
        at += 1;
    }
    kinds
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn distinct<T: Ord>(of: impl Fn(&'static KindFacts) -> T) -> usize {
        Kind::ALL.map(|kind| of(kind.facts())).into_iter().collect::<BTreeSet<_>>().len()
    }

    #[test]
    fn every_word_and_number_is_read_back() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
            assert_eq!(Kind::of_log_number(kind.facts().log_number), Some(kind));
        }
        for unknown in ["", "Fire", "fire ", "flood"] {
            assert_eq!(Kind::parse(unknown), None, "{unknown:?}");
        }
        assert_eq!(Kind::of_log_number(u8::MAX), None);
    }

    #[test]
    fn no_two_kinds_share_a_word() {
        let all = Kind::ALL.len();
        assert_eq!(distinct(|facts| facts.word), all);
        assert_eq!(distinct(|facts| facts.log_number), all);
        assert_eq!(distinct(|facts| facts.name.vi), all);
        assert_eq!(distinct(|facts| facts.name.en), all);
        assert_eq!(distinct(|facts| facts.page.mark), all);
        assert_eq!(distinct(|facts| facts.page.dark), all);
        assert_eq!(distinct(|facts| facts.page.light), all);
        assert_eq!(distinct(|facts| facts.report_name.unwrap_or(facts.name).vi), all);
    }

    #[test]
    fn a_word_can_stand_in_topics_style_sheets_and_sensor_names() {
        for kind in Kind::ALL {
            let word = kind.as_str();
            let plain = word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            assert!(plain && !word.is_empty(), "{word:?}");
        }
    }

    #[test]
    fn lists_begin_with_the_gravest_kind() {
        assert!(Kind::ALL.is_sorted_by(|graver, next| graver > next));
        assert_eq!(Kind::ALL.first(), Some(&Kind::Fire));
        assert_eq!(Kind::reportable_words(), "fire, smoke, loitering, other");
    }

    #[test]
    fn only_what_burns_joins_another_kind() {
        for (a, b) in Kind::ALL.into_iter().flat_map(|a| Kind::ALL.map(|b| (a, b))) {
            let burn = |kind| matches!(kind, Kind::Fire | Kind::Smoke);
            assert_eq!(a.joins(b), a == b || burn(a) && burn(b), "{a:?} {b:?}");
        }
    }
}
