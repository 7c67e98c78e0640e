//===- Arith.cpp - arith, math and affine, element by element ----------------------------------===//

#include "dialect/interpreter/Machine.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringMap.h"
#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace heddle;

namespace {
using Scalar = double (*)(const double *);

int64_t asInteger(double x) { return int64_t(x); }
int64_t floorDivide(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

double maximum(double x, double y) { return std::isnan(x) || x > y ? x : y; }
double minimum(double x, double y) { return std::isnan(x) || x < y ? x : y; }

#define UNARY(name, expression) {name, [](const double *x) -> double { return expression; }}
const llvm::StringMap<Scalar> &elementwise() {
  static const llvm::StringMap<Scalar> ops = {
      UNARY("arith.addi", x[0] + x[1]),
      UNARY("arith.subi", x[0] - x[1]),
      UNARY("arith.muli", x[0] * x[1]),
      UNARY("arith.divui", x[1] ? double(asInteger(x[0]) / asInteger(x[1])) : 0),
      UNARY("arith.divsi", x[1] ? double(asInteger(x[0]) / asInteger(x[1])) : 0),
      UNARY("arith.floordivsi", x[1] ? double(floorDivide(asInteger(x[0]), asInteger(x[1]))) : 0),
      UNARY("arith.ceildivsi", x[1] ? -double(floorDivide(-asInteger(x[0]), asInteger(x[1]))) : 0),
      UNARY("arith.remui", x[1] ? double(asInteger(x[0]) % asInteger(x[1])) : 0),
      UNARY("arith.remsi", x[1] ? double(asInteger(x[0]) % asInteger(x[1])) : 0),
      UNARY("arith.andi", double(asInteger(x[0]) & asInteger(x[1]))),
      UNARY("arith.ori", double(asInteger(x[0]) | asInteger(x[1]))),
      UNARY("arith.xori", double(asInteger(x[0]) ^ asInteger(x[1]))),
      UNARY("arith.shli", double(asInteger(x[0]) << asInteger(x[1]))),
      UNARY("arith.shrsi", double(asInteger(x[0]) >> asInteger(x[1]))),
      UNARY("arith.minsi", std::min(x[0], x[1])),
      UNARY("arith.maxsi", std::max(x[0], x[1])),
      UNARY("arith.select", x[0] != 0 ? x[1] : x[2]),
      UNARY("arith.index_cast", x[0]),
      UNARY("arith.extsi", x[0]),
      UNARY("arith.trunci", x[0]),
      UNARY("arith.sitofp", x[0]),
      UNARY("arith.fptosi", std::trunc(x[0])),
      UNARY("arith.extf", x[0]),
      UNARY("arith.truncf", x[0]),
      UNARY("arith.addf", x[0] + x[1]),
      UNARY("arith.subf", x[0] - x[1]),
      UNARY("arith.mulf", x[0] * x[1]),
      UNARY("arith.divf", x[0] / x[1]),
      UNARY("arith.negf", -x[0]),
      UNARY("arith.maximumf", maximum(x[0], x[1])),
      UNARY("arith.minimumf", minimum(x[0], x[1])),
      UNARY("math.absf", std::fabs(x[0])),
      UNARY("math.exp", std::exp(x[0])),
      UNARY("math.exp2", std::exp2(x[0])),
      UNARY("math.log", std::log(x[0])),
      UNARY("math.log2", std::log2(x[0])),
      UNARY("math.sqrt", std::sqrt(x[0])),
      UNARY("math.rsqrt", 1 / std::sqrt(x[0])),
      UNARY("math.tanh", std::tanh(x[0])),
      UNARY("math.sin", std::sin(x[0])),
      UNARY("math.cos", std::cos(x[0])),
      UNARY("math.erf", std::erf(x[0])),
      UNARY("math.powf", std::pow(x[0], x[1])),
      UNARY("math.floor", std::floor(x[0])),
      UNARY("math.ceil", std::ceil(x[0])),
  };
  return ops;
}
#undef UNARY

double compareIntegers(arith::CmpIPredicate predicate, double x, double y) {
  APInt a(64, int64_t(x), /*isSigned=*/true), b(64, int64_t(y), /*isSigned=*/true);
  return arith::applyCmpPredicate(predicate, a, b);
}
double compareFloats(arith::CmpFPredicate predicate, double x, double y) {
  return arith::applyCmpPredicate(predicate, APFloat(x), APFloat(y));
}
} // namespace

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

/// Applies `fn` to each element of the operands; scalars stand for all.
template <typename Fn> static Array apply(ArrayRef<const Array *> in, Fn fn) {
  Array out;
  for (const Array *a : in)
    if (!a->isScalar())
      out = Array(a->shape);
  double x[4] = {};
  for (size_t i = 0; i < out.data.size(); ++i) {
    for (size_t j = 0; j < in.size(); ++j)
      x[j] = in[j]->data[in[j]->isScalar() ? 0 : i];
    out.data[i] = fn(x);
  }
  return out;
}

bool Machine::evalElementwise(Operation *op, bool &known) {
  known = true;
  SmallVector<const Array *, 4> in;
  for (Value operand : op->getOperands())
    in.push_back(&array(operand));
  if (auto compare = dyn_cast<arith::CmpIOp>(op)) {
    set(op, {apply(in, [&](const double *x) {
          return compareIntegers(compare.getPredicate(), x[0], x[1]);
        })});
    return true;
  }
  if (auto compare = dyn_cast<arith::CmpFOp>(op)) {
    set(op, {apply(in, [&](const double *x) {
          return compareFloats(compare.getPredicate(), x[0], x[1]);
        })});
    return true;
  }
  auto found = elementwise().find(op->getName().getStringRef());
  known = found != elementwise().end();
  if (!known)
    return true;
  Array result = apply(in, found->second);
  if (options.single && isa<FloatType>(getElementTypeOrSelf(op->getResult(0).getType())))
    for (double &x : result.data)
      x = float(x);
  set(op, {std::move(result)});
  return true;
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
  set(op, {Array(number(value))});
  return true;
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
  for (Value operand : op->getOperands())
    operands.push_back(b.getIndexAttr(integer(operand)));
  if (failed(map.constantFold(operands, results)))
    return fail(op, "an affine map without a value");
  SmallVector<int64_t> values;
  for (Attribute value : results)
    values.push_back(cast<IntegerAttr>(value).getInt());
  bool isMax = isa<affine::AffineMaxOp>(op);
  set(op, {Array(double(isMax ? *llvm::max_element(values) : *llvm::min_element(values)))});
  return true;
}
