//===- Expr.h - a checked expression of the spec language ------------------===//
//
// What section 3 of the language page says, after names were resolved and types were found: an
// immutable tree in which every node has its type and its place in the file. Lets are put in
// (nodes are shared, so it is a DAG that reads as a tree of at most 4,096 nodes), `causal` and
// `window` are expanded, conversions from integer to float are nodes of their own.
//
//===----------------------------------------------------------------------===//

#ifndef HEDDLE_SPECS_READER_EXPR_H
#define HEDDLE_SPECS_READER_EXPR_H

#include "specs/reader/Diagnostics.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace heddle {

enum class ExprType { Bool, Int, Float };
/// "bool", "integer", "float".
std::string_view spelling(ExprType type);

enum class ExprKind {
  Number,     ///< a literal, a constant, or a compile-time param (`name` says which); value by type
  Dim,        ///< a dim of the spec, `name`; Int
  Param,      ///< a run-time param, `name`; Int (i32) or Float (f32)
  Index,      ///< an index of the step, `name`; Int
  Statistic,  ///< a row statistic of the attend step, `name`
  Special,    ///< `special`: what only this step knows (score, pos, ...)
  IntToFloat, ///< args[0] is Int
  Unary,      ///< `unary` of args[0]
  Binary,     ///< `binary` of args[0], args[1]; both have the same type unless it is a shift
  Select,     ///< args[0] ? args[1] : args[2]; both branches have the node's type
  Call,       ///< `function` of args
  Read,       ///< tensor `name` at args, one Int per axis
  Dot,        ///< sum over the `:` axis of args[0] times args[1]; args[2] is its length (Int).
              ///< Operands: Read with exactly one WholeAxis, or Special QueryVector, KeyVector
  WholeAxis,  ///< the subscript `:`, only below Dot
};

enum class ExprSpecial {
  Score,       ///< in `score`: the scaled product; later: the score as `score` made it; Float
  Weight,      ///< p in statistics and `weight`; Float
  Sum,         ///< in `divide`; Float
  Source,      ///< number of the key source; Int
  Pos,         ///< q_idx + offset of the step; Int
  QueryElem,   ///< `query` in `pair`: the query's element at d; Float
  KeyElem,     ///< `key` in `pair`; Float
  QueryVector, ///< `query` as an argument of dot(): the vector over d; Float
  KeyVector,   ///< `key` as an argument of dot(); Float
  Relative, ///< in no spec: the product of query and a row of distances, dialect/RelativeTerm.h; Float
};

enum class UnaryOp { Neg, Not };

enum class BinaryOp {
  Add,
  Sub,
  Mul, // Int or Float
  Div, // Float
  FloorDiv,
  Mod, // Int, floor; x // 0 = x % 0 = 0
  BitAnd,
  BitOr,
  BitXor, // Int
  Shl,
  Shr, // Int; a count outside 0..63 gives 0
  Lt,
  Le,
  Gt,
  Ge, // Int or Float operands, gives Bool
  Eq,
  Ne, // also Bool operands
  And,
  Or, // Bool
};

enum class ExprFunction {
  Abs,
  Relu, // type kept
  Min,
  Max, // two or more
  Exp,
  Exp2,
  Log,
  Log2,
  Sqrt,
  Rsqrt,
  Tanh,
  Sigmoid,
  Sin,
  Cos,
  Erf,
  Pow, // Float
  Floor,
  Ceil, // Float -> Int
};

/// As written: "//", "&&", "exp2", "score".
std::string_view spelling(UnaryOp op);
std::string_view spelling(BinaryOp op);
std::string_view spelling(ExprFunction function);
std::string_view spelling(ExprSpecial special);

struct Expr;
using ExprRef = std::shared_ptr<const Expr>;

struct Expr {
  ExprKind kind = ExprKind::Number;
  ExprType type = ExprType::Int;
  SourceRange where;

