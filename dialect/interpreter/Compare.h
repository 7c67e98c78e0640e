//===- Compare.h - the same function before and after passes, on the same inputs -----------===//

#ifndef HEDDLE_DIALECT_INTERPRETER_COMPARE_H
#define HEDDLE_DIALECT_INTERPRETER_COMPARE_H

#include "dialect/interpreter/Interpreter.h"

namespace heddle {

/// What a seeded run writes: the numbers of the arguments that are results.
llvm::SmallVector<unsigned> writtenArguments(mlir::func::FuncOp function);

/// One array per argument: tensors and memrefs of the sizes `AxBxC`, scalars of that value. Inputs
/// hold seeded numbers (floats -1 to 1, i8 0 or 1, other integers 0 to 15), results NaN. False: see
/// `error`.
bool seedArguments(mlir::func::FuncOp function, llvm::ArrayRef<std::string> sizes, uint64_t seed,
                   std::vector<Array> &arguments, std::string &error);

/// The largest |x - y| / (1 + |y|); infinite where just one is NaN, or infinities or shapes differ.
double worstDifference(const Array &got, const Array &expected);

/// Runs both on equal arguments and compares all that either writes, to `tolerance`. False: see
/// `error`.
bool compareFunctions(mlir::func::FuncOp got, mlir::func::FuncOp expected,
                      llvm::ArrayRef<Array> arguments, double tolerance,
                      const InterpreterOptions &options, std::string &error);

} // namespace heddle

#endif // HEDDLE_DIALECT_INTERPRETER_COMPARE_H
