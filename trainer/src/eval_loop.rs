//! Floor 4: one shard set to one table of numbers.

use std::sync::atomic::{AtomicBool, Ordering};

use suw_shared::depth_source::DepthSource;
use suw_shared::image_size::ImageSize;
use suw_shared::sample::Sample;
use suw_shared::shard::ShardError;
use tch::{Device, Kind, Tensor};

use crate::eval_file::{EvalFile, EvalHeader};
use crate::metrics::depth::{DepthErrors, DepthProtocol, counted_pixels, image_errors};
use crate::metrics::mean::MeanErrors;
use crate::metrics::relative::RelativeErrors;
use crate::shard_list::ShardList;
use crate::steps::evaluate::{TruthKind, add_orders, compared_pixels, target_frame, to_native};
use crate::steps::model::Model;

/// Where predictions come from.
#[derive(Clone, Copy, Debug)]
pub enum Predictor<'a> {
    /// A network.
    Network(&'a Model),
    /// The same depth everywhere, metres: the baseline every network must beat.
    Constant(f64),
}

/// How an evaluation runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EvalParams {
    /// What decides which numbers can be compared.
    pub protocol: DepthProtocol,
    /// Images at most, evenly spread over the set; 0 = all.
    pub n_images_max: usize,
    /// Images that go through the network together.
    pub batch: usize,
    /// Point pairs drawn per image for errors of order; 0 = no errors without a unit at all.
    pub n_point_pairs: usize,
}

/// One predicted image.
#[derive(Debug)]
pub struct EvaluatedImage<'a> {
    /// Its number in the evaluation, from 0.
    pub number: usize,
    /// How many there will be.
    pub n_images: usize,
    /// Where it comes from.
    pub sample: &'a Sample,
    /// `[H, W]` at network size, metres, CPU.
    pub depth: &'a Tensor,
    /// Its errors; `None` where no pixel counts.
    pub errors: Option<DepthErrors>,
    /// Pixels that count.
    pub n_pixels: usize,
}

/// The result.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated {
    /// Errors and header.
    pub file: EvalFile,
    /// Images without pixels to compare.
    pub n_left_out: u64,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// A sample cannot be read.
    #[error(transparent)]
    Shard(#[from] ShardError),
    /// The set has neither ground truth nor depth, or sets differ in it.
    #[error("cannot evaluate: expected ground truth of one kind in every shard set, got {got}")]
    Truth {
        /// What was found.
        got: String,
    },
    /// The network cannot take pictures of this size.
    #[error(
        "cannot evaluate shards of {size}: expected a width and a height in multiples of {multiple}, as this network needs them"
    )]
    Size {
        /// Network size of the shards.
        size: ImageSize,
        /// What the network can halve.
        multiple: u32,
    },
    /// No image had a pixel to compare.
    #[error(
        "cannot evaluate: none of {n_images} images has ground truth inside crop {crop:?} between 0.001 m and {cap_m} m"
    )]
    NoPixels {
        /// Images looked at.
        n_images: usize,
        /// The crop.
        crop: &'static str,
        /// The cap.
        cap_m: f64,
    },
    /// The caller asked for a stop.
    #[error("stopped after {n_done} of {n_images} images")]
    Stopped {
        /// Images done.
        n_done: usize,
        /// Images there are.
        n_images: usize,
    },
    /// The receiver of an image failed.
    #[error("cannot store a prediction: {0}")]
    Store(String),
}

