//! Floor 1: collation: examples of one size to named tensors with fixed axes.
//!
//! `HostBatch` is made by reader threads from plain numbers; `Batch` is the same on the device of the networks.

use suw_shared::image_size::ImageSize;
use suw_shared::pair::{Origin, Pair};
use suw_shared::sample_key::SampleKey;
use tch::{Device, Kind, Tensor};

use crate::example::{Example, Frames};
use crate::to_device::to_device;

/// Several examples, joined; ready to go to a device.
#[derive(Clone, Debug, PartialEq)]
pub struct HostBatch {
    keys: Vec<SampleKey>,
    frames: Frames,
    size: ImageSize,
    image: Vec<u8>,
    color: Vec<f32>,
    depth: Vec<f32>,
    measured: Vec<i64>,
    intrinsics: Vec<f32>,
    motion: Vec<f32>,
    objects: Vec<u8>,
    object_image: Vec<i64>,
    object_index: Vec<i64>,
    pairs: Vec<(i64, Pair)>,
}

/// One batch on a device. `F` is 3 for clips and 1 for target frames alone.
#[derive(Debug)]
pub struct Batch {
    /// Which samples.
    pub keys: Vec<SampleKey>,
    /// Position of frame t along `F`.
    pub target: i64,
    /// `[N, F, 3, H, W]` in [0, 1], colors as stored: what the photometric loss compares.
    pub frames: Tensor,
    /// `[N, F, 3, H, W]` in [0, 1], colors changed: what the networks see, before normalization.
    pub jittered: Tensor,
    /// `[N, H, W]`; 0 = not measured.
    pub depth: Tensor,
    /// `[V]` i64, rising: the measured pixels of `depth`, flattened.
    pub measured: Tensor,
    /// `[N, 3, 3]`; NaN = unknown.
    pub intrinsics: Tensor,
    /// `[N, 2, 4, 4]`, source_from_target of t-1 and t+1; NaN = unknown.
    pub motion: Tensor,
    /// `[N, 3, H, W]` u8 of clips; `None` without sources.
    pub objects: Option<Tensor>,
    /// `[M]` i64: the image of each chosen object.
    pub object_image: Tensor,
    /// `[M]` i64: its number in `objects`.
    pub object_index: Tensor,
    /// Image and pair, by rising image.
    pub pairs: Vec<(i64, Pair)>,
}

/// Joins examples in their order.
///
/// # Panics
/// If there is none, or their sizes differ.
pub fn collate(examples: Vec<Example>, frames: Frames) -> HostBatch {
    let size = examples.first().expect("invariant: a batch has at least one example").size;
    let mut batch = HostBatch {
        keys: Vec::with_capacity(examples.len()),
        frames,
        size,
        image: Vec::with_capacity(examples.len() * frames.count() * 3 * size.area()),
        color: Vec::new(),
        depth: Vec::with_capacity(examples.len() * size.area()),
        measured: Vec::new(),
        intrinsics: Vec::new(),
        motion: Vec::new(),
        objects: Vec::new(),
        object_image: Vec::new(),
        object_index: Vec::new(),
        pairs: Vec::new(),
    };
    for (n, example) in examples.into_iter().enumerate() {
        assert_eq!(example.size, size, "invariant: all pictures of a batch have one size");
        batch.keys.push(example.key);
        batch.image.extend_from_slice(&example.image);
        batch.color.extend_from_slice(&example.color);
        let first = batch.depth.len() as i64;
        batch.measured.extend(
            (first..).zip(&example.depth).filter(|(_, depth)| **depth > 0.0).map(|(at, _)| at),
        );
        batch.depth.extend_from_slice(&example.depth);
        batch.intrinsics.extend_from_slice(&example.intrinsics);
        batch.motion.extend_from_slice(example.motion.as_flattened());
        batch.objects.extend_from_slice(&example.objects);
        batch.object_image.extend(example.object_list.iter().map(|_| n as i64));
        batch.object_index.extend(example.object_list.iter().map(|&index| i64::from(index)));
        batch.pairs.extend(example.pair.map(|pair| (n as i64, pair)));
    }
    batch
}

