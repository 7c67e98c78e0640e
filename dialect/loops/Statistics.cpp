//===- Statistics.cpp - the statistics of an attend, as loops ----------------------------------===//

#include "dialect/loops/Attend.h"

using namespace heddle;

bool AttendLoops::looksAtWeight(size_t number) const {
  for (const AttendSource &source : body.sources)
    if (anyNode(source.statValues[number],
                [](const Expr &node) { return node.isSpecial(ExprSpecial::Weight); }))
      return true;
  return false;
}

/// One number: a reduction over the kept pairs of the row.
Value AttendLoops::statistic(size_t number, ExprBuilder &row, ValueRange norm) {
  const AttendStatistic &stat = body.stats[number];
  Reduction reduction(l, stat.with, body.sources[0].statValues[number]->type);
  bool needsWeight = looksAtWeight(number);
  Values result =
      forKept(row, reduction.init(),
              [&](const AttendSource &source, ExprBuilder &pair, Value score, ValueRange carried) {
                ExprBuilder scope = pair;
                if (needsWeight)
                  scope.setSpecial(ExprSpecial::Weight, weightOf(source, row, pair, score, norm));
                Value key = l.indicesOf(scope, {&source.keys.back()}).front();
                return reduction.step(carried, scope.build(source.statValues[number]), key);
              });
  return reduction.finish(result);
}

/// One number per value of the statistic's own indices.
void AttendLoops::histogram(size_t number, ExprBuilder &row, ValueRange norm) {
  Ranges index, axes = rows;
  for (const IndexRange &range : body.stats[number].index) {
    index.push_back(&range);
    axes.push_back(&range);
  }
  l.loops(row, index, {}, [&](ExprBuilder &inner, ValueRange) {
    Value result = statistic(number, inner, norm);
    l.storeTo(*stats[number], result, l.indicesOf(inner, axes));
    return Values();
  });
}

/// Those that weight and gate may use are computed even if nobody else asks for them.
void AttendLoops::rowStatistics(ExprBuilder &row, ValueRange norm) {
  for (size_t i = 0; i < stats.size(); ++i) {
    const AttendStatistic &stat = body.stats[i];
    if (!stat.index.empty() && stats[i] && stat.perRow == false)
      histogram(i, row, norm);
    if (!stat.perRow)
      continue;
    Value result = statistic(i, row, norm);
    row.setStatistic(stat.name, result);
    if (stats[i])
      l.storeTo(*stats[i], result, l.indicesOf(row, rows));
  }
}

/// Over rows: a grid over what is left of rows and keys, one source.
void AttendLoops::columnStatistic(size_t number) {
  const AttendStatistic &stat = body.stats[number];
  const AttendSource &source = body.sources.front();
  auto reduces = [&](const IndexRange &range) {
    return std::find(stat.over.begin(), stat.over.end(), range.name) != stat.over.end();
  };
  Ranges left, over;
  for (const IndexRange *range : rows)
    (reduces(*range) ? over : left).push_back(range);
  for (const IndexRange &key : source.keys)
    (reduces(key) ? over : left).push_back(&key);
  Reduction reduction(l, stat.with, source.statValues[number]->type);
  l.grid(left, GridKind::Rows, "a statistic over rows", [&](ExprBuilder &scope) {
    ExprBuilder outer = inRow(scope);
    auto visit = [&](ExprBuilder &pair, ValueRange carried) {
      Value score = scoreOf(source, pair);
      pair.setSpecial(ExprSpecial::Score, score);
      if (looksAtWeight(number)) {
        Values norm, at = l.indicesOf(pair, rows);
        for (Value memory : norms)
          norm.push_back(l.load(memory, at));
        ExprBuilder row = pair; // the row's own loops over keys bind those anew
        pair.setSpecial(ExprSpecial::Weight, weightOf(source, row, pair, score, norm));
      }
      return reduction.step(carried, pair.build(source.statValues[number]),
                            l.indicesOf(pair, over).back());
    };
    Values result =
        l.loops(outer, over, reduction.init(), [&](ExprBuilder &inner, ValueRange carried) {
          ExprBuilder pair = inSource(inner, source, 0);
          if (source.mask->isTrue())
            return visit(pair, carried);
          return l.when(pair.build(source.mask), carried, [&] {
            ExprBuilder kept = pair;
            return visit(kept, carried);
          });
        });
    l.storeTo(*stats[number], reduction.finish(result), l.indicesOf(outer, left));
  });
}
