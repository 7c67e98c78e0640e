//===- ReadShapes.cpp - what a read in the body of a map mentions -----------------------------===//

#include "passes/ReadShapes.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

using namespace mlir;
using namespace heddle::attn;

/// The iota behind a vector of positions.
static std::optional<Positions> matchPositions(Value vector) {
  Positions result;
  while (auto argument = dyn_cast<BlockArgument>(vector)) {
    auto strips = dyn_cast<StripsOp>(argument.getOwner()->getParentOp());
    if (!strips || argument.getArgNumber() >= strips.getSliced().size())
      return std::nullopt;
    result.strips.insert(result.strips.begin(), strips);
    vector = strips.getSliced()[argument.getArgNumber()];
  }
  auto iota = vector.getDefiningOp<IotaOp>();
  if (!iota)
    return std::nullopt;
  result.base = iota.getBase();
  result.size = iota.getType().getDimSize(0);
  return result;
}

std::optional<ReadShape> heddle::attn::matchRead(MapOp map, memref::LoadOp read) {
  ReadShape shape;
  shape.memory = read.getMemRef();
  if (map->isAncestor(shape.memory.getParentBlock()->getParentOp()))
    return std::nullopt;
  unsigned tiles = map.getTiles().size(), rows = map.getRows().size();
  for (auto [axis, subscript] : llvm::enumerate(read.getIndices())) {
    if (!map->isAncestor(subscript.getParentBlock()->getParentOp())) {
      shape.uniform.push_back(subscript);
      continue;
    }
    Value position = subscript;
    while (auto cast = position.getDefiningOp<arith::IndexCastOp>())
      position = cast.getIn();
    auto argument = dyn_cast<BlockArgument>(position);
    if (!argument || argument.getOwner() != &map.getBody().front() ||
        argument.getArgNumber() < tiles)
      return std::nullopt;
    bool isRow = argument.getArgNumber() < tiles + rows;
    std::optional<Positions> &positions = isRow ? shape.row : shape.column;
    if (positions) // a diagonal
      return std::nullopt;
    positions = matchPositions(map->getOperand(argument.getArgNumber()));
    if (!positions)
      return std::nullopt;
    (isRow ? shape.rowAxis : shape.columnAxis) = axis;
  }
  return shape;
}

/// The tile that positions belong to: they start at a multiple of its number.
static AtOp tileOf(Value base) {
  auto scaled = base.getDefiningOp<affine::AffineApplyOp>();
  return scaled && scaled->getNumOperands() == 1 ? scaled->getOperand(0).getDefiningOp<AtOp>()
                                                 : base.getDefiningOp<AtOp>();
}

/// What positions have in common that start from `base`: the tiles of a visit, else the start.
static Value originOf(Value base) {
  AtOp tile = tileOf(base);
  return tile ? Value(tile.getTiles()) : base;
}

PositionLimits::PositionLimits(Operation *function) {
  auto add = [&](auto op) {
    auto tile = cast<ShapedType>(op.getTile().getType());
    SmallVector<OpFoldResult> indices =
        getMixedValues(op.getStaticIndices(), op.getIndices(), op.getContext());
    OpFoldResult first = indices[indices.size() - tile.getRank()];
    if (op.getList().empty() && !getConstantIntValue(first)) // a constant start says nothing
      limits.try_emplace(originOf(cast<Value>(first)), op.getLimit());
  };
  function->walk([&](Operation *op) {
    if (auto load = dyn_cast<LoadOp>(op))
      add(load);
    else if (auto store = dyn_cast<StoreOp>(op))
      add(store);
  });
}

OpFoldResult PositionLimits::of(const Positions &positions) const {
  if (std::optional<int64_t> start = getConstantIntValue(positions.base))
    return Builder(positions.base.getContext()).getIndexAttr(*start + positions.size);
  return limits.lookup(originOf(positions.base));
}

bool heddle::attn::areInside(const Positions &positions) {
  if (getConstantIntValue(positions.base))
    return true;
  AtOp tile = tileOf(positions.base);
  auto loop = tile ? dyn_cast<scf::ForOp>(tile->getBlock()->getParentOp()) : scf::ForOp();
  if (!loop || tile.getN() != loop.getInductionVar())
    return false;
  auto count = loop.getUpperBound().getDefiningOp<CountOp>();
  return count && count.getTiles() == tile.getTiles() && loop.getUpperBound() == count.getFull();
}
