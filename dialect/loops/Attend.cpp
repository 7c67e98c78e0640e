//===- Attend.cpp - an attend by definition, row by row ----------------------------------------===//

#include "dialect/loops/Attend.h"
#include "dialect/loops/Prefix.h"

using namespace heddle;

AttendLoops::AttendLoops(LoopBuilder &l, const Spec &spec, const SpecStep &step,
                         const AttendStep &body)
    : l(l), spec(spec), step(step), body(body), out(outputOf(spec, step, "out")),
      lse(outputOf(spec, step, "lse")), weights(outputOf(spec, step, "weights")),
      scores(outputOf(spec, step, "scores")) {
  for (const IndexRange &range : body.rows)
    rows.push_back(&range);
  for (const AttendStatistic &stat : body.stats)
    stats.push_back(outputOf(spec, step, stat.name));
}

//===--- Pairs -------------------------------------------------------------------------------===//

ExprBuilder AttendLoops::inRow(ExprBuilder scope) const {
  scope.setOffset(body.offset);
  return scope;
}

ExprBuilder AttendLoops::inSource(const ExprBuilder &row, const AttendSource &source,
                                  int64_t number) const {
  ExprBuilder scope = row;
  scope.setSpecial(ExprSpecial::Source, l.index(number));
  if (source.depth && source.query) {
    scope.setVector(ExprSpecial::QueryVector, *source.depth, source.query);
    scope.setVector(ExprSpecial::KeyVector, *source.depth, source.key);
  }
  return scope;
}

void heddle::conjuncts(const ExprRef &expr, llvm::SmallVector<ExprRef> &parts) {
  if (expr->kind == ExprKind::Binary && expr->binary == BinaryOp::And) {
    conjuncts(expr->args[0], parts);
    conjuncts(expr->args[1], parts);
  } else if (!expr->isTrue()) {
    parts.push_back(expr);
  }
}

void AttendLoops::splitMask(const AttendSource &source, llvm::SmallVector<ExprRef> &ofRow,
                            llvm::SmallVector<ExprRef> &ofPair) const {
  llvm::SmallVector<ExprRef> parts;
  conjuncts(source.mask, parts);
  for (const ExprRef &part : parts) {
    bool pair = anyNode(part, [](const Expr &node) {
      return node.isSpecial(ExprSpecial::QueryVector) || node.isSpecial(ExprSpecial::KeyVector);
    });
    for (const IndexRange &key : source.keys)
      pair |= mentionsIndex(part, key.name);
    (pair ? ofPair : ofRow).push_back(part);
  }
}

Value AttendLoops::conjunction(ExprBuilder &scope, llvm::ArrayRef<ExprRef> parts) {
  Value all;
  for (const ExprRef &part : parts) {
    Value holds = scope.build(part);
    all = all ? l.both(all, holds) : holds;
  }
  return all;
}

/// score(scale * sum over d of pair(query, key)).
Value AttendLoops::scoreOf(const AttendSource &source, ExprBuilder &pair) {
  auto term = [&](ExprBuilder &scope) {
    if (!source.pair)
      return l.mul(scope.build(source.query), scope.build(source.key));
    if (source.query) {
      scope.setSpecial(ExprSpecial::QueryElem, scope.build(source.query));
      scope.setSpecial(ExprSpecial::KeyElem, scope.build(source.key));
    }
    return scope.build(source.pair);
  };
  ExprBuilder scope = pair;
  Value raw;
  if (!source.query && !source.pair)
    raw = l.number(0);
  else if (source.depth)
    raw = l.loop(scope, *source.depth, {l.number(0)},
                 [&](ExprBuilder &inner, ValueRange carried) -> Values {
                   return {l.add(carried[0], term(inner))};
                 })
              .front();
  else
    raw = term(scope);
  ExprBuilder scored = pair;
  scored.setSpecial(ExprSpecial::Score, l.mul(scored.build(source.scale), raw));
  return scored.build(source.score);
}

