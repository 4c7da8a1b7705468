//! Floor 0: the name of a sample: `<scene>/<frame stem>`, ASCII, sorted by bytes. The scene may contain `/`.

use std::fmt;

/// Longest key in bytes; KITTI's have 60.
pub const KEY_BYTES_MAX: usize = 255;

/// A checked name, e.g. `2011_09_26/2011_09_26_drive_9001_sync/image_02/0000000012`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SampleKey(String);

impl SampleKey {
    /// A key from its parts.
    pub fn from_parts(scene: &str, stem: &str) -> Result<Self, String> {
        Self::new(format!("{scene}/{stem}"))
    }

    /// A key from its text: graphic ASCII, no empty, `.` or `..` part, at least one `/`, at most 255 bytes.
    pub fn new(text: String) -> Result<Self, String> {
        let why = if text.len() > KEY_BYTES_MAX {
            "longer than 255 bytes"
        } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            "holds a byte that is not graphic ASCII"
        } else if !text.contains('/') {
            "has no '/' between scene and frame"
        } else if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            "has an empty, '.' or '..' part"
        } else {
            return Ok(Self(text));
        };
        Err(format!("cannot use sample key {text:?}: it {why}"))
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// All but the last part.
    pub fn scene(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(scene, _)| scene)
    }

    /// The last part.
    pub fn stem(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(_, stem)| stem)
    }
}

impl fmt::Display for SampleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_knows_its_parts() {
        let key = SampleKey::from_parts("2011_09_26/drive/image_02", "0000000012").unwrap();
        assert_eq!(key.scene(), "2011_09_26/drive/image_02");
        assert_eq!(key.stem(), "0000000012");
    }

    #[test]
    fn keys_that_could_leave_a_folder_are_refused() {
        for text in ["", "a", "a//b", "/a", "a/", "../a", "a/../b", "a/b c", "a/\u{e9}", "a/\0"] {
            assert!(SampleKey::new(text.to_owned()).is_err(), "{text:?}");
        }
        assert!(SampleKey::new(format!("a/{}", "b".repeat(254))).is_err());
    }
}
