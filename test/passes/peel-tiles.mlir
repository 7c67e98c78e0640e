// RUN: heddle-opt %s --attn-peel-tiles | FileCheck %s

!tile = tensor<96x64xf32>
!keys = tensor<64x64xf32>
!rows = tensor<96xf32>

// Two loops, the second from where the first ends, with its values. The first has no branch, no mask,
// no positions, no read of the mask; the second has the branch's other side in its place.
//
// CHECK-LABEL: func.func @attend(
//       CHECK:   %[[FULL:.*]], %[[ALL:.*]] = attn.count
//       CHECK:   %[[R:.*]]:2 = scf.for {{.*}} = %{{.*}} to %[[FULL]] step
//   CHECK-NOT:     iota
//   CHECK-NOT:     scf.if
//       CHECK:     attn.strips 24 of(%{{[^,]*}}) carry
//       CHECK:       attn.map %{{[^,]*}} reduce max per row
//  CHECK-NEXT:       ^bb0(%[[E:.*]]: f32):
//  CHECK-NEXT:         attn.yield %[[E]]
//       CHECK:   scf.for {{.*}} = %[[FULL]] to %[[ALL]] step {{.*}}(%{{.*}} = %[[R]]#0, %{{.*}} = %[[R]]#1)
//   CHECK-NOT:     scf.if
//       CHECK:     attn.map rows(%{{.*}}) cols(%{{.*}}) reduce max per col
//       CHECK:     attn.map %{{.*}} rows(%{{.*}}) {
//       CHECK:     attn.strips 24 of(%{{.*}}, %{{.*}}) carry
//       CHECK:       attn.map %{{.*}} rows(%{{.*}}) cols(%{{.*}}) reduce max per row
//       CHECK:         %[[KEEP:.*]] = arith.cmpi sle
//  CHECK-NEXT:         arith.select %[[KEEP]]
func.func @attend(%V: memref<?x64xf32>, %q: !tile, %q0: index, %M: index, %nv: index, %m0: !rows, %o0: !tile) -> !tile {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %f0 = arith.constant 0.0 : f32
  %f1 = arith.constant 1.0 : f32
  %ninf = arith.constant 0xFF800000 : f32
  %qp = attn.iota %q0 : tensor<96xi32>
  %tiles = attn.visit full(%c0 to %nv) boundary(%nv to %M)
  %nf, %na = attn.count %tiles
  %r:2 = scf.for %n = %c0 to %na step %c1 iter_args(%m = %m0, %o = %o0) -> (!rows, !tile) {
    %full = arith.cmpi ult, %n, %nf : index
    %j = attn.at %tiles[%n]
    %k0 = affine.apply affine_map<(d) -> (d * 64)>(%j)
    %kp = attn.iota %k0 : tensor<64xi32>
    %v = attn.load %V[%k0, 0] rows(%M) : memref<?x64xf32> -> !keys
    %vk = scf.if %full -> (!keys) {
      scf.yield %v : !keys
    } else {
      %keeps, %kept = attn.map rows(%qp) cols(%kp) reduce max per col {
      ^bb0(%qi: i32, %ki: i32):
        %causal = arith.cmpi sle, %ki, %qi : i32
        %w = arith.select %causal, %f1, %f0 : f32
        attn.yield %w : f32
      } : (tensor<96xi32>, tensor<64xi32>) -> (!tile, tensor<64xf32>)
      %z = attn.map %v rows(%kept) {
      ^bb0(%e: f32, %w: f32):
        %some = arith.cmpf ogt, %w, %f0 : f32
        %zz = arith.select %some, %e, %f0 : f32
        attn.yield %zz : f32
      } : (!keys, tensor<64xf32>) -> !keys
      scf.yield %z : !keys
    }
    %s:2 = attn.strips 24 of(%q, %qp) carry(%m, %o) {
    ^bb0(%qs: tensor<24x64xf32>, %qps: tensor<24xi32>, %ms: tensor<24xf32>, %os: tensor<24x64xf32>):
      %y, %mx = attn.map %qs rows(%qps) cols(%kp) reduce max per row {
      ^bb0(%e: f32, %qi: i32, %ki: i32):
        %keep = arith.cmpi sle, %ki, %qi : i32
        %ok = arith.ori %full, %keep : i1
        %z = arith.select %ok, %e, %ninf : f32
        attn.yield %z : f32
      } : (tensor<24x64xf32>, tensor<24xi32>, tensor<64xi32>) -> (tensor<24x64xf32>, tensor<24xf32>)
      %on = attn.contract %y, %vk into %os : tensor<24x64xf32>, !keys -> tensor<24x64xf32>
      attn.yield %mx, %on : tensor<24xf32>, tensor<24x64xf32>
    } : (!tile, tensor<96xi32>, !rows, !tile) -> (!rows, !tile)
    scf.yield %s#0, %s#1 : !rows, !tile
  }
  return %r#1 : !tile
}

