//! Floor 1: tests of the alignment against a dense reference, on KITTI MOTS and on random boxes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::Value;
use suw_shared::class::InstanceClass;
use suw_shared::rle::Rle;

use super::*;

/// Pixels of every detection and of every pair of detections of two neighboring frames.
struct Overlaps {
    areas: [Vec<u64>; 3],
    /// `[t][i][j]`: intersection of detection i of frame t and j of frame t + 1.
    both: [Vec<Vec<u64>>; 2],
}

/// The contract's text, step by step on dense masks.
fn reference(input: &AlignInput, params: &AlignParams, overlaps: &Overlaps) -> SampleObjects {
    let next: Vec<Vec<Option<(usize, f32)>>> =
        (0..2).map(|t| best_first(input.frames, t, params, overlaps)).collect();
    let mut found: Vec<([usize; 3], [f32; 2])> = Vec::new();
    for (i, first) in next[0].iter().enumerate() {
        let Some((j, iou_prev)) = *first else { continue };
        let Some((k, iou_next)) = next[1][j] else { continue };
        found.push(([i, j, k], [iou_prev, iou_next]));
    }
    let (w, h) = (input.size.width as usize, input.size.height as usize);
    let source = |i: usize, start: u32, length: u32, shown: usize| {
        start as usize + ((i as f64 + 0.5) * f64::from(length) / shown as f64).floor() as usize
    };
    let mut owner = vec![None; 3 * w * h];
    for (t, frame) in input.frames.iter().enumerate() {
        let masks: Vec<Vec<u8>> = found.iter().map(|f| frame[f.0[t]].mask.to_mask()).collect();
        for y in 0..h {
            for x in 0..w {
                let row = source(y, input.window.y, input.window.height, h);
                let column = source(x, input.window.x, input.window.width, w);
                let at = row * input.native.width as usize + column;
                let mut best: Option<usize> = None;
                for object in (0..found.len()).filter(|&object| masks[object][at] == 1) {
                    let rank = |o: usize| (frame[found[o].0[t]].score, usize::MAX - found[o].0[t]);
                    if best.is_none_or(|best| rank(object) > rank(best)) {
                        best = Some(object);
                    }
                }
                owner[(t * h + y) * w + x] = best;
            }
        }
    }
    let area = |t: usize, object: usize| {
        owner[t * w * h..(t + 1) * w * h].iter().filter(|&&o| o == Some(object)).count()
    };
    let mut kept: Vec<usize> = (0..found.len())
        .filter(|&object| (0..3).all(|t| area(t, object) >= params.min_area as usize))
        .collect();
    let target = |object: usize| found[object].0[1];
    kept.sort_by(|&a, &b| {
        let (sa, sb) = (input.frames[1][target(a)].score, input.frames[1][target(b)].score);
        sb.partial_cmp(&sa).unwrap().then(target(a).cmp(&target(b)))
    });
    let number = |object: usize| kept.iter().position(|&k| k == object).map_or(0, |p| p as u8 + 1);
    let rows = kept
        .iter()
        .map(|&object| AlignedObject {
            index: number(object),
            class: input.frames[1][target(object)].class,
            score: [0, 1, 2].map(|t| input.frames[t][found[object].0[t]].score),
            iou_prev: found[object].1[0],
            iou_next: found[object].1[1],
        })
        .collect();
    let mut movable = vec![0; w * h];
    for detection in input.frames[1].iter().filter(|d| d.score >= params.score_min) {
        let mask = detection.mask.to_mask();
        for y in 0..h {
            for x in 0..w {
                let row = source(y, input.window.y, input.window.height, h);
                let column = source(x, input.window.x, input.window.width, w);
                movable[y * w + x] |= mask[row * input.native.width as usize + column];
            }
        }
    }
    let map = owner.iter().map(|o| o.map_or(0, number)).collect();
    SampleObjects { map, rows, movable }
}

