//===- Interpreter.h - surface and tile ops in double precision ----------------------------===//
//
// One of the two truths (the other is test/oracle, a stranger to the compiler): the IR means what
// runs here. Floats are doubles, casts the identity, so that every pass must agree to 1e-11 and a
// wrong bound cannot hide. Grids and strips run backwards: a program that relies on their order
// fails here.
//
//===----------------------------------------------------------------------------------------===//

#ifndef HEDDLE_DIALECT_INTERPRETER_INTERPRETER_H
#define HEDDLE_DIALECT_INTERPRETER_INTERPRETER_H

#include "dialect/interpreter/Value.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include <functional>
#include <string>

namespace heddle {

struct InterpreterOptions {
  /// Every float result is rounded to its type and sums run in index order, in f32: the naive
  /// evaluation of the numeric contract. Sums are rounded in surface ops only.
  bool round = false;
  /// `out` is the sum of |weight| |value|, the scale of an element's rounding errors. Surface ops
  /// only.
  bool magnitudes = false;
  /// Reads out of bounds in the body of a map give NaN instead of an error: from the tilings to
  /// HoistReads a body may read where its mask lets nothing through.
  bool unhoisted = false;
  /// After so many operations the interpretation gives up, and says so in `gaveUp`. 0: never. At an integer that no
  /// double holds it always does.
  uint64_t maxOps = 0;
  std::string *gaveUp = nullptr; // "takes too long"
  /// Grids, strips and rows run forwards.
  bool forwards = false;
  /// The rows (their indices) a surface op computes; the elements of others stay as they are. Null:
  /// all.
  std::function<bool(llvm::ArrayRef<int64_t>)> rows;
};

/// Runs a function on arguments in its order: tensors and memrefs are read and written in place
/// (tensors that a function returns are copied into the arguments they are the destinations of),
/// scalars are arrays of rank 0. `returned`, if given, receives all it returns. False: `error` says
/// what and where; the arguments then hold what was written up to there.
bool interpret(mlir::func::FuncOp function, llvm::MutableArrayRef<Array> arguments,
               const InterpreterOptions &options, std::string &error,
               std::vector<Array> *returned = nullptr);

} // namespace heddle

#endif // HEDDLE_DIALECT_INTERPRETER_INTERPRETER_H
