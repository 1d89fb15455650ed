//! Zones: named parts of a view, and the rules that look there.

use crate::geometry::BoundingBox;
use crate::geometry::Point;
use crate::geometry::Polygon;
use crate::rule::kind::RuleKind;
use crate::rule::schedule::Hours;

/// A named polygon of a camera's view.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    /// For people, such as "cổng trường".
    pub name: String,
    /// The rules that look here and, for this camera, only in zones that name them.
    pub rules: Vec<RuleKind>,
    /// The place of it.
    pub polygon: Polygon,
    /// Hours of the ward's time in which loitering is not looked for here.
    pub residents: Vec<Hours>,
}

/// Tells whether and where a rule looks at a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ZoneMatch<'a> {
    /// No zone names the rule, so it looks at the whole view.
    Anywhere,
    /// In this zone.
    In(&'a Zone),
    /// Zones name the rule, and none of them holds the point.
    Outside,
}

impl ZoneMatch<'_> {
    /// The zone's name, where there is one.
    pub fn name(&self) -> Option<String> {
        match self {
            Self::In(zone) => Some(zone.name.clone()),
            Self::Anywhere | Self::Outside => None,
        }
    }
}

/// Returns where a person stands: the foot point counts. Zones that are not `open` hold nobody.
pub fn of_person<'a>(
    zones: &'a [Zone],
    rule: RuleKind,
    bbox: &BoundingBox,
    open: impl Fn(&Zone) -> bool,
) -> ZoneMatch<'a> {
    of_point(zones, rule, bbox.foot(), open)
}

/// Returns where flames or smoke are: the middle counts, or the foot, since smoke leaves where it
/// began.
pub fn of_burning<'a>(zones: &'a [Zone], rule: RuleKind, bbox: &BoundingBox) -> ZoneMatch<'a> {
    let open = |_: &Zone| true;
    match of_point(zones, rule, bbox.center(), open) {
        ZoneMatch::Outside => of_point(zones, rule, bbox.foot(), open),
        found => found,
    }
}

fn of_point<'a>(
    zones: &'a [Zone],
    rule: RuleKind,
    point: Point,
    open: impl Fn(&Zone) -> bool,
) -> ZoneMatch<'a> {
    let mut named = zones.iter().filter(|zone| zone.rules.contains(&rule)).peekable();
    if named.peek().is_none() {
        return ZoneMatch::Anywhere;
    }
    let mut holding = named.filter(|zone| open(zone) && zone.polygon.contains(point));
    holding.next().map_or(ZoneMatch::Outside, ZoneMatch::In)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_half(rules: Vec<RuleKind>) -> Vec<Zone> {
        let corner = |x, y| Point { x, y };
        let corners = vec![corner(0.0, 0.0), corner(0.5, 0.0), corner(0.5, 1.0), corner(0.0, 1.0)];
        let polygon = Polygon::new(corners).unwrap();
        vec![Zone { name: "trái".into(), rules, polygon, residents: Vec::new() }]
    }

    #[test]
    fn a_rule_that_no_zone_names_looks_everywhere() {
        let zones = left_half(vec![RuleKind::Loitering]);
        let right = BoundingBox::new(0.7, 0.2, 0.8, 0.9);
        assert_eq!(of_burning(&zones, RuleKind::Fire, &right), ZoneMatch::Anywhere);
        assert_eq!(of_person(&zones, RuleKind::Loitering, &right, |_| true), ZoneMatch::Outside);
    }

    #[test]
    fn a_person_is_where_the_feet_are() {
        let zones = left_half(vec![RuleKind::Loitering]);
        let left = BoundingBox::new(0.1, 0.2, 0.3, 0.9);
        let place = |open: bool| of_person(&zones, RuleKind::Loitering, &left, |_| open);
        assert_eq!(place(true).name().unwrap(), "trái");
        assert_eq!(place(false), ZoneMatch::Outside);
    }
}
