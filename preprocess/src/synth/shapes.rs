//! Floor 1: convex shapes a ray can meet, and solids made of them.

use crate::synth::texture::{Color, noise};
use crate::synth::vector::{Placement, Vector, add, dot, scale, sub, unit};
use suw_shared::class::{InstanceClass, SemanticClass};

/// Nearer than this nothing is hit, in multiples of the ray's direction.
const NEAREST: f64 = 1e-3;

/// A closed convex shape in the axes of its solid, meters.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // the line above each variant names its fields
pub enum Shape {
    /// Center and half edges.
    Cuboid { center: Vector, half: Vector },
    /// Center and inverse radii along the axes; see [`ellipsoid`].
    Ellipsoid { center: Vector, inverse: Vector },
    /// Ends of the axis, and radius.
    Cylinder { from: Vector, to: Vector, radius: f64 },
    /// All points with `normal . p <= distance` for each plane; the bounds hold them.
    Hull { planes: Vec<(Vector, f64)>, low: Vector, high: Vector },
}

/// What a surface looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)] // as above
pub enum Material {
    /// One color with grain of this strength.
    Plain { color: Color, grain: f32 },
    /// Leaves.
    Foliage { color: Color },
    /// Wall with rows of windows; the size of one cell in meters.
    Facade { wall: Color, trim: Color, cell: [f64; 2], height: f64 },
    /// Courses of tiles.
    Roof { color: Color },
    /// Upright boards.
    Boards { color: Color },
    /// Upper part of a car between two heights: windows with pillars.
    Cabin { paint: Color, low: f64, high: f64, half_width: f64 },
    /// Painted metal.
    Paint { color: Color },
    /// Car wheel of this radius around its own center.
    Wheel { center: [f64; 2], radius: f64, rim: Color },
    /// A sign's face: rim color inside out.
    Sign { face: Color, rim: Color, center: [f64; 2], radius: f64 },
    /// Shines by itself.
    Lamp { color: Color },
}

/// A shape with its look and class.
#[derive(Clone, Debug)]
pub struct Part {
    /// Geometry.
    pub shape: Shape,
    /// Look.
    pub material: Material,
    /// What it is.
    pub class: SemanticClass,
}

/// Which object of a drive a solid is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectId {
    /// Person, bicycle or car.
    pub class: InstanceClass,
    /// 1 to 255, counted per class in a drive.
    pub number: u8,
}

/// Parts that stand together.
#[derive(Clone, Debug)]
pub struct Solid {
    /// Where it stands.
    pub placement: Placement,
    /// What it is made of.
    pub parts: Vec<Part>,
    /// Lowest and highest corner in its own axes.
    pub bounds: [Vector; 2],
    /// Varies textures.
    pub seed: u32,
    /// Set for persons, bicycles and cars.
    pub object: Option<ObjectId>,
}

/// Numbers of parts of one solid; iterating gives them in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartSet(u32);

impl PartSet {
    /// The most parts that a solid has.
    pub const MOST: usize = 32;

    /// One part.
    pub fn one(number: usize) -> Self {
        Self(1 << number)
    }

    /// The first `count` parts.
    pub fn first(count: usize) -> Self {
        assert!(count <= Self::MOST, "invariant: at most {} parts, got {count}", Self::MOST);
        Self(((1u64 << count) - 1) as u32)
    }

    /// These and the others.
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn is_several(self) -> bool {
        self.0 & self.0.wrapping_sub(1) != 0
    }
}

impl Iterator for PartSet {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let number = self.0.trailing_zeros() as usize;
        self.0 &= self.0.wrapping_sub(1);
        (number < Self::MOST).then_some(number)
    }
}

/// A ray in the axes of a solid.
#[derive(Clone, Copy, Debug)]
pub struct Ray {
    origin: Vector,
    direction: Vector,
    /// One over each part of the direction.
    inverse: Vector,
}

impl Ray {
    /// `origin + t direction`.
    pub fn new(origin: Vector, direction: Vector) -> Self {
        Self { origin, direction, inverse: direction.map(|d| 1.0 / d) }
    }

    /// The ray of the same direction that starts at `origin`.
    pub fn through(&self, origin: Vector) -> Self {
        Self { origin, ..*self }
    }
}

/// An ellipsoid from its radii along the axes.
pub fn ellipsoid(center: Vector, radii: Vector) -> Shape {
    Shape::Ellipsoid { center, inverse: radii.map(|r| 1.0 / r) }
}

/// Where a ray meets a shape: multiple of the direction, and the normal in the solid's axes.
#[derive(Clone, Copy, Debug)]
pub struct Meeting {
    /// Multiple of the ray's direction.
    pub t: f64,
    /// Outward, of length 1, in the solid's axes.
    pub normal: Vector,
    /// Index of the part.
    pub part: usize,
}

