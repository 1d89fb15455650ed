//! Derives from what a model file says about itself how to feed it and how to read it. Pure.
//!
//! Each fact is looked for in the sidecar (`keng.onnx` has `keng.toml` beside it), then in the
//! file's metadata, then inferred where that is safe. A fact that is nowhere is an error that
//! names what was expected.
//!
//! | sidecar | metadata | values | where absent |
//! | --- | --- | --- | --- |
//! | `family` | `keng.family` | `yolox`, `yolov5`, `yolov8`, `end2end`, `detr` | by the shapes |
//! | `names` | `names` | class names in the order of the outputs | COCO, where 80 classes fit |
//! | `color` | `keng.color` | `rgb`, `bgr` | `bgr` for yolox, else `rgb` |
//! | `scale` | `keng.scale` | `1/255` (0..1), `1` (0..255) | `1` for yolox, else `1/255` |
//! | `letterbox` | `keng.letterbox` | `center`, `topleft` | `topleft` for yolox, else `center` |
//! | `pad` | `keng.pad` | grey of the padding, 0..255 | 114 |
//! | `strides` | `keng.strides` | grids of yolox, such as `8,16,32` | `8,16,32` |
//! | `size` | `imgsz` | `[height, width]` of an input of open size | the input's own |

use serde::Deserialize;

use super::classes::ClassMap;
use super::classes::parse_names;
use super::family::Family;
use super::family::Mismatch;
use super::family::OutputShape;
use super::preprocess::ColorOrder;
use super::preprocess::Scale;
use crate::frame::InputFormat;
use crate::frame::Placement;
use crate::frame::Size;

/// Grey of the padding of nearly every model.
const PAD_DEFAULT: u8 = 114;

/// Sides of an input, in pixels: what is larger is a mistake, not a model.
const SIDE_MAX: usize = 4096;

/// The statements of a model's file, as ONNX Runtime reads them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelDescription {
    /// Dimensions of the one input; open ones are `None`.
    pub input: Vec<Option<usize>>,
    /// The outputs in order.
    pub outputs: Vec<OutputShape>,
    /// Metadata, as far as it is known here; see the module's table.
    pub metadata: Metadata,
}

/// Metadata of the file, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the module's table says it")]
pub struct Metadata {
    pub family: Option<String>,
    pub names: Option<String>,
    pub color: Option<String>,
    pub scale: Option<String>,
    pub letterbox: Option<String>,
    pub pad: Option<String>,
    pub strides: Option<String>,
    pub size: Option<String>,
}

/// The sidecar file beside a model without metadata.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sidecar {
    family: Option<String>,
    names: Option<Vec<String>>,
    color: Option<String>,
    scale: Option<String>,
    letterbox: Option<String>,
    pad: Option<u8>,
    strides: Option<Vec<u32>>,
    size: Option<Vec<usize>>,
}

/// Everything about a model that feeding and reading it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The format that frames are scaled to.
    pub input: InputFormat,
    /// Pictures a run; `None` where any number goes.
    pub batch: Option<usize>,
    /// Order of the planes.
    pub color: ColorOrder,
    /// Range of the values.
    pub scale: Scale,
    /// The family that tells how its outputs are decoded.
    pub family: Family,
    /// The classes of it that matter.
    pub classes: ClassMap,
}

/// A reason for which a model can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A value of the metadata or the sidecar is none of those that it may be.
    #[error("{key}: expected {expected}, found {found:?}")]
    Value {
        /// As the sidecar names it.
        key: &'static str,
        /// The values that it may have.
        expected: &'static str,
        /// The value that it has.
        found: String,
    },
    /// The input is not a batch of pictures.
    #[error("input: expected [N, 3, height, width] with N open or 1, found {found}")]
    Input {
        /// The value that it has.
        found: String,
    },
    /// The outputs are of no known family, or not of the one named.
    #[error("outputs: {0}; a metadata key `keng.family` or a sidecar file may name the family")]
    Outputs(#[from] Mismatch),
}

