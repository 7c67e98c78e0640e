//===- Machine.h - the state of an interpretation ------------------------------------------===//

#ifndef HEDDLE_DIALECT_INTERPRETER_MACHINE_H
#define HEDDLE_DIALECT_INTERPRETER_MACHINE_H

#include "dialect/AttnOps.h"
#include "dialect/interpreter/Interpreter.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/DenseMap.h"
#include <map>

namespace heddle {

using Slots = std::vector<Slot>;

/// An integer of some width, sign-extended, and its bits without the sign.
struct Integer {
  int64_t s;
  uint64_t u;
};

/// What is no integer (a NaN in a caller's table) becomes the nearest one, or 0.
int64_t toInteger(double x);

class Machine {
public:
  explicit Machine(const InterpreterOptions &options) : options(options) {}

  /// Runs a block to its end; what its terminator takes, or false after an error. The arguments are moved from, one by one.
  bool run(mlir::Block &block, Slots &&arguments, Slots &results);
  bool runFunction(mlir::func::FuncOp function, llvm::MutableArrayRef<Array> arguments,
                   std::vector<Array> *returned);

  std::string error;

private:
  bool fail(mlir::Operation *op, const llvm::Twine &what);
  bool eval(mlir::Operation *op);

  // Arith.cpp: scalars and elementwise.
  bool evalElementwise(mlir::Operation *op, bool &known);
  /// Gives `fn` of each element of the operands; numbers stand for all.
  template <typename Fn>
  bool giveEach(mlir::Operation *op, llvm::ArrayRef<const Array *> in, Fn fn);
  bool evalInteger(mlir::Operation *op, llvm::ArrayRef<const Array *> in,
                   uint64_t (*fn)(const Integer *));
  bool evalCast(mlir::Operation *op, llvm::ArrayRef<const Array *> in);
  bool evalConstant(mlir::Operation *op);
  bool evalAffine(mlir::Operation *op);

  // Structured.cpp: loops, memory.
  bool evalForall(mlir::scf::ForallOp op);
  bool evalFor(mlir::scf::ForOp op);
  bool evalIf(mlir::scf::IfOp op);
  bool evalMemory(mlir::Operation *op, bool &known);
  bool evalShape(mlir::Operation *op, bool &known);
  bool evalRead(mlir::Operation *op, mlir::Value from, mlir::ValueRange subscripts);
  bool evalWrite(mlir::Operation *op, mlir::Value value, mlir::Value to,
                 mlir::ValueRange subscripts);
  bool allocate(mlir::Operation *op, mlir::ShapedType type, mlir::ValueRange sizes);

  // Tile.cpp
  bool evalTile(mlir::Operation *op, bool &known);
  bool evalVisit(attn::VisitOp op);
  bool classify(attn::VisitOp op, Slot &out);
  bool evalFilter(attn::FilterOp op);
  bool evalAccess(mlir::Operation *op);
  bool evalStrips(attn::StripsOp op);
  bool evalContract(attn::ContractOp op);
  bool evalMap(attn::MapOp op);
  bool evalScan(attn::ScanOp op);
  bool evalAdvance(attn::AdvanceOp op);

  // Surface.cpp
  /// What the regions of an attend need for each row: index arrays, and results by row.
  struct Attend {
    attn::AttendOp op;
    int64_t numKeys = 1;
    std::vector<Array> keys, keysD, keysE; // key indices; with d; with e
    std::vector<Array> depth;              // d alone
    Array *out = nullptr, *lse = nullptr;  // memory written
    /// Results of a region by the row indices it mentions.
    llvm::DenseMap<mlir::Region *, std::map<std::vector<int64_t>, Array>> memo;
    size_t memoSize = 0;
  };
  bool evalAttend(attn::AttendOp op);
  bool attendRow(Attend &attend, llvm::ArrayRef<int64_t> row, int64_t number);
  bool scores(Attend &attend, llvm::ArrayRef<int64_t> row, llvm::ArrayRef<char> kept,
              Array &scores);
  bool weights(Attend &attend, llvm::ArrayRef<int64_t> row, llvm::ArrayRef<char> kept,
               Array &weights, double &lse, bool &none);
  bool nestedWeights(Attend &attend, llvm::ArrayRef<int64_t> row, llvm::ArrayRef<char> kept,
                     const Array &score, Array &weights, double &lse, bool &none);
  bool weighValues(Attend &attend, llvm::ArrayRef<int64_t> row, llvm::ArrayRef<char> kept,
                   const Array &weights, double *out);
  bool evalRecur(attn::RecurOp op);
  bool recurHead(attn::RecurOp op, llvm::ArrayRef<int64_t> sizes, llvm::ArrayRef<int64_t> head,
                 int64_t number, llvm::ArrayRef<Array *> memories);
  /// Memory for each tensor written, with what the operand holds, of the shapes given.
  bool openOutputs(mlir::Operation *op, mlir::ValueRange outs,
                   llvm::ArrayRef<llvm::SmallVector<int64_t>> shapes, Slots &slots);
  /// A region on row indices, index arrays, and numbers.
  bool region(mlir::Region &region, llvm::ArrayRef<int64_t> row, llvm::ArrayRef<Array> free,
              llvm::ArrayRef<Array> numbers, Array &result);
  const Array *memoized(Attend &attend, mlir::Region &region, llvm::ArrayRef<int64_t> row,
                        llvm::ArrayRef<Array> free);

  const Array &array(mlir::Value value) { return env[value].array; }
  int64_t integer(mlir::Value value) { return toInteger(env[value].array.data[0]); }
  void set(mlir::Operation *op, Slots results);
  /// The same of an op with one result; true.
  bool give(mlir::Operation *op, Slot result);
  bool give(mlir::Operation *op, double result);
  double rounded(double x) const { return options.round ? double(float(x)) : x; }

  const InterpreterOptions &options;
  /// What an op of a name does to the elements of its operands; both null: something else.
  struct Elementwise {
    double (*onFloats)(const double *) = nullptr;
    uint64_t (*onIntegers)(const Integer *) = nullptr;
  };
  const Elementwise &elementwise(mlir::OperationName name);

  uint64_t numOps = 0;
  llvm::DenseMap<mlir::OperationName, Elementwise> functions; // names are compared once
  llvm::DenseMap<mlir::Value, Slot> env;
};

/// max loses no NaN.
double combineScalars(attn::Combine kind, double x, double y);
double neutralScalar(attn::Combine kind);

/// Rounds to the float type of an element, if it is one.
void roundTo(mlir::Type type, llvm::MutableArrayRef<double> data);

} // namespace heddle

#endif // HEDDLE_DIALECT_INTERPRETER_MACHINE_H
