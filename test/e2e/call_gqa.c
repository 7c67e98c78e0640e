/* Calls the library that `heddle compile specs/softmax/gqa.json` makes on .npy files of f16:
 *
 *   call_gqa Q.npy K.npy V.npy O.npy [THREADS]
 *
 * Shapes (1, 9, N, 64) and (1, 3, N, 64); O gets the header of Q. */
#include "gqa.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { header = 128, heads = 9, heads_kv = 3, depth = 64 };

static void *read_all(const char *path, long *size) {
  FILE *file = fopen(path, "rb");
  if (!file) {
    perror(path);
    exit(2);
  }
  fseek(file, 0, SEEK_END);
  *size = ftell(file);
  rewind(file);
  char *bytes = malloc((size_t)*size);
  if (!bytes || fread(bytes, 1, (size_t)*size, file) != (size_t)*size)
    exit(2);
  fclose(file);
  return bytes;
}

int main(int argc, char **argv) {
  if (argc < 5) {
    fprintf(stderr, "usage: %s Q.npy K.npy V.npy O.npy [THREADS]\n", argv[0]);
    return 2;
  }
  long q_size, k_size, v_size;
  char *q = read_all(argv[1], &q_size), *k = read_all(argv[2], &k_size),
       *v = read_all(argv[3], &v_size);
  int64_t n = (q_size - header) / (heads * depth * 2);
  char *o = malloc((size_t)q_size);
  float *l = malloc((size_t)n * heads * sizeof *l);
  memcpy(o, q, header);

  int64_t q_shape[] = {1, heads, n, depth}, k_shape[] = {1, heads_kv, n, depth};
  heddle_tensor tq = {q + header, HEDDLE_CPU, 0, 4, HEDDLE_FLOAT, 16, 1, q_shape, NULL, 0};
  heddle_tensor tk = {k + header, HEDDLE_CPU, 0, 4, HEDDLE_FLOAT, 16, 1, k_shape, NULL, 0};
  heddle_tensor tv = {v + header, HEDDLE_CPU, 0, 4, HEDDLE_FLOAT, 16, 1, k_shape, NULL, 0};
  heddle_tensor to = {o + header, HEDDLE_CPU, 0, 4, HEDDLE_FLOAT, 16, 1, q_shape, NULL, 0};
  heddle_tensor tl = {l, HEDDLE_CPU, 0, 3, HEDDLE_FLOAT, 32, 1, q_shape, NULL, 0};

  heddle_exec exec = {.struct_size = sizeof exec, .threads = argc > 5 ? atoi(argv[5]) : 1};
  heddle_pool *pool = heddle_pool_create(exec.threads);
  exec.parallel_for = heddle_pool_run;
  exec.context = pool;
  gqa_args args = {
      .struct_size = sizeof args, .q = &tq, .k = &tk, .v = &tv, .o = &to, .l = &tl, .exec = &exec};
  int status = gqa_workspace(&args, &exec.workspace_bytes);
  if (!status)
    exec.workspace = malloc((size_t)exec.workspace_bytes);
  if (!status)
    status = gqa_run(&args);
  if (status) {
    fprintf(stderr, "%s: %s\n", heddle_status_name(status), heddle_last_error());
    return 1;
  }
  FILE *out = fopen(argv[4], "wb");
  if (!out || fwrite(o, 1, (size_t)q_size, out) != (size_t)q_size || fclose(out)) {
    perror(argv[4]);
    return 2;
  }
  heddle_pool_destroy(pool);
  free(exec.workspace);
  free(l), free(o), free(v), free(k), free(q);
  return 0;
}
