// Sliding-window attention in float32 for CPUs, forward and backward, in O(tokens * window) time.
//
// A block is LANES * 2 queries, and queries lie along the lanes of a vector: scores are held as [key][query], so that
// maxima, sums and exponentials need no step across lanes, and the rows of K and V are read as they lie in memory.
//
//   scores[key][query] = sum_h K[key][h] * Qt[h][query]          rows are keys
//   Ot[h][query]      += sum_key V[key][h] * P[key][query]       rows are channels, V is read transposed
//   dV[key][h]        += sum_query P[key][query] * dO[query][h]  rows are keys
//
// All three are `product`, which differs only in its strides.

#include "vectors.h"

constexpr int QUERIES = 2 * LANES;  // queries of a block
constexpr int KEYS = 96;            // keys of a tile

// T queries are the last of S keys; query i sees keys S - T + i - left to S - T + i + right.
struct Problem {
  int64_t B, N, K, T, S, H, left, right;
  double scale;
  Threads team;
};

// One block of queries of one head: where it lies and which keys it sees.
struct Block {
  int64_t b, n, first, rows, first_key, last_key, at;  // at: key position of the first query

  Block(const Problem& p, int64_t b, int64_t n, int64_t first) : b(b), n(n), first(first) {
    rows = std::min<int64_t>(QUERIES, p.T - first);
    at = p.S - p.T + first;
    first_key = std::max<int64_t>(0, at - p.left);
    last_key = std::min(p.S, at + rows + p.right);
  }

  bool whole(const Problem& p, int64_t key, int64_t count) const {
    return key >= at + rows - 1 - p.left && key + count - 1 <= at + p.right;
  }

  // Puts `value` where a query does not see a key of the tile.
  void hide(const Problem& p, float* scores, int64_t key, int64_t count, float value) const {
    ivec lane[2];
    for (int i = 0; i < LANES; i++) lane[0][i] = i, lane[1][i] = LANES + i;
    for (int64_t j = 0; j < count; j++) {
      // query at + lane sees key: key - at - right <= lane <= key - at + left, clipped so that 32 bits suffice
      const auto low = static_cast<int32_t>(std::max<int64_t>(-1, std::min<int64_t>(QUERIES, key + j - at - p.right)));
      const auto high = static_cast<int32_t>(std::max<int64_t>(-1, std::min<int64_t>(QUERIES, key + j - at + p.left)));
      for (int v = 0; v < 2; v++) {
        float* s = scores + j * QUERIES + v * LANES;
        const ivec seen = (lane[v] >= low) & (lane[v] <= high);
        store(s, seen ? load(s) : all(value));
      }
    }
  }
};

// (channels, QUERIES) from rows of queries; lanes without a query are 0.
static void transpose_in(float* to, const float* from, int64_t rows, int64_t stride, int64_t channels, float factor) {
  if (rows < QUERIES) std::memset(to, 0, sizeof(float) * channels * QUERIES);
  for (int64_t r = 0; r < rows; r++)
    for (int64_t h = 0; h < channels; h++) to[h * QUERIES + r] = from[r * stride + h] * factor;
}

static void transpose_out(float* to, int64_t stride, const float* from, int64_t rows, int64_t channels,
                          const float* factor) {
  for (int64_t r = 0; r < rows; r++)
    for (int64_t h = 0; h < channels; h++) to[r * stride + h] = from[h * QUERIES + r] * factor[r];
}

