//! Floor 2: ONNX Runtime: model specs, sessions, the two networks. It is named in this folder and nowhere else.

mod error;
mod mask_rcnn;
pub mod model_spec;
mod pspnet;
mod runtime;
mod session;

use std::path::{Path, PathBuf};

use suw_shared::checksum;

pub use self::error::OnnxError;
pub use self::mask_rcnn::MaskRcnn;
use self::model_spec::{ModelSpec, Role};
pub use self::pspnet::PspNet;
pub use self::runtime::Runtime;
pub use self::session::{Device, SessionOptions};
use crate::mask_store::{ModelIdentity, StoreIdentity};
use crate::segmenter::Segmenters;

/// A model file that is what its spec says, as far as can be known without loading it.
#[derive(Clone, Debug)]
pub struct ModelFile {
    /// What the spec says.
    pub spec: ModelSpec,
    /// The model file itself.
    pub path: PathBuf,
    /// The spec file, for messages.
    pub spec_path: PathBuf,
}

impl ModelFile {
    /// Reads a spec and compares the file it names with its digest.
    ///
    /// # Errors
    /// If the spec is no spec for `role`, or the file is missing or another one.
    pub fn open(spec_path: &Path, role: Role) -> Result<Self, OnnxError> {
        let spec = ModelSpec::read(spec_path, role)?;
        let path = spec_path.parent().unwrap_or(Path::new("")).join(&spec.file);
        let got = checksum::blake3_of_file(&path).map_err(|source| OnnxError::ModelUnreadable {
            model: spec.name.clone(),
            path: path.clone(),
            spec: spec_path.to_owned(),
            source,
        })?;
        if got != spec.blake3 {
            return Err(OnnxError::OtherDigest {
                model: spec.name.clone(),
                path,
                spec: spec_path.to_owned(),
                expected: spec.blake3,
                got,
            });
        }
        Ok(Self { spec, path, spec_path: spec_path.to_owned() })
    }

    /// The model as far as its masks depend on it.
    pub fn identity(&self) -> ModelIdentity {
        ModelIdentity {
            blake3: self.spec.blake3.clone(),
            name: self.spec.name.clone(),
            spec: self.spec.digest.clone(),
        }
    }
}

/// The models of both roles.
#[derive(Clone, Debug)]
pub struct Models {
    /// Mask R-CNN.
    pub instance: ModelFile,
    /// PSPNet.
    pub semantic: ModelFile,
}

impl Models {
    /// Reads both specs and compares both files with their digests. Loads no library.
    pub fn open(instance_spec: &Path, semantic_spec: &Path) -> Result<Self, OnnxError> {
        Ok(Self {
            instance: ModelFile::open(instance_spec, Role::Instance)?,
            semantic: ModelFile::open(semantic_spec, Role::Semantic)?,
        })
    }

    /// What a mask store made by these models is marked with.
    pub fn identity(&self) -> StoreIdentity {
        StoreIdentity { instance: self.instance.identity(), semantic: self.semantic.identity() }
    }

    /// Opens `count` pairs of sessions; the tensors of each are compared with the specs.
    pub fn segmenters(
        &self,
        runtime: &Runtime,
        options: SessionOptions,
        count: usize,
    ) -> Result<Vec<Segmenters>, OnnxError> {
        (0..count)
            .map(|_| {
                Ok(Segmenters {
                    instance: Box::new(MaskRcnn::open(runtime, &self.instance, options)?),
                    semantic: Box::new(PspNet::open(runtime, &self.semantic, options)?),
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
