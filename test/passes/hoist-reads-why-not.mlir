// RUN: heddle-opt %s --attn-hoist-reads | FileCheck %s

!tile = tensor<96x64xf32>

// Positions that come from memory may be anything: a load by list would read zero where the read does
// something else.
//
// CHECK-LABEL: func.func @loaded_positions(
//       CHECK:   attn.map
//       CHECK:     memref.load
func.func @loaded_positions(%slope: memref<?xf32>, %at: memref<?xi32>, %x: !tile, %n: index) -> !tile {
  %c0 = arith.constant 0 : index
  %qp = attn.load %at[%c0] rows(%n) : memref<?xi32> -> tensor<96xi32>
  %y = attn.map %x rows(%qp) {
  ^bb0(%e: f32, %qi: i32):
    %q = arith.index_cast %qi : i32 to index
    %s = memref.load %slope[%q] : memref<?xf32>
    %z = arith.mulf %e, %s : f32
    attn.yield %z : f32
  } : (!tile, tensor<96xi32>) -> !tile
  return %y : !tile
}

// A loop to the number of all tiles, or over the full tiles of another visit, is not one over full tiles.
//
// CHECK-LABEL: func.func @not_full(
//       CHECK:   scf.for
//       CHECK:     memref.load
//       CHECK:   scf.for
//       CHECK:     memref.load
func.func @not_full(%bias: memref<?x?xf32>, %x: !tile, %q0: index, %M: index) -> !tile {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %qp = attn.iota %q0 : tensor<96xi32>
  %tiles = attn.visit full(%c0 to %q0) boundary(%q0 to %M)
  %nf, %na = attn.count %tiles
  %others = attn.visit full(%c0 to %M)
  %of, %oa = attn.count %others
  %y = scf.for %n = %c0 to %na step %c1 iter_args(%o = %x) -> (!tile) {
    %j = attn.at %tiles[%n]
    %k0 = affine.apply affine_map<(d) -> (d * 64)>(%j)
    %kp = attn.iota %k0 : tensor<64xi32>
    %z = attn.map %o rows(%qp) cols(%kp) {
    ^bb0(%e: f32, %qi: i32, %ki: i32):
      %q = arith.index_cast %qi : i32 to index
      %k = arith.index_cast %ki : i32 to index
      %a = memref.load %bias[%q, %k] : memref<?x?xf32>
      %t = arith.addf %a, %e : f32
      attn.yield %t : f32
    } : (!tile, tensor<96xi32>, tensor<64xi32>) -> !tile
    scf.yield %z : !tile
  }
  %w = scf.for %n = %c0 to %of step %c1 iter_args(%o = %y) -> (!tile) {
    %j = attn.at %tiles[%n]
    %k0 = affine.apply affine_map<(d) -> (d * 64)>(%j)
    %kp = attn.iota %k0 : tensor<64xi32>
    %z = attn.map %o rows(%qp) cols(%kp) {
    ^bb0(%e: f32, %qi: i32, %ki: i32):
      %q = arith.index_cast %qi : i32 to index
      %k = arith.index_cast %ki : i32 to index
      %a = memref.load %bias[%q, %k] : memref<?x?xf32>
      %t = arith.addf %a, %e : f32
      attn.yield %t : f32
    } : (!tile, tensor<96xi32>, tensor<64xi32>) -> !tile
    scf.yield %z : !tile
  }
  return %w : !tile
}
