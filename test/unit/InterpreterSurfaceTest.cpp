//===- InterpreterSurfaceTest.cpp - corners of surface ops; integers; errors ---------------===//

#include "test/unit/InterpreterProgram.h"
#include <limits>

using namespace mlir;
using namespace heddle;
using namespace heddle::test;

namespace {
const double nan = std::numeric_limits<double>::quiet_NaN();
const double infinity = std::numeric_limits<double>::infinity();

/// softmax of 3 rows over given scores `%s`, the first `%n` of them kept; values `%v`; `SINK`
/// stands for a sink or nothing.
std::string softmax(const std::string &sink) {
  return R"(
func.func @f(%s: tensor<?x?xf32>, %v: tensor<?xf32>, %o: tensor<?xf32>, %l: tensor<?xf32>,
             %N: index, %M: index, %n: index) -> (tensor<?xf32>, tensor<?xf32>) {
  %r:2 = attn.attend softmax rows(%N) keys(%M) depth 0 columns 0
      outs(out = %o : tensor<?xf32>, lse = %l : tensor<?xf32>)
      value {
      ^bb0(%i: index, %j: index):
        %x = tensor.extract %v[%j] : tensor<?xf32>
        attn.yield %x : f32
      } score {
      ^bb0(%i: index, %j: index, %raw: f32):
        %x = tensor.extract %s[%i, %j] : tensor<?x?xf32>
        attn.yield %x : f32
      } keep {
      ^bb0(%i: index, %j: index):
        %c = arith.cmpi slt, %j, %n : index
        attn.yield %c : i1
      })" +
         sink + R"( -> tensor<?xf32>, tensor<?xf32>
  return %r#0, %r#1 : tensor<?xf32>, tensor<?xf32>
})";
}
const std::string sink = R"( sink {
      ^bb0(%i: index):
        %x = arith.constant 0.5 : f32
        attn.yield %x : f32
      })";

/// out, then lse, of one row.
std::pair<double, double> runSoftmax(Program &program, const std::vector<double> &scores,
                                     const std::vector<double> &values, int64_t kept) {
  int64_t M = int64_t(scores.size());
  Array s(Shape{1, M}), v(Shape{M});
  llvm::copy(scores, s.data.begin());
  llvm::copy(values, v.data.begin());
  std::vector<Array> arguments = {s,
                                  v,
                                  Array(Shape{1}, nan),
                                  Array(Shape{1}, nan),
                                  Array(1),
                                  Array(double(M)),
                                  Array(double(kept))};
  EXPECT_EQ(program.run("f", arguments), "");
  return {arguments[2].data[0], arguments[3].data[0]};
}

TEST(InterpreterSurface, RowsThatKeepNothing) {
  Program plain(softmax("")), withSink(softmax(sink));
  EXPECT_EQ(runSoftmax(plain, {nan, 1}, {nan, nan}, 0), std::pair(0.0, -infinity));
  EXPECT_EQ(runSoftmax(plain, {}, {}, 0), std::pair(0.0, -infinity));
  EXPECT_EQ(runSoftmax(plain, {-infinity, -infinity, 1}, {1, 2, 3}, 2), std::pair(0.0, -infinity));
  EXPECT_EQ(runSoftmax(withSink, {1, 1}, {nan, nan}, 0), std::pair(0.0, 0.5));
  EXPECT_EQ(runSoftmax(withSink, {-infinity, 1}, {1, nan}, 1), std::pair(0.0, 0.5));
}

TEST(InterpreterSurface, NonFiniteNumbers) {
  Program program(softmax(""));
  auto [out, lse] = runSoftmax(program, {0, -infinity, nan, infinity}, {3, 5, nan, nan}, 2);
  EXPECT_EQ(out, 3);
  EXPECT_EQ(lse, 0);
  for (double score : {nan, infinity}) {
    auto [badOut, badLse] = runSoftmax(program, {0, score}, {3, 5}, 2);
    EXPECT_TRUE(std::isnan(badOut) && std::isnan(badLse)) << score;
  }
  EXPECT_TRUE(std::isnan(runSoftmax(program, {0, 1}, {3, nan}, 2).first));
  // Scores far beyond what exp can hold.
  EXPECT_NEAR(runSoftmax(program, {2000, 2000}, {1, 2}, 2).first, 1.5, 1e-12);
}

