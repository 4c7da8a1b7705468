//! Floor 2: `store.json`: whose masks these are, so that those of different models never mix.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use suw_shared::atomic_file;
use suw_shared::checksum;

use super::{MaskStore, StoreError};

const FILE: &str = "store.json";
const FORMAT: &str = "suw-masks";
const VERSION: u32 = 1;

/// One model as far as its masks depend on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelIdentity {
    /// BLAKE3 of the model file.
    pub blake3: String,
    /// Name in the spec.
    pub name: String,
    /// Digest of what the spec says about input, output and classes.
    pub spec: String,
}

impl fmt::Display for ModelIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} (blake3 {}, spec {})", self.name, self.blake3, self.spec)
    }
}

/// The models of both roles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreIdentity {
    /// Mask R-CNN.
    pub instance: ModelIdentity,
    /// PSPNet.
    pub semantic: ModelIdentity,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    format: String,
    models: StoreIdentity,
    version: u32,
}

/// Only what must be known before the rest can be believed.
#[derive(Deserialize)]
struct Header {
    format: String,
    version: u32,
}

/// The description in `root`, if there is one.
pub(super) fn read(root: &Path) -> Result<Option<StoreIdentity>, StoreError> {
    let path = root.join(FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StoreError::Io { verb: "read", path, source }),
    };
    let wrong = |cause: String| StoreError::Description { path: path.clone(), cause };
    let header: Header =
        serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    if header.format != FORMAT || header.version != VERSION {
        return Err(wrong(format!(
            "expected format {FORMAT:?} version {VERSION}, got {:?} version {}",
            header.format, header.version
        )));
    }
    let description: Description =
        serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    Ok(Some(description.models))
}

/// Whether anything but unfinished files lies in `root`.
pub(super) fn holds_files(root: &Path) -> Result<bool, StoreError> {
    let failed = |source| StoreError::Io { verb: "read", path: root.to_owned(), source };
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(failed(source)),
    };
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        if !name.to_string_lossy().ends_with(atomic_file::UNFINISHED) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Refuses a store of other models.
pub(super) fn same(
    root: &Path,
    found: &StoreIdentity,
    wanted: &StoreIdentity,
) -> Result<(), StoreError> {
    let roles = [
        ("instance", &found.instance, &wanted.instance),
        ("semantic", &found.semantic, &wanted.semantic),
    ];
    for (role, found, wanted) in roles {
        if found != wanted {
            return Err(StoreError::OtherModels {
                root: root.to_owned(),
                role,
                expected: wanted.to_string(),
                got: found.to_string(),
            });
        }
    }
    Ok(())
}

impl MaskStore {
    /// Writes `store.json` where it is not there yet. To be called before the first frame is written.
    pub fn prepare(&self) -> Result<(), StoreError> {
        let Some(wanted) = &self.identity else {
            return Err(StoreError::ReadOnly { root: self.root.clone() });
        };
        if let Some(found) = read(&self.root)? {
            return same(&self.root, &found, wanted);
        }
        let path = self.root.join(FILE);
        let failed = |source| StoreError::Io { verb: "write", path: path.clone(), source };
        fs::create_dir_all(&self.root).map_err(failed)?;
        let description =
            Description { format: FORMAT.to_owned(), models: wanted.clone(), version: VERSION };
        let mut text = serde_json::to_string_pretty(&description)
            .expect("invariant: a description is plain text and numbers");
        text.push('\n');
        atomic_file::write(&path, text.as_bytes()).map_err(failed)
    }

    /// BLAKE3 of the `b3sum` lines (`<hex>  <path below the root>`) of all mask files, sorted by path.
    ///
    /// Mask files are `instances.json`, `instances/*.json` and `semantic/*.png` of every scene; a read-me does not count.
    pub fn imported_digest(&self) -> Result<String, StoreError> {
        let mut paths = Vec::new();
        for entry in walkdir::WalkDir::new(&self.root).follow_links(true) {
            let entry = entry.map_err(|error| StoreError::Io {
                verb: "read",
                path: error.path().unwrap_or(&self.root).to_owned(),
                source: error.into(),
            })?;
            if entry.file_type().is_file() && is_mask_file(entry.path()) {
                paths.push((self.relative(entry.path()), entry.into_path()));
            }
        }
        paths.sort_unstable();
        let mut lines = String::new();
        for (relative, path) in paths {
            let digest = checksum::blake3_of_file(&path).map_err(|source| StoreError::Io {
                verb: "read",
                path,
                source,
            })?;
            lines.push_str(&format!("{digest}  {relative}\n"));
        }
        Ok(checksum::blake3_of_bytes(lines.as_bytes()))
    }
}

fn is_mask_file(path: &Path) -> bool {
    let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    let ending = path.extension().and_then(|ending| ending.to_str());
    let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    !hidden
        && (path.file_name().is_some_and(|name| name == "instances.json")
            || (folder, ending) == (Some("instances"), Some("json"))
            || (folder, ending) == (Some("semantic"), Some("png")))
}
