// RUN: heddle-opt %s --attn-lower-sparsity --split-input-file | FileCheck %s
// RUN: heddle-opt %s --attn-lower-sparsity=explain --split-input-file --verify-diagnostics -o /dev/null
// The closed forms are compared with the masks themselves in test/unit/MaskAnalysisTest.cpp.

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

// Documents are not affine: no tile is known to be full. The causal bound still ends the visit.
//
// CHECK-LABEL: func.func @documents(
//       CHECK:   %[[END:.*]] = arith.maxsi
//       CHECK:   attn.visit boundary(%{{.*}} to %[[END]])
func.func @documents(%i: index, %N: index, %M: index, %doc: memref<?xi32>) -> (index, index) {
  // expected-remark @below {{tiles may be boundary ones that need not be}}
  %t = attn.visit keep at(%i) of(%N, %M) tile [96, 64] {
  ^bb0(%q: i32, %k: i32):
    %qx = arith.index_cast %q : i32 to index
    %kx = arith.index_cast %k : i32 to index
    // expected-note @below {{this term is not affine in the positions}}
    %dq = memref.load %doc[%qx] : memref<?xi32>
    %dk = memref.load %doc[%kx] : memref<?xi32>
    %same = arith.cmpi eq, %dq, %dk : i32
    %causal = arith.cmpi sle, %k, %q : i32
    %keep = arith.andi %same, %causal : i1
    attn.yield %keep : i1
  }
  %f, %a = attn.count %t
  return %f, %a : index, index
}

// -----

// A key equal to one of nine is nine alternatives: one interval from the first to the last, cut by what
// is dropped; and a remark. Where the nine stand is read in front of the visit.
//
// CHECK-LABEL: func.func @hull(
// CHECK-COUNT-9: memref.load
//       CHECK:   attn.visit full({{.*}}) boundary(
func.func @hull(%i: index, %N: index, %M: index, %P: memref<9xi32>) -> (index, index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %c4 = arith.constant 4 : index
  %c5 = arith.constant 5 : index
  %c6 = arith.constant 6 : index
  %c7 = arith.constant 7 : index
  %c8 = arith.constant 8 : index
  // expected-remark @below {{tiles may be boundary ones that need not be}}
  %t = attn.visit keep at(%i) of(%N, %M) tile [96, 64] {
  ^bb0(%q: i32, %k: i32):
    %p0 = memref.load %P[%c0] : memref<9xi32>
    %p1 = memref.load %P[%c1] : memref<9xi32>
    %p2 = memref.load %P[%c2] : memref<9xi32>
    %p3 = memref.load %P[%c3] : memref<9xi32>
    %p4 = memref.load %P[%c4] : memref<9xi32>
    %p5 = memref.load %P[%c5] : memref<9xi32>
    %p6 = memref.load %P[%c6] : memref<9xi32>
    %p7 = memref.load %P[%c7] : memref<9xi32>
    %p8 = memref.load %P[%c8] : memref<9xi32>
    %e0 = arith.cmpi eq, %k, %p0 : i32
    %e1 = arith.cmpi eq, %k, %p1 : i32
    %e2 = arith.cmpi eq, %k, %p2 : i32
    %e3 = arith.cmpi eq, %k, %p3 : i32
    %e4 = arith.cmpi eq, %k, %p4 : i32
    %e5 = arith.cmpi eq, %k, %p5 : i32
    %e6 = arith.cmpi eq, %k, %p6 : i32
    %e7 = arith.cmpi eq, %k, %p7 : i32
    %e8 = arith.cmpi eq, %k, %p8 : i32
    %o1 = arith.ori %e0, %e1 : i1
    %o2 = arith.ori %o1, %e2 : i1
    %o3 = arith.ori %o2, %e3 : i1
    %o4 = arith.ori %o3, %e4 : i1
    %o5 = arith.ori %o4, %e5 : i1
    %o6 = arith.ori %o5, %e6 : i1
    %o7 = arith.ori %o6, %e7 : i1
    // expected-note @+2 {{this term has too many alternatives}}
    // expected-note @+1 {{this has more than 8 alternatives; tiles between them are visited}}
    %keep = arith.ori %o7, %e8 : i1
    attn.yield %keep : i1
  }
  %f, %a = attn.count %t
  return %f, %a : index, index
}

// -----

// A block diagonal rounds: ranges are near, and a remark says where they are not exact.
//
// CHECK-LABEL: func.func @blocks(
//       CHECK:   attn.visit {{.*}}boundary(
func.func @blocks(%i: index, %N: index, %M: index) -> (index, index) {
  // expected-remark @below {{tiles may be boundary ones that need not be}}
  %t = attn.visit keep at(%i) of(%N, %M) tile [96, 64] {
  ^bb0(%q: i32, %k: i32):
    %c = arith.constant 100 : i32
    // expected-note @below {{this term rounds}}
    %bq = arith.floordivsi %q, %c : i32
    // expected-note @below {{this term rounds}}
    %bk = arith.floordivsi %k, %c : i32
    %keep = arith.cmpi eq, %bq, %bk : i32
    attn.yield %keep : i1
  }
  %f, %a = attn.count %t
  return %f, %a : index, index
}
