//! The shard format from outside: what is written comes back, the same bytes every time; h5py reads it as the contract
//! says; and what breaks a rule is refused by the writer and by the reader.
#![allow(clippy::unwrap_used)] // the functions that tests share are tests too

use std::fs;
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use serde_json::Value;
use suw_shared::depth_source::DepthSource;
use suw_shared::sample::Sample;
use suw_shared::sample_key::SampleKey;
use suw_shared::shard::{
    Contents, EncodedSample, FrameParts, Parts, ShardError, ShardHeader, ShardReader, ShardSummary,
    ShardWriter,
};
use suw_tests::{python, samples};

const NAME: &str = "street-train-00000.h5";

fn write(path: &Path, header: &ShardHeader, all: impl IntoIterator<Item = Sample>) -> ShardSummary {
    let mut writer = ShardWriter::create(path, header, 100).unwrap();
    for sample in all {
        writer.push(sample).unwrap();
    }
    writer.finish().unwrap().unwrap()
}

/// `Sample` with NaN as text: equal texts are equal samples.
fn text(sample: &Sample) -> String {
    format!("{sample:?}")
}

/// Opens a shard and reads all of it.
fn read_all(path: &Path) -> Result<Vec<Sample>, ShardError> {
    let reader = ShardReader::open(path)?;
    (0..reader.len()).map(|index| reader.read(index)).collect()
}

fn stdout(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn samples_come_back() {
    let folder = tempfile::tempdir().unwrap();
    for (header, make) in [
        (samples::header(), samples::sample as fn(u32) -> Sample),
        (samples::bare_header(), samples::bare_sample),
    ] {
        let path = folder.path().join(NAME);
        let summary = write(&path, &header, (0..5).map(make));
        assert_eq!(summary.file, NAME);
        assert_eq!(summary.samples, 5);
        assert_eq!(summary.bytes, fs::metadata(&path).unwrap().len());
        let reader = ShardReader::open(&path).unwrap();
        assert_eq!(reader.header(), &header);
        assert_eq!(reader.len(), 5);
        for index in [3, 0, 4, 1, 2] {
            let sample = reader.read(index).unwrap();
            assert_eq!(text(&sample), text(&make(index as u32)));
            assert_eq!(reader.keys()[index], sample.key);
        }
        assert!(matches!(reader.read(5), Err(ShardError::Index { samples: 5, .. })));
    }
}

#[test]
fn several_threads_read_from_one_reader() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(NAME);
    write(&path, &samples::header(), (0..8).map(samples::sample));
    let reader = ShardReader::open(&path).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let reader = &reader;
            scope.spawn(move || {
                for index in (0..8).map(|i| (i + thread) % 8) {
                    let sample = reader.read(index).unwrap();
                    assert_eq!(text(&sample), text(&samples::sample(index as u32)));
                }
            });
        }
    });
}

#[test]
fn the_same_samples_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let header = samples::header();
    let paths = ["a", "b", "c"].map(|name| folder.path().join(name).join(NAME));
    paths.iter().for_each(|path| fs::create_dir(path.parent().unwrap()).unwrap());
    write(&paths[0], &header, (0..5).map(samples::sample));
    // Another capacity, samples encoded on other threads, another shard open at the same time, another second.
    let mut other = ShardWriter::create(&paths[2], &header, 5).unwrap();
    let encoded: Vec<EncodedSample> = std::thread::scope(|scope| {
        let header = &header;
        let handles: Vec<_> = (0..5)
            .map(|i| scope.spawn(move || EncodedSample::new(samples::sample(i), header).unwrap()))
            .collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let mut writer = ShardWriter::create(&paths[1], &header, 5).unwrap();
    for (i, sample) in encoded.into_iter().enumerate() {
        writer.push_encoded(sample).unwrap();
        other.push(samples::sample(i as u32)).unwrap();
    }
    writer.finish().unwrap().unwrap();
    assert!(fs::read(&paths[0]).unwrap() == fs::read(&paths[1]).unwrap(), "bytes differ");
}

#[test]
fn nothing_appears_before_the_end_or_without_samples() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(NAME);
    let count = || fs::read_dir(folder.path()).unwrap().count();
    let mut writer = ShardWriter::create(&path, &samples::header(), 2).unwrap();
    writer.push(samples::sample(0)).unwrap();
    assert!(!path.exists());
    drop(writer);
    assert_eq!(count(), 0, "a dropped writer leaves nothing");
    let writer = ShardWriter::create(&path, &samples::header(), 2).unwrap();
    assert_eq!(writer.finish().unwrap(), None);
    assert_eq!(count(), 0, "an empty shard is not written");
    let mut writer = ShardWriter::create(&path, &samples::header(), 2).unwrap();
    writer.push(samples::sample(1)).unwrap();
    assert!(matches!(writer.push(samples::sample(1)), Err(ShardError::Order { .. })));
    assert!(matches!(writer.push(samples::sample(0)), Err(ShardError::Order { .. })));
    writer.push(samples::sample(2)).unwrap();
    assert!(matches!(writer.push(samples::sample(3)), Err(ShardError::Index { .. })));
    assert_eq!(writer.finish().unwrap().unwrap().samples, 2);
    assert_eq!(count(), 1);
}

