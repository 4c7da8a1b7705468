//! Floor 4: pictures of L_u during a run: for evenly spread clips, to `pictures/` and to TensorBoard.

use suw_shared::rgb_image::RgbImage;
use suw_shared::seed::Seed;
use tch::Device;

use crate::augment::AugmentParams;
use crate::batch::collate;
use crate::example::{ExampleParams, Frames, example_from_sample};
use crate::losses::total::UnsupervisedConfig;
use crate::picture_file::{self, PictureError};
use crate::shard_list::ShardList;
use crate::steps::model::Model;
use crate::steps::render_motion::motion_pictures;
use crate::steps::train::CameraMotion;
use crate::tensorboard::{EventFile, PngPicture};
use crate::validation::{ValidationError, ValidationRun};

/// What L_u is made of in this run.
#[derive(Clone, Copy, Debug)]
pub struct MotionRun<'a> {
    /// The losses.
    pub losses: &'a UnsupervisedConfig,
    /// Where camera motion comes from.
    pub camera: CameraMotion,
    /// Objects per image at most.
    pub n_objects_max: usize,
    /// Where the networks are.
    pub device: Device,
}

/// Draws as many clips as the validation draws pictures; those without a known camera are left out.
pub fn draw_motion(
    model: &Model,
    shards: &ShardList,
    run: &ValidationRun,
    motion: &MotionRun,
    events: &mut EventFile,
) -> Result<(), ValidationError> {
    let params = ExampleParams {
        frames: Frames::Clip,
        augment: AugmentParams::OFF,
        pairs: None,
        n_objects_max: motion.n_objects_max,
    };
    let n = run.n_pictures.min(shards.len());
    for number in 0..n {
        let sample =
            shards.read(number * shards.len() / n).map_err(crate::eval_loop::EvalError::from)?;
        // Nothing is drawn at random, whatever the seed.
        let example = example_from_sample(&sample, shards.size(), &params, Seed(0));
        let batch = collate(vec![example], Frames::Clip).to_device(motion.device);
        let Some(pictures) = motion_pictures(model, &batch, motion.camera, motion.losses) else {
            continue;
        };
        for (what, picture) in [("warped", &pictures.warped), ("masks", &pictures.masks)] {
            let key = sample.key.to_string().replace('/', "-");
            let name = format!("step-{:08}-{key}-{what}.png", run.step);
            write(picture, run, &name, &format!("{what}/{number}"), events)?;
        }
    }
    events.flush()?;
    Ok(())
}

fn write(
    picture: &RgbImage,
    run: &ValidationRun,
    name: &str,
    tag: &str,
    events: &mut EventFile,
) -> Result<(), ValidationError> {
    let png = picture_file::png_of_rgb(picture);
    let written: Result<(), PictureError> =
        picture_file::write(&run.run_dir.join("pictures").join(name), &png);
    written?;
    let size = picture.size();
    let picture = PngPicture { height: size.height, width: size.width, png: &png };
    events.picture(run.step, tag, picture)?;
    Ok(())
}
