//! Floor 1: aligned objects over the frames of a clip, their table, and the movable regions that are not aligned.

use std::fmt::Write as _;

use suw_shared::class::SemanticClass;
use suw_shared::image_size::ImageSize;
use suw_shared::sample::{Sample, SampleObjects};

use crate::components::{NO_CLASS, Region, components};
use crate::page::canvas::object_color;
use crate::page::html::escaped;
use crate::page::outline::outline;

/// Movable regions that are listed, largest first.
const LOOSE_LISTED: usize = 12;

/// What the alignment asked for, as the set's provenance states it.
#[derive(Clone, Debug, PartialEq)]
pub struct AlignTerms {
    /// An IoU must be above this, e.g. `0.3`.
    pub iou_above: f64,
    /// Fewest pixels at network size in every frame.
    pub min_area: u64,
}

/// Outlines and numbers of the aligned objects of frame `frame`: an SVG and one tag an object.
pub fn outlines(objects: &SampleObjects, size: ImageSize, frame: usize) -> String {
    let area = size.area();
    let map = &objects.map[frame * area..(frame + 1) * area];
    let (mut paths, mut tags) = (String::new(), String::new());
    for row in &objects.rows {
        let Some(bounds) = bounds(map, size, |value| value == row.index) else { continue };
        let color = css_color(row.index);
        let path = outline(map, size, |value| value == row.index);
        let _ = write!(
            paths,
            "<path class=\"object\" data-object=\"{}\" style=\"--c:{color}\" d=\"{path}\"/>",
            row.index
        );
        let (left, top) = bounds.top_middle(size);
        let _ = write!(
            tags,
            "<b class=\"tag\" data-object=\"{0}\" style=\"--c:{color};left:{left:.2}%;top:{top:.2}%\">{0}</b>",
            row.index
        );
    }
    format!("{}{tags}", over(size, &paths))
}

/// The table of aligned objects.
pub fn object_table(objects: &SampleObjects, size: ImageSize) -> String {
    if objects.rows.is_empty() {
        return "<p class=\"none\">No object was found in all three frames.</p>".to_owned();
    }
    let area = size.area();
    let target = &objects.map[area..2 * area];
    let mut out = String::from(
        "<div class=\"scroll\"><table class=\"objects\"><tr><th>object</th><th>class</th><th>score t-1</th><th>t</th>\
         <th>t+1</th><th>IoU t-1, t</th><th>IoU t, t+1</th><th>pixels in t</th></tr>",
    );
    for row in &objects.rows {
        let pixels = target.iter().filter(|&&value| value == row.index).count();
        let [before, now, after] = row.score;
        let _ = write!(
            out,
            "<tr data-object=\"{0}\"><td><b class=\"chip\" style=\"--c:{1}\">{0}</b></td><td>{2}</td><td>{before:.2}</td>\
             <td>{now:.2}</td><td>{after:.2}</td><td>{3:.3}</td><td>{4:.3}</td><td>{pixels}</td></tr>",
            row.index,
            css_color(row.index),
            row.class.name(),
            row.iou_prev,
            row.iou_next,
        );
    }
    out + "</table></div>"
}

/// Movable pixels of the target frame that no aligned object covers.
pub struct Loose {
    regions: Vec<LooseRegion>,
    /// Movable pixels, and how many of them aligned objects cover.
    movable: usize,
    covered: usize,
}

struct LooseRegion {
    region: Region,
    path: String,
    /// What the semantic map says most often.
    class: Option<SemanticClass>,
    touches_object: bool,
}

/// Finds them.
pub fn loose(sample: &Sample, objects: &SampleObjects, size: ImageSize) -> Loose {
    let area = size.area();
    let target = &objects.map[area..2 * area];
    let free: Vec<u8> =
        objects.movable.iter().zip(target).map(|(&m, &i)| u8::from(m == 1 && i == 0)).collect();
    let mut table = [NO_CLASS; 256];
    table[1] = 0;
    let found = components(size, &free, &table);
    // Which region each pixel belongs to, from 1; 0 = none.
    let mut owner = vec![0_u32; area];
    for run in &found.runs {
        let row = (run.y * size.width) as usize;
        owner[row + run.left as usize..row + run.right as usize].fill(run.region + 1);
    }
    let mut regions: Vec<LooseRegion> = (1..)
        .zip(&found.regions)
        .map(|(number, &region)| LooseRegion {
            region,
            path: outline(&owner, size, |value| value == number),
            class: sample.semantic.as_ref().and_then(|map| most_frequent(map, &owner, number)),
            touches_object: touches(&owner, target, size, number),
        })
        .collect();
    regions.sort_by_key(|found| std::cmp::Reverse(found.region.area));
    let movable = objects.movable.iter().filter(|&&value| value == 1).count();
    let covered = movable - free.iter().filter(|&&value| value == 1).count();
    Loose { regions, movable, covered }
}

