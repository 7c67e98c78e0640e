//===- LoopBuilder.h - steps as plain loops over memory ----------------------------------------===//
//
// What no tile op says is computed by definition: a grid over the elements (or rows) of an output, loops
// inside, one scalar after the other. The same for all machines. Each step is a function on memory; its
// grids run one after the other, and what one leaves for the next lies in memory it allocates.
//
//===----------------------------------------------------------------------------------------===//

#ifndef HEDDLE_DIALECT_LOOPS_LOOPBUILDER_H
#define HEDDLE_DIALECT_LOOPS_LOOPBUILDER_H

#include "dialect/BuildExpr.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace heddle {

using mlir::Value;
using mlir::ValueRange;
using Values = llvm::SmallVector<Value>;
using Ranges = std::vector<const IndexRange *>;

/// What a grid does at each of its points.
enum class GridKind {
  Elements, ///< little: neighbours along the last axes run together
  Rows      ///< much
};

class LoopBuilder {
public:
  LoopBuilder(mlir::OpBuilder &b, const SpecValues &values, mlir::Location loc)
      : b(b), values(values), loc(loc) {}

  mlir::OpBuilder &builder() { return b; }
  /// A scope in which only the names of the spec mean something.
  ExprBuilder outermost() { return ExprBuilder(b, values); }
  Value sizeOf(const IndexRange &range) { return outermost().build(range.extent.size); }
  /// Its size, known at compile time; 1 without a range.
  int64_t fixedSize(const std::optional<IndexRange> &range) const;

  /// A grid over ranges; `body` gets a scope with their indices. Not to be nested. `reason`: why rows of
  /// an attend or recur are not tiles; empty for steps that have no tiles.
  void grid(const Ranges &ranges, GridKind kind, llvm::StringRef reason,
            llvm::function_ref<void(ExprBuilder &)> body);

  using Body = llvm::function_ref<Values(ExprBuilder &, ValueRange carried)>;
  /// A loop over a range, or over several, the last one inside; `active` (i1, or null) off: none runs.
  Values loop(ExprBuilder &scope, const IndexRange &range, ValueRange init, Body body);
  Values loops(ExprBuilder &scope, llvm::ArrayRef<const IndexRange *> ranges, ValueRange init,
               Body body, Value active = {});
  /// A loop that counts from 0, with nothing bound.
  Values count(Value end, ValueRange init,
               llvm::function_ref<Values(Value, ValueRange carried)> body);
  /// `body`'s values where `condition` holds, else `otherwise`.
  Values when(Value condition, ValueRange otherwise, llvm::function_ref<Values()> body);

  /// Memory of one point of a grid: `size` elements of f32.
  Value local(int64_t size);
  /// Memory that grids share, row-major over `ranges` and then `more`.
  Value shared(const Ranges &ranges, mlir::Type element, ValueRange more = {});
  Value load(Value memory, ValueRange at);
  void store(Value value, Value memory, ValueRange at);
  /// The value (index, f32 or i1) in the tensor's own type.
  void storeTo(const SpecTensor &tensor, Value value, ValueRange at);
  Values indicesOf(ExprBuilder &scope, const Ranges &ranges);

  // Scalars.
  Value index(int64_t value);
  Value number(double value);
  Value boolean(bool value);
  Value add(Value x, Value y); // of floats: a sum whose order is free
  Value sub(Value x, Value y);
  Value mul(Value x, Value y);
  /// sum + x y of floats, rounded once where the machine can.
  Value addProduct(Value sum, Value x, Value y);
  Value div(Value x, Value y);
  Value remainder(Value x, Value y); // of integers, x from 0, y taken as 1 if it is less
  Value least(Value x, Value y);     // of integers
  Value most(Value x, Value y);
  Value exp(Value x);
  Value log(Value x);
  Value select(Value condition, Value yes, Value no);
  Value both(Value x, Value y);
  Value either(Value x, Value y);
  Value negate(Value x);
  Value equal(Value x, Value y);
  Value less(Value x, Value y); // signed, ordered
  Value isNan(Value x);
  Value toFloat(Value x); // of an index

private:
  mlir::OpBuilder &b;
  const SpecValues &values;
  mlir::Location loc;
};

/// A reduction, one value after the other.
class Reduction {
public:
  Reduction(LoopBuilder &l, ReductionKind kind, ExprType type) : l(l), kind(kind), type(type) {}
  /// What is carried from value to value, before the first.
  Values init();
  /// `at`: the index that argmax and argmin give.
  Values step(ValueRange carried, Value x, Value at);
  /// Sum and mean of floats, whose parts `join` adds.
  bool isFloatSum() const;
  Values join(ValueRange a, ValueRange b);
  Value finish(ValueRange carried);

private:
  Value combine(Value acc, Value x);
  LoopBuilder &l;
  ReductionKind kind;
  ExprType type;
};

/// log(sum of exp), kept as the largest so far and the sum of exp(x - it).
struct RunningSum {
  static Values init(LoopBuilder &l) { return {l.number(-INFINITY), l.number(0)}; }
  static Values step(LoopBuilder &l, ValueRange carried, Value x);
  static Value finish(LoopBuilder &l, ValueRange carried);
  /// exp(x) / sum of exp; 0 where x is -inf.
  static Value share(LoopBuilder &l, ValueRange finished, Value x);
};

// A step as the body of a function; `step` is its number.
void buildCompute(LoopBuilder &l, const Spec &spec, const SpecStep &step, const ComputeStep &body);
void buildScan(LoopBuilder &l, const Spec &spec, const SpecStep &step, const ScanStep &body);
void buildSelect(LoopBuilder &l, const Spec &spec, const SpecStep &step, const SelectStep &body);
void buildAttend(LoopBuilder &l, const Spec &spec, const SpecStep &step, const AttendStep &body,
                 llvm::StringRef reason);
void buildRecur(LoopBuilder &l, const Spec &spec, const SpecStep &step, const RecurStep &body,
                llvm::StringRef reason);

/// The tensor that takes an output; null if nobody looks at it.
const SpecTensor *outputOf(const Spec &spec, const SpecStep &step, std::string_view kind);

} // namespace heddle

#endif // HEDDLE_DIALECT_LOOPS_LOOPBUILDER_H
