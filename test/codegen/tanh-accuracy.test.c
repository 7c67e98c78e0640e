/* Every 499th float against tanh in double precision. */
#include "curve.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { count = 1 << 16, stride = 499 };

static float fromBits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

int main(void) {
  static float x[count], y[count];
  heddle_exec exec = {.struct_size = sizeof exec, .workspace_bytes = 1 << 20, .workspace = malloc(1 << 20)};
  double worst = 0, at = 0;
  for (uint64_t first = 0; first < 0x7f800000; first += (uint64_t)count * stride)
    for (uint32_t sign = 0; sign < 2; ++sign) {
      for (uint32_t i = 0; i < count; ++i) {
        uint64_t bits = first + (uint64_t)i * stride;
        x[i] = bits < 0x7f800000 ? fromBits((uint32_t)bits | sign << 31) : 0;
      }
      if (curve_contiguous(x, y, count, &exec))
        return printf("the call fails\n"), 1;
      for (uint32_t i = 0; i < count; ++i) {
        double want = tanh((double)x[i]);
        float size = fabsf((float)want);
        if (size < 0x1p-100f) /* what is left of it is flushed */
          continue;
        double ulps = fabs(y[i] - want) / (nextafterf(size, INFINITY) - size);
        if (!(ulps <= worst))
          worst = ulps, at = x[i];
      }
    }
  float ends[] = {0, -0.0f, INFINITY, -INFINITY, NAN}, got[5];
  if (curve_contiguous(ends, got, 5, &exec))
    return printf("the call fails\n"), 1;
  int exact = got[0] == 0 && got[1] == 0 && got[2] == 1 && got[3] == -1 && isnan(got[4]);
  printf("worst %.3f ulp at %g; ends %s\n", worst, at, exact ? "exact" : "wrong");
  return !(worst <= 2 && exact);
}
