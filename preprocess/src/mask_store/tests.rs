//! Floor 2: tests of the mask store.

use std::fs;
use std::path::{Path, PathBuf};

use suw_shared::class::InstanceClass;
use suw_shared::exit::{Exit, Failure};
use suw_shared::image_size::ImageSize;
use suw_shared::problem::ProblemKind;
use suw_shared::rle::Rle;
use suw_shared::semantic_map::SemanticMap;

use super::{MaskError, MaskStore, ModelIdentity, Needs, StoreError, StoreIdentity};
use crate::detected::{Detection, FrameMasks};

const SIZE: ImageSize = ImageSize::new(4, 3);

fn model(name: &str) -> ModelIdentity {
    ModelIdentity { blake3: "b".repeat(64), name: name.to_owned(), spec: "5".repeat(64) }
}

fn identity() -> StoreIdentity {
    StoreIdentity { instance: model("finder"), semantic: model("painter") }
}

fn masks() -> FrameMasks {
    let mask = |data: [u8; 12]| Rle::from_mask(SIZE, &data);
    let detection = |class, score, data| Detection { class, score, mask: mask(data) };
    FrameMasks {
        detections: vec![
            detection(InstanceClass::Car, 0.9, [0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0]),
            detection(InstanceClass::Person, 0.1, [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]),
        ],
        semantic: Some(SemanticMap::new(SIZE, vec![10, 10, 8, 255, 0, 0, 13, 13, 0, 18, 0, 0])),
    }
}

fn write_text(root: &Path, relative: &str, text: &str) {
    let path = root.join(relative);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// One row of a foreign file: a mask of one column, three rows: 1 empty pixel, 2 full ones.
fn row(fields: &str) -> String {
    format!("{{\"segmentation\":{{\"size\":[3,1],\"counts\":\"12\"}},{fields}}}")
}

const TALL: ImageSize = ImageSize::new(1, 3);

#[test]
fn a_frame_comes_back_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("masks");
    let store = MaskStore::open_for_models(&root, &identity()).unwrap();
    assert!(!root.exists(), "opening writes nothing");
    assert_eq!(store.missing("day/a", "07", Needs::BOTH), Needs::BOTH);
    store.prepare().unwrap();
    store.write_frame("day/a", "07", &masks()).unwrap();
    assert!(store.has_frame("day/a", "07", Needs::BOTH));
    assert_eq!(store.read_frame("day/a", "07", SIZE, Needs::BOTH).unwrap(), masks());
    let objects = store.read_frame("day/a", "07", SIZE, Needs::INSTANCES).unwrap();
    assert_eq!(objects, FrameMasks { semantic: None, ..masks() });
    let map = store.read_frame("day/a", "07", SIZE, Needs::SEMANTIC).unwrap();
    assert_eq!(map, FrameMasks { detections: vec![], ..masks() });
}

#[test]
fn the_file_is_what_the_contract_says() {
    let folder = tempfile::tempdir().unwrap();
    let store = MaskStore::open_for_models(folder.path(), &identity()).unwrap();
    store.prepare().unwrap();
    store.write_frame("a", "07", &masks()).unwrap();
    let text = fs::read_to_string(folder.path().join("a/instances/07.json")).unwrap();
    let rows: serde_json::Value = serde_json::from_str(&text).unwrap();
    // Column-major runs of the car: 3 empty, 2 full, 1 empty, 2 full, 4 empty; by hand in COCO's code (differences
    // to two runs before from the fourth on): 3, 2, 1, 2-2=0, 4-1=3.
    assert_eq!(
        rows[0],
        serde_json::json!({
            "bbox": [1, 0, 2, 2],
            "category_id": 3,
            "score": 0.9,
            "segmentation": {"size": [3, 4], "counts": "32103"},
        })
    );
    let text = fs::read_to_string(folder.path().join("store.json")).unwrap();
    let description: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(description["format"], "suw-masks");
    assert_eq!(description["version"], 1);
    assert_eq!(description["models"]["instance"]["name"], "finder");
    assert_eq!(description["models"]["semantic"]["blake3"], "b".repeat(64));
    assert!(text.ends_with("}\n"));
}

