//===- Evaluate.cpp - expressions of dims and params, now -------------------===//

#include "specs/reader/Expr.h"

#include <cmath>

using namespace heddle;

namespace {
using Result = std::optional<ExprValue>;

/// Integers are 64-bit and wrap.
int64_t wrap(uint64_t value) { return int64_t(value); }
int64_t floorDiv(int64_t a, int64_t b) {
  if (b == 0)
    return 0;
  if (b == -1)
    return wrap(0 - uint64_t(a));
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

Result integerBinary(BinaryOp op, int64_t a, int64_t b) {
  uint64_t x = uint64_t(a), y = uint64_t(b);
  switch (op) {
  case BinaryOp::Add:
    return ExprValue::ofInt(wrap(x + y));
  case BinaryOp::Sub:
    return ExprValue::ofInt(wrap(x - y));
  case BinaryOp::Mul:
    return ExprValue::ofInt(wrap(x * y));
  case BinaryOp::FloorDiv:
    return ExprValue::ofInt(floorDiv(a, b));
  case BinaryOp::Mod:
    return ExprValue::ofInt(b ? wrap(x - uint64_t(floorDiv(a, b)) * y) : 0);
  case BinaryOp::BitAnd:
    return ExprValue::ofInt(a & b);
  case BinaryOp::BitOr:
    return ExprValue::ofInt(a | b);
  case BinaryOp::BitXor:
    return ExprValue::ofInt(a ^ b);
  case BinaryOp::Shl:
    return ExprValue::ofInt(b < 0 || b > 63 ? 0 : wrap(x << b));
  case BinaryOp::Shr:
    return ExprValue::ofInt(b < 0 || b > 63 ? 0 : a >> b);
  default:
    return std::nullopt;
  }
}

template <typename T> Result compare(BinaryOp op, T a, T b) {
  switch (op) {
  case BinaryOp::Lt:
    return ExprValue::ofBool(a < b);
  case BinaryOp::Le:
    return ExprValue::ofBool(a <= b);
  case BinaryOp::Gt:
    return ExprValue::ofBool(a > b);
  case BinaryOp::Ge:
    return ExprValue::ofBool(a >= b);
  case BinaryOp::Eq:
    return ExprValue::ofBool(a == b);
  case BinaryOp::Ne:
    return ExprValue::ofBool(a != b);
  default:
    return std::nullopt;
  }
}

Result binary(BinaryOp op, const ExprValue &a, const ExprValue &b) {
  if (op == BinaryOp::And)
    return ExprValue::ofBool(a.i && b.i);
  if (op == BinaryOp::Or)
    return ExprValue::ofBool(a.i || b.i);
  if (a.type != ExprType::Float) {
    Result compared = compare(op, a.i, b.i);
    return compared ? compared : integerBinary(op, a.i, b.i);
  }
  switch (op) {
  case BinaryOp::Add:
    return ExprValue::ofFloat(a.f + b.f);
  case BinaryOp::Sub:
    return ExprValue::ofFloat(a.f - b.f);
  case BinaryOp::Mul:
    return ExprValue::ofFloat(a.f * b.f);
  case BinaryOp::Div:
    return ExprValue::ofFloat(a.f / b.f);
  default:
    return compare(op, a.f, b.f);
  }
}

double floatFunction(ExprFunction function, double x) {
  switch (function) {
  case ExprFunction::Exp:
    return std::exp(x);
  case ExprFunction::Exp2:
    return std::exp2(x);
  case ExprFunction::Log:
    return std::log(x);
  case ExprFunction::Log2:
    return std::log2(x);
  case ExprFunction::Sqrt:
    return std::sqrt(x);
  case ExprFunction::Rsqrt:
    return 1 / std::sqrt(x);
  case ExprFunction::Tanh:
    return std::tanh(x);
  case ExprFunction::Sigmoid:
    return 1 / (1 + std::exp(-x));
  case ExprFunction::Sin:
    return std::sin(x);
  case ExprFunction::Cos:
    return std::cos(x);
  case ExprFunction::Erf:
    return std::erf(x);
  case ExprFunction::Floor:
    return std::floor(x);
  case ExprFunction::Ceil:
    return std::ceil(x);
  case ExprFunction::Abs:
    return std::fabs(x);
  default: // Relu
    return std::isnan(x) || x > 0 ? x : 0;
  }
}

Result call(ExprFunction function, const std::vector<ExprValue> &args) {
  bool isFloat = args[0].type == ExprType::Float;
  if (function == ExprFunction::Min || function == ExprFunction::Max) {
    ExprValue best = args[0];
    for (const ExprValue &x : args) {
      bool better = function == ExprFunction::Min ? (isFloat ? x.f < best.f : x.i < best.i)
                                                  : (isFloat ? x.f > best.f : x.i > best.i);
      if (better || (isFloat && std::isnan(x.f)))
        best = x;
    }
    return best;
  }
  if (function == ExprFunction::Pow)
    return ExprValue::ofFloat(std::pow(args[0].f, args[1].f));
  if (!isFloat) // abs and relu keep the type
    return ExprValue::ofInt(function == ExprFunction::Abs ? std::abs(args[0].i)
                                                          : std::max<int64_t>(args[0].i, 0));
  double value = floatFunction(function, args[0].f);
  if (function != ExprFunction::Floor && function != ExprFunction::Ceil)
    return ExprValue::ofFloat(value);
  constexpr double limit = 9.2e18;
  return ExprValue::ofInt(std::isnan(value) ? 0
                                            : int64_t(std::min(std::max(value, -limit), limit)));
}
} // namespace

Result heddle::evaluateConstant(const Expr &expr, const ValueMap &values) {
  std::vector<ExprValue> args;
  for (const ExprRef &arg : expr.args) {
    Result value = evaluateConstant(*arg, values);
    if (!value)
      return std::nullopt;
    args.push_back(*value);
  }
  switch (expr.kind) {
  case ExprKind::Number:
    if (expr.type == ExprType::Float)
      return ExprValue::ofFloat(expr.floatValue);
    return expr.type == ExprType::Bool ? ExprValue::ofBool(expr.intValue)
                                       : ExprValue::ofInt(expr.intValue);
  case ExprKind::Dim:
  case ExprKind::Param: {
    auto found = values.find(expr.name);
    return found == values.end() ? Result() : found->second;
  }
  case ExprKind::IntToFloat:
    return ExprValue::ofFloat(double(args[0].i));
  case ExprKind::Unary:
    if (expr.unary == UnaryOp::Not)
      return ExprValue::ofBool(!args[0].i);
    return expr.type == ExprType::Float ? ExprValue::ofFloat(-args[0].f)
                                        : ExprValue::ofInt(wrap(0 - uint64_t(args[0].i)));
  case ExprKind::Binary:
    return binary(expr.binary, args[0], args[1]);
  case ExprKind::Select:
    return args[0].i ? args[1] : args[2];
  case ExprKind::Call:
    return call(expr.function, args);
  default:
    return std::nullopt;
  }
}

std::optional<int64_t> heddle::evaluateSize(const Expr &expr,
                                            const std::map<std::string, int64_t> &sizes) {
  ValueMap values;
  for (const auto &[name, size] : sizes)
    values[name] = ExprValue::ofInt(size);
  Result value = evaluateConstant(expr, values);
  return value && value->type == ExprType::Int ? std::optional(value->i) : std::nullopt;
}
