// RUN: heddle-opt %s --attn-cut-products | FileCheck %s
// RUN: heddle-opt %s --attn-cut-products --attn-interpret="args=5x4,8x4,8x6,5,8,5x6,0 against=%s" \
// RUN:   | FileCheck %s --check-prefix=SAME
// RUN: heddle-opt %s --attn-cut-products --attn-interpret="args=5x4,8x4,8x6,5,8,5x6,0.9 against=%s" \
// RUN:   | FileCheck %s --check-prefix=SAME
// RUN: heddle-opt %s --attn-cut-products --attn-interpret="args=5x4,8x4,8x6,5,8,5x6,9 against=%s" \
// RUN:   | FileCheck %s --check-prefix=SAME
// RUN: heddle-opt %s --attn-cut-products --attn-interpret="args=5x4,8x4,8x6,5,8,5x6,-9 against=%s" \
// RUN:   | FileCheck %s --check-prefix=SAME

// Queries and keys are told apart by what was loaded: queries that keep no key of the tile are left out, and are
// no number to the interpreter. What the tile's ends decide has no part in that. Maps of columns that the product
// over them does not look at say so.
//
// CHECK-LABEL: func.func @told_apart(
//       CHECK:   %{{.*}}, %[[KEPT:.*]] = attn.map rows(%{{.*}}) cols(%{{.*}}) reduce max per col {
//       CHECK:   %{{.*}}, %[[LIVE:.*]] = attn.map rows(%{{.*}}) cols(%{{.*}}) reduce max per col {
//  CHECK-NEXT:   ^bb0(%[[KEY:.*]]: f32, %[[QUERY:.*]]: f32):
//  CHECK-NEXT:     %[[NEAR:.*]] = arith.addf %[[KEY]], %{{.*}} : f32
//  CHECK-NEXT:     %[[KEEP:.*]] = arith.cmpf ogt, %[[QUERY]], %[[NEAR]] : f32
//       CHECK:     %[[W:.*]] = arith.select %[[KEEP]], %{{.*}}, %{{.*}} : f32
//  CHECK-NEXT:     attn.yield %[[W]] : f32
//  CHECK-NEXT:   } : (tensor<8xf32>, tensor<5xf32>) -> (tensor<8x5xf32>, tensor<5xf32>)
//       CHECK:   %[[LO:.*]], %[[HI:.*]], %[[DENSE:.*]] = attn.span %[[KEPT]]
//       CHECK:   attn.strips 5 of(%{{.*}}, %{{.*}}, %[[LIVE]]) carry(
//  CHECK-NEXT:   ^bb0(%{{.*}}: tensor<5x4xf32>, %{{.*}}: tensor<5xf32>, %[[L:.*]]: tensor<5xf32>,
//       CHECK:     attn.contract %{{.*}}, %{{.*}} t span(%[[LO]] to %[[HI]]) live %[[L]] {attn.masked}
//       CHECK:     attn.map %{{.*}} rows(%{{.*}}) cols(%{{.*}}) reduce max per row attributes {attn.masked}
//       CHECK:     attn.map %{{.*}} rows(%{{.*}}) reduce add per row attributes {attn.masked}
//       CHECK:     attn.contract %{{.*}}, %{{.*}} span(%[[LO]] to %[[HI]]) live %[[L]] into
//
// One register has nothing to leave out, and a product of its own may look at all columns.
//
// CHECK-LABEL: func.func @one_register(
//   CHECK-NOT:   live
//       CHECK:   attn.map %{{.*}} rows(%{{.*}}) cols(%{{.*}}) reduce max per row {
//       CHECK:   attn.contract %{{.*}}, %{{.*}} span(
//
// SAME: // told_apart: as in cut-products-rows.mlir
// SAME: // one_register: as in cut-products-rows.mlir
func.func @told_apart(%Q: memref<?x4xf32>, %K: memref<?x4xf32>, %V: memref<?x6xf32>, %A: memref<?xf32>,
                      %B: memref<?xf32>, %O: memref<?x6xf32>, %near: f32)
    attributes {attn.schedule = #attn.schedule<query = 5, key = 8, strip = 5, chunk = 4, columns = 0, stages = 1,
                form = carried, cpu = <lanes = 4, rows = 8, vectors = 2, exp_degree = 5>>} {
  %c0 = arith.constant 0 : index
  %N = memref.dim %Q, %c0 : memref<?x4xf32>
  %M = memref.dim %K, %c0 : memref<?x4xf32>
  %M32 = arith.index_cast %M : index to i32
  %f0 = arith.constant 0.0 : f32
  %f1 = arith.constant 1.0 : f32
  %low = arith.constant -3.0e38 : f32
  %ninf = arith.constant 0xFF800000 : f32
  %q = attn.load %Q[0, 0] rows(%N) : memref<?x4xf32> -> tensor<5x4xf32>
  %k = attn.load %K[0, 0] rows(%M) : memref<?x4xf32> -> tensor<8x4xf32>
  %v = attn.load %V[0, 0] rows(%M) : memref<?x6xf32> -> tensor<8x6xf32>
  %a = attn.load %A[0] rows(%N) : memref<?xf32> -> tensor<5xf32>
  %b = attn.load %B[0] rows(%M) : memref<?xf32> -> tensor<8xf32>
  %kp = attn.iota %c0 : tensor<8xi32>
  %zero = tensor.splat %f0 : tensor<5x6xf32>
  %none, %kept = attn.map rows(%a) cols(%b, %kp) reduce max per col {
  ^bb0(%x: f32, %y: f32, %j: i32):
    %there = arith.addf %y, %near : f32
    %later = arith.cmpf ogt, %x, %there : f32
    %in = arith.cmpi slt, %j, %M32 : i32
    %keep = arith.andi %later, %in : i1
    %w = arith.select %keep, %f1, %f0 : f32
    attn.yield %w : f32
  } : (tensor<5xf32>, tensor<8xf32>, tensor<8xi32>) -> (tensor<5x8xf32>, tensor<8xf32>)
  %vk = attn.map %v rows(%kept) {
  ^bb0(%e: f32, %w: f32):
    %some = arith.cmpf ogt, %w, %f0 : f32
    %z = arith.select %some, %e, %f0 : f32
    attn.yield %z : f32
  } : (tensor<8x6xf32>, tensor<8xf32>) -> tensor<8x6xf32>
  %r = attn.strips 5 of(%q, %a) carry(%zero) {
  ^bb0(%qs: tensor<5x4xf32>, %as: tensor<5xf32>, %os: tensor<5x6xf32>):
    %x = attn.contract %qs, %k t {attn.masked} : tensor<5x4xf32>, tensor<8x4xf32> -> tensor<5x8xf32>
    %y, %most = attn.map %x rows(%as) cols(%b, %kp) reduce max per row {
    ^bb0(%e: f32, %at: f32, %to: f32, %j: i32):
      %there = arith.addf %to, %near : f32
      %later = arith.cmpf ogt, %at, %there : f32
      %in = arith.cmpi slt, %j, %M32 : i32
      %keep = arith.andi %later, %in : i1
      %z = arith.select %keep, %e, %ninf : f32
      attn.yield %z : f32
    } : (tensor<5x8xf32>, tensor<5xf32>, tensor<8xf32>, tensor<8xi32>) -> (tensor<5x8xf32>, tensor<5xf32>)
    %least = tensor.splat %low : tensor<5xf32>
    %high = arith.maximumf %least, %most : tensor<5xf32>
    %p, %sum = attn.map %y rows(%high) reduce add per row {
    ^bb0(%e: f32, %m: f32):
      %less = arith.subf %e, %m : f32
      %z = math.exp2 %less : f32
      attn.yield %z : f32
    } : (tensor<5x8xf32>, tensor<5xf32>) -> (tensor<5x8xf32>, tensor<5xf32>)
    %on = attn.contract %p, %vk into %os * %sum : tensor<5x8xf32>, tensor<8x6xf32> -> tensor<5x6xf32>
    attn.yield %on : tensor<5x6xf32>
  } : (tensor<5x4xf32>, tensor<5xf32>, tensor<5x6xf32>) -> tensor<5x6xf32>
  attn.store %r, %O[0, 0] rows(%N) : tensor<5x6xf32>, memref<?x6xf32>
  return
}

