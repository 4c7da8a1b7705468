//! Floor 2: the mask store: instances and semantic maps of single frames, kept because the networks are slow.
//!
//! `ROOT/<scene>/instances/<stem>.json`, `ROOT/<scene>/semantic/<stem>.png`, `ROOT/store.json` (contract, section 4).
//! The store knows frames, not clips: every frame is written once, whatever clips it belongs to. It runs no network.

mod error;
mod identity;
mod read;
mod write;

use std::path::{Path, PathBuf};

use suw_shared::sample_key::SampleKey;

pub use self::error::{MaskError, StoreError};
pub use self::identity::{ModelIdentity, StoreIdentity};
use self::read::SceneCache;

/// What a reader wants of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// The objects.
    pub instances: bool,
    /// The semantic map.
    pub semantic: bool,
}

impl Needs {
    /// Nothing.
    pub const NOTHING: Self = Self { instances: false, semantic: false };
    /// The objects: source frames.
    pub const INSTANCES: Self = Self { instances: true, semantic: false };
    /// The semantic map: single pictures.
    pub const SEMANTIC: Self = Self { instances: false, semantic: true };
    /// Both: target frames of clips.
    pub const BOTH: Self = Self { instances: true, semantic: true };

    /// Whether nothing is wanted.
    pub const fn is_none(self) -> bool {
        !self.instances && !self.semantic
    }

    /// What either wants.
    pub const fn union(self, other: Self) -> Self {
        Self {
            instances: self.instances || other.instances,
            semantic: self.semantic || other.semantic,
        }
    }
}

/// A folder of masks. Shared by reference between threads: frames are files of their own.
#[derive(Debug)]
pub struct MaskStore {
    root: PathBuf,
    /// Whose masks these are; `None` for a store made elsewhere, which is only read.
    identity: Option<StoreIdentity>,
    scenes: SceneCache,
}

impl MaskStore {
    /// Opens a store made elsewhere: `store.json` may be missing, a scene may have one `instances.json`.
    ///
    /// # Errors
    /// If `root` is no folder, or its `store.json` is of another format or version.
    pub fn open_import(root: &Path) -> Result<Self, StoreError> {
        if !root.is_dir() {
            return Err(StoreError::NoFolder { root: root.to_owned() });
        }
        identity::read(root)?;
        Ok(Self { root: root.to_owned(), identity: None, scenes: SceneCache::default() })
    }

    /// Opens the store of these models. Nothing is written: a folder that is not there is a store without frames.
    ///
    /// # Errors
    /// If the store was made by other models, or holds files and does not say by which.
    pub fn open_for_models(root: &Path, wanted: &StoreIdentity) -> Result<Self, StoreError> {
        match identity::read(root)? {
            Some(found) => identity::same(root, &found, wanted)?,
            None if identity::holds_files(root)? => {
                return Err(StoreError::NotOurs { root: root.to_owned() });
            }
            None => {}
        }
        Ok(Self {
            root: root.to_owned(),
            identity: Some(wanted.clone()),
            scenes: SceneCache::default(),
        })
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The last folder of the root: the name of an import in manifests.
    pub fn import_name(&self) -> String {
        let absolute = std::path::absolute(&self.root).unwrap_or_else(|_| self.root.clone());
        absolute.file_name().map_or("masks".to_owned(), |name| name.to_string_lossy().into_owned())
    }

    /// What of `needs` the store lacks for this frame.
    pub fn missing(&self, scene: &str, stem: &str, needs: Needs) -> Needs {
        let instances = || {
            self.instances_path(scene, stem).is_file()
                || (self.identity.is_none() && self.scene_file_serves(scene))
        };
        Needs {
            instances: needs.instances && !instances(),
            semantic: needs.semantic && !self.semantic_path(scene, stem).is_file(),
        }
    }

    /// Whether the store has all of `needs` for this frame.
    pub fn has_frame(&self, scene: &str, stem: &str, needs: Needs) -> bool {
        self.missing(scene, stem, needs).is_none()
    }

    fn instances_path(&self, scene: &str, stem: &str) -> PathBuf {
        self.root.join(scene).join("instances").join(format!("{stem}.json"))
    }

    fn semantic_path(&self, scene: &str, stem: &str) -> PathBuf {
        self.root.join(scene).join("semantic").join(format!("{stem}.png"))
    }

    fn scene_file_path(&self, scene: &str) -> PathBuf {
        self.root.join(scene).join("instances.json")
    }

    /// Whether one `instances.json` stands for the whole scene: it is there, and the folder is not.
    fn scene_file_serves(&self, scene: &str) -> bool {
        self.scene_file_path(scene).is_file() && !self.root.join(scene).join("instances").is_dir()
    }

    /// A path below the root as it may stand in reports: without the root.
    fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().into_owned()
    }
}

/// Refuses names that would leave the root.
fn check_name(scene: &str, stem: &str) -> Result<(), String> {
    if stem.contains('/') {
        return Err(format!("cannot use frame stem {stem:?}: it holds a '/'"));
    }
    SampleKey::from_parts(scene, stem).map(|_| ())
}

#[cfg(test)]
mod tests;
