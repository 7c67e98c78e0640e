//===- Arith.cpp - arith, math and affine, element by element ------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "dialect/interpreter/Machine.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringMap.h"
#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace heddle;

namespace {
double maximum(double x, double y) { return std::isnan(x) || x > y ? x : y; }
double minimum(double x, double y) { return std::isnan(x) || x < y ? x : y; }

#define FLOAT(name, expression) {name, [](const double *x) -> double { return expression; }}
using FloatFn = double (*)(const double *);
const llvm::StringMap<FloatFn> &floatOps() {
  static const llvm::StringMap<FloatFn> ops = {
      FLOAT("arith.select", x[0] != 0 ? x[1] : x[2]), // of any type
      FLOAT("arith.extf", x[0]),
      FLOAT("arith.truncf", x[0]),
      FLOAT("arith.addf", x[0] + x[1]),
      FLOAT("arith.subf", x[0] - x[1]),
      FLOAT("arith.mulf", x[0] * x[1]),
      FLOAT("arith.divf", x[0] / x[1]),
      FLOAT("arith.negf", -x[0]),
      FLOAT("arith.maximumf", maximum(x[0], x[1])),
      FLOAT("arith.minimumf", minimum(x[0], x[1])),
      FLOAT("arith.maxnumf", std::fmax(x[0], x[1])),
      FLOAT("arith.minnumf", std::fmin(x[0], x[1])),
      FLOAT("math.absf", std::fabs(x[0])),
      FLOAT("math.exp", std::exp(x[0])),
      FLOAT("math.exp2", std::exp2(x[0])),
      FLOAT("math.log", std::log(x[0])),
      FLOAT("math.log2", std::log2(x[0])),
      FLOAT("math.sqrt", std::sqrt(x[0])),
      FLOAT("math.rsqrt", 1 / std::sqrt(x[0])),
      FLOAT("math.tanh", std::tanh(x[0])),
      FLOAT("math.sin", std::sin(x[0])),
      FLOAT("math.cos", std::cos(x[0])),
      FLOAT("math.erf", std::erf(x[0])),
      FLOAT("math.powf", std::pow(x[0], x[1])),
      FLOAT("math.fma", x[0] * x[1] + x[2]),
      FLOAT("math.floor", std::floor(x[0])),
      FLOAT("math.ceil", std::ceil(x[0])),
      FLOAT("math.trunc", std::trunc(x[0])),
      FLOAT("math.roundeven", std::nearbyint(x[0])),
  };
  return ops;
}
#undef FLOAT

int64_t wrap(uint64_t x, unsigned width) {
  return width < 64 ? int64_t(x << (64 - width)) >> (64 - width) : int64_t(x);
}
int64_t floorDivide(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }
// INT64_MIN / -1 wraps instead of trapping.
int64_t divide(int64_t a, int64_t b) { return b == -1 ? int64_t(-uint64_t(a)) : a / b; }

#define INTEGER(name, expression)                                                                  \
  {name, [](const Integer *x) -> uint64_t { return uint64_t(expression); }}
using IntegerFn = uint64_t (*)(const Integer *);
const llvm::StringMap<IntegerFn> &integerOps() {
  static const llvm::StringMap<IntegerFn> ops = {
      INTEGER("arith.addi", x[0].u + x[1].u),
      INTEGER("arith.subi", x[0].u - x[1].u),
      INTEGER("arith.muli", x[0].u * x[1].u),
      INTEGER("arith.andi", x[0].u & x[1].u),
      INTEGER("arith.ori", x[0].u | x[1].u),
      INTEGER("arith.xori", x[0].u ^ x[1].u),
      INTEGER("arith.shli", x[0].u << x[1].u),
      INTEGER("arith.shrsi", x[0].s >> x[1].u),
      INTEGER("arith.shrui", x[0].u >> x[1].u),
      INTEGER("arith.minsi", std::min(x[0].s, x[1].s)),
      INTEGER("arith.maxsi", std::max(x[0].s, x[1].s)),
      INTEGER("arith.minui", std::min(x[0].u, x[1].u)),
      INTEGER("arith.maxui", std::max(x[0].u, x[1].u)),
      INTEGER("arith.divui", x[0].u / x[1].u),
      INTEGER("arith.remui", x[0].u % x[1].u),
      INTEGER("arith.ceildivui", x[0].u / x[1].u + (x[0].u % x[1].u != 0)),
      INTEGER("arith.divsi", divide(x[0].s, x[1].s)),
      INTEGER("arith.remsi", x[1].s == -1 ? 0 : x[0].s % x[1].s),
      INTEGER("arith.floordivsi", x[1].s == -1 ? divide(x[0].s, -1) : floorDivide(x[0].s, x[1].s)),
      INTEGER("arith.ceildivsi", x[1].s == -1
                                     ? divide(x[0].s, -1)
                                     : floorDivide(x[0].s, x[1].s) + (x[0].s % x[1].s != 0)),
      INTEGER("math.absi", x[0].s < 0 ? -x[0].u : x[0].u),
      INTEGER("arith.index_cast", x[0].s),
      INTEGER("arith.index_castui", x[0].u),
      INTEGER("arith.extsi", x[0].s),
      INTEGER("arith.extui", x[0].u),
      INTEGER("arith.trunci", x[0].u),
  };
  return ops;
}
#undef INTEGER

unsigned widthOf(Type type) {
  auto integer = dyn_cast<IntegerType>(getElementTypeOrSelf(type));
  return integer ? integer.getWidth() : 64; // index
}
Integer asInteger(double x, unsigned width) {
  int64_t s = wrap(uint64_t(toInteger(x)), width);
  return {s, width < 64 ? uint64_t(s) & ((uint64_t(1) << width) - 1) : uint64_t(s)};
}

bool compare(arith::CmpIPredicate predicate, Integer x, Integer y) {
  using P = arith::CmpIPredicate;
  switch (predicate) {
  case P::eq:
    return x.s == y.s;
  case P::ne:
    return x.s != y.s;
  case P::slt:
    return x.s < y.s;
  case P::sle:
    return x.s <= y.s;
  case P::sgt:
    return x.s > y.s;
  case P::sge:
    return x.s >= y.s;
  case P::ult:
    return x.u < y.u;
  case P::ule:
    return x.u <= y.u;
  case P::ugt:
    return x.u > y.u;
  case P::uge:
    return x.u >= y.u;
  }
  llvm_unreachable("all predicates are above");
}
} // namespace

