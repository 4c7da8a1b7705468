//! Floor 1: the hourglass network (paper Figure 2, Table 2; Chen et al. 2016): a picture to its log depth at full size.
//!
//! Four levels inside each other. Each halves the picture, works on it, hands it to the next level, and doubles it again;
//! its skip works at the level's own size, and the two are added. Figure 2 says only that sizes change: our reading is
//! average pooling and bilinear upsampling, with what public versions do as switches. The first layer is 7x7 as in every
//! public version, though the text calls block H (3x3) the only plain convolution: `stem_kernel` decides.
//!
//! Convolutions start as in [`super::blocks`], the output layer near 0, so that depth starts near 1 everywhere.

use serde::{Deserialize, Serialize};
use tch::Tensor;
use tch::nn::{Init, Path};

use super::blocks::{BatchNorm, Conv, ConvSpec, Mode, RunningStats};
use super::inception::{Inception, InceptionSpec};
use super::input::channels_last;
use crate::autocast::in_float32;
use crate::dims::{Axis, expect_dims};

/// Height and width of a picture must be multiples of this.
pub const MULTIPLE: i64 = 16;

/// Log depth is kept to this before it is raised: no overflow on untrained weights.
const LOG_DEPTH_MAX: f64 = 7.0;

/// Variants of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HourglassConfig {
    /// How a level halves its picture.
    pub pooling: Pooling,
    /// How it doubles it.
    pub upsampling: Upsampling,
    /// Side of the first layer's kernel: 7, or 3.
    pub stem_kernel: i64,
    /// Inter channels on the way up at the outermost level.
    pub up_widths: UpWidths,
}

impl Default for HourglassConfig {
    fn default() -> Self {
        Self {
            pooling: Pooling::default(),
            upsampling: Upsampling::default(),
            stem_kernel: 7,
            up_widths: UpWidths::default(),
        }
    }
}

/// How a level halves its picture, 2x2 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// Mean.
    #[default]
    Average,
    /// Maximum.
    Max,
    /// Maximum at the two outer levels, mean at the two inner ones (DIW, MegaDepth).
    MaxOutside,
}

/// How a level doubles its picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Upsampling {
    /// Bilinear, pixel centers at i + 0.5.
    #[default]
    Bilinear,
    /// Bilinear, corners on corners (Mannequin Challenge).
    BilinearCorners,
    /// Nearest (DIW, MegaDepth).
    Nearest,
}

/// Inter channels of the two blocks on the way up at the outermost level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpWidths {
    /// Table 2: B with 32, A with 64.
    #[default]
    Table,
    /// Public code: B with 64, A with 32.
    Swapped,
}

/// Table 2 and the two widths of public code.
const A: InceptionSpec = block(128, 64, 64, [3, 7, 11]);
const B: InceptionSpec = block(128, 128, 32, [3, 5, 7]);
const C: InceptionSpec = block(128, 128, 64, [3, 7, 11]);
const D: InceptionSpec = block(128, 256, 32, [3, 5, 7]);
const E: InceptionSpec = block(256, 256, 32, [3, 5, 7]);
const F: InceptionSpec = block(256, 256, 64, [3, 7, 11]);
const G: InceptionSpec = block(256, 128, 32, [3, 5, 7]);
const WIDE_B: InceptionSpec = InceptionSpec { inter: 64, ..B };
const NARROW_A: InceptionSpec = InceptionSpec { inter: 32, ..A };

/// Channels after the first layer.
const STEM: i64 = 128;
/// Channels before the output layer.
const LAST: i64 = 64;
/// Deviation of the first output weights.
const OUTPUT_DEVIATION: f64 = 0.01;

const fn block(c_in: i64, c_out: i64, inter: i64, kernels: [i64; 3]) -> InceptionSpec {
    InceptionSpec { c_in, c_out, inter, kernels }
}

/// The blocks of one level.
struct LevelSpec {
    skip: &'static [InceptionSpec],
    down: &'static [InceptionSpec],
    up: &'static [InceptionSpec],
}