Values AttendLoops::forKept(ExprBuilder &row, const AttendSource &source, int64_t number,
                            ValueRange init, KeyBody body) {
  llvm::SmallVector<ExprRef> ofRow, ofPair;
  splitMask(source, ofRow, ofPair);
  ExprBuilder scope = inSource(row, source, number);
  Ranges keys;
  for (const IndexRange &key : source.keys)
    keys.push_back(&key);
  Value active = conjunction(scope, ofRow);
  auto visit = [&](ExprBuilder &pair, ValueRange carried) {
    Value score = scoreOf(source, pair);
    pair.setSpecial(ExprSpecial::Score, score);
    return body(source, pair, score, carried);
  };
  return l.loops(
      scope, keys, init,
      [&](ExprBuilder &pair, ValueRange carried) {
        Value keep = conjunction(pair, ofPair);
        if (!keep)
          return visit(pair, carried);
        return l.when(keep, carried, [&] {
          ExprBuilder kept = pair;
          return visit(kept, carried);
        });
      },
      active);
}

Values AttendLoops::forKept(ExprBuilder &row, ValueRange init, KeyBody visit) {
  Values carried(init);
  for (size_t i = 0; i < body.sources.size(); ++i)
    carried = forKept(row, body.sources[i], int64_t(i), carried, visit);
  return carried;
}

//===--- Outputs of a row --------------------------------------------------------------------===//

/// weights and scores, [rows, keys]: of one source.
void AttendLoops::writePairs(ExprBuilder &row, ValueRange norm) {
  const AttendSource &source = body.sources.front();
  ExprBuilder scope = inSource(row, source, 0);
  Ranges keys, axes = rows;
  for (const IndexRange &key : source.keys) {
    keys.push_back(&key);
    axes.push_back(&key);
  }
  l.loops(scope, keys, {}, [&](ExprBuilder &pair, ValueRange) {
    Values at = l.indicesOf(pair, axes);
    Values none = {l.number(0), l.number(-INFINITY)};
    auto visit = [&](ExprBuilder &kept) -> Values {
      Value s = scoreOf(source, kept);
      kept.setSpecial(ExprSpecial::Score, s);
      return {weights ? finalWeight(source, row, kept, s, norm) : none[0], s};
    };
    ExprBuilder test = pair;
    Values both = source.mask->isTrue() ? visit(test) : l.when(test.build(source.mask), none, [&] {
      ExprBuilder kept = pair;
      return visit(kept);
    });
    if (weights)
      l.storeTo(*weights, both[0], at);
    if (scores)
      l.storeTo(*scores, both[1], at);
    return Values();
  });
}

/// Columns of `out`, with their place in the row's sums.
void AttendLoops::forColumns(ExprBuilder &scope,
                             llvm::function_ref<void(ExprBuilder &, ValueRange)> each) {
  if (!body.column) {
    ExprBuilder inner = scope;
    return each(inner, {l.index(0)});
  }
  l.loop(scope, *body.column, {}, [&](ExprBuilder &inner, ValueRange) {
    each(inner, l.indicesOf(inner, {&*body.column}));
    return Values();
  });
}

/// The row of `out` grows in memory of its own, f32 whatever the result's type is.
Value AttendLoops::clearSums(ExprBuilder &row) {
  Value sums = l.local(l.fixedSize(body.column));
  forColumns(row, [&](ExprBuilder &, ValueRange at) { l.store(l.number(0), sums, at); });
  return sums;
}

/// gate x what `valueOf` says, of every column.
void AttendLoops::storeOut(ExprBuilder &row,
                           llvm::function_ref<Value(ExprBuilder &, ValueRange)> valueOf) {
  bool gated = !body.gate->isNumber() || body.gate->floatValue != 1;
  Ranges axes = rows;
  if (body.column)
    axes.push_back(&*body.column);
  forColumns(row, [&](ExprBuilder &scope, ValueRange at) {
    Value sum = valueOf(scope, at);
    if (gated) {
      Value gate = scope.build(body.gate);
      sum = l.select(l.equal(gate, l.number(0)), l.number(0), l.mul(gate, sum));
    }
    l.storeTo(*out, sum, l.indicesOf(scope, axes));
  });
}

void AttendLoops::writeOut(ExprBuilder &row, ValueRange norm) {
  Value sums = clearSums(row);
  forKept(row, {},
          [&](const AttendSource &source, ExprBuilder &pair, Value score, ValueRange) -> Values {
            Value w = finalWeight(source, row, pair, score, norm);
            forColumns(pair, [&](ExprBuilder &scope, ValueRange at) {
              l.store(l.add(l.load(sums, at), l.mul(w, scope.build(source.value))), sums, at);
            });
            return {};
          });
  storeOut(row, [&](ExprBuilder &, ValueRange at) { return l.load(sums, at); });
}

