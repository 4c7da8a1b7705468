//! Floor 2: the folders of KITTI raw: `DATE/DRIVE/image_0X/data/NUMBER.png`, scans and depth pictures beside them.
//!
//! Names only: no file is opened here. Camera 2 is the left, 3 the right color camera. Depth pictures are looked for in
//! `DRIVE/proj_depth/groundtruth/image_0X/`, where KITTI's depth download puts them once it is merged into the drives.

use std::collections::BTreeMap;
use std::path::Path;

use suw_shared::problem::{Problem, ProblemKind};
use suw_shared::sample_key::SampleKey;

use crate::datasets::listing::{PICTURES, WalkError, files_by_stem, folders};

/// The rectified color cameras.
pub const CAMERAS: [u8; 2] = [2, 3];

/// Camera calibration, in the folder of the date.
pub const CAMERA_CALIBRATION: &str = "calib_cam_to_cam.txt";

/// Scanner calibration, in the folder of the date.
pub const VELODYNE_CALIBRATION: &str = "calib_velo_to_cam.txt";

/// One camera of one drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KittiScene {
    /// `DATE/DRIVE/image_0X`.
    pub name: String,
    /// By number, so that `t - stride` is a look-up.
    pub frames: BTreeMap<u64, KittiFrame>,
}

/// The files of one frame, relative to the root, `/` between parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KittiFrame {
    /// The number as the file name writes it, usually ten digits.
    pub stem: String,
    /// The picture.
    pub image: String,
    /// The Velodyne scan, if there is one.
    pub lidar: Option<String>,
    /// The 16-bit depth picture, if there is one.
    pub ground_truth: Option<String>,
}

/// What lies under a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KittiTree {
    /// With at least one frame each; sorted by name.
    pub scenes: Vec<KittiScene>,
    /// Drives and cameras without a frame.
    pub problems: Vec<Problem>,
}

/// The name of a scene.
pub fn scene_name(drive: &str, camera: u8) -> String {
    format!("{drive}/image_{camera:02}")
}

/// The camera of a scene name.
pub fn camera_of_scene(scene: &str) -> Option<u8> {
    CAMERAS.into_iter().find(|camera| scene.ends_with(&format!("/image_{camera:02}")))
}

/// The date folder of a scene name.
pub fn date_of_scene(scene: &str) -> &str {
    scene.split_once('/').map_or(scene, |(date, _)| date)
}

/// The drive of a scene name, with its date.
pub fn drive_of_scene(scene: &str) -> &str {
    scene.rsplit_once('/').map_or(scene, |(drive, _)| drive)
}

/// The stem that KITTI gives a frame number.
pub fn usual_stem(frame: u64) -> String {
    format!("{frame:010}")
}

/// Walks the dates, drives and color cameras under a root, all in the order of their names.
pub fn walk(root: &Path) -> Result<KittiTree, WalkError> {
    let mut tree = KittiTree { scenes: Vec::new(), problems: Vec::new() };
    for date in folders(root)? {
        for drive in folders(&root.join(&date))? {
            let path = root.join(&date).join(&drive);
            let camera_folder = |camera| path.join(format!("image_{camera:02}"));
            let cameras: Vec<u8> =
                CAMERAS.into_iter().filter(|camera| camera_folder(*camera).is_dir()).collect();
            let drive_name = format!("{date}/{drive}");
            if cameras.is_empty() {
                if drive.contains("_drive_") {
                    let reason = "expected a folder image_02 or image_03, got neither";
                    tree.problems.push(empty(drive_name, reason));
                }
                continue;
            }
            for camera in cameras {
                let scene = scene_of(root, &drive_name, camera)?;
                if scene.frames.is_empty() {
                    let reason = "expected pictures NUMBER.png or NUMBER.jpg in data/, got none";
                    tree.problems.push(empty(scene.name, reason));
                } else {
                    tree.scenes.push(scene);
                }
            }
        }
    }
    tree.scenes.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tree)
}

fn empty(item: String, reason: &str) -> Problem {
    Problem { item, kind: ProblemKind::SceneEmpty, reason: reason.to_owned() }
}