TEST(InterpreterSurface, SinkTakesWeight) {
  Program program(softmax(sink));
  auto [out, lse] = runSoftmax(program, {0.25, -1}, {2, -3}, 2);
  double sum = std::exp(0.25) + std::exp(-1.0) + std::exp(0.5);
  EXPECT_NEAR(out, (2 * std::exp(0.25) - 3 * std::exp(-1.0)) / sum, 1e-12);
  EXPECT_NEAR(lse, std::log(sum), 1e-12);
}

TEST(InterpreterSurface, SinkFarAboveTheScores) {
  Program program(softmax(sink));
  EXPECT_EQ(runSoftmax(program, {-2000}, {1}, 1), std::pair(0.0, 0.5));
}

TEST(InterpreterSurface, MagnitudesAddUpWhatCancels) {
  Program program(softmax(""));
  InterpreterOptions options;
  options.magnitudes = true;
  std::vector<Array> arguments = {
      Array(Shape{1, 2}), Array(Shape{2}), Array(Shape{1}), Array(Shape{1}),
      Array(1),           Array(2),        Array(2)};
  arguments[1].data = {3, -5};
  ASSERT_EQ(program.run("f", arguments, nullptr, options), "");
  EXPECT_NEAR(arguments[2].data[0], 4, 1e-12);
}

TEST(InterpreterSurface, RoundedSumsRunInF32) {
  Program program(softmax(""));
  InterpreterOptions options;
  options.round = true;
  // Each weight is 1/4: to 2^25 the sum adds 1 three times, and each time f32 loses it.
  std::vector<Array> arguments = {
      Array(Shape{1, 4}), Array(Shape{4}), Array(Shape{1}), Array(Shape{1}),
      Array(1),           Array(4),        Array(4)};
  arguments[1].data = {134217728, 4, 4, 4};
  ASSERT_EQ(program.run("f", arguments, nullptr, options), "");
  EXPECT_EQ(arguments[2].data[0], 33554432);
}

TEST(InterpreterSurface, ReadsOfTensorsAreMovedInside) {
  Program program(softmax(""));
  // Three keys, but scores and values for two: the last one stands for the third.
  std::vector<Array> arguments = {
      Array(Shape{1, 2}), Array(Shape{2}), Array(Shape{1}), Array(Shape{1}),
      Array(1),           Array(3),        Array(3)};
  arguments[1].data = {1, 4};
  ASSERT_EQ(program.run("f", arguments), "");
  EXPECT_NEAR(arguments[2].data[0], 3, 1e-12);
  arguments[0] = Array(Shape{1, 0}); // of size 0: reads as 0
  ASSERT_EQ(program.run("f", arguments), "");
  EXPECT_NEAR(arguments[3].data[0], std::log(3.0), 1e-12);
}

