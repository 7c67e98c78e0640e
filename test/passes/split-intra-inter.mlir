// RUN: heddle-opt %s --attn-split-intra-inter --split-input-file | FileCheck %s

// The decayed form with a sum: products of decays by scans, what a token sees in its chunk by a select.
//
// CHECK-LABEL: func.func @decayed(
//  CHECK-SAME:     %[[Q:.*]]: tensor<32x64xf32>, %[[K:.*]]: tensor<32x64xf32>, %[[V:.*]]: tensor<32x8xf32>, %[[S:.*]]: tensor<64x8xf32>, %[[A:.*]]: tensor<32xf32>, %[[Z:.*]]: tensor<64xf32>)
//       CHECK:   %[[UPTO:.*]] = attn.scan mul %[[A]] :
//       CHECK:   %[[AFTER:.*]] = attn.scan mul reverse exclusive %[[A]] :
//       CHECK:   %[[ALL:.*]] = tensor.extract %[[UPTO]]
//       CHECK:   %[[X:.*]] = attn.contract %[[Q]], %[[K]] t :
//       CHECK:   %[[D:.*]] = attn.scan mul %{{.*}} : tensor<32x32xf32>
//       CHECK:   %[[P:.*]], %[[SUMS:.*]] = attn.map %[[X]], %[[D]] rows(%{{.*}}) cols(%{{.*}}) reduce add per row
//       CHECK:     arith.cmpi sle
//       CHECK:   %[[O1:.*]] = attn.contract %[[P]], %[[V]] :
//       CHECK:   %[[QD:.*]] = attn.map %[[Q]] rows(%[[UPTO]])
//       CHECK:   %[[O:.*]] = attn.contract %[[QD]], %[[S]] into %[[O1]] :
//       CHECK:   %[[KD:.*]] = attn.map %[[K]] rows(%[[AFTER]])
//       CHECK:   %[[DS:.*]] = tensor.splat %[[ALL]]
//       CHECK:   attn.contract %[[KD]] t, %[[V]] into %[[S]] * %[[DS]] :
//   CHECK-NOT:   attn.advance
func.func @decayed(%q: tensor<32x64xf32>, %k: tensor<32x64xf32>, %v: tensor<32x8xf32>,
                   %s: tensor<64x8xf32>, %a: tensor<32xf32>, %z: tensor<64xf32>)
    -> (tensor<32x8xf32>, tensor<64x8xf32>, tensor<32xf32>, tensor<64xf32>) {
  %o, %s1, %n, %z1 = attn.advance add %q, %k, %v from %s decay(%a) sum(%z)
      : tensor<32x64xf32>, tensor<32x64xf32>, tensor<32x8xf32>, tensor<64x8xf32>, tensor<32xf32>, tensor<64xf32>
      -> tensor<32x8xf32>, tensor<64x8xf32>, tensor<32xf32>, tensor<64xf32>
  return %o, %s1, %n, %z1 : tensor<32x8xf32>, tensor<64x8xf32>, tensor<32xf32>, tensor<64xf32>
}

// -----

// Without a decay there is no scan and nothing is scaled.
//
// CHECK-LABEL: func.func @plain(
//   CHECK-NOT:   attn.scan
//   CHECK-NOT:   tensor.splat
//       CHECK:   return
func.func @plain(%q: tensor<32x64xf32>, %k: tensor<32x64xf32>, %v: tensor<32x8xf32>, %s: tensor<64x8xf32>)
    -> (tensor<32x8xf32>, tensor<64x8xf32>) {
  %o, %s1 = attn.advance add %q, %k, %v from %s
      : tensor<32x64xf32>, tensor<32x64xf32>, tensor<32x8xf32>, tensor<64x8xf32>
      -> tensor<32x8xf32>, tensor<64x8xf32>
  return %o, %s1 : tensor<32x8xf32>, tensor<64x8xf32>
}

// -----

// Two levels: what each chunk adds (no output), the states one after the other, the outputs (no state).
//
// CHECK-LABEL: func.func @two_level(
//       CHECK:   %[[W:.*]] = memref.alloc({{.*}}) : memref<?x?x8x8xf32>
//       CHECK:   %[[G:.*]] = memref.alloc({{.*}}) : memref<?x?x8xf32>
//       CHECK:   scf.forall (%{{.*}}, %{{.*}}) in
//   CHECK-NOT:     scf.for
//       CHECK:     attn.contract %{{.*}} t,
//   CHECK-NOT:     attn.contract
//       CHECK:     attn.store %{{.*}}, %[[W]]
//       CHECK:     attn.store %{{.*}}, %[[G]]
//       CHECK:   scf.forall (%{{.*}}) in
//       CHECK:     scf.for
//   CHECK-NOT:       attn.contract
//       CHECK:       attn.store %{{.*}}, %[[W]]
//       CHECK:   scf.forall (%{{.*}}, %{{.*}}) in
//       CHECK:     attn.load %[[W]]
//       CHECK:     attn.contract %{{.*}}, %{{.*}} into
//   CHECK-NOT:     attn.contract
//       CHECK:   return
func.func @two_level(%Q: memref<?x?x8xf32>, %A: memref<?x?xf32>, %O: memref<?x?x8xf32>, %B: index, %N: index)
    attributes {attn.schedule = #attn.schedule<query = 96, key = 64, strip = 24, chunk = 16, columns = 0, stages = 1, form = two_level>} {
  %T = affine.apply affine_map<(n) -> (n ceildiv 16)>(%N)
  scf.forall (%b) in (%B) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %z = arith.constant dense<0.0> : tensor<8x8xf32>
    %end = scf.for %c = %c0 to %T step %c1 iter_args(%s = %z) -> (tensor<8x8xf32>) {
      %t0 = affine.apply affine_map<(c) -> (c * 16)>(%c)
      %q = attn.load %Q[%b, %t0, 0] rows(%N) : memref<?x?x8xf32> -> tensor<16x8xf32>
      %a = attn.load %A[%b, %t0] rows(%N) : memref<?x?xf32> -> tensor<16xf32>
      %o, %s1 = attn.advance add %q, %q, %q from %s decay(%a)
          : tensor<16x8xf32>, tensor<16x8xf32>, tensor<16x8xf32>, tensor<8x8xf32>, tensor<16xf32>
          -> tensor<16x8xf32>, tensor<8x8xf32>
      attn.store %o, %O[%b, %t0, 0] rows(%N) : tensor<16x8xf32>, memref<?x?x8xf32>
      scf.yield %s1 : tensor<8x8xf32>
    }
  }
  return
}

// -----

// A state that no loop carries cannot be split in two levels; the carried form needs no loop.
//
// CHECK-LABEL: func.func @no_loop(
//       CHECK:   attn.contract
func.func @no_loop(%q: tensor<4x8xf32>, %s: tensor<8x8xf32>) -> tensor<4x8xf32>
    attributes {attn.schedule = #attn.schedule<query = 96, key = 64, strip = 24, chunk = 4, columns = 0, stages = 1, form = carried>} {
  %o, %s1 = attn.advance add %q, %q, %q from %s
      : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>, tensor<8x8xf32>
  return %o : tensor<4x8xf32>
}
