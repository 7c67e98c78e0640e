//===- AttnTileOps.td - tile ops: how far along we are -----------------------------------------===//
//
// A tile is a static ranked tensor of rank 2, a vector one of rank 1. Neither is ever bufferized;
// memory is memref. Labels (C1) ... are those of the verifiers in AttnTileOps.cpp.
//
//===----------------------------------------------------------------------------------------===//

#ifndef HEDDLE_DIALECT_ATTNTILEOPS_TD
#define HEDDLE_DIALECT_ATTNTILEOPS_TD

include "dialect/AttnAttrs.td"
include "dialect/AttnInterfaces.td"
include "dialect/AttnTypes.td"
include "mlir/Interfaces/LoopLikeInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Attn_VisitOp : Attn_BodyOp<"visit", [AttrSizedOperandSegments]> {
  let summary = "the key tiles one query tile visits: full ones, then boundary ones";
  let description = [{
    Either intervals of tile numbers, what LowerSparsity leaves (`lo to hi` is empty if hi <= lo),
    or the mask itself: for query tile `at`, the key tiles of which `keep` holds for all (full) or
    some positions inside the limits `of` (number of queries, number of keys). A tile the last key
    cuts is never full: its positions beyond are masked. Queries beyond the last do not count.

    - (C1) intervals are pairs.
    - (C2) either `keep` or intervals.
    - (C3) `keep` maps two i32 positions to one i1; it has two positive tile sizes, tile and limits.
    ```mlir
    %t = attn.visit full(%c0 to %f) boundary(%f to %a)
    %u = attn.visit keep at(%i) of(%N, %M) tile [96, 64] {
    ^bb0(%q: i32, %k: i32):
      %c = arith.cmpi sle, %k, %q : i32
      attn.yield %c : i1
    }
    ```
  }];
  let arguments = (ins Variadic<Index>:$full, Variadic<Index>:$boundary, Optional<Index>:$at,
                       Variadic<Index>:$of, DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$tile);
  let results = (outs Attn_Tiles:$tiles);
  let regions = (region AnyRegion:$keep);
  let assemblyFormat = [{
    (`full` `(` custom<Intervals>($full)^ `)`)? (`boundary` `(` custom<Intervals>($boundary)^ `)`)?
    (`keep` `at` `(` $at^ `)` `of` `(` $of `)` `tile` $tile $keep)? attr-dict
  }];
  let hasVerifier = 1;
}

def Attn_FilterOp : Attn_BodyOp<"filter"> {
  let summary = "a stretch of a sequence, without the tiles that hold nothing";
  let description = [{
    Of the tiles number `from` to `to` of a sequence, at most 32, in its order: those of which the body
    yields that some of it is kept and that all of it is, then the others of which it yields that some is.
    What no interval of tile numbers says: a remainder of positions, or what a tensor holds of them.

    - (C1) the body maps a tile number (index) to two i1: some of it is kept, all of it is.
    ```mlir
    %u = attn.filter %t from %n to %m {
    ^bb0(%tile: index):
      ...
      attn.yield %some, %all : i1, i1
    }
    ```
  }];
  let arguments = (ins Attn_Tiles:$of, Index:$from, Index:$to);
  let results = (outs Attn_Tiles:$tiles);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$of `from` $from `to` $to $body attr-dict";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// How many tiles of the sequence one op looks at.
    static constexpr int64_t length = 32;
  }];
}

def Attn_CountOp : Attn_Op<"count", [Pure]> {
  let summary = "how many tiles are full, and how many there are in all";
  let arguments = (ins Attn_Tiles:$tiles);
  let results = (outs Index:$full, Index:$all);
  let assemblyFormat = "$tiles attr-dict";
}

def Attn_AtOp : Attn_Op<"at", [Pure]> {
  let summary = "the n-th tile number of the sequence";
  let description = [{
    Total, or it could not be Pure: beyond an end it is the tile there, of an empty sequence 0. So
    LICM may lift it out of a loop that never runs, and `at(n + 1)` may prefetch past the end.
  }];
  let arguments = (ins Attn_Tiles:$tiles, Index:$n);
  let results = (outs Index:$tile);
  let assemblyFormat = "$tiles `[` $n `]` attr-dict";
}

