//! Floor 2: instance segmentation by Mask R-CNN.

use ort::session::SessionOutputs;
use ort::value::TensorElementType::{Float32, Int64};
use suw_shared::rgb_image::RgbImage;

use super::model_spec::{OutputSpec, ROI_SIDE};
use super::session::{CheckedSession, SessionOptions, TensorSpec, output};
use super::{ModelFile, OnnxError, Runtime};
use crate::class_table::InstanceTable;
use crate::detected::Detection;
use crate::detections::{MaskForm, RawDetections, detections_from_outputs};
use crate::segmenter::{InstanceSegmenter, SegmentError};

/// A session of an instance network.
pub struct MaskRcnn {
    session: CheckedSession,
    outputs: Outputs,
}

struct Outputs {
    boxes: String,
    labels: String,
    scores: String,
    masks: String,
    form: MaskForm,
    table: InstanceTable,
}

impl MaskRcnn {
    /// Opens a session and compares its tensors with the spec.
    ///
    /// # Panics
    /// If the spec is for another role.
    pub fn open(
        runtime: &Runtime,
        model: &ModelFile,
        options: SessionOptions,
    ) -> Result<Self, OnnxError> {
        let OutputSpec::Instance { boxes, labels, scores, masks, form, table } =
            model.spec.output.clone()
        else {
            unreachable!("invariant: an instance network has an instance spec");
        };
        let outputs = Outputs { boxes, labels, scores, masks, form, table };
        let wanted = [
            TensorSpec::new(&outputs.boxes, &[Float32], &[-1, 4]),
            TensorSpec::new(&outputs.labels, &[Int64], &[-1]),
            TensorSpec::new(&outputs.scores, &[Float32], &[-1]),
            TensorSpec::new(&outputs.masks, &[Float32], &mask_shape(form)),
        ];
        Ok(Self { session: CheckedSession::open(runtime, model, options, &wanted)?, outputs })
    }
}

fn mask_shape(form: MaskForm) -> [i64; 4] {
    match form {
        MaskForm::Roi => [-1, 1, ROI_SIDE, ROI_SIDE],
        MaskForm::Full => [-1, 1, -1, -1],
    }
}

impl InstanceSegmenter for MaskRcnn {
    fn detect(&mut self, image: &RgbImage) -> Result<Vec<Detection>, SegmentError> {
        let view = self.session.views(image)[0];
        let model = self.session.model().to_owned();
        let input = view.input;
        let values = self.session.run(image, &view)?;
        let raw = raw_detections(&values, &self.outputs, &model)?;
        let full = (input.height as usize, input.width as usize);
        if raw.form == MaskForm::Full
            && !raw.labels.is_empty()
            && (raw.mask_height, raw.mask_width) != full
        {
            return Err(SegmentError::Output {
                model,
                output: self.outputs.masks.clone(),
                expected: format!("masks of the input size {input}"),
                got: format!("{}x{}", raw.mask_width, raw.mask_height),
            });
        }
        detections_from_outputs(&raw, self.outputs.table, &view, image.size()).map_err(
            |(expected, got)| SegmentError::Output {
                model,
                output: format!("{}, {}", self.outputs.scores, self.outputs.masks),
                expected,
                got,
            },
        )
    }
}

fn raw_detections<'o>(
    values: &'o SessionOutputs<'_>,
    outputs: &Outputs,
    model: &str,
) -> Result<RawDetections<'o>, SegmentError> {
    let (shape, labels) = output::<i64>(values, model, &outputs.labels, &[-1])?;
    // All four outputs must be about the same detections.
    let count = shape[0] as i64;
    let (_, boxes) = output::<f32>(values, model, &outputs.boxes, &[count, 4])?;
    let (_, scores) = output::<f32>(values, model, &outputs.scores, &[count])?;
    let mut expected = mask_shape(outputs.form);
    expected[0] = count;
    let (shape, masks) = output::<f32>(values, model, &outputs.masks, &expected)?;
    Ok(RawDetections {
        boxes,
        labels,
        scores,
        masks,
        mask_height: shape[2],
        mask_width: shape[3],
        form: outputs.form,
    })
}
