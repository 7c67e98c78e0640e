//===- Expr.cpp - building, walking and evaluating expressions --------------===//

#include "specs/reader/Expr.h"

#include <cassert>
#include <cmath>
#include <limits>
#include <set>

using namespace heddle;

std::string_view heddle::spelling(ExprType type) {
  static constexpr std::string_view names[] = {"bool", "integer", "float"};
  return names[size_t(type)];
}
std::string_view heddle::spelling(UnaryOp op) { return op == UnaryOp::Neg ? "-" : "!"; }
std::string_view heddle::spelling(BinaryOp op) {
  static constexpr std::string_view names[] = {"+",  "-",  "*",  "/",  "//", "%",  "&",
                                               "|",  "^",  "<<", ">>", "<",  "<=", ">",
                                               ">=", "==", "!=", "&&", "||"};
  return names[size_t(op)];
}
std::string_view heddle::spelling(ExprFunction function) {
  static constexpr std::string_view names[] = {"abs", "relu", "min",  "max",   "exp",   "exp2",
                                               "log", "log2", "sqrt", "rsqrt", "tanh",  "sigmoid",
                                               "sin", "cos",  "erf",  "pow",   "floor", "ceil"};
  return names[size_t(function)];
}
std::string_view heddle::spelling(ExprSpecial special) {
  static constexpr std::string_view names[] = {"score", "weight", "sum",   "source", "pos",
                                               "query", "key",    "query", "key",    "relative"};
  return names[size_t(special)];
}

//===--- Builders -----------------------------------------------------------===//

static std::shared_ptr<Expr> node(ExprKind kind, ExprType type, SourceRange where,
                                  std::vector<ExprRef> args = {}) {
  auto expr = std::make_shared<Expr>();
  expr->kind = kind;
  expr->type = type;
  expr->where = where;
  for (const ExprRef &arg : args)
    expr->treeSize += arg->treeSize;
  expr->args = std::move(args);
  return expr;
}

ExprRef heddle::makeInt(int64_t value, SourceRange where) {
  auto expr = node(ExprKind::Number, ExprType::Int, where);
  expr->intValue = value;
  return expr;
}
ExprRef heddle::makeFloat(double value, SourceRange where) {
  auto expr = node(ExprKind::Number, ExprType::Float, where);
  expr->floatValue = value;
  return expr;
}
ExprRef heddle::makeBool(bool value, SourceRange where) {
  auto expr = node(ExprKind::Number, ExprType::Bool, where);
  expr->intValue = value;
  return expr;
}
ExprRef heddle::makeName(ExprKind kind, std::string name, ExprType type, SourceRange where) {
  auto expr = node(kind, type, where);
  expr->name = std::move(name);
  return expr;
}
ExprRef heddle::makeSpecial(ExprSpecial special, SourceRange where) {
  bool isInt = special == ExprSpecial::Source || special == ExprSpecial::Pos;
  auto expr = node(ExprKind::Special, isInt ? ExprType::Int : ExprType::Float, where);
  expr->special = special;
  return expr;
}
ExprRef heddle::makeUnary(UnaryOp op, ExprRef arg, SourceRange where) {
  ExprType type = arg->type;
  auto expr = node(ExprKind::Unary, type, where, {std::move(arg)});
  expr->unary = op;
  return expr;
}

static bool compares(BinaryOp op) { return op >= BinaryOp::Lt && op <= BinaryOp::Ne; }

ExprRef heddle::makeBinary(BinaryOp op, ExprRef lhs, ExprRef rhs, SourceRange where) {
  bool isFloat =
      lhs->type == ExprType::Float || rhs->type == ExprType::Float || op == BinaryOp::Div;
  if (isFloat) {
    lhs = makeFloatOf(lhs);
    rhs = makeFloatOf(rhs);
  }
  ExprType type =
      compares(op) || op == BinaryOp::And || op == BinaryOp::Or ? ExprType::Bool : lhs->type;
  auto expr = node(ExprKind::Binary, type, where, {std::move(lhs), std::move(rhs)});
  expr->binary = op;
  return expr;
}
ExprRef heddle::makeSelect(ExprRef condition, ExprRef yes, ExprRef no, SourceRange where) {
  if (yes->type != no->type) {
    yes = makeFloatOf(yes);
    no = makeFloatOf(no);
  }
  ExprType type = yes->type;
  return node(ExprKind::Select, type, where, {std::move(condition), std::move(yes), std::move(no)});
}
ExprRef heddle::makeCall(ExprFunction function, std::vector<ExprRef> args, SourceRange where) {
  bool keeps = function <= ExprFunction::Max;
  bool isFloat = !keeps;
  for (const ExprRef &arg : args)
    isFloat |= arg->type == ExprType::Float;
  if (isFloat)
    for (ExprRef &arg : args)
      arg = makeFloatOf(arg);
  ExprType type = isFloat ? ExprType::Float : ExprType::Int;
  if (function == ExprFunction::Floor || function == ExprFunction::Ceil)
    type = ExprType::Int;
  auto expr = node(ExprKind::Call, type, where, std::move(args));
  expr->function = function;
  return expr;
}
ExprRef heddle::makeRead(std::string tensor, std::vector<ExprRef> subscripts, ExprType type,
                         SourceRange where) {
  auto expr = node(ExprKind::Read, type, where, std::move(subscripts));
  expr->name = std::move(tensor);
  return expr;
}
ExprRef heddle::makeFloatOf(ExprRef expr) {
  if (expr->type == ExprType::Float)
    return expr;
  assert(expr->type == ExprType::Int && "a bool is no number");
  if (expr->isNumber())
    return makeFloat(double(expr->intValue), expr->where);
  SourceRange where = expr->where;
  return node(ExprKind::IntToFloat, ExprType::Float, where, {std::move(expr)});
}

