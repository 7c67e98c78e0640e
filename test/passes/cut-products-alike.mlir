// RUN: heddle-opt %s --attn-cut-products | FileCheck %s
// RUN: heddle-opt %s --attn-cut-products --attn-interpret="args=5x4,16x4,16x6,5,16,5x6,0 against=%s" \
// RUN:   | FileCheck %s --check-prefix=SAME
// RUN: heddle-opt %s --attn-cut-products --attn-interpret="args=5x4,16x4,16x6,5,16,5x6,5 against=%s" \
// RUN:   | FileCheck %s --check-prefix=SAME
// RUN: heddle-opt %s --attn-cut-products --attn-interpret="args=5x4,16x4,16x6,5,16,5x6,5 seed=45 against=%s" \
// RUN:   | FileCheck %s --check-prefix=SAME
// RUN: heddle-opt %s --attn-cut-products --attn-interpret="args=5x4,16x4,16x6,5,16,5x6,3 against=%s" \
// RUN:   | FileCheck %s --check-prefix=SAME
// RUN: heddle-opt %s --attn-cut-products --attn-interpret="args=4x4,11x4,11x6,4,11,4x6,0 against=%s" \
// RUN:   | FileCheck %s --check-prefix=SAME

// Queries with the same number keep the same keys. Before the loop they are compared to the first one, and asked
// what each of them alone decides. The last argument of a run says how many have a number: of the others it is 0.
// With seed 45 the last one is like the first, and those between are not.
//
// CHECK-LABEL: func.func @documents(
//       CHECK:   %[[PLACES:.*]] = attn.iota %{{.*}} : tensor<5xi32>
//       CHECK:   %[[DOCS:.*]] = attn.load %[[A:.*]][0] rows(%[[L:.*]]) : memref<?xi32> -> tensor<5xi32>
//       CHECK:   %[[PLACE:.*]] = attn.iota %{{.*}} : tensor<1xi32>
//       CHECK:   %[[DOC:.*]] = attn.load %[[A]][0] rows(%[[L]]) : memref<?xi32> -> tensor<1xi32>
//       CHECK:   %{{.*}}, %[[LIKE:.*]] = attn.map rows(%[[DOC]]) cols(%[[PLACES]], %[[DOCS]]) reduce max per col {
//  CHECK-NEXT:   ^bb0(%[[ONE:.*]]: i32, %[[I:.*]]: i32, %[[D:.*]]: i32):
//   CHECK-DAG:     %[[EQUAL:.*]] = arith.cmpi eq, %[[D]], %[[ONE]] : i32
//   CHECK-DAG:     %[[IN:.*]] = arith.cmpi slt, %[[I]], %{{.*}} : i32
//       CHECK:     arith.andi %[[EQUAL]], %[[IN]] : i1
//       CHECK:   %[[LO:.*]], %[[HI:.*]], %[[DENSE:.*]] = attn.span %[[LIKE]] : tensor<5xf32>
//       CHECK:   %[[LENGTH:.*]] = arith.subi %[[HI]], %[[LO]] : index
//       CHECK:   %[[ALL:.*]] = arith.cmpi eq, %[[LENGTH]], %{{.*}} : index
//       CHECK:   %[[ALIKE:.*]] = arith.andi %[[DENSE]], %[[ALL]] : i1
//       CHECK:   scf.for
//       CHECK:     %[[WHICH:.*]]:2 = scf.if %[[ALIKE]] -> (tensor<8xf32>, tensor<5xf32>) {
//       CHECK:       %{{.*}}, %[[FIRST:.*]] = attn.map rows(%[[PLACE]], %[[DOC]]) cols({{.*}}) reduce max per col {
//       CHECK:       } : (tensor<1xi32>, tensor<1xi32>, tensor<8xi32>, tensor<8xi32>) -> (tensor<1x8xf32>, tensor<8xf32>)
//       CHECK:       scf.yield %[[FIRST]], %{{.*}} : tensor<8xf32>, tensor<5xf32>
//       CHECK:     } else {
//       CHECK:       %{{.*}}, %[[KEPT:.*]] = attn.map rows(%[[PLACES]], %[[DOCS]])
//       CHECK:       %{{.*}}, %[[LIVE:.*]] = attn.map rows(%{{.*}}) cols(%[[DOCS]])
//       CHECK:       scf.yield %[[KEPT]], %[[LIVE]] : tensor<8xf32>, tensor<5xf32>
//       CHECK:     attn.span %[[WHICH]]#0 : tensor<8xf32>
//       CHECK:     attn.strips 5 of(%{{.*}}, %[[PLACES]], %[[DOCS]], %[[WHICH]]#1) carry(
//
// Where places tell queries apart too, each of them is asked.
//
// CHECK-LABEL: func.func @causal_documents(
//   CHECK-NOT:   scf.if
//       CHECK:   scf.for
//       CHECK:     attn.map rows({{.*}}) cols({{.*}}) reduce max per col {
//       CHECK:     attn.contract
//
// Where what was loaded has no part in pairs, no row is asked whether it is live.
//
// CHECK-LABEL: func.func @causal_flags(
//   CHECK-NOT:   live
//       CHECK:   attn.contract %{{.*}}, %{{.*}} t span(%{{.*}} to %{{.*}}) {attn.masked}
//
// SAME: // documents: as in cut-products-alike.mlir
// SAME: // causal_documents: as in cut-products-alike.mlir
// SAME: // causal_flags: as in cut-products-alike.mlir
func.func @documents(%Q: memref<?x4xf32>, %K: memref<?x4xf32>, %V: memref<?x6xf32>, %A: memref<?xi32>,
                     %B: memref<?xi32>, %O: memref<?x6xf32>, %some: index)
    attributes {attn.schedule = #attn.schedule<query = 5, key = 8, strip = 5, chunk = 4, columns = 0, stages = 1,
                form = carried, cpu = <lanes = 4, rows = 8, vectors = 2, exp_degree = 5>>} {
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  %N = memref.dim %Q, %c0 : memref<?x4xf32>
  %M = memref.dim %K, %c0 : memref<?x4xf32>
  %N32 = arith.index_cast %N : index to i32
  %M32 = arith.index_cast %M : index to i32
  %far = arith.constant 3 : i32
  %f0 = arith.constant 0.0 : f32
  %f1 = arith.constant 1.0 : f32
  %low = arith.constant -3.0e38 : f32
  %ninf = arith.constant 0xFF800000 : f32
  %q = attn.load %Q[0, 0] rows(%N) : memref<?x4xf32> -> tensor<5x4xf32>
  %qp = attn.iota %c0 : tensor<5xi32>
  %a = attn.load %A[0] rows(%some) : memref<?xi32> -> tensor<5xi32>
  %zero = tensor.splat %f0 : tensor<5x6xf32>
  %all = scf.for %at = %c0 to %M step %c8 iter_args(%o = %zero) -> (tensor<5x6xf32>) {
    %k = attn.load %K[%at, 0] rows(%M) : memref<?x4xf32> -> tensor<8x4xf32>
    %v = attn.load %V[%at, 0] rows(%M) : memref<?x6xf32> -> tensor<8x6xf32>
    %b = attn.load %B[%at] rows(%M) : memref<?xi32> -> tensor<8xi32>
    %kp = attn.iota %at : tensor<8xi32>
    %none, %kept = attn.map rows(%qp, %a) cols(%kp, %b) reduce max per col {
    ^bb0(%i: i32, %x: i32, %j: i32, %y: i32):
      %near = arith.shrsi %y, %far : i32
      %here = arith.shrsi %x, %far : i32
      %pair = arith.cmpi eq, %here, %near : i32
      %there = arith.cmpi slt, %i, %N32 : i32
      %in = arith.cmpi slt, %j, %M32 : i32
      %both = arith.andi %there, %in : i1
      %keep = arith.andi %pair, %both : i1
      %w = arith.select %keep, %f1, %f0 : f32
      attn.yield %w : f32
    } : (tensor<5xi32>, tensor<5xi32>, tensor<8xi32>, tensor<8xi32>) -> (tensor<5x8xf32>, tensor<8xf32>)
    %vk = attn.map %v rows(%kept) {
    ^bb0(%e: f32, %w: f32):
      %is = arith.cmpf ogt, %w, %f0 : f32
      %z = arith.select %is, %e, %f0 : f32
      attn.yield %z : f32
    } : (tensor<8x6xf32>, tensor<8xf32>) -> tensor<8x6xf32>
    %r = attn.strips 5 of(%q, %qp, %a) carry(%o) {
    ^bb0(%qs: tensor<5x4xf32>, %qps: tensor<5xi32>, %as: tensor<5xi32>, %os: tensor<5x6xf32>):
      %p = attn.contract %qs, %k t {attn.masked} : tensor<5x4xf32>, tensor<8x4xf32> -> tensor<5x8xf32>
      %s, %most = attn.map %p rows(%qps, %as) cols(%kp, %b) reduce max per row {
      ^bb0(%e: f32, %i: i32, %x: i32, %j: i32, %y: i32):
        %near = arith.shrsi %y, %far : i32
        %here = arith.shrsi %x, %far : i32
        %pair = arith.cmpi eq, %here, %near : i32
        %there = arith.cmpi slt, %i, %N32 : i32
        %in = arith.cmpi slt, %j, %M32 : i32
        %both = arith.andi %there, %in : i1
        %keep = arith.andi %pair, %both : i1
        %z = arith.select %keep, %e, %ninf : f32
        attn.yield %z : f32
      } : (tensor<5x8xf32>, tensor<5xi32>, tensor<5xi32>, tensor<8xi32>, tensor<8xi32>) -> (tensor<5x8xf32>, tensor<5xf32>)
      %least = tensor.splat %low : tensor<5xf32>
      %high = arith.maximumf %least, %most : tensor<5xf32>
      %t, %sum = attn.map %s rows(%high) reduce add per row {
      ^bb0(%e: f32, %m: f32):
        %less = arith.subf %e, %m : f32
        %z = math.exp2 %less : f32
        attn.yield %z : f32
      } : (tensor<5x8xf32>, tensor<5xf32>) -> (tensor<5x8xf32>, tensor<5xf32>)
      %on = attn.contract %t, %vk into %os : tensor<5x8xf32>, tensor<8x6xf32> -> tensor<5x6xf32>
      attn.yield %on : tensor<5x6xf32>
    } : (tensor<5x4xf32>, tensor<5xi32>, tensor<5xi32>, tensor<5x6xf32>) -> tensor<5x6xf32>
    scf.yield %r : tensor<5x6xf32>
  }
  attn.store %all, %O[0, 0] rows(%N) : tensor<5x6xf32>, memref<?x6xf32>
  return
}
func.func @causal_documents(%Q: memref<?x4xf32>, %K: memref<?x4xf32>, %V: memref<?x6xf32>, %A: memref<?xi32>,
                     %B: memref<?xi32>, %O: memref<?x6xf32>, %some: index)
    attributes {attn.schedule = #attn.schedule<query = 5, key = 8, strip = 5, chunk = 4, columns = 0, stages = 1,
                form = carried, cpu = <lanes = 4, rows = 8, vectors = 2, exp_degree = 5>>} {
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  %N = memref.dim %Q, %c0 : memref<?x4xf32>
  %M = memref.dim %K, %c0 : memref<?x4xf32>
  %N32 = arith.index_cast %N : index to i32
  %M32 = arith.index_cast %M : index to i32
  %far = arith.constant 3 : i32
  %f0 = arith.constant 0.0 : f32
  %f1 = arith.constant 1.0 : f32
  %low = arith.constant -3.0e38 : f32
  %ninf = arith.constant 0xFF800000 : f32
  %q = attn.load %Q[0, 0] rows(%N) : memref<?x4xf32> -> tensor<5x4xf32>
  %qp = attn.iota %c0 : tensor<5xi32>
  %a = attn.load %A[0] rows(%some) : memref<?xi32> -> tensor<5xi32>
  %zero = tensor.splat %f0 : tensor<5x6xf32>
  %all = scf.for %at = %c0 to %M step %c8 iter_args(%o = %zero) -> (tensor<5x6xf32>) {
    %k = attn.load %K[%at, 0] rows(%M) : memref<?x4xf32> -> tensor<8x4xf32>
    %v = attn.load %V[%at, 0] rows(%M) : memref<?x6xf32> -> tensor<8x6xf32>
    %b = attn.load %B[%at] rows(%M) : memref<?xi32> -> tensor<8xi32>
    %kp = attn.iota %at : tensor<8xi32>
    %none, %kept = attn.map rows(%qp, %a) cols(%kp, %b) reduce max per col {
    ^bb0(%i: i32, %x: i32, %j: i32, %y: i32):
      %near = arith.shrsi %y, %far : i32
      %here = arith.shrsi %x, %far : i32
      %pair = arith.cmpi eq, %here, %near : i32
      %past = arith.cmpi sle, %j, %i : i32
      %in = arith.cmpi slt, %j, %M32 : i32
      %both = arith.andi %past, %in : i1
      %keep = arith.andi %pair, %both : i1
      %w = arith.select %keep, %f1, %f0 : f32
      attn.yield %w : f32
    } : (tensor<5xi32>, tensor<5xi32>, tensor<8xi32>, tensor<8xi32>) -> (tensor<5x8xf32>, tensor<8xf32>)
    %vk = attn.map %v rows(%kept) {
    ^bb0(%e: f32, %w: f32):
      %is = arith.cmpf ogt, %w, %f0 : f32
      %z = arith.select %is, %e, %f0 : f32
      attn.yield %z : f32
    } : (tensor<8x6xf32>, tensor<8xf32>) -> tensor<8x6xf32>
    %r = attn.strips 5 of(%q, %qp, %a) carry(%o) {
    ^bb0(%qs: tensor<5x4xf32>, %qps: tensor<5xi32>, %as: tensor<5xi32>, %os: tensor<5x6xf32>):
      %p = attn.contract %qs, %k t {attn.masked} : tensor<5x4xf32>, tensor<8x4xf32> -> tensor<5x8xf32>
      %s, %most = attn.map %p rows(%qps, %as) cols(%kp, %b) reduce max per row {
      ^bb0(%e: f32, %i: i32, %x: i32, %j: i32, %y: i32):
        %near = arith.shrsi %y, %far : i32
        %here = arith.shrsi %x, %far : i32
        %pair = arith.cmpi eq, %here, %near : i32
        %past = arith.cmpi sle, %j, %i : i32
        %in = arith.cmpi slt, %j, %M32 : i32
        %both = arith.andi %past, %in : i1
        %keep = arith.andi %pair, %both : i1
        %z = arith.select %keep, %e, %ninf : f32
        attn.yield %z : f32
      } : (tensor<5x8xf32>, tensor<5xi32>, tensor<5xi32>, tensor<8xi32>, tensor<8xi32>) -> (tensor<5x8xf32>, tensor<5xf32>)
      %least = tensor.splat %low : tensor<5xf32>
      %high = arith.maximumf %least, %most : tensor<5xf32>
      %t, %sum = attn.map %s rows(%high) reduce add per row {
      ^bb0(%e: f32, %m: f32):
        %less = arith.subf %e, %m : f32
        %z = math.exp2 %less : f32
        attn.yield %z : f32
      } : (tensor<5x8xf32>, tensor<5xf32>) -> (tensor<5x8xf32>, tensor<5xf32>)
      %on = attn.contract %t, %vk into %os : tensor<5x8xf32>, tensor<8x6xf32> -> tensor<5x6xf32>
      attn.yield %on : tensor<5x6xf32>
    } : (tensor<5x4xf32>, tensor<5xi32>, tensor<5xi32>, tensor<5x6xf32>) -> tensor<5x6xf32>
    scf.yield %r : tensor<5x6xf32>
  }
  attn.store %all, %O[0, 0] rows(%N) : tensor<5x6xf32>, memref<?x6xf32>
  return
}

