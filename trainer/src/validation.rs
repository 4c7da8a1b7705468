//! Floor 4: the validation of a running training: numbers to `eval/`, pictures to `pictures/`, both to TensorBoard.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use suw_shared::rgb_image::RgbImage;

use crate::depth_bins::DepthBins;
use crate::eval_loop::{
    EvalError, EvalParams, Evaluated, EvaluatedImage, Predictor, evaluate, values,
};
use crate::metrics::depth::{DepthErrors, median};
use crate::picture_file::{self, ColorRange, PictureError};
use crate::shard_list::ShardList;
use crate::steps::model::Model;
use crate::steps::render::comparison;
use crate::tensorboard::{EventFile, EventFileError, PngPicture};

/// One validation.
#[derive(Clone, Copy, Debug)]
pub struct ValidationRun<'a> {
    /// Where results go.
    pub run_dir: &'a Path,
    /// Updates made.
    pub step: u64,
    /// How it compares.
    pub params: &'a EvalParams,
    /// How many pictures.
    pub n_pictures: usize,
    /// Ends of the color scale of metric depth.
    pub bins: DepthBins,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // each carries the error of its door
pub enum ValidationError {
    #[error(transparent)]
    Eval(#[from] EvalError),
    #[error(transparent)]
    Picture(#[from] PictureError),
    #[error(transparent)]
    Events(#[from] EventFileError),
}

/// Where the result of a step lies.
pub fn result_path(run_dir: &Path, step: u64) -> PathBuf {
    run_dir.join("eval").join(format!("step-{step:08}.json"))
}

/// Evaluates the present weights on a shard set.
pub fn validate(
    model: &Model,
    shards: &ShardList,
    run: &ValidationRun,
    events: &mut EventFile,
    stop: &AtomicBool,
) -> Result<Evaluated, ValidationError> {
    let mut pictures = Vec::new();
    let result = evaluate(Predictor::Network(model), shards, run.params, stop, |image| {
        if is_shown(image, run.n_pictures) {
            let picture = if model.is_metric() {
                picture_of(image, shards, run.bins)
            } else {
                relative_picture_of(image, shards)
            };
            pictures.push((image.sample.key.to_string(), picture));
        }
        Ok(())
    })?;
    for (number, (key, picture)) in pictures.iter().enumerate() {
        let png = picture_file::png_of_rgb(picture);
        let name = format!("step-{:08}-{}.png", run.step, key.replace('/', "-"));
        picture_file::write(&run.run_dir.join("pictures").join(name), &png)?;
        let size = picture.size();
        let picture = PngPicture { height: size.height, width: size.width, png: &png };
        events.picture(run.step, &format!("validation/{number}"), picture)?;
    }
    let path = result_path(run.run_dir, run.step);
    result.file.write(&path).map_err(|source| PictureError::Write { path, source })?;
    let scalars: Vec<(String, f64)> = DepthErrors::NAMES
        .iter()
        .zip(result.file.errors().to_array())
        .map(|(name, value)| (format!("validation/{name}"), value))
        .collect();
    events.scalars(run.step, &scalars)?;
    events.flush()?;
    Ok(result)
}

/// `n` pictures, evenly spread over the evaluation.
fn is_shown(image: &EvaluatedImage, n: usize) -> bool {
    let share = |number: usize| number * n / image.n_images;
    n > 0 && (image.number == 0 || share(image.number) != share(image.number - 1))
}

/// Depth without a unit, brought to the median of what is measured; colors over what the picture holds.
fn relative_picture_of(image: &EvaluatedImage, shards: &ShardList) -> RgbImage {
    let mut depth = values(image.depth);
    let truth = image.sample.depth.as_deref().unwrap_or_default();
    let measured = || depth.iter().zip(truth).filter(|(_, truth)| **truth > 0.0);
    let predicted = median(measured().map(|(depth, _)| f64::from(*depth)).collect());
    let expected = median(measured().map(|(_, truth)| f64::from(*truth)).collect());
    let range = match (predicted, expected) {
        (Some(predicted), Some(expected)) => {
            let scale = (expected / predicted) as f32;
            depth.iter_mut().for_each(|depth| *depth *= scale);
            ColorRange::of(truth)
        }
        _ => ColorRange::of(&depth),
    };
    comparison(image.sample, &depth, shards.size(), range)
}

fn picture_of(image: &EvaluatedImage, shards: &ShardList, bins: DepthBins) -> RgbImage {
    let range = ColorRange { near_m: bins.alpha() as f32, far_m: bins.beta() as f32 };
    comparison(image.sample, &values(image.depth), shards.size(), range)
}
