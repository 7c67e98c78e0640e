//===- BuildExpr.cpp - expressions of a spec as IR ---------------------------------------------===//

#include "dialect/BuildExpr.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace heddle;

Location heddle::locationOf(MLIRContext *context, const Spec &spec, SourceRange where) {
  if (!where.isValid())
    return UnknownLoc::get(context);
  return FileLineColLoc::get(context, spec.fileName, where.line, where.col);
}

Type heddle::elementType(MLIRContext *context, StorageType type) {
  Builder b(context);
  switch (type) {
  case StorageType::F32:
    return b.getF32Type();
  case StorageType::F16:
    return b.getF16Type();
  case StorageType::BF16:
    return b.getBF16Type();
  case StorageType::I8:
  case StorageType::Bool:
    return b.getI8Type();
  case StorageType::I32:
    return b.getI32Type();
  }
  llvm_unreachable("all storage types are above");
}

Location ExprBuilder::locate(const Expr &expr) {
  return locationOf(b.getContext(), values.spec, expr.where);
}
Value ExprBuilder::index(Location loc, int64_t value) {
  return arith::ConstantIndexOp::create(b, loc, value);
}
Value ExprBuilder::number(Location loc, double value) {
  return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(float(value)));
}

void ExprBuilder::setIndex(const IndexRange &range, Value value) {
  bool again = !indices.insert_or_assign(range.name, std::pair(value, range.extent.text)).second;
  if (again) // what was built meant another one
    built.clear();
}

Value ExprBuilder::build(const ExprRef &expr) {
  Value &value = built[expr.get()];
  if (!value)
    value = buildNew(*expr);
  return value;
}

/// The number that a float expression is, computed in double: of literals and compile-time dims alone.
static std::optional<double> foldFloat(const Expr &expr, const ValueMap &constants) {
  if (expr.type != ExprType::Float || expr.isNumber())
    return std::nullopt;
  std::optional<ExprValue> value = evaluateConstant(expr, constants);
  return value ? std::optional(value->asFloat()) : std::nullopt;
}

Value ExprBuilder::buildNew(const Expr &expr) {
  Location loc = locate(expr);
  if (std::optional<double> folded = foldFloat(expr, values.constants))
    return number(loc, *folded);
  switch (expr.kind) {
  case ExprKind::Number:
    return buildNumber(expr);
  case ExprKind::Dim:
  case ExprKind::Param:
  case ExprKind::Index:
    return buildName(expr);
  case ExprKind::Special:
    return buildSpecial(expr);
  case ExprKind::IntToFloat: {
    Value wide = arith::IndexCastOp::create(b, loc, b.getI64Type(), build(expr.args[0]));
    return arith::SIToFPOp::create(b, loc, b.getF32Type(), wide);
  }
  case ExprKind::Unary:
    return buildUnary(expr);
  case ExprKind::Binary:
    return buildBinary(expr);
  case ExprKind::Select: {
    Value c = build(expr.args[0]), yes = build(expr.args[1]), no = build(expr.args[2]);
    return arith::SelectOp::create(b, loc, c, yes, no);
  }
  case ExprKind::Call:
    return buildCall(expr);
  case ExprKind::Read:
    return buildRead(expr);
  case ExprKind::Statistic:
    return statistics.at(expr.name);
  case ExprKind::Dot:
    return buildDot(expr);
  case ExprKind::WholeAxis:
    return wholeAxis;
  }
  llvm_unreachable("all kinds are above");
}

Value ExprBuilder::buildNumber(const Expr &expr) {
  Location loc = locate(expr);
  switch (expr.type) {
  case ExprType::Bool:
    return arith::ConstantIntOp::create(b, loc, expr.intValue, 1);
  case ExprType::Int:
    return index(loc, expr.intValue);
  case ExprType::Float:
    return number(loc, expr.floatValue);
  }
  llvm_unreachable("all types are above");
}

