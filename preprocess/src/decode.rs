//! Floor 2: picture files (PNG, JPEG) to nouns and back: color, 8-bit labels, KITTI's 16-bit depth.
//!
//! Nothing is converted silently: a picture of another bit depth or number of channels is an error that says so. Depth
//! pictures follow KITTI: metres = value / 256, 0 = not measured.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Seek};
use std::path::{Path, PathBuf};

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageDecoder, ImageEncoder, ImageFormat, ImageReader, Limits};
use suw_shared::depth_map::DepthMap;
use suw_shared::image_size::ImageSize;
use suw_shared::rgb_image::RgbImage;
use suw_shared::semantic_map::SemanticMap;

/// Longest side of a picture that is decoded; the shard format and its pair coordinates end at 65535.
pub const IMAGE_SIDE_MAX: u32 = 16_384;

/// Most pixels of a picture that is decoded, so that a forged header cannot ask for all memory: 8192 x 8192.
pub const IMAGE_PIXELS_MAX: usize = 1 << 26;

/// Deflate makes at most so many bytes of one, and JPEG less: a file that announces more is cut off or forged, and is
/// refused before anything is allocated for it.
pub const EXPANSION_MAX: usize = 1032;

/// Values of a 16-bit depth picture per metre.
pub const DEPTH_PNG_PER_METRE: f32 = 256.0;

/// A picture file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot decode picture {path:?}: {fault}")]
pub struct DecodeError {
    /// Which file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub fault: DecodeFault,
}

/// Why a picture file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DecodeFault {
    /// The file cannot be opened or read.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// Neither PNG nor JPEG, cut off, or damaged.
    #[error("expected a whole PNG or JPEG file, got: {0}")]
    Broken(String),
    /// The header announces more than is ever decoded.
    #[error(
        "expected at most {IMAGE_SIDE_MAX} pixels a side and {IMAGE_PIXELS_MAX} in all, got {0}"
    )]
    TooLarge(ImageSize),
    /// Another bit depth, number of channels or file format.
    #[error("expected {expected}, got {got}")]
    WrongPixels {
        /// What the caller needs.
        expected: &'static str,
        /// What the header says.
        got: String,
    },
}

impl DecodeError {
    /// The fault without the path, for messages that name the file in another way.
    pub fn cause(&self) -> String {
        self.fault.to_string()
    }
}

/// The size that the header of a color picture gives; no pixel is decoded.
pub fn image_size(path: &Path) -> Result<ImageSize, DecodeError> {
    let open = || -> Result<ImageSize, DecodeFault> {
        let mut file = BufReader::new(File::open(path)?);
        // What is in the buffer now stays there: the file is read once.
        let stored = Stored::of(file.fill_buf()?);
        let (decoder, _) = decoder(file)?;
        accept(stored, COLOR, &COLOR_STORED)?;
        let (width, height) = decoder.dimensions();
        Ok(ImageSize::new(width, height))
    };
    open().map_err(|fault| DecodeError { path: path.to_owned(), fault })
}

/// A color picture from an 8-bit RGB or gray PNG or JPEG file.
pub fn decode_rgb(path: &Path) -> Result<RgbImage, DecodeError> {
    rgb_from_bytes(path, &read(path)?)
}

/// A semantic map from an 8-bit single-channel PNG file.
pub fn decode_labels(path: &Path) -> Result<SemanticMap, DecodeError> {
    labels_from_bytes(path, &read(path)?)
}

/// A depth map from a 16-bit single-channel PNG file: metres = value / 256, 0 = not measured.
pub fn decode_depth_png16(path: &Path) -> Result<DepthMap, DecodeError> {
    depth_from_bytes(path, &read(path)?)
}

/// `decode_rgb` of a file that is in memory; `path` only names it.
pub fn rgb_from_bytes(path: &Path, bytes: &[u8]) -> Result<RgbImage, DecodeError> {
    let pixels = decode(path, bytes, COLOR, &COLOR_STORED)?;
    let data = match pixels.color {
        image::ColorType::Rgb8 => pixels.data,
        image::ColorType::L8 => pixels.data.iter().flat_map(|&value| [value; 3]).collect(),
        other => return Err(wrong_pixels(path, COLOR, format!("{other:?}"))),
    };
    Ok(RgbImage::new(pixels.size, data))
}

