//! Tests of the COLMAP readers: bytes written here by COLMAP's description, and a real workspace read by NumPy.

use std::path::PathBuf;

use proptest::prelude::*;
use suw_shared::camera::Intrinsics;
use suw_shared::image_size::ImageSize;

use super::model::{ColmapImage, Points};
use super::*;
use crate::depth_cleaning::{keep_percentiles, keep_range, measured_share, percentile};

fn camera_bytes() -> Vec<u8> {
    let mut bytes = 1u64.to_le_bytes().to_vec();
    bytes.extend([7u32, 1].iter().flat_map(|v| v.to_le_bytes()));
    bytes.extend([20u64, 10].iter().flat_map(|v| v.to_le_bytes()));
    bytes.extend([16.0f64, 17.0, 10.0, 5.0].iter().flat_map(|v| v.to_le_bytes()));
    bytes
}

/// A quarter turn about y: world z is the camera's x, world x its -z... and a step.
fn image_bytes() -> Vec<u8> {
    let half = 0.5f64.sqrt();
    let mut bytes = 1u64.to_le_bytes().to_vec();
    bytes.extend(3u32.to_le_bytes());
    bytes.extend([half, 0.0, half, 0.0, 1.0, 2.0, 8.0].iter().flat_map(|v| v.to_le_bytes()));
    bytes.extend(7u32.to_le_bytes());
    bytes.extend(b"a.jpg\0");
    bytes.extend(3u64.to_le_bytes());
    for point in [5, u64::MAX, 6] {
        bytes.extend([1.5f64, 2.5].iter().flat_map(|v| v.to_le_bytes()));
        bytes.extend(u64::to_le_bytes(point));
    }
    bytes
}

fn point_bytes() -> Vec<u8> {
    let mut bytes = 2u64.to_le_bytes().to_vec();
    for (id, place, track) in [(5u64, [4.0f64, -2.0, -1.0], 2u64), (6, [10.0, 0.0, 0.0], 0)] {
        bytes.extend(id.to_le_bytes());
        bytes.extend(place.iter().flat_map(|v| v.to_le_bytes()));
        bytes.extend([1, 2, 3]);
        bytes.extend(0.5f64.to_le_bytes());
        bytes.extend(track.to_le_bytes());
        bytes.extend(vec![0; 8 * track as usize]);
    }
    bytes
}

const CAMERA_TEXT: &str = "# comment\n7 PINHOLE 20 10 16 17 10 5\n";
const IMAGE_TEXT: &str = "# two lines each\n3 0.70710678118 0 0.70710678118 0 1 2 8 7 a.jpg\n\
                          1.5 2.5 5 1.5 2.5 -1 1.5 2.5 6\n4 1 0 0 0 0 0 0 7 b.jpg\n\n";
const POINT_TEXT: &str = "5 4 -2 -1 1 2 3 0.5 1 2 3 4\n6 10 0 0 1 2 3 0.5\n";

#[test]
fn binary_and_text_say_the_same() {
    let cameras = binary::cameras(&camera_bytes()).unwrap();
    assert_eq!(cameras, text::cameras(CAMERA_TEXT).unwrap());
    let intrinsics = Intrinsics { fx: 16.0, fy: 17.0, cx: 9.5, cy: 4.5 };
    assert_eq!(cameras[&7].intrinsics, intrinsics);
    let images = binary::images(&image_bytes()).unwrap();
    let from_text = text::images(IMAGE_TEXT).unwrap();
    assert_eq!(from_text.len(), 2);
    assert_eq!((&images[0].name, &images[0].seen), (&from_text[0].name, &vec![5, 6]));
    assert_eq!(from_text[0].seen, [5, 6]);
    let close = images[0].pose.iter().zip(&from_text[0].pose).all(|(a, b)| (a - b).abs() < 1e-9);
    assert!(close, "{:?}", from_text[0].pose);
    let points = binary::points(&point_bytes()).unwrap();
    assert_eq!(points, text::points(POINT_TEXT).unwrap());

    let model = Model::new(cameras, images, points).unwrap();
    assert_eq!(model.n_points(), 2);
    let image = model.images().next().unwrap();
    // A quarter turn about y sends (x, y, z) to (z, y, -x): (4, -2, -1) to (-1, -2, -4), plus (1, 2, 8) is (0, 0, 4).
    // The other point comes to (1, 2, -2), behind the camera.
    let sparse = model.sparse_depths(image);
    assert_eq!(sparse.len(), 1);
    // The principal point 9.5, 4.5 belongs to the pixel to its right and below.
    let (x, y, depth) = sparse[0];
    assert!((9..=10).contains(&x) && (4..=5).contains(&y) && (depth - 4.0).abs() < 1e-9);
}

