//! Whole-program tests of `suw-preprocess`: the real binary on a rendered drive and on drives with one fault each.

mod faults;
mod kit;
mod repeat;
mod way;
