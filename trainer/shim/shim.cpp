// What the trainer needs of libtorch and tch does not offer: convolutions and normalizations with a backward pass of their own
// on the CPU, Adam in one call, autocast, and memory that stays with the program.
//
// Plain C at the door. A tensor is a pointer to an at::Tensor, as in tch. A function that fails returns null or false and
// leaves its words for suw_error.

#include "kernels.hpp"

#include <ATen/ATen.h>
#include <ATen/TensorIterator.h>
#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <malloc.h>

#include <cmath>
#include <exception>
#include <string>
#include <vector>

namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

thread_local std::string last_error;

constexpr auto LAST = at::MemoryFormat::ChannelsLast;
// Work is cut into at most so many parts by its shape alone, so that sums do not depend on the number of threads.
constexpr int64_t PARTS = 16;
// Widest layer that the kernels normalize.
constexpr int64_t CHANNELS_MAX = 1024;

// The best loops for this CPU.
template <typename T>
const suw::Kernels<T>& kernels() {
  constexpr bool is_float = std::is_same_v<T, float>;
#if defined(__x86_64__)
  static const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if constexpr (is_float) return avx2 ? suw::avx2_float : suw::plain_float;
  else return avx2 ? suw::avx2_double : suw::plain_double;
#else
  if constexpr (is_float) return suw::plain_float;
  else return suw::plain_double;
#endif
}

// Calls f(0) to f(n - 1) on libtorch's own threads. parallel_for itself would need OpenMP's headers and a second runtime.
template <typename F>
void for_parts(int64_t n, const F& f) {
  Tensor numbers = at::arange(n, at::kLong);
  auto iter = at::TensorIterator::borrowing_nullary_op(numbers);
  iter.for_each(
      [&](char** data, const int64_t* strides, int64_t size) {
        for (int64_t i = 0; i < size; i++) f(*reinterpret_cast<int64_t*>(data[0] + i * strides[0]));
      },
      1);
}

// Part i of n rows cut into `parts`: [first, end).
std::pair<int64_t, int64_t> part_of(int64_t n, int64_t parts, int64_t i) {
  return {n * i / parts, n * (i + 1) / parts};
}

struct Rows {
  int64_t n, c;
  explicit Rows(const Tensor& x) : n(x.numel() / std::max<int64_t>(x.size(1), 1)), c(x.size(1)) {}
  // Pieces of some 128 KiB, so that a second look at one finds it in the cache.
  int64_t parts() const { return std::max<int64_t>(1, n * c / 32768); }
};

// Sums over the parts of [parts, 2, C] doubles.
Tensor joined(const Tensor& sums) { return sums.sum(0); }

// Batch statistics from the moments of parts (Chan et al.): mean and variance, each [C], in double.
std::pair<Tensor, Tensor> statistics(const Tensor& moments, const Rows& rows) {
  const int64_t parts = rows.parts();
  Tensor counts = at::empty({parts, 1}, at::kDouble);
  for (int64_t i = 0; i < parts; i++) {
    const auto [first, end] = part_of(rows.n, parts, i);
    counts.data_ptr<double>()[i] = static_cast<double>(end - first);
  }
  const Tensor sum = moments.select(1, 0), square = moments.select(1, 1);
  const Tensor mean = sum.sum(0) / static_cast<double>(rows.n);
  const Tensor apart = (sum / counts - mean).square() * counts;
  return {mean, (square.sum(0) + apart.sum(0)) / static_cast<double>(rows.n)};
}

template <typename T>
const T* at_row(const Tensor& x, const Rows& rows, int64_t row) {
  return x.const_data_ptr<T>() + row * rows.c;
}

