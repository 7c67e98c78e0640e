// Causal softmax of grouped heads, bottom right; @D@ is the depth.
func.func @causal(%q: tensor<?x?x?x@D@xf32>, %k: tensor<?x?x?x@D@xf32>, %v: tensor<?x?x?x@D@xf32>,
                  %o: tensor<?x?x?x@D@xf32>, %l: tensor<?x?x?xf32>,
                  %B: index, %H: index, %Hkv: index, %N: index, %M: index)
    -> (tensor<?x?x?x@D@xf32>, tensor<?x?x?xf32>) {
  %off = arith.subi %M, %N : index
  %r:2 = attn.attend softmax rows(%B, %H, %N) keys(%M) depth @D@ columns @D@
      outs(out = %o : tensor<?x?x?x@D@xf32>, lse = %l : tensor<?x?x?xf32>)

      query {
      ^bb0(%b: index, %h: index, %i: index, %d: index):
        %e = tensor.extract %q[%b, %h, %i, %d] : tensor<?x?x?x@D@xf32>
        attn.yield %e : f32
      } key {
      ^bb0(%b: index, %h: index, %i: index, %j: index, %d: index):
        %g = arith.divui %H, %Hkv : index
        %hk = arith.divui %h, %g : index
        %e = tensor.extract %k[%b, %hk, %j, %d] : tensor<?x?x?x@D@xf32>
        attn.yield %e : f32
      } value {
      ^bb0(%b: index, %h: index, %i: index, %j: index, %d: index):
        %g = arith.divui %H, %Hkv : index
        %hk = arith.divui %h, %g : index
        %e = tensor.extract %v[%b, %hk, %j, %d] : tensor<?x?x?x@D@xf32>
        attn.yield %e : f32
      } keep {
      ^bb0(%b: index, %h: index, %i: index, %j: index):
        %pos = arith.addi %i, %off : index
        %c = arith.cmpi sle, %j, %pos : index
        attn.yield %c : i1
      } -> tensor<?x?x?x@D@xf32>, tensor<?x?x?xf32>
  return %r#0, %r#1 : tensor<?x?x?x@D@xf32>, tensor<?x?x?xf32>
}
