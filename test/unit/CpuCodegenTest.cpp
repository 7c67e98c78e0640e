//===- CpuCodegenTest.cpp - compiled tiles against definitions written naively -----------------===//

#include "test/unit/CompiledKernel.h"
#include "gtest/gtest.h"
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>

using namespace heddle::test;

namespace {
const float nan = std::numeric_limits<float>::quiet_NaN();

std::string readFile(const std::string &name) {
  std::ifstream in(std::string(HEDDLE_SOURCE) + "/test/unit/inputs/" + name);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}
std::string withDepth(std::string text, int64_t depth) {
  for (size_t at; (at = text.find("@D@")) != std::string::npos;)
    text.replace(at, 3, std::to_string(depth));
  return text;
}
bool hasAvx512() {
  return __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

/// Causal, bottom right, grouped heads; keys that no query keeps hold NaN.
void checkCausal(CompiledKernel &kernel, int64_t N, int64_t M, int64_t D) {
  const int64_t B = 2, H = 4, Hkv = 2;
  Tensor q = Tensor::random({B, H, N, D}, 1, 0.5f), k = Tensor::random({B, Hkv, M, D}, 2, 1);
  Tensor v = Tensor::random({B, Hkv, M, D}, 3, 1), o({B, H, N, D}, nan), l({B, H, N}, nan);
  double scale = 1;
  if (N == 0)
    for (float &x : v.data)
      x = nan;
  kernel.run({&q, &k, &v, &o, &l}, {B, H, Hkv, N, M});
  for (int64_t row = 0; row < B * H * N; ++row) {
    int64_t i = row % N, h = row / N % H, b = row / N / H, first = (b * Hkv + h / (H / Hkv)) * M;
    std::vector<double> out(D), s;
    double sum = 0, high = -INFINITY;
    int64_t keys = std::min(std::max<int64_t>(i + M - N + 1, 0), M);
    for (int64_t j = 0; j < keys; ++j) {
      double dot = 0;
      for (int64_t d = 0; d < D; ++d)
        dot += double(q.data[row * D + d]) * k.data[(first + j) * D + d];
      s.push_back(dot * scale);
      high = std::max(high, s.back());
    }
    for (int64_t j = 0; j < keys; ++j) {
      double w = std::exp(s[j] - high);
      sum += w;
      for (int64_t d = 0; d < D; ++d)
        out[d] += w * v.data[(first + j) * D + d];
    }
    double lse = keys ? high + std::log(sum) : -INFINITY;
    if (keys) {
      ASSERT_NEAR(l.data[row], lse, 4e-6 + 2e-6 * std::abs(lse)) << "row " << row;
    } else {
      ASSERT_EQ(l.data[row], -INFINITY) << "row " << row;
    }
    for (int64_t d = 0; d < D; ++d)
      ASSERT_NEAR(o.data[row * D + d], keys ? out[d] / sum : 0, 3e-6)
          << "row " << row << " column " << d << " N " << N << " M " << M;
  }
}

class Targets : public testing::TestWithParam<const char *> {
  void SetUp() override {
    if (std::string(GetParam()) == "x86-64-v4" && !hasAvx512())
      GTEST_SKIP() << "this machine has no AVX-512";
  }
};

TEST_P(Targets, CausalAttention) {
  for (int64_t D : {64, 1, 60, 80}) {
    CompiledKernel kernel(withDepth(readFile("causal.mlir"), D), GetParam());
    for (auto [N, M] : std::vector<std::pair<int64_t, int64_t>>{
             {197, 197}, {150, 400}, {300, 150}, {1, 1}, {5, 0}, {0, 9}, {1, 171}, {385, 385}})
      checkCausal(kernel, N, M, D);
  }
}

void checkDecayed(CompiledKernel &kernel, int64_t N, int64_t D) {
  const int64_t B = 2, H = 3;
  Tensor q = Tensor::random({B, H, N, D}, 1, 1), k = Tensor::random({B, H, N, D}, 2, 1);
  Tensor v = Tensor::random({B, H, N, D}, 3, 1), a = Tensor::random({B, H, N}, 4, 1);
  Tensor s0 = Tensor::random({B, H, D, D}, 5, 1), o({B, H, N, D}, nan), s1({B, H, D, D}, nan);
  for (float &x : a.data)
    x = -std::abs(x);
  kernel.run({&q, &k, &v, &a, &s0, &o, &s1}, {B, H, N});
  for (int64_t head = 0; head < B * H; ++head) {
    std::vector<double> s(s0.data.begin() + head * D * D, s0.data.begin() + (head + 1) * D * D);
    for (int64_t t = 0; t < N; ++t) {
      int64_t row = head * N + t;
      double decay = std::exp(double(a.data[row]));
      for (int64_t e = 0; e < D; ++e) {
        double out = 0;
        for (int64_t d = 0; d < D; ++d) {
          double &x = s[d * D + e];
          x = decay * x + double(k.data[row * D + d]) * v.data[row * D + e];
          out += q.data[row * D + d] * x;
        }
        ASSERT_NEAR(o.data[row * D + e], out, 2e-4)
            << "head " << head << " token " << t << " N " << N;
      }
    }
    for (int64_t i = 0; i < D * D; ++i)
      ASSERT_NEAR(s1.data[head * D * D + i], s[i], 1e-4) << "state of head " << head << " N " << N;
  }
}

TEST_P(Targets, DecayedRecurrence) {
  for (int64_t D : {64, 5, 100})
    for (const char *form : {"form=carried", "form=two_level", "form=carried,chunk=7"}) {
      CompiledKernel kernel(withDepth(readFile("decayed.mlir"), D), GetParam(), form);
      for (int64_t N : {171, 197, 32, 1, 0})
        checkDecayed(kernel, N, D);
    }
}

INSTANTIATE_TEST_SUITE_P(Cpu, Targets, testing::Values("x86-64-v3", "x86-64-v4"));
} // namespace