int64_t heddle::toInteger(double x) {
  constexpr double limit = 9223372036854775808.0;
  if (x >= limit)
    return std::numeric_limits<int64_t>::max();
  return x >= -limit ? int64_t(x) : x < -limit ? std::numeric_limits<int64_t>::min() : 0;
}
double heddle::combineScalars(attn::Combine kind, double x, double y) {
  if (kind == attn::Combine::max)
    return maximum(x, y);
  return kind == attn::Combine::add ? x + y : x * y;
}
double heddle::neutralScalar(attn::Combine kind) {
  if (kind == attn::Combine::max)
    return -std::numeric_limits<double>::infinity();
  return kind == attn::Combine::add ? 0 : 1;
}

template <typename Fn> bool Machine::giveEach(Operation *op, ArrayRef<const Array *> in, Fn fn) {
  auto element = [&](size_t i) {
    double x[4] = {};
    for (size_t j = 0; j < in.size(); ++j)
      x[j] = in[j]->data[in[j]->isScalar() ? 0 : i];
    return fn(x);
  };
  auto wide = llvm::find_if(in, [](const Array *a) { return !a->isScalar(); });
  Array out;
  if (wide != in.end())
    out = Array((*wide)->shape);
  for (size_t i = 0; i < out.data.size(); ++i)
    out.data[i] = element(i);
  if (options.round)
    roundTo(op->getResult(0).getType(), out.data);
  return out.isScalar() ? give(op, out.data[0]) : give(op, std::move(out));
}

/// Integers wrap at their width. What doubles cannot hold, what arith leaves undefined: an error.
bool Machine::evalInteger(Operation *op, ArrayRef<const Array *> in,
                          uint64_t (*fn)(const Integer *)) {
  unsigned from = widthOf(op->getOperand(0).getType()), to = widthOf(op->getResult(0).getType());
  bool divides = isa<arith::DivSIOp, arith::DivUIOp, arith::RemSIOp, arith::RemUIOp,
                     arith::FloorDivSIOp, arith::CeilDivSIOp, arith::CeilDivUIOp>(op);
  bool shifts = isa<arith::ShLIOp, arith::ShRSIOp, arith::ShRUIOp>(op);
  const char *wrong = nullptr;
  bool isBeyond = false;
  giveEach(op, in, [&](const double *x) {
    Integer operands[2] = {asInteger(x[0], from), {0, 0}};
    if (in.size() > 1)
      operands[1] = asInteger(x[1], from);
    if (divides && operands[1].s == 0) {
      wrong = "division by zero";
      return 0.0;
    }
    if (shifts && operands[1].u >= from) {
      wrong = "a shift by the width or more";
      return 0.0;
    }
    int64_t value = wrap(fn(operands), to);
    double held = double(value);
    if (held >= 9223372036854775808.0 || int64_t(held) != value)
      isBeyond = true;
    return to == 1 ? double(value & 1) : held;
  });
  if (isBeyond) {
    wrong = "an integer beyond 2^53, which is not exact here";
    if (options.gaveUp)
      *options.gaveUp = std::string("holds ") + wrong;
  }
  return wrong ? fail(op, wrong) : true;
}

