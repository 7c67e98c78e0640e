//===- InterpreterTest.cpp - programs of tiles against definitions written naively ---------===//

#include "test/unit/InterpreterProgram.h"
#include <limits>

using namespace mlir;
using namespace heddle;
using namespace heddle::test;

namespace {
constexpr double tolerance = 1e-11;
const double nan = std::numeric_limits<double>::quiet_NaN();
const double infinity = std::numeric_limits<double>::infinity();

double dot(const double *a, const double *b) {
  double sum = 0;
  for (int64_t d = 0; d < D; ++d)
    sum += a[d] * b[d];
  return sum;
}

/// Causal, grouped heads, query q at key q + offset. Keys that no query keeps hold NaN.
struct Causal {
  static constexpr int64_t B = 2, H = 4, Hkv = 2;
  Array q, k, v, out, lse;

  Causal(int64_t N, int64_t M, int64_t offset, double scale)
      : q(random({B, H, N, D}, -3, 3)), k(random({B, Hkv, M, D}, -3, 3)),
        v(random({B, Hkv, M, D}, -1, 1)), out(Shape{B, H, N, D}), lse(Shape{B, H, N}, -infinity) {
    for (int64_t row = 0; row < B * Hkv * M; ++row)
      if (row % M >= std::max<int64_t>(N + offset, 0))
        k.data[row * D] = v.data[row * D] = nan;
    for (int64_t row = 0; row < B * H * N; ++row) {
      int64_t i = row % N, h = row / N % H, b = row / N / H, first = (b * Hkv + h / (H / Hkv)) * M;
      std::vector<double> w;
      double sum = 0, high = -infinity;
      for (int64_t j = 0; j < std::min(i + offset + 1, M); ++j) {
        w.push_back(dot(&q.data[row * D], &k.data[(first + j) * D]) * scale);
        high = std::max(high, w.back());
      }
      for (double &x : w)
        sum += x = std::exp(x - high);
      for (size_t j = 0; j < w.size(); ++j)
        for (int64_t d = 0; d < D; ++d)
          out.data[row * D + d] += w[j] / sum * v.data[(first + j) * D + d];
      if (!w.empty())
        lse.data[row] = high + std::log(sum);
    }
  }
};

class InterpretCausal : public testing::TestWithParam<std::tuple<int, int, int>> {};

TEST_P(InterpretCausal, TilesAreTheDefinition) {
  auto [N, M, offset] = GetParam();
  static Program program = Program::fromFile("dialect/attend.mlir");
  Causal c(N, M, offset, 0.125);
  for (bool forwards : {false, true}) {
    std::vector<Array> arguments = {
        c.q, c.k, c.v, Array(c.out.shape, nan), Array(c.lse.shape, nan), Array(double(offset))};
    InterpreterOptions options;
    options.forwards = forwards;
    ASSERT_EQ(program.run("attend", arguments, nullptr, options), "");
    EXPECT_LE(worstDifference(arguments[3], c.out), tolerance);
    EXPECT_LE(worstDifference(arguments[4], c.lse), tolerance);
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, InterpretCausal,
                         testing::Values(std::tuple(197, 197, 0), std::tuple(150, 200, 50),
                                         std::tuple(200, 150, -50), std::tuple(150, 200, 0),
                                         std::tuple(97, 171, 300), std::tuple(1, 171, 170),
                                         std::tuple(1, 1, 0), std::tuple(5, 0, -5),
                                         std::tuple(0, 9, 9)));

TEST(Interpreter, SurfaceIsTheDefinition) {
  Program program = Program::fromFile("unit/inputs/causal.mlir"); // bottom right
  for (auto [N, M] : std::vector<std::pair<int64_t, int64_t>>{
           {197, 197}, {150, 200}, {200, 150}, {1, 171}, {1, 1}, {5, 0}, {0, 9}}) {
    Causal c(N, M, M - N, 1);
    std::vector<Array> arguments = {c.q, c.k, c.v, Array(c.out.shape, nan),
                                    Array(c.lse.shape, nan)};
    for (int64_t size : {c.B, c.H, c.Hkv, N, M})
      arguments.push_back(Array(double(size)));
    ASSERT_EQ(program.run("causal", arguments), "");
    EXPECT_LE(worstDifference(arguments[3], c.out), tolerance) << "N " << N << " M " << M;
    EXPECT_LE(worstDifference(arguments[4], c.lse), tolerance) << "N " << N << " M " << M;
  }
}

TEST(Interpreter, ChosenRowsOnly) {
  Program program = Program::fromFile("unit/inputs/causal.mlir");
  Causal c(40, 40, 0, 1);
  std::vector<Array> arguments = {c.q, c.k, c.v, Array(c.out.shape, nan), Array(c.lse.shape, nan)};
  for (int64_t size : {c.B, c.H, c.Hkv, int64_t(40), int64_t(40)})
    arguments.push_back(Array(double(size)));
  InterpreterOptions options;
  options.rows = [](ArrayRef<int64_t> row) { return row[1] == 3 && row[2] % 7 == 2; };
  ASSERT_EQ(program.run("causal", arguments, nullptr, options), "");
  for (size_t row = 0; row < c.lse.data.size(); ++row) {
    bool chosen = row / 40 % 4 == 3 && row % 40 % 7 == 2;
    EXPECT_EQ(std::isnan(arguments[4].data[row]), !chosen) << "row " << row;
    if (chosen)
      EXPECT_NEAR(arguments[3].data[row * D + 5], c.out.data[row * D + 5], tolerance);
  }
}

/// Keys and values lie in shuffled pages of 16; slots that hold none, and their pages, hold NaN.
TEST(Interpreter, PagedTilesAreTheDefinition) {
  Program program = Program::fromFile("dialect/attend_paged.mlir");
  const int64_t B = 2, H = 6, Hkv = 2, page = 16, slots = 64 * page;
  for (auto [N, M] :
       std::vector<std::pair<int64_t, int64_t>>{{1, 171}, {3, 150}, {23, 197}, {1, 1}}) {
    int64_t pages = (M + page - 1) / page;
    Array Q = random({B, H, N, D}, -3, 3), out(Q.shape), table(Shape{B, pages});
    Array K(Shape{Hkv, slots, D}, nan), V = K;
    for (int64_t i = 0; i < B * pages; ++i)
      table.data[i] = double((i * 37 + 5) % 64);
    for (int64_t row = 0; row < B * H * N; ++row) {
      int64_t q = row % N, h = row / N % H, b = row / N / H;
      double sum = 0;
      for (int64_t j = 0; j < q + 1 + M - N; ++j) {
        int64_t slot = int64_t(table.data[b * pages + j / page]) * page + j % page;
        double *key = &K.data[(h / (H / Hkv) * slots + slot) * D];
        double *value = &V.data[(h / (H / Hkv) * slots + slot) * D];
        if (std::isnan(*key)) {
          llvm::copy(random({D}, -3, 3).data, key);
          llvm::copy(random({D}, -1, 1).data, value);
        }
        double w = std::exp(dot(&Q.data[row * D], key) / 8);
        sum += w;
        for (int64_t d = 0; d < D; ++d)
          out.data[row * D + d] += w * value[d];
      }
      for (int64_t d = 0; d < D; ++d)
        out.data[row * D + d] /= sum;
    }
    std::vector<Array> arguments = {Q, K, V, table, Array(Q.shape, nan), Array(double(M))};
    ASSERT_EQ(program.run("attend_paged", arguments), "");
    EXPECT_LE(worstDifference(arguments[4], out), tolerance) << "N " << N << " M " << M;
  }
}

TEST(Interpreter, ClosedFormsCountWhatTheMaskKeeps) {
  Program program = Program::fromFile("dialect/attend.mlir");
  int64_t tiles = 0;
  for (int64_t N : {1, 95, 96, 97, 300})
    for (int64_t M : {0, 1, 63, 64, 65, 400})
      for (int64_t offset : {M - N, int64_t(0), int64_t(-70)})
        for (int64_t i = 0; i * 96 < N; ++i) {
          std::vector<Array> arguments, r;
          for (int64_t x : {i, N, M, offset})
            arguments.push_back(Array(double(x)));
          ASSERT_EQ(program.run("visits", arguments, &r), "");
          EXPECT_EQ(r[0].data, r[2].data)
              << "full: " << i << " of " << N << ", " << M << ", " << offset;
          EXPECT_EQ(r[1].data, r[3].data)
              << "all: " << i << " of " << N << ", " << M << ", " << offset;
          tiles += int64_t(r[3].data[0]);
        }
  EXPECT_GT(tiles, 100);
}

/// Decayed linear attention; `A` is the log of the decay, in base `base`.
struct Decayed {
  static constexpr int64_t B = 2, H = 3;
  Array q, k, v, a, state, out, last;

  Decayed(int64_t N, double base)
      : q(random({B, H, N, D}, -1, 1)), k(random({B, H, N, D}, -1, 1)),
        v(random({B, H, N, D}, -1, 1)), a(random({B, H, N}, -1, 0)),
        state(random({B, H, D, D}, -1, 1)), out(Shape{B, H, N, D}), last(state) {
    for (int64_t row = 0; row < B * H * N; ++row)
      for (int64_t d = 0; d < D; ++d)
        for (int64_t e = 0; e < D; ++e) {
          double &s = last.data[(row / N * D + d) * D + e];
          s = std::pow(base, a.data[row]) * s + k.data[row * D + d] * v.data[row * D + e];
          out.data[row * D + e] += q.data[row * D + d] * s;
        }
  }
};

TEST(Interpreter, RecurrencesAreTheDefinition) {
  Program carried = Program::fromFile("dialect/recur.mlir");
  Program twoLevel = Program::fromFile("dialect/recur_two_level.mlir");
  Program surface = Program::fromFile("unit/inputs/decayed.mlir");
  for (int64_t N : {171, 197, 1, 0}) {
    Decayed d(N, 2);
    Array o(d.out.shape, nan), s(d.last.shape, nan);
    std::vector<Array> arguments = {d.q, d.k, d.v, d.a, d.state, o, s};
    ASSERT_EQ(carried.run("recur", arguments), "");
    EXPECT_LE(worstDifference(arguments[5], d.out), tolerance) << N;
    EXPECT_LE(worstDifference(arguments[6], d.last), tolerance) << N;
    int64_t chunks = (N + 31) / 32;
    arguments = {d.q,
                 d.k,
                 d.v,
                 d.a,
                 d.state,
                 o,
                 s,
                 Array(Shape{d.B, d.H * chunks, D, D}, nan),
                 Array(Shape{d.B, d.H * chunks, D}, nan)};
    ASSERT_EQ(twoLevel.run("recur_two_level", arguments), "");
    EXPECT_LE(worstDifference(arguments[5], d.out), tolerance) << N;
    EXPECT_LE(worstDifference(arguments[6], d.last), tolerance) << N;
    Decayed natural(N, std::exp(1.0));
    arguments = {natural.q, natural.k, natural.v, natural.a, natural.state, o, s};
    for (int64_t size : {d.B, d.H, N})
      arguments.push_back(Array(double(size)));
    ASSERT_EQ(surface.run("decayed", arguments), "");
    EXPECT_LE(worstDifference(arguments[5], natural.out), tolerance) << N;
    EXPECT_LE(worstDifference(arguments[6], natural.last), tolerance) << N;
  }
}
/// Each element of the scans of (2, 3, 4, 5), by hand.
TEST(Interpreter, Scans) {
  auto scan = [](const std::string &kind) {
    Program program("func.func @f(%m: memref<4xf32>, %n: index) -> tensor<4xf32> {\n"
                    "  %t = attn.load %m[0] rows(%n) : memref<4xf32> -> tensor<4xf32>\n"
                    "  %r = attn.scan " +
                    kind + " %t : tensor<4xf32>\n  return %r : tensor<4xf32>\n}");
    std::vector<Array> arguments = {Array(Shape{4}), Array(4)}, returned;
    arguments[0].data = {2, 3, 4, 5};
    EXPECT_EQ(program.run("f", arguments, &returned), "");
    return returned[0].data;
  };
  using V = llvm::SmallVector<double, 1>;
  EXPECT_EQ(scan("add"), (V{2, 5, 9, 14}));
  EXPECT_EQ(scan("mul"), (V{2, 6, 24, 120}));
  EXPECT_EQ(scan("mul reverse exclusive"), (V{60, 20, 5, 1}));
  EXPECT_EQ(scan("add exclusive"), (V{0, 2, 5, 9}));
  EXPECT_EQ(scan("max reverse"), (V{5, 5, 5, 5}));
  EXPECT_EQ(scan("max exclusive"), (V{-infinity, 2, 3, 4}));
}
} // namespace
