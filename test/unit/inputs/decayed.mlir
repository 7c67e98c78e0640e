// A decay per token and head, state in and out; @D@ is depth and value width.
func.func @decayed(%q: tensor<?x?x?x@D@xf32>, %k: tensor<?x?x?x@D@xf32>, %v: tensor<?x?x?x@D@xf32>,
                   %g: tensor<?x?x?xf32>, %s: tensor<?x?x@D@x@D@xf32>, %o: tensor<?x?x?x@D@xf32>,
                   %e: tensor<?x?x@D@x@D@xf32>, %B: index, %H: index, %N: index)
    -> (tensor<?x?x?x@D@xf32>, tensor<?x?x@D@x@D@xf32>) {
  %r:2 = attn.recur add rows(%B, %H, %N) time 2 depth @D@ columns @D@
      outs(out = %o : tensor<?x?x?x@D@xf32>, state = %e : tensor<?x?x@D@x@D@xf32>)
      query {
      ^bb0(%b: index, %h: index, %t: index, %d: index):
        %x = tensor.extract %q[%b, %h, %t, %d] : tensor<?x?x?x@D@xf32>
        attn.yield %x : f32
      } key {
      ^bb0(%b: index, %h: index, %t: index, %d: index):
        %x = tensor.extract %k[%b, %h, %t, %d] : tensor<?x?x?x@D@xf32>
        attn.yield %x : f32
      } value {
      ^bb0(%b: index, %h: index, %t: index, %d: index):
        %x = tensor.extract %v[%b, %h, %t, %d] : tensor<?x?x?x@D@xf32>
        attn.yield %x : f32
      } decay {
      ^bb0(%b: index, %h: index, %t: index):
        %x = tensor.extract %g[%b, %h, %t] : tensor<?x?x?xf32>
        %y = math.exp %x : f32
        attn.yield %y : f32
      } initial {
      ^bb0(%b: index, %h: index, %d: index, %c: index):
        %x = tensor.extract %s[%b, %h, %d, %c] : tensor<?x?x@D@x@D@xf32>
        attn.yield %x : f32
      } -> tensor<?x?x?x@D@xf32>, tensor<?x?x@D@x@D@xf32>
  return %r#0, %r#1 : tensor<?x?x?x@D@xf32>, tensor<?x?x@D@x@D@xf32>
}
