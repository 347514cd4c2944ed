// Vectors, small matrix products and threads: what the kernels beside this file are made of.

#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <thread>
#include <vector>

#if defined(__AVX512F__)
constexpr int LANES = 16, ROWS = 8;
#elif defined(__AVX__)
constexpr int LANES = 8, ROWS = 6;
#else
constexpr int LANES = 4, ROWS = 8;
#endif
constexpr float LOG2E = 1.4426950408889634f;
constexpr float LOWEST = -std::numeric_limits<float>::infinity();

typedef float vec __attribute__((vector_size(LANES * 4)));
typedef float loose __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(LANES * 4)));

static inline vec load(const float* p) { return *reinterpret_cast<const loose*>(p); }
static inline void store(float* p, vec x) { *reinterpret_cast<loose*>(p) = x; }
static inline vec all(float x) { return x - vec{}; }
static inline vec bits(ivec x) { vec y; std::memcpy(&y, &x, sizeof y); return y; }
static inline ivec bits(vec x) { ivec y; std::memcpy(&y, &x, sizeof y); return y; }
static inline vec larger(vec a, vec b) { return a > b ? a : b; }

// e^x for x <= 0, within 2 units in the last place; exactly 0 far below (and so for -inf); NaN stays NaN.
static inline vec exp_(vec x) {
  x *= all(LOG2E);
  x = x < all(-127.f) ? all(-127.f) : x;
  const vec magic = all(12582912.f);  // 1.5 * 2^23: adding it rounds to a whole number in the low bits
  const vec shifted = x + magic;
  const vec f = x - (shifted - magic);
  // (2^f - 1) / f for |f| <= 1/2: Chebyshev interpolation of degree 5
  vec p = all(1.5461447765119374e-4f);
  p = p * f + all(1.3390866806730628e-3f);
  p = p * f + all(9.6180569380521774e-3f);
  p = p * f + all(5.5503569543361664e-2f);
  p = p * f + all(2.4022650718688965e-1f);
  p = p * f + all(6.9314718246459961e-1f);
  p = p * f + all(1.f);
  return bits(bits(p) + (bits(shifted) << 23));
}

// c[r][v] (+)= sum_k a[r * a_row + k * a_col] * b[k * b_row + v]: R rows, V vectors wide. What was there is added
// last: sums of sums lose less than one long sum.
template <int R, int V, bool ADD>
static inline void tile(int64_t n, const float* a, int64_t a_row, int64_t a_col, const float* b, int64_t b_row,
                        float* c, int64_t c_row) {
  vec sum[R][V];
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int v = 0; v < V; v++) sum[r][v] = vec{};
  for (int64_t k = 0; k < n; k++) {
    vec right[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; v++) right[v] = load(b + k * b_row + v * LANES);
#pragma GCC unroll 16
    for (int r = 0; r < R; r++) {
      const vec left = all(a[r * a_row + k * a_col]);
#pragma GCC unroll 4
      for (int v = 0; v < V; v++) sum[r][v] += left * right[v];
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int v = 0; v < V; v++) {
      float* to = c + r * c_row + v * LANES;
      store(to, ADD ? load(to) + sum[r][v] : sum[r][v]);
    }
}

template <int V, bool ADD>
static void panel(int64_t rows, int64_t n, const float* a, int64_t a_row, int64_t a_col, const float* b,
                  int64_t b_row, float* c, int64_t c_row) {
  int64_t r = 0;
  for (; r + ROWS <= rows; r += ROWS) tile<ROWS, V, ADD>(n, a + r * a_row, a_row, a_col, b, b_row, c + r * c_row, c_row);
  for (; r + 4 <= rows; r += 4) tile<4, V, ADD>(n, a + r * a_row, a_row, a_col, b, b_row, c + r * c_row, c_row);
  for (; r < rows; r++) tile<1, V, ADD>(n, a + r * a_row, a_row, a_col, b, b_row, c + r * c_row, c_row);
}

// The same for any number of rows and a width that is a multiple of LANES.
template <bool ADD>
static void product(int64_t rows, int64_t width, int64_t n, const float* a, int64_t a_row, int64_t a_col,
                    const float* b, int64_t b_row, float* c, int64_t c_row) {
  int64_t v = 0;
  for (; v + 2 * LANES <= width; v += 2 * LANES) panel<2, ADD>(rows, n, a, a_row, a_col, b + v, b_row, c + v, c_row);
  if (v < width) panel<1, ADD>(rows, n, a, a_row, a_col, b + v, b_row, c + v, c_row);
}

// Threads of a call: how many, and GOMP_parallel of the OpenMP library that the caller's threads belong to, or null for
// threads of our own.
struct Threads {
  int64_t count;
  void (*parallel)(void (*)(void*), void*, unsigned, unsigned);
};

// A tensor (batch, heads, tokens, channels) whose channels are adjacent; strides count elements.
struct Tensor {
  float* data;
  int64_t batch, head, token;
};

static inline float* at(const Tensor& x, int64_t b, int64_t h, int64_t t) {
  return x.data + b * x.batch + h * x.head + t * x.token;
}

// Runs work(i) for i in [0, count) on several threads.
template <class Work>
static void share(const Threads& team, int64_t count, Work work) {
  struct Shared {
    std::atomic<int64_t> next{0};
    int64_t count;
    Work* work;
    static void loop(void* self) {
      auto* s = static_cast<Shared*>(self);
      for (int64_t i; (i = s->next.fetch_add(1)) < s->count;) (*s->work)(i);
    }
  } shared;
  shared.count = count;
  shared.work = &work;
  const int threads = static_cast<int>(std::min(team.count, count));
  if (threads <= 1) return Shared::loop(&shared);
  if (team.parallel) return team.parallel(Shared::loop, &shared, static_cast<unsigned>(threads), 0);
  std::vector<std::thread> others;
  for (int i = 1; i < threads; i++) others.emplace_back(Shared::loop, &shared);
  Shared::loop(&shared);
  for (auto& t : others) t.join();
}

static float* scratch(int64_t floats) {
  static thread_local std::vector<float> memory;
  if (static_cast<int64_t>(memory.size()) < floats + LANES) memory.resize(floats + LANES);
  auto where = reinterpret_cast<uintptr_t>(memory.data());
  return reinterpret_cast<float*>((where + LANES * 4 - 1) / (LANES * 4) * (LANES * 4));
}
