//! Floor 4: clips in which the car stands still, by KITTI's GPS records. Unsupervised learning gains nothing from them:
//! every depth explains frames that do not differ. A clip whose motion is not known stays.

use std::path::Path;

use suw_shared::problem::{Problem, ProblemKind};

use super::Chosen;
use crate::datasets::kitti;
use crate::datasets::oxts::Position;

/// Takes out the clips between whose first and last frame the car moved less than `least` meters; says how many. A drive
/// with records that are missing or cannot be read becomes a problem.
pub(super) fn leave_out_static(
    root: &Path,
    chosen: &mut Vec<Chosen>,
    least: f64,
    problems: &mut Vec<Problem>,
) -> usize {
    let mut left_out = 0;
    for scene in chosen.iter_mut() {
        let folder = format!("{}/oxts/data", kitti::drive_of_scene(scene.name));
        let mut unknown = Vec::new();
        let clips = std::mem::take(&mut scene.clips);
        let all = clips.len();
        for clip in clips {
            let at = |number: u64| position(root, &folder, &scene.frames[&number].stem);
            match at(clip[0]).and_then(|from| Ok(from.distance(at(clip[clip.len() - 1])?))) {
                Ok(moved) if moved < least => left_out += 1,
                Ok(_) => scene.clips.push(clip),
                Err(reason) => {
                    unknown.push(reason);
                    scene.clips.push(clip);
                }
            }
        }
        if let Some(first) = unknown.first() {
            problems.push(Problem {
                item: scene.name.to_owned(),
                kind: ProblemKind::FrameMissing,
                reason: format!(
                    "expected the car's motion for --min-motion, got none for {} of {all} clips, which stay; first {first}",
                    unknown.len()
                ),
            });
        }
    }
    // A list asked for clips; their frames are of no use without them.
    chosen.retain(|scene| !scene.clips.is_empty());
    for scene in chosen {
        let used: std::collections::BTreeSet<u64> = scene.clips.iter().flatten().copied().collect();
        scene.frames.retain(|number, _| used.contains(number));
    }
    left_out
}

fn position(root: &Path, folder: &str, stem: &str) -> Result<Position, String> {
    let name = format!("{folder}/{stem}.txt");
    let text = std::fs::read_to_string(root.join(&name)).map_err(|error| error.to_string());
    text.and_then(|text| Position::parse(&text)).map_err(|cause| format!("{name}: {cause}"))
}
