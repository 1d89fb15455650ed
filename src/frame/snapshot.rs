//! In work.
/// A camera's whole picture.
#[derive(Debug)]
pub struct Picture;
