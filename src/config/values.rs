//! Values that more than one section has: ids, places, secrets, addresses, polygons.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::geometry::Point;
use crate::geometry::Polygon;
use crate::ward::Coordinates;
use crate::ward::Id;
use crate::ward::Location;
use crate::ward::Secret;

use super::reader::Item;
use super::reader::Section;
use super::surroundings::Surroundings;

/// Corners of one polygon.
const CORNERS_MAX: usize = 64;
/// A polygon smaller than this share of the picture is a slip of the hand.
const AREA_MIN: f32 = 1e-6;
/// A secret's file is at most as long.
const SECRET_BYTES_MAX: usize = 4096;

/// An id; its faults name the rule that it breaks.
pub(super) fn id(item: &Item<'_>) -> Option<Id> {
    let text = item.text()?;
    match Id::new(text) {
        Ok(id) => Some(id),
        Err(error) => {
            item.fault(error.to_string(), "write it like \"hem-42\": it is a level of the topics");
            None
        }
    }
}

/// `latitude` and `longitude`: both or neither.
pub(super) fn coordinates(section: &Section<'_>) -> Option<Coordinates> {
    let latitude = section.item("latitude");
    let longitude = section.item("longitude");
    match (latitude, longitude) {
        (Some(north), Some(east)) => {
            let latitude = north.number(-90.0..=90.0, " (degrees north)");
            let longitude = east.number(-180.0..=180.0, " (degrees east)");
            Some(Coordinates { latitude: latitude?, longitude: longitude? })
        }
        (Some(lone), None) => {
            lone.absence("a latitude without a longitude", "give both or neither");
            None
        }
        (None, Some(lone)) => {
            lone.absence("a longitude without a latitude", "give both or neither");
            None
        }
        (None, None) => None,
    }
}

/// `place = { address = "…", latitude = …, longitude = … }`.
pub(super) fn place(section: &Section<'_>) -> Option<Location> {
    let remedy = "add place = { address = \"…\" }: alerts say where it is";
    let place = section.required("place", remedy)?.section()?;
    let address = place.required("address", "alerts say where it is").and_then(|a| a.text());
    let coordinates = coordinates(&place);
    place.finish();
    Some(Location { address: address?.to_owned(), coordinates })
}

/// `username` and `password`. A user without a password is fine, the other way round is not.
pub(super) fn credentials(
    section: &Section<'_>,
    around: &Surroundings<'_>,
) -> (Option<String>, Option<Secret>) {
    let username = section.item("username");
    let password = section.item("password");
    if let (None, Some(lone)) = (&username, &password) {
        lone.absence("a password without a username", "add username = \"…\"");
    }
    let username = username.and_then(|item| item.text()).map(str::to_owned);
    (username, password.and_then(|item| secret(&item, around)))
}

/// `{ env = "NAME" }` or `{ file = "PATH" }`. No message repeats what was written in clear.
pub(super) fn secret(item: &Item<'_>, around: &Surroundings<'_>) -> Option<Secret> {
    let remedy = "give { env = \"NAME\" } or { file = \"PATH\" }";
    if !item.is_table() {
        item.fault("a secret never stands in the configuration itself", remedy);
        return None;
    }
    let section = item.section()?;
    let env = section.item("env");
    let file = section.item("file");
    let text = match (&env, &file) {
        (Some(env), None) => env.text().and_then(|name| {
            let value = (around.env)(name);
            if value.is_none() {
                env.fault(format!("the environment has no {name}"), "set it for the daemon");
            }
            value
        }),
        (None, Some(file)) => secret_file(file, around),
        _ => {
            item.fault("a secret comes from one place", remedy);
            None
        }
    };
    section.finish();
    let text = text?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() || text.len() > SECRET_BYTES_MAX {
        item.fault("the secret is empty or over 4096 bytes long", "give 1 to 4096 bytes");
        return None;
    }
    Some(Secret::new(text.to_owned()))
}

