//! Floor 1: curves over steps as SVG, one small picture per loss term.

use std::fmt::Write as _;

use crate::page::html::escaped;

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 170.0;
const LEFT: f64 = 46.0;
const BOTTOM: f64 = 24.0;
const TOP: f64 = 26.0;

/// One curve: steps and values; values that are not finite are left out.
pub fn curve(title: &str, points: &[(f64, f64)], color: &str) -> String {
    let points: Vec<_> =
        points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{0}\"><text x=\"12\" y=\"17\">{0}</text>",
        escaped(title)
    );
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return svg + "<text x=\"150\" y=\"90\">no values</text></svg>";
    };
    let low = points.iter().map(|p| p.1).fold(f64::INFINITY, f64::min).min(0.0);
    let high = points.iter().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max);
    let span = if high > low { high - low } else { 1.0 };
    let x_of = |x: f64| LEFT + (x - first.0) / (last.0 - first.0).max(1e-9) * (WIDTH - LEFT - 14.0);
    let y_of = |y: f64| HEIGHT - BOTTOM - (y - low) / span * (HEIGHT - BOTTOM - TOP);
    for (value, anchor) in [(low, y_of(low)), (high, y_of(high))] {
        let _ = write!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{anchor:.1}\" y2=\"{anchor:.1}\" stroke=\"currentColor\" opacity=\".15\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - 14.0,
            LEFT - 6.0,
            anchor + 4.0,
            short(value)
        );
    }
    // Faint: every step; strong: a running mean, so that the trend shows through the noise of single batches.
    let _ = write!(
        svg,
        "<path fill=\"none\" stroke=\"{color}\" opacity=\".3\" d=\"{}\"/>",
        path(&points, x_of, y_of)
    );
    let _ = write!(
        svg,
        "<path fill=\"none\" stroke=\"{color}\" stroke-width=\"2\" d=\"{}\"/>",
        path(&running_mean(&points), x_of, y_of)
    );
    let _ = write!(
        svg,
        "<text x=\"{LEFT}\" y=\"{0}\">step {1}</text><text x=\"{2}\" y=\"{0}\" text-anchor=\"end\">{3}</text></svg>",
        HEIGHT - 7.0,
        first.0,
        WIDTH - 14.0,
        last.0
    );
    svg
}

fn path(points: &[(f64, f64)], x_of: impl Fn(f64) -> f64, y_of: impl Fn(f64) -> f64) -> String {
    let mut out = String::new();
    for (place, &(x, y)) in points.iter().enumerate() {
        let letter = if place == 0 { 'M' } else { 'L' };
        let _ = write!(out, "{letter}{:.1} {:.1}", x_of(x), y_of(y));
    }
    out
}

/// Mean of each point and its neighbors, a twentieth of the curve wide.
fn running_mean(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let half = points.len() / 40;
    (0..points.len())
        .map(|i| {
            let window = &points[i.saturating_sub(half)..points.len().min(i + half + 1)];
            (points[i].0, window.iter().map(|p| p.1).sum::<f64>() / window.len() as f64)
        })
        .collect()
}

/// Three digits.
fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 1.0 => format!("{value:.1}"),
        0.0 => "0".to_owned(),
        v if v >= 0.01 => format!("{value:.2}"),
        _ => format!("{value:.0e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_not_finite_do_not_reach_the_picture() {
        let svg = curve("loss <a>", &[(1.0, 2.0), (2.0, f64::NAN), (3.0, 1.0)], "#c00");
        assert!(!svg.contains("NaN") && svg.contains("loss &lt;a&gt;"));
        assert!(curve("empty", &[], "#c00").contains("no values"));
        assert!(!curve("one", &[(1.0, 1.0)], "#c00").contains("NaN"));
    }

    #[test]
    fn the_mean_of_a_constant_is_the_constant() {
        let points: Vec<_> = (0..100).map(|i| (f64::from(i), 3.0)).collect();
        assert_eq!(running_mean(&points), points);
    }
}