#[test]
fn a_frame_without_objects_is_an_empty_list() {
    let folder = tempfile::tempdir().unwrap();
    let store = MaskStore::open_for_models(folder.path(), &identity()).unwrap();
    store.prepare().unwrap();
    store.write_instances("a", "07", &[]).unwrap();
    assert_eq!(fs::read_to_string(folder.path().join("a/instances/07.json")).unwrap(), "[]\n");
    assert!(store.read_frame("a", "07", SIZE, Needs::INSTANCES).unwrap().detections.is_empty());
    assert_eq!(store.missing("a", "07", Needs::BOTH), Needs::SEMANTIC);
}

#[test]
fn a_store_of_other_models_is_refused_with_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    MaskStore::open_for_models(folder.path(), &identity()).unwrap().prepare().unwrap();
    MaskStore::open_for_models(folder.path(), &identity()).unwrap().prepare().unwrap();
    let mut other = identity();
    other.semantic.blake3 = "c".repeat(64);
    let error = MaskStore::open_for_models(folder.path(), &other).unwrap_err();
    assert!(matches!(error, StoreError::OtherModels { role: "semantic", .. }));
    let failure = Failure::from(error);
    assert_eq!(failure.exit, Exit::Usage);
    for side in ["b".repeat(64), "c".repeat(64)] {
        assert!(failure.message.contains(&side), "{failure}");
    }
    other = identity();
    other.instance.spec = "6".repeat(64);
    let error = MaskStore::open_for_models(folder.path(), &other).unwrap_err();
    assert!(matches!(error, StoreError::OtherModels { role: "instance", .. }));
}

#[test]
fn masks_without_a_description_are_not_mixed_with_ours() {
    let folder = tempfile::tempdir().unwrap();
    write_text(folder.path(), ".store.json.1.unfinished", "half");
    MaskStore::open_for_models(folder.path(), &identity()).unwrap();
    write_text(folder.path(), "a/instances/1.json", "[]");
    let error = MaskStore::open_for_models(folder.path(), &identity()).unwrap_err();
    assert!(matches!(error, StoreError::NotOurs { .. }), "{error}");
    assert_eq!(Failure::from(error).exit, Exit::Usage);
}

#[test]
fn a_damaged_or_newer_description_is_refused() {
    for text in ["", "{}", "[]", "{\"format\":\"suw-masks\",\"version\":2,\"more\":{}}"] {
        let folder = tempfile::tempdir().unwrap();
        write_text(folder.path(), "store.json", text);
        for result in [
            MaskStore::open_import(folder.path()),
            MaskStore::open_for_models(folder.path(), &identity()),
        ] {
            assert!(matches!(result, Err(StoreError::Description { .. })), "{text}");
        }
    }
}

#[test]
fn an_import_is_read_only_and_must_exist() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent");
    assert!(matches!(MaskStore::open_import(&absent), Err(StoreError::NoFolder { .. })));
    let store = MaskStore::open_import(folder.path()).unwrap();
    assert!(matches!(store.prepare(), Err(StoreError::ReadOnly { .. })));
    assert!(matches!(store.write_frame("a", "1", &masks()), Err(StoreError::ReadOnly { .. })));
}

