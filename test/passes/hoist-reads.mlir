// RUN: heddle-opt %s --attn-hoist-reads | FileCheck %s

!tile = tensor<96x64xf32>
!strip = tensor<24x64xf32>

// Full tiles. Each read goes where what it mentions is known: the scalar and the row out of the loop,
// the column and the tile into it, rows through the strips. Limits are those of the other loads and
// stores at these positions. f16 is widened by the load. A computed subscript and a diagonal stay.
//
// CHECK-LABEL: func.func @all_kinds(
//  CHECK-SAME:     %[[DOC:[^:]*]]: memref<?x?xi32>, %[[BIAS:[^:]*]]: memref<?x?x?xf16>, %[[SLOPE:[^:]*]]: memref<?xf32>, %[[ANY:[^:]*]]: memref<?x?xf32>
//  CHECK-SAME:     %[[N:[^:]*]]: index, %[[M:[^:]*]]: index
//       CHECK:   scf.forall (%[[B:.*]], %{{.*}}) in
//       CHECK:     %[[Q0:.*]] = affine.apply
//       CHECK:     %[[ROW:.*]] = attn.load %[[DOC]][%[[B]], %[[Q0]]] rows(%[[N]]) : {{.*}} -> tensor<96xi32>
//       CHECK:     %[[S:.*]] = memref.load %[[SLOPE]][%[[B]]]
//       CHECK:     scf.for
//       CHECK:       %[[K0:.*]] = affine.apply
//       CHECK:       %[[COL:.*]] = attn.load %[[DOC]][%[[B]], %[[K0]]] rows(%[[M]]) : {{.*}} -> tensor<64xi32>
//       CHECK:       %[[T:.*]] = attn.load %[[BIAS]][%[[B]], %[[Q0]], %[[K0]]] rows(%[[N]]) : {{.*}} -> tensor<96x64xf32>
//       CHECK:       attn.strips 24 of(%{{.*}}, %{{.*}}, %[[ROW]], %[[T]]) carry
//       CHECK:       ^bb0(%{{.*}}, %{{.*}}, %[[ROWS:.*]]: tensor<24xi32>, %[[TS:.*]]: tensor<24x64xf32>, %{{.*}}):
//       CHECK:         attn.map %{{.*}}, %[[TS]] rows(%{{.*}}, %[[ROWS]]) cols(%{{.*}}, %[[COL]])
//   CHECK-NOT:           extf
//       CHECK:           arith.cmpi eq
//       CHECK:           memref.load %[[ANY]][%[[B]], %{{.*}}]
//       CHECK:           memref.load %[[ANY]][%[[X:.*]], %[[X]]]
//   CHECK-NOT:           memref.load
//       CHECK:           arith.addf %{{.*}}, %[[S]]
func.func @all_kinds(%doc: memref<?x?xi32>, %bias: memref<?x?x?xf16>, %slope: memref<?xf32>,
                     %any: memref<?x?xf32>, %K: memref<?x64xf32>, %out: memref<?xf32>, %x: !tile,
                     %N: index, %M: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %f0 = arith.constant 0.0 : f32
  %init = arith.constant dense<0.0> : tensor<96xf32>
  scf.forall (%b, %i) in (%N, %N) {
    %q0 = affine.apply affine_map<(d) -> (d * 96)>(%i)
    %qp = attn.iota %q0 : tensor<96xi32>
    %tiles = attn.visit full(%c0 to %i) boundary(%i to %M)
    %nf, %na = attn.count %tiles
    %r = scf.for %n = %c0 to %nf step %c1 iter_args(%m = %init) -> (tensor<96xf32>) {
      %j = attn.at %tiles[%n]
      %k0 = affine.apply affine_map<(d) -> (d * 64)>(%j)
      %kp = attn.iota %k0 : tensor<64xi32>
      %keys = attn.load %K[%k0, 0] rows(%M) : memref<?x64xf32> -> tensor<64x64xf32>
      %s = attn.strips 24 of(%x, %qp) carry(%m) {
      ^bb0(%xs: !strip, %qps: tensor<24xi32>, %ms: tensor<24xf32>):
        %p = attn.contract %xs, %keys t : !strip, tensor<64x64xf32> -> !strip
        %y, %mx = attn.map %p rows(%qps) cols(%kp) reduce max per row {
        ^bb0(%e: f32, %qi: i32, %ki: i32):
          %q = arith.index_cast %qi : i32 to index
          %k = arith.index_cast %ki : i32 to index
          %dq = memref.load %doc[%b, %q] : memref<?x?xi32>
          %dk = memref.load %doc[%b, %k] : memref<?x?xi32>
          %same = arith.cmpi eq, %dq, %dk : i32
          %sl = memref.load %slope[%b] : memref<?xf32>
          %bi = memref.load %bias[%b, %q, %k] : memref<?x?x?xf16>
          %bf = arith.extf %bi : f16 to f32
          %d = arith.subi %ki, %qi : i32
          %dx = arith.index_cast %d : i32 to index
          %st = memref.load %any[%b, %dx] : memref<?x?xf32>
          %diag = memref.load %any[%q, %q] : memref<?x?xf32>
          %z0 = arith.addf %e, %sl : f32
          %z1 = arith.addf %z0, %bf : f32
          %z2 = arith.addf %z1, %st : f32
          %z3 = arith.addf %z2, %diag : f32
          %z = arith.select %same, %z3, %f0 : f32
          attn.yield %z : f32
        } : (!strip, tensor<24xi32>, tensor<64xi32>) -> (!strip, tensor<24xf32>)
        attn.yield %mx : tensor<24xf32>
      } : (!tile, tensor<96xi32>, tensor<96xf32>) -> tensor<96xf32>
      scf.yield %s : tensor<96xf32>
    }
    attn.store %r, %out[%q0] rows(%N) : tensor<96xf32>, memref<?xf32>
  }
  return
}