static void forward_block(const Problem& p, const Block& w, const Tensor& q, const Tensor& k, const Tensor& v,
                          const Tensor& out, const Tensor& top_of, const Tensor& part_of) {
  const int64_t head = w.n / (p.N / p.K);
  float* qt = scratch(2 * p.H * QUERIES + KEYS * QUERIES);
  float* ot = qt + p.H * QUERIES;
  float* scores = ot + p.H * QUERIES;
  transpose_in(qt, at(q, w.b, w.n, w.first), w.rows, q.token, p.H, static_cast<float>(p.scale));
  vec top[2] = {all(LOWEST), all(LOWEST)}, sum[2] = {};
  for (int64_t key = w.first_key; key < w.last_key; key += KEYS) {
    const int64_t count = std::min<int64_t>(KEYS, w.last_key - key);
    product<false>(count, QUERIES, p.H, at(k, w.b, head, key), k.token, 1, qt, QUERIES, scores, QUERIES);
    if (!w.whole(p, key, count)) w.hide(p, scores, key, count, LOWEST);
    vec high[2] = {top[0], top[1]};
    for (int64_t j = 0; j < count; j++)
      for (int i = 0; i < 2; i++) high[i] = larger(load(scores + j * QUERIES + i * LANES), high[i]);
    vec fade[2], base[2];
    for (int i = 0; i < 2; i++) {
      base[i] = high[i] == all(LOWEST) ? vec{} : high[i];  // nothing seen yet: -inf - -inf is NaN
      fade[i] = exp_(top[i] - base[i]);
      sum[i] *= fade[i];
      top[i] = high[i];
    }
    vec part[2] = {};
    for (int64_t j = 0; j < count; j++)
      for (int i = 0; i < 2; i++) {
        float* s = scores + j * QUERIES + i * LANES;
        const vec e = exp_(load(s) - base[i]);
        part[i] += e;
        store(s, e);
      }
    for (int i = 0; i < 2; i++) sum[i] += part[i];
    const float* values = at(v, w.b, head, key);
    if (key == w.first_key) {
      product<false>(p.H, QUERIES, count, values, 1, v.token, scores, QUERIES, ot, QUERIES);
      continue;
    }
    for (int64_t h = 0; h < p.H; h++)
      for (int i = 0; i < 2; i++) {
        float* o = ot + h * QUERIES + i * LANES;
        store(o, load(o) * fade[i]);
      }
    product<true>(p.H, QUERIES, count, values, 1, v.token, scores, QUERIES, ot, QUERIES);
  }
  alignas(64) float inverse[QUERIES], tops[QUERIES], sums[QUERIES];
  for (int i = 0; i < 2; i++) {
    store(inverse + i * LANES, all(1.f) / sum[i]);
    store(tops + i * LANES, top[i]);
    store(sums + i * LANES, sum[i]);
  }
  transpose_out(at(out, w.b, w.n, w.first), out.token, ot, w.rows, p.H, inverse);
  for (int64_t r = 0; r < w.rows; r++) {
    *at(top_of, w.b, w.n, w.first + r) = tops[r];
    *at(part_of, w.b, w.n, w.first + r) = inverse[r];
  }
}

