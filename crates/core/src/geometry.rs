//! Boxes and polygons in coordinates of the picture, 0..1 from the top left corner.
//!
//! Does not belong here: pixels (they are `frame`'s) and places on the earth (`ward`'s).

/// A point of the picture; x to the right, y downwards, both 0..1.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Point {
    /// To the right, 0..1.
    pub x: f32,
    /// Downwards, 0..1.
    pub y: f32,
}

/// An axis-aligned box of the picture by two corners, 0..1; `x0 <= x1` and `y0 <= y1`.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct BoundingBox {
    /// Left edge.
    pub x0: f32,
    /// Top edge.
    pub y0: f32,
    /// Right edge.
    pub x1: f32,
    /// Bottom edge.
    pub y1: f32,
}

impl BoundingBox {
    /// A box from two corners in any order, clamped into the picture.
    pub fn new(x0: f32, y0: f32, x1: f32, y1: f32) -> Self {
        let clamp = |v: f32| if v.is_finite() { v.clamp(0.0, 1.0) } else { 0.0 };
        let (x0, x1, y0, y1) = (clamp(x0), clamp(x1), clamp(y0), clamp(y1));
        Self { x0: x0.min(x1), y0: y0.min(y1), x1: x0.max(x1), y1: y0.max(y1) }
    }

    /// Width, 0..1.
    pub fn width(&self) -> f32 {
        self.x1 - self.x0
    }

    /// Height, 0..1.
    pub fn height(&self) -> f32 {
        self.y1 - self.y0
    }

    /// Area as a share of the picture.
    pub fn area(&self) -> f32 {
        self.width() * self.height()
    }

    /// The middle of the box.
    pub fn center(&self) -> Point {
        Point { x: (self.x0 + self.x1) / 2.0, y: (self.y0 + self.y1) / 2.0 }
    }

    /// Returns where a standing person touches the ground: the middle of the bottom edge.
    pub fn foot(&self) -> Point {
        Point { x: (self.x0 + self.x1) / 2.0, y: self.y1 }
    }

    /// Area shared with `other`.
    pub fn intersection(&self, other: &Self) -> f32 {
        let w = self.x1.min(other.x1) - self.x0.max(other.x0);
        let h = self.y1.min(other.y1) - self.y0.max(other.y0);
        if w > 0.0 && h > 0.0 { w * h } else { 0.0 }
    }

    /// Intersection over union, 0..1; 0 where both are empty.
    pub fn iou(&self, other: &Self) -> f32 {
        let shared = self.intersection(other);
        let union = self.area() + other.area() - shared;
        if union > 0.0 { shared / union } else { 0.0 }
    }

    /// The smallest box that holds both.
    pub fn union(&self, other: &Self) -> Self {
        Self {
            x0: self.x0.min(other.x0),
            y0: self.y0.min(other.y0),
            x1: self.x1.max(other.x1),
            y1: self.y1.max(other.y1),
        }
    }

    /// The box grown on every side by `margin` times its own width and height, clamped.
    pub fn grown(&self, margin: f32) -> Self {
        let (dx, dy) = (self.width() * margin, self.height() * margin);
        Self::new(self.x0 - dx, self.y0 - dy, self.x1 + dx, self.y1 + dy)
    }
}

/// A simple polygon of at least three corners; its last corner joins its first.
#[derive(Clone, Debug, PartialEq)]
pub struct Polygon {
    corners: Vec<Point>,
}

impl Polygon {
    /// A polygon, or `None` where fewer than three corners are given.
    pub fn new(corners: Vec<Point>) -> Option<Self> {
        (corners.len() >= 3).then_some(Self { corners })
    }

    /// The corners in order.
    pub fn corners(&self) -> &[Point] {
        &self.corners
    }

    /// Twice-signed area halved: a share of the picture; 0 for a degenerate polygon.
    pub fn area(&self) -> f32 {
        let mut twice = 0.0;
        for (a, b) in self.edges() {
            twice += a.x * b.y - b.x * a.y;
        }
        (twice / 2.0).abs()
    }

    /// Tells whether `point` lies inside: even-odd rule by ray casting (Shimrat, CACM 1962). The
    /// picture's right and lower edge are inside of what reaches to them: who is cut off by the
    /// picture's edge stands there.
    pub fn contains(&self, point: Point) -> bool {
        const LAST: f32 = 1.0 - f32::EPSILON;
        let point = Point { x: point.x.min(LAST), y: point.y.min(LAST) };
        let mut inside = false;
        for (a, b) in self.edges() {
            let crosses = (a.y > point.y) != (b.y > point.y);
            if crosses && point.x < (b.x - a.x) * (point.y - a.y) / (b.y - a.y) + a.x {
                inside = !inside;
            }
        }
        inside
    }

    fn edges(&self) -> impl Iterator<Item = (Point, Point)> + '_ {
        let next = self.corners.iter().cycle().skip(1);
        self.corners.iter().copied().zip(next.copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn square() -> Polygon {
        let corner = |x, y| Point { x, y };
        Polygon::new(vec![corner(0.2, 0.2), corner(0.8, 0.2), corner(0.8, 0.8), corner(0.2, 0.8)])
            .unwrap()
    }

    #[test]
    fn the_pictures_own_edge_is_inside_of_what_reaches_to_it() {
        let corner = |x, y| Point { x, y };
        let whole = [corner(0.2, 0.5), corner(1.0, 0.5), corner(1.0, 1.0), corner(0.2, 1.0)];
        let whole = Polygon::new(whole.to_vec()).unwrap();
        for (x, y) in [(0.5, 1.0), (1.0, 0.7), (1.0, 1.0)] {
            assert!(whole.contains(corner(x, y)), "{x} {y}");
            assert!(!square().contains(corner(x, y)), "{x} {y}");
        }
    }

    #[test]
    fn two_corners_are_no_polygon() {
        assert!(Polygon::new(vec![Point::default(); 2]).is_none());
    }

    #[test]
    fn a_square_holds_its_middle_and_not_its_outside() {
        assert!(square().contains(Point { x: 0.5, y: 0.5 }));
        assert!(!square().contains(Point { x: 0.9, y: 0.5 }));
        assert!((square().area() - 0.36).abs() < 1e-6);
    }

    #[test]
    fn corners_in_any_order_and_out_of_range_make_a_box() {
        let made = BoundingBox::new(0.9, 1.4, 0.1, f32::NAN);
        assert_eq!(made, BoundingBox { x0: 0.1, y0: 0.0, x1: 0.9, y1: 1.0 });
    }

    proptest! {
        #[test]
        fn iou_is_symmetric_and_bounded(a in any_box(), b in any_box()) {
            let iou = a.iou(&b);
            prop_assert!((0.0..=1.0 + 1e-5).contains(&iou));
            prop_assert!((iou - b.iou(&a)).abs() < 1e-6);
        }
    }

    fn any_box() -> impl Strategy<Value = BoundingBox> {
        (0f32..1.0, 0f32..1.0, 0f32..1.0, 0f32..1.0)
            .prop_map(|(a, b, c, d)| BoundingBox::new(a, b, c, d))
    }
}
