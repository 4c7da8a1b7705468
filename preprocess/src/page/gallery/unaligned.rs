//! Floor 1: detections of the target frame that are no objects, each with the reason, for a gallery that knows the masks.

use std::fmt::Write as _;

use suw_shared::image_size::ImageSize;

use crate::align::explain::{Side, Unaligned};
use crate::nearest::NetworkInstance;
use crate::page::gallery::objects::{AlignTerms, letter, over};
use crate::page::outline::outline;

/// Their outlines and letters over the target frame.
pub fn outlines(left: &[Unaligned], size: ImageSize) -> String {
    let (mut paths, mut tags) = (String::new(), String::new());
    for (place, found) in left.iter().enumerate() {
        let Some(shown) = &found.shown else { continue };
        let path = outline(&whole(shown, size), size, |value| value == 1);
        let _ = write!(paths, "<path class=\"loose\" data-loose=\"{place}\" d=\"{path}\"/>");
        let middle = f64::from(shown.window.x) + f64::from(shown.window.width) / 2.0;
        let x = 100.0 * middle / f64::from(size.width);
        let y = 100.0 * f64::from(shown.window.y) / f64::from(size.height);
        let _ = write!(
            tags,
            "<b class=\"tag loose\" data-loose=\"{place}\" style=\"left:{x:.2}%;top:{y:.2}%\">{}</b>",
            letter(place)
        );
    }
    format!("{}{tags}", over(size, &paths))
}

/// One row a detection: what it is, what it found in the other frames, and so why it is no object.
pub fn table(left: &[Unaligned], terms: &AlignTerms) -> String {
    if left.is_empty() {
        return "<p>Every detection of the target frame is an aligned object.</p>".to_owned();
    }
    let mut out = format!(
        "<p>Detected in t, dashed in the picture, and not aligned: that takes a mask of the same class with IoU above {} in both other \
         frames, and {} pixels in every frame.</p><div class=\"scroll\"><table class=\"loose\"><tr><th>mask</th><th>class</th>\
         <th>score</th><th>pixels on disk</th><th>why not</th></tr>",
        terms.iou_above, terms.min_area
    );
    for (place, found) in left.iter().enumerate() {
        let _ = write!(
            out,
            "<tr data-loose=\"{place}\"><td><b class=\"chip\">{}</b></td><td>{}</td><td>{:.2}</td><td>{}</td><td>{}</td></tr>",
            letter(place),
            found.class.name(),
            found.score,
            found.area,
            why(found, terms)
        );
    }
    out + "</table></div>"
}

fn why(found: &Unaligned, terms: &AlignTerms) -> String {
    if let Some(pixels) = found.least_pixels {
        return format!(
            "{pixels} pixels at network size in its smallest frame, fewer than {}",
            terms.min_area
        );
    }
    let side = |(name, side): (&str, Side)| match side {
        Side::Matched(iou) => format!("{name}: found, IoU {iou:.2}"),
        Side::Taken(iou) => format!("{name}: IoU {iou:.2} with a mask that has a better partner"),
        Side::Below(iou) => format!("{name}: best IoU {iou:.2}, not above {}", terms.iou_above),
        Side::OtherClass(class, iou) => {
            format!("{name}: IoU {iou:.2} with a {}, another class", class.name())
        }
        Side::Nothing => format!("{name}: no mask overlaps"),
    };
    ["t-1", "t+1"].into_iter().zip(found.sides).map(side).collect::<Vec<_>>().join("; ")
}

fn whole(shown: &NetworkInstance, size: ImageSize) -> Vec<u8> {
    let mut map = vec![0; size.area()];
    let window = shown.window;
    for (y, row) in (window.y..).zip(shown.mask.chunks_exact(window.width as usize)) {
        let start = (y * size.width + window.x) as usize;
        map[start..start + row.len()].copy_from_slice(row);
    }
    map
}

#[cfg(test)]
mod tests {
    use suw_shared::class::InstanceClass;
    use suw_shared::image_size::Window;

    use super::*;

    #[test]
    fn a_row_names_the_reason_on_each_side() {
        let terms = AlignTerms { iou_above: 0.3, min_area: 100 };
        let window = Window { y: 2, x: 4, height: 2, width: 3 };
        let mut found = Unaligned {
            class: InstanceClass::Car,
            score: 0.75,
            area: 120,
            shown: Some(NetworkInstance { class: InstanceClass::Car, window, mask: vec![1; 6] }),
            sides: [Side::Below(0.213), Side::OtherClass(InstanceClass::Person, 0.5)],
            least_pixels: None,
        };
        let svg = outlines(std::slice::from_ref(&found), ImageSize::new(10, 8));
        assert!(svg.contains("d=\"M4 2h3v2h-3z\"") && svg.contains(">a</b>"), "{svg}");
        let text = table(std::slice::from_ref(&found), &terms);
        assert!(
            text.contains(
                "t-1: best IoU 0.21, not above 0.3; t+1: IoU 0.50 with a person, another class"
            ),
            "{text}"
        );
        found.sides = [Side::Matched(0.5), Side::Taken(0.4)];
        assert!(
            why(&found, &terms).ends_with("t+1: IoU 0.40 with a mask that has a better partner")
        );
        found.least_pixels = Some(31);
        assert!(why(&found, &terms).starts_with("31 pixels"));
        assert!(table(&[], &terms).contains("Every detection"));
    }
}
