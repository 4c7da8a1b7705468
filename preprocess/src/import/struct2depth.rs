//! Floor 2: struct2depth strips: `<scene>/<number>-fseg.png`, frames t-1, t, t+1 side by side, one color per object.
//!
//! What the strips do not say, and is assumed here:
//! - strip `n` shows frames n-1, n, n+1 of its drive, as struct2depth's own script numbers them: from 1 on, for drives that
//!   begin at frame 0 and have no gap
//! - a folder `<date>_drive_<number>_sync_02` is KITTI's `<date>/<date>_drive_<number>_sync/image_02`, as that script names
//!   it; other folders are scenes as they are
//! - black is no object, any other color (or gray value) is one; the same color in another third is the same object, which
//!   is not used: alignment is done anew
//! - strips have neither class nor score: every object is of one class, and the score is 1.0
//!
//! A frame stands in up to three strips. Its masks are collected from the strip that it is the middle of, then from the
//! strip before, then from the one after; a mask that covers one already there by more than half is the same object.

use std::collections::BTreeMap;
use std::path::Path;

use suw_shared::class::InstanceClass;
use suw_shared::image_size::ImageSize;
use suw_shared::rgb_image::RgbImage;
use suw_shared::rle::Rle;

use super::rows::{FrameName, Imported};
use super::{ImportError, bytes_of, from_files};
use crate::decode::rgb_from_bytes;
use crate::detected::Detection;

/// Most objects of a frame; struct2depth numbers them in a byte. Each costs a mask of the size of the picture.
const OBJECTS_MAX: usize = 255;

/// End of the names of strips.
const STRIP: &str = "-fseg.png";

/// What strips do not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StripParams {
    /// The class of every object.
    pub class: InstanceClass,
    /// Size of the pictures; `None`: that of a third of the strip.
    pub size: Option<ImageSize>,
}

/// Masks of one frame by the place of their strip: middle, then the frame's own t+1, then t-1.
type Views = BTreeMap<(String, u64), [Vec<Rle>; 3]>;

/// All `*-fseg.png` below `root`.
pub fn read(
    root: &Path,
    scene: Option<&str>,
    params: &StripParams,
) -> Result<Imported, ImportError> {
    let expected = "struct2depth strips (*-fseg.png)";
    let wanted = |path: &Path| path.to_string_lossy().ends_with(STRIP);
    let mut views = Views::new();
    let mut imported = from_files(root, expected, wanted, |path, place, _| {
        let wrong = |cause: String| ImportError::File { path: path.to_owned(), cause };
        let (folder, name) = place.rsplit_once('/').unwrap_or(("", place));
        let target = number_of(name).map_err(wrong)?;
        let scene = scene.map_or_else(|| scene_of(folder), str::to_owned);
        if scene.is_empty() {
            let cause = "expected strips in a folder that names their scene, got none";
            return Err(wrong(cause.to_owned()));
        }
        let image = rgb_from_bytes(path, &bytes_of(path)?).map_err(|e| wrong(e.cause()))?;
        let thirds = masks_of_thirds(&image, params.size).map_err(wrong)?;
        // Its third frame sees the strip as the one before, its first as the one after.
        for (masks, (frame, view)) in
            thirds.into_iter().zip([(target - 1, 2), (target, 0), (target + 1, 1)])
        {
            views.entry((scene.clone(), frame)).or_default()[view] = masks;
        }
        Ok(())
    })?;
    for ((scene, frame), views) in views {
        imported.scenes.entry(scene.clone()).or_default();
        for mask in distinct(views) {
            let detection = Detection { class: params.class, score: 1.0, mask };
            imported.add(&scene, FrameName::Number(frame), detection);
        }
    }
    Ok(imported)
}

fn number_of(name: &str) -> Result<u64, String> {
    let digits = name.strip_suffix("-fseg").unwrap_or(name);
    match digits.parse() {
        Ok(number @ 1..) => Ok(number),
        _ => Err(format!(
            "expected a strip named by the number of its middle frame, from 1 on, got {digits:?}"
        )),
    }
}

/// KITTI's scene of a folder as struct2depth names it; other folders stay as they are.
fn scene_of(folder: &str) -> String {
    let (before, last) =
        folder.rsplit_once('/').map_or(("", folder), |(before, last)| (before, last));
    let parts = last.split_once("_drive_").and_then(|(date, rest)| {
        let camera = rest.rsplit_once("_sync_").map(|(_, camera)| camera)?;
        let drive = last.strip_suffix(camera)?.trim_end_matches('_');
        ["02", "03"].contains(&camera).then(|| format!("{date}/{drive}/image_{camera}"))
    });
    match parts {
        Some(scene) if before.is_empty() => scene,
        Some(scene) => format!("{before}/{scene}"),
        None => folder.to_owned(),
    }
}

/// Masks of the left, middle and right third, each by rising color.
fn masks_of_thirds(strip: &RgbImage, size: Option<ImageSize>) -> Result<[Vec<Rle>; 3], String> {
    let whole = strip.size();
    if !whole.width.is_multiple_of(3) {
        return Err(format!("expected three frames side by side, got a picture of {whole}"));
    }
    let third = ImageSize::new(whole.width / 3, whole.height);
    let size = size.unwrap_or(third);
    let mut thirds: [Vec<Rle>; 3] = Default::default();
    for (place, masks_of_third) in (0..).zip(&mut thirds) {
        let mut masks: BTreeMap<[u8; 3], Vec<u8>> = BTreeMap::new();
        for y in 0..size.height {
            for x in 0..size.width {
                let from = strip.pixel(
                    nearest(y, size.height, third.height),
                    place * third.width + nearest(x, size.width, third.width),
                );
                if from == [0; 3] {
                    continue;
                }
                let n_masks = masks.len();
                let mask = masks.entry(from).or_insert_with(|| vec![0; size.area()]);
                mask[(y * size.width + x) as usize] = 1;
                if n_masks > OBJECTS_MAX {
                    return Err(format!(
                        "expected at most {OBJECTS_MAX} objects, one color each, got more in frame {place} of the strip"
                    ));
                }
            }
        }
        *masks_of_third = masks.into_values().map(|mask| Rle::from_mask(size, &mask)).collect();
    }
    Ok(thirds)
}

/// The pixel of `stored` that shows the center of pixel `at` of `shown`.
fn nearest(at: u32, shown: u32, stored: u32) -> u32 {
    ((2 * u64::from(at) + 1) * u64::from(stored) / (2 * u64::from(shown))) as u32
}

fn distinct(views: [Vec<Rle>; 3]) -> Vec<Rle> {
    let mut kept: Vec<Rle> = Vec::new();
    for mask in views.into_iter().flatten() {
        // Strips of one drive may differ in size; masks of different size are never the same.
        let same = |other: &Rle| other.size() == mask.size() && other.iou_above(&mask, 1, 2);
        if !kept.iter().any(same) {
            kept.push(mask);
        }
    }
    kept
}
