//! Floor 1: the rules of the format on the pool of pairs of one sample.
//!
//! Class sets are the paper's (2.1.2). What a rules file adds on top (clearances, gaps) is not checked here.

use std::ops::Range;

use super::broken::Broken;
use super::limits::Limits;
use crate::class::{SemanticClass, UNLABELLED};
use crate::image_size::ImageSize;
use crate::pair::{Origin, Pair, PairKind, Rule};
use crate::sample::Sample;

/// The class of an end reaches this far beyond it.
const PURE_MARGIN_PX: u32 = 2;
/// Least ratio of far to near depth of a pair from ground truth.
const DEPTH_RATIO_MIN: f64 = 1.02;

const SKY: u8 = SemanticClass::Sky.id();
const ROAD: u8 = SemanticClass::Road.id();
const SIDEWALK: u8 = SemanticClass::Sidewalk.id();
const BUILDING: u8 = SemanticClass::Building.id();
const FENCE: u8 = SemanticClass::Fence.id();
const SIGN: u8 = SemanticClass::TrafficSign.id();
const TREE: u8 = SemanticClass::Vegetation.id();
const TERRAIN: u8 = SemanticClass::Terrain.id();
const PERSON: u8 = SemanticClass::Person.id();
const RIDER: u8 = SemanticClass::Rider.id();
const CAR: u8 = SemanticClass::Car.id();
const BICYCLE: u8 = SemanticClass::Bicycle.id();