#[test]
fn one_scene_file_serves_by_stem_or_number_and_keeps_three_classes() {
    let folder = tempfile::tempdir().unwrap();
    let rows = [
        row("\"image_id\":7,\"category_id\":3,\"score\":0.25,\"bbox\":[0,1,1,2]"),
        row("\"image_id\":7,\"category_id\":8,\"score\":0.5"),
        row("\"image_id\":\"0008\",\"category_id\":1"),
        row("\"image_id\":7,\"category_id\":2,\"score\":0.75,\"note\":{\"a\":[]}"),
    ];
    write_text(folder.path(), "a/instances.json", &format!("[{}]", rows.join(",")));
    let store = MaskStore::open_import(folder.path()).unwrap();
    let read = |stem| store.read_frame("a", stem, TALL, Needs::INSTANCES).unwrap().detections;
    let mask = Rle::from_mask(TALL, &[0, 1, 1]);
    let found = |class, score| Detection { class, score, mask: mask.clone() };
    assert_eq!(
        read("0007"),
        [found(InstanceClass::Car, 0.25), found(InstanceClass::Bicycle, 0.75)]
    );
    assert_eq!(read("0008"), [found(InstanceClass::Person, 1.0)]);
    assert_eq!(read("0009"), []);
    assert!(store.has_frame("a", "0009", Needs::INSTANCES));
    assert!(!store.has_frame("b", "0009", Needs::INSTANCES));
    // A folder goes before the file.
    write_text(folder.path(), "a/instances/0007.json", "[]");
    assert_eq!(read("0007"), []);
    let error = store.read_frame("a", "0008", TALL, Needs::INSTANCES).unwrap_err();
    assert_eq!(error.kind(), ProblemKind::MaskMissing);
}

fn check_unreadable(files: &[(&str, &[u8])], needs: Needs, cause: &str) {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let store = MaskStore::open_import(folder.path()).unwrap();
    let error = store.read_frame("a", "07", TALL, needs).unwrap_err();
    assert_eq!(error.kind(), ProblemKind::MaskUnreadable, "{error}");
    let text = error.to_string();
    assert!(text.contains(cause), "{text} should say {cause}");
    assert!(text.contains("\"a/07\""), "{text}");
    assert!(!text.contains(&*folder.path().to_string_lossy()), "no absolute path: {text}");
}

#[test]
fn hostile_instance_files_give_errors() {
    let deep = "[".repeat(100_000);
    let cases = [
        ("", "EOF"),
        ("{}", "expected a sequence"),
        (deep.as_str(), "recursion limit"),
        ("[{\"category_id\":3}]", "missing field"),
        ("[{\"category_id\":-3}]", "-3"),
        (&format!("[{}]", row("\"category_id\":3,\"score\":1.5")), "score in 0..=1, got 1.5"),
        (&format!("[{}]", row("\"category_id\":3,\"score\":-1e999")), "out of range"),
        ("[{\"category_id\":3,\"segmentation\":{\"size\":[3,2],\"counts\":\"12\"}}]", "2x3"),
        ("[{\"category_id\":3,\"segmentation\":{\"size\":[3,1],\"counts\":\"13\"}}]", "row 0"),
        ("[{\"category_id\":3,\"segmentation\":{\"size\":[3,1],\"counts\":\"\u{7f}\"}}]", "row 0"),
        ("[{\"category_id\":3,\"segmentation\":{\"size\":[3,1],\"counts\":[1,2]}}]", "string"),
        ("[{\"category_id\":3,\"segmentation\":[[0,0,1,1]]}]", "row 0"),
    ];
    for (text, cause) in cases {
        let cause = if cause == "row 0" { "" } else { cause };
        check_unreadable(&[("a/instances/07.json", text.as_bytes())], Needs::INSTANCES, cause);
    }
    let no_id = format!("[{}]", row("\"category_id\":3"));
    check_unreadable(&[("a/instances.json", no_id.as_bytes())], Needs::BOTH, "no image_id");
    let twice =
        [row("\"image_id\":7,\"category_id\":3"), row("\"image_id\":\"07\",\"category_id\":3")];
    let twice = format!("[{}]", twice.join(","));
    check_unreadable(&[("a/instances.json", twice.as_bytes())], Needs::BOTH, "both");
}

fn png(width: u32, height: u32, color: image::ExtendedColorType, data: &[u8]) -> Vec<u8> {
    use image::ImageEncoder;
    let mut bytes = Vec::new();
    image::codecs::png::PngEncoder::new(&mut bytes)
        .write_image(data, width, height, color)
        .unwrap();
    bytes
}

