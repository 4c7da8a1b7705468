//! Small good files of every format, written by hand or by the library that owns the format.

use std::fs;
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};
use suw_preprocess::decode::{depth_png16, gray8_png, rgb_png};
use suw_shared::depth_map::DepthMap;
use suw_shared::image_size::ImageSize;
use suw_shared::rgb_image::RgbImage;
use suw_shared::rle::Rle;
use suw_shared::shard::ShardWriter;
use suw_tests::samples;

/// `calib_cam_to_cam.txt`.
pub const CAMERA: &str = "calib_time: 09-Jan-2012 13:57:47\ncorner_dist: 9.950000e-02\n\
    R_rect_00: 9.999239e-01 9.837760e-03 -7.445048e-03 -9.869795e-03 9.999421e-01 -4.278459e-03 7.402527e-03 \
    4.351614e-03 9.999631e-01\n\
    S_rect_02: 1.242000e+03 3.750000e+02\n\
    P_rect_02: 7.215377e+02 0 6.095593e+02 4.485728e+01 0 7.215377e+02 1.728540e+02 2.163791e-01 0 0 1 2.745884e-03\n";

/// `calib_velo_to_cam.txt`.
pub const VELODYNE: &str =
    "calib_time: x\nR: 0 -1 0 0 0 -1 1 0 0\nT: 0 0.05 -0.5\ndelta_f: 0.0 0.0\n";

/// A camera file of Mannequin Challenge.
pub const CLIP: &str = "https://example.org/watch?v=1\n\
    95128 0.5 0.9 0.5 0.4 0 0 1 0 0 2 0 1 0 3 0 0 1 4\n158692 0.5 0.9 0.5 0.4 0.0 0.0 0 0 1 2 0 1 0 3 -1 0 0 4\n";

/// `oxts/data/NUMBER.txt`: thirty numbers each; the first three are latitude, longitude and altitude.
pub const OXTS: [&str; 2] = [
    "49.015003823272 8.4342971002335 116.43032836914 0.035752 0.00903 -2.6087069803847 -6.811441479104 \
     -11.275641809511 13.172716663769 -0.12475264293164 -0.032919903047354 0.44519814190841 1.0212157775702 \
     9.8043066321584 0.6 1.2 9.7 0.0054 -0.0012 0.0179 0.0053 -0.0016 0.0179 0.7178 0.0255 4 11 6 6 6\n",
    "-33.9e0 -179.9999 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 4 9 5 5 5\n",
];

/// `intrinsics.txt` of a folder of own pictures.
pub const FOLDER_CAMERAS: &str = "# all but one scene\n721.5377 721.5377 609.5593 172.854\n\n\
    a 50 51.5 3.25 -2e0\n";

/// A list of target frames.
pub const SPLIT: &str =
    "2011_09_26/2011_09_26_drive_0002_sync 0000000069 l\n2011_09_26/drive 7 r\n";

/// COLMAP's three texts.
pub const COLMAP_TEXTS: [&str; 3] = [
    "# Camera list\n1 PINHOLE 64 48 50.0 51.0 32.0 24.0\n2 SIMPLE_PINHOLE 64 48 50.0 32 24\n",
    "# Image list\n1 1 0 0 0 0.1 0 0 1 100.jpg\n10.5 11.5 7 1 2 -1 30.0 30.0 8\n\
     2 0.7071068 0 0.7071068 0 -0.1 0 0 2 200.jpg\n5 5 8\n",
    "# 3D point list\n7 0.5 0.25 4.0 255 0 0 0.5 1 0\n8 -0.5 0.1 6.5 0 255 0 0.1 1 2 2 0\n",
];