def Attn_IotaOp : Attn_Op<"iota", [Pure]> {
  let summary = "contiguous i32 positions from `base` on";
  let arguments = (ins Index:$base);
  let results = (outs 1DTensorOf<[I32]>:$result);
  let assemblyFormat = "$base attr-dict `:` type($result)";
}

defvar Attn_MemoryDescription = [{
    A tile covers the last dimensions of the memref, a vector the last one. A row whose index is
    negative or not below `rows` is outside, as are columns beyond the memref. `list` vectors are
    added to the index of each row, the last one to the row, one before it to the dimension before
    that: gathers, pages (-1 where there is none), the heads of a group in one tile. `scale` is
    f64, so that log2(e) and ln(2) are not rounded before the double precision interpreter.

    - (C1) one index per dimension of the memref, which has no fewer dimensions than the tile.
    - (C2) element types are equal, or both floats: then the value is converted.
    - (C3) one entry per row in each `list`, of which there are no more than leading dimensions.
}];

def Attn_LoadOp : Attn_Op<"load", [AttrSizedOperandSegments]> {
  let summary = "memory to tile; what is outside reads as zero";
  let description = Attn_MemoryDescription;
  let arguments = (ins Arg<AnyMemRef, "", [MemRead]>:$memory, Variadic<Index>:$indices,
                       DenseI64ArrayAttr:$static_indices, Index:$limit,
                       Variadic<1DTensorOf<[I32]>>:$list, OptionalAttr<F64Attr>:$scale);
  let results = (outs Attn_Tile:$tile);
  let assemblyFormat = [{
    $memory `` custom<DynamicIndexList>($indices, $static_indices) `rows` `(` $limit `)`
    (`list` `(` $list^ `:` type($list) `)`)? (`scale` $scale^)? attr-dict
    `:` type($memory) `->` type($tile)
  }];
  let hasVerifier = 1;
}

def Attn_StoreOp : Attn_Op<"store", [AttrSizedOperandSegments]> {
  let summary = "tile to memory; what is outside is not written";
  let description = Attn_MemoryDescription;
  let arguments = (ins Attn_Tile:$tile, Arg<AnyMemRef, "", [MemWrite]>:$memory,
                       Variadic<Index>:$indices, DenseI64ArrayAttr:$static_indices, Index:$limit,
                       Variadic<1DTensorOf<[I32]>>:$list, OptionalAttr<F64Attr>:$scale);
  let assemblyFormat = [{
    $tile `,` $memory `` custom<DynamicIndexList>($indices, $static_indices) `rows` `(` $limit `)`
    (`list` `(` $list^ `:` type($list) `)`)? (`scale` $scale^)? attr-dict
    `:` type($tile) `,` type($memory)
  }];
  let hasVerifier = 1;
}