fn secret_file(item: &Item<'_>, around: &Surroundings<'_>) -> Option<String> {
    let path = path(item, around)?;
    let error = match std::fs::metadata(&path) {
        Ok(found) if found.len() > SECRET_BYTES_MAX as u64 => "the file is too long".to_owned(),
        Ok(found) => {
            warn_of_readers(item, &found);
            match std::fs::read_to_string(&path) {
                Ok(text) => return Some(text),
                Err(error) => error.to_string(),
            }
        }
        Err(error) => error.to_string(),
    };
    let message = format!("can't read {}: {error}", path.display());
    item.fault(message, "create it, readable by the daemon alone");
    None
}

#[cfg(unix)]
fn warn_of_readers(item: &Item<'_>, found: &std::fs::Metadata) {
    use std::os::unix::fs::PermissionsExt;
    if found.permissions().mode() & 0o004 != 0 {
        item.warning("everybody on this machine can read the file", "chmod 600 it");
    }
}

#[cfg(not(unix))]
fn warn_of_readers(_: &Item<'_>, _: &std::fs::Metadata) {}

/// A path; relative ones start at the configuration's folder.
pub(super) fn path(item: &Item<'_>, around: &Surroundings<'_>) -> Option<PathBuf> {
    item.text().map(|text| around.base_dir.join(text))
}

/// `host:port` with a numeric host.
pub(super) fn listen(item: &Item<'_>) -> Option<SocketAddr> {
    let text = item.text()?;
    let address = text.parse().ok();
    if address.is_none() {
        let remedy = "give an address and a port such as \"127.0.0.1:8080\"";
        item.fault(format!("{text:?} is no address to listen on"), remedy);
    }
    address
}

/// A URL with one of `schemes` and a host, without credentials. No message repeats the URL's
/// credentials.
pub(super) fn url(item: &Item<'_>, schemes: &[&str], example: &str) -> Option<url::Url> {
    let text = item.text()?;
    let remedy = format!("write it like {example:?}");
    let url = match url::Url::parse(text) {
        Ok(url) => url,
        Err(error) => {
            item.fault(format!("is no url: {error}"), &remedy);
            return None;
        }
    };
    if !schemes.contains(&url.scheme()) {
        let message = format!("the scheme {:?} is not spoken here", url.scheme());
        item.fault(message, &remedy);
        return None;
    }
    if !url.username().is_empty() || url.password().is_some() {
        let remedy = "take them out; use the keys username and password";
        item.fault("credentials don't belong in a url", remedy);
        return None;
    }
    if url.host_str().is_none_or(str::is_empty) || url.port() == Some(0) {
        item.fault("has no host, or the port 0", &remedy);
        return None;
    }
    Some(url)
}

/// `[[x, y], …]`: at least three corners, 0..1, that enclose something.
pub(super) fn polygon(item: &Item<'_>) -> Option<Polygon> {
    let corners = item.items()?;
    if corners.len() > CORNERS_MAX {
        item.fault(format!("has {} corners", corners.len()), "give at most 64");
        return None;
    }
    let points: Vec<Option<Point>> = corners.iter().map(corner).collect();
    let points: Vec<Point> = points.into_iter().collect::<Option<_>>()?;
    let count = points.len();
    let Some(polygon) = Polygon::new(points) else {
        let remedy = "give at least 3, such as [[0.2, 0.5], [0.9, 0.5], [0.9, 1.0]]";
        item.fault(format!("has {count} corners and encloses nothing"), remedy);
        return None;
    };
    if polygon.area() < AREA_MIN {
        let remedy = "give corners that don't lie on one line, in order around it";
        item.fault("encloses no area", remedy);
        return None;
    }
    Some(polygon)
}

fn corner(item: &Item<'_>) -> Option<Point> {
    let both = item.items()?;
    let [x, y] = both.as_slice() else {
        let message = format!("a corner has 2 numbers, not {}", both.len());
        item.fault(message, "give [x, y], each 0 to 1 from the top left");
        return None;
    };
    let x = x.number(0.0..=1.0, " (share of the width)");
    let y = y.number(0.0..=1.0, " (share of the height)");
    Some(Point { x: x?, y: y? })
}
