//! Floor 2: BLAKE3 of files, as `b3sum` prints it.

use std::fs::File;
use std::io;
use std::path::Path;

/// 64 lower-case hex digits of the file's BLAKE3.
pub fn blake3_of_file(path: &Path) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// 64 lower-case hex digits of the bytes' BLAKE3.
pub fn blake3_of_bytes(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vector_of_no_bytes() {
        let empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        assert_eq!(blake3_of_bytes(b""), empty);
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(blake3_of_file(file.path()).unwrap(), empty);
    }
}
