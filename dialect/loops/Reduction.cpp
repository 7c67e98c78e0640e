//===- Reduction.cpp - reductions, one value after the other -----------------------------------===//
//
// LANGUAGE.md, 4.1: what each kind gives of no values, and what NaN does.
//
//===----------------------------------------------------------------------------------------===//

#include "dialect/loops/LoopBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace heddle;

Values RunningSum::step(LoopBuilder &l, ValueRange carried, Value x) {
  OpBuilder &b = l.builder();
  Value m = carried[0], sum = carried[1], none = l.number(-INFINITY);
  Value most = arith::MaximumFOp::create(b, x.getLoc(), m, x);
  Value empty = l.equal(most, none); // -inf - -inf would be NaN
  Value base = l.select(empty, l.number(0), most);
  Value before = l.mul(sum, l.exp(l.sub(m, base)));
  return {most, l.add(before, l.exp(l.sub(x, base)))};
}

Value RunningSum::finish(LoopBuilder &l, ValueRange carried) {
  Value none = l.number(-INFINITY);
  return l.select(l.equal(carried[0], none), none, l.add(carried[0], l.log(carried[1])));
}

Value RunningSum::share(LoopBuilder &l, ValueRange finished, Value x) {
  Value part = l.div(l.exp(l.sub(x, finished[0])), finished[1]);
  return l.select(l.equal(x, l.number(-INFINITY)), l.number(0), part);
}

Values Reduction::init() {
  bool isFloat = type == ExprType::Float;
  switch (kind) {
  case ReductionKind::Sum:
    return {isFloat ? l.number(0) : l.index(0)};
  case ReductionKind::Prod:
    return {isFloat ? l.number(1) : l.index(1)};
  case ReductionKind::Max:
    return {isFloat ? l.number(-INFINITY) : l.index(INT32_MIN)};
  case ReductionKind::Min:
    return {isFloat ? l.number(INFINITY) : l.index(INT32_MAX)};
  case ReductionKind::Mean:
    return {l.number(0), l.index(0)};
  case ReductionKind::Any:
    return {l.boolean(false)};
  case ReductionKind::All:
    return {l.boolean(true)};
  case ReductionKind::ArgMax:
  case ReductionKind::ArgMin:
    return {isFloat ? l.number(0) : l.index(0), l.index(-1)};
  case ReductionKind::LogSumExp:
    return RunningSum::init(l);
  }
  llvm_unreachable("all kinds are above");
}

Value Reduction::combine(Value acc, Value x) {
  OpBuilder &b = l.builder();
  Location loc = x.getLoc();
  bool isFloat = type == ExprType::Float;
  switch (kind) {
  case ReductionKind::Sum:
    return l.add(acc, x);
  case ReductionKind::Prod:
    return l.mul(acc, x);
  case ReductionKind::Max:
    return isFloat ? arith::MaximumFOp::create(b, loc, acc, x).getResult()
                   : arith::MaxSIOp::create(b, loc, acc, x).getResult();
  case ReductionKind::Min:
    return isFloat ? arith::MinimumFOp::create(b, loc, acc, x).getResult()
                   : arith::MinSIOp::create(b, loc, acc, x).getResult();
  case ReductionKind::Any:
    return l.either(acc, x);
  case ReductionKind::All:
    return l.both(acc, x);
  default:
    llvm_unreachable("the others carry two values");
  }
}

Values Reduction::step(ValueRange carried, Value x, Value at) {
  if (kind == ReductionKind::LogSumExp)
    return RunningSum::step(l, carried, type == ExprType::Float ? x : l.toFloat(x));
  if (kind == ReductionKind::Mean)
    return {l.add(carried[0], type == ExprType::Float ? x : l.toFloat(x)),
            l.add(carried[1], l.index(1))};
  if (kind != ReductionKind::ArgMax && kind != ReductionKind::ArgMin)
    return {combine(carried[0], x)};
  // The lowest index wins ties; NaN counts as largest, in both.
  Value best = carried[0];
  Value better = kind == ReductionKind::ArgMax ? l.less(best, x) : l.less(x, best);
  if (type == ExprType::Float) {
    Value worse = l.isNan(best);
    better = l.both(l.either(better, l.isNan(x)), l.negate(worse));
  }
  better = l.either(better, l.less(carried[1], l.index(0)));
  return {l.select(better, x, best), l.select(better, at, carried[1])};
}

bool Reduction::isFloatSum() const {
  return kind == ReductionKind::Mean || (kind == ReductionKind::Sum && type == ExprType::Float);
}

Values Reduction::join(ValueRange a, ValueRange b) {
  assert(isFloatSum() && "of the others there are no parts");
  Values sums;
  for (auto [x, y] : llvm::zip_equal(a, b))
    sums.push_back(l.add(x, y));
  return sums;
}

Value Reduction::finish(ValueRange carried) {
  switch (kind) {
  case ReductionKind::LogSumExp:
    return RunningSum::finish(l, carried);
  case ReductionKind::Mean: {
    Value none = l.equal(carried[1], l.index(0));
    return l.div(carried[0], l.toFloat(l.select(none, l.index(1), carried[1])));
  }
  case ReductionKind::ArgMax:
  case ReductionKind::ArgMin:
    return carried[1];
  default:
    return carried[0];
  }
}
