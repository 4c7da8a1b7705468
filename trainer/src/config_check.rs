//! Floor 5: what a configuration must keep before anything starts: ranges of numbers, and data that fits the losses.

use suw_shared::exit::Failure;
use suw_shared::image_size::ImageSize;

use crate::config::{LearningKind, MotionSource, NetworkKind, OriginWord, TrainConfig};
use crate::networks::depth_network::DepthConfig;
use crate::plan::{QUEUE_MAX, READERS_MAX};
use crate::shard_list::ShardList;
use crate::train_loop::TrainData;

/// A value that cannot be used.
pub(crate) fn wrong(key: &str, expected: &str, got: &str) -> Failure {
    Failure::usage(format!("cannot use {key}: expected {expected}, got {got}"))
}

/// The three numbers that must fit together.
pub(crate) fn bins_text(config: &TrainConfig) -> String {
    let network = &config.network;
    format!("{}, {}, {}", network.alpha, network.beta, network.bins)
}

/// Whether a kind of learning is on.
pub(crate) fn uses(config: &TrainConfig, kind: LearningKind) -> bool {
    config.losses.kinds.contains(&kind)
}

/// Every number that has a range of its own.
pub(crate) fn check_values(config: &TrainConfig) -> Result<(), Failure> {
    let (train, augment, losses) = (&config.train, &config.augment, &config.losses);
    let fractions = [
        ("augment.flip", augment.flip),
        ("augment.brightness", augment.brightness),
        ("augment.contrast", augment.contrast),
        ("augment.saturation", augment.saturation),
        ("augment.hue", augment.hue),
        ("losses.unsupervised.ssim_weight", losses.unsupervised.ssim_weight),
    ];
    for (key, value) in fractions {
        if !(0.0..=1.0).contains(&value) {
            return Err(wrong(key, "0 to 1", &value.to_string()));
        }
    }
    let not_negative = [
        ("losses.weight_u", losses.weight_u),
        ("losses.weight_w", losses.weight_w),
        ("losses.supervised.weight_depth", losses.supervised.weight_depth),
        ("losses.unsupervised.weight_smooth", losses.unsupervised.weight_smooth),
        ("train.weight_decay", train.weight_decay),
        ("train.clip_norm", train.clip_norm),
    ];
    for (key, value) in not_negative {
        if !(value.is_finite() && value >= 0.0) {
            return Err(wrong(key, "a number from 0", &value.to_string()));
        }
    }
    let positive = [
        ("train.lr", train.lr),
        ("train.lr_factor", train.lr_factor),
        ("losses.supervised.gamma", losses.supervised.gamma),
        ("losses.ordinal.tau", losses.ordinal.tau),
        ("pose.rotation_scale", config.pose.rotation_scale),
        ("pose.translation_scale", config.pose.translation_scale),
        ("validation.cap", config.validation.cap),
    ];
    for (key, value) in positive {
        if !(value.is_finite() && value > 0.0) {
            return Err(wrong(key, "a number above 0", &value.to_string()));
        }
    }
    for (key, value) in [("train.beta1", train.beta1), ("train.beta2", train.beta2)] {
        if !(0.0..1.0).contains(&value) {
            return Err(wrong(key, "0 to below 1", &value.to_string()));
        }
    }
    let counts = [
        ("train.batch", train.batch, 4096),
        ("data.readers", config.data.readers, READERS_MAX),
        ("data.queue", config.data.queue, QUEUE_MAX),
        ("run.log_every", usize::try_from(config.run.log_every).unwrap_or(usize::MAX), usize::MAX),
        ("train.lr_drop_epochs", train.lr_drop_epochs as usize, usize::MAX),
        ("train.epochs", train.epochs as usize, usize::MAX),
    ];
    for (key, value, most) in counts {
        if value == 0 || value > most {
            let expected =
                if most == usize::MAX { "at least 1".to_owned() } else { format!("1 to {most}") };
            return Err(wrong(key, &expected, &value.to_string()));
        }
    }
    if !matches!(config.pose.stride, 1 | 2) {
        return Err(wrong("pose.stride", "1 or 2", &config.pose.stride.to_string()));
    }
    if config.network.enc4_channels < 1 {
        return Err(wrong(
            "network.enc4_channels",
            "at least 1",
            &config.network.enc4_channels.to_string(),
        ));
    }
    if losses.kinds.is_empty() {
        return Err(wrong("losses.use", "any of \"S\", \"U\", \"W\"", "none"));
    }
    check_hourglass(config)?;
    check_ratio(config)
}