// Batch normalization by the batch's own statistics, then max(.., 0) if asked: three passes over memory instead of six.
struct Normalize : Function<Normalize> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor running_mean,
                        Tensor running_var, double momentum, double eps, bool relu) {
    const Rows rows(x);
    const int64_t parts = rows.parts();
    Tensor moments = at::empty({parts, 2, rows.c}, at::kDouble);
    Tensor y = at::empty_like(x, x.options(), LAST);
    Tensor constants;
    AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "normalize", [&] {
      for_parts(parts, [&](int64_t i) {
        const auto [first, end] = part_of(rows.n, parts, i);
        double* out = moments.data_ptr<double>() + i * 2 * rows.c;
        kernels<scalar_t>().moments(at_row<scalar_t>(x, rows, first), end - first, rows.c, out, out + rows.c);
      });
      const auto [mean, variance] = statistics(moments, rows);
      const Tensor inverse = (variance + eps).rsqrt();
      const Tensor scale = weight.to(at::kDouble) * inverse;
      const Tensor shift = bias.to(at::kDouble) - mean * scale;
      constants = at::stack({scale, shift, mean, inverse}).to(x.scalar_type());
      const double n = static_cast<double>(rows.n);
      running_mean.mul_(1.0 - momentum).add_(mean.to(x.scalar_type()), momentum);
      running_var.mul_(1.0 - momentum).add_((variance * (n / std::max(n - 1.0, 1.0))).to(x.scalar_type()), momentum);
      const scalar_t* k = constants.const_data_ptr<scalar_t>();
      scalar_t* out = y.data_ptr<scalar_t>();
      for_parts(parts, [&](int64_t i) {
        const auto [first, end] = part_of(rows.n, parts, i);
        kernels<scalar_t>().scale_shift(at_row<scalar_t>(x, rows, first), k, k + rows.c, relu, end - first, rows.c, out + first * rows.c);
      });
    });
    ctx->save_for_backward({x, constants});
    ctx->saved_data["relu"] = relu;
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &constants = saved[1];
    const bool relu = ctx->saved_data["relu"].toBool();
    const Tensor dy = gradients[0].contiguous(LAST);
    const Rows rows(x);
    const int64_t parts = rows.parts();
    Tensor sums = at::empty({parts, 2, rows.c}, at::kDouble);
    Tensor dx = at::empty_like(x, x.options(), LAST);
    Tensor d_weight, d_bias;
    AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "normalize_backward", [&] {
      const scalar_t* k = constants.const_data_ptr<scalar_t>();
      const scalar_t *scale = k, *shift = k + rows.c, *mean = k + 2 * rows.c;
      for_parts(parts, [&](int64_t i) {
        const auto [first, end] = part_of(rows.n, parts, i);
        double* out = sums.data_ptr<double>() + i * 2 * rows.c;
        kernels<scalar_t>().norm_sums(at_row<scalar_t>(x, rows, first), at_row<scalar_t>(dy, rows, first), scale, shift, mean, relu,
                       end - first, rows.c, out, out + rows.c);
      });
      const Tensor sum = joined(sums).to(at::kDouble);
      const Tensor exact = constants.to(at::kDouble);
      const Tensor inverse = exact[3];
      d_bias = sum[0].to(x.scalar_type());
      d_weight = (sum[1] * inverse).to(x.scalar_type());
      const double n = static_cast<double>(rows.n);
      const Tensor slope = -exact[0] * inverse.square() * sum[1] / n, offset = -exact[0] * sum[0] / n;
      const Tensor more = at::stack({slope, offset}).to(x.scalar_type());
      const scalar_t* m = more.const_data_ptr<scalar_t>();
      scalar_t* out = dx.data_ptr<scalar_t>();
      for_parts(parts, [&](int64_t i) {
        const auto [first, end] = part_of(rows.n, parts, i);
        kernels<scalar_t>().norm_backward(at_row<scalar_t>(x, rows, first), at_row<scalar_t>(dy, rows, first), scale, shift, mean, m,
                           m + rows.c, relu, end - first, rows.c, out + first * rows.c);
      });
    });
    return {dx, d_weight, d_bias, Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

struct ConvArguments {
  int64_t stride, padding, dilation, groups;
};

bool is_depthwise(const Tensor& x, const Tensor& weight, const ConvArguments& a) {
  const int64_t lanes = x.scalar_type() == at::kFloat ? 8 : 4;
  return a.groups == x.size(1) && weight.size(0) == a.groups && weight.size(2) == 3 && weight.size(3) == 3 && a.stride == 1 &&
         a.padding == a.dilation && a.groups % lanes == 0;
}

bool has_own_weight_gradient(const Tensor& x, const Tensor& weight, const ConvArguments& a) {
  const int64_t lanes = x.scalar_type() == at::kFloat ? 16 : 8;
  return a.groups == 1 && weight.size(2) == weight.size(3) && weight.size(2) > 1 && weight.size(1) % lanes == 0 && weight.size(0) % 4 == 0;
}

// Parts of one image's rows, so that a batch has some 16.
int64_t parts_per_image(int64_t images, int64_t rows) {
  return std::max<int64_t>(1, std::min(rows, PARTS / std::max<int64_t>(images, 1)));
}

Tensor depthwise(const Tensor& x, const Tensor& taps, int64_t sign, int64_t dilation) {
  const int64_t n = x.size(0), c = x.size(1), h = x.size(2), w = x.size(3);
  const int64_t parts = parts_per_image(n, h);
  Tensor y = at::empty_like(x, x.options(), LAST);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "depthwise", [&] {
    const scalar_t *in = x.const_data_ptr<scalar_t>(), *k = taps.const_data_ptr<scalar_t>();
    scalar_t* out = y.data_ptr<scalar_t>();
    for_parts(n * parts, [&](int64_t i) {
      const auto [first, end] = part_of(h, parts, i % parts);
      const int64_t image = i / parts * h * w * c;
      kernels<scalar_t>().depthwise(in + image, k, sign, dilation, h, w, c, first, end, out + image);
    });
  });
  return y;
}