/// For every detection of frame t its partner in t + 1: takes the best remaining pair again and again.
fn best_first(
    frames: [&[Detection]; 3],
    t: usize,
    params: &AlignParams,
    overlaps: &Overlaps,
) -> Vec<Option<(usize, f32)>> {
    let (earlier, later) = (frames[t], frames[t + 1]);
    let mut partner: Vec<Option<(usize, f32)>> = vec![None; earlier.len()];
    loop {
        let mut best: Option<(usize, usize, u64, u64)> = None;
        for (i, a) in earlier.iter().enumerate() {
            for (j, b) in later.iter().enumerate() {
                let taken =
                    partner[i].is_some() || partner.iter().flatten().any(|&(used, _)| used == j);
                let weak = a.score < params.score_min || b.score < params.score_min;
                if taken || weak || a.class != b.class {
                    continue;
                }
                let both = overlaps.both[t][i][j];
                let either = overlaps.areas[t][i] + overlaps.areas[t + 1][j] - both;
                if either == 0
                    || both * u64::from(params.iou_den) <= either * u64::from(params.iou_num)
                {
                    continue;
                }
                if best.is_none_or(|(_, _, b, e)| both * e > b * either) {
                    best = Some((i, j, both, either));
                }
            }
        }
        match best {
            Some((i, j, both, either)) => {
                partner[i] = Some((j, (both as f64 / either as f64) as f32));
            }
            None => return partner,
        }
    }
}

fn dense_overlaps(frames: [&[Detection]; 3]) -> Overlaps {
    let masks = frames.map(|f| f.iter().map(|d| d.mask.to_mask()).collect::<Vec<_>>());
    let both = |t: usize| {
        masks[t]
            .iter()
            .map(|a| {
                let count =
                    |b: &Vec<u8>| a.iter().zip(b).filter(|&(a, b)| a + b == 2).count() as u64;
                masks[t + 1].iter().map(count).collect()
            })
            .collect()
    };
    let areas =
        |t: usize| masks[t].iter().map(|m| m.iter().filter(|&&p| p == 1).count() as u64).collect();
    Overlaps { areas: [areas(0), areas(1), areas(2)], both: [both(0), both(1)] }
}

const NATIVE: ImageSize = ImageSize::new(24, 12);

fn rectangle(x: u32, y: u32, width: u32, height: u32) -> Rle {
    let inside = |p: u32| {
        let (px, py) = (p % NATIVE.width, p / NATIVE.width);
        u8::from((x..x + width).contains(&px) && (y..y + height).contains(&py))
    };
    Rle::from_mask(NATIVE, &(0..NATIVE.area() as u32).map(inside).collect::<Vec<_>>())
}

fn car(score: f32, mask: Rle) -> Detection {
    Detection { class: InstanceClass::Car, score, mask }
}

fn whole<'a>(frames: [&'a [Detection]; 3]) -> AlignInput<'a> {
    AlignInput { frames, native: NATIVE, window: NATIVE.window(), size: NATIVE }
}

fn scores(objects: &SampleObjects) -> Vec<[f32; 3]> {
    objects.rows.iter().map(|row| row.score).collect()
}

const SMALL: AlignParams = AlignParams { min_area: 4, ..AlignParams::CONTRACT };

#[test]
fn iou_of_exactly_three_tenths_is_not_enough() {
    // 6 of 20 pixels in common: 13 columns each, shifted by 7; against 7 of 19, shifted by 6.
    for (shift, found) in [(7, 0), (6, 1)] {
        let a = [car(0.9, rectangle(0, 0, 13, 4))];
        let b = [car(0.8, rectangle(shift, 0, 13, 4))];
        let c = [car(0.7, rectangle(shift, 0, 13, 4))];
        let objects = align(&whole([&a, &b, &c]), &SMALL).unwrap();
        assert_eq!(objects.rows.len(), found, "shift {shift}");
        assert_eq!(objects.movable.iter().filter(|&&m| m == 1).count(), 52);
        if found == 1 {
            assert_eq!(objects.rows[0].iou_prev, 7.0 / 19.0);
            assert_eq!(objects.rows[0].iou_next, 1.0);
            assert_eq!(objects.rows[0].score, [0.9, 0.8, 0.7]);
        }
    }
}

