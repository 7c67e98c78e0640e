//===- Recur.cpp - a recurrence as loops -------------------------------------------------------===//
//
// Columns of the state do not know each other, under any rule: a point of the grid is a head and some
// columns. What a token says of d alone (query, key, decay, ...) is computed once for all of them, and the
// innermost loops run along columns, side by side in memory.
//
//===----------------------------------------------------------------------------------------===//

#include "dialect/loops/LoopBuilder.h"

using namespace heddle;

namespace {
constexpr int64_t columnsOfPoint = 64;

class RecurLoops {
public:
  RecurLoops(LoopBuilder &l, const Spec &spec, const SpecStep &step, const RecurStep &body)
      : l(l), body(body), out(outputOf(spec, step, "out")), state(outputOf(spec, step, "state")),
        sum(outputOf(spec, step, "sum")), momentum(outputOf(spec, step, "momentum")) {
    for (const IndexRange &range : body.rows)
      rows.push_back(&range);
    outer = rows;
    outer.erase(outer.begin() + body.time);
    isMomentum = body.rule == RecurRule::Momentum;
    hasSum = body.divide || sum;
    depth = l.fixedSize(body.depth);
    columns = l.fixedSize(body.column);
    width = std::min(columns, columnsOfPoint);
    block.name = "heddle block"; // no name of a spec has a blank
    block.extent.size = makeInt((columns + width - 1) / width);
    block.extent.text = block.name;
  }
  void build(llvm::StringRef reason);

private:
  /// A vector over d that a token is read into, or an expression of e too, computed where it is used.
  struct Operand {
    ExprRef expr;
    Value memory; // null: mentions e
  };
  using OfDepth = llvm::function_ref<void(ExprBuilder &, Value d)>;
  using OfColumn = llvm::function_ref<void(ExprBuilder &, Value j)>;
  bool mentionsColumn(const ExprRef &expr) const {
    return body.column && mentionsIndex(expr, body.column->name);
  }
  Operand operand(const ExprRef &expr);
  Value at(const Operand &operand, ExprBuilder &scope, Value d);
  void forDepth(ExprBuilder &scope, OfDepth each);
  void forColumns(ExprBuilder &scope, OfColumn each);
  void forState(ExprBuilder &scope,
                llvm::function_ref<void(ExprBuilder &, Value d, Value j, Value place)> each);
  /// into[j] = sum over d of operand(d) memory(d, j).
  void sumDepth(ExprBuilder &scope, const Operand &operand, Value memory, Value into);
  Value placeOf(Value d, Value j) { return l.add(l.mul(d, l.index(width)), j); }

  void claim();
  void start(ExprBuilder &scope);
  void readToken(ExprBuilder &scope);
  void advance(ExprBuilder &scope, Value n);
  void read(ExprBuilder &scope);
  void finish(ExprBuilder &scope);

  LoopBuilder &l;
  const RecurStep &body;
  const SpecTensor *out, *state, *sum, *momentum;
  Ranges rows, outer;
  IndexRange block; // of columns
  bool isMomentum, hasSum;
  int64_t depth, columns, width;
  Value first, count;       // of this point's columns
  Value S, Z, C, z;         // the state, its momentum, the state before the chunk; the sum of keys
  Value values, known, row; // of a token: value, what the key reads, the result: [columns]
  Operand query, key, decay, beta, inertia;
};
} // namespace

RecurLoops::Operand RecurLoops::operand(const ExprRef &expr) {
  return {expr, expr->isNumber() || mentionsColumn(expr) ? Value() : l.local(depth)};
}

Value RecurLoops::at(const Operand &operand, ExprBuilder &scope, Value d) {
  if (operand.memory)
    return l.load(operand.memory, d);
  ExprBuilder inner = scope;
  return inner.build(operand.expr);
}

void RecurLoops::forDepth(ExprBuilder &scope, OfDepth each) {
  if (!body.depth) {
    ExprBuilder inner = scope;
    return each(inner, l.index(0));
  }
  l.loop(scope, *body.depth, {}, [&](ExprBuilder &inner, ValueRange) {
    each(inner, l.indicesOf(inner, {&*body.depth}).front());
    return Values();
  });
}

