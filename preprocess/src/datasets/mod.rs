//! Floor 2: data sets on disk: what lies where, and in which files. One file per format.

pub mod calibration;
pub mod kitti;
pub mod manifest;
pub mod manifest_file;
pub mod split;
pub mod velodyne;