impl Layout {
    /// Puts together what file and sidecar say.
    ///
    /// # Errors
    /// [`Error`] says what was expected and what was found.
    pub fn new(description: &ModelDescription, sidecar: Option<&Sidecar>) -> Result<Self, Error> {
        let default = Sidecar::default();
        let sidecar = sidecar.unwrap_or(&default);
        let metadata = &description.metadata;
        let (batch, size) = input_size(description, sidecar)?;
        let named = match (&sidecar.names, &metadata.names) {
            (Some(names), _) => Some(ClassMap::from_names(names)),
            (None, Some(text)) => Some(ClassMap::from_names(
                &parse_names(text)
                    .ok_or_else(|| value("names", "a list or dictionary of names", text))?,
            )),
            (None, None) => None,
        };
        let strides = strides(sidecar, metadata)?;
        let name = sidecar.family.as_ref().or(metadata.family.as_ref());
        let outputs = &description.outputs;
        let (family, classes) = if let Some(name) = name {
            let classes = named.unwrap_or_else(ClassMap::coco);
            (Family::named(name, outputs, &classes, strides.as_deref())?, classes)
        } else {
            Family::inferred(outputs, named.as_ref(), size)?
        };
        let is_yolox = matches!(family, Family::Yolox { .. });
        let input = InputFormat {
            size,
            placement: placement(text(&sidecar.letterbox, &metadata.letterbox), is_yolox)?,
            pad: pad(sidecar, metadata)?,
        };
        let color = color(text(&sidecar.color, &metadata.color), is_yolox)?;
        let scale = scale(text(&sidecar.scale, &metadata.scale), is_yolox)?;
        Ok(Self { input, batch, color, scale, family, classes })
    }
}

fn text<'a>(sidecar: &'a Option<String>, metadata: &'a Option<String>) -> Option<&'a str> {
    sidecar.as_deref().or(metadata.as_deref()).map(str::trim)
}

fn value(key: &'static str, expected: &'static str, found: &str) -> Error {
    Error::Value { key, expected, found: found.to_owned() }
}

fn input_size(
    description: &ModelDescription,
    sidecar: &Sidecar,
) -> Result<(Option<usize>, Size), Error> {
    let wrong = || {
        let side = |side: &Option<usize>| side.map_or_else(|| "?".to_owned(), |n| n.to_string());
        let sides: Vec<String> = description.input.iter().map(side).collect();
        Error::Input { found: format!("[{}]", sides.join(", ")) }
    };
    let [batch, Some(3), height, width] = description.input[..] else { return Err(wrong()) };
    if batch.is_some_and(|batch| batch != 1) {
        return Err(wrong());
    }
    let said = match (&sidecar.size, &description.metadata.size) {
        (Some(size), _) => Some(size.clone()),
        (None, Some(text)) => Some(numbers(text).ok_or_else(|| wrong_size(text))?),
        (None, None) => None,
    };
    let (said_height, said_width) = match said.as_deref() {
        Some([height, width]) => (Some(*height), Some(*width)),
        Some([side]) => (Some(*side), Some(*side)),
        Some(other) => return Err(wrong_size(&format!("{other:?}"))),
        None => (None, None),
    };
    let side = |side: Option<usize>| {
        let fits = side.filter(|side| (1..=SIDE_MAX).contains(side)).ok_or_else(wrong)?;
        u32::try_from(fits).map_err(|_| wrong())
    };
    let (width, height) = (side(width.or(said_width))?, side(height.or(said_height))?);
    Ok((batch, Size { width, height }))
}

fn wrong_size(found: &str) -> Error {
    value("size", "[height, width]", found)
}

fn strides(sidecar: &Sidecar, metadata: &Metadata) -> Result<Option<Vec<u32>>, Error> {
    let wrong = |found: &str| value("strides", "a few numbers such as 8,16,32", found);
    let strides = match (&sidecar.strides, &metadata.strides) {
        (Some(strides), _) => strides.clone(),
        (None, Some(text)) => {
            let all = numbers(text).ok_or_else(|| wrong(text))?;
            all.into_iter().map(|n| u32::try_from(n).unwrap_or(0)).collect()
        }
        (None, None) => return Ok(None),
    };
    let fits = (1..=8).contains(&strides.len()) && strides.iter().all(|s| (1..=256).contains(s));
    if fits { Ok(Some(strides)) } else { Err(wrong(&format!("{strides:?}"))) }
}

fn pad(sidecar: &Sidecar, metadata: &Metadata) -> Result<u8, Error> {
    match (sidecar.pad, &metadata.pad) {
        (Some(pad), _) => Ok(pad),
        (None, Some(text)) => text.trim().parse().map_err(|_| value("pad", "0 to 255", text)),
        (None, None) => Ok(PAD_DEFAULT),
    }
}

fn placement(text: Option<&str>, is_yolox: bool) -> Result<Placement, Error> {
    match text {
        Some("center") => Ok(Placement::Center),
        Some("topleft") => Ok(Placement::TopLeft),
        Some(other) => Err(value("letterbox", "center or topleft", other)),
        None if is_yolox => Ok(Placement::TopLeft),
        None => Ok(Placement::Center),
    }
}

fn color(text: Option<&str>, is_yolox: bool) -> Result<ColorOrder, Error> {
    match text {
        Some("rgb") => Ok(ColorOrder::Rgb),
        Some("bgr") => Ok(ColorOrder::Bgr),
        Some(other) => Err(value("color", "rgb or bgr", other)),
        None if is_yolox => Ok(ColorOrder::Bgr),
        None => Ok(ColorOrder::Rgb),
    }
}

