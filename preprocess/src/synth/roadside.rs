//! Floor 1: what stands still beside the road: buildings, trees, lamp posts, signs and fences.

use crate::synth::dice::Dice;
use crate::synth::shapes::{Material, Part, Shape, Solid, drawn_profile, ellipsoid};
use crate::synth::texture::Color;
use crate::synth::vector::{Placement, sin_cos};
use suw_shared::class::SemanticClass;

const METAL: Color = [0.17, 0.175, 0.18];

/// Colors of walls, linear.
const WALLS: [Color; 9] = [
    [0.50, 0.42, 0.30],
    [0.44, 0.20, 0.13],
    [0.56, 0.53, 0.48],
    [0.38, 0.36, 0.33],
    [0.52, 0.36, 0.22],
    [0.33, 0.14, 0.10],
    [0.46, 0.48, 0.44],
    [0.58, 0.48, 0.28],
    [0.36, 0.40, 0.46],
];

/// A building whose own z axis runs along the road and whose fronts are its x sides.
pub fn building(dice: &mut Dice, placement: Placement, half: [f64; 2]) -> Solid {
    let [half_depth, half_length] = half;
    let floors = dice.between(2.0, 6.0).floor();
    let storey = dice.between(2.9, 3.4);
    let height = floors * storey + 0.6;
    let class = SemanticClass::Building;
    let wall = dice.pick(&WALLS);
    let bay = (2.0 * half_length / (2.0 * half_length / dice.between(2.3, 3.2)).round()).max(1.5);
    let facade = Material::Facade {
        wall,
        trim: dice.pick(&[[0.66, 0.65, 0.62], [0.25, 0.22, 0.2], [0.5, 0.47, 0.42]]),
        cell: [bay, storey],
        height,
    };
    let mut parts = vec![Part {
        shape: Shape::Cuboid {
            center: [0.0, 0.5 * height, 0.0],
            half: [half_depth, 0.5 * height, half_length],
        },
        material: facade,
        class,
    }];
    let tiles = Material::Roof {
        color: dice.pick(&[[0.30, 0.095, 0.055], [0.14, 0.13, 0.13], [0.22, 0.12, 0.08]]),
    };
    if dice.chance(0.65) {
        let rise = half_depth * dice.between(0.5, 0.8);
        let eaves = half_depth + 0.35;
        let slope = (1.0 + (rise / eaves) * (rise / eaves)).sqrt();
        let (across, up) = (rise / eaves / slope, 1.0 / slope);
        let planes = vec![
            ([across, up, 0.0], up * (height + rise)),
            ([-across, up, 0.0], up * (height + rise)),
            ([0.0, -1.0, 0.0], -height),
            ([0.0, 0.0, 1.0], half_length),
            ([0.0, 0.0, -1.0], half_length),
        ];
        let (low, high) = ([-eaves, height, -half_length], [eaves, height + rise, half_length]);
        parts.push(Part { shape: Shape::Hull { planes, low, high }, material: tiles, class });
        let chimney = [dice.between(-0.3, 0.3) * half_depth, height + rise, 0.6 * half_length];
        parts.push(Part {
            shape: Shape::Cuboid { center: chimney, half: [0.4, 0.8, 0.4] },
            material: Material::Plain { color: [0.25, 0.12, 0.09], grain: 0.2 },
            class,
        });
    } else {
        parts.push(Part {
            shape: Shape::Cuboid {
                center: [0.0, height + 0.15, 0.0],
                half: [half_depth + 0.2, 0.15, half_length],
            },
            material: Material::Plain { color: [0.3, 0.3, 0.3], grain: 0.15 },
            class,
        });
    }
    Solid::new(placement, dice.bits(), parts)
}

