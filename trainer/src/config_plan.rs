//! Floor 5: from what a human wrote to what will happen: words to types, ranges checked, devices and data opened.

use std::path::PathBuf;
use std::sync::Arc;

use suw_shared::checksum;
use suw_shared::exit::Failure;
use suw_shared::pair::{Origin, PairKind};
use suw_shared::seed::Seed;
use suw_shared::toml_file;

use crate::augment::AugmentParams;
use crate::config::{
    CenterWord, DropWord, LearningKind, LossesConfig, MotionSource, NetworkConfig, NetworkKind,
    ObjectLossWord, ObjectPoseWord, OriginWord, PatchModeWord, PoolingWord, PoseOutputWord,
    PrecisionWord, RegressionWord, ReprojectionWord, SoftnessWord, SpaceWord, Switch, TrainConfig,
    WeakWord,
};
use crate::config_check::{bins_text, check_data, check_values, crop_of, uses, wrong};
use crate::depth_bins::DepthBins;
use crate::device::DeviceChoice;
use crate::draw::PairChoice;
use crate::eval_loop::EvalParams;
use crate::example::{ExampleParams, Frames};
use crate::losses::hourglass::HourglassLossConfig;
use crate::losses::ordinal::{DepthSpace, PatchMode, WeakConfig};
use crate::losses::photometric::{Automask, PhotometricConfig, Reprojection};
use crate::losses::regression::Regression;
use crate::losses::supervised::{BinCenter, Softness, SupervisedConfig};
use crate::losses::total::{LossConfig, ObjectLoss, ObjectPose, UnsupervisedConfig};
use crate::metrics::depth::{Crop, DepthProtocol, Scaling};
use crate::networks::blocks::Residual;
use crate::networks::depth_network::DepthConfig;
use crate::networks::encoder_decoder::{EncoderDecoderConfig, LogitsNorm};
use crate::networks::hourglass::HourglassConfig;
use crate::networks::pose::{ObjectPooling, PoseConfig, PoseOutputs};
use crate::optim::adam::AdamConfig;
use crate::optim::schedule::{Milestone, StepSchedule};
use crate::plan::TrainPlan;
use crate::prefetch::PrefetchParams;
use crate::shard_list::{ShardList, ShardListError};
use crate::steps::model::ModelSpec;
use crate::steps::train::{CameraMotion, Precision, StepLosses};
use crate::train_loop::TrainData;

/// MegaDepth's weight of the gradient term.
const WEIGHT_GRADIENT: f64 = 0.5;

/// Images that go through the network together when it is evaluated.
pub const EVAL_BATCH: usize = 4;

/// Checks a configuration, opens its data and its device.
pub fn plan_from_config(config: &TrainConfig) -> anyhow::Result<(TrainPlan, TrainData)> {
    check_values(config)?;
    let network = network_of(config);
    let crop = crop_of(config, &network)?;
    let bins = DepthBins::new(config.network.alpha, config.network.beta, config.network.bins)
        .ok_or_else(|| {
            wrong(
                "network.alpha, network.beta, network.bins",
                "0 < alpha < beta and at least 2 bins",
                &bins_text(config),
            )
        })?;
    let data = open_data(config)?;
    check_data(config, &data, crop, &network)?;
    let unsupervised = uses(config, LearningKind::U);
    let is_hourglass = config.network.kind == NetworkKind::Hourglass;
    let device = DeviceChoice::parse(&config.device)
        .ok_or_else(|| wrong("device", "auto, cpu or cuda:N", &config.device))?
        .open()
        .map_err(|error| Failure::usage(error.to_string()))?;
    let plan = TrainPlan {
        run_dir: config.run.dir.clone(),
        config_text: toml_file::to_text(config),
        fingerprint: fingerprint(config, &data),
        seed: Seed(config.seed),
        device,
        n_threads: config.train.threads,
        model: ModelSpec {
            bins,
            network,
            pose: (unsupervised && !is_hourglass).then(|| pose_of(config)),
        },
        losses: losses_of(config, bins),
        camera: match config.pose.camera {
            MotionSource::Network => CameraMotion::Predicted,
            MotionSource::Shards => CameraMotion::Stored,
        },
        examples: ExampleParams {
            frames: if unsupervised { Frames::Clip } else { Frames::Target },
            augment: AugmentParams {
                crop,
                flip: config.augment.flip,
                brightness: config.augment.brightness,
                contrast: config.augment.contrast,
                saturation: config.augment.saturation,
                hue: config.augment.hue,
            },
            pairs: uses(config, LearningKind::W).then(|| pairs_of(&config.losses)),
            // Only a pose network can say how an object moves.
            n_objects_max: if is_hourglass { 0 } else { config.pose.max_objects },
        },
        ratio: config.data.ratio.clone().unwrap_or_else(|| vec![1.0; config.data.train.len()]),
        batch: config.train.batch,
        n_epochs: config.train.epochs,
        n_steps_max: config.train.max_steps,
        adam: AdamConfig {
            lr: config.train.lr,
            beta1: config.train.beta1,
            beta2: config.train.beta2,
            weight_decay: config.train.weight_decay,
            ..AdamConfig::default()
        },
        schedule: StepSchedule {
            base: config.train.lr,
            factor: config.train.lr_factor,
            milestone: match config.train.lr_drop {
                DropWord::Once => Milestone::Once(config.train.lr_drop_epochs),
                DropWord::Every => Milestone::Every(config.train.lr_drop_epochs),
            },
        },
        clip_norm: if config.train.clip_norm > 0.0 {
            config.train.clip_norm
        } else {
            f64::INFINITY
        },
        precision: match config.train.precision {
            None | Some(PrecisionWord::Float32) => Precision::Float32,
            Some(PrecisionWord::Bf16) => Precision::Bfloat16,
        },
        prefetch: PrefetchParams { n_threads: config.data.readers, queue: config.data.queue },
        log_every: config.run.log_every,
        checkpoint_every: config.run.checkpoint_every,
        n_keep: config.run.keep,
        n_pictures: config.run.pictures,
        validation: EvalParams {
            protocol: DepthProtocol {
                crop: config.validation.crop.parse::<Crop>().map_err(Failure::usage)?,
                cap_m: config.validation.cap,
                scaling: if config.validation.median_scale {
                    Scaling::Median
                } else {
                    Scaling::None
                },
            },
            n_images_max: config.validation.images,
            batch: EVAL_BATCH,
            n_point_pairs: 0,
        },
    };
    Ok((plan, data))
}