#[test]
fn the_better_overlap_is_taken_first_and_ties_go_to_the_lower_index() {
    let a = [car(0.6, rectangle(0, 0, 8, 4)), car(0.7, rectangle(2, 0, 8, 4))];
    let b = [car(0.9, rectangle(3, 0, 8, 4))];
    let best = align(&whole([&a, &b, &b]), &SMALL).unwrap();
    assert_eq!(scores(&best), [[0.7, 0.9, 0.9]]);
    let twins = [car(0.6, rectangle(0, 0, 8, 4)), car(0.7, rectangle(0, 0, 8, 4))];
    let tied = align(&whole([&twins, &b, &b]), &SMALL).unwrap();
    assert_eq!(scores(&tied), [[0.6, 0.9, 0.9]]);
}

#[test]
fn class_and_score_are_asked_for() {
    let a = [car(0.9, rectangle(0, 0, 8, 4))];
    let low = [car(0.49, rectangle(0, 0, 8, 4))];
    let person = [Detection { class: InstanceClass::Person, ..a[0].clone() }];
    for frames in [[&a, &low, &a], [&a, &a, &low], [&a, &person, &a], [&person, &a, &a]] {
        let objects = align(&whole(frames.map(|f| f.as_slice())), &SMALL).unwrap();
        assert!(objects.rows.is_empty());
        assert!(objects.map.iter().all(|&p| p == 0));
        let seen = frames[1][0].score >= 0.5;
        assert_eq!(objects.movable.contains(&1), seen);
    }
    let edge = [car(0.5, rectangle(0, 0, 8, 4))];
    assert_eq!(align(&whole([&edge, &edge, &edge]), &SMALL).unwrap().rows.len(), 1);
}

#[test]
fn contested_pixels_go_to_the_higher_score_of_that_frame() {
    let masks = [rectangle(0, 0, 8, 4), rectangle(4, 0, 8, 4)];
    let frame = |a: f32, b: f32| [car(a, masks[0].clone()), car(b, masks[1].clone())];
    let (before, target, after) = (frame(0.6, 0.9), frame(0.9, 0.6), frame(0.7, 0.7));
    let objects = align(&whole([&before, &target, &after]), &SMALL).unwrap();
    // Numbers by target score: the left one is 1. Column 5 is contested; a tie goes to the lower index.
    let at = |t: usize, x: usize| objects.map[t * NATIVE.area() + x];
    assert_eq!([at(0, 0), at(0, 5), at(0, 9), at(0, 12)], [1, 2, 2, 0]);
    assert_eq!([at(1, 5), at(2, 5)], [1, 1]);
}

#[test]
fn an_object_too_small_in_one_frame_leaves_no_pixel_and_no_number() {
    let covered = [car(0.6, rectangle(0, 0, 4, 2)), car(0.9, rectangle(1, 0, 8, 2))];
    let free = [car(0.95, rectangle(0, 0, 4, 2)), car(0.9, rectangle(4, 0, 8, 2))];
    let params = AlignParams { min_area: 3, ..AlignParams::CONTRACT };
    let objects = align(&whole([&free, &free, &covered]), &params).unwrap();
    assert_eq!(scores(&objects), [[0.9, 0.9, 0.9]]);
    assert_eq!(objects.rows[0].index, 1);
    // The dropped object's pixels are empty; it hid nothing, for claims come first.
    assert_eq!(objects.map[0], 0);
    assert!(objects.map.iter().all(|&p| p <= 1));
}

#[test]
fn at_most_255_objects_are_kept_the_best_first() {
    let native = ImageSize::new(300, 1);
    let frame: Vec<Detection> = (0..300)
        .map(|x| {
            let mut mask = vec![0; 300];
            mask[x] = 1;
            car(0.5 + x as f32 / 1000.0, Rle::from_mask(native, &mask))
        })
        .collect();
    let frames = [frame.as_slice(), frame.as_slice(), frame.as_slice()];
    let input = AlignInput { frames, native, window: native.window(), size: native };
    let objects = align(&input, &AlignParams { min_area: 1, ..AlignParams::CONTRACT }).unwrap();
    assert_eq!(objects.rows.len(), 255);
    assert_eq!((objects.map[299], objects.map[45], objects.map[44]), (1, 255, 0));
    assert_eq!(objects.rows[0].score[1], 0.799);
}

