//! Floor 2: one session: opened, its inputs and outputs compared with the spec, run on one view of a picture.

use std::fmt;
use std::str::FromStr;

use ort::ep;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session, SessionOutputs};
use ort::value::{Outlet, TensorElementType, TensorRef, ValueType};
use suw_shared::rgb_image::RgbImage;

use super::model_spec::{Channels, Element, InputSpec};
use super::{ModelFile, OnnxError, Runtime};
use crate::resize::resize_rgb;
use crate::segmenter::SegmentError;
use crate::tensors::{View, normalized_block, plain_block};

/// Where networks run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// Deterministic for a given number of intra-op threads.
    Cpu,
    /// A CUDA device by number. Refused, not replaced by the CPU, where it does not work.
    Cuda(i32),
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_prefix("cuda:").and_then(|number| number.parse().ok());
        match (text, number) {
            ("cpu", _) => Ok(Self::Cpu),
            (_, Some(number)) if number >= 0 => Ok(Self::Cuda(number)),
            _ => Err(format!("cannot use device {text:?}: expected \"cpu\" or \"cuda:0\"")),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

/// How sessions run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionOptions {
    /// Where.
    pub device: Device,
    /// Threads inside one call; sums are split among them, so the last bits of results depend on it.
    pub intra_threads: usize,
}

/// A tensor as a spec describes it; -1 stands for any length.
pub(super) struct TensorSpec {
    pub name: String,
    pub elements: Vec<TensorElementType>,
    pub shape: Vec<i64>,
}

impl TensorSpec {
    pub(super) fn new(name: &str, elements: &[TensorElementType], shape: &[i64]) -> Self {
        Self { name: name.to_owned(), elements: elements.to_vec(), shape: shape.to_vec() }
    }

    fn fits(&self, outlet: &Outlet) -> bool {
        let ValueType::Tensor { ty, shape, .. } = outlet.dtype() else { return false };
        self.elements.contains(ty)
            && self.shape.len() == shape.len()
            && self
                .shape
                .iter()
                .zip(shape.iter())
                .all(|(&want, &got)| want == got || want < 0 || got < 0)
    }
}

impl fmt::Display for TensorSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elements: Vec<String> = self.elements.iter().map(ToString::to_string).collect();
        write!(f, "{:?} {} {}", self.name, elements.join(" or "), dims(&self.shape))
    }
}

fn dims(shape: &[i64]) -> String {
    let dims: Vec<String> = shape
        .iter()
        .map(|&length| if length < 0 { "?".to_owned() } else { length.to_string() })
        .collect();
    format!("[{}]", dims.join(", "))
}

fn outlet_text(outlet: &Outlet) -> String {
    match outlet.dtype() {
        ValueType::Tensor { ty, shape, .. } => format!("{:?} {ty} {}", outlet.name(), dims(shape)),
        other => format!("{:?} {other}", outlet.name()),
    }
}

/// A session whose tensors are those of its spec.
pub(super) struct CheckedSession {
    session: Session,
    model: String,
    input: InputSpec,
}

impl CheckedSession {
    /// Opens a session and compares it with the spec.
    ///
    /// # Errors
    /// Both sides, where they differ.
    pub(super) fn open(
        runtime: &Runtime,
        model: &ModelFile,
        options: SessionOptions,
        outputs: &[TensorSpec],
    ) -> Result<Self, OnnxError> {
        let session =
            open_session(runtime, model, options).map_err(|error| OnnxError::Session {
                model: model.spec.name.clone(),
                path: model.path.clone(),
                device: options.device.to_string(),
                cause: error.to_string(),
            })?;
        let input = &model.spec.input;
        let element = match input.element {
            Element::F32(_) => TensorElementType::Float32,
            Element::U8 => TensorElementType::Uint8,
        };
        let shape = input.layout.shape(input.resize.input_size());
        let wanted = TensorSpec::new(&input.name, &[element], &shape);
        let fits =
            matches!(session.inputs(), [only] if only.name() == input.name && wanted.fits(only));
        if !fits {
            let got: Vec<String> = session.inputs().iter().map(outlet_text).collect();
            return Err(differ(model, format!("one input {wanted}"), "inputs", &got));
        }
        for wanted in outputs {
            let named = session.outputs().iter().find(|outlet| outlet.name() == wanted.name);
            if !named.is_some_and(|outlet| wanted.fits(outlet)) {
                let got: Vec<String> = match named {
                    Some(outlet) => vec![outlet_text(outlet)],
                    None => session.outputs().iter().map(outlet_text).collect(),
                };
                return Err(differ(model, format!("output {wanted}"), "outputs", &got));
            }
        }
        Ok(Self { session, model: model.spec.name.clone(), input: input.clone() })
    }

