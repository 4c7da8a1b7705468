//! The unsupervised terms and the totals on a scene whose answers are known: a textured wall 5 m away, f = 10 px, and a
//! camera that steps 1 m sideways between frames, so that the picture moves by 2 px.

use tch::{Device, Kind, Tensor};

use super::clip::{Clip, ClipInputs, Motion, ObjectInputs};
use super::ego_motion::ego_loss;
use super::hourglass::{HourglassInputs, HourglassLossConfig, hourglass_losses};
use super::object_motion::{ObjectLoss, ObjectPose, composite_loss, object_loss};
use super::ordinal::{DrawnPair, WeakConfig};
use super::photometric::{Automask, PhotometricConfig, Reprojection};
use super::supervised::SupervisedConfig;
use super::total::{LossConfig, LossInputs, UnsupervisedConfig, encoder_decoder_losses};
use crate::depth_bins::DepthBins;
use crate::geometry::rotation::transform_from_vector;

const HEIGHT: i64 = 12;
const WIDTH: i64 = 24;
const STEP: [f64; 6] = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0];
const BACK: [f64; 6] = [-1.0, 0.0, 0.0, 0.0, 0.0, 0.0];
const STILL: [f64; 6] = [0.0; 6];

struct Scene {
    frames: Tensor,
    intrinsics: Tensor,
    depth: Tensor,
    motion: Tensor,
}

/// `n` images; source pictures show the wall where the step puts it.
fn scene(n: i64) -> Scene {
    tch::set_num_threads(1);
    // Frame t-1 is seen from 1 m on the other side.
    let frames: Vec<Tensor> = [-2.0, 0.0, 2.0].map(wall).into();
    let frames = Tensor::stack(&frames, 0).unsqueeze(0).expand([n, 3, 3, HEIGHT, WIDTH], false);
    let camera = Tensor::from_slice(&[10.0, 0.0, 11.5, 0.0, 10.0, 5.5, 0.0, 0.0, 1.0f64]);
    Scene {
        frames: frames.contiguous(),
        intrinsics: camera.view([1, 3, 3]).expand([n, 3, 3], false).contiguous(),
        depth: Tensor::full([n, 1, HEIGHT, WIDTH], 5.0, (Kind::Double, Device::Cpu)),
        motion: vectors(&vec![[BACK, STEP]; n as usize]),
    }
}

/// The wall with its texture moved to the right: `[3, H, W]` in [0, 1].
fn wall(shift: f64) -> Tensor {
    let options = (Kind::Double, Device::Cpu);
    let x = Tensor::arange(WIDTH, options).view([1, 1, WIDTH]) - shift;
    let y = Tensor::arange(HEIGHT, options).view([1, HEIGHT, 1]);
    let color = Tensor::arange(3, options).view([3, 1, 1]);
    ((x * (&color * 0.3 + 0.9)).sin() * 0.3 + (y * 0.7 + color).cos() * 0.2) + 0.5
}

fn vectors(of: &[[[f64; 6]; 2]]) -> Tensor {
    Tensor::from_slice(&of.concat().concat()).view([-1, 2, 6])
}

impl Scene {
    fn inputs<'a>(&'a self, objects: Option<ObjectInputs<'a>>) -> ClipInputs<'a> {
        ClipInputs {
            frames: &self.frames,
            intrinsics: &self.intrinsics,
            ego: Motion::Vectors(&self.motion),
            objects,
        }
    }

    fn clip(&self) -> Clip {
        Clip::new(&self.inputs(None), &self.depth)
    }
}

/// Objects on a row of images: mask numbers, image of each, number of each, motion of each.
struct Objects {
    masks: Tensor,
    image: Tensor,
    index: Tensor,
    motion: Tensor,
}

