//! Floor 1: the inputs of the unsupervised terms, made ready: what is unknown is marked instead of not a number.

use tch::{Kind, Tensor};

use super::photometric::{
    Automask, ErrorMap, PhotometricConfig, join_sources, photometric_error, photometric_error_exact,
};
use super::ssim::Compared;
use super::term::LossTerm;
use crate::dims::{Axis, expect_dims};
use crate::geometry::project::{Projection, project};
use crate::geometry::rotation::transform_from_vector;
use crate::geometry::warp::sample;

/// Three frames with camera, motion and objects.
pub struct ClipInputs<'a> {
    /// `[N, 3, 3, H, W]`, RGB in [0, 1], t-1, t, t+1: after crop and flip, before color jitter and normalization.
    pub frames: &'a Tensor,
    /// `[N, 3, 3]`; an image with NaN has no unsupervised term.
    pub intrinsics: &'a Tensor,
    /// Motion of the camera.
    pub ego: Motion<'a>,
    /// Aligned objects; none: there are none.
    pub objects: Option<ObjectInputs<'a>>,
}

/// Motion of the camera from the target to the sources t-1 and t+1.
///
/// A known motion that is not finite is unknown; a network's has gone wrong, and so have the terms that stand on it.
#[derive(Clone, Copy)]
pub enum Motion<'a> {
    /// Pose vectors of a network, `[N, 2, 6]`.
    Vectors(&'a Tensor),
    /// Known source_from_target, `[N, 2, 4, 4]`; NaN where unknown.
    Known(&'a Tensor),
}

/// The aligned objects of a batch, and the M of them whose motion is predicted; M may be 0.
#[derive(Clone, Copy)]
pub struct ObjectInputs<'a> {
    /// `[N, H, W]`, numbers of all aligned objects in the target frame, 0 = none.
    pub masks: &'a Tensor,
    /// `[M]`, i64: the image of each object.
    pub image: &'a Tensor,
    /// `[M]`, i64: its number in `masks`.
    pub index: &'a Tensor,
    /// `[M, 2, 6]`, pose vectors to t-1 and t+1.
    pub motion: &'a Tensor,
}

/// A clip made ready.
pub struct Clip {
    /// Frame t with its window statistics.
    pub target: Compared,
    /// Frames t-1 and t+1, `[N, 3, H, W]`.
    pub sources: [Tensor; 2],
    /// `[N, 3, 3]`, the identity where unknown.
    pub intrinsics: Tensor,
    /// source_from_target, `[N, 2, 4, 4]`, the identity where unknown.
    pub ego: Tensor,
    /// `[N, 2]`, bool: camera and motion are known.
    pub known: Tensor,
    /// The pose vectors of a network, if `ego` was made of them.
    predicted: Option<Tensor>,
}

impl Clip {
    /// Marks what is unknown; all in the kind of `like`.
    ///
    /// # Panics
    /// If a tensor has another shape than [`ClipInputs`] says.
    pub fn new(inputs: &ClipInputs, like: &Tensor) -> Self {
        let n = inputs.frames.size()[0];
        let free = Axis::Free;
        let frames = [Axis::Is(n), Axis::Is(3), Axis::Is(3), free("H"), free("W")];
        expect_dims("frames", inputs.frames, &frames);
        expect_dims("intrinsics", inputs.intrinsics, &[Axis::Is(n), Axis::Is(3), Axis::Is(3)]);
        let (ego, predicted) = match inputs.ego {
            Motion::Vectors(vectors) => {
                expect_dims("ego vectors", vectors, &[Axis::Is(n), Axis::Is(2), Axis::Is(6)]);
                (transform_from_vector(vectors), Some(vectors.detach()))
            }
            Motion::Known(known) => {
                let expected = [Axis::Is(n), Axis::Is(2), Axis::Is(4), Axis::Is(4)];
                expect_dims("ego motion", known, &expected);
                (known.to_kind(like.kind()), None)
            }
        };
        let frames = inputs.frames.to_kind(like.kind());
        let intrinsics = inputs.intrinsics.to_kind(like.kind());
        let camera_known = finite_matrices(&intrinsics); // [N]
        let motion_known = finite_matrices(&ego); // [N, 2]
        Self {
            target: Compared::new(frames.select(1, 1).contiguous()),
            sources: [frames.select(1, 0).contiguous(), frames.select(1, 2).contiguous()],
            intrinsics: identity_unless(&camera_known, &intrinsics),
            ego: identity_unless(&motion_known, &ego),
            known: motion_known.logical_and(&camera_known.unsqueeze(1)),
            predicted,
        }
    }