// [taps, ..] summed over parts.
template <typename F>
Tensor summed_over_parts(const Tensor& like, at::IntArrayRef shape, int64_t images, int64_t rows, const F& add) {
  const int64_t parts = parts_per_image(images, rows);
  std::vector<int64_t> all{images * parts};
  all.insert(all.end(), shape.begin(), shape.end());
  Tensor sums = at::zeros(all, like.options());
  for_parts(images * parts, [&](int64_t i) {
    const auto [first, end] = part_of(rows, parts, i % parts);
    add(i, i / parts, first, end, sums);
  });
  return sums.sum(0);
}

Tensor depthwise_weight_gradient(const Tensor& x, const Tensor& dy, int64_t dilation) {
  const int64_t n = x.size(0), c = x.size(1), h = x.size(2), w = x.size(3);
  Tensor taps;
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "depthwise_weight_gradient", [&] {
    const scalar_t *in = x.const_data_ptr<scalar_t>(), *out = dy.const_data_ptr<scalar_t>();
    taps = summed_over_parts(x, {9, c}, n, h, [&](int64_t i, int64_t image, int64_t first, int64_t end, Tensor& sums) {
      const int64_t at = image * h * w * c;
      kernels<scalar_t>().depthwise_weight_gradient(in + at, out + at, dilation, h, w, c, first, end, sums.data_ptr<scalar_t>() + i * 9 * c);
    });
  });
  return taps.t().contiguous().view({c, 1, 3, 3});
}

