//! Floor 1: the color maps magma, plasma and inferno of matplotlib (by Nathaniel J. Smith and Stefan van der Walt, CC0).
//!
//! Seventeen points at equal distances, straight lines between them: at most 6 of 255 off the originals.

/// A color map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorMap {
    /// Black over purple to pale yellow.
    #[default]
    Magma,
    /// Blue over red to yellow.
    Plasma,
    /// Black over red to pale yellow.
    Inferno,
}

type Table = [[u8; 3]; 17];

const MAGMA: Table = [
    [0, 0, 4],
    [10, 8, 34],
    [29, 17, 70],
    [54, 16, 106],
    [80, 18, 124],
    [105, 28, 129],
    [130, 38, 129],
    [156, 46, 127],
    [182, 55, 121],
    [207, 65, 112],
    [230, 81, 99],
    [245, 105, 92],
    [251, 135, 97],
    [254, 165, 113],
    [254, 195, 135],
    [253, 224, 162],
    [252, 253, 191],
];
const PLASMA: Table = [
    [13, 8, 135],
    [49, 5, 150],
    [76, 2, 161],
    [102, 0, 167],
    [126, 3, 168],
    [149, 17, 162],
    [169, 35, 150],
    [187, 53, 135],
    [203, 71, 120],
    [217, 89, 106],
    [230, 108, 92],
    [240, 127, 79],
    [248, 148, 65],
    [253, 171, 51],
    [253, 195, 40],
    [249, 221, 37],
    [240, 249, 33],
];
const INFERNO: Table = [
    [0, 0, 4],
    [11, 7, 36],
    [33, 12, 74],
    [60, 9, 101],
    [87, 16, 109],
    [112, 25, 110],
    [137, 34, 106],
    [163, 43, 97],
    [187, 55, 85],
    [209, 70, 68],
    [227, 89, 50],
    [241, 113, 30],
    [249, 141, 10],
    [252, 171, 15],
    [249, 202, 50],
    [242, 232, 101],
    [252, 255, 164],
];

impl ColorMap {
    /// The color at a place from 0 (dark) to 1 (bright); places outside go to the ends.
    pub fn color(self, place: f32) -> [u8; 3] {
        let table = match self {
            Self::Magma => &MAGMA,
            Self::Plasma => &PLASMA,
            Self::Inferno => &INFERNO,
        };
        let place = place.clamp(0.0, 1.0) * (table.len() - 1) as f32;
        let index = (place as usize).min(table.len() - 2);
        let share = place - index as f32;
        std::array::from_fn(|channel| {
            let (from, to) =
                (f32::from(table[index][channel]), f32::from(table[index + 1][channel]));
            (from + share * (to - from)).round() as u8
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries 0, 51, 100, 153, 200 and 255 of matplotlib's tables of 256.
    #[test]
    fn colors_are_those_of_matplotlib() {
        let expected = [
            (
                ColorMap::Magma,
                [
                    [0, 0, 4],
                    [59, 15, 112],
                    [137, 40, 129],
                    [222, 73, 104],
                    [253, 152, 105],
                    [252, 253, 191],
                ],
            ),
            (
                ColorMap::Plasma,
                [
                    [13, 8, 135],
                    [106, 0, 168],
                    [174, 40, 146],
                    [225, 100, 98],
                    [251, 161, 57],
                    [240, 249, 33],
                ],
            ),
            (
                ColorMap::Inferno,
                [
                    [0, 0, 4],
                    [66, 10, 104],
                    [144, 37, 104],
                    [221, 81, 58],
                    [251, 157, 7],
                    [252, 255, 164],
                ],
            ),
        ];
        for (map, colors) in expected {
            for (entry, expected) in [0u8, 51, 100, 153, 200, 255].into_iter().zip(colors) {
                let got = map.color(f32::from(entry) / 255.0);
                let off = got.iter().zip(expected).map(|(a, b): (&u8, u8)| a.abs_diff(b)).max();
                assert!(off <= Some(6), "{map:?} {entry}: {got:?} {expected:?}");
            }
        }
        assert_eq!(ColorMap::Magma.color(-1.0), [0, 0, 4]);
        assert_eq!(ColorMap::Magma.color(f32::INFINITY), [252, 253, 191]);
    }
}
