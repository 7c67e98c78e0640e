// Each pass down to the mapping leaves what the program computes: sizes no tile divides, more keys than
// queries, a bias read where the last tile has no key, grouped heads.
//
// DEFINE: %{args} = args=1x4x70x16,1x2x101x16,1x2x101x16,70x101,1x4x70x16,1x4x70,1,4,2,70,101
// DEFINE: %{same} = against=%s
// DEFINE: %{tile} = --attn-fold-scale --attn-choose-schedule="set=query=48,key=32,strip=24" --attn-tile-attend
// RUN: heddle-opt %s --attn-fold-scale --attn-interpret="%{args} %{same}" | FileCheck %s
// RUN: heddle-opt %s %{tile} --attn-interpret="%{args} %{same} unhoisted" | FileCheck %s
// RUN: heddle-opt %s %{tile} --attn-lower-sparsity --attn-interpret="%{args} %{same} unhoisted" | FileCheck %s
// RUN: heddle-opt %s %{tile} --attn-lower-sparsity --attn-peel-tiles \
// RUN:   --attn-interpret="%{args} %{same} unhoisted" | FileCheck %s
// RUN: heddle-opt %s %{tile} --attn-lower-sparsity --attn-peel-tiles --attn-hoist-reads \
// RUN:   --attn-interpret="%{args} %{same}" | FileCheck %s
// RUN: heddle-opt %s %{tile} --attn-lower-sparsity --attn-peel-tiles --attn-hoist-reads \
// RUN:   --attn-pipeline-tiles="stages=2" --attn-interpret="%{args} %{same}" | FileCheck %s
// RUN: heddle-opt %s %{tile} --attn-lower-sparsity --attn-peel-tiles --attn-hoist-reads --attn-cut-products \
// RUN:   --attn-interpret="%{args} %{same}" | FileCheck %s
// RUN: heddle-opt %s %{tile} --attn-lower-sparsity --attn-peel-tiles --attn-hoist-reads --canonicalize --cse \
// RUN:   --loop-invariant-code-motion --attn-interpret="%{args} %{same}" | FileCheck %s
//
// CHECK: // biased: as in interpret-passes.mlir
func.func @biased(%q: tensor<?x?x?x16xf32>, %k: tensor<?x?x?x16xf32>, %v: tensor<?x?x?x16xf32>,
                  %bias: tensor<?x?xf32>, %o: tensor<?x?x?x16xf32>, %l: tensor<?x?x?xf32>,
                  %B: index, %H: index, %Hkv: index, %N: index, %M: index)
    -> (tensor<?x?x?x16xf32>, tensor<?x?x?xf32>) {
  %off = arith.subi %M, %N : index
  %r:2 = attn.attend softmax rows(%B, %H, %N) keys(%M) depth 16 columns 16 scale 0.25
      outs(out = %o : tensor<?x?x?x16xf32>, lse = %l : tensor<?x?x?xf32>)
      query {
      ^bb0(%b: index, %h: index, %i: index, %d: index):
        %e = tensor.extract %q[%b, %h, %i, %d] : tensor<?x?x?x16xf32>
        attn.yield %e : f32
      } key {
      ^bb0(%b: index, %h: index, %i: index, %j: index, %d: index):
        %g = arith.divui %H, %Hkv : index
        %hk = arith.divui %h, %g : index
        %e = tensor.extract %k[%b, %hk, %j, %d] : tensor<?x?x?x16xf32>
        attn.yield %e : f32
      } value {
      ^bb0(%b: index, %h: index, %i: index, %j: index, %d: index):
        %g = arith.divui %H, %Hkv : index
        %hk = arith.divui %h, %g : index
        %e = tensor.extract %v[%b, %hk, %j, %d] : tensor<?x?x?x16xf32>
        attn.yield %e : f32
      } score {
      ^bb0(%b: index, %h: index, %i: index, %j: index, %s: f32):
        %e = tensor.extract %bias[%i, %j] : tensor<?x?xf32>
        %x = arith.addf %s, %e : f32
        attn.yield %x : f32
      } keep {
      ^bb0(%b: index, %h: index, %i: index, %j: index):
        %pos = arith.addi %i, %off : index
        %c = arith.cmpi sle, %j, %pos : index
        attn.yield %c : i1
      } -> tensor<?x?x?x16xf32>, tensor<?x?x?xf32>
  return %r#0, %r#1 : tensor<?x?x?x16xf32>, tensor<?x?x?xf32>
}
