// RUN: heddle-opt %s --attn-choose-schedule=target=x86-64-v3 | FileCheck %s --check-prefix=V3
// RUN: heddle-opt %s --attn-choose-schedule=target=x86-64-v4 | FileCheck %s --check-prefix=V4
// RUN: heddle-opt %s --attn-choose-schedule=target=sm_80 | FileCheck %s --check-prefix=SM80
// RUN: heddle-opt %s --attn-choose-schedule="target=x86-64-v3 set=query=96,key=64" | FileCheck %s --check-prefix=SET
// RUN: not heddle-opt %s --attn-choose-schedule="target=pdp11" 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not heddle-opt %s --attn-choose-schedule="set=kye=64" 2>&1 | FileCheck %s --check-prefix=FIELD

// UNKNOWN: unknown target 'pdp11'; there are x86-64-v3
// FIELD: unknown field 'kye'; there are query, key

// The register tile follows the registers of the machine.
//
// V3-LABEL: func.func @plain(
//       V3: schedule <query = 192, key = 128, strip = 24, {{.*}}cpu = <lanes = 8, rows = 4, vectors = 3, exp_degree = 5>>
// V4-LABEL: func.func @plain(
//       V4: schedule <query = 192, key = 128, strip = 48, {{.*}}cpu = <lanes = 16, rows = 8, vectors = 3, exp_degree = 5>>
// SM80-LABEL: func.func @plain(
//       SM80: schedule <query = 128, {{.*}}gpu = <threads = 128>>
// SET-LABEL: func.func @plain(
//       SET: schedule <query = 96, key = 64, strip = 24
func.func @plain(%q: tensor<?x64xf32>, %o: tensor<?x64xf32>, %N: index, %M: index) -> tensor<?x64xf32> {
  %r = attn.attend softmax rows(%N) keys(%M) depth 64 columns 64 outs(out = %o : tensor<?x64xf32>)
      query {
      ^bb0(%i: index, %d: index):
        %x = tensor.extract %q[%i, %d] : tensor<?x64xf32>
        attn.yield %x : f32
      } key {
      ^bb0(%i: index, %j: index, %d: index):
        %x = tensor.extract %q[%j, %d] : tensor<?x64xf32>
        attn.yield %x : f32
      } value {
      ^bb0(%i: index, %j: index, %d: index):
        %x = tensor.extract %q[%j, %d] : tensor<?x64xf32>
        attn.yield %x : f32
      } -> tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}

// Keys that differ from row to row share no tile: a tile is one row.
//
// V3-LABEL: func.func @row_keys(
//       V3: schedule <query = 1, key = 128, strip = 1,
func.func @row_keys(%q: tensor<?x64xf32>, %o: tensor<?x64xf32>, %N: index, %M: index) -> tensor<?x64xf32> {
  %r = attn.attend softmax rows(%N) keys(%M) depth 64 columns 64 outs(out = %o : tensor<?x64xf32>)
      query {
      ^bb0(%i: index, %d: index):
        %x = tensor.extract %q[%i, %d] : tensor<?x64xf32>
        attn.yield %x : f32
      } key {
      ^bb0(%i: index, %j: index, %d: index):
        %s = arith.addi %i, %j : index
        %x = tensor.extract %q[%s, %d] : tensor<?x64xf32>
        attn.yield %x : f32
      } value {
      ^bb0(%i: index, %j: index, %d: index):
        %x = tensor.extract %q[%j, %d] : tensor<?x64xf32>
        attn.yield %x : f32
      } -> tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}

// A mask by blocks of keys and queries that tiles of 64 divide.
//
// V3-LABEL: func.func @blocks(
//       V3: schedule <query = 64, key = 64, strip = 16,
// V4-LABEL: func.func @blocks(
//       V4: schedule <query = 64, key = 64, strip = 32,
func.func @blocks(%q: tensor<?x64xf32>, %on: tensor<?x?xi1>, %o: tensor<?x64xf32>, %N: index, %M: index) -> tensor<?x64xf32> {
  %r = attn.attend softmax rows(%N) keys(%M) depth 64 columns 64 outs(out = %o : tensor<?x64xf32>)
      query {
      ^bb0(%i: index, %d: index):
        %x = tensor.extract %q[%i, %d] : tensor<?x64xf32>
        attn.yield %x : f32
      } key {
      ^bb0(%i: index, %j: index, %d: index):
        %x = tensor.extract %q[%j, %d] : tensor<?x64xf32>
        attn.yield %x : f32
      } value {
      ^bb0(%i: index, %j: index, %d: index):
        %x = tensor.extract %q[%j, %d] : tensor<?x64xf32>
        attn.yield %x : f32
      } keep {
      ^bb0(%i: index, %j: index):
        %c128 = arith.constant 128 : index
        %size = arith.constant 64 : index
        %a = arith.floordivsi %i, %c128 : index
        %b = arith.floordivsi %j, %size : index
        %x = tensor.extract %on[%a, %b] : tensor<?x?xi1>
        attn.yield %x : i1
      } -> tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}

