//! Floor 2: the batch and the weights of a measured step as files, so that other programs can make the same step.

use std::fs;
use std::path::Path;

use tch::{TchError, Tensor};

use crate::batch::HostBatch;
use crate::checkpoint::NamedTensors;

/// A case that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write benchmark case {path:?}: {message}")]
pub struct DumpError {
    path: String,
    message: String,
}

/// What another program has to know besides the numbers.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct CaseInfo {
    /// Kinds of learning, e.g. "suw".
    pub learn: String,
    /// Learning rate.
    pub lr: f64,
}

/// Writes `batch.safetensors`, `weights.safetensors` and `case.json` into a folder, which is made.
pub fn write_case(
    folder: &Path,
    batch: &HostBatch,
    weights: &NamedTensors,
    info: &CaseInfo,
) -> Result<(), DumpError> {
    let failed = |message: String| DumpError { path: folder.display().to_string(), message };
    fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
    let write = |name: &str, tensors: &[(&str, &Tensor)]| {
        let path = folder.join(name);
        Tensor::write_safetensors(tensors, path)
            .map_err(|error: TchError| failed(error.to_string()))
    };
    let batch = batch.named();
    write("batch.safetensors", &batch.iter().map(|(name, t)| (*name, t)).collect::<Vec<_>>())?;
    let weights: Vec<(&str, &Tensor)> =
        weights.iter().map(|(name, t)| (name.as_str(), t)).collect();
    write("weights.safetensors", &weights)?;
    let text = serde_json::to_string(info).map_err(|error| failed(error.to_string()))?;
    fs::write(folder.join("case.json"), text).map_err(|error| failed(error.to_string()))
}
