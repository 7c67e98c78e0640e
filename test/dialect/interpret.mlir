// The interpreter's door: digests of what is written, comparison with a file, and faults.
//
// RUN: heddle-opt %s --attn-interpret="args=2x5x4,2x7x4,2x5x4,2,5,7" | FileCheck %s
// RUN: heddle-opt %s --attn-interpret="args=2x5x4,2x7x4,2x5x4,2,5,7 forwards seed=9" | FileCheck %s
// RUN: heddle-opt %s --attn-interpret="args=2x5x4,2x7x4,2x5x4,2,5,0" | FileCheck %s --check-prefix=EMPTY
// RUN: heddle-opt %s --attn-interpret="args=2x5x4,2x7x4,2x5x4,2,5,7 against=%s" | FileCheck %s --check-prefix=SAME
// RUN: sed 's/0.5 : f32/0.25 : f32/' %s > %t
// RUN: not heddle-opt %s --attn-interpret="args=2x5x4,2x7x4,2x5x4,2,5,7 against=%t" 2>&1 | FileCheck %s --check-prefix=DIFFERS
// RUN: not heddle-opt %s --attn-interpret="args=2x5x4,2x7x4,2x5x4,2,5" 2>&1 | FileCheck %s --check-prefix=COUNT
// RUN: not heddle-opt %s --attn-interpret="args=2x5xz,2x7x4,2x5x4,2,5,7" 2>&1 | FileCheck %s --check-prefix=SIZES
// RUN: not heddle-opt %s --attn-interpret="args=2x5x4,2x7x4,2x5x4,2,6,7" 2>&1 | FileCheck %s --check-prefix=RANGE
//
// All values are 0.5 and weights sum to 1, so `out` is 0.5 whatever the scores: of 40 elements the digest
// is the sum of 0.5 cos(i / 10). Without keys it is 0.
//
// CHECK: // mean, argument 2, 2x5x4: sum -3.36744{{.*}}, NaN 0
// EMPTY: // mean, argument 2, 2x5x4: sum 0.000000e+00, NaN 0
// SAME: // mean: as in interpret.mlir
// DIFFERS: error: compared to '{{.*}}': argument 2 differs by {{.*}}, more than
// COUNT: error: expected sizes of 6 arguments, got 5
// SIZES: error: argument 0: expected sizes such as 2x3x64, or the value of a scalar, got '2x5xz'
// RANGE: attn.attend: a tensor written: expected the sizes (2, 6, 4), as the ranges say
func.func @mean(%q: tensor<?x?x4xf32>, %k: tensor<?x?x4xf32>, %o: tensor<?x?x4xf32>, %H: index,
                %N: index, %M: index) -> tensor<?x?x4xf32> {
  %r = attn.attend softmax rows(%H, %N) keys(%M) depth 4 columns 4 outs(out = %o : tensor<?x?x4xf32>)
      query {
      ^bb0(%h: index, %i: index, %d: index):
        %x = tensor.extract %q[%h, %i, %d] : tensor<?x?x4xf32>
        attn.yield %x : f32
      } key {
      ^bb0(%h: index, %i: index, %j: index, %d: index):
        %x = tensor.extract %k[%h, %j, %d] : tensor<?x?x4xf32>
        attn.yield %x : f32
      } value {
      ^bb0(%h: index, %i: index, %j: index, %e: index):
        %x = arith.constant 0.5 : f32
        attn.yield %x : f32
      } -> tensor<?x?x4xf32>
  return %r : tensor<?x?x4xf32>
}
