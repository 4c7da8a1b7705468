//! Floor 0: tests of run-length masks: by hand, against dense masks, and against pycocotools on real ones.
//!
//! `pycocotools.json` is made by `tests/python/make_rle_fixture.py`.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// 3 columns, 2 rows: column 0 = (1, 0), column 1 = (1, 1), column 2 = (0, 0).
const SMALL: ImageSize = ImageSize::new(3, 2);
const SMALL_MASK: [u8; 6] = [1, 7, 0, 0, 1, 0];

fn small() -> Rle {
    Rle::from_mask(SMALL, &SMALL_MASK)
}

#[test]
fn a_mask_worked_out_by_hand() {
    let rle = small();
    assert_eq!(rle.counts(), [0, 1, 1, 2, 2]);
    assert_eq!(rle.to_mask(), [1, 1, 0, 0, 1, 0]);
    assert_eq!(rle.area(), 3);
    assert_eq!(rle.bbox(), [0, 0, 2, 2]);
    // Runs as written: 0, 1, 1, then 2 - 1 and 2 - 1.
    assert_eq!(rle.to_coco_string(), "01111");
    assert_eq!(Rle::from_coco_string(SMALL, "01111"), Ok(rle));
}

#[test]
fn full_and_empty_masks() {
    let empty = Rle::from_mask(SMALL, &[0; 6]);
    let full = Rle::from_mask(SMALL, &[1; 6]);
    assert_eq!((empty.counts(), full.counts()), ([6].as_slice(), [0, 6].as_slice()));
    assert_eq!((empty.bbox(), full.bbox()), ([0; 4], [0, 0, 3, 2]));
    assert_eq!((empty.area(), full.area()), (0, 6));
    assert_eq!(empty.iou(&empty), 0.0);
    assert!(!empty.iou_above(&empty, 0, 1));
    assert_eq!(full.iou(&small()), 0.5);
}

#[test]
fn a_threshold_is_exact() {
    // 3 of 10 pixels: not above 3/10, though 0.3 as a float is below 3/10 in some roundings.
    let size = ImageSize::new(10, 1);
    let full = Rle::from_mask(size, &[1; 10]);
    let part = Rle::from_mask(size, &[1, 1, 1, 0, 0, 0, 0, 0, 0, 0]);
    assert!(!full.iou_above(&part, 3, 10));
    let more = Rle::from_mask(size, &[1, 1, 1, 1, 0, 0, 0, 0, 0, 0]);
    assert!(full.iou_above(&more, 3, 10));
}

#[test]
fn empty_runs_are_joined() {
    let rle = Rle::from_counts(SMALL, vec![0, 1, 0, 0, 1, 1, 0, 1, 2, 0]).unwrap();
    assert_eq!(rle, small());
    assert_eq!(Rle::from_counts(SMALL, vec![0, 0, 6]).unwrap().counts(), [6]);
    assert_eq!(Rle::from_counts(SMALL, vec![6, 0]).unwrap().counts(), [6]);
}

#[test]
fn a_picture_without_pixels_has_no_runs() {
    let none = ImageSize::new(0, 3);
    let expected = Rle::from_mask(none, &[]);
    assert_eq!(Rle::from_counts(none, vec![0, 0]).unwrap(), expected);
    assert_eq!(Rle::from_coco_string(none, "0").unwrap(), expected);
}

#[test]
fn runs_must_fill_the_picture() {
    for counts in [vec![], vec![5], vec![0, 7], vec![u32::MAX, u32::MAX]] {
        let got: u64 = counts.iter().map(|&c| u64::from(c)).sum();
        let error = Rle::from_counts(SMALL, counts).unwrap_err();
        assert_eq!(error, RleError::WrongTotal { size: SMALL, got });
    }
    let huge = ImageSize::new(65_536, 65_536);
    assert_eq!(Rle::from_counts(huge, vec![]), Err(RleError::TooLarge { size: huge }));
    assert_eq!(
        Rle::from_counts(SMALL, vec![5]).unwrap_err().to_string(),
        "cannot read run-length mask of 3x2: wrong sum of runs; expected 6 pixels, got 5"
    );
}

