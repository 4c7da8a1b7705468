//! Floor 3: the stages, one step for one item each, in the order of the data.

pub mod assemble;
pub mod listed;
pub mod load;
pub mod loaded;
pub mod picture_target;
