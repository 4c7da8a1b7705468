//! Floor 1: pictures to network inputs: where a picture lies in the input, and its pixels as normalized blocks.

use suw_shared::image_size::{ImageSize, Window};

/// How a picture of any size becomes an input of a size the network takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResizePolicy {
    /// Stretched to one size.
    Fixed {
        /// Of the input.
        size: ImageSize,
    },
    /// Scaled evenly to fit, top left; the rest is 0 after normalization.
    Letterbox {
        /// Of the input.
        size: ImageSize,
    },
    /// Scaled to the nearest size whose sides are multiples.
    MultipleOf {
        /// Of both sides, at least 1.
        multiple: u32,
        /// Length of the longer side before rounding; as in the picture where not given.
        long_side: Option<u32>,
    },
    /// Windows at native size; smaller pictures are padded with 0 after normalization. Semantic networks only.
    SlidingWindow {
        /// Of one window.
        size: ImageSize,
        /// Columns between windows, at least 1.
        stride_x: u32,
        /// Rows between windows, at least 1.
        stride_y: u32,
    },
}

/// One input of the network: which part of the picture it shows, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// The part of the picture, in its pixels.
    pub window: Window,
    /// The size the part is scaled to; it lies at the top left of the input.
    pub scaled: ImageSize,
    /// The size of the input.
    pub input: ImageSize,
}

impl View {
    /// Pixels of the picture per pixel of the input: x, y.
    pub fn native_per_input(&self) -> (f32, f32) {
        (
            self.window.width as f32 / self.scaled.width as f32,
            self.window.height as f32 / self.scaled.height as f32,
        )
    }

    /// The part of an output map of `width` by `height` that shows the picture, from its top left: x, y in its pixels.
    pub fn covered(&self, width: usize, height: usize) -> (f32, f32) {
        (
            width as f32 * self.scaled.width as f32 / self.input.width as f32,
            height as f32 * self.scaled.height as f32 / self.input.height as f32,
        )
    }
}

impl ResizePolicy {
    /// The inputs that a picture of size `native` needs; one but for sliding windows.
    pub fn views(&self, native: ImageSize) -> Vec<View> {
        let whole = |scaled, input| vec![View { window: native.window(), scaled, input }];
        match *self {
            Self::Fixed { size } => whole(size, size),
            Self::Letterbox { size } => whole(fitted(native, size), size),
            Self::MultipleOf { multiple, long_side } => {
                let size = rounded(native, multiple, long_side);
                whole(size, size)
            }
            Self::SlidingWindow { size, stride_x, stride_y } => {
                let columns = starts(native.width, size.width, stride_x);
                let rows = starts(native.height, size.height, stride_y);
                let width = size.width.min(native.width);
                let height = size.height.min(native.height);
                let view = |y, x| View {
                    window: Window { y, x, height, width },
                    scaled: ImageSize::new(width, height),
                    input: size,
                };
                rows.iter().flat_map(|&y| columns.iter().map(move |&x| view(y, x))).collect()
            }
        }
    }

    /// The size of every input, where it does not depend on the picture.
    pub fn input_size(&self) -> Option<ImageSize> {
        match *self {
            Self::Fixed { size } | Self::Letterbox { size } | Self::SlidingWindow { size, .. } => {
                Some(size)
            }
            Self::MultipleOf { .. } => None,
        }
    }
}

/// The largest size of the same shape that fits into `room`, whole pixels.
fn fitted(native: ImageSize, room: ImageSize) -> ImageSize {
    let scale = (f64::from(room.width) / f64::from(native.width))
        .min(f64::from(room.height) / f64::from(native.height));
    let side = |from: u32, most: u32| ((f64::from(from) * scale).round() as u32).clamp(1, most);
    ImageSize::new(side(native.width, room.width), side(native.height, room.height))
}

fn rounded(native: ImageSize, multiple: u32, long_side: Option<u32>) -> ImageSize {
    let longest = f64::from(native.width.max(native.height));
    let scale = long_side.map_or(1.0, |side| f64::from(side) / longest);
    let side = |from: u32| {
        let units = (f64::from(from) * scale / f64::from(multiple)).round().max(1.0);
        units as u32 * multiple
    };
    ImageSize::new(side(native.width), side(native.height))
}