impl Objects {
    /// Object 1 covers columns 4 to 9 of rows 2 to 7, object 2 columns 14 to 15 of rows 4 to 9, in every image.
    fn new(n: i64, of: &[(i64, i64, [[f64; 6]; 2])]) -> Self {
        let masks = Tensor::zeros([n, HEIGHT, WIDTH], (Kind::Uint8, Device::Cpu));
        let _ = masks.narrow(1, 2, 6).narrow(2, 4, 6).fill_(1);
        let _ = masks.narrow(1, 4, 6).narrow(2, 14, 2).fill_(2);
        let motion: Vec<_> = of.iter().map(|o| o.2).collect();
        Self {
            masks,
            image: Tensor::from_slice(&of.iter().map(|o| o.0).collect::<Vec<_>>()),
            index: Tensor::from_slice(&of.iter().map(|o| o.1).collect::<Vec<_>>()),
            motion: vectors(&motion),
        }
    }

    fn inputs(&self) -> ObjectInputs<'_> {
        ObjectInputs {
            masks: &self.masks,
            image: &self.image,
            index: &self.index,
            motion: &self.motion,
        }
    }
}

#[track_caller]
fn check_close(got: f64, expected: f64) {
    assert!((got - expected).abs() < 1e-9, "{got} is not {expected}");
}

#[test]
fn the_true_motion_explains_every_pixel_by_one_source_or_the_other() {
    let scene = scene(1);
    let clip = scene.clip();
    let term = ego_loss(&clip, &scene.depth, None, &PhotometricConfig::default());
    check_close(term.value_f64(), 0.0);
    assert_eq!(term.count(), HEIGHT * WIDTH);
    // The mean also sees the source into whose border a window reaches.
    let mean = PhotometricConfig { reprojection: Reprojection::Mean, ..Default::default() };
    assert!(ego_loss(&clip, &scene.depth, None, &mean).value_f64() > 1e-3);
    // Half the depth moves the picture twice as far.
    let wrong = ego_loss(&clip, &(&scene.depth * 0.5), None, &PhotometricConfig::default());
    assert!(wrong.value_f64() > 0.05);
}

#[test]
fn pixels_of_objects_are_left_to_them() {
    let scene = scene(1);
    let objects = Objects::new(1, &[(0, 1, [STILL; 2]), (0, 2, [STILL; 2])]);
    let term =
        ego_loss(&scene.clip(), &scene.depth, Some(&objects.masks), &PhotometricConfig::default());
    assert_eq!(term.count(), HEIGHT * WIDTH - 36 - 12);
}

#[test]
fn what_stands_still_is_masked_on_request() {
    let moving = scene(1);
    let mut scene = scene(1);
    scene.motion = vectors(&[[STILL; 2]]);
    let same = scene.frames.select(1, 1).unsqueeze(1).expand([1, 3, 3, HEIGHT, WIDTH], false);
    scene.frames = same.contiguous();
    let config = PhotometricConfig { automask: Automask::On, ..Default::default() };
    // Warped and unwarped errors are equal: not strictly less.
    assert!(ego_loss(&scene.clip(), &scene.depth, None, &config).is_empty());
    let kept = ego_loss(&moving.clip(), &moving.depth, None, &config).count();
    assert!(kept > HEIGHT * WIDTH * 9 / 10, "{kept}");
}

#[test]
fn objects_count_alike_in_an_image_and_images_alike_in_a_batch() {
    let scene = scene(2);
    let config = PhotometricConfig::default();
    let (right, wrong) = ([BACK, STEP], [STILL; 2]);
    let loss = |of: &[(i64, i64, [[f64; 6]; 2])]| {
        let objects = Objects::new(2, of);
        let inputs = objects.inputs();
        object_loss(&scene.clip(), &scene.depth, &inputs, ObjectPose::Total, &config)
    };
    let (first, second) = (loss(&[(0, 1, wrong)]), loss(&[(0, 2, wrong)]));
    assert_eq!((first.count(), second.count()), (36, 12));
    let (first, second) = (first.value_f64(), second.value_f64());
    assert!(first > 0.05 && second > 0.05);
    check_close(loss(&[(0, 1, right)]).value_f64(), 0.0);
    // Image 0: object 1 right, object 2 wrong; image 1: object 1 wrong.
    let all = loss(&[(0, 1, right), (0, 2, wrong), (1, 1, wrong)]);
    check_close(all.value_f64(), (second / 2.0 + first) / 2.0);
    assert_eq!(all.count(), 36 + 12 + 36);
    assert!(loss(&[]).is_empty());
}

