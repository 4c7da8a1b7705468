//! Floor 1: what `trainer/shim` adds to libtorch: convolution and normalization with a backward pass of their own on the CPU.
//!
//! Both give what libtorch gives to the last few bits, for any tensor: the shim's loops take float32 and float64 on the CPU
//! with channels innermost in memory, libtorch's own kernels everything else. Sums are cut by shape and not by threads, so a
//! run gives the same bits with any number of threads.

#![allow(unsafe_code)] // calls into C++; every block says what makes it right

use std::ffi::{CStr, c_char};

use tch::Tensor;
use torch_sys::C_tensor;

unsafe extern "C" {
    fn suw_error() -> *const c_char;
    fn suw_conv2d(
        x: *const C_tensor,
        weight: *const C_tensor,
        bias: *const C_tensor,
        stride: i64,
        padding: i64,
        dilation: i64,
        groups: i64,
    ) -> *mut C_tensor;
    fn suw_normalize(
        x: *const C_tensor,
        weight: *const C_tensor,
        bias: *const C_tensor,
        running_mean: *const C_tensor,
        running_var: *const C_tensor,
        momentum: f64,
        eps: f64,
        relu: bool,
    ) -> *mut C_tensor;
    fn suw_photometric(
        x: *const C_tensor,
        target: *const C_tensor,
        mean: *const C_tensor,
        variance: *const C_tensor,
        ssim_weight: f64,
    ) -> *mut C_tensor;
    fn suw_adam(call: *const AdamCall) -> bool;
    fn suw_fused_adam(call: *const AdamCall, skip: *const C_tensor) -> bool;
    fn suw_forget_gradient(variable: *const C_tensor);
    fn suw_norm(tensors: *const *const C_tensor, n: i64) -> f64;
    fn suw_keep_memory() -> bool;
}

/// Stride, padding, dilation (the same along both axes) and groups of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvArguments {
    /// Stride.
    pub stride: i64,
    /// Zeros around the picture.
    pub padding: i64,
    /// Dilation.
    pub dilation: i64,
    /// Groups.
    pub groups: i64,
}

/// `[N, c_in, H, W]` to `[N, c_out, H', W']`.
///
/// # Panics
/// If the shapes do not fit.
pub fn conv2d(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, with: ConvArguments) -> Tensor {
    let ConvArguments { stride, padding, dilation, groups } = with;
    let bias = bias.map_or(std::ptr::null(), Tensor::as_ptr);
    // SAFETY: the pointers are those of living tensors, or null for no bias; the shim keeps none of them, catches what
    // libtorch throws, and gives a new tensor that nobody else owns.
    unsafe {
        let made = suw_conv2d(x.as_ptr(), weight.as_ptr(), bias, stride, padding, dilation, groups);
        taken(made, "convolve")
    }
}

/// How a normalization by the batch's statistics is done.
#[derive(Clone, Copy, Debug)]
pub struct NormArguments<'a> {
    /// `[C]`, moved towards the batch's.
    pub running_mean: &'a Tensor,
    /// `[C]`, moved towards the batch's.
    pub running_var: &'a Tensor,
    /// How far they move.
    pub momentum: f64,
    /// Keeps the quotient finite.
    pub epsilon: f64,
    /// Whether max(.., 0) follows.
    pub then: Then,
}

/// What follows a normalization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Nothing.
    Nothing,
    /// max(x, 0).
    Relu,
}

/// Normalizes each channel of `[N, C, H, W]` by the batch's own statistics; `weight` and `bias` are `[C]`.
///
/// # Panics
/// If the shapes do not fit.
pub fn normalize(x: &Tensor, weight: &Tensor, bias: &Tensor, with: &NormArguments) -> Tensor {
    // SAFETY: as for `conv2d`; the running statistics are changed in place, as libtorch's own normalization does.
    unsafe {
        let made = suw_normalize(
            x.as_ptr(),
            weight.as_ptr(),
            bias.as_ptr(),
            with.running_mean.as_ptr(),
            with.running_var.as_ptr(),
            with.momentum,
            with.epsilon,
            with.then == Then::Relu,
        );
        taken(made, "normalize")
    }
}

/// A picture with the means and variances of its 3x3 windows, all `[N, C, H, W]`.
#[derive(Clone, Copy, Debug)]
pub struct Windowed<'a> {
    /// The picture.
    pub image: &'a Tensor,
    /// Means.
    pub mean: &'a Tensor,
    /// Variances.
    pub variance: &'a Tensor,
}

