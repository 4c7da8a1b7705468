//! `validate` against random damage: bit flips, truncation, swapped contents, deletion, extra files, edited manifests.
//! All of it is found and the file named. A validator with any one of its comparisons broken must miss some of it, or
//! these series would prove nothing. `SUW_MUTATIONS` says how many of each kind, `SUW_SEED` which.

mod edits;
mod inputs;
mod shard_set;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use suw_preprocess::validation::finding::Finding;
use suw_shared::seed::Seed;

use crate::kit::files;

/// How a file set is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    BitFlip,
    Truncation,
    Swap,
    Deletion,
    ExtraFile,
    EditedManifest,
}

pub const KINDS: [Kind; 6] = [
    Kind::BitFlip,
    Kind::Truncation,
    Kind::Swap,
    Kind::Deletion,
    Kind::ExtraFile,
    Kind::EditedManifest,
];

/// Numbers of one mutation.
pub struct Dice {
    seed: Seed,
    thrown: u64,
}

impl Dice {
    /// 0..n.
    pub fn below(&mut self, n: usize) -> usize {
        self.thrown += 1;
        (self.seed.derive_number("throw", self.thrown).0 % n as u64) as usize
    }
}

/// A folder that is damaged and mended again.
pub struct Victim {
    pub folder: PathBuf,
    pub whole: BTreeMap<String, Vec<u8>>,
}

/// What a mutation did: the file to be named (one of them, for a swap) and words for a report.
pub type Done = (Vec<String>, String);

impl Victim {
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), whole: files(folder) }
    }

    /// Damages the files `names`.
    pub fn damage(&self, kind: Kind, names: &[&String], dice: &mut Dice) -> Done {
        let name = names[dice.below(names.len())];
        let mut bytes = self.whole[name].clone();
        let one = |what: String| (vec![name.clone()], format!("{name}: {what}"));
        match kind {
            Kind::BitFlip => {
                let (at, bit) = (dice.below(bytes.len()), dice.below(8));
                bytes[at] ^= 1 << bit;
                self.put(name, &bytes);
                one(format!("bit {bit} of byte {at}"))
            }
            Kind::Truncation => {
                let length = dice.below(bytes.len());
                self.put(name, &bytes[..length]);
                one(format!("cut to {length} of {} bytes", bytes.len()))
            }
            Kind::Swap => {
                let others: Vec<&&String> =
                    names.iter().filter(|other| self.whole[**other] != self.whole[name]).collect();
                let other = others[dice.below(others.len())];
                self.put(name, &self.whole[*other]);
                self.put(other, &self.whole[name]);
                (vec![name.clone(), (*other).clone()], format!("{name} and {other} swapped"))
            }
            Kind::Deletion => {
                fs::remove_file(self.folder.join(name)).unwrap();
                one("deleted".to_owned())
            }
            Kind::ExtraFile | Kind::EditedManifest => unreachable!("done by the caller"),
        }
    }

    /// Puts a file into the folder that was not there.
    pub fn add(&self, dice: &mut Dice) -> Done {
        let source = self.whole.keys().nth(dice.below(self.whole.len())).unwrap();
        let names = ["street-train-00099.h5", "x", ".hidden", "Manifest.json", ".run", "a b.json"];
        let name = format!("{}{}", names[dice.below(names.len())], dice.below(1000));
        let bytes: &[u8] = if dice.below(2) == 0 { &self.whole[source] } else { b"" };
        self.put(&name, bytes);
        (vec![name.clone()], format!("{name}: added"))
    }

    pub fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.folder.join(name), bytes).unwrap();
    }

    /// Makes it whole again.
    pub fn mend(&self) {
        for entry in fs::read_dir(&self.folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type().unwrap().is_file() && !self.whole.contains_key(&name) {
                fs::remove_file(entry.path()).unwrap();
            }
        }
        for (name, bytes) in &self.whole {
            if fs::read(self.folder.join(name)).ok().as_ref() != Some(bytes) {
                self.put(name, bytes);
            }
        }
    }
}

/// What a series came to.
#[derive(Default)]
pub struct Series {
    pub done: usize,
    /// Mutations without a finding, or with findings that name none of the files.
    pub missed: Vec<String>,
}

/// Damages `n` times, looks and mends.
pub fn series(
    victim: &Victim,
    n: u64,
    seed: Seed,
    mutate: &dyn Fn(&mut Dice) -> Option<Done>,
    look: &dyn Fn() -> Vec<Finding>,
) -> Series {
    let mut series = Series::default();
    // Some throws change nothing; they do not count.
    for number in 0..2 * n {
        if series.done as u64 == n {
            break;
        }
        let mut dice = Dice { seed: seed.derive_number("mutation", number), thrown: 0 };
        if let Some((names, what)) = mutate(&mut dice) {
            series.done += 1;
            let found = look();
            if !found.iter().any(|finding| names.contains(&finding.file)) {
                series.missed.push(format!("{number}: {what}; findings: {found:?}"));
            }
        }
        victim.mend();
    }
    series
}
