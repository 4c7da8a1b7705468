//! Floor 1: the two depth networks behind one door: which one, what it asks of a picture, and its depth.

use tch::Tensor;
use tch::nn::Path;

use super::blocks::Mode;
use super::encoder::Encoder;
use super::encoder_decoder::{EncoderDecoder, EncoderDecoderConfig};
use super::hourglass::{self, Hourglass, HourglassConfig};
use crate::depth_bins::DepthBins;

/// Which network, and its variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DepthConfig {
    /// Table 1: depth bins, metres.
    EncoderDecoder(EncoderDecoderConfig),
    /// Table 2: log depth without a unit.
    Hourglass(HourglassConfig),
}

/// The network with its variables.
#[derive(Debug)]
pub enum DepthNetwork {
    /// Table 1.
    EncoderDecoder(Box<EncoderDecoder>),
    /// Table 2.
    Hourglass(Box<Hourglass>),
}

impl DepthConfig {
    /// Its name in checkpoints and configurations.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::EncoderDecoder(_) => "encoder-decoder",
            Self::Hourglass(_) => "hourglass",
        }
    }

    /// Height and width of a picture must be multiples of this.
    pub const fn multiple(&self) -> u32 {
        match self {
            Self::EncoderDecoder(_) => 4,
            Self::Hourglass(_) => hourglass::MULTIPLE as u32,
        }
    }
}

impl DepthNetwork {
    /// With its variables under the root.
    pub fn new(root: &Path, config: &DepthConfig) -> Self {
        match config {
            DepthConfig::EncoderDecoder(config) => {
                Self::EncoderDecoder(Box::new(EncoderDecoder::new(root, config)))
            }
            DepthConfig::Hourglass(config) => {
                Self::Hourglass(Box::new(Hourglass::new(root, config)))
            }
        }
    }

    /// What the losses look at: `[N, K, H/4, W/4]` scores of bins, or `[N, 1, H, W]` log depth.
    ///
    /// # Shapes
    /// - `images`: `[N, 3, H, W]`, normalized
    pub fn forward(&self, images: &Tensor, mode: Mode) -> Tensor {
        match self {
            Self::EncoderDecoder(network) => network.forward(images, mode),
            Self::Hourglass(network) => network.forward(images, mode),
        }
    }

    /// Depth of pictures by running statistics.
    ///
    /// # Shapes
    /// - `images`: `[N, 3, H, W]`, normalized
    /// - returns: `[N, 1, H, W]`
    ///
    /// # Units
    /// Metres from the encoder-decoder, a unit of its own for each picture from the hourglass.
    pub fn depth(&self, images: &Tensor, bins: &DepthBins) -> Tensor {
        let size = images.size();
        let output = self.forward(images, Mode::Eval);
        match self {
            Self::EncoderDecoder(_) => bins.depth(&output, (size[2], size[3])),
            Self::Hourglass(_) => hourglass::depth_from_log(&output),
        }
    }

    /// The part that a pose network can share.
    pub fn encoder(&self) -> Option<&Encoder> {
        match self {
            Self::EncoderDecoder(network) => Some(network.encoder()),
            Self::Hourglass(_) => None,
        }
    }
}
