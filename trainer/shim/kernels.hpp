// Loops over numbers in memory, channels innermost ("NHWC"): what libtorch's CPU kernels leave on the table.
//
// Nothing here knows of tensors or threads: the caller splits the work into chunks that depend on the shape alone, so results
// do not depend on the number of threads.
#pragma once

#include <cstdint>

namespace suw {

// A convolution with square kernel, the same stride, padding and dilation along both axes.
struct ConvShape {
  int64_t c_in, c_out, kernel, stride, padding, dilation;
  int64_t h_in, w_in, h_out, w_out;
};

// The loops for one number type, compiled for one kind of CPU.
template <typename T>
struct Kernels {
  // Sum of `rows` rows of `c` numbers, and of their squared distances from the rows' mean; both written.
  void (*moments)(const T* x, int64_t rows, int64_t c, double* sum, double* square);
  // y = max(x * scale + shift, 0), or without max.
  void (*scale_shift)(const T* x, const T* scale, const T* shift, bool relu, int64_t rows, int64_t c, T* y);
  // Sums of dz and of dz (x - mean); dz = dy where x * scale + shift > 0, or everywhere.
  void (*norm_sums)(const T* x, const T* dy, const T* scale, const T* shift, const T* mean, bool relu, int64_t rows, int64_t c,
                    double* sum, double* product);
  // dx = scale * dz + slope * (x - mean) + offset.
  void (*norm_backward)(const T* x, const T* dy, const T* scale, const T* shift, const T* mean, const T* slope,
                        const T* offset, bool relu, int64_t rows, int64_t c, T* dx);
  // Adds what the output rows first..end of one image give to the weights' gradient, [tap][c_out][c_in]. c_out a multiple of
  // 4, c_in of two vectors (16 floats, 8 doubles).
  void (*weight_gradient)(const T* x, const T* dy, const ConvShape& shape, int64_t first, int64_t end, T* dw);
  // Rows first..end of a depth-wise 3x3 convolution of stride 1, weights [tap][c]; `sign` -1 turns it round: the input's
  // gradient from the output's. c a multiple of a vector (8 floats, 4 doubles).
  void (*depthwise)(const T* x, const T* w, int64_t sign, int64_t dilation, int64_t h, int64_t width, int64_t c, int64_t first,
                    int64_t end, T* y);
  // Adds what its output rows first..end give to its weights' gradient, [tap][c].
  void (*depthwise_weight_gradient)(const T* x, const T* dy, int64_t dilation, int64_t h, int64_t width, int64_t c,
                                    int64_t first, int64_t end, T* dw);
  // One update of Adam; `lr` is corrected for the first moment, `root` is the root of the second moment's correction.
  void (*adam)(T* x, const T* gradient, T* mean, T* square, int64_t n, double lr, double beta1, double beta2, double eps,
               double decay, double root);
  // Sum of squares.
  double (*square_sum)(const T* x, int64_t n);
  // Adds `share` of a channel's photometric error (structural dissimilarity and L1) to rows first..end of [h, width]; h and
  // width at least 2. `t_mean` and `t_variance` are those of 3x3 windows. Room needed: 6 width + 6 numbers.
  void (*photometric)(const T* x, const T* t, const T* t_mean, const T* t_variance, int64_t h, int64_t width, int64_t first,
                      int64_t end, double ssim_weight, double share, T* scratch, T* error);
  // Its gradient for x, rows first..end. Room needed: 6 width + 6 + 3 (end - first + 2) width.
  void (*photometric_backward)(const T* x, const T* t, const T* t_mean, const T* t_variance, const T* d_error, int64_t h,
                               int64_t width, int64_t first, int64_t end, double ssim_weight, double share, T* scratch, T* dx);
};

// Those for any CPU, and those for AVX2 with FMA.
extern const Kernels<float> plain_float, avx2_float;
extern const Kernels<double> plain_double, avx2_double;

}  // namespace suw
