//! The map beneath the plan of the cameras. It is off unless an admin names a server: who looks at
//! which incident is nobody else's business.

use std::fmt;

/// The place where a tile is: the form that map servers and their clients share.
const PLACES: [&str; 3] = ["{z}", "{x}", "{y}"];

/// A server of tiles in Web Mercator, and who is to be thanked for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiles {
    template: String,
    origin: String,
    credit: String,
}

/// The reason why a text is no address of tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TilesError {
    /// Neither http nor https.
    Scheme,
    /// A user's name or password: everybody who opens the page would read it.
    Credentials,
    /// No host's name, or no port.
    Host,
    /// Not each of `{z}`, `{x}` and `{y}` once, behind the host.
    Places,
    /// The address has a character that has no place there.
    Character(char),
}

impl fmt::Display for TilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str("is neither http:// nor https://"),
            Self::Credentials => {
                f.write_str("has a password in it, which every browser would read")
            }
            Self::Host => f.write_str("names no host such as tiles.ward.example:8443"),
            Self::Places => f.write_str("has not each of {z}, {x} and {y} once, behind the host"),
            Self::Character(c) => write!(f, "has {c:?}, which no address has"),
        }
    }
}

impl Tiles {
    /// Tiles at `template`, such as `https://tiles.ward.example/{z}/{x}/{y}.png`.
    ///
    /// # Errors
    /// [`TilesError`] says what is wrong with it.
    pub fn new(template: &str, credit: &str) -> Result<Self, TilesError> {
        let (scheme, rest) = template.split_once("://").ok_or(TilesError::Scheme)?;
        let scheme = scheme.to_ascii_lowercase();
        if !matches!(scheme.as_str(), "http" | "https") {
            return Err(TilesError::Scheme);
        }
        let strange = |c: char| !c.is_ascii_graphic() || r#""'<>\^`|;,#"#.contains(c);
        if let Some(bad) = rest.chars().find(|c| strange(*c)) {
            return Err(TilesError::Character(bad));
        }
        let (authority, path) = rest.split_once('/').ok_or(TilesError::Places)?;
        if authority.contains('@') {
            return Err(TilesError::Credentials);
        }
        let authority = authority.to_ascii_lowercase();
        if !is_authority(&authority) {
            return Err(TilesError::Host);
        }
        let once = PLACES.iter().all(|place| path.matches(place).count() == 1);
        let bare = PLACES.iter().fold(path.to_owned(), |path, place| path.replace(place, ""));
        if !once || bare.contains(['{', '}']) {
            return Err(TilesError::Places);
        }
        let origin = format!("{scheme}://{authority}");
        Ok(Self { template: format!("{origin}/{path}"), origin, credit: credit.to_owned() })
    }

    /// The address of a tile, with `{z}`, `{x}` and `{y}` for its place.
    pub fn template(&self) -> &str {
        &self.template
    }

    /// Scheme, host and port: what a browser may ask beside the daemon.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns who is to be thanked; may be empty.
    pub fn credit(&self) -> &str {
        &self.credit
    }
}

/// A host's name or IPv4 address, in small letters, with a port or without.
fn is_authority(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "1"));
    let fits = |label: &str| {
        let edges = label.starts_with('-') || label.ends_with('-');
        !label.is_empty() && !edges && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let digits = port.bytes().all(|b| b.is_ascii_digit());
    host.split('.').all(fits) && digits && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_tiles_gives_its_origin_and_others_say_what_is_wrong() {
        for (good, origin) in [
            ("https://tiles.ward.example/{z}/{x}/{y}.png", "https://tiles.ward.example"),
            ("HTTP://10.0.0.7:8080/map?z={z}&x={x}&y={y}", "http://10.0.0.7:8080"),
            ("http://localhost:1/{y}/{x}/{z}@2x.png", "http://localhost:1"),
        ] {
            assert_eq!(Tiles::new(good, "").unwrap().origin(), origin);
        }
        for (bad, why) in [
            ("tiles.ward.example/{z}/{x}/{y}", TilesError::Scheme),
            ("ftp://a/{z}/{x}/{y}", TilesError::Scheme),
            ("https://ba:pw@a/{z}/{x}/{y}", TilesError::Credentials),
            ("https:///{z}/{x}/{y}", TilesError::Host),
            ("https://a:99999/{z}/{x}/{y}", TilesError::Host),
            ("https://a:/{z}/{x}/{y}", TilesError::Host),
            ("https://*.example/{z}/{x}/{y}", TilesError::Host),
            ("https://{z}.a/{x}/{y}", TilesError::Host),
            ("https://[::1]/{z}/{x}/{y}", TilesError::Host),
            ("https://a/{z}/{x}.png", TilesError::Places),
            ("https://a/{z}/{x}/{y}/{x}", TilesError::Places),
            ("https://a/{z}/{x}/{y}/{s}", TilesError::Places),
            ("https://a", TilesError::Places),
            ("https://a/{z}/{x}/{y}; script-src *", TilesError::Character(';')),
            ("https://a/{z}/{x}/{y} b", TilesError::Character(' ')),
            ("https://ạ/{z}/{x}/{y}", TilesError::Character('ạ')),
        ] {
            assert_eq!(Tiles::new(bad, ""), Err(why), "{bad}");
        }
    }
}
