//! A detector that is an ONNX file.

use std::path::{Path, PathBuf};

use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::{Outlet, TensorElementType, TensorRef, ValueType};
use sha2::{Digest, Sha256};

use super::family::OutputShape;
use super::layout;
use super::layout::{Layout, Metadata, ModelDescription, Sidecar};
use super::{Detector, appearance, family};
use super::{library, preprocess};
use crate::detection::{Class, Detection, ModelIdentity};
use crate::frame::{Frame, InputFormat};

pub use super::error::Error;

/// The model's file and the way in which it runs.
#[derive(Clone, Debug, PartialEq)]
pub struct OnnxConfig {
    /// The ONNX file; a sidecar stands beside it, its ending replaced by `.toml`.
    pub model: PathBuf,
    /// ONNX Runtime's library; `None` looks for it, see [`library::environment`].
    pub runtime: Option<PathBuf>,
    /// Threads that share one picture's work. Throughput is best with 1 and a session a core.
    pub intra_threads: usize,
    /// The least confidence that is reported, 0..1.
    pub confidence_min: f32,
}

/// A detector that is an ONNX file. Its tensor is filled anew for each run, never allocated anew.
pub struct OnnxDetector {
    session: Session,
    layout: Layout,
    identity: ModelIdentity,
    confidence_min: f32,
    tensor: Vec<f32>,
}

impl OnnxDetector {
    /// Loads the model and checks that it can be fed, read, and find every class of `required`.
    ///
    /// # Errors
    /// [`Error`] says what of which file was expected and what was found.
    pub fn load(config: &OnnxConfig, required: &[Class]) -> Result<Self, Error> {
        let environment = library::environment(config.runtime.as_deref())?;
        let path = &config.model;
        let bytes =
            std::fs::read(path).map_err(|source| Error::Read { path: path.clone(), source })?;
        let identity = identity(path, &bytes);
        let load = |source| Error::Load { path: path.clone(), source };
        let session = session(&environment, config.intra_threads, &bytes).map_err(load)?;
        let description = describe(&session, path)?;
        let sidecar = sidecar(path)?;
        let layout = Layout::new(&description, sidecar.as_ref())
            .map_err(|source| Error::Layout { path: path.clone(), source })?;
        let missing = layout.classes.missing(required);
        if !missing.is_empty() {
            let known = layout.classes.outputs().iter().map(|(_, class)| *class);
            let (missing, known) = (list(missing), list(known));
            return Err(Error::Classes { path: path.clone(), missing, known });
        }
        tracing::info!(model = identity.name, sha256 = identity.sha256, ?layout, "model loaded");
        let confidence_min = config.confidence_min;
        Ok(Self { session, layout, identity, confidence_min, tensor: Vec::new() })
    }

    /// Returns the model's identity.
    pub fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    /// Returns how the model is fed and read.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    fn run(&mut self, frames: &[&Frame]) -> Result<Vec<Vec<Detection>>, Error> {
        let size = self.layout.input.size;
        let (height, width) = (size.height as usize, size.width as usize);
        let one = 3 * height * width;
        self.tensor.resize(one * frames.len(), 0.0);
        for (frame, part) in frames.iter().zip(self.tensor.chunks_exact_mut(one)) {
            if !preprocess::fill(part, &frame.pixels, self.layout.color, self.layout.scale) {
                let (camera, found) = (frame.camera.clone(), frame.pixels.len());
                return Err(Error::Frame { camera, expected: one, found });
            }
        }
        let shape = [frames.len(), 3, height, width];
        let input = TensorRef::from_array_view((shape, &*self.tensor)).map_err(Error::Run)?;
        let results = self.session.run(ort::inputs![input]).map_err(Error::Run)?;
        let mut shapes = Vec::with_capacity(results.len());
        for output in 0..results.len() {
            let (shape, values) = results[output].try_extract_tensor().map_err(Error::Run)?;
            let side = |side: &i64| usize::try_from(*side).unwrap_or(0);
            shapes.push((shape.iter().map(side).collect::<Vec<usize>>(), values));
        }
        let outputs: Vec<family::Tensor<'_>> =
            shapes.iter().map(|(shape, values)| family::Tensor { shape, values }).collect();
        let pictures = frames.iter().enumerate();
        let decoded = pictures.map(|(picture, frame)| {
            let context = family::DecodeContext {
                input: size,
                letterbox: &frame.letterbox,
                classes: &self.layout.classes,
                confidence_min: self.confidence_min,
            };
            let mut found = self.layout.family.decode(&outputs, picture, &context)?;
            appearance::note(frame, &mut found);
            Ok::<_, Error>(found)
        });
        decoded.collect()
    }
}

