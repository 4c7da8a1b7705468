//! Floor 2: finding and loading the ONNX Runtime library.

use std::path::{Path, PathBuf};

use ort::environment::Environment;
use ort::ep::{self, ExecutionProvider};
use ort::logging::LogLevel;

use super::OnnxError;

/// Where the set-up puts the library, below the project folder.
const LIBRARY: &str = ".deps/py/onnxruntime/capi/libonnxruntime.so.1.31.1";

/// Names a library to use instead.
const VARIABLE: &str = "ORT_DYLIB_PATH";

/// The loaded library. Sessions are opened through it; one per process is enough.
#[derive(Clone)]
pub struct Runtime {
    environment: Environment,
    library: PathBuf,
}

impl Runtime {
    /// Loads the library from `ORT_DYLIB_PATH`, or `.deps` above the executable, of the project it was built in, or of the
    /// current folder.
    pub fn load() -> Result<Self, OnnxError> {
        let library = find(&places())?;
        let failed = |cause: String| OnnxError::Library { path: library.clone(), cause };
        let environment = ort::init_from(&library)
            .map_err(|error| failed(error.to_string()))?
            .with_name("suw-preprocess")
            .build()
            .map_err(|error| failed(error.to_string()))?;
        // Warnings of the runtime are about its own choices; errors come back as values.
        environment.set_log_level(LogLevel::Error);
        Ok(Self { environment, library })
    }

    /// The version in the library's file name, e.g. `1.31.1`; the bindings do not pass on what the library says.
    pub fn version(&self) -> String {
        let file = self.library.canonicalize().unwrap_or_else(|_| self.library.clone());
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
        let version = name.as_deref().and_then(|name| name.split_once(".so."));
        version.map_or("unknown".to_owned(), |(_, version)| version.to_owned())
    }

    /// What the library says about itself: commit and build flags.
    pub fn build_info(&self) -> &'static str {
        ort::info()
    }

    /// The file that was loaded.
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// The execution providers that this library can use.
    pub fn providers(&self) -> Vec<&'static str> {
        let cuda = ep::CUDA::is_available().unwrap_or(false);
        let mut providers = vec!["CPUExecutionProvider"];
        if cuda {
            providers.insert(0, "CUDAExecutionProvider");
        }
        providers
    }

    /// Loads the CUDA libraries that `setup/fetch.py --cuda` put beside this one, so that its CUDA provider finds them without
    /// a variable. Where they are not there the system's are looked for, and a session says what is missing.
    pub(super) fn preload_cuda(&self) {
        let Some(packages) = self.library.ancestors().nth(3) else { return };
        let lib = |name: &str| packages.join("nvidia").join(name).join("lib");
        let (cuda, cudnn) = (lib("cu13"), lib("cudnn"));
        if let Err(error) = ep::cuda::preload_dylibs(
            cuda.is_dir().then_some(cuda.as_path()),
            cudnn.is_dir().then_some(cudnn.as_path()),
        ) {
            eprintln!("warning: {error}; looking for the system's CUDA libraries instead");
        }
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }
}

fn places() -> Vec<PathBuf> {
    if let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        // A named library is meant: another one in its place would be a surprise.
        return vec![PathBuf::from(path)];
    }
    let executable = std::env::current_exe().unwrap_or_default();
    let above = executable.ancestors().skip(1).take(5).map(Path::to_owned);
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned);
    above.chain(project).chain([PathBuf::new()]).map(|folder| folder.join(LIBRARY)).collect()
}

fn find(places: &[PathBuf]) -> Result<PathBuf, OnnxError> {
    let found = places.iter().find(|path| path.is_file());
    match found {
        // The loader takes relative paths as relative to the executable.
        Some(path) => Ok(std::path::absolute(path).unwrap_or_else(|_| path.clone())),
        None => {
            let tried = places.iter().map(|path| path.display().to_string()).collect();
            Err(OnnxError::NoLibrary { tried })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_names_the_places() {
        let error = find(&[PathBuf::from("/nowhere/a.so"), PathBuf::from("/nowhere/b.so")]);
        let message = error.unwrap_err().to_string();
        assert!(message.contains("/nowhere/a.so, /nowhere/b.so"), "{message}");
    }

    #[test]
    fn the_first_file_wins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lib.so");
        std::fs::write(&path, "").unwrap();
        assert_eq!(find(&[folder.path().join("none"), path.clone()]).unwrap(), path);
    }
}