Tensor weight_gradient(const Tensor& x, const Tensor& dy, const Tensor& weight, const ConvArguments& a) {
  const int64_t k = weight.size(2), c_in = x.size(1), c_out = dy.size(1), n = x.size(0);
  const suw::ConvShape shape{c_in,      c_out,     k,          a.stride,   a.padding,
                             a.dilation, x.size(2), x.size(3), dy.size(2), dy.size(3)};
  Tensor taps;
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "weight_gradient", [&] {
    const scalar_t *in = x.const_data_ptr<scalar_t>(), *out = dy.const_data_ptr<scalar_t>();
    const int64_t size = k * k * c_out * c_in;
    taps = summed_over_parts(x, {k * k, c_out, c_in}, n, shape.h_out,
                             [&](int64_t i, int64_t image, int64_t first, int64_t end, Tensor& sums) {
                               kernels<scalar_t>().weight_gradient(in + image * shape.h_in * shape.w_in * c_in,
                                                    out + image * shape.h_out * shape.w_out * c_out, shape, first, end,
                                                    sums.data_ptr<scalar_t>() + i * size);
                             });
  });
  return taps.permute({1, 2, 0}).contiguous().view({c_out, c_in, k, k});
}

// A convolution whose gradients for weights, and for depth-wise layers all of them, are made here.
struct Convolve : Function<Convolve> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias,
                        int64_t stride, int64_t padding, int64_t dilation, int64_t groups) {
    const ConvArguments a{stride, padding, dilation, groups};
    ctx->save_for_backward({x, weight});
    ctx->saved_data["arguments"] = std::vector<int64_t>{stride, padding, dilation, groups};
    ctx->saved_data["bias"] = bias.has_value();
    if (is_depthwise(x, weight, a) && !bias)
      return depthwise(x, weight.view({groups, 9}).t().contiguous(), 1, dilation);
    return at::conv2d(x, weight, bias, {stride, stride}, {padding, padding}, {dilation, dilation}, groups);
  }

  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1];
    const auto list = ctx->saved_data["arguments"].toIntVector();
    const ConvArguments a{list[0], list[1], list[2], list[3]};
    const bool has_bias = ctx->saved_data["bias"].toBool();
    const Tensor dy = gradients[0].contiguous(LAST);
    const bool wants_x = ctx->needs_input_grad(0), wants_weight = ctx->needs_input_grad(1);
    Tensor dx, d_weight, d_bias;
    if (is_depthwise(x, weight, a)) {
      if (wants_x) dx = depthwise(dy, weight.view({a.groups, 9}).t().contiguous(), -1, a.dilation);
      if (wants_weight) d_weight = depthwise_weight_gradient(x, dy, a.dilation);
    } else {
      const bool own = has_own_weight_gradient(x, weight, a);
      if (own && wants_weight) d_weight = weight_gradient(x, dy, weight, a);
      const std::array<bool, 3> rest{wants_x, wants_weight && !own, false};
      if (rest[0] || rest[1]) {
        const auto [input, other, none] =
            at::convolution_backward(dy, x, weight, std::nullopt, {a.stride, a.stride}, {a.padding, a.padding},
                                     {a.dilation, a.dilation}, false, {0, 0}, a.groups, rest);
        dx = input;
        if (rest[1]) d_weight = other;
      }
    }
    if (has_bias && ctx->needs_input_grad(2)) d_bias = dy.sum({0, 2, 3});
    return {dx, d_weight, d_bias, Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

#include "photometric.inc"

// Whether the kernels above can work on it; where they cannot, libtorch's own do.
bool fits(const Tensor& x) {
  return x.device().is_cpu() && x.dim() == 4 && x.numel() > 0 && x.is_contiguous(LAST) && x.size(1) <= CHANNELS_MAX &&
         (x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble) && !at::autocast::is_autocast_enabled(at::kCPU);
}

// Whether `n` tensors can be gone through as plain arrays, all of one kind.
bool are_plain(const Tensor* const* tensors, int64_t n, at::ScalarType kind) {
  for (int64_t i = 0; i < n; i++) {
    const Tensor& one = *tensors[i];
    if (!one.device().is_cpu() || !one.is_contiguous() || one.scalar_type() != kind) return false;
  }
  return kind == at::kFloat || kind == at::kDouble;
}

template <typename F>
Tensor* guarded(const F& f) {
  try {
    return new Tensor(f());
  } catch (const std::exception& error) {
    last_error = error.what();
    return nullptr;
  }
}

}  // namespace

