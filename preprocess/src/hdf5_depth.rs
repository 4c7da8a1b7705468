//! Floor 2: depth maps in HDF5 files (MegaDepth): the dataset `/depth`, `[H, W]` of floats.
//!
//! HDF5 is named here and in the shard door, nowhere else. A file may point to other files (external storage, virtual
//! datasets, links): such a dataset is refused, so that nothing outside the data set is read.

use std::path::Path;

use hdf5::dataset::Layout;
use hdf5::types::TypeDescriptor;
use suw_shared::depth_map::DepthMap;
use suw_shared::image_size::ImageSize;

use crate::decode::EXPANSION_MAX;

/// Name of the dataset.
const DATASET: &str = "depth";

/// Why a file holds no depth map.
#[derive(Debug, thiserror::Error)]
pub enum Hdf5DepthError {
    /// The system cannot.
    #[error("cannot look at it: {0}")]
    Read(#[from] std::io::Error),
    /// The library cannot read it.
    #[error("expected an HDF5 file with a dataset /depth, got: {0}")]
    Library(#[from] hdf5::Error),
    /// Another kind of dataset.
    #[error(
        "expected /depth to be [H, W] of 16-bit, 32-bit or 64-bit floats within this file, got {0}"
    )]
    OtherDataset(String),
    /// More than is ever read.
    #[error("expected at most {most} pixels, got {got}")]
    TooLarge {
        /// Most pixels.
        most: usize,
        /// By the dataset's header.
        got: ImageSize,
    },
}

