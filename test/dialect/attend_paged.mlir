// Few queries against a paged cache, the heads of a group packed into one tile: the same
// operations as attend.mlir, only that positions come from arithmetic on vectors and rows from
// lists. Tiles of 32 (query, head) rows by 64 keys, pages of 16 keys, causal, bottom right.
// Cache: (Hkv, slots, D); table: (B, pages), the page number of each 16 keys.
//
// RUN: heddle-opt %s --canonicalize --cse --loop-invariant-code-motion --cse | FileCheck %s

!tile = tensor<32x64xf32>
!rows = tensor<32xf32>
!rowi = tensor<32xi32>
!keyi = tensor<64xi32>
!mem = memref<?x?x?x64xf32>
!cache = memref<?x?x64xf32>

// CHECK-LABEL: func.func @attend_paged(
// CHECK:         attn.load {{.*}} list(%{{.*}}, %{{.*}} : tensor<32xi32>, tensor<32xi32>)
// CHECK:         scf.for
// CHECK:           attn.load {{.*}} list(%{{.*}} : tensor<64xi32>) : memref<?x?xi32>
func.func @attend_paged(%Q: !mem, %K: !cache, %V: !cache, %table: memref<?x?xi32>, %O: !mem,
                        %M: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %B = memref.dim %Q, %c0 : !mem
  %H = memref.dim %Q, %c1 : !mem
  %N = memref.dim %Q, %c2 : !mem
  %Hkv = memref.dim %K, %c0 : !cache
  %slots = memref.dim %K, %c1 : !cache
  %pages = memref.dim %table, %c1 : memref<?x?xi32>
  %group = arith.divui %H, %Hkv : index
  %numRows = arith.muli %N, %group : index
  %T = affine.apply affine_map<()[n] -> (n ceildiv 32)>()[%numRows]
  %nany = affine.apply affine_map<()[m] -> (m ceildiv 64)>()[%M]
  %offset = affine.apply affine_map<()[n, m] -> (m - n)>()[%N, %M]
  %off = arith.index_cast %offset : index to i32
  %m32 = arith.index_cast %M : index to i32
  %mv = tensor.splat %m32 : !keyi
  %g32 = arith.index_cast %group : index to i32
  %gv = tensor.splat %g32 : !rowi
  %size = arith.constant dense<16> : !keyi
  %none = arith.constant dense<-1> : !keyi
  %low = arith.constant dense<-3.40282347E+38> : !rows
  %zero = arith.constant dense<0.0> : !rows
  %zacc = arith.constant dense<0.0> : !tile
  %ninf = arith.constant 0xFF800000 : f32

  scf.forall (%b, %hkv, %i) in (%B, %Hkv, %T) {
    // Row r of the tile is query r / group of head r % group; queries beyond N are outside.
    %r0 = affine.apply affine_map<(i) -> (i * 32)>(%i)
    %h0 = arith.muli %hkv, %group : index
    %row = attn.iota %r0 : !rowi
    %qp = arith.divui %row, %gv : !rowi
    %head = arith.remui %row, %gv : !rowi
    %q = attn.load %Q[%b, %h0, 0, 0] rows(%N) list(%head, %qp : !rowi, !rowi)
        scale 0.18033688011112042 : !mem -> !tile
    %tiles = attn.visit boundary(%c0 to %nany)
    %nf, %na = attn.count %tiles

    %g:3 = scf.for %n = %nf to %na step %c1
        iter_args(%m = %low, %l = %zero, %o = %zacc) -> (!rows, !rows, !tile) {
      %j = attn.at %tiles[%n]
      %k0 = affine.apply affine_map<(j) -> (j * 64)>(%j)
      // Masks see logical positions; pages enter the loads only.
      %kp = attn.iota %k0 : !keyi
      %number = arith.divui %kp, %size : !keyi
      %inPage = arith.remui %kp, %size : !keyi
      %page = attn.load %table[%b, 0] rows(%pages) list(%number : !keyi) : memref<?x?xi32> -> !keyi
      %start = arith.muli %page, %size : !keyi
      %slot = arith.addi %start, %inPage : !keyi
      %exists = arith.cmpi slt, %kp, %mv : !keyi
      %at = arith.select %exists, %slot, %none : tensor<64xi1>, !keyi
      %k = attn.load %K[%hkv, 0, 0] rows(%slots) list(%at : !keyi) : !cache -> tensor<64x64xf32>
      %v = attn.load %V[%hkv, 0, 0] rows(%slots) list(%at : !keyi) : !cache -> tensor<64x64xf32>
      %s:3 = attn.strips 16 of(%q, %qp) carry(%m, %l, %o) {
      ^bb0(%qs: tensor<16x64xf32>, %qps: tensor<16xi32>, %ms: tensor<16xf32>, %ls: tensor<16xf32>,
           %os: tensor<16x64xf32>):
        %x = attn.contract %qs, %k t : tensor<16x64xf32>, tensor<64x64xf32> -> tensor<16x64xf32>
        %y, %mx = attn.map %x rows(%qps) cols(%kp) reduce max per row {
        ^bb0(%e: f32, %qi: i32, %ki: i32):
          %pos = arith.addi %qi, %off : i32
          %causal = arith.cmpi sle, %ki, %pos : i32
          %in = arith.cmpi slt, %ki, %m32 : i32
          %keep = arith.andi %causal, %in : i1
          %z = arith.select %keep, %e, %ninf : f32
          attn.yield %z : f32
        } : (tensor<16x64xf32>, tensor<16xi32>, tensor<64xi32>)
            -> (tensor<16x64xf32>, tensor<16xf32>)
        %mn = arith.maximumf %ms, %mx : tensor<16xf32>
        %d = arith.subf %ms, %mn : tensor<16xf32>
        %al = math.exp2 %d : tensor<16xf32>
        %p, %ps = attn.map %y rows(%mn) reduce add per row {
        ^bb0(%e: f32, %mr: f32):
          %z = arith.subf %e, %mr : f32
          %w = math.exp2 %z : f32
          attn.yield %w : f32
        } : (tensor<16x64xf32>, tensor<16xf32>) -> (tensor<16x64xf32>, tensor<16xf32>)
        %la = arith.mulf %ls, %al : tensor<16xf32>
        %ln = arith.addf %la, %ps : tensor<16xf32>
        %on = attn.contract %p, %v into %os * %al
            : tensor<16x64xf32>, tensor<64x64xf32> -> tensor<16x64xf32>
        attn.yield %mn, %ln, %on : tensor<16xf32>, tensor<16xf32>, tensor<16x64xf32>
      } : (!tile, !rowi, !rows, !rows, !tile) -> (!rows, !rows, !tile)
      scf.yield %s#0, %s#1, %s#2 : !rows, !rows, !tile
    }
    %out = attn.map %g#2 rows(%g#1) {
    ^bb0(%e: f32, %l: f32):
      %w = arith.divf %e, %l : f32
      attn.yield %w : f32
    } : (!tile, !rows) -> !tile
    attn.store %out, %O[%b, %h0, 0, 0] rows(%N) list(%head, %qp : !rowi, !rowi) : !tile, !mem
  }
  return
}
