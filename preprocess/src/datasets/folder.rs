//! Floor 2: folders of own pictures: what lies where.
//!
//! ```text
//! ROOT/<scene>/<stem>.png|jpg        any depth of folders; pictures in ROOT itself are the scene "pictures"
//! ROOT/depth/<scene>/<stem>.png|npy  depth maps, if there are any: 16-bit PNG (m * 256) or NumPy [H, W]
//! ROOT/intrinsics.txt                lines "fx fy cx cy" or "<scene> fx fy cx cy", pixels, if cameras are known
//! ```
//!
//! Names only, but for `intrinsics.txt`: no picture is opened here. Names that begin with a dot are left out.

use std::collections::BTreeMap;
use std::path::Path;

use suw_shared::camera::Intrinsics;
use suw_shared::problem::{Problem, ProblemKind};
use suw_shared::sample_key::SampleKey;

use crate::datasets::listing::{PICTURES, WalkError, files_by_stem, folders};
use crate::datasets::pictures::{Camera, Picture, PictureScene, Pictures, unusable_name};

/// The folder of depth maps.
const DEPTH_FOLDER: &str = "depth";

/// The file of cameras.
const INTRINSICS_FILE: &str = "intrinsics.txt";

/// Scene of the pictures that lie in the root itself.
const ROOT_SCENE: &str = "pictures";

/// Ends of depth maps, the preferred first.
const DEPTH_ENDS: [&str; 2] = ["npy", "png"];

/// Walks a folder of pictures, all in the order of their names.
pub fn walk(root: &Path) -> Result<Pictures, WalkError> {
    let mut found = Pictures::default();
    let mut open = vec![String::new()];
    while let Some(folder) = open.pop() {
        let path = root.join(&folder);
        for name in folders(&path)? {
            let below = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            if below != DEPTH_FOLDER && !below.rsplit('/').next().unwrap_or("").starts_with('.') {
                open.push(below);
            }
        }
        found.scenes.extend(scene_of(root, &folder, &mut found.problems)?);
    }
    found.scenes.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(pair) = found.scenes.windows(2).find(|pair| pair[0].name == pair[1].name) {
        let reason = format!("both it and its folder {:?} hold pictures; move one", pair[0].name);
        return Err(WalkError::Name { path: root.to_owned(), reason });
    }
    add_cameras(root, &mut found);
    Ok(found)
}

fn scene_of(
    root: &Path,
    folder: &str,
    problems: &mut Vec<Problem>,
) -> Result<Option<PictureScene>, WalkError> {
    let name = if folder.is_empty() { ROOT_SCENE } else { folder };
    let images = files_by_stem(root, folder, &PICTURES)?;
    let depth_folder = format!("{DEPTH_FOLDER}/{folder}");
    let mut depth = files_by_stem(root, depth_folder.trim_end_matches('/'), &DEPTH_ENDS)?;
    let mut frames = Vec::new();
    let shown = images.into_iter().filter(|(stem, _)| !stem.starts_with('.'));
    for (number, (stem, image)) in (0..).zip(shown) {
        if let Err(reason) = SampleKey::from_parts(name, &stem) {
            problems.push(unusable_name(image, &reason));
            continue;
        }
        frames.push(Picture {
            number,
            depth: depth.remove(&stem),
            stem,
            image,
            ..Picture::default()
        });
    }
    let scene = PictureScene { name: name.to_owned(), frames, ..PictureScene::default() };
    Ok((!scene.frames.is_empty()).then_some(scene))
}

fn add_cameras(root: &Path, found: &mut Pictures) {
    let path = root.join(INTRINSICS_FILE);
    if !path.is_file() {
        return;
    }
    let read = std::fs::read_to_string(&path).map_err(|error| error.to_string());
    let cameras = match read.and_then(|text| cameras(&text)) {
        Ok(cameras) => cameras,
        Err(reason) => {
            let kind = ProblemKind::CalibrationUnreadable;
            found.problems.push(Problem { item: INTRINSICS_FILE.to_owned(), kind, reason });
            return;
        }
    };
    for scene in &mut found.scenes {
        let camera = cameras.get(&scene.name).or_else(|| cameras.get(""));
        scene.camera = camera.map(|camera| Camera::Pixels(*camera));
        scene.sources.push(INTRINSICS_FILE.to_owned());
    }
}

