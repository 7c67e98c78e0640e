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

// A term beside the factor: the factor goes, the region stays.
//
// CHECK-LABEL: func.func @plus_position(
//       CHECK:   attn.attend softmax {{.*}} scale 2.500000e-01
//       CHECK:   score
//       CHECK:     %[[TWO:.*]] = arith.constant 2.0
//       CHECK:     %[[SUM:.*]] = arith.addf %{{.*}}, %[[TWO]]
//       CHECK:     attn.yield %[[SUM]]
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

// A divisor on the way to another function.
//
// CHECK-LABEL: func.func @capped(
//       CHECK:   attn.attend softmax {{.*}} scale 6.250000e-02
//       CHECK:   score {
//  CHECK-NEXT:   ^bb0(%{{.*}}: index, %{{.*}}: index, %[[S:.*]]: f32):
//       CHECK:     math.tanh %[[S]]
//   CHECK-NOT:   arith.divf
func.func @capped(%q: tensor<?x8xf32>, %o: tensor<?x8xf32>, %N: index) -> tensor<?x8xf32> {
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
        %x = arith.divf %s, %two : f32
        %y = math.tanh %x : f32
        // expected-remark @below {{the score is not the scaled product times a constant}}
        %z = arith.mulf %y, %two : f32
        attn.yield %z : f32
      } -> tensor<?x8xf32>
  return %r : tensor<?x8xf32>
}

// A constant divided by the score is no factor.
//
// CHECK-LABEL: func.func @no_factor(
//       CHECK:   scale 1.250000e-01
//       CHECK:   arith.divf
func.func @no_factor(%q: tensor<?x8xf32>, %o: tensor<?x8xf32>, %N: index) -> tensor<?x8xf32> {
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
        // expected-remark @below {{the score is not the scaled product times a constant}}
        %x = arith.divf %two, %s : f32
        attn.yield %x : f32
      } -> tensor<?x8xf32>
  return %r : tensor<?x8xf32>
}

// 0 is none that the query could take.
//
// CHECK-LABEL: func.func @zero(
//       CHECK:   scale 1.250000e-01
//       CHECK:   arith.mulf
func.func @zero(%q: tensor<?x8xf32>, %o: tensor<?x8xf32>, %N: index) -> tensor<?x8xf32> {
  %r = attn.attend map rows(%N) keys(%N) depth 8 columns 8 scale 1.250000e-01 outs(out = %o : tensor<?x8xf32>)
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
      } map {
      ^bb0(%i: index, %j: index, %s: f32):
        %zero = arith.constant 0.0 : f32
        %x = arith.mulf %zero, %s : f32
        attn.yield %x : f32
      } -> tensor<?x8xf32>
  return %r : tensor<?x8xf32>
}

// The logistic function: its power becomes one of two, what is added and compared carries the factor.
//
// CHECK-LABEL: func.func @logistic(
//       CHECK:   attn.attend map {{.*}} scale 0.18033688
//       CHECK:   map {
//  CHECK-NEXT:   ^bb0(%{{.*}}: index, %{{.*}}: index, %[[S:.*]]: f32):
//       CHECK:     %[[BIAS:.*]] = arith.constant 11.54156
//       CHECK:     %[[X:.*]] = arith.subf %[[S]], %[[BIAS]]
//       CHECK:     %[[A:.*]] = math.absf %[[X]]
//       CHECK:     %[[B:.*]] = arith.negf %[[A]]
//       CHECK:     math.exp2 %[[B]]
//       CHECK:     %[[ZERO:.*]] = arith.constant 0.0
//       CHECK:     arith.cmpf oge, %[[X]], %[[ZERO]]
func.func @logistic(%q: tensor<?x8xf32>, %o: tensor<?x8xf32>, %N: index) -> tensor<?x8xf32> {
  %r = attn.attend map rows(%N) keys(%N) depth 8 columns 8 scale 1.250000e-01 outs(out = %o : tensor<?x8xf32>)
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
      } map {
      ^bb0(%i: index, %j: index, %s: f32):
        %b = arith.constant 8.0 : f32
        %x = arith.subf %s, %b : f32
        %a = math.absf %x : f32
        %one = arith.constant 1.0 : f32
        %m = arith.negf %a : f32
        %p = math.exp %m : f32
        %w = arith.addf %p, %one : f32
        %h = arith.divf %one, %w : f32
        %zero = arith.constant 0.0 : f32
        %c = arith.cmpf oge, %x, %zero : f32
        %l = arith.mulf %h, %p : f32
        %y = arith.select %c, %h, %l : f32
        attn.yield %y : f32
      } -> tensor<?x8xf32>
  return %r : tensor<?x8xf32>
}

// Terms that are no constants, and a product with one.
//
// CHECK-LABEL: func.func @terms(
//       CHECK:   attn.attend map {{.*}} scale 0.18033688
//       CHECK:     %[[T:.*]] = tensor.extract
//       CHECK:     %[[U:.*]] = arith.mulf %{{.*}}, %[[T]]
//       CHECK:     %[[LOG2E:.*]] = arith.constant 1.442695
//       CHECK:     %[[V:.*]] = arith.mulf %[[T]], %[[LOG2E]]
//       CHECK:     %[[W:.*]] = arith.addf %[[U]], %[[V]]
//       CHECK:     math.exp2 %[[W]]
func.func @terms(%q: tensor<?x8xf32>, %o: tensor<?x8xf32>, %N: index) -> tensor<?x8xf32> {
  %r = attn.attend map rows(%N) keys(%N) depth 8 columns 8 scale 1.250000e-01 outs(out = %o : tensor<?x8xf32>)
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
      } map {
      ^bb0(%i: index, %j: index, %s: f32):
        %c0 = arith.constant 0 : index
        %t = tensor.extract %q[%i, %c0] : tensor<?x8xf32>
        %u = arith.mulf %s, %t : f32
        %w = arith.addf %u, %t : f32
        %p = math.exp %w : f32
        attn.yield %p : f32
      } -> tensor<?x8xf32>
  return %r : tensor<?x8xf32>
}

// The weight is the score itself, too: the factor would show.
//
// CHECK-LABEL: func.func @shown(
//       CHECK:   scale 1.250000e-01
//       CHECK:   math.exp %
func.func @shown(%q: tensor<?x8xf32>, %o: tensor<?x8xf32>, %N: index) -> tensor<?x8xf32> {
  %r = attn.attend map rows(%N) keys(%N) depth 8 columns 8 scale 1.250000e-01 outs(out = %o : tensor<?x8xf32>)
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
      } map {
      ^bb0(%i: index, %j: index, %s: f32):
        %p = math.exp %s : f32
        %y = arith.mulf %s, %p : f32
        attn.yield %y : f32
      } -> tensor<?x8xf32>
  return %r : tensor<?x8xf32>
}

// A power of its square.
//
// CHECK-LABEL: func.func @squared(
//       CHECK:   scale 1.250000e-01
//       CHECK:   math.exp %
func.func @squared(%q: tensor<?x8xf32>, %o: tensor<?x8xf32>, %N: index) -> tensor<?x8xf32> {
  %r = attn.attend map rows(%N) keys(%N) depth 8 columns 8 scale 1.250000e-01 outs(out = %o : tensor<?x8xf32>)
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
      } map {
      ^bb0(%i: index, %j: index, %s: f32):
        %x = arith.mulf %s, %s : f32
        %p = math.exp %x : f32
        attn.yield %p : f32
      } -> tensor<?x8xf32>
  return %r : tensor<?x8xf32>
}