fn scale(text: Option<&str>, is_yolox: bool) -> Result<Scale, Error> {
    match text {
        Some("1/255") => Ok(Scale::Unit),
        Some("1") => Ok(Scale::Byte),
        Some(other) => Err(value("scale", "1/255 or 1", other)),
        None if is_yolox => Ok(Scale::Byte),
        None => Ok(Scale::Unit),
    }
}

/// Numbers with commas between them, in brackets or not.
fn numbers(text: &str) -> Option<Vec<usize>> {
    let inner = text.trim().trim_start_matches(['[', '(']).trim_end_matches([']', ')']);
    inner.split(',').map(|number| number.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yolov8(metadata: Metadata) -> ModelDescription {
        let dimensions = vec![None, Some(7), None];
        let outputs = vec![OutputShape { name: "out".into(), dimensions }];
        ModelDescription { input: vec![None, Some(3), Some(288), Some(512)], outputs, metadata }
    }

    fn said(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn sidecar(text: &str) -> Sidecar {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn metadata_alone_describes_a_model() {
        let description = yolov8(Metadata {
            family: said("yolov8"),
            names: said("{0: 'fire', 1: 'smoke', 2: 'person'}"),
            color: said("bgr"),
            scale: said("1"),
            letterbox: said("topleft"),
            pad: said("0"),
            ..Metadata::default()
        });
        let layout = Layout::new(&description, None).unwrap();
        let size = Size { width: 512, height: 288 };
        let input = InputFormat { size, placement: Placement::TopLeft, pad: 0 };
        assert_eq!(layout.input, input);
        assert_eq!((layout.color, layout.scale), (ColorOrder::Bgr, Scale::Byte));
        assert_eq!((layout.batch, layout.classes.total()), (None, 3));
        assert_eq!(layout.family, Family::Yolov8 { channels_first: true });
    }

    #[test]
    fn sidecar_overrides_metadata() {
        let description =
            yolov8(Metadata { family: said("yolox"), color: said("bgr"), ..Metadata::default() });
        let text = r#"
            family = "yolov8"
            names = ["a", "person", "b"]
            color = "rgb"
            scale = "1"
            letterbox = "topleft"
            pad = 7
        "#;
        let layout = Layout::new(&description, Some(&sidecar(text))).unwrap();
        assert_eq!(layout.color, ColorOrder::Rgb);
        assert_eq!((layout.input.pad, layout.scale), (7, Scale::Byte));
        assert_eq!(layout.classes.outputs(), [(1, crate::detection::Class::Person)]);
    }

    #[test]
    fn unknown_keys_of_a_sidecar_are_refused() {
        assert!(toml::from_str::<Sidecar>("colour = \"rgb\"").is_err());
    }

    #[test]
    fn an_open_input_takes_its_size_from_the_metadata() {
        let names = said("['fire', 'smoke', 'person']");
        let metadata = Metadata { names, size: said("[288, 512]"), ..Metadata::default() };
        let mut description = yolov8(metadata);
        description.input = vec![Some(1), Some(3), None, None];
        description.outputs[0].dimensions = vec![Some(1), Some(7), Some(3024)];
        let layout = Layout::new(&description, None).unwrap();
        assert_eq!(layout.input.size, Size { width: 512, height: 288 });
        assert_eq!(layout.batch, Some(1));
        description.metadata.size = None;
        let error = Layout::new(&description, None).unwrap_err().to_string();
        let expected = "input: expected [N, 3, height, width] with N open or 1, found [1, 3, ?, ?]";
        assert_eq!(error, expected);
    }

    #[test]
    fn wrong_values_are_named() {
        for (metadata, expected) in [
            (Metadata { names: said("fire"), ..Metadata::default() }, "names: "),
            (Metadata { strides: said("8,x"), ..Metadata::default() }, "strides: "),
            (Metadata { strides: said("0"), ..Metadata::default() }, "strides: "),
            (Metadata { size: said("big"), ..Metadata::default() }, "size: "),
            (named(|m| m.pad = said("256")), "pad: expected 0 to 255, found \"256\""),
            (named(|m| m.color = said("gray")), "color: expected rgb or bgr, found \"gray\""),
            (named(|m| m.scale = said("2")), "scale: "),
            (named(|m| m.letterbox = said("left")), "letterbox: "),
            (named(|m| m.family = said("ssd")), "outputs: expected family yolox"),
        ] {
            let error = Layout::new(&yolov8(metadata), None).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    fn named(change: impl Fn(&mut Metadata)) -> Metadata {
        let names = said("['fire', 'smoke', 'person']");
        let mut metadata = Metadata { family: said("yolov8"), names, ..Metadata::default() };
        change(&mut metadata);
        metadata
    }
}
