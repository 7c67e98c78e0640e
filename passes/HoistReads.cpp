//===- HoistReads.cpp - captured tensors are read once per scalar, row, column or tile --------===//
//
// Before, in the body of a map over rows %qp and columns %kp, which are consecutive positions:
//   ^bb0(%e: f32, %qi: i32, %ki: i32):
//     %q = arith.index_cast %qi : i32 to index     %k = arith.index_cast %ki : i32 to index
//     %s = memref.load %slope[%h]                  // uniform
//     %a = memref.load %row[%b, %q]                // by row; by column alike
//     %c = memref.load %bias[%b, %h, %q, %k]       // row and column, each on an axis of its own
// after:
//   %s = memref.load %slope[%h]                            // before the outermost loop it can go
//   %av = attn.load %row[%b, %q0] rows(%n) -> tensor<96xf32>                // rows(%av)
//   %cv = attn.load %bias[%b, %h, %q0, %k0] rows(%m) -> tensor<96x64xf32>   // a tile of the map
//
// In a strips the loaded vector or tile is cut along with the positions. What is read beyond the
// end of a tensor is 0; no result depends on it, since such rows are not stored and such keys
// masked.
//
// Needs: positions from attn.iota. Leaves in their bodies: reads by a computed subscript, by a
// position on two axes (a diagonal) or of positions that are not consecutive; reads of rows and
// columns where columns may go beyond the last key, for which a load has no limit, or do not lie
// side by side in memory. A position that stays is kept from going beyond the last one.
//
//===----------------------------------------------------------------------------------------===//

#include "dialect/AttnOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "passes/EraseDead.h"
#include "passes/Passes.h"
#include "passes/ReadShapes.h"

namespace heddle::attn {
#define GEN_PASS_DEF_HOISTREADS
#include "passes/Passes.h.inc"
} // namespace heddle::attn

using namespace mlir;
using namespace heddle::attn;

namespace {

/// Hoists the reads of one function.
class Hoister {
public:
  explicit Hoister(func::FuncOp function) : limits(function) {}
  void hoist(MapOp map, memref::LoadOp read);

private:
  bool canLoad(const ReadShape &shape) const;
  void clamp(MapOp map, memref::LoadOp read, unsigned axis, const Positions &positions);
  Value loadOnce(MapOp map, const ReadShape &shape, Type element);
  Value transposed(Value memory, const ReadShape &shape);
  Value cutLike(Value whole, ArrayRef<StripsOp> strips);

  PositionLimits limits;
  // Loads made before, by everything that decides what they read and where.
  std::map<std::vector<const void *>, Value> loads;
  std::map<std::pair<Operation *, void *>, Value> cuts;
  std::map<std::vector<const void *>, Value> views;
};

} // namespace

/// Where a load of these values may stand: before the outermost op around `op`, inside the work
/// item, that all of them are defined in front of.
static Operation *outermost(Operation *op, ArrayRef<Value> values) {
  for (Operation *parent = op->getParentOp(); parent && !isa<scf::ForallOp, func::FuncOp>(parent);
       parent = parent->getParentOp()) {
    if (llvm::any_of(values, [&](Value value) {
          return parent->isAncestor(value.getParentBlock()->getParentOp());
        }))
      break;
    op = parent;
  }
  return op;
}

/// The memory with the row's axis before the column's, at the end.
Value Hoister::transposed(Value memory, const ReadShape &shape) {
  auto type = cast<MemRefType>(memory.getType());
  SmallVector<unsigned> order;
  for (unsigned axis = 0, e = type.getRank(); axis < e; ++axis)
    if (axis != shape.rowAxis && axis != shape.columnAxis)
      order.push_back(axis);
  for (std::optional<unsigned> axis : {shape.rowAxis, shape.columnAxis})
    if (axis)
      order.push_back(*axis);
  if (llvm::is_sorted(order))
    return memory;
  std::vector<const void *> key = {memory.getAsOpaquePointer()};
  for (unsigned axis : order)
    key.push_back(reinterpret_cast<const void *>(uintptr_t(axis)));
  Value &view = views[key];
  if (!view) {
    OpBuilder b(memory.getContext());
    b.setInsertionPointAfterValue(memory);
    auto map = AffineMapAttr::get(AffineMap::getPermutationMap(order, b.getContext()));
    view = memref::TransposeOp::create(b, memory.getLoc(), memory, map);
  }
  return view;
}

/// The number of positions, or, if nothing says it, the size of the axis they run along.
static Value materialize(OpBuilder &b, OpFoldResult limit, Value memory, unsigned axis) {
  Location loc = memory.getLoc();
  if (!limit)
    return memref::DimOp::create(b, loc, memory, arith::ConstantIndexOp::create(b, loc, axis));
  return getValueOrCreateConstantIndexOp(b, loc, limit);
}

/// A load has a limit for its rows, none for its columns, which lie side by side.
bool Hoister::canLoad(const ReadShape &shape) const {
  if (!shape.row || !shape.column)
    return true;
  auto type = cast<MemRefType>(shape.memory.getType());
  return areInside(*shape.column) && shape.column->strips.empty() &&
         shape.columnAxis == type.getRank() - 1 && type.isLastDimUnitStride();
}

