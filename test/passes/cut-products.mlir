// RUN: heddle-opt %s --attn-cut-products | FileCheck %s
// RUN: heddle-opt %s --attn-cut-products --attn-interpret="args=5x4,8x4,8x6,8,5x6,5x6,0,0 against=%s" \
// RUN:   | FileCheck %s --check-prefix=SAME
// RUN: heddle-opt %s --attn-cut-products --attn-interpret="args=5x4,8x4,8x6,8,5x6,5x6,2,5 against=%s" \
// RUN:   | FileCheck %s --check-prefix=SAME
// RUN: heddle-opt %s --attn-cut-products --attn-interpret="args=5x4,8x4,8x6,8,5x6,5x6,8,9 against=%s" \
// RUN:   | FileCheck %s --check-prefix=SAME

// What the span leaves open of the product with the keys is no number to the interpreter: the mask hides it.
// The values are copied only where a row between is dropped.
//
// CHECK-LABEL: func.func @masked(
//       CHECK:   %{{.*}}, %[[KEPT:.*]] = attn.map
//       CHECK:   %[[LO:.*]], %[[HI:.*]], %[[DENSE:.*]] = attn.span %[[KEPT]] : tensor<8xf32>
//       CHECK:   %[[V:.*]] = scf.if %[[DENSE]]
//  CHECK-NEXT:     scf.yield %[[ALL:.*]] : tensor<8x6xf32>
//  CHECK-NEXT:   } else {
//  CHECK-NEXT:     %[[SOME:.*]] = attn.map %[[ALL]] rows(%[[KEPT]])
//       CHECK:     scf.yield %[[SOME]]
//       CHECK:   attn.contract %{{.*}}, %{{.*}} t span(%[[LO]] to %[[HI]]) {attn.masked}
//       CHECK:   attn.contract %{{.*}}, %{{.*}} t : tensor<5x4xf32>
//       CHECK:   attn.contract %{{.*}}, %[[V]] span(%[[LO]] to %[[HI]]) into
//
// SAME: // masked: as in cut-products.mlir
func.func @masked(%Q: memref<?x4xf32>, %K: memref<?x4xf32>, %V: memref<?x6xf32>, %B: memref<?xf32>,
                  %O: memref<?x6xf32>, %P: memref<?x6xf32>, %from: index, %gap: index) {
  %c0 = arith.constant 0 : index
  %N = memref.dim %Q, %c0 : memref<?x4xf32>
  %M = memref.dim %K, %c0 : memref<?x4xf32>
  %f0 = arith.constant 0.0 : f32
  %f1 = arith.constant 1.0 : f32
  %from32 = arith.index_cast %from : index to i32
  %gap32 = arith.index_cast %gap : index to i32
  %q = attn.load %Q[0, 0] rows(%N) : memref<?x4xf32> -> tensor<5x4xf32>
  %k = attn.load %K[0, 0] rows(%M) : memref<?x4xf32> -> tensor<8x4xf32>
  %v = attn.load %V[0, 0] rows(%M) : memref<?x6xf32> -> tensor<8x6xf32>
  %kp = attn.iota %c0 : tensor<8xi32>
  %zero = tensor.splat %f0 : tensor<5x6xf32>
  %none, %kept = attn.map rows(%kp) cols(%kp) reduce max per col {
  ^bb0(%i: i32, %j: i32):
    %late = arith.cmpi sge, %j, %from32 : i32
    %other = arith.cmpi ne, %j, %gap32 : i32
    %keep = arith.andi %late, %other : i1
    %w = arith.select %keep, %f1, %f0 : f32
    attn.yield %w : f32
  } : (tensor<8xi32>, tensor<8xi32>) -> (tensor<8x8xf32>, tensor<8xf32>)
  %vk = attn.map %v rows(%kept) {
  ^bb0(%e: f32, %w: f32):
    %some = arith.cmpf ogt, %w, %f0 : f32
    %z = arith.select %some, %e, %f0 : f32
    attn.yield %z : f32
  } : (tensor<8x6xf32>, tensor<8xf32>) -> tensor<8x6xf32>
  %r = attn.strips 5 of(%q) carry(%zero) {
  ^bb0(%qs: tensor<5x4xf32>, %os: tensor<5x6xf32>):
    %x = attn.contract %qs, %k t {attn.masked} : tensor<5x4xf32>, tensor<8x4xf32> -> tensor<5x8xf32>
    %y = attn.contract %qs, %k t : tensor<5x4xf32>, tensor<8x4xf32> -> tensor<5x8xf32>
    %p = attn.map %x, %y cols(%kp) {
    ^bb0(%e: f32, %g: f32, %j: i32):
      %late = arith.cmpi sge, %j, %from32 : i32
      %other = arith.cmpi ne, %j, %gap32 : i32
      %keep = arith.andi %late, %other : i1
      %sum = arith.addf %e, %g : f32
      %z = arith.select %keep, %sum, %f0 : f32
      attn.yield %z : f32
    } : (tensor<5x8xf32>, tensor<5x8xf32>, tensor<8xi32>) -> tensor<5x8xf32>
    %on = attn.contract %p, %vk into %os : tensor<5x8xf32>, tensor<8x6xf32> -> tensor<5x6xf32>
    attn.yield %on : tensor<5x6xf32>
  } : (tensor<5x4xf32>, tensor<5x6xf32>) -> tensor<5x6xf32>
  attn.store %r, %O[0, 0] rows(%N) : tensor<5x6xf32>, memref<?x6xf32>
  return
}