#[test]
fn masks_of_another_size_are_refused() {
    let a = [car(0.9, rectangle(0, 0, 8, 4))];
    let other = [car(0.9, Rle::from_mask(ImageSize::new(2, 2), &[1; 4]))];
    let error = align(&whole([&a, &a, &other]), &SMALL).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot align mask 0 of frame 2: expected a mask of 24x12, got 2x2"
    );
    let window = Window { y: 1, ..NATIVE.window() };
    let error = align(&AlignInput { window, ..whole([&a, &a, &a]) }, &SMALL).unwrap_err();
    assert!(matches!(error, AlignError::Window { .. }));
}

fn detections() -> impl Strategy<Value = Vec<Detection>> {
    // Few places, sizes and scores, so that overlaps and ties are common.
    let one = (0..3_u32, 0..2_u32, 1..4_u32, 1..4_u32, 0..5_u8, 0..3_usize).prop_map(
        |(x, y, width, height, score, class)| Detection {
            class: InstanceClass::ALL[class / 2],
            score: 0.4 + f32::from(score) / 10.0,
            mask: rectangle(x * 3, y * 3, width * 4, height * 2),
        },
    );
    prop::collection::vec(one, 0..6)
}

proptest! {
    #[test]
    fn random_boxes_equal_the_reference(
        (a, b, c) in (detections(), detections(), detections()),
        (x, y, width, height) in (0..4_u32, 0..3_u32, 0..4_u32, 0..3_u32),
        (w, h) in (6..40_u32, 6..20_u32),
        min_area in 0..20_u32,
    ) {
        let window =
            Window { y, x, height: NATIVE.height - y - height, width: NATIVE.width - x - width };
        let frames = [a.as_slice(), b.as_slice(), c.as_slice()];
        let input = AlignInput { frames, native: NATIVE, window, size: ImageSize::new(w, h) };
        let params = AlignParams { min_area, ..AlignParams::CONTRACT };
        let expected = reference(&input, &params, &dense_overlaps(frames));
        prop_assert_eq!(align(&input, &params).unwrap(), expected);
    }
}

/// Rows of one MOTS file per frame: track and detection; the score names the position in the frame.
type Tracks = Vec<(u32, Detection)>;

fn mots(sequence: &str) -> Option<(ImageSize, BTreeMap<u32, Tracks>)> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/mots");
    let Ok(text) = fs::read_to_string(folder.join(sequence)) else {
        println!("skipped: no {}", folder.display());
        return None;
    };
    let mut frames: BTreeMap<u32, Tracks> = BTreeMap::new();
    let mut size = ImageSize::new(0, 0);
    for line in text.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let number = |i: usize| fields[i].parse::<u32>().unwrap();
        size = ImageSize::new(number(4), number(3));
        let class = match number(2) {
            1 => InstanceClass::Car,
            2 => InstanceClass::Person,
            _ => continue, // regions to ignore
        };
        let rows = frames.entry(number(0)).or_default();
        let score = 1.0 - rows.len() as f32 / 512.0;
        let mask = Rle::from_coco_string(size, fields[5]).unwrap();
        rows.push((number(1), Detection { class, score, mask }));
    }
    Some((size, frames))
}

fn plain(tracks: &Tracks) -> Vec<Detection> {
    tracks.iter().map(|(_, detection)| detection.clone()).collect()
}

/// One map of numbers (position plus 1) a frame: true masks do not overlap.
fn painted(size: ImageSize, frame: &[Detection]) -> Vec<u8> {
    let mut map = vec![0; size.area()];
    for (index, detection) in frame.iter().enumerate() {
        for segment in detection.mask.segments() {
            for y in segment.top..segment.bottom {
                let at = (y * size.width + segment.x) as usize;
                assert_eq!(map[at], 0, "true masks do not overlap");
                map[at] = index as u8 + 1;
            }
        }
    }
    map
}

/// Overlaps of two frames.
struct TwoFrames {
    areas: [Vec<u64>; 2],
    both: Vec<Vec<u64>>,
}

/// Counts the pairs of numbers in the maps of two frames.
fn painted_overlaps(frames: [&[Detection]; 2], earlier: &[u8], later: &[u8]) -> TwoFrames {
    // Number 0 is the background.
    let mut counts = vec![vec![0; frames[1].len() + 1]; frames[0].len() + 1];
    for (&a, &b) in earlier.iter().zip(later).filter(|&(&a, &b)| a | b != 0) {
        counts[usize::from(a)][usize::from(b)] += 1;
    }
    let later_area = |j: usize| counts.iter().map(|row| row[j]).sum();
    TwoFrames {
        areas: [
            counts[1..].iter().map(|row| row.iter().sum()).collect(),
            (1..=frames[1].len()).map(later_area).collect(),
        ],
        both: counts[1..].iter().map(|row| row[1..].to_vec()).collect(),
    }
}

