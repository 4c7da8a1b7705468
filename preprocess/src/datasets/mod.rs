//! Floor 2: data sets on disk: what lies where, and in which files. One file per format.

pub mod calibration;
pub mod camera_file;
pub mod colmap;
pub mod folder;
pub mod kitti;
pub mod listing;
pub mod manifest;
pub mod manifest_file;
pub mod mannequin;
pub mod megadepth;
pub mod oxts;
pub mod pictures;
pub mod reconstruction;
pub mod split;
pub mod velodyne;
