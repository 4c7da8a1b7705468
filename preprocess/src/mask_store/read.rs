//! Floor 2: masks of one frame out of the store, ours or made elsewhere.
//!
//! Only the three instance classes are kept; the order is that of the file, and a missing score counts as 1.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::{self, Cursor};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use image::{ColorType, ImageDecoder};
use serde::Deserialize;
use suw_shared::class::{InstanceClass, SemanticClass, UNLABELLED};
use suw_shared::image_size::ImageSize;
use suw_shared::rle::Rle;
use suw_shared::semantic_map::SemanticMap;

use super::{MaskError, MaskStore, Needs, check_name};
use crate::detected::{Detection, FrameMasks};

/// One row of `<stem>.json` or `instances.json`. Other tools add fields of their own; they are passed over.
#[derive(Debug, Deserialize)]
struct Row {
    image_id: Option<ImageId>,
    category_id: u64,
    segmentation: Segmentation,
    score: Option<f32>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone, Deserialize)]
#[serde(untagged)]
enum ImageId {
    Number(u64),
    Stem(String),
}

#[derive(Debug, Deserialize)]
struct Segmentation {
    size: [u32; 2],
    counts: String,
}

/// The rows of a scene's one file, by frame; or why it cannot be read.
type SceneRows = Result<BTreeMap<ImageId, Vec<Row>>, SceneFault>;

/// Why a scene's one file is of no use.
#[derive(Clone, Debug)]
enum SceneFault {
    /// The system refuses to read it.
    Refused(Arc<io::Error>),
    /// What it holds.
    Content(String),
}

/// How many parsed scene files are kept: readers go through scenes in order, so a few are enough.
const SCENES_KEPT: usize = 8;

/// Parsed scene files, each parsed once while it is in use.
#[derive(Debug, Default)]
pub(super) struct SceneCache(Mutex<VecDeque<(String, Arc<OnceLock<SceneRows>>)>>);

impl SceneCache {
    /// The place of a scene; the lock is not held while the file is parsed.
    fn place(&self, scene: &str) -> Arc<OnceLock<SceneRows>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, place)) = kept.iter().find(|(name, _)| name == scene) {
            return Arc::clone(place);
        }
        let place = Arc::new(OnceLock::new());
        kept.push_back((scene.to_owned(), Arc::clone(&place)));
        if kept.len() > SCENES_KEPT {
            kept.pop_front();
        }
        place
    }
}

const INSTANCES: &str = "instance masks";
const SEMANTIC: &str = "semantic map";

impl MaskStore {
    /// The masks of one frame whose picture has the size `native`. What is not wanted stays empty.
    ///
    /// # Errors
    /// If something wanted is missing, damaged, or of another size.
    pub fn read_frame(
        &self,
        scene: &str,
        stem: &str,
        native: ImageSize,
        needs: Needs,
    ) -> Result<FrameMasks, MaskError> {
        check_name(scene, stem).map_err(|cause| MaskError::Unreadable {
            what: INSTANCES,
            frame: format!("{scene}/{stem}"),
            cause,
            file: String::new(),
        })?;
        let detections =
            if needs.instances { self.read_instances(scene, stem, native)? } else { Vec::new() };
        let semantic =
            if needs.semantic { Some(self.read_semantic(scene, stem, native)?) } else { None };
        Ok(FrameMasks { detections, semantic })
    }

    fn read_instances(
        &self,
        scene: &str,
        stem: &str,
        native: ImageSize,
    ) -> Result<Vec<Detection>, MaskError> {
        let path = self.instances_path(scene, stem);
        let file = self.relative(&path);
        let fault = |cause: String, file: String| MaskError::Unreadable {
            what: INSTANCES,
            frame: format!("{scene}/{stem}"),
            cause,
            file,
        };
        match fs::read(&path) {
            Ok(bytes) => {
                let rows: Vec<Row> = serde_json::from_slice(&bytes)
                    .map_err(|error| fault(error.to_string(), file.clone()))?;
                detections_from_rows(&rows, native).map_err(|cause| fault(cause, file))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if self.identity.is_some() || !self.scene_file_serves(scene) {
                    let frame = format!("{scene}/{stem}");
                    return Err(MaskError::Missing { what: INSTANCES, frame, file });
                }
                let file = self.relative(&self.scene_file_path(scene));
                self.read_from_scene_file(scene, stem, native).map_err(|cause| match cause {
                    SceneFault::Refused(error) => {
                        MaskError::refused(INSTANCES, format!("{scene}/{stem}"), file, &error)
                    }
                    SceneFault::Content(cause) => fault(cause, file),
                })
            }
            Err(error) => {
                Err(MaskError::refused(INSTANCES, format!("{scene}/{stem}"), file, &error))
            }
        }
    }

