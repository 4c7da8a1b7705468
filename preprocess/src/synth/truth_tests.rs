//! Floor 4: the truth of the street world checked against itself from other directions: warping, scanning, tracking.

use crate::synth::calibration::Calibration;
use crate::synth::camera_path::View;
use crate::synth::frame_truth;
use crate::synth::ray_cast::{self, Picture};
use crate::synth::scanner;
use crate::synth::scene::Scene;
use crate::synth::world::{self, WorldPlan};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use suw_shared::class::{InstanceClass, SemanticClass};
use suw_shared::image_size::ImageSize;
use suw_shared::rle::Rle;
use suw_shared::seed::Seed;

const SIZE: ImageSize = ImageSize::new(416, 128);

fn look(scene: &Scene, frame: usize, size: ImageSize) -> (View, Picture) {
    let camera = Calibration::new(size).camera;
    let view = scene.path.view(&scene.street, frame, camera, size);
    let moment = scene.moment(frame);
    let picture = ray_cast::draw(scene, &view, &moment.solids());
    (view, picture)
}

/// Bilinear: values of the four pixels around, and the weights of the right and lower ones.
fn around<T>(x: f64, y: f64, at: impl Fn(u32, u32) -> T) -> Option<([T; 4], [f64; 2])> {
    let (width, height) = (f64::from(SIZE.width), f64::from(SIZE.height));
    if !(x >= 0.0 && y >= 0.0 && x < width - 1.0 && y < height - 1.0) {
        return None;
    }
    let (x0, y0) = (x as u32, y as u32);
    let corners = [at(y0, x0), at(y0, x0 + 1), at(y0 + 1, x0), at(y0 + 1, x0 + 1)];
    Some((corners, [x - x.floor(), y - y.floor()]))
}

fn blend(corners: [f64; 4], [u, v]: [f64; 2]) -> f64 {
    let [a, b, c, d] = corners;
    (1.0 - v) * ((1.0 - u) * a + u * b) + v * ((1.0 - u) * c + u * d)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
fn static_pixels_land_on_the_same_surface_in_the_next_picture() {
    for seed in [1, 2] {
        let scene = Scene::draw(Seed(seed), 10);
        let ((from, first), (to, second)) = (look(&scene, 4, SIZE), look(&scene, 5, SIZE));
        let to_from_from = to.world_from_camera().inverse().compose(&from.world_from_camera());
        let (c, mut errors, mut static_pixels) = (from.camera, vec![], 0);
        for y in 0..SIZE.height {
            for x in 0..SIZE.width {
                let object = first.objects[(y * SIZE.width + x) as usize];
                let depth = f64::from(first.depth.at(y, x));
                if depth == 0.0 || depth > 80.0 || object.is_some_and(|id| scene.moves(id)) {
                    continue;
                }
                static_pixels += 1;
                let point = [
                    (f64::from(x) - c.cx) / c.fx * depth,
                    (f64::from(y) - c.cy) / c.fy * depth,
                    depth,
                ];
                let [px, py, pz] = to_from_from.apply(point);
                let (u, v) = (c.fx * px / pz + c.cx, c.fy * py / pz + c.cy);
                let Some((depths, share)) = around(u, v, |y, x| f64::from(second.depth.at(y, x)))
                else {
                    continue;
                };
                // One over depth is linear in the picture on any plane; where it does not fit, the pixel is hidden
                // or lies on an edge.
                if (1.0 / blend(depths.map(|d| 1.0 / d), share) / pz - 1.0).abs() > 0.005 {
                    continue;
                }
                let mut error = 0.0;
                for channel in 0..3 {
                    let value = |y, x| f64::from(second.image.pixel(y, x)[channel]);
                    let (corners, share) = around(u, v, value).unwrap();
                    let here = f64::from(first.image.pixel(y, x)[channel]);
                    error += (blend(corners, share) - here).abs() / 3.0;
                }
                errors.push(error);
            }
        }
        assert!(2 * errors.len() > static_pixels, "{} of {static_pixels} fit", errors.len());
        let error = median(errors);
        assert!(error < 2.0, "median photometric error {error} grey levels, seed {seed}");
    }
}

#[test]
fn scans_reproject_on_the_exact_depth() {
    let scene = Scene::draw(Seed(3), 10);
    let (view, picture) = look(&scene, 5, SIZE);
    let calibration = Calibration::new(SIZE);
    let moment = scene.moment(5);
    let points = scanner::scan(&scene, &view, &calibration, &moment.solids(), 9);
    let (c, camera_from_velo) = (view.camera, calibration.camera_from_velo());
    let mut errors = vec![];
    for [x, y, z, reflectance] in points {
        assert!((0.0..1.0).contains(&reflectance));
        let [px, py, pz] = camera_from_velo.apply([x, y, z].map(f64::from));
        let (u, v) = (c.fx * px / pz + c.cx, c.fy * py / pz + c.cy);
        let Some((depths, share)) = around(u, v, |y, x| f64::from(picture.depth.at(y, x))) else {
            continue;
        };
        let far = depths.iter().copied().fold(0.0, f64::max);
        let near = depths.iter().copied().fold(f64::INFINITY, f64::min);
        if near > 0.0 && far < 1.1 * near {
            errors.push((1.0 / blend(depths.map(|d| 1.0 / d), share) - pz).abs());
        }
    }
    assert!(errors.len() > 10_000, "{}", errors.len());
    let close = errors.iter().filter(|&&error| error < 0.1).count();
    assert!(10 * close > 9 * errors.len(), "{close} of {} within 10 cm", errors.len());
    // The noise has a standard deviation of 1.5 cm: half of its draws lie within 1.0 cm.
    let error = median(errors);
    assert!(error < 0.02, "median {error} m");
}

#[test]
fn objects_keep_class_and_move_smoothly_and_tracks_agree_with_pictures() {
    let size = ImageSize::new(312, 96);
    for seed in [5, 6] {
        let scene = Scene::draw(Seed(seed), 12);
        let mut places: BTreeMap<u16, (usize, [f64; 3])> = BTreeMap::new();
        for frame in 0..12 {
            let (view, picture) = look(&scene, frame, size);
            let moment = scene.moment(frame);
            let visible = frame_truth::visible_objects(&picture);
            let text = frame_truth::track_lines(frame, &view, &moment.objects, &visible);
            let values = frame_truth::instance_values(&picture);
            let mut boxes: BTreeMap<u16, [u32; 4]> = BTreeMap::new();
            for (index, &value) in values.iter().enumerate() {
                let expected = match picture.semantic.data()[index] {
                    11 => 24,
                    13 => 26,
                    18 => 33,
                    _ => {
                        assert_eq!(value % 256, 0);
                        continue;
                    }
                };
                assert_eq!(value / 256, expected);
                assert_ne!(value % 256, 0);
                let (x, y) = (index as u32 % size.width, index as u32 / size.width);
                let b = boxes.entry(value).or_insert([x, y, x, y]);
                *b = [b[0].min(x), b[1].min(y), b[2].max(x), b[3].max(y)];
            }
            let mut listed = BTreeMap::new();
            for line in text.lines() {
                let fields: Vec<&str> = line.split(' ').collect();
                assert_eq!(fields.len(), 17, "{line}");
                assert_eq!(fields[0], frame.to_string());
                let corner = |i: usize| fields[i].parse::<u32>().unwrap();
                let value: u16 = fields[1].parse().unwrap();
                listed.insert(value, [corner(6), corner(7), corner(8), corner(9)]);
                let place = [13, 14, 15].map(|i: usize| fields[i].parse::<f64>().unwrap());
                let world = view.world_from_camera().apply(place);
                if let Some((then, before)) = places.insert(value, (frame, world)) {
                    let step: f64 = (0..3).map(|i| (world[i] - before[i]).powi(2)).sum();
                    let pace = step.sqrt() / (frame - then) as f64;
                    assert!(pace < 1.5, "{value} moves {pace} m a frame at frame {frame}");
                }
            }
            assert_eq!(listed, boxes);
        }
        assert!(places.len() > 10);
    }
}

#[test]
fn store_rows_hold_the_masks() {
    let scene = Scene::draw(Seed(8), 5);
    let (_, picture) = look(&scene, 2, SIZE);
    let visible = frame_truth::visible_objects(&picture);
    let rows: Vec<serde_json::Value> =
        serde_json::from_str(&frame_truth::store_rows(&picture, &visible)).unwrap();
    assert_eq!(rows.len(), visible.len());
    for (row, object) in rows.iter().zip(&visible) {
        let counts = row["segmentation"]["counts"].as_str().unwrap();
        let mask = Rle::from_coco_string(SIZE, counts).unwrap();
        assert_eq!(mask.area() as usize, object.pixels);
        for (index, &inside) in mask.to_mask().iter().enumerate() {
            assert_eq!(inside == 1, picture.objects[index] == Some(object.id));
        }
        assert_eq!(row["category_id"], u64::from(object.id.class.coco()));
    }
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            let name = entry.path().strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            found.insert(name, fs::read(entry.path()).unwrap());
        }
    }
    found
}

