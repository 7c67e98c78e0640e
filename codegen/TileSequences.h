//===- TileSequences.h - which tile comes next, as scalar code ---------------------------------===//
//
// attn.visit, filter, count and at are scalars on every machine: both emitters leave them to this.
//
//===----------------------------------------------------------------------------------------===//

#ifndef HEDDLE_CODEGEN_TILESEQUENCES_H
#define HEDDLE_CODEGEN_TILESEQUENCES_H

#include "dialect/AttnOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace heddle {

class TileSequences {
public:
  using EmitBlock = llvm::function_ref<mlir::LogicalResult(mlir::Block &)>;

  /// `scalars`: what the source's scalars are in the code that `b` builds.
  TileSequences(mlir::ImplicitLocOpBuilder &b, mlir::IRMapping &scalars) : b(b), scalars(scalars) {}

  static bool handles(mlir::Operation *op) {
    return llvm::isa<attn::VisitOp, attn::FilterOp, attn::CountOp, attn::AtOp>(op);
  }
  /// Emits one of these ops; `emitBlock` the body of a filter.
  mlir::LogicalResult emit(mlir::Operation *op, EmitBlock emitBlock);
  void clear() { known.clear(); }

private:
  struct Sequence {
    llvm::SmallVector<mlir::Value> ends; // of intervals: full ones, then boundary ones
    unsigned numFullEnds = 0;
    // Of a filter: bit n stands for tile number `from` + n of another sequence.
    mlir::Value full, boundary, from, of;
  };

  void emitVisit(attn::VisitOp op);
  mlir::LogicalResult emitFilter(attn::FilterOp op, EmitBlock emitBlock);
  mlir::Value count(const Sequence &sequence, bool onlyFull);
  mlir::Value at(const Sequence &sequence, mlir::Value n);
  mlir::Value atInIntervals(const Sequence &sequence, mlir::Value n);
  mlir::Value setBit(mlir::Value bits, mlir::Value n);
  mlir::Value bitCount(mlir::Value bits);
  mlir::Value index(int64_t value);
  mlir::Value bits(int64_t value);

  mlir::ImplicitLocOpBuilder &b;
  mlir::IRMapping &scalars;
  llvm::DenseMap<mlir::Value, Sequence> known;
};

} // namespace heddle

#endif // HEDDLE_CODEGEN_TILESEQUENCES_H
