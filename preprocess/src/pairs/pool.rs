//! Floor 1: the pool of one sample: at most so many pairs of each kind by each rule, drawn from a seed.

use std::collections::BTreeSet;

use rand_pcg::Pcg64;
use suw_shared::class::UNLABELLED;
use suw_shared::pair::{Origin, Pair, PairKind, Rule};
use suw_shared::seed::Seed;

use crate::pairs::ground_truth::GroundTruthPairs;
use crate::pairs::places::Ends;
use crate::pairs::rule_a;
use crate::pairs::rule_b::TreeBuildingPairs;
use crate::pairs::rule_c::ObjectPairs;
use crate::pairs::rules::Rules;
use crate::pairs::same_class::SameClassPairs;
pub use crate::pairs::scene::PoolInput;
use crate::pairs::scene::Scene;

/// Draws for one pair before a size is given up: a place for one end does not always have one for the other.
const ATTEMPTS: usize = 100;

/// The pool of one frame, sorted: at most `per_rule` pairs of each kind for each of A, B, C and same class, and
/// `per_rule` pixel pairs from measured depth.
///
/// The sizes of patches take turns, as far as the frame has places for them. Depends on nothing but its arguments.
///
/// # Panics
/// If a map of `input` has another size than the frame.
pub fn draw_pool(input: &PoolInput, rules: &Rules, per_rule: usize, seed: Seed) -> Vec<Pair> {
    if input.size.area() == 0 {
        return Vec::new();
    }
    let scene = Scene::new(*input, rules);
    let tree_building = TreeBuildingPairs::new(&scene, &rules.tree_building);
    let object = ObjectPairs::new(&scene, &rules.object);
    let same_class = SameClassPairs::new(&scene, &rules.same_class);
    let mut pool = Pool { scene: &scene, per_rule, taken: BTreeSet::new(), pairs: Vec::new() };
    for kind in [PairKind::Pixel, PairKind::Patch] {
        let pixel = [1];
        let sizes = if kind == PairKind::Pixel { pixel.as_slice() } else { &rules.patch_sizes };
        let mut fill = |origin, rule, name, draw: &DrawEnds| {
            let purpose = format!("pairs {name} {}", kind as u8);
            let mut rng = seed.derive(&purpose, []).rng();
            pool.fill(Stock { kind, origin, rule }, sizes, &mut rng, draw);
        };
        let sky = |half, rng: &mut Pcg64| rule_a::draw_ends(&scene, &rules.sky, half, rng);
        fill(Origin::DifferentClass, Rule::Sky, "A", &sky);
        fill(Origin::DifferentClass, Rule::TreeOrBuilding, "B", &|half, rng| {
            tree_building.draw_ends(half, rng)
        });
        fill(Origin::DifferentClass, Rule::Object, "C", &|half, rng| object.draw_ends(half, rng));
        fill(Origin::SameClass, Rule::None, "same", &|half, rng| same_class.draw_ends(half, rng));
    }
    if let Some(depth) = input.depth {
        let measured = GroundTruthPairs::new(&scene, depth, &rules.ground_truth);
        let stock = Stock { kind: PairKind::Pixel, origin: Origin::GroundTruth, rule: Rule::None };
        let mut rng = seed.derive("pairs ground truth", []).rng();
        pool.fill(stock, &[1], &mut rng, &|_, rng| measured.draw_ends(rng));
    }
    pool.pairs.sort_unstable();
    pool.pairs
}

type DrawEnds<'a> = dyn Fn(usize, &mut Pcg64) -> Option<Ends> + 'a;

/// What a group of pairs has in common.
#[derive(Clone, Copy)]
struct Stock {
    kind: PairKind,
    origin: Origin,
    rule: Rule,
}

struct Pool<'a> {
    scene: &'a Scene<'a>,
    per_rule: usize,
    /// No pair twice, whatever its rule.
    taken: BTreeSet<(u8, Ends)>,
    pairs: Vec<Pair>,
}

impl Pool<'_> {
    /// Adds up to `per_rule` pairs; sizes take turns until they give no more.
    fn fill(&mut self, stock: Stock, sizes: &[u8], rng: &mut Pcg64, draw: &DrawEnds) {
        let mut open = sizes.to_vec();
        let mut turn = 0;
        let full = self.pairs.len() + self.per_rule;
        while self.pairs.len() < full && !open.is_empty() {
            turn %= open.len();
            let size = open[turn];
            let half = usize::from(size / 2);
            let fresh = (0..ATTEMPTS).find_map(|_| {
                let ends = draw(half, rng)?;
                self.taken.insert((size, ends)).then_some(ends)
            });
            match fresh {
                Some(ends) => {
                    self.pairs.push(self.pair(stock, size, ends));
                    turn += 1;
                }
                None => {
                    open.remove(turn);
                }
            }
        }
    }

    fn pair(&self, stock: Stock, size: u8, ends: Ends) -> Pair {
        let Stock { kind, origin, rule } = stock;
        let class = |point| match origin {
            // Depth decides alone: the pixel may lie on a border of classes.
            Origin::GroundTruth => UNLABELLED,
            _ => self.scene.class_at(point),
        };
        let Ends { far, near } = ends;
        Pair {
            kind,
            origin,
            rule,
            size,
            far_y: far.y,
            far_x: far.x,
            near_y: near.y,
            near_x: near.x,
            far_class: class(far),
            near_class: class(near),
        }
    }
}
