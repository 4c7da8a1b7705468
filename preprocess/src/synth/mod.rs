//! Floor 1: the street world: driving scenes with exact truth, rendered on the CPU. In floor order, ground first; see docs/street-world.md.

// floor 1: arithmetic
pub mod calibration;
pub mod camera_path;
pub mod candidates;
pub mod dice;
pub mod frame_truth;
pub mod light;
pub mod look;
pub mod planting;
pub mod ray_cast;
pub mod road_users;
pub mod roadside;
pub mod scanner;
pub mod scene;
pub mod shadow;
pub mod shapes;
pub mod sight;
pub mod street;
pub mod texture;
pub mod traffic;
pub mod vector;
// floor 2: doors
pub mod drive_files;
// floor 4: runs
pub mod world;

#[cfg(test)]
mod truth_tests;
