//===- Recur.cpp - a recurrence as loops -------------------------------------------------------===//
//
// Columns of the state do not know each other, under any rule: a point of the grid is a head and a column,
// its state a vector over d.
//
//===----------------------------------------------------------------------------------------===//

#include "dialect/loops/LoopBuilder.h"

using namespace heddle;

namespace {
class RecurLoops {
public:
  RecurLoops(LoopBuilder &l, const Spec &spec, const SpecStep &step, const RecurStep &body)
      : l(l), body(body), out(outputOf(spec, step, "out")), state(outputOf(spec, step, "state")),
        sum(outputOf(spec, step, "sum")), momentum(outputOf(spec, step, "momentum")) {
    for (const IndexRange &range : body.rows)
      rows.push_back(&range);
    outer = rows;
    outer.erase(outer.begin() + body.time);
    points = outer;
    if (body.column)
      points.push_back(&*body.column);
    isMomentum = body.rule == RecurRule::Momentum;
    hasSum = body.divide || sum;
  }
  void build(llvm::StringRef reason);

private:
  using Each = llvm::function_ref<void(ExprBuilder &, ValueRange d)>;
  void forDepth(ExprBuilder &scope, Each each);
  Value sumDepth(ExprBuilder &scope, const ExprRef &factor, Value memory);
  void start(ExprBuilder &scope);
  void advance(ExprBuilder &scope, Value n);
  void read(ExprBuilder &scope);
  void finish(ExprBuilder &scope);

  LoopBuilder &l;
  const RecurStep &body;
  const SpecTensor *out, *state, *sum, *momentum;
  Ranges rows, outer, points;
  bool isMomentum, hasSum;
  Value S, Z, C, z; // the state, its momentum, the state before the chunk, the sum of keys
};
} // namespace

void RecurLoops::forDepth(ExprBuilder &scope, Each each) {
  if (!body.depth) {
    ExprBuilder inner = scope;
    return each(inner, {l.index(0)});
  }
  l.loop(scope, *body.depth, {}, [&](ExprBuilder &inner, ValueRange) {
    each(inner, l.indicesOf(inner, {&*body.depth}));
    return Values();
  });
}

/// The sum over d of an expression times a vector.
Value RecurLoops::sumDepth(ExprBuilder &scope, const ExprRef &factor, Value memory) {
  if (!body.depth) {
    ExprBuilder inner = scope;
    return l.mul(inner.build(factor), l.load(memory, {l.index(0)}));
  }
  return l
      .loop(scope, *body.depth, {l.number(0)},
            [&](ExprBuilder &inner, ValueRange carried) -> Values {
              Values d = l.indicesOf(inner, {&*body.depth});
              return {l.add(carried[0], l.mul(inner.build(factor), l.load(memory, d)))};
            })
      .front();
}

void RecurLoops::start(ExprBuilder &scope) {
  int64_t depth = l.fixedSize(body.depth);
  S = l.local(depth);
  if (isMomentum) {
    Z = l.local(depth);
    C = l.local(depth);
  }
  if (hasSum)
    z = l.local(depth);
  forDepth(scope, [&](ExprBuilder &inner, ValueRange d) {
    auto first = [&](const ExprRef &expr) { return expr ? inner.build(expr) : l.number(0); };
    l.store(first(body.initial), S, d);
    if (isMomentum) {
      l.store(first(body.initialMomentum), Z, d);
      l.store(l.number(0), C, d);
    }
    if (hasSum)
      l.store(first(body.initialSum), z, d);
  });
}

/// One token: n counts from 0, t is its place.
void RecurLoops::advance(ExprBuilder &scope, Value n) {
  if (isMomentum) {
    ExprBuilder inner = scope;
    Value rest = l.remainder(n, inner.build(body.chunk));
    l.when(l.equal(rest, l.index(0)), {}, [&] {
      forDepth(scope, [&](ExprBuilder &, ValueRange d) { l.store(l.load(S, d), C, d); });
      return Values();
    });
  }
  // What the keys already read of the state: after its decay, or before its chunk.
  Value known = l.number(0);
  if (body.rule == RecurRule::Delta) {
    forDepth(scope, [&](ExprBuilder &inner, ValueRange d) {
      l.store(l.mul(inner.build(body.decay), l.load(S, d)), S, d);
    });
    known = sumDepth(scope, body.key, S);
  } else if (isMomentum) {
    known = sumDepth(scope, body.key, C);
  }
  forDepth(scope, [&](ExprBuilder &inner, ValueRange d) {
    Value before = l.load(S, d), key = inner.build(body.key), value = inner.build(body.value);
    auto written = [&] { return l.mul(l.mul(inner.build(body.beta), key), l.sub(value, known)); };
    if (hasSum)
      l.store(l.add(l.mul(inner.build(body.decay), l.load(z, d)), key), z, d);
    if (body.rule == RecurRule::Delta) {
      l.store(l.add(before, written()), S, d);
    } else if (isMomentum) {
      Value moved = l.add(l.mul(inner.build(body.momentum), l.load(Z, d)), written());
      l.store(moved, Z, d);
      l.store(l.add(l.mul(inner.build(body.decay), before), moved), S, d);
    } else {
      l.store(l.add(l.mul(inner.build(body.decay), before), l.mul(key, value)), S, d);
    }
  });
}

void RecurLoops::read(ExprBuilder &scope) {
  if (!out)
    return;
  Value result = sumDepth(scope, body.query, S);
  Ranges axes = rows;
  if (body.column)
    axes.push_back(&*body.column);
  ExprBuilder inner = scope;
  if (body.divide) {
    inner.setSpecial(ExprSpecial::Sum, sumDepth(scope, body.query, z));
    result = l.div(result, inner.build(body.divide));
  }
  l.storeTo(*out, result, l.indicesOf(inner, axes));
}

void RecurLoops::finish(ExprBuilder &scope) {
  forDepth(scope, [&](ExprBuilder &inner, ValueRange d) {
    Values head = l.indicesOf(inner, outer), at = head;
    if (body.depth)
      at.push_back(d[0]);
    auto storeSum = [&] {
      l.storeTo(*sum, l.load(z, d), at);
      return Values();
    };
    Value column = body.column ? l.indicesOf(inner, {&*body.column}).front() : Value();
    if (sum && column) // of all columns the same
      l.when(l.equal(column, l.index(0)), {}, storeSum);
    else if (sum)
      storeSum();
    if (column)
      at.push_back(column);
    if (state)
      l.storeTo(*state, l.load(S, d), at);
    if (momentum)
      l.storeTo(*momentum, isMomentum ? l.load(Z, d) : l.number(0), at);
  });
}

void RecurLoops::build(llvm::StringRef reason) {
  if (!out && !state && !sum && !momentum)
    return;
  const IndexRange &time = body.rows[body.time];
  l.grid(points, GridKind::Rows, reason, [&](ExprBuilder &scope) {
    start(scope);
    Value end = l.sizeOf(time);
    l.count(end, {}, [&](Value n, ValueRange) {
      ExprBuilder inner = scope;
      inner.setIndex(time, body.reverse ? l.sub(l.sub(end, l.index(1)), n) : n);
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
