//! Floor 4: all drives of a street world: frames on all threads, files in the layout of KITTI raw.

use crate::synth::calibration::Calibration;
use crate::synth::drive_files::{self, WriteError, stem};
use crate::synth::frame_truth::{self, VisibleObject};
use crate::synth::ray_cast;
use crate::synth::scanner;
use crate::synth::scene::Scene;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::path::Path;
use suw_shared::class::InstanceClass;
use suw_shared::image_size::ImageSize;
use suw_shared::pose::RigidTransform;
use suw_shared::seed::Seed;

/// The made-up day on which all drives take place.
pub const DATE: &str = "2026_01_01";

/// What to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorldPlan {
    /// Number of drives, each with a street of its own.
    pub drives: usize,
    /// Pictures a drive.
    pub frames: usize,
    /// Of the pictures.
    pub size: ImageSize,
    /// Everything follows from it.
    pub seed: Seed,
}

/// What came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorldCount {
    /// Pictures.
    pub frames: usize,
    /// Tracks that are seen at least once: person, bicycle, car.
    pub tracks: [usize; 3],
    /// Objects in pictures that cover at least 100 pixels: person, bicycle, car.
    pub large_objects: [usize; 3],
    /// Train ids that appear.
    pub classes: BTreeSet<u8>,
    /// LiDAR points.
    pub points: usize,
}

/// `2026_01_01_drive_0001_sync`; drives count from 1.
pub fn drive_name(drive: usize) -> String {
    format!("{DATE}_drive_{drive:04}_sync")
}

/// The scene of a drive; no two drives of a seed share one.
pub fn drive_scene(plan: &WorldPlan, drive: usize) -> Scene {
    Scene::draw(plan.seed.derive_number("drive", drive as u64), plan.frames)
}

struct FrameResult {
    pose: RigidTransform,
    tracks: String,
    visible: Vec<VisibleObject>,
    classes: [bool; 19],
    points: usize,
}

/// Renders every drive into `folder`; `done` hears of each finished frame, from any thread.
pub fn render(
    plan: &WorldPlan,
    folder: &Path,
    done: &(dyn Fn() + Sync),
) -> Result<WorldCount, WriteError> {
    let calibration = Calibration::new(plan.size);
    let day = folder.join(DATE);
    drive_files::write(&day.join("calib_cam_to_cam.txt"), calibration.cam_to_cam().as_bytes())?;
    drive_files::write(&day.join("calib_velo_to_cam.txt"), calibration.velo_to_cam().as_bytes())?;
    drive_files::write(&day.join("calib_imu_to_velo.txt"), calibration.imu_to_velo().as_bytes())?;
    let mut count = WorldCount::default();
    for drive in 1..=plan.drives {
        let scene = drive_scene(plan, drive);
        let run = DriveRun { plan, drive, scene: &scene, calibration: &calibration, folder };
        let frames: Vec<FrameResult> = (0..plan.frames)
            .into_par_iter()
            .map(|frame| {
                let result = run.frame(frame);
                done();
                result
            })
            .collect::<Result<_, _>>()?;
        run.texts(&frames)?;
        add(&mut count, &frames);
    }
    for (split, drives) in splits(plan.drives) {
        let mut text = String::new();
        for drive in drives {
            // The first and last picture have no neighbor on one side.
            for frame in 1..plan.frames.saturating_sub(1) {
                text += &format!("{DATE}/{} {frame} l\n", drive_name(drive));
            }
        }
        drive_files::write(&folder.join(format!("splits/{split}.txt")), text.as_bytes())?;
    }
    Ok(count)
}

/// Whole drives per split: one in six, at least one, for validation and test each where there are three or more.
pub fn splits(drives: usize) -> [(&'static str, std::ops::RangeInclusive<usize>); 3] {
    let share = if drives < 3 { 0 } else { (drives / 6).max(1) };
    let train = drives - 2 * share;
    [("train", 1..=train), ("val", train + 1..=train + share), ("test", train + share + 1..=drives)]
}

struct DriveRun<'a> {
    plan: &'a WorldPlan,
    drive: usize,
    scene: &'a Scene,
    calibration: &'a Calibration,
    folder: &'a Path,
}