/// First pixels of windows along one axis; the last window ends with the picture.
fn starts(picture: u32, window: u32, stride: u32) -> Vec<u32> {
    let last = picture.saturating_sub(window);
    let mut starts: Vec<u32> = (0..last).step_by(stride as usize).collect();
    starts.push(last);
    starts
}

/// Order of the axes of an input; there is always one picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `[1, 3, H, W]`.
    Nchw,
    /// `[3, H, W]`.
    Chw,
    /// `[1, H, W, 3]`.
    Nhwc,
}

impl Layout {
    /// The shape of an input of `size`; -1 for sides that vary.
    pub fn shape(self, size: Option<ImageSize>) -> Vec<i64> {
        let (height, width) =
            size.map_or((-1, -1), |size| (i64::from(size.height), i64::from(size.width)));
        match self {
            Self::Nchw => vec![1, 3, height, width],
            Self::Chw => vec![3, height, width],
            Self::Nhwc => vec![1, height, width, 3],
        }
    }
}

/// What a network asks of its pixels: `(value scale - mean) / deviation` per channel, in the order of its input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalization {
    /// Of the 8-bit value.
    pub scale: f32,
    /// Per channel.
    pub mean: [f32; 3],
    /// Per channel, not 0.
    pub deviation: [f32; 3],
}

/// A picture at the top left of an input of size `input`, normalized; 0 elsewhere.
///
/// # Shapes
/// - `planes`: `[3, size.height, size.width]`, in the network's order of colors
///
/// # Panics
/// If `planes` has another length, or the picture is larger than the input.
pub fn normalized_block(
    planes: &[u8],
    size: ImageSize,
    normalization: &Normalization,
    layout: Layout,
    input: ImageSize,
) -> Vec<f32> {
    // 8-bit values are few: every result is computed once.
    let tables: [[f32; 256]; 3] = std::array::from_fn(|channel| {
        std::array::from_fn(|value| {
            (value as f32 * normalization.scale - normalization.mean[channel])
                / normalization.deviation[channel]
        })
    });
    block(planes, size, layout, input, |channel, value| tables[channel][usize::from(value)])
}

/// A picture at the top left of an input of size `input` as it is; 0 elsewhere.
///
/// # Shapes
/// - `planes`: `[3, size.height, size.width]`, in the network's order of colors
///
/// # Panics
/// If `planes` has another length, or the picture is larger than the input.
pub fn plain_block(planes: &[u8], size: ImageSize, layout: Layout, input: ImageSize) -> Vec<u8> {
    block(planes, size, layout, input, |_, value| value)
}

