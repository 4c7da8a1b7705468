//! Floor 2: tests of the import of other tools' masks: small files by hand, and the true masks of KITTI MOTS.

use std::fs;
use std::path::Path;

use suw_shared::class::InstanceClass;
use suw_shared::image_size::ImageSize;
use suw_shared::rgb_image::RgbImage;
use suw_shared::rle::Rle;

use super::rows::{FrameName, Imported};
use super::struct2depth::StripParams;
use super::{coco, mots, struct2depth, write};
use crate::decode::rgb_png;
use crate::detected::Detection;
use crate::mask_store::{MaskStore, Needs};

fn folder_with(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

fn stored(store: &Path, scene: &str, stem: &str, size: ImageSize) -> Vec<Detection> {
    let store = MaskStore::open_import(store).unwrap();
    store.read_frame(scene, stem, size, Needs::INSTANCES).unwrap().detections
}

/// The frames of one scene, each with class and area of its objects.
fn areas(imported: &Imported, scene: &str) -> Vec<(FrameName, Vec<(u8, u64)>)> {
    let area = |one: &Detection| (one.class.coco(), one.mask.area());
    let frames = imported.scenes[scene].iter();
    frames.map(|(frame, all)| (frame.clone(), all.iter().map(area).collect())).collect()
}

// 2 rows, 3 columns, column by column: 1 empty, 2 full, 3 empty; that is "123" in COCO's text.
const MOTS: &str = "0 1001 1 2 3 123\n0 2007 2 2 3 123\n0 10000 10 2 3 06\n\n2 1001 1 2 3 06\n";

#[test]
fn mots_lines_become_numbered_frames_with_coco_classes() {
    let folder = folder_with(&[("0004.txt", MOTS.as_bytes()), ("seqmap.md", b"no masks")]);
    let imported = mots::read(folder.path(), None).unwrap();
    let expected =
        vec![(FrameName::Number(0), vec![(3, 2), (1, 2)]), (FrameName::Number(2), vec![(3, 6)])];
    assert_eq!(areas(&imported, "0004"), expected);
    assert_eq!(imported.passed_over.values().sum::<u64>(), 1);
    let store = folder.path().join("store");
    write::write(&store, &imported).unwrap();
    let size = ImageSize::new(3, 2);
    // Any number of zeros in front; a frame without a line has no objects.
    for stem in ["0", "000000", "0000000000"] {
        let found = stored(&store, "0004", stem, size);
        assert_eq!(found, imported.scenes["0004"][&FrameName::Number(0)]);
        assert_eq!(found[0].score, 1.0);
    }
    assert!(stored(&store, "0004", "000001", size).is_empty());
    // Row by row: 0 1 0 / 1 0 0.
    assert_eq!(stored(&store, "0004", "000000", size)[0].mask.to_mask(), [0, 1, 0, 1, 0, 0]);
    let named = mots::read(&folder.path().join("0004.txt"), Some("day/drive")).unwrap();
    assert!(named.scenes.contains_key("day/drive"));
}

#[test]
fn a_bad_mots_line_is_named_with_file_and_cause() {
    let cases = [
        ("0 1001 1 2 3", "expected 6 fields"),
        ("0 1001 1 2 3 123 4", "got 7"),
        ("x 1001 1 2 3 123", "as frame, got \"x\""),
        ("-1 1001 1 2 3 123", "as frame"),
        ("0 1001 3 2 3 123", "class 1 (car), 2 (pedestrian) or 10 (ignore), got 3"),
        ("0 1001 1 0 3 123", "height of 1 to 65535"),
        ("0 1001 1 2 70000 123", "width of 1 to 65535"),
        ("0 1001 1 2 3 124", "wrong sum of runs; expected 6 pixels"),
        ("0 1001 1 2 3 12\u{7f}", "expected '0' to 'o'"),
        ("0 1001 1 3 2 123", "expected masks of 3x2 as in the first line, got 2x3"),
        ("0 1000 1 2 3 06", "object 1000 of frame 0 again"),
    ];
    for (line, cause) in cases {
        let text = format!("0 1000 1 2 3 06\n{line}\n");
        let folder = folder_with(&[("a/7.txt", text.as_bytes())]);
        let error = mots::read(folder.path(), None).unwrap_err().to_string();
        assert!(error.contains("a/7.txt\", line 2: "), "{error}");
        assert!(error.contains(cause), "{error} should say {cause}");
    }
    let empty = folder_with(&[("a.json", b"[]")]);
    let error = mots::read(empty.path(), None).unwrap_err().to_string();
    assert!(error.contains("expected KITTI MOTS text files (*.txt), got none"), "{error}");
}

#[test]
fn true_masks_come_back_as_they_were() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/mots");
    if !root.is_dir() {
        println!("skipped: {} is not there", root.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    write::write(folder.path(), &mots::read(&root, None).unwrap()).unwrap();
    let store = MaskStore::open_import(folder.path()).unwrap();
    let mut masks = 0;
    for entry in fs::read_dir(&root).unwrap() {
        let path = entry.unwrap().path();
        let scene = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
        let last: u32 = lines.iter().map(|fields| fields[0].parse().unwrap()).max().unwrap();
        for frame in 0..=last {
            let of_frame =
                |fields: &&Vec<&str>| fields[0] == frame.to_string() && fields[2] != "10";
            let expected: Vec<(&str, &str)> =
                lines.iter().filter(of_frame).map(|fields| (fields[2], fields[5])).collect();
            let size = ImageSize::new(lines[0][4].parse().unwrap(), lines[0][3].parse().unwrap());
            let stem = format!("{frame:06}");
            let found = store.read_frame(&scene, &stem, size, Needs::INSTANCES).unwrap().detections;
            let class = |one: &Detection| match one.class {
                InstanceClass::Car => "1",
                InstanceClass::Person => "2",
                InstanceClass::Bicycle => "no class of MOTS",
            };
            let text: Vec<String> = found.iter().map(|one| one.mask.to_coco_string()).collect();
            let got: Vec<(&str, &str)> =
                found.iter().zip(&text).map(|(one, text)| (class(one), text.as_str())).collect();
            assert_eq!(got, expected, "{scene} {frame}");
            masks += got.len();
        }
    }
    // Counted with awk: lines of class 1 and 2.
    assert_eq!(masks, 9_516);
}

#[test]
fn coco_rows_name_their_images_in_four_ways() {
    let rows = br#"[
 {"image_id": 12, "category_id": 3, "score": 0.75, "bbox": [1, 2, 3, 4],
  "segmentation": {"size": [2, 3], "counts": "123"}},
 {"image_id": "0000000013", "category_id": 1, "segmentation": {"size": [2, 3], "counts": [1, 2, 3]}},
 {"image_id": "0000000014.PNG", "category_id": 2, "score": 1, "segmentation": {"size": [2, 3], "counts": [0, 6]}},
 {"image_id": "day/drive/0000000015.jpg", "category_id": 3, "score": 0, "segmentation": {"size": [2, 3], "counts": [6]}},
 {"image_id": 12, "category_id": 8, "score": 1, "segmentation": {"size": [2, 3], "counts": [6]}}
]"#;
    let folder = folder_with(&[("results.json", rows), ("deep/b/instances.json", rows)]);
    let imported = coco::read(folder.path(), None).unwrap();
    let scenes: Vec<&String> = imported.scenes.keys().collect();
    assert_eq!(scenes, ["day/drive", "deep/b", "results"]);
    let stem = |text: &str| FrameName::Stem(text.to_owned());
    let expected = vec![
        (FrameName::Number(12), vec![(3, 2)]),
        (stem("0000000013"), vec![(1, 2)]),
        (stem("0000000014"), vec![(2, 6)]),
    ];
    assert_eq!(areas(&imported, "results"), expected);
    assert_eq!(areas(&imported, "deep/b"), expected);
    assert_eq!(areas(&imported, "day/drive"), [(stem("0000000015"), vec![(3, 0), (3, 0)])]);
    assert_eq!(imported.passed_over.values().sum::<u64>(), 2);

    let store = folder.path().join("store");
    write::write(&store, &imported).unwrap();
    let size = ImageSize::new(3, 2);
    let car = stored(&store, "results", "0000000012", size);
    assert_eq!((car[0].class, car[0].score), (InstanceClass::Car, 0.75));
    // Compressed and plain counts are the same mask; a missing score counts as 1.
    let person = stored(&store, "results", "0000000013", size);
    assert_eq!((&person[0].mask, person[0].score), (&car[0].mask, 1.0));
    let named = coco::read(&folder.path().join("results.json"), Some("x/y")).unwrap();
    let scenes: Vec<&String> = named.scenes.keys().collect();
    assert_eq!(scenes, ["day/drive", "x/y"]);
}

#[test]
fn a_bad_coco_row_is_named_with_line_and_row() {
    let good =
        r#"{"image_id": 1, "category_id": 3, "segmentation": {"size": [2, 3], "counts": "123"}}"#;
    let row = |from: &str, to: &str| good.replace(from, to);
    let cases = [
        (row("\"image_id\": 1, ", ""), "missing field `image_id`"),
        (row("1,", "-1,"), "image_id"),
        (row("\"category_id\": 3", "\"category_id\": \"car\""), "expected image_id, category_id"),
        (
            row("\"category_id\": 3", "\"category_id\": 3, \"score\": 1.5"),
            "score in 0..=1, got 1.5",
        ),
        (row("\"123\"", "\"12\""), "wrong sum of runs"),
        (row("\"123\"", "[1, 2]"), "wrong sum of runs"),
        (row("\"123\"", "[1, -2, 7]"), "whole numbers"),
        (row("\"123\"", "null"), "compressed text or as a list"),
        (row("[2, 3]", "[2, 0]"), "run lengths"),
        (row("{\"size\": [2, 3], \"counts\": \"123\"}", "[[0, 0, 2, 0, 2, 2]]"), "got polygons"),
        ("7".to_owned(), "expected image_id"),
    ];
    for (bad, cause) in cases {
        let text = format!("[\n{good},\n\n{bad}]");
        let folder = folder_with(&[("a.json", text.as_bytes())]);
        let error = coco::read(folder.path(), None).unwrap_err().to_string();
        assert!(error.contains("a.json\", line 4: row 1: "), "{error}");
        assert!(error.contains(cause), "{error} should say {cause}");
    }
    for (text, cause) in
        [("{}", "line 1: expected a JSON list"), ("[\n{]", "line 2: expected a JSON")]
    {
        let folder = folder_with(&[("a.json", text.as_bytes())]);
        let error = coco::read(folder.path(), None).unwrap_err().to_string();
        assert!(error.contains(cause), "{error}");
    }
    let folder = folder_with(&[("instances.json", format!("[{good}]").as_bytes())]);
    let error = coco::read(folder.path(), None).unwrap_err().to_string();
    assert!(error.contains("expected a scene for image 1"), "{error}");
}

/// A strip of 12x2: three frames of 4x2, given row by row as gray values.
fn strip(rows: [[u8; 12]; 2]) -> Vec<u8> {
    let data = rows.as_flattened().iter().flat_map(|&value| [value; 3]).collect();
    rgb_png(&RgbImage::new(ImageSize::new(12, 2), data))
}

const CARS: StripParams = StripParams { class: InstanceClass::Car, size: None };
const DRIVE: &str = "2011_09_26_drive_0001_sync_02";
const SCENE: &str = "2011_09_26/2011_09_26_drive_0001_sync/image_02";

#[test]
fn strips_become_frames_and_each_object_counts_once() {
    // Object 5 in all frames; object 9 only in the second strip, whose alignment kept it.
    #[rustfmt::skip]
    let first = strip([
        [5, 5, 0, 0,  0, 5, 5, 0,  0, 0, 5, 5],
        [5, 5, 0, 0,  0, 5, 5, 0,  0, 0, 5, 5],
    ]);
    #[rustfmt::skip]
    let second = strip([
        [0, 7, 7, 0,  9, 0, 7, 7,  9, 9, 0, 7],
        [9, 7, 7, 0,  9, 0, 7, 7,  0, 0, 0, 7],
    ]);
    let names = [1, 2].map(|number| format!("{DRIVE}/{number:010}-fseg.png"));
    let folder = folder_with(&[
        (&names[0], &first),
        (&names[1], &second),
        (&format!("{DRIVE}/0000000001.png"), b"the pictures themselves"),
    ]);
    let imported = struct2depth::read(folder.path(), None, &CARS).unwrap();
    let frames = areas(&imported, SCENE);
    let expected = [
        // Frame 0: only the first strip.
        (FrameName::Number(0), vec![(3, 4)]),
        // Frame 1: the middle of the first strip, then object 9 of the second; 7 is what 5 was.
        (FrameName::Number(1), vec![(3, 4), (3, 1)]),
        // Frame 2: the middle of the second strip by rising value, nothing new in the first.
        (FrameName::Number(2), vec![(3, 4), (3, 2)]),
        (FrameName::Number(3), vec![(3, 2), (3, 2)]),
    ];
    assert_eq!(frames, expected);
    let store = folder.path().join("store");
    write::write(&store, &imported).unwrap();
    let size = ImageSize::new(4, 2);
    let found = stored(&store, SCENE, "0000000001", size);
    assert_eq!(found[0].mask, Rle::from_mask(size, &[0, 1, 1, 0, 0, 1, 1, 0]));
    assert_eq!(found[1].mask, Rle::from_mask(size, &[0, 0, 0, 0, 1, 0, 0, 0]));
    assert_eq!(found[0].score, 1.0);
}

#[test]
fn strips_may_be_enlarged_and_of_another_class() {
    #[rustfmt::skip]
    let one = strip([
        [5, 0, 0, 0,  0, 5, 0, 0,  0, 0, 0, 0],
        [0, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0],
    ]);
    let folder = folder_with(&[("walk/3-fseg.png", &one)]);
    let size = Some(ImageSize::new(8, 4));
    let params = StripParams { class: InstanceClass::Person, size };
    let imported = struct2depth::read(folder.path(), None, &params).unwrap();
    let person = &imported.scenes["walk"][&FrameName::Number(3)][0];
    assert_eq!((person.class, person.mask.bbox()), (InstanceClass::Person, [2, 0, 2, 2]));
    let named = struct2depth::read(folder.path(), Some("a/b"), &params).unwrap();
    assert!(named.scenes.contains_key("a/b"));
}

#[test]
fn strips_that_cannot_be_are_named() {
    let odd = rgb_png(&RgbImage::new(ImageSize::new(4, 1), vec![0; 12]));
    let good = strip([[0; 12]; 2]);
    // 20x20 pixels a third, each of a color of its own.
    let many: Vec<u8> =
        (0..1200_u32).flat_map(|i| [(i % 20) as u8 + 1, (i / 60) as u8 + 1, 7]).collect();
    let many = rgb_png(&RgbImage::new(ImageSize::new(60, 20), many));
    let cases: [(&str, &[u8], &str); 6] = [
        ("a/1-fseg.png", &many, "at most 255 objects, one color each"),
        ("a/1-fseg.png", &odd, "three frames side by side, got a picture of 4x1"),
        ("a/1-fseg.png", &good[..30], "whole PNG"),
        ("a/x-fseg.png", &good, "number of its middle frame, from 1 on, got \"x\""),
        ("a/0-fseg.png", &good, "from 1 on"),
        ("1-fseg.png", &good, "in a folder that names their scene"),
    ];
    for (name, bytes, cause) in cases {
        let folder = folder_with(&[(name, bytes)]);
        let error = struct2depth::read(folder.path(), None, &CARS).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(cause), "{error} should say {cause}");
    }
}