#[test]
fn hostile_texts_are_refused() {
    let read = |text: &str| Rle::from_coco_string(SMALL, text).unwrap_err();
    assert_eq!(read(""), RleError::WrongTotal { size: SMALL, got: 0 });
    assert_eq!(read("7"), RleError::WrongTotal { size: SMALL, got: 7 });
    assert_eq!(read("0 "), RleError::BadCharacter { position: 1, byte: b' ' });
    assert_eq!(read("0é"), RleError::BadCharacter { position: 1, byte: 0xc3 });
    assert_eq!(read("0p"), RleError::BadCharacter { position: 1, byte: b'p' });
    assert_eq!(read("0P"), RleError::BadNumber { position: 1 });
    assert_eq!(read(&"o".repeat(100_000)), RleError::BadNumber { position: 0 });
    // 'O' is -1.
    assert_eq!(read("O"), RleError::BadRun { run: 0, value: -1 });
    assert_eq!(read("111N"), RleError::BadRun { run: 3, value: -1 });
    // A first run of 2^34 - 1.
    assert_eq!(read("ooooooo"), RleError::BadNumber { position: 0 });
    assert_eq!(read("oooooo?"), RleError::BadRun { run: 0, value: (1 << 34) - 1 });
    // The largest run that 32 bits hold, in a picture that large: nothing of its area is allocated.
    let huge = ImageSize::new(u32::MAX, 1);
    let rle = Rle::from_counts(huge, vec![0, u32::MAX]).unwrap();
    assert_eq!(Rle::from_coco_string(huge, &rle.to_coco_string()), Ok(rle.clone()));
    assert_eq!((rle.area(), rle.bbox()), (u64::from(u32::MAX), [0, 0, u32::MAX, 1]));
}

fn mask_of(width: u32, height: u32) -> impl Strategy<Value = Vec<u8>> {
    // Runs of a few pixels, so that columns wrap and objects have shape.
    let area = (width * height) as usize;
    prop::collection::vec((0..2_u8, 1..9_usize), area).prop_map(move |runs| {
        runs.iter().flat_map(|&(v, n)| std::iter::repeat_n(v, n)).take(area).collect()
    })
}

