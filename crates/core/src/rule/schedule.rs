//! Tells whether it is night: by the ward's clock or by the sun.

use std::fmt;

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
    /// Tells whether `time` of the day falls into them.
    pub fn hold(&self, time: jiff::civil::Time) -> bool {
        if self.from < self.until {
            self.from <= time && time < self.until
        } else {
            time >= self.from || time < self.until
        }
    }
}

/// The night: `"22:00-05:00"` in the ward's time zone, or `"sun"`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Night {
    /// From the first to before the second, over midnight where the first is later. Equal: always.
    Hours {
        /// First minute of the night.
        from: jiff::civil::Time,
        /// First minute of the day.
        until: jiff::civil::Time,
    },
    /// From sunset to sunrise at this place.
    Sun(Coordinates),
}

/// As the configuration writes it: `22:00-05:00`.
impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from.strftime("%H:%M"), self.until.strftime("%H:%M"))
    }
}

/// As the configuration writes it: `22:00-05:00`, or `sun`.
impl fmt::Display for Night {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Hours { from, until } => Hours { from, until }.fmt(f),
            Self::Sun(_) => f.write_str("sun"),
        }
    }
}

impl Night {
    /// Says in words when it is.
    pub fn describe(&self) -> String {
        match self {
            Self::Hours { from, until } if from == until => "always".to_owned(),
            Self::Hours { .. } => self.to_string(),
            Self::Sun(_) => "sunset to sunrise".to_owned(),
        }
    }

    /// Tells whether `wall` falls into the night. `zone` is the ward's time zone.
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

/// Tells whether the sun is well up anywhere in the tropics, all year: a picture without any light
/// is no night's then.
pub(crate) fn is_daylight(wall: Wall, zone: &jiff::tz::TimeZone) -> bool {
    (7..17).contains(&wall.to_jiff().to_zoned(zone.clone()).hour())
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
    use proptest::prelude::*;

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
    fn clocks_that_are_put_forward_or_back_move_the_night_with_them() {
        let night = Night::Hours { from: time(22, 0, 0, 0), until: time(5, 0, 0, 0) };
        // Seconds of the night that begins on the evening of that day.
        let lasts = |zone: &str, evening: &str| {
            let start = Wall::parse_rfc3339(evening).unwrap();
            let zone = jiff::tz::TimeZone::get(zone).unwrap();
            let at = |minute: i64| Wall(start.0 + minute * 60_000_000);
            (0..24 * 60).filter(|minute| night.holds(at(*minute), &zone)).count() / 60
        };
        assert_eq!(lasts("Asia/Ho_Chi_Minh", "2026-03-28T12:00:00+07:00"), 7);
        assert_eq!(lasts("Europe/Berlin", "2026-03-28T12:00:00+01:00"), 6, "02:00 to 03:00");
        assert_eq!(lasts("Europe/Berlin", "2026-10-24T12:00:00+02:00"), 8, "02:00 comes twice");
        assert_eq!(lasts("Australia/Lord_Howe", "2026-04-04T12:00:00+11:00"), 7, "half an hour");
    }

    #[test]
    fn polar_summer_has_no_night_and_polar_winter_no_day() {
        let tromso = Night::Sun(Coordinates { latitude: 69.65, longitude: 18.96 });
        for hour in 0..24 {
            let at = |day: &str| format!("{day}T{hour:02}:30:00Z");
            assert!(!holds(tromso, "UTC", &at("2026-06-21")), "{hour}");
            assert!(holds(tromso, "UTC", &at("2026-12-21")), "{hour}");
        }
    }

    const ZONES: [&str; 7] = [
        "Asia/Ho_Chi_Minh",
        "Europe/Berlin",
        "America/St_Johns",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
        "Asia/Kathmandu",
        "UTC",
    ];

    fn any_time() -> impl Strategy<Value = jiff::civil::Time> {
        (0i8..24, 0i8..60).prop_map(|(hour, minute)| time(hour, minute, 0, 0))
    }

    proptest! {
        #[test]
        fn every_moment_is_in_hours_or_in_those_between_them(
            from in any_time(), until in any_time(),
            zone in prop::sample::select(&ZONES[..]), seconds in 1_500_000_000i64..2_500_000_000,
        ) {
            prop_assume!(from != until);
            let zone = jiff::tz::TimeZone::get(zone).unwrap();
            let wall = Wall(seconds * 1_000_000);
            let night = Night::Hours { from, until }.holds(wall, &zone);
            let day = Night::Hours { from: until, until: from }.holds(wall, &zone);
            prop_assert!(night != day, "never both, never neither");
            // As anybody reads the clock on the wall.
            let shown = wall.to_jiff().to_zoned(zone).time();
            let minute = |t: jiff::civil::Time| i32::from(t.hour()) * 60 + i32::from(t.minute());
            let since = |t| (minute(shown) - minute(t)).rem_euclid(24 * 60);
            let lasts = (minute(until) - minute(from)).rem_euclid(24 * 60);
            prop_assert_eq!(night, since(from) < lasts);
        }

        #[test]
        fn a_night_by_the_sun_does_not_ask_the_zone_and_changes_twice_a_day(
            latitude in -60f64..60.0, longitude in -180f64..180.0,
            zone in prop::sample::select(&ZONES[..]), hours in 0i64..200_000,
        ) {
            let sun = Night::Sun(Coordinates { latitude, longitude });
            let zone = jiff::tz::TimeZone::get(zone).unwrap();
            let start = 1_500_000_000 + hours * 3_600;
            let at = |minutes: i64| Wall((start + minutes * 60) * 1_000_000);
            let day: Vec<bool> =
                (0..24 * 6).map(|tens| sun.holds(at(tens * 10), &zone)).collect();
            let same = day[0] == sun.holds(at(0), &jiff::tz::TimeZone::UTC);
            let changes = day.windows(2).filter(|pair| pair[0] != pair[1]).count();
            let dark = day.iter().filter(|dark| **dark).count() as f64 / 6.0;
            prop_assert!(same && (1..=3).contains(&changes), "{changes} changes");
            prop_assert!((4.0..20.0).contains(&dark), "{dark} hours of night");
        }
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
