//! Floor 2: the result of an evaluation as JSON, and the line that says what its numbers stand on.

use std::path::Path;

use serde::{Deserialize, Serialize};
use suw_shared::atomic_file;

use crate::metrics::depth::DepthErrors;
use crate::metrics::relative::RelativeErrors;

/// What decides whether two results can be compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvalHeader {
    /// Kind of ground truth and where it was compared.
    pub ground_truth: String,
    /// `garg`, `eigen` or `none`.
    pub crop: String,
    /// Metres.
    pub cap: f64,
    /// `none` or `median`.
    pub scaling: String,
    /// Images in the mean.
    pub images: u64,
}

/// The contract's object: nine errors, images, header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // the names papers print
pub struct EvalFile {
    pub abs_rel: f64,
    pub sq_rel: f64,
    pub rmse: f64,
    pub rmse_log: f64,
    pub log10: f64,
    pub silog: f64,
    pub a1: f64,
    pub a2: f64,
    pub a3: f64,
    pub images: u64,
    pub header: EvalHeader,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub relative: Option<RelativeFile>,
}

/// Errors without a unit, where they were asked for; shares are not percent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RelativeFile {
    /// Scale-invariant error of logarithms, mean over images.
    pub si_rmse: Option<f64>,
    /// Share of point pairs in the wrong order.
    pub sdr: Option<f64>,
    /// The same among pairs that are measured alike.
    pub sdr_equal: Option<f64>,
    /// The same among the others.
    pub sdr_unequal: Option<f64>,
    /// Point pairs looked at.
    pub point_pairs: u64,
    /// Share of stored pixel pairs whose far end is predicted no farther.
    pub stored_wrong: Option<f64>,
    /// Stored pixel pairs looked at.
    pub stored_pairs: u64,
}

impl EvalHeader {
    /// One line, to be printed before any number.
    pub fn line(&self) -> String {
        format!(
            "ground truth: {}; crop: {}; cap: {} m; scaling: {}; images: {}",
            self.ground_truth, self.crop, self.cap, self.scaling, self.images
        )
    }
}

impl EvalFile {
    /// The object of a mean.
    pub fn new(errors: DepthErrors, header: EvalHeader) -> Self {
        let DepthErrors { abs_rel, sq_rel, rmse, rmse_log, log10, silog, a1, a2, a3 } = errors;
        let images = header.images;
        let relative = None;
        Self { abs_rel, sq_rel, rmse, rmse_log, log10, silog, a1, a2, a3, images, header, relative }
    }

    /// With errors without a unit.
    pub fn with_relative(self, errors: Option<&RelativeErrors>) -> Self {
        let relative = errors.map(|errors| RelativeFile {
            si_rmse: errors.si_rmse(),
            sdr: errors.all().share(),
            sdr_equal: errors.equal.share(),
            sdr_unequal: errors.unequal.share(),
            point_pairs: errors.all().n,
            stored_wrong: errors.stored.share(),
            stored_pairs: errors.stored.n,
        });
        Self { relative, ..self }
    }

    /// The errors.
    pub fn errors(&self) -> DepthErrors {
        DepthErrors {
            abs_rel: self.abs_rel,
            sq_rel: self.sq_rel,
            rmse: self.rmse,
            rmse_log: self.rmse_log,
            log10: self.log10,
            silog: self.silog,
            a1: self.a1,
            a2: self.a2,
            a3: self.a3,
        }
    }

    /// JSON text with a line end.
    pub fn json(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("invariant: numbers and text");
        format!("{text}\n")
    }

    /// Publishes the object; the folder is made as needed.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        atomic_file::write(path, self.json().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_contract() {
        let header = EvalHeader {
            ground_truth: "lidar".to_owned(),
            crop: "garg".to_owned(),
            cap: 80.0,
            scaling: "none".to_owned(),
            images: 2,
        };
        let file = EvalFile::new(DepthErrors::from_array([0.5; 9]), header);
        let value: serde_json::Value = serde_json::from_str(&file.json()).unwrap();
        let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        let expected = [
            "a1", "a2", "a3", "abs_rel", "header", "images", "log10", "rmse", "rmse_log", "silog",
            "sq_rel",
        ];
        let mut sorted = keys.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, expected);
        let header: Vec<&str> =
            value["header"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(header.len(), 5);
        assert_eq!(
            file.header.line(),
            "ground truth: lidar; crop: garg; cap: 80 m; scaling: none; images: 2"
        );
    }
}
