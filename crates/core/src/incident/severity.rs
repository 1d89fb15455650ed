//! How much an incident matters. The table stands in `docs/mqtt.md`.

use crate::incident::Kind;
use crate::incident::Severity;

/// Smoke that fills this share of a view, 0..1, is no cigarette.
const LARGE: f32 = 0.1;
/// Smoke that covers so many times what it covered at first is spreading.
const GROWN: f32 = 2.0;
/// From midnight, the first hour of the day and the first of the night: between them people are
/// awake and smell smoke themselves.
const DAY_HOURS: std::ops::Range<i8> = 5..22;

/// What is known of an incident as far as it weighs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signs {
    pub(super) kind: Kind,
    /// Cameras that see it.
    pub(super) cameras: usize,
    /// The largest share of a view that it covers, 0..1.
    pub(super) size: f32,
    /// How many times the first size, in the view where it has grown most.
    pub(super) growth: f32,
    /// Whether it began while people sleep.
    pub(super) at_night: bool,
    /// Whether nobody has answered.
    pub(super) escalated: bool,
}

impl Severity {
    /// Of an incident with these signs.
    pub(super) fn of(signs: &Signs) -> Self {
        let spreads = signs.cameras > 1 || signs.size >= LARGE || signs.growth >= GROWN;
        match signs.kind {
            Kind::Fire => Self::Critical,
            Kind::Smoke if spreads || signs.at_night || signs.escalated => Self::Critical,
            Kind::Other if signs.escalated => Self::Critical,
            Kind::Smoke | Kind::Loitering | Kind::Other => Self::Warning,
            // One camera is its owner's matter; a street of them is a power cut or worse.
            Kind::Camera if signs.cameras > 2 => Self::Warning,
            Kind::Camera => Self::Info,
        }
    }
}

/// Whether people sleep at `wall` in the ward's time zone.
pub(super) fn is_night(wall: crate::time::Wall, zone: &jiff::tz::TimeZone) -> bool {
    !DAY_HOURS.contains(&wall.to_jiff().to_zoned(zone.clone()).hour())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Wall;

    #[test]
    fn severity_follows_the_documented_table() {
        let least = |kind| Signs {
            kind,
            cameras: 1,
            size: 0.0999,
            growth: 1.99,
            at_night: false,
            escalated: false,
        };
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
            let signs = least(kind);
            let changed = [
                signs,
                two(signs),
                three(signs),
                large(signs),
                grown(signs),
                late(signs),
                unanswered(signs),
            ];
            assert_eq!(changed.map(|signs| Severity::of(&signs)), expected, "{kind:?}");
        }
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