    pub(super) fn model(&self) -> &str {
        &self.model
    }

    pub(super) fn views(&self, image: &RgbImage) -> Vec<View> {
        self.input.resize.views(image.size())
    }

    /// Runs the network on one view of a picture.
    pub(super) fn run(
        &mut self,
        image: &RgbImage,
        view: &View,
    ) -> Result<SessionOutputs<'_>, SegmentError> {
        let failed = |error: ort::Error| SegmentError::Run {
            model: self.model.clone(),
            cause: error.to_string(),
        };
        let shape = self.input.layout.shape(Some(view.input));
        let mut planes = resize_rgb(image, view.window, view.scaled);
        if self.input.channels == Channels::Bgr {
            let (red, others) = planes.split_at_mut(view.scaled.area());
            red.swap_with_slice(&mut others[view.scaled.area()..]);
        }
        match &self.input.element {
            Element::F32(normalization) => {
                let block = normalized_block(
                    &planes,
                    view.scaled,
                    normalization,
                    self.input.layout,
                    view.input,
                );
                let tensor =
                    TensorRef::from_array_view((shape, block.as_slice())).map_err(&failed)?;
                self.session.run(ort::inputs![tensor]).map_err(failed)
            }
            Element::U8 => {
                let block = plain_block(&planes, view.scaled, self.input.layout, view.input);
                let tensor =
                    TensorRef::from_array_view((shape, block.as_slice())).map_err(&failed)?;
                self.session.run(ort::inputs![tensor]).map_err(failed)
            }
        }
    }
}

fn differ(model: &ModelFile, expected: String, kind: &str, got: &[String]) -> OnnxError {
    OnnxError::OtherTensors {
        model: model.spec.name.clone(),
        spec: model.spec_path.clone(),
        expected,
        got: format!("{kind} {}", got.join(", ")),
    }
}

fn open_session(
    runtime: &Runtime,
    model: &ModelFile,
    options: SessionOptions,
) -> ort::Result<Session> {
    // One operator after the other, no spinning: several sessions share the cores with the decoders. No memory planned
    // ahead: the plan of a full-size network holds a third of all memory between calls and saves no time.
    let mut builder = Session::builder(runtime.environment())?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_parallel_execution(false)?
        .with_inter_threads(1)?
        .with_intra_threads(options.intra_threads)?
        .with_intra_op_spinning(false)?
        .with_deterministic_compute(true)?
        .with_memory_pattern(false)?;
    if let Device::Cuda(number) = options.device {
        runtime.preload_cuda();
        let cuda = ep::CUDA::default()
            .with_device_id(number)
            // An exhaustive search would start anew with every input shape.
            .with_conv_algorithm_search(ep::cuda::ConvAlgorithmSearch::Heuristic)
            .build()
            .error_on_failure();
        builder = builder.with_execution_providers([cuda])?;
    }
    builder.commit_from_file(&model.path)
}

/// The values and shape of an output, or why they are of no use.
pub(super) fn output<'o, T: ort::value::PrimitiveTensorElementType>(
    outputs: &'o SessionOutputs<'_>,
    model: &str,
    name: &str,
    expected: &[i64],
) -> Result<(Vec<usize>, &'o [T]), SegmentError> {
    let wrong = |got: String| SegmentError::Output {
        model: model.to_owned(),
        output: name.to_owned(),
        expected: format!("a tensor {}", dims(expected)),
        got,
    };
    let value = outputs.get(name).ok_or_else(|| wrong("no output of that name".to_owned()))?;
    let (shape, data) =
        value.try_extract_tensor::<T>().map_err(|error| wrong(error.to_string()))?;
    let fits = shape.len() == expected.len()
        && shape.iter().zip(expected).all(|(got, want)| got == want || *want < 0);
    if !fits {
        return Err(wrong(dims(shape)));
    }
    Ok((shape.iter().map(|&length| length as usize).collect(), data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_read_what_they_print() {
        for text in ["cpu", "cuda:0", "cuda:3"] {
            assert_eq!(text.parse::<Device>().unwrap().to_string(), text);
        }
        for text in ["", "gpu", "cuda", "cuda:", "cuda:-1", "CPU"] {
            assert!(text.parse::<Device>().is_err(), "{text}");
        }
    }
}