fn block<T: Copy + Default>(
    planes: &[u8],
    size: ImageSize,
    layout: Layout,
    input: ImageSize,
    value: impl Fn(usize, u8) -> T,
) -> Vec<T> {
    assert_eq!(planes.len(), 3 * size.area(), "invariant: three planes of {size}");
    assert!(
        size.width <= input.width && size.height <= input.height,
        "invariant: a picture of {size} lies in an input of {input}"
    );
    let (width, area) = (input.width as usize, input.area());
    let mut block = vec![T::default(); 3 * area];
    for (channel, plane) in planes.chunks_exact(size.area()).enumerate() {
        for (y, row) in plane.chunks_exact(size.width as usize).enumerate() {
            let (first, step) = match layout {
                Layout::Nchw | Layout::Chw => (channel * area + y * width, 1),
                Layout::Nhwc => (3 * y * width + channel, 3),
            };
            let places = block[first..].iter_mut().step_by(step);
            places.zip(row).for_each(|(place, &byte)| *place = value(channel, byte));
        }
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    const KITTI: ImageSize = ImageSize::new(1242, 375);

    fn one_view(policy: ResizePolicy, native: ImageSize) -> View {
        let views = policy.views(native);
        assert_eq!(views.len(), 1);
        assert_eq!(views[0].window, native.window());
        views[0]
    }

    #[test]
    fn a_letterbox_keeps_the_shape() {
        let size = ImageSize::new(416, 128);
        // By hand: 416/1242 = 0.33494 < 128/375; 375 x 0.33494 = 125.6.
        let view = one_view(ResizePolicy::Letterbox { size }, KITTI);
        assert_eq!((view.scaled, view.input), (ImageSize::new(416, 126), size));
        assert_eq!(view.covered(104, 32), (104.0, 31.5));
        let tall = one_view(ResizePolicy::Letterbox { size }, ImageSize::new(100, 1000));
        assert_eq!(tall.scaled, ImageSize::new(13, 128));
        let line = one_view(ResizePolicy::Letterbox { size }, ImageSize::new(60_000, 1));
        assert_eq!(line.scaled, ImageSize::new(416, 1));
    }

    #[test]
    fn multiples_are_the_nearest() {
        let policy = |multiple, long_side| ResizePolicy::MultipleOf { multiple, long_side };
        // 1242/32 = 38.8 -> 39, 375/32 = 11.7 -> 12.
        let view = one_view(policy(32, None), KITTI);
        assert_eq!(
            (view.scaled, view.input),
            (ImageSize::new(1248, 384), ImageSize::new(1248, 384))
        );
        // 621 and 187.5: 19.4 -> 19, 5.9 -> 6.
        assert_eq!(one_view(policy(32, Some(621)), KITTI).scaled, ImageSize::new(608, 192));
        assert_eq!(one_view(policy(32, None), ImageSize::new(3, 3)).scaled, ImageSize::new(32, 32));
    }

    #[test]
    fn sliding_windows_cover_every_pixel_and_end_with_the_picture() {
        let policy =
            ResizePolicy::SlidingWindow { size: ImageSize::new(4, 3), stride_x: 3, stride_y: 2 };
        let views = policy.views(ImageSize::new(11, 5));
        let corners: Vec<_> = views.iter().map(|view| (view.window.y, view.window.x)).collect();
        // By hand: columns 0..4, 3..7, 6..10, 7..11; rows 0..3, 2..5.
        let rows = [0, 2].into_iter();
        let expected: Vec<_> = rows.flat_map(|y| [0, 3, 6, 7].map(|x| (y, x))).collect();
        assert_eq!(corners, expected);
        let small = one_view(policy, ImageSize::new(2, 3));
        assert_eq!((small.scaled, small.input), (ImageSize::new(2, 3), ImageSize::new(4, 3)));
    }

    #[test]
    fn blocks_hold_channels_where_the_layout_says() {
        // Two pixels side by side, in an input of 3 x 2.
        let (planes, size) = ([0, 100, 10, 110, 20, 120], ImageSize::new(2, 1));
        let input = ImageSize::new(3, 2);
        let planar = [0, 100, 0, 0, 0, 0, 10, 110, 0, 0, 0, 0, 20, 120, 0, 0, 0, 0];
        assert_eq!(plain_block(&planes, size, Layout::Nchw, input), planar);
        assert_eq!(plain_block(&planes, size, Layout::Chw, input), planar);
        let interleaved = [0, 10, 20, 100, 110, 120, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(plain_block(&planes, size, Layout::Nhwc, input), interleaved);
        assert_eq!(Layout::Nchw.shape(Some(input)), [1, 3, 2, 3]);
        assert_eq!(Layout::Chw.shape(Some(input)), [3, 2, 3]);
        assert_eq!(Layout::Nhwc.shape(Some(input)), [1, 2, 3, 3]);
        assert_eq!(Layout::Nchw.shape(None), [1, 3, -1, -1]);
    }

    #[test]
    fn padding_is_zero_after_normalization() {
        let size = ImageSize::new(1, 1);
        let normalization =
            Normalization { scale: 0.5, mean: [1.0, 2.0, 3.0], deviation: [2.0, 4.0, 8.0] };
        let input = ImageSize::new(2, 1);
        let block = normalized_block(&[10, 20, 30], size, &normalization, Layout::Nchw, input);
        assert_eq!(block, [2.0, 0.0, 2.0, 0.0, 1.5, 0.0]);
    }
}
