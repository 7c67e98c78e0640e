/* Lies about the size of a tensor: the kernel reads behind it, and the sanitizer must say so. */
#include "gqa.h"

#include <stdlib.h>

int main(void) {
  enum { n = 33, depth = 64 };
  size_t bytes = n * depth * 2;
  void *q = calloc(1, bytes), *k = calloc(1, bytes), *v = calloc(1, bytes - depth * 2), *o = calloc(1, bytes);
  float *l = calloc(n, sizeof *l);
  heddle_exec exec = {.struct_size = sizeof exec, .workspace_bytes = 4 << 20};
  exec.workspace = malloc((size_t)exec.workspace_bytes);
  return gqa_contiguous(q, k, v, o, l, 1, 1, 1, n, n, &exec);
}
