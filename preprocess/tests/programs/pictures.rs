//! Data sets of pictures: small ones made here, from `scan` to a validated shard set, with values known beforehand.

use std::fs;
use std::path::{Path, PathBuf};

use image::{ImageBuffer, Luma, Rgb, RgbImage};
use suw_shared::depth_source::DepthSource;
use suw_shared::sample::Sample;
use suw_shared::shard::{DepthUnit, ShardSet};
use tempfile::TempDir;

use crate::kit::expect;

/// A data set in a folder of its own, and the files that a run makes of it.
pub struct World {
    folder: TempDir,
    /// The word behind `--dataset`.
    pub dataset: &'static str,
}

impl World {
    /// An empty place.
    pub fn new(dataset: &'static str) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), dataset }
    }

    /// A path inside; its folder is made.
    pub fn path(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    /// The same as text.
    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// A picture whose red is 10 times its column and whose green tells it from others.
    pub fn picture(&self, name: &str, width: u32, height: u32, green: u8) {
        let color = |x: u32, y: u32| Rgb([10 * x as u8, green, y as u8]);
        RgbImage::from_fn(width, height, color).save(self.path(&format!("data/{name}"))).unwrap();
    }

    /// Writes the data-set manifest; gives standard output.
    pub fn scan(&self, more: &[&str]) -> String {
        let (root, out) = (self.text("data"), self.text("set.json"));
        let mut words = vec!["scan", "--dataset", self.dataset, "--root", &root, "--out", &out];
        words.extend(more);
        expect(0, &words).0
    }

    /// `plan`, `run`, `validate` and `quality` with a run file made of `lines`; the samples by key.
    pub fn make(&self, code: i32, lines: &str) -> (ShardSet, Vec<Sample>) {
        let run = format!(
            "seed = 1\nfit = \"resize\"\n{lines}\n[input]\nmanifest = {:?}\nroot = {:?}\n\
             [output]\ndir = {:?}\nsamples_per_shard = 2\n",
            self.path("set.json"),
            self.path("data"),
            self.path("out")
        );
        fs::write(self.path("run.toml"), run).unwrap();
        let (run, out) = (self.text("run.toml"), self.text("out"));
        let (plan, _) = expect(0, &["plan", &run, "--json"]);
        let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
        expect(code, &["run", &run, "-q"]);
        expect(0, &["validate", "--deep", &format!("{out}/manifest.json")]);
        expect(0, &["validate", &self.text("set.json"), "--root", &self.text("data")]);
        expect(0, &["quality", &out, "--json", "-q"]);
        let set = ShardSet::open(Path::new(&out)).unwrap();
        assert!(plan["clips"].as_u64().unwrap() as usize >= set.len());
        let samples = (0..set.len()).map(|index| set.read(index).unwrap()).collect();
        (set, samples)
    }
}

/// A NumPy file of version 1 with 32-bit floats.
fn npy(width: usize, height: usize, value: impl Fn(usize, usize) -> f32) -> Vec<u8> {
    let dictionary =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({height}, {width}), }}");
    let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    bytes.extend(format!("{dictionary:117}\n").into_bytes());
    for y in 0..height {
        bytes.extend((0..width).flat_map(|x| value(y, x).to_le_bytes()));
    }
    bytes
}

/// Their keys.
pub fn keys(samples: &[Sample]) -> Vec<&str> {
    samples.iter().map(|sample| sample.key.as_str()).collect()
}

fn own_pictures() -> World {
    let world = World::new("folder");
    for (stem, green) in [("1", 11), ("2", 22), ("3", 33)] {
        world.picture(&format!("walk/{stem}.png"), 24, 16, green);
    }
    world.picture("single.jpg", 12, 8, 99);
    // 16-bit PNG: m * 256. Row y of picture 1 is y + 1 metres away.
    let depth = ImageBuffer::from_fn(24, 16, |_, y| Luma([256 * (y as u16 + 1)]));
    depth.save(world.path("data/depth/walk/1.png")).unwrap();
    // Half the size; not measured in the left half.
    let map = npy(12, 8, |y, x| if x < 6 { f32::NAN } else { 2.0 + y as f32 });
    fs::write(world.path("data/depth/walk/2.npy"), map).unwrap();
    fs::write(world.path("data/intrinsics.txt"), "walk 20 20 11.5 7.5\n").unwrap();
    world
}