#[test]
fn kitti_mots_equals_the_reference() {
    // All eight sequences: the matching of every pair of frames, and every triple pixel by pixel.
    let mut triples = 0;
    for sequence in 0..8 {
        let Some((native, frames)) = mots(&format!("{sequence:04}.txt")) else { return };
        let frames: BTreeMap<u32, (Vec<Detection>, Vec<u8>)> = frames
            .iter()
            .map(|(&number, tracks)| {
                let detections = plain(tracks);
                let map = painted(native, &detections);
                (number, (detections, map))
            })
            .collect();
        let window = Window { y: native.height - 352, x: 8, height: 352, width: 1216 };
        let params = AlignParams::CONTRACT;
        for (&number, (earlier, earlier_map)) in &frames {
            let Some((later, later_map)) = frames.get(&(number + 1)) else { continue };
            let first = painted_overlaps([earlier, later], earlier_map, later_map);
            let overlaps = Overlaps {
                areas: [first.areas[0].clone(), first.areas[1].clone(), vec![]],
                both: [first.both.clone(), vec![]],
            };
            let mut partner = vec![None; earlier.len()];
            for found in matches(earlier, later, &params) {
                partner[found.earlier] = Some((found.later, found.iou.value()));
            }
            let expected = best_first([earlier, later, &[]], 0, &params, &overlaps);
            assert_eq!(partner, expected, "{sequence} {number}");

            let Some((last, last_map)) = frames.get(&(number + 2)) else { continue };
            let second = painted_overlaps([later, last], later_map, last_map);
            let [before, target] = first.areas;
            let [_, after] = second.areas;
            let overlaps =
                Overlaps { areas: [before, target, after], both: [first.both, second.both] };
            let frames = [earlier.as_slice(), later, last];
            let input = AlignInput { frames, native, window, size: ImageSize::new(416, 128) };
            let expected = reference(&input, &params, &overlaps);
            assert_eq!(align(&input, &params).unwrap(), expected, "{sequence} {number}");
            triples += 1;
        }
    }
    // Frames that have objects, as the next two have: counted in the text files.
    assert_eq!(triples, 2279);
}

#[test]
fn mots_0002_equals_the_published_alignment() {
    let Some((native, mut frames)) = mots("0002.txt") else { return };
    let path = "../../shared/data/golden/align_mots_0002.json";
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    // The published code does not ask for the class: all are cars here.
    for (_, detection) in frames.values_mut().flatten() {
        detection.class = InstanceClass::Car;
    }
    let golden: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(golden.len(), 40);
    for entry in &golden {
        let number = entry["frame"].as_u64().unwrap() as u32;
        let rows = [number - 1, number, number + 1].map(|n| &frames[&n]);
        for t in 0..3 {
            let ids: Vec<u32> = rows[t].iter().map(|row| row.0).collect();
            assert_eq!(entry["ids"][t], serde_json::json!(ids), "frame {number}");
        }
        for (t, name) in ["iou_prev", "iou_next"].into_iter().enumerate() {
            for (i, a) in rows[t].iter().enumerate() {
                for (j, b) in rows[t + 1].iter().enumerate() {
                    let expected = entry[name][i][j].as_f64().unwrap();
                    let got = a.1.mask.iou(&b.1.mask);
                    assert!((got - expected).abs() < 1e-6, "frame {number} {name} {i} {j}: {got}");
                }
            }
        }
        let [before, target, after] = rows.map(plain);
        let frames = [before.as_slice(), &target, &after];
        let input = AlignInput { frames, native, window: native.window(), size: native };
        let params = AlignParams { min_area: 0, ..AlignParams::CONTRACT };
        let found: Vec<u32> = align(&input, &params)
            .unwrap()
            .rows
            .iter()
            .map(|row| rows[1].iter().find(|t| t.1.score == row.score[1]).unwrap().0)
            .collect();
        assert_eq!(entry["struct2depth_ids"], serde_json::json!(found), "frame {number}");
    }
}
