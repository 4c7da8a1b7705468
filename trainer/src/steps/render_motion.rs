//! Floor 3: pictures of how L_u sees a clip: the sources warped into the target frame, the objects, and the pixels that count.

use suw_shared::image_size::ImageSize;
use suw_shared::rgb_image::RgbImage;
use tch::{Kind, Tensor};

use crate::batch::Batch;
use crate::color_map::ColorMap;
use crate::geometry::project::{Projection, project};
use crate::geometry::rotation::{compose_transforms, transform_from_vector};
use crate::geometry::warp::sample;
use crate::losses::clip::{Clip, ClipInputs, Motion};
use crate::losses::object_motion::ObjectPose;
use crate::losses::scale_invariant::scale_to_truth;
use crate::losses::total::UnsupervisedConfig;
use crate::networks::blocks::Mode;
use crate::networks::input::{normalize_images, object_frames, target_masks};
use crate::steps::model::Model;
use crate::steps::train::CameraMotion;

/// Where a warped frame has no pixel to show.
const OUTSIDE: f64 = 96.0 / 255.0;
/// Steps on the color scale from one object to the next; far apart for neighbors.
const NEXT_COLOR: f32 = 0.618_034;

/// Two pictures of one clip.
#[derive(Clone, Debug, PartialEq)]
pub struct MotionPictures {
    /// Frame t, then t-1 and t+1 as seen from it: objects moved by their own motion, all else by the camera's; gray where a
    /// source shows nothing. From top to bottom.
    pub warped: RgbImage,
    /// Frame t in gray with each object in a color of its own; below, white where L_u judges a pixel.
    pub masks: RgbImage,
}

/// The two pictures of the first clip of a batch; `None` where its camera or motion is unknown.
///
/// Networks judge by their running statistics, and nothing of them changes.
pub fn motion_pictures(
    model: &Model,
    batch: &Batch,
    camera: CameraMotion,
    config: &UnsupervisedConfig,
) -> Option<MotionPictures> {
    tch::no_grad(|| {
        let target = batch.frames.select(1, batch.target);
        let depth = depth_in_unit_of_motion(model, &target, batch);
        let vectors = predicted_camera(model, batch, camera);
        let ego = vectors.as_ref().map_or(Motion::Known(&batch.motion), Motion::Vectors);
        let inputs =
            ClipInputs { frames: &batch.frames, intrinsics: &batch.intrinsics, ego, objects: None };
        let clip = Clip::new(&inputs, &depth);
        if clip.known.select(0, 0).all().int64_value(&[]) == 0 {
            return None;
        }
        let at = places(model, batch, &clip, &depth, config.object_pose);
        let used = clip.error_map(&at, &config.photometric).valid.select(0, 0); // [H, W]
        let seen = [0, 1].map(|s: usize| {
            let shown = at[s].valid().unsqueeze(1);
            sample(&clip.sources[s], &at[s]).where_scalarother(&shown, OUTSIDE).select(0, 0)
        });
        let [before, after] = seen;
        let target = target.select(0, 0);
        Some(MotionPictures {
            warped: rgb(&Tensor::cat(&[&target, &before, &after], 1)),
            masks: rgb(&Tensor::cat(&[object_colors(&target, batch), white_where(&used)], 1)),
        })
    })
}

/// `[N, 1, H, W]`; what has a unit of its own is brought to that of the measured depth, as in the loss.
fn depth_in_unit_of_motion(model: &Model, target: &Tensor, batch: &Batch) -> Tensor {
    let depth = model.predict(target);
    if model.is_metric() {
        return depth;
    }
    let scale = scale_to_truth(&depth.log(), &batch.depth);
    depth * scale.view([-1, 1, 1, 1])
}

fn predicted_camera(model: &Model, batch: &Batch, camera: CameraMotion) -> Option<Tensor> {
    let (CameraMotion::Predicted, Some(pose), Some(encoder)) =
        (camera, &model.pose, model.depth.encoder())
    else {
        return None;
    };
    let size = batch.jittered.size();
    let inputs = normalize_images(&batch.jittered).view([size[0], 9, size[3], size[4]]);
    Some(pose.ego(encoder, &inputs, Mode::Eval))
}

