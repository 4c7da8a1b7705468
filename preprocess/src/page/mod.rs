//! Floor 1: pages of pictures: drawing on pictures, and the HTML around them.

pub mod canvas;
pub mod curves;
pub mod gallery;
pub mod html;
pub mod outline;
pub mod sample_pictures;
