//===- Prefix.cpp - a softmax over a growing prefix, as a scan ----------------------------------===//
//
// Where nothing but the mask knows the query's place, and the mask is `causal` and what keys alone decide,
// every row sees what the row before saw and some keys more: one pass over the keys serves all rows, in
// O(N) instead of O(N^2).
//
//===----------------------------------------------------------------------------------------===//

#include "dialect/loops/Prefix.h"
#include "dialect/loops/Attend.h"

using namespace heddle;

/// kv_idx <= pos.
static bool isCausal(const Expr &part) {
  return part.kind == ExprKind::Binary && part.binary == BinaryOp::Le &&
         part.args[0]->isIndex("kv_idx") && part.args[1]->isSpecial(ExprSpecial::Pos);
}

bool heddle::isPrefixScan(const SpecStep &step) {
  const AttendStep *body = step.getIf<AttendStep>();
  if (!body || body->sources.size() != 1 || !body->stats.empty() || body->sink || !body->offset ||
      body->normalize != NormalizeKind::Softmax)
    return false;
  for (const StepOutput &output : step.outputs)
    if (output.kind == "weights" || output.kind == "scores")
      return false;
  const AttendSource &source = body->sources.front();
  if (source.keys.size() != 1 || source.keys.front().name != "kv_idx" ||
      !source.weight->isSpecial(ExprSpecial::Weight))
    return false;
  llvm::SmallVector<ExprRef> parts;
  conjuncts(source.mask, parts);
  int causal = 0;
  for (const ExprRef &part : parts) {
    if (isCausal(*part))
      ++causal;
    else if (mentionsIndex(part, "q_idx"))
      return false;
  }
  for (const ExprRef &expr :
       {source.query, source.key, source.value, source.pair, source.scale, source.score})
    if (expr && mentionsIndex(expr, "q_idx"))
      return false;
  return causal == 1;
}

void AttendLoops::buildPrefix(llvm::StringRef reason) {
  const AttendSource &source = body.sources.front();
  const IndexRange &key = source.keys.front();
  const IndexRange *query = nullptr;
  Ranges outer;
  for (const IndexRange *row : rows)
    if (row->name == "q_idx")
      query = row;
    else
      outer.push_back(row);
  llvm::SmallVector<ExprRef> parts, others;
  conjuncts(source.mask, parts);
  for (const ExprRef &part : parts)
    if (!isCausal(*part))
      others.push_back(part);
  l.grid(outer, GridKind::Rows, reason, [&](ExprBuilder &scope) {
    Value sums = clearSums(scope);
    Values init = RunningSum::init(l);
    init.push_back(l.index(0)); // keys seen
    l.loop(scope, *query, init, [&](ExprBuilder &position, ValueRange carried) {
      ExprBuilder row = inRow(position);
      Value seen = carried[2], end = l.add(row.build(makeSpecial(ExprSpecial::Pos)), l.index(1));
      end = l.least(end, l.sizeOf(key));
      Value more = l.sub(end, seen);
      Values next = l.count(more, carried.take_front(2), [&](Value n, ValueRange state) {
        ExprBuilder pair = inSource(row, source, 0);
        pair.setIndex(key, l.add(seen, n));
        auto take = [&](ExprBuilder &kept) {
          return accumulate(source, kept, scoreOf(source, kept), state, sums);
        };
        Value keep = conjunction(pair, others);
        if (!keep)
          return take(pair);
        return l.when(keep, state, [&] {
          ExprBuilder kept = pair;
          return take(kept);
        });
      });
      writeAccumulated(row, next, sums);
      next.push_back(l.most(end, seen));
      return next;
    });
  });
}
