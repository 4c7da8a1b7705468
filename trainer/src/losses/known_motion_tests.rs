//! The unsupervised terms on pictures rendered with plain arithmetic, one ray per pixel, whose depth and motion are known:
//! no motion, a slanting plane seen from a moved camera, a turning camera, and a car that moves by itself.
//!
//! Nothing here uses the code under test to make a picture. Textures are waves many pixels long, so that bilinear sampling
//! is off by little: a wave of length L px and height a by at most a (2 pi / L)^2 / 8 in each direction.

use suw_shared::image_size::ImageSize;
use suw_shared::sample::Sample;
use suw_shared::sample_key::SampleKey;
use suw_shared::seed::Seed;
use tch::{Device, Kind, Tensor};

use super::clip::{Clip, ClipInputs, Motion, ObjectInputs};
use super::ego_motion::ego_loss;
use super::object_motion::{ObjectLoss, ObjectPose, object_loss};
use super::photometric::PhotometricConfig;
use super::total::{UnsupervisedConfig, unsupervised_terms};
use crate::augment::AugmentParams;
use crate::batch::{Batch, collate};
use crate::example::{ExampleParams, Frames, example_from_sample};

type Vector = [f64; 3];
type Matrix = [Vector; 3];

const HEIGHT: usize = 32;
const WIDTH: usize = 64;
const FOCAL: f64 = 40.0;
/// Beside the middle, so that a mirror moves it.
const CENTER: [f64; 2] = [29.5, 14.5];
const STILL: Matrix = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

/// Points of the target camera seen by a source: `turn` x + `shift`.
#[derive(Clone, Copy)]
struct Rigid {
    turn: Matrix,
    shift: Vector,
}

const NO_MOTION: Rigid = Rigid { turn: STILL, shift: [0.0; 3] };

fn moved(shift: Vector) -> Rigid {
    Rigid { turn: STILL, shift }
}

fn times(m: &Matrix, v: Vector) -> Vector {
    m.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2])
}

fn transposed(m: &Matrix) -> Matrix {
    [0, 1, 2].map(|i| [m[0][i], m[1][i], m[2][i]])
}

/// Rotation about y: z moves towards x.
fn yaw(angle: f64) -> Matrix {
    let (s, c) = angle.sin_cos();
    [[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]]
}

/// The ray of a pixel, with z = 1.
fn ray(column: usize, row: usize) -> Vector {
    [(column as f64 - CENTER[0]) / FOCAL, (row as f64 - CENTER[1]) / FOCAL, 1.0]
}

/// Where the ray of a camera, at `camera` of the target's coordinates, meets the plane n x = d of those coordinates:
/// the point, and the depth in that camera.
fn hit(camera: &Rigid, ray: Vector, normal: Vector, distance: f64) -> (Vector, f64) {
    // x_target = turn^T (depth ray - shift)
    let back = transposed(&camera.turn);
    let (along, from) = (times(&back, ray), times(&back, camera.shift.map(|v| -v)));
    let dot = |a: Vector, b: Vector| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    let depth = (distance - dot(normal, from)) / dot(normal, along);
    ([0, 1, 2].map(|i| from[i] + depth * along[i]), depth)
}

/// The color of a place: three waves, `length` long along x.
fn color(x: f64, y: f64, length: f64) -> Vector {
    let k = std::f64::consts::TAU / length;
    [0.0, 1.0, 2.0].map(|c| {
        0.5 + 0.2 * (k * (x + 0.3 * y) + c).sin() + 0.2 * (0.9 * k * (y - 0.2 * x) - c).cos()
    })
}

fn picture(paint: impl Fn(usize, usize) -> Vector) -> Tensor {
    let mut values = vec![0.0; 3 * HEIGHT * WIDTH];
    for row in 0..HEIGHT {
        for column in 0..WIDTH {
            for (c, value) in paint(column, row).into_iter().enumerate() {
                values[(c * HEIGHT + row) * WIDTH + column] = value;
            }
        }
    }
    Tensor::from_slice(&values).view([3, HEIGHT as i64, WIDTH as i64])
}

fn map_of(value: impl Fn(usize, usize) -> f64) -> Tensor {
    let values: Vec<f64> = (0..HEIGHT)
        .flat_map(|row| (0..WIDTH).map(move |column| (column, row)))
        .map(|(c, r)| value(c, r))
        .collect();
    Tensor::from_slice(&values).view([1, 1, HEIGHT as i64, WIDTH as i64])
}

fn clip_of(frames: &[Tensor; 3]) -> Tensor {
    Tensor::stack(frames, 0).unsqueeze(0)
}

