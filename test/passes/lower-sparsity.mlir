// RUN: heddle-opt %s --attn-lower-sparsity=explain --split-input-file --verify-diagnostics | FileCheck %s
// The closed forms are compared with the masks themselves in test/unit/MaskAnalysisTest.cpp. No remark:
// they are exact.

// Causal, aligned at the end: full tiles up to the diagonal, then boundary ones; what N is has dropped
// out, since the last query stands at the last key.
//
// CHECK-DAG: #[[ANY:.*]] = affine_map<()[s0, s1, s2] -> ((s2 * 96 - s0 + s1 + 95) floordiv 64 + 1)>
// CHECK-LABEL: func.func @causal(
//  CHECK-SAME:     %[[I:.*]]: index, %[[N:.*]]: index, %[[M:.*]]: index)
//       CHECK:   %[[ZERO:.*]] = arith.constant 0 : index
//       CHECK:   %[[E:.*]] = affine.apply #[[ANY]]()[%[[N]], %[[M]], %[[I]]]
//       CHECK:   %[[MIN:.*]] = arith.minsi %[[E]]
//       CHECK:   %[[END:.*]] = arith.maxsi %[[MIN]], %[[ZERO]]
//       CHECK:   %[[FULL:.*]] = arith.maxsi %{{.*}}, %[[ZERO]]
//  CHECK-NEXT:   attn.visit full(%[[ZERO]] to %[[FULL]]) boundary(%[[FULL]] to %[[END]])
//   CHECK-NOT:   keep
func.func @causal(%i: index, %N: index, %M: index) -> (index, index) {
  %offset = arith.subi %M, %N : index
  %off = arith.index_cast %offset : index to i32
  %t = attn.visit keep at(%i) of(%N, %M) tile [96, 64] {
  ^bb0(%q: i32, %k: i32):
    %pos = arith.addi %q, %off : i32
    %keep = arith.cmpi sle, %k, %pos : i32
    attn.yield %keep : i1
  }
  %f, %a = attn.count %t
  return %f, %a : index, index
}

// -----

// All pairs, sizes that tiles divide: nothing is masked. One key more, and the last tile is.
//
// CHECK-LABEL: func.func @full(
//       CHECK:   attn.visit full(%{{.*}} to %{{.*}})
//   CHECK-NOT:   boundary
//       CHECK:   attn.visit full(%{{.*}} to %[[CUT:.*]]) boundary(%[[CUT]] to %{{.*}})
func.func @full(%i: index, %N: index) -> (index, index) {
  %c128 = arith.constant 128 : index
  %c129 = arith.constant 129 : index
  %t = attn.visit keep at(%i) of(%N, %c128) tile [96, 64] {
  ^bb0(%q: i32, %k: i32):
    %keep = arith.constant true
    attn.yield %keep : i1
  }
  %u = attn.visit keep at(%i) of(%N, %c129) tile [96, 64] {
  ^bb0(%q: i32, %k: i32):
    %keep = arith.constant true
    attn.yield %keep : i1
  }
  %f, %a = attn.count %t
  %g, %b = attn.count %u
  return %a, %b : index, index
}

// -----

// A window, its size read per head: the read goes in front of the visit. Boundary tiles on both sides
// of the full ones.
//
// CHECK-LABEL: func.func @window(
//  CHECK-SAME:     %{{[^,]*}}, %[[H:[^:]*]]: index, {{.*}} %[[W:[^:]*]]: memref<?xi32>)
//       CHECK:   %[[READ:.*]] = memref.load %[[W]][%[[H]]]
//       CHECK:   %[[SIZE:.*]] = arith.index_cast %[[READ]] : i32 to index
//       CHECK:   affine.{{.*}}%[[SIZE]]
//       CHECK:   attn.visit full(%[[A:.*]] to %[[B:.*]]) boundary(%{{.*}} to %[[A]], %[[B]] to %{{.*}})
//   CHECK-NOT:   memref.load
func.func @window(%i: index, %h: index, %N: index, %M: index, %W: memref<?xi32>) -> (index, index) {
  %t = attn.visit keep at(%i) of(%N, %M) tile [96, 64] {
  ^bb0(%q: i32, %k: i32):
    %w = memref.load %W[%h] : memref<?xi32>
    %d = arith.subi %q, %k : i32
    %zero = arith.constant 0 : i32
    %near = arith.cmpi sle, %d, %w : i32
    %causal = arith.cmpi sge, %d, %zero : i32
    %keep = arith.andi %near, %causal : i1
    attn.yield %keep : i1
  }
  %f, %a = attn.count %t
  return %f, %a : index, index
}

// -----

// A window that is open if it is negative: two alternatives of which one holds at a time are one
// interval.
//
// CHECK-LABEL: func.func @open_window(
//       CHECK:   attn.visit full(%[[A:.*]] to %[[B:.*]]) boundary(%{{[^,]*}} to %[[A]], %[[B]] to %{{[^,]*}})
func.func @open_window(%i: index, %N: index, %M: index, %w: i32) -> (index, index) {
  %t = attn.visit keep at(%i) of(%N, %M) tile [96, 64] {
  ^bb0(%q: i32, %k: i32):
    %d = arith.subi %q, %k : i32
    %zero = arith.constant 0 : i32
    %open = arith.cmpi slt, %w, %zero : i32
    %near = arith.cmpi sle, %d, %w : i32
    %in = arith.ori %open, %near : i1
    %causal = arith.cmpi sge, %d, %zero : i32
    %keep = arith.andi %in, %causal : i1
    attn.yield %keep : i1
  }
  %f, %a = attn.count %t
  return %f, %a : index, index
}
