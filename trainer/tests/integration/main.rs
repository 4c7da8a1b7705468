//! Whole-program tests of `suw-trainer` on tiny shards.

#![allow(clippy::unwrap_used)] // helpers of tests fail like the tests themselves

mod bench;
mod cli;
mod draws;
mod events;
mod export;
mod initial;
mod kills;
mod kit;
mod mixed;
mod pose_motion;
mod resume;
mod rows;
mod switches;