    /// A frame without rows in the file has no objects.
    fn read_from_scene_file(
        &self,
        scene: &str,
        stem: &str,
        native: ImageSize,
    ) -> Result<Vec<Detection>, SceneFault> {
        let place = self.scenes.place(scene);
        let rows = place.get_or_init(|| {
            let bytes = fs::read(self.scene_file_path(scene))
                .map_err(|error| SceneFault::Refused(Arc::new(error)))?;
            rows_by_frame(&bytes).map_err(SceneFault::Content)
        });
        let rows = rows.as_ref().map_err(SceneFault::clone)?;
        let by_stem = rows.get(&ImageId::Stem(stem.to_owned()));
        let by_number =
            stem.parse().ok().and_then(|number: u64| rows.get(&ImageId::Number(number)));
        match (by_stem, by_number) {
            (Some(_), Some(_)) => {
                let cause = format!("rows name the frame both {stem:?} and by number");
                Err(SceneFault::Content(cause))
            }
            (Some(rows), None) | (None, Some(rows)) => {
                detections_from_rows(rows, native).map_err(SceneFault::Content)
            }
            (None, None) => Ok(Vec::new()),
        }
    }

    fn read_semantic(
        &self,
        scene: &str,
        stem: &str,
        native: ImageSize,
    ) -> Result<SemanticMap, MaskError> {
        let path = self.semantic_path(scene, stem);
        let file = self.relative(&path);
        let frame = format!("{scene}/{stem}");
        match fs::read(&path) {
            Ok(bytes) => semantic_from_png(&bytes, native).map_err(|cause| MaskError::Unreadable {
                what: SEMANTIC,
                frame,
                cause,
                file,
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(MaskError::Missing { what: SEMANTIC, frame, file })
            }
            Err(error) => Err(MaskError::refused(SEMANTIC, frame, file, &error)),
        }
    }
}

fn rows_by_frame(bytes: &[u8]) -> Result<BTreeMap<ImageId, Vec<Row>>, String> {
    let rows: Vec<Row> = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let mut by_frame: BTreeMap<ImageId, Vec<Row>> = BTreeMap::new();
    for (index, row) in rows.into_iter().enumerate() {
        let Some(id) = row.image_id.clone() else {
            return Err(format!(
                "row {index} has no image_id; expected the file stem or its number"
            ));
        };
        by_frame.entry(id).or_default().push(row);
    }
    Ok(by_frame)
}

fn detections_from_rows(rows: &[Row], native: ImageSize) -> Result<Vec<Detection>, String> {
    let mut detections = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let class = u32::try_from(row.category_id).ok().and_then(InstanceClass::from_coco);
        let Some(class) = class else { continue };
        let [height, width] = row.segmentation.size;
        if (height, width) != (native.height, native.width) {
            return Err(format!("row {index}: expected a mask of {native}, got {width}x{height}"));
        }
        let score = row.score.unwrap_or(1.0);
        if !(0.0..=1.0).contains(&score) {
            return Err(format!("row {index}: expected a score in 0..=1, got {score}"));
        }
        let mask = Rle::from_coco_string(native, &row.segmentation.counts)
            .map_err(|error| format!("row {index}: {error}"))?;
        detections.push(Detection { class, score, mask });
    }
    Ok(detections)
}

fn semantic_from_png(bytes: &[u8], native: ImageSize) -> Result<SemanticMap, String> {
    let decoder =
        image::codecs::png::PngDecoder::new(Cursor::new(bytes)).map_err(|e| e.to_string())?;
    // Asked before anything is allocated, so that a damaged header costs nothing.
    let (width, height) = decoder.dimensions();
    if (width, height) != (native.width, native.height) {
        return Err(format!("expected a map of {native}, got {width}x{height}"));
    }
    if decoder.color_type() != ColorType::L8 {
        let got = decoder.color_type();
        return Err(format!("expected an 8-bit gray PNG of train ids, got {got:?}"));
    }
    let mut data = vec![0; native.area()];
    decoder.read_image(&mut data).map_err(|error| error.to_string())?;
    let known: [bool; 256] =
        std::array::from_fn(|id| id == usize::from(UNLABELLED) || id < SemanticClass::ALL.len());
    match data.iter().position(|&id| !known[usize::from(id)]) {
        None => Ok(SemanticMap::new(native, data)),
        Some(at) => {
            let (row, column) = (at / native.width as usize, at % native.width as usize);
            let got = data[at];
            Err(format!(
                "expected train ids 0 to 18 or 255, got {got} at row {row}, column {column}"
            ))
        }
    }
}
