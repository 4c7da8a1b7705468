//! Floor 1: pairs from MegaDepth's maps of foreground and background: any background pixel is farther than any
//! foreground pixel.

use std::collections::BTreeSet;

use rand_pcg::Pcg64;
use suw_shared::class::UNLABELLED;
use suw_shared::image_size::ImageSize;
use suw_shared::pair::{Origin, Pair, PairKind, Rule};
use suw_shared::seed::Seed;

use crate::pairs::places::choose;

/// Fewest pixels of foreground, and of background, of a map that is used (both published codes).
pub const SIDE_PIXELS_MIN: usize = 100;

/// Pixels of foreground and of background.
pub fn sides(ordinal: &[i8]) -> [usize; 2] {
    [1, -1].map(|sign| ordinal.iter().filter(|value| **value == sign).count())
}

/// Up to `n` different pairs of a background pixel (far) and a foreground pixel (near), sorted.
///
/// # Shapes
/// - `ordinal`: `[H, W]`, +1 foreground, -1 background, 0 none
///
/// # Panics
/// If `ordinal` has another size.
pub fn draw_ordinal_pairs(ordinal: &[i8], size: ImageSize, n: usize, seed: Seed) -> Vec<Pair> {
    assert_eq!(ordinal.len(), size.area(), "invariant: one sign a pixel at {size}");
    let places =
        |sign: i8| -> Vec<usize> { (0..ordinal.len()).filter(|&at| ordinal[at] == sign).collect() };
    let (near, far) = (places(1), places(-1));
    let possible = near.len().saturating_mul(far.len());
    let mut rng = seed.derive("pairs ordinal map", []).rng();
    let mut drawn = BTreeSet::new();
    // Draws may repeat; a small map has few different pairs, and then fewer are enough.
    for _ in 0..20 * n {
        if drawn.len() == n.min(possible) {
            break;
        }
        drawn.extend(draw(&far, &near, &mut rng));
    }
    let width = size.width as usize;
    let mut pairs: Vec<Pair> = drawn
        .into_iter()
        .map(|(far, near): (usize, usize)| Pair {
            kind: PairKind::Pixel,
            origin: Origin::OrdinalMap,
            rule: Rule::None,
            size: 1,
            far_y: (far / width) as u16,
            far_x: (far % width) as u16,
            near_y: (near / width) as u16,
            near_x: (near % width) as u16,
            far_class: UNLABELLED,
            near_class: UNLABELLED,
        })
        .collect();
    pairs.sort_unstable();
    pairs
}

fn draw(far: &[usize], near: &[usize], rng: &mut Pcg64) -> Option<(usize, usize)> {
    Some((far[choose(far.len(), rng)?], near[choose(near.len(), rng)?]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn background_is_far_and_no_pair_stands_twice(
            ordinal in prop::collection::vec(-1i8..=1, 24), seed in any::<u64>(), n in 0usize..40
        ) {
            let size = ImageSize::new(6, 4);
            let pairs = draw_ordinal_pairs(&ordinal, size, n, Seed(seed));
            let at = |y: u16, x: u16| ordinal[usize::from(y) * 6 + usize::from(x)];
            for pair in &pairs {
                prop_assert_eq!((at(pair.far_y, pair.far_x), at(pair.near_y, pair.near_x)), (-1, 1));
            }
            let mut distinct = pairs.clone();
            distinct.dedup();
            prop_assert_eq!(distinct.len(), pairs.len());
            let [near, far] = sides(&ordinal);
            prop_assert!(pairs.len() <= n.min(near * far));
            prop_assert_eq!(pairs.is_empty(), n.min(near * far) == 0);
            prop_assert_eq!(pairs, draw_ordinal_pairs(&ordinal, size, n, Seed(seed)));
        }
    }

    #[test]
    fn all_parts_of_both_sides_are_drawn() {
        // 5 background and 3 foreground pixels: 15 pairs, all of which 15 x 20 draws find.
        let ordinal = [-1, -1, -1, -1, -1, 0, 0, 1, 1, 1];
        let pairs = draw_ordinal_pairs(&ordinal, ImageSize::new(10, 1), 15, Seed(1));
        assert_eq!(pairs.len(), 15);
        assert_eq!(sides(&ordinal), [3, 5]);
    }
}
