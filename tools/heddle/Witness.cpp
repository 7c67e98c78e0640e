//===- Witness.cpp - the FMA peak, and whether the machine was quiet ---------------------------===//

#include "Witness.h"
#include <algorithm>
#include <cassert>
#include <ctime>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

using namespace heddle;

double heddle::threadSeconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

namespace {
// Twelve chains of FMAs hide the latency of any machine here; assembly, so that no compiler folds them.
constexpr long peakSteps = 20000, l1Steps = 96, clockSteps = 10000;

#if defined(__x86_64__)
#define CHAIN(i) asm volatile("vfmadd213ps %2, %1, %0" : "+v"(a[i]) : "v"(x), "v"(y));
#define TWELVE(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11)

__attribute__((target("avx2,fma"), noinline)) void peak8() {
  __m256 x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(0.001f), a[12];
  for (__m256 &v : a)
    v = x;
  for (long k = 0; k < peakSteps; ++k) {
    TWELVE(CHAIN)
  }
  for (__m256 &v : a)
    asm volatile("" ::"v"(v));
}
__attribute__((target("avx512f"), noinline)) void peak16() {
  __m512 x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(0.001f), a[12];
  for (__m512 &v : a)
    v = x;
  for (long k = 0; k < peakSteps; ++k) {
    TWELVE(CHAIN)
  }
  for (__m512 &v : a)
    asm volatile("" ::"v"(v));
}

// 3 broadcast rows by 3 registers of lanes, operands in L1: what the kernels' products do. With a fourth row the
// compiler keeps a sum in memory.
__attribute__((target("avx2,fma"), noinline)) void tile8(const float *rows, const float *lanes,
                                                         long steps) {
  __m256 acc[3][3] = {};
  for (long r = 0; r < steps; ++r)
    for (long k = 0; k < Witness::depth; ++k) {
      __m256 b[3];
      for (int v = 0; v < 3; ++v)
        b[v] = _mm256_loadu_ps(lanes + (k * 3 + v) * 8);
      for (int i = 0; i < 3; ++i) {
        __m256 x = _mm256_set1_ps(rows[i * Witness::depth + k]);
        for (int v = 0; v < 3; ++v)
          acc[i][v] = _mm256_fmadd_ps(x, b[v], acc[i][v]);
      }
    }
  for (auto &row : acc)
    for (__m256 &v : row)
      asm volatile("" ::"v"(v));
}
// 8 by 3 registers of 16 lanes.
__attribute__((target("avx512f"), noinline)) void tile16(const float *rows, const float *lanes,
                                                         long steps) {
  __m512 acc[8][3] = {};
  for (long r = 0; r < steps; ++r)
    for (long k = 0; k < Witness::depth; ++k) {
      __m512 b[3];
      for (int v = 0; v < 3; ++v)
        b[v] = _mm512_loadu_ps(lanes + (k * 3 + v) * 16);
      for (int i = 0; i < 8; ++i) {
        __m512 x = _mm512_set1_ps(rows[i * Witness::depth + k]);
        for (int v = 0; v < 3; ++v)
          acc[i][v] = _mm512_fmadd_ps(x, b[v], acc[i][v]);
      }
    }
  for (auto &row : acc)
    for (__m512 &v : row)
      asm volatile("" ::"v"(v));
}
#else
void peak8() {}
void peak16() {}
void tile8(const float *, const float *, long) {}
void tile16(const float *, const float *, long) {}
#endif

double median(std::vector<double> values) {
  auto middle = values.begin() + values.size() / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}
} // namespace

/// The middle of the highest plateau: rates within 1 % of each other, at least 7 in 100 of all. 0 where there is none, or
/// where from 3 to 7 in 100 lie as close above it: nobody knows which of both is undisturbed.
static double plateauOf(std::vector<double> &rates) {
  std::sort(rates.begin(), rates.end());
  double all = double(rates.size()), top = 0, middle = 0;
  int64_t most = 0;
  for (auto end = rates.end(); end != rates.begin(); --end) {
    double high = *(end - 1);
    auto begin = std::lower_bound(rates.begin(), end, 0.99 * high);
    int64_t count = end - begin;
    if (!top && double(count) >= 0.03 * all)
      top = high;
    if (top && high < 0.98 * top)
      break;
    if (top && count > most) {
      most = count;
      middle = begin[count / 2];
    }
  }
  return double(most) >= 0.07 * all ? middle : 0;
}

double LoopRates::add(double rate, double clock, double clockToo) {
  double faster = std::max(clock, clockToo);
  if (std::min(clock, clockToo) >= 0.99 * faster) {
    rates.push_back(rate / faster);
    if (rates.size() % 64 == 0 && (rates.size() <= 1024 || rates.size() % 1024 == 0))
      best = plateauOf(rates);
  }
  return rate / faster;
}

Witness::Witness(int lanes) : lanes(lanes) {
  operands.fill(0.5f);
  assert((lanes == 8 || lanes == 16) && "a width of this machine");
  for (int i = 0; i < 150; ++i) { // its best must be known before a slice is judged
    begin();
    end();
  }
  peaks.clear();
}

double Witness::l1Loop() {
  const float *rows = operands.data(), *values = rows + 8 * depth;
  int height = lanes == 16 ? 8 : 3;
  auto run = [&](long steps) {
    lanes == 16 ? tile16(rows, values, steps) : tile8(rows, values, steps);
  };
  // A slice that reads much has driven all of it out of the caches: operands, code, the clock's way.
  volatile float sink = 0;
  for (float x : operands)
    sink = sink + x;
  run(2);
  (void)threadSeconds();
  double start = threadSeconds();
  run(l1Steps);
  return 2.0 * l1Steps * depth * height * 3 * lanes / (threadSeconds() - start);
}

double Witness::peakLoop() {
  double start = threadSeconds();
  lanes == 16 ? peak16() : peak8();
  return 2.0 * peakSteps * 12 * lanes / (threadSeconds() - start);
}

double Witness::clockLoop() {
  double start = threadSeconds();
#if defined(__x86_64__)
  long x = 3;
  for (long k = 0; k < clockSteps; ++k)
    asm volatile("imul %0, %0" : "+r"(x));
#endif
  return clockSteps / (threadSeconds() - start);
}

void Witness::begin() {
  double clock = clockLoop();
  peakBefore = peakLoop();
  double clockToo = clockLoop();
  before = l1Rates.add(l1Loop(), clock, clockToo);
  start = threadSeconds();
}

Witness::Slice Witness::end() {
  double seconds = threadSeconds() - start;
  double rate = l1Loop(), clock = clockLoop(), peakAfter = peakLoop();
  double after = l1Rates.add(rate, clock, clockLoop());
  double around = (peakBefore + peakAfter) / 2;
  peaks.push_back(around);
  return {seconds, around, std::min(before, after)};
}

double Witness::peak() const { return peaks.empty() ? 0 : median(peaks); }