/// Where the target's pixels lie in the two sources.
fn places(
    model: &Model,
    batch: &Batch,
    clip: &Clip,
    depth: &Tensor,
    pose: ObjectPose,
) -> [Projection; 2] {
    let camera = |s: i64| clip.project(depth, &clip.ego, s);
    let mut at = [camera(0), camera(1)];
    let Some((masks, motion)) = predicted_objects(model, batch, &clip.ego, pose) else { return at };
    for m in 0..motion.size()[0] {
        if batch.object_image.int64_value(&[m]) != 0 {
            continue;
        }
        let own = masks.narrow(0, m, 1);
        for (s, at) in (0i64..).zip(&mut at) {
            let moved = project(
                &depth.narrow(0, 0, 1),
                &clip.intrinsics.narrow(0, 0, 1),
                &motion.narrow(0, m, 1).select(1, s),
            );
            at.column = moved.column.where_self(&own, &at.column);
            at.row = moved.row.where_self(&own, &at.row);
            at.depth = moved.depth.where_self(&own, &at.depth);
        }
    }
    at
}

/// Pixels `[M, H, W]` and source_from_target `[M, 2, 4, 4]` of the objects.
fn predicted_objects(
    model: &Model,
    batch: &Batch,
    ego: &Tensor,
    pose: ObjectPose,
) -> Option<(Tensor, Tensor)> {
    let (Some(network), Some(encoder)) = (&model.pose, model.depth.encoder()) else { return None };
    let (image, index) = (&batch.object_image, &batch.object_index);
    let m = image.size()[0];
    let objects = batch.objects.as_ref().filter(|_| m > 0)?;
    let frames = object_frames(&batch.jittered, objects, image, index);
    let size = frames.size();
    let frames = normalize_images(&frames).view([m, 9, size[3], size[4]]);
    let masks = target_masks(objects, image, index);
    let vectors = network.object(encoder, &frames, &masks, Mode::Eval);
    let motion = transform_from_vector(&vectors);
    let motion = match pose {
        ObjectPose::Total => motion,
        ObjectPose::Residual => compose_transforms(&ego.index_select(0, image), &motion),
    };
    Some((masks, motion))
}

/// The frame in dark gray, `[3, H, W]`, each object of it in its color.
fn object_colors(target: &Tensor, batch: &Batch) -> Tensor {
    let gray = target.mean_dim([0i64].as_slice(), true, None).expand_as(target) * 0.6;
    let Some(objects) = &batch.objects else { return gray };
    let numbers = objects.select(1, batch.target).select(0, 0); // [H, W]
    let mut colored = gray;
    for index in 1..=numbers.max().int64_value(&[]) {
        let color = ColorMap::Plasma.color((index as f32 * NEXT_COLOR).fract());
        let color = color.map(|channel| f32::from(channel) / 255.0);
        let color = Tensor::from_slice(&color).view([3, 1, 1]).to_device(target.device());
        colored = color.where_self(&numbers.eq(index), &colored);
    }
    colored
}

fn white_where(used: &Tensor) -> Tensor {
    let size = used.size();
    used.to_kind(Kind::Float).unsqueeze(0).expand([3, size[0], size[1]], false)
}

/// A picture of `[3, H, W]` in [0, 1].
fn rgb(of: &Tensor) -> RgbImage {
    let size = of.size();
    let bytes = (of.clamp(0.0, 1.0) * 255.0).round().to_kind(Kind::Uint8).permute([1, 2, 0]);
    let data = Vec::<u8>::try_from(bytes.contiguous().view([-1]))
        .expect("invariant: a byte tensor gives bytes");
    let (width, height) = (size[2] as u32, size[1] as u32);
    RgbImage::new(ImageSize::new(width, height), data)
}

#[cfg(test)]
mod tests {
    use suw_shared::sample_key::SampleKey;
    use tch::Device;

    use super::*;
    use crate::depth_bins::DepthBins;
    use crate::losses::photometric::{Automask, PhotometricConfig};
    use crate::networks::depth_network::DepthConfig;
    use crate::networks::encoder_decoder::EncoderDecoderConfig;
    use crate::steps::model::ModelSpec;

    const HEIGHT: i64 = 8;
    const WIDTH: i64 = 12;

    fn model() -> Model {
        tch::set_num_threads(1);
        let network = DepthConfig::EncoderDecoder(EncoderDecoderConfig::default());
        let spec = ModelSpec { bins: DepthBins::KITTI, network, pose: None };
        Model::new(&spec, Device::Cpu)
    }

