// The recurrence of recur.mlir as SplitIntraInter leaves its two-level form: a grid of local
// states, a scan over chunks, a grid of outputs. %W (B, H x chunks, 64, 64) and %G (B, H x chunks,
// 64) are workspace: state and decay of each chunk. Same definition, same arguments otherwise.
//
// RUN: heddle-opt %s --canonicalize --cse --loop-invariant-code-motion --cse | FileCheck %s

!chunk = tensor<32x64xf32>
!row = tensor<32xf32>
!state = tensor<64x64xf32>
!mem = memref<?x?x?x64xf32>
!vec = memref<?x?x?xf32>

// CHECK-LABEL: func.func @recur_two_level(
// CHECK-COUNT-3: scf.forall
func.func @recur_two_level(%Q: !mem, %K: !mem, %V: !mem, %A: !vec, %S0: !mem, %O: !mem, %S1: !mem,
                           %W: !mem, %G: !vec) {
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

  // What each chunk adds to the state, and its decay.
  scf.forall (%b, %h, %c) in (%B, %H, %T) {
    %t0 = affine.apply affine_map<(c) -> (c * 32)>(%c)
    %hT = arith.muli %h, %T : index
    %hc = arith.addi %hT, %c : index
    %k = attn.load %K[%b, %h, %t0, 0] rows(%N) : !mem -> !chunk
    %v = attn.load %V[%b, %h, %t0, 0] rows(%N) : !mem -> !chunk
    %a = attn.load %A[%b, %h, %t0] rows(%N) : !vec -> !row
    %g = attn.scan add %a : !row
    %gl = tensor.extract %g[%c31] : !row
    %kd = attn.map %k rows(%g) {
    ^bb0(%e: f32, %gr: f32):
      %d = arith.subf %gl, %gr : f32
      %w = math.exp2 %d : f32
      %y = arith.mulf %e, %w : f32
      attn.yield %y : f32
    } : (!chunk, !row) -> !chunk
    %local = attn.contract %kd t, %v : !chunk, !chunk -> !state
    attn.store %local, %W[%b, %hc, 0, 0] rows(%D) : !state, !mem
    %dc = math.exp2 %gl : f32
    %dcs = tensor.splat %dc : tensor<64xf32> // a vector: ready for a decay per channel
    attn.store %dcs, %G[%b, %hc, 0] rows(%D) : tensor<64xf32>, !vec
  }

  // In place: the state before each chunk.
  scf.forall (%b, %h) in (%B, %H) {
    %hT = arith.muli %h, %T : index
    %s0 = attn.load %S0[%b, %h, 0, 0] rows(%D) : !mem -> !state
    %end = scf.for %c = %c0 to %T step %c1 iter_args(%s = %s0) -> (!state) {
      %hc = arith.addi %hT, %c : index
      %local = attn.load %W[%b, %hc, 0, 0] rows(%D) : !mem -> !state
      %dc = attn.load %G[%b, %hc, 0] rows(%D) : !vec -> tensor<64xf32>
      attn.store %s, %W[%b, %hc, 0, 0] rows(%D) : !state, !mem
      %s2 = attn.map %s, %local rows(%dc) {
      ^bb0(%e: f32, %l: f32, %d: f32):
        %y = arith.mulf %e, %d : f32
        %z = arith.addf %y, %l : f32
        attn.yield %z : f32
      } : (!state, !state, tensor<64xf32>) -> !state
      scf.yield %s2 : !state
    }
    attn.store %end, %S1[%b, %h, 0, 0] rows(%D) : !state, !mem
  }

  scf.forall (%b, %h, %c) in (%B, %H, %T) {
    %t0 = affine.apply affine_map<(c) -> (c * 32)>(%c)
    %hT = arith.muli %h, %T : index
    %hc = arith.addi %hT, %c : index
    %tp = attn.iota %t0 : tensor<32xi32>
    %q = attn.load %Q[%b, %h, %t0, 0] rows(%N) : !mem -> !chunk
    %k = attn.load %K[%b, %h, %t0, 0] rows(%N) : !mem -> !chunk
    %v = attn.load %V[%b, %h, %t0, 0] rows(%N) : !mem -> !chunk
    %a = attn.load %A[%b, %h, %t0] rows(%N) : !vec -> !row
    %s = attn.load %W[%b, %hc, 0, 0] rows(%D) : !mem -> !state
    %g = attn.scan add %a : !row
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
    %qd = attn.map %q rows(%g) {
    ^bb0(%e: f32, %gr: f32):
      %w = math.exp2 %gr : f32
      %y = arith.mulf %e, %w : f32
      attn.yield %y : f32
    } : (!chunk, !row) -> !chunk
    %o2 = attn.contract %qd, %s into %o1 : !chunk, !state -> !chunk
    attn.store %o2, %O[%b, %h, %t0, 0] rows(%N) : !chunk, !mem
  }
  return
}