Value ExprBuilder::buildName(const Expr &expr) {
  Location loc = locate(expr);
  if (expr.kind == ExprKind::Index)
    return indices.find(expr.name)->second.first;
  if (expr.kind == ExprKind::Dim) {
    auto known = values.known.find(expr.name);
    return known != values.known.end() ? index(loc, known->second) : values.dims.lookup(expr.name);
  }
  Value param = values.params.lookup(expr.name);
  if (expr.type == ExprType::Int)
    return arith::IndexCastOp::create(b, loc, b.getIndexType(), param);
  return param;
}

Value ExprBuilder::buildUnary(const Expr &expr) {
  Location loc = locate(expr);
  Value x = build(expr.args[0]);
  if (expr.unary == UnaryOp::Not)
    return arith::XOrIOp::create(b, loc, x, arith::ConstantIntOp::create(b, loc, 1, 1));
  if (expr.type == ExprType::Float)
    return arith::NegFOp::create(b, loc, x);
  return arith::SubIOp::create(b, loc, index(loc, 0), x);
}

Value ExprBuilder::buildBinary(const Expr &expr) {
  Location loc = locate(expr);
  Value x = build(expr.args[0]), y = build(expr.args[1]);
  switch (expr.binary) {
  case BinaryOp::And:
    return arith::AndIOp::create(b, loc, x, y);
  case BinaryOp::Or:
    return arith::OrIOp::create(b, loc, x, y);
  case BinaryOp::Lt:
  case BinaryOp::Le:
  case BinaryOp::Gt:
  case BinaryOp::Ge:
  case BinaryOp::Eq:
  case BinaryOp::Ne:
    return buildCompare(expr, x, y);
  default:
    break;
  }
  if (expr.type == ExprType::Int)
    return buildInteger(expr, x, y);
  switch (expr.binary) {
  case BinaryOp::Add:
    return arith::AddFOp::create(b, loc, x, y);
  case BinaryOp::Sub:
    return arith::SubFOp::create(b, loc, x, y);
  case BinaryOp::Mul:
    return arith::MulFOp::create(b, loc, x, y);
  default:
    assert(expr.binary == BinaryOp::Div && "the only other operator that gives a float");
    return arith::DivFOp::create(b, loc, x, y);
  }
}

Value ExprBuilder::buildInteger(const Expr &expr, Value x, Value y) {
  Location loc = locate(expr);
  switch (expr.binary) {
  case BinaryOp::Add:
    return arith::AddIOp::create(b, loc, x, y);
  case BinaryOp::Sub:
    return arith::SubIOp::create(b, loc, x, y);
  case BinaryOp::Mul:
    return arith::MulIOp::create(b, loc, x, y);
  case BinaryOp::FloorDiv:
  case BinaryOp::Mod:
    return buildFloorDiv(expr, x, y);
  case BinaryOp::BitAnd:
    return arith::AndIOp::create(b, loc, x, y);
  case BinaryOp::BitOr:
    return arith::OrIOp::create(b, loc, x, y);
  case BinaryOp::BitXor:
    return arith::XOrIOp::create(b, loc, x, y);
  case BinaryOp::Shl:
  case BinaryOp::Shr:
    return buildShift(expr, x, y);
  default:
    llvm_unreachable("all operators that give an integer are above");
  }
}

/// By a count outside 0..63 it is 0.
Value ExprBuilder::buildShift(const Expr &expr, Value x, Value y) {
  Location loc = locate(expr);
  const Expr &count = *expr.args[1];
  bool inside = count.isNumber() && count.intValue >= 0 && count.intValue <= 63;
  Value bad;
  if (!inside) {
    bad = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ugt, y, index(loc, 63));
    y = arith::SelectOp::create(b, loc, bad, index(loc, 0), y);
  }
  Value shifted = expr.binary == BinaryOp::Shl ? arith::ShLIOp::create(b, loc, x, y).getResult()
                                               : arith::ShRSIOp::create(b, loc, x, y).getResult();
  return inside ? shifted
                : arith::SelectOp::create(b, loc, bad, index(loc, 0), shifted).getResult();
}

/// Sizes, and what is made of them without a minus.
static bool isNatural(const ExprRef &expr) {
  if (expr->kind == ExprKind::Dim || (expr->isNumber() && expr->intValue >= 0))
    return true;
  bool keeps = expr->kind == ExprKind::Binary &&
               (expr->binary == BinaryOp::Add || expr->binary == BinaryOp::Mul ||
                expr->binary == BinaryOp::FloorDiv || expr->binary == BinaryOp::Mod);
  return keeps && llvm::all_of(expr->args, isNatural);
}