/// A shard list that cannot be opened: a wrong path is the operator's mistake, a wrong file is damage.
pub fn open_shards(folders: &[PathBuf]) -> anyhow::Result<ShardList> {
    for folder in folders {
        if !folder.join(suw_shared::manifest::MANIFEST_FILE).is_file() {
            let message = format!(
                "cannot open shard set {folder:?}: no manifest.json in it; expected a folder made by `suw-preprocess run`"
            );
            return Err(Failure::usage(message).into());
        }
    }
    Ok(ShardList::open(folders).map_err(|error| match error {
        ShardListError::Shard(_) => Failure::integrity(error.to_string()),
        other => Failure::usage(other.to_string()),
    })?)
}

fn open_data(config: &TrainConfig) -> anyhow::Result<TrainData> {
    let train = Arc::new(open_shards(&config.data.train)?);
    let validation = match config.data.validation.as_slice() {
        [] => None,
        folders => Some(open_shards(folders)?),
    };
    Ok(TrainData { train, validation })
}

/// Digest of everything that decides the weights. Left out: where results go, which machine, how long, how often it reports.
fn fingerprint(config: &TrainConfig, data: &TrainData) -> String {
    let mut config = config.clone();
    config.device = String::new();
    config.data.train = Vec::new();
    config.data.validation = Vec::new();
    (config.data.readers, config.data.queue) = (0, 0);
    config.run.dir = PathBuf::new();
    (config.run.log_every, config.run.checkpoint_every) = (0, 0);
    (config.run.keep, config.run.pictures) = (0, 0);
    (config.train.epochs, config.train.max_steps, config.train.threads) = (0, None, 0);
    let text = format!("{}\ntrain {}\n", toml_file::to_text(&config), data.train.digest());
    checksum::blake3_of_bytes(text.as_bytes())
}

fn network_of(config: &TrainConfig) -> DepthConfig {
    let network = &config.network;
    match network.kind {
        NetworkKind::EncoderDecoder => DepthConfig::EncoderDecoder(encoder_decoder_of(network)),
        NetworkKind::Hourglass => DepthConfig::Hourglass(network.hourglass.as_ref().map_or_else(
            HourglassConfig::default,
            |hourglass| HourglassConfig {
                pooling: hourglass.pooling,
                upsampling: hourglass.upsampling,
                stem_kernel: hourglass.stem_kernel,
                up_widths: hourglass.up_widths,
            },
        )),
    }
}

