//===- TileRegions.h - the regions of surface ops as bodies over tiles -------------------------===//
//
// What TileAttend and TileRecur share: the memory behind a function's tensors, and the copying of a
// region over indices into a body over the elements of a tile.
//
//===----------------------------------------------------------------------------------------===//

#ifndef HEDDLE_PASSES_TILEREGIONS_H
#define HEDDLE_PASSES_TILEREGIONS_H

#include "dialect/AttnOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "passes/AccessAnalysis.h"

namespace heddle::attn {

/// A strided memref argument in the place of each tensor argument of a function.
class MemoryArguments {
public:
  explicit MemoryArguments(mlir::func::FuncOp function);

  /// The memory behind a tensor argument.
  mlir::Value of(mlir::Value tensor) const { return memory.lookup(tensor); }

  /// The same with `axis` moved to the end, or to the place before the last if `column`: where load
  /// and store want their rows. A view made before `builder`'s function does anything.
  mlir::Value withRows(mlir::Value tensor, unsigned axis, bool column);

  /// Makes the function return nothing: results are written.
  void dropResults();
  /// Removes the tensors, of which there is no use left.
  void finish();

private:
  mlir::func::FuncOp function;
  llvm::DenseMap<mlir::Value, mlir::Value> memory;
};

/// Copies regions over indices into bodies. An argument is either the same for all elements of the tile
/// (then it is an `index`, and what is computed from such ones alone is computed once, at `once`), or
/// differs between them (then it is an i32 of the body, and so is what is computed from it).
class RegionCloner {
public:
  RegionCloner(mlir::OpBuilder &once, const MemoryArguments &memory) : once(once), memory(memory) {}

  void uniform(mlir::Value argument, mlir::Value value) { values[argument] = {value, false}; }
  /// `size`: how many positions there are, an index; reads that stay in a body do not go beyond.
  void varying(mlir::Value argument, mlir::Value value, mlir::Value size) {
    values[argument] = {value, true};
    if (size)
      sizes[argument] = size;
  }
  /// A value of the region, usually what it yields, for the arguments given before. What depends on
  /// none that varies stands at `once`, all else at `body`.
  mlir::Value clone(mlir::Value value, mlir::OpBuilder &body) { return get(value, body).value; }
  mlir::Value clone(mlir::Region &region, mlir::OpBuilder &body) {
    return clone(region.front().getTerminator()->getOperand(0), body);
  }

private:
  struct Mapped {
    mlir::Value value;
    bool varying = false;
  };
  Mapped get(mlir::Value value, mlir::OpBuilder &body);
  Mapped cloneOp(mlir::Operation *op, mlir::OpBuilder &body);
  mlir::Value cloneVarying(mlir::Operation *op, mlir::OpBuilder &body);
  mlir::Value cloneRead(mlir::Operation *op, mlir::OpBuilder &body);
  mlir::Value asInt32(Mapped value);

  mlir::OpBuilder &once;
  const MemoryArguments &memory;
  llvm::DenseMap<mlir::Value, Mapped> values;
  llvm::DenseMap<mlir::Value, mlir::Value> sizes;
};

/// An attn.map whose body `fill` writes: it gets the body's arguments (elements of tiles, of rows, of
/// columns) and returns what is yielded. The second value is null unless it reduces.
struct MapOperands {
  mlir::SmallVector<mlir::Value> tiles, rows, cols;
  std::optional<Combine> reduce = std::nullopt;
  Axis per = Axis::row;
};
std::pair<mlir::Value, mlir::Value>
buildMap(mlir::OpBuilder &b, mlir::Location loc, mlir::Type type, const MapOperands &operands,
         llvm::function_ref<mlir::Value(mlir::OpBuilder &, mlir::ValueRange)> fill);

/// Takes from a map the operands that its body does not look at.
void dropUnused(MapOp op);

/// The rows of a tile: `positions` (i32, from `start` on) of a region's argument number `argument`, of
/// which there are `limit`; `width` columns along the region's last argument, from `column` on (null: 0),
/// none if it is 0.
struct TileRows {
  unsigned argument;
  mlir::Value start, limit, positions;
  int64_t width;
  mlir::Value column = {};
};
/// The tile (or, without columns, the vector) of f32 that a query, key, value or state region is: loaded
/// in place where it is a plain read, else computed element by element. `bind` gives a cloner the
/// region's other arguments. Rows beyond the limit are 0 if loaded, anything if computed.
mlir::Value tileOf(mlir::OpBuilder &b, mlir::OpBuilder &once, MemoryArguments &memory,
                   mlir::Region &region, const TileRows &rows, double scale,
                   llvm::function_ref<void(RegionCloner &)> bind);

/// Whether tileOf loads this region in place.
bool isLoaded(mlir::Region &region, const TileRows &rows);

/// Stores a tile, or a vector, at `indices` (those of `tensor` but the rows' `axis` and the column).
void storeTile(mlir::OpBuilder &b, mlir::Location loc, MemoryArguments &memory, mlir::Value tile,
               mlir::Value tensor, unsigned axis, mlir::ValueRange indices, mlir::Value start,
               mlir::OpFoldResult column, mlir::Value limit, double scale = 1);

/// Small values and types that both tiling passes need.
mlir::RankedTensorType tileType(mlir::OpBuilder &b, llvm::ArrayRef<int64_t> shape);
mlir::Value indexConstant(mlir::OpBuilder &b, mlir::Location loc, int64_t value);
mlir::Value floatConstant(mlir::OpBuilder &b, mlir::Location loc, double value);
mlir::Value splatConstant(mlir::OpBuilder &b, mlir::Location loc, llvm::ArrayRef<int64_t> shape,
                          double value);
mlir::Value scaledIndex(mlir::OpBuilder &b, mlir::Location loc, mlir::Value index, int64_t factor);
mlir::Value ceilDiv(mlir::OpBuilder &b, mlir::Location loc, mlir::Value index, int64_t divisor);
/// floor(index / divisor).
mlir::Value floorDiv(mlir::OpBuilder &b, mlir::Location loc, mlir::Value index, int64_t divisor);

/// Makes or reads a tile. Outside of a grid: each item does it again.
bool touchesTiles(mlir::Operation &op);

/// The tensor that a view shows.
mlir::Value rootMemory(mlir::Value memory);

} // namespace heddle::attn

#endif // HEDDLE_PASSES_TILEREGIONS_H
