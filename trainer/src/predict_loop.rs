//! Floor 4: pictures of any size to depth files.

use std::path::{Path, PathBuf};

use suw_shared::class::SemanticClass;
use suw_shared::image_size::ImageSize;
use suw_shared::rgb_image::RgbImage;
use tch::{Device, Kind, Tensor};

use crate::color_map::ColorMap;
use crate::eval_loop::values;
use crate::picture_file::{
    self, ColorRange, PictureError, beside, depth_colors, npy_of_depth, png_of_depth, png_of_rgb,
};
use crate::steps::model::Model;

/// How a picture gets into the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Resized to the size the network was trained at.
    Resize(ImageSize),
    /// As it is, its right and lower edge repeated up to what the network needs.
    Pad,
}

/// Whether depth is stored as numbers too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// Pictures only.
    Off,
    /// `<stem>.npy` besides.
    Npy,
}

/// Whether the picture and its depth are also written beside each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// Depth alone.
    Off,
    /// `<stem>-side.png` besides.
    On,
}

/// What is written where.
#[derive(Clone, Debug)]
pub struct PredictParams {
    /// Folder of the results.
    pub out: PathBuf,
    /// How pictures get into the network.
    pub fit: Fit,
    /// Whether depth is stored as numbers too.
    pub numbers: Numbers,
    /// Ends of the color scale; `None` takes those of each picture.
    pub range: Option<ColorRange>,
    /// Colors.
    pub colors: ColorMap,
    /// Whether the picture and its depth are also written beside each other.
    pub beside: Beside,
    /// Folder of semantic maps, `<stem>.png` of Cityscapes train ids at the picture's size; the depth of their sky is 0.
    pub sky: Option<PathBuf>,
}

/// Predicts one picture and writes `<stem>-color.png`, `<stem>-depth.png` and, if wanted, `<stem>-side.png` and `<stem>.npy`,
/// all at its own size; says what was written.
pub fn predict_file(
    model: &Model,
    path: &Path,
    params: &PredictParams,
) -> Result<Vec<PathBuf>, PictureError> {
    let picture = picture_file::read_rgb(path)?;
    let size = picture.size();
    let mut depth = values(&predict_picture(model, &picture, params.fit));
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    if let Some(folder) = &params.sky {
        let classes = picture_file::read_classes(&folder.join(format!("{stem}.png")), size)?;
        for (depth, class) in depth.iter_mut().zip(classes) {
            if class == SemanticClass::Sky.id() {
                *depth = 0.0;
            }
        }
    }
    let range = params.range.unwrap_or_else(|| ColorRange::of(&depth));
    let colors = depth_colors(&depth, size, range, params.colors);
    let mut files = vec![
        (format!("{stem}-color.png"), png_of_rgb(&colors)),
        (format!("{stem}-depth.png"), png_of_depth(&depth, size)),
    ];
    if params.beside == Beside::On {
        files.push((format!("{stem}-side.png"), png_of_rgb(&beside(&picture, &colors))));
    }
    if params.numbers == Numbers::Npy {
        files.push((format!("{stem}.npy"), npy_of_depth(&depth, size)));
    }
    let mut written = Vec::new();
    for (name, bytes) in files {
        let path = params.out.join(name);
        picture_file::write(&path, &bytes)?;
        written.push(path);
    }
    Ok(written)
}

/// Depth of one picture at its own size, on the CPU.
///
/// # Shapes
/// - returns: `[H, W]`
///
/// # Units
/// Metres, or a unit of its own (see [`Model::predict`]); not clamped.
pub fn predict_picture(model: &Model, picture: &RgbImage, fit: Fit) -> Tensor {
    let size = picture.size();
    let (h, w) = (i64::from(size.height), i64::from(size.width));
    let image = Tensor::from_slice(picture.data())
        .view([h, w, 3])
        .permute([2, 0, 1])
        .unsqueeze(0)
        .to_kind(Kind::Float)
        / 255.0; // [1, 3, H, W]
    let image = image.to_device(model.device());
    let depth = match fit {
        Fit::Resize(network) => {
            let network = [i64::from(network.height), i64::from(network.width)];
            let resized = image.internal_upsample_bilinear2d_aa(network, false, None, None);
            model.predict(&resized).upsample_bilinear2d([h, w], false, None, None)
        }
        Fit::Pad => {
            let multiple = i64::from(model.multiple);
            let missing = |length: i64| (multiple - length % multiple) % multiple;
            let padded = image.replication_pad2d([0, missing(w), 0, missing(h)]);
            model.predict(&padded).narrow(2, 0, h).narrow(3, 0, w)
        }
    };
    depth.view([h, w]).to_device(Device::Cpu).contiguous()
}
