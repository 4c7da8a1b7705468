//! Floor 2: masks of one frame into the store, every file published whole.

use std::fs;
use std::path::Path;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use serde::Serialize;
use suw_shared::atomic_file;
use suw_shared::semantic_map::SemanticMap;

use super::{MaskStore, StoreError, check_name};
use crate::detected::{Detection, FrameMasks};

#[derive(Serialize)]
struct Row {
    bbox: [u32; 4],
    category_id: u8,
    score: f32,
    segmentation: Segmentation,
}

#[derive(Serialize)]
struct Segmentation {
    counts: String,
    size: [u32; 2],
}

impl MaskStore {
    /// Writes what is there of a frame: always the objects, and the semantic map if there is one.
    pub fn write_frame(
        &self,
        scene: &str,
        stem: &str,
        masks: &FrameMasks,
    ) -> Result<(), StoreError> {
        self.write_instances(scene, stem, &masks.detections)?;
        match &masks.semantic {
            Some(map) => self.write_semantic(scene, stem, map),
            None => Ok(()),
        }
    }

    /// Writes the objects of a frame; an empty list where there are none.
    pub fn write_instances(
        &self,
        scene: &str,
        stem: &str,
        detections: &[Detection],
    ) -> Result<(), StoreError> {
        let rows: Vec<Row> = detections.iter().map(row_of).collect();
        let mut text = serde_json::to_string(&rows)
            .expect("invariant: rows are plain text and finite numbers");
        text.push('\n');
        self.publish(scene, stem, &self.instances_path(scene, stem), text.as_bytes())
    }

    /// Writes the semantic map of a frame.
    pub fn write_semantic(
        &self,
        scene: &str,
        stem: &str,
        map: &SemanticMap,
    ) -> Result<(), StoreError> {
        let path = self.semantic_path(scene, stem);
        let bytes = png_from_semantic(map).map_err(|error| StoreError::Io {
            verb: "write",
            path: path.clone(),
            source: std::io::Error::other(error),
        })?;
        self.publish(scene, stem, &path, &bytes)
    }

    fn publish(
        &self,
        scene: &str,
        stem: &str,
        path: &Path,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        if self.identity.is_none() {
            return Err(StoreError::ReadOnly { root: self.root.clone() });
        }
        check_name(scene, stem).map_err(|cause| StoreError::Name { cause })?;
        let failed = |source| StoreError::Io { verb: "write", path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        atomic_file::write(path, bytes).map_err(failed)
    }
}

fn row_of(detection: &Detection) -> Row {
    let size = detection.mask.size();
    Row {
        bbox: detection.mask.bbox(),
        category_id: detection.class.coco(),
        score: detection.score,
        segmentation: Segmentation {
            counts: detection.mask.to_coco_string(),
            size: [size.height, size.width],
        },
    }
}

fn png_from_semantic(map: &SemanticMap) -> Result<Vec<u8>, image::ImageError> {
    let mut bytes = Vec::new();
    // Class ids are labels, not intensities: predicting them from their neighbors (filters) does not pay.
    let encoder =
        PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::NoFilter);
    let size = map.size();
    encoder.write_image(map.data(), size.width, size.height, ExtendedColorType::L8)?;
    Ok(bytes)
}