/// One key more: what was summed is brought to the new largest score.
Values AttendLoops::accumulate(const AttendSource &source, ExprBuilder &pair, Value score,
                               ValueRange state, Value sums) {
  Values next = RunningSum::step(l, state, score);
  if (!out)
    return next;
  Value none = l.number(-INFINITY), empty = l.equal(next[0], none);
  Value base = l.select(empty, l.number(0), next[0]);
  Value before = l.exp(l.sub(state[0], base)), own = l.exp(l.sub(score, base));
  forColumns(pair, [&](ExprBuilder &scope, ValueRange at) {
    Value old = l.mul(before, l.load(sums, at));
    l.store(l.add(old, l.mul(own, scope.build(source.value))), sums, at);
  });
  return next;
}

void AttendLoops::writeAccumulated(ExprBuilder &row, ValueRange state, Value sums) {
  if (lse)
    l.storeTo(*lse, RunningSum::finish(l, state), l.indicesOf(row, rows));
  if (!out)
    return;
  Value empty = l.equal(state[0], l.number(-INFINITY));
  storeOut(row, [&](ExprBuilder &, ValueRange at) {
    return l.select(empty, l.number(0), l.div(l.load(sums, at), state[1]));
  });
}

/// Whether a softmax passes its keys once: nobody asks for its weights one by one.
bool AttendLoops::isOnePass() const {
  bool plain =
      body.normalize == NormalizeKind::Softmax && body.stats.empty() && !weights && !scores;
  for (const AttendSource &source : body.sources)
    plain &= source.weight->isSpecial(ExprSpecial::Weight);
  return plain && out;
}

void AttendLoops::onePass(ExprBuilder &row) {
  Value sums = clearSums(row);
  Values init = RunningSum::init(l);
  if (body.sink) // one more key, whose value is 0
    init = RunningSum::step(l, init, row.build(body.sink));
  Values state =
      forKept(row, init,
              [&](const AttendSource &source, ExprBuilder &pair, Value score, ValueRange carried) {
                return accumulate(source, pair, score, carried, sums);
              });
  writeAccumulated(row, state, sums);
}

void AttendLoops::writeRow(ExprBuilder &row, ValueRange norm) {
  Values at = l.indicesOf(row, rows);
  if (lse)
    l.storeTo(*lse, RunningSum::finish(l, norm), at);
  for (auto [memory, value] : llvm::zip(norms, norm))
    l.store(value, memory, at);
  rowStatistics(row, norm);
  if (weights || scores)
    writePairs(row, norm);
  if (out)
    writeOut(row, norm);
}

void AttendLoops::build(llvm::StringRef reason) {
  if (isPrefixScan(step))
    return buildPrefix("a prefix scan: each row continues the one before");
  bool anyRow = out || lse || weights || scores, keepNorms = false;
  for (size_t i = 0; i < stats.size(); ++i) {
    anyRow |= stats[i] && (body.stats[i].perRow || !body.stats[i].index.empty());
    bool ofColumn = stats[i] && !body.stats[i].perRow && body.stats[i].index.empty();
    keepNorms |= ofColumn && looksAtWeight(i);
  }
  if (keepNorms) { // as many numbers as a norm has
    bool softmax =
        body.normalize == NormalizeKind::Softmax || body.normalize == NormalizeKind::Nested;
    for (int i = 0; i < (softmax ? 2 : body.divide ? 1 : 0); ++i)
      norms.push_back(l.shared(rows, l.builder().getF32Type()));
  }
  if (anyRow || !norms.empty())
    l.grid(rows, GridKind::Rows, reason, [&](ExprBuilder &scope) {
      ExprBuilder row = inRow(scope);
      if (isOnePass())
        return onePass(row);
      Values n = norm(row);
      writeRow(row, n);
    });
  for (size_t i = 0; i < stats.size(); ++i)
    if (stats[i] && !body.stats[i].perRow && body.stats[i].index.empty())
      columnStatistic(i);
}

void heddle::buildAttend(LoopBuilder &l, const Spec &spec, const SpecStep &step,
                         const AttendStep &body, llvm::StringRef reason) {
  AttendLoops(l, spec, step, body).build(reason);
}
