//! Floor 2: one line of errors per image, as CSV.

use std::fmt::Write;
use std::io;
use std::path::Path;

use suw_shared::atomic_file;

use crate::metrics::depth::DepthErrors;

/// The table, collected in memory and published whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvalCsv {
    text: String,
}

impl Default for EvalCsv {
    fn default() -> Self {
        Self { text: format!("key,pixels,{}\n", DepthErrors::NAMES.join(",")) }
    }
}

impl EvalCsv {
    /// Adds an image; without errors its fields stay empty.
    pub fn add(&mut self, key: &str, n_pixels: usize, errors: Option<DepthErrors>) {
        self.text.push_str(&quoted(key));
        let _ = write!(self.text, ",{n_pixels}");
        for at in 0..DepthErrors::NAMES.len() {
            self.text.push(',');
            if let Some(errors) = errors {
                let _ = write!(self.text, "{}", errors.to_array()[at]);
            }
        }
        self.text.push('\n');
    }

    /// The whole table.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Publishes the table; the folder is made as needed.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        atomic_file::write(path, self.text.as_bytes())
    }
}

fn quoted(field: &str) -> String {
    if field.contains([',', '"']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_per_image_and_empty_fields_for_what_is_not_known() {
        let mut csv = EvalCsv::default();
        csv.add(
            "a/1",
            3,
            Some(DepthErrors::from_array([0.5, 1.0, 2.0, 0.0, 0.0, 0.0, 0.25, 1.0, 1.0])),
        );
        csv.add("b,\"2\"", 0, None);
        let expected = "key,pixels,abs_rel,sq_rel,rmse,rmse_log,log10,silog,a1,a2,a3\n\
            a/1,3,0.5,1,2,0,0,0,0.25,1,1\n\
            \"b,\"\"2\"\"\",0,,,,,,,,,\n";
        assert_eq!(csv.text(), expected);
    }
}
