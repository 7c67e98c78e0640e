// RUN: heddle-opt %s --attn-check-tile-level --split-input-file --verify-diagnostics -o /dev/null

// What TileAttend leaves passes.
func.func @tiles(%m: memref<?x8xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %t = attn.load %m[%c0, 0] rows(%n) : memref<?x8xf32> -> tensor<4x8xf32>
  attn.store %t, %m[%c0, 0] rows(%n) : tensor<4x8xf32>, memref<?x8xf32>
  return
}

// -----

// A store to memory around the tiles does not.
func.func @scalar_store(%m: memref<?xf32>, %x: f32) {
  %c0 = arith.constant 0 : index
  // expected-error @below {{'memref.store' is not a tile op}}
  memref.store %x, %m[%c0] : memref<?xf32>
  return
}