/// `decode_labels` of a file that is in memory; `path` only names it.
pub fn labels_from_bytes(path: &Path, bytes: &[u8]) -> Result<SemanticMap, DecodeError> {
    let expected = "a PNG with one 8-bit channel (no palette)";
    let pixels = decode(path, bytes, expected, &[GRAY_8])?;
    if pixels.color != image::ColorType::L8 {
        return Err(wrong_pixels(path, expected, format!("{:?}", pixels.color)));
    }
    Ok(SemanticMap::new(pixels.size, pixels.data))
}

/// `decode_depth_png16` of a file that is in memory; `path` only names it.
pub fn depth_from_bytes(path: &Path, bytes: &[u8]) -> Result<DepthMap, DecodeError> {
    let expected = "a PNG with one 16-bit channel";
    let stored = [Stored::Png { bits: 16, color: GRAY }];
    let pixels = decode(path, bytes, expected, &stored)?;
    if pixels.color != image::ColorType::L16 {
        return Err(wrong_pixels(path, expected, format!("{:?}", pixels.color)));
    }
    let metres = pixels
        .data
        .chunks_exact(2)
        .map(|pair| f32::from(u16::from_ne_bytes([pair[0], pair[1]])) / DEPTH_PNG_PER_METRE)
        .collect();
    Ok(DepthMap::new(pixels.size, metres))
}

/// The bytes of an 8-bit RGB PNG file.
pub fn rgb_png(image: &RgbImage) -> Vec<u8> {
    png(image.size(), image.data(), ExtendedColorType::Rgb8)
}

/// The bytes of an 8-bit single-channel PNG file.
///
/// # Panics
/// If `values` has another length than `H W`.
pub fn gray8_png(size: ImageSize, values: &[u8]) -> Vec<u8> {
    assert_eq!(values.len(), size.area(), "invariant: one value a pixel at {size}");
    png(size, values, ExtendedColorType::L8)
}

/// The bytes of a 16-bit depth PNG file; measured depth is rounded to 1/256 m and kept within 1/256 m and 255.996 m.
pub fn depth_png16(depth: &DepthMap) -> Vec<u8> {
    let values: Vec<u8> = depth
        .data()
        .iter()
        .flat_map(|&metres| {
            let value = if metres > 0.0 {
                (metres * DEPTH_PNG_PER_METRE).round().clamp(1.0, 65_535.0) as u16
            } else {
                0
            };
            value.to_ne_bytes()
        })
        .collect();
    png(depth.size(), &values, ExtendedColorType::L16)
}

/// How a file holds its pixels; the decoder stretches 1, 2 and 4-bit values to 8 bits and opens palettes, unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stored {
    Jpeg,
    /// Bit depth and color type of the header.
    Png {
        bits: u8,
        color: u8,
    },
}

/// PNG color types.
const GRAY: u8 = 0;
const RGB: u8 = 2;
const PALETTE: u8 = 3;
const GRAY_8: Stored = Stored::Png { bits: 8, color: GRAY };

/// What a color picture may be.
const COLOR: &str = "8-bit RGB or gray pixels";
const COLOR_STORED: [Stored; 3] = [Stored::Jpeg, Stored::Png { bits: 8, color: RGB }, GRAY_8];

impl Stored {
    /// By the first bytes of a file that is PNG or JPEG.
    fn of(bytes: &[u8]) -> Self {
        match (bytes.starts_with(b"\x89PNG"), bytes.get(24..26)) {
            // Signature (8 bytes), length and name of the header chunk (8), width and height (8).
            (true, Some(&[bits, color])) => Self::Png { bits, color },
            _ => Self::Jpeg,
        }
    }
}

fn accept(stored: Stored, expected: &'static str, accepted: &[Stored]) -> Result<(), DecodeFault> {
    match accepted.contains(&stored) {
        true => Ok(()),
        false => Err(DecodeFault::WrongPixels { expected, got: stored.to_string() }),
    }
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Jpeg => f.write_str("a JPEG file"),
            Self::Png { bits, color } => {
                let color = match color {
                    GRAY => "gray",
                    RGB => "RGB",
                    PALETTE => "palette",
                    4 => "gray and alpha",
                    _ => "RGB and alpha",
                };
                write!(f, "a PNG file with {bits}-bit {color} pixels")
            }
        }
    }
}