void RecurLoops::forColumns(ExprBuilder &scope, OfColumn each) {
  if (!body.column) {
    ExprBuilder inner = scope;
    return each(inner, l.index(0));
  }
  l.count(count, {}, [&](Value j, ValueRange) {
    ExprBuilder inner = scope;
    inner.setIndex(*body.column, l.add(first, j));
    each(inner, j);
    return Values();
  });
}

void RecurLoops::forState(
    ExprBuilder &scope,
    llvm::function_ref<void(ExprBuilder &, Value d, Value j, Value place)> each) {
  forDepth(scope, [&](ExprBuilder &outerScope, Value d) {
    forColumns(outerScope, [&](ExprBuilder &inner, Value j) { each(inner, d, j, placeOf(d, j)); });
  });
}

void RecurLoops::sumDepth(ExprBuilder &scope, const Operand &operand, Value memory, Value into) {
  forColumns(scope, [&](ExprBuilder &, Value j) { l.store(l.number(0), into, j); });
  forState(scope, [&](ExprBuilder &inner, Value d, Value j, Value place) {
    Value sum = l.load(into, j), factor = at(operand, inner, d);
    l.store(l.addProduct(sum, factor, l.load(memory, place)), into, j);
  });
}

void RecurLoops::claim() {
  S = l.local(depth * width);
  if (isMomentum) {
    Z = l.local(depth * width);
    C = l.local(depth * width);
  }
  if (hasSum)
    z = l.local(depth);
  values = l.local(width);
  known = l.local(width);
  row = l.local(width);
  query = operand(body.query);
  key = operand(body.key);
  decay = operand(body.decay);
  beta = operand(body.beta);
  inertia = operand(body.momentum);
}

void RecurLoops::start(ExprBuilder &scope) {
  auto initial = [&](ExprBuilder &inner, const ExprRef &expr) {
    return expr ? inner.build(expr) : l.number(0);
  };
  forState(scope, [&](ExprBuilder &inner, Value, Value, Value place) {
    l.store(initial(inner, body.initial), S, place);
    if (!isMomentum)
      return;
    l.store(initial(inner, body.initialMomentum), Z, place);
    l.store(l.number(0), C, place);
  });
  if (hasSum)
    forDepth(scope,
             [&](ExprBuilder &inner, Value d) { l.store(initial(inner, body.initialSum), z, d); });
}

/// What the token says: vectors over d, and its value.
void RecurLoops::readToken(ExprBuilder &scope) {
  for (const Operand *operand : {&query, &key, &decay, &beta, &inertia})
    if (operand->memory)
      forDepth(scope, [&](ExprBuilder &inner, Value d) {
        l.store(inner.build(operand->expr), operand->memory, d);
      });
  forColumns(scope,
             [&](ExprBuilder &inner, Value j) { l.store(inner.build(body.value), values, j); });
}

/// One token: n counts from 0, t is its place.
void RecurLoops::advance(ExprBuilder &scope, Value n) {
  if (isMomentum) {
    ExprBuilder inner = scope;
    Value rest = l.remainder(n, inner.build(body.chunk));
    l.when(l.equal(rest, l.index(0)), {}, [&] {
      forState(scope, [&](ExprBuilder &, Value, Value, Value place) {
        l.store(l.load(S, place), C, place);
      });
      return Values();
    });
  }
  // What the keys already read of the state: after its decay, or before its chunk.
  if (body.rule == RecurRule::Delta) {
    forState(scope, [&](ExprBuilder &inner, Value d, Value, Value place) {
      l.store(l.mul(at(decay, inner, d), l.load(S, place)), S, place);
    });
    sumDepth(scope, key, S, known);
  } else if (isMomentum) {
    sumDepth(scope, key, C, known);
  }
  if (hasSum)
    forDepth(scope, [&](ExprBuilder &inner, Value d) {
      l.store(l.add(l.mul(at(decay, inner, d), l.load(z, d)), at(key, inner, d)), z, d);
    });
  bool readsAlong = out && !body.readBefore; // while it is at hand
  if (readsAlong)
    forColumns(scope, [&](ExprBuilder &, Value j) { l.store(l.number(0), row, j); });
  forState(scope, [&](ExprBuilder &inner, Value d, Value j, Value place) {
    Value before = l.load(S, place), k = at(key, inner, d), value = l.load(values, j), after;
    auto error = [&] { return l.sub(value, l.load(known, j)); };
    auto step = [&] { return l.mul(at(beta, inner, d), k); };
    if (body.rule == RecurRule::Delta) {
      after = l.addProduct(before, step(), error());
    } else if (isMomentum) {
      Value kept = l.mul(at(inertia, inner, d), l.load(Z, place));
      Value moved = l.add(kept, l.mul(step(), error()));
      l.store(moved, Z, place);
      after = l.add(l.mul(at(decay, inner, d), before), moved);
    } else {
      after = l.addProduct(l.mul(at(decay, inner, d), before), k, value);
    }
    l.store(after, S, place);
    if (readsAlong)
      l.store(l.addProduct(l.load(row, j), at(query, inner, d), after), row, j);
  });
}