/// Evaluates; `on_image` sees every prediction, in the order of the set.
pub fn evaluate(
    predictor: Predictor,
    shards: &ShardList,
    params: &EvalParams,
    stop: &AtomicBool,
    mut on_image: impl FnMut(&EvaluatedImage) -> Result<(), String>,
) -> Result<Evaluated, EvalError> {
    let (kind, source) = truth_of(shards)?;
    let numbers = spread(shards.len(), params.n_images_max);
    let (n_images, size) = (numbers.len(), shards.size());
    if let Predictor::Network(&Model { multiple, .. }) = predictor
        && !(size.width.is_multiple_of(multiple) && size.height.is_multiple_of(multiple))
    {
        return Err(EvalError::Size { size, multiple });
    }
    let mut mean = MeanErrors::default();
    let mut relative = (params.n_point_pairs > 0).then(RelativeErrors::default);
    let mut number = 0;
    for chunk in numbers.chunks(params.batch.max(1)) {
        if stop.load(Ordering::Relaxed) {
            return Err(EvalError::Stopped { n_done: number, n_images });
        }
        let samples: Vec<Sample> =
            chunk.iter().map(|&index| shards.read(index)).collect::<Result<_, _>>()?;
        let frames: Vec<Tensor> = samples.iter().map(|sample| target_frame(sample, size)).collect();
        let depths = predict(predictor, &Tensor::stack(&frames, 0)); // [N, H, W]
        for (at, sample) in samples.iter().enumerate() {
            let depth = depths.select(0, at as i64);
            let compared = match kind {
                TruthKind::Native => to_native(&depth, sample.native_window),
                TruthKind::Network => depth.shallow_clone(),
            };
            let pixels = compared_pixels(sample, &values(&compared), size, kind);
            let errors = image_errors(&pixels, sample.native_size, &params.protocol);
            mean.add(errors);
            let counted = counted_pixels(&pixels, sample.native_size, &params.protocol);
            if let Some(relative) = &mut relative {
                relative.add_image(&counted);
                add_orders(relative, sample, &values(&depth), size, params.n_point_pairs);
            }
            let n_pixels = counted.len();
            on_image(&EvaluatedImage { number, n_images, sample, depth: &depth, errors, n_pixels })
                .map_err(EvalError::Store)?;
            number += 1;
        }
    }
    let protocol = params.protocol;
    let Some(errors) = mean.mean() else {
        let (crop, cap_m) = (protocol.crop.name(), protocol.cap_m);
        return Err(EvalError::NoPixels { n_images, crop, cap_m });
    };
    let place = match kind {
        TruthKind::Native => "native size".to_owned(),
        TruthKind::Network => format!("network size {size}"),
    };
    let header = EvalHeader {
        ground_truth: format!("{source}, {place}"),
        crop: protocol.crop.name().to_owned(),
        cap: protocol.cap_m,
        scaling: protocol.scaling.name().to_owned(),
        images: mean.n_images(),
    };
    let file = EvalFile::new(errors, header).with_relative(relative.as_ref());
    Ok(Evaluated { file, n_left_out: mean.n_left_out() })
}

/// The values of a map, row by row.
pub fn values(map: &Tensor) -> Vec<f32> {
    Vec::try_from(map.flatten(0, -1)).expect("invariant: a depth map is float32 on the CPU")
}

fn predict(predictor: Predictor, images: &Tensor) -> Tensor {
    match predictor {
        Predictor::Network(model) => {
            model.predict(&images.to_device(model.device())).squeeze_dim(1).to_device(Device::Cpu)
        }
        Predictor::Constant(depth_m) => {
            let size = images.size();
            Tensor::full([size[0], size[2], size[3]], depth_m, (Kind::Float, Device::Cpu))
        }
    }
}

/// The ground truth that every set has.
fn truth_of(shards: &ShardList) -> Result<(TruthKind, DepthSource), EvalError> {
    let found: Vec<(TruthKind, DepthSource)> = shards
        .headers()
        .map(|header| match header.gt_source {
            DepthSource::None => (TruthKind::Network, header.depth_source),
            source => (TruthKind::Native, source),
        })
        .collect();
    let first = found[0];
    if found.iter().any(|other| *other != first) {
        let got = found.iter().map(|(_, source)| source.to_string()).collect::<Vec<_>>();
        return Err(EvalError::Truth { got: got.join(", ") });
    }
    match first.1 {
        DepthSource::None => Err(EvalError::Truth { got: "none".to_owned() }),
        _ => Ok(first),
    }
}

/// `n_max` numbers below `n`, evenly spread; all of them for 0.
fn spread(n: usize, n_max: usize) -> Vec<usize> {
    let count = if n_max == 0 { n } else { n_max.min(n) };
    (0..count).map(|i| i * n / count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_set_is_spread_evenly() {
        assert_eq!(spread(5, 0), [0, 1, 2, 3, 4]);
        assert_eq!(spread(10, 4), [0, 2, 5, 7]);
        assert_eq!(spread(3, 9), [0, 1, 2]);
    }
}
