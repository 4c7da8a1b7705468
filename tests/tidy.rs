//! The house rules as a test: floors, circles, lengths, names, and where the native libraries may be named.
//!
//! Reads the sources as text: `//! Floor N: ...` on the first line, and paths that begin with `crate::`, `super::`,
//! `self::` or `suw_shared::`. Test modules are left out.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop where it stands

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Longest source file.
const LINES_MAX: usize = 500;

struct Source {
    /// e.g. `preprocess::stages::load`
    module: String,
    path: PathBuf,
    floor: Option<u32>,
    /// Without comments and test modules.
    code: String,
    lines: usize,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    for member in ["shared", "preprocess", "trainer"] {
        let src = root().join(member).join("src");
        let mut folders = vec![src.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|e| e == "rs") {
                    found.extend(read_source(member, &src, path));
                }
            }
        }
    }
    found.sort_by(|a, b| a.module.cmp(&b.module));
    found
}

fn read_source(member: &str, src: &Path, path: PathBuf) -> Option<Source> {
    let inside = path.strip_prefix(src).unwrap().with_extension("");
    let mut parts: Vec<String> = inside.iter().map(|p| p.to_string_lossy().into_owned()).collect();
    let name = parts.last().cloned().unwrap_or_default();
    if name == "tests" || name.ends_with("_tests") {
        return None; // a test module in a file of its own
    }
    if matches!(name.as_str(), "mod" | "lib") {
        parts.pop();
    }
    let module = std::iter::once(member.to_owned()).chain(parts).collect::<Vec<_>>().join("::");
    let text = fs::read_to_string(&path).unwrap();
    let floor = text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("//! Floor "))
        .and_then(|rest| rest.split(':').next())
        .and_then(|number| number.parse().ok());
    let body = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code = body
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n");
    Some(Source { module, path, floor, code, lines: text.lines().count() })
}

/// Modules that `source` names, each as the longest known module that its path begins with.
fn uses(source: &Source, known: &BTreeSet<String>) -> BTreeSet<String> {
    let member = source.module.split("::").next().unwrap_or_default();
    let mut found = BTreeSet::new();
    for path in paths(&source.code) {
        let mut parts: Vec<&str> = path.split("::").collect();
        let mut base: Vec<&str> = match parts[0] {
            "crate" => vec![member],
            "suw_shared" => vec!["shared"],
            "self" => source.module.split("::").collect(),
            _ => {
                let mut up: Vec<&str> = source.module.split("::").collect();
                up.pop();
                up
            }
        };
        parts.remove(0);
        base.extend(parts);
        while !base.is_empty() && !known.contains(&base.join("::")) {
            base.pop();
        }
        let target = base.join("::");
        if base.len() > 1 && target != source.module {
            found.insert(target);
        }
    }
    found
}

/// All paths in the code that begin at a known place, with `use a::{b, c}` opened.
fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for start in ["crate::", "super::", "self::", "suw_shared::"] {
        let mut rest = code;
        while let Some(at) = rest.find(start) {
            let before = rest[..at].chars().next_back().unwrap_or(' ');
            let tail = &rest[at..];
            if !(before.is_alphanumeric() || before == '_' || before == ':') {
                open(tail, "", &mut found);
            }
            rest = &tail[start.len()..];
        }
    }
    found
}

/// Follows one path from its first character; opens braces. Returns how many bytes it took.
fn open(text: &str, prefix: &str, found: &mut Vec<String>) -> usize {
    let end =
        text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len());
    let path = format!("{prefix}{}", &text[..end]);
    if path.ends_with("::") && text[end..].starts_with('{') {
        let mut at = end + 1;
        while at < text.len() {
            let skipped = text[at..].len() - text[at..].trim_start_matches([' ', '\n', ',']).len();
            at += skipped;
            if text[at..].starts_with('}') {
                return at + 1;
            }
            let took = open(&text[at..], &path, found);
            if took == 0 {
                at += text[at..].chars().next().map_or(1, char::len_utf8);
            }
            at += took;
        }
        return at;
    }
    if end > 0 {
        found.push(path.trim_end_matches("::").to_owned());
    }
    end
}

