//! The ward and what belongs to it: khu phố, places, owners, fire points. Plain data.
//!
//! Does not belong here: anything that changes while the daemon runs.

use std::fmt;
use std::sync::Arc;

/// An identifier as topics carry it: lower-case letters, digits and hyphens, 1 to 64 of them.
/// A clone costs a counter, no memory.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(Arc<str>);

/// Words that are levels of the topic tree, and so can't be anybody's id.
pub const RESERVED_IDS: [&str; 6] = ["status", "alert", "incident", "siren", "report", "patrol"];

/// The reason why a text is no [`Id`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Empty or over 64 characters.
    #[error("an id has 1 to 64 characters, not {0}")]
    Length(usize),
    /// A character outside a-z, 0-9 and the hyphen.
    #[error("an id has lower-case letters, digits and hyphens only, not {0:?}")]
    Character(char),
    /// One of [`RESERVED_IDS`].
    #[error("{0:?} is a word of the topic tree and can't be an id")]
    Reserved(String),
}

impl Id {
    /// Checks and takes an id.
    ///
    /// # Errors
    /// [`IdError`] says which rule the text breaks.
    pub fn new(text: &str) -> Result<Self, IdError> {
        if let Some(bad) =
            text.chars().find(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-'))
        {
            return Err(IdError::Character(bad));
        }
        if text.is_empty() || text.len() > 64 {
            return Err(IdError::Length(text.len()));
        }
        if RESERVED_IDS.contains(&text) {
            return Err(IdError::Reserved(text.to_owned()));
        }
        Ok(Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// The language of messages and page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Language {
    /// Vietnamese.
    #[default]
    Vi,
    /// English.
    En,
}

/// One installation.
#[derive(Clone, Debug, PartialEq)]
pub struct Ward {
    /// First topic level.
    pub id: Id,
    /// For people, such as "Phường 14, quận Tân Bình".
    pub name: String,
    /// Of night hours and of the times in alerts.
    pub timezone: jiff::tz::TimeZone,
    /// Of messages and page.
    pub language: Language,
}

/// A neighbourhood of the ward.
#[derive(Clone, Debug, PartialEq)]
pub struct KhuPho {
    /// Second topic level.
    pub id: Id,
    /// For people, such as "Khu phố 3".
    pub name: String,
    /// The team that goes and looks.
    pub team: Option<Team>,
}

/// The people of a khu phố who act upon its incidents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Team {
    /// For people, such as "Tổ bảo vệ ANTT 3".
    pub name: String,
    /// The way in which to reach them.
    pub phone: Option<String>,
}

/// Somewhere in the street.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Location {
    /// For people.
    pub address: String,
    /// Degrees north and east, where known.
    pub coordinates: Option<Coordinates>,
}

/// Degrees north and east (WGS 84).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coordinates {
    /// Degrees north, -90..90.
    pub latitude: f64,
    /// Degrees east, -180..180.
    pub longitude: f64,
}

impl Coordinates {
    /// Metres to `other` over the ground, on a sphere (haversine; under 0.6 % off the ellipsoid).
    pub fn metres_to(&self, other: &Self) -> f64 {
        const EARTH_RADIUS_M: f64 = 6_371_008.8;
        let (a, b) = (self.latitude.to_radians(), other.latitude.to_radians());
        let half_lat = (b - a) / 2.0;
        let half_lon = (other.longitude - self.longitude).to_radians() / 2.0;
        let h = half_lat.sin().powi(2) + a.cos() * b.cos() * half_lon.sin().powi(2);
        2.0 * EARTH_RADIUS_M * h.sqrt().min(1.0).asin()
    }
}

/// The person who gave a camera to the community, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Owner {
    /// For people, such as "Tạp hoá Bảy".
    pub name: String,
    /// Last day of consent, in the ward's time zone.
    pub consent_until: Option<jiff::civil::Date>,
}

/// The facts of a camera that do not depend on its stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// Third topic level.
    pub id: Id,
    /// The neighbourhood that it watches.
    pub khu_pho: Id,
    /// The place where it hangs.
    pub place: Location,
    /// The person who gave it, where known.
    pub owner: Option<Owner>,
    /// Cameras that may see the same thing; read both ways.
    pub neighbours: Vec<Id>,
}

/// A piece of equipment that is at hand against a fire ("bốn tại chỗ").
#[derive(Clone, Debug, PartialEq)]
pub struct FirePoint {
    /// Its kind.
    pub kind: FirePointKind,
    /// For people.
    pub name: String,
    /// The place where it stands.
    pub place: Location,
}

/// Kinds of [`FirePoint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirePointKind {
    /// A public fire extinguisher.
    Extinguisher,
    /// A hydrant.
    Hydrant,
    /// Open water, a tank or a pump.
    Water,
}

impl FirePointKind {
    /// As config and alerts write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Extinguisher => "extinguisher",
            Self::Hydrant => "hydrant",
            Self::Water => "water",
        }
    }
}

/// A text that is never printed: `Debug` shows stars and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself; for handing to a protocol, never to a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_topic_levels() {
        assert_eq!(Id::new("hem-42").unwrap().as_str(), "hem-42");
        assert_eq!(Id::new("Hem"), Err(IdError::Character('H')));
        assert_eq!(Id::new("a/b"), Err(IdError::Character('/')));
        assert_eq!(Id::new("#"), Err(IdError::Character('#')));
        assert_eq!(Id::new(""), Err(IdError::Length(0)));
        assert!(matches!(Id::new("alert"), Err(IdError::Reserved(_))));
    }

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::new("hunter2".into());
        assert!(!format!("{secret:?}").contains("hunter2"));
    }

    #[test]
    fn a_hundredth_of_a_degree_of_latitude_is_1112_metres() {
        let here = Coordinates { latitude: 10.79, longitude: 106.66 };
        let there = Coordinates { latitude: 10.80, longitude: 106.66 };
        assert!((here.metres_to(&there) - 1112.0).abs() < 1.0);
    }
}
