//===- Access.cpp - memory to tiles and back ---------------------------------------------------===//
//
// Nothing outside a tensor is ever read: each element asks whether its row exists.
//
//===----------------------------------------------------------------------------------------===//

#include "codegen/nvptx/Emitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "passes/TileRegions.h"

using namespace mlir;
using namespace heddle::attn;
using namespace heddle::nvptx;

template <typename OpT> Access Emitter::accessOf(OpT op) {
  const Memory &memory = memories[op.getMemory()];
  auto tile = cast<RankedTensorType>(op.getTile().getType());
  SmallVector<OpFoldResult> mixed =
      getMixedValues(op.getStaticIndices(), op.getIndices(), b.getContext());
  unsigned rowAxis = mixed.size() - tile.getRank();
  Access access;
  Value offset = index(0);
  for (auto [axis, i] : llvm::enumerate(mixed)) {
    Value at = isa<Value>(i) ? scalars.lookup(cast<Value>(i)) : index(*getConstantIntValue(i));
    if (axis == rowAxis)
      access.row0 = at;
    else
      offset = plus(offset, times(at, memory.strides[axis]));
  }
  access.element = memory.type.getElementType();
  access.base = address(memory.base, offset, access.element);
  access.rowStride = memory.strides[rowAxis];
  access.colStride = memory.strides.back();
  access.limit = scalars.lookup(op.getLimit());
  for (auto [i, list] : llvm::enumerate(op.getList()))
    access.lists.push_back(
        {blockForm(list), memory.strides[rowAxis + 1 + i - op.getList().size()]});
  if (op.getScale())
    access.scale =
        arith::ConstantOp::create(b, b.getF32FloatAttr(float(op.getScale()->convertToDouble())));
  access.inside = tile.getRank() == 2 ? tile.getDimSize(1) : 1;
  if (tile.getRank() == 2 && !memory.type.isDynamicDim(rowAxis + 1)) {
    int64_t first = getConstantIntValue(mixed.back()).value_or(0);
    int64_t there = std::max<int64_t>(memory.type.getDimSize(rowAxis + 1) - first, 0);
    access.inside = std::min(access.inside, there);
  }
  return access;
}

/// The offset of row r of the tile, in elements, and whether the tensor has it.
std::pair<Value, Value> Emitter::rowOf(const Access &access, Value r) {
  Value row = access.row0, offset = index(0);
  if (access.lists.empty()) {
    row = plus(row, r);
    offset = times(row, access.rowStride);
  }
  for (auto [i, list] : llvm::enumerate(access.lists)) {
    Value number = element(list.offsets, r, index(0));
    Value step = arith::IndexCastOp::create(b, b.getIndexType(), number);
    if (i + 1 == access.lists.size()) {
      row = plus(row, step);
      step = row;
    }
    offset = plus(offset, times(step, list.stride));
  }
  Value below = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, row, access.limit);
  Value from = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, row, index(0));
  return {offset, arith::AndIOp::create(b, below, from)};
}

/// Between element types; the scale is applied in f32.
Value Emitter::convert(Value value, Type to, Value scale) {
  auto cast = [&](Type type) {
    unsigned from = value.getType().getIntOrFloatBitWidth(), width = type.getIntOrFloatBitWidth();
    if (value.getType() == type)
      return;
    if (from < width)
      value = arith::ExtFOp::create(b, type, value);
    else
      value = arith::TruncFOp::create(b, type, value);
  };
  bool sixteen = isa<FloatType>(to) && value.getType() != to &&
                 value.getType().getIntOrFloatBitWidth() == to.getIntOrFloatBitWidth();
  if (scale || sixteen)
    cast(f32);
  if (scale)
    value = arith::MulFOp::create(b, value, scale);
  if (value.getType() != to)
    cast(to);
  return value;
}

Value Emitter::readInPlace(const Storage &tile, Value row, Value col) {
  const Access &access = *tile.access;
  auto [offset, exists] = rowOf(access, row);
  if (access.inside < tile.cols) {
    Value in = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, col, index(access.inside));
    exists = arith::AndIOp::create(b, exists, in);
  }
  auto branch = scf::IfOp::create(b, tile.element, exists, true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  Value at = plus(offset, times(col, access.colStride));
  Value value = loadScalar(access.base, at, access.element);
  scf::YieldOp::create(b, convert(value, tile.element, access.scale));
  b.setInsertionPointToStart(branch.elseBlock());
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(tile.element));
  scf::YieldOp::create(b, zero);
  return branch.getResult(0);
}

/// In place, if MapToGpu says that nothing of the stage writes there.
void Emitter::emitLoad(LoadOp op) {
  Storage tile = shapeOf(op.getTile());
  tile.kind = Storage::InPlace;
  tile.access = std::make_shared<Access>(accessOf(op));
  if (homeOf(op, 0) != Layout::memory) {
    Storage home = allocate(op, 0);
    copy(tile, home);
    tile = home;
  }
  storages[op.getTile()] = tile;
}

void Emitter::emitStore(StoreOp op) {
  Access access = accessOf(op);
  Storage tile = of(op.getTile());
  auto put = [&](Value row, Value col) {
    auto [offset, exists] = rowOf(access, row);
    if (access.inside < tile.cols) {
      Value in = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, col, index(access.inside));
      exists = arith::AndIOp::create(b, exists, in);
    }
    when(exists, [&, offset = offset] {
      Value value = convert(element(tile, row, col), access.element, access.scale);
      storeScalar(value, access.base, plus(offset, times(col, access.colStride)));
    });
  };
  bool isRead = readBack.contains(rootMemory(op.getMemory()));
  if (isRead)
    sync();
  if (tile.kind == Storage::Thread)
    forOwnedRows(tile.rows, [&] { loop(tile.cols, [&](Value c) { put(context->row, c); }); });
  else
    forElements(tile.rows, tile.cols, put);
  if (isRead)
    sync();
}
