// RUN: heddle-opt %s --attn-drop-full-mask=explain --split-input-file --verify-diagnostics | FileCheck %s

// One pair short of all: the first query at the first key.
//
// CHECK-LABEL: func.func @drops_one_pair(
//       CHECK:   keep
func.func @drops_one_pair(%v: tensor<?x8xf32>, %init: tensor<?x8xf32>, %N: index, %M: index)
    -> tensor<?x8xf32> {
  %c1 = arith.constant 1 : index
  // expected-remark @below {{the mask may drop a pair}}
  %o = attn.attend softmax rows(%N) keys(%M) depth 0 columns 8 outs(out = %init : tensor<?x8xf32>)
      value {
      ^bb0(%q: index, %k: index, %e: index):
        %x = tensor.extract %v[%k, %e] : tensor<?x8xf32>
        attn.yield %x : f32
      } keep {
      ^bb0(%q: index, %k: index):
        %s = arith.addi %q, %k : index
        // expected-note @below {{by this term}}
        %in = arith.cmpi sge, %s, %c1 : index
        attn.yield %in : i1
      } -> tensor<?x8xf32>
  return %o : tensor<?x8xf32>
}

// -----

// Sizes are symbols; with 4 queries and 6 keys a window of 5 keeps all, the last one of 3 does not.
//
// CHECK-LABEL: func.func @window(
//       CHECK:   attn.attend
//   CHECK-NOT:   keep
//       CHECK:   attn.attend
//       CHECK:   keep
func.func @window(%v: tensor<6x8xf32>, %init: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %c3 = arith.constant 3 : index
  %c4 = arith.constant 4 : index
  %c5 = arith.constant 5 : index
  %c6 = arith.constant 6 : index
  %cm5 = arith.constant -5 : index
  %o = attn.attend softmax rows(%c4) keys(%c6) depth 0 columns 8 outs(out = %init : tensor<4x8xf32>)
      value {
      ^bb0(%q: index, %k: index, %e: index):
        %x = tensor.extract %v[%k, %e] : tensor<6x8xf32>
        attn.yield %x : f32
      } keep {
      ^bb0(%q: index, %k: index):
        %d = arith.subi %k, %q : index
        %a = arith.cmpi sle, %d, %c5 : index
        %b = arith.cmpi sge, %d, %cm5 : index
        %in = arith.andi %a, %b : i1
        attn.yield %in : i1
      } -> tensor<4x8xf32>
  // expected-remark @below {{the mask may drop a pair}}
  %p = attn.attend softmax rows(%c4) keys(%c6) depth 0 columns 8 outs(out = %o : tensor<4x8xf32>)
      value {
      ^bb0(%q: index, %k: index, %e: index):
        %x = tensor.extract %v[%k, %e] : tensor<6x8xf32>
        attn.yield %x : f32
      } keep {
      ^bb0(%q: index, %k: index):
        %d = arith.subi %k, %q : index
        %b = arith.cmpi sge, %d, %cm5 : index
        // expected-note @below {{by this term}}
        %a = arith.cmpi sle, %d, %c3 : index
        %in = arith.andi %b, %a : i1
        attn.yield %in : i1
      } -> tensor<4x8xf32>
  return %p : tensor<4x8xf32>
}

// -----

// What a tensor holds is not known: in doubt the mask stays.
//
// CHECK-LABEL: func.func @reads_a_tensor(
//       CHECK:   keep
func.func @reads_a_tensor(%v: tensor<6x8xf32>, %doc: tensor<6xi32>, %init: tensor<4x8xf32>)
    -> tensor<4x8xf32> {
  %c0 = arith.constant 0 : i32
  %c4 = arith.constant 4 : index
  %c6 = arith.constant 6 : index
  // expected-remark @below {{the mask may drop a pair}}
  %o = attn.attend softmax rows(%c4) keys(%c6) depth 0 columns 8 outs(out = %init : tensor<4x8xf32>)
      value {
      ^bb0(%q: index, %k: index, %e: index):
        %x = tensor.extract %v[%k, %e] : tensor<6x8xf32>
        attn.yield %x : f32
      } keep {
      ^bb0(%q: index, %k: index):
        %d = tensor.extract %doc[%k] : tensor<6xi32>
        // expected-note @below {{by this term}}
        %in = arith.cmpi sge, %d, %c0 : i32
        attn.yield %in : i1
      } -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}
