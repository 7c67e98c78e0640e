// Two compiled kernels in one program, through the flat functions. A query that sees one key gets its value.
#include "causal.h"
#include "lightning.h"
#include <cmath>
#include <cstdio>
#include <vector>

static int fail(const char *what) {
  std::fprintf(stderr, "%s: %s\n", what, heddle_last_error());
  return 1;
}

int main() {
  const int64_t B = 1, H = 2, N = 33, D = 64;
  std::vector<float> q(B * H * N * D), k(q), v(q), o(q), l(B * H * N), rate(H, 0.1f),
      s0(B * H * D * D), s1(s0);
  for (size_t i = 0; i < q.size(); ++i)
    q[i] = std::sin(float(i)), k[i] = std::cos(float(i)), v[i] = float(i % 7);
  std::vector<char> workspace(4 << 20);
  heddle_exec exec = {};
  exec.struct_size = sizeof exec;
  exec.workspace = workspace.data();
  exec.workspace_bytes = int64_t(workspace.size());
  if (causal_contiguous(q.data(), k.data(), v.data(), o.data(), l.data(), B, H, H, N, N, &exec))
    return fail("causal");
  for (int64_t d = 0; d < D; ++d)
    if (std::fabs(o[d] - v[d]) > 1e-5f)
      return std::puts("the first query does not give the first value"), 1;
  if (lightning_contiguous(q.data(), k.data(), v.data(), rate.data(), s0.data(), o.data(),
                           s1.data(), B, H, N, &exec))
    return fail("lightning");
  // A call that is wrong: its own code, words, and nothing written.
  exec.workspace_bytes = 1;
  if (causal_contiguous(q.data(), k.data(), v.data(), o.data(), l.data(), B, H, H, N, N, &exec) !=
      HEDDLE_WORKSPACE_TOO_SMALL)
    return fail("a small workspace was taken");
  std::printf("consumer: OK (%s)\n", heddle_last_error());
  return 0;
}
