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

/// Last bytes of a JPEG file in which its end marker must stand; some writers append padding.
const JPEG_TAIL: usize = 1024;

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

/// The size that the header of a picture file gives; no pixel is decoded.
pub fn image_size(path: &Path) -> Result<ImageSize, DecodeError> {
    let open = || -> Result<ImageSize, DecodeFault> {
        let (decoder, _) = decoder(BufReader::new(File::open(path)?))?;
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
    let expected = "8-bit RGB or gray pixels";
    let stored = [Stored::Jpeg, Stored::Png { bits: 8, color: RGB }, GRAY_8];
    let pixels = decode(path, bytes, expected, &stored)?;
    let data = match pixels.color {
        image::ColorType::Rgb8 => pixels.data,
        image::ColorType::L8 => pixels.data.iter().flat_map(|&value| [value; 3]).collect(),
        other => return Err(wrong_pixels(path, expected, format!("{other:?}"))),
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
        let stored = match (format, bytes.get(24..26)) {
            // Signature (8 bytes), length and name of the header chunk (8), width and height (8).
            (ImageFormat::Png, Some(&[bits, color])) => Stored::Png { bits, color },
            _ => Stored::Jpeg,
        };
        if !accepted.contains(&stored) {
            return Err(DecodeFault::WrongPixels { expected, got: stored.to_string() });
        }
        // The JPEG decoder fills what is missing with gray and says nothing.
        let tail = &bytes[bytes.len().saturating_sub(JPEG_TAIL)..];
        if format == ImageFormat::Jpeg && !tail.windows(2).any(|pair| pair == [0xff, 0xd9]) {
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A PNG file by its specification: one filter byte before the values of each row.
    fn raw_png(width: u32, height: u32, depth: u8, color: u8, rows: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
        let mut chunk = |kind: &[u8], body: &[u8]| {
            bytes.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
            let start = bytes.len();
            bytes.extend(kind);
            bytes.extend(body);
            let sum = crc32(&bytes[start..]);
            bytes.extend(sum.to_be_bytes());
        };
        let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
        header.extend([depth, color, 0, 0, 0]);
        chunk(b"IHDR", &header);
        if color == 3 {
            chunk(b"PLTE", &[0, 0, 0, 255, 255, 255]);
        }
        // One stored deflate block: length, its complement, the bytes.
        let length = u16::try_from(rows.len()).unwrap();
        let mut body = vec![0x78, 0x01, 1];
        body.extend([length.to_le_bytes(), (!length).to_le_bytes()].concat());
        body.extend(rows);
        body.extend(adler32(rows).to_be_bytes());
        chunk(b"IDAT", &body);
        chunk(b"IEND", &[]);
        bytes
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |sum, &byte| {
            (0..8).fold(sum ^ u32::from(byte), |s, _| {
                if s & 1 == 1 { s >> 1 ^ 0xedb8_8320 } else { s >> 1 }
            })
        })
    }

    fn adler32(bytes: &[u8]) -> u32 {
        let (a, b) = bytes.iter().fold((1u32, 0u32), |(a, b), &byte| {
            let a = (a + u32::from(byte)) % 65_521;
            (a, (b + a) % 65_521)
        });
        b << 16 | a
    }

    const NAME: &str = "x.png";

    fn error_of<T: std::fmt::Debug>(result: Result<T, DecodeError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_depth_picture_is_big_endian_values_over_256() {
        // One row, filter 0; 0x0000, 0x0100 = 1 m, 0x1480 = 20.5 m.
        let bytes = raw_png(3, 1, 16, 0, &[0, 0x00, 0x00, 0x01, 0x00, 0x14, 0x80]);
        let depth = depth_from_bytes(Path::new(NAME), &bytes).unwrap();
        assert_eq!(depth.data(), [0.0, 1.0, 20.5]);
        let again = depth_from_bytes(Path::new(NAME), &depth_png16(&depth)).unwrap();
        assert_eq!(again, depth);
    }

    #[test]
    fn labels_and_colors_come_back_as_written() {
        let size = ImageSize::new(2, 2);
        let labels = labels_from_bytes(Path::new(NAME), &gray8_png(size, &[0, 7, 18, 255]));
        assert_eq!(labels.unwrap().data(), [0, 7, 18, 255]);
        let image = RgbImage::new(size, (0..12).collect());
        assert_eq!(rgb_from_bytes(Path::new(NAME), &rgb_png(&image)).unwrap(), image);
        let gray = rgb_from_bytes(Path::new(NAME), &gray8_png(size, &[0, 7, 18, 255])).unwrap();
        assert_eq!(gray.pixel(1, 0), [18, 18, 18]);
    }

    #[test]
    fn other_bit_depths_and_palettes_are_refused_by_name() {
        let path = Path::new(NAME);
        let four_bit = raw_png(2, 1, 4, 0, &[0, 0x12]);
        let palette = raw_png(8, 1, 1, 3, &[0, 0x55]);
        let sixteen = raw_png(1, 1, 16, 0, &[0, 1, 2]);
        let color = rgb_png(&RgbImage::new(ImageSize::new(1, 1), vec![1, 2, 3]));
        let message = error_of(labels_from_bytes(path, &four_bit));
        assert!(
            message.contains("one 8-bit channel") && message.contains("4-bit gray"),
            "{message}"
        );
        for bytes in [&palette, &sixteen, &color] {
            assert!(labels_from_bytes(path, bytes).is_err());
        }
        let message = error_of(rgb_from_bytes(path, &sixteen));
        assert!(message.contains("8-bit RGB") && message.contains("16-bit gray"), "{message}");
        assert!(depth_from_bytes(path, &gray8_png(ImageSize::new(1, 1), &[1])).is_err());
        assert!(rgb_from_bytes(path, &raw_png(1, 1, 8, 6, &[0, 1, 2, 3, 4])).is_err());
    }

    #[test]
    fn a_huge_header_costs_nothing() {
        for (width, height) in [(70_000, 1), (16_384, 16_384), (u32::MAX >> 1, u32::MAX >> 1)] {
            let bytes = raw_png(width, height, 8, 0, &[0]);
            assert!(labels_from_bytes(Path::new(NAME), &bytes).is_err());
        }
        // Within what is ever decoded, and still more than these bytes can hold.
        let small = raw_png(8192, 8192, 8, 2, &[0]);
        let message = error_of(rgb_from_bytes(Path::new(NAME), &small));
        assert!(message.contains(&format!("{} bytes for 8192x8192", small.len())), "{message}");
        let message = error_of(labels_from_bytes(Path::new(NAME), &raw_png(70_000, 1, 8, 0, &[0])));
        assert!(message.contains("70000x1") && message.contains("16384"), "{message}");
    }

    #[test]
    fn a_cut_picture_is_an_error_at_every_length() {
        let image = RgbImage::new(ImageSize::new(9, 7), (0..189).collect());
        let png = rgb_png(&image);
        for length in 0..png.len() - 12 {
            // The last 12 bytes are the end chunk; the pixels are whole without it.
            assert!(rgb_from_bytes(Path::new(NAME), &png[..length]).is_err(), "{length} bytes");
        }
        let mut jpeg = Vec::new();
        image::codecs::jpeg::JpegEncoder::new(&mut jpeg)
            .write_image(image.data(), 9, 7, ExtendedColorType::Rgb8)
            .unwrap();
        assert_eq!(rgb_from_bytes(Path::new("x.jpg"), &jpeg).unwrap().size(), image.size());
        for length in 0..jpeg.len() - 2 {
            assert!(rgb_from_bytes(Path::new("x.jpg"), &jpeg[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn the_header_alone_gives_the_size_and_a_missing_file_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        std::fs::write(&path, &gray8_png(ImageSize::new(5, 3), &[0; 15])[..50]).unwrap();
        assert_eq!(image_size(&path).unwrap(), ImageSize::new(5, 3));
        assert!(decode_labels(&path).is_err());
        let message = error_of(image_size(&folder.path().join("b.png")));
        assert!(message.starts_with("cannot decode picture") && message.contains("b.png"));
        std::fs::write(&path, b"GIF89a").unwrap();
        assert!(error_of(image_size(&path)).contains("another kind of file"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoders_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            at in 0usize..200,
            value: u8,
        ) {
            let path = Path::new(NAME);
            let mut damaged = depth_png16(&DepthMap::new(ImageSize::new(4, 3), vec![2.0; 12]));
            let at = at % damaged.len();
            damaged[at] = value;
            for bytes in [&bytes, &damaged] {
                let _ = rgb_from_bytes(path, bytes);
                let _ = labels_from_bytes(path, bytes);
                let _ = depth_from_bytes(path, bytes);
            }
        }
    }
}
