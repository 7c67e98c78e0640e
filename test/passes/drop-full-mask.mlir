// RUN: heddle-opt %s --attn-drop-full-mask --split-input-file | FileCheck %s

// No position is negative: the mask goes, the attention stays as it was.
//
// CHECK-LABEL: func.func @keeps_all(
//       CHECK:   attn.attend softmax
//   CHECK-NOT:   keep
//       CHECK:   return
func.func @keeps_all(%v: tensor<?x8xf32>, %init: tensor<?x8xf32>, %N: index, %M: index)
    -> tensor<?x8xf32> {
  %c0 = arith.constant 0 : index
  %o = attn.attend softmax rows(%N) keys(%M) depth 0 columns 8 outs(out = %init : tensor<?x8xf32>)
      value {
      ^bb0(%q: index, %k: index, %e: index):
        %x = tensor.extract %v[%k, %e] : tensor<?x8xf32>
        attn.yield %x : f32
      } keep {
      ^bb0(%q: index, %k: index):
        %in = arith.cmpi sge, %k, %c0 : index
        attn.yield %in : i1
      } -> tensor<?x8xf32>
  return %o : tensor<?x8xf32>
}

// -----

// One pair short of all: the first query at the first key.
//
// CHECK-LABEL: func.func @drops_one_pair(
//       CHECK:   keep
func.func @drops_one_pair(%v: tensor<?x8xf32>, %init: tensor<?x8xf32>, %N: index, %M: index)
    -> tensor<?x8xf32> {
  %c1 = arith.constant 1 : index
  %o = attn.attend softmax rows(%N) keys(%M) depth 0 columns 8 outs(out = %init : tensor<?x8xf32>)
      value {
      ^bb0(%q: index, %k: index, %e: index):
        %x = tensor.extract %v[%k, %e] : tensor<?x8xf32>
        attn.yield %x : f32
      } keep {
      ^bb0(%q: index, %k: index):
        %s = arith.addi %q, %k : index
        %in = arith.cmpi sge, %s, %c1 : index
        attn.yield %in : i1
      } -> tensor<?x8xf32>
  return %o : tensor<?x8xf32>
}

// -----

// All four corners of 4 x 6 pairs are kept, key 3 between them is not: corners decide a linear bound,
// not one with a remainder.
//
// CHECK-LABEL: func.func @mod_between_corners(
//       CHECK:   keep
func.func @mod_between_corners(%v: tensor<6x8xf32>, %init: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %c3 = arith.constant 3 : index
  %c4 = arith.constant 4 : index
  %c6 = arith.constant 6 : index
  %o = attn.attend softmax rows(%c4) keys(%c6) depth 0 columns 8 outs(out = %init : tensor<4x8xf32>)
      value {
      ^bb0(%q: index, %k: index, %e: index):
        %x = tensor.extract %v[%k, %e] : tensor<6x8xf32>
        attn.yield %x : f32
      } keep {
      ^bb0(%q: index, %k: index):
        %r = arith.remsi %k, %c4 : index
        %in = arith.cmpi slt, %r, %c3 : index
        attn.yield %in : i1
      } -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

// A remainder by 4 is below 4.
//
// CHECK-LABEL: func.func @mod_keeps_all(
//   CHECK-NOT:   keep
//       CHECK:   return
func.func @mod_keeps_all(%v: tensor<6x8xf32>, %init: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %c4 = arith.constant 4 : index
  %c6 = arith.constant 6 : index
  %o = attn.attend softmax rows(%c4) keys(%c6) depth 0 columns 8 outs(out = %init : tensor<4x8xf32>)
      value {
      ^bb0(%q: index, %k: index, %e: index):
        %x = tensor.extract %v[%k, %e] : tensor<6x8xf32>
        attn.yield %x : f32
      } keep {
      ^bb0(%q: index, %k: index):
        %r = arith.remsi %k, %c4 : index
        %in = arith.cmpi slt, %r, %c4 : index
        attn.yield %in : i1
      } -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}
