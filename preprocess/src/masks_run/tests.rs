//! Floor 4: tests of filling a mask store, with fakes in the place of networks.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use suw_shared::class::InstanceClass;
use suw_shared::exit::{Exit, Failure};
use suw_shared::image_size::ImageSize;
use suw_shared::problem::ProblemKind;
use suw_shared::rgb_image::RgbImage;
use suw_shared::rle::Rle;
use suw_shared::semantic_map::SemanticMap;

use super::{FillReport, FrameRef, fill_store, missing_frames};
use crate::decode::rgb_png;
use crate::detected::Detection;
use crate::mask_store::{MaskStore, ModelIdentity, Needs, StoreIdentity};
use crate::segmenter::{InstanceSegmenter, SegmentError, Segmenters, SemanticSegmenter};

const SIZE: ImageSize = ImageSize::new(3, 2);

/// Counts its calls; the mask of a picture is where red is above 100. A picture that starts with 66 gives what no spec
/// allows, with 77 the runtime fails.
struct Fake(Arc<AtomicUsize>);

impl InstanceSegmenter for Fake {
    fn detect(&mut self, image: &RgbImage) -> Result<Vec<Detection>, SegmentError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        if image.data()[0] == 66 {
            return Err(SegmentError::Output {
                model: "fake".into(),
                output: "boxes".into(),
                expected: "[n,4]".into(),
                got: "[66]".into(),
            });
        }
        if image.data()[0] == 77 {
            return Err(SegmentError::Run { model: "fake".into(), cause: "out of memory".into() });
        }
        let mask: Vec<u8> = image.data().chunks(3).map(|p| u8::from(p[0] > 100)).collect();
        let mask = Rle::from_mask(image.size(), &mask);
        Ok(vec![Detection { class: InstanceClass::Car, score: 0.5, mask }])
    }
}

impl SemanticSegmenter for Fake {
    fn segment(&mut self, image: &RgbImage) -> Result<SemanticMap, SegmentError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let ids = image.data().chunks(3).map(|p| p[0] % 19).collect();
        Ok(SemanticMap::new(image.size(), ids))
    }
}

struct World {
    folder: tempfile::TempDir,
    frames: Vec<FrameRef>,
    detected: Arc<AtomicUsize>,
    segmented: Arc<AtomicUsize>,
}

impl World {
    /// Ten frames; number 3 is cut off, 5 has another size, the network refuses 7.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut frames = Vec::new();
        for number in 0..10u8 {
            let image = folder.path().join(format!("{number}.png"));
            let size = if number == 5 { ImageSize::new(2, 3) } else { SIZE };
            let first = if number == 7 { 66 } else { number };
            let data = (0..18).map(|at| if at == 0 { first } else { at * 14 + number }).collect();
            let mut bytes = rgb_png(&RgbImage::new(size, data));
            if number == 3 {
                bytes.truncate(bytes.len() / 2);
            }
            fs::write(&image, bytes).unwrap();
            frames.push(FrameRef {
                scene: "day/a".to_owned(),
                stem: format!("{number:03}"),
                image,
                size: SIZE,
                needs: if number == 9 { Needs::INSTANCES } else { Needs::BOTH },
            });
        }
        Self { folder, frames, detected: Arc::default(), segmented: Arc::default() }
    }

    fn store(&self, name: &str) -> MaskStore {
        let model = |name: &str| ModelIdentity {
            blake3: String::new(),
            name: name.to_owned(),
            spec: String::new(),
        };
        let identity = StoreIdentity { instance: model("a"), semantic: model("b") };
        MaskStore::open_for_models(&self.folder.path().join(name), &identity).unwrap()
    }

    fn workers(&self, count: usize) -> Vec<Segmenters> {
        let worker = |_| Segmenters {
            instance: Box::new(Fake(Arc::clone(&self.detected))),
            semantic: Box::new(Fake(Arc::clone(&self.segmented))),
        };
        (0..count).map(worker).collect()
    }

    fn fill(&self, store: &MaskStore, workers: usize) -> FillReport {
        let stop = AtomicBool::new(false);
        fill_store(store, &self.frames, self.workers(workers), &stop, &|_, _| {}).unwrap()
    }
}