// Smaller blocks of keys.
//
// V3-LABEL: func.func @small_blocks(
//       V3: schedule <query = 32, key = 32, strip = 16,
// V4-LABEL: func.func @small_blocks(
//       V4: schedule <query = 32, key = 32, strip = 32,
func.func @small_blocks(%q: tensor<?x64xf32>, %on: tensor<?x?xi1>, %o: tensor<?x64xf32>, %N: index, %M: index) -> tensor<?x64xf32> {
  %r = attn.attend softmax rows(%N) keys(%M) depth 64 columns 64 outs(out = %o : tensor<?x64xf32>)
      query {
      ^bb0(%i: index, %d: index):
        %x = tensor.extract %q[%i, %d] : tensor<?x64xf32>
        attn.yield %x : f32
      } key {
      ^bb0(%i: index, %j: index, %d: index):
        %x = tensor.extract %q[%j, %d] : tensor<?x64xf32>
        attn.yield %x : f32
      } value {
      ^bb0(%i: index, %j: index, %d: index):
        %x = tensor.extract %q[%j, %d] : tensor<?x64xf32>
        attn.yield %x : f32
      } keep {
      ^bb0(%i: index, %j: index):
        %c128 = arith.constant 128 : index
        %size = arith.constant 32 : index
        %a = arith.floordivsi %i, %c128 : index
        %b = arith.floordivsi %j, %size : index
        %x = tensor.extract %on[%a, %b] : tensor<?x?xi1>
        attn.yield %x : i1
      } -> tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}

// What cuts blocks has a border: smaller tiles.
//
// V3-LABEL: func.func @cut_blocks(
//       V3: schedule <query = 32, key = 32, strip = 16,
// V4-LABEL: func.func @cut_blocks(
//       V4: schedule <query = 32, key = 32, strip = 32,
func.func @cut_blocks(%q: tensor<?x64xf32>, %on: tensor<?x?xi1>, %o: tensor<?x64xf32>, %N: index, %M: index) -> tensor<?x64xf32> {
  %r = attn.attend softmax rows(%N) keys(%M) depth 64 columns 64 outs(out = %o : tensor<?x64xf32>)
      query {
      ^bb0(%i: index, %d: index):
        %x = tensor.extract %q[%i, %d] : tensor<?x64xf32>
        attn.yield %x : f32
      } key {
      ^bb0(%i: index, %j: index, %d: index):
        %x = tensor.extract %q[%j, %d] : tensor<?x64xf32>
        attn.yield %x : f32
      } value {
      ^bb0(%i: index, %j: index, %d: index):
        %x = tensor.extract %q[%j, %d] : tensor<?x64xf32>
        attn.yield %x : f32
      } keep {
      ^bb0(%i: index, %j: index):
        %c128 = arith.constant 128 : index
        %size = arith.constant 64 : index
        %a = arith.floordivsi %i, %c128 : index
        %b = arith.floordivsi %j, %size : index
        %x = tensor.extract %on[%a, %b] : tensor<?x?xi1>
        %y = arith.cmpi sle, %j, %i : index
        %z = arith.andi %x, %y : i1
        attn.yield %z : i1
      } -> tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}

// Also if the tile's queries are not those of the last axis.
//
// V3-LABEL: func.func @cut_first_axis(
//       V3: schedule <query = 32, key = 32, strip = 16,
// V4-LABEL: func.func @cut_first_axis(
//       V4: schedule <query = 32, key = 32, strip = 32,
func.func @cut_first_axis(%q: tensor<?x?x64xf32>, %k: tensor<?x?x64xf32>, %on: tensor<?xi1>, %o: tensor<?x?x64xf32>, %N: index, %H: index, %M: index) -> tensor<?x?x64xf32> {
  %r = attn.attend softmax rows(%N, %H) keys(%M) depth 64 columns 64 outs(out = %o : tensor<?x?x64xf32>)
      query {
      ^bb0(%i: index, %h: index, %d: index):
        %x = tensor.extract %q[%i, %h, %d] : tensor<?x?x64xf32>
        attn.yield %x : f32
      } key {
      ^bb0(%i: index, %h: index, %j: index, %d: index):
        %x = tensor.extract %k[%h, %j, %d] : tensor<?x?x64xf32>
        attn.yield %x : f32
      } value {
      ^bb0(%i: index, %h: index, %j: index, %d: index):
        %x = tensor.extract %k[%h, %j, %d] : tensor<?x?x64xf32>
        attn.yield %x : f32
      } keep {
      ^bb0(%i: index, %h: index, %j: index):
        %size = arith.constant 64 : index
        %b = arith.floordivsi %j, %size : index
        %x = tensor.extract %on[%b] : tensor<?xi1>
        %y = arith.cmpi sgt, %i, %size : index
        %z = arith.andi %x, %y : i1
        attn.yield %z : i1
      } -> tensor<?x?x64xf32>
  return %r : tensor<?x?x64xf32>
}