#[test]
fn every_file_says_its_floor() {
    let missing: Vec<_> = sources()
        .into_iter()
        .filter(|s| s.floor.is_none() && !s.path.ends_with("src/lib.rs"))
        .map(|s| s.path)
        .collect();
    assert!(missing.is_empty(), "no `//! Floor N: ...` on the first line of {missing:#?}");
}

#[test]
fn arrows_point_down_and_make_no_circle() {
    let sources = sources();
    let known: BTreeSet<String> = sources.iter().map(|s| s.module.clone()).collect();
    let floors: BTreeMap<&str, u32> =
        sources.iter().filter_map(|s| Some((s.module.as_str(), s.floor?))).collect();
    let mut wrong = Vec::new();
    let mut level: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in &sources {
        let Some(floor) = source.floor else { continue };
        for target in uses(source, &known) {
            match floors.get(target.as_str()) {
                Some(&above) if above > floor => {
                    wrong.push(format!(
                        "{} (floor {floor}) uses {target} (floor {above})",
                        source.module
                    ));
                }
                // A door (mod.rs) that re-exports its rooms, and rooms that name the door, are one place.
                Some(&same)
                    if same == floor
                        && !target.starts_with(&format!("{}::", source.module))
                        && !source.module.starts_with(&format!("{target}::")) =>
                {
                    level.entry(source.module.clone()).or_default().insert(target);
                }
                _ => {}
            }
        }
    }
    // Kahn: what is left after taking away files without arrows stands in a circle.
    while let Some(free) = level.iter().find_map(|(module, targets)| {
        targets.iter().all(|t| !level.contains_key(t)).then(|| module.clone())
    }) {
        level.remove(&free);
    }
    for (module, targets) in &level {
        let within: Vec<_> = targets.iter().filter(|t| level.contains_key(*t)).collect();
        wrong.push(format!("{module} stands in a circle with {within:?}"));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_are_short_and_well_named() {
    let mut wrong = Vec::new();
    for source in sources() {
        if source.lines > LINES_MAX {
            wrong.push(format!(
                "{} has {} lines, at most {LINES_MAX}",
                source.path.display(),
                source.lines
            ));
        }
        let name = source.module.rsplit("::").next().unwrap_or_default();
        if ["utils", "util", "misc", "common", "helpers"].contains(&name) {
            wrong.push(format!("{} names nothing", source.path.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn native_libraries_are_named_in_one_place_each() {
    let mut wrong = Vec::new();
    for source in sources() {
        let text = &source.code;
        let word = |w: &str| {
            text.match_indices(w).any(|(at, _)| {
                let before = text[..at].chars().next_back().unwrap_or(' ');
                !(before.is_alphanumeric() || before == '_' || before == ':')
            })
        };
        let place = source.module.as_str();
        if word("ort::") && !place.starts_with("preprocess::onnx") {
            wrong.push(format!("{place} names ONNX Runtime"));
        }
        let hdf5_door = place.starts_with("shared::shard") || place == "preprocess::hdf5_depth";
        if word("hdf5::") && !hdf5_door {
            wrong.push(format!("{place} names HDF5"));
        }
        if word("tch::") && !place.starts_with("trainer") {
            wrong.push(format!("{place} names libtorch"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_two_programs_never_name_each_other() {
    for (member, other) in [("preprocess", "suw-trainer"), ("trainer", "suw-preprocess")] {
        let text = fs::read_to_string(root().join(member).join("Cargo.toml")).unwrap();
        assert!(!text.contains(other), "{member}/Cargo.toml names {other}");
    }
}

#[test]
fn the_checks_can_fail() {
    let known: BTreeSet<String> =
        ["preprocess::a", "preprocess::b::c", "shared::rle"].map(str::to_owned).into();
    let source = Source {
        module: "preprocess::b::d".to_owned(),
        path: PathBuf::new(),
        floor: Some(1),
        code:
            "use crate::{a::X, b::c::{Y, Z}};\nuse suw_shared::rle::Rle;\nfn f() { super::c::g() }"
                .to_owned(),
        lines: 3,
    };
    let found = uses(&source, &known);
    assert_eq!(
        found,
        ["preprocess::a", "preprocess::b::c", "shared::rle"].map(str::to_owned).into()
    );
}
