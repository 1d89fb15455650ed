//! Fills in what the people of a frame wear, from the frame's own pixels.

use crate::detection::Appearance;
use crate::detection::Class;
use crate::detection::Detection;
use crate::frame::Frame;

/// Notes in `detections` what the people among them look like in `frame`.
pub fn note(frame: &Frame, detections: &mut [Detection]) {
    for detection in detections.iter_mut().filter(|d| d.class == Class::Person) {
        detection.appearance = Appearance::of(&frame.pixels, &frame.letterbox, &detection.bbox);
    }
}
