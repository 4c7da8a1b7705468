//! The parsers, each as a function of bytes that says whether they were accepted. What comes out of a parser is used, as
//! far as that needs no other input.

use std::path::Path;

use suw_preprocess::config::RunConfig;
use suw_preprocess::datasets::calibration::{CameraCalibration, VelodyneCalibration};
use suw_preprocess::datasets::colmap::model::Model;
use suw_preprocess::datasets::colmap::{binary, depth_map, text};
use suw_preprocess::datasets::manifest::DataSetManifest;
use suw_preprocess::datasets::oxts::Position;
use suw_preprocess::datasets::velodyne::{
    EvaluationDepth, evaluation_depth, scan_from_bytes, training_depth,
};
use suw_preprocess::datasets::{camera_file, folder, split};
use suw_preprocess::decode::{
    IMAGE_PIXELS_MAX, depth_from_bytes, labels_from_bytes, rgb_from_bytes,
};
use suw_preprocess::depth_cleaning::{keep_percentiles, measured_share};
use suw_preprocess::depth_file::read_depth;
use suw_preprocess::import::{coco, mots, struct2depth};
use suw_preprocess::mask_store::{MaskStore, Needs};
use suw_preprocess::npy_depth::depth_from_npy;
use suw_preprocess::onnx::model_spec::{ModelSpec, Role};
use suw_preprocess::rules_file;
use suw_preprocess::scan_pictures::parse_targets;
use suw_preprocess::shard_record;
use suw_shared::class::InstanceClass;
use suw_shared::image_size::ImageSize;
use suw_shared::manifest::{PartManifest, ShardSetManifest};
use suw_shared::rle::Rle;
use suw_shared::shard::ShardReader;

use crate::files::file;
use crate::mutate::Form;
use crate::seeds;

/// A parser under attack.
pub struct Target {
    /// Name of its corpus.
    pub name: &'static str,
    /// How its files are damaged.
    pub form: Form,
    /// Good files.
    pub seeds: Vec<Vec<u8>>,
    /// Whether it takes the input.
    pub parse: fn(&[u8]) -> bool,
    /// Cases of `cargo test`.
    pub cases: u64,
    /// C code that could end the process.
    pub native: bool,
}

const SIZE: ImageSize = ImageSize::new(6, 4);