bool Machine::evalCast(Operation *op, ArrayRef<const Array *> in) {
  unsigned from = widthOf(op->getOperand(0).getType()), to = widthOf(op->getResult(0).getType());
  return giveEach(op, in, [&](const double *x) {
    if (isa<arith::SIToFPOp>(op))
      return double(asInteger(x[0], from).s);
    if (isa<arith::UIToFPOp>(op))
      return double(asInteger(x[0], from).u);
    double limit = std::ldexp(1.0, int(to) - 1); // saturates, NaN gives 0
    double most = to < 54 ? limit - 1 : limit - 1024;
    return std::isnan(x[0]) ? 0.0 : std::clamp(std::trunc(x[0]), -limit, most);
  });
}

const Machine::Elementwise &Machine::elementwise(OperationName name) {
  auto [entry, isNew] = functions.try_emplace(name);
  if (isNew)
    entry->second = {floatOps().lookup(name.getStringRef()),
                     integerOps().lookup(name.getStringRef())};
  return entry->second;
}

bool Machine::evalElementwise(Operation *op, bool &known) {
  const Elementwise does = elementwise(op->getName());
  bool isCast = isa<arith::SIToFPOp, arith::UIToFPOp, arith::FPToSIOp>(op);
  known = does.onIntegers || isCast || does.onFloats || isa<arith::CmpIOp, arith::CmpFOp>(op);
  if (!known)
    return true;
  SmallVector<const Array *, 4> in;
  for (Value operand : op->getOperands())
    in.push_back(&array(operand));
  if (does.onIntegers)
    return evalInteger(op, in, does.onIntegers);
  if (does.onFloats)
    return giveEach(op, in, does.onFloats);
  if (isCast)
    return evalCast(op, in);
  if (auto cmp = dyn_cast<arith::CmpIOp>(op)) {
    unsigned width = widthOf(cmp.getLhs().getType());
    return giveEach(op, in, [&](const double *x) {
      return double(compare(cmp.getPredicate(), asInteger(x[0], width), asInteger(x[1], width)));
    });
  }
  auto predicate = cast<arith::CmpFOp>(op).getPredicate();
  return giveEach(op, in, [&](const double *x) {
    return double(arith::applyCmpPredicate(predicate, APFloat(x[0]), APFloat(x[1])));
  });
}

void heddle::roundTo(Type type, MutableArrayRef<double> data) {
  auto floatType = dyn_cast<FloatType>(getElementTypeOrSelf(type));
  if (!floatType || floatType.isF64())
    return;
  for (double &x : data) {
    if (floatType.isF32()) {
      x = float(x);
      continue;
    }
    bool losesInfo;
    APFloat value(x);
    value.convert(floatType.getFloatSemantics(), APFloat::rmNearestTiesToEven, &losesInfo);
    value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &losesInfo);
    x = value.convertToDouble();
  }
}

bool Machine::evalConstant(Operation *op) {
  auto number = [](Attribute value) {
    if (auto f = dyn_cast<FloatAttr>(value))
      return f.getValueAsDouble();
    auto integer = cast<IntegerAttr>(value);
    return integer.getType().isInteger(1) ? double(integer.getValue().getBoolValue())
                                          : double(integer.getInt());
  };
  Attribute value = cast<arith::ConstantOp>(op).getValue();
  if (auto dense = dyn_cast<DenseElementsAttr>(value)) {
    Array result(dense.getType().getShape());
    for (auto [x, element] : llvm::zip_equal(result.data, dense.getValues<Attribute>()))
      x = number(element);
    set(op, {std::move(result)});
    return true;
  }
  if (!isa<FloatAttr, IntegerAttr>(value))
    return fail(op, "expected a number");
  return give(op, number(value));
}

bool Machine::evalAffine(Operation *op) {
  AffineMap map;
  if (auto apply = dyn_cast<affine::AffineApplyOp>(op))
    map = apply.getAffineMap();
  else if (auto min = dyn_cast<affine::AffineMinOp>(op))
    map = min.getAffineMap();
  else
    map = cast<affine::AffineMaxOp>(op).getAffineMap();
  Builder b(op->getContext());
  SmallVector<Attribute> operands, results;
  for (Value operand : op->getOperands()) {
    if (!array(operand).isScalar())
      return fail(op, "expected one index for all elements");
    operands.push_back(b.getIndexAttr(integer(operand)));
  }
  if (failed(map.constantFold(operands, results)))
    return fail(op, "an affine map without a value");
  SmallVector<int64_t> values;
  for (Attribute value : results)
    values.push_back(cast<IntegerAttr>(value).getInt());
  bool isMax = isa<affine::AffineMaxOp>(op);
  set(op, {Array(double(isMax ? *llvm::max_element(values) : *llvm::min_element(values)))});
  return true;
}
