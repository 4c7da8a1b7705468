//! Floor 2: what a model file must be: digest, tensors, resize policy, class table (contract, section 4).
//!
//! A spec says how to feed a network and how to read it; what it says decides the masks, so its digest marks mask stores.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use suw_shared::checksum;
use suw_shared::image_size::ImageSize;
use suw_shared::toml_file;

use super::OnnxError;
use crate::class_table::{InstanceTable, SemanticTable};
use crate::detections::MaskForm;
use crate::tensors::{Layout, Normalization, ResizePolicy};

/// What a network is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Finds persons, bicycles and cars.
    Instance,
    /// Names the class of every pixel.
    Semantic,
}

impl Role {
    /// As written in specs and manifests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Semantic => "semantic",
        }
    }
}

/// A checked spec.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSpec {
    /// What the network is for.
    pub role: Role,
    /// Stands in stores and manifests.
    pub name: String,
    /// Relative to the spec.
    pub file: PathBuf,
    /// 64 lower-case hex digits.
    pub blake3: String,
    /// The one input.
    pub input: InputSpec,
    /// By role.
    pub output: OutputSpec,
    /// BLAKE3 of everything above that decides the masks, name and files apart.
    pub digest: String,
}

/// How to feed it.
#[derive(Clone, Debug, PartialEq)]
pub struct InputSpec {
    /// Tensor name.
    pub name: String,
    /// Order of axes.
    pub layout: Layout,
    /// Order of the three colors; mean and deviation stand in the same order.
    pub channels: Channels,
    /// 8-bit values as they are, or normalized.
    pub element: Element,
    /// How pictures get the right size.
    pub resize: ResizePolicy,
}

/// Order of the colors of an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// As torchvision has it.
    #[default]
    Rgb,
    /// As Caffe2 had it, and Detectron2 and the ONNX model zoo after it.
    Bgr,
}

/// What the input holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Element {
    /// `f32` after normalization.
    F32(Normalization),
    /// `u8`, the picture itself.
    U8,
}

/// How to read it.
#[derive(Clone, Debug, PartialEq)]
pub enum OutputSpec {
    /// Mask R-CNN.
    Instance {
        /// Tensor names.
        boxes: String,
        /// Tensor names.
        labels: String,
        /// Tensor names.
        scores: String,
        /// Tensor names.
        masks: String,
        /// What the masks show.
        form: MaskForm,
        /// What the labels mean.
        table: InstanceTable,
    },
    /// PSPNet.
    Semantic {
        /// Tensor name.
        name: String,
        /// What it holds.
        kind: SemanticOutput,
        /// What channels or labels mean.
        table: SemanticTable,
    },
}

/// What a semantic network gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SemanticOutput {
    /// `f32 [1, C, h, w]`.
    Logits,
    /// `i64`, `i32` or `u8` `[1, h, w]`.
    Labels,
}

/// Sides of a region mask.
pub const ROI_SIDE: i64 = 28;