static void backward_block(const Problem& p, const Block& w, const Tensor& g, const Tensor& q, const Tensor& k,
                           const Tensor& v, const Tensor& out, const Tensor& top_of, const Tensor& part_of,
                           const Tensor& dq, const Tensor& dk, const Tensor& dv) {
  const int64_t head = w.n / (p.N / p.K);
  float* qt = scratch(3 * p.H * QUERIES + 2 * KEYS * QUERIES);
  float* gt = qt + p.H * QUERIES;
  float* dqt = gt + p.H * QUERIES;
  float* probs = dqt + p.H * QUERIES;
  float* dscores = probs + KEYS * QUERIES;
  const float* queries = at(q, w.b, w.n, w.first);
  const float* grads = at(g, w.b, w.n, w.first);
  transpose_in(qt, queries, w.rows, q.token, p.H, static_cast<float>(p.scale));
  transpose_in(gt, grads, w.rows, g.token, p.H, 1.f);
  alignas(64) float top[QUERIES] = {}, part[QUERIES] = {}, one[QUERIES];
  for (int r = 0; r < QUERIES; r++) one[r] = 1.f;
  for (int64_t r = 0; r < w.rows; r++) {
    top[r] = *at(top_of, w.b, w.n, w.first + r);
    part[r] = *at(part_of, w.b, w.n, w.first + r);
  }
  // rowsum(dO O) in the order in which `product` adds dO V: where one key is seen, their difference is exactly 0
  transpose_in(dqt, at(out, w.b, w.n, w.first), w.rows, out.token, p.H, 1.f);
  vec delta[2] = {};
  for (int64_t h = 0; h < p.H; h++)
    for (int i = 0; i < 2; i++) delta[i] += load(dqt + h * QUERIES + i * LANES) * load(gt + h * QUERIES + i * LANES);
  for (int64_t key = w.first_key; key < w.last_key; key += KEYS) {
    const int64_t count = std::min<int64_t>(KEYS, w.last_key - key);
    const float *keys = at(k, w.b, head, key), *values = at(v, w.b, head, key);
    product<false>(count, QUERIES, p.H, keys, k.token, 1, qt, QUERIES, probs, QUERIES);
    product<false>(count, QUERIES, p.H, values, v.token, 1, gt, QUERIES, dscores, QUERIES);
    if (!w.whole(p, key, count)) w.hide(p, probs, key, count, LOWEST);
    for (int64_t j = 0; j < count; j++)
      for (int i = 0; i < 2; i++) {
        float *s = probs + j * QUERIES + i * LANES, *d = dscores + j * QUERIES + i * LANES;
        const vec e = exp_(load(s) - load(top + i * LANES)) * load(part + i * LANES);
        store(s, e);
        store(d, e * (load(d) - delta[i]) * all(static_cast<float>(p.scale)));
      }
    product<true>(count, p.H, w.rows, probs, QUERIES, 1, grads, g.token, at(dv, w.b, head, key), dv.token);
    product<true>(count, p.H, w.rows, dscores, QUERIES, 1, queries, q.token, at(dk, w.b, head, key), dk.token);
    if (key == w.first_key)
      product<false>(p.H, QUERIES, count, keys, 1, k.token, dscores, QUERIES, dqt, QUERIES);
    else
      product<true>(p.H, QUERIES, count, keys, 1, k.token, dscores, QUERIES, dqt, QUERIES);
  }
  transpose_out(at(dq, w.b, w.n, w.first), dq.token, dqt, w.rows, p.H, one);
}

extern "C" {

int archwright_lanes() { return LANES; }

// top and part (B, N, T): the largest score of a row, and 1 over the sum of e^(score - top). Kept apart,
// not as one logsumexp, so that the gradient's probabilities are as exact as these.
void archwright_sliding_forward(const Problem* p, const Tensor* q, const Tensor* k, const Tensor* v,
                                const Tensor* out, const Tensor* top, const Tensor* part) {
  const int64_t blocks = (p->T + QUERIES - 1) / QUERIES, group = p->N / p->K;
  // neighbours in this order read the same keys: the heads of a group, then the next block of the same sequence
  share(p->team, p->B * p->K * blocks * group, [&](int64_t i) {
    const int64_t g = i % group, block = i / group % blocks, head = i / group / blocks % p->K;
    forward_block(*p, Block(*p, i / group / blocks / p->K, head * group + g, block * QUERIES), *q, *k, *v, *out, *top,
                  *part);
  });
}

// dk and dv must be 0 before. Sequences are cut into stretches no shorter than the window, so that every second one
// can be computed at the same time without two threads adding to one key.
void archwright_sliding_backward(const Problem* p, const Tensor* g, const Tensor* q, const Tensor* k, const Tensor* v,
                                 const Tensor* out, const Tensor* top, const Tensor* part, const Tensor* dq,
                                 const Tensor* dk, const Tensor* dv) {
  const int64_t group = p->N / p->K, width = p->left + p->right;
  const int64_t stretch = (std::max<int64_t>(width, 4 * QUERIES) + QUERIES - 1) / QUERIES * QUERIES;
  const int64_t stretches = (p->T + stretch - 1) / stretch;
  for (int64_t odd = 0; odd < 2; odd++) {
    const int64_t mine = (stretches - odd + 1) / 2;
    if (mine <= 0) continue;
    share(p->team, p->B * p->K * mine, [&](int64_t i) {
      const int64_t from = (i % mine * 2 + odd) * stretch, to = std::min(p->T, from + stretch);
      const int64_t head = i / mine % p->K, b = i / mine / p->K;
      for (int64_t first = from; first < to; first += QUERIES)
        for (int64_t n = head * group; n < (head + 1) * group; n++)
          backward_block(*p, Block(*p, b, n, first), *g, *q, *k, *v, *out, *top, *part, *dq, *dk, *dv);
    });
  }
}
}
