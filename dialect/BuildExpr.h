//===- BuildExpr.h - expressions of a spec as IR -----------------------------------------------===//

#ifndef HEDDLE_DIALECT_BUILDEXPR_H
#define HEDDLE_DIALECT_BUILDEXPR_H

#include "mlir/IR/Builders.h"
#include "specs/reader/Spec.h"
#include "llvm/ADT/StringMap.h"

namespace heddle {

/// What names mean while a spec is built: its tensors, dims and run-time params as values of the
/// function.
struct SpecValues {
  const Spec &spec;
  llvm::StringMap<mlir::Value> tensors; // tensors, or the memory behind them
  llvm::StringMap<mlir::Value> dims;    // index; compile-time ones are constants made where needed
  llvm::StringMap<mlir::Value> params;  // f32 or i32
  std::map<std::string, int64_t> known; // sizes of compile-time dims
  ValueMap constants;                   // the same as values
};

/// Builds expressions at one place: integers as `index`, floats as f32, bools as i1. Reads are
/// tensor.extract, or memref.load; a subscript that may leave its axis is clamped to it. What is the same
/// expression is built once. A copy is a place further inside: what it binds and builds does not reach out.
class ExprBuilder {
public:
  ExprBuilder(mlir::OpBuilder &b, const SpecValues &values) : b(b), values(values) {}

  /// Gives an index its value, and its range as written in the spec.
  void setIndex(const IndexRange &range, mlir::Value value);
  void setSpecial(ExprSpecial special, mlir::Value value) {
    if (!specials.insert_or_assign(special, value).second)
      built.clear();
  }
  void setStatistic(const std::string &name, mlir::Value value) { statistics[name] = value; }
  /// `query` or `key` as an argument of dot(): `expr` at an index of `depth`.
  void setVector(ExprSpecial special, const IndexRange &depth, ExprRef expr) {
    vectors[special] = {&depth, std::move(expr)};
  }
  /// `pos` is q_idx + offset.
  void setOffset(ExprRef expr) { offset = std::move(expr); }

  /// `expr` must outlive the builder.
  mlir::Value build(const ExprRef &expr);
  mlir::Value indexOf(const std::string &name) const { return indices.find(name)->second.first; }
  mlir::OpBuilder &builder() { return b; }

private:
  mlir::Location locate(const Expr &expr);
  mlir::Value buildNew(const Expr &expr);
  mlir::Value buildNumber(const Expr &expr);
  mlir::Value buildName(const Expr &expr);
  mlir::Value buildSpecial(const Expr &expr);
  mlir::Value buildUnary(const Expr &expr);
  mlir::Value buildBinary(const Expr &expr);
  mlir::Value buildInteger(const Expr &expr, mlir::Value x, mlir::Value y);
  mlir::Value buildCompare(const Expr &expr, mlir::Value x, mlir::Value y);
  mlir::Value buildFloorDiv(const Expr &expr, mlir::Value x, mlir::Value y);
  mlir::Value buildCall(const Expr &expr);
  mlir::Value buildSigmoid(mlir::Location loc, mlir::Value x);
  mlir::Value buildSigmoidOfWeight(mlir::Location loc, mlir::Value x);
  mlir::Value buildMinMax(const Expr &expr);
  mlir::Value buildRounded(const Expr &expr);
  mlir::Value buildShift(const Expr &expr, mlir::Value x, mlir::Value y);
  mlir::Value buildRead(const Expr &expr);
  mlir::Value buildDot(const Expr &expr);
  mlir::Value index(mlir::Location loc, int64_t value);
  mlir::Value number(mlir::Location loc, double value);

  mlir::OpBuilder &b;
  const SpecValues &values;
  std::map<std::string, std::pair<mlir::Value, std::string>, std::less<>> indices;
  std::map<ExprSpecial, mlir::Value> specials;
  std::map<std::string, mlir::Value> statistics;
  std::map<ExprSpecial, std::pair<const IndexRange *, ExprRef>> vectors;
  mlir::Value wholeAxis; // what `:` stands for inside a dot()
  ExprRef offset;
  std::map<const Expr *, mlir::Value> built;
};

/// The place in the spec, as a location of the IR.
mlir::Location locationOf(mlir::MLIRContext *context, const Spec &spec, SourceRange where);

/// The element type of a tensor in memory; a bool is a byte.
mlir::Type elementType(mlir::MLIRContext *context, StorageType type);

} // namespace heddle

#endif // HEDDLE_DIALECT_BUILDEXPR_H
