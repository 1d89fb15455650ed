//! Neighbourhood: the cameras that may see the same thing.

use std::collections::BTreeMap;

use crate::ward::Id;
use crate::ward::Site;

/// Cameras nearer to each other than this may see the same thing: a street's width and a house or
/// two; a blaze is seen further than a person, and a needless second incident is worse than a
/// camera too many in one.
const NEAR_M: f64 = 80.0;

/// The place where the ward's cameras hang.
#[derive(Clone, Debug, Default)]
pub struct Sites(BTreeMap<Id, Site>);

impl Sites {
    /// Of these cameras.
    pub fn new(sites: impl IntoIterator<Item = Site>) -> Self {
        Self(sites.into_iter().map(|site| (site.id.clone(), site)).collect())
    }

    /// One camera's.
    pub fn get(&self, camera: &Id) -> Option<&Site> {
        self.0.get(camera)
    }

    /// Tells whether both cameras may see the same thing. Symmetric.
    ///
    /// Named neighbours may; so may cameras within `NEAR_M`; where a place is unknown and no
    /// neighbour is named, the khu phố decides, as a last resort.
    pub fn may_share(&self, a: &Id, b: &Id) -> bool {
        if a == b {
            return true;
        }
        let (Some(a), Some(b)) = (self.get(a), self.get(b)) else { return false };
        if a.neighbours.contains(&b.id) || b.neighbours.contains(&a.id) {
            return true;
        }
        match (a.place.coordinates, b.place.coordinates) {
            (Some(here), Some(there)) => here.metres_to(&there) <= NEAR_M,
            _ => a.neighbours.is_empty() && b.neighbours.is_empty() && a.khu_pho == b.khu_pho,
        }
    }

    /// Tells whether both cameras hang in one khu phố: they share its power, perhaps.
    pub fn same_khu_pho(&self, a: &Id, b: &Id) -> bool {
        self.get(a).zip(self.get(b)).is_some_and(|(a, b)| a.khu_pho == b.khu_pho)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ward::Coordinates;
    use crate::ward::Location;

    fn id(text: &str) -> Id {
        Id::new(text).unwrap()
    }

    fn site(name: &str, khu_pho: &str, north_m: Option<f64>, neighbours: &[&str]) -> Site {
        let coordinates =
            north_m.map(|m| Coordinates { latitude: 10.79 + m / 111_195.0, longitude: 106.66 });
        Site {
            id: id(name),
            khu_pho: id(khu_pho),
            place: Location { address: name.into(), coordinates },
            owner: None,
            neighbours: neighbours.iter().map(|n| id(n)).collect(),
        }
    }

    #[test]
    fn who_may_share_what() {
        let sites = Sites::new([
            site("a", "kp1", Some(0.0), &["far"]),
            site("b", "kp1", Some(70.0), &[]),
            site("c", "kp1", Some(90.0), &[]),
            site("far", "kp2", Some(5_000.0), &[]),
            site("nowhere", "kp1", None, &[]),
            site("lost", "kp1", None, &[]),
            site("other", "kp2", None, &[]),
        ]);
        for (x, y, expected) in [
            ("a", "a", true),
            ("a", "b", true),
            ("a", "c", false),
            ("a", "far", true),
            ("b", "nowhere", true),
            ("nowhere", "lost", true),
            ("nowhere", "other", false),
            ("a", "unknown", false),
        ] {
            assert_eq!(sites.may_share(&id(x), &id(y)), expected, "{x} and {y}");
            assert_eq!(sites.may_share(&id(y), &id(x)), expected, "{y} and {x}");
        }
    }
}
