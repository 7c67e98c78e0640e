//===- TileRegions.cpp - the regions of surface ops as bodies over tiles -----------------------===//

#include "passes/TileRegions.h"
#include "dialect/MemoryType.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include <limits>

using namespace mlir;

namespace heddle::attn {

//===--- Memory ------------------------------------------------------------------------------===//

MemoryArguments::MemoryArguments(func::FuncOp function) : function(function) {
  Block &entry = function.front();
  for (unsigned i = 0; i < entry.getNumArguments(); ++i)
    if (auto type = dyn_cast<RankedTensorType>(entry.getArgument(i).getType())) {
      Value tensor = entry.getArgument(i);
      memory[tensor] = entry.insertArgument(++i, memoryType(type), tensor.getLoc());
    }
}

Value MemoryArguments::withRows(Value tensor, unsigned axis, bool column) {
  Value whole = of(tensor);
  auto type = cast<MemRefType>(whole.getType());
  unsigned target = type.getRank() - (column ? 2 : 1);
  if (axis == target)
    return whole;
  SmallVector<unsigned> order;
  for (unsigned i = 0, e = type.getRank(); i < e; ++i)
    if (i != axis)
      order.push_back(i);
  order.insert(order.begin() + target, axis);
  OpBuilder b = OpBuilder::atBlockBegin(&function.front());
  auto map = AffineMapAttr::get(AffineMap::getPermutationMap(order, b.getContext()));
  return memref::TransposeOp::create(b, function.getLoc(), whole, map);
}

void MemoryArguments::dropResults() { function.front().getTerminator()->setOperands({}); }

void MemoryArguments::finish() {
  Block &entry = function.front();
  for (unsigned i = entry.getNumArguments(); i-- > 0;)
    if (isa<TensorType>(entry.getArgument(i).getType()))
      entry.eraseArgument(i);
  function.setType(FunctionType::get(function.getContext(), entry.getArgumentTypes(), {}));
}

//===--- Regions -----------------------------------------------------------------------------===//

/// Values from around the op stand for themselves.
RegionCloner::Mapped RegionCloner::get(Value value, OpBuilder &body) {
  auto known = values.find(value);
  if (known != values.end())
    return known->second;
  Operation *op = value.getDefiningOp();
  if (!op || !isa<AttendOp, RecurOp>(op->getParentOp()))
    return {value, false};
  Mapped mapped = cloneOp(op, body);
  values[value] = mapped;
  return mapped;
}

/// Positions are i32 in tiles: sizes are below 2^31.
Value RegionCloner::asInt32(Mapped mapped) {
  Type type = mapped.value.getType(), i32 = once.getI32Type();
  if (type.isInteger(32))
    return mapped.value;
  if (type.isIndex())
    return arith::IndexCastOp::create(once, mapped.value.getLoc(), i32, mapped.value);
  assert(type.isInteger(64) && "an integer of a region is an index or an i64");
  return arith::TruncIOp::create(once, mapped.value.getLoc(), i32, mapped.value);
}

static bool isWide(Type type) { return type.isIndex() || type.isInteger(64); }

/// A read in a body. A subscript that is a position of its own axis may lie beyond the end in the last
/// tile. Where all that vary are such, HoistReads makes a load of it, which knows the end; else it
/// must not go beyond here.
Value RegionCloner::cloneRead(Operation *op, OpBuilder &body) {
  auto read = cast<tensor::ExtractOp>(op);
  Location loc = op->getLoc();
  llvm::SmallDenseSet<Value> positions;
  bool hoistable = true;
  for (Value subscript : read.getIndices())
    if (get(subscript, body).varying)
      hoistable &= sizes.contains(subscript) && positions.insert(subscript).second;
  SmallVector<Value> subscripts;
  for (Value subscript : read.getIndices()) {
    Mapped mapped = get(subscript, body);
    Value index = mapped.value;
    if (mapped.varying)
      index = arith::IndexCastOp::create(body, loc, body.getIndexType(), index);
    if (auto size = sizes.find(subscript); !hoistable && size != sizes.end()) {
      Value last = arith::SubIOp::create(once, loc, size->second, indexConstant(once, loc, 1));
      index = arith::MinSIOp::create(body, loc, index, last);
    }
    subscripts.push_back(index);
  }
  OpBuilder &b = positions.empty() && hoistable ? once : body;
  auto load = memref::LoadOp::create(b, loc, memory.of(read.getTensor()), subscripts);
  if (Attribute sorted = op->getAttr(AttnDialect::SortedAttrHelper::getNameStr()))
    load->setAttr(AttnDialect::SortedAttrHelper::getNameStr(), sorted);
  return load;
}

/// A float outside i32 would be poison: the surface has clamped it to i64 only.
static Value toInt32(OpBuilder &b, Location loc, Value value) {
  Value low = floatConstant(b, loc, -2147483648.0), high = floatConstant(b, loc, 2147483520.0);
  Value x = arith::MinimumFOp::create(b, loc, arith::MaximumFOp::create(b, loc, value, low), high);
  return arith::FPToSIOp::create(b, loc, b.getI32Type(), x);
}

RegionCloner::Mapped RegionCloner::cloneOp(Operation *op, OpBuilder &body) {
  bool varying = llvm::any_of(op->getOperands(), [&](Value v) { return get(v, body).varying; });
  if (isa<tensor::ExtractOp>(op))
    return {cloneRead(op, body), varying};
  if (varying)
    return {cloneVarying(op, body), true};
  IRMapping mapping;
  for (Value operand : op->getOperands())
    mapping.map(operand, get(operand, body).value);
  return {once.clone(*op, mapping)->getResult(0), false};
}

Value RegionCloner::cloneVarying(Operation *op, OpBuilder &b) {
  Location loc = op->getLoc();
  if (isa<arith::IndexCastOp, arith::ExtSIOp, arith::TruncIOp>(op)) {
    Value from = get(op->getOperand(0), b).value;
    if (from.getType().getIntOrFloatBitWidth() < 32)
      from = arith::ExtSIOp::create(b, loc, b.getI32Type(), from);
    return from;
  }
  if (isa<arith::FPToSIOp>(op))
    return toInt32(b, loc, get(op->getOperand(0), b).value);
  SmallVector<Value> operands;
  for (Value operand : op->getOperands()) {
    Mapped mapped = get(operand, b);
    operands.push_back(isWide(operand.getType()) ? asInt32(mapped) : mapped.value);
  }
  Type type = op->getResult(0).getType();
  OperationState state(loc, op->getName());
  state.addOperands(operands);
  state.addTypes(isWide(type) ? Type(b.getI32Type()) : type);
  state.addAttributes(op->getAttrs());
  return b.create(state)->getResult(0);
}

//===--- Builders ----------------------------------------------------------------------------===//

void dropUnused(MapOp op) {
  Block &block = op.getBody().front();
  for (unsigned i = block.getNumArguments(); i-- > 0;) {
    if (!block.getArgument(i).use_empty())
      continue;
    block.eraseArgument(i);
    unsigned tiles = op.getTiles().size(), rows = op.getRows().size();
    if (i < tiles)
      op.getTilesMutable().erase(i);
    else if (i < tiles + rows)
      op.getRowsMutable().erase(i - tiles);
    else
      op.getColsMutable().erase(i - tiles - rows);
  }
}

std::pair<Value, Value> buildMap(OpBuilder &b, Location loc, Type type, const MapOperands &operands,
                                 function_ref<Value(OpBuilder &, ValueRange)> fill) {
  auto tile = cast<RankedTensorType>(type);
  SmallVector<Type> results = {type};
  if (operands.reduce) {
    int64_t count = operands.per == Axis::row ? tile.getShape().front() : tile.getShape().back();
    results.push_back(RankedTensorType::get(count, tile.getElementType()));
  }
  auto op = MapOp::create(
      b, loc, results, operands.tiles, operands.rows, operands.cols,
      operands.reduce ? CombineAttr::get(b.getContext(), *operands.reduce) : CombineAttr(),
      operands.reduce ? AxisAttr::get(b.getContext(), operands.per) : AxisAttr());
  Block *block = new Block;
  op.getBody().push_back(block);
  for (Value operand : op->getOperands())
    block->addArgument(cast<ShapedType>(operand.getType()).getElementType(), loc);
  OpBuilder body = OpBuilder::atBlockEnd(block);
  Value result = fill(body, block->getArguments());
  YieldOp::create(body, loc, result);
  dropUnused(op);
  return {op.getResult(), op.getReduced()};
}

static BlockArgument columnOf(Region &region, const TileRows &rows) {
  return rows.width ? region.getArguments().back() : BlockArgument();
}
bool isLoaded(Region &region, const TileRows &rows) {
  return matchPlainRead(region, region.getArgument(rows.argument), columnOf(region, rows))
      .has_value();
}

/// The indices of a load or store: all of `tensor`'s but rows and column, then these two.
static void rowIndices(OpBuilder &b, ValueRange others, Value start, OpFoldResult column,
                       SmallVector<Value> &dynamic, SmallVector<int64_t> &fixed) {
  SmallVector<OpFoldResult> indices(others.begin(), others.end());
  indices.push_back(start);
  if (column)
    indices.push_back(column);
  dispatchIndexOpFoldResults(indices, dynamic, fixed);
}

static FloatAttr scaleAttr(OpBuilder &b, double scale) {
  return scale == 1 ? FloatAttr() : b.getF64FloatAttr(scale);
}

Value tileOf(OpBuilder &b, OpBuilder &once, MemoryArguments &memory, Region &region,
             const TileRows &rows, double scale, function_ref<void(RegionCloner &)> bind) {
  Location loc = region.getLoc();
  BlockArgument row = region.getArgument(rows.argument), column = columnOf(region, rows);
  SmallVector<int64_t> shape = {cast<RankedTensorType>(rows.positions.getType()).getDimSize(0)};
  if (column)
    shape.push_back(rows.width);
  RegionCloner cloner(once, memory);
  bind(cloner);
  if (std::optional<PlainRead> read = matchPlainRead(region, row, column)) {
    SmallVector<Value> others, dynamic;
    SmallVector<int64_t> fixed;
    for (auto [axis, subscript] : llvm::enumerate(read->subscripts))
      if (axis != read->rowAxis && subscript != column)
        others.push_back(cloner.clone(subscript, once));
    OpFoldResult first = rows.column ? OpFoldResult(rows.column) : b.getIndexAttr(0);
    rowIndices(b, others, rows.start, column ? first : OpFoldResult(), dynamic, fixed);
    Value memref = memory.withRows(read->tensor, read->rowAxis, bool(column));
    return LoadOp::create(b, loc, tileType(b, shape), memref, dynamic, fixed, rows.limit,
                          ValueRange(), scaleAttr(b, scale));
  }
  MapOperands operands{{}, {rows.positions}, {}};
  if (column) {
    auto vector = RankedTensorType::get(rows.width, b.getI32Type());
    Value first = rows.column ? rows.column : indexConstant(b, loc, 0);
    operands.cols = {IotaOp::create(b, loc, vector, first)};
  }
  auto fill = [&](OpBuilder &body, ValueRange args) {
    cloner.varying(row, args[0], rows.limit);
    if (column)
      cloner.varying(column, args[1], indexConstant(once, loc, rows.width));
    Value x = cloner.clone(region, body);
    if (scale == 1)
      return x;
    return arith::MulFOp::create(body, loc, x, floatConstant(body, loc, scale)).getResult();
  };
  return buildMap(b, loc, tileType(b, shape), operands, fill).first;
}

void storeTile(OpBuilder &b, Location loc, MemoryArguments &memory, Value tile, Value tensor,
               unsigned axis, ValueRange others, Value start, OpFoldResult column, Value limit,
               double scale) {
  SmallVector<Value> dynamic;
  SmallVector<int64_t> fixed;
  rowIndices(b, others, start, column, dynamic, fixed);
  StoreOp::create(b, loc, tile, memory.withRows(tensor, axis, bool(column)), dynamic, fixed, limit,
                  ValueRange(), scaleAttr(b, scale));
}

RankedTensorType tileType(OpBuilder &b, ArrayRef<int64_t> shape) {
  return RankedTensorType::get(shape, b.getF32Type());
}
Value indexConstant(OpBuilder &b, Location loc, int64_t value) {
  return arith::ConstantIndexOp::create(b, loc, value);
}
Value floatConstant(OpBuilder &b, Location loc, double value) {
  return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(float(value)));
}
Value splatConstant(OpBuilder &b, Location loc, ArrayRef<int64_t> shape, double value) {
  auto attr = DenseElementsAttr::get(tileType(b, shape), float(value));
  return arith::ConstantOp::create(b, loc, attr);
}

