//! Floor 2: reference cases of the losses: one safetensors file with inputs, expected terms and gradients.
//!
//! Reads and checks shapes; knows nothing about how terms are computed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tch::{Device, Kind, TchError, Tensor};

use crate::dims::{Axis, DimsError, check_dims};

/// Inputs and expectations of one case. Floating tensors are float64, indices i64.
pub struct ReferenceCase {
    /// `[N, K, H/4, W/4]`.
    pub logits: Tensor,
    /// `[N, H, W]`, metres, 0 = not measured.
    pub gt: Tensor,
    /// `[N, 3, 3, H, W]`, RGB in [0, 1].
    pub frames: Tensor,
    /// `[N, 3, 3]`.
    pub intrinsics: Tensor,
    /// `[N, 2, 6]`.
    pub ego_v: Tensor,
    /// `[N, H, W]`, object numbers.
    pub objects: Tensor,
    /// `[M]`.
    pub object_image: Tensor,
    /// `[M]`.
    pub object_index: Tensor,
    /// `[M, 2, 6]`.
    pub object_v: Tensor,
    /// image, far_y, far_x, near_y, near_x, size.
    pub pairs: Vec<[i64; 6]>,
    /// Inputs of the hourglass, where the case has them.
    pub hourglass: Option<HourglassCase>,
    /// Everything else in the file: expected values by name.
    pub expected: BTreeMap<String, Tensor>,
}

/// Inputs of the hourglass.
pub struct HourglassCase {
    /// `[N, 1, H, W]`.
    pub log_depth: Tensor,
    /// `[N, H, W]`, 0 = not measured.
    pub gt: Tensor,
}

impl ReferenceCase {
    /// The same case with its inputs on another device; expected values stay where they are.
    pub fn on(&self, device: Device) -> Self {
        let moved = |t: &Tensor| t.to_device(device);
        let hourglass = self.hourglass.as_ref();
        Self {
            logits: moved(&self.logits),
            gt: moved(&self.gt),
            frames: moved(&self.frames),
            intrinsics: moved(&self.intrinsics),
            ego_v: moved(&self.ego_v),
            objects: moved(&self.objects),
            object_image: moved(&self.object_image),
            object_index: moved(&self.object_index),
            object_v: moved(&self.object_v),
            pairs: self.pairs.clone(),
            hourglass: hourglass
                .map(|h| HourglassCase { log_depth: moved(&h.log_depth), gt: moved(&h.gt) }),
            expected: self.expected.iter().map(|(k, t)| (k.clone(), t.shallow_clone())).collect(),
        }
    }
}

/// Why a case cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// The file is not there or not readable.
    #[error("cannot read reference case {path:?}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is no safetensors file.
    #[error("cannot read reference case {path:?}")]
    Format {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: TchError,
    },
    /// A tensor is not there.
    #[error("cannot read reference case {path:?}: tensor {name:?} is missing")]
    Missing {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: &'static str,
    },
    /// A tensor has another shape.
    #[error("cannot read reference case {path:?}")]
    Dims {
        /// The file.
        path: PathBuf,
        /// Which, expected and got.
        source: DimsError,
    },
    /// A number that points outside.
    #[error(
        "cannot read reference case {path:?}: {name} has a value out of range; expected {expected}, got {got}"
    )]
    Range {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: &'static str,
        /// What it may be.
        expected: String,
        /// What it is.
        got: String,
    },
}

