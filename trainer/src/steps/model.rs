//! Floor 3: the networks of a run on their device, and their description in a checkpoint.

use std::collections::BTreeMap;
use std::path::Path;

use tch::{Device, Tensor, nn};

use crate::checkpoint::{Checkpoint, CheckpointError, CheckpointState, NamedTensors};
use crate::depth_bins::DepthBins;
use crate::networks::blocks::{Mode, Residual};
use crate::networks::build::Networks;
use crate::networks::encoder_decoder::{EncoderDecoder, EncoderDecoderConfig, LogitsNorm};
use crate::networks::input::normalize_images;
use crate::networks::pose::{ObjectPooling, PoseConfig, PoseNetwork, PoseOutputs};

/// Name of the depth network in checkpoints and configurations.
pub const ENCODER_DECODER: &str = "encoder-decoder";

/// Tensors of a checkpoint that depth alone does not need.
const POSE_PREFIX: &str = "pose.";

/// Everything that decides the shapes of the networks.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSpec {
    /// Bins of the depth network.
    pub bins: DepthBins,
    /// The depth network.
    pub network: EncoderDecoderConfig,
    /// The pose network; `None` where nothing needs it.
    pub pose: Option<PoseConfig>,
}

/// The networks with their variables.
#[derive(Debug)]
pub struct Model {
    variables: nn::VarStore,
    /// Images to logits.
    pub depth: EncoderDecoder,
    /// Clips to motions.
    pub pose: Option<PoseNetwork>,
    /// Logits to metres.
    pub bins: DepthBins,
}

impl Model {
    /// Networks with fresh weights from libtorch's generator, which the caller has seeded.
    pub fn new(spec: &ModelSpec, device: Device) -> Self {
        let variables = nn::VarStore::new(device);
        let Networks { depth, pose } =
            Networks::new(&variables.root(), &spec.network, spec.pose.as_ref());
        Self { variables, depth, pose, bins: spec.bins }
    }

    /// The depth network of a checkpoint.
    pub fn open_depth(checkpoint: &Checkpoint, device: Device) -> Result<Self, CheckpointError> {
        let spec =
            ModelSpec { pose: None, ..spec_of_state(checkpoint.state(), checkpoint.folder())? };
        let model = Self::new(&spec, device);
        checkpoint.load_into(&model.named(), |name| name.starts_with(POSE_PREFIX))?;
        Ok(model)
    }

    /// Puts the weights of a checkpoint of the same networks in place.
    pub fn load(&self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        checkpoint.load_into(&self.named(), |_| false)
    }

    /// All variables, running statistics included, by name.
    pub fn named(&self) -> BTreeMap<String, Tensor> {
        self.variables.variables().into_iter().collect()
    }

    /// The same on the CPU, contiguous, to be written.
    pub fn to_host(&self) -> NamedTensors {
        to_host(self.named())
    }

    /// The variables themselves.
    pub fn variables(&self) -> &nn::VarStore {
        &self.variables
    }

    /// Where the networks are.
    pub fn device(&self) -> Device {
        self.variables.device()
    }

    /// Numbers that are learned.
    pub fn n_parameters(&self) -> i64 {
        self.variables.trainable_variables().iter().map(|t| t.numel() as i64).sum()
    }

    /// Depth of pictures, without a gradient, by running statistics.
    ///
    /// # Shapes
    /// - `images`: `[N, 3, H, W]` in [0, 1]; H and W multiples of 4
    /// - returns: `[N, 1, H, W]`
    ///
    /// # Units
    /// Metres.
    pub fn predict(&self, images: &Tensor) -> Tensor {
        let size = images.size();
        tch::no_grad(|| {
            let logits = self.depth.forward(&normalize_images(images), Mode::Eval);
            self.bins.depth(&logits, (size[2], size[3]))
        })
    }
}

/// Tensors on the CPU, contiguous.
pub fn to_host(tensors: impl IntoIterator<Item = (String, Tensor)>) -> NamedTensors {
    tensors
        .into_iter()
        .map(|(name, tensor)| (name, tensor.detach().to_device(Device::Cpu).contiguous()))
        .collect()
}

/// The switches of the depth network, as `state.json` holds them.
pub fn network_options(spec: &ModelSpec) -> BTreeMap<String, String> {
    let residual = spec.network.residual == Residual::On;
    let batch_norm = spec.network.logits_norm == LogitsNorm::BatchNorm;
    BTreeMap::from([
        ("enc4_channels".to_owned(), spec.network.enc4_channels.to_string()),
        ("residual".to_owned(), on_off(residual).to_owned()),
        ("logits_norm".to_owned(), on_off(batch_norm).to_owned()),
    ])
}

/// The switches of the pose network, as `state.json` holds them.
pub fn pose_options(config: &PoseConfig) -> BTreeMap<String, String> {
    let outputs = match config.outputs {
        PoseOutputs::PerSource => "per-source",
        PoseOutputs::ConstantVelocity => "constant-velocity",
    };
    let pooling = match config.object_pooling {
        ObjectPooling::Mask => "mask",
        ObjectPooling::WholeFrame => "whole-frame",
    };
    BTreeMap::from([
        ("outputs".to_owned(), outputs.to_owned()),
        ("object_pooling".to_owned(), pooling.to_owned()),
        ("stride".to_owned(), config.stride.to_string()),
        ("rotation_scale".to_owned(), config.rotation_scale.to_string()),
        ("translation_scale".to_owned(), config.translation_scale.to_string()),
    ])
}

/// The depth network that a checkpoint describes; its pose network is left out.
fn spec_of_state(state: &CheckpointState, folder: &Path) -> Result<ModelSpec, CheckpointError> {
    let other =
        |message: String| CheckpointError::OtherNetwork { path: folder.to_owned(), message };
    if state.network != ENCODER_DECODER {
        return Err(other(format!(
            "expected network {ENCODER_DECODER:?}, got {:?}",
            state.network
        )));
    }
    let Some(bins) = DepthBins::new(state.alpha, state.beta, state.bins) else {
        return Err(other(format!(
            "expected 0 < alpha < beta and at least 2 bins, got alpha {}, beta {}, bins {}",
            state.alpha, state.beta, state.bins
        )));
    };
    let option = |key: &str| {
        let value = state.network_options.get(key);
        value.ok_or_else(|| other(format!("expected network option {key:?}, got none")))
    };
    let switch = |key: &str| match option(key)?.as_str() {
        "on" => Ok(true),
        "off" => Ok(false),
        text => Err(other(format!("network option {key:?}: expected on or off, got {text:?}"))),
    };
    let enc4 = option("enc4_channels")?;
    let enc4_channels = enc4
        .parse()
        .map_err(|_| other(format!("network option \"enc4_channels\": got {enc4:?}")))?;
    let network = EncoderDecoderConfig {
        n_bins: bins.n_bins(),
        enc4_channels,
        residual: if switch("residual")? { Residual::On } else { Residual::Off },
        logits_norm: if switch("logits_norm")? { LogitsNorm::BatchNorm } else { LogitsNorm::Plain },
        ..EncoderDecoderConfig::default()
    };
    Ok(ModelSpec { bins, network, pose: None })
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}