#[test]
fn a_folder_of_own_pictures_becomes_shards() {
    let world = own_pictures();
    assert!(world.scan(&[]).contains("4 clips"));
    let lines = "size = \"12x8\"\n[depth]\nsource = \"exact\"";
    let (set, samples) = world.make(0, lines);
    let keys = keys(&samples);
    assert_eq!(keys, ["pictures/single", "walk/1", "walk/2", "walk/3"]);
    let header = set.header();
    assert_eq!((header.frames, header.depth_source), (1, DepthSource::Exact));
    assert_eq!(header.depth_unit, DepthUnit::Metre);
    let contents = header.contents;
    assert!(contents.depth && contents.intrinsics);
    assert!(!contents.semantic && !contents.pairs && !contents.objects && !contents.pose);
    // The center of row 3 of 8 lies on the edge of rows 6 and 7 and takes the lower one, 8 m away.
    assert_eq!(samples[1].depth.as_ref().unwrap()[3 * 12], 8.0);
    let second = samples[2].depth.as_ref().unwrap();
    assert_eq!((second[3 * 12 + 5], second[3 * 12 + 6]), (0.0, 5.0));
    assert!(samples[3].depth.as_ref().unwrap().iter().all(|value| *value == 0.0));
    // Half the size: fx 20 / 2, cx (11.5 + 0.5) / 2 - 0.5. The single picture has no camera.
    let k = samples[1].intrinsics.unwrap();
    assert_eq!((k[0], k[2], k[4], k[5]), (10.0, 5.5, 10.0, 3.5));
    assert!(samples[0].intrinsics.unwrap().iter().all(|value| value.is_nan()));
    assert!(samples[1].image[12 * 8..2 * 12 * 8].iter().all(|green| *green == 11));
}

#[test]
fn consecutive_names_make_clips_of_three() {
    let world = own_pictures();
    fs::write(world.path("list.txt"), "walk\n").unwrap();
    world.scan(&["--frames", "3", "--split", &world.text("list.txt")]);
    let (set, samples) = world.make(0, "size = \"12x8\"\n[depth]\nsource = \"none\"");
    assert_eq!(keys(&samples), ["walk/2"]);
    assert_eq!((set.header().frames, set.header().split.as_str()), (3, "list"));
    assert!(!set.header().contents.depth && !set.header().contents.pose);
    let area = 12 * 8;
    let greens: Vec<u8> = (0..3).map(|t| samples[0].image[(3 * t + 1) * area]).collect();
    assert_eq!(greens, [11, 22, 33]);
}

#[test]
fn a_broken_depth_map_sets_its_picture_aside() {
    let world = own_pictures();
    let path = world.path("data/depth/walk/2.npy");
    let bytes = fs::read(&path).unwrap();
    fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
    world.scan(&[]);
    let (_, samples) = world.make(3, "size = \"12x8\"\n[depth]\nsource = \"exact\"");
    assert_eq!(samples.len(), 3);
    let lines = fs::read_to_string(world.path("out/quarantine.jsonl")).unwrap();
    assert!(lines.contains("depth-unreadable") && lines.contains("walk/2"), "{lines}");
}

#[test]
fn depth_that_no_file_has_is_refused_before_work() {
    let world = own_pictures();
    fs::remove_dir_all(world.path("data/depth")).unwrap();
    world.scan(&[]);
    let run = world.text("run.toml");
    let text = format!(
        "seed = 1\nfit = \"resize\"\nsize = \"12x8\"\n[input]\nmanifest = {:?}\nroot = {:?}\n\
         [output]\ndir = {:?}\nsamples_per_shard = 2\n[depth]\nsource = \"exact\"\n",
        world.path("set.json"),
        world.path("data"),
        world.path("out")
    );
    fs::write(&run, &text).unwrap();
    let (_, error) = expect(2, &["run", &run]);
    assert!(error.contains("depth/"), "{error}");
    fs::write(&run, text + "[masks]\nsource = \"import\"\n").unwrap();
    let (_, error) = expect(2, &["run", &run]);
    assert!(error.contains("masks.root"), "{error}");
    assert!(!world.path("out").exists(), "nothing was started");
}