impl Detector for OnnxDetector {
    fn input(&self) -> InputFormat {
        self.layout.input
    }

    fn detect(&mut self, frames: &[&Frame]) -> Result<Vec<Vec<Detection>>, Error> {
        let batch = self.layout.batch.unwrap_or(frames.len()).max(1);
        let mut found = Vec::with_capacity(frames.len());
        for run in frames.chunks(batch) {
            found.append(&mut self.run(run)?);
        }
        Ok(found)
    }
}

fn session(
    environment: &ort::environment::Environment,
    threads: usize,
    model: &[u8],
) -> Result<Session, ort::Error> {
    // Spinning threads would take the cores that the decoders need.
    Session::builder(environment)?
        .with_intra_threads(threads.max(1))?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .commit_from_memory(model)
}

fn identity(path: &Path, bytes: &[u8]) -> ModelIdentity {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let digest = Sha256::digest(bytes);
    let sha256 = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    ModelIdentity { name, sha256 }
}

fn sidecar(model: &Path) -> Result<Option<Sidecar>, Error> {
    let path = model.with_extension("toml");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::Read { path, source }),
    };
    let parsed = toml::from_str(&text);
    parsed.map(Some).map_err(|source| Error::Sidecar { path, source: Box::new(source) })
}

fn describe(session: &Session, path: &Path) -> Result<ModelDescription, Error> {
    let input = match session.inputs() {
        [input] => dimensions(input),
        inputs => Err(format!("{} inputs", inputs.len())),
    };
    let refuse =
        |found| Error::Layout { path: path.to_owned(), source: layout::Error::Input { found } };
    let input = input.map_err(refuse)?;
    let outputs = session.outputs().iter().map(|output| {
        let dimensions = dimensions(output)?;
        Ok(OutputShape { name: output.name().to_owned(), dimensions })
    });
    let outputs = outputs.collect::<Result<_, _>>().map_err(|found| Error::Layout {
        path: path.to_owned(),
        source: layout::Error::Outputs(family::Mismatch {
            expected: "tensors of 32-bit floats".to_owned(),
            found,
        }),
    })?;
    let file =
        session.metadata().map_err(|source| Error::Load { path: path.to_owned(), source })?;
    let metadata = Metadata {
        family: file.custom("keng.family"),
        names: file.custom("names"),
        color: file.custom("keng.color"),
        scale: file.custom("keng.scale"),
        letterbox: file.custom("keng.letterbox"),
        pad: file.custom("keng.pad"),
        strides: file.custom("keng.strides"),
        size: file.custom("imgsz"),
    };
    Ok(ModelDescription { input, outputs, metadata })
}

/// The dimensions of a tensor of 32-bit floats; what it is instead where it is none.
fn dimensions(outlet: &Outlet) -> Result<Vec<Option<usize>>, String> {
    match outlet.dtype() {
        ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } => {
            Ok(shape.iter().map(|side| usize::try_from(*side).ok()).collect())
        }
        other => Err(format!("{}: {other:?}", outlet.name())),
    }
}

fn list(classes: impl IntoIterator<Item = Class>) -> String {
    let names: Vec<&str> = classes.into_iter().map(Class::as_str).collect();
    if names.is_empty() { "none of fire, smoke, person".to_owned() } else { names.join(", ") }
}