/// Positions on one axis of a read that stays: beyond the last one they are the last one.
void Hoister::clamp(MapOp map, memref::LoadOp read, unsigned axis, const Positions &positions) {
  if (areInside(positions))
    return;
  OpFoldResult limit = limits.of(positions);
  SmallVector<Value> needed = {read.getMemRef()};
  if (auto value = dyn_cast_if_present<Value>(limit))
    needed.push_back(value);
  OpBuilder outside(outermost(map, needed)), b(read);
  Value count = materialize(outside, limit, read.getMemRef(), axis);
  Value one = arith::ConstantIndexOp::create(outside, read.getLoc(), 1);
  Value last = arith::SubIOp::create(outside, read.getLoc(), count, one);
  OpOperand &subscript = read.getIndicesMutable()[axis];
  subscript.set(arith::MinSIOp::create(b, read.getLoc(), subscript.get(), last));
}

/// The vector or tile of all elements of the map, or the same made before.
Value Hoister::loadOnce(MapOp map, const ReadShape &shape, Type element) {
  Value memory = transposed(shape.memory, shape);
  SmallVector<Value> indices(shape.uniform);
  SmallVector<int64_t> sizes;
  for (const std::optional<Positions> *positions : {&shape.row, &shape.column})
    if (*positions) {
      indices.push_back((*positions)->base);
      sizes.push_back((*positions)->size);
    }
  OpFoldResult limit = limits.of(shape.row ? *shape.row : *shape.column);
  SmallVector<Value> needed(indices);
  needed.push_back(memory);
  if (auto value = dyn_cast_if_present<Value>(limit))
    needed.push_back(value);
  Operation *at = outermost(map, needed);
  std::vector<const void *> key = {at->getBlock(), element.getAsOpaquePointer()};
  for (Value value : needed)
    key.push_back(value.getAsOpaquePointer());
  for (int64_t size : sizes)
    key.push_back(reinterpret_cast<const void *>(size));
  Value &load = loads[key];
  if (load)
    return load;
  OpBuilder b(at);
  unsigned rowAxis = cast<MemRefType>(memory.getType()).getRank() - sizes.size();
  SmallVector<Value> dynamic;
  SmallVector<int64_t> fixed;
  dispatchIndexOpFoldResults(getAsOpFoldResult(indices), dynamic, fixed);
  load = LoadOp::create(b, map.getLoc(), RankedTensorType::get(sizes, element), memory, dynamic,
                        fixed, materialize(b, limit, memory, rowAxis), ValueRange(), FloatAttr());
  return load;
}

/// What the strips around a map give it of `whole`, outermost first.
Value Hoister::cutLike(Value whole, ArrayRef<StripsOp> around) {
  for (StripsOp strips : around) {
    Value &cut = cuts[{strips.getOperation(), whole.getAsOpaquePointer()}];
    if (!cut) {
      auto type = cast<RankedTensorType>(whole.getType());
      SmallVector<int64_t> shape(type.getShape());
      shape[0] = strips.getWidth();
      unsigned at = strips.getSliced().size();
      strips.getSlicedMutable().append(whole);
      cut = strips.getBody().insertArgument(at, RankedTensorType::get(shape, type.getElementType()),
                                            whole.getLoc());
    }
    whole = cut;
  }
  return whole;
}

void Hoister::hoist(MapOp map, memref::LoadOp read) {
  std::optional<ReadShape> shape = matchRead(map, read);
  if (!shape)
    return;
  if (!shape->row && !shape->column) { // as it is, further out
    SmallVector<Value> needed(read->getOperands());
    read->moveBefore(outermost(map, needed));
    return;
  }
  if (!canLoad(*shape)) {
    clamp(map, read, *shape->rowAxis, *shape->row);
    clamp(map, read, *shape->columnAxis, *shape->column);
    return;
  }
  // A load converts to f32 if that is all that is wanted of the element.
  Type element = read.getType(), f32 = Float32Type::get(element.getContext());
  bool widens = isa<FloatType>(element) && element != f32 &&
                llvm::all_of(read->getUsers(), [&](Operation *user) {
                  return isa<arith::ExtFOp>(user) && user->getResult(0).getType() == f32;
                });
  if (widens)
    element = f32;
  Value whole = loadOnce(map, *shape, element);
  Value cut = cutLike(whole, shape->row ? shape->row->strips : shape->column->strips);
  Block &body = map.getBody().front();
  unsigned at = body.getNumArguments();
  if (shape->row && shape->column) {
    at = map.getTiles().size();
    map.getTilesMutable().append(cut);
  } else if (shape->row) {
    at = map.getTiles().size() + map.getRows().size();
    map.getRowsMutable().append(cut);
  } else {
    map.getColsMutable().append(cut);
  }
  Value value = body.insertArgument(at, element, read.getLoc());
  if (widens)
    for (Operation *user : llvm::make_early_inc_range(read->getUsers())) {
      user->getResult(0).replaceAllUsesWith(value);
      user->erase();
    }
  else
    read.replaceAllUsesWith(value);
  read.erase();
}

namespace {
struct HoistReads : heddle::attn::impl::HoistReadsBase<HoistReads> {
  void runOnOperation() override {
    Hoister hoister(getOperation());
    SmallVector<std::pair<MapOp, memref::LoadOp>> reads;
    getOperation().walk<WalkOrder::PreOrder>([&](MapOp map) {
      for (auto read : map.getBody().getOps<memref::LoadOp>())
        reads.push_back({map, read});
    });
    for (auto [map, read] : reads)
      hoister.hoist(map, read);
    eraseDead(getOperation().front());
  }
};
} // namespace
