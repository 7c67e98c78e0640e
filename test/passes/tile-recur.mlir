// RUN: heddle-opt %s --attn-tile-recur | FileCheck %s

// A decay per token and head, a computed key, a normaliser, state in and out. Tokens beyond the last
// have a decay of 1 and a key of 0; what is loaded is 0 there anyhow.
//
// CHECK-LABEL: func.func @decayed(
//       CHECK:   %[[FULLS:.*]] = affine.apply {{.*}}
//       CHECK:   scf.forall
//       CHECK:     %[[S0:.*]] = attn.load {{.*}} -> tensor<8x16xf32>
//       CHECK:     scf.for {{.*}} iter_args(%[[S:.*]] = %[[S0]], %[[Z:.*]] = %{{.*}})
//       CHECK:       %[[FULL:.*]] = arith.cmpi ult
//       CHECK:       %[[Q:.*]] = attn.load
//       CHECK:       %[[F:.*]] = attn.map rows({{.*}}) cols({{.*}})
//       CHECK:       %[[K:.*]] = attn.map %[[F]]
//       CHECK:         arith.ori %[[FULL]]
//       CHECK:       %[[V:.*]] = attn.load
//       CHECK:       %[[A:.*]] = attn.map
//       CHECK:         math.exp
//       CHECK:       attn.advance add %[[Q]], %[[K]], %[[V]] from %[[S]] decay(%[[A]]) sum(%[[Z]])
//       CHECK:       arith.divf
//       CHECK:       attn.store
//       CHECK:     attn.store
func.func @decayed(%q: tensor<?x?x?x8xf32>, %k: tensor<?x?x?x8xf32>, %v: tensor<?x?x?x16xf32>,
                   %g: tensor<?x?x?xf32>, %s: tensor<?x?x8x16xf32>, %o: tensor<?x?x?x16xf32>,
                   %e: tensor<?x?x8x16xf32>, %B: index, %H: index, %N: index)
    -> (tensor<?x?x?x16xf32>, tensor<?x?x8x16xf32>) {
  %r:2 = attn.recur add rows(%B, %H, %N) time 2 depth 8 columns 16
      outs(out = %o : tensor<?x?x?x16xf32>, state = %e : tensor<?x?x8x16xf32>)
      schedule #attn.schedule<query = 96, key = 64, strip = 24, chunk = 32, columns = 0, stages = 1, form = carried>
      query {
      ^bb0(%b: index, %h: index, %t: index, %d: index):
        %x = tensor.extract %q[%b, %h, %t, %d] : tensor<?x?x?x8xf32>
        attn.yield %x : f32
      } key {
      ^bb0(%b: index, %h: index, %t: index, %d: index):
        %x = tensor.extract %k[%b, %h, %t, %d] : tensor<?x?x?x8xf32>
        %y = math.exp %x : f32
        attn.yield %y : f32
      } value {
      ^bb0(%b: index, %h: index, %t: index, %d: index):
        %x = tensor.extract %v[%b, %h, %t, %d] : tensor<?x?x?x16xf32>
        attn.yield %x : f32
      } decay {
      ^bb0(%b: index, %h: index, %t: index):
        %x = tensor.extract %g[%b, %h, %t] : tensor<?x?x?xf32>
        %y = math.exp %x : f32
        attn.yield %y : f32
      } divide {
      ^bb0(%b: index, %h: index, %t: index, %sum: f32):
        %c = arith.constant 1.000000e-06 : f32
        %y = arith.maximumf %sum, %c : f32
        attn.yield %y : f32
      } initial {
      ^bb0(%b: index, %h: index, %d: index, %c: index):
        %x = tensor.extract %s[%b, %h, %d, %c] : tensor<?x?x8x16xf32>
        attn.yield %x : f32
      } -> tensor<?x?x?x16xf32>, tensor<?x?x8x16xf32>
  return %r#0, %r#1 : tensor<?x?x?x16xf32>, tensor<?x?x8x16xf32>
}