fn intrinsics() -> Tensor {
    let k = [FOCAL, 0.0, CENTER[0], 0.0, FOCAL, CENTER[1], 0.0, 0.0, 1.0];
    Tensor::from_slice(&k).view([1, 3, 3])
}

fn vectors(before: [f64; 6], after: [f64; 6]) -> Tensor {
    Tensor::from_slice(&[before, after].concat()).view([1, 2, 6])
}

fn ego(frames: &Tensor, depth: &Tensor, motion: &Tensor) -> f64 {
    let k = intrinsics();
    let inputs = ClipInputs { frames, intrinsics: &k, ego: Motion::Vectors(motion), objects: None };
    let clip = Clip::new(&inputs, depth);
    ego_loss(&clip, depth, None, &PhotometricConfig::default()).value_f64()
}

#[test]
fn without_motion_any_depth_explains_three_equal_frames() {
    tch::set_num_threads(1);
    let frame = picture(|x, y| color(x as f64, y as f64, 9.0));
    let frames = clip_of(&[frame.copy(), frame.copy(), frame]);
    let still = vectors([0.0; 6], [0.0; 6]);
    for depth in [1.0, 7.0, 80.0] {
        let depth = map_of(|x, y| depth + (x + y) as f64 / 9.0).set_requires_grad(true);
        let k = intrinsics();
        let ego = Motion::Vectors(&still);
        let inputs = ClipInputs { frames: &frames, intrinsics: &k, ego, objects: None };
        let term =
            ego_loss(&Clip::new(&inputs, &depth), &depth, None, &PhotometricConfig::default());
        assert_eq!(term.count(), (HEIGHT * WIDTH) as i64);
        assert!(term.value_f64() < 1e-12, "{}", term.value_f64());
        term.value.backward();
        // A point that does not move has no place along its ray.
        assert!(depth.grad().abs().max().double_value(&[]) < 1e-12);
    }
}

/// The picture of the plane from a camera, and its depth.
fn plane(camera: &Rigid) -> (Tensor, Tensor) {
    // A wall that leans to the right and towards the camera's feet, between 3 and 10 m in the picture.
    let (normal, distance) = ([0.2, 0.8, -1.0], -5.0);
    let at = |x, y| hit(camera, ray(x, y), normal, distance);
    let frame = picture(|x, y| {
        let (point, _) = at(x, y);
        color(point[0], point[1], 3.0)
    });
    (frame, map_of(|x, y| at(x, y).1))
}

#[test]
fn a_plane_seen_from_a_moved_camera_needs_that_very_motion() {
    tch::set_num_threads(1);
    let step = [0.21, -0.13, -0.4];
    let back = step.map(|v| -v);
    let (target, depth) = plane(&NO_MOTION);
    let frames = clip_of(&[plane(&moved(back)).0, target, plane(&moved(step)).0]);
    let (lo, hi) = (depth.min().double_value(&[]), depth.max().double_value(&[]));
    assert!(lo > 2.0 && hi < 12.0, "{lo} {hi}");
    let six = |t: Vector| [t[0], t[1], t[2], 0.0, 0.0, 0.0];
    let truth = ego(&frames, &depth, &vectors(six(back), six(step)));
    assert!(truth < 4e-3, "{truth}");
    // Half a step in any direction, the way back, a turn of 2 degrees, and a depth that is off by a fifth are worse.
    let mut wrong = vec![vectors(six(step), six(back))];
    for i in 0..3 {
        for sign in [-0.1, 0.1] {
            let mut other = step;
            other[i] += sign;
            wrong.push(vectors(six(other.map(|v| -v)), six(other)));
        }
    }
    for i in 3..6 {
        let (mut before, mut after) = (six(back), six(step));
        before[i] -= 0.035;
        after[i] += 0.035;
        wrong.push(vectors(before, after));
    }
    for motion in &wrong {
        let loss = ego(&frames, &depth, motion);
        assert!(loss > 3.0 * truth, "{loss} {truth} {motion}");
    }
    let farther = ego(&frames, &(&depth * 1.2), &vectors(six(back), six(step)));
    assert!(farther > 3.0 * truth, "{farther} {truth}");
    // But with motion and depth both half as large every pixel lands at the same place.
    let half = |t: Vector| six(t.map(|v| v / 2.0));
    let scaled = ego(&frames, &(&depth * 0.5), &vectors(half(back), half(step)));
    assert!((scaled - truth).abs() < 1e-12, "{scaled} {truth}");
}