/// Outermost first; the innermost has nothing on its way up.
const LEVELS: [LevelSpec; 4] = [
    LevelSpec { skip: &[A], down: &[B, B], up: &[B, A] }, // 128 to 64 channels, inside at 1/2
    LevelSpec { skip: &[B, C], down: &[B, D], up: &[E, G] }, // 128 to 128, inside at 1/4
    LevelSpec { skip: &[E, F], down: &[E, E], up: &[E, F] }, // 256 to 256, inside at 1/8
    LevelSpec { skip: &[E, E], down: &[E, E, E], up: &[] }, // 256 to 256, inside at 1/16
];

/// The hourglass: `stem.0`, `stem.1`, `body`, `head`.
#[derive(Debug)]
pub struct Hourglass {
    stem: Conv,
    stem_norm: (BatchNorm, RunningStats),
    body: Level,
    head: Conv,
}

/// One level: `skip.I`, `down.I`, `inner` (the next level), `up.I`.
#[derive(Debug)]
struct Level {
    skip: Vec<Inception>,
    down: Vec<Inception>,
    inner: Option<Box<Level>>,
    up: Vec<Inception>,
    pooling: Pooling,
    upsampling: Upsampling,
}

impl Hourglass {
    /// With its variables under the root.
    pub fn new(root: &Path, config: &HourglassConfig) -> Self {
        let stem = root / "stem";
        let of_stem = ConvSpec { kernel: config.stem_kernel, ..ConvSpec::of_3x3(3, STEM) };
        let norm = &stem / 1;
        let small = Init::Randn { mean: 0.0, stdev: OUTPUT_DEVIATION };
        Self {
            stem: Conv::with_bias(&(&stem / 0), of_stem, None),
            stem_norm: (BatchNorm::new(&norm, STEM), RunningStats::new(&norm, STEM)),
            body: Level::new(&(root / "body"), 0, config),
            head: Conv::with_bias(&(root / "head"), ConvSpec::of_3x3(LAST, 1), Some(small)),
        }
    }

    /// Log depth, without a unit of its own.
    ///
    /// # Shapes
    /// - `images`: `[N, 3, H, W]`, normalized, H and W multiples of 16
    /// - returns: `[N, 1, H, W]`
    ///
    /// # Panics
    /// If H or W is no multiple of 16.
    pub fn forward(&self, images: &Tensor, mode: Mode) -> Tensor {
        let free = Axis::Free;
        expect_dims("images", images, &[free("N"), Axis::Is(3), free("H"), free("W")]);
        let size = images.size();
        assert!(
            size[2] % MULTIPLE == 0 && size[3] % MULTIPLE == 0,
            "cannot halve images of {}x{} four times: expected multiples of {MULTIPLE}",
            size[3],
            size[2]
        );
        let stem = self.stem.forward(&channels_last(images));
        let stem = self.stem_norm.0.forward(&stem, &self.stem_norm.1, mode).relu_(); // 128 at full size
        in_float32(&self.body.forward(&stem, mode), |x| self.head.forward(x)) // 64, then 1
    }
}

/// The depth of an output: its exponential, clamped to e^-7 to e^7.
pub fn depth_from_log(log_depth: &Tensor) -> Tensor {
    log_depth.clamp(-LOG_DEPTH_MAX, LOG_DEPTH_MAX).exp()
}

impl Level {
    fn new(vs: &Path, depth: usize, config: &HourglassConfig) -> Self {
        let LevelSpec { skip, down, up } = &LEVELS[depth];
        let up: &[InceptionSpec] = match (depth, config.up_widths) {
            (0, UpWidths::Swapped) => &[WIDE_B, NARROW_A],
            _ => up,
        };
        let chain = |name: &str, specs: &[InceptionSpec]| -> Vec<Inception> {
            let at = |(i, spec)| Inception::new(&(vs / name / i), spec);
            specs.iter().enumerate().map(at).collect()
        };
        let inner = (depth + 1 < LEVELS.len())
            .then(|| Box::new(Self::new(&(vs / "inner"), depth + 1, config)));
        let pooling = match config.pooling {
            Pooling::MaxOutside if depth < LEVELS.len() / 2 => Pooling::Max,
            Pooling::MaxOutside => Pooling::Average,
            pooling => pooling,
        };
        Self {
            skip: chain("skip", skip),
            down: chain("down", down),
            inner,
            up: chain("up", up),
            pooling,
            upsampling: config.upsampling,
        }
    }

