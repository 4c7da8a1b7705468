//! Floor 0: COCO run-length masks: column-major runs, zeros first; areas, boxes and overlaps without decoding.
//!
//! The runs are kept canonical (only the first may be empty), so equal masks are equal values. The compressed
//! text is COCO's: 5 bits a character from '0' on, the low bits first, every run after the third as the
//! difference to the one two before. A mask costs memory in proportion to its runs; only `to_mask` costs the
//! area of the picture, so compare `size` with the real picture before calling it on text from outside.

use crate::image_size::ImageSize;

/// Characters of one number: 7 groups of 5 bits hold every difference of two 32-bit runs.
const GROUPS_MAX: u32 = 7;

/// A binary mask as run lengths.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rle {
    size: ImageSize,
    counts: Vec<u32>,
}

/// What is wrong with run lengths from outside.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RleError {
    /// More pixels than a run can count.
    #[error(
        "cannot hold a run-length mask of {size}: too many pixels; expected at most 4294967295"
    )]
    TooLarge {
        /// The picture.
        size: ImageSize,
    },
    /// The runs do not fill the picture.
    #[error(
        "cannot read run-length mask of {size}: wrong sum of runs; expected {} pixels, got {got}",
        size.area()
    )]
    WrongTotal {
        /// The picture.
        size: ImageSize,
        /// Sum up to where reading stopped.
        got: u64,
    },
    /// A character that is not COCO's.
    #[error(
        "cannot read run-length text at character {position}: expected '0' to 'o', got byte {byte}"
    )]
    BadCharacter {
        /// From 0.
        position: usize,
        /// What stands there.
        byte: u8,
    },
    /// The text ends inside a number, or a number does not end.
    #[error(
        "cannot read run-length text at character {position}: a number of 1 to 7 characters expected"
    )]
    BadNumber {
        /// Where the number begins, from 0.
        position: usize,
    },
    /// A run below 0 or above 32 bits.
    #[error("cannot read run-length text: run {run} is {value}; expected 0 to 4294967295")]
    BadRun {
        /// From 0.
        run: usize,
        /// Its length as written.
        value: i64,
    },
}

/// Foreground pixels of one column: rows `top..bottom` of column `x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnSegment {
    /// Column.
    pub x: u32,
    /// First row.
    pub top: u32,
    /// Row after the last.
    pub bottom: u32,
}

impl Rle {
    /// A mask from its run lengths, zeros first, column-major.
    ///
    /// # Errors
    /// If the runs do not sum to the area of `size`.
    pub fn from_counts(size: ImageSize, counts: Vec<u32>) -> Result<Self, RleError> {
        let area = area_of(size)?;
        let got: u64 = counts.iter().map(|&count| u64::from(count)).sum();
        if got != u64::from(area) {
            return Err(RleError::WrongTotal { size, got });
        }
        Ok(Self { size, counts: canonical(counts) })
    }

    /// A mask from COCO's compressed text.
    ///
    /// # Errors
    /// If the text is not COCO's or its runs do not sum to the area of `size`.
    pub fn from_coco_string(size: ImageSize, text: &str) -> Result<Self, RleError> {
        let area = u64::from(area_of(size)?);
        let bytes = text.as_bytes();
        let mut counts: Vec<u32> = Vec::new();
        let mut total = 0_u64;
        let mut position = 0;
        while position < bytes.len() {
            let (mut value, next) = read_number(bytes, position)?;
            let run = counts.len();
            if run > 2 {
                value += i64::from(counts[run - 2]);
            }
            let count = u32::try_from(value).map_err(|_| RleError::BadRun { run, value })?;
            total += u64::from(count);
            if total > area {
                return Err(RleError::WrongTotal { size, got: total });
            }
            counts.push(count);
            position = next;
        }
        if total != area {
            return Err(RleError::WrongTotal { size, got: total });
        }
        Ok(Self { size, counts: canonical(counts) })
    }