impl Shape {
    /// Lowest and highest corner.
    pub fn bounds(&self) -> [Vector; 2] {
        match self {
            Self::Cuboid { center, half } => [sub(*center, *half), add(*center, *half)],
            Self::Ellipsoid { center, inverse } => {
                let radii = inverse.map(|i| 1.0 / i);
                [sub(*center, radii), add(*center, radii)]
            }
            Self::Cylinder { from, to, radius } => {
                let axis = sub(*to, *from);
                // A disk reaches out least along its own normal.
                let reach = axis.map(|a| radius * (1.0 - a * a / dot(axis, axis)).max(0.0).sqrt());
                [
                    std::array::from_fn(|i| from[i].min(to[i]) - reach[i]),
                    std::array::from_fn(|i| from[i].max(to[i]) + reach[i]),
                ]
            }
            Self::Hull { low, high, .. } => [*low, *high],
        }
    }

    /// First entry of the ray with `NEAREST < t < limit`, and the normal there.
    pub fn meet(&self, ray: &Ray, limit: f64) -> Option<(f64, Vector)> {
        match self {
            Self::Cuboid { center, half } => meet_cuboid(ray, *center, *half, limit),
            Self::Ellipsoid { center, inverse } => meet_ellipsoid(ray, *center, *inverse, limit),
            Self::Cylinder { from, to, radius } => {
                meet_cylinder(ray, *from, sub(*to, *from), *radius, limit)
            }
            Self::Hull { planes, .. } => meet_hull(ray, planes, limit),
        }
    }
}

fn between(t: f64, limit: f64) -> bool {
    t > NEAREST && t < limit
}

fn meet_cuboid(ray: &Ray, center: Vector, half: Vector, limit: f64) -> Option<(f64, Vector)> {
    let (mut enter, mut leave, mut axis) = (f64::NEG_INFINITY, f64::INFINITY, 0);
    for i in 0..3 {
        let a = (center[i] - half[i] - ray.origin[i]) * ray.inverse[i];
        let b = (center[i] + half[i] - ray.origin[i]) * ray.inverse[i];
        if a.min(b) > enter {
            enter = a.min(b);
            axis = i;
        }
        leave = leave.min(a.max(b));
    }
    (enter < leave && between(enter, limit)).then(|| {
        let mut normal = [0.0; 3];
        normal[axis] = -ray.direction[axis].signum();
        (enter, normal)
    })
}

fn meet_ellipsoid(ray: &Ray, center: Vector, inverse: Vector, limit: f64) -> Option<(f64, Vector)> {
    let o: Vector = std::array::from_fn(|i| (ray.origin[i] - center[i]) * inverse[i]);
    let d: Vector = std::array::from_fn(|i| ray.direction[i] * inverse[i]);
    let b = dot(o, d);
    if b >= 0.0 {
        return None; // its middle lies behind
    }
    let (a, c) = (dot(d, d), dot(o, o) - 1.0);
    let discriminant = b * b - a * c;
    if discriminant <= 0.0 {
        return None;
    }
    let t = (-b - discriminant.sqrt()) / a;
    between(t, limit).then(|| (t, unit(std::array::from_fn(|i| (o[i] + t * d[i]) * inverse[i]))))
}

fn meet_cylinder(
    ray: &Ray,
    from: Vector,
    axis: Vector,
    radius: f64,
    limit: f64,
) -> Option<(f64, Vector)> {
    let (origin, direction) = (sub(ray.origin, from), ray.direction);
    // The square of the distance from the axis is a quadratic in t; everything is times |axis|^2.
    let length2 = dot(axis, axis);
    let along_d = dot(axis, direction);
    let along_o = dot(axis, origin);
    let b = length2 * dot(origin, direction) - along_o * along_d;
    let c = length2 * (dot(origin, origin) - radius * radius) - along_o * along_o;
    if b >= 0.0 && c >= 0.0 {
        return None; // outside, and farther and farther from the axis
    }
    let a = length2 * dot(direction, direction) - along_d * along_d;
    if a < 1e-12 * length2 {
        // Along the axis: only the nearer cap can be met.
        let cap = if along_d > 0.0 { 0.0 } else { length2 };
        let t = (cap - along_o) / along_d;
        let normal = scale(axis, -along_d.signum() / length2.sqrt());
        return (c < 0.0 && between(t, limit)).then_some((t, normal));
    }
    let discriminant = b * b - a * c;
    if discriminant <= 0.0 {
        return None;
    }
    let root = discriminant.sqrt();
    let t = (-b - root) / a;
    let height = along_o + t * along_d;
    if height > 0.0 && height < length2 {
        return between(t, limit).then(|| {
            let normal: Vector = std::array::from_fn(|i| {
                (origin[i] + t * direction[i] - axis[i] * height / length2) / radius
            });
            (t, normal)
        });
    }
    let (cap, sign) = if height <= 0.0 { (0.0, -1.0) } else { (length2, 1.0) };
    let t = (cap - along_o) / along_d;
    ((a * t + b).abs() < root && between(t, limit)).then(|| (t, scale(axis, sign / length2.sqrt())))
}