    /// Channels as in [`LEVELS`], the size unchanged.
    fn forward(&self, x: &Tensor, mode: Mode) -> Tensor {
        let through = |x: Tensor, blocks: &[Inception]| {
            blocks.iter().fold(x, |x, block| block.forward(&x, mode))
        };
        let down = through(halved(x, self.pooling), &self.down);
        let inside = match &self.inner {
            Some(inner) => inner.forward(&down, mode),
            None => down,
        };
        let up = doubled(&through(inside, &self.up), self.upsampling);
        through(x.shallow_clone(), &self.skip) + up
    }
}

/// `[N, C, H, W]` to `[N, C, H/2, W/2]`.
fn halved(x: &Tensor, pooling: Pooling) -> Tensor {
    match pooling {
        Pooling::Max => x.max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false),
        _ => x.avg_pool2d([2, 2], [2, 2], [0, 0], false, true, None::<i64>),
    }
}

/// `[N, C, H, W]` to `[N, C, 2H, 2W]`.
fn doubled(x: &Tensor, upsampling: Upsampling) -> Tensor {
    let size = [2 * x.size()[2], 2 * x.size()[3]];
    match upsampling {
        Upsampling::Bilinear => x.upsample_bilinear2d(size, false, None, None),
        Upsampling::BilinearCorners => x.upsample_bilinear2d(size, true, None, None),
        Upsampling::Nearest => x.upsample_nearest2d(size, None, None),
    }
}

#[cfg(test)]
mod tests {
    use tch::nn::VarStore;
    use tch::{Device, Kind};

    use super::*;
    use crate::autocast::in_bfloat16;

    fn parameters(config: &HourglassConfig) -> usize {
        let vs = VarStore::new(Device::Cpu);
        let _network = Hourglass::new(&vs.root(), config);
        vs.trainable_variables().iter().map(Tensor::numel).sum()
    }

    #[test]
    fn parameters_are_those_of_table_2() {
        let config = HourglassConfig::default();
        assert_eq!(parameters(&config), 5_363_809);
        assert_eq!(parameters(&HourglassConfig { stem_kernel: 3, ..config }), 5_348_449);
        // B with inter 64: 97,376 more; A with inter 32: 104,032 fewer.
        let swapped = HourglassConfig { up_widths: UpWidths::Swapped, ..config };
        assert_eq!(parameters(&swapped), 5_357_153);
    }

    #[test]
    fn each_block_has_the_parameters_counted_by_hand() {
        for (spec, expected) in [
            (A, 210_176),
            (B, 101_600),
            (C, 395_584),
            (D, 190_816),
            (E, 211_296),
            (F, 799_168),
            (G, 117_984),
        ] {
            let vs = VarStore::new(Device::Cpu);
            let _block = Inception::new(&vs.root(), &spec);
            let got: usize = vs.trainable_variables().iter().map(Tensor::numel).sum();
            assert_eq!(got, expected, "{spec:?}");
        }
    }

    #[test]
    fn names_are_those_of_the_checkpoint() {
        let vs = VarStore::new(Device::Cpu);
        let _network = Hourglass::new(&vs.root(), &HourglassConfig::default());
        let variables = vs.variables();
        for (name, dims) in [
            ("stem.0.weight", vec![128, 3, 7, 7]),
            ("stem.0.bias", vec![128]),
            ("stem.1.weight", vec![128]),
            ("stem.1.running_var", vec![128]),
            ("body.skip.0.branch4.3.weight", vec![16, 64, 11, 11]),
            ("body.down.1.branch1.0.weight", vec![32, 128, 1, 1]),
            ("body.inner.down.1.branch2.3.weight", vec![64, 32, 3, 3]),
            ("body.inner.inner.up.1.branch3.4.running_mean", vec![64]),
            ("body.inner.inner.inner.down.2.branch1.1.running_var", vec![64]),
            ("head.weight", vec![1, 64, 3, 3]),
            ("head.bias", vec![1]),
        ] {
            let variable = variables.get(name).unwrap_or_else(|| panic!("{name} is missing"));
            assert_eq!(variable.size(), dims, "{name}");
        }
        assert!(!variables.contains_key("body.skip.0.branch1.1.weight"), "no affine parameters");
    }

