//! Floor 2: what stops a run before the first image: library, spec, file, tensors.

use std::path::PathBuf;

use suw_shared::exit::Failure;
use suw_shared::toml_file::TomlError;

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OnnxError {
    /// `libonnxruntime` is nowhere.
    #[error("cannot find ONNX Runtime: none of these files exists: {}", tried.join(", "))]
    NoLibrary {
        /// Where it was looked for.
        tried: Vec<String>,
    },
    /// `libonnxruntime` that cannot be loaded.
    #[error("cannot load ONNX Runtime: {cause}; {path:?}")]
    Library {
        /// Which file.
        path: PathBuf,
        /// As the loader or the runtime says it.
        cause: String,
    },
    /// A spec that is no TOML or holds unknown keys.
    #[error(transparent)]
    Toml(#[from] TomlError),
    /// A spec that contradicts itself or is for something else.
    #[error("cannot use model spec {path:?}: {cause}")]
    Spec {
        /// Which file.
        path: PathBuf,
        /// Key, expected, got.
        cause: String,
    },
    /// No model file.
    #[error("cannot read model {model:?}: {source}; file {path:?}, named in spec {spec:?}")]
    ModelUnreadable {
        /// Name in the spec.
        model: String,
        /// Which file.
        path: PathBuf,
        /// Which spec.
        spec: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another model file.
    #[error(
        "cannot use model {model:?}: its file is not the one of the spec; \
         expected blake3 {expected}, got {got}; file {path:?}, spec {spec:?}"
    )]
    OtherDigest {
        /// Name in the spec.
        model: String,
        /// Which file.
        path: PathBuf,
        /// Which spec.
        spec: PathBuf,
        /// In the spec.
        expected: String,
        /// Of the file.
        got: String,
    },
    /// The runtime refuses the file or the device.
    #[error("cannot open model {model:?} on {device}: {cause}; file {path:?}")]
    Session {
        /// Name in the spec.
        model: String,
        /// Which file.
        path: PathBuf,
        /// As configured.
        device: String,
        /// As the runtime says it.
        cause: String,
    },
    /// Tensors other than those of the spec.
    #[error("cannot use model {model:?}: spec says {expected}, model has {got}; spec {spec:?}")]
    OtherTensors {
        /// Name in the spec.
        model: String,
        /// Which spec.
        spec: PathBuf,
        /// Name, type, shape.
        expected: String,
        /// The same of the model.
        got: String,
    },
}

impl From<OnnxError> for Failure {
    fn from(error: OnnxError) -> Self {
        let advice = match &error {
            OnnxError::NoLibrary { .. } | OnnxError::Library { .. } => {
                ". Run `make setup` in the project folder, or name the library in ORT_DYLIB_PATH"
            }
            OnnxError::ModelUnreadable { .. } | OnnxError::OtherDigest { .. } => {
                ". Export the model again, or correct its spec"
            }
            OnnxError::Session { .. } => ". Check masks.device and the model file",
            OnnxError::Toml(_) | OnnxError::Spec { .. } | OnnxError::OtherTensors { .. } => "",
        };
        Self::usage(format!("{error}{advice}"))
    }
}
