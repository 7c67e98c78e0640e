// RUN: heddle-opt %s --attn-fold-scale | FileCheck %s
// RUN: heddle-opt %s --attn-fold-scale=explain --verify-diagnostics -o /dev/null

// Factors on either side, one in the other.
//
// CHECK-LABEL: func.func @factors(
//       CHECK:   attn.attend softmax {{.*}} scale 7.500000e-01
//   CHECK-NOT:   score
//       CHECK:   return
func.func @factors(%q: tensor<?x8xf32>, %o: tensor<?x8xf32>, %N: index) -> tensor<?x8xf32> {
  %r = attn.attend softmax rows(%N) keys(%N) depth 8 columns 8 scale 1.250000e-01 outs(out = %o : tensor<?x8xf32>)
      query {
      ^bb0(%i: index, %d: index):
        %x = tensor.extract %q[%i, %d] : tensor<?x8xf32>
        attn.yield %x : f32
      } key {
      ^bb0(%i: index, %j: index, %d: index):
        %x = tensor.extract %q[%j, %d] : tensor<?x8xf32>
        attn.yield %x : f32
      } value {
      ^bb0(%i: index, %j: index, %d: index):
        %x = tensor.extract %q[%j, %d] : tensor<?x8xf32>
        attn.yield %x : f32
      } score {
      ^bb0(%i: index, %j: index, %s: f32):
        %two = arith.constant 2.0 : f32
        %three = arith.constant 3.0 : f32
        %x = arith.mulf %two, %s : f32
        %y = arith.mulf %x, %three : f32
        attn.yield %y : f32
      } -> tensor<?x8xf32>
  return %r : tensor<?x8xf32>
}

// A term beside the factor: left alone.
//
// CHECK-LABEL: func.func @plus_position(
//       CHECK:   attn.attend softmax {{.*}} scale 1.250000e-01
//       CHECK:   score
func.func @plus_position(%q: tensor<?x8xf32>, %o: tensor<?x8xf32>, %N: index) -> tensor<?x8xf32> {
  %r = attn.attend softmax rows(%N) keys(%N) depth 8 columns 8 scale 1.250000e-01 outs(out = %o : tensor<?x8xf32>)
      query {
      ^bb0(%i: index, %d: index):
        %x = tensor.extract %q[%i, %d] : tensor<?x8xf32>
        attn.yield %x : f32
      } key {
      ^bb0(%i: index, %j: index, %d: index):
        %x = tensor.extract %q[%j, %d] : tensor<?x8xf32>
        attn.yield %x : f32
      } value {
      ^bb0(%i: index, %j: index, %d: index):
        %x = tensor.extract %q[%j, %d] : tensor<?x8xf32>
        attn.yield %x : f32
      } score {
      ^bb0(%i: index, %j: index, %s: f32):
        %two = arith.constant 2.0 : f32
        %x = arith.mulf %s, %two : f32
        // expected-remark @below {{the score is not the scaled product times a constant}}
        %y = arith.addf %x, %two : f32
        attn.yield %y : f32
      } -> tensor<?x8xf32>
  return %r : tensor<?x8xf32>
}

// The square is a product of the score, but with no constant.
//
// CHECK-LABEL: func.func @square(
//       CHECK:   score
func.func @square(%q: tensor<?x8xf32>, %o: tensor<?x8xf32>, %N: index) -> tensor<?x8xf32> {
  %r = attn.attend softmax rows(%N) keys(%N) depth 8 columns 8 scale 1.250000e-01 outs(out = %o : tensor<?x8xf32>)
      query {
      ^bb0(%i: index, %d: index):
        %x = tensor.extract %q[%i, %d] : tensor<?x8xf32>
        attn.yield %x : f32
      } key {
      ^bb0(%i: index, %j: index, %d: index):
        %x = tensor.extract %q[%j, %d] : tensor<?x8xf32>
        attn.yield %x : f32
      } value {
      ^bb0(%i: index, %j: index, %d: index):
        %x = tensor.extract %q[%j, %d] : tensor<?x8xf32>
        attn.yield %x : f32
      } score {
      ^bb0(%i: index, %j: index, %s: f32):
        // expected-remark @below {{the score is not the scaled product times a constant}}
        %y = arith.mulf %s, %s : f32
        attn.yield %y : f32
      } -> tensor<?x8xf32>
  return %r : tensor<?x8xf32>
}
