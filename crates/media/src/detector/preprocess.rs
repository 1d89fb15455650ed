//! From planar bytes to the network's input tensor. Pure.

/// The order of the colour planes in the tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ColorOrder {
    /// Red first.
    #[default]
    Rgb,
    /// Blue first, as OpenCV reads pictures.
    Bgr,
}

/// The range of the tensor's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Scale {
    /// 0..1.
    #[default]
    Unit,
    /// 0..255.
    Byte,
}

/// Writes one picture into its part of the tensor: `pixels` are planes of red, green, blue, all
/// three of `tensor.len() / 3` bytes.
///
/// Returns `false`, with nothing written, where the sizes don't fit.
pub fn fill(tensor: &mut [f32], pixels: &[u8], order: ColorOrder, scale: Scale) -> bool {
    let plane = tensor.len() / 3;
    if plane == 0 || tensor.len() != plane * 3 || pixels.len() != tensor.len() {
        return false;
    }
    let factor = match scale {
        Scale::Unit => 1.0 / 255.0,
        Scale::Byte => 1.0,
    };
    for (channel, to) in tensor.chunks_exact_mut(plane).enumerate() {
        let from = match order {
            ColorOrder::Rgb => channel,
            ColorOrder::Bgr => 2 - channel,
        };
        let bytes = &pixels[from * plane..(from + 1) * plane];
        for (value, byte) in to.iter_mut().zip(bytes) {
            *value = f32::from(*byte) * factor;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_are_ordered_and_scaled() {
        let pixels = [255, 0, 51, 102, 10, 20];
        let mut tensor = [0.0; 6];
        assert!(fill(&mut tensor, &pixels, ColorOrder::Rgb, Scale::Unit));
        assert_eq!(tensor[..2], [1.0, 0.0]);
        assert!((tensor[2] - 0.2).abs() < 1e-6);
        assert!(fill(&mut tensor, &pixels, ColorOrder::Bgr, Scale::Byte));
        assert_eq!(tensor, [10.0, 20.0, 51.0, 102.0, 255.0, 0.0]);
    }

    #[test]
    fn a_picture_of_another_size_is_refused() {
        assert!(!fill(&mut [0.0; 6], &[0; 9], ColorOrder::Rgb, Scale::Unit));
        assert!(!fill(&mut [], &[], ColorOrder::Rgb, Scale::Unit));
    }
}