/// The same model in COLMAP's binary files.
pub fn colmap_binaries() -> [Vec<u8>; 3] {
    let longs = |values: &[u64]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let ints = |values: &[u32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let reals = |values: &[f64]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let cameras = [
        longs(&[2]),
        ints(&[1, 1]),
        longs(&[64, 48]),
        reals(&[50.0, 51.0, 32.0, 24.0]),
        ints(&[2, 0]),
        longs(&[64, 48]),
        reals(&[50.0, 32.0, 24.0]),
    ];
    let image = |number: u32, name: &[u8], seen: &[(f64, f64, u64)]| {
        let features =
            seen.iter().flat_map(|(x, y, id)| [reals(&[*x, *y]), longs(&[*id])].concat());
        let pose = reals(&[1.0, 0.0, 0.0, 0.0, 0.1, 0.0, 0.0]);
        let mut bytes = [ints(&[number]), pose, ints(&[number]), name.to_vec()].concat();
        bytes.extend(longs(&[seen.len() as u64]));
        bytes.extend(features);
        bytes
    };
    let images = [
        longs(&[2]),
        image(1, b"100.jpg\0", &[(10.5, 11.5, 7), (1.0, 2.0, u64::MAX)]),
        image(2, b"200.jpg\0", &[(5.0, 5.0, 8)]),
    ];
    let point = |id: u64, place: [f64; 3], track: &[u32]| {
        let color = [&[255, 0, 0][..], &reals(&[0.5])].concat();
        let track = [longs(&[track.len() as u64 / 2]), ints(track)].concat();
        [longs(&[id]), reals(&place), color, track].concat()
    };
    let points = [
        longs(&[2]),
        point(7, [0.5, 0.25, 4.0], &[1, 0]),
        point(8, [-0.5, 0.1, 6.5], &[1, 2, 2, 0]),
    ];
    [cameras.concat(), images.concat(), points.concat()]
}

/// A depth map of COLMAP.
pub fn colmap_depth() -> Vec<u8> {
    let values = [0.0_f32, 1.5, 2.5, 4.0, 8.0, 0.0].iter().flat_map(|v| v.to_le_bytes());
    b"3&2&1&".iter().copied().chain(values).collect()
}

/// Three points of a scanner.
pub fn scan() -> Vec<u8> {
    let points = [[10.5_f32, 1.0, -2.0, 0.3], [20.0, -3.0, 0.5, 0.0], [5.0, 0.0, -1.7, 1.0]];
    points.as_flattened().iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// A NumPy file of each kind of number.
pub fn npy() -> Vec<Vec<u8>> {
    let file = |kind: &str, values: Vec<u8>| {
        let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': (2, 3), }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.into_bytes());
        bytes.extend(values);
        bytes
    };
    let reals = [0.0_f32, 1.0, 2.5, 4.0, 80.0, f32::NAN];
    vec![
        file("<f4", reals.iter().flat_map(|v| v.to_le_bytes()).collect()),
        file("<f8", reals.iter().flat_map(|v| f64::from(*v).to_le_bytes()).collect()),
        file("<u2", reals.iter().flat_map(|v| (*v as u16).to_le_bytes()).collect()),
    ]
}

const SMALL: ImageSize = ImageSize::new(6, 4);

/// A 16-bit depth picture.
pub fn depth_picture() -> Vec<u8> {
    depth_png16(&DepthMap::new(SMALL, (0..24).map(|i| i as f32 * 1.5).collect()))
}

/// A map of train ids.
pub fn labels() -> Vec<u8> {
    gray8_png(SMALL, &[0, 1, 2, 3, 255, 18].repeat(4))
}

/// Color pictures.
pub fn color_png() -> Vec<u8> {
    rgb_png(&RgbImage::new(SMALL, (0..72).map(|i| (i / 18 * 60) as u8).collect()))
}

/// A strip of struct2depth with objects of two colors.
pub fn strip() -> Vec<u8> {
    let colors = [[0, 0, 0], [5, 5, 5], [9, 9, 9]];
    rgb_png(&RgbImage::new(SMALL, (0..24).flat_map(|i| colors[(i / 2) % 3]).collect()))
}

/// A JPEG picture.
pub fn jpeg() -> Vec<u8> {
    let mut bytes = Vec::new();
    let pixels: Vec<u8> = (0..16 * 16 * 3).map(|i| (i % 97) as u8).collect();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, 80);
    encoder.write_image(&pixels, 16, 16, ExtendedColorType::Rgb8).unwrap();
    bytes
}

/// Compressed run lengths of a mask of 6x4.
pub fn run_lengths() -> String {
    Rle::from_mask(SMALL, &[0, 0, 1, 1, 0, 1].repeat(4)).to_coco_string()
}

/// Two lines of KITTI MOTS.
pub fn mots() -> String {
    let runs = run_lengths();
    format!("0 1001 1 4 6 {runs}\n0 2002 2 4 6 {runs}\n3 10000 10 4 6 {runs}\n")
}

/// Rows of COCO results.
pub fn coco() -> String {
    let runs = run_lengths();
    format!(
        r#"[{{"image_id": 12, "category_id": 3, "score": 0.75, "segmentation": {{"size": [4, 6], "counts": "{runs}"}}}},
           {{"image_id": "a/13.png", "category_id": 1, "segmentation": {{"size": [4, 6], "counts": [3, 20, 1]}}}},
           {{"image_id": "12", "category_id": 44, "segmentation": null, "bbox": [1, 2, 3, 4]}}]"#
    )
}

/// Rows of a frame of a mask store.
pub fn mask_rows() -> String {
    let runs = run_lengths();
    format!(
        r#"[{{"bbox": [0, 0, 3, 3], "category_id": 3, "image_id": 7, "score": 0.5, "segmentation": {{"counts": "{runs}", "size": [4, 6]}}}},
           {{"category_id": 1, "image_id": "8", "segmentation": {{"counts": "{runs}", "size": [4, 6]}}}}]"#
    )
}

