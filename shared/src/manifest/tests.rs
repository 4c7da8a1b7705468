//! Floor 2: tests of manifests.

use super::*;

fn entry(number: usize, samples: u64) -> ShardEntry {
    ShardEntry {
        blake3: "ab".repeat(32),
        bytes: 10,
        file: shard_file_name("kitti", "train", number),
        samples,
    }
}

/// Part `part` of two: shards 0 and 2, or shard 1.
fn part(part: u32) -> PartManifest {
    let shards = if part == 1 { vec![entry(0, 4), entry(2, 1)] } else { vec![entry(1, 3)] };
    let problem = |item: &str| Problem {
        item: item.to_owned(),
        kind: ProblemKind::ImageSize,
        reason: "expected 4x4, got 4x3".to_owned(),
    };
    let mut counts = Counts::default();
    counts.objects.car = u64::from(part);
    PartManifest {
        config_fingerprint: "cd".repeat(32),
        counts,
        dataset: "kitti".to_owned(),
        format: PART_FORMAT.to_owned(),
        frames: 3,
        height: 128,
        models: vec![ModelEntry {
            blake3: "ef".repeat(32),
            name: "masks".to_owned(),
            role: ModelRole::Import,
        }],
        part,
        parts: 2,
        // Both parts met the first one.
        problems: vec![problem("a/1"), problem(&format!("b/{part}"))],
        shards,
        split: "train".to_owned(),
        tool_version: "0.1.0".to_owned(),
        version: MANIFEST_VERSION,
        width: 416,
    }
}

#[test]
fn parts_join_in_any_order() {
    let (manifest, problems) = ShardSetManifest::from_parts(&[part(2), part(1)]).unwrap();
    assert_eq!(manifest.samples, 8);
    let files: Vec<&str> = manifest.shards.iter().map(|shard| shard.file.as_str()).collect();
    let expected = ["kitti-train-00000.h5", "kitti-train-00001.h5", "kitti-train-00002.h5"];
    assert_eq!(files, expected);
    assert_eq!(manifest.counts.objects.car, 3);
    let items: Vec<&str> = problems.iter().map(|problem| problem.item.as_str()).collect();
    assert_eq!(items, ["a/1", "b/1", "b/2"]);
    assert_eq!(manifest.quarantined, BTreeMap::from([("image-size".to_owned(), 3)]));
    assert_eq!(ShardSetManifest::from_parts(&[part(1), part(2)]).unwrap().0, manifest);
}

#[test]
fn parts_that_are_no_whole_are_refused() {
    let told =
        |parts: &[PartManifest]| ShardSetManifest::from_parts(parts).unwrap_err().to_string();
    assert!(told(&[]).contains("got none"));
    assert!(told(&[part(1)]).contains("2 different parts"));
    assert!(told(&[part(1), part(1)]).contains("2 different parts"));
    let other = PartManifest { config_fingerprint: "00".repeat(32), ..part(2) };
    assert!(told(&[part(1), other]).contains("config_fingerprint of part 2"));
    let twice = PartManifest { shards: part(1).shards, ..part(2) };
    assert!(told(&[part(1), twice]).contains("rising"));
}

#[test]
fn a_manifest_has_sorted_keys_and_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(MANIFEST_FILE);
    let (manifest, _) = ShardSetManifest::from_parts(&[part(1), part(2)]).unwrap();
    manifest.write(&path).unwrap();
    assert_eq!(ShardSetManifest::read(&path).unwrap(), manifest);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.ends_with("}\n"));
    let top: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("  \""))
        .filter_map(|line| line.split('"').nth(1))
        .collect();
    let expected = [
        "config_fingerprint",
        "counts",
        "dataset",
        "format",
        "frames",
        "height",
        "models",
        "quarantined",
        "samples",
        "shards",
        "split",
        "tool_version",
        "version",
        "width",
    ];
    assert_eq!(top, expected);
    part(1).write(folder.path()).unwrap();
    let named = folder.path().join("part-1-of-2.json");
    assert_eq!(PartManifest::read(&named).unwrap(), part(1));
    let told = ShardSetManifest::read(&named).unwrap_err().to_string();
    assert!(told.contains("expected format \"suw-shards\""), "{told}");
}

#[test]
fn strange_manifests_are_refused_with_the_field() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(MANIFEST_FILE);
    let (manifest, _) = ShardSetManifest::from_parts(&[part(1), part(2)]).unwrap();
    let good = json_text(&manifest);
    for (old, new, word) in [
        ("\"width\": 416", "\"width\": 416, \"extra\": 1", "extra"),
        ("\"width\": 416", "\"width\": 416, \"width\": 416", "width"),
        ("\"width\": 416", "\"width\": 0", "width"),
        ("\"frames\": 3", "\"frames\": 2", "frames"),
        ("\"version\": 1", "\"version\": 2", "version 2"),
        ("\"samples\": 8", "\"samples\": 9", "sum over shards"),
        ("\"samples\": 4", "\"samples\": 0", "at least 1"),
        ("kitti-train-00000.h5", "kitti-train-0.h5", "kitti-train-0.h5"),
        ("kitti-train-00000.h5", "kitti-val-00000.h5", "kitti-val-00000.h5"),
        ("abab", "ABAB", "hex"),
        ("image-size", "image-lost", "image-lost"),
        ("\"image-size\": 3", "\"image-size\": 0", "zero"),
        ("\"role\": \"import\"", "\"role\": \"depth\"", "instance"),
        ("\"car\": 3", "\"truck\": 3", "truck"),
    ] {
        assert!(good.contains(old), "{old}");
        std::fs::write(&path, good.replacen(old, new, 1)).unwrap();
        let told = ShardSetManifest::read(&path).unwrap_err().to_string();
        assert!(told.contains(word), "{new}: {told}");
    }
}
