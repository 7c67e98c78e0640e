// Decayed linear attention, S_t = 2^a_t S_{t-1} + k_t^T v_t, o_t = q_t S_t, as SplitIntraInter
// leaves its carried form: chunks of 32 tokens, D = Dv = 64. %A holds log2 of the decay.
//
// RUN: heddle-opt %s | FileCheck %s
// RUN: heddle-opt %s --canonicalize --cse --loop-invariant-code-motion --cse | FileCheck %s

!chunk = tensor<32x64xf32>
!row = tensor<32xf32>
!state = tensor<64x64xf32>
!mem = memref<?x?x?x64xf32>

// The load of the initial state stays out of the loop, the four contractions stay in it.
//
// CHECK-LABEL: func.func @recur(
// CHECK:         attn.load %{{.*}} -> tensor<64x64xf32>
// CHECK:         scf.for
// CHECK-COUNT-4: attn.contract
// CHECK-NOT:     attn.contract
// CHECK:         scf.yield
// CHECK:         attn.store
func.func @recur(%Q: !mem, %K: !mem, %V: !mem, %A: memref<?x?x?xf32>, %S0: !mem, %O: !mem,
                 %S1: !mem) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c31 = arith.constant 31 : index
  %D = arith.constant 64 : index
  %f0 = arith.constant 0.0 : f32
  %B = memref.dim %Q, %c0 : !mem
  %H = memref.dim %Q, %c1 : !mem
  %N = memref.dim %Q, %c2 : !mem
  %T = affine.apply affine_map<()[n] -> (n ceildiv 32)>()[%N]

  scf.forall (%b, %h) in (%B, %H) {
    %s0 = attn.load %S0[%b, %h, 0, 0] rows(%D) : !mem -> !state
    %end = scf.for %c = %c0 to %T step %c1 iter_args(%s = %s0) -> (!state) {
      %t0 = affine.apply affine_map<(c) -> (c * 32)>(%c)
      %tp = attn.iota %t0 : tensor<32xi32>
      %q = attn.load %Q[%b, %h, %t0, 0] rows(%N) : !mem -> !chunk
      %k = attn.load %K[%b, %h, %t0, 0] rows(%N) : !mem -> !chunk
      %v = attn.load %V[%b, %h, %t0, 0] rows(%N) : !mem -> !chunk
      // Beyond N the load gives 0: a decay of 1, and keys of 0. The last chunk needs no tail.
      %a = attn.load %A[%b, %h, %t0] rows(%N) : memref<?x?x?xf32> -> !row
      %g = attn.scan add %a : !row
      %gl = tensor.extract %g[%c31] : !row

      // Intra: quadratic, masked, no state. By select: exp2 overflows above the diagonal.
      %x = attn.contract %q, %k t : !chunk, !chunk -> tensor<32x32xf32>
      %p = attn.map %x rows(%g, %tp) cols(%g, %tp) {
      ^bb0(%e: f32, %gr: f32, %qi: i32, %gc: f32, %ki: i32):
        %d = arith.subf %gr, %gc : f32
        %w = math.exp2 %d : f32
        %y = arith.mulf %e, %w : f32
        %keep = arith.cmpi sle, %ki, %qi : i32
        %z = arith.select %keep, %y, %f0 : f32
        attn.yield %z : f32
      } : (tensor<32x32xf32>, !row, tensor<32xi32>, !row, tensor<32xi32>) -> tensor<32x32xf32>
      %o1 = attn.contract %p, %v : tensor<32x32xf32>, !chunk -> !chunk

      // Inter: reads the state, no mask.
      %qd = attn.map %q rows(%g) {
      ^bb0(%e: f32, %gr: f32):
        %w = math.exp2 %gr : f32
        %y = arith.mulf %e, %w : f32
        attn.yield %y : f32
      } : (!chunk, !row) -> !chunk
      %o2 = attn.contract %qd, %s into %o1 : !chunk, !state -> !chunk
      attn.store %o2, %O[%b, %h, %t0, 0] rows(%N) : !chunk, !mem

      // State.
      %kd = attn.map %k rows(%g) {
      ^bb0(%e: f32, %gr: f32):
        %d = arith.subf %gl, %gr : f32 // a body may use any scalar from outside
        %w = math.exp2 %d : f32
        %y = arith.mulf %e, %w : f32
        attn.yield %y : f32
      } : (!chunk, !row) -> !chunk
      %dc = math.exp2 %gl : f32
      %dcs = tensor.splat %dc : tensor<64xf32>
      %s2 = attn.contract %kd t, %v into %s * %dcs : !chunk, !chunk -> !state
      scf.yield %s2 : !state
    }
    attn.store %end, %S1[%b, %h, 0, 0] rows(%D) : !state, !mem
  }
  return
}