fn rendered(plan: &WorldPlan, threads: usize) -> (BTreeMap<String, Vec<u8>>, world::WorldCount) {
    let folder = tempfile::tempdir().unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let count = pool.install(|| world::render(plan, folder.path(), &|| {})).unwrap();
    (files(folder.path()), count)
}

#[test]
fn a_world_is_the_same_with_any_threads_and_has_classes_and_splits() {
    let plan = WorldPlan { drives: 3, frames: 4, size: ImageSize::new(208, 64), seed: Seed(1) };
    let (one, count) = rendered(&plan, 1);
    let (two, _) = rendered(&plan, 2);
    assert_eq!(one.keys().collect::<Vec<_>>(), two.keys().collect::<Vec<_>>());
    assert!(one.iter().all(|(name, bytes)| two[name] == *bytes));
    assert_eq!(count.frames, 12);
    assert!(count.tracks.iter().all(|&tracks| tracks > 0), "{:?}", count.tracks);
    let wanted =
        [0, 1, 2, 4, 5, 7, 8, 9, 10, 11, 13, 18].map(|id| SemanticClass::from_id(id).unwrap());
    let missing: Vec<_> = wanted.iter().filter(|c| !count.classes.contains(&c.id())).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let drives = |split: &str| -> BTreeSet<String> {
        let text = String::from_utf8(one[&format!("splits/{split}.txt")].clone()).unwrap();
        text.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    };
    let (train, val, test) = (drives("train"), drives("val"), drives("test"));
    assert!([&train, &val, &test].iter().all(|split| split.len() == 1));
    assert!(train.is_disjoint(&val) && train.is_disjoint(&test) && val.is_disjoint(&test));
}

#[test]
fn seeds_and_drives_make_different_streets() {
    let plan = WorldPlan { drives: 2, frames: 3, size: SIZE, seed: Seed(1) };
    let other = WorldPlan { seed: Seed(2), ..plan };
    let pictures = [(&plan, 1), (&plan, 2), (&other, 1)].map(|(plan, drive)| {
        look(&world::drive_scene(plan, drive), 1, ImageSize::new(104, 32)).1.image
    });
    assert_ne!(pictures[0], pictures[1]);
    assert_ne!(pictures[0], pictures[2]);
    let cast = world::drive_scene(&plan, 1);
    assert!(InstanceClass::ALL.iter().all(|&class| cast.objects(class) > 3));
}
