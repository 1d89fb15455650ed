//! Whether it is night: by the ward's clock or by the sun.

use crate::rule::Night;
use crate::time::Wall;
use crate::ward::Coordinates;

/// The sun's middle this far below the horizon is set: half its disc and the air's refraction.
const SUNSET_ALTITUDE_DEG: f64 = -0.833;

/// A part of the day: from the first time to before the second, over midnight where the first is
/// later. Equal: the whole day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Their first minute.
    pub from: jiff::civil::Time,
    /// The first minute after them.
    pub until: jiff::civil::Time,
}

impl Hours {
    /// Whether `time` of the day falls into them.
    pub fn hold(&self, time: jiff::civil::Time) -> bool {
        if self.from < self.until {
            self.from <= time && time < self.until
        } else {
            time >= self.from || time < self.until
        }
    }
}

impl Night {
    /// Whether `wall` falls into the night. `zone` is the ward's time zone.
    pub fn holds(&self, wall: Wall, zone: &jiff::tz::TimeZone) -> bool {
        match *self {
            Self::Hours { from, until } => {
                let time = wall.to_jiff().to_zoned(zone.clone()).time();
                Hours { from, until }.hold(time)
            }
            Self::Sun(place) => sun_altitude_deg(wall, place) < SUNSET_ALTITUDE_DEG,
        }
    }
}

/// The sun's altitude in degrees, to about 0.1°: the low-precision formulas of the Astronomical
/// Almanac (Michalsky, "The Astronomical Almanac's algorithm for approximate solar position",
/// Solar Energy 40, 1988).
fn sun_altitude_deg(wall: Wall, place: Coordinates) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds are precise enough by far")]
    let days = wall.as_millis() as f64 / 86_400_000.0 - 10_957.5; // since J2000.0
    let mean_longitude = (280.460 + 0.985_647_4 * days).rem_euclid(360.0);
    let anomaly = (357.528 + 0.985_600_3 * days).rem_euclid(360.0).to_radians();
    let ecliptic =
        (mean_longitude + 1.915 * anomaly.sin() + 0.020 * (2.0 * anomaly).sin()).to_radians();
    let obliquity = (23.439 - 0.000_000_4 * days).to_radians();
    let declination = (obliquity.sin() * ecliptic.sin()).asin();
    let ascension = (obliquity.cos() * ecliptic.sin()).atan2(ecliptic.cos());
    let sidereal = (280.460_618_37 + 360.985_647_366_29 * days + place.longitude).to_radians();
    let hour_angle = sidereal - ascension;
    let latitude = place.latitude.to_radians();
    (latitude.sin() * declination.sin() + latitude.cos() * declination.cos() * hour_angle.cos())
        .asin()
        .to_degrees()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::time;

    fn holds(night: Night, zone: &str, text: &str) -> bool {
        night.holds(Wall::parse_rfc3339(text).unwrap(), &jiff::tz::TimeZone::get(zone).unwrap())
    }

    #[test]
    fn night_hours_go_over_midnight() {
        let night = Night::Hours { from: time(22, 0, 0, 0), until: time(5, 0, 0, 0) };
        for (text, expected) in [
            ("2026-11-21T21:59:59+07:00", false),
            ("2026-11-21T22:00:00+07:00", true),
            ("2026-11-22T00:00:00+07:00", true),
            ("2026-11-22T04:59:59+07:00", true),
            ("2026-11-22T05:00:00+07:00", false),
            // The same moment told in another zone is the same night.
            ("2026-11-21T15:00:00Z", true),
        ] {
            assert_eq!(holds(night, "Asia/Ho_Chi_Minh", text), expected, "{text}");
        }
    }

    #[test]
    fn hours_within_a_day_and_equal_ends() {
        let noon = Night::Hours { from: time(11, 30, 0, 0), until: time(13, 0, 0, 0) };
        assert!(holds(noon, "Asia/Ho_Chi_Minh", "2026-11-21T12:00:00+07:00"));
        assert!(!holds(noon, "Asia/Ho_Chi_Minh", "2026-11-21T13:00:00+07:00"));
        let always = Night::Hours { from: time(0, 0, 0, 0), until: time(0, 0, 0, 0) };
        assert!(holds(always, "Asia/Ho_Chi_Minh", "2026-11-21T12:00:00+07:00"));
    }

    #[test]
    fn the_hour_that_summer_time_repeats_is_judged_by_the_wall() {
        let night = Night::Hours { from: time(2, 30, 0, 0), until: time(3, 0, 0, 0) };
        // 02:30 comes twice in Berlin on 2026-10-25: at +02:00 and an hour later at +01:00.
        assert!(holds(night, "Europe/Berlin", "2026-10-25T02:30:00+02:00"));
        assert!(holds(night, "Europe/Berlin", "2026-10-25T02:30:00+01:00"));
        assert!(!holds(night, "Europe/Berlin", "2026-10-25T02:00:00+01:00"));
    }

    #[test]
    fn the_sun_sets_over_saigon_at_half_past_five_in_november() {
        let saigon = Night::Sun(Coordinates { latitude: 10.79, longitude: 106.67 });
        let zone = "Asia/Ho_Chi_Minh";
        assert!(!holds(saigon, zone, "2026-11-21T17:20:00+07:00"));
        assert!(holds(saigon, zone, "2026-11-21T17:36:00+07:00"));
        assert!(holds(saigon, zone, "2026-11-22T05:40:00+07:00"));
        assert!(!holds(saigon, zone, "2026-11-22T06:00:00+07:00"));
    }
}
