//! Floor 2: strict TOML: `--set KEY=VALUE` overrides, unknown keys refused with the nearest known one.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// What is wrong with a configuration file.
#[derive(Debug, thiserror::Error)]
pub enum TomlError {
    /// The file cannot be opened or is no UTF-8.
    #[error("cannot read configuration {path:?}: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text is no TOML.
    #[error("cannot parse {path:?}: {message}")]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Line, column and cause.
        message: String,
    },
    /// A key that means nothing.
    #[error("unknown key {key:?} in {table} of {path:?}; {}", nearest_hint(nearest, known))]
    UnknownKey {
        /// Which file.
        path: PathBuf,
        /// The table, in brackets, or "the top level".
        table: String,
        /// The key as written.
        key: String,
        /// The known key most like it, when one is close.
        nearest: Option<String>,
        /// All known keys of that table.
        known: Vec<String>,
    },
    /// A value of the wrong type or range, or a missing key.
    #[error("cannot use {path:?}: {message}")]
    Value {
        /// Which file.
        path: PathBuf,
        /// Where, expected, got.
        message: String,
    },
    /// A `--set` that is not KEY=VALUE or names no table.
    #[error("cannot apply --set {text:?}: {message}")]
    Set {
        /// The argument.
        text: String,
        /// Expected, got.
        message: String,
    },
}

fn nearest_hint(nearest: &Option<String>, known: &[String]) -> String {
    match nearest {
        Some(key) => format!("did you mean {key:?}? known keys: {}", known.join(", ")),
        None => format!("known keys: {}", known.join(", ")),
    }
}

/// Reads a file as `T`, after `--set KEY=VALUE` overrides (KEY is dotted; VALUE is TOML, or else plain text).
///
/// `T` must refuse unknown fields (`deny_unknown_fields`) on every level.
pub fn read<T: DeserializeOwned>(path: &Path, overrides: &[String]) -> Result<T, TomlError> {
    let text = fs::read_to_string(path)
        .map_err(|source| TomlError::Read { path: path.to_owned(), source })?;
    parse(path, &text, overrides)
}

/// `read` for text that is already there; `path` only names it in errors.
pub fn parse<T: DeserializeOwned>(
    path: &Path,
    text: &str,
    overrides: &[String],
) -> Result<T, TomlError> {
    let mut table: Table = text.parse().map_err(|error: toml::de::Error| TomlError::Syntax {
        path: path.to_owned(),
        message: error.to_string().trim_end().to_owned(),
    })?;
    for text in overrides {
        set(&mut table, text)?;
    }
    // Written out again so that a value error shows the line it stands on, overrides included.
    let resolved = to_text(&table);
    toml::from_str(&resolved).map_err(|error| error_of(path, &table, &error))
}

/// TOML text of a value, tables after plain keys.
///
/// # Panics
/// If the value cannot be TOML (a map with keys that are not text); configurations can.
pub fn to_text<T: Serialize>(value: &T) -> String {
    toml::to_string(value).expect("invariant: a configuration is plain tables and values")
}

fn set(table: &mut Table, text: &str) -> Result<(), TomlError> {
    let wrong = |message: &str| TomlError::Set { text: text.to_owned(), message: message.into() };
    let (key, value) = text.split_once('=').ok_or_else(|| wrong("expected KEY=VALUE"))?;
    let value = value.trim();
    // A bare word is text, so that `--set masks.source=import` needs no inner quotes.
    let value = match format!("v = {value}").parse::<Table>() {
        Ok(mut parsed) if parsed.len() == 1 => parsed.remove("v").unwrap_or(Value::Boolean(false)),
        _ => Value::String(value.to_owned()),
    };
    let mut parts: Vec<&str> = key.trim().split('.').collect();
    let last = parts.pop().filter(|last| !last.is_empty()).ok_or_else(|| wrong("empty key"))?;
    let mut place = table;
    for part in parts {
        place = place
            .entry(part)
            .or_insert_with(|| Value::Table(Table::new()))
            .as_table_mut()
            .ok_or_else(|| wrong(&format!("{part:?} is a value, not a table")))?;
    }
    place.insert(last.to_owned(), value);
    Ok(())
}