    /// The clips of some images, also repeated.
    ///
    /// # Shapes
    /// - `index`: `[M]`, i64
    pub fn select(&self, index: &Tensor) -> Self {
        let pick = |t: &Tensor| t.index_select(0, index);
        Self {
            target: self.target.select(index),
            sources: [pick(&self.sources[0]), pick(&self.sources[1])],
            intrinsics: pick(&self.intrinsics),
            ego: pick(&self.ego),
            known: pick(&self.known),
            predicted: self.predicted.as_ref().map(pick),
        }
    }

    /// A term that stands on the camera's motion: NaN where a network predicted that and it is not finite.
    pub(super) fn term_of_ego(&self, term: LossTerm) -> LossTerm {
        match &self.predicted {
            Some(vectors) => term.unless_spoiled(vectors),
            None => term,
        }
    }

    /// Images with at least one source: `[N]`, bool.
    pub fn images(&self) -> Tensor {
        self.known.any_dim(1, false)
    }

    /// Where the target's pixels lie in source `s` after a motion `[N, 2, 4, 4]`.
    pub fn project(&self, depth: &Tensor, motion: &Tensor, s: i64) -> Projection {
        project(depth, &self.intrinsics, &motion.select(1, s))
    }

    /// The photometric error of the target's pixels, given where they lie in the two sources.
    pub fn error_map(&self, at: &[Projection; 2], config: &PhotometricConfig) -> ErrorMap {
        let known = |s: i64| self.known.select(1, s).view([-1, 1, 1]);
        let error_of = |image: &Tensor| match config.automask {
            Automask::Off => photometric_error(image, &self.target, config.ssim_weight),
            // What stands still must not win by a rounding.
            Automask::On => photometric_error_exact(image, &self.target, config.ssim_weight),
        };
        let warped: Vec<ErrorMap> = (0i64..)
            .zip(at)
            .zip(&self.sources)
            .map(|((s, at), source)| ErrorMap {
                error: error_of(&sample(source, at)),
                valid: at.valid().logical_and(&known(s)),
            })
            .collect();
        let joined = join_sources(&warped, config.reprojection);
        if config.automask == Automask::Off {
            return joined;
        }
        let still: Vec<ErrorMap> = (0i64..)
            .zip(&self.sources)
            .map(|(s, source)| {
                let error = error_of(source);
                let valid = known(s).expand_as(&error);
                ErrorMap { error, valid }
            })
            .collect();
        let still = join_sources(&still, config.reprojection);
        let moves = joined.error.lt_tensor(&still.error);
        ErrorMap { valid: joined.valid.logical_and(&moves), ..joined }
    }
}

/// `[.., A, A]` to `[..]`, bool.
fn finite_matrices(matrices: &Tensor) -> Tensor {
    matrices.detach().isfinite().flatten(-2, -1).all_dim(-1, false)
}

fn identity_unless(known: &Tensor, matrices: &Tensor) -> Tensor {
    let side = matrices.size()[matrices.dim() - 1];
    let identity = Tensor::eye(side, (Kind::Float, matrices.device())).to_kind(matrices.kind());
    matrices.where_self(&known.unsqueeze(-1).unsqueeze(-1), &identity)
}