/// A spec as written.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct SpecText {
    role: RoleText,
    name: String,
    file: PathBuf,
    blake3: String,
    classes: ClassesText,
    input: InputText,
    output: OutputText,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum RoleText {
    Instance,
    Semantic,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum ClassesText {
    Coco91,
    Coco80,
    Cityscapes,
    Ade20k,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct InputText {
    name: String,
    layout: LayoutText,
    // Left out where it is not written: the digests of specs without it stay what they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    channels: Option<Channels>,
    element: ElementText,
    scale: f32,
    mean: [f32; 3],
    deviation: [f32; 3],
    resize: ResizeText,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum LayoutText {
    Nchw,
    Chw,
    Nhwc,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum ElementText {
    F32,
    U8,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ResizeText {
    policy: PolicyText,
    width: Option<u32>,
    height: Option<u32>,
    multiple: Option<u32>,
    long_side: Option<u32>,
    stride_x: Option<u32>,
    stride_y: Option<u32>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum PolicyText {
    Fixed,
    Letterbox,
    MultipleOf,
    SlidingWindow,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct OutputText {
    boxes: Option<String>,
    labels: Option<String>,
    scores: Option<String>,
    masks: Option<String>,
    mask_form: Option<FormText>,
    logits: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum FormText {
    Roi,
    Full,
}

/// What decides the masks.
#[derive(Serialize)]
struct DigestText<'a> {
    role: RoleText,
    classes: ClassesText,
    input: &'a InputText,
    output: &'a OutputText,
}

impl ModelSpec {
    /// Reads and checks a spec that must be for `role`.
    pub fn read(path: &Path, role: Role) -> Result<Self, OnnxError> {
        let text: SpecText = toml_file::read(path, &[])?;
        Self::from_text(text, role)
            .map_err(|cause| OnnxError::Spec { path: path.to_owned(), cause })
    }

    fn from_text(text: SpecText, role: Role) -> Result<Self, String> {
        let got = match text.role {
            RoleText::Instance => Role::Instance,
            RoleText::Semantic => Role::Semantic,
        };
        if got != role {
            return Err(format!("role: expected {:?}, got {:?}", role.name(), got.name()));
        }
        if text.name.is_empty() {
            return Err("name: expected text, got none".to_owned());
        }
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.blake3.len() != 64 || !text.blake3.bytes().all(hex) {
            return Err(format!(
                "blake3: expected 64 lower-case hex digits, got {:?}",
                text.blake3
            ));
        }
        let digest = checksum::blake3_of_bytes(
            toml_file::to_text(&DigestText {
                role: text.role,
                classes: text.classes,
                input: &text.input,
                output: &text.output,
            })
            .as_bytes(),
        );
        let resize = resize_policy(&text.input.resize)?;
        let output = output_spec(role, text.classes, text.output)?;
        if matches!(resize, ResizePolicy::SlidingWindow { .. }) && !output.is_logits() {
            return Err("input.resize.policy: sliding-window needs logits to add".to_owned());
        }
        Ok(Self {
            role,
            name: text.name,
            file: text.file,
            blake3: text.blake3,
            input: InputSpec {
                element: element(&text.input)?,
                layout: match text.input.layout {
                    LayoutText::Nchw => Layout::Nchw,
                    LayoutText::Chw => Layout::Chw,
                    LayoutText::Nhwc => Layout::Nhwc,
                },
                channels: text.input.channels.unwrap_or_default(),
                name: text.input.name,
                resize,
            },
            output,
            digest,
        })
    }
}

impl OutputSpec {
    fn is_logits(&self) -> bool {
        matches!(self, Self::Semantic { kind: SemanticOutput::Logits, .. })
    }
}

fn element(input: &InputText) -> Result<Element, String> {
    let normalization =
        Normalization { scale: input.scale, mean: input.mean, deviation: input.deviation };
    let plain = Normalization { scale: 1.0, mean: [0.0; 3], deviation: [1.0; 3] };
    let all = [&input.mean[..], &input.deviation, &[input.scale]].concat();
    if !all.iter().all(|value| value.is_finite()) || input.deviation.contains(&0.0) {
        return Err("input: scale, mean and deviation must be finite, deviation not 0".to_owned());
    }
    match input.element {
        ElementText::F32 => Ok(Element::F32(normalization)),
        ElementText::U8 if normalization == plain => Ok(Element::U8),
        ElementText::U8 => Err(format!(
            "input: element \"u8\" takes the picture as it is; expected scale 1, mean 0, deviation 1, \
             got {}, {:?}, {:?}",
            input.scale, input.mean, input.deviation
        )),
    }
}

/// The longest side of an input; keeps a slip from asking for terabytes.
const SIDE_MAX: u32 = 16_384;

fn resize_policy(text: &ResizeText) -> Result<ResizePolicy, String> {
    let keys = [
        ("width", text.width),
        ("height", text.height),
        ("multiple", text.multiple),
        ("long_side", text.long_side),
        ("stride_x", text.stride_x),
        ("stride_y", text.stride_y),
    ];
    let (required, optional): (&[&str], &[&str]) = match text.policy {
        PolicyText::Fixed | PolicyText::Letterbox => (&["width", "height"], &[]),
        PolicyText::MultipleOf => (&["multiple"], &["long_side"]),
        PolicyText::SlidingWindow => (&["width", "height", "stride_x", "stride_y"], &[]),
    };
    for (key, value) in keys {
        let known = required.contains(&key) || optional.contains(&key);
        match value {
            Some(_) if !known => {
                return Err(format!(
                    "input.resize.{key}: policy {:?} has no such key",
                    text.policy
                ));
            }
            Some(value) if value == 0 || value > SIDE_MAX => {
                return Err(format!("input.resize.{key}: expected 1 to {SIDE_MAX}, got {value}"));
            }
            None if required.contains(&key) => {
                return Err(format!("input.resize.{key}: policy {:?} needs it", text.policy));
            }
            _ => {}
        }
    }
    // Checked above: a required key is there.
    let of = |value: Option<u32>| value.unwrap_or(1);
    let size = ImageSize::new(of(text.width), of(text.height));
    Ok(match text.policy {
        PolicyText::Fixed => ResizePolicy::Fixed { size },
        PolicyText::Letterbox => ResizePolicy::Letterbox { size },
        PolicyText::MultipleOf => {
            ResizePolicy::MultipleOf { multiple: of(text.multiple), long_side: text.long_side }
        }
        PolicyText::SlidingWindow => {
            let (stride_x, stride_y) = (of(text.stride_x), of(text.stride_y));
            if stride_x > size.width || stride_y > size.height {
                return Err(format!(
                    "input.resize: strides {stride_x}, {stride_y} leave gaps between windows of {size}"
                ));
            }
            ResizePolicy::SlidingWindow { size, stride_x, stride_y }
        }
    })
}

fn output_spec(role: Role, classes: ClassesText, text: OutputText) -> Result<OutputSpec, String> {
    let expected = match role {
        Role::Instance => "boxes, labels, scores, masks, mask_form",
        Role::Semantic => "exactly one of logits, labels",
    };
    let wrong = || format!("[output] of an {} model: expected {expected}", role.name());
    match role {
        Role::Instance => {
            let table = match classes {
                ClassesText::Coco91 => InstanceTable::Coco91,
                ClassesText::Coco80 => InstanceTable::Coco80,
                other => return Err(wrong_table(role, other)),
            };
            match text {
                OutputText {
                    boxes: Some(boxes),
                    labels: Some(labels),
                    scores: Some(scores),
                    masks: Some(masks),
                    mask_form: Some(form),
                    logits: None,
                } => {
                    let form = match form {
                        FormText::Roi => MaskForm::Roi,
                        FormText::Full => MaskForm::Full,
                    };
                    Ok(OutputSpec::Instance { boxes, labels, scores, masks, form, table })
                }
                _ => Err(wrong()),
            }
        }
        Role::Semantic => {
            let table = match classes {
                ClassesText::Cityscapes => SemanticTable::Cityscapes,
                ClassesText::Ade20k => SemanticTable::Ade20k,
                other => return Err(wrong_table(role, other)),
            };
            let (name, kind) = match text {
                OutputText {
                    boxes: None,
                    scores: None,
                    masks: None,
                    mask_form: None,
                    logits,
                    labels,
                } => match (logits, labels) {
                    (Some(name), None) => (name, SemanticOutput::Logits),
                    (None, Some(name)) => (name, SemanticOutput::Labels),
                    _ => return Err(wrong()),
                },
                _ => return Err(wrong()),
            };
            Ok(OutputSpec::Semantic { name, kind, table })
        }
    }
}

fn wrong_table(role: Role, classes: ClassesText) -> String {
    let expected = match role {
        Role::Instance => "coco91 or coco80",
        Role::Semantic => "cityscapes or ade20k",
    };
    format!("classes: expected {expected} for role {:?}, got {classes:?}", role.name())
}

#[cfg(test)]
mod tests;
