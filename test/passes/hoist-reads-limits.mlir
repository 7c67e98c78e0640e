// RUN: heddle-opt %s --attn-hoist-reads | FileCheck %s

!tile = tensor<96x64xf32>

// Where a load ends is what another load says of the tiles of the same visit, here in another loop.
//
// CHECK-LABEL: func.func @same_visit(
//  CHECK-SAME:     %[[BIAS:[^:]*]]: memref<?xf32>, {{.*}} %[[M:[^:]*]]: index)
//       CHECK:   scf.for
//       CHECK:   scf.for
//       CHECK:     attn.load %[[BIAS]][%{{.*}}] rows(%[[M]])
//   CHECK-NOT:   memref.dim
func.func @same_visit(%bias: memref<?xf32>, %K: memref<?x64xf32>, %x: !tile, %q0: index, %M: index) -> !tile {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %tiles = attn.visit full(%c0 to %q0) boundary(%q0 to %M)
  %nf, %na = attn.count %tiles
  %y = scf.for %n = %c0 to %nf step %c1 iter_args(%o = %x) -> (!tile) {
    %j = attn.at %tiles[%n]
    %k0 = affine.apply affine_map<(d) -> (d * 64)>(%j)
    %keys = attn.load %K[%k0, 0] rows(%M) : memref<?x64xf32> -> tensor<64x64xf32>
    %w = attn.contract %o, %keys t : !tile, tensor<64x64xf32> -> !tile
    scf.yield %w : !tile
  }
  %z = scf.for %n = %nf to %na step %c1 iter_args(%o = %y) -> (!tile) {
    %j = attn.at %tiles[%n]
    %k0 = affine.apply affine_map<(d) -> (d * 64)>(%j)
    %kp = attn.iota %k0 : tensor<64xi32>
    %w = attn.map %o cols(%kp) {
    ^bb0(%e: f32, %ki: i32):
      %k = arith.index_cast %ki : i32 to index
      %a = memref.load %bias[%k] : memref<?xf32>
      %t = arith.addf %a, %e : f32
      attn.yield %t : f32
    } : (!tile, tensor<64xi32>) -> !tile
    scf.yield %w : !tile
  }
  return %z : !tile
}

// Positions from a constant on are as many as there are; nothing else says a limit: the axis does.
//
// CHECK-LABEL: func.func @other_limits(
//  CHECK-SAME:     %[[A:[^:]*]]: memref<?xf32>
//   CHECK-DAG:   %[[D:.*]] = memref.dim %[[A]]
//   CHECK-DAG:   attn.load %[[A]][%{{.*}}] rows(%[[D]]) : memref<?xf32> -> tensor<96xf32>
//   CHECK-DAG:   %[[C64:.*]] = arith.constant 64 : index
//   CHECK-DAG:   attn.load %[[A]][0] rows(%[[C64]]) : memref<?xf32> -> tensor<64xf32>
func.func @other_limits(%a: memref<?xf32>, %x: !tile, %q0: index) -> !tile {
  %c0 = arith.constant 0 : index
  %qp = attn.iota %q0 : tensor<96xi32>
  %dp = attn.iota %c0 : tensor<64xi32>
  %w = attn.map %x rows(%qp) cols(%dp) {
  ^bb0(%e: f32, %qi: i32, %di: i32):
    %q = arith.index_cast %qi : i32 to index
    %d = arith.index_cast %di : i32 to index
    %r = memref.load %a[%q] : memref<?xf32>
    %c = memref.load %a[%d] : memref<?xf32>
    %s = arith.addf %r, %c : f32
    %t = arith.addf %s, %e : f32
    attn.yield %t : f32
  } : (!tile, tensor<96xi32>, tensor<64xi32>) -> !tile
  return %w : !tile
}

// Keys first: what is wanted side by side does not lie so in memory. It stays, also in full tiles, and
// there the key is in range.
//
// CHECK-LABEL: func.func @keys_first(
//       CHECK:   attn.map
//       CHECK:     arith.index_cast
//       CHECK:     %[[K:.*]] = arith.index_cast
//       CHECK:     memref.load %{{.*}}[%[[K]], %{{.*}}]
func.func @keys_first(%bias: memref<?x?xf32>, %x: !tile, %q0: index, %nf: index) -> !tile {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %qp = attn.iota %q0 : tensor<96xi32>
  %tiles = attn.visit full(%c0 to %nf)
  %full, %all = attn.count %tiles
  %z = scf.for %n = %c0 to %full step %c1 iter_args(%o = %x) -> (!tile) {
    %j = attn.at %tiles[%n]
    %k0 = affine.apply affine_map<(d) -> (d * 64)>(%j)
    %kp = attn.iota %k0 : tensor<64xi32>
    %w = attn.map %o rows(%qp) cols(%kp) {
    ^bb0(%e: f32, %qi: i32, %ki: i32):
      %q = arith.index_cast %qi : i32 to index
      %k = arith.index_cast %ki : i32 to index
      %a = memref.load %bias[%k, %q] : memref<?x?xf32>
      %t = arith.addf %a, %e : f32
      attn.yield %t : f32
    } : (!tile, tensor<96xi32>, tensor<64xi32>) -> !tile
    scf.yield %w : !tile
  }
  return %z : !tile
}