// Chunks of a recurrence: how many are full is no count of a visit, so that it is cut to the loop's end.
// A map that changes nothing goes.
//
// CHECK-LABEL: func.func @recur(
//  CHECK-SAME:     %[[FULL:[^:]*]]: index, %[[ALL:[^:]*]]: index
//       CHECK:   %[[END:.*]] = arith.minsi %[[FULL]], %[[ALL]]
//       CHECK:   scf.for {{.*}} to %[[END]] step
//   CHECK-NOT:     attn.map
//       CHECK:   scf.for {{.*}} = %[[END]] to %[[ALL]] step
//       CHECK:     ^bb0(%{{.*}}: f32, %[[T:.*]]: i32):
//  CHECK-NEXT:       %[[IN:.*]] = arith.cmpi slt, %[[T]]
//  CHECK-NEXT:       arith.select %[[IN]]
func.func @recur(%nf: index, %na: index, %n32: i32, %k: !keys, %s0: !keys) -> !keys {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %f0 = arith.constant 0.0 : f32
  %s1 = scf.for %c = %c0 to %na step %c1 iter_args(%s = %s0) -> (!keys) {
    %full = arith.cmpi ult, %c, %nf : index
    %t0 = affine.apply affine_map<(d) -> (d * 64)>(%c)
    %tp = attn.iota %t0 : tensor<64xi32>
    %ks = attn.map %k rows(%tp) {
    ^bb0(%e: f32, %t: i32):
      %in = arith.cmpi slt, %t, %n32 : i32
      %ok = arith.ori %full, %in : i1
      %both = arith.ori %ok, %full : i1
      %z = arith.select %both, %e, %f0 : f32
      attn.yield %z : f32
    } : (!keys, tensor<64xi32>) -> !keys
    %sum = attn.contract %ks t, %ks into %s : !keys, !keys -> !keys
    scf.yield %sum : !keys
  }
  return %s1 : !keys
}

// A visit without full tiles has one loop, the boundary one.
//
// CHECK-LABEL: func.func @no_full_tiles(
//       CHECK:   %{{.*}}, %[[ALL:.*]] = attn.count
//  CHECK-NEXT:   scf.for {{.*}} to %[[ALL]] step
//   CHECK-NOT:   arith.cmpi ult
//       CHECK:     arith.select
//   CHECK-NOT:   scf.for
//       CHECK:   return
func.func @no_full_tiles(%na: index, %keep: i1, %x: !rows, %y: !rows) -> !rows {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %tiles = attn.visit boundary(%c0 to %na)
  %nf, %all = attn.count %tiles
  %r = scf.for %n = %c0 to %all step %c1 iter_args(%m = %x) -> (!rows) {
    %full = arith.cmpi ult, %n, %nf : index
    %ok = arith.ori %full, %keep : i1
    %z = arith.select %ok, %m, %y : !rows
    scf.yield %z : !rows
  }
  return %r : !rows
}

// No marker: what the loop itself counts is not known in front of it.
//
// CHECK-LABEL: func.func @bound_changes(
//       CHECK:   scf.for
//       CHECK:     arith.cmpi ult
//   CHECK-NOT:   scf.for
//       CHECK:   return
func.func @bound_changes(%na: index, %x: !rows, %y: !rows) -> !rows {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r:2 = scf.for %n = %c0 to %na step %c1 iter_args(%m = %x, %nf = %na) -> (!rows, index) {
    %full = arith.cmpi ult, %n, %nf : index
    %z = arith.select %full, %m, %y : !rows
    %less = arith.subi %nf, %c1 : index
    scf.yield %z, %less : !rows, index
  }
  return %r#0 : !rows
}
