//! Tests of what makes a reconstruction unbelievable. Workspaces are texts written here: cameras on the x axis, all looking
//! at a wall, so that baselines, depths and ratios are known beforehand.

use std::fmt::Write as _;
use std::fs;

use suw_shared::camera::Intrinsics;
use suw_shared::image_size::ImageSize;

use super::*;
use crate::datasets::colmap::read_model;

/// A clip before a wall.
struct Clip {
    /// Where the cameras stand on the x axis; one picture each.
    places: Vec<f64>,
    /// How many points each picture sees, counted from the first.
    seen: Vec<u64>,
    /// How far the first ten points are, and the other ten.
    wall: [f64; 2],
    /// Depth everywhere in the map of each picture; pictures past the end have none.
    maps: Vec<f32>,
}

/// Two cameras one unit apart, a wall four units away, ten points in each picture, no maps.
fn good() -> Clip {
    Clip { places: vec![0.0, 1.0], seen: vec![10, 10], wall: [4.0; 2], maps: Vec::new() }
}

/// Maps are half as wide and high as their pictures.
fn map_bytes(depth: f32) -> Vec<u8> {
    b"20&10&1&".iter().copied().chain([depth; 200].into_iter().flat_map(f32::to_le_bytes)).collect()
}

fn write_workspace(workspace: &Path, clip: &Clip) {
    let sparse = workspace.join("sparse");
    let maps = workspace.join("stereo/depth_maps");
    fs::create_dir_all(&sparse).unwrap();
    fs::create_dir_all(&maps).unwrap();
    fs::write(sparse.join("cameras.txt"), "1 PINHOLE 40 20 20 20 20.5 10.5\n").unwrap();
    let mut images = String::new();
    for (number, (place, seen)) in clip.places.iter().zip(&clip.seen).enumerate() {
        // Nothing turned: the translation is minus the place.
        writeln!(images, "{number} 1 0 0 0 {} 0 0 1 {number}.png", -place).unwrap();
        let seen: String = (0..*seen).map(|id| format!("1.5 1.5 {id} ")).collect();
        writeln!(images, "{seen}").unwrap();
    }
    fs::write(sparse.join("images.txt"), images).unwrap();
    let mut points = String::new();
    for id in 0..20 {
        let z = clip.wall[id / 10];
        writeln!(points, "{id} {} 0 {z} 1 2 3 0.5", 0.2 * id as f64).unwrap();
    }
    fs::write(sparse.join("points3D.txt"), points).unwrap();
    for (number, depth) in clip.maps.iter().enumerate() {
        fs::write(maps.join(format!("{number}.png.geometric.bin")), map_bytes(*depth)).unwrap();
    }
}

/// Reads and examines a workspace as a scan does, after a change of its files.
fn examined_after(clip: &Clip, change: impl Fn(&Path)) -> Result<Reconstruction, String> {
    let folder = tempfile::tempdir().unwrap();
    write_workspace(folder.path(), clip);
    change(folder.path());
    let number = |name: &str| -> Option<u64> { name.split_once('.')?.0.parse().ok() };
    read_model(folder.path()).and_then(|model| examine(folder.path(), &model, &number))
}

fn examined(clip: &Clip) -> Result<Reconstruction, String> {
    examined_after(clip, |_| {})
}

/// Refused, with all these words in the reason.
fn check_refused(result: Result<Reconstruction, String>, words: &[&str]) {
    let reason = result.unwrap_err();
    assert!(words.iter().all(|word| reason.contains(word)), "expected {words:?}, got: {reason}");
}

/// Another text in place of the only one in a file of the model.
fn replace(workspace: &Path, file: &str, old: &str, new: &str) {
    let path = workspace.join("sparse").join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches(old).count(), 1, "{old:?} in {text}");
    fs::write(path, text.replace(old, new)).unwrap();
}

