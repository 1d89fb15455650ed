//! The kinds of events that rules tell: one table of all that is said of a kind in here.
//!
//! Which rule tells a kind stands in the list of rules (`rule/mod.rs`); how people are told of it
//! is `incident`'s business. A kind without a row, and one that no rule tells, does not compile.

use std::time::Duration;

/// Declares a kind's enumeration together with the list of all its variants.
macro_rules! listed {
    ($(#[$about:meta])* pub enum $name:ident { $( $(#[$doc:meta])* $variant:ident, )+ }) => {
        $(#[$about])*
        pub enum $name { $( $(#[$doc])* $variant, )+ }

        impl $name {
            /// All of them, in the order of their declaration.
            pub const ALL: [Self; [$( stringify!($variant) ),+].len()] =
                [$( Self::$variant ),+];
        }
    };
}

listed! {
    /// The kind of an event; zones name it by its rule.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub enum RuleKind {
        /// Flames.
        Fire,
        /// Smoke.
        Smoke,
        /// A person who hangs about at night.
        Loitering,
        /// The camera does not answer, or answers without a picture.
        Offline,
        /// It sends the same picture again and again.
        Frozen,
        /// Its pictures don't show its street: covered, turned away, out of focus, dazzled.
        Blinded,
        /// Its clock is wrong.
        Clock,
    }
}

listed! {
    /// A camera's failure.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Fault {
        /// It does not answer, or answers without a picture.
        Offline,
        /// It sends the same picture again and again.
        Frozen,
        /// Its pictures don't show its street.
        Blinded,
        /// Its clock is wrong: nothing here goes by it, but people read it in its pictures.
        Clock,
    }
}

/// The second threshold that `keng tune` tries for a kind, beside `confidence_min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// The key of the rule's section that says how long evidence must last.
    pub lasts_key: &'static str,
    /// A real one may come later by no more than this for better thresholds.
    pub later_max: Duration,
}

/// All that is said of one kind.
struct Row {
    /// The camera's failure that it tells; `None` for what happens in the street.
    fault: Option<Fault>,
    /// Its rule gathers evidence before it tells, so that its camera is suspected meanwhile.
    gathers: bool,
    /// Its rule learns by people's false alarms, and drops what people closed.
    learns: bool,
    /// `None`: `keng tune` has no advice for it.
    tuning: Option<Tuning>,
}

/// The row of things in the street that are reported as soon as they are seen.
const STREET: Row = Row { fault: None, gathers: false, learns: false, tuning: None };
const BURNING: Row = Row { gathers: true, learns: true, tuning: tuned("confirm_s", 5), ..STREET };

const fn tuned(lasts_key: &'static str, later_max_s: u64) -> Option<Tuning> {
    Some(Tuning { lasts_key, later_max: Duration::from_secs(later_max_s) })
}

const fn failing(fault: Fault) -> Row {
    Row { fault: Some(fault), ..STREET }
}

impl RuleKind {
    const fn row(self) -> Row {
        match self {
            Self::Fire | Self::Smoke => BURNING,
            Self::Loitering => Row { tuning: tuned("dwell_s", 60), ..STREET },
            Self::Offline => failing(Fault::Offline),
            Self::Frozen => failing(Fault::Frozen),
            Self::Blinded => failing(Fault::Blinded),
            Self::Clock => failing(Fault::Clock),
        }
    }

    /// Tells whether a zone can name it: a camera's failure has no place in its view.
    pub fn is_zoned(self) -> bool {
        self.row().fault.is_none()
    }

    /// Tells whether its rule gathers evidence before it tells, so that its camera is suspected
    /// meanwhile.
    pub fn gathers(self) -> bool {
        self.row().gathers
    }

    /// Tells whether its rule learns by people's false alarms, and drops what people closed.
    pub fn learns(self) -> bool {
        self.row().learns
    }

    /// The threshold that `keng tune` tries beside `confidence_min`; `None` where it has no advice.
    pub fn tuning(self) -> Option<Tuning> {
        self.row().tuning
    }
}

impl Fault {
    /// As alerts and the status topic write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Frozen => "frozen",
            Self::Blinded => "blinded",
            Self::Clock => "clock",
        }
    }

    /// The failure that an event of `rule` tells; `None` where it is about the street.
    pub fn of(rule: RuleKind) -> Option<Self> {
        rule.row().fault
    }
}
