/*===- cpu_features.c - the x86-64 level of this processor -----------------------------------------===*/

#include "heddle.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <stdatomic.h>

/* The registers that the operating system saves: bits 1, 2 for AVX, 5 to 7 for AVX-512. */
static uint64_t saved_state(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

static int all(uint32_t word, uint32_t bits) { return (word & bits) == bits; }

static int read_level(void) {
  uint32_t a, b, c, d, b7, c7, d7, c81;
  if (!__get_cpuid(1, &a, &b, &c, &d))
    return 1;
  /* SSE3, SSSE3, CX16, SSE4.1, SSE4.2, POPCNT */
  if (!all(c, 1u << 0 | 1u << 9 | 1u << 13 | 1u << 19 | 1u << 20 | 1u << 23))
    return 1;
  /* FMA, MOVBE, OSXSAVE, AVX, F16C */
  if (!all(c, 1u << 12 | 1u << 22 | 1u << 27 | 1u << 28 | 1u << 29))
    return 2;
  uint64_t state = saved_state();
  if ((state & 0x6) != 0x6 || !__get_cpuid_count(7, 0, &a, &b7, &c7, &d7))
    return 2;
  if (!__get_cpuid(0x80000001u, &a, &b, &c81, &d))
    return 2;
  /* BMI1, AVX2, BMI2; LZCNT */
  if (!all(b7, 1u << 3 | 1u << 5 | 1u << 8) || !all(c81, 1u << 5))
    return 2;
  /* AVX512 F, DQ, CD, BW, VL */
  if ((state & 0xe6) != 0xe6 || !all(b7, 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31))
    return 3;
  return 4;
}

/* Asked once: a hypervisor answers cpuid itself, which takes longer than a short call. */
int heddle_cpu_level(void) {
  static atomic_int known; /* 0: not yet */
  int level = atomic_load_explicit(&known, memory_order_relaxed);
  if (!level) {
    level = read_level();
    atomic_store_explicit(&known, level, memory_order_relaxed);
  }
  return level;
}
#else
int heddle_cpu_level(void) { return 0; }
#endif
