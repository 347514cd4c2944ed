// Grouped decode for CPUs: a few rows of queries against a long cache, which is read once, in float32 or bfloat16.
//
// The keys are cut into parts, so that every thread has work whatever the number of heads; each part gives its rows'
// largest score, sum and weighted values, and these are put together at the end. Rows lie along the lanes of a vector:
//
//   scores[key][row] = sum_h K[key][h] * Qt[h][row]
//   O[row][h]       += sum_key P[key][row] * V[key][h]

#include <utility>

#include "vectors.h"

constexpr int64_t TILE = 128;   // keys of a tile
constexpr int64_t FEW = 8;      // rows up to which scores are summed along the channels and not along the rows
constexpr int64_t SUMMED = 32;  // values added up before they are added to the rest: short sums lose less

// R rows of each of K heads see `lengths[b]` of S keys (all where null), and of those the visible ones.
struct Decode {
  int64_t B, K, R, S, H;
  int64_t half;  // whether keys and values are bfloat16
  double scale;
  const int64_t* lengths;
  // bytes (batch, token, key), null where all is visible; row r is token r % tokens
  const uint8_t* visible;
  int64_t visible_batch, visible_token, visible_key, tokens;
  Threads team;
};

// Even (ODD = 0) or odd blocks of S lanes of a, then those of b.
template <int S, int ODD, int... I>
static inline vec blocks_of(vec a, vec b, std::integer_sequence<int, I...>) {
#if defined(__clang__)
  return __builtin_shufflevector(a, b, (I / S * 2 * S + ODD * S + I % S)...);
#else
  return __builtin_shuffle(a, b, ivec{(I / S * 2 * S + ODD * S + I % S)...});
#endif
}

// Lane i of the result is the sum over the lanes of x[i]: halves are added, two vectors at a time.
template <int S>
static inline vec sums_of(const vec* x) {
  constexpr auto lanes = std::make_integer_sequence<int, LANES>{};
  vec a, b;
  if constexpr (S == LANES / 2)
    a = x[0], b = x[1];
  else
    a = sums_of<2 * S>(x), b = sums_of<2 * S>(x + LANES / 2 / S);
  return blocks_of<S, 0>(a, b, lanes) + blocks_of<S, 1>(a, b, lanes);
}

constexpr int DOT_KEYS = 4, DOT_ROWS = LANES / DOT_KEYS;  // keys times rows whose products fill one vector

// scores[key][row] = sum_h keys[key][h] * q[row][h] for a few rows: along the channels, so that no lane is idle.
static void score_few(int64_t rows, int64_t width, int64_t count, const float* keys, int64_t stride, const float* q,
                      float* scores, int64_t lanes) {
  for (int64_t j = 0; j < count; j += DOT_KEYS)
    for (int64_t r = 0; r < rows; r += DOT_ROWS) {
      vec sum[LANES] = {};
      const float* key[DOT_KEYS];
      for (int i = 0; i < DOT_KEYS; i++) key[i] = keys + std::min(j + i, count - 1) * stride;
      for (int64_t h = 0; h < width; h += LANES) {
        vec some[DOT_ROWS];
        for (int n = 0; n < DOT_ROWS; n++) some[n] = load(q + (r + n) * width + h);
#pragma GCC unroll 4
        for (int i = 0; i < DOT_KEYS; i++) {
          const vec left = load(key[i] + h);
#pragma GCC unroll 4
          for (int n = 0; n < DOT_ROWS; n++) sum[i * DOT_ROWS + n] += left * some[n];
        }
      }
      alignas(64) float found[LANES];
      store(found, sums_of<1>(sum));
      for (int64_t i = 0; i < std::min<int64_t>(DOT_KEYS, count - j); i++)
        for (int n = 0; n < DOT_ROWS; n++) scores[(j + i) * lanes + r + n] = found[i * DOT_ROWS + n];
    }
}

// One tile of keys or values as float32 rows.
static const float* rows_of(const Decode& p, const Tensor& x, int64_t b, int64_t head, int64_t key, int64_t count,
                            float* memory, int64_t* stride) {
  const int64_t first = b * x.batch + head * x.head + key * x.token;
  *stride = x.token;
  if (!p.half) return x.data + first;
  const auto* from = reinterpret_cast<const uint16_t*>(x.data) + first;
  for (int64_t j = 0; j < count; j++)
    for (int64_t h = 0; h < p.H; h++) {
      const uint32_t wide = static_cast<uint32_t>(from[j * x.token + h]) << 16;
      std::memcpy(memory + j * p.H + h, &wide, 4);
    }
  *stride = p.H;
  return memory;
}

// out[row][h] += sum_key probs[key][row] * values[key][h], four rows at a time over as much of a value as fits.
static void weigh(int64_t rows, int64_t width, int64_t count, const float* probs, int64_t lanes, const float* values,
                  int64_t stride, float* out) {
  constexpr int WIDE = LANES == 16 ? 4 : 2;
  int64_t h = 0;
  for (; h + WIDE * LANES <= width; h += WIDE * LANES) {
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4)
      tile<4, WIDE, true>(count, probs + r, 1, lanes, values + h, stride, out + r * width + h, width);
    for (; r < rows; r++)
      tile<1, WIDE, true>(count, probs + r, 1, lanes, values + h, stride, out + r * width + h, width);
  }
  if (h < width) product<true>(rows, width - h, count, probs, 1, lanes, values + h, stride, out + h, width);
}

