//! Floor 1: how far the label of a pixel reaches around it, for every pixel at once.

use suw_shared::image_size::ImageSize;

/// For every pixel the largest `r <= cap` such that all pixels up to `r` rows and columns away have its label.
///
/// What lies outside the picture does not count: windows are cut at the border.
///
/// # Shapes
/// - `labels`, returns: `[H, W]`
///
/// # Panics
/// If `labels` has another length than `H W`.
pub fn reach(size: ImageSize, labels: &[u8], cap: u8) -> Vec<u8> {
    assert_eq!(labels.len(), size.area(), "invariant: one label a pixel at {size}");
    let mut reach = vec![0; labels.len()];
    if labels.is_empty() || cap == 0 {
        return reach;
    }
    // A window of radius r has one label exactly where all windows of radius r - 1 around its pixels have one.
    let width = size.width as usize;
    let mut pure = uniform(width, labels);
    let mut scratch = vec![0; labels.len()];
    for step in 1..=cap {
        if step > 1 {
            least_of_columns(width, &pure, &mut scratch);
            least_of_rows(width, &scratch, &mut pure);
        }
        for (reach, &pure) in reach.iter_mut().zip(&pure) {
            *reach += pure;
        }
    }
    reach
}

/// 1 where the 3x3 window has one label.
fn uniform(width: usize, labels: &[u8]) -> Vec<u8> {
    let mut beside = vec![1; labels.len()];
    for (beside, row) in beside.chunks_exact_mut(width).zip(labels.chunks_exact(width)) {
        for (beside, (here, right)) in beside.iter_mut().zip(row.iter().zip(&row[1..])) {
            *beside = u8::from(here == right);
        }
        for (beside, (left, here)) in beside[1..].iter_mut().zip(row.iter().zip(&row[1..])) {
            *beside &= u8::from(left == here);
        }
    }
    let mut pure = vec![0; labels.len()];
    least_of_rows(width, &beside, &mut pure);
    for y in 1..labels.len() / width {
        let (upper, lower) = labels[(y - 1) * width..(y + 1) * width].split_at(width);
        let (pure_upper, pure_lower) = pure[(y - 1) * width..(y + 1) * width].split_at_mut(width);
        let pure = pure_upper.iter_mut().zip(pure_lower);
        for ((above, below), (upper, lower)) in pure.zip(upper.iter().zip(lower)) {
            let same = u8::from(upper == lower);
            *above &= same;
            *below &= same;
        }
    }
    pure
}

/// The least of each pixel and its neighbors to the left and right.
fn least_of_columns(width: usize, from: &[u8], to: &mut [u8]) {
    for (to, from) in to.chunks_exact_mut(width).zip(from.chunks_exact(width)) {
        to.copy_from_slice(from);
        for (to, &right) in to.iter_mut().zip(&from[1..]) {
            *to = (*to).min(right);
        }
        for (to, &left) in to[1..].iter_mut().zip(from) {
            *to = (*to).min(left);
        }
    }
}

/// The least of each pixel and its neighbors above and below.
fn least_of_rows(width: usize, from: &[u8], to: &mut [u8]) {
    to.copy_from_slice(from);
    for (to, &below) in to.iter_mut().zip(&from[width..]) {
        *to = (*to).min(below);
    }
    for (to, &above) in to[width..].iter_mut().zip(from) {
        *to = (*to).min(above);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Window by window.
    fn slow(size: ImageSize, labels: &[u8], cap: u8) -> Vec<u8> {
        let (w, h) = (size.width as i64, size.height as i64);
        let pure = |y: i64, x: i64, r: i64| {
            let mut inside = (y - r..=y + r).flat_map(|v| (x - r..=x + r).map(move |u| (v, u)));
            inside.all(|(v, u)| {
                let outside = !(0..h).contains(&v) || !(0..w).contains(&u);
                outside || labels[(v * w + u) as usize] == labels[(y * w + x) as usize]
            })
        };
        let reach =
            |p: i64| (1..=cap).take_while(|&r| pure(p / w, p % w, i64::from(r))).count() as u8;
        (0..w * h).map(reach).collect()
    }

    #[test]
    fn one_odd_pixel_seen_from_a_corner() {
        let mut labels = [5; 49];
        labels[48] = 6;
        let found = reach(ImageSize::new(7, 7), &labels, 9);
        assert_eq!((found[0], found[24], found[40], found[48]), (5, 2, 0, 0));
        assert_eq!(reach(ImageSize::new(7, 7), &[5; 49], 9)[0], 9);
    }

    proptest! {
        #[test]
        fn reach_equals_looking_at_every_window(
            (w, h) in (1..18_u32, 1..18_u32),
            odd in prop::collection::vec((0..324_usize, 0..3_u8), 0..8),
            cap in 0..7_u8,
        ) {
            let size = ImageSize::new(w, h);
            let mut labels = vec![0; size.area()];
            for (at, label) in odd {
                let at = at % size.area();
                labels[at] = label;
            }
            prop_assert_eq!(reach(size, &labels, cap), slow(size, &labels, cap));
        }
    }
}