impl DriveRun<'_> {
    fn frame(&self, frame: usize) -> Result<FrameResult, WriteError> {
        let size = self.plan.size;
        let view = self.scene.path.view(&self.scene.street, frame, self.calibration.camera, size);
        let moment = self.scene.moment(frame);
        let solids = moment.solids();
        let picture = ray_cast::draw(self.scene, &view, &solids);
        let salt = self.plan.seed.derive_number("scan", (self.drive * 1_000_000 + frame) as u64).0;
        let points = scanner::scan(self.scene, &view, self.calibration, &solids, salt as u32);
        let visible = frame_truth::visible_objects(&picture);

        let drive = self.folder.join(DATE).join(drive_name(self.drive));
        let name = stem(frame);
        let file = |room: &str, end: &str| drive.join(room).join(format!("{name}.{end}"));
        drive_files::write_rgb(&file("image_02/data", "png"), size, picture.image.data())?;
        let depth = drive_files::depth_values(&picture.depth);
        drive_files::write_gray16(&file("proj_depth/groundtruth/image_02", "png"), size, &depth)?;
        drive_files::write_gray(&file("semantic/image_02", "png"), size, picture.semantic.data())?;
        let instances = frame_truth::instance_values(&picture);
        drive_files::write_gray16(&file("instance/image_02", "png"), size, &instances)?;
        drive_files::write(
            &file("velodyne_points/data", "bin"),
            &drive_files::scan_bytes(&points),
        )?;
        let store =
            self.folder.join("masks").join(DATE).join(drive_name(self.drive)).join("image_02");
        let semantic = store.join(format!("semantic/{name}.png"));
        drive_files::write_gray(&semantic, size, picture.semantic.data())?;

        let rows = frame_truth::store_rows(&picture, &visible);
        drive_files::write(&store.join(format!("instances/{name}.json")), rows.as_bytes())?;

        Ok(FrameResult {
            pose: view.world_from_camera(),
            tracks: frame_truth::track_lines(frame, &view, &moment.objects, &visible),
            classes: frame_truth::classes(&picture),
            visible,
            points: points.len(),
        })
    }

    fn texts(&self, frames: &[FrameResult]) -> Result<(), WriteError> {
        let drive = self.folder.join(DATE).join(drive_name(self.drive));
        if let Some(first) = frames.first() {
            let first_from_world = first.pose.inverse();
            let poses: String = frames
                .iter()
                .map(|f| drive_files::pose_line(&first_from_world.compose(&f.pose)))
                .collect();
            drive_files::write(&drive.join("poses/image_02.txt"), poses.as_bytes())?;
        }
        let tracks: String = frames.iter().map(|f| f.tracks.as_str()).collect();
        drive_files::write(&drive.join("tracks/image_02.txt"), tracks.as_bytes())
    }
}

fn add(count: &mut WorldCount, frames: &[FrameResult]) {
    let place = |class: InstanceClass| match class {
        InstanceClass::Person => 0,
        InstanceClass::Bicycle => 1,
        InstanceClass::Car => 2,
    };
    let mut seen = BTreeSet::new();
    for frame in frames {
        count.frames += 1;
        count.points += frame.points;
        count.classes.extend((0u8..19).filter(|&id| frame.classes[usize::from(id)]));
        for object in &frame.visible {
            seen.insert(object.id);
            count.large_objects[place(object.id.class)] += usize::from(object.pixels >= 100);
        }
    }
    for id in seen {
        count.tracks[place(id.class)] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_share_no_drive_and_leave_none_out() {
        for drives in 0..40 {
            let all: Vec<usize> = splits(drives).into_iter().flat_map(|(_, range)| range).collect();
            assert_eq!(all, (1..=drives).collect::<Vec<_>>());
            if drives >= 3 {
                assert!(splits(drives).into_iter().all(|(_, range)| !range.is_empty()));
            }
        }
    }
}
