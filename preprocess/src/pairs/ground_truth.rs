//! Floor 1: the control "random from ground truth" (row SW* of the paper's Table 3): two measured pixels.

use rand_pcg::Pcg64;

use crate::pairs::places::{Ends, Point, choose};
use crate::pairs::rules::GroundTruthRule;
use crate::pairs::scene::Scene;

/// The rule made ready for one frame.
#[derive(Debug)]
pub struct GroundTruthPairs {
    ratio_min: f64,
    measured: Vec<(Point, f64)>,
}

impl GroundTruthPairs {
    /// Prepares the rule; `depth` is `[H, W]`, 0 = not measured.
    ///
    /// # Panics
    /// If `depth` has another size than the scene.
    pub fn new(scene: &Scene, depth: &[f32], rule: &GroundTruthRule) -> Self {
        let size = scene.input.size;
        assert_eq!(depth.len(), size.area(), "invariant: one depth a pixel at {size}");
        let width = size.width as usize;
        let point = |at: usize| Point { y: (at / width) as u16, x: (at % width) as u16 };
        let measured = (depth.iter().enumerate())
            .filter(|&(_, depth)| depth.is_finite() && *depth > 0.0)
            .map(|(at, &depth)| (point(at), f64::from(depth)))
            .collect();
        Self { ratio_min: rule.ratio_min, measured }
    }

    /// Two measured pixels whose depths differ enough.
    pub fn draw_ends(&self, rng: &mut Pcg64) -> Option<Ends> {
        let a = self.measured[choose(self.measured.len(), rng)?];
        let b = self.measured[choose(self.measured.len(), rng)?];
        let ((far, far_depth), (near, near_depth)) = if a.1 > b.1 { (a, b) } else { (b, a) };
        // A hair more than asked, so that a reader who divides in 32 bits agrees.
        (far_depth > self.ratio_min * (1.0 + 1e-6) * near_depth).then_some(Ends { far, near })
    }
}
