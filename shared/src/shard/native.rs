//! Floor 2: the three calls of HDF5 that its Rust crate does not wrap: writing one finished chunk, and bytes of a
//! dataset or attribute in the type of the file.
#![allow(unsafe_code)] // HDF5 is C; everything else in the shard door is safe.

use hdf5::{Attribute, Dataset};
use hdf5_metno_sys::h5a::H5Aread;
use hdf5_metno_sys::h5d::{H5Dwrite, H5Dwrite_chunk};
use hdf5_metno_sys::h5p::H5P_DEFAULT;
use hdf5_metno_sys::h5s::H5S_ALL;

/// Stores the chunk whose first element is `offset`, already filtered.
pub(crate) fn write_chunk(dataset: &Dataset, offset: &[u64], bytes: &[u8]) -> hdf5::Result<()> {
    assert_eq!(offset.len(), dataset.ndim(), "invariant: one coordinate an axis");
    hdf5::sync::sync(|| {
        // SAFETY: the handle is alive as long as `dataset`; `offset` has one entry an axis (checked above), `bytes` is
        // valid for its length and only read; HDF5's lock is held.
        let status = unsafe {
            H5Dwrite_chunk(
                dataset.id(),
                H5P_DEFAULT,
                0,
                offset.as_ptr(),
                bytes.len(),
                bytes.as_ptr().cast(),
            )
        };
        checked(status, "H5Dwrite_chunk")
    })
}

/// Fills a dataset with bytes that are already in the dataset's own type.
pub(crate) fn write_all(dataset: &Dataset, bytes: &[u8]) -> hdf5::Result<()> {
    let dtype = dataset.dtype()?;
    assert_eq!(bytes.len(), dataset.size() * dtype.size(), "invariant: bytes of every element");
    if bytes.is_empty() {
        return Ok(());
    }
    hdf5::sync::sync(|| {
        // SAFETY: the handles are alive; memory and file have the same type and extent, so HDF5 reads exactly
        // `bytes.len()` bytes (checked above); HDF5's lock is held.
        let status = unsafe {
            H5Dwrite(dataset.id(), dtype.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.as_ptr().cast())
        };
        checked(status, "H5Dwrite")
    })
}

/// The bytes of a scalar attribute of fixed length, in the type of the file.
pub(crate) fn read_fixed_attribute(attribute: &Attribute) -> hdf5::Result<Vec<u8>> {
    let dtype = attribute.dtype()?;
    assert!(attribute.is_scalar(), "invariant: asked for scalars only");
    let mut bytes = vec![0_u8; dtype.size()];
    hdf5::sync::sync(|| {
        // SAFETY: the handles are alive; a scalar of this type has `dtype.size()` bytes, the length of the buffer; the
        // type has a fixed length, so HDF5 writes no pointers (the caller looked at it); HDF5's lock is held.
        let status = unsafe { H5Aread(attribute.id(), dtype.id(), bytes.as_mut_ptr().cast()) };
        checked(status, "H5Aread")
    })?;
    Ok(bytes)
}

/// HDF5's own words for what failed, down to the operating system's ("No space left on device"). To be called with
/// HDF5's lock held, before another call clears them.
fn checked(status: i32, call: &str) -> hdf5::Result<()> {
    if status >= 0 {
        return Ok(());
    }
    Err(hdf5::Error::query().unwrap_or_else(|_| hdf5::Error::from(format!("{call} failed"))))
}