/// A panorama at infinity: the color depends on the direction alone.
fn panorama(turn: &Matrix) -> Tensor {
    picture(|x, y| {
        let direction = times(&transposed(turn), ray(x, y));
        let (pan, tilt) = (direction[0].atan2(direction[2]), direction[1].atan2(direction[2]));
        color(pan, tilt, 0.35)
    })
}

#[test]
fn a_turning_camera_says_nothing_about_depth() {
    tch::set_num_threads(1);
    let angle = 0.06;
    let frames = clip_of(&[panorama(&yaw(-angle)), panorama(&STILL), panorama(&yaw(angle))]);
    let turn = |a: f64| vectors([0.0, 0.0, 0.0, 0.0, -a, 0.0], [0.0, 0.0, 0.0, 0.0, a, 0.0]);
    let near = map_of(|x, _| 2.0 + x as f64 / 40.0);
    let far = map_of(|_, y| 70.0 - y as f64);
    let truth = ego(&frames, &near, &turn(angle));
    assert!(truth < 4e-3, "{truth}");
    assert!((ego(&frames, &far, &turn(angle)) - truth).abs() < 1e-9);
    for wrong in [-angle, 0.0, 0.5 * angle, 1.5 * angle] {
        let loss = ego(&frames, &near, &turn(wrong));
        assert!(loss > 3.0 * truth, "{wrong}: {loss} {truth}");
    }
    // A step sideways imitates the turn in the middle of a wall at one depth: f tan(angle) px = f t / z.
    let sideways = 6.0 * angle.tan();
    let step = vectors([-sideways, 0.0, 0.0, 0.0, 0.0, 0.0], [sideways, 0.0, 0.0, 0.0, 0.0, 0.0]);
    let at_6 = ego(&frames, &map_of(|_, _| 6.0), &step);
    let at_3 = ego(&frames, &map_of(|_, _| 3.0), &step);
    assert!(at_6 < at_3 / 3.0, "{at_6} {at_3}");
}

/// A wall 9 m away and a car whose flat side, 1.6 m x 0.9 m, is 4 m away in the target frame. Both cameras and car move.
struct Street {
    frames: Tensor,
    depth: Tensor,
    mask: Tensor,
}

const WALL: f64 = 9.0;
const CAR: f64 = 4.0;
/// Points of the resting world from target to the frame after.
const CAMERA: Vector = [0.0, 0.0, -0.5];
/// Points of the car, from target to the frame after, in the target's coordinates.
const OWN: Vector = [0.3, 0.0, 0.4];

fn is_car(x: f64, y: f64) -> bool {
    (-0.9..=0.7).contains(&x) && (-0.3..=0.6).contains(&y)
}

fn street() -> Street {
    // Frame t + k: camera motion and own motion k times.
    let look = |k: f64, column: usize, row: usize| {
        let camera = moved(CAMERA.map(|v| k * v));
        let on_car = moved([0, 1, 2].map(|i| k * (CAMERA[i] + OWN[i])));
        let normal = [0.0, 0.0, 1.0];
        let (point, depth) = hit(&on_car, ray(column, row), normal, CAR);
        if is_car(point[0], point[1]) {
            return (color(point[0], point[1], 1.1), depth, true);
        }
        let (point, depth) = hit(&camera, ray(column, row), normal, WALL);
        (color(point[0] + 0.7, point[1], 2.7), depth, false)
    };
    let frames = [-1.0, 0.0, 1.0].map(|k| picture(|x, y| look(k, x, y).0));
    let mask = map_of(|x, y| f64::from(u8::from(look(0.0, x, y).2)));
    Street {
        frames: clip_of(&frames),
        depth: map_of(|x, y| look(0.0, x, y).1),
        mask: mask.squeeze_dim(1).to_kind(Kind::Uint8),
    }
}

impl Street {
    /// ego, obj and u, given the car's motion.
    fn terms(
        &self,
        car: Vector,
        object_loss: ObjectLoss,
        object_pose: ObjectPose,
    ) -> (f64, f64, f64) {
        let six = |t: Vector, k: f64| [k * t[0], k * t[1], k * t[2], 0.0, 0.0, 0.0];
        let (ego, own) =
            (vectors(six(CAMERA, -1.0), six(CAMERA, 1.0)), vectors(six(car, -1.0), six(car, 1.0)));
        let (k, image, index) =
            (intrinsics(), Tensor::from_slice(&[0i64]), Tensor::from_slice(&[1i64]));
        let objects =
            ObjectInputs { masks: &self.mask, image: &image, index: &index, motion: &own };
        let inputs = ClipInputs {
            frames: &self.frames,
            intrinsics: &k,
            ego: Motion::Vectors(&ego),
            objects: Some(objects),
        };
        let config = UnsupervisedConfig {
            weight_smooth: 0.0,
            object_loss,
            object_pose,
            ..Default::default()
        };
        let terms = unsupervised_terms(Some(&inputs), &self.depth, Some(&config));
        (terms.ego.value_f64(), terms.object.value_f64(), terms.sum.value_f64())
    }
}