impl Loose {
    /// Their outlines and letters over the target frame.
    pub fn outlines(&self, size: ImageSize) -> String {
        let (mut paths, mut tags) = (String::new(), String::new());
        for (place, found) in self.regions.iter().enumerate() {
            let _ = write!(
                paths,
                "<path class=\"loose\" data-loose=\"{place}\" d=\"{}\"/>",
                found.path
            );
            if place < LOOSE_LISTED {
                let window = found.region.window;
                let left = 100.0 * (f64::from(window.x) + f64::from(window.width) / 2.0)
                    / f64::from(size.width);
                let top = 100.0 * f64::from(window.y) / f64::from(size.height);
                let _ = write!(
                    tags,
                    "<b class=\"tag loose\" data-loose=\"{place}\" style=\"left:{left:.2}%;top:{top:.2}%\">{}</b>",
                    letter(place)
                );
            }
        }
        format!("{}{tags}", over(size, &paths))
    }

    /// What the shard says about them, and what it does not.
    pub fn text(&self, terms: &AlignTerms) -> String {
        if self.movable == 0 {
            return "<p class=\"none\">No detection of a person, bicycle or car lies in the target frame.</p>".to_owned();
        }
        let share = 100.0 * self.covered as f64 / self.movable as f64;
        let mut out = format!(
            "<p>Aligned objects cover {share:.0} % of the {} pixels where any detection lies.",
            self.movable
        );
        if self.regions.is_empty() {
            return out + " No detection is left over.</p>";
        }
        let _ = write!(
            out,
            " The rest, below and dashed in the picture, was detected but not aligned. The shard marks where (<code>/movable</code>), not \
             which detection it was or why it found no partner (<code>inspect --masks STORE</code> tells): that takes a mask of the same class with IoU above {} in both other \
             frames, and {} pixels in every frame. Detections that touch are one region here.</p>",
            terms.iou_above, terms.min_area
        );
        out.push_str("<div class=\"scroll\"><table class=\"loose\"><tr><th>region</th><th>semantics say</th><th>pixels</th><th>what can be told</th></tr>");
        for (place, found) in self.regions.iter().take(LOOSE_LISTED).enumerate() {
            let small = found.region.area < terms.min_area;
            let note = match (small, found.touches_object) {
                (true, false) => {
                    format!("fewer than {} pixels: too small to be kept", terms.min_area)
                }
                (_, true) => {
                    "touches an aligned object: a rest of it in another detection, or a neighbor"
                        .to_owned()
                }
                (false, false) => {
                    "no partner in t-1 or t+1, or too small there: not stored which".to_owned()
                }
            };
            let _ = write!(
                out,
                "<tr data-loose=\"{place}\"><td><b class=\"chip\">{}</b></td><td>{}</td><td>{}</td><td>{}</td></tr>",
                letter(place),
                found.class.map_or("-", SemanticClass::name),
                found.region.area,
                escaped(&note),
            );
        }
        out.push_str("</table></div>");
        if self.regions.len() > LOOSE_LISTED {
            let more = self.regions.len() - LOOSE_LISTED;
            let _ = write!(out, "<p>and {more} smaller regions</p>");
        }
        out
    }
}

/// `rgb(...)` of an object's color.
fn css_color(index: u8) -> String {
    let [red, green, blue] = object_color(index);
    format!("rgb({red},{green},{blue})")
}

/// a, b, c, ...
pub fn letter(place: usize) -> char {
    char::from(b'a' + (place % 26) as u8)
}

/// An SVG that lies over a picture of `size`.
pub fn over(size: ImageSize, content: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {} {}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">{content}</svg>",
        size.width, size.height
    )
}

struct Bounds {
    top: u32,
    left: u32,
    right: u32,
}