func.func @causal_flags(%Q: memref<?x4xf32>, %K: memref<?x4xf32>, %V: memref<?x6xf32>, %A: memref<?xi32>,
                     %B: memref<?xi32>, %O: memref<?x6xf32>, %some: index)
    attributes {attn.schedule = #attn.schedule<query = 5, key = 8, strip = 5, chunk = 4, columns = 0, stages = 1,
                form = carried, cpu = <lanes = 4, rows = 8, vectors = 2, exp_degree = 5>>} {
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  %N = memref.dim %Q, %c0 : memref<?x4xf32>
  %M = memref.dim %K, %c0 : memref<?x4xf32>
  %N32 = arith.index_cast %N : index to i32
  %M32 = arith.index_cast %M : index to i32
  %far = arith.constant 3 : i32
  %f0 = arith.constant 0.0 : f32
  %f1 = arith.constant 1.0 : f32
  %low = arith.constant -3.0e38 : f32
  %ninf = arith.constant 0xFF800000 : f32
  %q = attn.load %Q[0, 0] rows(%N) : memref<?x4xf32> -> tensor<5x4xf32>
  %qp = attn.iota %c0 : tensor<5xi32>
  %a = attn.load %A[0] rows(%some) : memref<?xi32> -> tensor<5xi32>
  %zero = tensor.splat %f0 : tensor<5x6xf32>
  %all = scf.for %at = %c0 to %M step %c8 iter_args(%o = %zero) -> (tensor<5x6xf32>) {
    %k = attn.load %K[%at, 0] rows(%M) : memref<?x4xf32> -> tensor<8x4xf32>
    %v = attn.load %V[%at, 0] rows(%M) : memref<?x6xf32> -> tensor<8x6xf32>
    %b = attn.load %B[%at] rows(%M) : memref<?xi32> -> tensor<8xi32>
    %kp = attn.iota %at : tensor<8xi32>
    %none, %kept = attn.map rows(%qp, %a) cols(%kp) reduce max per col {
    ^bb0(%i: i32, %x: i32, %j: i32):
      %pair = arith.cmpi sgt, %x, %far : i32
      %past = arith.cmpi sle, %j, %i : i32
      %in = arith.cmpi slt, %j, %M32 : i32
      %both = arith.andi %past, %in : i1
      %keep = arith.andi %pair, %both : i1
      %w = arith.select %keep, %f1, %f0 : f32
      attn.yield %w : f32
    } : (tensor<5xi32>, tensor<5xi32>, tensor<8xi32>) -> (tensor<5x8xf32>, tensor<8xf32>)
    %vk = attn.map %v rows(%kept) {
    ^bb0(%e: f32, %w: f32):
      %is = arith.cmpf ogt, %w, %f0 : f32
      %z = arith.select %is, %e, %f0 : f32
      attn.yield %z : f32
    } : (tensor<8x6xf32>, tensor<8xf32>) -> tensor<8x6xf32>
    %r = attn.strips 5 of(%q, %qp, %a) carry(%o) {
    ^bb0(%qs: tensor<5x4xf32>, %qps: tensor<5xi32>, %as: tensor<5xi32>, %os: tensor<5x6xf32>):
      %p = attn.contract %qs, %k t {attn.masked} : tensor<5x4xf32>, tensor<8x4xf32> -> tensor<5x8xf32>
      %s, %most = attn.map %p rows(%qps, %as) cols(%kp) reduce max per row {
      ^bb0(%e: f32, %i: i32, %x: i32, %j: i32):
        %pair = arith.cmpi sgt, %x, %far : i32
        %past = arith.cmpi sle, %j, %i : i32
        %in = arith.cmpi slt, %j, %M32 : i32
        %both = arith.andi %past, %in : i1
        %keep = arith.andi %pair, %both : i1
        %z = arith.select %keep, %e, %ninf : f32
        attn.yield %z : f32
      } : (tensor<5x8xf32>, tensor<5xi32>, tensor<5xi32>, tensor<8xi32>) -> (tensor<5x8xf32>, tensor<5xf32>)
      %least = tensor.splat %low : tensor<5xf32>
      %high = arith.maximumf %least, %most : tensor<5xf32>
      %t, %sum = attn.map %s rows(%high) reduce add per row {
      ^bb0(%e: f32, %m: f32):
        %less = arith.subf %e, %m : f32
        %z = math.exp2 %less : f32
        attn.yield %z : f32
      } : (tensor<5x8xf32>, tensor<5xf32>) -> (tensor<5x8xf32>, tensor<5xf32>)
      %on = attn.contract %t, %vk into %os : tensor<5x8xf32>, tensor<8x6xf32> -> tensor<5x6xf32>
      attn.yield %on : tensor<5x6xf32>
    } : (tensor<5x4xf32>, tensor<5xi32>, tensor<5xi32>, tensor<5x6xf32>) -> tensor<5x6xf32>
    scf.yield %r : tensor<5x6xf32>
  }
  attn.store %all, %O[0, 0] rows(%N) : tensor<5x6xf32>, memref<?x6xf32>
  return
}
