//! The model that a bench runs, and its ONNX Runtime.

use std::path::Path;
use std::path::PathBuf;

use keng::detector::onnx::OnnxConfig;

/// The place where the tests' tiny models lie; one stands in where nothing better is there.
pub(crate) const TEST_MODELS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/testdata/models");

/// `KENG_BENCH_MODEL`, else the shipped model, else a tiny one of the tests.
pub(crate) fn config(intra_threads: usize) -> OnnxConfig {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named = std::env::var_os("KENG_BENCH_MODEL").map(PathBuf::from);
    let shipped = Some(root.join("models/keng.onnx")).filter(|path| path.is_file());
    let stand_in = || Path::new(TEST_MODELS).join("yolov8_like.onnx");
    let model = named.or(shipped).unwrap_or_else(stand_in);
    // A target folder elsewhere hides what `make setup` has fetched; a named one goes first.
    let fetched = root.join(".runtime/onnxruntime");
    let runtime = std::env::var_os("ORT_DYLIB_PATH")
        .map(PathBuf::from)
        .or_else(|| Some(fetched).filter(|path| path.exists()));
    OnnxConfig { model, runtime, intra_threads, confidence_min: 0.3 }
}
