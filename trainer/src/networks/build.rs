//! Floor 1: the networks of one training run under one root.

use tch::nn::Path;

use super::depth_network::{DepthConfig, DepthNetwork};
use super::pose::{PoseConfig, PoseNetwork};

/// The depth network, and the pose network where motion has to be learned.
#[derive(Debug)]
pub struct Networks {
    /// Depth.
    pub depth: DepthNetwork,
    /// Motion.
    pub pose: Option<PoseNetwork>,
}

impl Networks {
    /// Draws the first weights from libtorch's generator; seed it before.
    ///
    /// # Panics
    /// If a pose network is wanted beside an hourglass, which has no encoder to share.
    pub fn new(root: &Path, depth: &DepthConfig, pose: Option<&PoseConfig>) -> Self {
        let depth = DepthNetwork::new(root, depth);
        let pose = pose.map(|config| {
            let encoder = depth.encoder().expect("invariant: an encoder-decoder beside it");
            PoseNetwork::new(root, encoder, config)
        });
        Self { depth, pose }
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;
    use tch::nn::VarStore;

    use super::super::encoder_decoder::EncoderDecoderConfig;
    use super::*;

    #[test]
    fn a_pose_network_adds_its_own_layers_only() {
        let depth = DepthConfig::EncoderDecoder(EncoderDecoderConfig::default());
        let pose = PoseConfig::default();
        let trainable = |pose: Option<&PoseConfig>| {
            let vs = VarStore::new(Device::Cpu);
            let _networks = Networks::new(&vs.root(), &depth, pose);
            vs.trainable_variables().iter().map(tch::Tensor::numel).sum::<usize>()
        };
        // First layer 9 * 32 * 9 + 64; decoder (128 + 3 * 32) * 32 * 9 + 4 * 64; output 32 * 12 + 12.
        let expected = 2592 + 64 + 224 * 288 + 256 + 396;
        assert_eq!(trainable(Some(&pose)) - trainable(None), expected);
    }
}