#[test]
fn a_car_that_moves_by_itself_is_explained_by_its_own_motion_alone() {
    tch::set_num_threads(1);
    let street = street();
    let n_car = street.mask.to_kind(Kind::Int64).sum(Kind::Int64).int64_value(&[]);
    assert!((120..200).contains(&n_car), "{n_car} pixels");
    // In camera coordinates the car moves by the sum of both motions.
    let total = [0, 1, 2].map(|i| CAMERA[i] + OWN[i]);
    let (separate, composite) = (ObjectLoss::Separate, ObjectLoss::Composite);
    let resting = street.terms(CAMERA, separate, ObjectPose::Total);
    let known = street.terms(total, separate, ObjectPose::Total);
    // The object term falls when the true motion is given; the ego term stands on other pixels and does not.
    assert!(resting.1 > 0.1, "{resting:?}");
    assert!(known.1 < resting.1 / 10.0, "{known:?} {resting:?}");
    assert!((known.0 - resting.0).abs() < 1e-12);
    assert!((known.2 - known.0 - known.1).abs() < 1e-12);
    // Read as its own motion on top of the camera's, the same car has the motion OWN.
    let own = street.terms(OWN, separate, ObjectPose::Residual);
    assert!((own.1 - known.1).abs() < 1e-9, "{own:?} {known:?}");
    let wrong = street.terms(total, separate, ObjectPose::Residual);
    assert!(wrong.1 > 3.0 * known.1, "{wrong:?}");
    // Composed into one picture the gain is that of the car's share of the pixels.
    let resting_all = street.terms(CAMERA, composite, ObjectPose::Total);
    let known_all = street.terms(total, composite, ObjectPose::Total);
    assert_eq!((resting_all.1, known_all.1), (0.0, 0.0));
    let share = n_car as f64 / (HEIGHT * WIDTH) as f64;
    let gain = resting_all.0 - known_all.0;
    let expected = share * (resting.1 - known.1);
    assert!((gain - expected).abs() < 0.35 * expected, "{gain} {expected}");
}

#[test]
fn without_its_mask_a_moving_car_spoils_the_ego_term() {
    tch::set_num_threads(1);
    let street = street();
    let six = |k: f64| [k * CAMERA[0], k * CAMERA[1], k * CAMERA[2], 0.0, 0.0, 0.0];
    let (k, motion) = (intrinsics(), vectors(six(-1.0), six(1.0)));
    let inputs = ClipInputs {
        frames: &street.frames,
        intrinsics: &k,
        ego: Motion::Vectors(&motion),
        objects: None,
    };
    let clip = Clip::new(&inputs, &street.depth);
    let config = PhotometricConfig::default();
    let masked = ego_loss(&clip, &street.depth, Some(&street.mask), &config).value_f64();
    let whole = ego_loss(&clip, &street.depth, None, &config).value_f64();
    assert!(whole > 2.0 * masked, "{whole} {masked}");
    // The gradient of the car's depth pulls only through the term that judges the car.
    let depth = street.depth.copy().set_requires_grad(true);
    let clip = Clip::new(&inputs, &depth);
    ego_loss(&clip, &depth, Some(&street.mask), &config).value.backward();
    let on_car = depth.grad().squeeze_dim(1).where_scalarother(&street.mask.gt(0), 0.0);
    // Windows reach one pixel over the edge, no farther.
    let inside = street.mask.to_kind(Kind::Float).unsqueeze(1);
    let inside = (-((-inside).max_pool2d([5i64, 5], [1i64, 1], [2i64, 2], [1i64, 1], false)))
        .squeeze_dim(1)
        .gt(0.5);
    assert!(inside.any().int64_value(&[]) == 1);
    let deep = on_car.where_scalarother(&inside, 0.0);
    assert_eq!(deep.abs().max().double_value(&[]), 0.0);
    let inputs = ClipInputs {
        objects: Some(ObjectInputs {
            masks: &street.mask,
            image: &Tensor::from_slice(&[0i64]),
            index: &Tensor::from_slice(&[1i64]),
            motion: &motion,
        }),
        ..inputs
    };
    let depth = street.depth.copy().set_requires_grad(true);
    let objects = inputs.objects.as_ref().unwrap();
    let clip = Clip::new(&inputs, &depth);
    object_loss(&clip, &depth, objects, ObjectPose::Total, &config).value.backward();
    assert!(depth.grad().abs().max().double_value(&[]) > 0.0);
}

