// RUN: heddle-opt %s --attn-pipeline-tiles=stages=2 | FileCheck %s
// RUN: heddle-opt %s --attn-pipeline-tiles=stages=3 | FileCheck %s --check-prefix=THREE
// RUN: heddle-opt %s --attn-pipeline-tiles=stages=1 > %t.one
// RUN: heddle-opt %s > %t.same
// RUN: diff %t.one %t.same
// RUN: not heddle-opt %s --attn-pipeline-tiles 2>&1 | FileCheck %s --check-prefix=NONE

!keys = tensor<64x64xf32>
!rows = tensor<64xf32>

// NONE: expected a schedule on the function; run attn-choose-schedule first

// The tile of the first step is loaded in front of the loop, the one after this step's at its start.
//
// CHECK-LABEL: func.func @attend(
//  CHECK-SAME:     %[[K:[^:]*]]: memref<?x64xf32>, %{{[^,]*}}, %[[LO:[^:]*]]: index
//       CHECK:   %[[J0:.*]] = attn.at %[[T:.*]][%[[LO]]]
//       CHECK:   %[[A0:.*]] = affine.apply {{.*}}(%[[J0]])
//       CHECK:   %[[L0:.*]] = attn.load %[[K]][%[[A0]], 0]
//       CHECK:   scf.for %[[N:.*]] = %[[LO]] to %{{.*}} step %[[ONE:.*]] iter_args(%[[S:.*]] = %{{.*}}, %[[NOW:.*]] = %[[L0]])
//       CHECK:     %[[NEXT:.*]] = arith.addi %[[N]], %[[ONE]]
//       CHECK:     %[[J1:.*]] = attn.at %[[T]][%[[NEXT]]]
//       CHECK:     %[[A1:.*]] = affine.apply {{.*}}(%[[J1]])
//       CHECK:     %[[L1:.*]] = attn.load %[[K]][%[[A1]], 0]
//   CHECK-NOT:     attn.load
//       CHECK:     %[[O:.*]] = attn.contract %[[NOW]] t, %[[NOW]] into %[[S]]
//       CHECK:     scf.yield %[[O]], %[[L1]]
//
// With three stages two tiles wait, and each moves on by a step.
//
// THREE-LABEL: func.func @attend(
//       THREE:   %[[L0:.*]] = attn.load
//       THREE:   %[[L1:.*]] = attn.load
//       THREE:   scf.for {{.*}}, %[[A:.*]] = %[[L0]], %[[B:.*]] = %[[L1]])
//       THREE:     %[[L2:.*]] = attn.load
//       THREE:     attn.contract %[[A]] t
//       THREE:     scf.yield %{{.*}}, %[[B]], %[[L2]]
func.func @attend(%K: memref<?x64xf32>, %M: index, %lo: index, %hi: index, %s0: !keys) -> !keys {
  %c1 = arith.constant 1 : index
  %tiles = attn.visit full(%lo to %hi)
  %s1 = scf.for %n = %lo to %hi step %c1 iter_args(%s = %s0) -> (!keys) {
    %j = attn.at %tiles[%n]
    %k0 = affine.apply affine_map<(d) -> (d * 64)>(%j)
    %k = attn.load %K[%k0, 0] rows(%M) : memref<?x64xf32> -> !keys
    %o = attn.contract %k t, %k into %s : !keys, !keys -> !keys
    scf.yield %o : !keys
  }
  return %s1 : !keys
}

// The nearest cases that stay: memory that the loop writes, also through a view; a row that the loop
// itself finds; a row that a read finds, which might go out of range a step ahead; columns that move,
// and a tile of a row of tiles, which have no limit.
//
// CHECK-LABEL: func.func @not_ahead(
//   CHECK-NOT:   attn.load
//       CHECK:   scf.for
// CHECK-COUNT-5:   attn.load
func.func @not_ahead(%K: memref<?x64xf32>, %B: memref<?x?xf32>, %S: memref<?x64x64xf32>, %V: memref<64x?xf32>, %list: memref<?xindex>, %M: index,
                     %s0: !keys, %at0: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %view = memref.transpose %V (d0, d1) -> (d1, d0) : memref<64x?xf32> to memref<?x64xf32, strided<[1, ?]>>
  %s1, %at1 = scf.for %n = %c0 to %M step %c1 iter_args(%s = %s0, %at = %at0) -> (!keys, index) {
    %v = attn.load %view[%n, 0] rows(%M) : memref<?x64xf32, strided<[1, ?]>> -> !keys
    %k = attn.load %K[%at, 0] rows(%M) : memref<?x64xf32> -> !keys
    %row = memref.load %list[%n] : memref<?xindex>
    %l = attn.load %K[%row, 0] rows(%M) : memref<?x64xf32> -> !keys
    %b = attn.load %B[%c0, %n] rows(%M) : memref<?x?xf32> -> !keys
    %t = attn.load %S[%n, 0, 0] rows(%M) : memref<?x64x64xf32> -> !keys
    %p = attn.contract %k t, %v into %s : !keys, !keys -> !keys
    %o = attn.contract %b, %t into %p : !keys, !keys -> !keys
    attn.store %l, %V[%c0, 0] rows(%M) : !keys, memref<64x?xf32>
    %next = arith.addi %at, %c1 : index
    scf.yield %o, %next : !keys, index
  }
  return
}
