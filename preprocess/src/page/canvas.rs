//! Floor 1: drawing on a color picture: blended masks with outlines, squares, lines, small digits, colored depth.

use suw_shared::image_size::ImageSize;
use suw_shared::rgb_image::RgbImage;

/// Colors of aligned objects, by index; far apart in hue so that neighbors differ.
const OBJECT_COLORS: [[u8; 3]; 8] = [
    [255, 99, 71],
    [64, 196, 255],
    [255, 214, 10],
    [124, 252, 130],
    [216, 130, 255],
    [255, 150, 40],
    [60, 240, 220],
    [255, 120, 190],
];

/// Digits as rows of three bits.
const DIGITS: [[u8; 5]; 10] = [
    [7, 5, 5, 5, 7],
    [2, 6, 2, 2, 7],
    [7, 1, 7, 4, 7],
    [7, 1, 7, 1, 7],
    [5, 5, 7, 1, 1],
    [7, 4, 7, 1, 7],
    [7, 4, 7, 5, 7],
    [7, 1, 2, 2, 2],
    [7, 5, 7, 5, 7],
    [7, 5, 7, 1, 7],
];

/// The color of object `index` (from 1).
pub fn object_color(index: u8) -> [u8; 3] {
    OBJECT_COLORS[usize::from(index.wrapping_sub(1)) % OBJECT_COLORS.len()]
}

/// A picture from `[3, H, W]` planes.
pub fn picture_from_planes(planes: &[u8], size: ImageSize) -> RgbImage {
    let area = size.area();
    let data =
        (0..area).flat_map(|i| [planes[i], planes[area + i], planes[2 * area + i]]).collect();
    RgbImage::new(size, data)
}

/// The picture `factor` times as large, each pixel a square.
pub fn enlarged(image: &RgbImage, factor: u32) -> RgbImage {
    let from = image.size();
    let to = ImageSize::new(from.width * factor, from.height * factor);
    let mut data = Vec::with_capacity(3 * to.area());
    for y in 0..to.height {
        for x in 0..to.width {
            data.extend_from_slice(&image.pixel(y / factor, x / factor));
        }
    }
    RgbImage::new(to, data)
}

/// Sets one pixel; outside the picture nothing happens.
pub fn dot(image: &mut RgbImage, y: i64, x: i64, color: [u8; 3]) {
    let size = image.size();
    if (0..i64::from(size.height)).contains(&y) && (0..i64::from(size.width)).contains(&x) {
        let at = 3 * (y as usize * size.width as usize + x as usize);
        image.data_mut()[at..at + 3].copy_from_slice(&color);
    }
}

/// Paints every object of a `[H, W]` index map half transparent, with an outline and its number. The map may be
/// smaller than the picture by a whole factor.
pub fn paint_objects(image: &mut RgbImage, map: &[u8], map_size: ImageSize) {
    let size = image.size();
    let factor = (size.width / map_size.width).max(1);
    let at = |y: i64, x: i64| {
        let (y, x) = (y.div_euclid(i64::from(factor)), x.div_euclid(i64::from(factor)));
        let inside = (0..i64::from(map_size.height)).contains(&y)
            && (0..i64::from(map_size.width)).contains(&x);
        if inside { map[y as usize * map_size.width as usize + x as usize] } else { 0 }
    };
    let mut boxes = std::collections::BTreeMap::<u8, (i64, i64, i64, i64)>::new();
    for y in 0..i64::from(size.height) {
        for x in 0..i64::from(size.width) {
            let index = at(y, x);
            if index == 0 {
                continue;
            }
            let bounds = boxes.entry(index).or_insert((y, x, y, x));
            *bounds = (bounds.0.min(y), bounds.1.min(x), bounds.2.max(y), bounds.3.max(x));
            let color = object_color(index);
            let edge = [(0, 1), (0, -1), (1, 0), (-1, 0)]
                .into_iter()
                .any(|(dy, dx)| at(y + dy, x + dx) != index);
            let weight = if edge { 1.0 } else { 0.45 };
            blend(image, y, x, color, weight);
        }
    }
    for (index, (top, left, bottom, right)) in boxes {
        number(image, ((top + bottom) / 2, (left + right) / 2), index, (size.width / 300).max(1));
    }
}

/// Mixes a color into a pixel.
pub fn blend(image: &mut RgbImage, y: i64, x: i64, color: [u8; 3], weight: f32) {
    let size = image.size();
    let at = 3 * (y as usize * size.width as usize + x as usize);
    for (channel, value) in color.into_iter().enumerate() {
        let old = f32::from(image.data()[at + channel]);
        image.data_mut()[at + channel] = (old + (f32::from(value) - old) * weight) as u8;
    }
}

