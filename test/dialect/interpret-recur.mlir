// Each pass down to PipelineTiles leaves what a recurrence computes, in both forms of its state.
//
// DEFINE: %{args} = args=2x3x71x8,2x3x71x8,2x3x71x5,2x3x71,2x3x8x5,2x3x71x5,2x3x8x5,2,3,71
// DEFINE: %{same} = against=%s
// RUN: heddle-opt %s --attn-choose-schedule --attn-tile-recur --attn-interpret="%{args} %{same} unhoisted" \
// RUN:   | FileCheck %s
// RUN: heddle-opt %s --attn-choose-schedule --attn-tile-recur --attn-split-intra-inter \
// RUN:   --attn-interpret="%{args} %{same} unhoisted" | FileCheck %s
// RUN: heddle-opt %s --attn-choose-schedule --attn-tile-recur --attn-split-intra-inter --attn-peel-tiles \
// RUN:   --attn-hoist-reads --attn-pipeline-tiles="stages=2" --attn-interpret="%{args} %{same}" | FileCheck %s
// RUN: heddle-opt %s --attn-choose-schedule="set=form=two_level" --attn-tile-recur --attn-split-intra-inter \
// RUN:   --attn-peel-tiles --attn-hoist-reads --attn-interpret="%{args} %{same}" | FileCheck %s
//
// CHECK: // decayed: as in interpret-recur.mlir
func.func @decayed(%q: tensor<?x?x?x8xf32>, %k: tensor<?x?x?x8xf32>, %v: tensor<?x?x?x5xf32>,
                   %g: tensor<?x?x?xf32>, %s: tensor<?x?x8x5xf32>, %o: tensor<?x?x?x5xf32>,
                   %e: tensor<?x?x8x5xf32>, %B: index, %H: index, %N: index)
    -> (tensor<?x?x?x5xf32>, tensor<?x?x8x5xf32>) {
  %r:2 = attn.recur add rows(%B, %H, %N) time 2 depth 8 columns 5
      outs(out = %o : tensor<?x?x?x5xf32>, state = %e : tensor<?x?x8x5xf32>)
      query {
      ^bb0(%b: index, %h: index, %t: index, %d: index):
        %x = tensor.extract %q[%b, %h, %t, %d] : tensor<?x?x?x8xf32>
        attn.yield %x : f32
      } key {
      ^bb0(%b: index, %h: index, %t: index, %d: index):
        %x = tensor.extract %k[%b, %h, %t, %d] : tensor<?x?x?x8xf32>
        attn.yield %x : f32
      } value {
      ^bb0(%b: index, %h: index, %t: index, %d: index):
        %x = tensor.extract %v[%b, %h, %t, %d] : tensor<?x?x?x5xf32>
        attn.yield %x : f32
      } decay {
      ^bb0(%b: index, %h: index, %t: index):
        %x = tensor.extract %g[%b, %h, %t] : tensor<?x?x?xf32>
        %y = math.exp %x : f32
        attn.yield %y : f32
      } initial {
      ^bb0(%b: index, %h: index, %d: index, %c: index):
        %x = tensor.extract %s[%b, %h, %d, %c] : tensor<?x?x8x5xf32>
        attn.yield %x : f32
      } -> tensor<?x?x?x5xf32>, tensor<?x?x8x5xf32>
  return %r#0, %r#1 : tensor<?x?x?x5xf32>, tensor<?x?x8x5xf32>
}
