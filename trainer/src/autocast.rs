//! Floor 1: which numbers networks compute in: bfloat16 as far as libtorch's autocast thinks it safe, float32 where they end.

#![allow(unsafe_code)] // calls into C++; every block says what makes it right

use tch::{Device, Kind, Tensor};

unsafe extern "C" {
    fn suw_autocast(cuda: bool, on: bool);
    fn suw_autocast_switch(cuda: bool, on: bool) -> bool;
}

/// Lets what `networks` computes on this thread be computed in bfloat16, as far as libtorch's autocast thinks it safe.
pub fn in_bfloat16<T>(device: Device, networks: impl FnOnce() -> T) -> T {
    struct Scope(bool);
    impl Drop for Scope {
        fn drop(&mut self) {
            // SAFETY: undoes what was done below, on the same thread.
            unsafe { suw_autocast(self.0, false) };
        }
    }
    let scope = Scope(device.is_cuda());
    // SAFETY: sets a state of this thread, which the scope sets back even if `networks` panics.
    unsafe { suw_autocast(scope.0, true) };
    networks()
}

/// What the last layers make of `x` in float32 (float64 stays), also inside [`in_bfloat16`]: eight bits are enough for
/// features, but a log depth of 3 would move in steps of 1.6 %.
pub fn in_float32(x: &Tensor, layers: impl FnOnce(&Tensor) -> Tensor) -> Tensor {
    struct Pause {
        cuda: bool,
        was_on: bool,
    }
    impl Drop for Pause {
        fn drop(&mut self) {
            // SAFETY: sets back what was changed below, on the same thread.
            unsafe { suw_autocast_switch(self.cuda, self.was_on) };
        }
    }
    let cuda = x.device().is_cuda();
    // SAFETY: sets a state of this thread, which the pause sets back even if `layers` panics.
    let _pause = Pause { cuda, was_on: unsafe { suw_autocast_switch(cuda, false) } };
    match x.kind() {
        Kind::BFloat16 | Kind::Half => layers(&x.to_kind(Kind::Float)),
        _ => layers(x),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::input::channels_last;
    use crate::torch_shim::{ConvArguments, conv2d};

    fn wave(shape: &[i64], frequency: f64) -> Tensor {
        let n: i64 = shape.iter().product();
        (Tensor::arange(n, (Kind::Float, Device::Cpu)) * frequency).sin().view(shape)
    }

    const WITH: ConvArguments = ConvArguments { stride: 1, padding: 1, dilation: 1, groups: 1 };

    #[test]
    fn bfloat16_ends_with_its_scope() {
        let x = channels_last(&wave(&[1, 16, 6, 5], 0.7)).set_requires_grad(true);
        let weight = wave(&[8, 16, 3, 3], 0.9).set_requires_grad(true);
        let convolved = || conv2d(&x, &weight, None, WITH);
        let exact = convolved();
        let short = in_bfloat16(Device::Cpu, convolved);
        assert_eq!((exact.kind(), short.kind()), (Kind::Float, Kind::BFloat16));
        // Eight bits: both factors and the sum are off by 2^-8 of themselves at most.
        let sizes = conv2d(&x.abs(), &weight.abs(), None, WITH);
        let off = ((short.to_kind(Kind::Float) - exact).abs() / sizes).max().double_value(&[]);
        assert!(off > 1e-5 && off < 3.0 / 256.0, "{off}");
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            in_bfloat16(Device::Cpu, || panic!("as a network may"))
        }));
        assert!(panicked.is_err());
        assert_eq!(convolved().kind(), Kind::Float);
    }

    #[test]
    fn float32_is_a_pause_inside_bfloat16_and_nothing_elsewhere() {
        let x = channels_last(&wave(&[1, 16, 6, 5], 0.7));
        let weight = wave(&[8, 16, 3, 3], 0.9).set_requires_grad(true);
        let convolved = |x: &Tensor| conv2d(x, &weight, None, WITH);
        let plain = convolved(&x);
        let is_plain = |of: &Tensor| of.allclose(&plain, 1e-5, 1e-6, false);
        assert!(is_plain(&in_float32(&x, convolved)));
        let (short, paused, again) =
            in_bfloat16(Device::Cpu, || (convolved(&x), in_float32(&x, convolved), convolved(&x)));
        assert!(paused.kind() == Kind::Float && is_plain(&paused));
        assert_eq!((short.kind(), again.kind()), (Kind::BFloat16, Kind::BFloat16));
        // What comes in short goes on in float32.
        assert_eq!(in_float32(&short, Tensor::shallow_clone).kind(), Kind::Float);
        let double = x.to_kind(Kind::Double);
        assert_eq!(in_float32(&double, Tensor::shallow_clone).kind(), Kind::Double);
    }
}
