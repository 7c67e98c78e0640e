//===- Machine.h - the state of an interpretation ----------------------------------------------===//

#ifndef HEDDLE_DIALECT_INTERPRETER_MACHINE_H
#define HEDDLE_DIALECT_INTERPRETER_MACHINE_H

#include "dialect/AttnOps.h"
#include "dialect/interpreter/Interpreter.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/DenseMap.h"

namespace heddle {

using Slots = std::vector<Slot>;

class Machine {
public:
  explicit Machine(const InterpreterOptions &options) : options(options) {}

  /// Runs a block to its end; what its terminator takes, or false after an error.
  bool run(mlir::Block &block, Slots arguments, Slots &results);
  bool runFunction(mlir::func::FuncOp function, llvm::MutableArrayRef<Array> arguments);

  std::string error;

private:
  bool fail(mlir::Operation *op, const llvm::Twine &what);
  bool eval(mlir::Operation *op);

  // Arith.cpp: scalars and elementwise.
  bool evalElementwise(mlir::Operation *op, bool &known);
  bool evalConstant(mlir::Operation *op);
  bool evalAffine(mlir::Operation *op);

  // Structured.cpp: loops, memory.
  bool evalForall(mlir::scf::ForallOp op);
  bool evalFor(mlir::scf::ForOp op);
  bool evalIf(mlir::scf::IfOp op);
  bool evalRead(mlir::Operation *op, mlir::Value from, mlir::ValueRange subscripts);
  bool evalMemory(mlir::Operation *op, bool &known);

  // Tile.cpp
  bool evalTile(mlir::Operation *op, bool &known);
  bool evalVisit(attn::VisitOp op);
  bool classify(attn::VisitOp op, Slot &out);
  bool evalAccess(mlir::Operation *op);
  bool evalStrips(attn::StripsOp op);
  bool evalContract(attn::ContractOp op);
  bool evalMap(attn::MapOp op);
  bool evalScan(attn::ScanOp op);
  bool evalAdvance(attn::AdvanceOp op);

  // Surface.cpp
  bool evalAttend(attn::AttendOp op);
  bool attendRow(attn::AttendOp op, llvm::ArrayRef<int64_t> rows, int64_t numKeys, const Array &keys,
                 const Array &values);
  bool evalRecur(attn::RecurOp op);
  bool recurHead(attn::RecurOp op, llvm::MutableArrayRef<int64_t> rows);
  /// A region at some indices: given ones are scalars, the last `free` run over the given sizes (their
  /// product is the shape of the result), then come numbers.
  bool region(mlir::Region &region, llvm::ArrayRef<int64_t> indices, llvm::ArrayRef<int64_t> free,
              llvm::ArrayRef<Array> numbers, Array &result);

  const Array &array(mlir::Value value) { return env[value].array; }
  int64_t integer(mlir::Value value) { return int64_t(env[value].array.data[0]); }
  void set(mlir::Operation *op, Slots results);
  double rounded(double x) const { return options.single ? double(float(x)) : x; }

  const InterpreterOptions &options;
  llvm::DenseMap<mlir::Value, Slot> env;
};

/// max loses no NaN.
double combineScalars(attn::Combine kind, double x, double y);
double neutralScalar(attn::Combine kind);

} // namespace heddle

#endif // HEDDLE_DIALECT_INTERPRETER_MACHINE_H