    #[test]
    fn every_block_has_the_size_of_figure_2() {
        tch::set_num_threads(1);
        let vs = VarStore::new(Device::Cpu);
        let network = Hourglass::new(&vs.root(), &HourglassConfig::default());
        let _guard = tch::no_grad_guard();
        let forward = |x: &Tensor, block: &Inception| block.forward(x, Mode::Eval);
        // Channels after each block, and size as a fraction of 48x32.
        let expected: [(&[i64], &[i64], &[i64]); 4] = [
            (&[64], &[128, 128], &[128, 64]),
            (&[128, 128], &[128, 256], &[256, 128]),
            (&[256, 256], &[256, 256], &[256, 256]),
            (&[256, 256], &[256, 256, 256], &[]),
        ];
        let mut level = Some(&network.body);
        let mut x = Tensor::zeros([1, STEM, 32, 48], (Kind::Float, Device::Cpu));
        for (depth, (skip, down, up)) in expected.into_iter().enumerate() {
            let here = level.expect("four levels");
            let (h, w) = (32 >> depth, 48 >> depth);
            let mut y = x.shallow_clone();
            assert_eq!((here.skip.len(), here.down.len()), (skip.len(), down.len()));
            for (block, channels) in here.skip.iter().zip(skip) {
                y = forward(&y, block);
                assert_eq!(y.size(), [1, *channels, h, w]);
            }
            x = halved(&x, here.pooling);
            for (block, channels) in here.down.iter().zip(down) {
                x = forward(&x, block);
                assert_eq!(x.size(), [1, *channels, h / 2, w / 2]);
            }
            // What comes up has the channels that the next level, or this way down, gave.
            let mut z = x.zeros_like();
            assert_eq!(here.up.len(), up.len());
            for (block, channels) in here.up.iter().zip(up) {
                z = forward(&z, block);
                assert_eq!(z.size(), [1, *channels, h / 2, w / 2]);
            }
            assert_eq!(doubled(&z, here.upsampling).size(), y.size());
            level = here.inner.as_deref();
        }
        assert!(level.is_none());
        let images = Tensor::zeros([2, 3, 32, 48], (Kind::Float, Device::Cpu));
        assert_eq!(network.forward(&images, Mode::Eval).size(), [2, 1, 32, 48]);
    }

    #[test]
    fn log_depth_has_more_than_eight_bits_where_the_body_has_not() {
        tch::set_num_threads(1);
        let vs = VarStore::new(Device::Cpu);
        let network = Hourglass::new(&vs.root(), &HourglassConfig::default());
        let images = Tensor::linspace(-90.0, 70.0, 3 * 16 * 32, (Kind::Float, Device::Cpu)).sin();
        let images = images.view([1, 3, 16, 32]);
        let forward = || tch::no_grad(|| network.forward(&images, Mode::Eval));
        let short = in_bfloat16(Device::Cpu, forward);
        assert_eq!(short.kind(), Kind::Float);
        let rounded = short.to_kind(Kind::BFloat16).to_kind(Kind::Float);
        let same = rounded.eq_tensor(&short).to_kind(Kind::Float).mean(None).double_value(&[]);
        assert!(same < 0.1, "{same} of all values need no more than eight bits");
        // It is still the same network.
        let exact = forward();
        let off = (&short - &exact).abs().max() / exact.abs().max();
        let off = off.double_value(&[]);
        assert!(off > 0.0 && off < 0.5, "{off}");
    }

    #[test]
    fn halving_and_doubling_by_hand() {
        let x = Tensor::from_slice(&[0f32, 4.0, 8.0, 8.0, 2.0, 2.0, 0.0, 4.0]).view([1, 1, 2, 4]);
        let row = |t: &Tensor| Vec::<f32>::try_from(t.select(2, 0).flatten(0, -1)).unwrap();
        assert_eq!(row(&halved(&x, Pooling::Average)), [2.0, 5.0]);
        assert_eq!(row(&halved(&x, Pooling::Max)), [4.0, 8.0]);
        let two = Tensor::from_slice(&[0f32, 3.0]).view([1, 1, 1, 2]);
        assert_eq!(row(&doubled(&two, Upsampling::Bilinear)), [0.0, 0.75, 2.25, 3.0]);
        assert_eq!(row(&doubled(&two, Upsampling::BilinearCorners)), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(row(&doubled(&two, Upsampling::Nearest)), [0.0, 0.0, 3.0, 3.0]);
    }
}
