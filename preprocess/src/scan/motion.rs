//! Floor 4: clips in which the car stands still, by KITTI's GPS records. Unsupervised learning gains nothing from them:
//! every depth explains frames that do not differ.

use std::path::Path;

use super::Chosen;
use crate::datasets::kitti;
use crate::datasets::oxts::Position;
use crate::measured_files::ScanError;

/// Takes out the clips between whose first and last frame the car moved less than `least` meters; says how many.
pub(super) fn leave_out_static(
    root: &Path,
    chosen: &mut Vec<Chosen>,
    least: f64,
) -> Result<usize, ScanError> {
    let mut left_out = 0;
    for scene in chosen.iter_mut() {
        let drive = kitti::drive_of_scene(scene.name);
        let mut kept = Vec::new();
        for clip in std::mem::take(&mut scene.clips) {
            let at = |number: u64| position(root, drive, &scene.frames[&number].stem);
            let moved = at(clip[0])?.distance(at(clip[clip.len() - 1])?);
            if moved < least {
                left_out += 1;
            } else {
                kept.push(clip);
            }
        }
        scene.clips = kept;
    }
    // A list asked for clips; their frames are of no use without them.
    chosen.retain(|scene| !scene.clips.is_empty());
    for scene in chosen {
        let used: std::collections::BTreeSet<u64> = scene.clips.iter().flatten().copied().collect();
        scene.frames.retain(|number, _| used.contains(number));
    }
    Ok(left_out)
}

fn position(root: &Path, drive: &str, stem: &str) -> Result<Position, ScanError> {
    let path = root.join(drive).join("oxts/data").join(format!("{stem}.txt"));
    let text = std::fs::read_to_string(&path)
        .map_err(|source| ScanError::Read { path: path.clone(), source })?;
    Position::parse(&text).map_err(|message| ScanError::Motion { path, message })
}