impl HostBatch {
    /// Which samples, in order.
    pub fn keys(&self) -> &[SampleKey] {
        &self.keys
    }

    /// Memory that its numbers take.
    pub fn n_bytes(&self) -> usize {
        let floats =
            self.color.len() + self.depth.len() + self.intrinsics.len() + self.motion.len();
        let indices = self.object_image.len() + self.object_index.len() + self.measured.len();
        self.image.len() + self.objects.len() + 4 * floats + 8 * indices
    }

    /// All numbers as they are, by name, so that other programs can work on the same batch.
    ///
    /// # Shapes
    /// - `image`: u8 `[N, F, 3, H, W]`; `color`: `[N, 3, 4]`; `depth`, `intrinsics`, `motion`, `objects`, `object_image`,
    ///   `object_index` as in [`Batch`], `objects` empty without sources
    /// - `pairs`: i64 `[P, 7]`: image, far y, far x, near y, near x, size, 1 for a pair of one class
    pub fn named(&self) -> Vec<(&'static str, Tensor)> {
        let n = self.keys.len() as i64;
        let (h, w) = (i64::from(self.size.height), i64::from(self.size.width));
        let row = |(image, pair): &(i64, Pair)| {
            let ends = [pair.far_y, pair.far_x, pair.near_y, pair.near_x].map(i64::from);
            let same = i64::from(pair.origin == Origin::SameClass);
            [&[*image][..], &ends, &[i64::from(pair.size), same]].concat()
        };
        let pairs: Vec<i64> = self.pairs.iter().flat_map(row).collect();
        vec![
            ("image", Tensor::from_slice(&self.image).view([n, -1, 3, h, w])),
            ("color", Tensor::from_slice(&self.color).view([n, 3, 4])),
            ("depth", Tensor::from_slice(&self.depth).view([n, h, w])),
            ("intrinsics", Tensor::from_slice(&self.intrinsics).view([n, 3, 3])),
            ("motion", Tensor::from_slice(&self.motion).view([n, 2, 4, 4])),
            ("objects", Tensor::from_slice(&self.objects).view([-1, 3, h, w])),
            ("object_image", Tensor::from_slice(&self.object_image)),
            ("object_index", Tensor::from_slice(&self.object_index)),
            ("pairs", Tensor::from_slice(&pairs).view([self.pairs.len() as i64, 7])),
        ]
    }

    /// The batch as tensors on `device`.
    pub fn to_device(&self, device: Device) -> Batch {
        let n = self.keys.len() as i64;
        let f = self.frames.count() as i64;
        let (h, w) = (i64::from(self.size.height), i64::from(self.size.width));
        let floats = |values: &[f32], shape: &[i64]| {
            to_device(&Tensor::from_slice(values).view(shape), device)
        };
        let indices = |values: &[i64]| to_device(&Tensor::from_slice(values), device);
        let bytes = to_device(&Tensor::from_slice(&self.image).view([n, f, 3, h, w]), device);
        let frames = bytes.to_kind(Kind::Float) / 255.0;
        let jittered = change_colors(&frames, &floats(&self.color, &[n, 3, 4]));
        let objects = (self.frames == Frames::Clip)
            .then(|| to_device(&Tensor::from_slice(&self.objects).view([n, 3, h, w]), device));
        Batch {
            keys: self.keys.clone(),
            target: self.frames.target() as i64,
            frames,
            jittered,
            depth: floats(&self.depth, &[n, h, w]),
            measured: indices(&self.measured),
            intrinsics: floats(&self.intrinsics, &[n, 3, 3]),
            motion: floats(&self.motion, &[n, 2, 4, 4]),
            objects,
            object_image: indices(&self.object_image),
            object_index: indices(&self.object_index),
            pairs: self.pairs.clone(),
        }
    }
}