fn meet_hull(ray: &Ray, planes: &[(Vector, f64)], limit: f64) -> Option<(f64, Vector)> {
    let (mut enter, mut leave, mut normal) = (f64::NEG_INFINITY, f64::INFINITY, [0.0; 3]);
    for &(n, distance) in planes {
        let (slope, gap) = (dot(n, ray.direction), distance - dot(n, ray.origin));
        if slope.abs() < 1e-12 {
            if gap < 0.0 {
                return None;
            }
        } else if slope < 0.0 {
            if gap / slope > enter {
                enter = gap / slope;
                normal = n;
            }
        } else {
            leave = leave.min(gap / slope);
        }
    }
    (enter < leave && between(enter, limit)).then_some((enter, normal))
}

/// A profile in (z, y), convex and listed clockwise seen from the right (+x), drawn out to both sides;
/// the half width shrinks by `lean` per meter above `base`.
pub fn drawn_profile(profile: &[[f64; 2]], half_width: f64, lean: f64, base: f64) -> Shape {
    let mut planes = Vec::with_capacity(profile.len() + 2);
    for (i, &[z0, y0]) in profile.iter().enumerate() {
        let [z1, y1] = profile[(i + 1) % profile.len()];
        let length = ((z1 - z0) * (z1 - z0) + (y1 - y0) * (y1 - y0)).sqrt();
        let normal = [0.0, (z1 - z0) / length, -(y1 - y0) / length];
        planes.push((normal, normal[1] * y0 + normal[2] * z0));
    }
    let length = (1.0 + lean * lean).sqrt();
    for side in [-1.0, 1.0] {
        planes.push(([side / length, lean / length, 0.0], (half_width + lean * base) / length));
    }
    let fold = |axis: usize, f: fn(f64, f64) -> f64, start: f64| {
        profile.iter().map(|p| p[axis]).fold(start, f)
    };
    let (low, high) = (f64::INFINITY, f64::NEG_INFINITY);
    let widest = half_width + (lean * (base - fold(1, f64::min, low))).max(0.0);
    Shape::Hull {
        planes,
        low: [-widest, fold(1, f64::min, low), fold(0, f64::min, low)],
        high: [widest, fold(1, f64::max, high), fold(0, f64::max, high)],
    }
}

impl Solid {
    /// Joins parts.
    pub fn new(placement: Placement, seed: u32, parts: Vec<Part>) -> Self {
        let mut bounds = [[f64::INFINITY; 3], [f64::NEG_INFINITY; 3]];
        for part in &parts {
            let [low, high] = part.shape.bounds();
            for i in 0..3 {
                bounds[0][i] = bounds[0][i].min(low[i]);
                bounds[1][i] = bounds[1][i].max(high[i]);
            }
        }
        Self { placement, parts, bounds, seed, object: None }
    }

    /// The eight corners of its bounds in the world.
    pub fn corners(&self) -> [Vector; 8] {
        corners(&self.placement, &self.bounds)
    }

    /// All its parts.
    pub fn all_parts(&self) -> PartSet {
        PartSet::first(self.parts.len())
    }

    /// First meeting of a ray in its axes with one of these parts before `limit`.
    pub fn meet(&self, ray: &Ray, parts: PartSet, limit: f64) -> Option<Meeting> {
        if parts.is_several() && !passes(ray, &self.bounds, limit) {
            return None;
        }
        let mut best = limit;
        let mut found = None;
        for number in parts {
            let part = &self.parts[number];
            if let Some((t, normal)) = part.shape.meet(ray, best)
                && !slips_through(&part.material, ray, t, normal)
            {
                best = t;
                found = Some(Meeting { t, normal, part: number });
            }
        }
        found
    }

    /// Whether any of these parts lies on a ray in its axes before `limit`.
    pub fn blocks(&self, ray: &Ray, mut parts: PartSet, limit: f64) -> bool {
        if parts.is_several() && !passes(ray, &self.bounds, limit) {
            return false;
        }
        parts.any(|number| {
            let part = &self.parts[number];
            part.shape
                .meet(ray, limit)
                .is_some_and(|(t, normal)| !slips_through(&part.material, ray, t, normal))
        })
    }
}

