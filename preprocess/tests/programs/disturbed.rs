//! What tests of disturbed runs share: an undisturbed run to compare with, and what must hold of a folder at any moment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use suw_preprocess::progress::{Loudness, Progress};
use suw_preprocess::validation::finding::Depth;
use suw_preprocess::validation::shard_set::shard_set_findings;
use suw_shared::checksum::blake3_of_bytes;
use suw_shared::manifest::MANIFEST_FILE;
use suw_shared::seed::Seed;

use crate::kit::{Place, expect, program};

/// Clips of the drive; two of them a shard.
pub const CLIPS: usize = 24;
/// Shards of the set.
pub const SHARDS: usize = CLIPS / 2;

/// An undisturbed run.
pub struct Calm {
    place: Place,
    /// Its files by name.
    pub files: BTreeMap<String, Vec<u8>>,
    /// How long it took with one, two and four threads.
    pub spans: BTreeMap<u32, Duration>,
}

/// The undisturbed run of this test process.
pub fn calm() -> &'static Calm {
    static CALM: OnceLock<Calm> = OnceLock::new();
    CALM.get_or_init(|| {
        let place = Place::with_frames(CLIPS as u32 + 2);
        let mut calm = Calm { place, files: BTreeMap::new(), spans: BTreeMap::new() };
        for threads in [1, 2, 4] {
            let started = Instant::now();
            let out = format!("calm-{threads}");
            let arguments = calm.arguments(&calm.place.path(&out), threads);
            expect(0, &as_words(&arguments));
            calm.spans.insert(threads, started.elapsed());
            calm.files = calm.place.files(&out);
        }
        assert_eq!(calm.files.len(), SHARDS + 2);
        expect(0, &["validate", "--deep", &calm.place.text("calm-4/manifest.json")]);
        calm
    })
}

impl Calm {
    /// Arguments of the same run into another folder.
    pub fn arguments(&self, out: &Path, threads: u32) -> Vec<String> {
        let out = format!("output.dir={}", out.to_str().unwrap());
        let per_shard = "output.samples_per_shard=2";
        let threads = threads.to_string();
        let more = ["--set", &out, "--set", per_shard, "--threads", &threads];
        self.place.arguments("run", "unused", &more)
    }

    /// Runs to the end without disturbance and compares every byte.
    pub fn finish(&self, out: &Path, threads: u32) {
        expect(0, &as_words(&self.arguments(out, threads)));
        self.assert_same(out);
    }

    /// Whether the set is that of the undisturbed run, nothing more and nothing less.
    pub fn assert_same(&self, out: &Path) {
        let digests = |files: &BTreeMap<String, Vec<u8>>| -> Vec<(String, String)> {
            files.iter().map(|(name, bytes)| (name.clone(), blake3_of_bytes(bytes))).collect()
        };
        assert_eq!(digests(&crate::kit::files(out)), digests(&self.files), "{out:?}");
    }

    /// Whether all that counts in an unfinished set is whole. Gives what was seen.
    pub fn assert_whole(&self, out: &Path) -> Seen {
        let mut seen = Seen::default();
        if !out.exists() {
            return seen;
        }
        for (name, bytes) in crate::kit::files(out) {
            if name.ends_with(".unfinished") {
                // Under a hidden name of its own, never a final one.
                assert!(name.rsplit('/').next().unwrap().starts_with('.'), "{name}");
                seen.unfinished += 1;
            } else if let Some(shard) = name.strip_prefix(".run/").filter(|n| n.ends_with(".json"))
            {
                // A shard that counts has a record; it must be there with the bytes that the record names.
                let shard = shard.strip_suffix(".json").unwrap();
                let record: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
                let digest = record["entry"]["blake3"].as_str().unwrap();
                assert_eq!(digest, blake3_of_bytes(&self.files[shard]), "{name}");
                assert_eq!(digest, blake3_of_bytes(&fs::read(out.join(shard)).unwrap()), "{name}");
                seen.records += 1;
            } else if !name.starts_with(".run/lock-") {
                // Everything under a final name is a file of the finished set, to the byte.
                let whole = self.files.get(&name).unwrap_or_else(|| panic!("{name} in {out:?}"));
                assert!(*whole == bytes, "{name} in {out:?}: {} bytes", bytes.len());
                seen.shards += usize::from(name.ends_with(".h5"));
            }
        }
        let manifest = out.join(MANIFEST_FILE);
        if manifest.exists() {
            seen.manifest = true;
            let quiet = Progress::new("shards", Loudness::Quiet);
            let findings = shard_set_findings(&manifest, Depth::Samples, &quiet);
            // Only what the run keeps for itself may be left.
            let hidden = |name: &str| name.starts_with('.');
            assert!(findings.iter().all(|finding| hidden(&finding.file)), "{findings:?}");
        }
        seen
    }
}

/// What lay in the folder of a disturbed run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Files that were being written.
    pub unfinished: usize,
    /// Shards that count.
    pub records: usize,
    /// Shards under their final names.
    pub shards: usize,
    /// The set was complete.
    pub manifest: bool,
}

/// When a run is disturbed.
#[derive(Clone, Copy, Debug)]
pub enum Moment {
    /// So long after its start.
    After(Duration),
    /// As soon as the names in its folder have changed so often.
    AtChange(usize),
}

impl Moment {
    /// One by the clock over the run's life, or one at a change of the folder: the n-th of about four for each shard.
    pub fn random(seed: Seed, number: u64, span: Duration) -> Self {
        let dice = |purpose: &str| seed.derive_number(purpose, number).0;
        if dice("kind") % 2 == 0 {
            Self::After(span.mul_f64((dice("time") % 1_000_000) as f64 / 1e6))
        } else {
            Self::AtChange((dice("change") % (4 * SHARDS as u64 + 8)) as usize)
        }
    }
}

/// Starts a run with its output thrown away.
pub fn start(arguments: &[String]) -> Child {
    program().args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Waits for the moment, or for the end of the process if that comes first.
pub fn wait_for(child: &mut Child, out: &Path, moment: Moment) -> Option<ExitStatus> {
    let started = Instant::now();
    let (mut before, mut changes) = (names(out), 0);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        match moment {
            Moment::After(time) if started.elapsed() >= time => return None,
            Moment::After(_) => std::thread::sleep(Duration::from_micros(50)),
            Moment::AtChange(n) => {
                let now = names(out);
                changes += usize::from(now != before);
                before = now;
                if changes >= n {
                    return None;
                }
            }
        }
    }
}

/// Names in the folder and in that of the records; what goes away meanwhile does not matter.
fn names(out: &Path) -> BTreeSet<PathBuf> {
    let folders = [out.to_owned(), out.join(".run")];
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

/// For `expect`.
pub fn as_words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// A number from the environment.
pub fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}
