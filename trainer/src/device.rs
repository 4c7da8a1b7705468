//! Floor 2: the device of the networks. CUDA is found while the program runs, not when it is linked.

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
use tch::{Cuda, Device};

/// What the configuration asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    /// CUDA where there is one, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// One CUDA device.
    Cuda(usize),
}

/// A device that was asked for and is not there.
#[derive(Debug, thiserror::Error)]
#[error("cannot use device \"cuda:{index}\": {cause}; expected a CUDA device, got {n_found}")]
pub struct DeviceError {
    index: usize,
    cause: String,
    n_found: usize,
}

/// Whether libtorch's CUDA half is here, and what it sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CudaState {
    /// Why it could not be loaded, if so.
    pub cause: Option<String>,
    /// Devices that can be used.
    pub n_devices: usize,
}

impl DeviceChoice {
    /// Reads `auto`, `cpu` or `cuda:N`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "cpu" => Some(Self::Cpu),
            "cuda" => Some(Self::Cuda(0)),
            _ => text.strip_prefix("cuda:")?.parse().ok().map(Self::Cuda),
        }
    }

    /// The device itself.
    pub fn open(self) -> Result<Device, DeviceError> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Auto => match load_cuda().n_devices {
                0 => Ok(Device::Cpu),
                _ => Ok(Device::Cuda(0)),
            },
            Self::Cuda(index) => {
                let state = load_cuda();
                if index < state.n_devices {
                    return Ok(Device::Cuda(index));
                }
                let cause =
                    state.cause.unwrap_or_else(|| "libtorch sees no such device".to_owned());
                Err(DeviceError { index, cause, n_found: state.n_devices })
            }
        }
    }
}

/// The word of reports: `cpu`, `cuda:0`.
pub fn name(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        _ => "cpu".to_owned(),
    }
}

/// Loads libtorch's CUDA half, once; libtorch registers it by itself.
#[allow(unsafe_code)] // loading a library runs its initializers
pub fn load_cuda() -> CudaState {
    // SAFETY: libtorch_cuda is the other half of the libtorch this program is linked with and is made to be loaded like
    // this; its initializers only register kernels.
    let loaded = unsafe { Library::open(Some("libtorch_cuda.so"), RTLD_NOW | RTLD_GLOBAL) };
    match loaded {
        Ok(library) => {
            // Registered kernels point into it: it must never be unloaded.
            std::mem::forget(library);
            let n_devices = usize::try_from(Cuda::device_count()).unwrap_or(0);
            CudaState { cause: None, n_devices }
        }
        Err(error) => CudaState { cause: Some(error.to_string()), n_devices: 0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_as_the_configuration_writes_them() {
        assert_eq!(DeviceChoice::parse("auto"), Some(DeviceChoice::Auto));
        assert_eq!(DeviceChoice::parse("cuda:3"), Some(DeviceChoice::Cuda(3)));
        for text in ["", "gpu", "cuda:", "cuda:x"] {
            assert_eq!(DeviceChoice::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_missing_gpu_is_an_error_and_auto_falls_back() {
        assert!(DeviceChoice::Auto.open().is_ok());
        let error = DeviceChoice::Cuda(999).open().unwrap_err().to_string();
        assert!(error.contains("cuda:999"), "{error}");
    }
}