  std::vector<ExprRef> args;
  std::string name;      ///< see ExprKind. A Binary named "h_kv" is `h // (H // Hkv)` as the name
  int64_t intValue = 0;  ///< Number of type Int, and Bool (0 or 1)
  double floatValue = 0; ///< Number of type Float
  ExprSpecial special = ExprSpecial::Score;
  UnaryOp unary = UnaryOp::Neg;
  BinaryOp binary = BinaryOp::Add;
  ExprFunction function = ExprFunction::Exp;

  uint32_t treeSize = 1; ///< nodes of the tree, shared ones counted as often as they are reached

  bool isNumber() const { return kind == ExprKind::Number; }
  bool isTrue() const { return isNumber() && type == ExprType::Bool && intValue != 0; }
  bool isIndex(std::string_view n) const { return kind == ExprKind::Index && name == n; }
  bool isSpecial(ExprSpecial s) const { return kind == ExprKind::Special && special == s; }
};

// Builders. They set type and treeSize, and assert that the operands fit; the checker has told the
// user before.
ExprRef makeInt(int64_t value, SourceRange where = {});
ExprRef makeFloat(double value, SourceRange where = {});
ExprRef makeBool(bool value, SourceRange where = {});
/// Dim, Param, Index or Statistic.
ExprRef makeName(ExprKind kind, std::string name, ExprType type, SourceRange where = {});
ExprRef makeSpecial(ExprSpecial special, SourceRange where = {});
ExprRef makeUnary(UnaryOp op, ExprRef arg, SourceRange where = {});
/// Converts an Int operand to Float where the other is Float (and both for Div).
ExprRef makeBinary(BinaryOp op, ExprRef lhs, ExprRef rhs, SourceRange where = {});
ExprRef makeSelect(ExprRef condition, ExprRef yes, ExprRef no, SourceRange where = {});
/// Converts the arguments as the function needs them.
ExprRef makeCall(ExprFunction function, std::vector<ExprRef> args, SourceRange where = {});
ExprRef makeRead(std::string tensor, std::vector<ExprRef> subscripts, ExprType type,
                 SourceRange where = {});
/// `expr` as a Float: itself, a float literal, or an IntToFloat.
ExprRef makeFloatOf(ExprRef expr);

/// A copy in which each node, from the root down, for which `replace` gives an expression is that expression.
ExprRef rewrite(const ExprRef &expr, const std::function<ExprRef(const ExprRef &)> &replace);
/// Are two expressions the same, wherever they are written?
bool isSame(const ExprRef &a, const ExprRef &b);
/// Calls `visit` on every node, shared ones once, arguments first.
void walk(const ExprRef &expr, const std::function<void(const Expr &)> &visit);
/// Does any node satisfy `test`?
bool anyNode(const ExprRef &expr, const std::function<bool(const Expr &)> &test);
/// Does the expression read the index `name`? (Pos counts as q_idx.)
bool mentionsIndex(const ExprRef &expr, std::string_view name);

/// In the language's own syntax, fully parenthesised where needed; for tests and remarks.
std::string toString(const ExprRef &expr);

/// A bool, integer or float known now.
struct ExprValue {
  ExprType type = ExprType::Int;
  int64_t i = 0; ///< Int, and Bool (0 or 1)
  double f = 0;  ///< Float

  static ExprValue ofInt(int64_t value) { return {ExprType::Int, value, 0}; }
  static ExprValue ofBool(bool value) { return {ExprType::Bool, value, 0}; }
  static ExprValue ofFloat(double value) { return {ExprType::Float, 0, value}; }
  double asFloat() const { return type == ExprType::Float ? f : double(i); }
};

/// Values of dims and run-time params by name.
using ValueMap = std::map<std::string, ExprValue, std::less<>>;

/// The value of an expression over dims and params, integers 64-bit wrapping, floats in double
/// (LANGUAGE.md, section 3). Empty if a name has no value in `values` or the expression mentions
/// anything else than dims and params.
std::optional<ExprValue> evaluateConstant(const Expr &expr, const ValueMap &values);

/// The same for an integer expression and sizes.
std::optional<int64_t> evaluateSize(const Expr &expr, const std::map<std::string, int64_t> &sizes);

} // namespace heddle

#endif
