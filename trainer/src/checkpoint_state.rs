//! Floor 2: `state.json` of a checkpoint: everything but the tensors, with digests that tell damage, its own included.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use suw_shared::checksum;

const FORMAT: &str = "suw-checkpoint";
const VERSION: u32 = 1;

/// `state.json`. The digests are filled in when a checkpoint is saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointState {
    /// Always `suw-checkpoint`.
    pub format: String,
    /// Always 1.
    pub version: u32,
    /// Version of the program that wrote it.
    pub tool_version: String,
    /// `encoder-decoder` or `hourglass`.
    pub network: String,
    /// Nearest depth of the bins, metres.
    pub alpha: f64,
    /// Farthest depth of the bins, metres.
    pub beta: f64,
    /// Number of bins.
    pub bins: i64,
    /// Rows of the network's input.
    pub height: u32,
    /// Columns of the network's input.
    pub width: u32,
    /// Network pixels per native pixel in the training data, along x and y.
    pub scale: [f64; 2],
    /// Switches of the depth network, as in the configuration.
    pub network_options: BTreeMap<String, String>,
    /// Switches of the pose network; absent where there is none.
    pub pose_options: Option<BTreeMap<String, String>>,
    /// Epoch of the next batch, from 0.
    pub epoch: u32,
    /// Next batch in that epoch, from 0: the position in the sampler's order.
    pub batch: u64,
    /// Updates made.
    pub step: u64,
    /// Seed of the run.
    pub seed: u64,
    /// Digest of the resolved configuration and the training data.
    pub config_fingerprint: String,
    /// Best validation so far.
    pub best: Option<BestSoFar>,
    /// The other files.
    pub files: BTreeMap<String, FileDigest>,
    /// BLAKE3 of this very text, hex, with nothing in place of this value.
    pub state_blake3: String,
}

/// The validation that `best` points to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BestSoFar {
    /// Mean absolute relative error.
    pub abs_rel: f64,
    /// Its step.
    pub step: u64,
    /// Digest of the shard sets it was measured on: numbers of others cannot be compared with it.
    pub data: String,
}

/// What a file must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileDigest {
    /// Length.
    pub bytes: u64,
    /// BLAKE3, hex.
    pub blake3: String,
}

impl CheckpointState {
    /// The two fields that never change.
    pub fn identity() -> (String, u32) {
        (FORMAT.to_owned(), VERSION)
    }

    /// The text of the file, its digest filled in.
    pub fn to_text(&self) -> String {
        let text_with = |state_blake3: String| {
            let state = Self { state_blake3, ..self.clone() };
            let text = serde_json::to_string_pretty(&state);
            format!("{}\n", text.expect("invariant: the state is plain JSON"))
        };
        text_with(checksum::blake3_of_bytes(text_with(String::new()).as_bytes()))
    }

    /// The state of a file that is as it was written.
    ///
    /// # Errors
    /// What was expected, and what is there.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        let state: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if (state.format.as_str(), state.version) != (FORMAT, VERSION) {
            return Err(format!(
                "expected format {FORMAT:?} version {VERSION}, got {:?} version {}",
                state.format, state.version
            ));
        }
        let expected = &state.state_blake3;
        let got = checksum::blake3_of_bytes(text.replacen(expected, "", 1).as_bytes());
        if got != *expected {
            return Err(format!("expected blake3 {expected} of the other values, got {got}"));
        }
        Ok(state)
    }
}
