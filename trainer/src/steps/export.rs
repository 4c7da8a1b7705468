//! Floor 3: a depth network as TorchScript: pictures in, depth out, all weights inside.
//!
//! The graph is recorded while one picture goes through (tracing), so its height and width are fixed; the number of
//! pictures is not. Normalization, the decoding of bins and the resize to the picture's size are part of it.

use suw_shared::image_size::ImageSize;
use tch::{CModule, Kind, TchError, Tensor};

use crate::steps::model::Model;

/// Records the network for pictures of `size`.
///
/// # Shapes
/// - `forward` of the module: `[N, 3, H, W]`, RGB in [0, 1], to `[N, 1, H, W]`
///
/// # Units
/// As [`Model::predict`].
pub fn script_of(model: &mut Model, size: ImageSize) -> Result<CModule, TchError> {
    // A recorded constant may not want a gradient.
    model.freeze();
    let shape = [1, 3, i64::from(size.height), i64::from(size.width)];
    let picture = Tensor::zeros(shape, (Kind::Float, model.device()));
    let mut forward = |inputs: &[Tensor]| vec![model.predict(&inputs[0])];
    CModule::create_by_tracing("SuwDepth", "forward", &[picture], &mut forward)
}
