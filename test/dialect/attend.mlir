// Causal attention, grouped heads, as LowerSparsity and PeelTiles leave it: tiles of 96 queries by
// 64 keys, strips of 24 rows, D = Dv = 64, base-2 scores. %offset aligns: query q stands at key
// q + %offset (M - N: bottom right).
//
// RUN: heddle-opt %s | FileCheck %s
// RUN: heddle-opt %s --canonicalize --cse --loop-invariant-code-motion --cse | FileCheck %s

!tile = tensor<96x64xf32>
!rows = tensor<96xf32>
!mem = memref<?x?x?x64xf32>

// Tiles whose last key the first query keeps; tiles whose first key the last query keeps.
#full = affine_map<(i)[m, offset] -> ((i * 96 + offset + 1) floordiv 64, m floordiv 64)>
#any = affine_map<(i)[n, m, offset] -> ((i * 96 + offset + 96) ceildiv 64,
                                       (n + offset) ceildiv 64, m ceildiv 64)>
#clamp = affine_map<(d) -> (0, d)>

// Both loops stay, each with one strips; the optimizer neither merges nor doubles them.
//
// CHECK-LABEL: func.func @attend(
// CHECK:         scf.forall
// CHECK:           attn.visit full(
// CHECK:           scf.for
// CHECK:             attn.strips 24
// CHECK-NOT:         attn.strips
// CHECK:             scf.yield
// CHECK:           scf.for
// CHECK:             attn.strips 24
// CHECK-NOT:         attn.strips
// CHECK:           attn.store
// CHECK:           attn.store
func.func @attend(%Q: !mem, %K: !mem, %V: !mem, %O: !mem, %L: memref<?x?x?xf32>, %offset: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %B = memref.dim %Q, %c0 : !mem
  %H = memref.dim %Q, %c1 : !mem
  %N = memref.dim %Q, %c2 : !mem
  %Hkv = memref.dim %K, %c1 : !mem
  %M = memref.dim %K, %c2 : !mem
  %group = arith.divui %H, %Hkv : index
  %T = affine.apply affine_map<()[n] -> (n ceildiv 96)>()[%N]
  %off = arith.index_cast %offset : index to i32
  %n32 = arith.index_cast %N : index to i32
  %m32 = arith.index_cast %M : index to i32
  // -FLT_MAX: low - low is 0, -inf - -inf would be NaN.
  %low = arith.constant dense<-3.40282347E+38> : !rows
  %zero = arith.constant dense<0.0> : !rows
  %zacc = arith.constant dense<0.0> : !tile
  %ninf = arith.constant 0xFF800000 : f32
  %f0 = arith.constant 0.0 : f32
  %f1 = arith.constant 1.0 : f32

  scf.forall (%b, %h, %i) in (%B, %H, %T) {
    %hkv = arith.divui %h, %group : index
    %q0 = affine.apply affine_map<(i) -> (i * 96)>(%i)
    %f = affine.min #full(%i)[%M, %offset]
    %nfull = affine.max #clamp(%f)
    %nany = affine.min #any(%i)[%N, %M, %offset]
    %tiles = attn.visit full(%c0 to %nfull) boundary(%nfull to %nany)
    %nf, %na = attn.count %tiles
    %qp = attn.iota %q0 : tensor<96xi32>
    // 1/sqrt(D) * log2(e)
    %q = attn.load %Q[%b, %h, %q0, 0] rows(%N) scale 0.18033688011112042 : !mem -> !tile

    // Full tiles.
    %r:3 = scf.for %n = %c0 to %nf step %c1
        iter_args(%m = %low, %l = %zero, %o = %zacc) -> (!rows, !rows, !tile) {
      %j = attn.at %tiles[%n]
      %k0 = affine.apply affine_map<(j) -> (j * 64)>(%j)
      %k = attn.load %K[%b, %hkv, %k0, 0] rows(%M) : !mem -> tensor<64x64xf32>
      %v = attn.load %V[%b, %hkv, %k0, 0] rows(%M) : !mem -> tensor<64x64xf32>
      %s:3 = attn.strips 24 of(%q) carry(%m, %l, %o) {
      ^bb0(%qs: tensor<24x64xf32>, %ms: tensor<24xf32>, %ls: tensor<24xf32>,
           %os: tensor<24x64xf32>):
        %x = attn.contract %qs, %k t : tensor<24x64xf32>, tensor<64x64xf32> -> tensor<24x64xf32>
        %y, %mx = attn.map %x reduce max per row {
        ^bb0(%e: f32):
          attn.yield %e : f32 // the score expression stands here
        } : (tensor<24x64xf32>) -> (tensor<24x64xf32>, tensor<24xf32>)
        %mn = arith.maximumf %ms, %mx : tensor<24xf32>
        %d = arith.subf %ms, %mn : tensor<24xf32>
        %al = math.exp2 %d : tensor<24xf32>
        %p, %ps = attn.map %y rows(%mn) reduce add per row {
        ^bb0(%e: f32, %mr: f32):
          %z = arith.subf %e, %mr : f32
          %w = math.exp2 %z : f32
          attn.yield %w : f32
        } : (tensor<24x64xf32>, tensor<24xf32>) -> (tensor<24x64xf32>, tensor<24xf32>)
        %la = arith.mulf %ls, %al : tensor<24xf32>
        %ln = arith.addf %la, %ps : tensor<24xf32>
        %on = attn.contract %p, %v into %os * %al
            : tensor<24x64xf32>, tensor<64x64xf32> -> tensor<24x64xf32>
        attn.yield %mn, %ln, %on : tensor<24xf32>, tensor<24xf32>, tensor<24x64xf32>
      } : (!tile, !rows, !rows, !tile) -> (!rows, !rows, !tile)
      scf.yield %s#0, %s#1, %s#2 : !rows, !rows, !tile
    }

    // Boundary tiles: the same with the mask, and values that nothing here keeps are dropped.
    %g:3 = scf.for %n = %nf to %na step %c1
        iter_args(%m = %r#0, %l = %r#1, %o = %r#2) -> (!rows, !rows, !tile) {
      %j = attn.at %tiles[%n]
      %k0 = affine.apply affine_map<(j) -> (j * 64)>(%j)
      %kp = attn.iota %k0 : tensor<64xi32>
      %k = attn.load %K[%b, %hkv, %k0, 0] rows(%M) : !mem -> tensor<64x64xf32>
      %v = attn.load %V[%b, %hkv, %k0, 0] rows(%M) : !mem -> tensor<64x64xf32>
      // Column test: a weight of 0 does not stop a NaN in V. Rows beyond N keep nothing, or they
      // would let in values that no query keeps. A map needs no tile operand.
      %keeps, %kept = attn.map rows(%qp) cols(%kp) reduce max per col {
      ^bb0(%qi: i32, %ki: i32):
        %pos = arith.addi %qi, %off : i32
        %causal = arith.cmpi sle, %ki, %pos : i32
        %in = arith.cmpi slt, %qi, %n32 : i32
        %keep = arith.andi %causal, %in : i1
        %w = arith.select %keep, %f1, %f0 : f32
        attn.yield %w : f32
      } : (tensor<96xi32>, tensor<64xi32>) -> (!tile, tensor<64xf32>)
      %vk = attn.map %v rows(%kept) {
      ^bb0(%e: f32, %w: f32):
        %some = arith.cmpf ogt, %w, %f0 : f32
        %z = arith.select %some, %e, %f0 : f32
        attn.yield %z : f32
      } : (tensor<64x64xf32>, tensor<64xf32>) -> tensor<64x64xf32>
      %s:3 = attn.strips 24 of(%q, %qp) carry(%m, %l, %o) {
      ^bb0(%qs: tensor<24x64xf32>, %qps: tensor<24xi32>, %ms: tensor<24xf32>, %ls: tensor<24xf32>,
           %os: tensor<24x64xf32>):
        %x = attn.contract %qs, %k t : tensor<24x64xf32>, tensor<64x64xf32> -> tensor<24x64xf32>
        %y, %mx = attn.map %x rows(%qps) cols(%kp) reduce max per row {
        ^bb0(%e: f32, %qi: i32, %ki: i32):
          %pos = arith.addi %qi, %off : i32
          %causal = arith.cmpi sle, %ki, %pos : i32
          %in = arith.cmpi slt, %ki, %m32 : i32
          %keep = arith.andi %causal, %in : i1
          %z = arith.select %keep, %e, %ninf : f32
          attn.yield %z : f32
        } : (tensor<24x64xf32>, tensor<24xi32>, tensor<64xi32>)
            -> (tensor<24x64xf32>, tensor<24xf32>)
        %mn = arith.maximumf %ms, %mx : tensor<24xf32>
        %d = arith.subf %ms, %mn : tensor<24xf32>
        %al = math.exp2 %d : tensor<24xf32>
        %p, %ps = attn.map %y rows(%mn) reduce add per row {
        ^bb0(%e: f32, %mr: f32):
          %z = arith.subf %e, %mr : f32
          %w = math.exp2 %z : f32
          attn.yield %w : f32
        } : (tensor<24x64xf32>, tensor<24xf32>) -> (tensor<24x64xf32>, tensor<24xf32>)
        %la = arith.mulf %ls, %al : tensor<24xf32>
        %ln = arith.addf %la, %ps : tensor<24xf32>
        %on = attn.contract %p, %vk into %os * %al
            : tensor<24x64xf32>, tensor<64x64xf32> -> tensor<24x64xf32>
        attn.yield %mn, %ln, %on : tensor<24xf32>, tensor<24xf32>, tensor<24x64xf32>
      } : (!tile, tensor<96xi32>, !rows, !rows, !tile) -> (!rows, !rows, !tile)
      scf.yield %s#0, %s#1, %s#2 : !rows, !rows, !tile
    }

    // A row that kept nothing: O = 0, LSE = -inf.
    %out = attn.map %g#2 rows(%g#1) {
    ^bb0(%e: f32, %l: f32):
      %none = arith.cmpf oeq, %l, %f0 : f32
      %w = arith.divf %e, %l : f32
      %z = arith.select %none, %f0, %w : f32
      attn.yield %z : f32
    } : (!tile, !rows) -> !tile
    attn.store %out, %O[%b, %h, %q0, 0] rows(%N) : !tile, !mem
    %lse = attn.map %g#0, %g#1 {
    ^bb0(%m: f32, %l: f32):
      %none = arith.cmpf oeq, %l, %f0 : f32
      %log = math.log2 %l : f32
      %sum = arith.addf %m, %log : f32
      %z = arith.select %none, %ninf, %sum : f32
      attn.yield %z : f32
    } : (!rows, !rows) -> !rows
    attn.store %lse, %L[%b, %h, %q0] rows(%N) scale 0.69314718055994531 : !rows, memref<?x?x?xf32>
  }
  return
}

// The same tiles before LowerSparsity, from the mask itself. The interpreter compares the two.
//
// CHECK-LABEL: func.func @visits(
// CHECK:         attn.visit keep at(%{{.*}}) of(%{{.*}}, %{{.*}}) tile [96, 64] {
func.func @visits(%i: index, %N: index, %M: index, %offset: index)
    -> (index, index, index, index) {
  %c0 = arith.constant 0 : index
  %f = affine.min #full(%i)[%M, %offset]
  %nfull = affine.max #clamp(%f)
  %nany = affine.min #any(%i)[%N, %M, %offset]
  %closed = attn.visit full(%c0 to %nfull) boundary(%nfull to %nany)
  %off = arith.index_cast %offset : index to i32
  %mask = attn.visit keep at(%i) of(%N, %M) tile [96, 64] {
  ^bb0(%q: i32, %k: i32):
    %pos = arith.addi %q, %off : i32
    %keep = arith.cmpi sle, %k, %pos : i32
    attn.yield %keep : i1
  }
  %f0, %a0 = attn.count %closed
  %f1, %a1 = attn.count %mask
  return %f0, %a0, %f1, %a1 : index, index, index, index
}
