// RUN: heddle-opt %s --split-input-file --verify-diagnostics

func.func @visit_c1_end_without_end(%i: index) {
  // expected-error @below {{expected intervals, got a lower end without its upper end}}
  "attn.visit"(%i) <{operandSegmentSizes = array<i32: 1, 0, 0, 0>}> ({}) : (index) -> !attn.tiles
  return
}

// -----

func.func @visit_c2_mask_and_intervals(%i: index) {
  // expected-error @below {{expected either 'keep' or intervals}}
  attn.visit full(%i to %i) keep at(%i) of(%i, %i) tile [96, 64] {
  ^bb0(%q: i32, %k: i32):
    %c = arith.cmpi sle, %k, %q : i32
    attn.yield %c : i1
  }
  return
}

// -----

func.func @visit_c3_yields_a_position(%i: index) {
  // expected-error @below {{expected a body that yields ('i1'), got ('i32')}}
  attn.visit keep at(%i) of(%i, %i) tile [96, 64] {
  ^bb0(%q: i32, %k: i32):
    attn.yield %q : i32
  }
  return
}

// -----

func.func @load_c1_index_missing(%m: memref<?x64xf32>, %i: index) {
  // expected-error @below {{expected 2 indices and at most as many tile dimensions, got 1 and 2}}
  attn.load %m[%i] rows(%i) : memref<?x64xf32> -> tensor<8x64xf32>
  return
}

// -----

func.func @load_c2_int_to_float(%m: memref<?x64xi8>, %i: index) {
  // expected-error @below {{cannot convert between 'i8' and 'f32'}}
  attn.load %m[%i, 0] rows(%i) : memref<?x64xi8> -> tensor<8x64xf32>
  return
}

// -----

func.func @store_c3_short_list(%m: memref<?x64xf32>, %i: index, %l: tensor<4xi32>,
                               %t: tensor<8x64xf32>) {
  // expected-error @below {{expected no more lists than leading dimensions, each 'tensor<8xi32>'}}
  attn.store %t, %m[0, 0] rows(%i) list(%l : tensor<4xi32>) : tensor<8x64xf32>, memref<?x64xf32>
  return
}

// -----

func.func @strips_c1_width(%q: tensor<96x64xf32>) {
  // expected-error @below {{expected a width that divides 96 rows, got 36}}
  attn.strips 36 of() carry(%q) {
  ^bb0(%a: tensor<36x64xf32>):
    attn.yield %a : tensor<36x64xf32>
  } : (tensor<96x64xf32>) -> tensor<96x64xf32>
  return
}

// -----

func.func @strips_c2_takes_wrong(%q: tensor<96x64xf32>) {
  // expected-error @below {{expected a body that takes ('tensor<24x64xf32>'), got ('tensor<24xf32>')}}
  attn.strips 24 of() carry(%q) {
  ^bb0(%a: tensor<24xf32>):
    attn.yield %a : tensor<24xf32>
  } : (tensor<96x64xf32>) -> tensor<96x64xf32>
  return
}

// -----

func.func @strips_c3_yields_nothing(%q: tensor<96x64xf32>) {
  // expected-error @below {{expected a body that yields ('tensor<24x64xf32>'), got ()}}
  attn.strips 24 of() carry(%q) {
  ^bb0(%a: tensor<24x64xf32>):
    attn.yield
  } : (tensor<96x64xf32>) -> tensor<96x64xf32>
  return
}

// -----

func.func @contract_c1_forgot_t(%q: tensor<96x64xf32>, %k: tensor<32x64xf32>) {
  // expected-error @below {{expected (rows x inner) (inner x columns), got (96 x 64) (32 x 64) for 96 x 32}}
  attn.contract %q, %k : tensor<96x64xf32>, tensor<32x64xf32> -> tensor<96x32xf32>
  return
}

// -----

func.func @map_c1_cols_as_rows(%q: tensor<96x64xf32>, %k: tensor<64xf32>) {
  // expected-error @below {{expected tiles, rows and cols of the result's shape, 'tensor<96x64xf32>'}}
  attn.map %q rows(%k) {
  ^bb0(%a: f32, %b: f32):
    attn.yield %a : f32
  } : (tensor<96x64xf32>, tensor<64xf32>) -> tensor<96x64xf32>
  return
}

// -----

func.func @map_c4_reduces_the_other_way(%q: tensor<96x64xf32>) {
  // expected-error @below {{expected a reduction of type 'tensor<64xf32>'}}
  attn.map %q reduce max per col {
  ^bb0(%a: f32):
    attn.yield %a : f32
  } : (tensor<96x64xf32>) -> (tensor<96x64xf32>, tensor<96xf32>)
  return
}

// -----

func.func @contract_c2_one_number(%a: tensor<4x8xf32>, %b: tensor<8x4xf32>, %i: index) {
  // expected-error @below {{expected a span from one row to another}}
  %x = "attn.contract"(%a, %b, %i) {operandSegmentSizes = array<i32: 1, 1, 0, 0, 1, 0>}
      : (tensor<4x8xf32>, tensor<8x4xf32>, index) -> tensor<4x4xf32>
  return
}

// -----

func.func @contract_c3_live_columns(%a: tensor<4x8xf32>, %b: tensor<8x6xf32>, %l: tensor<6xf32>) {
  // expected-error @below {{one number per row of the result}}
  %x = "attn.contract"(%a, %b, %l) {operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 1>}
      : (tensor<4x8xf32>, tensor<8x6xf32>, tensor<6xf32>) -> tensor<4x6xf32>
  return
}

// -----

func.func @filter_c1_takes_a_position(%t: !attn.tiles, %i: index) {
  // expected-error @below {{expected a body that takes ('index'), got ('i32')}}
  %u = attn.filter %t from %i to %i {
  ^bb0(%tile: i32):
    %c = arith.constant true
    attn.yield %c, %c : i1, i1
  }
  return
}

// -----

func.func @filter_c1_yields_one_answer(%t: !attn.tiles, %i: index) {
  // expected-error @below {{expected a body that yields ('i1', 'i1'), got ('i1')}}
  %u = attn.filter %t from %i to %i {
  ^bb0(%tile: index):
    %c = arith.constant true
    attn.yield %c : i1
  }
  return
}

// -----

func.func @shear_c1_columns(%b: tensor<4x10xf32>) {
  // expected-error @below {{expected 4 rows of 11 columns, got 4 of 10}}
  %x = attn.shear %b : tensor<4x10xf32> -> tensor<4x8xf32>
  return
}
