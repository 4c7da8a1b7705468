//! Floor 1: the five encoding blocks of Table 1.
//!
//! The pose network shares them except for the first layer: it brings its own first layer and its own running
//! statistics, for its inputs (three frames, or mostly black objects) are distributed otherwise.

use tch::Tensor;
use tch::nn::Path;

use super::blocks::{ConvBn, ConvSpec, Mode, Residual, RunningStats, Separable, StatsPlace};

/// Variants of the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncoderConfig {
    /// Channels inside block 4: 32 as printed; 256 if that is a misprint.
    pub enc4_channels: i64,
    /// Short-cuts around separable layers.
    pub residual: Residual,
}

impl Default for EncoderConfig {
    fn default() -> Self {
        Self { enc4_channels: 32, residual: Residual::Off }
    }
}

/// Channels after each block.
pub const ENC1: i64 = 64;
/// Channels after block 2.
pub const ENC2: i64 = 128;
/// Channels after block 3.
pub const ENC3: i64 = 256;
/// Channels after block 4.
pub const ENC4: i64 = 256;
/// Channels after block 5.
pub const ENC5: i64 = 128;

/// Channels of the very first layer.
const FIRST: i64 = 32;

/// The encoder: `encoder.enc1` to `encoder.enc5`.
#[derive(Debug)]
pub struct Encoder {
    first: ConvBn,
    second: ConvBn,
    enc2: Vec<Separable>,
    enc3: Vec<Separable>,
    enc4: Vec<Separable>,
    enc5: Separable,
    last: ConvBn,
}

/// What the decoder needs, all at a quarter of the input's size.
pub struct Features {
    /// `[N, 128, H/4, W/4]`.
    pub enc2: Tensor,
    /// `[N, 256, H/4, W/4]`.
    pub enc3: Tensor,
    /// `[N, 256, H/4, W/4]`.
    pub enc4: Tensor,
    /// `[N, 128, H/4, W/4]`.
    pub enc5: Tensor,
}

/// Running statistics of all layers but the first, for one kind of call.
#[derive(Debug)]
pub struct EncoderStats {
    second: RunningStats,
    separable: Vec<[RunningStats; 2]>,
    last: RunningStats,
}

impl Encoder {
    /// Under the root: `encoder.enc1.0.conv.weight` and so on.
    pub fn new(root: &Path, config: &EncoderConfig) -> Self {
        let vs = root / "encoder";
        let chain = |block: &str, specs: Vec<ConvSpec>| -> Vec<Separable> {
            let layer = |(i, spec)| Separable::new(&(&vs / block / i), spec, config.residual);
            specs.into_iter().enumerate().map(layer).collect()
        };
        let narrow = config.enc4_channels;
        let of = ConvSpec::of_3x3;
        Self {
            first: ConvBn::new(&(&vs / "enc1" / 0), of(3, FIRST).stride(2)),
            second: ConvBn::new(&(&vs / "enc1" / 1), of(FIRST, ENC1)),
            enc2: chain("enc2", [vec![of(ENC1, ENC1); 3], vec![of(ENC1, ENC2).stride(2)]].concat()),
            enc3: chain("enc3", [vec![of(ENC2, ENC2); 3], vec![of(ENC2, ENC3)]].concat()),
            enc4: chain(
                "enc4",
                [
                    vec![of(ENC3, narrow).dilation(2)],
                    vec![of(narrow, narrow).dilation(2); 11],
                    vec![of(narrow, ENC4)],
                ]
                .concat(),
            ),
            enc5: Separable::new(&(&vs / "enc5" / 0), of(ENC4, 256), config.residual),
            last: ConvBn::new(&(&vs / "enc5" / 1), ConvSpec::of_1x1(256, ENC5)),
        }
    }

    /// All five blocks, with the encoder's own statistics.
    ///
    /// # Shapes
    /// - `images`: `[N, 3, H, W]`, H and W multiples of 4
    pub fn forward(&self, images: &Tensor, mode: Mode) -> Features {
        self.after_first(&self.first.forward(images, mode), None, mode)
    }

    /// Everything after the first layer.
    ///
    /// # Shapes
    /// - `x`: `[N, 32, H/2, W/2]`
    pub fn after_first(&self, x: &Tensor, stats: Option<&EncoderStats>, mode: Mode) -> Features {
        let mut separable = stats.map(|s| s.separable.iter());
        let mut chain = |x: Tensor, layers: &[Separable]| {
            layers.iter().fold(x, |x, layer| {
                let stats = separable.as_mut().and_then(Iterator::next);
                layer.forward_with(&x, stats, mode)
            })
        };
        let enc1 = self.second.forward_with(x, stats.map(|s| &s.second), mode); // 64 at 1/2
        let enc2 = chain(enc1, &self.enc2); // 128 at 1/4
        let enc3 = chain(enc2.shallow_clone(), &self.enc3); // 256 at 1/4
        let enc4 = chain(enc3.shallow_clone(), &self.enc4); // 256 at 1/4
        let wide = chain(enc4.shallow_clone(), std::slice::from_ref(&self.enc5)); // 256 at 1/4
        let enc5 = self.last.forward_with(&wide, stats.map(|s| &s.last), mode); // 128 at 1/4
        Features { enc2, enc3, enc4, enc5 }
    }

    /// The pose network's first layer: as the encoder's, for more channels.
    pub fn another_first(vs: &Path, c_in: i64) -> ConvBn {
        ConvBn::new(vs, ConvSpec::of_3x3(c_in, FIRST).stride(2))
    }

    fn separable(&self) -> impl Iterator<Item = &Separable> {
        self.enc2.iter().chain(&self.enc3).chain(&self.enc4).chain([&self.enc5])
    }
}

impl EncoderStats {
    /// Fresh statistics under `vs`, each followed by the full name of the layer's normalization.
    pub fn new(vs: &Path, encoder: &Encoder) -> Self {
        let pair = |layer: &Separable| layer.layers().map(|l| stats_under(vs, l.stats_place()));
        Self {
            second: stats_under(vs, encoder.second.stats_place()),
            separable: encoder.separable().map(pair).collect(),
            last: stats_under(vs, encoder.last.stats_place()),
        }
    }
}

/// Fresh statistics of a layer under `vs`, followed by the full name of its normalization.
pub(super) fn stats_under(vs: &Path, place: &StatsPlace) -> RunningStats {
    let (first, rest) = place.path.split_first().expect("invariant: a layer has a name");
    let vs = rest.iter().fold(vs / first, |vs, name| vs / name);
    RunningStats::new(&vs, place.channels)
}