static Value affineOf(OpBuilder &b, Location loc, Value index,
                      function_ref<AffineExpr(AffineExpr)> of) {
  return affine::AffineApplyOp::create(b, loc, AffineMap::get(1, 0, of(b.getAffineDimExpr(0))),
                                       ValueRange{index});
}
Value scaledIndex(OpBuilder &b, Location loc, Value index, int64_t factor) {
  return affineOf(b, loc, index, [&](AffineExpr x) { return x * factor; });
}
Value ceilDiv(OpBuilder &b, Location loc, Value index, int64_t divisor) {
  return affineOf(b, loc, index, [&](AffineExpr x) { return x.ceilDiv(divisor); });
}
Value floorDiv(OpBuilder &b, Location loc, Value index, int64_t divisor) {
  return affineOf(b, loc, index, [&](AffineExpr x) { return x.floorDiv(divisor); });
}

bool touchesTiles(Operation &op) {
  auto isTile = [](Type type) { return isa<RankedTensorType>(type); };
  return llvm::any_of(op.getResultTypes(), isTile) || llvm::any_of(op.getOperandTypes(), isTile);
}

Value rootMemory(Value memory) {
  while (auto view = memory.getDefiningOp<memref::TransposeOp>())
    memory = view.getIn();
  return memory;
}

} // namespace heddle::attn