impl Batch {
    /// The same numbers in another kind, for comparisons in float64.
    pub fn to_kind(self, kind: Kind) -> Self {
        Self {
            frames: self.frames.to_kind(kind),
            jittered: self.jittered.to_kind(kind),
            depth: self.depth.to_kind(kind),
            intrinsics: self.intrinsics.to_kind(kind),
            motion: self.motion.to_kind(kind),
            ..self
        }
    }
}

/// One affine color map per image, the same for its frames, clamped to [0, 1].
///
/// # Shapes
/// - `frames`: `[N, F, 3, H, W]`; `matrix`: `[N, 3, 4]`
fn change_colors(frames: &Tensor, matrix: &Tensor) -> Tensor {
    let shape = frames.size();
    let n = shape[0];
    let by_channel = frames.transpose(1, 2).reshape([n, 3, -1]); // [N, 3, F*H*W]
    let offset = matrix.narrow(2, 3, 1); // [N, 3, 1]
    let changed = matrix.narrow(2, 0, 3).matmul(&by_channel) + offset;
    let shape = [n, 3, shape[1], shape[3], shape[4]];
    changed.clamp(0.0, 1.0).view(shape).transpose(1, 2).contiguous()
}

#[cfg(test)]
mod tests {
    use suw_shared::pair::{PairKind, Rule};

    use super::*;

    fn example(value: u8, objects: Vec<u8>, pair: Option<Pair>) -> Example {
        Example {
            key: SampleKey::new(format!("a/{value}")).unwrap(),
            size: ImageSize::new(2, 1),
            image: vec![value; 18],
            // Red is halved, green replaced by one half, blue left alone.
            color: [0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 1.0, 0.0],
            depth: vec![f32::from(value), 0.0],
            intrinsics: [1.0; 9],
            motion: [[0.0; 16], [1.0; 16]],
            objects: vec![7; 6],
            object_list: objects,
            pair,
        }
    }

    #[test]
    fn tensors_have_the_stated_axes_and_values() {
        let pair = Pair {
            kind: PairKind::Pixel,
            origin: Origin::SameClass,
            rule: Rule::None,
            size: 1,
            far_y: 0,
            far_x: 0,
            near_y: 0,
            near_x: 1,
            far_class: 0,
            near_class: 0,
        };
        let examples = vec![example(0, vec![], None), example(204, vec![3, 1], Some(pair))];
        let batch = collate(examples, Frames::Clip).to_device(Device::Cpu);
        assert_eq!(batch.frames.size(), [2, 3, 3, 1, 2]);
        assert_eq!(batch.frames.double_value(&[1, 2, 0, 0, 1]), f64::from(0.8f32));
        let second = batch.jittered.select(0, 1).select(0, 2).select(2, 1);
        let colors = Vec::<f32>::try_from(second.flatten(0, -1)).unwrap();
        assert_eq!(colors, [0.4, 0.5, 0.8]);
        assert_eq!(batch.depth.size(), [2, 1, 2]);
        assert_eq!(Vec::<i64>::try_from(&batch.measured).unwrap(), [2]);
        assert_eq!(batch.motion.double_value(&[1, 1, 3, 3]), 1.0);
        assert_eq!(batch.objects.unwrap().size(), [2, 3, 1, 2]);
        assert_eq!(Vec::<i64>::try_from(batch.object_image).unwrap(), [1, 1]);
        assert_eq!(Vec::<i64>::try_from(batch.object_index).unwrap(), [3, 1]);
        assert_eq!(batch.pairs, [(1, pair)]);
    }

    #[test]
    fn a_batch_says_its_numbers_by_name() {
        let batch =
            collate(vec![example(0, vec![], None), example(9, vec![2], None)], Frames::Clip);
        let shape =
            |name: &str| batch.named().into_iter().find(|(n, _)| *n == name).unwrap().1.size();
        assert_eq!(shape("image"), [2, 3, 3, 1, 2]);
        assert_eq!(shape("objects"), [2, 3, 1, 2]);
        assert_eq!(shape("pairs"), [0, 7]);
        assert_eq!(shape("motion"), [2, 2, 4, 4]);
    }
}
