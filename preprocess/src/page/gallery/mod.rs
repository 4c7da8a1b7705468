//! Floor 1: a page to look through samples one by one: frames with aligned objects, semantics, depth, pairs; filters and keys.

pub mod article;
pub mod layers;
pub mod marks;
pub mod objects;
pub mod overview;
pub mod unaligned;