void RecurLoops::read(ExprBuilder &scope) {
  if (!out)
    return;
  if (body.readBefore)
    sumDepth(scope, query, S, row);
  Value divisor;
  if (body.divide) {
    Value total = l.count(body.depth ? l.index(depth) : l.index(1), {l.number(0)},
                          [&](Value d, ValueRange carried) -> Values {
                            ExprBuilder inner = scope;
                            if (body.depth)
                              inner.setIndex(*body.depth, d);
                            return {l.add(carried[0], l.mul(at(query, inner, d), l.load(z, d)))};
                          })
                      .front();
    ExprBuilder inner = scope;
    inner.setSpecial(ExprSpecial::Sum, total);
    divisor = inner.build(body.divide);
  }
  Ranges axes = rows;
  if (body.column)
    axes.push_back(&*body.column);
  forColumns(scope, [&](ExprBuilder &inner, Value j) {
    Value result = l.load(row, j);
    l.storeTo(*out, divisor ? l.div(result, divisor) : result, l.indicesOf(inner, axes));
  });
}

void RecurLoops::finish(ExprBuilder &scope) {
  Ranges axes = outer;
  if (body.depth)
    axes.push_back(&*body.depth);
  if (sum) { // of all columns the same: the first point writes it
    l.when(l.equal(first, l.index(0)), {}, [&] {
      forDepth(scope, [&](ExprBuilder &inner, Value d) {
        l.storeTo(*sum, l.load(z, d), l.indicesOf(inner, axes));
      });
      return Values();
    });
  }
  if (body.column)
    axes.push_back(&*body.column);
  if (!state && !momentum)
    return;
  forState(scope, [&](ExprBuilder &inner, Value, Value, Value place) {
    Values to = l.indicesOf(inner, axes);
    if (state)
      l.storeTo(*state, l.load(S, place), to);
    if (momentum)
      l.storeTo(*momentum, isMomentum ? l.load(Z, place) : l.number(0), to);
  });
}

void RecurLoops::build(llvm::StringRef reason) {
  if (!out && !state && !sum && !momentum)
    return;
  const IndexRange &time = body.rows[body.time];
  Ranges points = outer;
  points.push_back(&block);
  l.grid(points, GridKind::Rows, reason, [&](ExprBuilder &scope) {
    first = l.mul(l.indicesOf(scope, {&block}).front(), l.index(width));
    count = l.least(l.sub(l.index(columns), first), l.index(width));
    claim();
    start(scope);
    Value end = l.sizeOf(time);
    l.count(end, {}, [&](Value n, ValueRange) {
      ExprBuilder inner = scope;
      inner.setIndex(time, body.reverse ? l.sub(l.sub(end, l.index(1)), n) : n);
      readToken(inner);
      if (body.readBefore)
        read(inner);
      advance(inner, n);
      if (!body.readBefore)
        read(inner);
      return Values();
    });
    finish(scope);
  });
}

void heddle::buildRecur(LoopBuilder &l, const Spec &spec, const SpecStep &step,
                        const RecurStep &body, llvm::StringRef reason) {
  RecurLoops(l, spec, step, body).build(reason);
}
