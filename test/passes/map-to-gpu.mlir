// RUN: heddle-opt %s --attn-map-to-gpu | FileCheck %s

// A body that works on each row by itself is a thread's: what it cuts and carries lives there. Keys are the
// block's.
//
// CHECK-LABEL: func.func @by_row(
//       CHECK:   attn.load {{.*}} {attn.homes = [#attn.home<thread>]}
//       CHECK:   attn.load {{.*}} {attn.homes = [#attn.home<block>]}
//       CHECK:   attn.strips 4 {{.*}} attributes {attn.homes = [#attn.home<thread>]}
//       CHECK:     attn.contract {{.*}} attn.plain = "one thread a row or an element, no tensor cores"
func.func @by_row(%m: memref<?x8xf32>, %o: memref<?x8xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %q = attn.load %m[%c0, 0] rows(%n) : memref<?x8xf32> -> tensor<8x8xf32>
  %k = attn.load %m[%n, 0] rows(%n) : memref<?x8xf32> -> tensor<8x8xf32>
  %z = arith.constant dense<0.0> : tensor<8x8xf32>
  %r = attn.strips 4 of(%q) carry(%z) {
  ^bb0(%qs: tensor<4x8xf32>, %zs: tensor<4x8xf32>):
    %x = attn.contract %qs, %k t into %zs : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
    attn.yield %x : tensor<4x8xf32>
  } : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  attn.store %r, %o[%c0, 0] rows(%n) : tensor<8x8xf32>, memref<?x8xf32>
  return
}

// Rows that mix, by a transposed left side, are the block's.
//
// CHECK-LABEL: func.func @rows_mix(
//       CHECK:   attn.load {{.*}} {attn.homes = [#attn.home<block>]}
//       CHECK:   attn.strips 8 {{.*}} attributes {attn.homes = [#attn.home<block>]}
func.func @rows_mix(%m: memref<?x8xf32>, %o: memref<?x8xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %q = attn.load %m[%c0, 0] rows(%n) : memref<?x8xf32> -> tensor<8x8xf32>
  %z = arith.constant dense<0.0> : tensor<8x8xf32>
  %r = attn.strips 8 of(%q) carry(%z) {
  ^bb0(%qs: tensor<8x8xf32>, %zs: tensor<8x8xf32>):
    %x = attn.contract %qs t, %qs into %zs : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
    attn.yield %x : tensor<8x8xf32>
  } : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  attn.store %r, %o[%c0, 0] rows(%n) : tensor<8x8xf32>, memref<?x8xf32>
  return
}

// A vector is read in place, unless the function writes there.
//
// CHECK-LABEL: func.func @vectors(
//       CHECK:   attn.load %arg0{{.*}} {attn.homes = [#attn.home<memory>]}
//       CHECK:   attn.load %arg1{{.*}} {attn.homes = [#attn.home<block>]}
func.func @vectors(%a: memref<?xf32>, %b: memref<?xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %x = attn.load %a[%c0] rows(%n) : memref<?xf32> -> tensor<8xf32>
  %y = attn.load %b[%c0] rows(%n) : memref<?xf32> -> tensor<8xf32>
  %z = arith.addf %x, %y : tensor<8xf32>
  attn.store %z, %b[%c0] rows(%n) : tensor<8xf32>, memref<?xf32>
  return
}
