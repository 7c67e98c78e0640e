// What no interval of tile numbers says of a mask, the kernel asks of each tile: where the mask goes by
// blocks or by data, the tiles it finds are those of the definition, in three stretches of the sequence.
//
// DEFINE: %{args} = args=43x75,43x75,43x75,43x75,600,510,510
// DEFINE: %{tile} = 12, 8
// RUN: heddle-opt %s --attn-lower-sparsity=explain --verify-diagnostics | FileCheck %s
// RUN: heddle-opt %s --attn-lower-sparsity --canonicalize --cse --loop-invariant-code-motion \
// RUN:   --attn-interpret="%{args} against=%s" | FileCheck %s --check-prefix=SAME
// RUN: heddle-opt %s --attn-lower-sparsity --attn-peel-tiles --attn-interpret="%{args} against=%s" \
// RUN:   | FileCheck %s --check-prefix=SAME

// Every third block of 24 keys; the remainder is taken of the tile's interval of block numbers.
//
// CHECK-LABEL: func.func @tiles(
//       CHECK:   %[[HULL:.*]] = attn.visit
//       CHECK:   %{{.*}}, %[[ALL:.*]] = attn.count %[[HULL]]
//       CHECK:   scf.for %[[FROM:.*]] = %{{.*}} to %[[ALL]] step %c32
//       CHECK:     %[[T:.*]] = attn.filter %[[HULL]] from %[[FROM]] to %{{.*}} {
//       CHECK:     ^bb0(%{{.*}}: index):
//   CHECK-NOT:       memref.load
//       CHECK:       attn.yield %{{.*}}, %{{.*}} : i1, i1
//       CHECK:     %[[F:.*]], %[[A:.*]] = attn.count %[[T]]
//       CHECK:     scf.for %{{.*}} = %{{.*}} to %[[A]]
//       CHECK:       attn.at %[[T]]
//
// Documents, promised to be sorted: what the first and the last key belong to, first of a whole stretch,
// then of each tile.
//
//       CHECK:   attn.at
//       CHECK:   memref.load %{{.*}} : memref<?xi32>
//       CHECK:   %[[TO:.*]] = arith.select %{{.*}} : index
//       CHECK:   attn.filter %{{.*}} from %{{.*}} to %[[TO]] {
//  CHECK-NEXT:     ^bb0(
//   CHECK-NOT:       scf.for
//       CHECK:       memref.load %{{.*}} : memref<?xi32>
//       CHECK:       attn.yield
//
// The same without the promise: all keys of a tile are looked at.
//
//       CHECK:   attn.filter
//       CHECK:       scf.for
//       CHECK:         memref.load
//       CHECK:       attn.yield
//
// A table of blocks.
//
//       CHECK:   attn.filter
//       CHECK:       memref.load
//
// SAME: // tiles: as in plan-tiles.mlir
func.func @tiles(%a: memref<?x?xf32>, %b: memref<?x?xf32>, %c: memref<?x?xf32>, %e: memref<?x?xf32>,
                 %M: index, %N: index, %L: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c17 = arith.constant 17 : index
  %items = affine.apply affine_map<()[s0] -> (s0 ceildiv 12)>()[%N]
  %doc = memref.alloc(%M) : memref<?xi32>
  %pick = memref.alloc(%M) : memref<?xi32>
  scf.forall (%i) in (%M) {
    %d = arith.divui %i, %c17 : index
    %x = arith.index_cast %d : index to i32
    memref.store %x, %doc[%i] : memref<?xi32>
    %s = arith.muli %i, %i : index
    %r = arith.remui %s, %c17 : index
    %y = arith.index_cast %r : index to i32
    memref.store %y, %pick[%i] : memref<?xi32>
  } {attn.loops = "data of the test"}
  scf.forall (%i) in (%items) {
    %t = attn.visit keep at(%i) of(%N, %M) tile [12, 8] {
    ^bb0(%q: i32, %k: i32):
      %c24 = arith.constant 24 : i32
      %c3 = arith.constant 3 : i32
      %bq = arith.floordivsi %q, %c24 : i32
      %bk = arith.floordivsi %k, %c24 : i32
      %d = arith.subi %bq, %bk : i32
      %f = arith.floordivsi %d, %c3 : i32
      %g = arith.muli %f, %c3 : i32
      %m = arith.subi %d, %g : i32
      %z = arith.constant 0 : i32
      %keep = arith.cmpi eq, %m, %z : i32
      attn.yield %keep : i1
    }
    %f, %all = attn.count %t
    scf.for %n = %c0 to %all step %c1 {
      %full = arith.cmpi ult, %n, %f : index
      %one = arith.constant 1.0 : f32
      %two = arith.constant 2.0 : f32
      %class = arith.select %full, %two, %one : f32
      %tile = attn.at %t[%n]
      memref.store %class, %a[%i, %tile] : memref<?x?xf32>
    }
  } {attn.loops = "writes what is visited"}
  scf.forall (%i) in (%items) {
    %t = attn.visit keep at(%i) of(%N, %M) tile [12, 8] {
    ^bb0(%q: i32, %k: i32):
      %qx = arith.index_cast %q : i32 to index
      %kx = arith.index_cast %k : i32 to index
      %dq = memref.load %doc[%qx] {attn.sorted} : memref<?xi32>
      %dk = memref.load %doc[%kx] {attn.sorted} : memref<?xi32>
      %same = arith.cmpi eq, %dq, %dk : i32
      %causal = arith.cmpi sle, %k, %q : i32
      %keep = arith.andi %same, %causal : i1
      attn.yield %keep : i1
    }
    %f, %all = attn.count %t
    scf.for %n = %c0 to %all step %c1 {
      %full = arith.cmpi ult, %n, %f : index
      %one = arith.constant 1.0 : f32
      %two = arith.constant 2.0 : f32
      %class = arith.select %full, %two, %one : f32
      %tile = attn.at %t[%n]
      memref.store %class, %b[%i, %tile] : memref<?x?xf32>
    }
  } {attn.loops = "writes what is visited"}
  scf.forall (%i) in (%items) {
    %t = attn.visit keep at(%i) of(%N, %M) tile [12, 8] {
    ^bb0(%q: i32, %k: i32):
      %qx = arith.index_cast %q : i32 to index
      %kx = arith.index_cast %k : i32 to index
      %dq = memref.load %doc[%qx] : memref<?xi32>
      %dk = memref.load %doc[%kx] : memref<?xi32>
      %keep = arith.cmpi eq, %dq, %dk : i32
      attn.yield %keep : i1
    }
    %f, %all = attn.count %t
    scf.for %n = %c0 to %all step %c1 {
      %full = arith.cmpi ult, %n, %f : index
      %one = arith.constant 1.0 : f32
      %two = arith.constant 2.0 : f32
      %class = arith.select %full, %two, %one : f32
      %tile = attn.at %t[%n]
      memref.store %class, %c[%i, %tile] : memref<?x?xf32>
    }
  } {attn.loops = "writes what is visited"}
  scf.forall (%i) in (%items) {
    %t = attn.visit keep at(%i) of(%N, %M) tile [12, 8] {
    ^bb0(%q: i32, %k: i32):
      %c12 = arith.constant 12 : i32
      %c16 = arith.constant 16 : i32
      %c5 = arith.constant 5 : i32
      %bq = arith.floordivsi %q, %c12 : i32
      %bk = arith.floordivsi %k, %c16 : i32
      %s = arith.addi %bq, %bk : i32
      %x = arith.index_cast %s : i32 to index
      %p = memref.load %pick[%x] : memref<?xi32>
      %keep = arith.cmpi slt, %p, %c5 : i32
      attn.yield %keep : i1
    }
    %f, %all = attn.count %t
    scf.for %n = %c0 to %all step %c1 {
      %full = arith.cmpi ult, %n, %f : index
      %one = arith.constant 1.0 : f32
      %two = arith.constant 2.0 : f32
      %class = arith.select %full, %two, %one : f32
      %tile = attn.at %t[%n]
      memref.store %class, %e[%i, %tile] : memref<?x?xf32>
    }
  } {attn.loops = "writes what is visited"}
  return
}
