//! Detections as plain data: classes, boxes, clothes. Pure.
//!
//! Does not belong here: finding it, which is `keng-media`'s.

pub mod appearance;

use crate::geometry::BoundingBox;

pub use appearance::Appearance;

/// The classes that the daemon looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Flames.
    Fire,
    /// Smoke.
    Smoke,
    /// A human being.
    Person,
}

impl Class {
    /// Every class, in the order of the shipped model's outputs.
    pub const ALL: [Self; 3] = [Self::Fire, Self::Smoke, Self::Person];

    /// As models and config name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fire => "fire",
            Self::Smoke => "smoke",
            Self::Person => "person",
        }
    }
}

/// One box of one class in one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// The class of the thing.
    pub class: Class,
    /// 0..1.
    pub confidence: f32,
    /// The box in the camera's picture.
    pub bbox: BoundingBox,
    /// The appearance of a person, where the box is large enough to tell.
    pub appearance: Option<Appearance>,
}

/// Below it a box is noise, and hiding heads there would hide walls.
const PERSON_MIN: f32 = 0.15;

/// Returns where people may be: far more than any rule believes, since their faces are to be
/// hidden.
pub fn people(found: &[Detection]) -> Vec<BoundingBox> {
    let persons = found.iter().filter(|one| one.class == Class::Person);
    persons.filter(|one| one.confidence >= PERSON_MIN).map(|one| one.bbox).collect()
}

/// The model that made a detection; it stands in every alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelIdentity {
    /// The file's name without its ending.
    pub name: String,
    /// Of the file, lower-case hexadecimal.
    pub sha256: String,
}
