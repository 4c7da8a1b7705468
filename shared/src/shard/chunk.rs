//! Floor 1: the bytes of one chunk: HDF5's shuffle and deflate filters, outside of HDF5 and its lock.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// Deflate level; 2 takes 4 % more than 4 for masks and sparse depth of KITTI (46 KB beside 3.9 MB of pictures) in two thirds of its time.
pub(crate) const DEFLATE_LEVEL: u8 = 2;

/// Elements that stay in the nearest cache while their bytes are sorted.
const BLOCK: usize = 4096;

/// Numbers that are passed over together where all are 0, as in most of a sparse depth map.
const ZEROS: usize = 16;

/// The bytes of little-endian numbers, the first ones of all numbers first, then the second ones, and so on.
pub(crate) fn shuffle_floats(values: &[f32]) -> Vec<u8> {
    let n = values.len();
    let mut out = vec![0; 4 * n];
    let (ab, cd) = out.split_at_mut(2 * n);
    let ((a, b), (c, d)) = (ab.split_at_mut(n), cd.split_at_mut(n));
    let planes = (a.chunks_mut(ZEROS).zip(b.chunks_mut(ZEROS)))
        .zip(c.chunks_mut(ZEROS).zip(d.chunks_mut(ZEROS)));
    for (((a, b), (c, d)), values) in planes.zip(values.chunks(ZEROS)) {
        if values.iter().fold(0, |any, value| any | value.to_bits()) == 0 {
            continue;
        }
        let places = a.iter_mut().zip(b).zip(c.iter_mut().zip(d));
        for (((a, b), (c, d)), value) in places.zip(values) {
            [*a, *b, *c, *d] = value.to_le_bytes();
        }
    }
    out
}

/// Undoes such a sorting of the bytes of elements.
pub(crate) fn unshuffle(bytes: &[u8], element: usize) -> Vec<u8> {
    let n = bytes.len() / element;
    let mut out = vec![0; bytes.len()];
    if element == 4 && n > 0 {
        // Depth: one element at a time, which compilers turn into a few instructions for many.
        let (ab, cd) = bytes[..4 * n].split_at(2 * n);
        let ((a, b), (c, d)) = (ab.split_at(n), cd.split_at(n));
        for (i, element) in out.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            *element = [a[i], b[i], c[i], d[i]];
        }
        return out;
    }
    for (block, elements) in out.chunks_mut(element * BLOCK).enumerate() {
        for (plane, values) in bytes.chunks_exact(n.max(1)).enumerate() {
            let values = &values[block * BLOCK..];
            for (value, element) in values.iter().zip(elements.chunks_exact_mut(element)) {
                element[plane] = *value;
            }
        }
    }
    out
}

/// A zlib stream of the bytes.
pub(crate) fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut compress = Compress::new(Compression::new(u32::from(DEFLATE_LEVEL)), true);
    // Stored blocks cost 5 bytes each at most 16 KiB apart; zlib's own bound is smaller than this one.
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 512 + 128);
    let status = compress.compress_vec(bytes, &mut out, FlushCompress::Finish);
    assert!(
        matches!(status, Ok(Status::StreamEnd)),
        "invariant: the buffer holds any deflated stream of {} bytes",
        bytes.len()
    );
    out.shrink_to_fit();
    out
}

/// The bytes of a zlib stream that must have exactly the given length.
pub(crate) fn inflate(stream: &[u8], length: usize) -> Result<Vec<u8>, String> {
    // One byte more than allowed, so that a stream which goes on is noticed without following it.
    let mut out = Vec::with_capacity(length + 1);
    let mut decompress = Decompress::new(true);
    let status = decompress
        .decompress_vec(stream, &mut out, FlushDecompress::Finish)
        .map_err(|error| format!("a broken deflate stream ({error})"))?;
    if out.len() > length {
        return Err(format!("a deflate stream of more than {length} bytes"));
    }
    if status != Status::StreamEnd || out.len() < length {
        return Err(format!("a deflate stream that ends after {} bytes", out.len()));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_are_sorted_by_their_place_in_the_element() {
        // 1.0, -2.0 and 0.1 are 0x3f800000, 0xc0000000 and 0x3dcccccd.
        let sorted = [0, 0, 0xcd, 0, 0, 0xcc, 0x80, 0, 0xcc, 0x3f, 0xc0, 0x3d];
        assert_eq!(shuffle_floats(&[1.0, -2.0, 0.1]), sorted);
        assert!(shuffle_floats(&[]).is_empty());
        // Three little-endian u16: 0x0201, 0x0403, 0x0605.
        assert_eq!(unshuffle(&[1, 3, 5, 2, 4, 6], 2), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_stream_of_another_length_is_refused() {
        let stream = deflate(&[7; 100]);
        assert_eq!(inflate(&stream, 100).unwrap(), [7; 100]);
        assert!(inflate(&stream, 99).unwrap_err().contains("more than 99"));
        assert!(inflate(&stream, 101).unwrap_err().contains("after 100"));
        assert!(inflate(&stream[..stream.len() - 1], 100).is_err());
        assert!(inflate(&[], 100).is_err());
        assert!(inflate(&[0xff; 50], 100).is_err());
        // A bomb of 10 MB is stopped at the length that was promised.
        assert!(inflate(&deflate(&vec![0; 10_000_000]), 1000).is_err());
    }

    proptest! {
        #[test]
        fn sparse_numbers_come_back(
            values in prop::collection::vec(
                prop_oneof![20 => Just(0.0_f32), 1 => any::<u32>().prop_map(f32::from_bits)],
                0..10_000,
            ),
        ) {
            let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>();
            let sorted = shuffle_floats(&values);
            prop_assert_eq!(&unshuffle(&sorted, 4), &bytes);
            prop_assert_eq!(inflate(&deflate(&sorted), bytes.len()).unwrap(), sorted);
        }

        #[test]
        fn bytes_come_back(bytes in prop::collection::vec(any::<u8>(), 0..40_000)) {
            prop_assert_eq!(inflate(&deflate(&bytes), bytes.len()).unwrap(), bytes);
        }
    }
}