    /// Bytes that count up; no motion; object 3 on the first two pixels of the target.
    fn batch() -> Batch {
        let n = 9 * HEIGHT * WIDTH;
        let bytes = Tensor::arange(n, (Kind::Float, Device::Cpu)).remainder(251.0);
        let frames = bytes.view([1, 3, 3, HEIGHT, WIDTH]) / 255.0;
        let objects = Tensor::zeros([1, 3, HEIGHT, WIDTH], (Kind::Uint8, Device::Cpu));
        let _ = objects.narrow(1, 1, 1).narrow(2, 0, 1).narrow(3, 0, 2).fill_(3);
        let k = [9.0f32, 0.0, 5.5, 0.0, 9.0, 3.5, 0.0, 0.0, 1.0];
        Batch {
            keys: vec![SampleKey::new("a/1".to_owned()).unwrap()],
            target: 1,
            jittered: frames.copy(),
            frames,
            depth: Tensor::zeros([1, HEIGHT, WIDTH], (Kind::Float, Device::Cpu)),
            measured: Tensor::zeros([0], (Kind::Int64, Device::Cpu)),
            intrinsics: Tensor::from_slice(&k).view([1, 3, 3]),
            motion: Tensor::eye(4, (Kind::Float, Device::Cpu)).expand([1, 2, 4, 4], false),
            objects: Some(objects),
            object_image: Tensor::from_slice(&[0i64]),
            object_index: Tensor::from_slice(&[3i64]),
            pairs: Vec::new(),
        }
    }

    #[test]
    fn without_motion_the_warped_frames_are_the_stored_ones() {
        let (batch, config) = (batch(), UnsupervisedConfig::default());
        let pictures = motion_pictures(&model(), &batch, CameraMotion::Stored, &config).unwrap();
        let (height, width) = (HEIGHT as u32, WIDTH as u32);
        assert_eq!(pictures.warped.size(), ImageSize::new(width, 3 * height));
        let stored = |frame: u32, x: u32, y: u32| {
            [0, 1, 2].map(|c| (((frame * 3 + c) * height + y) * width + x) % 251)
        };
        for y in 0..height {
            for x in 0..width {
                for (row, frame) in [(0, 1), (1, 0), (2, 2)] {
                    let got = pictures.warped.pixel(row * height + y, x).map(u32::from);
                    let off = [0, 1, 2].map(|c| got[c].abs_diff(stored(frame, x, y)[c]));
                    assert!(off.iter().all(|off| *off <= 1), "{x} {y} of frame {frame}: {off:?}");
                }
                // Every pixel counts, and only the object has a color.
                assert_eq!(pictures.masks.pixel(height + y, x), [255; 3]);
                let [r, g, b] = pictures.masks.pixel(y, x);
                assert_eq!(r == g && g == b, !(y == 0 && x < 2), "{x} {y}");
            }
        }
        // 3 x 0.618034 = 1.854: the same color wherever object 3 appears.
        let expected = ColorMap::Plasma.color(0.854_102);
        assert_eq!(pictures.masks.pixel(0, 0), expected);
    }

    #[test]
    fn what_l_u_leaves_out_is_black_and_unknown_cameras_give_no_picture() {
        let automask = PhotometricConfig { automask: Automask::On, ..Default::default() };
        let config = UnsupervisedConfig { photometric: automask, ..Default::default() };
        let mut batch = batch();
        // Both sources are the target: warped errors are no less than unwarped ones.
        batch.frames = batch.frames.narrow(1, 1, 1).expand([1, 3, 3, HEIGHT, WIDTH], false).copy();
        let pictures = motion_pictures(&model(), &batch, CameraMotion::Stored, &config).unwrap();
        for y in 0..HEIGHT as u32 {
            for x in 0..WIDTH as u32 {
                assert_eq!(pictures.masks.pixel(HEIGHT as u32 + y, x), [0; 3], "{x} {y}");
            }
        }
        let _ = batch.intrinsics.fill_(f64::NAN);
        assert_eq!(motion_pictures(&model(), &batch, CameraMotion::Stored, &config), None);
    }

    #[test]
    fn a_source_that_shows_nothing_is_gray() {
        let mut batch = batch();
        // The camera turned around: all points lie behind it.
        let around =
            [-1.0f32, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        let around = Tensor::from_slice(&around).view([4, 4]);
        let still = Tensor::eye(4, (Kind::Float, Device::Cpu));
        batch.motion = Tensor::stack(&[around, still], 0).unsqueeze(0);
        let config = UnsupervisedConfig::default();
        let pictures = motion_pictures(&model(), &batch, CameraMotion::Stored, &config).unwrap();
        assert_eq!(pictures.warped.pixel(HEIGHT as u32 + 3, 5), [96; 3]);
        assert_eq!(pictures.masks.pixel(HEIGHT as u32 + 3, 5), [255; 3]);
    }
}
