//! The degree to which an incident matters: a kind's least severity, and what makes it graver.
//! The table stands in `docs/mqtt.md`.

/// Smoke that fills this share of a view, 0..1, is no cigarette.
const LARGE: f32 = 0.1;
/// Smoke that covers so many times what it covered at first is spreading.
const GROWN: f32 = 2.0;
/// From midnight, the first hour of the day and the first of the night: between them people are
/// awake and smell smoke themselves.
const DAY_HOURS: std::ops::Range<i8> = 5..22;

/// The degree to which it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// A team should go and look.
    Warning,
    /// Go now.
    Critical,
}

/// A circumstance that makes an incident of some kinds graver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggravation {
    /// Several cameras see it, or it is large, or it grows.
    Spreads,
    /// It began while people sleep.
    AtNight,
    /// It is unanswered.
    Unanswered,
    /// More cameras are concerned than one owner has.
    ManyCameras,
}

/// The signs by which the severity of an incident is weighed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signs {
    /// Cameras that see it.
    pub(super) cameras: usize,
    /// The largest share of a view that it covers, 0..1.
    pub(super) size: f32,
    /// The factor over the first size, in the view where it has grown most.
    pub(super) growth: f32,
    /// Tells whether it began while people sleep.
    pub(super) at_night: bool,
    /// Tells whether nobody has answered.
    pub(super) escalated: bool,
}

impl Signs {
    fn show(&self, aggravation: Aggravation) -> bool {
        match aggravation {
            Aggravation::Spreads => self.cameras > 1 || self.size >= LARGE || self.growth >= GROWN,
            Aggravation::AtNight => self.at_night,
            Aggravation::Unanswered => self.escalated,
            Aggravation::ManyCameras => self.cameras > 2,
        }
    }
}

impl Severity {
    /// Every severity, from the least.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// The word in alerts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// Reads such a word; none where no severity has it.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == word)
    }

    /// The severity one step above.
    const fn raised(self) -> Self {
        match self {
            Self::Info => Self::Warning,
            Self::Warning | Self::Critical => Self::Critical,
        }
    }

    /// The severity of an incident with these signs whose kind begins at `least` and is
    /// `aggravated_by` some of them, however many.
    pub(super) fn of(least: Self, aggravated_by: &[Aggravation], signs: &Signs) -> Self {
        let graver = aggravated_by.iter().any(|aggravation| signs.show(*aggravation));
        if graver { least.raised() } else { least }
    }
}

/// Tells whether people sleep at `wall` in the ward's time zone.
pub(super) fn is_night(wall: crate::time::Wall, zone: &jiff::tz::TimeZone) -> bool {
    !DAY_HOURS.contains(&wall.to_jiff().to_zoned(zone.clone()).hour())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::Kind;
    use crate::time::Wall;

    #[test]
    fn severity_follows_the_documented_table() {
        let signs =
            Signs { cameras: 1, size: 0.0999, growth: 1.99, at_night: false, escalated: false };
        let two = |signs: Signs| Signs { cameras: 2, ..signs };
        let three = |signs: Signs| Signs { cameras: 3, ..signs };
        let large = |signs: Signs| Signs { size: 0.1, ..signs };
        let grown = |signs: Signs| Signs { growth: 2.0, ..signs };
        let late = |signs: Signs| Signs { at_night: true, ..signs };
        let unanswered = |signs: Signs| Signs { escalated: true, ..signs };
        let (info, warning, critical) = (Severity::Info, Severity::Warning, Severity::Critical);
        for (kind, expected) in [
            // alone, two cameras, three, large, grown, at night, unanswered
            (Kind::Fire, [critical; 7]),
            (Kind::Smoke, [warning, critical, critical, critical, critical, critical, critical]),
            (Kind::Loitering, [warning; 7]),
            (Kind::Other, [warning, warning, warning, warning, warning, warning, critical]),
            (Kind::Camera, [info, info, warning, info, info, info, info]),
        ] {
            let changed = [
                signs,
                two(signs),
                three(signs),
                large(signs),
                grown(signs),
                late(signs),
                unanswered(signs),
            ];
            let facts = kind.facts();
            let of = |signs| Severity::of(facts.severity, facts.aggravated_by, &signs);
            assert_eq!(changed.map(of), expected, "{kind:?}");
        }
    }

    #[test]
    fn every_word_is_read_back() {
        for severity in Severity::ALL {
            assert_eq!(Severity::parse(severity.as_str()), Some(severity));
        }
        assert!(Severity::ALL.is_sorted());
        assert_eq!(Severity::parse("urgent"), None);
    }

    #[test]
    fn night_begins_at_ten_and_ends_at_five() {
        let zone = jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").unwrap();
        for (time, night) in
            [("21:59:59", false), ("22:00:00", true), ("04:59:59", true), ("05:00:00", false)]
        {
            let wall = Wall::parse_rfc3339(&format!("2026-11-21T{time}+07:00")).unwrap();
            assert_eq!(is_night(wall, &zone), night, "{time}");
        }
    }
}