/// x // 0 = x % 0 = 0. The remainder is x - y * (x // y): affine where y is a constant.
Value ExprBuilder::buildFloorDiv(const Expr &expr, Value x, Value y) {
  Location loc = locate(expr);
  bool remainder = expr.binary == BinaryOp::Mod, mayBeNegative = !isNatural(expr.args[1]);
  auto quotient = [&](Value divisor) -> Value {
    Value result = arith::FloorDivSIOp::create(b, loc, x, divisor);
    return remainder
               ? arith::SubIOp::create(b, loc, x, arith::MulIOp::create(b, loc, result, divisor))
               : result;
  };
  APInt constant;
  bool isConstant = matchPattern(y, m_ConstantInt(&constant));
  Value zero = index(loc, 0);
  if (isConstant && constant.isAllOnes())
    return remainder ? zero : arith::SubIOp::create(b, loc, zero, x).getResult();
  if (isConstant && !constant.isZero())
    return quotient(y);
  Value none = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, y, zero);
  Value one = index(loc, 1), divisor = arith::SelectOp::create(b, loc, none, one, y);
  Value flips; // the machine faults where the least integer is divided by -1
  if (mayBeNegative) {
    flips = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, y, index(loc, -1));
    divisor = arith::SelectOp::create(b, loc, flips, one, divisor);
  }
  Value result = quotient(divisor);
  if (mayBeNegative) {
    Value opposite = remainder ? zero : arith::SubIOp::create(b, loc, zero, x).getResult();
    result = arith::SelectOp::create(b, loc, flips, opposite, result);
  }
  return arith::SelectOp::create(b, loc, none, zero, result);
}

Value ExprBuilder::buildCompare(const Expr &expr, Value x, Value y) {
  Location loc = locate(expr);
  unsigned which = unsigned(expr.binary) - unsigned(BinaryOp::Lt);
  if (expr.args[0]->type == ExprType::Float) { // false with NaN, but for !=
    static constexpr arith::CmpFPredicate predicates[] = {
        arith::CmpFPredicate::OLT, arith::CmpFPredicate::OLE, arith::CmpFPredicate::OGT,
        arith::CmpFPredicate::OGE, arith::CmpFPredicate::OEQ, arith::CmpFPredicate::UNE};
    return arith::CmpFOp::create(b, loc, predicates[which], x, y);
  }
  static constexpr arith::CmpIPredicate predicates[] = {
      arith::CmpIPredicate::slt, arith::CmpIPredicate::sle, arith::CmpIPredicate::sgt,
      arith::CmpIPredicate::sge, arith::CmpIPredicate::eq,  arith::CmpIPredicate::ne};
  return arith::CmpIOp::create(b, loc, predicates[which], x, y);
}

/// 1 or e over 1 + e, e = exp(-|x|): exact at both ends.
Value ExprBuilder::buildSigmoid(Location loc, Value x) {
  Value size = math::AbsFOp::create(b, loc, x), one = number(loc, 1);
  Value e = math::ExpOp::create(b, loc, arith::NegFOp::create(b, loc, size));
  Value r = arith::DivFOp::create(b, loc, one, arith::AddFOp::create(b, loc, e, one));
  Value positive = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGE, x, number(loc, 0));
  return arith::SelectOp::create(b, loc, positive, r, arith::MulFOp::create(b, loc, r, e));
}

/// Of a weight, one of many: 1 / (1 + exp(-x)) with a refined reciprocal, where in a decay the error would add up. Below
/// -88, where the power overflows and what it gives is subnormal, it is 0. NaN stays.
Value ExprBuilder::buildSigmoidOfWeight(Location loc, Value x) {
  Value one = number(loc, 1), zero = number(loc, 0);
  Value y = arith::NegFOp::create(b, loc, x, arith::FastMathFlags::nsz);
  Value e = math::ExpOp::create(b, loc, y);
  auto refined = arith::FastMathFlags::arcp | arith::FastMathFlags::ninf |
                 arith::FastMathFlags::contract; // LLVM takes none without the three
  Value r = arith::DivFOp::create(b, loc, one, arith::AddFOp::create(b, loc, e, one), refined);
  Value isFar = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, number(loc, 88), y);
  return arith::SelectOp::create(b, loc, isFar, zero, r);
}