struct Pixels {
    size: ImageSize,
    color: image::ColorType,
    data: Vec<u8>,
}

fn read(path: &Path) -> Result<Vec<u8>, DecodeError> {
    std::fs::read(path).map_err(|error| DecodeError { path: path.to_owned(), fault: error.into() })
}

fn wrong_pixels(path: &Path, expected: &'static str, got: String) -> DecodeError {
    DecodeError { path: path.to_owned(), fault: DecodeFault::WrongPixels { expected, got } }
}

/// All pixels, if they are stored in one of the accepted ways.
fn decode(
    path: &Path,
    bytes: &[u8],
    expected: &'static str,
    accepted: &[Stored],
) -> Result<Pixels, DecodeError> {
    let run = || -> Result<Pixels, DecodeFault> {
        let (decoder, format) = decoder(Cursor::new(bytes))?;
        accept(Stored::of(bytes), expected, accepted)?;
        // The JPEG decoder fills what is missing with gray and says nothing.
        if format == ImageFormat::Jpeg && !jpeg_ends(bytes) {
            return Err(DecodeFault::Broken("a JPEG file without its end marker".to_owned()));
        }
        let (width, height) = decoder.dimensions();
        let color = decoder.color_type();
        let total = usize::try_from(decoder.total_bytes()).unwrap_or(usize::MAX);
        if total / EXPANSION_MAX > bytes.len() {
            let size = ImageSize::new(width, height);
            return Err(DecodeFault::Broken(format!("{} bytes for {size} pixels", bytes.len())));
        }
        let mut data = vec![0; total.min(8 * IMAGE_PIXELS_MAX)];
        decoder.read_image(&mut data).map_err(|error| DecodeFault::Broken(error.to_string()))?;
        Ok(Pixels { size: ImageSize::new(width, height), color, data })
    };
    run().map_err(|fault| DecodeError { path: path.to_owned(), fault })
}

/// Whether the end marker follows the pixels of a JPEG file, whatever follows it: padding, or the film of a phone. Before the
/// pixels it may end the small picture of a camera.
fn jpeg_ends(bytes: &[u8]) -> bool {
    const SCAN: u8 = 0xda;
    const END: [u8; 2] = [0xff, 0xd9];
    // After the start marker: segments of a marker and a length that counts itself.
    let mut rest = bytes.get(2..).unwrap_or_default();
    loop {
        rest = match *rest {
            [0xff, SCAN, ..] => return rest.windows(2).any(|pair| pair == END),
            // Fill bytes, and markers without a length.
            [0xff, 0xff, ..] => &rest[1..],
            [0xff, 0x01 | 0xd0..=0xd7, ..] => &rest[2..],
            [0xff, _, high, low, ..] => {
                let length = usize::from(u16::from_be_bytes([high, low]));
                rest.get(2 + length.max(2)..).unwrap_or_default()
            }
            _ => return false,
        };
    }
}

fn decoder<'a, R: BufRead + Seek + 'a>(
    bytes: R,
) -> Result<(impl ImageDecoder + 'a, ImageFormat), DecodeFault> {
    let mut reader = ImageReader::new(bytes).with_guessed_format()?;
    let format = reader
        .format()
        .filter(|format| matches!(format, ImageFormat::Png | ImageFormat::Jpeg))
        .ok_or_else(|| DecodeFault::Broken("another kind of file".to_owned()))?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(8 * IMAGE_PIXELS_MAX as u64);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|error| DecodeFault::Broken(error.to_string()))?;
    let (width, height) = decoder.dimensions();
    let size = ImageSize::new(width, height);
    if width > IMAGE_SIDE_MAX || height > IMAGE_SIDE_MAX || size.area() > IMAGE_PIXELS_MAX {
        return Err(DecodeFault::TooLarge(size));
    }
    if size.area() == 0 {
        return Err(DecodeFault::Broken(format!("a picture of {size} pixels")));
    }
    Ok((decoder, format))
}

fn png(size: ImageSize, data: &[u8], color: ExtendedColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(data, size.width, size.height, color)
        .expect("invariant: memory takes a PNG of the length that its size asks for");
    bytes
}

#[cfg(test)]
mod tests;
