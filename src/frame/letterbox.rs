//! In work.
/// How a picture lies in the detector's input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Letterbox;