Value ExprBuilder::buildCall(const Expr &expr) {
  Location loc = locate(expr);
  Value x = build(expr.args[0]);
  bool isFloat = expr.type == ExprType::Float;
  switch (expr.function) {
  case ExprFunction::Abs:
    if (isFloat)
      return math::AbsFOp::create(b, loc, x);
    return arith::MaxSIOp::create(b, loc, x, arith::SubIOp::create(b, loc, index(loc, 0), x));
  case ExprFunction::Relu: // NaN stays
    if (isFloat)
      return arith::MaximumFOp::create(b, loc, x, number(loc, 0));
    return arith::MaxSIOp::create(b, loc, x, index(loc, 0));
  case ExprFunction::Min:
  case ExprFunction::Max:
    return buildMinMax(expr);
  case ExprFunction::Exp:
    return math::ExpOp::create(b, loc, x);
  case ExprFunction::Exp2:
    return math::Exp2Op::create(b, loc, x);
  case ExprFunction::Log:
    return math::LogOp::create(b, loc, x);
  case ExprFunction::Log2:
    return math::Log2Op::create(b, loc, x);
  case ExprFunction::Sqrt:
    return math::SqrtOp::create(b, loc, x);
  case ExprFunction::Rsqrt:
    return math::RsqrtOp::create(b, loc, x);
  case ExprFunction::Tanh:
    return math::TanhOp::create(b, loc, x);
  case ExprFunction::Sigmoid:
    return specials.count(ExprSpecial::Score) ? buildSigmoidOfWeight(loc, x) : buildSigmoid(loc, x);
  case ExprFunction::Sin:
    return math::SinOp::create(b, loc, x);
  case ExprFunction::Cos:
    return math::CosOp::create(b, loc, x);
  case ExprFunction::Erf:
    return math::ErfOp::create(b, loc, x);
  case ExprFunction::Pow:
    return math::PowFOp::create(b, loc, x, build(expr.args[1]));
  case ExprFunction::Floor:
  case ExprFunction::Ceil:
    return buildRounded(expr);
  }
  llvm_unreachable("all functions are above");
}

/// NaN if an argument is NaN.
Value ExprBuilder::buildMinMax(const Expr &expr) {
  Location loc = locate(expr);
  bool isFloat = expr.type == ExprType::Float, isMin = expr.function == ExprFunction::Min;
  Value result = build(expr.args[0]);
  for (const ExprRef &arg : llvm::drop_begin(expr.args)) {
    Value x = build(arg);
    if (isFloat)
      result = isMin ? arith::MinimumFOp::create(b, loc, result, x).getResult()
                     : arith::MaximumFOp::create(b, loc, result, x).getResult();
    else
      result = isMin ? arith::MinSIOp::create(b, loc, result, x).getResult()
                     : arith::MaxSIOp::create(b, loc, result, x).getResult();
  }
  return result;
}

/// floor and ceil give integers; saturating, NaN gives 0.
Value ExprBuilder::buildRounded(const Expr &expr) {
  Location loc = locate(expr);
  Value x = build(expr.args[0]);
  Value rounded = expr.function == ExprFunction::Floor
                      ? math::FloorOp::create(b, loc, x).getResult()
                      : math::CeilOp::create(b, loc, x).getResult();
  Value nan = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, x, x);
  rounded = arith::SelectOp::create(b, loc, nan, number(loc, 0), rounded);
  constexpr double limit = 9223371487098961920.0; // the largest f32 below 2^63
  rounded = arith::MaximumFOp::create(b, loc, rounded, number(loc, -limit));
  rounded = arith::MinimumFOp::create(b, loc, rounded, number(loc, limit));
  Value wide = arith::FPToSIOp::create(b, loc, b.getI64Type(), rounded);
  return arith::IndexCastOp::create(b, loc, b.getIndexType(), wide);
}
