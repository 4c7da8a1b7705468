//! Floor 2: `manifest.json` of a shard set and the part files that become one. Written last: what it does not list does not exist.
//!
//! Keys are sorted, a newline ends the file; no time stamps, no absolute paths, no other fields.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::atomic_file;
use crate::counts::Counts;
use crate::problem::{Problem, ProblemKind, count_by_kind};
use crate::shard::header::shard_file_name;

/// Name of the manifest in its folder.
pub const MANIFEST_FILE: &str = "manifest.json";
/// Name of the list of inputs that were set aside.
pub const QUARANTINE_FILE: &str = "quarantine.jsonl";
/// Value of `format` in `manifest.json`.
pub const SHARDS_FORMAT: &str = "suw-shards";
/// Value of `format` in a part file.
pub const PART_FORMAT: &str = "suw-shards-part";
/// Value of `version` in both.
pub const MANIFEST_VERSION: u32 = 1;

/// Why a manifest cannot be read, joined or written.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The operating system refused.
    #[error("cannot {action} manifest {path:?}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No JSON, a missing or unknown field, a value of the wrong type.
    #[error("cannot parse manifest {path:?}: {message}")]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Line, column and cause.
        message: String,
    },
    /// Another format or version.
    #[error("cannot use manifest {path:?}: expected format {expected:?} version 1, got {got}")]
    Format {
        /// Which file.
        path: PathBuf,
        /// The format asked for.
        expected: &'static str,
        /// What the file says.
        got: String,
    },
    /// Fields that are each well formed and cannot be true together.
    #[error("cannot use manifest {path:?}: {message}")]
    Content {
        /// Which file.
        path: PathBuf,
        /// What, expected, got.
        message: String,
    },
    /// Parts that are no whole.
    #[error("cannot join parts: {message}")]
    Parts {
        /// What, expected, got.
        message: String,
    },
}

/// A shard set as a whole. The fields stand in the order of their names in the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShardSetManifest {
    /// BLAKE3 of the resolved configuration without roots, threads and partition.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"))]
    pub config_fingerprint: String,
    /// Objects and pairs of all shards.
    pub counts: Counts,
    /// Data set.
    pub dataset: String,
    /// "suw-shards".
    #[schemars(extend("const" = SHARDS_FORMAT))]
    pub format: String,
    /// T: 3 or 1.
    #[schemars(extend("enum" = [1, 3]))]
    pub frames: u32,
    /// H.
    #[schemars(range(min = 1, max = 65535))]
    pub height: u32,
    /// What the masks come from.
    pub models: Vec<ModelEntry>,
    /// How many lines of `quarantine.jsonl` have each kind; zero kinds are not written.
    #[schemars(with = "BTreeMap<ProblemKind, NonZeroU64>")]
    pub quarantined: BTreeMap<String, u64>,
    /// Samples of all shards.
    pub samples: u64,
    /// By rising file name.
    pub shards: Vec<ShardEntry>,
    /// Split.
    pub split: String,
    /// Version of the program; no build date.
    pub tool_version: String,
    /// 1.
    #[schemars(extend("const" = MANIFEST_VERSION))]
    pub version: u32,
    /// W.
    #[schemars(range(min = 1, max = 65535))]
    pub width: u32,
}

/// One shard of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShardEntry {
    /// BLAKE3 of the file.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"))]
    pub blake3: String,
    /// Length of the file.
    pub bytes: u64,
    /// Name in the folder of the manifest.
    pub file: String,
    /// N, at least 1.
    pub samples: u64,
}

/// One source of masks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelEntry {
    /// BLAKE3 of the model file, or over the imported files.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"))]
    pub blake3: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: ModelRole,
}

/// What a source of masks is for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ModelRole {
    /// Instance masks.
    Instance,
    /// Semantic maps.
    Semantic,
    /// Masks made elsewhere, both kinds.
    Import,
}

/// `part-I-of-N.json`: one finished share of a shard set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartManifest {
    /// As in the manifest.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"))]
    pub config_fingerprint: String,
    /// Objects and pairs of this part's shards.
    pub counts: Counts,
    /// As in the manifest.
    pub dataset: String,
    /// "suw-shards-part".
    #[schemars(extend("const" = PART_FORMAT))]
    pub format: String,
    /// As in the manifest.
    #[schemars(extend("enum" = [1, 3]))]
    pub frames: u32,
    /// As in the manifest.
    #[schemars(range(min = 1, max = 65535))]
    pub height: u32,
    /// As in the manifest.
    pub models: Vec<ModelEntry>,
    /// I of `--partition I/N`.
    pub part: u32,
    /// N of `--partition I/N`.
    pub parts: u32,
    /// Inputs that this part set aside.
    pub problems: Vec<Problem>,
    /// This part's shards, by rising file name.
    pub shards: Vec<ShardEntry>,
    /// As in the manifest.
    pub split: String,
    /// As in the manifest.
    pub tool_version: String,
    /// 1.
    #[schemars(extend("const" = MANIFEST_VERSION))]
    pub version: u32,
    /// As in the manifest.
    #[schemars(range(min = 1, max = 65535))]
    pub width: u32,
}