/// `store.json`.
pub fn store() -> String {
    let model = format!(r#"{{"blake3": "{0}", "name": "m", "spec": "{0}"}}"#, "a".repeat(64));
    format!(
        r#"{{"format": "suw-masks", "models": {{"instance": {model}, "semantic": {model}}}, "version": 1}}"#
    )
}

/// A data-set manifest with three frames, a clip, a camera and poses.
pub fn data_set() -> String {
    let file = |path: &str| {
        format!(r#"{{"blake3": "{}", "bytes": 10, "path": "{path}"}}"#, "b".repeat(64))
    };
    let files = ["a/1.png", "a/2.png", "a/3.png", "a/d.h5"].map(file).join(",");
    let frame =
        |image: u32, more: &str| format!(r#"{{"image": {image}, "stem": "{}"{more}}}"#, image + 1);
    let pose = r#", "pose": [1,0,0,0.5,0,1,0,0,0,0,1,0], "depth": 3, "depth_range": [0.5, 80.0]"#;
    let frames = [frame(0, ""), frame(1, pose), frame(2, "")].join(",");
    format!(
        r#"{{"counts": {{"bytes": 40, "clips": 1, "depth_maps": 1, "frames": 3, "ground_truth": 0, "lidar": 0, "scenes": 1}},
           "dataset": "folder", "files": [{files}], "format": "suw-dataset", "frames": 3,
           "problems": [{{"item": "a/4", "kind": "image-unreadable", "reason": "x"}}],
           "scenes": [{{"calibration": null, "clips": [[0, 1, 2]], "frames": [{frames}],
             "intrinsics": {{"cx": 3.0, "cy": 2.0, "fx": 5.0, "fy": 5.0}}, "name": "a",
             "size": {{"height": 4, "width": 6}}, "velodyne_calibration": null}}],
           "split": "all", "stride": 1, "version": 1}}"#
    )
}

/// `manifest.json` of a shard set, a part of one, and the record of a shard.
pub fn shard_manifests() -> [String; 3] {
    let digest = "c".repeat(64);
    let counts = r#""counts": {"objects": {"bicycle": 0, "car": 1, "person": 2}, "pairs": {"A": 1, "B": 2, "C": 3, "gt": 0, "ordinal": 0, "same": 4}}"#;
    let shard = |number: u32| {
        format!(
            r#"{{"blake3": "{digest}", "bytes": 9, "file": "kitti-all-0000{number}.h5", "samples": 2}}"#
        )
    };
    let both = format!("{}, {}", shard(0), shard(1));
    let models = format!(r#"[{{"blake3": "{digest}", "name": "m", "role": "import"}}]"#);
    let shared = format!(
        r#""config_fingerprint": "{digest}", {counts}, "dataset": "kitti", "frames": 3, "height": 64, "width": 208,
           "models": {models}, "shards": [{both}], "split": "all", "tool_version": "0.1.0", "version": 1"#
    );
    let problem = r#"{"item": "a/1", "kind": "mask-missing", "reason": "x"}"#;
    [
        format!(
            r#"{{"format": "suw-shards", "quarantined": {{"mask-missing": 1}}, "samples": 4, {shared}}}"#
        ),
        format!(
            r#"{{"format": "suw-shards-part", "part": 1, "parts": 2, "problems": [{problem}], {shared}}}"#
        ),
        format!(
            r#"{{"config_fingerprint": "{digest}", "entry": {}, {counts}, "problems": [{problem}]}}"#,
            shard(0)
        ),
    ]
}

/// A text that is shipped, relative to the project.
pub fn shipped(path: &str) -> Vec<u8> {
    fs::read(suw_tests::root().join(path)).unwrap()
}

/// A MegaDepth map: contiguous, and in compressed chunks.
pub fn depth_hdf5() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.h5");
    let written = |fill: &dyn Fn(&hdf5::File)| {
        let file = hdf5::File::create(&path).unwrap();
        fill(&file);
        file.close().unwrap();
        fs::read(&path).unwrap()
    };
    let values: Vec<f32> = (0..24).map(|i| i as f32 - 3.0).collect();
    let plain = written(&|file| {
        file.new_dataset::<f32>()
            .shape([4, 6])
            .create("depth")
            .unwrap()
            .write_raw(&values)
            .unwrap();
    });
    let packed = written(&|file| {
        let builder = file.new_dataset::<f32>().shape([4, 6]).chunk([2, 3]).shuffle().deflate(4);
        builder.create("depth").unwrap().write_raw(&values).unwrap();
    });
    vec![plain, packed]
}

/// A shard with everything in it, and one of bare pictures.
pub fn shards() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &Path, header, samples| {
        let mut writer = ShardWriter::create(path, &header, 2).unwrap();
        for sample in samples {
            writer.push(sample).unwrap();
        }
        writer.finish().unwrap().unwrap();
        fs::read(path).unwrap()
    };
    let path = folder.path().join("street-train-00000.h5");
    vec![
        write(&path, samples::header(), vec![samples::sample(0)]),
        write(
            &path,
            samples::bare_header(),
            vec![samples::bare_sample(0), samples::bare_sample(1)],
        ),
    ]
}
