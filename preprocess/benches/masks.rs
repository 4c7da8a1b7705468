//! Times run-length masks on real ones: `cargo bench -p suw-preprocess --bench masks -- DATA`, one JSON line.
//!
//! `tests/bench/masks.py` does the same with pycocotools and dense `NumPy` and compares results and times.

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};
use suw_preprocess::align::{AlignInput, AlignParams, align};
use suw_preprocess::detected::Detection;
use suw_shared::class::InstanceClass;
use suw_shared::image_size::ImageSize;
use suw_shared::rle::Rle;

/// Rounds of which the median counts.
const ROUNDS: usize = 7;

fn main() {
    let data = std::env::args().skip(1).find(|argument| argument != "--bench");
    let Some(data) = data.map(PathBuf::from).filter(|data| data.join("mots").is_dir()) else {
        println!("skipped: give the folder that holds rle/ and mots/");
        return;
    };
    let masks = coco_masks(&data.join("rle/coco_results_fakesegm100.json"));
    let dense: Vec<(ImageSize, Vec<u8>)> =
        masks.iter().map(|mask| (mask.size(), mask.to_mask())).collect();
    let encode = median_ms(|| {
        dense.iter().map(|(size, mask)| Rle::from_mask(*size, mask).counts().len()).sum::<usize>()
    });
    let decode = median_ms(|| masks.iter().map(|mask| mask.to_mask().len()).sum::<usize>());
    let sequences = mots(&data.join("mots"));
    let overlaps = || {
        let mut pairs = 0_u64;
        let mut sum = 0.0;
        for frames in sequences.values() {
            for (a, b) in frames.values().zip(frames.values().skip(1)) {
                for (a, b) in a.iter().flat_map(|a| b.iter().map(move |b| (a, b))) {
                    sum += a.mask.iou(&b.mask);
                    pairs += 1;
                }
            }
        }
        (pairs, sum)
    };
    let iou = median_ms(overlaps);
    let (pairs, iou_sum) = overlaps();
    let aligned = || {
        let mut triples = 0_u64;
        let mut objects = 0;
        for frames in sequences.values() {
            let frames: Vec<&Vec<Detection>> = frames.values().collect();
            for clip in frames.windows(3).filter(|clip| !clip[1].is_empty()) {
                let native = clip[1][0].mask.size();
                // Half the size, as networks see it.
                let size = ImageSize::new(native.width / 2, native.height / 2);
                let frames = [&clip[0][..], &clip[1][..], &clip[2][..]];
                let input = AlignInput { frames, native, window: native.window(), size };
                let found = align(&input, &AlignParams::CONTRACT).expect("masks of one size");
                objects += found.rows.len();
                triples += 1;
            }
        }
        (triples, objects)
    };
    let align_ms = median_ms(aligned);
    let (triples, objects) = aligned();
    println!(
        "{}",
        json!({
            "encode_ms": encode, "decode_ms": decode, "masks": masks.len(),
            "iou_ms": iou, "pairs": pairs, "iou_sum": iou_sum,
            "align_ms": align_ms, "triples": triples, "objects": objects,
        })
    );
}

fn median_ms<T>(mut work: impl FnMut() -> T) -> f64 {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            black_box(work());
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
}

fn coco_masks(path: &Path) -> Vec<Rle> {
    let rows: Value =
        serde_json::from_str(&fs::read_to_string(path).expect("results")).expect("JSON");
    let rows = rows.as_array().expect("a list");
    rows.iter()
        .map(|row| {
            let segmentation = &row["segmentation"];
            let side = |at: usize| segmentation["size"][at].as_u64().expect("a size") as u32;
            let text = segmentation["counts"].as_str().expect("a text");
            Rle::from_coco_string(ImageSize::new(side(1), side(0)), text).expect("a mask")
        })
        .collect()
}

/// Sequence, frame, objects; score 1.
fn mots(folder: &Path) -> BTreeMap<String, BTreeMap<u32, Vec<Detection>>> {
    let mut sequences: BTreeMap<String, BTreeMap<u32, Vec<Detection>>> = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("a sequence");
        let frames = sequences.entry(path.display().to_string()).or_default();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let class = match words[2] {
                "1" => InstanceClass::Car,
                "2" => InstanceClass::Person,
                _ => continue,
            };
            let number = |at: usize| words[at].parse::<u32>().expect("a number");
            let size = ImageSize::new(number(4), number(3));
            let mask = Rle::from_coco_string(size, words[5]).expect("a mask");
            frames.entry(number(0)).or_default().push(Detection { class, score: 1.0, mask });
        }
    }
    sequences
}
