//! Floor 5: a training run as a human writes it: TOML, unknown keys refused, no defaults hidden in code.
//!
//! A file is complete: copy one from `data-manifests/training` and change it, or override single keys with `--set`. Only
//! what may be absent on purpose is optional. `plan_from_config` turns it into what will happen.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::networks::hourglass::{Pooling, UpWidths, Upsampling};

/// Makes an enum whose values are written in kebab case.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$word_doc])* $word),+ }
    };
}

/// The whole file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Seed of everything drawn at random.
    pub seed: u64,
    /// `auto`, `cpu` or `cuda:N`.
    pub device: String,
    /// What is read.
    pub data: DataConfig,
    /// What is written.
    pub run: RunConfig,
    /// The depth network.
    pub network: NetworkConfig,
    /// The pose network.
    pub pose: PoseConfigText,
    /// The kinds of learning.
    pub losses: LossesConfig,
    /// Chance in the pictures.
    pub augment: AugmentConfig,
    /// The optimizer and how long it runs.
    pub train: OptimizerConfig,
    /// How validation compares.
    pub validation: ValidationConfig,
}

/// `[data]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Shard sets to learn from.
    pub train: Vec<PathBuf>,
    /// How often each of them is shown per epoch, in multiples of its size: 1 = every sample once, 0.5 = a new half each
    /// epoch, 2 = every sample twice; absent = every set once.
    pub ratio: Option<Vec<f64>>,
    /// Shard sets to validate on; may be empty.
    pub validation: Vec<PathBuf>,
    /// Reader threads.
    pub readers: usize,
    /// Batches that wait ready per reader thread.
    pub queue: usize,
}

/// `[run]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Run directory.
    pub dir: PathBuf,
    /// A log line every so many steps.
    pub log_every: u64,
    /// A checkpoint every so many steps, besides one per epoch; 0 = only those.
    pub checkpoint_every: u64,
    /// Older checkpoints kept besides latest and best.
    pub keep: usize,
    /// Validation pictures per epoch.
    pub pictures: usize,
}

words! {
    /// Kinds of depth network.
    NetworkKind {
        /// Table 1 of the paper.
        EncoderDecoder,
        /// Table 2 of the paper.
        Hourglass,
    }
}

words! {
    /// A switch.
    Switch {
        /// Without.
        Off,
        /// With.
        On,
    }
}

/// `[network]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// Which network.
    pub kind: NetworkKind,
    /// Depth bins of the output.
    pub bins: i64,
    /// Nearest depth, metres.
    pub alpha: f64,
    /// Farthest depth, metres.
    pub beta: f64,
    /// Width of the dilated blocks of enc4; 32 in print.
    pub enc4_channels: i64,
    /// Short cuts around the depth-wise blocks; none in print.
    pub residual: Switch,
    /// Batch normalization of the logits instead of a bias.
    pub logits_norm: Switch,
    /// Variants of the hourglass, which reads no other key of this table but the ends of its pictures' color scale; absent
    /// = Table 2 as printed.
    pub hourglass: Option<HourglassText>,
}

/// `[network.hourglass]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HourglassText {
    /// `average`, `max`, or `max-outside`: maximum at the two outer levels alone.
    pub pooling: Pooling,
    /// `bilinear`, `bilinear-corners` or `nearest`.
    pub upsampling: Upsampling,
    /// Side of the first layer's kernel: 7, or 3.
    pub stem_kernel: i64,
    /// Inter channels on the way up at the outermost level: `table`, or `swapped` as in public code.
    pub up_widths: UpWidths,
}

words! {
    /// Where camera motion comes from.
    MotionSource {
        /// The pose network.
        Network,
        /// Poses stored in the shards.
        Shards,
    }
}

words! {
    /// What the pose network puts out.
    PoseOutputWord {
        /// Six numbers per source frame.
        PerSource,
        /// Six numbers per clip, constant velocity.
        ConstantVelocity,
    }
}

words! {
    /// What the pose network's outputs are averaged over for an object.
    PoolingWord {
        /// Its mask.
        Mask,
        /// The whole frame.
        WholeFrame,
    }
}

/// `[pose]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoseConfigText {
    /// Where camera motion comes from; object motion always comes from the network.
    pub camera: MotionSource,
    /// What the network puts out.
    pub outputs: PoseOutputWord,
    /// Stride of the four decoder convolutions, 1 or 2.
    pub stride: i64,
    /// Averaging for objects.
    pub object_pooling: PoolingWord,
    /// Factor of the three angles.
    pub rotation_scale: f64,
    /// Factor of the three translations.
    pub translation_scale: f64,
    /// Objects per image, largest first; 0 = no object motion.
    pub max_objects: usize,
}

words! {
    /// Kinds of weak pairs.
    WeakWord {
        /// Two pixels.
        Pixel,
        /// Two patches.
        Patch,
    }
}

words! {
    /// Where weak pairs come from.
    OriginWord {
        /// One ground region.
        Same,
        /// Two classes, by rule.
        Different,
        /// Either, with equal chance.
        Both,
        /// Measured depth (the control row SW*).
        GroundTruth,
        /// The ordinal maps of MegaDepth.
        Ordinal,
    }
}

/// `[losses]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossesConfig {
    /// Any of S, U, W.
    #[serde(rename = "use")]
    pub kinds: Vec<LearningKind>,
    /// Pixels or patches.
    pub weak: WeakWord,
    /// Which pairs.
    pub origin: OriginWord,
    /// lambda_u, reached after the first epoch.
    pub weight_u: f64,
    /// lambda_w.
    pub weight_w: f64,
    /// L_s.
    pub supervised: SupervisedText,
    /// L_u.
    pub unsupervised: UnsupervisedText,
    /// L_w.
    pub ordinal: OrdinalText,
}

