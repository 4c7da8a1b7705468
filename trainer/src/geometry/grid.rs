//! Floor 1: the pixel grid. Pixel centers lie at integer coordinates.

use tch::Tensor;

/// Columns 0..W as `[1, 1, W]`, in the kind and on the device of `like`.
pub fn columns(width: i64, like: &Tensor) -> Tensor {
    Tensor::arange(width, (like.kind(), like.device())).view([1, 1, width])
}

/// Rows 0..H as `[1, H, 1]`, in the kind and on the device of `like`.
pub fn rows(height: i64, like: &Tensor) -> Tensor {
    Tensor::arange(height, (like.kind(), like.device())).view([1, height, 1])
}