#[test]
fn a_good_reconstruction_is_passed_on_with_ranges_of_depth() {
    let Reconstruction { frames } = examined(&good()).unwrap();
    assert_eq!(frames.len(), 2);
    let second = &frames[1];
    assert_eq!((second.number, second.name.as_str()), (1, "1.png"));
    assert_eq!(second.pose, [1.0, 0.0, 0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    // COLMAP's 20.5 and 10.5 are 20 and 10 with centers at integers.
    assert_eq!(second.camera.size, ImageSize::new(40, 20));
    let camera = Intrinsics { fx: 20.0, fy: 20.0, cx: 20.0, cy: 10.0 };
    assert_eq!(second.camera.intrinsics, camera);

    // Half the nearest to twice the farthest: ten points 4 away, ten 8 away.
    let ranges = |seen: [u64; 2]| {
        let clip = Clip { seen: seen.to_vec(), wall: [4.0, 8.0], ..good() };
        let frames = examined(&clip).unwrap().frames;
        [0, 1].map(|at: usize| frames[at].depth_range.unwrap())
    };
    assert_eq!(ranges([10, 20]), [[2.0, 8.0], [2.0, 16.0]]);
    // Nine points say too little of a picture: it takes the range of the clip.
    assert_eq!(ranges([9, 20]), [[2.0, 16.0], [2.0, 16.0]]);
}

#[test]
fn a_clip_needs_two_pictures() {
    let of = |pictures: usize| {
        let places = (0..pictures).map(|number| number as f64).collect();
        examined(&Clip { places, seen: vec![20; pictures], ..good() })
    };
    check_refused(of(0), &["at least 2 pictures", "got 0"]);
    check_refused(of(1), &["at least 2 pictures", "got 1"]);
    assert_eq!(of(2).unwrap().frames.len(), 2);
    // Two files of one moment are one picture; those of no moment of the clip are none.
    for name in ["0.jpg", "other.png"] {
        let renamed = examined_after(&good(), |root| replace(root, "images.txt", "1.png", name));
        check_refused(renamed, &["at least 2 pictures", "got 1"]);
    }
}

#[test]
fn a_camera_that_stands_still_is_refused() {
    let of = |places: &[f64]| {
        let seen = vec![10; places.len()];
        examined(&Clip { places: places.to_vec(), seen, ..good() })
    };
    // The wall is 4 away, so that 0.004 is the least.
    check_refused(of(&[0.0, 0.0]), &["cameras that move", "median depth 4.0000", "got 0.000000"]);
    check_refused(of(&[0.0, 0.0039]), &["cameras that move", "got 0.003900"]);
    check_refused(of(&[0.0, 0.002, -0.0039]), &["cameras that move", "got 0.003900"]);
    assert!(of(&[0.0, 0.004]).is_ok());
    // The way counts, not where it ends.
    assert!(of(&[0.0, 0.5, 0.0]).is_ok());
    // A camera at x = 1 that turns upside down where it stands: [R|t] changes, and t with it, its place does not.
    let turning = Clip { places: vec![1.0, 1.0], ..good() };
    let turned = examined_after(&turning, |root| {
        replace(root, "images.txt", "1 1 0 0 0 -1 0 0 1 1.png", "1 0 0 0 1 1 0 0 1 1.png");
    });
    check_refused(turned, &["cameras that move", "got 0.000000"]);
}

#[test]
fn nine_points_are_too_few_and_ten_are_enough() {
    // A point counts once for each picture that sees it.
    let of = |seen: [u64; 2], wall: f64| {
        examined(&Clip { seen: seen.to_vec(), wall: [wall; 2], ..good() })
    };
    check_refused(of([0, 0], 4.0), &["at least 10 points", "got 0"]);
    check_refused(of([5, 4], 4.0), &["at least 10 points", "got 9"]);
    assert!(of([5, 5], 4.0).is_ok());
    assert!(of([0, 10], 4.0).is_ok());
    // What a picture says it sees and what lies behind it, or beside it, does not count.
    check_refused(of([20, 20], -4.0), &["at least 10 points", "got 0"]);
    // Points stand 0.2 apart; 0.02 away that is 20 * 0.2 / 0.02 = 200 columns. Each picture has just the one before it.
    check_refused(of([20, 20], 0.02), &["at least 10 points", "got 2"]);
}

#[test]
fn dense_over_sparse_depth_lies_between_two_thirds_and_three_halves() {
    let of =
        |wall: f64, dense: f32| examined(&Clip { wall: [wall; 2], maps: vec![dense; 2], ..good() });
    for (wall, dense) in [(4.0, 4.0), (4.0, 6.0), (6.0, 4.0)] {
        assert!(of(wall, dense).is_ok(), "{dense} over {wall}");
    }
    for (wall, dense, ratio) in
        [(4.0, 6.04, "1.510"), (4.0, 12.0, "3.000"), (6.0, 3.96, "0.660"), (4.0, 0.5, "0.125")]
    {
        let words = ["factor of 1.5", &format!("ratio of {ratio}"), "at 20 points"];
        check_refused(of(wall, dense), &words);
    }
}

#[test]
fn the_median_over_the_points_decides_and_nine_points_decide_nothing() {
    let of = |seen: [u64; 2], maps: &[f32]| {
        examined(&Clip { seen: seen.to_vec(), maps: maps.to_vec(), ..good() })
    };
    assert!(of([11, 9], &[4.0, 12.0]).is_ok());
    check_refused(of([9, 11], &[4.0, 12.0]), &["ratio of 3.000", "at 20 points"]);
    // Just the first picture has a map.
    assert!(of([9, 20], &[12.0]).is_ok());
    check_refused(of([10, 20], &[12.0]), &["ratio of 3.000", "at 10 points"]);
    // Depth that is not measured is no depth of 0.
    assert!(of([20, 20], &[0.0, 0.0]).is_ok());
    check_refused(of([20, 20], &[0.0, 12.0]), &["ratio of 3.000", "at 20 points"]);
}

#[test]
fn numbers_too_large_to_compute_with_are_refused() {
    let far = Clip { seen: vec![20, 20], wall: [4.0, 1e39], ..good() };
    check_refused(examined(&far), &["below 1e38", "inf away"]);
    check_refused(examined(&Clip { places: vec![0.0, 1e200], ..good() }), &["inf apart"]);
}

#[test]
fn numbers_that_are_not_finite_are_refused() {
    for (file, old, new, word) in [
        ("cameras.txt", "10.5", "nan", "finite numbers"),
        ("cameras.txt", "20.5", "inf", "finite numbers"),
        ("images.txt", "-1 0 0 1 1.png", "nan 0 0 1 1.png", "finite translation"),
        ("images.txt", "-1 0 0 1 1.png", "-inf 0 0 1 1.png", "finite translation"),
        ("images.txt", "1 1 0 0 0 -1 0", "1 nan 0 0 0 -1 0", "unit quaternion"),
        ("points3D.txt", "0 0 0 4 1 2 3 0.5\n1 ", "0 0 0 nan 1 2 3 0.5\n1 ", "line 1"),
        ("points3D.txt", "0 0 0 4 1 2 3 0.5\n1 ", "0 1e309 0 4 1 2 3 0.5\n1 ", "line 1"),
    ] {
        let result = examined_after(&good(), |root| replace(root, file, old, new));
        check_refused(result, &[word, &format!("sparse/{file}")]);
    }
    // A map with such a number is refused by its reader, so that it says nothing here, neither against nor for the others.
    for value in [f32::NAN, f32::INFINITY] {
        assert!(depth_map(&map_bytes(value)).unwrap_err().contains("finite"), "{value}");
        assert!(examined(&Clip { maps: vec![value; 2], ..good() }).is_ok());
        let one = Clip { seen: vec![20, 10], maps: vec![value, 12.0], ..good() };
        check_refused(examined(&one), &["ratio of 3.000", "at 10 points"]);
    }
}