/// Writes a number, white on black, centered at `(y, x)`; a digit is 3 x 5 cells of `cell` pixels.
pub fn number(image: &mut RgbImage, (y, x): (i64, i64), value: u8, cell: u32) {
    let text = value.to_string();
    let cell = i64::from(cell);
    let width = (text.len() as i64 * 4 + 1) * cell;
    let (top, left) = (y - 7 * cell / 2, x - width / 2);
    for dy in 0..7 * cell {
        for dx in 0..width {
            dot(image, top + dy, left + dx, [0, 0, 0]);
        }
    }
    for (place, digit) in text.bytes().enumerate() {
        for (row, bits) in DIGITS[usize::from(digit - b'0')].into_iter().enumerate() {
            for column in 0..3 {
                if bits >> (2 - column) & 1 == 1 {
                    let (y, x) = (
                        top + (row as i64 + 1) * cell,
                        left + (place as i64 * 4 + 1 + column) * cell,
                    );
                    for dy in 0..cell {
                        for dx in 0..cell {
                            dot(image, y + dy, x + dx, [255, 255, 255]);
                        }
                    }
                }
            }
        }
    }
}

/// A square of `side` pixels around `(y, x)`, at least three pixels wide, with an outline `stroke` pixels thick.
pub fn square(image: &mut RgbImage, (y, x): (i64, i64), side: i64, stroke: i64, color: [u8; 3]) {
    for grow in 0..stroke {
        let half = (side / 2).max(1) + grow;
        for d in -half..=half {
            for (dy, dx) in [(-half, d), (half, d), (d, -half), (d, half)] {
                dot(image, y + dy, x + dx, color);
            }
        }
    }
}

/// A straight line.
pub fn line(image: &mut RgbImage, from: (i64, i64), to: (i64, i64), color: [u8; 3]) {
    let steps = (to.0 - from.0).abs().max((to.1 - from.1).abs()).max(1);
    for step in 0..=steps {
        let y = from.0 + (to.0 - from.0) * step / steps;
        let x = from.1 + (to.1 - from.1) * step / steps;
        dot(image, y, x, color);
    }
}

/// Depth as color: near is bright, far is dark violet, not measured is a dull gray. Logarithmic between `near` and `far`.
pub fn colored_depth(depth: &[f32], size: ImageSize, near: f32, far: f32) -> RgbImage {
    let data = depth
        .iter()
        .flat_map(|&metres| {
            if metres <= 0.0 || !metres.is_finite() {
                return [46, 46, 52];
            }
            let share = (metres / near).ln() / (far / near).ln();
            heat(1.0 - share.clamp(0.0, 1.0))
        })
        .collect();
    RgbImage::new(size, data)
}

/// A smooth ramp from dark violet over red and orange to pale yellow; rises evenly in lightness.
fn heat(t: f32) -> [u8; 3] {
    const STOPS: [[f32; 3]; 6] = [
        [12.0, 7.0, 42.0],
        [80.0, 18.0, 122.0],
        [160.0, 42.0, 120.0],
        [230.0, 84.0, 80.0],
        [252.0, 158.0, 98.0],
        [252.0, 246.0, 190.0],
    ];
    let at = t * (STOPS.len() - 1) as f32;
    let below = (at as usize).min(STOPS.len() - 2);
    let share = at - below as f32;
    std::array::from_fn(|c| {
        (STOPS[below][c] + (STOPS[below + 1][c] - STOPS[below][c]) * share) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn black(width: u32, height: u32) -> RgbImage {
        let size = ImageSize::new(width, height);
        RgbImage::new(size, vec![0; 3 * size.area()])
    }

    #[test]
    fn planes_become_pixels() {
        let image = picture_from_planes(&[1, 2, 3, 4, 5, 6], ImageSize::new(2, 1));
        assert_eq!((image.pixel(0, 0), image.pixel(0, 1)), ([1, 3, 5], [2, 4, 6]));
        assert_eq!(enlarged(&image, 2).pixel(1, 2), [2, 4, 6]);
    }

    #[test]
    fn drawing_past_the_edge_is_cut() {
        let mut image = black(4, 4);
        square(&mut image, (0, 0), 9, 2, [255, 0, 0]);
        line(&mut image, (-5, -5), (9, 9), [0, 255, 0]);
        number(&mut image, (0, 0), 255, 3);
        assert_eq!(image.size(), ImageSize::new(4, 4));
    }

    #[test]
    fn near_is_brighter_than_far_and_nothing_is_gray() {
        let image = colored_depth(&[2.0, 60.0, 0.0], ImageSize::new(3, 1), 1.0, 80.0);
        let light = |x| image.pixel(0, x).iter().map(|&v| u32::from(v)).sum::<u32>();
        assert!(light(0) > light(1));
        assert_eq!(image.pixel(0, 2), [46, 46, 52]);
    }

    #[test]
    fn objects_are_tinted_and_the_rest_is_not() {
        let mut image = black(40, 20);
        let mut map = vec![0; 800];
        map[0] = 1;
        paint_objects(&mut image, &map, ImageSize::new(40, 20));
        assert_eq!(image.pixel(19, 39), [0, 0, 0]);
        assert_ne!(image.pixel(0, 5), object_color(1));
    }
}
