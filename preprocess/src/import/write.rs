//! Floor 2: imported scenes into a mask store: one `instances.json` a scene, each published whole.

use std::fs;
use std::path::{Path, PathBuf};

use suw_shared::atomic_file;
use suw_shared::sample_key::SampleKey;

use super::ImportError;
use super::rows::{CocoRow, Imported, text_of_rows};

/// Writes all scenes. Semantic maps and scenes that are there already stay.
///
/// # Errors
/// If the store belongs to networks, or a scene has other instances already; then nothing is written.
pub fn write(store: &Path, imported: &Imported) -> Result<(), ImportError> {
    let refused =
        |path: PathBuf, cause: &str| Err(ImportError::Store { path, cause: cause.to_owned() });
    if store.join("store.json").exists() {
        let cause = "expected a store without store.json; this one was made by networks";
        return refused(store.to_owned(), cause);
    }
    let mut files = Vec::new();
    for (scene, frames) in &imported.scenes {
        SampleKey::from_parts(scene, "0")
            .map_err(|cause| ImportError::Store { path: store.join(scene), cause })?;
        let folder = store.join(scene);
        if folder.join("instances").exists() {
            let cause = "expected a scene without a folder \"instances\", which would hide the imported file";
            return refused(folder, cause);
        }
        let rows: Vec<CocoRow> = frames
            .iter()
            .flat_map(|(frame, all)| all.iter().map(|one| CocoRow::new(frame.clone(), one)))
            .collect();
        let (path, text) = (folder.join("instances.json"), text_of_rows(&rows));
        match fs::read(&path) {
            Ok(found) if found == text.as_bytes() => {}
            Ok(_) => return refused(path, "expected no file, or the same masks, got other masks"),
            Err(_) => files.push((path, text)),
        }
    }
    for (path, text) in files {
        let failed = |source| ImportError::Io { verb: "write", path: path.clone(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        atomic_file::write(&path, text.as_bytes()).map_err(failed)?;
    }
    Ok(())
}
