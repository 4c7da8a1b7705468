//! Floor 2: MegaDepth v1: what lies where.
//!
//! ```text
//! ROOT/<scene>/dense<k>/imgs/<stem>.jpg
//! ROOT/<scene>/dense<k>/depths/<stem>.h5     /depth: from structure from motion, or foreground and background
//! ```
//!
//! Names only: no file is opened here. A picture without a depth map cannot teach anything and is a problem.

use std::path::Path;

use suw_shared::problem::{Problem, ProblemKind};
use suw_shared::sample_key::SampleKey;

use crate::datasets::listing::{PICTURES, WalkError, files_by_stem, folders};
use crate::datasets::pictures::{Picture, PictureScene, Pictures, unusable_name};

/// Walks scenes and their reconstructions, all in the order of their names.
pub fn walk(root: &Path) -> Result<Pictures, WalkError> {
    let mut found = Pictures::default();
    for scene in folders(root)? {
        for dense in folders(&root.join(&scene))? {
            if dense.starts_with("dense") {
                scene_of(root, &format!("{scene}/{dense}"), &mut found)?;
            }
        }
    }
    found.scenes.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn scene_of(root: &Path, name: &str, found: &mut Pictures) -> Result<(), WalkError> {
    let images = files_by_stem(root, &format!("{name}/imgs"), &PICTURES)?;
    let mut depth = files_by_stem(root, &format!("{name}/depths"), &["h5"])?;
    let mut frames = Vec::new();
    for (number, (stem, image)) in (0..).zip(images) {
        let key = match SampleKey::from_parts(name, &stem) {
            Ok(key) => key,
            Err(reason) => {
                found.problems.push(unusable_name(image, &reason));
                continue;
            }
        };
        match depth.remove(&stem) {
            Some(depth) => frames.push(Picture {
                number,
                stem,
                image,
                depth: Some(depth),
                ..Picture::default()
            }),
            None => found.problems.push(Problem {
                item: key.to_string(),
                kind: ProblemKind::FrameMissing,
                reason: format!("expected depths/{stem}.h5 beside imgs/, got none"),
            }),
        }
    }
    if frames.is_empty() {
        let reason = "expected pictures in imgs/ with maps in depths/, got none".to_owned();
        found.problems.push(Problem {
            item: name.to_owned(),
            kind: ProblemKind::SceneEmpty,
            reason,
        });
        return Ok(());
    }
    let scene = PictureScene { name: name.to_owned(), frames, ..PictureScene::default() };
    found.scenes.push(scene);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn pictures_are_joined_with_their_maps() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for path in [
            "0001/dense1/imgs/b.jpg",
            "0001/dense1/depths/b.h5",
            "0001/dense0/imgs/a.jpg",
            "0001/dense0/imgs/c.jpg",
            "0001/dense0/depths/a.h5",
            "0001/dense0/depths/x.h5",
            "0001/sfm/imgs/a.jpg",
            "0002/dense0/imgs/a.jpg",
            "readme.txt",
        ] {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"x").unwrap();
        }
        let found = walk(root).unwrap();
        let frames: Vec<_> = found
            .scenes
            .iter()
            .flat_map(|s| s.frames.iter().map(|f| (s.name.as_str(), f.depth.as_deref().unwrap())))
            .collect();
        assert_eq!(
            frames,
            [
                ("0001/dense0", "0001/dense0/depths/a.h5"),
                ("0001/dense1", "0001/dense1/depths/b.h5")
            ]
        );
        let problems: Vec<_> = found.problems.iter().map(|p| (p.kind, p.item.as_str())).collect();
        assert_eq!(
            problems,
            [
                (ProblemKind::FrameMissing, "0001/dense0/c"),
                (ProblemKind::FrameMissing, "0002/dense0/a"),
                (ProblemKind::SceneEmpty, "0002/dense0"),
            ]
        );
    }
}