#[test]
fn broken_models_are_refused_with_a_reason() {
    let refused = |text: &str| text::cameras(text).unwrap_err();
    assert!(refused("7 OPENCV 20 10 1 2 3 4 5 6 7 8").contains("without distortion"));
    assert!(refused("7 PINHOLE 0 10 1 2 3 4").contains("1 to 65535"));
    assert!(refused("7 PINHOLE 20 10 1 nan 3 4").contains("finite"));
    assert!(refused("7 PINHOLE").contains("line 1"));
    let refused = |text: &str| text::images(text).unwrap_err();
    assert!(refused("3 1 0 0 1 0 0 0 7 a.jpg").contains("unit quaternion"));
    assert!(refused("3 1 0 0 0 inf 0 0 7 a.jpg").contains("finite"));
    assert!(refused("3 1 0 0 0 0 0 0 7 a.jpg\n1 2").contains("line 2"));
    assert!(text::points("5 1 2 nan").unwrap_err().contains("line 1"));
    let mut nan = image_bytes();
    nan[12..20].copy_from_slice(&f64::NAN.to_le_bytes());
    assert!(binary::images(&nan).unwrap_err().contains("a.jpg"));
    let mut many = camera_bytes();
    many[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(binary::cameras(&many).unwrap_err().contains("more bytes"));
    let image = |name: &str, camera| ColmapImage {
        name: name.to_owned(),
        camera,
        pose: [0.0; 12],
        seen: Vec::new(),
    };
    let cameras = || text::cameras(CAMERA_TEXT).unwrap();
    let model = |images| Model::new(cameras(), images, Points::default());
    assert!(model(vec![image("a", 8)]).unwrap_err().contains("camera"));
    assert!(model(vec![image("../a", 7)]).unwrap_err().contains("folders"));
    assert!(model(vec![image("a", 7), image("a", 7)]).unwrap_err().contains("once"));
}

#[test]
fn a_depth_map_stands_row_by_row() {
    let mut bytes = b"3&2&1&".to_vec();
    bytes.extend([0.0f32, 1.0, 2.0, 3.0, 4.0, 5.0].iter().flat_map(|v| v.to_le_bytes()));
    let map = depth_map::depth_map(&bytes).unwrap();
    assert_eq!((map.size(), map.at(1, 0)), (ImageSize::new(3, 2), 3.0));
    let refused = |bytes: &[u8]| depth_map::depth_map(bytes).unwrap_err();
    assert!(refused(&bytes[..29]).contains("3x2 pixels, got 23"));
    assert!(refused(b"3&2&3&").contains("COLMAP"));
    assert!(refused(b"65535&65535&1&x").contains("65535x65535"));
    assert!(refused(b"0&2&1&").contains("0x2"));
    for value in [f32::NAN, f32::INFINITY, -1.0] {
        bytes[6..10].copy_from_slice(&value.to_le_bytes());
        assert!(refused(&bytes).contains("finite"), "{value}");
    }
}

/// Expected values: NumPy on the same files (quaternions to matrices, numpy.percentile).
#[test]
fn a_real_workspace_is_what_numpy_reads() {
    let folder =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/colmap/dense_workspace");
    if !folder.exists() {
        println!("skipped: {} is absent", folder.display());
        return;
    }
    let model = read_model(&folder).unwrap();
    assert_eq!((model.images().count(), model.n_points()), (28, 1404));
    // Name, points inside, those with a measured pixel, median ratio of map to point, share measured, share kept.
    for (name, inside, measured, ratio, share, kept) in [
        ("image05.jpg", 218, 212, 0.977_244_380_0, 0.706_538_461_5, 0.662_797_202_8),
        ("image019.jpg", 292, 286, 0.982_009_015_9, 0.867, 0.824),
        ("image012.jpg", 190, 187, 0.997_523_603_9, 0.814, 0.759),
    ] {
        let image = model.images().find(|image| image.name == name).unwrap();
        let bytes = std::fs::read(folder.join(depth_map_path(name))).unwrap();
        let mut map = depth_map::depth_map(&bytes).unwrap();
        assert_eq!(map.size(), model.camera(image).size);
        let sparse = model.sparse_depths(image);
        assert_eq!(sparse.len(), inside, "{name}");
        let mut ratios: Vec<f32> = sparse
            .iter()
            .map(|&(x, y, depth)| (f64::from(map.at(y, x)) / depth) as f32)
            .filter(|ratio| *ratio > 0.0)
            .collect();
        assert_eq!(ratios.len(), measured, "{name}");
        ratios.sort_by(f32::total_cmp);
        assert!((percentile(&ratios, 50.0).unwrap() - ratio).abs() < 1e-6, "{name}");
        assert!((measured_share(map.data()) - share).abs() < 6e-4, "{name}");
        let mut depths: Vec<f32> = sparse.iter().map(|(_, _, depth)| *depth as f32).collect();
        depths.sort_by(f32::total_cmp);
        let [near, far] = [1.0, 99.0].map(|percent| percentile(&depths, percent).unwrap());
        keep_range(map.data_mut(), [near / 2.0, far * 2.0]);
        keep_percentiles(map.data_mut());
        assert!((measured_share(map.data()) - kept).abs() < 6e-3, "{name}");
    }
    let image = model.images().find(|image| image.name == "image05.jpg").unwrap();
    let expected = [
        0.35927077700259835,
        -0.891280408927338,
        0.2766653961995725,
        -1.2193080392316895,
        0.8826336549615911,
        0.42080811513828287,
        0.20947162424278087,
        -3.3886279259877132,
        -0.3031209988125078,
        0.16893715664732512,
        0.9378581434219275,
        1.3603557786527791,
    ];
    assert!(image.pose.iter().zip(expected).all(|(got, want)| (got - want).abs() < 1e-12));
    let camera = model.camera(image);
    assert_eq!((camera.size, camera.intrinsics.cx), (ImageSize::new(200, 143), 99.5));
}

proptest! {
    #[test]
    fn no_damage_makes_a_reader_panic(at in 0usize..400, byte in any::<u8>(), cut in 0usize..400) {
        for whole in [camera_bytes(), image_bytes(), point_bytes()] {
            let mut bytes = whole;
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(cut);
            let _ = binary::cameras(&bytes);
            let _ = binary::images(&bytes);
            let _ = binary::points(&bytes);
            let _ = depth_map::depth_map(&bytes);
        }
        for whole in [CAMERA_TEXT, IMAGE_TEXT, POINT_TEXT] {
            let mut bytes = whole.as_bytes().to_vec();
            let at = at % bytes.len();
            bytes[at] = byte & 0x7f;
            bytes.truncate(cut);
            let text = String::from_utf8(bytes).unwrap();
            let _ = text::cameras(&text);
            let _ = text::images(&text);
            let _ = text::points(&text);
        }
    }

    #[test]
    fn no_bytes_make_the_map_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = depth_map::depth_map(&bytes);
    }
}
