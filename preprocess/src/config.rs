//! Floor 5: `RUN.toml` as a human types it: strict, complete, nothing hidden in code but what has a default here.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use suw_shared::depth_source::DepthSource;
use suw_shared::exit::Failure;
use suw_shared::image_size::ImageSize;
use suw_shared::toml_file;

use crate::resize::Fit;

/// One run of the preprocessor. All paths are relative to the current folder.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Seed of everything drawn.
    pub seed: u64,
    /// Network input, `WIDTHxHEIGHT`.
    pub size: String,
    /// `crop` (KITTI: bottom 352 rows, middle 1216 columns) or `resize` (the whole picture).
    pub fit: Fit,
    /// What is read.
    pub input: InputConfig,
    /// What is written.
    pub output: OutputConfig,
    /// Where depth comes from.
    pub depth: DepthConfig,
    /// Where masks come from; without this section there are none.
    #[serde(default)]
    pub masks: MasksConfig,
    /// Alignment over three frames (paper 2.1.1).
    #[serde(default)]
    pub align: AlignConfig,
    /// Weak labels (paper 2.1.2).
    #[serde(default)]
    pub pairs: PairsConfig,
}

/// `[input]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InputConfig {
    /// Data-set manifest from `scan`.
    pub manifest: PathBuf,
    /// The folder that was scanned.
    pub root: PathBuf,
}

/// `[output]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OutputConfig {
    /// Folder of the shard set.
    pub dir: PathBuf,
    /// Samples of one shard file.
    pub samples_per_shard: u32,
}

/// `[depth]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DepthConfig {
    /// `/depth` of the shards: training depth at network size.
    pub source: DepthSource,
    /// `/gt` of the shards: ground truth at native size, for evaluation sets.
    #[serde(default = "no_depth")]
    pub gt: DepthSource,
}

const fn no_depth() -> DepthSource {
    DepthSource::None
}

/// `[masks]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MasksConfig {
    /// The mask store; needed unless the source is `none`.
    pub root: Option<PathBuf>,
    /// `models` fills the store with networks; `import` takes it as it is; `none` makes shards without masks.
    pub source: MaskSourceName,
    /// Spec of the instance network.
    pub instance: Option<PathBuf>,
    /// Spec of the semantic network.
    pub semantic: Option<PathBuf>,
    /// `cpu` or `cuda:N`.
    #[serde(default = "cpu")]
    pub device: String,
    /// ONNX Runtime's threads inside one call; part of the fingerprint, because results may differ with it.
    #[serde(default = "one")]
    pub intra_threads: u32,
}

impl Default for MasksConfig {
    /// No masks.
    fn default() -> Self {
        Self {
            root: None,
            source: MaskSourceName::None,
            instance: None,
            semantic: None,
            device: cpu(),
            intra_threads: one(),
        }
    }
}

fn cpu() -> String {
    "cpu".to_owned()
}

const fn one() -> u32 {
    1
}

/// See `MasksConfig::source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum MaskSourceName {
    Models,
    Import,
    None,
}

impl MaskSourceName {
    /// As it is written in run files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Models => "models",
            Self::Import => "import",
            Self::None => "none",
        }
    }
}

/// `[align]`
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlignConfig {
    /// Detections below are ignored.
    pub score_min: f32,
    /// An IoU must be above this, as numerator and denominator: decided in integers.
    pub iou_above: [u32; 2],
    /// Objects with fewer pixels at network size in any frame are dropped.
    pub min_area: u32,
}

impl Default for AlignConfig {
    fn default() -> Self {
        Self { score_min: 0.5, iou_above: [3, 10], min_area: 100 }
    }
}

/// `[pairs]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PairsConfig {
    /// At most so many pairs of each kind for each rule.
    #[serde(default = "thirty_two")]
    pub per_rule: u32,
    /// The rules file; needed where networks make masks. Without it imported masks are objects alone: samples have
    /// neither a semantic map nor pairs by rules.
    pub rules: Option<PathBuf>,
}

impl Default for PairsConfig {
    fn default() -> Self {
        Self { per_rule: thirty_two(), rules: None }
    }
}

const fn thirty_two() -> u32 {
    32
}

impl RunConfig {
    /// Reads and checks a run file.
    ///
    /// # Errors
    /// `Failure::usage` with the file, the key, what was expected and what was found.
    pub fn read(path: &Path, overrides: &[String]) -> anyhow::Result<Self> {
        let config: Self = toml_file::read(path, overrides).map_err(usage)?;
        config.check().map_err(|message| usage(format!("cannot use {path:?}: {message}")))?;
        Ok(config)
    }

    /// The network's input size.
    pub fn image_size(&self) -> Result<ImageSize, String> {
        self.size.parse()
    }

    fn check(&self) -> Result<(), String> {
        let size = self.image_size()?;
        if size.width % 4 != 0 || size.height % 4 != 0 {
            return Err(format!(
                "size = \"{size}\": expected multiples of 4 (the network's output is 1/4)"
            ));
        }
        if self.output.samples_per_shard == 0 {
            return Err("output.samples_per_shard = 0: expected at least 1".to_owned());
        }
        if self.pairs.per_rule == 0 {
            return Err("pairs.per_rule = 0: expected at least 1".to_owned());
        }
        if self.masks.intra_threads == 0 {
            return Err("masks.intra_threads = 0: expected at least 1".to_owned());
        }
        if !(0.0..=1.0).contains(&self.align.score_min) {
            return Err(format!("align.score_min = {}: expected 0 to 1", self.align.score_min));
        }
        let [above, of] = self.align.iou_above;
        if of == 0 || above > of || of > 1_000_000 {
            return Err(format!(
                "align.iou_above = [{above}, {of}]: expected numerator and denominator of a share, such as [3, 10]"
            ));
        }
        if self.masks.source != MaskSourceName::None {
            let name = self.masks.source.name();
            if self.masks.root.is_none() {
                return Err(format!("masks.source = \"{name}\" needs masks.root, the mask store"));
            }
            // Imported masks may be objects alone; without rules no semantic map is asked for.
            if self.pairs.rules.is_none() && self.masks.source == MaskSourceName::Models {
                return Err(format!("masks.source = \"{name}\" needs pairs.rules, a rules file"));
            }
        }
        if self.masks.source == MaskSourceName::Models
            && (self.masks.instance.is_none() || self.masks.semantic.is_none())
        {
            return Err(
                "masks.source = \"models\" needs masks.instance and masks.semantic (spec files)"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

/// A configuration error: exit code 2.
pub fn usage(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow::Error::new(Failure::usage(error.to_string()))
}