#[test]
fn a_residual_motion_comes_before_the_cameras() {
    let scene = scene(1);
    let config = PhotometricConfig::default();
    let loss = |motion, pose| {
        let objects = Objects::new(1, &[(0, 1, motion)]);
        object_loss(&scene.clip(), &scene.depth, &objects.inputs(), pose, &config).value_f64()
    };
    // No motion of its own: the camera's alone.
    check_close(loss([STILL; 2], ObjectPose::Residual), 0.0);
    // With the camera's motion on top of the same it goes twice as far.
    let twice = [BACK.map(|v| 2.0 * v), STEP.map(|v| 2.0 * v)];
    check_close(loss([BACK, STEP], ObjectPose::Residual), loss(twice, ObjectPose::Total));
}

#[test]
fn a_composite_moves_each_pixel_with_what_it_belongs_to() {
    let scene = scene(1);
    let config = PhotometricConfig::default();
    let loss = |of: &[(i64, i64, [[f64; 6]; 2])]| {
        let objects = Objects::new(1, of);
        composite_loss(&scene.clip(), &scene.depth, &objects.inputs(), ObjectPose::Total, &config)
    };
    let whole = HEIGHT * WIDTH;
    // All move with the camera: the same as without objects, and every pixel counts.
    let same = loss(&[(0, 1, [BACK, STEP]), (0, 2, [BACK, STEP])]);
    check_close(same.value_f64(), 0.0);
    assert_eq!(same.count(), whole);
    check_close(loss(&[]).value_f64(), 0.0);
    // One that stands still is wrong inside and, through the windows, one pixel around.
    let wrong = loss(&[(0, 1, [STILL; 2])]).value_f64();
    let largest = 8.0 * 8.0 / whole as f64;
    assert!(wrong > 0.01 && wrong < largest, "{wrong}");
}

#[test]
fn unknown_cameras_and_motions_are_left_out() {
    let scene = scene(3);
    let _ = scene.intrinsics.narrow(0, 0, 1).fill_(f64::NAN);
    let known = transform_from_vector(&scene.motion);
    let _ = known.narrow(0, 1, 1).narrow(1, 0, 1).fill_(f64::NAN);
    let depth = (&scene.depth * 1.1).set_requires_grad(true);
    let inputs = ClipInputs { ego: Motion::Known(&known), ..scene.inputs(None) };
    let clip = Clip::new(&inputs, &depth);
    assert_eq!(Vec::<bool>::try_from(clip.images()).unwrap(), [false, true, true]);
    let term = ego_loss(&clip, &depth, None, &PhotometricConfig::default());
    assert!(term.count() > HEIGHT * WIDTH && term.count() < 2 * HEIGHT * WIDTH);
    term.value.backward();
    let gradient = depth.grad();
    assert_eq!(gradient.isfinite().all().int64_value(&[]), 1);
    assert_eq!(gradient.select(0, 0).abs().max().double_value(&[]), 0.0);
    assert!(gradient.select(0, 1).abs().max().double_value(&[]) > 0.0);
}

#[test]
fn a_networks_motion_that_is_not_finite_spoils_its_own_term() {
    let scene = scene(2);
    let config = PhotometricConfig::default();
    let objects = Objects::new(2, &[(0, 1, [BACK, STEP]), (1, 2, [BACK, STEP])]);
    let ego = || ego_loss(&scene.clip(), &scene.depth, None, &config).value_f64();
    let object = || {
        let (clip, inputs) = (scene.clip(), objects.inputs());
        object_loss(&clip, &scene.depth, &inputs, ObjectPose::Total, &config).value_f64()
    };
    let composite = || {
        let (clip, inputs) = (scene.clip(), objects.inputs());
        composite_loss(&clip, &scene.depth, &inputs, ObjectPose::Total, &config).value_f64()
    };
    let finite = || [ego(), object(), composite()].map(f64::is_finite);
    assert_eq!(finite(), [true; 3]);
    // One number of one image, or of one object.
    for value in [f64::NAN, f64::INFINITY] {
        let _ = objects.motion.narrow(0, 1, 1).narrow(2, 5, 1).fill_(value);
        assert_eq!(finite(), [true, false, false]);
        let _ = objects.motion.narrow(0, 1, 1).narrow(2, 5, 1).fill_(0.0);
        let _ = scene.motion.narrow(0, 1, 1).narrow(2, 5, 1).fill_(value);
        assert_eq!(finite(), [false, true, false]);
        let _ = scene.motion.narrow(0, 1, 1).narrow(2, 5, 1).fill_(0.0);
    }
}