/// Whether the pool keeps every rule.
pub(crate) fn check_pairs(
    pairs: &[Pair],
    sample: &Sample,
    size: ImageSize,
    limits: &Limits,
) -> Result<(), Broken> {
    let mut regions = None;
    for pair in pairs {
        check_fields(pair)?;
        check_place(pair, size)?;
        check_class(pair)?;
        let told = |(rule, why): (&'static str, &str)| (rule, format!("{why}; got {pair:?}"));
        check_geometry(pair, size).map_err(|why| told(("pair-geometry", why)))?;
        let semantic = sample.semantic.as_deref();
        if let Some(map) = semantic.filter(|_| by_class(pair)) {
            let plane = Plane { map, size };
            check_pure(pair, plane).map_err(|why| told(("pair-pure", why)))?;
            if pair.rule == Rule::Object && !lies_below_object(pair, plane) {
                let why = "pair; expected the object's class above the near end, in its column";
                return Err(told(("pair-geometry", why)));
            }
            if pair.origin == Origin::SameClass {
                let regions = regions.get_or_insert_with(|| Regions::of_ground(plane));
                if !regions.joins(pair) {
                    return Err(told(("pair-region", "pair; expected both ends in one region")));
                }
            }
        }
        check_measured(pair, sample, size).map_err(told)?;
    }
    check_twice(pairs)?;
    check_pool(pairs, limits)
}

fn by_class(pair: &Pair) -> bool {
    matches!(pair.origin, Origin::DifferentClass | Origin::SameClass)
}

fn check_fields(pair: &Pair) -> Result<(), Broken> {
    let sizes: &[u8] = match pair.kind {
        PairKind::Pixel => &[1],
        PairKind::Patch => &[3, 5, 7, 9],
    };
    if !sizes.contains(&pair.size) {
        return Err(("pair-size", format!("pair; expected size in {sizes:?}, got {pair:?}")));
    }
    if (pair.origin == Origin::DifferentClass) == (pair.rule == Rule::None) {
        let expected = "a rule for different classes and none for others";
        return Err(("pair-rule", format!("pair; expected {expected}, got {pair:?}")));
    }
    if !by_class(pair) && pair.kind != PairKind::Pixel {
        return Err(("pair-kind", format!("pair; expected pixels from maps, got {pair:?}")));
    }
    Ok(())
}

fn check_place(pair: &Pair, size: ImageSize) -> Result<(), Broken> {
    let reach = u32::from(pair.size / 2);
    let inside = |center: u16, length: u32| {
        let center = u32::from(center);
        center >= reach && center + reach < length
    };
    if !(inside(pair.far_y, size.height)
        && inside(pair.near_y, size.height)
        && inside(pair.far_x, size.width)
        && inside(pair.near_x, size.width))
    {
        return Err((
            "pair-place",
            format!("pair; expected both ends within {size}, got {pair:?}"),
        ));
    }
    let apart = u16::from(pair.size);
    if pair.far_y.abs_diff(pair.near_y) < apart && pair.far_x.abs_diff(pair.near_x) < apart {
        return Err((
            "pair-overlap",
            format!("pair; expected ends that do not overlap, got {pair:?}"),
        ));
    }
    Ok(())
}

fn check_class(pair: &Pair) -> Result<(), Broken> {
    let (far, near) = (pair.far_class, pair.near_class);
    let (legal, expected) = match (pair.origin, pair.rule) {
        (Origin::GroundTruth | Origin::OrdinalMap, _) => {
            let known = |id| is_class(id) || id == UNLABELLED;
            (known(far) && known(near), "train ids or 255")
        }
        (Origin::SameClass, _) => (
            far == near && [ROAD, SIDEWALK, TERRAIN].contains(&far),
            "road, sidewalk or terrain at both ends",
        ),
        (Origin::DifferentClass, Rule::TreeOrBuilding) => (
            [TREE, BUILDING].contains(&far) && [ROAD, FENCE, TERRAIN].contains(&near),
            "tree or building far, and road, fence or terrain near",
        ),
        (Origin::DifferentClass, Rule::Object) => (
            [CAR, PERSON, RIDER, BICYCLE, SIGN].contains(&far) && near == ROAD,
            "car, person, rider, bicycle or traffic sign far, and road near",
        ),
        (Origin::DifferentClass, Rule::Sky | Rule::None) => {
            (far == SKY && near != SKY && is_class(near), "sky far, and another class near")
        }
    };
    if legal {
        Ok(())
    } else {
        Err(("pair-class", format!("pair; expected {expected}, got {pair:?}")))
    }
}

fn check_geometry(pair: &Pair, size: ImageSize) -> Result<(), &'static str> {
    let below = pair.near_y > pair.far_y;
    match (pair.origin, pair.rule) {
        (Origin::SameClass, _) if !below => Err("pair; expected the far end above the near end"),
        (Origin::DifferentClass, Rule::TreeOrBuilding | Rule::Object) if !below => {
            Err("pair; expected the near end below the far end")
        }
        (Origin::DifferentClass, Rule::TreeOrBuilding) => {
            // Signed distance from the middle of the picture; the middle column of an odd width is on both sides.
            let side = |x: u16| 2 * i64::from(x) + 1 - i64::from(size.width);
            if side(pair.far_x) * side(pair.near_x) < 0 {
                return Err("pair; expected both ends on the same side of the picture");
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn is_class(id: u8) -> bool {
    SemanticClass::from_id(id).is_some()
}

/// A class map with its size.
#[derive(Clone, Copy)]
struct Plane<'a> {
    map: &'a [u8],
    size: ImageSize,
}

impl Plane<'_> {
    fn at(&self, y: usize, x: usize) -> u8 {
        self.map[y * self.size.width as usize + x]
    }
}

fn check_pure(pair: &Pair, plane: Plane<'_>) -> Result<(), &'static str> {
    let reach = u32::from(pair.size / 2) + PURE_MARGIN_PX;
    let pure = |y: u16, x: u16, class: u8| {
        let range = |center: u16, length: u32| {
            let center = u32::from(center);
            (center.saturating_sub(reach) as usize, (center + reach + 1).min(length) as usize)
        };
        let (top, bottom) = range(y, plane.size.height);
        let (left, right) = range(x, plane.size.width);
        let width = plane.size.width as usize;
        (top..bottom).all(|y| {
            plane.map[y * width + left..y * width + right].iter().all(|found| *found == class)
        })
    };
    if !pure(pair.far_y, pair.far_x, pair.far_class) {
        return Err("pair; expected the far class 2 px beyond the far end on every side");
    }
    if !pure(pair.near_y, pair.near_x, pair.near_class) {
        return Err("pair; expected the near class 2 px beyond the near end on every side");
    }
    Ok(())
}

/// A piece that holds together has a pixel in each of its columns, so one lies above the near end.
fn lies_below_object(pair: &Pair, plane: Plane<'_>) -> bool {
    let same = |class: u8| {
        class == pair.far_class
            || ([PERSON, RIDER].contains(&class) && [PERSON, RIDER].contains(&pair.far_class))
    };
    (0..usize::from(pair.near_y)).any(|y| same(plane.at(y, usize::from(pair.near_x))))
}

/// Connected regions (8 neighbors) of road, sidewalk and terrain, as runs of equal neighbors in a row.
struct Regions {
    runs: Vec<GroundRun>,
    /// Position of the first run of each row; one more for the end.
    rows: Vec<usize>,
    /// Root of each run's tree.
    roots: Vec<u32>,
}

struct GroundRun {
    class: u8,
    left: usize,
    /// Column after the last.
    right: usize,
}

impl Regions {
    fn of_ground(plane: Plane<'_>) -> Self {
        let mut regions = Self { runs: Vec::new(), rows: vec![0], roots: Vec::new() };
        let mut above = 0..0;
        for row in plane.map.chunks_exact((plane.size.width as usize).max(1)) {
            let first = regions.runs.len();
            let mut left = 0;
            for pixels in row.chunk_by(|a, b| a == b) {
                let (class, right) = (pixels[0], left + pixels.len());
                if [ROAD, SIDEWALK, TERRAIN].contains(&class) {
                    regions.add(GroundRun { class, left, right }, above.clone());
                }
                left = right;
            }
            above = first..regions.runs.len();
            regions.rows.push(regions.runs.len());
        }
        regions
    }

    /// Adds a run below those at `above`, and joins it to all that it touches.
    fn add(&mut self, run: GroundRun, above: Range<usize>) {
        let number = self.roots.len();
        self.roots.push(number as u32);
        let first = above.start + self.runs[above.clone()].partition_point(|o| o.right < run.left);
        for other in first..above.end {
            if self.runs[other].left > run.right {
                break;
            }
            if self.runs[other].class == run.class {
                join(&mut self.roots, other, number);
            }
        }
        self.runs.push(run);
    }

    /// The region of a pixel; `None` of another class.
    fn at(&mut self, y: u16, x: u16) -> Option<u32> {
        let (x, row) = (usize::from(x), self.rows[usize::from(y)]..self.rows[usize::from(y) + 1]);
        let run = row.start + self.runs[row.clone()].partition_point(|run| run.right <= x);
        (row.contains(&run) && self.runs[run].left <= x).then(|| root(&mut self.roots, run as u32))
    }

    fn joins(&mut self, pair: &Pair) -> bool {
        let far = self.at(pair.far_y, pair.far_x);
        far.is_some() && far == self.at(pair.near_y, pair.near_x)
    }
}

fn join(roots: &mut [u32], a: usize, b: usize) {
    let (a, b) = (root(roots, a as u32), root(roots, b as u32));
    roots[a.max(b) as usize] = a.min(b);
}

fn root(roots: &mut [u32], mut at: u32) -> u32 {
    while roots[at as usize] != at {
        // Halving the path keeps trees flat.
        roots[at as usize] = roots[roots[at as usize] as usize];
        at = roots[at as usize];
    }
    at
}

/// Pairs from maps agree with the maps, where the shard holds them.
fn check_measured(
    pair: &Pair,
    sample: &Sample,
    size: ImageSize,
) -> Result<(), (&'static str, &'static str)> {
    let at = |y: u16, x: u16| usize::from(y) * size.width as usize + usize::from(x);
    let (far, near) = (at(pair.far_y, pair.far_x), at(pair.near_y, pair.near_x));
    match pair.origin {
        Origin::GroundTruth => {
            let Some(depth) = &sample.depth else { return Ok(()) };
            let (far, near) = (f64::from(depth[far]), f64::from(depth[near]));
            // Depths were f32 when the ratio was taken; that is good to 1e-6.
            if near > 0.0 && far >= DEPTH_RATIO_MIN * near * (1.0 - 1e-6) {
                return Ok(());
            }
            Err(("pair-depth", "pair; expected measured depths with far >= 1.02 near"))
        }
        Origin::OrdinalMap => match &sample.ordinal {
            Some(map) if map[far] != -1 || map[near] != 1 => {
                Err(("pair-ordinal", "pair; expected background far and foreground near"))
            }
            _ => Ok(()),
        },
        Origin::DifferentClass | Origin::SameClass => Ok(()),
    }
}

fn check_twice(pairs: &[Pair]) -> Result<(), Broken> {
    let ends = |pair: &Pair| (pair.size, pair.far_y, pair.far_x, pair.near_y, pair.near_x);
    let mut sorted: Vec<_> = pairs.iter().map(ends).collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err((
            "pair-twice",
            format!(
                "pair; expected each pair once, got twice (size, far y x, near y x) {:?}",
                pair[0]
            ),
        )),
        None => Ok(()),
    }
}

fn check_pool(pairs: &[Pair], limits: &Limits) -> Result<(), Broken> {
    for kind in [PairKind::Pixel, PairKind::Patch] {
        for (origin, rule) in [
            (Origin::DifferentClass, Rule::Sky),
            (Origin::DifferentClass, Rule::TreeOrBuilding),
            (Origin::DifferentClass, Rule::Object),
            (Origin::SameClass, Rule::None),
        ] {
            let sort = (kind, origin, rule);
            let found = pairs.iter().filter(|pair| (pair.kind, pair.origin, pair.rule) == sort);
            let count = found.count() as u64;
            if count > limits.per_rule {
                let most = limits.per_rule;
                return Err((
                    "pair-pool",
                    format!("pair; expected at most {most} of {sort:?}, got {count}"),
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Everything that a walk over equal neighbors reaches.
    fn reached(plane: Plane<'_>, from: usize) -> Vec<bool> {
        let (width, height) = (plane.size.width as usize, plane.size.height as usize);
        let mut seen = vec![false; plane.map.len()];
        seen[from] = true;
        let mut open = vec![from];
        while let Some(at) = open.pop() {
            let (y, x) = (at / width, at % width);
            for v in y.saturating_sub(1)..(y + 2).min(height) {
                for u in x.saturating_sub(1)..(x + 2).min(width) {
                    let other = v * width + u;
                    if !seen[other] && plane.map[other] == plane.map[from] {
                        seen[other] = true;
                        open.push(other);
                    }
                }
            }
        }
        seen
    }

    proptest! {
        #[test]
        fn regions_equal_a_walk(
            (width, height) in (1..14_u32, 1..14_u32),
            labels in prop::collection::vec(prop::sample::select(vec![ROAD, TERRAIN, BUILDING]), 169),
        ) {
            let size = ImageSize::new(width, height);
            let plane = Plane { map: &labels[..size.area()], size };
            let mut regions = Regions::of_ground(plane);
            let point = |at: usize| ((at / width as usize) as u16, (at % width as usize) as u16);
            for from in (0..size.area()).filter(|&at| plane.map[at] != BUILDING) {
                let reached = reached(plane, from);
                let (y, x) = point(from);
                let region = regions.at(y, x);
                prop_assert!(region.is_some());
                for (to, reached) in reached.into_iter().enumerate() {
                    let (y, x) = point(to);
                    prop_assert_eq!(regions.at(y, x) == region, reached, "{} and {}", from, to);
                }
            }
        }
    }
}