#[test]
fn tables_may_be_empty() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(NAME);
    let mut sample = samples::sample(0);
    sample.pairs = Some(Vec::new());
    sample.gt = Some(Vec::new());
    let objects = sample.objects.as_mut().unwrap();
    objects.rows.clear();
    objects.map.fill(0);
    write(&path, &samples::header(), [sample.clone()]);
    assert_eq!(text(&read_all(&path).unwrap()[0]), text(&sample));
    let Some(mut python) = python() else {
        println!("skipped: no Python with h5py; make test sets it up");
        return;
    };
    stdout(python.arg("tests/python/read_shard.py").arg(&path));
}

/// Values at known places, as h5py sees them, against `tests/kit/samples.rs`.
#[test]
fn h5py_reads_what_the_contract_says() {
    let folder = tempfile::tempdir().unwrap();
    for (header, make) in [
        (samples::header(), samples::sample as fn(u32) -> Sample),
        (samples::bare_header(), samples::bare_sample),
    ] {
        let Some(mut python) = python() else {
            println!("skipped: no Python with h5py; make test sets it up");
            return;
        };
        let path = folder.path().join(NAME);
        let all: Vec<Sample> = (0..5).map(make).collect();
        write(&path, &header, all.clone());
        let told = stdout(python.arg("tests/python/read_shard.py").arg(&path));
        let told: Value = serde_json::from_str(&told).unwrap();
        let keys: Vec<&str> = all.iter().map(|sample| sample.key.as_str()).collect();
        assert_eq!(told["keys"], serde_json::json!(keys));
        assert_eq!(told["attributes"]["samples"], 5);
        assert_eq!(told["attributes"]["dataset"], "street");
        assert_eq!(told["attributes"]["height"], 48);
        assert_eq!(told["attributes"]["width"], 64);
        assert_eq!(told["attributes"]["frames"], header.frames);
        assert_eq!(told["attributes"]["provenance"], header.provenance);
        // The bytes of every dataset, joined here in plain loops.
        let expected = |name: &str| -> Option<Vec<u8>> {
            all.iter()
                .map(|sample| bytes_of(sample, name))
                .collect::<Option<Vec<_>>>()
                .map(|all| all.concat())
        };
        let names =
            ["image", "depth", "semantic", "objects", "movable", "ordinal", "pose", "intrinsics"];
        for name in names.into_iter().chain(["native_size", "native_window"]) {
            let digest = expected(name).map(|bytes| sha256(&bytes));
            assert_eq!(told["digests"][name].as_str(), digest.as_deref(), "{name}");
        }
        let has_pairs = header.contents.pairs;
        assert_eq!(told["digests"].get("pair").is_some(), has_pairs);
    }
}

/// The bytes that the contract gives a dataset for one sample.
fn bytes_of(sample: &Sample, name: &str) -> Option<Vec<u8>> {
    let floats = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let shorts =
        |values: &[u32]| values.iter().flat_map(|v| (*v as u16).to_le_bytes()).collect::<Vec<u8>>();
    let (size, window) = (sample.native_size, sample.native_window);
    match name {
        "image" => Some(sample.image.clone()),
        "depth" => sample.depth.as_ref().map(|depth| floats(depth)),
        "semantic" => sample.semantic.clone(),
        "objects" => sample.objects.as_ref().map(|objects| objects.map.clone()),
        "movable" => sample.objects.as_ref().map(|objects| objects.movable.clone()),
        "ordinal" => sample.ordinal.as_ref().map(|map| map.iter().map(|v| *v as u8).collect()),
        "pose" => sample.pose.as_ref().map(|pose| floats(pose.as_flattened())),
        "intrinsics" => sample.intrinsics.as_ref().map(|k| floats(k)),
        "native_size" => Some(shorts(&[size.height, size.width])),
        "native_window" => Some(shorts(&[window.y, window.x, window.height, window.width])),
        _ => unreachable!("a name of the test above"),
    }
}

