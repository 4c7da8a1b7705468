//! Floor 2: which pictures somebody means: files, folders, or patterns with `*` and `?` in the file name.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Endings of pictures in folders; letters count alike, large or small.
const ENDINGS: [&str; 3] = ["png", "jpg", "jpeg"];

/// An argument that names no picture.
#[derive(Debug, thiserror::Error)]
pub enum PictureListError {
    /// A folder cannot be listed.
    #[error("cannot list pictures in {path:?}: {source}")]
    List {
        /// Which folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nothing there.
    #[error("cannot read picture {path:?}: expected {expected}, got none")]
    Nothing {
        /// The argument.
        path: PathBuf,
        /// What it should have been.
        expected: &'static str,
    },
}

/// The pictures of all arguments, those of a folder or pattern sorted by name.
pub fn pictures_of(arguments: &[PathBuf]) -> Result<Vec<PathBuf>, PictureListError> {
    let mut pictures = Vec::new();
    for path in arguments {
        let pattern = path.file_name().and_then(|name| name.to_str());
        let nothing = |expected| PictureListError::Nothing { path: path.clone(), expected };
        // A file may have a star in its name.
        match pattern.filter(|pattern| pattern.contains(['*', '?'])) {
            _ if path.is_file() => pictures.push(path.clone()),
            _ if path.is_dir() => {
                let found = listed(path, is_picture)?;
                if found.is_empty() {
                    return Err(nothing("PNG or JPEG files in the folder"));
                }
                pictures.extend(found);
            }
            Some(pattern) => {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                let found = listed(folder.unwrap_or(Path::new(".")), |name| fits(name, pattern))?;
                if found.is_empty() {
                    return Err(nothing("files that fit the pattern"));
                }
                pictures.extend(found);
            }
            None => return Err(nothing("a file or a folder")),
        }
    }
    Ok(pictures)
}

/// Files of a folder whose names are wanted, sorted.
fn listed(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, PictureListError> {
    let failed = |source| PictureListError::List { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if name.is_some_and(&wanted) && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn is_picture(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// Whether a name fits a pattern: `*` is any text, `?` any one character.
fn fits(name: &str, pattern: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => name.is_empty(),
        Some('*') => {
            let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            ends.into_iter().any(|at| fits(&name[at..], rest.as_str()))
        }
        Some(wanted) => {
            let mut characters = name.chars();
            let got = characters.next();
            got.is_some_and(|got| wanted == '?' || got == wanted)
                && fits(characters.as_str(), rest.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (name, pattern, expected) in [
            ("a.png", "*.png", true),
            ("a.png", "*", true),
            ("a.png", "?.png", true),
            ("ab.png", "?.png", false),
            ("frame-07.png", "f*-0?.p*", true),
            ("frame-17.png", "f*-0?.p*", false),
            ("ä.png", "?.png", true),
            ("", "*", true),
            ("a", "", false),
        ] {
            assert_eq!(fits(name, pattern), expected, "{name} {pattern}");
        }
    }

    #[test]
    fn files_folders_and_patterns() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["b.png", "a.JPG", "c.txt", "*.png"] {
            fs::write(at(name), "").unwrap();
        }
        fs::create_dir(at("empty")).unwrap();
        let names = |argument: PathBuf| {
            let found = pictures_of(&[argument]).unwrap();
            found.into_iter().map(|path| path.file_name().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(folder.path().to_owned()), ["*.png", "a.JPG", "b.png"]);
        assert_eq!(names(at("*.png")), ["*.png"], "a file of that very name");
        assert_eq!(names(at("?.*")), ["*.png", "a.JPG", "b.png", "c.txt"]);
        assert_eq!(names(at("c.txt")), ["c.txt"]);
        for missing in ["none.png", "empty", "*.jpeg", "nowhere/*.png"] {
            let error = pictures_of(&[at(missing)]).unwrap_err().to_string();
            assert!(error.contains(missing.split('/').next().unwrap()), "{error}");
        }
    }
}
