//! Floor 1: pictures to be laid over the target frame: semantics, depth, the foreground and background map; see-through elsewhere.

use suw_shared::class::SemanticClass;
use suw_shared::image_size::ImageSize;
use suw_shared::sample::Sample;

use crate::page::canvas::colored_depth;
use crate::page::sample_pictures::{FAR, NEAR};

/// A picture with an opacity.
///
/// # Shapes
/// - `data`: `[H, W, 4]`, red, green, blue, opacity
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Its size.
    pub size: ImageSize,
    /// Row-major.
    pub data: Vec<u8>,
}

/// Cityscapes' colors; unlabelled pixels are see-through.
pub fn semantic_layer(sample: &Sample, size: ImageSize) -> Option<Layer> {
    let map = sample.semantic.as_ref()?;
    let color = |&id: &u8| match SemanticClass::from_id(id) {
        Some(class) => opaque(class.color()),
        None => [0; 4],
    };
    Some(Layer { size, data: map.iter().flat_map(color).collect() })
}

/// Depth by color between `near` and `far`; what is not measured is see-through. Sparse points are drawn three pixels
/// wide, the nearest on top: single pixels vanish on a page.
pub fn depth_layer(depth: &[f32], size: ImageSize, near: f32, far: f32) -> Layer {
    let measured = depth.iter().filter(|&&value| value > 0.0).count();
    let shown = if 2 * measured > depth.len() { depth.to_vec() } else { grown(depth, size) };
    let colors = colored_depth(&shown, size, near, far);
    let pixels = colors.data().as_chunks::<3>().0.iter().zip(&shown);
    let data = pixels.flat_map(|(&color, &value)| if value > 0.0 { opaque(color) } else { [0; 4] });
    Layer { size, data: data.collect() }
}

/// MegaDepth's map: foreground in the color of near ends, background in that of far ends.
pub fn ordinal_layer(sample: &Sample, size: ImageSize) -> Option<Layer> {
    let map = sample.ordinal.as_ref()?;
    let color = |&sign: &i8| match sign {
        1 => opaque(NEAR),
        -1 => opaque(FAR),
        _ => [0; 4],
    };
    Some(Layer { size, data: map.iter().flat_map(color).collect() })
}

/// Least and greatest measured depth, a fiftieth left off at either end.
pub fn depth_range(depth: &[f32]) -> Option<(f32, f32)> {
    let mut measured: Vec<f32> = depth.iter().copied().filter(|&value| value > 0.0).collect();
    measured.sort_unstable_by(f32::total_cmp);
    let last = measured.len().checked_sub(1)?;
    Some((measured[last / 50], measured[last - last / 50]))
}

fn opaque([red, green, blue]: [u8; 3]) -> [u8; 4] {
    [red, green, blue, 255]
}

/// Each measured value in its eight neighbors too; the smallest wins.
fn grown(depth: &[f32], size: ImageSize) -> Vec<f32> {
    let (width, height) = (size.width as usize, size.height as usize);
    let mut shown = vec![0.0_f32; depth.len()];
    for (at, &value) in depth.iter().enumerate().filter(|&(_, &value)| value > 0.0) {
        let (y, x) = (at / width, at % width);
        for row in y.saturating_sub(1)..height.min(y + 2) {
            for pixel in &mut shown[row * width..][x.saturating_sub(1)..width.min(x + 2)] {
                if *pixel == 0.0 || value < *pixel {
                    *pixel = value;
                }
            }
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use suw_tests::samples;

    use super::*;

    #[test]
    fn sparse_points_grow_and_the_nearest_stays_on_top() {
        let mut depth = vec![0.0; 35];
        (depth[7 + 1], depth[7 + 3]) = (5.0, 9.0);
        let layer = depth_layer(&depth, ImageSize::new(7, 5), 1.0, 80.0);
        let solid = |y: usize, x: usize| layer.data[4 * (7 * y + x) + 3] == 255;
        let shown: Vec<usize> = (0..35).filter(|&at| solid(at / 7, at % 7)).collect();
        let rows = [0, 7, 14].map(|row| (0..5).map(move |x| row + x));
        assert_eq!(shown, rows.into_iter().flatten().collect::<Vec<_>>());
        // Column 2 lies in both; it has the color of 5 m.
        let color = |x: usize| layer.data[4 * (7 + x)..][..3].to_vec();
        assert_eq!(color(2), color(1));
        assert_ne!(color(2), color(3));
    }

    #[test]
    fn a_dense_map_is_left_as_it_is() {
        let layer = depth_layer(&[3.0, 0.0, 3.0], ImageSize::new(3, 1), 1.0, 80.0);
        assert_eq!([layer.data[3], layer.data[7], layer.data[11]], [255, 0, 255]);
        assert_eq!(depth_range(&[0.0, 4.0, 2.0, 0.0]), Some((2.0, 4.0)));
        assert_eq!(depth_range(&[0.0]), None);
    }

    #[test]
    fn classes_have_their_color_and_the_rest_none() {
        let sample = samples::sample(0);
        let layer = semantic_layer(&sample, samples::SIZE).unwrap();
        assert_eq!(layer.data[..4], [70, 130, 180, 255], "sky");
        let ordinal = ordinal_layer(&sample, samples::SIZE).unwrap();
        assert_eq!(ordinal.data[..4], [56, 132, 255, 255], "the top rows are background");
        assert_eq!(semantic_layer(&samples::bare_sample(0), samples::SIZE), None);
    }
}