/// Logits that vary over the picture, and everything else a batch of two needs.
struct Batch {
    scene: Scene,
    objects: Objects,
    logits: Tensor,
    gt: Tensor,
    pairs: Vec<DrawnPair>,
}

fn batch() -> Batch {
    let options = (Kind::Double, Device::Cpu);
    let logits = Tensor::linspace(0.0, 40.0, 2 * 8 * 3 * 6, options).sin().view([2, 8, 3, 6]);
    let gt = Tensor::zeros([2, HEIGHT, WIDTH], options);
    let _ = gt.narrow(1, 3, 2).narrow(2, 5, 9).fill_(7.0);
    let origin = suw_shared::pair::Origin::DifferentClass;
    let pair = DrawnPair { image: 1, far_y: 2, far_x: 3, near_y: 9, near_x: 4, size: 3, origin };
    Batch {
        scene: scene(2),
        objects: Objects::new(2, &[(0, 1, [BACK, STEP]), (1, 2, [STILL, STEP])]),
        logits,
        gt,
        pairs: vec![pair],
    }
}

fn config() -> LossConfig {
    let bins = DepthBins::new(1.0, 83.0, 8).unwrap();
    LossConfig { bins, ..LossConfig::default() }
}

#[test]
fn the_total_is_the_weighted_sum_of_what_is_on() {
    let batch = batch();
    let report = |config: &LossConfig| {
        let inputs = LossInputs {
            logits: &batch.logits,
            gt: Some(&batch.gt),
            measured: None,
            clip: Some(batch.scene.inputs(Some(batch.objects.inputs()))),
            pairs: &batch.pairs,
        };
        encoder_decoder_losses(&inputs, config)
    };
    let supervised = SupervisedConfig { weight_depth: 0.3, ..Default::default() };
    let unsupervised = UnsupervisedConfig { weight: 0.7, weight_smooth: 0.2, ..Default::default() };
    let weak = WeakConfig { weight: 0.4, ..Default::default() };
    let all = LossConfig {
        supervised: Some(supervised),
        unsupervised: Some(unsupervised),
        weak: Some(weak),
        ..config()
    };
    let r = report(&all);
    let v = |name: &str| r.terms().into_iter().find(|t| t.0 == name).unwrap().1.value_f64();
    check_close(v("s"), v("cls") + 0.3 * v("depth"));
    check_close(v("u"), v("ego") + v("obj") + 0.2 * v("smooth"));
    check_close(r.total.double_value(&[]), v("s") + 0.7 * v("u") + 0.4 * v("w"));
    assert!(r.terms().iter().all(|(_, term)| term.count() > 0 && term.value_f64() > 0.0));
    assert_eq!(r.supervised.count(), 36);

    let alone = report(&LossConfig { unsupervised: None, weak: None, ..all });
    check_close(alone.total.double_value(&[]), v("s"));
    assert!(alone.unsupervised.is_empty() && alone.weak.is_empty());
    let weak = report(&LossConfig { supervised: None, unsupervised: None, ..all });
    check_close(weak.total.double_value(&[]), 0.4 * v("w"));
}

#[test]
fn terms_without_labels_contribute_nothing_and_say_so() {
    let batch = batch();
    let logits = batch.logits.copy().set_requires_grad(true);
    let nothing = batch.gt.zeros_like();
    let inputs =
        LossInputs { logits: &logits, gt: Some(&nothing), measured: None, clip: None, pairs: &[] };
    let report = encoder_decoder_losses(&inputs, &config());
    assert!(report.terms().iter().all(|(_, term)| term.is_empty() && term.value_f64() == 0.0));
    report.total.backward();
    assert_eq!(logits.grad().abs().max().double_value(&[]), 0.0);
}