fn files_below(root: &Path) -> BTreeMap<String, Vec<u8>> {
    walkdir::WalkDir::new(root)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let name = entry.path().strip_prefix(root).unwrap().display().to_string();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

#[test]
fn broken_frames_are_problems_and_the_rest_is_filled() {
    let world = World::new();
    let store = world.store("masks");
    let report = world.fill(&store, 2);
    assert_eq!((report.made, report.present, report.stopped), (7, 0, false));
    let problems: Vec<_> = report.problems.iter().map(|p| (p.item.as_str(), p.kind)).collect();
    assert_eq!(
        problems,
        [
            ("day/a/003", ProblemKind::ImageUnreadable),
            ("day/a/005", ProblemKind::ImageSize),
            ("day/a/007", ProblemKind::ModelFailed),
        ]
    );
    assert_eq!(report.problems[1].reason, "expected a picture of 3x2, got 2x3");
    let masks = store.read_frame("day/a", "001", SIZE, Needs::BOTH).unwrap();
    // Red of the six pixels: 1, 43, 85, 127, 169, 211.
    assert_eq!(masks.detections[0].mask.to_mask(), [0, 0, 0, 1, 1, 1]);
    assert_eq!(masks.semantic.unwrap().data(), [1, 5, 9, 13, 17, 2]);
    assert!(!store.has_frame("day/a", "009", Needs::SEMANTIC), "not asked for");
}

#[test]
fn every_frame_goes_through_each_network_once() {
    let world = World::new();
    let store = world.store("masks");
    world.fill(&store, 3);
    // Eight pictures can be read; of these one fails in the first network and one wants no semantic map.
    let calls =
        || (world.detected.load(Ordering::Relaxed), world.segmented.load(Ordering::Relaxed));
    assert_eq!(calls(), (8, 6));
    assert_eq!(missing_frames(&store, &world.frames).len(), 3);
    let again = world.fill(&store, 1);
    assert_eq!((again.made, again.present, again.problems.len()), (0, 7, 3));
    assert_eq!(calls(), (9, 6), "only the refused frame is tried again");
}

#[test]
fn a_frame_that_lacks_one_of_two_gets_only_that() {
    let mut world = World::new();
    world.frames.truncate(1);
    let store = world.store("masks");
    world.fill(&store, 1);
    fs::remove_file(store.root().join("day/a/semantic/000.png")).unwrap();
    world.fill(&store, 1);
    assert_eq!(world.detected.load(Ordering::Relaxed), 1);
    assert_eq!(world.segmented.load(Ordering::Relaxed), 2);
}

#[test]
fn the_number_of_workers_changes_nothing() {
    let world = World::new();
    let mut stores = Vec::new();
    for workers in [1, 2, 5] {
        let store = world.store(&format!("masks-{workers}"));
        let report = world.fill(&store, workers);
        stores.push((files_below(store.root()), report));
    }
    assert_eq!(stores[0], stores[1]);
    assert_eq!(stores[0], stores[2]);
    assert_eq!(stores[0].0.len(), 1 + 7 + 6);
}

#[test]
fn a_stop_keeps_what_is_done_and_a_second_run_does_the_rest() {
    let world = World::new();
    let store = world.store("masks");
    let stop = AtomicBool::new(false);
    let seen = Mutex::new(Vec::new());
    let progress = |done: usize, total: usize| {
        seen.lock().unwrap().push((done, total));
        stop.store(done == 2, Ordering::Relaxed);
    };
    let report = fill_store(&store, &world.frames, world.workers(1), &stop, &progress).unwrap();
    assert_eq!((report.made, report.stopped), (2, true));
    assert_eq!(*seen.lock().unwrap(), [(0, 10), (1, 10), (2, 10)]);
    let rest = world.fill(&store, 1);
    assert_eq!((rest.made, rest.present, rest.stopped), (5, 2, false));
}

#[test]
fn a_network_that_does_not_run_stops_it_all_and_sets_nothing_aside() {
    let world = World::new();
    let picture = RgbImage::new(SIZE, [[77; 3], [0; 3], [0; 3], [0; 3], [0; 3], [0; 3]].concat());
    fs::write(&world.frames[4].image, rgb_png(&picture)).unwrap();
    let store = world.store("masks");
    let stop = AtomicBool::new(false);
    let error = fill_store(&store, &world.frames, world.workers(1), &stop, &|_, _| {}).unwrap_err();
    let failure = Failure::from(error);
    assert_eq!(failure.exit, Exit::Failed);
    for words in ["day/a/004", "fake", "out of memory", "--threads", "are kept"] {
        assert!(failure.message.contains(words), "{} should say {words:?}", failure.message);
    }
    // Frames 0, 1 and 2 were made before; 3 cannot be read.
    assert_eq!(missing_frames(&store, &world.frames).len(), 7);
}

#[test]
fn a_store_that_cannot_be_written_stops_the_run() {
    let world = World::new();
    let store = world.store("masks");
    store.prepare().unwrap();
    // A file where the scene's folder should be.
    fs::write(store.root().join("day"), "").unwrap();
    let stop = AtomicBool::new(false);
    let result = fill_store(&store, &world.frames, world.workers(2), &stop, &|_, _| {});
    assert!(result.is_err());
}
