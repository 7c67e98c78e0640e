// RUN: heddle-opt %s --attn-lower-sparsity=explain --split-input-file --verify-diagnostics | FileCheck %s

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
    // expected-note @below {{this term reads data}}
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

// Nothing is known, and tiles divide the keys: all are boundary tiles.
//
// CHECK-LABEL: func.func @unknown(
//       CHECK:   attn.visit boundary(%{{[^,]*}} to %{{[^,]*}})
func.func @unknown(%i: index, %N: index, %on: memref<?xi1>) -> index {
  %c128 = arith.constant 128 : index
  // expected-remark @below {{tiles may be boundary ones that need not be}}
  %t = attn.visit keep at(%i) of(%N, %c128) tile [96, 64] {
  ^bb0(%q: i32, %k: i32):
    %x = arith.index_cast %k : i32 to index
    // expected-note @below {{this term is not affine in the positions}}
    %keep = memref.load %on[%x] : memref<?xi1>
    attn.yield %keep : i1
  }
  %f, %a = attn.count %t
  return %a : index
}

// -----

// A key equal to one of nine is nine alternatives: one interval from the first to the last, cut by what
// is dropped; and a remark. Where the nine stand is read in front of the visit.
//
// CHECK-LABEL: func.func @hull(
// CHECK-COUNT-9: memref.load
//       CHECK:   attn.visit full({{[^)]*}}) boundary({{[^,)]*}}, {{[^,)]*}}, {{[^,)]*}})
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