    /// A mask from its pixels, row-major, nonzero = inside.
    ///
    /// # Panics
    /// If `mask` has another length than the area of `size`, or that area does not fit 32 bits.
    pub fn from_mask(size: ImageSize, mask: &[u8]) -> Self {
        assert_eq!(mask.len(), size.area(), "invariant: one value a pixel at {size}");
        let area = area_of(size).expect("invariant: a picture of at most 65535 pixels a side");
        if area == 0 {
            return Self { size, counts: Vec::new() };
        }
        let starts = changes(size, mask);
        let mut counts = Vec::with_capacity(starts.len() + 1);
        let mut last = 0;
        for start in starts {
            counts.push(start - last);
            last = start;
        }
        counts.push(area - last);
        Self { size, counts }
    }

    /// COCO's compressed text, as pycocotools writes it.
    pub fn to_coco_string(&self) -> String {
        let mut text = String::with_capacity(2 * self.counts.len());
        for (run, &count) in self.counts.iter().enumerate() {
            let mut value = i64::from(count);
            if run > 2 {
                value -= i64::from(self.counts[run - 2]);
            }
            write_number(value, &mut text);
        }
        text
    }

    /// The pixels, row-major: 1 inside, 0 outside. Allocates the area of the picture.
    pub fn to_mask(&self) -> Vec<u8> {
        let mut mask = vec![0; self.size.area()];
        let width = self.size.width as usize;
        for ColumnSegment { x, top, bottom } in self.segments() {
            for y in top as usize..bottom as usize {
                mask[y * width + x as usize] = 1;
            }
        }
        mask
    }

    /// Size of the picture.
    pub fn size(&self) -> ImageSize {
        self.size
    }

    /// Run lengths, zeros first, column-major.
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// The runs inside the mask as `start..end` of column-major pixel numbers, rising.
    pub fn runs(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let mut at = 0;
        self.counts.chunks(2).filter_map(move |two| {
            let start = at + two[0];
            at = start + two.get(1).copied().unwrap_or(0);
            (at > start).then_some((start, at))
        })
    }

    /// The runs cut at the ends of columns, in the order of `runs`.
    pub fn segments(&self) -> impl Iterator<Item = ColumnSegment> + '_ {
        let height = self.size.height;
        self.runs().flat_map(move |(start, end)| {
            (start / height..=(end - 1) / height).map(move |x| ColumnSegment {
                x,
                // 64 bits: the end of the last column may be 2^32 - 1, its successor's is beyond.
                top: start.saturating_sub(x * height),
                bottom: (u64::from(end) - u64::from(x) * u64::from(height)).min(u64::from(height))
                    as u32,
            })
        })
    }

    /// Number of pixels inside.
    pub fn area(&self) -> u64 {
        self.counts.iter().skip(1).step_by(2).map(|&count| u64::from(count)).sum()
    }

    /// Number of pixels inside both.
    ///
    /// # Panics
    /// If the sizes differ.
    pub fn intersection_area(&self, other: &Self) -> u64 {
        assert_eq!(self.size, other.size, "invariant: masks of one picture have one size");
        let (mut ours, mut theirs) = (self.runs(), other.runs());
        let (mut a, mut b) = (ours.next(), theirs.next());
        let mut area = 0;
        while let (Some((a_start, a_end)), Some((b_start, b_end))) = (a, b) {
            let (start, end) = (a_start.max(b_start), a_end.min(b_end));
            area += u64::from(end.saturating_sub(start));
            if a_end <= b_end {
                a = ours.next();
            }
            if b_end <= a_end {
                b = theirs.next();
            }
        }
        area
    }

    /// Intersection over union; 0 where both are empty.
    ///
    /// # Panics
    /// If the sizes differ.
    pub fn iou(&self, other: &Self) -> f64 {
        let intersection = self.intersection_area(other);
        let union = self.area() + other.area() - intersection;
        if union == 0 { 0.0 } else { intersection as f64 / union as f64 }
    }

    /// Whether the intersection over union is above `num / den`, decided in integers.
    ///
    /// # Panics
    /// If the sizes differ.
    pub fn iou_above(&self, other: &Self, num: u32, den: u32) -> bool {
        let intersection = self.intersection_area(other);
        let union = self.area() + other.area() - intersection;
        u128::from(intersection) * u128::from(den) > u128::from(union) * u128::from(num)
    }

    /// The smallest box around the mask: x, y, width, height; all 0 where the mask is empty.
    pub fn bbox(&self) -> [u32; 4] {
        let height = self.size.height;
        let mut corners: Option<[u32; 4]> = None;
        // By runs, not by columns: a hostile size may have billions of columns in one run.
        for (start, end) in self.runs() {
            let (first, last) = (start / height, (end - 1) / height);
            let (top, bottom) =
                if first == last { (start % height, (end - 1) % height + 1) } else { (0, height) };
            let [left, upper, right, lower] = corners.unwrap_or([first, top, last, bottom]);
            corners = Some([left.min(first), upper.min(top), right.max(last), lower.max(bottom)]);
        }
        corners.map_or([0; 4], |[left, upper, right, lower]| {
            [left, upper, right + 1 - left, lower - upper]
        })
    }
}

