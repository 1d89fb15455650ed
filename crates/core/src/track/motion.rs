//! The prediction of motion: constant velocity, one small Kalman filter a coordinate.
//!
//! Kalman, "A New Approach to Linear Filtering and Prediction Problems", 1960, with the
//! white-noise-acceleration model of Bar-Shalom et al., "Estimation with Applications to
//! Tracking and Navigation", 2001, §6.3.2. Coordinates are independent, so that every matrix is
//! 2×2 and written out.

use crate::geometry::BoundingBox;

/// The way in which far a box is off from frame to frame for no reason, as a share of its height.
const MEASUREMENT_DEVIATION: f32 = 0.08;
/// Acceleration that is usual, in box heights a second squared: a person who starts to walk.
const ACCELERATION_DEVIATION: f32 = 0.6;
/// Speed that is usual before anything is known, in box heights a second.
const FIRST_SPEED_DEVIATION: f32 = 0.8;
/// A longer silence tells no more about where the thing went.
const PREDICTION_MAX_S: f32 = 3.0;

/// The state of one coordinate: position, velocity and their covariance.
#[derive(Clone, Copy, Debug)]
struct Axis {
    position: f32,
    velocity: f32,
    position_variance: f32,
    covariance: f32,
    velocity_variance: f32,
}

impl Axis {
    fn new(position: f32, scale: f32) -> Self {
        Self {
            position,
            velocity: 0.0,
            position_variance: (MEASUREMENT_DEVIATION * scale).powi(2),
            covariance: 0.0,
            velocity_variance: (FIRST_SPEED_DEVIATION * scale).powi(2),
        }
    }

    fn predict(&mut self, dt: f32, scale: f32) {
        let noise = (ACCELERATION_DEVIATION * scale).powi(2);
        self.position += self.velocity * dt;
        self.position_variance +=
            dt * (2.0 * self.covariance + dt * self.velocity_variance) + noise * dt.powi(4) / 4.0;
        self.covariance += dt * self.velocity_variance + noise * dt.powi(3) / 2.0;
        self.velocity_variance += noise * dt.powi(2);
    }

    fn correct(&mut self, measured: f32, scale: f32) {
        let noise = (MEASUREMENT_DEVIATION * scale).powi(2);
        let innovation_variance = (self.position_variance + noise).max(f32::MIN_POSITIVE);
        let position_gain = self.position_variance / innovation_variance;
        let velocity_gain = self.covariance / innovation_variance;
        let innovation = measured - self.position;
        self.position += position_gain * innovation;
        self.velocity += velocity_gain * innovation;
        self.velocity_variance -= velocity_gain * self.covariance;
        self.covariance *= 1.0 - position_gain;
        self.position_variance *= 1.0 - position_gain;
    }
}

/// The motion of one box: its middle moves, its size drifts.
#[derive(Clone, Copy, Debug)]
pub struct MotionModel {
    x: Axis,
    y: Axis,
    width: f32,
    height: f32,
}

impl MotionModel {
    /// A thing seen for the first time, at rest as far as is known.
    pub fn new(bbox: &BoundingBox) -> Self {
        let center = bbox.center();
        let scale = scale_of(bbox.height());
        Self {
            x: Axis::new(center.x, scale),
            y: Axis::new(center.y, scale),
            width: bbox.width(),
            height: bbox.height(),
        }
    }

    /// Returns where its box is expected `dt_s` seconds after the last correction.
    pub fn predicted(&self, dt_s: f32) -> BoundingBox {
        let dt = dt_s.clamp(0.0, PREDICTION_MAX_S);
        let x = self.x.position + self.x.velocity * dt;
        let y = self.y.position + self.y.velocity * dt;
        let (half_w, half_h) = (self.width / 2.0, self.height / 2.0);
        BoundingBox::new(x - half_w, y - half_h, x + half_w, y + half_h)
    }

    /// Takes in where it really is, `dt_s` seconds after the last correction.
    pub fn correct(&mut self, bbox: &BoundingBox, dt_s: f32) {
        let dt = dt_s.clamp(0.0, PREDICTION_MAX_S);
        let scale = scale_of(self.height);
        let center = bbox.center();
        for (axis, measured) in [(&mut self.x, center.x), (&mut self.y, center.y)] {
            axis.predict(dt, scale);
            axis.correct(measured, scale);
        }
        // Half old, half new: a size that jumps is the detector's doing, not the thing's.
        self.width = (self.width + bbox.width()) / 2.0;
        self.height = (self.height + bbox.height()) / 2.0;
    }
}

/// A box of no height would make every variance zero and the filter deaf.
fn scale_of(height: f32) -> f32 {
    height.max(0.01)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walker(x: f32) -> BoundingBox {
        BoundingBox::new(x - 0.05, 0.4, x + 0.05, 0.7)
    }

    #[test]
    fn a_steady_walker_is_predicted_ahead() {
        let mut motion = MotionModel::new(&walker(0.2));
        for step in 1..=10 {
            motion.correct(&walker(0.2 + 0.05 * step as f32), 0.5);
        }
        let ahead = motion.predicted(0.5).center().x;
        assert!((ahead - 0.75).abs() < 0.02, "expected about 0.75, got {ahead}");
    }

    #[test]
    fn a_thing_at_rest_stays() {
        let mut motion = MotionModel::new(&walker(0.5));
        for _ in 0..10 {
            motion.correct(&walker(0.5), 1.0);
        }
        assert!((motion.predicted(2.0).center().x - 0.5).abs() < 1e-3);
    }

    #[test]
    fn a_long_silence_does_not_send_it_out_of_sight() {
        let mut motion = MotionModel::new(&walker(0.2));
        motion.correct(&walker(0.25), 0.5);
        assert_eq!(motion.predicted(3.0), motion.predicted(3_000.0));
    }
}