#[test]
fn hostile_semantic_files_give_errors() {
    use image::ExtendedColorType::{L8, L16, Rgb8};
    let good = png(1, 3, L8, &[0, 18, 255]);
    let cases: [(Vec<u8>, &str); 6] = [
        (vec![], ""),
        (good[..good.len() - 20].to_vec(), ""),
        (png(3, 1, L8, &[0, 1, 2]), "expected a map of 1x3, got 3x1"),
        (png(1, 3, Rgb8, &[0; 9]), "8-bit gray"),
        (png(1, 3, L16, &[0; 6]), "8-bit gray"),
        (png(1, 3, L8, &[0, 19, 255]), "got 19 at row 1, column 0"),
    ];
    for (bytes, cause) in cases {
        check_unreadable(&[("a/semantic/07.png", &bytes)], Needs::SEMANTIC, cause);
    }
}

#[test]
fn names_that_leave_the_store_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = MaskStore::open_for_models(folder.path(), &identity()).unwrap();
    store.prepare().unwrap();
    for (scene, stem) in [("..", "a"), ("a", ".."), ("/a", "b"), ("a", "../b")] {
        assert!(store.write_instances(scene, stem, &[]).is_err(), "{scene} {stem}");
        let read = store.read_frame(scene, stem, SIZE, Needs::INSTANCES);
        assert!(matches!(read, Err(MaskError::Unreadable { .. })), "{scene} {stem}");
    }
}

#[test]
fn the_imported_digest_is_that_of_b3sum_lines() {
    let folder = tempfile::tempdir().unwrap();
    write_text(folder.path(), "README.md", "no mask");
    write_text(folder.path(), "b/instances/1.json", "[]");
    write_text(folder.path(), "a/semantic/1.png", "picture");
    write_text(folder.path(), "a/instances.json", "[]");
    let store = MaskStore::open_import(folder.path()).unwrap();
    let line = |text: &str, path| format!("{}  {path}\n", blake3::hash(text.as_bytes()).to_hex());
    let lines = [
        line("[]", "a/instances.json"),
        line("picture", "a/semantic/1.png"),
        line("[]", "b/instances/1.json"),
    ];
    let expected = blake3::hash(lines.concat().as_bytes()).to_hex().to_string();
    assert_eq!(store.imported_digest().unwrap(), expected);
    write_text(folder.path(), "b/instances/1.json", "[ ]");
    assert_ne!(store.imported_digest().unwrap(), expected);
}

fn shared_data(relative: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(relative);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not there", path.display());
    None
}

const KITTI_12: [(u8, u64, f32); 7] = [
    (3, 52720, 0.829067),
    (3, 17839, 0.820546),
    (3, 2293, 0.615056),
    (3, 2225, 0.344132),
    (3, 685, 0.334128),
    (3, 1797, 0.267552),
    (3, 785, 0.25492),
];
const KITTI_12_ROAD_SKY_CAR: [u32; 3] = [70_484, 62_665, 187_564];

/// Classes, scores and areas were printed by pycocotools 2.0.11, class counts by numpy.
#[test]
fn real_masks_made_elsewhere_are_read_as_pycocotools_reads_them() {
    let Some(root) = shared_data("kitti-labels") else { return };
    let store = MaskStore::open_import(&root).unwrap();
    let scene = "2011_09_26/2011_09_26_drive_9001_sync/image_02";
    let size = ImageSize::new(1242, 375);
    let masks = store.read_frame(scene, "0000000012", size, Needs::BOTH).unwrap();
    let found: Vec<_> =
        masks.detections.iter().map(|d| (d.class.coco(), d.mask.area(), d.score)).collect();
    assert_eq!(found, KITTI_12);
    let map = masks.semantic.unwrap();
    let mut counts = [0; 256];
    map.data().iter().for_each(|&id| counts[usize::from(id)] += 1);
    assert_eq!([counts[0], counts[10], counts[13]], KITTI_12_ROAD_SKY_CAR);
    for frame in 0..30 {
        store.read_frame(scene, &format!("{frame:010}"), size, Needs::BOTH).unwrap();
    }
    assert_eq!(store.import_name(), "kitti-labels");
}