fn scene_of(root: &Path, drive: &str, camera: u8) -> Result<KittiScene, WalkError> {
    let name = scene_name(drive, camera);
    // Checked once with a stem of usual length: frames differ in digits only.
    SampleKey::from_parts(&name, &usual_stem(0))
        .map_err(|reason| WalkError::Name { path: root.join(&name), reason })?;
    let images = files(root, &format!("{name}/data"), &PICTURES)?;
    let scans = files(root, &format!("{drive}/velodyne_points/data"), &["bin"])?;
    let depth =
        files(root, &format!("{drive}/proj_depth/groundtruth/image_{camera:02}"), &["png"])?;
    let frames = images
        .into_iter()
        .map(|(number, (stem, image))| {
            let of = |files: &BTreeMap<u64, (String, String)>| {
                files.get(&number).map(|(_, path)| path.clone())
            };
            let (lidar, ground_truth) = (of(&scans), of(&depth));
            (number, KittiFrame { stem, image, lidar, ground_truth })
        })
        .collect();
    Ok(KittiScene { name, frames })
}

/// Files whose stem is a number, as stem and relative path; none where the folder is absent. Of two stems of one number
/// the shorter wins.
fn files(
    root: &Path,
    folder: &str,
    ends: &[&str],
) -> Result<BTreeMap<u64, (String, String)>, WalkError> {
    let mut found: BTreeMap<u64, (String, String)> = BTreeMap::new();
    for (stem, path) in files_by_stem(root, folder, ends)? {
        let digits = stem.len() <= 10 && stem.bytes().all(|byte| byte.is_ascii_digit());
        let Some(number) = stem.parse().ok().filter(|_| digits) else { continue };
        match found.get(&number) {
            Some((other, _)) if other.len() <= stem.len() => {}
            _ => {
                found.insert(number, (stem, path));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn touch(root: &Path, path: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"x").unwrap();
    }

    #[test]
    fn scenes_are_cameras_of_drives_in_the_order_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for path in [
            "d2/d2_drive_1_sync/image_03/data/0000000005.png",
            "d1/d1_drive_2_sync/image_02/data/0000000005.jpg",
            "d1/d1_drive_2_sync/image_02/data/0000000005.png",
            "d1/d1_drive_2_sync/image_02/data/0000000012.jpg",
            "d1/d1_drive_2_sync/image_02/data/notes.png",
            "d1/d1_drive_2_sync/image_02/data/x.txt",
            "d1/d1_drive_2_sync/image_00/data/0000000005.png",
            "d1/d1_drive_2_sync/velodyne_points/data/0000000012.bin",
            "d1/d1_drive_2_sync/proj_depth/groundtruth/image_02/0000000005.png",
            "d1/notes/readme.txt",
        ] {
            touch(root, path);
        }
        fs::create_dir_all(root.join("d1/d1_drive_3_sync")).unwrap();
        fs::create_dir_all(root.join("d1/d1_drive_4_sync/image_02/data")).unwrap();
        let tree = walk(root).unwrap();
        let names: Vec<_> = tree.scenes.iter().map(|scene| scene.name.as_str()).collect();
        assert_eq!(names, ["d1/d1_drive_2_sync/image_02", "d2/d2_drive_1_sync/image_03"]);
        let frames = &tree.scenes[0].frames;
        assert_eq!(frames.keys().copied().collect::<Vec<_>>(), [5, 12]);
        assert!(frames[&5].image.ends_with("0000000005.png"));
        assert!(frames[&5].ground_truth.is_some() && frames[&5].lidar.is_none());
        assert!(frames[&12].ground_truth.is_none() && frames[&12].lidar.is_some());
        assert_eq!(frames[&12].stem, "0000000012");
        let items: Vec<_> = tree.problems.iter().map(|p| (p.item.as_str(), p.kind)).collect();
        let kind = ProblemKind::SceneEmpty;
        assert_eq!(items, [("d1/d1_drive_3_sync", kind), ("d1/d1_drive_4_sync/image_02", kind)]);
    }

    #[test]
    fn names_that_cannot_be_keys_and_missing_roots_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        touch(folder.path(), "d 1/a_drive_b/image_02/data/0000000005.png");
        assert!(matches!(walk(folder.path()), Err(WalkError::Name { .. })));
        assert!(matches!(walk(&folder.path().join("none")), Err(WalkError::List { .. })));
    }

    #[test]
    fn scene_names_give_camera_and_date_back() {
        let scene = scene_name("2011_09_26/2011_09_26_drive_0001_sync", 3);
        assert_eq!(camera_of_scene(&scene), Some(3));
        assert_eq!(date_of_scene(&scene), "2011_09_26");
        assert_eq!(camera_of_scene("a/b/image_00"), None);
    }
}
