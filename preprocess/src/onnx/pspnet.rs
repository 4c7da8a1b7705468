//! Floor 2: semantic segmentation by PSPNet.

use ort::session::SessionOutputs;
use ort::value::TensorElementType::{Float32, Int32, Int64, Uint8};
use suw_shared::rgb_image::RgbImage;
use suw_shared::semantic_map::SemanticMap;

use super::model_spec::{OutputSpec, SemanticOutput};
use super::session::{CheckedSession, SessionOptions, TensorSpec, output};
use super::{ModelFile, OnnxError, Runtime};
use crate::logits::{LogitMap, semantic_from_labels, semantic_from_logits};
use crate::segmenter::{SegmentError, SemanticSegmenter};
use crate::tensors::View;

/// A session of a semantic network.
pub struct PspNet {
    session: CheckedSession,
    output: String,
    kind: SemanticOutput,
    train_ids: Vec<u8>,
}

impl PspNet {
    /// Opens a session and compares its tensors with the spec.
    ///
    /// # Panics
    /// If the spec is for another role.
    pub fn open(
        runtime: &Runtime,
        model: &ModelFile,
        options: SessionOptions,
    ) -> Result<Self, OnnxError> {
        let OutputSpec::Semantic { name, kind, table } = model.spec.output.clone() else {
            unreachable!("invariant: a semantic network has a semantic spec");
        };
        let wanted = match kind {
            SemanticOutput::Logits => {
                TensorSpec::new(&name, &[Float32], &[1, table.classes() as i64, -1, -1])
            }
            SemanticOutput::Labels => TensorSpec::new(&name, &[Int64, Int32, Uint8], &[1, -1, -1]),
        };
        let session = CheckedSession::open(runtime, model, options, &[wanted])?;
        Ok(Self { session, output: name, kind, train_ids: table.train_ids() })
    }

    fn logits(&mut self, image: &RgbImage, views: &[View]) -> Result<SemanticMap, SegmentError> {
        let model = self.session.model().to_owned();
        let name = &self.output;
        let expected = [1, self.train_ids.len() as i64, -1, -1];
        let mut maps = Vec::with_capacity(views.len());
        for &view in views {
            let values = self.session.run(image, &view)?;
            let (shape, data) = output::<f32>(&values, &model, name, &expected)?;
            if data.is_empty() || !data.iter().all(|value| value.is_finite()) {
                let got = "none, infinite or not a number".to_owned();
                return Err(wrong(&model, name, "finite logits".to_owned(), got));
            }
            maps.push(LogitMap { view, data: data.to_vec(), height: shape[2], width: shape[3] });
        }
        Ok(semantic_from_logits(&maps, &self.train_ids, image.size()))
    }

    fn labels(&mut self, image: &RgbImage, view: &View) -> Result<SemanticMap, SegmentError> {
        let model = self.session.model().to_owned();
        let name = &self.output;
        let values = self.session.run(image, view)?;
        let (size, labels) = label_values(&values, &model, name)?;
        if labels.is_empty() {
            return Err(wrong(&model, name, "a label map".to_owned(), "no values".to_owned()));
        }
        semantic_from_labels(&labels, size, &self.train_ids, view).map_err(|label| {
            let expected = format!("labels 0 to {} or 255", self.train_ids.len() - 1);
            wrong(&model, name, expected, label.to_string())
        })
    }
}

fn wrong(model: &str, output: &str, expected: String, got: String) -> SegmentError {
    SegmentError::Output { model: model.to_owned(), output: output.to_owned(), expected, got }
}

/// Label numbers whatever their type, and height and width of the map.
fn label_values(
    values: &SessionOutputs<'_>,
    model: &str,
    name: &str,
) -> Result<((usize, usize), Vec<i64>), SegmentError> {
    let expected = [1, -1, -1];
    let (shape, labels) = if let Ok((shape, data)) = output::<u8>(values, model, name, &expected) {
        (shape, data.iter().map(|&label| i64::from(label)).collect())
    } else if let Ok((shape, data)) = output::<i32>(values, model, name, &expected) {
        (shape, data.iter().map(|&label| i64::from(label)).collect())
    } else {
        let (shape, data) = output::<i64>(values, model, name, &expected)?;
        (shape, data.to_vec())
    };
    Ok(((shape[1], shape[2]), labels))
}

impl SemanticSegmenter for PspNet {
    fn segment(&mut self, image: &RgbImage) -> Result<SemanticMap, SegmentError> {
        let views = self.session.views(image);
        match self.kind {
            SemanticOutput::Logits => self.logits(image, &views),
            SemanticOutput::Labels => self.labels(image, &views[0]),
        }
    }
}