/// The photometric error of `image` against `target`, mean over the colors, in one pass: `[N, C, H, W]` to `[N, H, W]`; `None`
/// where libtorch's operations have to do it: on other devices, or for pictures that are not contiguous.
pub fn photometric(image: &Tensor, target: &Windowed, ssim_weight: f64) -> Option<Tensor> {
    let Windowed { image: of, mean, variance } = *target;
    // SAFETY: as for `conv2d`.
    unsafe {
        let made = suw_photometric(
            image.as_ptr(),
            of.as_ptr(),
            mean.as_ptr(),
            variance.as_ptr(),
            ssim_weight,
        );
        if made.is_null() && CStr::from_ptr(suw_error()).is_empty() {
            return None;
        }
        Some(taken(made, "compare pictures"))
    }
}

/// One variable of an update of Adam, with its moments and the number of its steps, this one included.
#[derive(Debug)]
pub struct AdamSlot<'a> {
    /// Changed in place.
    pub variable: &'a Tensor,
    /// Its gradient.
    pub gradient: Tensor,
    /// First moment, changed in place.
    pub mean: &'a Tensor,
    /// Second moment, changed in place.
    pub square: &'a Tensor,
    /// Steps.
    pub steps: i64,
}

/// Learning rate, the two decays, epsilon, weight decay.
#[derive(Clone, Copy, Debug)]
pub struct AdamNumbers {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Keeps the quotient finite.
    pub eps: f64,
    /// L2 penalty.
    pub decay: f64,
}

/// An update as the shim takes it; the lists are `n` long.
#[repr(C)]
struct AdamCall {
    variables: *const *const C_tensor,
    gradients: *const *const C_tensor,
    means: *const *const C_tensor,
    squares: *const *const C_tensor,
    steps: *const i64,
    n: i64,
    lr: f64,
    beta1: f64,
    beta2: f64,
    eps: f64,
    decay: f64,
}

/// Hands the slots to `update` as lists of one length, which live as long as it runs.
fn with_call(
    slots: &[AdamSlot],
    with: AdamNumbers,
    update: impl FnOnce(&AdamCall) -> bool,
) -> bool {
    let fits = |slot: &AdamSlot| {
        let size = slot.variable.size();
        [&slot.gradient, slot.mean, slot.square].iter().all(|tensor| tensor.size() == size)
    };
    assert!(slots.iter().all(fits), "invariant: gradients and moments have their variable's shape");
    let pointers =
        |of: &dyn Fn(&AdamSlot) -> *const C_tensor| slots.iter().map(of).collect::<Vec<_>>();
    let variables = pointers(&|slot| slot.variable.as_ptr());
    let gradients = pointers(&|slot| slot.gradient.as_ptr());
    let means = pointers(&|slot| slot.mean.as_ptr());
    let squares = pointers(&|slot| slot.square.as_ptr());
    let steps: Vec<i64> = slots.iter().map(|slot| slot.steps).collect();
    let AdamNumbers { lr, beta1, beta2, eps, decay } = with;
    update(&AdamCall {
        variables: variables.as_ptr(),
        gradients: gradients.as_ptr(),
        means: means.as_ptr(),
        squares: squares.as_ptr(),
        steps: steps.as_ptr(),
        n: slots.len() as i64,
        lr,
        beta1,
        beta2,
        eps,
        decay,
    })
}

/// One update of all variables in one call; false, and nothing changed, where they are not plain arrays on the CPU.
pub fn adam(slots: &[AdamSlot], with: AdamNumbers) -> bool {
    // SAFETY: five lists of the same length, of living tensors whose shapes were compared; the shim checks device, layout and
    // kind before it touches their memory, and libtorch's threads are done with it when the call returns.
    with_call(slots, with, |call| unsafe { suw_adam(call) })
}

/// The same update by libtorch's fused kernel, on any device, without waiting for it; nothing changes where `skip`, one
/// float32, is not 0.
///
/// # Panics
/// If libtorch refuses, as for tensors on two devices.
pub fn fused_adam(slots: &[AdamSlot], with: AdamNumbers, skip: &Tensor) {
    // SAFETY: as for `adam`; libtorch itself checks the rest, and keeps what a device still works on.
    let done = with_call(slots, with, |call| unsafe { suw_fused_adam(call, skip.as_ptr()) });
    assert!(done, "cannot update the weights: {}", words());
}

