// RUN: heddle-opt %s --attn-map-to-cpu | FileCheck %s

// What is cut into strips lies strip by strip, all else row by row.
//
// CHECK-LABEL: func.func @strips(
//       CHECK:   attn.load {{.*}} {attn.homes = [#attn.home<strip_major, 4>]}
//       CHECK:   attn.load {{.*}} {attn.homes = [#attn.home<row_major>]}
//       CHECK:   attn.contract {{.*}} {attn.homes = [#attn.home<strip_major, 4>]}
func.func @strips(%m: memref<?x8xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %q = attn.load %m[%c0, 0] rows(%n) : memref<?x8xf32> -> tensor<8x8xf32>
  %k = attn.load %m[%n, 0] rows(%n) : memref<?x8xf32> -> tensor<8x8xf32>
  %z = arith.constant dense<0.0> : tensor<8x8xf32>
  %r = attn.strips 4 of(%q) carry(%z) {
  ^bb0(%qs: tensor<4x8xf32>, %zs: tensor<4x8xf32>):
    %x = attn.contract %qs, %k t into %zs : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
    attn.yield %x : tensor<4x8xf32>
  } : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  attn.store %r, %m[%c0, 0] rows(%n) : tensor<8x8xf32>, memref<?x8xf32>
  return
}