TEST(InterpreterSurface, MapDividesByItsSum) {
  // Weights max(score, 0) over two key axes, divided by the sum + 1; depth 2, scale 2, scaled by
  // row.
  Program program(R"(
func.func @f(%q: tensor<?x2xf32>, %k: tensor<?x?x2xf32>, %o: tensor<?x3xf32>, %N: index, %A: index,
             %B: index) -> tensor<?x3xf32> {
  %r = attn.attend map rows(%N) keys(%A, %B) depth 2 columns 3 scale 2.0
      outs(out = %o : tensor<?x3xf32>)
      query {
      ^bb0(%i: index, %d: index):
        %x = tensor.extract %q[%i, %d] : tensor<?x2xf32>
        attn.yield %x : f32
      } key {
      ^bb0(%i: index, %a: index, %b: index, %d: index):
        %x = tensor.extract %k[%a, %b, %d] : tensor<?x?x2xf32>
        attn.yield %x : f32
      } value {
      ^bb0(%i: index, %a: index, %b: index, %e: index):
        %c10 = arith.constant 10 : index
        %x = arith.muli %a, %c10 : index
        %y = arith.addi %x, %b : index
        %z = arith.addi %y, %e : index
        %w = arith.index_cast %z : index to i64
        %f = arith.sitofp %w : i64 to f32
        attn.yield %f : f32
      } row_scale {
      ^bb0(%i: index):
        %w = arith.index_cast %i : index to i64
        %f = arith.sitofp %w : i64 to f32
        attn.yield %f : f32
      } map {
      ^bb0(%i: index, %a: index, %b: index, %s: f32):
        %z = arith.constant 0.0 : f32
        %x = arith.maximumf %s, %z : f32
        attn.yield %x : f32
      } divide {
      ^bb0(%i: index, %sum: f32):
        %one = arith.constant 1.0 : f32
        %x = arith.addf %sum, %one : f32
        attn.yield %x : f32
      } -> tensor<?x3xf32>
  return %r : tensor<?x3xf32>
})");
  const int64_t N = 4, A = 3, B = 5;
  std::vector<Array> arguments = {random({N, 2}, -1, 1),   random({A, B, 2}, -1, 1),
                                  Array(Shape{N, 3}, nan), Array(double(N)),
                                  Array(double(A)),        Array(double(B))};
  ASSERT_EQ(program.run("f", arguments), "");
  for (int64_t i = 0; i < N; ++i)
    for (int64_t e = 0; e < 3; ++e) {
      double sum = 0, out = 0;
      for (int64_t j = 0; j < A * B; ++j) {
        const double *q = &arguments[0].data[i * 2], *k = &arguments[1].data[j * 2];
        double p = std::max(2.0 * i * (q[0] * k[0] + q[1] * k[1]), 0.0);
        sum += p;
        out += p * double(j / B * 10 + j % B + e);
      }
      EXPECT_NEAR(arguments[2].data[i * 3 + e], out / (sum + 1), 1e-12);
    }
}

TEST(InterpreterSurface, RecurrenceDividesAndKeepsItsSum) {
  // Time is the first row index: rows (t, h).
  Program program(R"(
func.func @f(%k: tensor<?x?x2xf32>, %z0: tensor<?x2xf32>, %o: tensor<?x?x1xf32>, %s: tensor<?x2xf32>,
             %T: index, %H: index) -> (tensor<?x?x1xf32>, tensor<?x2xf32>) {
  %r:2 = attn.recur add rows(%T, %H) time 0 depth 2 columns 1
      outs(out = %o : tensor<?x?x1xf32>, sum = %s : tensor<?x2xf32>)
      query {
      ^bb0(%t: index, %h: index, %d: index):
        %x = arith.constant 1.0 : f32
        attn.yield %x : f32
      } key {
      ^bb0(%t: index, %h: index, %d: index):
        %x = tensor.extract %k[%t, %h, %d] : tensor<?x?x2xf32>
        attn.yield %x : f32
      } value {
      ^bb0(%t: index, %h: index, %e: index):
        %w = arith.index_cast %t : index to i64
        %f = arith.sitofp %w : i64 to f32
        attn.yield %f : f32
      } decay {
      ^bb0(%t: index, %h: index):
        %x = arith.constant 0.5 : f32
        attn.yield %x : f32
      } divide {
      ^bb0(%t: index, %h: index, %sum: f32):
        %two = arith.constant 2.0 : f32
        %x = arith.addf %sum, %two : f32
        attn.yield %x : f32
      } initial_sum {
      ^bb0(%h: index, %d: index):
        %x = tensor.extract %z0[%h, %d] : tensor<?x2xf32>
        attn.yield %x : f32
      } -> tensor<?x?x1xf32>, tensor<?x2xf32>
  return %r#0, %r#1 : tensor<?x?x1xf32>, tensor<?x2xf32>
})");
  const int64_t T = 6, H = 3;
  std::vector<Array> arguments = {random({T, H, 2}, 0, 1),    random({H, 2}, 0, 1),
                                  Array(Shape{T, H, 1}, nan), Array(Shape{H, 2}, nan),
                                  Array(double(T)),           Array(double(H))};
  ASSERT_EQ(program.run("f", arguments), "");
  for (int64_t h = 0; h < H; ++h) {
    double s[2] = {0, 0}, z[2] = {arguments[1].data[h * 2], arguments[1].data[h * 2 + 1]};
    for (int64_t t = 0; t < T; ++t) {
      for (int d = 0; d < 2; ++d) {
        double k = arguments[0].data[(t * H + h) * 2 + d];
        s[d] = 0.5 * s[d] + k * double(t);
        z[d] = 0.5 * z[d] + k;
      }
      EXPECT_NEAR(arguments[2].data[t * H + h], (s[0] + s[1]) / (z[0] + z[1] + 2), 1e-12);
    }
    EXPECT_NEAR(arguments[3].data[h * 2 + 1], z[1], 1e-12);
  }
}

