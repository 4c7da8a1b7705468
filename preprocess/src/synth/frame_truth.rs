//! Floor 1: what a picture says about its objects: instance values, tracking lines, masks.

use crate::synth::camera_path::View;
use crate::synth::ray_cast::Picture;
use crate::synth::shapes::{ObjectId, Solid};
use crate::synth::sight::unhidden_pixels;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use suw_shared::class::{InstanceClass, SemanticClass};
use suw_shared::rle::Rle;

/// Cityscapes label id (not train id) of an object, as KITTI's instance pictures use them.
pub fn label_id(class: InstanceClass) -> u16 {
    match class {
        InstanceClass::Person => 24,
        InstanceClass::Car => 26,
        InstanceClass::Bicycle => 33,
    }
}

/// Value of an object in the instance pictures, and its track id: `256 * label id + number`.
pub fn instance_value(id: ObjectId) -> u16 {
    256 * label_id(id.class) + u16::from(id.number)
}

/// Cityscapes label id of a train id.
fn stuff_label(train_id: u8) -> u16 {
    const LABELS: [u16; 19] =
        [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33];
    LABELS.get(usize::from(train_id)).copied().unwrap_or(0)
}

/// One value a pixel: `256 * label id + number`, number 0 where there is no object.
pub fn instance_values(picture: &Picture) -> Vec<u16> {
    let classes = picture.semantic.data();
    picture
        .objects
        .iter()
        .zip(classes)
        .map(|(object, &class)| object.map_or(256 * stuff_label(class), instance_value))
        .collect()
}

/// The visible part of one object.
#[derive(Clone, Debug)]
pub struct VisibleObject {
    /// Which.
    pub id: ObjectId,
    /// Pixels.
    pub pixels: usize,
    /// Left, top, right, bottom: first and last column and row.
    pub area: [u32; 4],
}

/// Objects that cover at least one pixel center, by class and number.
pub fn visible_objects(picture: &Picture) -> Vec<VisibleObject> {
    let width = picture.image.size().width;
    let mut found: BTreeMap<ObjectId, VisibleObject> = BTreeMap::new();
    for (index, object) in picture.objects.iter().enumerate() {
        let Some(id) = *object else { continue };
        let (x, y) = (index as u32 % width, index as u32 / width);
        let entry = found.entry(id).or_insert(VisibleObject { id, pixels: 0, area: [x, y, x, y] });
        entry.pixels += 1;
        let [left, top, right, bottom] = entry.area;
        entry.area = [left.min(x), top.min(y), right.max(x), bottom.max(y)];
    }
    found.into_values().collect()
}

/// The lines of one frame in KITTI's tracking format: frame, track id, type, truncated, occluded, alpha, box,
/// height, width, length, place of the ground contact in the camera's axes (y down), rotation about y.
pub fn track_lines(
    frame: usize,
    view: &View,
    solids: &[Solid],
    visible: &[VisibleObject],
) -> String {
    let mut text = String::new();
    for object in visible {
        let Some(solid) = solids.iter().find(|solid| solid.object == Some(object.id)) else {
            continue;
        };
        let kind = match object.id.class {
            InstanceClass::Person => "Pedestrian",
            InstanceClass::Bicycle => "Bicycle",
            InstanceClass::Car => "Car",
        };
        let share = object.pixels as f64 / unhidden_pixels(view, solid).max(1) as f64;
        let occluded = if share > 0.8 {
            0
        } else if share > 0.4 {
            1
        } else {
            2
        };
        let [left, top, right, bottom] = object.area;
        let (last_x, last_y) = (view.size.width - 1, view.size.height - 1);
        let truncated = u8::from(left == 0 || top == 0 || right == last_x || bottom == last_y);
        let [low, high] = solid.bounds;
        let place = view.to_camera(solid.placement.position);
        let ahead = solid.placement.world_direction([0.0, 0.0, 1.0]);
        let tip: [f64; 3] =
            std::array::from_fn(|i| (0..3).map(|k| view.axes[k][i] * ahead[k]).sum());
        let rotation = (-tip[2]).atan2(tip[0]);
        let alpha = rotation - place[0].atan2(place[2]);
        let _ = writeln!(
            text,
            "{frame} {} {kind} {truncated} {occluded} {alpha:.4} {left} {top} {right} {bottom} {:.3} {:.3} {:.3} \
             {:.3} {:.3} {:.3} {rotation:.4}",
            instance_value(object.id),
            high[1],
            high[0] - low[0],
            high[2] - low[2],
            place[0],
            -place[1],
            place[2],
        );
    }
    text
}

/// The pixels of an object, looked for in its box only.
fn visible_mask(picture: &Picture, object: &VisibleObject) -> Rle {
    let size = picture.image.size();
    let [left, top, right, bottom] = object.area;
    // Column by column; zeros first, so an even number of counts ends inside.
    let mut counts = vec![0];
    let mut add = |inside: bool, pixels: u32| {
        if inside != counts.len().is_multiple_of(2) {
            counts.push(0);
        }
        let last = counts.len() - 1;
        counts[last] += pixels;
    };
    add(false, left * size.height);
    for x in left..=right {
        add(false, top);
        for y in top..=bottom {
            add(picture.objects[(y * size.width + x) as usize] == Some(object.id), 1);
        }
        add(false, size.height - 1 - bottom);
    }
    add(false, (size.width - 1 - right) * size.height);
    Rle::from_counts(size, counts).expect("invariant: every pixel is in one run")
}

/// One frame of a mask store: COCO rows, compressed run lengths, class and box of each object's visible part.
pub fn store_rows(picture: &Picture, visible: &[VisibleObject]) -> String {
    let size = picture.image.size();
    let rows: Vec<serde_json::Value> = visible
        .iter()
        .map(|object| {
            let [left, top, right, bottom] = object.area;
            serde_json::json!({
                "category_id": object.id.class.coco(),
                "segmentation": {
                    "size": [size.height, size.width],
                    "counts": visible_mask(picture, object).to_coco_string(),
                },
                "score": 1.0,
                "bbox": [left, top, right - left + 1, bottom - top + 1],
            })
        })
        .collect();
    format!("{}\n", serde_json::Value::Array(rows))
}

/// Classes that appear, for reports.
pub fn classes(picture: &Picture) -> [bool; 19] {
    let mut seen = [false; 19];
    for &class in picture.semantic.data() {
        if SemanticClass::from_id(class).is_some() {
            seen[usize::from(class)] = true;
        }
    }
    seen
}
