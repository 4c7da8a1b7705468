//! Whole-program tests of `suw-trainer` on tiny shards.

mod cli;
mod events;
mod kit;
mod resume;
