//! Floor 3: the networks of a run on their device, and their description in a checkpoint.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tch::{Device, Tensor, nn};

use crate::checkpoint::{Checkpoint, CheckpointError, NamedTensors};
use crate::checkpoint_state::CheckpointState;
use crate::depth_bins::DepthBins;
use crate::networks::blocks::Residual;
use crate::networks::build::Networks;
use crate::networks::depth_network::{DepthConfig, DepthNetwork};
use crate::networks::encoder_decoder::{EncoderDecoderConfig, LogitsNorm};
use crate::networks::hourglass::HourglassConfig;
use crate::networks::input::normalize_images;
use crate::networks::pose::{ObjectPooling, PoseConfig, PoseNetwork, PoseOutputs};

/// Tensors of a checkpoint that depth alone does not need.
const POSE_PREFIX: &str = "pose.";

/// Everything that decides the shapes of the networks.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSpec {
    /// Bins of the encoder-decoder; of the hourglass only the ends are used, by pictures.
    pub bins: DepthBins,
    /// The depth network.
    pub network: DepthConfig,
    /// The pose network; `None` where nothing needs it.
    pub pose: Option<PoseConfig>,
}

/// The networks with their variables.
#[derive(Debug)]
pub struct Model {
    variables: nn::VarStore,
    /// Images to depth.
    pub depth: DepthNetwork,
    /// Height and width of a picture must be multiples of this.
    pub multiple: u32,
    /// Clips to motions.
    pub pose: Option<PoseNetwork>,
    /// Scores to metres.
    pub bins: DepthBins,
}

impl Model {
    /// Networks with fresh weights from libtorch's generator, which the caller has seeded.
    pub fn new(spec: &ModelSpec, device: Device) -> Self {
        let variables = nn::VarStore::new(device);
        let Networks { depth, pose } =
            Networks::new(&variables.root(), &spec.network, spec.pose.as_ref());
        Self { variables, depth, multiple: spec.network.multiple(), pose, bins: spec.bins }
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

    /// From now on all variables are float64.
    pub fn make_double(&mut self) {
        self.variables.double();
    }

    /// From now on all variables are float32.
    pub fn make_float(&mut self) {
        self.variables.float();
    }

    /// From now on no variable wants a gradient.
    pub fn freeze(&mut self) {
        self.variables.freeze();
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
    /// - `images`: `[N, 3, H, W]` in [0, 1]; H and W multiples of `multiple`
    /// - returns: `[N, 1, H, W]`
    ///
    /// # Units
    /// Metres from the encoder-decoder, a unit of its own for each picture from the hourglass.
    pub fn predict(&self, images: &Tensor) -> Tensor {
        tch::no_grad(|| self.depth.depth(&normalize_images(images), &self.bins))
    }

    /// Whether depth is in metres; else each picture has a unit of its own.
    pub fn is_metric(&self) -> bool {
        matches!(self.depth, DepthNetwork::EncoderDecoder(_))
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
    let options = match &spec.network {
        DepthConfig::EncoderDecoder(network) => vec![
            ("enc4_channels", network.enc4_channels.to_string()),
            ("residual", on_off(network.residual == Residual::On)),
            ("logits_norm", on_off(network.logits_norm == LogitsNorm::BatchNorm)),
        ],
        DepthConfig::Hourglass(network) => vec![
            ("pooling", word_of(&network.pooling)),
            ("upsampling", word_of(&network.upsampling)),
            ("stem_kernel", network.stem_kernel.to_string()),
            ("up_widths", word_of(&network.up_widths)),
        ],
    };
    options.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
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
    let Some(bins) = DepthBins::new(state.alpha, state.beta, state.bins) else {
        return Err(other(format!(
            "expected 0 < alpha < beta and at least 2 bins, got alpha {}, beta {}, bins {}",
            state.alpha, state.beta, state.bins
        )));
    };
    let network = match state.network.as_str() {
        "encoder-decoder" => {
            encoder_decoder_of(&state.network_options, bins).map(DepthConfig::EncoderDecoder)
        }
        "hourglass" => hourglass_of(&state.network_options).map(DepthConfig::Hourglass),
        name => Err(format!("expected network \"encoder-decoder\" or \"hourglass\", got {name:?}")),
    };
    Ok(ModelSpec { bins, network: network.map_err(other)?, pose: None })
}

fn encoder_decoder_of(
    options: &BTreeMap<String, String>,
    bins: DepthBins,
) -> Result<EncoderDecoderConfig, String> {
    let switch = |key: &str| match option(options, key)? {
        "on" => Ok(true),
        "off" => Ok(false),
        text => Err(format!("network option {key:?}: expected on or off, got {text:?}")),
    };
    Ok(EncoderDecoderConfig {
        n_bins: bins.n_bins(),
        enc4_channels: number(options, "enc4_channels")?,
        residual: if switch("residual")? { Residual::On } else { Residual::Off },
        logits_norm: if switch("logits_norm")? { LogitsNorm::BatchNorm } else { LogitsNorm::Plain },
        ..EncoderDecoderConfig::default()
    })
}

fn hourglass_of(options: &BTreeMap<String, String>) -> Result<HourglassConfig, String> {
    let stem_kernel = number(options, "stem_kernel")?;
    if !matches!(stem_kernel, 3 | 7) {
        return Err(format!("network option \"stem_kernel\": expected 3 or 7, got {stem_kernel}"));
    }
    Ok(HourglassConfig {
        pooling: from_word(options, "pooling")?,
        upsampling: from_word(options, "upsampling")?,
        stem_kernel,
        up_widths: from_word(options, "up_widths")?,
    })
}

fn option<'a>(options: &'a BTreeMap<String, String>, key: &str) -> Result<&'a str, String> {
    let value = options.get(key).map(String::as_str);
    value.ok_or_else(|| format!("expected network option {key:?}, got none"))
}

fn number(options: &BTreeMap<String, String>, key: &str) -> Result<i64, String> {
    let text = option(options, key)?;
    text.parse()
        .map_err(|_| format!("network option {key:?}: expected a whole number, got {text:?}"))
}

fn from_word<T: DeserializeOwned>(
    options: &BTreeMap<String, String>,
    key: &str,
) -> Result<T, String> {
    let text = option(options, key)?;
    serde_json::from_value(text.into()).map_err(|error| format!("network option {key:?}: {error}"))
}

fn word_of<T: Serialize>(value: &T) -> String {
    let value = serde_json::to_value(value).ok();
    let word = value.as_ref().and_then(serde_json::Value::as_str);
    word.expect("invariant: a switch is written as one word").to_owned()
}

fn on_off(on: bool) -> String {
    if on { "on" } else { "off" }.to_owned()
}
