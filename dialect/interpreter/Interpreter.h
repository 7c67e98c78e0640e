//===- Interpreter.h - surface and tile ops in double precision --------------------------------===//
//
// One of the two truths (the other is test/oracle, a stranger to the compiler): the IR means what runs
// here. Floats are doubles, casts the identity, so that every pass must agree to 1e-11 and a wrong bound
// cannot hide. Grids and strips run backwards: a program that relies on their order fails here.
//
//===----------------------------------------------------------------------------------------===//

#ifndef HEDDLE_DIALECT_INTERPRETER_INTERPRETER_H
#define HEDDLE_DIALECT_INTERPRETER_INTERPRETER_H

#include "dialect/interpreter/Value.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include <string>

namespace heddle {

struct InterpreterOptions {
  /// Every float result is rounded to f32 and sums run in index order: the naive evaluation of the
  /// numeric contract. Surface ops only.
  bool single = false;
  /// `out` is the sum of |weight| |value|, the scale of an element's rounding errors. Surface ops only.
  bool magnitudes = false;
  /// Only query rows whose number is a multiple are computed; the others stay as they are. 1: all.
  int64_t everyRow = 1;
};

/// Runs a function on arguments in its order: tensors and memrefs are read and written in place (the
/// results of a function on tensors are copied into the arguments they are the destinations of), scalars
/// are arrays of rank 0. False: `error` says what and where.
bool interpret(mlir::func::FuncOp function, llvm::MutableArrayRef<Array> arguments,
               const InterpreterOptions &options, std::string &error);

} // namespace heddle

#endif // HEDDLE_DIALECT_INTERPRETER_INTERPRETER_H