/// The result of an op of two scalars.
double scalars(const std::string &body, const std::string &type, double x, double y,
               std::string *error = nullptr) {
  Program program("func.func @f(%x: " + type + ", %y: " + type + ") -> " + type +
                  " {\n  %r = " + body + "\n  return %r : " + type + "\n}");
  std::vector<Array> arguments = {Array(x), Array(y)}, returned;
  std::string message = program.run("f", arguments, &returned);
  if (error)
    *error = message;
  else
    EXPECT_EQ(message, "");
  return message.empty() ? returned[0].data[0] : nan;
}

TEST(Interpreter, Scalars) {
  EXPECT_EQ(scalars("arith.addi %x, %y : i32", "i32", 2147483647, 1), -2147483648.0);
  EXPECT_EQ(scalars("arith.muli %x, %y : i32", "i32", 65537, 65537), 131073);
  EXPECT_EQ(scalars("arith.divui %x, %y : i32", "i32", -1, 2), 2147483647);
  EXPECT_EQ(scalars("arith.floordivsi %x, %y : index", "index", -7, 2), -4);
  EXPECT_EQ(scalars("arith.ceildivsi %x, %y : index", "index", -7, 2), -3);
  EXPECT_EQ(scalars("arith.ceildivsi %x, %y : index", "index", 7, 2), 4);
  EXPECT_EQ(scalars("arith.remsi %x, %y : index", "index", -7, 2), -1);
  EXPECT_EQ(scalars("arith.xori %x, %y : i1", "i1", 1, 1), 0);
  for (const char *op : {"arith.maximumf", "arith.minimumf"}) { // NaN wins
    EXPECT_TRUE(std::isnan(scalars(std::string(op) + " %x, %y : f32", "f32", nan, 1)));
    EXPECT_TRUE(std::isnan(scalars(std::string(op) + " %x, %y : f32", "f32", 1, nan)));
  }
  std::string error;
  scalars("arith.divsi %x, %y : index", "index", 7, 0, &error);
  EXPECT_NE(error.find("arith.divsi: division by zero"), std::string::npos) << error;
  EXPECT_EQ(scalars("arith.muli %x, %y : index", "index", 4294967297, 4294967297),
            8589934593); // wraps
  scalars("arith.muli %x, %y : index", "index", 4294967297, 4194305, &error);
  EXPECT_NE(error.find("beyond 2^53"), std::string::npos) << error;
}

TEST(Interpreter, FaultsAreMessages) {
  Program program(R"(
func.func @outside(%m: memref<?xf32>, %i: index) {
  %x = memref.load %m[%i] : memref<?xf32>
  memref.store %x, %m[%i] : memref<?xf32>
  return
}
func.func @row(%m: memref<?x4xf32>, %n: index) {
  %t = attn.load %m[0, 0] rows(%n) : memref<?x4xf32> -> tensor<2x4xf32>
  return
}
func.func @unknown(%m: memref<?xf32>) {
  %x = arith.constant 1.0 : f32
  %y = math.cbrt %x : f32
  return
})");
  auto error = [&](StringRef name, std::vector<Array> arguments) {
    return program.run(name, arguments);
  };
  Array m(Shape{3});
  EXPECT_EQ(error("outside", {m, Array(2)}), "");
  EXPECT_NE(error("outside", {m, Array(3)}).find("memref.load: index 3"), std::string::npos);
  EXPECT_NE(error("outside", {m, Array(-1)}).find("memref.load: index -1"), std::string::npos);
  EXPECT_NE(error("outside", {m}).find("expected 2 arguments"), std::string::npos);
  EXPECT_NE(error("outside", {Array(Shape{3, 3}), Array(0)}).find("argument 0"), std::string::npos);
  EXPECT_EQ(error("row", {Array(Shape{1, 4}), Array(1)}), "");
  EXPECT_NE(error("row", {Array(Shape{1, 4}), Array(2)}).find("index 1 of an axis of 1"),
            std::string::npos);
  EXPECT_NE(error("row", {Array(Shape{1, 5}), Array(1)}).find("argument 0"), std::string::npos);
  EXPECT_NE(error("unknown", {m}).find("math.cbrt: cannot be interpreted"), std::string::npos);
}