fn utf8(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// All of them.
pub fn targets() -> Vec<Target> {
    let target = |name, form, seeds: Vec<Vec<u8>>, parse, cases| {
        let native = name == "depth-hdf5" || name == "shard";
        Target { name, form, seeds, parse, cases, native }
    };
    let text = |text: &str| vec![text.as_bytes().to_vec()];
    let [cameras, images, points] = seeds::colmap_binaries();
    let [manifest, part, record] = seeds::shard_manifests();
    let shipped = |paths: &[&str]| paths.iter().map(|path| seeds::shipped(path)).collect();
    // Parsers of paths cost a file each, those of HDF5 an open besides.
    let (quick, slow, hdf5) = (20_000, 3_000, 1_000);
    vec![
        target("calibration-camera", Form::Text, text(seeds::CAMERA), camera, quick),
        target("calibration-velodyne", Form::Text, text(seeds::VELODYNE), velodyne, quick),
        target("camera-text", Form::Text, text(seeds::CLIP), clip, quick),
        target(
            "oxts",
            Form::Text,
            seeds::OXTS.map(|record| record.as_bytes().to_vec()).to_vec(),
            oxts,
            quick,
        ),
        target("folder-cameras", Form::Text, text(seeds::FOLDER_CAMERAS), folder_cameras, slow),
        target("split", Form::Text, text(seeds::SPLIT), split_list, quick),
        target("picture-list", Form::Text, text("a/b\nc/d.jpg\n"), picture_list, quick),
        target(
            "colmap-cameras-bin",
            Form::Bytes,
            vec![cameras],
            |b| binary::cameras(b).is_ok(),
            quick,
        ),
        target("colmap-images-bin", Form::Bytes, vec![images], images_bin, quick),
        target("colmap-points-bin", Form::Bytes, vec![points], points_bin, quick),
        target("colmap-cameras-txt", Form::Text, text(seeds::COLMAP_TEXTS[0]), cameras_txt, quick),
        target("colmap-images-txt", Form::Text, text(seeds::COLMAP_TEXTS[1]), images_txt, quick),
        target("colmap-points-txt", Form::Text, text(seeds::COLMAP_TEXTS[2]), points_txt, quick),
        target("colmap-depth", Form::Bytes, vec![seeds::colmap_depth()], colmap_depth, quick),
        target("velodyne", Form::Bytes, vec![seeds::scan()], scan, quick),
        target("npy", Form::Bytes, seeds::npy(), npy, quick),
        target("depth-png16", Form::Png, vec![seeds::depth_picture()], depth_png, quick),
        target("labels-png", Form::Png, vec![seeds::labels()], labels_png, quick),
        target("color-png", Form::Png, vec![seeds::color_png()], color, quick),
        target("color-jpeg", Form::Bytes, vec![seeds::jpeg()], color, slow),
        target("depth-hdf5", Form::Bytes, seeds::depth_hdf5(), depth_hdf5, hdf5),
        target(
            "run-lengths",
            Form::Bytes,
            text(&format!("6 4 {}", seeds::run_lengths())),
            run_lengths,
            quick,
        ),
        target("mots", Form::Text, text(&seeds::mots()), mots_text, slow),
        target("coco", Form::Json, text(&seeds::coco()), coco_rows, slow),
        target("strip", Form::Png, vec![seeds::strip()], strip, slow),
        target("mask-rows", Form::Json, text(&seeds::mask_rows()), mask_rows, slow),
        target("mask-scene", Form::Json, text(&seeds::mask_rows()), mask_scene, slow),
        target("mask-semantic", Form::Png, vec![seeds::labels()], mask_semantic, slow),
        target("mask-store", Form::Json, text(&seeds::store()), store, slow),
        target("data-set", Form::Json, text(&seeds::data_set()), data_set, slow),
        target("shard-set", Form::Json, text(&manifest), shard_set, slow),
        target("shard-part", Form::Json, text(&part), shard_part, slow),
        target("shard-record", Form::Json, text(&record), record_of_shard, slow),
        target("shard", Form::Bytes, seeds::shards(), shard, hdf5),
        target(
            "rules",
            Form::Text,
            shipped(&["data-manifests/rules/driving.toml", "data-manifests/rules/literal.toml"]),
            |b| utf8(b).is_some_and(|text| rules_file::parse(Path::new("x.toml"), text).is_ok()),
            slow,
        ),
        target(
            "run",
            Form::Text,
            shipped(&["data-manifests/runs/demo.toml", "data-manifests/runs/kitti.toml"]),
            |b| RunConfig::read(&file("run.toml", b), &[]).is_ok(),
            slow,
        ),
        target(
            "run-set",
            Form::Text,
            text("pairs.per_rule=3\nsize=\"208x64\"\nseed = 2\n"),
            run_set,
            slow,
        ),
        target(
            "model-instance",
            Form::Text,
            shipped(&["data-manifests/models/demo-mask-rcnn.toml"]),
            |b| ModelSpec::read(&file("instance.toml", b), Role::Instance).is_ok(),
            slow,
        ),
        target(
            "model-semantic",
            Form::Text,
            shipped(&[
                "data-manifests/models/demo-pspnet.toml",
                "data-manifests/models/pspnet-r50-cityscapes.toml",
            ]),
            |b| ModelSpec::read(&file("semantic.toml", b), Role::Semantic).is_ok(),
            slow,
        ),
    ]
}

fn camera(bytes: &[u8]) -> bool {
    let velodyne = VelodyneCalibration::parse(seeds::VELODYNE).unwrap();
    let parsed = utf8(bytes).and_then(|text| CameraCalibration::parse(text, 2).ok());
    parsed.is_some_and(|camera| {
        let projection = camera.from_velodyne(&velodyne);
        let _ = training_depth(&[[10.0, 1.0, -1.0]], &projection, SIZE);
        true
    })
}

fn velodyne(bytes: &[u8]) -> bool {
    let camera = CameraCalibration::parse(seeds::CAMERA, 2).unwrap();
    let parsed = utf8(bytes).and_then(|text| VelodyneCalibration::parse(text).ok());
    parsed.is_some_and(|velodyne| {
        let _ = training_depth(&[[10.0, 1.0, -1.0]], &camera.from_velodyne(&velodyne), SIZE);
        true
    })
}

fn clip(bytes: &[u8]) -> bool {
    utf8(bytes).is_some_and(|text| camera_file::parse(text).is_ok())
}

/// A record of the GPS; places on earth lie at most half of Mercator's map apart.
fn oxts(bytes: &[u8]) -> bool {
    let start = Position::parse(seeds::OXTS[0]).unwrap();
    utf8(bytes).and_then(|text| Position::parse(text).ok()).is_some_and(|place| {
        assert!((0.0..1e8).contains(&place.distance(start)), "{place:?}");
        assert!(place.distance(place) < 1e-6, "{place:?}");
        true
    })
}

/// `intrinsics.txt` of a folder with two scenes. What is refused is a problem of the data set and gives no camera.
fn folder_cameras(bytes: &[u8]) -> bool {
    let root = file("own/intrinsics.txt", bytes);
    file("own/a/1.png", b"");
    file("own/b/c/1.png", b"");
    let found = folder::walk(root.parent().unwrap()).unwrap();
    assert_eq!(found.scenes.len(), 2);
    let taken = found.problems.is_empty();
    for camera in found.scenes.iter().filter_map(|scene| scene.camera) {
        let camera = camera.at(SIZE);
        assert!(taken && camera.fx > 0.0 && camera.fy > 0.0, "{camera:?}");
        assert!(camera.matrix().iter().all(|value| value.is_finite()), "{camera:?}");
    }
    taken
}

fn split_list(bytes: &[u8]) -> bool {
    utf8(bytes).is_some_and(|text| split::parse(text).is_ok())
}

fn picture_list(bytes: &[u8]) -> bool {
    utf8(bytes).is_some_and(|text| parse_targets(text).is_ok())
}

/// Joins what was read with the other good parts of the model, and projects its points.
fn model(
    images: Vec<suw_preprocess::datasets::colmap::model::ColmapImage>,
    points: suw_preprocess::datasets::colmap::model::Points,
) {
    let cameras = text::cameras(seeds::COLMAP_TEXTS[0]).unwrap();
    if let Ok(model) = Model::new(cameras, images, points) {
        for image in model.images() {
            let _ = model.sparse_depths(image);
        }
    }
}

fn images_bin(bytes: &[u8]) -> bool {
    let points = || text::points(seeds::COLMAP_TEXTS[2]).unwrap();
    binary::images(bytes).map(|images| model(images, points())).is_ok()
}

fn points_bin(bytes: &[u8]) -> bool {
    let images = || text::images(seeds::COLMAP_TEXTS[1]).unwrap();
    binary::points(bytes).map(|points| model(images(), points)).is_ok()
}

fn cameras_txt(bytes: &[u8]) -> bool {
    utf8(bytes).is_some_and(|words| text::cameras(words).is_ok())
}

fn images_txt(bytes: &[u8]) -> bool {
    let points = || text::points(seeds::COLMAP_TEXTS[2]).unwrap();
    let parsed = utf8(bytes).and_then(|words| text::images(words).ok());
    parsed.map(|images| model(images, points())).is_some()
}

fn points_txt(bytes: &[u8]) -> bool {
    let images = || text::images(seeds::COLMAP_TEXTS[1]).unwrap();
    let parsed = utf8(bytes).and_then(|words| text::points(words).ok());
    parsed.map(|points| model(images(), points)).is_some()
}

fn colmap_depth(bytes: &[u8]) -> bool {
    depth_map::depth_map(bytes).is_ok_and(|mut map| {
        keep_percentiles(map.data_mut());
        measured_share(map.data()) <= 1.0
    })
}

fn scan(bytes: &[u8]) -> bool {
    let ahead = [[2.0, -10.0, 0.0, 0.0], [1.0, 0.0, -10.0, 0.0], [1.0, 0.0, 0.0, 0.0]];
    scan_from_bytes(bytes).is_ok_and(|points| {
        let _ = training_depth(&points, &ahead, SIZE);
        let _ = evaluation_depth(&points, &ahead, SIZE, EvaluationDepth::Camera);
        true
    })
}

fn npy(bytes: &[u8]) -> bool {
    let _ = read_depth(Path::new("a.npy"), bytes);
    depth_from_npy(bytes, IMAGE_PIXELS_MAX).is_ok()
}

fn depth_png(bytes: &[u8]) -> bool {
    depth_from_bytes(Path::new("a.png"), bytes).is_ok()
}

fn labels_png(bytes: &[u8]) -> bool {
    labels_from_bytes(Path::new("a.png"), bytes).is_ok()
}

fn color(bytes: &[u8]) -> bool {
    rgb_from_bytes(Path::new("a.png"), bytes).is_ok()
}

fn depth_hdf5(bytes: &[u8]) -> bool {
    read_depth(&file("depth.h5", bytes), bytes).is_ok()
}

/// "width height text".
fn run_lengths(bytes: &[u8]) -> bool {
    let Some(text) = utf8(bytes) else { return false };
    let words: Vec<&str> = text.splitn(3, ' ').collect();
    let [width, height, runs] = words[..] else { return false };
    let (Ok(width), Ok(height)) = (width.parse(), height.parse()) else { return false };
    let size = ImageSize::new(width, height);
    Rle::from_coco_string(size, runs).is_ok_and(|mask| {
        assert_eq!(Rle::from_coco_string(size, &mask.to_coco_string()).as_ref(), Ok(&mask));
        assert!(mask.area() as usize <= size.area());
        let _ = mask.bbox();
        mask.iou_above(&mask, 1, 2) == (mask.area() > 0)
    })
}

fn mots_text(bytes: &[u8]) -> bool {
    mots::read(&file("mots/0002.txt", bytes), None).is_ok()
}

fn coco_rows(bytes: &[u8]) -> bool {
    coco::read(&file("coco/results.json", bytes), None).is_ok()
}

fn strip(bytes: &[u8]) -> bool {
    let path = file("strips/walk/3-fseg.png", bytes);
    let params = struct2depth::StripParams { class: InstanceClass::Car, size: None };
    let root = path.ancestors().nth(2).unwrap();
    struct2depth::read(root, None, &params).is_ok()
}

fn masks(root: &Path, needs: Needs) -> bool {
    let store = MaskStore::open_import(root).unwrap();
    store.read_frame("a", "7", SIZE, needs).is_ok()
}

fn mask_rows(bytes: &[u8]) -> bool {
    let path = file("rows/a/instances/7.json", bytes);
    masks(path.ancestors().nth(3).unwrap(), Needs::INSTANCES)
}

fn mask_scene(bytes: &[u8]) -> bool {
    let path = file("scenes/a/instances.json", bytes);
    masks(path.ancestors().nth(2).unwrap(), Needs::INSTANCES)
}

fn mask_semantic(bytes: &[u8]) -> bool {
    let path = file("semantic/a/semantic/7.png", bytes);
    masks(path.ancestors().nth(3).unwrap(), Needs::SEMANTIC)
}

fn store(bytes: &[u8]) -> bool {
    MaskStore::open_import(file("store/store.json", bytes).parent().unwrap()).is_ok()
}

fn data_set(bytes: &[u8]) -> bool {
    utf8(bytes).and_then(|text| DataSetManifest::parse(text).ok()).is_some_and(|manifest| {
        for clip in manifest.clips() {
            let _ = manifest.clip_poses(&clip);
            for &frame in &clip.frames {
                let _ = (manifest.frame_name(frame), manifest.frame_size(frame));
                let _ = (manifest.image_file(frame), manifest.frame_intrinsics(frame));
            }
        }
        let _ = (manifest.clip_frames(), manifest.problems_without_clip());
        DataSetManifest::parse(&manifest.to_text()).as_ref() == Ok(&manifest)
    })
}

fn shard_set(bytes: &[u8]) -> bool {
    ShardSetManifest::read(&file("manifest.json", bytes)).is_ok()
}

fn shard_part(bytes: &[u8]) -> bool {
    PartManifest::read(&file("part-1-of-2.json", bytes)).is_ok_and(|part| {
        let other = PartManifest { part: 2, shards: Vec::new(), ..part.clone() };
        let _ = ShardSetManifest::from_parts(&[part, other]);
        true
    })
}

fn record_of_shard(bytes: &[u8]) -> bool {
    let path = file("records/.run/kitti-all-00000.h5.json", bytes);
    let out = path.ancestors().nth(2).unwrap();
    let found = shard_record::any_fingerprint(out).unwrap();
    let _ = shard_record::read_if_whole(out, "kitti-all-00000.h5", "x");
    found.is_some()
}

fn shard(bytes: &[u8]) -> bool {
    let Ok(reader) = ShardReader::open(&file("street-train-00000.h5", bytes)) else { return false };
    (0..reader.len()).all(|index| reader.read(index).is_ok())
}

/// Each line as a `--set`.
fn run_set(bytes: &[u8]) -> bool {
    let Some(text) = utf8(bytes) else { return false };
    let sets: Vec<String> = text.lines().map(str::to_owned).collect();
    let demo = suw_tests::root().join("data-manifests/runs/demo.toml");
    RunConfig::read(&demo, &sets).is_ok()
}
