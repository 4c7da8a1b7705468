//! Floor 1: one stored sample made ready for training: cut, mirrored, its pair and its objects chosen. Plain numbers.

use suw_shared::image_size::ImageSize;
use suw_shared::pair::Pair;
use suw_shared::sample::Sample;
use suw_shared::sample_key::SampleKey;
use suw_shared::seed::Seed;

use crate::augment::{
    AugmentParams, color_matrix, cut_intrinsics, cut_motion, cut_pair, cut_planes,
    draw_augmentation, mean_gray,
};
use crate::draw::{PairChoice, draw_pair};

/// Which frames the losses need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frames {
    /// Only t: supervised and weak learning.
    Target,
    /// t-1, t, t+1: unsupervised learning.
    Clip,
}

impl Frames {
    /// 1 or 3.
    pub const fn count(self) -> usize {
        match self {
            Self::Target => 1,
            Self::Clip => 3,
        }
    }

    /// Position of frame t among them.
    pub const fn target(self) -> usize {
        self.count() / 2
    }
}

/// How samples become examples.
#[derive(Clone, Debug, PartialEq)]
pub struct ExampleParams {
    /// Which frames the losses need.
    pub frames: Frames,
    /// How far chance may go.
    pub augment: AugmentParams,
    /// Which pair is drawn; `None` draws none.
    pub pairs: Option<PairChoice>,
    /// At most so many objects, largest first.
    pub n_objects_max: usize,
}

/// A sample after augmentation. What the data set does not have is neutral: depth 0, intrinsics and motion NaN.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Which sample it was.
    pub key: SampleKey,
    /// Size after the crop.
    pub size: ImageSize,
    /// `[F, 3, H, W]`, RGB, not yet changed in color.
    pub image: Vec<u8>,
    /// `[3, 4]` on (R, G, B, 1) in [0, 1].
    pub color: [f32; 12],
    /// `[H, W]`; 0 = not measured.
    pub depth: Vec<f32>,
    /// `[3, 3]`.
    pub intrinsics: [f32; 9],
    /// source_from_target of t-1 and t+1.
    pub motion: [[f32; 16]; 2],
    /// `[3, H, W]` of a clip, else empty.
    pub objects: Vec<u8>,
    /// Chosen objects, largest first.
    pub object_list: Vec<u8>,
    /// The drawn pair.
    pub pair: Option<Pair>,
}

/// Draws and applies one augmentation; the same seed gives the same example.
pub fn example_from_sample(
    sample: &Sample,
    size: ImageSize,
    params: &ExampleParams,
    seed: Seed,
) -> Example {
    let augmentation = draw_augmentation(&params.augment, size, seed.derive("augment", ""));
    let (window, mirror) = (augmentation.window, augmentation.mirror);
    let n_stored = sample.image.len() / (3 * size.area());
    let frame_bytes = 3 * size.area();
    let target = &sample.image[n_stored / 2 * frame_bytes..][..frame_bytes];
    let image = match params.frames {
        Frames::Target => cut_planes(target, size, window, mirror),
        // A set of single pictures has no sources; its intrinsics are hidden below, so no loss sees the repeats.
        Frames::Clip if n_stored == 1 => cut_planes(target, size, window, mirror).repeat(3),
        Frames::Clip => cut_planes(&sample.image, size, window, mirror),
    };
    let depth = match &sample.depth {
        Some(depth) => cut_planes(depth, size, window, mirror),
        None => vec![0.0; window.size().area()],
    };
    let intrinsics = match &sample.intrinsics {
        Some(matrix) if n_stored > 1 => cut_intrinsics(matrix, window, mirror),
        _ => [f32::NAN; 9],
    };
    let motion = match sample.pose.as_deref() {
        Some([before, after]) => [cut_motion(before, mirror), cut_motion(after, mirror)],
        _ => [[f32::NAN; 16]; 2],
    };
    let objects = match (&sample.objects, params.frames) {
        (Some(objects), Frames::Clip) => cut_planes(&objects.map, size, window, mirror),
        (None, Frames::Clip) => vec![0; 3 * window.size().area()],
        (_, Frames::Target) => Vec::new(),
    };
    let pair = params.pairs.as_ref().and_then(|choice| {
        let pool = sample.pairs.as_deref().unwrap_or_default();
        draw_pair(pool, choice, window, seed.derive("pair", ""))
    });
    Example {
        key: sample.key.clone(),
        size: window.size(),
        object_list: largest_objects(&objects, window.size(), params.n_objects_max),
        image,
        color: color_matrix(&augmentation.color, mean_gray(target)),
        depth,
        intrinsics,
        motion,
        objects,
        pair: pair.map(|pair| cut_pair(&pair, window, mirror)),
    }
}