impl ShardSetManifest {
    /// Reads and checks a `manifest.json`.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let manifest: Self = read_json(path, SHARDS_FORMAT)?;
        manifest
            .check()
            .map_err(|message| ManifestError::Content { path: path.to_owned(), message })?;
        Ok(manifest)
    }

    /// Publishes it under `path`.
    pub fn write(&self, path: &Path) -> Result<(), ManifestError> {
        self.check()
            .map_err(|message| ManifestError::Content { path: path.to_owned(), message })?;
        write_json(path, self)
    }

    /// Joins all parts of a set; also gives the problems, sorted and each once, for `quarantine.jsonl`.
    pub fn from_parts(parts: &[PartManifest]) -> Result<(Self, Vec<Problem>), ManifestError> {
        let wrong = |message: String| Err(ManifestError::Parts { message });
        let Some(first) = parts.first() else {
            return wrong("expected at least one part, got none".to_owned());
        };
        let mut numbers: Vec<u32> = parts.iter().map(|part| part.part).collect();
        numbers.sort_unstable();
        numbers.dedup();
        if numbers.len() != parts.len() || parts.len() != first.parts as usize {
            return wrong(format!(
                "expected {} different parts, got numbers {:?}",
                first.parts,
                parts.iter().map(|part| part.part).collect::<Vec<_>>()
            ));
        }
        let mut shards: Vec<ShardEntry> = Vec::new();
        let mut counts = Counts::default();
        let mut problems: Vec<Problem> = Vec::new();
        for part in parts {
            if let Some((what, expected, got)) = part.differs_from(first) {
                return wrong(format!(
                    "{what} of part {}; expected {expected} as in part {}, got {got}",
                    part.part, first.part
                ));
            }
            shards.extend_from_slice(&part.shards);
            counts.add(&part.counts);
            problems.extend_from_slice(&part.problems);
        }
        shards.sort_by(|a, b| a.file.cmp(&b.file));
        problems.sort_unstable();
        problems.dedup();
        let manifest = Self {
            config_fingerprint: first.config_fingerprint.clone(),
            counts,
            dataset: first.dataset.clone(),
            format: SHARDS_FORMAT.to_owned(),
            frames: first.frames,
            height: first.height,
            models: first.models.clone(),
            quarantined: count_by_kind(&problems),
            samples: shards.iter().map(|shard| shard.samples).sum(),
            shards,
            split: first.split.clone(),
            tool_version: first.tool_version.clone(),
            version: MANIFEST_VERSION,
            width: first.width,
        };
        manifest.check().map_err(|message| ManifestError::Parts { message })?;
        Ok((manifest, problems))
    }

    /// Whether the fields can be true together; the error says what, expected, got.
    pub fn check(&self) -> Result<(), String> {
        if self.format != SHARDS_FORMAT || self.version != MANIFEST_VERSION {
            return Err(format!(
                "expected format {SHARDS_FORMAT:?} version 1, got {:?} version {}",
                self.format, self.version
            ));
        }
        if self.frames != 1 && self.frames != 3 {
            return Err(format!("frames; expected 1 or 3, got {}", self.frames));
        }
        for (what, value) in [("height", self.height), ("width", self.width)] {
            if !(1..=65_535).contains(&value) {
                return Err(format!("{what}; expected 1 to 65535, got {value}"));
            }
        }
        check_digest("config_fingerprint", &self.config_fingerprint)?;
        for model in &self.models {
            check_digest(&format!("blake3 of model {:?}", model.name), &model.blake3)?;
        }
        check_shards(&self.shards, &self.dataset, &self.split)?;
        let samples: u64 = self.shards.iter().map(|shard| shard.samples).sum();
        if samples != self.samples {
            return Err(format!(
                "samples; expected {samples}, the sum over shards, got {}",
                self.samples
            ));
        }
        for (kind, count) in &self.quarantined {
            if !ProblemKind::ALL.iter().any(|known| known.name() == kind) {
                return Err(format!("quarantined; expected known kinds, got {kind:?}"));
            }
            if *count == 0 {
                return Err(format!("quarantined; expected no zero kinds, got {kind:?}: 0"));
            }
        }
        Ok(())
    }
}

