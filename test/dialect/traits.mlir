// What the traits of visit, strips and map are for. Without RecursiveMemoryEffects the dead strips
// stays and the equal ones are not merged; without RecursivelySpeculatable nothing with a body
// leaves the loop; without LoopLike `iota` and the scalar read stay inside the bodies. A memref
// read is never lifted: reads are not LICM's business.
//
// RUN: heddle-opt %s --canonicalize --cse --loop-invariant-code-motion | FileCheck %s

!tile = tensor<96x64xf32>
!strip = tensor<24x64xf32>

// CHECK-LABEL: func.func @traits(
//   CHECK-DAG:   attn.at
//   CHECK-DAG:   attn.iota
//   CHECK-DAG:   tensor.extract
//       CHECK:   attn.strips
//       CHECK:   scf.for
//       CHECK:     attn.strips
//       CHECK:       attn.map
//       CHECK:         memref.load
//   CHECK-NOT:     attn.strips
//       CHECK:   return
func.func @traits(%n: index, %len: tensor<?xi32>, %start: memref<?xi32>, %q: !tile, %base: index,
                  %tiles: !attn.tiles) -> (!tile, index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant dense<0.0> : !tile
  %f0 = arith.constant 0.0 : f32
  %r:2 = scf.for %i = %c0 to %n step %c1 iter_args(%o = %zero, %last = %c0) -> (!tile, index) {
    %j = attn.at %tiles[%base]
    %masked = attn.strips 24 of(%q) carry(%zero) {
    ^bb0(%qs: !strip, %os: !strip):
      %kp = attn.iota %base : tensor<64xi32>
      %m = attn.map %qs cols(%kp) {
      ^bb0(%e: f32, %k: i32):
        %l = tensor.extract %len[%c0] : tensor<?xi32>
        %s = memref.load %start[%c0] : memref<?xi32>
        %end = arith.addi %l, %s : i32
        %in = arith.cmpi slt, %k, %end : i32
        %x = arith.select %in, %e, %f0 : f32
        attn.yield %x : f32
      } : (!strip, tensor<64xi32>) -> !strip
      attn.yield %m : !strip
    } : (!tile, !tile) -> !tile
    %twice = attn.strips 24 of(%q) carry(%zero) {
    ^bb0(%qs: !strip, %os: !strip):
      %x = arith.addf %qs, %qs : !strip
      attn.yield %x : !strip
    } : (!tile, !tile) -> !tile
    %equal = attn.strips 24 of(%q) carry(%zero) {
    ^bb0(%qs: !strip, %os: !strip):
      %x = arith.addf %qs, %qs : !strip
      attn.yield %x : !strip
    } : (!tile, !tile) -> !tile
    %dead = attn.strips 24 of(%q) carry(%o) {
    ^bb0(%qs: !strip, %os: !strip):
      attn.yield %qs : !strip
    } : (!tile, !tile) -> !tile
    %s1 = arith.addf %masked, %twice : !tile
    %s2 = arith.addf %s1, %equal : !tile
    scf.yield %s2, %j : !tile, index
  }
  return %r#0, %r#1 : !tile, index
}

// A span of all rows is none.
//
// CHECK-LABEL: func.func @whole(
//      CHECK:   attn.contract %{{[^,]*}}, %{{[^,]*}} : tensor<4x8xf32>
//      CHECK:   attn.contract %{{.*}} span(
func.func @whole(%a: tensor<4x8xf32>, %b: tensor<8x4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>) {
  %c0 = arith.constant 0 : index
  %c7 = arith.constant 7 : index
  %c8 = arith.constant 8 : index
  %x = attn.contract %a, %b span(%c0 to %c8) : tensor<4x8xf32>, tensor<8x4xf32> -> tensor<4x4xf32>
  %y = attn.contract %a, %b span(%c0 to %c7) : tensor<4x8xf32>, tensor<8x4xf32> -> tensor<4x4xf32>
  return %x, %y : tensor<4x4xf32>, tensor<4x4xf32>
}