/// The slanting plane as a stored sample: bytes, float32, known poses.
fn stored_plane() -> Sample {
    let step = [0.21, -0.13, -0.4];
    let (before, after) = (moved(step.map(|v| -v)), moved(step));
    let (target, depth) = plane(&NO_MOTION);
    let frames = clip_of(&[plane(&before).0, target, plane(&after).0]);
    let bytes = (frames * 255.0).round().to_kind(Kind::Uint8).flatten(0, -1);
    let matrix = |motion: &Rigid| {
        let mut rows = [0.0f32; 16];
        for i in 0..3 {
            for j in 0..3 {
                rows[4 * i + j] = motion.turn[i][j] as f32;
            }
            rows[4 * i + 3] = motion.shift[i] as f32;
        }
        rows[15] = 1.0;
        rows
    };
    let size = ImageSize::new(WIDTH as u32, HEIGHT as u32);
    let k = [FOCAL, 0.0, CENTER[0], 0.0, FOCAL, CENTER[1], 0.0, 0.0, 1.0];
    Sample {
        key: SampleKey::new("plane/0".to_owned()).unwrap(),
        native_size: size,
        native_window: size.window(),
        image: Vec::try_from(bytes).unwrap(),
        depth: Some(Vec::try_from(depth.to_kind(Kind::Float).flatten(0, -1)).unwrap()),
        intrinsics: Some(k.map(|v| v as f32)),
        pose: Some(vec![matrix(&before), matrix(&after)]),
        semantic: None,
        objects: None,
        pairs: None,
        ordinal: None,
        gt: None,
    }
}

fn augmented(augment: AugmentParams, seed: u64) -> Batch {
    let params = ExampleParams { frames: Frames::Clip, augment, pairs: None, n_objects_max: 0 };
    let size = ImageSize::new(WIDTH as u32, HEIGHT as u32);
    let example = example_from_sample(&stored_plane(), size, &params, Seed(seed));
    collate(vec![example], Frames::Clip).to_device(Device::Cpu)
}

/// L_ego of a batch under its own intrinsics and motion, or under others.
fn ego_of(batch: &Batch, intrinsics: &Tensor, motion: &Tensor) -> f64 {
    let depth = batch.depth.unsqueeze(1);
    let inputs =
        ClipInputs { frames: &batch.frames, intrinsics, ego: Motion::Known(motion), objects: None };
    let clip = Clip::new(&inputs, &depth);
    ego_loss(&clip, &depth, None, &PhotometricConfig::default()).value_f64()
}

#[test]
fn frames_depth_camera_and_motion_are_mirrored_and_cut_alike() {
    tch::set_num_threads(1);
    let plain = augmented(AugmentParams::OFF, 0);
    let truth = ego_of(&plain, &plain.intrinsics, &plain.motion);
    assert!(truth < 8e-3, "{truth}");
    // Mirrored: the same value, because everything took part; not with what belongs to the unmirrored clip.
    let mirrored = augmented(AugmentParams { flip: 1.0, ..AugmentParams::OFF }, 0);
    let loss = ego_of(&mirrored, &mirrored.intrinsics, &mirrored.motion);
    assert!((loss - truth).abs() < 1e-4, "{loss} {truth}");
    assert!(ego_of(&mirrored, &mirrored.intrinsics, &plain.motion) > 3.0 * truth);
    assert!(ego_of(&mirrored, &plain.intrinsics, &mirrored.motion) > 1.2 * truth);
    // Cut: the plane is still explained; not with the principal point of the whole picture.
    let crop = Some(ImageSize::new(32, 16));
    for seed in 0..4 {
        let cut = augmented(AugmentParams { crop, ..AugmentParams::OFF }, seed);
        assert_eq!(cut.frames.size(), [1, 3, 3, 16, 32]);
        let loss = ego_of(&cut, &cut.intrinsics, &cut.motion);
        assert!(loss < 3.0 * truth, "seed {seed}: {loss} {truth}");
        let shift = (&cut.intrinsics - &plain.intrinsics).abs().max().double_value(&[]);
        if shift > 6.0 {
            let wrong = ego_of(&cut, &plain.intrinsics, &cut.motion);
            assert!(wrong > 2.0 * loss, "seed {seed}: {wrong} {loss}");
        }
    }
}
