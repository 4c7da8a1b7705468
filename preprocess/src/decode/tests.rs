//! Floor 2: tests of decoding, on files made by the specifications of PNG and JPEG.

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
        (0..8).fold(
            sum ^ u32::from(byte),
            |s, _| {
                if s & 1 == 1 { s >> 1 ^ 0xedb8_8320 } else { s >> 1 }
            },
        )
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
    assert!(message.contains("one 8-bit channel") && message.contains("4-bit gray"), "{message}");
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
fn what_stands_around_the_pixels_of_a_jpeg_does_not_matter() {
    let image = RgbImage::new(ImageSize::new(9, 7), (0..189).collect());
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new(&mut jpeg)
        .write_image(image.data(), 9, 7, ExtendedColorType::Rgb8)
        .unwrap();
    let decode = |bytes: &[u8]| rgb_from_bytes(Path::new("x.jpg"), bytes);
    // A phone's film after the picture.
    let film = [&jpeg[..], &[7; 5000]].concat();
    assert_eq!(decode(&film).unwrap().data(), decode(&jpeg).unwrap().data());
    // A camera's small picture before it, whose end marker is not that of the file. By hand: APP1, its length with
    // the two bytes of the length, the small picture.
    let length = u16::try_from(jpeg.len() + 2).unwrap().to_be_bytes();
    let with_small = [&jpeg[..2], &[0xff, 0xe1], &length, &jpeg, &jpeg[2..]].concat();
    assert_eq!(decode(&with_small).unwrap().data(), decode(&jpeg).unwrap().data());
    let cut = &with_small[..with_small.len() - 20];
    let cause = decode(cut).unwrap_err().cause();
    assert!(cause.contains("end marker"), "{cause}");
}

#[test]
fn the_header_alone_gives_the_size_and_a_missing_file_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    std::fs::write(&path, &gray8_png(ImageSize::new(5, 3), &[0; 15])[..50]).unwrap();
    assert_eq!(image_size(&path).unwrap(), ImageSize::new(5, 3));
    std::fs::write(&path, raw_png(5, 3, 8, 6, &[0; 63])).unwrap();
    assert!(image_size(&path).unwrap_err().cause().contains("RGB and alpha"));
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
