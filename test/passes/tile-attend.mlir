// RUN: heddle-opt %s --attn-tile-attend --split-input-file | FileCheck %s

// Causal softmax of grouped heads. Scores are base 2: the scale of the load is 1/8 * log2(e). All that
// the boundary needs (column test, mask) stands behind %full, for PeelTiles.
//
// CHECK-LABEL: func.func @causal(
//  CHECK-SAME:     %[[Q:[a-z0-9]+]]: memref<?x?x?x64xf16, strided<[?, ?, ?, 1], offset: ?>>
//       CHECK:   scf.forall (%{{.*}}, %{{.*}}, %[[I:.*]]) in (%{{.*}}, %{{.*}}, %{{.*}}) {
//       CHECK:     attn.load %[[Q]]{{.*}} scale 0.1803{{.*}} -> tensor<96x64xf32>
//       CHECK:     %[[T:.*]] = attn.visit keep at(%[[I]]) {{.*}} tile [96, 64]
//       CHECK:     %[[NF:.*]], %[[NA:.*]] = attn.count %[[T]]
//       CHECK:     scf.for %[[J:.*]] = %{{.*}} to %[[NA]]
//       CHECK:       %[[FULL:.*]] = arith.cmpi ult, %[[J]], %[[NF]]
//       CHECK:       scf.if %[[FULL]]
//       CHECK:       attn.strips 24
//       CHECK:         arith.ori %[[FULL]]
//       CHECK:         math.exp2
//       CHECK:     attn.store %{{.*}} scale 0.693147
#map = affine_map<()[h, hkv] -> (h floordiv hkv)>
func.func @causal(%q: tensor<?x?x?x64xf16>, %k: tensor<?x?x?x64xf16>, %v: tensor<?x?x?x64xf16>,
                  %o: tensor<?x?x?x64xf16>, %l: tensor<?x?x?xf32>,
                  %B: index, %H: index, %Hkv: index, %N: index, %M: index)
    -> (tensor<?x?x?x64xf16>, tensor<?x?x?xf32>) {
  %off = arith.subi %M, %N : index
  %r:2 = attn.attend softmax rows(%B, %H, %N) keys(%M) depth 64 columns 64 scale 1.250000e-01
      outs(out = %o : tensor<?x?x?x64xf16>, lse = %l : tensor<?x?x?xf32>)
      schedule #attn.schedule<query = 96, key = 64, strip = 24, chunk = 32, columns = 0, stages = 1, form = carried>
      query {
      ^bb0(%b: index, %h: index, %i: index, %d: index):
        %e = tensor.extract %q[%b, %h, %i, %d] : tensor<?x?x?x64xf16>
        %x = arith.extf %e : f16 to f32
        attn.yield %x : f32
      } key {
      ^bb0(%b: index, %h: index, %i: index, %j: index, %d: index):
        %g = arith.divui %H, %Hkv : index
        %hk = arith.divui %h, %g : index
        %e = tensor.extract %k[%b, %hk, %j, %d] : tensor<?x?x?x64xf16>
        %x = arith.extf %e : f16 to f32
        attn.yield %x : f32
      } value {
      ^bb0(%b: index, %h: index, %i: index, %j: index, %d: index):
        %g = arith.divui %H, %Hkv : index
        %hk = arith.divui %h, %g : index
        %e = tensor.extract %v[%b, %hk, %j, %d] : tensor<?x?x?x64xf16>
        %x = arith.extf %e : f16 to f32
        attn.yield %x : f32
      } keep {
      ^bb0(%b: index, %h: index, %i: index, %j: index):
        %pos = arith.addi %i, %off : index
        %c = arith.cmpi sle, %j, %pos : index
        attn.yield %c : i1
      } -> tensor<?x?x?x64xf16>, tensor<?x?x?xf32>
  return %r#0, %r#1 : tensor<?x?x?x64xf16>, tensor<?x?x?xf32>
}

// -----

// Capped scores are a constant times something: log2(e) joins it, the scale stays.
//
// CHECK-LABEL: func.func @capped(
//       CHECK:     arith.constant 43.2808495
//       CHECK:     attn.load %{{.*}} scale 3.125000e-02
//       CHECK:       math.tanh
//       CHECK:       math.exp2
//   CHECK-NOT:       math.exp %
func.func @capped(%q: tensor<?x64xf32>, %o: tensor<?x64xf32>, %N: index, %M: index) -> tensor<?x64xf32> {
  %r = attn.attend softmax rows(%N) keys(%M) depth 64 columns 64 scale 3.125000e-02
      outs(out = %o : tensor<?x64xf32>)
      schedule #attn.schedule<query = 96, key = 64, strip = 24, chunk = 64, columns = 0, stages = 1, form = carried>
      query {
      ^bb0(%i: index, %d: index):
        %x = tensor.extract %q[%i, %d] : tensor<?x64xf32>
        attn.yield %x : f32
      } key {
      ^bb0(%i: index, %j: index, %d: index):
        %x = tensor.extract %q[%j, %d] : tensor<?x64xf32>
        attn.yield %x : f32
      } value {
      ^bb0(%i: index, %j: index, %e: index):
        %x = tensor.extract %q[%j, %e] : tensor<?x64xf32>
        attn.yield %x : f32
      } score {
      ^bb0(%i: index, %j: index, %s: f32):
        %c = arith.constant 30.0 : f32
        %x = math.tanh %s : f32
        %y = arith.mulf %c, %x : f32
        attn.yield %y : f32
      } -> tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}