//===--- Walks --------------------------------------------------------------===//

static void walkOnce(const ExprRef &expr, std::set<const Expr *> &seen,
                     const std::function<void(const Expr &)> &visit) {
  if (!expr || !seen.insert(expr.get()).second)
    return;
  for (const ExprRef &arg : expr->args)
    walkOnce(arg, seen, visit);
  visit(*expr);
}
ExprRef heddle::rewrite(const ExprRef &expr,
                        const std::function<ExprRef(const ExprRef &)> &replace) {
  if (ExprRef other = replace(expr))
    return other;
  if (expr->args.empty())
    return expr;
  auto copy = std::make_shared<Expr>(*expr);
  copy->treeSize = 1;
  for (ExprRef &arg : copy->args) {
    arg = rewrite(arg, replace);
    copy->treeSize += arg->treeSize;
  }
  return copy;
}

bool heddle::isSame(const ExprRef &a, const ExprRef &b) {
  if (a == b)
    return true;
  bool same = a->kind == b->kind && a->type == b->type && a->name == b->name &&
              a->intValue == b->intValue && a->floatValue == b->floatValue &&
              a->special == b->special && a->unary == b->unary && a->binary == b->binary &&
              a->function == b->function && a->treeSize == b->treeSize;
  return same && std::equal(a->args.begin(), a->args.end(), b->args.begin(), b->args.end(), isSame);
}

void heddle::walk(const ExprRef &expr, const std::function<void(const Expr &)> &visit) {
  std::set<const Expr *> seen;
  walkOnce(expr, seen, visit);
}
bool heddle::anyNode(const ExprRef &expr, const std::function<bool(const Expr &)> &test) {
  bool found = false;
  walk(expr, [&](const Expr &node) { found |= test(node); });
  return found;
}
bool heddle::mentionsIndex(const ExprRef &expr, std::string_view name) {
  return anyNode(expr, [&](const Expr &node) {
    return node.isIndex(name) || (name == "q_idx" && node.isSpecial(ExprSpecial::Pos));
  });
}

std::string heddle::toString(const ExprRef &expr) {
  std::string out;
  auto list = [&](const char *open, const char *close) {
    out += open;
    for (size_t i = 0; i < expr->args.size(); ++i)
      out += (i ? ", " : "") + toString(expr->args[i]);
    out += close;
  };
  switch (expr->kind) {
  case ExprKind::Number:
    if (expr->type == ExprType::Float)
      return std::to_string(expr->floatValue);
    if (expr->type == ExprType::Bool)
      return expr->intValue ? "true" : "false";
    return std::to_string(expr->intValue);
  case ExprKind::Special:
    return std::string(spelling(expr->special));
  case ExprKind::IntToFloat:
    return toString(expr->args[0]);
  case ExprKind::Unary:
    return std::string(spelling(expr->unary)) + "(" + toString(expr->args[0]) + ")";
  case ExprKind::Binary:
    return "(" + toString(expr->args[0]) + " " + std::string(spelling(expr->binary)) + " " +
           toString(expr->args[1]) + ")";
  case ExprKind::Select:
    return "(" + toString(expr->args[0]) + " ? " + toString(expr->args[1]) + " : " +
           toString(expr->args[2]) + ")";
  case ExprKind::Call:
    out = spelling(expr->function);
    list("(", ")");
    return out;
  case ExprKind::Read:
    out = expr->name;
    list("[", "]");
    return out;
  case ExprKind::Dot:
    out = "dot";
    list("(", ")");
    return out;
  case ExprKind::WholeAxis:
    return ":";
  default:
    return expr->name;
  }
}