/// Turns serde's "unknown field" into an error that names the table and the nearest key.
fn error_of(path: &Path, table: &Table, error: &toml::de::Error) -> TomlError {
    let message = error.message();
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| {
        let (key, rest) = rest.split_once('`')?;
        let known: Vec<String> = rest.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        Some((key.to_owned(), known))
    });
    match unknown {
        Some((key, known)) => TomlError::UnknownKey {
            path: path.to_owned(),
            table: table_of(table, &key, &known),
            nearest: nearest(&key, &known),
            key,
            known,
        },
        None => TomlError::Value {
            path: path.to_owned(),
            message: error.to_string().trim_end().to_owned(),
        },
    }
}

/// The table that holds `key`: the first one, depth first, with the key and none but known neighbors where possible.
fn table_of(table: &Table, key: &str, known: &[String]) -> String {
    fn search(
        table: &Table,
        key: &str,
        known: &[String],
        at: &str,
        found: &mut Vec<(usize, String)>,
    ) {
        if table.contains_key(key) {
            let strangers = table.keys().filter(|k| *k != key && !known.contains(k)).count();
            found.push((strangers, at.to_owned()));
        }
        for (name, value) in table {
            if let Value::Table(inner) = value {
                let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                search(inner, key, known, &at, found);
            }
        }
    }
    let mut found = Vec::new();
    search(table, key, known, "", &mut found);
    match found.into_iter().min() {
        Some((_, at)) if !at.is_empty() => format!("[{at}]"),
        _ => "the top level".to_owned(),
    }
}

/// The known key most like `key`, if it is close enough to be a slip.
pub fn nearest(key: &str, known: &[String]) -> Option<String> {
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(key, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 2.max(candidate.len() / 3))
        .min()
        .map(|(_, candidate)| candidate.clone())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Run {
        seed: u64,
        align: Align,
        paths: Option<Vec<String>>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Align {
        iou_min: f64,
        source: String,
    }

    const TEXT: &str = "seed = 1\n[align]\niou_min = 0.3\nsource = \"models\"\n";

    fn read_text(text: &str, overrides: &[&str]) -> Result<Run, TomlError> {
        let overrides: Vec<String> = overrides.iter().map(|s| (*s).to_owned()).collect();
        parse(Path::new("run.toml"), text, &overrides)
    }

    #[test]
    fn overrides_take_numbers_lists_quoted_and_bare_words() {
        let run = read_text(
            TEXT,
            &["seed=7", "align.source=import", "align.iou_min = 0.5", "paths=[\"a\", \"b\"]"],
        )
        .unwrap();
        assert_eq!(run.seed, 7);
        assert_eq!(run.align, Align { iou_min: 0.5, source: "import".to_owned() });
        assert_eq!(run.paths, Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(read_text(TEXT, &["align.source=\"x\""]).unwrap().align.source, "x");
    }

    #[test]
    fn an_unknown_key_names_its_table_and_the_nearest_key() {
        let text = TEXT.replace("iou_min", "iou_mni");
        let message = read_text(&text, &[]).unwrap_err().to_string();
        assert_eq!(
            message,
            "unknown key \"iou_mni\" in [align] of \"run.toml\"; did you mean \"iou_min\"? \
             known keys: iou_min, source"
        );
        let message = read_text(TEXT, &["sede=3"]).unwrap_err().to_string();
        assert!(message.contains("in the top level"), "{message}");
        assert!(message.contains("did you mean \"seed\"?"), "{message}");
    }

    #[test]
    fn a_wrong_value_and_a_missing_key_name_themselves() {
        let message = read_text(TEXT, &["seed=many"]).unwrap_err().to_string();
        assert!(message.contains("seed") && message.contains("many"), "{message}");
        let message = read_text("seed = 1", &[]).unwrap_err().to_string();
        assert!(message.contains("align"), "{message}");
        assert!(matches!(read_text("seed = = 1", &[]), Err(TomlError::Syntax { .. })));
        assert!(matches!(read_text(TEXT, &["seed.x=1"]), Err(TomlError::Set { .. })));
        assert!(matches!(read_text(TEXT, &["seed"]), Err(TomlError::Set { .. })));
    }
}