TEST(Interpreter, UnhoistedReadsBeyondTheEndAreNaN) {
  Program program(R"(
func.func @f(%m: memref<?xf32>, %o: memref<?xf32>, %c0: index, %n: index) {
  %p = attn.iota %c0 : tensor<4xi32>
  %t = attn.map rows(%p) {
  ^bb0(%i: i32):
    %j = arith.index_cast %i : i32 to index
    %x = memref.load %m[%j] : memref<?xf32>
    attn.yield %x : f32
  } : (tensor<4xi32>) -> tensor<4xf32>
  attn.store %t, %o[0] rows(%n) : tensor<4xf32>, memref<?xf32>
  return
})");
  std::vector<Array> arguments = {Array(Shape{3}, 1), Array(Shape{4}), Array(0), Array(4)};
  InterpreterOptions options;
  EXPECT_NE(program.run("f", arguments, nullptr, options).find("index 3"), std::string::npos);
  options.unhoisted = true;
  EXPECT_EQ(program.run("f", arguments, nullptr, options), "");
  EXPECT_EQ(arguments[1].data[2], 1);
  EXPECT_TRUE(std::isnan(arguments[1].data[3]));
}

TEST(Interpreter, OrderDependenceShows) {
  // A grid whose items pass something on: forwards and backwards differ.
  Program program(R"(
func.func @f(%m: memref<4xf32>) {
  %c1 = arith.constant 1 : index
  scf.forall (%i) in (3) {
    %j = arith.addi %i, %c1 : index
    %x = memref.load %m[%i] : memref<4xf32>
    memref.store %x, %m[%j] : memref<4xf32>
  }
  return
})");
  for (bool forwards : {false, true}) {
    std::vector<Array> arguments = {Array(Shape{4})};
    arguments[0].data = {1, 2, 3, 4};
    InterpreterOptions options;
    options.forwards = forwards;
    ASSERT_EQ(program.run("f", arguments, nullptr, options), "");
    EXPECT_EQ(arguments[0].data[3], forwards ? 1 : 3);
  }
}

TEST(Interpreter, RoundObeysTypes) {
  Program program(R"(
func.func @f(%x: f32) -> f16 {
  %y = arith.addf %x, %x : f32
  %z = arith.truncf %y : f32 to f16
  return %z : f16
})");
  InterpreterOptions options;
  for (bool round : {false, true}) {
    options.round = round;
    std::vector<Array> arguments = {Array(0.1)}, returned;
    ASSERT_EQ(program.run("f", arguments, &returned, options), "");
    EXPECT_EQ(returned[0].data[0], round ? 0.199951171875 : 0.2);
  }
}

TEST(Compare, DifferencesAndTheirAbsence) {
  Array x(Shape{2}, 1), y = x;
  EXPECT_EQ(worstDifference(x, y), 0);
  y.data[1] = 1 + 1e-6;
  EXPECT_NEAR(worstDifference(x, y), 5e-7, 1e-10);
  y.data[1] = nan;
  EXPECT_EQ(worstDifference(x, y), infinity);
  x.data[1] = nan;
  EXPECT_EQ(worstDifference(x, y), 0);
  EXPECT_EQ(worstDifference(Array(Shape{1}), Array(Shape{1, 1})), infinity);
}
} // namespace
