//===- ReadShapes.h - what a read in the body of a map mentions -------------------------------===//

#ifndef HEDDLE_PASSES_READSHAPES_H
#define HEDDLE_PASSES_READSHAPES_H

#include "dialect/AttnOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include <optional>

namespace heddle::attn {

/// Consecutive positions along one side of a map: `size` of them from `base` on, cut by `strips`
/// (outermost first) before the map sees them.
struct Positions {
  mlir::Value base;
  int64_t size;
  llvm::SmallVector<StripsOp, 1> strips;
};

/// A read of `memory` at positions of the rows, of the columns or of both, each on an axis of its
/// own, and at `uniform` subscripts, from around the map, on all other axes, in order.
struct ReadShape {
  mlir::Value memory;
  llvm::SmallVector<mlir::Value> uniform;
  std::optional<Positions> row, column;
  std::optional<unsigned> rowAxis, columnAxis;
};

/// The shape of a read, or none: a subscript is computed, a position stands on two axes or is not
/// one of consecutive ones.
std::optional<ReadShape> matchRead(MapOp map, mlir::memref::LoadOp read);

/// How many positions there are along the axes of a function's tiles. A load or store of rows knows
/// it of the positions it starts at; so does every other at the same start, or at a tile of one
/// visit.
class PositionLimits {
public:
  explicit PositionLimits(mlir::Operation *function);

  /// How many positions there are, or null if nothing says so.
  mlir::OpFoldResult of(const Positions &positions) const;

private:
  llvm::DenseMap<mlir::Value, mlir::Value> limits; // by what positions start from
};

/// True if all positions, `size` of them, are known to be in range: they start from a constant, or
/// belong to a tile in a loop over the full tiles of a visit.
bool areInside(const Positions &positions);

} // namespace heddle::attn

#endif // HEDDLE_PASSES_READSHAPES_H