/// Leaves a variable without a gradient, which is not the same as a gradient of 0.
pub fn forget_gradient(variable: &Tensor) {
    // SAFETY: a living tensor; the shim lets go of its gradient, which others may still hold, and keeps nothing.
    unsafe { suw_forget_gradient(variable.as_ptr()) }
}

/// The norm of all tensors together, `None` where they are not plain arrays on the CPU.
pub fn norm(tensors: &[Tensor]) -> Option<f64> {
    let pointers: Vec<*const C_tensor> = tensors.iter().map(Tensor::as_ptr).collect();
    // SAFETY: living tensors, only read; the shim checks device, layout and kind.
    let norm = unsafe { suw_norm(pointers.as_ptr(), tensors.len() as i64) };
    (norm >= 0.0 || norm.is_nan()).then_some(norm)
}

/// Keeps freed memory for the next step instead of handing it back to the system; false where that cannot be asked for.
///
/// Big tensors otherwise come as fresh pages at every step, and clearing those costs more than what is computed in them.
pub fn keep_memory() -> bool {
    // SAFETY: sets three numbers of the C library's allocator; any thread may do so at any time.
    unsafe { suw_keep_memory() }
}

/// The tensor made by the shim, or its words.
///
/// # Safety
/// `made` is null or a tensor that nobody else owns.
unsafe fn taken(made: *mut C_tensor, verb: &str) -> Tensor {
    if made.is_null() {
        panic!("cannot {verb}: {}", words());
    }
    // SAFETY: the caller promises that it is ours.
    unsafe { Tensor::from_ptr(made) }
}