impl Bounds {
    /// In percent of the picture.
    fn top_middle(&self, size: ImageSize) -> (f64, f64) {
        let middle = f64::from(self.left + self.right + 1) / 2.0;
        (
            100.0 * middle / f64::from(size.width),
            100.0 * f64::from(self.top) / f64::from(size.height),
        )
    }
}

fn bounds(map: &[u8], size: ImageSize, inside: impl Fn(u8) -> bool) -> Option<Bounds> {
    let mut found: Option<Bounds> = None;
    for (at, _) in map.iter().enumerate().filter(|&(_, &value)| inside(value)) {
        let (y, x) = ((at / size.width as usize) as u32, (at % size.width as usize) as u32);
        let bounds = found.get_or_insert(Bounds { top: y, left: x, right: x });
        bounds.left = bounds.left.min(x);
        bounds.right = bounds.right.max(x);
    }
    found
}

fn most_frequent(map: &[u8], owner: &[u32], number: u32) -> Option<SemanticClass> {
    let mut counts = [0_usize; 256];
    for (&id, _) in map.iter().zip(owner).filter(|&(_, &owner)| owner == number) {
        counts[usize::from(id)] += 1;
    }
    let (id, _) = counts.iter().enumerate().max_by_key(|&(id, &count)| (count, 255 - id))?;
    SemanticClass::from_id(id as u8)
}

/// Whether a pixel of the region has an aligned object beside, above or below it.
fn touches(owner: &[u32], target: &[u8], size: ImageSize, number: u32) -> bool {
    let width = size.width as usize;
    let near = |a: usize, b: usize| {
        (owner[a] == number && target[b] != 0) || (owner[b] == number && target[a] != 0)
    };
    (0..owner.len()).any(|at| {
        (at + width < owner.len() && near(at, at + width))
            || ((at + 1) % width != 0 && near(at, at + 1))
    })
}

#[cfg(test)]
mod tests {
    use suw_tests::samples;

    use super::*;

    const TERMS: AlignTerms = AlignTerms { iou_above: 0.3, min_area: 100 };

    #[test]
    fn an_object_has_its_outline_in_every_frame_and_a_row() {
        let objects = samples::sample(0).objects.unwrap();
        for (frame, left) in [9, 10, 11].into_iter().enumerate() {
            let svg = outlines(&objects, samples::SIZE, frame);
            assert!(svg.contains(&format!("d=\"M{left} 20h14v14h-14z\"")), "{svg}");
            assert_eq!(svg.matches("class=\"tag\"").count(), 1);
        }
        let table = object_table(&objects, samples::SIZE);
        for cell in
            ["<td>car</td>", "<td>0.75</td>", "<td>0.88</td>", "<td>0.812</td>", "<td>196</td>"]
        {
            assert!(table.contains(cell), "{cell}: {table}");
        }
    }

    #[test]
    fn what_is_movable_and_not_aligned_is_named_with_what_can_be_told() {
        // The street sample has a person of 6x2 pixels on the road, seen in the target frame only.
        let sample = samples::sample(0);
        let objects = sample.objects.as_ref().unwrap();
        let found = loose(&sample, objects, samples::SIZE);
        assert_eq!((found.movable, found.covered, found.regions.len()), (196 + 12, 196, 1));
        assert_eq!(found.regions[0].path, "M50 30h2v6h-2z");
        let text = found.text(&TERMS);
        assert!(text.contains("<td>road</td><td>12</td>") && text.contains("too small"), "{text}");
        assert!(text.contains("cover 94 % of the 208 pixels"), "{text}");

        // Beside the car, nothing can be told.
        let mut beside = objects.clone();
        beside.movable.fill(0);
        for y in 20..34 {
            beside.movable[y * 64 + 24..y * 64 + 26].fill(1);
        }
        let text = loose(&sample, &beside, samples::SIZE).text(&TERMS);
        assert!(text.contains("touches an aligned object"), "{text}");
        // Large and alone.
        beside.movable.fill(0);
        beside.movable[40 * 64..44 * 64].fill(1);
        let text = loose(&sample, &beside, samples::SIZE).text(&TERMS);
        assert!(text.contains("not stored which"), "{text}");
        beside.movable.fill(0);
        let text = loose(&sample, &beside, samples::SIZE).text(&TERMS);
        assert!(text.contains("No detection"), "{text}");
    }
}
