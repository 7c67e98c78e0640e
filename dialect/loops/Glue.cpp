//===- Glue.cpp - compute and scan as loops ----------------------------------------------------===//

#include "dialect/loops/LoopBuilder.h"

using namespace heddle;

static Ranges rangesOf(const std::vector<IndexRange> &list) {
  Ranges ranges;
  for (const IndexRange &range : list)
    ranges.push_back(&range);
  return ranges;
}

/// A reduction over ranges. Of several a sum adds up those over the last one: a value passes through fewer
/// roundings than in one long sum.
static Values reduce(LoopBuilder &l, Reduction &reduction, ExprBuilder &scope,
                     llvm::ArrayRef<const IndexRange *> over, LoopBuilder::Body take) {
  if (over.size() == 1 || !reduction.isFloatSum())
    return l.loops(scope, over, reduction.init(), take);
  return l.loops(scope, over.take_front(), reduction.init(),
                 [&](ExprBuilder &inner, ValueRange carried) {
                   Values part = reduce(l, reduction, inner, over.drop_front(), take);
                   return reduction.join(carried, part);
                 });
}

void heddle::buildCompute(LoopBuilder &l, const Spec &spec, const SpecStep &step,
                          const ComputeStep &body) {
  const SpecTensor *out = outputOf(spec, step, "out");
  if (!out)
    return;
  Ranges index = rangesOf(body.index), over = rangesOf(body.over);
  l.grid(index, GridKind::Elements, "", [&](ExprBuilder &scope) {
    Values at = l.indicesOf(scope, index);
    if (over.empty()) {
      l.storeTo(*out, scope.build(body.value), at);
      return;
    }
    Reduction reduction(l, body.with, body.value->type);
    auto take = [&](ExprBuilder &inner, ValueRange carried) {
      return reduction.step(carried, inner.build(body.value), l.indicesOf(inner, over).back());
    };
    Values result = reduce(l, reduction, scope, over, [&](ExprBuilder &inner, ValueRange carried) {
      if (body.where->isTrue())
        return take(inner, carried);
      return l.when(inner.build(body.where), carried, [&] {
        ExprBuilder kept = inner;
        return take(kept, carried);
      });
    });
    l.storeTo(*out, reduction.finish(result), at);
  });
}

void heddle::buildScan(LoopBuilder &l, const Spec &spec, const SpecStep &step,
                       const ScanStep &body) {
  const SpecTensor *out = outputOf(spec, step, "out");
  if (!out)
    return;
  Ranges index = rangesOf(body.index), outer = index;
  const IndexRange &along = body.index[body.along];
  outer.erase(outer.begin() + body.along);
  Reduction reduction(l, body.with, body.value->type);
  l.grid(outer, GridKind::Rows, "", [&](ExprBuilder &scope) {
    Value end = l.sizeOf(along);
    l.count(end, reduction.init(), [&](Value n, ValueRange carried) {
      ExprBuilder inner = scope;
      inner.setIndex(along, body.reverse ? l.sub(l.sub(end, l.index(1)), n) : n);
      Values at = l.indicesOf(inner, index);
      Values next = reduction.step(carried, inner.build(body.value), at[body.along]);
      l.storeTo(*out, reduction.finish(body.exclusive ? ValueRange(carried) : ValueRange(next)),
                at);
      return next;
    });
  });
}
