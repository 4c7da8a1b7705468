// Compiled twice: for any CPU, and with SUW_AVX2 for those that have AVX2 and FMA.
#include "kernels.hpp"

#include <cmath>
#include <cstring>
#include <limits>

#ifdef SUW_AVX2
#define SUW_NAME(type) avx2_##type
#else
#define SUW_NAME(type) plain_##type
#endif

namespace suw {
namespace {

// Channels of the widest layer that has normalization; the callers check.
constexpr int64_t CHANNELS_MAX = 1024;
// Rows, or vectors, that are added up in T before they go to a double.
constexpr int64_t BLOCK = 32;

// Index -1 is 1, index n is n - 2: reflection without repeating the edge.
inline int64_t reflected(int64_t i, int64_t n) { return i < 0 ? -i : (i >= n ? 2 * n - 2 - i : i); }

typedef float V32 __attribute__((vector_size(32)));
typedef double V64 __attribute__((vector_size(32)));

#define T float
#define V V32
#define LANES int64_t(8)
#define SPREAD(v) V{v, v, v, v, v, v, v, v}
#define TABLE float_table
#include "kernels.inc"
#undef T
#undef V
#undef LANES
#undef SPREAD
#undef TABLE

#define T double
#define V V64
#define LANES int64_t(4)
#define SPREAD(v) V{v, v, v, v}
#define TABLE double_table
#include "kernels.inc"
#undef T
#undef V
#undef LANES
#undef SPREAD
#undef TABLE

}  // namespace

extern const Kernels<float> SUW_NAME(float) = float_table;
extern const Kernels<double> SUW_NAME(double) = double_table;

}  // namespace suw