/// Cameras by scene; the one of all other scenes under the empty name. Blank lines and lines that begin with # are
/// skipped.
fn cameras(text: &str) -> Result<BTreeMap<String, Intrinsics>, String> {
    let mut cameras = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (scene, numbers) = match words.as_slice() {
            [] => continue,
            [first, ..] if first.starts_with('#') => continue,
            [fx, fy, cx, cy] => ("", [fx, fy, cx, cy]),
            [scene, fx, fy, cx, cy] => (*scene, [fx, fy, cx, cy]),
            _ => return Err(expected(number, line)),
        };
        let values = numbers.map(|word| word.parse::<f64>().ok().filter(|value| value.is_finite()));
        let [Some(fx), Some(fy), Some(cx), Some(cy)] = values else {
            return Err(expected(number, line));
        };
        if fx <= 0.0 || fy <= 0.0 {
            return Err(expected(number, line));
        }
        if cameras.insert(scene.to_owned(), Intrinsics { fx, fy, cx, cy }).is_some() {
            return Err(format!("line {number}: a second camera for the same pictures"));
        }
    }
    Ok(cameras)
}

fn expected(number: u32, line: &str) -> String {
    let got: String = line.chars().take(120).collect();
    format!("line {number}: expected \"[scene] fx fy cx cy\" in pixels, got {got:?}")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn touch(root: &Path, path: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"x").unwrap();
    }

    #[test]
    fn scenes_are_folders_with_pictures() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for path in [
            "b.jpg",
            "walk/one/2.png",
            "walk/one/10.png",
            "walk/one/notes.txt",
            "walk/.hidden/1.png",
            "empty/notes.txt",
            "depth/walk/one/2.png",
            "depth/walk/one/2.npy",
            "depth/walk/one/10.png",
            "depth/b.npy",
        ] {
            touch(root, path);
        }
        fs::write(root.join("intrinsics.txt"), "# all\n100 100 10 5\nwalk/one 1 2 3 4\n").unwrap();
        let found = walk(root).unwrap();
        let names: Vec<_> = found.scenes.iter().map(|scene| scene.name.as_str()).collect();
        assert_eq!(names, ["pictures", "walk/one"]);
        let frames: Vec<_> = found.scenes[1]
            .frames
            .iter()
            .map(|frame| (frame.stem.as_str(), frame.depth.as_deref().unwrap()))
            .collect();
        assert_eq!(frames, [("10", "depth/walk/one/10.png"), ("2", "depth/walk/one/2.npy")]);
        assert_eq!(found.scenes[0].frames[0].depth.as_deref(), Some("depth/b.npy"));
        let camera = |scene: usize| match found.scenes[scene].camera {
            Some(Camera::Pixels(camera)) => [camera.fx, camera.fy, camera.cx, camera.cy],
            other => panic!("{other:?}"),
        };
        assert_eq!(camera(0), [100.0, 100.0, 10.0, 5.0]);
        assert_eq!(camera(1), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(found.problems, []);
        // A folder named as the scene of the root.
        touch(root, "pictures/1.png");
        assert!(matches!(walk(root), Err(WalkError::Name { .. })));
    }

    #[test]
    fn broken_cameras_are_a_problem_and_no_end() {
        for text in ["1 2 3", "1 2 3 nan", "0 1 2 3", "a 1 2 3 4 5", "1 1 1 1\n2 2 2 2"] {
            let folder = tempfile::tempdir().unwrap();
            touch(folder.path(), "a/1.png");
            fs::write(folder.path().join("intrinsics.txt"), text).unwrap();
            let found = walk(folder.path()).unwrap();
            assert_eq!(found.problems.len(), 1, "{text}");
            assert!(found.problems[0].reason.contains("line"), "{:?}", found.problems);
            assert_eq!(found.scenes[0].camera, None);
        }
    }

    #[test]
    fn a_name_that_cannot_be_a_key_is_a_problem_of_that_picture() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["a b/1.png", "c/1.png", "c/IMG 2.png"] {
            touch(folder.path(), path);
        }
        let found = walk(folder.path()).unwrap();
        let frames: Vec<_> =
            found.scenes.iter().flat_map(|s| s.frames.iter().map(|f| f.image.as_str())).collect();
        assert_eq!(frames, ["c/1.png"]);
        let mut items: Vec<_> = found.problems.iter().map(|p| p.item.as_str()).collect();
        items.sort_unstable();
        assert_eq!(items, ["a b/1.png", "c/IMG 2.png"]);
        assert!(found.problems[0].reason.contains("another name"), "{:?}", found.problems);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,60}|([a-z0-9. #-]{1,9} ){3,6}\n") {
            let _ = cameras(&text);
        }
    }
}