#[test]
fn what_is_there_already_is_not_lost() {
    let folder = folder_with(&[("0004.txt", MOTS.as_bytes())]);
    let imported = mots::read(folder.path(), None).unwrap();
    let text = |store: &Path| fs::read_to_string(store.join("0004/instances.json")).unwrap();

    let plain = folder_with(&[("0004/semantic/000000.png", b"a map")]);
    write::write(plain.path(), &imported).unwrap();
    let first = text(plain.path());
    write::write(plain.path(), &imported).unwrap();
    assert_eq!(text(plain.path()), first, "the same import twice");
    assert_eq!(fs::read(plain.path().join("0004/semantic/000000.png")).unwrap(), b"a map");

    for (name, bytes) in [
        ("store.json", "{}"),
        ("0004/instances/000000.json", "[]"),
        ("0004/instances.json", "[{}]"),
    ] {
        let other = folder_with(&[(name, bytes.as_bytes())]);
        let error = write::write(other.path(), &imported).unwrap_err().to_string();
        assert!(error.contains("cannot import into") && error.contains("expected"), "{error}");
        assert_eq!(fs::read_to_string(other.path().join(name)).unwrap(), bytes);
    }
    let mut outside = imported;
    let scene = outside.scenes.remove("0004").unwrap();
    outside.scenes.insert("../x".to_owned(), scene);
    let error = write::write(plain.path(), &outside).unwrap_err().to_string();
    assert!(error.contains("'..' part"), "{error}");
}
