//! Whole-program tests of `suw-preprocess`: the real binary on a rendered drive and on drives with one fault each.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop where it stands

mod disturbed;
mod faults;
mod gallery;
mod internet_photos;
mod kills;
mod kit;
mod kitti_depth;
mod machine;
mod masks_in_and_out;
mod merged;
mod mutations;
mod pictures;
mod plans;
mod repeat;
mod together;
mod way;
mod weak_labels;
