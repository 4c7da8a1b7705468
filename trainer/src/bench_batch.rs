//! Floor 1: a batch made up from a seed, for measuring a step where no shards are at hand: textured frames that move, depth
//! at one pixel in twenty, objects that are seen in all three frames, and one patch pair per image.

use rand::RngExt;
use suw_shared::image_size::ImageSize;
use suw_shared::pair::{Origin, Pair, PairKind, Rule};
use suw_shared::sample_key::SampleKey;
use suw_shared::seed::Seed;

use crate::example::{Example, Frames};

/// What the batch is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BenchBatch {
    /// Images.
    pub n_images: usize,
    /// Their size; at least 64 x 32.
    pub size: ImageSize,
    /// Which frames.
    pub frames: Frames,
    /// Objects of the whole batch, dealt out image by image; at most 4 an image.
    pub n_objects: usize,
}

/// Columns that the street moves between two frames.
const STEP: u32 = 2;
/// Side of an object, as a part of the height.
const OBJECT: u32 = 5;

/// The examples of a batch.
///
/// # Panics
/// If there are more than 4 objects an image.
pub fn made_up_examples(of: &BenchBatch, seed: Seed) -> Vec<Example> {
    assert!(of.n_objects <= 4 * of.n_images, "invariant: at most 4 objects an image");
    (0..of.n_images).map(|n| example(of, n, seed.derive_number("image", n as u64))).collect()
}

fn example(of: &BenchBatch, n: usize, seed: Seed) -> Example {
    let (w, h) = (of.size.width, of.size.height);
    let n_objects = (of.n_objects + of.n_images - 1 - n) / of.n_images;
    let frames = match of.frames {
        Frames::Target => vec![1],
        Frames::Clip => vec![0, 1, 2],
    };
    let mut rng = seed.rng();
    let waves: [f64; 6] = std::array::from_fn(|_| rng.random_range(0.05..0.6));
    let color = |frame: u32, channel: usize, y: u32, x: u32| -> u8 {
        let (x, y) = (f64::from(x + STEP * frame), f64::from(y));
        let wave = (x * waves[channel]).sin() + (y * waves[channel + 3] + x * 0.11).sin();
        (127.5 + 60.0 * wave) as u8
    };
    let mut image = Vec::with_capacity(frames.len() * 3 * of.size.area());
    for &frame in &frames {
        for channel in 0..3 {
            image.extend(
                (0..h)
                    .flat_map(|y| (0..w).map(move |x| (y, x)))
                    .map(|(y, x)| color(frame, channel, y, x)),
            );
        }
    }
    // A road seen from 1.65 m below a wall at 60 m.
    let focal = 0.58 * f64::from(w);
    let metres = |y: u32| (1.65 * focal / (f64::from(y) - f64::from(h) / 2.0).max(0.1)).min(60.0);
    let mut depth = vec![0.0; of.size.area()];
    for (at, value) in depth.iter_mut().enumerate() {
        if rng.random_range(0..20) == 0 {
            *value = metres(at as u32 / w) as f32;
        }
    }
    let (cx, cy) = ((w as f32 - 1.0) / 2.0, (h as f32 - 1.0) / 2.0);
    let focal = focal as f32;
    Example {
        key: SampleKey::new(format!("made-up/{n:04}")).expect("invariant: a legal key"),
        size: of.size,
        image,
        color: [0.95, 0.0, 0.0, 0.02, 0.0, 1.05, 0.0, 0.0, 0.0, 0.0, 1.0, -0.01],
        depth,
        intrinsics: [focal, 0.0, cx, 0.0, focal, cy, 0.0, 0.0, 1.0],
        motion: [[f32::NAN; 16]; 2],
        objects: match of.frames {
            Frames::Target => Vec::new(),
            Frames::Clip => objects(of.size, n_objects),
        },
        object_list: match of.frames {
            Frames::Target => Vec::new(),
            Frames::Clip => (1..=n_objects as u8).collect(),
        },
        pair: Some(pair(of.size, n)),
    }
}

/// Squares beside each other that move to the right: `[3, H, W]`.
fn objects(size: ImageSize, n: usize) -> Vec<u8> {
    let side = size.height / OBJECT;
    let (top, room) = (size.height / 2, size.width / 4);
    let mut map = vec![0; 3 * size.area()];
    for (frame, plane) in (0..).zip(map.chunks_exact_mut(size.area())) {
        for (number, index) in (0..n as u32).zip(1..) {
            let left = number * room + STEP * frame;
            for y in top..top + side {
                let row = (y * size.width + left) as usize;
                plane[row..row + side as usize].fill(index);
            }
        }
    }
    map
}

/// By turns of different classes and of one, of 5 and of 3 pixels.
fn pair(size: ImageSize, n: usize) -> Pair {
    let (x, y) = ((size.width / 2) as u16, (size.height / 4) as u16);
    let (origin, rule, side) = match n % 2 {
        0 => (Origin::DifferentClass, Rule::Sky, 5),
        _ => (Origin::SameClass, Rule::None, 3),
    };
    Pair {
        kind: PairKind::Patch,
        origin,
        rule,
        size: side,
        far_y: y,
        far_x: x,
        near_y: 3 * y,
        near_x: x + 3,
        far_class: 255,
        near_class: 255,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF: BenchBatch = BenchBatch {
        n_images: 2,
        size: ImageSize::new(64, 32),
        frames: Frames::Clip,
        n_objects: 3,
    };

    #[test]
    fn objects_are_dealt_out_and_seen_in_all_frames() {
        let examples = made_up_examples(&OF, Seed(1));
        assert_eq!(examples[0].object_list, [1, 2]);
        assert_eq!(examples[1].object_list, [1]);
        for example in &examples {
            for plane in example.objects.chunks_exact(OF.size.area()) {
                for index in &example.object_list {
                    assert_eq!(plane.iter().filter(|value| *value == index).count(), 36);
                }
            }
        }
    }

    #[test]
    fn frames_move_and_one_pixel_in_twenty_is_measured() {
        let examples = made_up_examples(&OF, Seed(1));
        let area = OF.size.area();
        let image = &examples[0].image;
        // Two columns further on, the next frame shows the same.
        assert_eq!(image[2..64], image[3 * area..3 * area + 62]);
        let measured = examples[0].depth.iter().filter(|depth| **depth > 0.0).count();
        assert!((60..150).contains(&measured), "{measured}");
        assert_ne!(examples[0].image, examples[1].image);
    }
}
