//===- AttnOps.td - surface ops: what is computed ----------------------------------------------===//
//
// Every expression of a spec is a region over indices; what a region reads, it reads by
// tensor.extract from tensors around the op. Labels (C1) ... are those of the verifiers in AttnOps.cpp.
//
//===----------------------------------------------------------------------------------------===//

#ifndef HEDDLE_DIALECT_ATTNOPS_TD
#define HEDDLE_DIALECT_ATTNOPS_TD

include "dialect/AttnAttrs.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Attn_AttendOp : Attn_BodyOp<"attend", [AttrSizedOperandSegments]> {
  let summary = "normalised scores of queries and keys, times values";
  let description = [{
    R are the row indices, `rows` their ranges; K the key indices with ranges `keys`; d runs over
    `depth`, e over `columns` (0: there is no such index). For each row, with P its kept pairs:
    ```
    raw(R, K) = sum_d query(R, d) key(R, K, d)                      0 without query and key
    s(R, K)   = score(R, K, scale * row_scale(R) * raw)             score is the identity if absent
    with rel_row and rel_at, score takes one number more: sum_d query(R, d) rel_row(R, rel_at(R, K), d),
    rel_row a plain read, rel_at moved into its axis; it rises by 1 with the key and falls by 1 with row
    index number `rel_axis`
    P(R)      = { K : keep(R, K) }                                  all if absent
    softmax:    p = exp(s - lse), lse = log sum_P exp(s); `sink`(R) adds exp(sink) to the sum: a kept pair
                of that score, whose value is `prior`(R, e), or 0
    softmax, nested in groups of `group` keys, K div `group` equal: a pair that is `grouped`(R, K) is the
                `leader`(R, K) of its group, or a member. Sums go over pairs in no group and leaders; a
                leader has p = 0, its share goes to the members of its group, by softmax among them
    map:        p = map(R, K, s) / divide(R, sum_P map(R, K, s))    no divide: divided by 1
    out(R, e) = gate(R, e) sum_P p(R, K) value(R, K, e)             no gate: as it is; where it is 0: 0
    ```
    A row that keeps nothing has out 0 and lse -inf (with a sink: the prior and the sink). What is outside P reaches
    no result, whatever it is. Indices are `index`, numbers f32, keep is i1. `out` and `lse` name the
    tensors written and are the results, of the same types, in this order.

    - (C1) each region takes the indices above, in order, then its number; it yields one number, or i1.
    - (C2) query and key come together, with a positive depth; a value comes with `out`, a gate with a value.
    - (C3) `sink` and `lse` belong to softmax; `map` and `divide` to map, which needs its `map`. A prior
      comes with a sink and a value.
    - (C6) a `group` comes with softmax, one key index, `grouped` and `leader`, and without a sink.
    - (C7) `rel_row` and `rel_at` come together, with a query and a score, for one key index; `rel_axis` is
      one of the rows.
    - (C4) `out` has the axes R and, with columns, e; `lse` has the axes R.
    - (C5) results have the types of the tensors written.
    ```mlir
    %o = attn.attend softmax rows(%N) keys(%M) depth 64 columns 64 scale 1.250000e-01
        outs(out = %init : tensor<?x64xf32>)
        query { ^bb0(%q: index, %d: index): ... }
        key { ^bb0(%q: index, %k: index, %d: index): ... }
        value { ^bb0(%q: index, %k: index, %e: index): ... } -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Attn_NormaliserAttr:$normaliser, Variadic<Index>:$rows, Variadic<Index>:$keys,
                       I64Attr:$depth, I64Attr:$columns, DefaultValuedAttr<I64Attr, "0">:$group,
                       DefaultValuedAttr<I64Attr, "0">:$rel_axis,
                       DefaultValuedAttr<F64Attr, "1.0">:$scale,
                       Variadic<AnyRankedTensor>:$outs, DenseI32ArrayAttr:$outputs,
                       OptionalAttr<Attn_ScheduleAttr>:$schedule);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region AnyRegion:$query, AnyRegion:$key, AnyRegion:$value, AnyRegion:$row_scale,
                        AnyRegion:$score, AnyRegion:$keep, AnyRegion:$sink, AnyRegion:$prior,
                        AnyRegion:$rel_row, AnyRegion:$rel_at, AnyRegion:$grouped, AnyRegion:$leader,
                        AnyRegion:$map, AnyRegion:$divide, AnyRegion:$gate);
  let assemblyFormat = [{
    custom<Plain>($normaliser) `rows` `(` $rows `)` `keys` `(` $keys `)` `depth` $depth
    `columns` $columns (`group` $group^)? (`rel_axis` $rel_axis^)? (`scale` $scale^)? custom<Outputs>($outs, type($outs), $outputs)
    (`schedule` $schedule^)? attr-dict-with-keyword
    (`query` $query^)? (`key` $key^)? (`value` $value^)? (`row_scale` $row_scale^)?
    (`rel_row` $rel_row^)? (`rel_at` $rel_at^)? (`score` $score^)? (`keep` $keep^)? (`sink` $sink^)? (`prior` $prior^)?
    (`grouped` $grouped^)? (`leader` $leader^)? (`map` $map^)? (`divide` $divide^)? (`gate` $gate^)? (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The result or the tensor written for `which`, or null.
    ::mlir::Value getOutput(Output which);
    ::mlir::Value getOutputInit(Output which);
  }];
}

def Attn_RecurOp : Attn_BodyOp<"recur", [AttrSizedOperandSegments]> {
  let summary = "a linear recurrence over time, its state a matrix";
  let description = [{
    R are the row indices, `rows` their ranges; the index number `time` among them is t, the others
    R'. For each R', t upwards from 0, with the rule `add`:
    ```
    S_t = decay(R) S_{t-1} + key(R, d) value(R, e)       S_{-1} = initial(R', d, e), or 0
    z_t = decay(R) z_{t-1} + key(R, d)                   z_{-1} = initial_sum(R', d), or 0
    out(R, e) = sum_d query(R, d) S_t(d, e) / divide(R, sum_d query(R, d) z_t(d))
    ```
    Without `decay` it is 1, without `divide` nothing is divided. Written, and the results in this
    order: `out` (R, e), `state` (R', d, e), `sum` (R', d): the last ones, the initial ones if t is empty.

    - (C1) each region takes the indices above, in order, then its number; it yields one f32.
    - (C2) `time` is one of the rows; depth and columns are positive.
    - (C3) the tensors written have the axes above.
    - (C4) results have the types of the tensors written.
    ```mlir
    %o = attn.recur add rows(%T) time 0 depth 64 columns 64 outs(out = %init : tensor<?x64xf32>)
        query { ^bb0(%t: index, %d: index): ... } key { ... } value { ... } -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Attn_RuleAttr:$rule, Variadic<Index>:$rows, I64Attr:$time, I64Attr:$depth,
                       I64Attr:$columns, Variadic<AnyRankedTensor>:$outs, DenseI32ArrayAttr:$outputs,
                       OptionalAttr<Attn_ScheduleAttr>:$schedule);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region AnyRegion:$query, AnyRegion:$key, AnyRegion:$value, AnyRegion:$decay,
                        AnyRegion:$divide, AnyRegion:$initial, AnyRegion:$initial_sum);
  let assemblyFormat = [{
    custom<Plain>($rule) `rows` `(` $rows `)` `time` $time `depth` $depth `columns` $columns
    custom<Outputs>($outs, type($outs), $outputs) (`schedule` $schedule^)? attr-dict-with-keyword
    (`query` $query^)? (`key` $key^)? (`value` $value^)? (`decay` $decay^)? (`divide` $divide^)?
    (`initial` $initial^)? (`initial_sum` $initial_sum^)? (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The result or the tensor written for `which`, or null.
    ::mlir::Value getOutput(Output which);
    ::mlir::Value getOutputInit(Output which);
  }];
}

def Attn_YieldOp : Attn_Op<"yield", [Pure, Terminator]> {
  let summary = "ends the body of an op of ours, on both levels";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

#endif // HEDDLE_DIALECT_ATTNOPS_TD