/// Gradients of the total against central differences along one direction, with the switches that no reference case has.
#[test]
fn gradients_equal_finite_differences_with_every_switch() {
    let batch = batch();
    let photometric = [
        PhotometricConfig::default(),
        PhotometricConfig {
            reprojection: Reprojection::Mean,
            ssim_weight: 0.15,
            ..Default::default()
        },
    ];
    let objects = [
        (ObjectLoss::Separate, ObjectPose::Residual),
        (ObjectLoss::Composite, ObjectPose::Total),
        (ObjectLoss::Composite, ObjectPose::Residual),
    ];
    for photometric in photometric {
        for (object_loss, object_pose) in objects {
            let unsupervised = UnsupervisedConfig {
                weight_smooth: 0.1,
                photometric,
                object_loss,
                object_pose,
                ..Default::default()
            };
            check_gradients(&batch, &LossConfig { unsupervised: Some(unsupervised), ..config() });
        }
    }
}

#[track_caller]
fn check_gradients(batch: &Batch, config: &LossConfig) {
    let total = |logits: &Tensor, ego: &Tensor, motion: &Tensor| {
        let objects = ObjectInputs { motion, ..batch.objects.inputs() };
        let clip = ClipInputs { ego: Motion::Vectors(ego), ..batch.scene.inputs(Some(objects)) };
        let inputs = LossInputs {
            logits,
            gt: Some(&batch.gt),
            measured: None,
            clip: Some(clip),
            pairs: &batch.pairs,
        };
        encoder_decoder_losses(&inputs, config).total
    };
    // Away from whole pixels, where bilinear sampling has kinks.
    let start = [
        &batch.logits,
        &(&batch.scene.motion * 0.83 + 0.01),
        &(&batch.objects.motion * 0.79 + 0.013),
    ]
    .map(Tensor::copy);
    let direction = start.each_ref().map(|t| {
        (Tensor::arange(t.numel() as i64, (Kind::Double, Device::Cpu)) * 0.37).cos().view_as(t)
            * 0.1
    });
    let leaves = start.each_ref().map(|t| t.copy().set_requires_grad(true));
    total(&leaves[0], &leaves[1], &leaves[2]).backward();
    let got: f64 = leaves
        .iter()
        .zip(&direction)
        .map(|(leaf, d)| (leaf.grad() * d).sum(None).double_value(&[]))
        .sum();
    let at = |h: f64| {
        let [a, b, c] = [0, 1, 2].map(|i| &start[i] + &direction[i] * h);
        total(&a, &b, &c).double_value(&[])
    };
    let h = 1e-6;
    let expected = (at(h) - at(-h)) / (2.0 * h);
    assert!((got - expected).abs() < 1e-5 * expected.abs().max(1.0), "{got} is not {expected}");
}

#[test]
fn the_hourglass_brings_its_depth_to_the_unit_of_the_poses() {
    let scene = scene(2);
    // Right but for a factor; image 1 has too few measured pixels for a scale.
    let log_depth = (&scene.depth * 3.0).log();
    let gt = scene.depth.squeeze_dim(1).copy();
    let _ = gt.narrow(0, 1, 1).narrow(1, 2, HEIGHT - 2).fill_(0.0);
    let config = HourglassLossConfig::default();
    let inputs = HourglassInputs {
        log_depth: &log_depth,
        gt: Some(&gt),
        clip: Some(scene.inputs(None)),
        pairs: &[],
    };
    let report = hourglass_losses(&inputs, &config);
    assert!(report.terms().iter().all(|(_, term)| term.value_f64().abs() < 1e-9));
    assert_eq!(report.ego.count(), HEIGHT * WIDTH);
    assert_eq!(report.supervised.count(), (HEIGHT + 2) * WIDTH);
    assert!(report.weak.is_empty());
}
