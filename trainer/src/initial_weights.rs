//! Floor 2: weights from elsewhere (PyTorch, as safetensors), put in place by name, with an account of what did not fit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tch::Tensor;

use crate::checkpoint::NamedTensors;

/// PyTorch counts batches in every normalization; nothing here needs the count.
const COUNTER: &str = "num_batches_tracked";

/// Weights that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InitialWeightsError {
    /// The file cannot be read as safetensors.
    #[error("cannot read weights {path:?}: {message}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// Not one tensor fits.
    #[error(
        "cannot start from weights {path:?}: expected tensors such as {example:?}, got {n_tensors} of which none fits by name and shape"
    )]
    NothingFits {
        /// Which file.
        path: PathBuf,
        /// A name of this network.
        example: String,
        /// Tensors in the file.
        n_tensors: usize,
    },
}

/// What became of every tensor; all sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InitReport {
    /// Put in place.
    pub loaded: Vec<String>,
    /// Of the network, not in the file: these keep their own first values.
    pub missing: Vec<String>,
    /// In the file, not of the network.
    pub unexpected: Vec<String>,
    /// In both, with two shapes: name, expected, got. Not loaded.
    pub misshapen: Vec<(String, Vec<i64>, Vec<i64>)>,
}

/// A file of named tensors.
#[derive(Debug)]
pub struct InitialWeights {
    path: PathBuf,
    tensors: NamedTensors,
}

/// Reads a safetensors file.
pub fn read(path: &Path) -> Result<InitialWeights, InitialWeightsError> {
    let tensors = Tensor::read_safetensors(path).map_err(|error| InitialWeightsError::Read {
        path: path.to_owned(),
        message: error.to_string(),
    })?;
    Ok(InitialWeights { path: path.to_owned(), tensors })
}

impl InitialWeights {
    /// Copies what fits into the variables of a network, whatever its number type.
    pub fn load_into(
        &self,
        variables: &BTreeMap<String, Tensor>,
    ) -> Result<InitReport, InitialWeightsError> {
        let mut report = InitReport::default();
        let given: BTreeMap<&str, &Tensor> = self
            .tensors
            .iter()
            .filter(|(name, _)| !name.ends_with(COUNTER))
            .map(|(name, tensor)| (name.as_str(), tensor))
            .collect();
        for (name, variable) in variables {
            match given.get(name.as_str()) {
                None => report.missing.push(name.clone()),
                Some(tensor) if tensor.size() != variable.size() => {
                    report.misshapen.push((name.clone(), variable.size(), tensor.size()));
                }
                Some(tensor) => {
                    let mut target = variable.shallow_clone();
                    tch::no_grad(|| target.copy_(tensor));
                    report.loaded.push(name.clone());
                }
            }
        }
        let unknown = given.keys().filter(|name| !variables.contains_key(**name));
        report.unexpected = unknown.map(|name| (*name).to_owned()).collect();
        if report.loaded.is_empty() {
            return Err(InitialWeightsError::NothingFits {
                path: self.path.clone(),
                example: variables.keys().next().cloned().unwrap_or_default(),
                n_tensors: given.len(),
            });
        }
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    fn named(names: &[(&str, &[f32])]) -> Vec<(String, Tensor)> {
        names
            .iter()
            .map(|(name, values)| ((*name).to_owned(), Tensor::from_slice(values)))
            .collect()
    }

    fn written(tensors: &[(String, Tensor)]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        Tensor::write_safetensors(tensors, &path).unwrap();
        (folder, path)
    }

    #[test]
    fn what_fits_is_loaded_and_the_rest_is_named() {
        let mut tensors = named(&[("b", &[7.0]), ("d", &[1.0, 2.0]), ("z", &[0.0])]);
        tensors.push(("a".to_owned(), Tensor::from_slice(&[1.5f64, 2.5])));
        tensors.push(("bn.num_batches_tracked".to_owned(), Tensor::from_slice(&[3i64])));
        let (_folder, path) = written(&tensors);
        let network: BTreeMap<String, Tensor> =
            named(&[("a", &[0.0, 0.0]), ("b", &[0.0]), ("c", &[9.0]), ("d", &[4.0])])
                .into_iter()
                .collect();
        let report = read(&path).unwrap().load_into(&network).unwrap();
        assert_eq!(report.loaded, ["a", "b"]);
        assert_eq!(report.missing, ["c"]);
        assert_eq!(report.unexpected, ["z"]);
        assert_eq!(report.misshapen, [("d".to_owned(), vec![1], vec![2])]);
        let values = |name: &str| Vec::<f32>::try_from(&network[name]).unwrap();
        assert_eq!(network["a"].kind(), Kind::Float);
        assert_eq!((values("a"), values("b")), (vec![1.5, 2.5], vec![7.0]));
        assert_eq!((values("c"), values("d")), (vec![9.0], vec![4.0]));
    }

    #[test]
    fn a_file_of_something_else_is_refused() {
        let (_folder, path) = written(&named(&[("x", &[1.0])]));
        let network: BTreeMap<String, Tensor> = named(&[("a", &[1.0])]).into_iter().collect();
        let error = read(&path).unwrap().load_into(&network).unwrap_err();
        assert!(matches!(error, InitialWeightsError::NothingFits { n_tensors: 1, .. }), "{error}");
        std::fs::write(&path, "{}").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("weights.safetensors"));
    }
}