/// A tree with a bushy crown; trunk and crown are vegetation, as in Cityscapes.
pub fn tree(dice: &mut Dice, placement: Placement, size: f64) -> Solid {
    let class = SemanticClass::Vegetation;
    let green = dice.pick(&[
        [0.075, 0.16, 0.035],
        [0.11, 0.20, 0.045],
        [0.055, 0.12, 0.04],
        [0.16, 0.19, 0.05],
        [0.20, 0.15, 0.04],
    ]);
    let bark = Material::Plain { color: [0.13, 0.095, 0.065], grain: 0.45 };
    let (trunk, spread) = (2.3 * size, dice.between(1.5, 2.0) * size);
    let mut parts = vec![Part {
        shape: Shape::Cylinder {
            from: [0.0, -0.1, 0.0],
            to: [0.0, trunk + 0.8 * size, 0.0],
            radius: 0.17 * size,
        },
        material: bark,
        class,
    }];
    let middle = trunk + 1.4 * size;
    for blob in 0..13 {
        let (sine, cosine) = sin_cos(2.4 * f64::from(blob) + dice.between(-0.3, 0.3));
        let rise = (f64::from(blob) - 5.0) / 6.0;
        let reach = spread * (0.66 - 0.42 * rise.abs()) * if blob == 5 { 0.0 } else { 1.0 };
        let radius = size * dice.between(0.7, 1.0) * (1.0 - 0.25 * rise.max(0.0));
        let radius = if blob == 5 { 1.3 * size } else { radius };
        let shade = dice.between(0.8, 1.25) as f32;
        parts.push(Part {
            shape: ellipsoid(
                [reach * cosine, middle + 1.35 * size * rise, reach * sine],
                [radius, 0.85 * radius, radius],
            ),
            material: Material::Foliage { color: green.map(|c| c * shade) },
            class,
        });
    }
    Solid::new(placement, dice.bits(), parts)
}

/// A low bush.
pub fn bush(dice: &mut Dice, placement: Placement) -> Solid {
    let class = SemanticClass::Vegetation;
    let color = dice.pick(&[[0.07, 0.15, 0.04], [0.12, 0.19, 0.05], [0.09, 0.13, 0.05]]);
    let parts = (0..4)
        .map(|_| {
            let radius = dice.between(0.45, 0.8);
            let center = [dice.between(-0.5, 0.5), 0.6 * radius, dice.between(-0.9, 0.9)];
            let shape = ellipsoid(center, [radius, 0.9 * radius, radius]);
            Part { shape, material: Material::Foliage { color }, class }
        })
        .collect();
    Solid::new(placement, dice.bits(), parts)
}

/// A lamp post whose arm reaches along its own +x axis.
pub fn lamp_post(dice: &mut Dice, placement: Placement) -> Solid {
    let class = SemanticClass::Pole;
    let height = dice.between(6.0, 7.5);
    let metal = Material::Plain { color: METAL, grain: 0.15 };
    let rod = |from, to, radius| Part {
        shape: Shape::Cylinder { from, to, radius },
        material: metal,
        class,
    };
    let parts = vec![
        rod([0.0, 0.0, 0.0], [0.0, 1.1, 0.0], 0.19),
        rod([0.0, 1.0, 0.0], [0.0, height, 0.0], 0.14),
        rod([0.0, height - 0.1, 0.0], [1.6, height + 0.25, 0.0], 0.08),
        Part {
            shape: Shape::Cuboid { center: [1.75, height + 0.24, 0.0], half: [0.4, 0.07, 0.14] },
            material: Material::Plain { color: [0.5, 0.5, 0.48], grain: 0.05 },
            class,
        },
    ];
    Solid::new(placement, dice.bits(), parts)
}

