//===- Normalise.cpp - the normalisers of an attend, as loops ----------------------------------===//
//
// The norm of a row: softmax and nested (largest score, sum of exp(score - it)), over the flat keys and
// leaders if nested; map with divide (what to divide by); else nothing.
//
//===----------------------------------------------------------------------------------------===//

#include "dialect/loops/Attend.h"

using namespace heddle;

Values AttendLoops::softmaxNorm(ExprBuilder &row) {
  Values init = RunningSum::init(l);
  if (body.sink) // one more key
    init = RunningSum::step(l, init, row.build(body.sink));
  bool nested = body.normalize == NormalizeKind::Nested;
  return forKept(
      row, init,
      [&](const AttendSource &source, ExprBuilder &pair, Value score, ValueRange carried) {
        if (!nested)
          return RunningSum::step(l, carried, score);
        Value outer =
            l.either(l.less(pair.build(source.group), l.index(0)), pair.build(source.leader));
        return l.when(outer, carried, [&] { return RunningSum::step(l, carried, score); });
      });
}

Values AttendLoops::norm(ExprBuilder &row) {
  if (body.normalize == NormalizeKind::Softmax || body.normalize == NormalizeKind::Nested)
    return softmaxNorm(row);
  if (body.normalize != NormalizeKind::Map || !body.divide)
    return {};
  Values sum = forKept(
      row, {l.number(0)},
      [&](const AttendSource &source, ExprBuilder &pair, Value, ValueRange carried) -> Values {
        return {l.add(carried[0], pair.build(source.map))};
      });
  ExprBuilder scope = row;
  scope.setSpecial(ExprSpecial::Sum, sum[0]);
  return {scope.build(body.divide)};
}

/// On a leader 0; on another key of its group the leaders' share, split by the scores of the others.
Value AttendLoops::nestedWeight(const AttendSource &source, ExprBuilder &row, ExprBuilder &pair,
                                Value score, ValueRange norm) {
  Value group = pair.build(source.group), leader = pair.build(source.leader);
  Value flat = l.less(group, l.index(0)), share = RunningSum::share(l, norm, score);
  Values inner = {l.select(flat, share, l.number(0))};
  Value member = l.negate(l.either(flat, leader));
  return l
      .when(member, inner,
            [&]() -> Values {
              Values init = RunningSum::init(l);
              init.push_back(l.number(0));
              Values sums =
                  forKept(row, init,
                          [&](const AttendSource &other, ExprBuilder &rival, Value s,
                              ValueRange carried) -> Values {
                            Value same = l.equal(rival.build(other.group), group);
                            Value leads = rival.build(other.leader);
                            return l.when(same, carried, [&]() -> Values {
                              Values inside = RunningSum::step(l, carried.take_front(2), s);
                              Value part = l.add(carried[2], RunningSum::share(l, norm, s));
                              return {l.select(leads, carried[0], inside[0]),
                                      l.select(leads, carried[1], inside[1]),
                                      l.select(leads, part, carried[2])};
                            });
                          });
              return {l.mul(sums[2], RunningSum::share(l, ValueRange(sums).take_front(2), score))};
            })
      .front();
}

Value AttendLoops::weightOf(const AttendSource &source, ExprBuilder &row, ExprBuilder &pair,
                            Value score, ValueRange norm) {
  switch (body.normalize) {
  case NormalizeKind::Softmax:
    return RunningSum::share(l, norm, score);
  case NormalizeKind::Nested:
    return nestedWeight(source, row, pair, score, norm);
  case NormalizeKind::Given: {
    Value given = pair.build(source.given);
    return l.select(l.equal(given, l.number(-INFINITY)), l.number(0), l.exp(l.sub(score, given)));
  }
  case NormalizeKind::Map: {
    Value mapped = pair.build(source.map);
    return norm.empty() ? mapped : l.div(mapped, norm[0]);
  }
  }
  llvm_unreachable("all normalisers are above");
}

/// What multiplies the value: `weight` of p and the statistics.
Value AttendLoops::finalWeight(const AttendSource &source, ExprBuilder &row, ExprBuilder &pair,
                               Value score, ValueRange norm) {
  Value p = weightOf(source, row, pair, score, norm);
  if (source.weight->isSpecial(ExprSpecial::Weight))
    return p;
  ExprBuilder scope = pair;
  scope.setSpecial(ExprSpecial::Weight, p);
  return scope.build(source.weight);
}
