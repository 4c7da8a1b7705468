//! Floor 2: KITTI MOTS text: one line per object and frame, "frame id class height width run-lengths".
//!
//! Class 1 is a car, 2 a pedestrian, 10 a region to ignore (passed over). The id is class * 1000 + n and the same along a
//! track; alignment over three frames finds the same objects by overlap, so it is not kept. There is no score: 1.0 counts.

use std::collections::BTreeSet;
use std::path::Path;

use suw_shared::class::InstanceClass;
use suw_shared::image_size::ImageSize;
use suw_shared::rle::Rle;

use super::rows::{FrameName, Imported};
use super::{ImportError, bytes_of, from_files, has_ending};
use crate::detected::Detection;

/// Longest side of a picture in a line; beyond, the line is damaged.
const SIDE_MAX: u32 = 65_535;

/// All `*.txt` below `root`; `0002.txt` is scene `0002` unless `scene` says otherwise.
pub fn read(root: &Path, scene: Option<&str>) -> Result<Imported, ImportError> {
    let expected = "KITTI MOTS text files (*.txt)";
    let wanted = |path: &Path| has_ending(path, "txt");
    from_files(root, expected, wanted, |path, place, imported| {
        let bytes = bytes_of(path)?;
        let text = std::str::from_utf8(&bytes).map_err(|error| ImportError::File {
            path: path.to_owned(),
            cause: format!("expected a text, got {error}"),
        })?;
        read_text(text, scene.unwrap_or(place), imported)
            .map_err(|(line, cause)| ImportError::Line { path: path.to_owned(), line, cause })
    })
}

/// The lines of one sequence; the error is a line number from 1 and a cause.
fn read_text(text: &str, scene: &str, imported: &mut Imported) -> Result<(), (usize, String)> {
    imported.scenes.entry(scene.to_owned()).or_default();
    let mut size = None;
    let mut seen = BTreeSet::new();
    for (line, text) in text.lines().enumerate().map(|(index, text)| (index + 1, text)) {
        if text.trim().is_empty() {
            continue;
        }
        let row = row_of(text).map_err(|cause| (line, cause))?;
        let first = *size.get_or_insert(row.size);
        if row.size != first {
            let cause = format!("expected masks of {first} as in the first line, got {}", row.size);
            return Err((line, cause));
        }
        if !seen.insert((row.frame, row.id)) {
            let cause = format!(
                "expected each object once a frame, got object {} of frame {} again",
                row.id, row.frame
            );
            return Err((line, cause));
        }
        match row.class {
            Some(class) => {
                let detection = Detection { class, score: 1.0, mask: row.mask };
                imported.add(scene, FrameName::Number(row.frame), detection);
            }
            None => imported.pass_over("regions to ignore (class 10)".to_owned()),
        }
    }
    Ok(())
}

struct Row {
    frame: u64,
    id: u64,
    /// `None` for a region to ignore.
    class: Option<InstanceClass>,
    size: ImageSize,
    mask: Rle,
}

fn row_of(text: &str) -> Result<Row, String> {
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    let [frame, id, class, height, width, counts] = fields[..] else {
        return Err(format!(
            "expected 6 fields (frame, id, class, height, width, run-lengths), got {}",
            fields.len()
        ));
    };
    let class = match number("class", class)? {
        1 => Some(InstanceClass::Car),
        2 => Some(InstanceClass::Person),
        10 => None,
        other => {
            return Err(format!(
                "expected class 1 (car), 2 (pedestrian) or 10 (ignore), got {other}"
            ));
        }
    };
    let side = |name, text| match number(name, text)? {
        pixels @ 1..=65_535 => Ok(pixels as u32),
        other => Err(format!("expected a {name} of 1 to {SIDE_MAX} pixels, got {other}")),
    };
    let size = ImageSize::new(side("width", width)?, side("height", height)?);
    let mask = Rle::from_coco_string(size, counts).map_err(|error| error.to_string())?;
    Ok(Row { frame: number("frame", frame)?, id: number("id", id)?, class, size, mask })
}

fn number(name: &str, text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("expected a whole number as {name}, got {text:?}"))
}