// Hides what is not visible; returns whether the tile has a key that no row sees, marked in `dead`.
static bool hide(const Decode& p, int64_t b, int64_t key, int64_t count, float* scores, int64_t lanes, bool* dead) {
  bool any = false;
  for (int64_t j = 0; j < count; j++) {
    const uint8_t* seen = p.visible + b * p.visible_batch + (key + j) * p.visible_key;
    dead[j] = true;
    for (int64_t r = 0; r < p.R; r++) {
      if (seen[r % p.tokens * p.visible_token])
        dead[j] = false;
      else
        scores[j * lanes + r] = LOWEST;
    }
    any |= dead[j];
  }
  return any;
}

// Keys [first, last) of one head: rows' largest scores and sums in `top` and `sum` (lanes), weighted values in `out`.
static void part(const Decode& p, int64_t b, int64_t head, int64_t first, int64_t last, const float* q,
                 const Tensor& k, const Tensor& v, float* top, float* sum, float* out) {
  const int64_t lanes = (p.R + LANES - 1) / LANES * LANES;
  float* qt = scratch(p.H * lanes + TILE * lanes + lanes + TILE * p.H);
  float* scores = qt + p.H * lanes;
  float* fade = scores + TILE * lanes;
  float* memory = fade + lanes;
  bool dead[TILE];
  std::memset(qt, 0, sizeof(float) * p.H * lanes);
  const bool few = p.R <= FEW;
  for (int64_t r = 0; r < p.R; r++)
    for (int64_t h = 0; h < p.H; h++)
      qt[few ? r * p.H + h : h * lanes + r] = q[r * p.H + h] * static_cast<float>(p.scale);
  for (int64_t i = 0; i < lanes; i += LANES) store(top + i, all(LOWEST)), store(sum + i, vec{});
  std::memset(out, 0, sizeof(float) * p.R * p.H);
  for (int64_t key = first; key < last; key += TILE) {
    const int64_t count = std::min(TILE, last - key);
    int64_t stride;
    const float* keys = rows_of(p, k, b, head, key, count, memory, &stride);
    if (few)
      score_few(p.R, p.H, count, keys, stride, qt, scores, lanes);
    else
      product<false>(count, lanes, p.H, keys, stride, 1, qt, lanes, scores, lanes);
    const bool holes = p.visible && hide(p, b, key, count, scores, lanes, dead);
    for (int64_t i = 0; i < lanes; i += LANES) {
      vec high = load(top + i);
      for (int64_t j = 0; j < count; j++) high = larger(load(scores + j * lanes + i), high);
      const vec base = high == all(LOWEST) ? vec{} : high;
      const vec faded = exp_(load(top + i) - base);
      vec added = {};
      for (int64_t j = 0; j < count; j++) {
        const vec e = exp_(load(scores + j * lanes + i) - base);
        added += e;
        store(scores + j * lanes + i, e);
      }
      store(fade + i, faded);
      store(sum + i, load(sum + i) * faded + added);
      store(top + i, high);
    }
    for (int64_t r = 0; r < p.R; r++)
      if (fade[r] != 1.f)
        for (int64_t h = 0; h < p.H; h += LANES) store(out + r * p.H + h, load(out + r * p.H + h) * all(fade[r]));
    const float* values = rows_of(p, v, b, head, key, count, memory, &stride);
    if (holes) {  // what lies in a dead slot may be NaN, and NaN times 0 is NaN
      for (int64_t j = 0; j < count; j++)
        if (dead[j])
          std::memset(memory + j * p.H, 0, sizeof(float) * p.H);
        else if (values != memory)
          std::memcpy(memory + j * p.H, values + j * stride, sizeof(float) * p.H);
      values = memory, stride = p.H;
    }
    for (int64_t j = 0; j < count; j += SUMMED)
      weigh(p.R, p.H, std::min(SUMMED, count - j), scores + j * lanes, lanes, values + j * stride, stride, out);
  }
}

// q and out are (B, K, R, H) in float32 without gaps; rows that see nothing are 0.
extern "C" void archwright_decode(const Decode* p, const float* q, const Tensor* k, const Tensor* v, float* out) {
  const int64_t lanes = (p->R + LANES - 1) / LANES * LANES, heads = p->B * p->K;
  const int64_t wanted = std::max<int64_t>(1, 4 * p->team.count / heads), most = (p->S + 4 * TILE - 1) / (4 * TILE);
  const int64_t parts = std::max<int64_t>(1, std::min(wanted, most));
  const int64_t length = ((p->S + parts - 1) / parts + TILE - 1) / TILE * TILE;
  const int64_t each = 2 * lanes + p->R * p->H;
  std::vector<float> found(heads * parts * each);
  share(p->team, heads * parts, [&](int64_t i) {
    const int64_t at = i / parts, b = at / p->K, keys = p->lengths ? p->lengths[b] : p->S;
    const int64_t first = i % parts * length, last = std::min(keys, first + length);
    float* mine = found.data() + i * each;
    part(*p, b, at % p->K, first, last, q + at * p->R * p->H, *k, *v, mine, mine + lanes, mine + 2 * lanes);
  });
  for (int64_t at = 0; at < heads; at++)
    for (int64_t r = 0; r < p->R; r++) {
      const float* mine = found.data() + at * parts * each;
      float top = LOWEST, sum = 0.f;
      for (int64_t i = 0; i < parts; i++) top = std::max(top, mine[i * each + r]);
      float* row = out + (at * p->R + r) * p->H;
      std::memset(row, 0, sizeof(float) * p->H);
      for (int64_t i = 0; i < parts; i++) {
        const float share = mine[i * each + r] == LOWEST ? 0.f : std::exp(mine[i * each + r] - top);
        sum += share * mine[i * each + lanes + r];
        for (int64_t h = 0; h < p->H; h++) row[h] += share * mine[i * each + 2 * lanes + r * p->H + h];
      }
      if (sum != 0.f)
        for (int64_t h = 0; h < p->H; h++) row[h] /= sum;
    }
}
