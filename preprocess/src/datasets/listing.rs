//! Floor 2: folders of a data set: what lies in them, by name.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Ends of the names of pictures; of two files of one stem the first in this list wins.
pub const PICTURES: [&str; 3] = ["png", "jpg", "jpeg"];

/// A folder that cannot be walked.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// A folder that cannot be listed.
    #[error("cannot list folder {path:?}: {source}")]
    List {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A name that cannot be part of a sample key.
    #[error("cannot use folder {path:?}: {reason}")]
    Name {
        /// Which, or its parent where the name is no text.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Names of the folders in a folder, sorted.
pub fn folders(path: &Path) -> Result<Vec<String>, WalkError> {
    let mut names = Vec::new();
    for entry in list(path)? {
        if entry.is_dir() {
            names.push(name_of(&entry)?);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Files of a folder by stem, as paths relative to `root`; none where the folder is absent. Ends are compared in lower
/// case. Of two files of one stem the first end of the list wins, then the first name.
pub fn files_by_stem(
    root: &Path,
    folder: &str,
    ends: &[&str],
) -> Result<BTreeMap<String, String>, WalkError> {
    let path = root.join(folder);
    if !path.is_dir() {
        return Ok(BTreeMap::new());
    }
    let mut found: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for entry in list(&path)? {
        let name = name_of(&entry)?;
        let lower = name.to_ascii_lowercase();
        let end_of =
            |end: &&str| lower.len() > end.len() + 1 && lower.ends_with(&format!(".{end}"));
        let Some(rank) = ends.iter().position(end_of) else { continue };
        if !entry.is_file() {
            continue;
        }
        let stem = name[..name.len() - ends[rank].len() - 1].to_owned();
        let place = found.entry(stem).or_insert((rank, name.clone()));
        if (rank, &name) < (place.0, &place.1) {
            *place = (rank, name);
        }
    }
    let inside = |name: String| if folder.is_empty() { name } else { format!("{folder}/{name}") };
    Ok(found.into_iter().map(|(stem, (_, name))| (stem, inside(name))).collect())
}

/// What lies in a folder, unsorted.
pub fn list(path: &Path) -> Result<Vec<PathBuf>, WalkError> {
    let error = |source| WalkError::List { path: path.to_owned(), source };
    fs::read_dir(path)
        .map_err(error)?
        .map(|entry| entry.map(|entry| entry.path()).map_err(error))
        .collect()
}

/// The last part of a path.
pub fn name_of(path: &Path) -> Result<String, WalkError> {
    path.file_name().and_then(|name| name.to_str()).map(str::to_owned).ok_or_else(|| {
        WalkError::Name { path: path.to_owned(), reason: "its name is no text".to_owned() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_a_stem_by_the_order_of_ends() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        for name in ["x.jpg", "x.png", "y.JPG", "y.txt", "z.geometric.bin", ".png"] {
            fs::write(folder.path().join("a").join(name), "").unwrap();
        }
        fs::create_dir(folder.path().join("a/w.png")).unwrap();
        let found = files_by_stem(folder.path(), "a", &PICTURES).unwrap();
        let found: Vec<_> = found.iter().map(|(s, p)| (s.as_str(), p.as_str())).collect();
        assert_eq!(found, [("x", "a/x.png"), ("y", "a/y.JPG")]);
        let found = files_by_stem(&folder.path().join("a"), "", &["geometric.bin"]).unwrap();
        assert_eq!(found["z"], "z.geometric.bin");
        assert!(files_by_stem(folder.path(), "b", &PICTURES).unwrap().is_empty());
    }
}