/// What the hourglass cannot do, and its own numbers.
fn check_hourglass(config: &TrainConfig) -> Result<(), Failure> {
    let weight = config.losses.supervised.weight_gradient.unwrap_or(0.0);
    if !(weight.is_finite() && weight >= 0.0) {
        let (key, got) = ("losses.supervised.weight_gradient", weight.to_string());
        return Err(wrong(key, "a number from 0", &got));
    }
    let kernel = config.network.hourglass.as_ref().map_or(7, |hourglass| hourglass.stem_kernel);
    if !matches!(kernel, 3 | 7) {
        return Err(wrong("network.hourglass.stem_kernel", "7 or 3", &kernel.to_string()));
    }
    let is_hourglass = config.network.kind == NetworkKind::Hourglass;
    let predicts = config.pose.camera == MotionSource::Network;
    if is_hourglass && predicts && uses(config, LearningKind::U) {
        let expected =
            "\"shards\" with the hourglass, which has no encoder for a pose network to share";
        return Err(wrong("pose.camera", expected, "\"network\""));
    }
    Ok(())
}

fn check_ratio(config: &TrainConfig) -> Result<(), Failure> {
    let Some(ratio) = &config.data.ratio else { return Ok(()) };
    let n_sets = config.data.train.len();
    if ratio.len() != n_sets {
        let (expected, got) = (format!("{n_sets} numbers, one per training set"), ratio.len());
        return Err(wrong("data.ratio", &expected, &got.to_string()));
    }
    match ratio.iter().find(|value| !(0.0..=1000.0).contains(*value)) {
        Some(value) => Err(wrong("data.ratio", "numbers from 0 to 1000", &value.to_string())),
        None => Ok(()),
    }
}

/// The size of the random crop.
pub(crate) fn crop_of(
    config: &TrainConfig,
    network: &DepthConfig,
) -> Result<Option<ImageSize>, Failure> {
    let Some(text) = &config.augment.crop else { return Ok(None) };
    let crop: ImageSize = text.parse().map_err(Failure::usage)?;
    check_size("augment.crop", "multiples", crop, network)?;
    Ok(Some(crop))
}

fn check_size(
    key: &str,
    what: &str,
    size: ImageSize,
    network: &DepthConfig,
) -> Result<(), Failure> {
    let multiple = network.multiple();
    if size.width.is_multiple_of(multiple) && size.height.is_multiple_of(multiple) {
        return Ok(());
    }
    Err(wrong(key, &format!("{what} of {multiple}"), &size.to_string()))
}

/// Whether the shards hold what the losses need.
pub(crate) fn check_data(
    config: &TrainConfig,
    data: &TrainData,
    crop: Option<ImageSize>,
    network: &DepthConfig,
) -> Result<(), Failure> {
    let size = data.train.size();
    let what = "a network size in multiples";
    check_size("data.train", what, size, network)?;
    if let Some(validation) = &data.validation {
        check_size("data.validation", what, validation.size(), network)?;
    }
    check_shown(config, &data.train)?;
    if let Some(crop) = crop.filter(|crop| crop.width > size.width || crop.height > size.height) {
        return Err(wrong("augment.crop", &format!("at most {size}"), &crop.to_string()));
    }
    let any = |has: fn(&suw_shared::shard::ShardHeader) -> bool| data.train.headers().any(has);
    let needs = [
        (LearningKind::S, "S needs depth", any(|h| h.contents.depth)),
        (LearningKind::U, "U needs clips of 3 frames", any(|h| h.frames == 3)),
        (LearningKind::U, "U needs intrinsics", any(|h| h.contents.intrinsics)),
        (LearningKind::W, "W needs pairs", any(|h| h.contents.pairs)),
    ];
    for (kind, need, there) in needs {
        if uses(config, kind) && !there {
            let message =
                format!("cannot use losses.use: {need}; expected them in data.train, got none");
            return Err(Failure::usage(message));
        }
    }
    let stored = config.pose.camera == MotionSource::Shards && uses(config, LearningKind::U);
    if stored && !any(|h| h.contents.pose) {
        return Err(wrong("pose.camera", "poses in data.train", "none"));
    }
    let ordinal = config.losses.origin == OriginWord::Ordinal && uses(config, LearningKind::W);
    if ordinal && !any(|h| h.contents.pairs && h.contents.ordinal) {
        return Err(wrong("losses.origin", "ordinal maps in data.train", "none"));
    }
    if stored && config.network.kind == NetworkKind::Hourglass && !any(|h| h.contents.depth) {
        // The scale of its depth comes from what is measured.
        return Err(wrong("losses.use", "depth in data.train for U of the hourglass", "none"));
    }
    Ok(())
}

/// An epoch must show something.
fn check_shown(config: &TrainConfig, train: &ShardList) -> Result<(), Failure> {
    let Some(ratio) = &config.data.ratio else { return Ok(()) };
    let shown: f64 = train.lens().zip(ratio).map(|(n, ratio)| (n as f64 * ratio).round()).sum();
    if shown < 1.0 {
        return Err(wrong("data.ratio", "at least one sample per epoch", "none"));
    }
    Ok(())
}