/// One kind of learning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // the letters of the paper
pub enum LearningKind {
    S,
    U,
    W,
}

words! {
    /// The target of the classification loss.
    SoftnessWord {
        /// A Gaussian over the bins.
        Gaussian,
        /// One bin.
        Hard,
    }
}

words! {
    /// The center of that Gaussian.
    CenterWord {
        /// The bin's.
        Rounded,
        /// The depth's own place.
        Exact,
    }
}

words! {
    /// The depth term of L_s.
    RegressionWord {
        /// Metres.
        L1,
        /// Reversed Huber.
        Berhu,
        /// Logarithms.
        Log,
    }
}

/// `[losses.supervised]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupervisedText {
    /// The target of the classification loss.
    pub softness: SoftnessWord,
    /// Width of the Gaussian target: weight exp(-gamma (i - b)^2).
    pub gamma: f64,
    /// Its center.
    pub center: CenterWord,
    /// The depth term.
    pub regression: RegressionWord,
    /// lambda_d.
    pub weight_depth: f64,
    /// Weight of the multi-scale gradient term, which the hourglass has instead of all of the above; absent = 0.5.
    pub weight_gradient: Option<f64>,
}

words! {
    /// How two sources are joined.
    ReprojectionWord {
        /// The smaller error of each pixel.
        Minimum,
        /// The mean.
        Mean,
    }
}

words! {
    /// How object motion enters L_u.
    ObjectLossWord {
        /// A term per object.
        Separate,
        /// One composed picture.
        Composite,
    }
}

words! {
    /// What an object's six numbers mean.
    ObjectPoseWord {
        /// Its whole motion as the camera sees it.
        Total,
        /// Its own motion, the camera's applied after it.
        Residual,
    }
}

/// `[losses.unsupervised]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnsupervisedText {
    /// lambda_sm.
    pub weight_smooth: f64,
    /// Share of SSIM against L1.
    pub ssim_weight: f64,
    /// How two sources are joined.
    pub reprojection: ReprojectionWord,
    /// Leave out pixels that an unwarped source explains better.
    pub automask: Switch,
    /// How object motion enters.
    pub object_loss: ObjectLossWord,
    /// What an object's six numbers mean.
    pub object_pose: ObjectPoseWord,
}

words! {
    /// How two patches are compared.
    PatchModeWord {
        /// Pixel by pixel at the same place.
        Aligned,
        /// Pixel by pixel after sorting.
        Sorted,
        /// Every pixel with every pixel.
        AllPairs,
        /// The means.
        Mean,
    }
}

words! {
    /// What is compared.
    SpaceWord {
        /// Metres.
        Depth,
        /// Logarithms.
        Log,
    }
}

/// `[losses.ordinal]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrdinalText {
    /// How two patches are compared.
    pub patch_mode: PatchModeWord,
    /// What is compared.
    pub space: SpaceWord,
    /// Where the loss turns to a square root.
    pub tau: f64,
    /// Leave out same-class pairs already right by more than this; absent = never.
    pub margin_same_m: Option<f64>,
    /// The same for pairs of different classes.
    pub margin_different_m: Option<f64>,
}

/// `[augment]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AugmentConfig {
    /// `WIDTHxHEIGHT` of a random crop; absent = the whole picture.
    pub crop: Option<String>,
    /// Probability of a mirror.
    pub flip: f64,
    /// Factor in 1 -+ this.
    pub brightness: f64,
    /// Factor in 1 -+ this.
    pub contrast: f64,
    /// Factor in 1 -+ this.
    pub saturation: f64,
    /// Turn in -+ this.
    pub hue: f64,
}

words! {
    /// When the learning rate falls.
    DropWord {
        /// One time.
        Once,
        /// Again and again.
        Every,
    }
}

words! {
    /// Numbers that the networks compute in.
    PrecisionWord {
        /// All 32 bits.
        Float32,
        /// bfloat16 as far as libtorch's autocast thinks it safe.
        Bf16,
    }
}

/// `[train]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimizerConfig {
    /// Passes over the data.
    pub epochs: u32,
    /// Updates at most, those of a resumed run included; 0 writes the untrained checkpoint; absent = as many as the epochs.
    pub max_steps: Option<u64>,
    /// Images per update.
    pub batch: usize,
    /// Learning rate.
    pub lr: f64,
    /// When it falls.
    pub lr_drop: DropWord,
    /// After how many epochs.
    pub lr_drop_epochs: u32,
    /// By which factor.
    pub lr_factor: f64,
    /// Adam.
    pub beta1: f64,
    /// Adam.
    pub beta2: f64,
    /// Adam.
    pub weight_decay: f64,
    /// Longest gradient; 0 = any.
    pub clip_norm: f64,
    /// Threads of libtorch; 0 = one per core.
    pub threads: usize,
    /// Numbers of the networks: `float32`, or `bf16`, faster on GPUs; absent = `float32`. Losses and weights are float32.
    pub precision: Option<PrecisionWord>,
}

/// `[validation]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidationConfig {
    /// `garg`, `eigen` or `none`.
    pub crop: String,
    /// Metres.
    pub cap: f64,
    /// Scale every prediction by the ratio of medians.
    pub median_scale: bool,
    /// Images at most, evenly spread over the set; 0 = all.
    pub images: usize,
}
