//===- TreeSearch.cpp - select by tree search, row by row --------------------------------------===//
//
// LANGUAGE.md, 4.5: `count` runs of candidates; every run is halved, each half is scored at its
// representative, the `count` best stay, until every run is one candidate.
//
//===----------------------------------------------------------------------------------------===//

#include "dialect/loops/Select.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace heddle;

static Values append(ValueRange row, Value at) {
  Values all(row);
  all.push_back(at);
  return all;
}

Value SelectLoops::integer(Value memory, ValueRange row, Value at) {
  Value loaded = l.load(memory, append(row, at));
  return arith::IndexCastOp::create(l.builder(), at.getLoc(), l.builder().getIndexType(), loaded);
}
void SelectLoops::setInteger(Value x, Value memory, ValueRange row, Value at) {
  OpBuilder &b = l.builder();
  l.store(arith::IndexCastOp::create(b, at.getLoc(), b.getI32Type(), x), memory, append(row, at));
}

/// Runs of nearly the same size.
void SelectLoops::cut(ValueRange row, const Runs &runs, Value parts, Value first, Value number) {
  OpBuilder &b = l.builder();
  l.count(parts, {}, [&](Value i, ValueRange) {
    auto edge = [&](Value at) -> Value {
      return arith::DivSIOp::create(b, at.getLoc(), l.mul(at, number), parts);
    };
    Value from = edge(i), to = edge(l.add(i, l.index(1)));
    setInteger(l.add(first, from), runs.first, row, i);
    setInteger(l.sub(to, from), runs.size, row, i);
    return Values();
  });
}

/// Both halves of every run, but for empty ones; how many there are.
Value SelectLoops::halve(ValueRange row, const Runs &from, Value numRuns, const Runs &to) {
  OpBuilder &b = l.builder();
  return l
      .count(numRuns, {l.index(0)},
             [&](Value i, ValueRange carried) -> Values {
               Value first = integer(from.first, row, i), size = integer(from.size, row, i);
               Value half = arith::DivSIOp::create(b, i.getLoc(), size, l.index(2));
               Value next = carried[0];
               for (auto [start, length] :
                    {std::pair(first, half), std::pair(l.add(first, half), l.sub(size, half))}) {
                 Value some = l.less(l.index(0), length);
                 l.when(some, {}, [&, start = start, length = length] {
                   setInteger(start, to.first, row, next);
                   setInteger(length, to.size, row, next);
                   return Values();
                 });
                 next = l.add(next, l.select(some, l.index(1), l.index(0)));
               }
               return {next};
             })
      .front();
}

void SelectLoops::scoreRuns(ExprBuilder &scope, ValueRange row, const Runs &runs, Value numRuns) {
  OpBuilder &b = l.builder();
  l.count(numRuns, {}, [&](Value i, ValueRange) {
    Location loc = i.getLoc();
    Value at = integer(runs.first, row, i);
    if (body.tree->pickCenter)
      at = l.add(at, arith::DivSIOp::create(b, loc, integer(runs.size, row, i), l.index(2)));
    at = arith::MinSIOp::create(b, loc, at, l.sub(l.sizeOf(body.over), l.index(1)));
    at = arith::MaxSIOp::create(b, loc, at, l.index(0));
    ExprBuilder inner = scope;
    inner.setIndex(body.over, at);
    l.store(inner.build(body.value), scores, append(row, i));
    return Values();
  });
}

/// The limit() best of scored runs, in their order. NaN is last.
Value SelectLoops::keepBest(ValueRange row, const Runs &from, Value numRuns, const Runs &to) {
  return l
      .count(numRuns, {l.index(0)},
             [&](Value i, ValueRange carried) -> Values {
               Value own = l.load(scores, append(row, i)), ownNan = l.isNan(own);
               Value before =
                   l.count(numRuns, {l.index(0)}, [&](Value j, ValueRange counted) -> Values {
                      Value rival = l.load(scores, append(row, j)), rivalNan = l.isNan(rival);
                      Value lower = l.less(j, i);
                      Value same = l.either(l.equal(rival, own), l.both(ownNan, rivalNan));
                      Value more = l.either(l.less(own, rival), l.both(ownNan, l.negate(rivalNan)));
                      Value ahead = l.either(more, l.both(same, lower));
                      return {l.add(counted[0], l.select(ahead, l.index(1), l.index(0)))};
                    }).front();
               Value good = l.less(before, limit());
               l.when(good, {}, [&] {
                 setInteger(integer(from.first, row, i), to.first, row, carried[0]);
                 setInteger(integer(from.size, row, i), to.size, row, carried[0]);
                 return Values();
               });
               return {l.add(carried[0], l.select(good, l.index(1), l.index(0)))};
             })
      .front();
}

/// Is any run longer than one candidate?
Value SelectLoops::anyLong(ValueRange row, const Runs &runs, Value numRuns) {
  return l
      .count(numRuns, {l.boolean(false)},
             [&](Value i, ValueRange carried) -> Values {
               return {l.either(carried[0], l.less(l.index(1), integer(runs.size, row, i)))};
             })
      .front();
}

/// Few candidates are runs of one each.
void SelectLoops::searchRow(ExprBuilder &scope, ValueRange row, const Runs &runs,
                            const Runs &halves) {
  constexpr int64_t rounds = 32; // a run has less than 2^31 candidates
  OpBuilder &b = l.builder();
  Location loc = row.empty() ? b.getUnknownLoc() : row.front().getLoc();
  Value first = scope.build(body.tree->first), number = scope.build(body.tree->number);
  number = arith::MaxSIOp::create(b, loc, number, l.index(0));
  Value parts = arith::MinSIOp::create(b, loc, number, limit());
  cut(row, runs, parts, first, number);
  Values left = l.count(l.index(rounds), {parts}, [&](Value, ValueRange carried) {
    Value numRuns = carried[0];
    return l.when(anyLong(row, runs, numRuns), {numRuns}, [&]() -> Values {
      Value numHalves = halve(row, runs, numRuns, halves);
      scoreRuns(scope, row, halves, numHalves);
      return {keepBest(row, halves, numHalves, runs)};
    });
  });
  l.count(l.sizeOf(body.over), {}, [&](Value j, ValueRange) {
    setInteger(l.index(-1), place, row, j);
    return Values();
  });
  l.count(left[0], {}, [&](Value i, ValueRange) {
    Value j = integer(runs.first, row, i);
    Value inside = l.both(l.less(l.index(-1), j), l.less(j, l.sizeOf(body.over)));
    ExprBuilder inner = scope;
    inner.setIndex(body.over, l.select(inside, j, l.index(0)));
    l.when(l.both(inside, inner.build(body.where)), {}, [&] {
      setInteger(i, place, row, j);
      return Values();
    });
    return Values();
  });
}

void SelectLoops::search() {
  OpBuilder &b = l.builder();
  Type i32 = b.getI32Type();
  Value twice = l.mul(limit(), l.index(2));
  place = l.shared(pairs, i32);
  scores = l.shared(rows, b.getF32Type(), twice);
  Runs runs{l.shared(rows, i32, twice), l.shared(rows, i32, twice)},
      halves{l.shared(rows, i32, twice), l.shared(rows, i32, twice)};
  l.grid(rows, GridKind::Rows, "",
         [&](ExprBuilder &scope) { searchRow(scope, l.indicesOf(scope, rows), runs, halves); });
}
