//! The errors of a detector that is a file.

use std::path::PathBuf;

use super::{family, layout, library};
use crate::ward::Id;

/// An error of a model.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// ONNX Runtime itself can't be used.
    #[error(transparent)]
    Library(#[from] library::Error),
    /// The model or its sidecar can't be read.
    #[error("{}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The file system's error.
        source: std::io::Error,
    },
    /// The sidecar is no TOML of the known keys.
    #[error("{}", .path.display())]
    Sidecar {
        /// The file.
        path: PathBuf,
        /// The parser's error, with line and column.
        source: Box<toml::de::Error>,
    },
    /// ONNX Runtime refuses the model.
    #[error("model {}", .path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// The runtime's reason.
        source: ort::Error,
    },
    /// The model is of an unknown layout.
    #[error("model {}: {source}", .path.display())]
    Layout {
        /// The file.
        path: PathBuf,
        /// The property that does not fit.
        source: layout::Error,
    },
    /// The model can't find what a rule needs.
    #[error("model {} does not know {missing}; it knows {known}", .path.display())]
    Classes {
        /// The file.
        path: PathBuf,
        /// The classes that rules need and that it lacks.
        missing: String,
        /// Those of the daemon's classes that it has.
        known: String,
    },
    /// A frame was not scaled for this model.
    #[error("camera {camera}: frame has {found} bytes, the model takes {expected}")]
    Frame {
        /// The camera that the frame is of.
        camera: Id,
        /// Bytes of the model's input.
        expected: usize,
        /// Bytes of the frame.
        found: usize,
    },
    /// A run failed.
    #[error("inference failed")]
    Run(#[source] ort::Error),
    /// An output is not what the file promised.
    #[error("output of the model: {0}")]
    Output(#[from] family::Mismatch),
}
