//===- Select.cpp - index lists from data, as loops --------------------------------------------===//
//
// Three grids: the value and the standing of each candidate; its place among them, by counting those that
// come before it; then, row by row, the outputs. A tree search puts its own grid in the place of the
// second one.
//
//===----------------------------------------------------------------------------------------===//

#include "dialect/loops/Select.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace heddle;

SelectLoops::SelectLoops(LoopBuilder &l, const Spec &spec, const SpecStep &step,
                         const SelectStep &body)
    : l(l), body(body), list(outputOf(spec, step, "list")), keep(outputOf(spec, step, "keep")),
      rank(outputOf(spec, step, "rank")), count(outputOf(spec, step, "count")) {
  for (const IndexRange &range : body.index)
    rows.push_back(&range);
  pairs = rows;
  pairs.push_back(&body.over);
}

/// At most so many are chosen; never less than 0.
Value SelectLoops::limit() {
  if (!body.count)
    return l.sizeOf(body.over);
  Value most = l.outermost().build(body.count);
  return arith::MaxSIOp::create(l.builder(), most.getLoc(), most, l.index(0));
}

/// standing: 0 no candidate, 1 one, 2 forced.
void SelectLoops::judge() {
  OpBuilder &b = l.builder();
  value = l.shared(pairs, b.getF32Type());
  standing = l.shared(pairs, b.getI32Type());
  l.grid(pairs, GridKind::Elements, "", [&](ExprBuilder &scope) {
    Values at = l.indicesOf(scope, pairs);
    Value exists = scope.build(body.where), forced = scope.build(body.always);
    Value score = scope.build(body.value);
    Value good = arith::CmpFOp::create(b, score.getLoc(), arith::CmpFPredicate::OGE, score,
                                       scope.build(body.above));
    Value code = l.select(forced, l.index(2), l.select(good, l.index(1), l.index(0)));
    code = l.select(exists, code, l.index(0));
    l.store(score, value, at);
    l.store(arith::IndexCastOp::create(b, score.getLoc(), b.getI32Type(), code), standing, at);
  });
}

/// place: how many come before, or -1 if it is not chosen. Forced ones come first, in index order; the
/// others by value, ties to the lower index.
void SelectLoops::order() {
  OpBuilder &b = l.builder();
  place = l.shared(pairs, b.getI32Type());
  l.grid(pairs, GridKind::Elements, "", [&](ExprBuilder &scope) {
    Values at = l.indicesOf(scope, pairs), other = at;
    Value own = l.load(standing, at), score = l.load(value, at);
    Value zero = arith::ConstantIntOp::create(b, own.getLoc(), 0, 32);
    Value before =
        l.count(l.sizeOf(body.over), {l.index(0)}, [&](Value j, ValueRange carried) -> Values {
           other.back() = j;
           Value theirs = l.load(standing, other), rival = l.load(value, other);
           Value lower = l.less(j, at.back());
           Value tie = l.both(l.equal(rival, score), lower);
           Value ahead = l.either(l.less(score, rival), tie);
           Value two = arith::ConstantIntOp::create(b, own.getLoc(), 2, 32);
           ahead = l.select(l.equal(theirs, two), lower, ahead); // both forced
           Value here = l.either(l.less(own, theirs), l.both(l.equal(own, theirs), ahead));
           here = l.both(here, l.less(zero, theirs));
           return {l.add(carried[0], l.select(here, l.index(1), l.index(0)))};
         }).front();
    Value chosen = l.both(l.less(zero, own), l.less(before, limit()));
    Value result = l.select(chosen, before, l.index(-1));
    l.store(arith::IndexCastOp::create(b, own.getLoc(), b.getI32Type(), result), place, at);
  });
}

void SelectLoops::write() {
  OpBuilder &b = l.builder();
  l.grid(rows, GridKind::Rows, "", [&](ExprBuilder &scope) {
    Values row = l.indicesOf(scope, rows);
    auto with = [&](Value last) {
      Values at = row;
      at.push_back(last);
      return at;
    };
    if (list)
      l.count(limit(), {}, [&](Value i, ValueRange) {
        l.storeTo(*list, l.index(-1), with(i));
        return Values();
      });
    Value end = l.sizeOf(body.over);
    Values number = l.count(end, {l.index(0)}, [&](Value j, ValueRange carried) -> Values {
      Value at = l.load(place, with(j));
      at = arith::IndexCastOp::create(b, at.getLoc(), b.getIndexType(), at);
      Value chosen = l.less(l.index(-1), at);
      Value to = body.orderByValue && !body.tree ? at : carried[0];
      if (list)
        l.when(chosen, {}, [&] {
          l.storeTo(*list, j, with(to));
          return Values();
        });
      if (keep)
        l.storeTo(*keep, chosen, with(j));
      if (rank)
        l.storeTo(*rank, l.select(chosen, to, l.index(-1)), with(j));
      return {l.add(carried[0], l.select(chosen, l.index(1), l.index(0)))};
    });
    if (count)
      l.storeTo(*count, number[0], row);
  });
}

void SelectLoops::build() {
  if (!list && !keep && !rank && !count)
    return;
  if (body.tree) {
    search();
  } else {
    judge();
    order();
  }
  write();
}

void heddle::buildSelect(LoopBuilder &l, const Spec &spec, const SpecStep &step,
                         const SelectStep &body) {
  SelectLoops(l, spec, step, body).build();
}