/// The corners in the world of a box from its lowest to its highest corner in the axes of a thing.
pub fn corners(placement: &Placement, bounds: &[Vector; 2]) -> [Vector; 8] {
    std::array::from_fn(|i| {
        placement.world_point(std::array::from_fn(|axis| bounds[(i >> axis) & 1][axis]))
    })
}

/// Between the leaves at the rim of a crown rays pass, so that outlines are ragged.
fn slips_through(material: &Material, ray: &Ray, t: f64, normal: Vector) -> bool {
    if !matches!(material, Material::Foliage { .. }) {
        return false;
    }
    let facing = -dot(ray.direction, normal) / dot(ray.direction, ray.direction).sqrt();
    if facing > 0.62 {
        return false;
    }
    let at = add(ray.origin, scale(ray.direction, t));
    let leaves = noise(4.2 * at[0] + 1.7 * at[1], 4.2 * at[2] + 2.9 * at[1], 0x1eaf);
    facing < 0.3 + 0.32 * f64::from(leaves)
}

/// Whether the ray meets the box before `limit` (or starts inside).
fn passes(ray: &Ray, [low, high]: &[Vector; 2], limit: f64) -> bool {
    let (mut enter, mut leave) = (0.0f64, limit);
    for i in 0..3 {
        let a = (low[i] - ray.origin[i]) * ray.inverse[i];
        let b = (high[i] - ray.origin[i]) * ray.inverse[i];
        enter = enter.max(a.min(b));
        leave = leave.min(a.max(b));
    }
    enter <= leave
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(shape: &Shape, origin: Vector, expected: Option<(f64, Vector)>) {
        let found = shape.meet(&Ray::new(origin, [0.0, 0.0, 2.0]), f64::INFINITY);
        match (found, expected) {
            (None, None) => {}
            (Some((t, n)), Some((t0, n0))) => {
                assert!((t - t0).abs() < 1e-9, "{t} {t0}");
                assert!((0..3).all(|i| (n[i] - n0[i]).abs() < 1e-9), "{n:?} {n0:?}");
            }
            _ => panic!("{found:?} {expected:?}"),
        }
    }

    #[test]
    fn shapes_are_met_where_hand_calculation_says() {
        let back = Some((2.0, [0.0, 0.0, -1.0]));
        let cuboid = Shape::Cuboid { center: [0.0, 0.0, 5.0], half: [1.0, 1.0, 1.0] };
        check(&cuboid, [0.5, 0.5, 0.0], back);
        check(&cuboid, [1.5, 0.5, 0.0], None);
        let ball = ellipsoid([0.0, 0.0, 5.0], [2.0, 2.0, 1.0]);
        check(&ball, [0.0, 0.0, 0.0], back);
        check(&ball, [0.0, 2.1, 0.0], None);
        let post = Shape::Cylinder { from: [0.0, 0.0, 5.0], to: [0.0, 3.0, 5.0], radius: 1.0 };
        check(&post, [0.0, 1.0, 0.0], back);
        check(&post, [0.0, 3.1, 0.0], None);
        let rod = Shape::Cylinder { from: [0.0, 0.0, 4.0], to: [0.0, 0.0, 9.0], radius: 1.0 };
        check(&rod, [0.5, 0.001, 0.0], back);
        let wedge = drawn_profile(&[[4.0, 0.0], [4.0, 2.0], [6.0, 2.0], [6.0, 0.0]], 1.0, 0.0, 0.0);
        check(&wedge, [0.5, 1.0, 0.0], back);
        check(&wedge, [0.5, 2.5, 0.0], None);
        check(&wedge, [1.5, 1.0, 0.0], None);
    }

    #[test]
    fn a_turned_solid_is_met_in_world_coordinates() {
        let part = Part {
            shape: Shape::Cuboid { center: [0.0; 3], half: [0.5, 1.0, 2.0] },
            material: Material::Plain { color: [0.5; 3], grain: 0.0 },
            class: SemanticClass::Car,
        };
        let quarter = std::f64::consts::FRAC_PI_2;
        let solid = Solid::new(Placement::new([0.0, 0.0, 10.0], quarter), 0, vec![part]);
        let meet = |origin, limit| {
            let (origin, direction) = (
                solid.placement.local_point(origin),
                solid.placement.local_direction([0.0, 0.0, 1.0]),
            );
            solid.meet(&Ray::new(origin, direction), solid.all_parts(), limit)
        };
        let meeting = meet([1.5, 0.0, 0.0], 100.0).unwrap();
        assert!((meeting.t - 9.5).abs() < 1e-9);
        assert!(meet([2.5, 0.0, 0.0], 100.0).is_none());
        assert!(meet([1.5, 0.0, 0.0], 9.0).is_none());
    }
}