// Boundary tiles: columns go beyond the last key, and a load has no limit for columns. The read stays,
// and neither position goes beyond the last. What is read by key alone is a load all the same, its axis
// turned to the end.
//
// CHECK-LABEL: func.func @boundary(
//  CHECK-SAME:     %[[BIAS:[^:]*]]: memref<?x?xf32>, %[[KB:[^:]*]]: memref<?x?xf32>, %{{.*}}, %[[N:[^:]*]]: index, %[[M:[^:]*]]: index)
//       CHECK:   %[[TURNED:.*]] = memref.transpose %[[KB]] (d0, d1) -> (d1, d0)
//   CHECK-DAG:   %[[LASTQ:.*]] = arith.subi %[[N]], %{{.*}}
//   CHECK-DAG:   %[[LASTK:.*]] = arith.subi %[[M]], %{{.*}}
//       CHECK:   scf.for
//       CHECK:     attn.load %[[TURNED]][1, %{{[^]]*}}] rows(%[[M]]) : {{.*}} -> tensor<64xf32>
//       CHECK:     attn.map
//       CHECK:       %[[Q:.*]] = arith.minsi %{{.*}}, %[[LASTQ]]
//       CHECK:       %[[K:.*]] = arith.minsi %{{.*}}, %[[LASTK]]
//       CHECK:       memref.load %[[BIAS]][%[[Q]], %[[K]]]
func.func @boundary(%bias: memref<?x?xf32>, %kb: memref<?x?xf32>, %K: memref<?x64xf32>, %out: memref<?x64xf32>,
                    %x: !tile, %q0: index, %N: index, %M: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %qp = attn.iota %q0 : tensor<96xi32>
  %tiles = attn.visit boundary(%c0 to %M)
  %nf, %na = attn.count %tiles
  %r = scf.for %n = %c0 to %na step %c1 iter_args(%o = %x) -> (!tile) {
    %j = attn.at %tiles[%n]
    %k0 = affine.apply affine_map<(d) -> (d * 64)>(%j)
    %kp = attn.iota %k0 : tensor<64xi32>
    %keys = attn.load %K[%k0, 0] rows(%M) : memref<?x64xf32> -> tensor<64x64xf32>
    %z = attn.map %o rows(%qp) cols(%kp) {
    ^bb0(%e: f32, %qi: i32, %ki: i32):
      %q = arith.index_cast %qi : i32 to index
      %k = arith.index_cast %ki : i32 to index
      %a = memref.load %bias[%q, %k] : memref<?x?xf32>
      %b = memref.load %kb[%k, %c1] : memref<?x?xf32>
      %s = arith.addf %a, %b : f32
      %t = arith.addf %s, %e : f32
      attn.yield %t : f32
    } : (!tile, tensor<96xi32>, tensor<64xi32>) -> !tile
    %w = attn.contract %x, %keys t into %z : !tile, tensor<64x64xf32> -> !tile
    scf.yield %w : !tile
  }
  attn.store %r, %out[%q0, 0] rows(%N) : !tile, memref<?x64xf32>
  return
}

// Two maps read the same row: one load. Positions that only the read needed go.
//
// CHECK-LABEL: func.func @once(
//       CHECK:   %[[ROW:.*]] = attn.load
//   CHECK-NOT:   attn.load
//       CHECK:   attn.map %{{.*}} rows(%[[ROW]]) {
//       CHECK:   attn.map %{{.*}} rows(%[[ROW]]) {
//   CHECK-NOT:   memref.load
func.func @once(%slope: memref<?xf32>, %x: !tile, %q0: index) -> !tile {
  %qp = attn.iota %q0 : tensor<96xi32>
  %y = attn.map %x rows(%qp) {
  ^bb0(%e: f32, %qi: i32):
    %q = arith.index_cast %qi : i32 to index
    %s = memref.load %slope[%q] : memref<?xf32>
    %z = arith.mulf %e, %s : f32
    attn.yield %z : f32
  } : (!tile, tensor<96xi32>) -> !tile
  %w = attn.map %y rows(%qp) {
  ^bb0(%e: f32, %qi: i32):
    %q = arith.index_cast %qi : i32 to index
    %s = memref.load %slope[%q] : memref<?xf32>
    %z = arith.addf %e, %s : f32
    attn.yield %z : f32
  } : (!tile, tensor<96xi32>) -> !tile
  return %w : !tile
}
