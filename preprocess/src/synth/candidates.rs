//! Floor 1: what the rays through each cell of a grid may meet, so that a ray tries few shapes.

use crate::synth::shapes::PartSet;

/// Parts of one solid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Index of the solid.
    pub solid: u16,
    /// Those of its parts that the rays may meet.
    pub parts: PartSet,
}

/// A grid with a list of candidates in each cell.
#[derive(Clone, Debug)]
pub struct Candidates {
    columns: usize,
    rows: usize,
    cells: Vec<Vec<Candidate>>,
}

impl Candidates {
    /// Empty lists.
    pub fn new(columns: usize, rows: usize) -> Self {
        Self { columns, rows, cells: vec![Vec::new(); columns * rows] }
    }

    /// Adds parts of a solid to the cells that an area (left, top, right, bottom, in cells) touches; what lies outside
    /// the grid is left out. Solids keep the order in which they come; all areas of one solid come in a row.
    pub fn add(&mut self, [left, top, right, bottom]: [f64; 4], solid: u16, parts: PartSet) {
        let range = |low: f64, high: f64, count: usize| {
            // Casts saturate: what lies before the grid begins with its first cell.
            if high < 0.0 { 0..0 } else { low.max(0.0) as usize..(high as usize + 1).min(count) }
        };
        for row in range(top, bottom, self.rows) {
            for column in range(left, right, self.columns) {
                let cell = &mut self.cells[row * self.columns + column];
                match cell.last_mut() {
                    Some(last) if last.solid == solid => last.parts = last.parts.with(parts),
                    _ => cell.push(Candidate { solid, parts }),
                }
            }
        }
    }

    /// The list of a cell.
    pub fn at(&self, column: usize, row: usize) -> &[Candidate] {
        &self.cells[row * self.columns + column]
    }

    /// Columns and rows.
    pub fn dimensions(&self) -> [usize; 2] {
        [self.columns, self.rows]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_list_what_touches_them_solid_by_solid() {
        let mut grid = Candidates::new(3, 2);
        let (wheel, door) = (PartSet::one(4), PartSet::one(0));
        grid.add([1.9, -5.0, 7.0, 0.5], 9, wheel);
        grid.add([0.0, 0.0, 1.5, 0.2], 9, door);
        grid.add([1.0, 1.0, 1.0, 1.0], 2, door);
        grid.add([-3.0, 0.0, -0.1, 1.0], 3, door);
        grid.add([3.0, 0.0, 8.0, 1.0], 3, door);
        let list = |column, row| -> Vec<(u16, Vec<usize>)> {
            grid.at(column, row).iter().map(|c| (c.solid, c.parts.collect())).collect()
        };
        assert_eq!(list(0, 0), [(9, vec![0])]);
        assert_eq!(list(1, 0), [(9, vec![0, 4])]);
        assert_eq!(list(2, 0), [(9, vec![4])]);
        assert_eq!(list(1, 1), [(2, vec![0])]);
        assert!(list(0, 1).is_empty() && list(2, 1).is_empty());
    }
}
