//! Floor 1: numbers of the host on their way to a device.

use tch::{Device, Tensor};

/// A host tensor on a device. A GPU fetches it from pinned memory, and nobody waits for that.
pub fn to_device(tensor: &Tensor, device: Device) -> Tensor {
    match device {
        Device::Cuda(_) => {
            // libtorch keeps the pinned block until the copy is done, and uses it again after that.
            tensor.pin_memory(device).to_device_(device, tensor.kind(), true, false)
        }
        _ => tensor.to_device(device),
    }
}
