//! Keys of the rules' configuration: each is declared once, with its name, its default, its bounds
//! and its description.
//!
//! All that lists keys goes by these declarations: the reader of the file (`config/rules.rs`), the
//! page's `/api/cameras`, `keng tune`, and the tests that `config/default.toml` and
//! `docs/openapi.json` document each of them.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::rule::schedule::Night;

/// Durations that must not be zero begin here, in seconds.
pub(super) const OVER_ZERO: f64 = 0.001;
/// A day, in which some durations are given.
pub const DAY: Duration = Duration::from_secs(86_400);

/// A key of a rule's section.
#[derive(Debug, PartialEq)]
pub struct RuleKey<'c> {
    /// The key as the file writes it, with its unit, such as `dwell_s`.
    pub name: &'static str,
    /// Its meaning, in words.
    pub about: &'static str,
    /// Its value.
    pub value: KeyValue<'c>,
}

/// A key's value in its place, and the bounds of what may stand there.
#[derive(Debug, PartialEq)]
pub enum KeyValue<'c> {
    /// true or false.
    Flag(&'c mut bool),
    /// A share, 0..1.
    Share(&'c mut f32),
    /// A whole number.
    Count(&'c mut usize, RangeInclusive<usize>),
    /// Seconds, which may have a fraction.
    Seconds(&'c mut Duration, RangeInclusive<f64>),
    /// Days, which may have a fraction.
    Days(&'c mut Duration, RangeInclusive<f32>),
    /// Hours of the ward's clock, or the sun's.
    Night(&'c mut Night),
}

/// As TOML.
impl fmt::Display for KeyValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Share(share) => write!(f, "{share:?}"),
            Self::Count(count, _) => write!(f, "{count}"),
            Self::Seconds(duration, _) => write!(f, "{:?}", duration.as_secs_f64()),
            Self::Days(duration, _) => write!(f, "{:?}", days(**duration)),
            Self::Night(night) => write!(f, "\"{night}\""),
        }
    }
}

/// The configuration of one rule, by its keys.
pub trait Keyed {
    /// All keys, in the order in which the file's documentation has them.
    fn keys(&mut self) -> Vec<RuleKey<'_>>;
}

/// A duration as a number of days.
pub fn days(duration: Duration) -> f64 {
    duration.as_secs_f64() / DAY.as_secs_f64()
}

/// A duration as people read it, such as `90 s`.
pub fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

/// Declares a rule's configuration: of each key its description, its name in the file, its field
/// with type and default, and its form with bounds, a variant of [`KeyValue`].
macro_rules! keys {
    ($(#[$about:meta])* pub struct $config:ident { $(
        $(#[doc = $doc:literal])+
        $name:literal $field:ident: $type:ty = $default:expr, $form:ident $(($bounds:expr))?;
    )+ }) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $config { $( $(#[doc = $doc])+ pub $field: $type, )+ }

        impl Default for $config {
            fn default() -> Self {
                Self { $( $field: $default, )+ }
            }
        }

        impl crate::rule::key::Keyed for $config {
            fn keys(&mut self) -> Vec<crate::rule::key::RuleKey<'_>> {
                vec![$( crate::rule::key::RuleKey {
                    name: $name,
                    about: concat!($($doc),+).trim_ascii(),
                    value: crate::rule::key::KeyValue::$form(&mut self.$field $(, $bounds)?),
                }, )+]
            }
        }
    };
}

pub(super) use keys;
