// Each numbered constraint of the surface ops, broken once.
// RUN: heddle-opt %s --split-input-file --verify-diagnostics -o /dev/null

func.func @attend_c1_region_arguments(%o: tensor<?x8xf32>, %N: index) {
  // expected-error @below {{expected 'query' to take ('index', 'index'), got ('index')}}
  %r = attn.attend softmax rows(%N) keys(%N) depth 8 columns 8 outs(out = %o : tensor<?x8xf32>)
      query {
      ^bb0(%i: index):
        %x = arith.constant 1.0 : f32
        attn.yield %x : f32
      } key {
      ^bb0(%i: index, %j: index, %d: index):
        %x = arith.constant 1.0 : f32
        attn.yield %x : f32
      } value {
      ^bb0(%i: index, %j: index, %d: index):
        %x = arith.constant 1.0 : f32
        attn.yield %x : f32
      } -> tensor<?x8xf32>
  return
}

// -----

func.func @attend_c1_mask_yields_a_number(%o: tensor<?xf32>, %N: index) {
  // expected-error @below {{expected 'keep' to yield 'i1', got ('f32')}}
  %r = attn.attend softmax rows(%N) keys(%N) depth 0 columns 0 outs(lse = %o : tensor<?xf32>)
      keep {
      ^bb0(%i: index, %j: index):
        %x = arith.constant 1.0 : f32
        attn.yield %x : f32
      } -> tensor<?xf32>
  return
}

// -----

func.func @attend_c2_depth_without_query(%o: tensor<?xf32>, %N: index) {
  // expected-error @below {{expected query and key together, with a positive depth, got depth 8}}
  %r = attn.attend softmax rows(%N) keys(%N) depth 8 columns 0 outs(lse = %o : tensor<?xf32>) -> tensor<?xf32>
  return
}

// -----

func.func @attend_c2_out_without_value(%o: tensor<?x8xf32>, %N: index) {
  // expected-error @below {{expected a value if and only if 'out' is written}}
  %r = attn.attend softmax rows(%N) keys(%N) depth 0 columns 8 outs(out = %o : tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @attend_c3_map_without_its_map(%o: tensor<?xf32>, %N: index) {
  // expected-error @below {{expected 'sink' with softmax only, 'map' and 'divide' with map only}}
  %r = attn.attend map rows(%N) keys(%N) depth 0 columns 0 outs(lse = %o : tensor<?xf32>) -> tensor<?xf32>
  return
}

// -----

func.func @attend_c3_no_lse_of_a_map(%o: tensor<?xf32>, %N: index) {
  // expected-error @below {{cannot write 'lse'}}
  %r = attn.attend map rows(%N) keys(%N) depth 0 columns 0 outs(lse = %o : tensor<?xf32>)
      map {
      ^bb0(%i: index, %j: index, %s: f32):
        attn.yield %s : f32
      } -> tensor<?xf32>
  return
}

// -----

func.func @attend_c4_rank(%o: tensor<?x8xf32>, %N: index) {
  // expected-error @below {{expected 'lse' to have 1 axes, got 2}}
  %r = attn.attend softmax rows(%N) keys(%N) depth 0 columns 0 outs(lse = %o : tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @attend_c5_result_type(%o: tensor<?xf32>, %N: index) {
  // expected-error @below {{expected results of the types written, ('tensor<?xf32>'), got ('tensor<?xf16>')}}
  %r = attn.attend softmax rows(%N) keys(%N) depth 0 columns 0 outs(lse = %o : tensor<?xf32>) -> tensor<?xf16>
  return
}

// -----

func.func @recur_c1_region_arguments(%o: tensor<?x8xf32>, %N: index) {
  // expected-error @below {{expected 'decay' to take ('index'), got ('index', 'index')}}
  %r = attn.recur add rows(%N) time 0 depth 8 columns 8 outs(out = %o : tensor<?x8xf32>)
      decay {
      ^bb0(%i: index, %d: index):
        %x = arith.constant 1.0 : f32
        attn.yield %x : f32
      } -> tensor<?x8xf32>
  return
}

// -----

func.func @recur_c2_time(%o: tensor<?x8xf32>, %N: index) {
  // expected-error @below {{expected 'time' to be one of 1 rows, got 1}}
  %r = attn.recur add rows(%N) time 1 depth 8 columns 8 outs(out = %o : tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @recur_c3_state_axes(%o: tensor<8xf32>, %N: index) {
  // expected-error @below {{expected 'state' to have 2 axes, got 1}}
  %r = attn.recur add rows(%N) time 0 depth 8 columns 8 outs(state = %o : tensor<8xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @recur_c4_result_type(%o: tensor<?x8xf32>, %N: index) {
  // expected-error @below {{expected results of the types written}}
  %r = attn.recur add rows(%N) time 0 depth 8 columns 8 outs(out = %o : tensor<?x8xf32>) -> tensor<?x8xf16>
  return
}

// -----

func.func @attend_c2_gate_without_value(%o: tensor<?xf32>, %N: index) {
  // expected-error @below {{expected no gate without a value}}
  %r = attn.attend softmax rows(%N) keys(%N) depth 0 columns 0 outs(lse = %o : tensor<?xf32>)
      gate {
      ^bb0(%i: index):
        %c = arith.constant 1.0 : f32
        attn.yield %c : f32
      } -> tensor<?xf32>
  return
}

// -----

func.func @attend_c3_prior_without_sink(%o: tensor<?xf32>, %N: index) {
  // expected-error @below {{expected a sink and a value with 'prior'}}
  %r = attn.attend softmax rows(%N) keys(%N) depth 0 columns 0 outs(lse = %o : tensor<?xf32>)
      prior {
      ^bb0(%i: index):
        %c = arith.constant 1.0 : f32
        attn.yield %c : f32
      } -> tensor<?xf32>
  return
}

// -----

func.func @attend_c6_group_without_leader(%o: tensor<?xf32>, %N: index) {
  // expected-error @below {{expected a positive 'group' with 'grouped' and 'leader'}}
  %r = attn.attend softmax rows(%N) keys(%N) depth 0 columns 0 group 8 outs(lse = %o : tensor<?xf32>)
      grouped {
      ^bb0(%i: index, %k: index):
        %c = arith.constant true
        attn.yield %c : i1
      } -> tensor<?xf32>
  return
}

// -----

func.func @attend_c7_rows_without_distance(%o: tensor<?xf32>, %N: index) {
  // expected-error @below {{expected 'rel_row' and 'rel_at' together}}
  %r = attn.attend softmax rows(%N) keys(%N) depth 0 columns 0 outs(lse = %o : tensor<?xf32>)
      rel_row {
      ^bb0(%i: index, %j: index):
        %c = arith.constant 1.0 : f32
        attn.yield %c : f32
      } -> tensor<?xf32>
  return
}
