//! Floor 2: the shard format: one HDF5 file of samples.

/// Version of the HDF5 library inside the program, e.g. `2.2.0`.
pub fn hdf5_version() -> String {
    let (major, minor, patch) = hdf5::library_version();
    format!("{major}.{minor}.{patch}")
}