fn losses_of(config: &TrainConfig, bins: DepthBins) -> StepLosses {
    let losses = &config.losses;
    let supervised = uses(config, LearningKind::S);
    let unsupervised = uses(config, LearningKind::U).then(|| unsupervised_of(losses));
    let weak = uses(config, LearningKind::W).then(|| weak_of(losses));
    match config.network.kind {
        NetworkKind::EncoderDecoder => StepLosses::EncoderDecoder(LossConfig {
            bins,
            supervised: supervised.then(|| supervised_of(losses)),
            unsupervised,
            weak,
        }),
        NetworkKind::Hourglass => StepLosses::Hourglass(HourglassLossConfig {
            weight_gradient: supervised
                .then_some(losses.supervised.weight_gradient.unwrap_or(WEIGHT_GRADIENT)),
            unsupervised,
            weak,
        }),
    }
}

fn encoder_decoder_of(network: &NetworkConfig) -> EncoderDecoderConfig {
    EncoderDecoderConfig {
        n_bins: network.bins,
        enc4_channels: network.enc4_channels,
        residual: match network.residual {
            Switch::Off => Residual::Off,
            Switch::On => Residual::On,
        },
        logits_norm: match network.logits_norm {
            Switch::Off => LogitsNorm::Plain,
            Switch::On => LogitsNorm::BatchNorm,
        },
        ..EncoderDecoderConfig::default()
    }
}

fn pose_of(config: &TrainConfig) -> PoseConfig {
    let pose = &config.pose;
    PoseConfig {
        outputs: match pose.outputs {
            PoseOutputWord::PerSource => PoseOutputs::PerSource,
            PoseOutputWord::ConstantVelocity => PoseOutputs::ConstantVelocity,
        },
        stride: pose.stride,
        object_pooling: match pose.object_pooling {
            PoolingWord::Mask => ObjectPooling::Mask,
            PoolingWord::WholeFrame => ObjectPooling::WholeFrame,
        },
        rotation_scale: pose.rotation_scale,
        translation_scale: pose.translation_scale,
    }
}

fn supervised_of(losses: &LossesConfig) -> SupervisedConfig {
    let text = &losses.supervised;
    SupervisedConfig {
        softness: match text.softness {
            SoftnessWord::Gaussian => Softness::Gaussian(text.gamma),
            SoftnessWord::Hard => Softness::Hard,
        },
        center: match text.center {
            CenterWord::Rounded => BinCenter::Rounded,
            CenterWord::Exact => BinCenter::Exact,
        },
        regression: match text.regression {
            RegressionWord::L1 => Regression::L1,
            RegressionWord::Berhu => Regression::Berhu,
            RegressionWord::Log => Regression::Log,
        },
        weight_depth: text.weight_depth,
    }
}

fn unsupervised_of(losses: &LossesConfig) -> UnsupervisedConfig {
    let text = &losses.unsupervised;
    UnsupervisedConfig {
        weight: losses.weight_u,
        weight_smooth: text.weight_smooth,
        photometric: PhotometricConfig {
            ssim_weight: text.ssim_weight,
            reprojection: match text.reprojection {
                ReprojectionWord::Minimum => Reprojection::Minimum,
                ReprojectionWord::Mean => Reprojection::Mean,
            },
            automask: match text.automask {
                Switch::Off => Automask::Off,
                Switch::On => Automask::On,
            },
        },
        object_loss: match text.object_loss {
            ObjectLossWord::Separate => ObjectLoss::Separate,
            ObjectLossWord::Composite => ObjectLoss::Composite,
        },
        object_pose: match text.object_pose {
            ObjectPoseWord::Total => ObjectPose::Total,
            ObjectPoseWord::Residual => ObjectPose::Residual,
        },
    }
}

fn weak_of(losses: &LossesConfig) -> WeakConfig {
    let text = &losses.ordinal;
    WeakConfig {
        weight: losses.weight_w,
        patch_mode: match text.patch_mode {
            PatchModeWord::Aligned => PatchMode::Aligned,
            PatchModeWord::Sorted => PatchMode::Sorted,
            PatchModeWord::AllPairs => PatchMode::AllPairs,
            PatchModeWord::Mean => PatchMode::Mean,
        },
        space: match text.space {
            SpaceWord::Depth => DepthSpace::Depth,
            SpaceWord::Log => DepthSpace::Log,
        },
        tau: text.tau,
        margin_same_m: text.margin_same_m,
        margin_different_m: text.margin_different_m,
    }
}

fn pairs_of(losses: &LossesConfig) -> PairChoice {
    PairChoice {
        kind: match losses.weak {
            WeakWord::Pixel => PairKind::Pixel,
            WeakWord::Patch => PairKind::Patch,
        },
        origins: match losses.origin {
            OriginWord::Same => vec![Origin::SameClass],
            OriginWord::Different => vec![Origin::DifferentClass],
            OriginWord::Both => vec![Origin::DifferentClass, Origin::SameClass],
            OriginWord::GroundTruth => vec![Origin::GroundTruth],
            OriginWord::Ordinal => vec![Origin::OrdinalMap],
        },
    }
}
