//! Floor 2: COCO results: a JSON list of rows with `image_id`, `category_id`, `segmentation` (run lengths) and `score`.
//!
//! Run lengths may be compressed text or a list of numbers. A row names its image by number, by file name or stem, or by a
//! whole key `<scene>/<stem>`; without a scene of its own it belongs to that of its file: the folder of an
//! `instances.json`, else the file's path without its ending. Categories but 1, 2, 3 are passed over.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use suw_shared::class::InstanceClass;
use suw_shared::image_size::ImageSize;
use suw_shared::rle::Rle;

use super::rows::{FrameName, Imported};
use super::{ImportError, bytes_of, from_files, has_ending};
use crate::detected::Detection;

/// Endings of picture names that a row may carry along.
const PICTURE_ENDINGS: [&str; 3] = ["png", "jpg", "jpeg"];

#[derive(Deserialize)]
struct Row {
    image_id: ImageId,
    category_id: u64,
    segmentation: Value,
    score: Option<f32>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ImageId {
    Number(u64),
    Text(String),
}

/// All `*.json` below `root`, or the one file `root`.
pub fn read(root: &Path, scene: Option<&str>) -> Result<Imported, ImportError> {
    let expected = "COCO result files (*.json)";
    // A mask store describes itself in store.json, which is no list of rows.
    let wanted = |path: &Path| has_ending(path, "json") && !path.ends_with("store.json");
    from_files(root, expected, wanted, |path, place, imported| {
        let bytes = bytes_of(path)?;
        let rows: Vec<Value> = serde_json::from_slice(&bytes).map_err(|error| {
            let cause = format!("expected a JSON list of rows, got: {error}");
            ImportError::Line { path: path.to_owned(), line: error.line().max(1), cause }
        })?;
        let scene = scene.unwrap_or_else(|| scene_of_place(place));
        for (index, row) in rows.into_iter().enumerate() {
            add(row, scene, imported).map_err(|cause| ImportError::Line {
                path: path.to_owned(),
                line: line_of_row(&bytes, index),
                cause: format!("row {index}: {cause}"),
            })?;
        }
        Ok(())
    })
}

/// The folder of an `instances.json`, else the place itself.
fn scene_of_place(place: &str) -> &str {
    match place.rsplit_once('/') {
        Some((folder, "instances")) => folder,
        None if place == "instances" => "",
        _ => place,
    }
}

fn add(row: Value, scene: &str, imported: &mut Imported) -> Result<(), String> {
    let Row { image_id, category_id, segmentation, score } =
        serde_json::from_value(row).map_err(|error| {
            format!("expected image_id, category_id and segmentation, got: {error}")
        })?;
    let class = u32::try_from(category_id).ok().and_then(InstanceClass::from_coco);
    let Some(class) = class else {
        imported.pass_over("rows of other categories than 1, 2, 3".to_owned());
        return Ok(());
    };
    let score = score.unwrap_or(1.0);
    if !(0.0..=1.0).contains(&score) {
        return Err(format!("expected a score in 0..=1, got {score}"));
    }
    let mask = mask_of(&segmentation)?;
    let (own, frame) = frame_of(image_id);
    let scene = own.as_deref().unwrap_or(scene);
    if scene.is_empty() {
        return Err(format!(
            "expected a scene for image {frame}, got none: neither image_id nor the file's place names one"
        ));
    }
    imported.add(scene, frame, Detection { class, score, mask });
    Ok(())
}

/// The scene, if the name has one, and the frame.
fn frame_of(id: ImageId) -> (Option<String>, FrameName) {
    let text = match id {
        ImageId::Number(number) => return (None, FrameName::Number(number)),
        ImageId::Text(text) => text,
    };
    let (scene, name) = match text.rsplit_once('/') {
        Some((scene, name)) => (Some(scene.to_owned()), name),
        None => (None, text.as_str()),
    };
    let stem = match name.rsplit_once('.') {
        Some((stem, ending)) if PICTURE_ENDINGS.contains(&ending.to_lowercase().as_str()) => stem,
        _ => name,
    };
    (scene, FrameName::Stem(stem.to_owned()))
}

fn mask_of(segmentation: &Value) -> Result<Rle, String> {
    let (size, counts) = (&segmentation["size"], &segmentation["counts"]);
    let side = |index: usize| {
        size[index].as_u64().filter(|pixels| (1..=65_535).contains(pixels)).map(|side| side as u32)
    };
    let (Some(height), Some(width)) = (side(0), side(1)) else {
        let form = if segmentation.is_array() { "polygons" } else { "another form" };
        return Err(format!(
            "expected run lengths {{\"size\": [height, width], \"counts\": ...}}, got {form}; \
             pycocotools' annToRLE makes run lengths of polygons"
        ));
    };
    let size = ImageSize::new(width, height);
    match counts {
        Value::String(text) => Rle::from_coco_string(size, text).map_err(|e| e.to_string()),
        Value::Array(numbers) => {
            let run = |value: &Value| value.as_u64().and_then(|run| u32::try_from(run).ok());
            let runs: Option<Vec<u32>> = numbers.iter().map(run).collect();
            let runs = runs.ok_or("expected counts of whole numbers of at least 0, got others")?;
            Rle::from_counts(size, runs).map_err(|error| error.to_string())
        }
        _ => Err("expected counts as compressed text or as a list of numbers".to_owned()),
    }
}

/// The line, from 1, on which element `index` of a JSON list begins.
fn line_of_row(json: &[u8], index: usize) -> usize {
    let (mut line, mut depth, mut rows) = (1, 0_u32, 0);
    let (mut in_text, mut escaped, mut row_may_begin) = (false, false, false);
    for &byte in json {
        if row_may_begin && !byte.is_ascii_whitespace() {
            if rows == index {
                break;
            }
            rows += 1;
            row_may_begin = false;
        }
        match byte {
            b'\n' => line += 1,
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' => {
                depth += 1;
                row_may_begin = depth == 1;
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => row_may_begin = depth == 1,
            _ => {}
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::line_of_row;

    #[test]
    fn rows_are_found_among_brackets_in_text_and_lists() {
        let json = b"[{\"a\":\"[{\\\"\",\n\"b\":[1,\n2]},\n\n{\"c\":{}}, 5,\n[6]]";
        assert_eq!([0, 1, 2, 3].map(|index| line_of_row(json, index)), [1, 5, 5, 6]);
    }
}