/// A traffic sign that faces along its own -z axis, towards who comes along the road.
pub fn sign(dice: &mut Dice, placement: Placement) -> Solid {
    let kind = dice.between(0.0, 1.0);
    let metal = Material::Plain { color: METAL, grain: 0.1 };
    let post = |x: f64, top: f64| Part {
        shape: Shape::Cylinder { from: [x, 0.0, 0.07], to: [x, top, 0.07], radius: 0.08 },
        material: metal,
        class: SemanticClass::Pole,
    };
    let class = SemanticClass::TrafficSign;
    let (white, red, blue) = ([0.75, 0.75, 0.73], [0.55, 0.02, 0.025], [0.03, 0.10, 0.45]);
    let center = [0.0, 2.35];
    let look = |face, rim, radius| Material::Sign { face, rim, center, radius };
    let parts = if kind < 0.45 {
        let (face, rim) = dice.pick(&[(white, red), (blue, white), (red, white)]);
        let shape =
            Shape::Cylinder { from: [0.0, 2.35, -0.06], to: [0.0, 2.35, -0.02], radius: 0.46 };
        vec![post(0.0, 2.7), Part { shape, material: look(face, rim, 0.46), class }]
    } else if kind < 0.7 {
        // A triangle standing on its base: three planes and two faces.
        let (c, s) = (0.75f64.sqrt(), 0.5);
        let planes = vec![
            ([0.0, -1.0, 0.0], -2.05),
            ([c, s, 0.0], s * 2.95),
            ([-c, s, 0.0], s * 2.95),
            ([0.0, 0.0, -1.0], 0.06),
            ([0.0, 0.0, 1.0], -0.02),
        ];
        let shape = Shape::Hull { planes, low: [-0.56, 2.05, -0.06], high: [0.56, 2.95, -0.02] };
        vec![post(0.0, 2.6), Part { shape, material: look(white, red, 0.3), class }]
    } else {
        let wide = if kind < 0.85 { 0.42 } else { 1.1 };
        let face = if kind < 0.92 { blue } else { [0.62, 0.45, 0.02] };
        let shape = Shape::Cuboid { center: [0.0, 2.45, -0.04], half: [wide, 0.45, 0.02] };
        let board = Part { shape, material: look(face, white, wide.min(0.4)), class };
        if wide > 1.0 {
            vec![post(-0.8, 2.8), post(0.8, 2.8), board]
        } else {
            vec![post(0.0, 2.8), board]
        }
    };
    Solid::new(placement, dice.bits(), parts)
}

/// A board fence along its own z axis.
pub fn fence(dice: &mut Dice, placement: Placement, half_length: f64) -> Solid {
    let class = SemanticClass::Fence;
    let height = dice.between(1.25, 1.7);
    let color = dice.pick(&[
        [0.34, 0.20, 0.10],
        [0.52, 0.50, 0.46],
        [0.22, 0.13, 0.075],
        [0.16, 0.24, 0.19],
    ]);
    let mut parts = vec![Part {
        shape: Shape::Cuboid {
            center: [0.0, 0.5 * height + 0.05, 0.0],
            half: [0.03, 0.5 * height, half_length],
        },
        material: Material::Boards { color },
        class,
    }];
    let posts = (half_length / 1.5).floor().max(1.0);
    for i in 0..=(posts as i32) {
        let z = half_length * (2.0 * f64::from(i) / posts - 1.0);
        parts.push(Part {
            shape: Shape::Cuboid {
                center: [0.0, 0.5 * height + 0.1, z],
                half: [0.07, 0.5 * height + 0.08, 0.07],
            },
            material: Material::Plain { color: color.map(|c| 0.75 * c), grain: 0.2 },
            class,
        });
    }
    Solid::new(placement, dice.bits(), parts)
}

/// A wooded hill far away, along its own z axis.
pub fn hill(dice: &mut Dice, placement: Placement, radius: f64) -> Solid {
    let class = SemanticClass::Vegetation;
    let color = dice.pick(&[[0.06, 0.115, 0.045], [0.075, 0.13, 0.05], [0.09, 0.14, 0.06]]);
    let parts = (0..5)
        .map(|_| {
            let r = radius * dice.between(0.5, 0.8);
            let center = [dice.between(-1.0, 1.0) * radius, 0.0, dice.between(-0.6, 0.6) * radius];
            let shape = ellipsoid(center, [r, r * dice.between(0.45, 0.8), r]);
            Part { shape, material: Material::Foliage { color }, class }
        })
        .collect();
    Solid::new(placement, dice.bits(), parts)
}

/// A bus shelter or kiosk: roof, back and bench; counts as building.
pub fn kiosk(dice: &mut Dice, placement: Placement) -> Solid {
    let class = SemanticClass::Building;
    let color = dice.pick(&WALLS);
    let hut = [[-1.2, 0.0], [-1.2, 2.4], [1.2, 2.4], [1.2, 0.0]];
    let parts = vec![
        Part {
            shape: drawn_profile(&hut, 0.9, 0.0, 0.0),
            material: Material::Facade {
                wall: color,
                trim: [0.6; 3],
                cell: [2.4, 2.4],
                height: 2.4,
            },
            class,
        },
        Part {
            shape: Shape::Cuboid { center: [0.0, 2.5, 0.0], half: [1.15, 0.1, 1.45] },
            material: Material::Plain { color: [0.22, 0.23, 0.25], grain: 0.1 },
            class,
        },
    ];
    Solid::new(placement, dice.bits(), parts)
}