/// Reads a case and checks that its tensors fit together.
///
/// # Errors
/// [`CaseError`] names the file and the tensor.
pub fn read_case(path: &Path) -> Result<ReferenceCase, CaseError> {
    // tch panics on a missing file only in its message; look first to give the operating system's reason.
    fs::metadata(path).map_err(|source| CaseError::Io { path: path.into(), source })?;
    let tensors = Tensor::read_safetensors(path)
        .map_err(|source| CaseError::Format { path: path.into(), source })?;
    let mut file = CaseFile { path, tensors: tensors.into_iter().collect() };

    let logits = file.float("logits")?;
    let size = logits.size();
    file.check("logits", &logits, &["N", "K", "H/4", "W/4"].map(Axis::Free))?;
    if size.contains(&0) || size[1] < 2 {
        let got = format!("{size:?}");
        return Err(file.range("logits", "two bins or more, nothing empty".into(), got));
    }
    let (n, height, width) = (Axis::Is(size[0]), Axis::Is(4 * size[2]), Axis::Is(4 * size[3]));
    let three = Axis::Is(3);
    let gt = file.float_of("gt", &[n, height, width])?;
    let frames = file.float_of("frames", &[n, three, three, height, width])?;
    let intrinsics = file.float_of("K", &[n, three, three])?;
    let ego_v = file.float_of("ego_v", &[n, Axis::Is(2), Axis::Is(6)])?;
    let objects = file.integer_of("objects", &[n, height, width])?;
    let object_image = file.integer_of("object_image", &[Axis::Free("M")])?;
    let m = Axis::Is(object_image.size()[0]);
    let object_index = file.integer_of("object_index", &[m])?;
    let object_v = file.float_of("object_v", &[m, Axis::Is(2), Axis::Is(6)])?;
    let pairs = file.integer_of("pairs", &[Axis::Free("P"), Axis::Is(6)])?;
    let hourglass = match file.tensors.contains_key("hourglass.log_depth") {
        false => None,
        true => Some(HourglassCase {
            log_depth: file.float_of("hourglass.log_depth", &[n, Axis::Is(1), height, width])?,
            gt: file.float_of("hourglass.gt", &[n, height, width])?,
        }),
    };
    let pairs = rows_of_six(&pairs);
    file.check_images(&object_image, size[0])?;
    file.check_pairs(&pairs, [size[0], 4 * size[2], 4 * size[3]])?;
    let expected = file.tensors.into_iter().map(|(name, t)| (name, t.to_kind(Kind::Double)));
    Ok(ReferenceCase {
        logits,
        gt,
        frames,
        intrinsics,
        ego_v,
        objects,
        object_image,
        object_index,
        object_v,
        pairs,
        hourglass,
        expected: expected.collect(),
    })
}

struct CaseFile<'a> {
    path: &'a Path,
    tensors: BTreeMap<String, Tensor>,
}

impl CaseFile<'_> {
    fn take(&mut self, name: &'static str) -> Result<Tensor, CaseError> {
        self.tensors.remove(name).ok_or(CaseError::Missing { path: self.path.into(), name })
    }

    fn float(&mut self, name: &'static str) -> Result<Tensor, CaseError> {
        Ok(self.take(name)?.to_kind(Kind::Double))
    }

    fn float_of(&mut self, name: &'static str, expected: &[Axis]) -> Result<Tensor, CaseError> {
        let tensor = self.float(name)?;
        self.check(name, &tensor, expected)?;
        Ok(tensor)
    }

    fn integer_of(&mut self, name: &'static str, expected: &[Axis]) -> Result<Tensor, CaseError> {
        let tensor = self.take(name)?.to_kind(Kind::Int64);
        self.check(name, &tensor, expected)?;
        Ok(tensor)
    }

    fn check(&self, name: &str, tensor: &Tensor, expected: &[Axis]) -> Result<(), CaseError> {
        check_dims(name, tensor, expected)
            .map_err(|source| CaseError::Dims { path: self.path.into(), source })
    }

    fn check_images(&self, image: &Tensor, n: i64) -> Result<(), CaseError> {
        let images: Vec<i64> = image.iter::<i64>().map_or_else(|_| Vec::new(), Iterator::collect);
        match images.into_iter().find(|image| !(0..n).contains(image)) {
            None => Ok(()),
            Some(got) => {
                Err(self.range("object_image", format!("0 to {}", n - 1), got.to_string()))
            }
        }
    }

    fn check_pairs(
        &self,
        pairs: &[[i64; 6]],
        [n, height, width]: [i64; 3],
    ) -> Result<(), CaseError> {
        let fits = |&[image, far_y, far_x, near_y, near_x, size]: &[i64; 6]| {
            let half = size / 2;
            let inside = |at: i64, end: i64| half <= at && at < end - half;
            let ends = [(far_y, height), (near_y, height), (far_x, width), (near_x, width)];
            size > 0
                && size % 2 == 1
                && (0..n).contains(&image)
                && ends.iter().all(|&(at, end)| inside(at, end))
        };
        match pairs.iter().find(|pair| !fits(pair)) {
            None => Ok(()),
            Some(pair) => {
                let expected = format!("odd patches inside {n} pictures of {width}x{height}");
                Err(self.range("pairs", expected, format!("{pair:?}")))
            }
        }
    }

    fn range(&self, name: &'static str, expected: String, got: String) -> CaseError {
        CaseError::Range { path: self.path.into(), name, expected, got }
    }
}

fn rows_of_six(pairs: &Tensor) -> Vec<[i64; 6]> {
    let mut flat = vec![0i64; pairs.numel()];
    pairs.contiguous().copy_data(&mut flat, pairs.numel());
    flat.as_chunks::<6>().0.to_vec()
}
