//! Floor 2: split lists: the target frames of a data set, one `date/drive frame side` per line, side `l` or `r`.

use std::collections::BTreeMap;

use suw_shared::sample_key::SampleKey;

/// One target frame of a KITTI split list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SplitEntry {
    /// `date/drive`.
    pub drive: String,
    /// KITTI's number of the color camera: 2 left, 3 right.
    pub camera: u8,
    /// Number of the frame.
    pub frame: u64,
}

/// A line of a split list that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// Not three words, or words of another kind.
    #[error("line {line}: expected \"date/drive frame l|r\", got {got:?}")]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// The line.
        got: String,
    },
    /// The same frame of the same camera again.
    #[error("line {line}: repeats line {first}: {got:?}")]
    Repeated {
        /// Counted from 1.
        line: usize,
        /// Where it stood first.
        first: usize,
        /// The line.
        got: String,
    },
    /// No line at all.
    #[error("expected at least one frame, got an empty list")]
    Empty,
}

/// The entries of a list, sorted. Blank lines are skipped; anything else that is no entry is an error.
pub fn parse(text: &str) -> Result<Vec<SplitEntry>, SplitError> {
    let mut lines = BTreeMap::new();
    for (line, text) in (1..).zip(text.lines()) {
        if text.trim().is_empty() {
            continue;
        }
        let got: String = text.chars().take(120).collect();
        let entry = entry(text).ok_or_else(|| SplitError::Malformed { line, got: got.clone() })?;
        if let Some(first) = lines.insert(entry, line) {
            return Err(SplitError::Repeated { line, first, got });
        }
    }
    if lines.is_empty() { Err(SplitError::Empty) } else { Ok(lines.into_keys().collect()) }
}

fn entry(text: &str) -> Option<SplitEntry> {
    let mut words = text.split_whitespace();
    let (drive, frame, side) = (words.next()?, words.next()?, words.next()?);
    let camera = match side {
        "l" => 2,
        "r" => 3,
        _ => return None,
    };
    // The same rule that keeps sample keys from leaving a folder.
    let key = SampleKey::new(drive.to_owned()).ok()?;
    let digits = frame.len() <= 10 && frame.bytes().all(|byte| byte.is_ascii_digit());
    if words.next().is_some() || key.scene().contains('/') || !digits {
        return None;
    }
    Some(SplitEntry { drive: drive.to_owned(), camera, frame: frame.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn padded_and_plain_numbers_are_the_same_frame() {
        let entries = parse("d/b 0000000069 r\r\n\nd/a 7 l\nd/b 69 l").unwrap();
        let of = |drive: &str, camera, frame| SplitEntry { drive: drive.into(), camera, frame };
        assert_eq!(entries, [of("d/a", 2, 7), of("d/b", 2, 69), of("d/b", 3, 69)]);
        let repeated = parse("d/b 0000000069 r\nd/b 69 l\nd/b 69 r").unwrap_err();
        assert!(repeated.to_string().contains("line 3: repeats line 1"), "{repeated}");
    }

    #[test]
    fn malformed_lines_are_refused_by_number() {
        for bad in ["d/a 1", "d/a 1 l x", "d/a x l", "d/a -1 l", "d/a 1 m", "da 1 l", "../a 1 l"] {
            let error = parse(&format!("d/a 1 l\n{bad}\n")).unwrap_err();
            assert_eq!(error, SplitError::Malformed { line: 2, got: bad.to_owned() });
        }
        assert!(parse("d/a 11111111111 l").is_err());
        assert!(parse("d/../a 1 l").is_err());
        assert_eq!(parse(" \n"), Err(SplitError::Empty));
    }

    /// Published name, name here, frames.
    const SHIPPED: [(&str, &str, usize); 4] = [
        ("kitti-eigen-test-697.txt", "kitti-eigen-test.txt", 697),
        ("kitti-eigen-test-652-official-gt.txt", "kitti-eigen-test-652.txt", 652),
        ("kitti-zhou-train-39810.txt", "kitti-zhou-train.txt", 39_810),
        ("kitti-zhou-val-4424.txt", "kitti-zhou-val.txt", 4_424),
    ];

    fn shipped(name: &str) -> Vec<SplitEntry> {
        let path =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../data-manifests/splits").join(name);
        parse(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    #[test]
    fn shipped_lists_have_the_published_frames() {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/splits");
        for (published, name, count) in SHIPPED {
            let entries = shipped(name);
            assert_eq!(entries.len(), count, "{name}");
            match std::fs::read_to_string(folder.join(published)) {
                Ok(text) => assert_eq!(parse(&text).unwrap(), entries, "{name}"),
                Err(_) => println!("not compared: {published} is absent"),
            }
        }
    }

    #[test]
    fn test_frames_are_in_no_training_list() {
        let [test, with_depth, train, val] = SHIPPED.map(|(_, name, _)| shipped(name));
        assert!(with_depth.iter().all(|entry| test.binary_search(entry).is_ok()));
        assert!(val.iter().all(|entry| train.binary_search(entry).is_err()));
        let drives = |entries: &[SplitEntry]| -> std::collections::BTreeSet<String> {
            entries.iter().map(|entry| entry.drive.clone()).collect()
        };
        assert_eq!(drives(&test).len(), 28);
        assert!(drives(&test).is_disjoint(&drives(&train)));
        assert!(drives(&test).is_disjoint(&drives(&val)));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,60}|([a-z/.]{1,5} [0-9x]{1,12} [lrm]\n){1,4}") {
            let _ = parse(&text);
        }
    }
}
