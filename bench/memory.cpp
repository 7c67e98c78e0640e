//===- memory.cpp - what a token costs a loop without a kernel, where no cache holds all -------===//
//
//   bench_memory [ROUNDS]     prints what a token of 1k to 64k takes, by the size of pages
//
// No kernel: three rows of 64 floats are read for a token and one is written, as a recurrence does, each line once and
// hinted at 64 tokens before; between two lines are so many rounds (default 6) of twelve multiplications in registers,
// two in a clock, or none: then it copies. All that may take longer for many tokens is memory. It is one such loop, not
// the best there may be.
//
//===----------------------------------------------------------------------------------------===//

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <immintrin.h>
#include <sys/mman.h>
#include <vector>

namespace {
constexpr int64_t width = 64, chunk = 64, many = 65536, few = 1024, lineFloats = 16;
using Rows = std::array<float *, 4>; // of q, k, v, and the result

double threadSeconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

/// Rows of `many` tokens and a chunk, which are never given back.
float *rowsIn(int advice) {
  constexpr size_t large = 2 << 20, bytes = (many + chunk) * width * sizeof(float);
  void *start =
      mmap(nullptr, bytes + large, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED)
    std::exit((std::perror("mmap"), 1));
  char *rows = static_cast<char *>(start) + large - reinterpret_cast<intptr_t>(start) % large;
  madvise(rows, bytes, advice);
  std::memset(rows, 0, bytes);
  return reinterpret_cast<float *>(rows);
}

__attribute__((target("avx2,fma"), noinline)) void pass(const Rows &rows, int64_t tokens,
                                                        int rounds) {
  __m256 x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(0.001f), sum = y, chains[12];
  for (__m256 &chain : chains)
    chain = x;
  for (int64_t t = 0; t < tokens; t += chunk)
    for (float *tensor : rows)
      for (int64_t i = 0; i < chunk * width; i += lineFloats) {
        for (int round = 0; round < rounds; ++round)
          for (__m256 &chain : chains)
            asm volatile("vfmadd213ps %2, %1, %0" : "+x"(chain) : "x"(x), "x"(y));
        float *line = tensor + t * width + i;
        _mm_prefetch(line + chunk * width, _MM_HINT_T1);
        for (float *half : {line, line + lineFloats / 2})
          if (tensor != rows.back())
            sum = _mm256_add_ps(sum, _mm256_load_ps(half));
          else
            _mm256_store_ps(half, sum);
      }
  for (__m256 &chain : chains)
    asm volatile("" ::"x"(chain));
}

/// Nanoseconds of a token, once it is warm.
double timeOf(const Rows &rows, int64_t tokens, int rounds) {
  pass(rows, few, rounds);
  double start = threadSeconds();
  for (int64_t done = 0; done < many; done += tokens)
    pass(rows, tokens, rounds);
  return (threadSeconds() - start) / many * 1e9;
}

double median(std::vector<double> &values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}
} // namespace

int main(int argc, char **argv) {
  int rounds = argc > 1 ? std::atoi(argv[1]) : 6;
  if (rounds < 0)
    return std::fprintf(stderr, "usage: bench_memory [ROUNDS]\n"), 2;
  Rows small, large;
  for (float *&rows : small)
    rows = rowsIn(MADV_NOHUGEPAGE);
  for (float *&rows : large)
    rows = rowsIn(MADV_HUGEPAGE);
  constexpr std::array<int64_t, 4> sizes = {few, 4 * few, 16 * few, many};
  std::array<std::vector<double>, sizes.size()> inSmall, inLarge;
  for (int i = 0; i < 31; ++i)
    for (size_t s = 0; s < sizes.size(); ++s) {
      inSmall[s].push_back(timeOf(small, sizes[s], rounds));
      inLarge[s].push_back(timeOf(large, sizes[s], rounds));
    }
  double base = median(inSmall[0]), baseLarge = median(inLarge[0]);
  for (size_t s = 0; s < sizes.size(); ++s) {
    double a = median(inSmall[s]), b = median(inLarge[s]);
    std::printf("%2lldk tokens: %6.1f ns each in pages of 4 KB (%.3f of 1k), %6.1f in pages of 2 "
                "MB (%.3f)\n",
                static_cast<long long>(sizes[s] / 1024), a, a / base, b, b / baseLarge);
  }
  return 0;
}