fn two_masks() -> impl Strategy<Value = (ImageSize, Vec<u8>, Vec<u8>)> {
    (1..12_u32, 1..12_u32).prop_flat_map(|(width, height)| {
        let size = Just(ImageSize::new(width, height));
        (size, mask_of(width, height), mask_of(width, height))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn runs_agree_with_dense_masks((size, a, b) in two_masks()) {
        let (ra, rb) = (Rle::from_mask(size, &a), Rle::from_mask(size, &b));
        prop_assert_eq!(ra.to_mask(), a.clone());
        prop_assert_eq!(Rle::from_coco_string(size, &ra.to_coco_string()).unwrap(), ra.clone());
        prop_assert_eq!(Rle::from_counts(size, ra.counts().to_vec()).unwrap(), ra.clone());
        let count = |inside: &dyn Fn(usize) -> bool| (0..a.len()).filter(|&i| inside(i)).count() as u64;
        let both = count(&|i| a[i] == 1 && b[i] == 1);
        let either = count(&|i| a[i] == 1 || b[i] == 1);
        prop_assert_eq!(ra.area(), count(&|i| a[i] == 1));
        prop_assert_eq!(ra.intersection_area(&rb), both);
        prop_assert_eq!(rb.intersection_area(&ra), both);
        prop_assert_eq!(ra.iou_above(&rb, 3, 10), 10 * both > 3 * either);
        if either > 0 {
            prop_assert_eq!(ra.iou(&rb), both as f64 / either as f64);
        }
        let width = size.width as usize;
        let inside: Vec<(u32, u32)> =
            (0..a.len()).filter(|&i| a[i] == 1).map(|i| ((i % width) as u32, (i / width) as u32)).collect();
        let bbox = match (inside.iter().map(|p| p.0).min(), inside.iter().map(|p| p.1).min()) {
            (Some(x), Some(y)) => {
                let right = inside.iter().map(|p| p.0).max().unwrap();
                let lower = inside.iter().map(|p| p.1).max().unwrap();
                [x, y, right + 1 - x, lower + 1 - y]
            }
            _ => [0; 4],
        };
        prop_assert_eq!(ra.bbox(), bbox);
    }

    #[test]
    fn no_text_does_harm(text in "[0-z]{0,40}", width in 0..9_u32, height in 0..9_u32) {
        let size = ImageSize::new(width, height);
        if let Ok(rle) = Rle::from_coco_string(size, &text) {
            prop_assert_eq!(Rle::from_mask(size, &rle.to_mask()), rle.clone());
            prop_assert_eq!(rle.counts().iter().map(|&c| c as usize).sum::<usize>(), size.area());
        }
    }
}

/// `shared/data` beside the repository, if it is there.
fn data() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    if !folder.is_dir() {
        println!("skipped: no {}", folder.display());
        return None;
    }
    Some(folder)
}

fn check_facts(name: &str, texts: &[(ImageSize, String)]) {
    let fixture: Value = serde_json::from_str(include_str!("pycocotools.json")).unwrap();
    let facts = &fixture[name];
    let masks: Vec<Rle> = texts
        .iter()
        .enumerate()
        .map(|(index, (size, text))| {
            let rle = Rle::from_coco_string(*size, text).unwrap();
            assert_eq!(&rle.to_coco_string(), text);
            if index % 16 == 0 {
                assert_eq!(Rle::from_mask(*size, &rle.to_mask()), rle);
            }
            rle
        })
        .collect();
    let iou_before: Vec<Option<f64>> = (0..masks.len())
        .map(|i| {
            masks[..i].iter().rev().find(|m| m.size() == masks[i].size()).map(|m| masks[i].iou(m))
        })
        .collect();
    assert_eq!(facts["masks"], masks.len());
    assert_eq!(facts["area_sum"], masks.iter().map(Rle::area).sum::<u64>());
    for side in 0..4 {
        let sum: u64 = masks.iter().map(|m| u64::from(m.bbox()[side])).sum();
        assert_eq!(facts["bbox_sum"][side], sum, "{name} side {side}");
    }
    let iou_sum: f64 = iou_before.iter().flatten().sum();
    assert!((facts["iou_sum"].as_f64().unwrap() - iou_sum).abs() < 1e-6, "{name}: {iou_sum}");
    let sampled = facts["every_16th"].as_array().unwrap();
    assert_eq!(sampled.len(), masks.len().div_ceil(16));
    for (row, index) in sampled.iter().zip((0..).step_by(16)) {
        let mask: &Rle = &masks[index];
        assert_eq!(row[0], mask.area());
        assert_eq!(row[1], serde_json::json!(mask.bbox()));
        // serde_json may read the last digit of a number one off.
        let off = row[2].as_f64().unwrap_or(-1.0) - iou_before[index].unwrap_or(-1.0);
        assert!(off.abs() < 1e-12, "{name} mask {index}: off by {off}");
    }
}

#[test]
fn coco_results_agree_with_pycocotools() {
    let Some(data) = data() else { return };
    let text = fs::read_to_string(data.join("rle/coco_results_fakesegm100.json")).unwrap();
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(rows.len(), 734);
    let texts: Vec<(ImageSize, String)> = rows
        .iter()
        .map(|row| {
            let segmentation = &row["segmentation"];
            let side = |i: usize| segmentation["size"][i].as_u64().unwrap() as u32;
            (ImageSize::new(side(1), side(0)), segmentation["counts"].as_str().unwrap().to_owned())
        })
        .collect();
    check_facts("rle", &texts);
}

#[test]
fn kitti_mots_agrees_with_pycocotools() {
    let Some(data) = data() else { return };
    for sequence in 0..8 {
        let text = fs::read_to_string(data.join(format!("mots/{sequence:04}.txt"))).unwrap();
        let texts: Vec<(ImageSize, String)> = text
            .lines()
            .map(|line| {
                let fields: Vec<&str> = line.split(' ').collect();
                let size = ImageSize::new(fields[4].parse().unwrap(), fields[3].parse().unwrap());
                (size, fields[5].to_owned())
            })
            .collect();
        check_facts(&format!("mots/{sequence:04}"), &texts);
    }
}
