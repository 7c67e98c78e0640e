//===- KeptColumns.cpp - which columns of a tile its mask keeps, and for which rows -------------===//

#include "passes/KeptColumns.h"
#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
#include "passes/TileRegions.h"

using namespace mlir;
using namespace heddle::attn;

//===--- Parts of a mask ---------------------------------------------------------------------===//

/// What a value is computed from in a block, in order.
static SetVector<Operation *> sliceIn(Block &block, Value value) {
  SetVector<Operation *> slice;
  BackwardSliceOptions options;
  options.inclusive = true;
  options.omitBlockArguments = true;
  options.filter = [&](Operation *op) { return op->getBlock() == &block; };
  (void)getBackwardSlice(value, &slice, options);
  return slice;
}

static arith::SelectOp selectOf(MapOp map) {
  return map.getBody().front().getTerminator()->getOperand(0).getDefiningOp<arith::SelectOp>();
}

namespace {
/// The conditions that make up a mask, all of them true where it keeps a pair, by what they look at.
struct MaskParts {
  SmallVector<Value> pairwise, ofRows;

  explicit MaskParts(MapOp map) : body(map.getBody().front()), numRows(map.getRows().size()) {
    add(selectOf(map).getCondition());
  }

  /// The elements that a value is computed from.
  SetVector<BlockArgument> argumentsOf(Value value) {
    SetVector<BlockArgument> arguments;
    auto look = [&](Value operand) {
      auto argument = dyn_cast<BlockArgument>(operand);
      if (argument && argument.getOwner() == &body)
        arguments.insert(argument);
    };
    look(value);
    for (Operation *op : sliceIn(body, value))
      llvm::for_each(op->getOperands(), look);
    return arguments;
  }
  bool isOfRow(BlockArgument argument) const { return argument.getArgNumber() < numRows; }

private:
  void add(Value condition) {
    if (auto both = condition.getDefiningOp<arith::AndIOp>(); both && both->getBlock() == &body) {
      add(both.getLhs());
      add(both.getRhs());
      return;
    }
    SetVector<BlockArgument> arguments = argumentsOf(condition);
    if (llvm::none_of(arguments, [&](BlockArgument one) { return isOfRow(one); }))
      return;
    bool pair = llvm::any_of(arguments, [&](BlockArgument one) { return !isOfRow(one); });
    (pair ? pairwise : ofRows).push_back(condition);
  }

  Block &body;
  unsigned numRows;
};
} // namespace

/// 1 where `all`, if there is one, and these parts of a mask are true for what `mapping` gives its elements, else 0.
static Value numberOf(OpBuilder &b, Block &body, ArrayRef<Value> parts, IRMapping &mapping,
                      Value all = {}) {
  Location loc = body.getTerminator()->getLoc();
  for (Value part : parts) {
    for (Operation *op : sliceIn(body, part))
      if (!mapping.contains(op))
        b.clone(*op, mapping);
    Value one = mapping.lookupOrDefault(part);
    all = all ? arith::AndIOp::create(b, loc, all, one) : one;
  }
  return arith::SelectOp::create(b, loc, all, floatConstant(b, loc, 1), floatConstant(b, loc, 0));
}

static int64_t numRowsOf(MapOp map) {
  return cast<RankedTensorType>(map.getResult().getType()).getDimSize(0);
}
static int64_t numColumnsOf(MapOp map) {
  return cast<RankedTensorType>(map.getResult().getType()).getDimSize(1);
}

bool heddle::attn::findsColumns(MapOp map) {
  auto select = selectOf(map);
  return map.getTiles().empty() && map.getReduced() && map.getReduce() == Combine::max &&
         map.getPer() == Axis::col && map.getResult().use_empty() && select &&
         matchPattern(select.getTrueValue(), m_OneFloat()) &&
         matchPattern(select.getFalseValue(), m_AnyZeroFloat());
}

//===--- Live rows ---------------------------------------------------------------------------===//

static bool wasLoaded(Value vector) { return isa_and_present<LoadOp>(vector.getDefiningOp()); }

Value heddle::attn::liveRows(MapOp map) {
  MaskParts parts(map);
  auto seesLoaded = [&](Value part) {
    return llvm::any_of(parts.argumentsOf(part), [&](BlockArgument argument) {
      return parts.isOfRow(argument) && wasLoaded(map.getRows()[argument.getArgNumber()]);
    });
  };
  if (llvm::none_of(parts.pairwise, seesLoaded))
    return {};
  OpBuilder b(map);
  b.setInsertionPointAfter(map);
  Block &body = map.getBody().front();
  MapOperands swapped{{}, map.getCols(), map.getRows(), Combine::max, Axis::col};
  auto fill = [&](OpBuilder &inner, ValueRange args) {
    IRMapping mapping;
    unsigned numRows = map.getRows().size(), numCols = map.getCols().size();
    mapping.map(body.getArguments().take_front(numRows), args.drop_front(numCols));
    mapping.map(body.getArguments().drop_front(numRows), args.take_front(numCols));
    return numberOf(inner, body, parts.pairwise, mapping);
  };
  Type type = tileType(b, {numColumnsOf(map), numRowsOf(map)});
  return buildMap(b, map.getLoc(), type, swapped, fill).second;
}

//===--- Rows alike --------------------------------------------------------------------------===//

/// Whether rows are positions, or were loaded one behind the other.
static bool hasFirst(Value rows) {
  auto load = rows.getDefiningOp<LoadOp>();
  return load ? load.getList().empty() : bool(rows.getDefiningOp<IotaOp>());
}