/// Objects seen in all three frames of the cut, by falling area in the target frame, equal areas by index.
fn largest_objects(objects: &[u8], size: ImageSize, n_max: usize) -> Vec<u8> {
    let mut areas = [[0u32; 256]; 3];
    for (frame, counts) in objects.chunks_exact(size.area()).zip(&mut areas) {
        for &index in frame {
            counts[usize::from(index)] += 1;
        }
    }
    let mut seen: Vec<(u32, u8)> = (1..=255u8)
        .filter(|&index| areas.iter().all(|counts| counts[usize::from(index)] > 0))
        .map(|index| (areas[1][usize::from(index)], index))
        .collect();
    seen.sort_by_key(|&(area, index)| (std::cmp::Reverse(area), index));
    seen.into_iter().take(n_max).map(|(_, index)| index).collect()
}

#[cfg(test)]
mod tests {
    use suw_shared::pair::{Origin, PairKind, Rule};
    use suw_shared::sample::SampleObjects;

    use super::*;

    const SIZE: ImageSize = ImageSize::new(4, 2);

    fn sample() -> Sample {
        // Object 1 has one target pixel, object 2 has three, object 3 is missing in t+1.
        let map = vec![1, 2, 3, 0, 0, 0, 0, 0, 1, 2, 2, 2, 3, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0];
        Sample {
            key: SampleKey::new("a/1".to_owned()).unwrap(),
            native_size: SIZE,
            native_window: SIZE.window(),
            image: (0..72).collect(),
            depth: Some((0..8).map(|value| value as f32).collect()),
            intrinsics: Some([4.0, 0.0, 1.5, 0.0, 4.0, 0.5, 0.0, 0.0, 1.0]),
            pose: None,
            semantic: None,
            objects: Some(SampleObjects { map, rows: Vec::new(), movable: vec![0; 8] }),
            pairs: Some(vec![Pair {
                kind: PairKind::Pixel,
                origin: Origin::GroundTruth,
                rule: Rule::None,
                size: 1,
                far_y: 0,
                far_x: 0,
                near_y: 1,
                near_x: 3,
                far_class: 255,
                near_class: 255,
            }]),
            ordinal: None,
            gt: None,
        }
    }

    fn params(flip: f64) -> ExampleParams {
        ExampleParams {
            frames: Frames::Clip,
            augment: AugmentParams { flip, ..AugmentParams::OFF },
            pairs: Some(PairChoice { kind: PairKind::Pixel, origins: vec![Origin::GroundTruth] }),
            n_objects_max: 4,
        }
    }

    #[test]
    fn without_chance_a_sample_stays_as_it_is() {
        let sample = sample();
        let example = example_from_sample(&sample, SIZE, &params(0.0), Seed(1));
        assert_eq!(example.image, sample.image);
        assert_eq!(example.depth, sample.depth.unwrap());
        assert_eq!(Some(example.intrinsics), sample.intrinsics);
        assert_eq!(example.pair, sample.pairs.map(|pairs| pairs[0]));
        assert_eq!(example.object_list, [2, 1]);
        assert!(example.motion.iter().flatten().all(|value| value.is_nan()));
    }

    #[test]
    fn a_mirror_takes_everything_along() {
        let sample = sample();
        let example = example_from_sample(&sample, SIZE, &params(1.0), Seed(1));
        assert_eq!(example.depth, [3.0, 2.0, 1.0, 0.0, 7.0, 6.0, 5.0, 4.0]);
        assert_eq!(example.image[..4], [3, 2, 1, 0]);
        assert_eq!(example.objects[8..12], [2, 2, 2, 1]);
        assert_eq!(example.intrinsics[2], 1.5); // the middle of four columns stays
        let pair = example.pair.unwrap();
        assert_eq!((pair.far_x, pair.near_x), (3, 0));
    }

    #[test]
    fn target_frames_alone_take_the_middle_one() {
        let sample = sample();
        let target = ExampleParams { frames: Frames::Target, ..params(0.0) };
        let example = example_from_sample(&sample, SIZE, &target, Seed(1));
        assert_eq!(example.image, sample.image[24..48]);
        assert!(example.objects.is_empty() && example.object_list.is_empty());
    }

    #[test]
    fn only_the_largest_objects_are_kept() {
        let few = ExampleParams { n_objects_max: 1, ..params(0.0) };
        assert_eq!(example_from_sample(&sample(), SIZE, &few, Seed(1)).object_list, [2]);
    }
}