fn area_of(size: ImageSize) -> Result<u32, RleError> {
    u32::try_from(size.area()).map_err(|_| RleError::TooLarge { size })
}

/// Joins the neighbors of empty runs, so that only the first run may be empty; a picture without pixels has no runs.
fn canonical(mut counts: Vec<u32>) -> Vec<u32> {
    if counts.iter().all(|&count| count == 0) {
        return Vec::new();
    }
    if !counts.iter().skip(1).any(|&count| count == 0) {
        return counts;
    }
    let mut kept = 0;
    for run in 0..counts.len() {
        let count = counts[run];
        if kept % 2 != run % 2 {
            counts[kept - 1] += count;
        } else if count > 0 || run == 0 {
            counts[kept] = count;
            kept += 1;
        }
    }
    counts.truncate(kept);
    counts
}

/// One number of COCO's text and where the next one begins.
fn read_number(bytes: &[u8], position: usize) -> Result<(i64, usize), RleError> {
    let mut value = 0_i64;
    for group in 0..GROUPS_MAX {
        let at = position + group as usize;
        let &byte = bytes.get(at).ok_or(RleError::BadNumber { position })?;
        if !(48..112).contains(&byte) {
            return Err(RleError::BadCharacter { position: at, byte });
        }
        let bits = i64::from(byte - 48);
        value |= (bits & 0x1f) << (5 * group);
        if bits & 0x20 == 0 {
            if bits & 0x10 != 0 {
                value |= -1 << (5 * (group + 1));
            }
            return Ok((value, at + 1));
        }
    }
    Err(RleError::BadNumber { position })
}

fn write_number(mut value: i64, text: &mut String) {
    loop {
        let bits = (value & 0x1f) as u8;
        value >>= 5;
        let more = if bits & 0x10 != 0 { value != -1 } else { value != 0 };
        text.push(char::from(48 + bits + if more { 0x20 } else { 0 }));
        if !more {
            return;
        }
    }
}

/// Column-major numbers of the pixels that differ from the one before (the first: from outside), rising.
///
/// Walks the rows, as they lie in memory: first to count the changes of each column, then to note them.
fn changes(size: ImageSize, mask: &[u8]) -> Vec<u32> {
    let (width, height) = (size.width as usize, size.height as usize);
    // What lies before the first row of a column is the last pixel of the column to the left.
    let mut above_first = vec![0; width];
    above_first[1..].copy_from_slice(&mask[(height - 1) * width..height * width - 1]);
    let rows = || {
        let above = std::iter::once(above_first.as_slice()).chain(mask.chunks_exact(width));
        above.zip(mask.chunks_exact(width))
    };
    let changed = |above: u8, here: u8| (above != 0) != (here != 0);

    let mut places = vec![0_u32; width + 1];
    for (above, row) in rows() {
        for ((place, &above), &here) in places[1..].iter_mut().zip(above).zip(row) {
            *place += u32::from(changed(above, here));
        }
    }
    for x in 0..width {
        places[x + 1] += places[x];
    }
    let mut starts = vec![0; places[width] as usize];
    for (y, (above, row)) in rows().enumerate() {
        for (x, (&above, &here)) in above.iter().zip(row).enumerate() {
            if changed(above, here) {
                starts[places[x] as usize] = (x * height + y) as u32;
                places[x] += 1;
            }
        }
    }
    starts
}

#[cfg(test)]
mod tests;