// A recurrence on a CPU without many registers: two registers of lanes wide, since states are.
//
// V3-LABEL: func.func @recurrence(
//       V3: schedule <{{.*}}chunk = 16, {{.*}}cpu = <lanes = 8, rows = 6, vectors = 2, exp_degree = 5>>
// V4-LABEL: func.func @recurrence(
//       V4: schedule <{{.*}}chunk = 16, {{.*}}cpu = <lanes = 16, rows = 8, vectors = 3, exp_degree = 5>>
func.func @recurrence(%q: tensor<?x64xf32>, %o: tensor<?x64xf32>, %T: index) -> tensor<?x64xf32> {
  %r = attn.recur add rows(%T) time 0 depth 64 columns 64 outs(out = %o : tensor<?x64xf32>)
      query {
      ^bb0(%t: index, %d: index):
        %x = tensor.extract %q[%t, %d] : tensor<?x64xf32>
        attn.yield %x : f32
      } key {
      ^bb0(%t: index, %d: index):
        %x = tensor.extract %q[%t, %d] : tensor<?x64xf32>
        attn.yield %x : f32
      } value {
      ^bb0(%t: index, %e: index):
        %x = tensor.extract %q[%t, %e] : tensor<?x64xf32>
        attn.yield %x : f32
      } -> tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}

// Keys that are widened go into smaller tiles, whose copies stay in L1.
//
// V3-LABEL: func.func @widened(
//       V3: schedule <query = 192, key = 64, strip = 24,
// V4-LABEL: func.func @widened(
//       V4: schedule <query = 192, key = 64, strip = 48,
func.func @widened(%q: tensor<?x64xf32>, %k: tensor<?x64xf16>, %o: tensor<?x64xf32>, %N: index, %M: index)
    -> tensor<?x64xf32> {
  %r = attn.attend softmax rows(%N) keys(%M) depth 64 columns 64 outs(out = %o : tensor<?x64xf32>)
      query {
      ^bb0(%i: index, %d: index):
        %x = tensor.extract %q[%i, %d] : tensor<?x64xf32>
        attn.yield %x : f32
      } key {
      ^bb0(%i: index, %j: index, %d: index):
        %h = tensor.extract %k[%j, %d] : tensor<?x64xf16>
        %x = arith.extf %h : f16 to f32
        attn.yield %x : f32
      } value {
      ^bb0(%i: index, %j: index, %d: index):
        %x = tensor.extract %q[%j, %d] : tensor<?x64xf32>
        attn.yield %x : f32
      } -> tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}

// Where borders lie anywhere a tile of queries is one strip, of two registers.
//
// V3-LABEL: func.func @ragged(
//       V3: schedule <query = 16, key = 36, strip = 16, {{.*}}cpu = <lanes = 8, rows = 6, vectors = 2,
// V4-LABEL: func.func @ragged(
//       V4: schedule <query = 32, key = 32, strip = 32, {{.*}}cpu = <lanes = 16, rows = 8, vectors = 2,
func.func @ragged(%q: tensor<?x64xf32>, %at: tensor<?xi32>, %o: tensor<?x64xf32>, %N: index) -> tensor<?x64xf32> {
  %r = attn.attend softmax rows(%N) keys(%N) depth 64 columns 64 outs(out = %o : tensor<?x64xf32>)
      query {
      ^bb0(%i: index, %d: index):
        %x = tensor.extract %q[%i, %d] : tensor<?x64xf32>
        attn.yield %x : f32
      } key {
      ^bb0(%i: index, %j: index, %d: index):
        %x = tensor.extract %q[%j, %d] : tensor<?x64xf32>
        attn.yield %x : f32
      } value {
      ^bb0(%i: index, %j: index, %d: index):
        %x = tensor.extract %q[%j, %d] : tensor<?x64xf32>
        attn.yield %x : f32
      } keep {
      ^bb0(%i: index, %j: index):
        %a = tensor.extract %at[%i] {attn.sorted} : tensor<?xi32>
        %b = tensor.extract %at[%j] {attn.sorted} : tensor<?xi32>
        %same = arith.cmpi eq, %a, %b : i32
        attn.yield %same : i1
      } -> tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}