// What an update of Adam works on: n variables, each with its gradient, moments and the number of its steps.
struct AdamCall {
  Tensor* const* variables;
  const Tensor* const* gradients;
  Tensor* const *means, *const *squares;
  const int64_t* steps;
  int64_t n;
  double lr, beta1, beta2, eps, decay;
};

extern "C" {

// Why the last call on this thread failed.
const char* suw_error() { return last_error.c_str(); }

Tensor* suw_conv2d(const Tensor* x, const Tensor* weight, const Tensor* bias, int64_t stride, int64_t padding, int64_t dilation,
                   int64_t groups) {
  return guarded([&] {
    const std::optional<Tensor> some = bias ? std::optional<Tensor>(*bias) : std::nullopt;
    // Without a backward pass there is nothing to gain, and a recorded graph (export) knows libtorch's operations only.
    const bool learns = at::GradMode::is_enabled() && (x->requires_grad() || weight->requires_grad());
    if (learns && fits(*x) && weight->scalar_type() == x->scalar_type() && weight->is_contiguous())
      return Convolve::apply(*x, *weight, some, stride, padding, dilation, groups);
    return at::conv2d(*x, *weight, some, {stride, stride}, {padding, padding}, {dilation, dilation}, groups);
  });
}

// Normalization by the batch's statistics, which also move the running ones; then max(.., 0) if `relu`.
Tensor* suw_normalize(const Tensor* x, const Tensor* weight, const Tensor* bias, const Tensor* running_mean,
                      const Tensor* running_var, double momentum, double eps, bool relu) {
  return guarded([&] {
    if (fits(*x) && weight->scalar_type() == x->scalar_type())
      return Normalize::apply(*x, *weight, *bias, *running_mean, *running_var, momentum, eps, relu);
    Tensor y = at::batch_norm(*x, *weight, *bias, *running_mean, *running_var, true, momentum, eps, true);
    return relu ? y.relu_() : y;
  });
}

// One update of Adam for n variables, `steps[i]` counting this one. False where they are not plain arrays; nothing is changed then.
bool suw_adam(const AdamCall* call) {
  const AdamCall& c = *call;
  if (c.n == 0) return true;
  const auto kind = c.variables[0]->scalar_type();
  if (!are_plain(c.variables, c.n, kind) || !are_plain(c.gradients, c.n, kind) || !are_plain(c.means, c.n, kind) ||
      !are_plain(c.squares, c.n, kind))
    return false;
  AT_DISPATCH_FLOATING_TYPES(kind, "adam", [&] {
    for_parts(c.n, [&](int64_t i) {
      const double correction1 = 1.0 - std::pow(c.beta1, c.steps[i]), correction2 = 1.0 - std::pow(c.beta2, c.steps[i]);
      kernels<scalar_t>().adam(c.variables[i]->data_ptr<scalar_t>(), c.gradients[i]->const_data_ptr<scalar_t>(),
                               c.means[i]->data_ptr<scalar_t>(), c.squares[i]->data_ptr<scalar_t>(), c.variables[i]->numel(),
                               c.lr / correction1, c.beta1, c.beta2, c.eps, c.decay, std::sqrt(correction2));
    });
  });
  return true;
}

// Leaves a variable without a gradient.
void suw_forget_gradient(const Tensor* variable) { variable->mutable_grad().reset(); }

// The norm of n tensors together, or -1 where they are not plain arrays.
double suw_norm(const Tensor* const* tensors, int64_t n) {
  if (n == 0) return 0.0;
  const auto kind = tensors[0]->scalar_type();
  if (!are_plain(tensors, n, kind)) return -1.0;
  std::vector<double> sums(n);
  AT_DISPATCH_FLOATING_TYPES(kind, "norm", [&] {
    for_parts(n, [&](int64_t i) {
      sums[i] = kernels<scalar_t>().square_sum(tensors[i]->const_data_ptr<scalar_t>(), tensors[i]->numel());
    });
  });
  double sum = 0.0;
  for (const double one : sums) sum += one;
  return std::sqrt(sum);
}

// The same update by libtorch's fused kernel, on any device; nothing changes where `skip`, one float there, is not 0.
bool suw_fused_adam(const AdamCall* call, const Tensor* skip) {
  const AdamCall& c = *call;
  try {
    if (c.n == 0) return true;
    const at::NoGradGuard no_grad;
    const auto device = c.variables[0]->device();
    std::vector<Tensor> of[4];
    Tensor counts = at::empty({c.n}, at::TensorOptions(at::kFloat).pinned_memory(device.is_cuda()));
    for (int64_t i = 0; i < c.n; i++) {
      of[0].push_back(*c.variables[i]);
      of[1].push_back(*c.gradients[i]);
      of[2].push_back(*c.means[i]);
      of[3].push_back(*c.squares[i]);
      counts.data_ptr<float>()[i] = static_cast<float>(c.steps[i]);
    }
    const std::vector<Tensor> count = counts.to(device, /*non_blocking=*/true).unbind(0);
    at::_fused_adam_(of[0], of[1], of[2], of[3], {}, count, c.lr, c.beta1, c.beta2, c.decay, c.eps, false, false, std::nullopt, *skip);
    return true;
  } catch (const std::exception& error) {
    last_error = error.what();
    return false;
  }
}

// Whether networks compute in bfloat16 from here on, on this thread.
void suw_autocast(bool cuda, bool on) {
  const auto device = cuda ? at::kCUDA : at::kCPU;
  if (on) {
    at::autocast::set_autocast_dtype(device, at::kBFloat16);
    at::autocast::increment_nesting();
  } else if (at::autocast::decrement_nesting() == 0) {
    at::autocast::clear_cache();
  }
  at::autocast::set_autocast_enabled(device, on);
}

// Turns autocast on or off on this thread, inside a scope of suw_autocast; says what it was.
bool suw_autocast_switch(bool cuda, bool on) {
  const auto device = cuda ? at::kCUDA : at::kCPU;
  const bool was_on = at::autocast::is_autocast_enabled(device);
  at::autocast::set_autocast_enabled(device, on);
  return was_on;
}

// The photometric error [N, H, W], or null without words where the caller's own operations have to do: other devices, other
// kinds of numbers, targets that are learned, pictures without a window.
Tensor* suw_photometric(const Tensor* x, const Tensor* target, const Tensor* mean, const Tensor* variance, double ssim_weight) {
  last_error.clear();
  const auto plain = [&](const Tensor& one) {
    return one.device().is_cpu() && one.is_contiguous() && one.scalar_type() == x->scalar_type() && one.sizes() == x->sizes();
  };
  const bool floating = x->scalar_type() == at::kFloat || x->scalar_type() == at::kDouble;
  const bool learned = target->requires_grad() || mean->requires_grad() || variance->requires_grad();
  if (!floating || learned || x->dim() != 4 || x->size(2) < 2 || x->size(3) < 2) return nullptr;
  if (!plain(*x) || !plain(*target) || !plain(*mean) || !plain(*variance)) return nullptr;
  return guarded([&] { return Photometric::apply(*x, *target, *mean, *variance, ssim_weight); });
}

// Keeps freed memory for the next step instead of handing it back: fresh pages cost more than what is computed in them.
bool suw_keep_memory() {
#ifdef __GLIBC__
  return mallopt(M_MMAP_MAX, 0) == 1 && mallopt(M_TRIM_THRESHOLD, -1) == 1 && mallopt(M_TOP_PAD, 64 << 20) == 1;
#else
  return false;
#endif
}

}  // extern "C"