impl PartManifest {
    /// `part-I-of-N.json`.
    pub fn file_name(part: u32, parts: u32) -> String {
        format!("part-{part}-of-{parts}.json")
    }

    /// Reads and checks a part file.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let part: Self = read_json(path, PART_FORMAT)?;
        let checked = check_shards(&part.shards, &part.dataset, &part.split);
        checked.map_err(|message| ManifestError::Content { path: path.to_owned(), message })?;
        Ok(part)
    }

    /// Publishes it in `folder` under its name.
    pub fn write(&self, folder: &Path) -> Result<(), ManifestError> {
        write_json(&folder.join(Self::file_name(self.part, self.parts)), self)
    }

    fn differs_from(&self, other: &Self) -> Option<(&'static str, String, String)> {
        fn text(value: impl std::fmt::Debug) -> String {
            format!("{value:?}")
        }
        [
            ("config_fingerprint", text(&other.config_fingerprint), text(&self.config_fingerprint)),
            ("dataset", text(&other.dataset), text(&self.dataset)),
            ("frames", text(other.frames), text(self.frames)),
            ("height", text(other.height), text(self.height)),
            ("models", text(&other.models), text(&self.models)),
            ("parts", text(other.parts), text(self.parts)),
            ("split", text(&other.split), text(&self.split)),
            ("tool_version", text(&other.tool_version), text(&self.tool_version)),
            ("width", text(other.width), text(self.width)),
        ]
        .into_iter()
        .find(|(_, expected, got)| expected != got)
    }
}

/// The text of a manifest: keys sorted, a newline at the end.
///
/// # Panics
/// If the value cannot be JSON (a map with keys that are not text); manifests can.
pub fn json_text<T: Serialize>(value: &T) -> String {
    let mut value = serde_json::to_value(value).expect("invariant: a manifest is plain JSON");
    value.sort_all_objects();
    format!("{value:#}\n")
}

/// Reads a manifest of any kind strictly, after a look at its `format` and `version`.
pub fn read_json<T: DeserializeOwned>(
    path: &Path,
    format: &'static str,
) -> Result<T, ManifestError> {
    let text = std::fs::read_to_string(path).map_err(|source| ManifestError::Io {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    let syntax = |error: serde_json::Error| ManifestError::Syntax {
        path: path.to_owned(),
        message: error.to_string(),
    };
    let value: serde_json::Value = serde_json::from_str(&text).map_err(syntax)?;
    let (got_format, got_version) = (&value["format"], &value["version"]);
    if got_format != format || got_version != MANIFEST_VERSION {
        return Err(ManifestError::Format {
            path: path.to_owned(),
            expected: format,
            got: format!("{got_format} version {got_version}"),
        });
    }
    // From the text again, so that errors have a line and repeated keys are refused.
    serde_json::from_str(&text).map_err(syntax)
}

/// Publishes a manifest of any kind.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), ManifestError> {
    atomic_file::write(path, json_text(value).as_bytes()).map_err(|source| ManifestError::Io {
        action: "write",
        path: path.to_owned(),
        source,
    })
}

fn check_digest(what: &str, text: &str) -> Result<(), String> {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() == 64 && text.bytes().all(hex) {
        Ok(())
    } else {
        Err(format!("{what}; expected 64 lower-case hex digits, got {text:?}"))
    }
}

fn check_shards(shards: &[ShardEntry], dataset: &str, split: &str) -> Result<(), String> {
    for shard in shards {
        let prefix = format!("{dataset}-{split}-");
        let number = shard.file.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(".h5"));
        let number = number.and_then(|digits| digits.parse::<usize>().ok());
        if number.is_none_or(|number| shard_file_name(dataset, split, number) != shard.file) {
            return Err(format!(
                "shards; expected files named {:?}, got {:?}",
                shard_file_name(dataset, split, 0),
                shard.file
            ));
        }
        if shard.samples == 0 {
            return Err(format!("samples of {:?}; expected at least 1, got 0", shard.file));
        }
        check_digest(&format!("blake3 of {:?}", shard.file), &shard.blake3)?;
    }
    match shards.windows(2).find(|pair| pair[0].file >= pair[1].file) {
        Some(pair) => Err(format!(
            "shards; expected rising file names, got {:?} after {:?}",
            pair[1].file, pair[0].file
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