/// The map `/depth` as it is stored: signs and non-finite values included. At most `pixels_max` pixels.
pub fn read_hdf5_depth(path: &Path, pixels_max: usize) -> Result<DepthMap, Hdf5DepthError> {
    let file = hdf5::File::with_options()
        // Data sets lie on read-only and network file systems, where locks fail.
        .with_fapl(|fapl| fapl.file_locking(false))
        .open(path)?;
    let linked = file.loc_info_by_name(DATASET)?.fileno == file.loc_info()?.fileno;
    let dataset = file.dataset(DATASET)?;
    let kind = dataset.dtype()?.to_descriptor()?;
    let creation = dataset.dcpl()?;
    let plain = [Layout::Compact, Layout::Contiguous, Layout::Chunked];
    let own = plain.contains(&creation.get_layout()?) && creation.get_external()?.is_empty();
    let shape = dataset.shape();
    let float = matches!(kind, TypeDescriptor::Float(_));
    let sides: Option<Vec<u32>> = shape.iter().map(|side| u32::try_from(*side).ok()).collect();
    let Some(&[height, width]) = sides.as_deref().filter(|_| float && own && linked) else {
        let place = if own && linked { "" } else { ", stored elsewhere" };
        return Err(Hdf5DepthError::OtherDataset(format!("{shape:?} of {kind}{place}")));
    };
    let size = ImageSize::new(width, height);
    // HDF5 holds a whole chunk in memory, however little of it the map covers.
    let chunk = dataset.chunk().unwrap_or_default();
    if chunk.iter().try_fold(1usize, |area, side| area.checked_mul(*side)) > Some(pixels_max)
        || chunk.iter().any(|side| *side > pixels_max)
    {
        return Err(Hdf5DepthError::OtherDataset(format!("chunks of {chunk:?}")));
    }
    if size.area() > pixels_max || size.area() == 0 {
        return Err(Hdf5DepthError::TooLarge { most: pixels_max, got: size });
    }
    // A dataset that was never written, or whose header is forged, asks for memory that no bytes stand behind.
    let stored = dataset.storage_size().min(std::fs::metadata(path)?.len());
    if size.area() as u64 * 2 / EXPANSION_MAX as u64 > stored {
        return Err(Hdf5DepthError::OtherDataset(format!("{stored} bytes for {size} pixels")));
    }
    Ok(DepthMap::new(size, dataset.read_raw::<f32>()?))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;

    fn write(folder: &Path, fill: impl Fn(&hdf5::File)) -> PathBuf {
        let path = folder.join("a.h5");
        let file = hdf5::File::create(&path).unwrap();
        fill(&file);
        file.close().unwrap();
        path
    }

    fn two_by_three(file: &hdf5::File) {
        let dataset = file.new_dataset::<f32>().shape([2, 3]).create("depth").unwrap();
        dataset.write_raw(&[0.0f32, 1.5, -1.0, 2.0, f32::NAN, 8.0]).unwrap();
    }

    #[test]
    fn values_come_as_they_are_stored() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), two_by_three);
        let map = read_hdf5_depth(&path, 6).unwrap();
        assert_eq!(map.size(), ImageSize::new(3, 2));
        assert_eq!((map.at(0, 2), map.at(1, 2)), (-1.0, 8.0));
        assert!(map.at(1, 1).is_nan());
        assert!(matches!(read_hdf5_depth(&path, 5), Err(Hdf5DepthError::TooLarge { .. })));
        let path = write(folder.path(), |file| {
            let dataset = file.new_dataset::<f64>().shape([1, 2]).create("depth").unwrap();
            dataset.write_raw(&[0.25f64, 3.0]).unwrap();
        });
        assert_eq!(read_hdf5_depth(&path, 5).unwrap().data(), [0.25, 3.0]);
        let path = write(folder.path(), |file| {
            let dataset = file.new_dataset::<half::f16>().shape([1, 3]).create("depth").unwrap();
            // By IEEE 754: 1 bit sign, 5 bits exponent from 15, 10 bits fraction: 1.5, -2 and the least above 1.
            let bits = [0x3e00, 0xc000, 0x3c01].map(half::f16::from_bits);
            dataset.write_raw(&bits).unwrap();
        });
        let expected = [1.5, -2.0, 1.0 + 1.0 / 1024.0];
        assert_eq!(read_hdf5_depth(&path, 5).unwrap().data(), expected);
    }

    #[test]
    fn other_datasets_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |fill: &dyn Fn(&hdf5::File)| {
            read_hdf5_depth(&write(folder.path(), fill), 10_000).unwrap_err().to_string()
        };
        let message = refused(&|file| {
            file.new_dataset::<i32>().shape([2, 2]).create("depth").unwrap();
        });
        assert!(message.contains("[2, 2]"), "{message}");
        let message = refused(&|file| {
            file.new_dataset::<f32>().shape([6]).create("depth").unwrap();
        });
        assert!(message.contains("[6]"), "{message}");
        assert!(refused(&|_| {}).contains("/depth"));
        let message = refused(&|file| {
            file.new_dataset::<f32>().shape([80, 90]).create("depth").unwrap();
        });
        assert!(message.contains("0 bytes for 90x80 pixels"), "{message}");
        // Bytes of another file.
        fs::write(folder.path().join("other"), [0u8; 24]).unwrap();
        let message = refused(&|file| {
            let builder = file.new_dataset::<f32>().shape([2, 3]);
            let other = folder.path().join("other");
            builder.external(other.to_str().unwrap(), 0, 24).create("depth").unwrap();
        });
        assert!(message.contains("elsewhere"), "{message}");
        let inside = write(folder.path(), two_by_three);
        fs::rename(&inside, folder.path().join("b.h5")).unwrap();
        let message = refused(&|file| file.link_external("b.h5", "/depth", "depth").unwrap());
        assert!(message.contains("elsewhere"), "{message}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_damage_makes_the_reader_panic(at in 0usize..3000, byte in any::<u8>(), cut in 0usize..4000) {
            let folder = tempfile::tempdir().unwrap();
            let path = write(folder.path(), two_by_three);
            let mut bytes = fs::read(&path).unwrap();
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(cut.max(8));
            fs::write(&path, &bytes).unwrap();
            if let Ok(map) = read_hdf5_depth(&path, 100) {
                prop_assert!(map.data().len() <= 100);
            }
        }
    }
}
