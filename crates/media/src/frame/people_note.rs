//! The note in a snapshot that says of which camera it is, and where people are in it.

use serde::{Deserialize, Serialize};

use crate::geometry::BoundingBox;
use crate::ward::Id;

/// The JPEG's own place for what programs note (APP11).
pub(super) const NOTE_SEGMENT: u8 = 11;
/// The bytes that the note begins with: others use such places too.
const NOTE_PREFIX: &[u8] = b"keng.people/1\0";
/// More people are a crowd; those found with least confidence are not noted.
pub(super) const PEOPLE_MAX: usize = 200;
/// The note in a snapshot: the camera that it is of, and the places of people in it.
#[derive(Clone, Debug, PartialEq)]
pub struct PeopleNote {
    /// The camera that the picture is of.
    pub camera: Id,
    /// Everybody the detector found.
    pub people: Vec<BoundingBox>,
}

#[derive(Deserialize, Serialize)]
struct Wire {
    camera: String,
    /// Corners in shares of the picture.
    people: Vec<[f32; 4]>,
}

impl PeopleNote {
    pub(super) fn render(&self) -> Vec<u8> {
        let corners = |b: &BoundingBox| [b.x0, b.y0, b.x1, b.y1];
        let people = self.people.iter().take(PEOPLE_MAX).map(corners).collect();
        let wire = Wire { camera: self.camera.to_string(), people };
        let text = serde_json::to_vec(&wire).expect("texts and finite numbers always serialise");
        [NOTE_PREFIX, &text].concat()
    }

    /// The note of a snapshot; none where there is none, or a damaged one.
    pub fn read(jpeg: &[u8]) -> Option<Self> {
        let text = segments(jpeg).find_map(|segment| segment.strip_prefix(NOTE_PREFIX))?;
        let wire: Wire = serde_json::from_slice(text).ok()?;
        let corners = |[x0, y0, x1, y1]: [f32; 4]| BoundingBox::new(x0, y0, x1, y1);
        let people = wire.people.into_iter().map(corners).collect();
        Some(Self { camera: Id::new(&wire.camera).ok()?, people })
    }
}

/// Returns the contents of the segments [`NOTE_SEGMENT`] of a JPEG, before its picture begins.
fn segments(jpeg: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = jpeg.strip_prefix(&[0xff, 0xd8]).unwrap_or_default();
    std::iter::from_fn(move || {
        let [0xff, kind, high, low, ..] = *rest else { return None };
        // From the start of the scan on, lengths say nothing.
        let length = usize::from(u16::from_be_bytes([high, low]));
        if kind == 0xda || length < 2 {
            return None;
        }
        let segment = rest.get(4..2 + length)?;
        rest = &rest[2 + length..];
        Some((kind, segment))
    })
    .filter(|(kind, _)| *kind == 0xe0 + NOTE_SEGMENT)
    .map(|(_, segment)| segment)
}