/// Why the last call on this thread failed.
fn words() -> String {
    // SAFETY: a string that lives until the next call on this thread, and is copied at once.
    unsafe { CStr::from_ptr(suw_error()) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    fn wave(shape: &[i64], frequency: f64, kind: Kind) -> Tensor {
        let n: i64 = shape.iter().product();
        (Tensor::arange(n, (Kind::Double, Device::Cpu)) * frequency).sin().view(shape).to_kind(kind)
    }

    /// A leaf with channels innermost in memory.
    fn picture(shape: [i64; 4], kind: Kind) -> Tensor {
        let [n, c, h, w] = shape;
        let stored = wave(&[n, h, w, c], 0.7, kind) * 2.0 + 0.3;
        stored.permute([0, 3, 1, 2]).detach().set_requires_grad(true)
    }

    /// Largest difference over the largest value.
    fn distance(got: &Tensor, expected: &Tensor) -> f64 {
        assert_eq!(got.size(), expected.size());
        let largest = expected.abs().max().double_value(&[]).max(1e-30);
        (got - expected).abs().max().double_value(&[]) / largest
    }

    /// Output and gradients of `own` against those of libtorch.
    fn check(own: &Tensor, libtorch: &Tensor, leaves: &[&Tensor], tolerance: f64, what: &str) {
        assert!(distance(own, libtorch) < tolerance, "{what}: output");
        let weights = wave(&own.size(), 1.3, own.kind());
        let gradients =
            |y: &Tensor| Tensor::run_backward(&[(y * &weights).sum(None)], leaves, true, false);
        for (i, (got, expected)) in gradients(own).iter().zip(gradients(libtorch)).enumerate() {
            let off = distance(got, &expected);
            assert!(off < tolerance, "{what}: gradient {i} is off by {off:e}");
        }
    }

    const KINDS: [(Kind, f64); 2] = [(Kind::Double, 1e-13), (Kind::Float, 1e-5)];

    #[test]
    fn convolutions_are_those_of_libtorch() {
        // c_in, c_out, kernel, stride, dilation, groups, H, W: every kind of layer, also where no tap but the middle fits.
        let layers = [
            [3, 32, 3, 2, 1, 1, 12, 10],
            [32, 64, 3, 1, 1, 1, 7, 9],
            [16, 8, 3, 2, 1, 1, 9, 11],
            [64, 64, 3, 1, 1, 64, 7, 5],
            [32, 32, 3, 1, 2, 32, 7, 5],
            [32, 32, 3, 1, 16, 1, 5, 20],
            [16, 16, 3, 1, 16, 16, 3, 4],
            [64, 32, 1, 1, 1, 1, 5, 3],
            [16, 16, 3, 2, 1, 16, 6, 6],
            [16, 4, 7, 1, 1, 1, 5, 6],
            [16, 4, 7, 1, 1, 1, 2, 3],
            [16, 6, 3, 1, 1, 1, 4, 4],
        ];
        for (kind, tolerance) in KINDS {
            for [c_in, c_out, kernel, stride, dilation, groups, h, w] in layers {
                let x = picture([2, c_in, h, w], kind);
                let shape = [c_out, c_in / groups, kernel, kernel];
                let weight = wave(&shape, 0.9, kind).set_requires_grad(true);
                let bias = wave(&[c_out], 0.5, kind).set_requires_grad(true);
                let padding = dilation * (kernel / 2);
                let with = ConvArguments { stride, padding, dilation, groups };
                for bias in [None, Some(&bias)] {
                    let (s, p, d) = ([stride; 2], [padding; 2], [dilation; 2]);
                    let expected = x.conv2d(&weight, bias, s, p, d, groups);
                    let leaves: Vec<&Tensor> = [&x, &weight].into_iter().chain(bias).collect();
                    let own = conv2d(&x, &weight, bias, with);
                    check(&own, &expected, &leaves, tolerance, &format!("{kind:?} {with:?}"));
                }
            }
        }
    }

    #[test]
    fn normalizations_are_those_of_libtorch_and_move_the_same_statistics() {
        for (kind, tolerance) in KINDS {
            for (then, channels) in [(Then::Relu, 32), (Then::Nothing, 32), (Then::Relu, 3)] {
                // Far from 0, where a careless variance would lose its digits; more rows than one piece holds.
                let x = picture([2, channels, 40, 37], kind);
                let far = &x + 20.0;
                let weight = (wave(&[channels], 0.9, kind) + 1.5).set_requires_grad(true);
                let bias = wave(&[channels], 0.5, kind).set_requires_grad(true);
                let stats = || {
                    (
                        Tensor::zeros([channels], (kind, Device::Cpu)),
                        Tensor::ones([channels], (kind, Device::Cpu)),
                    )
                };
                let ((mean, var), (own_mean, own_var)) = (stats(), stats());
                let some = (Some(&weight), Some(&bias), Some(&mean), Some(&var));
                let plain = far.batch_norm(some.0, some.1, some.2, some.3, true, 0.1, 1e-5, true);
                let expected = if then == Then::Relu { plain.relu() } else { plain };
                let with = NormArguments {
                    running_mean: &own_mean,
                    running_var: &own_var,
                    momentum: 0.1,
                    epsilon: 1e-5,
                    then,
                };
                let own = normalize(&far, &weight, &bias, &with);
                let what = format!("{kind:?} {then:?} {channels}");
                check(&own, &expected, &[&x, &weight, &bias], tolerance * 10.0, &what);
                assert!(distance(&own_mean, &mean) < tolerance, "{what}");
                assert!(distance(&own_var, &var) < tolerance, "{what}");
            }
        }
    }

    #[test]
    fn the_same_bits_with_any_number_of_threads() {
        let made = |n_threads: i32| {
            tch::set_num_threads(n_threads);
            let x = picture([2, 32, 12, 10], Kind::Float);
            let weight = wave(&[32, 32, 3, 3], 0.9, Kind::Float).set_requires_grad(true);
            let with = ConvArguments { stride: 1, padding: 1, dilation: 1, groups: 1 };
            conv2d(&x, &weight, None, with).square().sum(None).backward();
            weight.grad()
        };
        let (one, two) = (made(1), made(2));
        tch::set_num_threads(1);
        assert!(one.equal(&two));
    }

    #[test]
    fn shapes_that_do_not_fit_are_named() {
        let x = picture([1, 8, 4, 4], Kind::Float);
        let weight = wave(&[8, 4, 3, 3], 0.9, Kind::Float);
        let with = ConvArguments { stride: 1, padding: 1, dilation: 1, groups: 1 };
        let message = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            conv2d(&x, &weight, None, with)
        }))
        .unwrap_err();
        let message = message.downcast_ref::<String>().cloned().unwrap_or_default();
        assert!(message.starts_with("cannot convolve: "), "{message}");
    }
}