/// The first of them, as a vector of one.
static Value firstOf(OpBuilder &b, Value rows) {
  auto type = RankedTensorType::get(1, getElementTypeOrSelf(rows.getType()));
  if (auto iota = rows.getDefiningOp<IotaOp>())
    return IotaOp::create(b, iota.getLoc(), type, iota.getBase());
  auto load = rows.getDefiningOp<LoadOp>();
  return LoadOp::create(b, load.getLoc(), type, load.getMemory(), load.getIndices(),
                        load.getStaticIndices(), load.getLimit(), ValueRange(),
                        load.getScaleAttr());
}

/// The op around `map`, mostly a loop over tiles, that stands beside all of its rows; or null.
static Operation *loopOver(MapOp map) {
  Block *block = map.getRows().empty() ? nullptr : map.getRows()[0].getParentBlock();
  bool beside = llvm::all_of(
      map.getRows(), [&](Value rows) { return hasFirst(rows) && rows.getParentBlock() == block; });
  return beside && block != map->getBlock() ? block->findAncestorOpInBlock(*map) : nullptr;
}

/// Whether rows with the same loaded integers keep the same columns, if they keep any, and whether what a row
/// alone decides can be asked before `loop`.
static bool toldApartByLoads(MapOp map, MaskParts &parts, Operation *loop) {
  Block &body = map.getBody().front();
  for (Value part : parts.pairwise)
    for (BlockArgument argument : parts.argumentsOf(part)) {
      bool same = !parts.isOfRow(argument) || (wasLoaded(map.getRows()[argument.getArgNumber()]) &&
                                               argument.getType().isInteger());
      if (!same)
        return false;
    }
  for (Value part : parts.ofRows)
    for (Operation *op : sliceIn(body, part))
      for (Value operand : op->getOperands())
        if (operand.getParentBlock() != &body &&
            loop->isAncestor(operand.getParentBlock()->getParentOp()))
          return false;
  return !parts.pairwise.empty();
}

/// Whether all rows are as `first`, and all are what a row alone decides.
static Value areAlike(OpBuilder &b, MapOp map, MaskParts &parts, ArrayRef<Value> first) {
  Location loc = map.getLoc();
  Block &body = map.getBody().front();
  MapOperands operands{{}, SmallVector<Value>(first), map.getRows(), Combine::max, Axis::col};
  auto fill = [&](OpBuilder &inner, ValueRange args) {
    IRMapping mapping;
    ValueRange ones = args.take_front(first.size()), others = args.drop_front(first.size());
    mapping.map(body.getArguments().take_front(others.size()), others);
    Value same;
    for (auto [rows, one, other] : llvm::zip_equal(map.getRows(), ones, others)) {
      if (!wasLoaded(rows) || !one.getType().isInteger())
        continue;
      Value equal = arith::CmpIOp::create(inner, loc, arith::CmpIPredicate::eq, other, one);
      same = same ? arith::AndIOp::create(inner, loc, same, equal) : equal;
    }
    return numberOf(inner, body, parts.ofRows, mapping, same);
  };
  int64_t numRows = numRowsOf(map);
  Value same = buildMap(b, loc, tileType(b, {1, numRows}), operands, fill).second;
  Type index = b.getIndexType();
  auto span = SpanOp::create(b, loc, index, index, b.getI1Type(), same);
  Value length = arith::SubIOp::create(b, loc, span.getHi(), span.getLo());
  Value all = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, length,
                                    indexConstant(b, loc, numRows));
  return arith::AndIOp::create(b, loc, span.getDense(), all);
}

/// The columns that the first row keeps.
static Value keptByFirst(OpBuilder &b, MapOp map, ArrayRef<Value> first) {
  MapOperands operands{{}, SmallVector<Value>(first), map.getCols(), Combine::max, Axis::col};
  Block &body = map.getBody().front();
  auto fill = [&](OpBuilder &inner, ValueRange args) {
    IRMapping mapping;
    mapping.map(body.getArguments(), args);
    for (Operation &op : body.without_terminator())
      inner.clone(op, mapping);
    return mapping.lookup(body.getTerminator()->getOperand(0));
  };
  return buildMap(b, map.getLoc(), tileType(b, {1, numColumnsOf(map)}), operands, fill).second;
}

void heddle::attn::askFirstRow(MapOp map, Value &kept, Value &live) {
  MaskParts parts(map);
  Operation *loop = loopOver(map);
  if (!loop || numRowsOf(map) == 1 || !toldApartByLoads(map, parts, loop))
    return;
  OpBuilder before(loop), b(map);
  SmallVector<Value> first;
  for (Value rows : map.getRows())
    first.push_back(firstOf(before, rows));
  Value alike = areAlike(before, map, parts, first);

  SmallVector<Value> all = {kept};
  if (live)
    all.push_back(live);
  b.setInsertionPointAfter(all.back().getDefiningOp());
  Location loc = map.getLoc();
  auto branch = scf::IfOp::create(b, loc, ValueRange(all).getTypes(), alike, /*withElse=*/true);
  for (auto [value, result] : llvm::zip_equal(all, branch.getResults()))
    value.replaceAllUsesWith(result);
  OpBuilder yes = branch.getThenBodyBuilder(), no = branch.getElseBodyBuilder();
  auto yield = scf::YieldOp::create(no, loc, all);
  for (Value value : all)
    value.getDefiningOp()->moveBefore(yield);
  all[0] = keptByFirst(yes, map, first);
  if (live)
    all[1] = splatConstant(yes, loc, numRowsOf(map), 1);
  scf::YieldOp::create(yes, loc, all);
  kept = branch.getResult(0);
  live = live ? branch.getResult(1) : Value();
}