def Attn_StripsOp : Attn_BodyOp<"strips", [
    AttrSizedOperandSegments, DeclareOpInterfaceMethods<LoopLikeOpInterface>]> {
  let summary = "a body for each strip of `width` rows, in any order";
  let description = [{
    `of` values are cut along their rows and read; `carry` values are cut, replaced by what the
    body yields and put together again: nothing goes from one strip to the next.
    LoopLike, so that LICM lifts what is the same for all strips.

    - (C1) `width` divides the rows of all values cut.
    - (C2) the body takes the strips of `of`, then of `carry`.
    - (C3) it yields as many strips of the same types as `carry` has.
    ```mlir
    %r = attn.strips 24 of(%q) carry(%o) {
    ^bb0(%qs: tensor<24x64xf32>, %os: tensor<24x64xf32>):
      ...
      attn.yield %on : tensor<24x64xf32>
    } : (tensor<96x64xf32>, tensor<96x64xf32>) -> tensor<96x64xf32>
    ```
  }];
  let arguments = (ins I64Attr:$width, Variadic<Attn_Tile>:$sliced, Variadic<Attn_Tile>:$carried);
  let results = (outs Variadic<Attn_Tile>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $width `of` `(` $sliced `)` `carry` `(` $carried `)` attr-dict-with-keyword $body
    `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Attn_ContractOp : Attn_Op<"contract", [Pure, AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<TileOpInterface>,
    AllElementTypesMatch<["lhs", "rhs"]>,
    OptionalTypesMatchWith<"the accumulator has the type of the result", "result", "acc", "$_self">,
    OptionalTypesMatchWith<"one decay per row of the result", "result", "decay",
                           "rowVector($_self)">,
    OptionalTypesMatchWith<"one number per row of the result", "result", "live",
                           "rowVector($_self)">]> {
  let summary = "acc * decay + lhs rhs, either transposed";
  let description = [{
    `decay` holds one factor per row of `acc`; one factor for all is a `tensor.splat`.

    With `span` only rows `lo` to `hi` of the right-hand side are looked at. Others count as 0; where it
    is transposed, the columns of the result that they would give hold anything.

    With `live` the rows where it is 0 may be left out: nothing is added to acc * decay there, and where
    there is no `acc` they hold anything. Others are computed.

    `attn.masked` on a product promises that a map over it hides what a mask drops. On that map, and on
    one of weights behind it, it promises that columns outside the span of the product that takes them
    change no reduction: they may be left out.

    - (C1) (rows x inner) times (inner x columns), after transposition, gives the result.
    - (C2) a span is two numbers.
    - (C3) `live` has one number per row of the result.
    ```mlir
    %s2 = attn.contract %k t, %v into %s * %d
        : tensor<32x64xf32>, tensor<32x8xf32> -> tensor<64x8xf32>
    ```
  }];
  let arguments = (ins Attn_TileOf<[2]>:$lhs, Attn_TileOf<[2]>:$rhs,
                       Optional<Attn_TileOf<[2]>>:$acc, Optional<Attn_Vector>:$decay,
                       Variadic<Index>:$span, Optional<Attn_Vector>:$live,
                       UnitAttr:$lhs_t, UnitAttr:$rhs_t);
  let results = (outs Attn_TileOf<[2]>:$result);
  let builders = [OpBuilder<(ins "mlir::Type":$result, "mlir::Value":$lhs, "mlir::Value":$rhs,
      CArg<"mlir::Value", "{}">:$acc, CArg<"mlir::Value", "{}">:$decay,
      CArg<"bool", "false">:$lhsT, CArg<"bool", "false">:$rhsT), [{
    build($_builder, $_state, result, lhs, rhs, acc, decay, {}, mlir::Value(), lhsT, rhsT);
  }]>];
  let assemblyFormat = [{
    $lhs (`t` $lhs_t^)? `,` $rhs (`t` $rhs_t^)? (`span` `(` custom<Intervals>($span)^ `)`)?
    (`live` $live^)? (`into` $acc^ (`*` $decay^)?)? attr-dict
    `:` type($lhs) `,` type($rhs) `->` type($result)
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Attn_SpanOp : Attn_Op<"span", [Pure]> {
  let summary = "where a vector holds something";
  let description = [{
    From the first to past the last element that is more than 0, both 0 if there is none, and whether all
    between are: the columns of a tile that its mask keeps, and that there is no gap in them.
    ```mlir
    %lo, %hi, %dense = attn.span %kept : tensor<32xf32>
    ```
  }];
  let arguments = (ins Attn_Vector:$vector);
  let results = (outs Index:$lo, Index:$hi, I1:$dense);
  let assemblyFormat = "$vector attr-dict `:` type($vector)";
}

def Attn_MapOp : Attn_BodyOp<"map", [
    AttrSizedOperandSegments, DeclareOpInterfaceMethods<LoopLikeOpInterface>,
    DeclareOpInterfaceMethods<TileOpInterface>]> {
  let summary = "a scalar body at each element of a tile, and a reduction of its result";
  let description = [{
    The body sees the elements of `tiles`, `rows` (one per row) and `cols` (one per column), in
    this order. LoopLike, so that LICM lifts reads and arithmetic no element has a part in.

    - (C1) tiles have the shape of the result, row and column vectors its rows and its columns.
    - (C2) the body takes their element types, in order.
    - (C3) it yields the element type of the result.
    - (C4) the reduction gives one element of that type per row, or per column.
    ```mlir
    %p, %sum = attn.map %x rows(%m) reduce add per row {
    ^bb0(%e: f32, %mr: f32):
      ...
      attn.yield %w : f32
    } : (tensor<24x64xf32>, tensor<24xf32>) -> (tensor<24x64xf32>, tensor<24xf32>)
    ```
  }];
  let arguments = (ins Variadic<Attn_Tile>:$tiles, Variadic<Attn_Vector>:$rows,
                       Variadic<Attn_Vector>:$cols, OptionalAttr<Attn_Combine>:$reduce,
                       OptionalAttr<Attn_Axis>:$per);
  let results = (outs Attn_Tile:$result, Optional<Attn_Vector>:$reduced);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    ($tiles^)? (`rows` `(` $rows^ `)`)? (`cols` `(` $cols^ `)`)? (`reduce` $reduce^ `per` $per)?
    attr-dict-with-keyword $body `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Attn_ScanOp : Attn_Op<"scan", [Pure, AllTypesMatch<["tile", "result"]>,
    DeclareOpInterfaceMethods<TileOpInterface>]> {
  let summary = "running max, sum or product down the rows; a tile's columns are independent";
  let description = [{
    Row r of the result combines rows 0 to r; with `reverse` rows r to the last. With `exclusive` row
    r itself has no part in it, and where nothing has, the result is -inf, 0 or 1.
    ```mlir
    %g = attn.scan add %a : tensor<32xf32>
    %after = attn.scan mul reverse exclusive %a : tensor<32xf32>
    ```
  }];
  let arguments = (ins Attn_Combine:$kind, Attn_Tile:$tile, UnitAttr:$reverse, UnitAttr:$exclusive);
  let results = (outs Attn_Tile:$result);
  let assemblyFormat = [{
    $kind (`reverse` $reverse^)? (`exclusive` $exclusive^)? $tile attr-dict `:` type($tile)
  }];
}

def Attn_ShearOp : Attn_Op<"shear", [Pure, AllElementTypesMatch<["tile", "result"]>]> {
  let summary = "a band as a tile: each row one column further left than the one above";
  let description = [{
    result[r, c] = tile[r, c - r + rows - 1]. Products with consecutive rows of distances, of which the
    last query takes the first ones, become the terms of pairs.

    - (C1) the tile has as many rows as the result, and rows - 1 columns more.
    ```mlir
    %x = attn.shear %band : tensor<32x63xf32> -> tensor<32x32xf32>
    ```
  }];
  let arguments = (ins Attn_TileOf<[2]>:$tile);
  let results = (outs Attn_TileOf<[2]>:$result);
  let assemblyFormat = "$tile attr-dict `:` type($tile) `->` type($result)";
  let hasVerifier = 1;
}

def Attn_AdvanceOp : Attn_Op<"advance", [Pure, AttrSizedOperandSegments, AttrSizedResultSegments]> {
  let summary = "a chunk of tokens of a recurrence, token by token";
  let description = [{
    With the rule `add`, for each row t in order:
    ```
    state = decay_t * state + key_t^T value_t        out_t = query_t state
    sum   = decay_t * sum + key_t                    norm_t = query_t sum
    ```
    The results are the rows of `out`, the state after the last token and, with `sum`, `norm` and the
    sum after the last. SplitIntraInter turns it into products of tiles; nothing maps it.

    - (C1) query and key are tokens x depth, value tokens x columns, state depth x columns.
    - (C2) one `decay` per token; `sum` has one element per depth.
    - (C3) results as operands: out like value, state like state; `norm` one per token and the last
      sum if and only if there is a `sum`.
    ```mlir
    %o, %s1 = attn.advance add %q, %k, %v from %s0 decay(%a)
        : tensor<32x64xf32>, tensor<32x64xf32>, tensor<32x8xf32>, tensor<64x8xf32>, tensor<32xf32>
        -> tensor<32x8xf32>, tensor<64x8xf32>
    ```
  }];
  let arguments = (ins DefaultValuedAttr<Attn_RuleAttr, "Rule::add">:$rule, Attn_TileOf<[2]>:$query,
                       Attn_TileOf<[2]>:$key, Attn_TileOf<[2]>:$value, Attn_TileOf<[2]>:$state,
                       Optional<Attn_Vector>:$decay, Optional<Attn_Vector>:$sum);
  let results = (outs Attn_TileOf<[2]>:$out, Attn_TileOf<[2]>:$last, Optional<Attn_Vector>:$norm,
                      Optional<Attn_Vector>:$lastSum);
  let assemblyFormat = [{
    custom<PlainRule>($rule) $query `,` $key `,` $value `from` $state (`decay` `(` $decay^ `)`)?
    (`sum` `(` $sum^ `)`)? attr-dict `:` type(operands) `->` type($out) `,` type($last)
    (`,` type($norm)^ `,` type($lastSum))?
  }];
  let hasVerifier = 1;
}

#endif // HEDDLE_DIALECT_ATTNTILEOPS_TD