func.func @one_register(%Q: memref<?x4xf32>, %K: memref<?x4xf32>, %V: memref<?x6xf32>, %A: memref<?xf32>,
                        %B: memref<?xf32>, %O: memref<?x6xf32>, %near: f32)
    attributes {attn.schedule = #attn.schedule<query = 5, key = 8, strip = 5, chunk = 4, columns = 0, stages = 1,
                form = carried, cpu = <lanes = 8, rows = 8, vectors = 2, exp_degree = 5>>} {
  %c0 = arith.constant 0 : index
  %N = memref.dim %Q, %c0 : memref<?x4xf32>
  %M = memref.dim %K, %c0 : memref<?x4xf32>
  %f0 = arith.constant 0.0 : f32
  %f1 = arith.constant 1.0 : f32
  %ninf = arith.constant -3.0e38 : f32
  %q = attn.load %Q[0, 0] rows(%N) : memref<?x4xf32> -> tensor<5x4xf32>
  %k = attn.load %K[0, 0] rows(%M) : memref<?x4xf32> -> tensor<8x4xf32>
  %v = attn.load %V[0, 0] rows(%M) : memref<?x6xf32> -> tensor<8x6xf32>
  %a = attn.load %A[0] rows(%N) : memref<?xf32> -> tensor<5xf32>
  %b = attn.load %B[0] rows(%M) : memref<?xf32> -> tensor<8xf32>
  %zero = tensor.splat %f0 : tensor<5x6xf32>
  %none, %kept = attn.map rows(%a) cols(%b) reduce max per col {
  ^bb0(%x: f32, %y: f32):
    %there = arith.addf %y, %near : f32
    %keep = arith.cmpf ogt, %x, %there : f32
    %w = arith.select %keep, %f1, %f0 : f32
    attn.yield %w : f32
  } : (tensor<5xf32>, tensor<8xf32>) -> (tensor<5x8xf32>, tensor<8xf32>)
  %vk = attn.map %v rows(%kept) {
  ^bb0(%e: f32, %w: f32):
    %some = arith.cmpf ogt, %w, %f0 : f32
    %z = arith.select %some, %e, %f0 : f32
    attn.yield %z : f32
  } : (tensor<8x6xf32>, tensor<8xf32>) -> tensor<8x6xf32>
  %r = attn.strips 5 of(%q, %a) carry(%zero) {
  ^bb0(%qs: tensor<5x4xf32>, %as: tensor<5xf32>, %os: tensor<5x6xf32>):
    %x = attn.contract %qs, %k t {attn.masked} : tensor<5x4xf32>, tensor<8x4xf32> -> tensor<5x8xf32>
    %y, %most = attn.map %x rows(%as) cols(%b) reduce max per row {
    ^bb0(%e: f32, %at: f32, %to: f32):
      %there = arith.addf %to, %near : f32
      %keep = arith.cmpf ogt, %at, %there : f32
      %z = arith.select %keep, %e, %ninf : f32
      attn.yield %z : f32
    } : (tensor<5x8xf32>, tensor<5xf32>, tensor<8xf32>) -> (tensor<5x8xf32>, tensor<5xf32>)
    %p = attn.map %y rows(%most) {
    ^bb0(%e: f32, %m: f32):
      %twice = arith.mulf %e, %m : f32
      attn.yield %twice : f32
    } : (tensor<5x8xf32>, tensor<5xf32>) -> tensor<5x8xf32>
    %on = attn.contract %p, %vk into %os : tensor<5x8xf32>, tensor<8x6xf32> -> tensor<5x6xf32>
    attn.yield %on : tensor<5x6xf32>
  } : (tensor<5x4xf32>, tensor<5xf32>, tensor<5x6xf32>) -> tensor<5x6xf32>
  attn.store %r, %O[0, 0] rows(%N) : tensor<5x6xf32>, memref<?x6xf32>
  return
}