/// SHA-256 by Python, so that no crate is needed for it.
fn sha256(bytes: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    let code =
        "import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], 'rb').read()).hexdigest())";
    stdout(python().unwrap().args(["-c", code]).arg(file.path())).trim().to_owned()
}

/// One broken file for each rule, made by h5py: the reader names the fault and never panics.
#[test]
fn what_breaks_a_rule_is_refused_by_the_reader() {
    let Some(mut python) = python() else {
        println!("skipped: no Python with h5py; make test sets it up");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join(NAME);
    write(&good, &samples::header(), (0..5).map(samples::sample));
    let broken = folder.path().join("broken");
    fs::create_dir(&broken).unwrap();
    let words = stdout(python.arg("tests/python/break_shard.py").arg(&good).arg(&broken));
    let words: serde_json::Map<String, Value> = serde_json::from_str(&words).unwrap();
    assert!(words.len() > 100, "{}", words.len());
    let mut wrong = Vec::new();
    for (file, word) in &words {
        match read_all(&broken.join(file)) {
            Ok(_) => wrong.push(format!("{file}: was read; expected {word}")),
            Err(error) => {
                let (told, word) = (error.to_string(), word.as_str().unwrap());
                if !told.contains(word) || !told.contains(file.as_str()) {
                    wrong.push(format!("{file}: expected {word:?} in: {told}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The writer refuses the same; a few rules that need no file.
#[test]
fn what_breaks_a_rule_is_refused_by_the_writer() {
    let header = samples::header();
    let refused = |rule: &str, change: &dyn Fn(&mut Sample)| {
        let mut sample = samples::sample(0);
        change(&mut sample);
        match EncodedSample::new(sample, &header) {
            Ok(_) => panic!("accepted; expected rule {rule}"),
            Err(error) => assert_eq!(error.rule, rule, "{error}"),
        }
    };
    refused("contents", &|sample| sample.depth = None);
    refused("contents", &|sample| sample.pairs = None);
    refused("shape", &|sample| sample.image.truncate(5));
    refused("shape", &|sample| sample.pose.as_mut().unwrap().clear());
    refused("shape", &|sample| sample.objects.as_mut().unwrap().movable.clear());
    refused("native-window", &|sample| sample.native_window.x = 3);
    refused("native-window", &|sample| sample.native_size.width = 70_000);
    refused("depth", &|sample| sample.depth.as_mut().unwrap()[7] = f32::NAN);
    refused("semantic", &|sample| sample.semantic.as_mut().unwrap()[7] = 254);
    refused("object-index", &|sample| sample.objects.as_mut().unwrap().rows[0].index = 0);
    refused("object-order", &|sample| {
        // A second car, seen more clearly, in place of the top of the first.
        let objects = sample.objects.as_mut().unwrap();
        let second =
            suw_shared::object::AlignedObject { index: 2, score: [0.9; 3], ..objects.rows[0] };
        objects.rows.push(second);
        objects.map[..100].fill(2);
    });
    refused("pair-pure", &|sample| sample.semantic.as_mut().unwrap()[2 * 64 + 7] = 0);
    let accepted = |change: &dyn Fn(&mut Sample)| {
        let mut sample = samples::sample(0);
        change(&mut sample);
        EncodedSample::new(sample, &header).unwrap();
    };
    // One pixel further out than the reach of 1 + 2 around (5, 10).
    accepted(&|sample| sample.semantic.as_mut().unwrap()[64 + 10] = 0);
    accepted(&|sample| sample.depth.as_mut().unwrap()[0] = 0.0);
    let mut header = samples::header();
    header.frames = 1;
    assert_eq!(EncodedSample::new(samples::sample(0), &header).unwrap_err().rule, "contents");
    assert!(ShardWriter::create(Path::new("x.h5"), &header, 1).is_err());
}

/// Damage anywhere gives an error or the same samples, never a panic.
#[test]
fn no_damaged_byte_makes_the_reader_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(NAME);
    write(&path, &samples::header(), (0..2).map(samples::sample));
    let whole = fs::read(&path).unwrap();
    let mut rng = Lcg(1);
    for _ in 0..200 {
        let at = rng.next() as usize % whole.len();
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (rng.next() % 8);
        fs::write(&path, &damaged).unwrap();
        if let Ok(all) = read_all(&path) {
            assert_eq!(all.len(), 2);
        }
    }
}

#[test]
fn keys_of_different_length_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(NAME);
    let keys = ["a/1", "a/10", "a/2", "b/c/d/0000000000"];
    let all = keys.map(|key| Sample {
        key: SampleKey::new(key.to_owned()).unwrap(),
        ..samples::bare_sample(0)
    });
    write(&path, &samples::bare_header(), all);
    let reader = ShardReader::open(&path).unwrap();
    assert_eq!(reader.keys().iter().map(SampleKey::as_str).collect::<Vec<_>>(), keys);
}

/// A sample of random values with the parts that `parts` has bits for.
fn random_sample(number: u32, parts: u8, rng: &mut Lcg) -> Sample {
    let has = |bit: u8| parts & (1 << bit) != 0;
    let area = samples::SIZE.area();
    let bare = samples::bare_sample(number);
    let mut full = samples::sample(number);
    full.image = (0..9 * area).map(|_| rng.next() as u8).collect();
    let sparse =
        |rng: &mut Lcg| -> Vec<f32> {
            (0..area)
                .map(|_| {
                    if rng.next().is_multiple_of(4) { f32::from_bits(rng.next() >> 2) } else { 0.0 }
                })
                .collect()
        };
    let classes = |rng: &mut Lcg| -> Vec<u8> {
        (0..area)
            .map(|_| [(rng.next() % 19) as u8, 255][usize::from(rng.next().is_multiple_of(8))])
            .collect()
    };
    Sample {
        image: full.image,
        depth: has(0).then(|| sparse(rng)),
        intrinsics: full.intrinsics.filter(|_| has(1)),
        pose: full.pose.filter(|_| has(2)),
        semantic: has(3).then(|| classes(rng)),
        objects: full.objects.filter(|_| has(4)),
        // Semantic maps of noise have no pairs.
        pairs: has(5).then(Vec::new),
        ordinal: has(6).then(|| (0..area).map(|_| (rng.next() % 3) as i8 - 1).collect()),
        gt: full.gt.filter(|_| has(7)),
        ..bare
    }
}

/// Knuth's linear congruential generator.
struct Lcg(u64);

impl Lcg {
    fn next(&mut self) -> u32 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }
}

/// The contents that `bits` has bits for, in the order of `random_sample`.
fn contents_of(bits: u8) -> Contents {
    let has = |bit: u8| bits & (1 << bit) != 0;
    Contents {
        depth: has(0),
        intrinsics: has(1),
        pose: has(2),
        semantic: has(3),
        objects: has(4),
        pairs: has(5),
        ordinal: has(6),
        gt: has(7),
    }
}

/// What is left of a sample of three frames when only these parts are asked for.
fn only(sample: &Sample, frames: FrameParts, wanted: u8) -> Sample {
    let clip = frames == FrameParts::All;
    let has = |bit: u8| wanted & (1 << bit) != 0;
    let sample = sample.clone();
    let frame = sample.image.len() / 3;
    Sample {
        image: if clip { sample.image } else { sample.image[frame..2 * frame].to_vec() },
        depth: sample.depth.filter(|_| has(0)),
        intrinsics: sample.intrinsics.filter(|_| has(1)),
        // Poses and objects are of a clip.
        pose: sample.pose.filter(|_| has(2) && clip),
        semantic: sample.semantic.filter(|_| has(3)),
        objects: sample.objects.filter(|_| has(4) && clip),
        pairs: sample.pairs.filter(|_| has(5)),
        ordinal: sample.ordinal.filter(|_| has(6)),
        gt: sample.gt.filter(|_| has(7)),
        ..sample
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_contents_come_back_whole_and_in_part(
        parts in any::<u8>(), wanted in any::<u8>(), seed in any::<u64>(), n in 1_u32..4
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let has = |bit: u8| parts & (1 << bit) != 0;
        let source = |bit, source| if has(bit) { source } else { DepthSource::None };
        let header = ShardHeader {
            depth_source: source(0, DepthSource::Mvs),
            gt_source: source(7, DepthSource::Exact),
            contents: contents_of(parts),
            ..samples::header()
        };
        let mut rng = Lcg(seed);
        let all: Vec<Sample> = (0..n).map(|i| random_sample(i, parts, &mut rng)).collect();
        write(&path, &header, all.clone());
        let reader = ShardReader::open(&path).unwrap();
        prop_assert_eq!(reader.header(), &header);
        for (index, sample) in all.iter().enumerate() {
            prop_assert_eq!(text(&reader.read(index).unwrap()), text(sample));
            for frames in [FrameParts::All, FrameParts::Target] {
                let asked = Parts { frames, contents: contents_of(wanted) };
                let got = reader.read_parts(index, asked).unwrap();
                prop_assert_eq!(text(&got), text(&only(sample, frames, wanted)));
            }
        }
    }
}
