//===- SplitTwoLevel.cpp - the state of a recurrence as a grid, a scan and a grid --------------===//
//
// Before:                                        after, W and G in memory:
//   forall (b, h) {                                forall (b, h, c) { W[c] = what c adds; G[c] = decay }
//     for c { .. advance .. from s .. }            forall (b, h) { for c { W[c] <- s; s = s G[c] + W[c] } }
//     store the last s                                             store the last s }
//   }                                              forall (b, h, c) { .. advance .. from W[c] .. }
//
// The first and the last grid have as many items as there are chunks: a single head fills a machine.
//
//===----------------------------------------------------------------------------------------===//

#include "passes/SplitTwoLevel.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/TileRegions.h"

using namespace mlir;

namespace heddle::attn {
namespace {

class TwoLevelSplitter {
public:
  TwoLevelSplitter(scf::ForallOp grid, scf::ForOp loop, AdvanceOp advance)
      : grid(grid), loop(loop), advance(advance), loc(loop.getLoc()), b(grid) {}
  void run();

private:
  scf::ForallOp open(bool chunks, IRMapping &mapping);
  Value memory(ArrayRef<int64_t> shape);
  void cloneUntil(Operation *end, Block *from, IRMapping &mapping, bool stores);
  void local();
  void scan();
  void outputs();
  Value load(Value from, Type type);
  void store(Value tile, Value to);
  static void removeDead(Block *block);

  scf::ForallOp grid;
  scf::ForOp loop;
  AdvanceOp advance;
  Location loc;
  OpBuilder b;
  Value numItems;             // of the old grid
  Value states, decays, sums; // items x chunks x ...; null where there is none
  SmallVector<Value> keeps;   // states and sums: where each carried value is kept
  Value item, chunk;          // of the grid being built: where W, G and Z are read and written
};

/// items x chunks x shape.
Value TwoLevelSplitter::memory(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> sizes(2, ShapedType::kDynamic);
  sizes.append(shape.begin(), shape.end());
  return memref::AllocOp::create(b, loc, MemRefType::get(sizes, b.getF32Type()),
                                 ValueRange{numItems, loop.getUpperBound()});
}

/// A grid like the old one, with the chunks as its last dimension if asked for.
scf::ForallOp TwoLevelSplitter::open(bool chunks, IRMapping &mapping) {
  SmallVector<OpFoldResult> sizes = grid.getMixedUpperBound();
  unsigned rank = sizes.size();
  if (chunks)
    sizes.push_back(loop.getUpperBound());
  auto result = scf::ForallOp::create(b, loc, sizes, ValueRange(), std::nullopt);
  b.setInsertionPointToStart(result.getBody());
  SmallVector<Value> numbers(result.getInductionVars());
  item = indexConstant(b, loc, 0);
  for (unsigned i = 0; i < rank; ++i) {
    Value size = getValueOrCreateConstantIndexOp(b, loc, sizes[i]);
    item = arith::MulIOp::create(b, loc, item, size);
    item = arith::AddIOp::create(b, loc, item, numbers[i]);
    mapping.map(grid.getInductionVars()[i], numbers[i]);
  }
  chunk = chunks ? numbers.back() : Value();
  return result;
}

/// Copies what stands in `from` before `end`.
void TwoLevelSplitter::cloneUntil(Operation *end, Block *from, IRMapping &mapping, bool stores) {
  for (Operation &op : *from) {
    if (&op == end)
      return;
    if (stores || !isa<StoreOp>(op))
      b.clone(op, mapping);
  }
}

void TwoLevelSplitter::removeDead(Block *block) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(*block)))
    if (isOpTriviallyDead(&op))
      op.erase();
}

Value TwoLevelSplitter::load(Value from, Type type) {
  SmallVector<Value> indices = {item, chunk};
  bool tile = cast<RankedTensorType>(type).getRank() == 2;
  SmallVector<int64_t> fixed(2, ShapedType::kDynamic);
  fixed.append(tile ? 2 : 1, 0);
  Value rows = indexConstant(b, loc, cast<RankedTensorType>(type).getDimSize(0));
  return LoadOp::create(b, loc, type, from, indices, fixed, rows, ValueRange(), FloatAttr());
}

void TwoLevelSplitter::store(Value tile, Value to) {
  auto type = cast<RankedTensorType>(tile.getType());
  SmallVector<int64_t> fixed(2, ShapedType::kDynamic);
  fixed.append(type.getRank(), 0);
  StoreOp::create(b, loc, tile, to, ValueRange{item, chunk}, fixed,
                  indexConstant(b, loc, type.getDimSize(0)), ValueRange(), FloatAttr());
}

/// What each chunk adds to the state, from a state of 0, and the product of its decays.
void TwoLevelSplitter::local() {
  OpBuilder::InsertionGuard guard(b);
  IRMapping mapping;
  scf::ForallOp stage = open(/*chunks=*/true, mapping);
  cloneUntil(loop, grid.getBody(), mapping, /*stores=*/false);
  mapping.map(loop.getInductionVar(), chunk);
  Value zero = splatConstant(b, loc, advance.getState().getType().getShape(), 0);
  mapping.map(loop.getRegionIterArgs()[0], zero);
  if (sums)
    mapping.map(loop.getRegionIterArgs()[1],
                splatConstant(b, loc, {advance.getState().getType().getDimSize(0)}, 0));
  cloneUntil(loop.getBody()->getTerminator(), loop.getBody(), mapping, /*stores=*/false);
  store(mapping.lookup(advance.getLast()), states);
  if (sums)
    store(mapping.lookup(advance.getLastSum()), sums);
  if (decays) {
    Value decay = mapping.lookup(advance.getDecay());
    auto mul = CombineAttr::get(b.getContext(), Combine::mul);
    Value upTo = ScanOp::create(b, loc, decay.getType(), mul, decay, UnitAttr(), UnitAttr());
    int64_t count = cast<RankedTensorType>(decay.getType()).getDimSize(0);
    Value all = tensor::ExtractOp::create(b, loc, upTo, indexConstant(b, loc, count - 1));
    auto depth = tileType(b, {advance.getState().getType().getDimSize(0)});
    store(tensor::SplatOp::create(b, loc, depth, all), decays);
  }
  removeDead(stage.getBody());
}

/// In place: the state before each chunk.
void TwoLevelSplitter::scan() {
  OpBuilder::InsertionGuard guard(b);
  IRMapping mapping;
  scf::ForallOp stage = open(/*chunks=*/false, mapping);
  cloneUntil(loop, grid.getBody(), mapping, /*stores=*/true);
  SmallVector<Value> init;
  for (Value value : loop.getInitArgs())
    init.push_back(mapping.lookupOrDefault(value));
  auto over =
      scf::ForOp::create(b, loc, mapping.lookupOrDefault(loop.getLowerBound()),
                         loop.getUpperBound(), mapping.lookupOrDefault(loop.getStep()), init);
  {
    OpBuilder::InsertionGuard inner(b);
    b.setInsertionPointToStart(over.getBody());
    chunk = over.getInductionVar();
    auto depth = tileType(b, {advance.getState().getType().getDimSize(0)});
    Value decay = decays ? load(decays, depth) : Value();
    SmallVector<Value> next;
    for (auto [before, kept] : llvm::zip(over.getRegionIterArgs(), keeps)) {
      Value added = load(kept, before.getType());
      store(before, kept);
      MapOperands operands{{before, added}, {}, {}};
      if (decay)
        operands.rows.push_back(decay);
      next.push_back(
          buildMap(b, loc, before.getType(), operands, [&](OpBuilder &body, ValueRange args) {
            Value old = args[0];
            if (decay)
              old = arith::MulFOp::create(body, loc, old, args[2]);
            return arith::AddFOp::create(body, loc, old, args[1]);
          }).first);
    }
    scf::YieldOp::create(b, loc, next);
  }
  for (auto [old, result] : llvm::zip_equal(loop.getResults(), over.getResults()))
    mapping.map(old, result);
  for (Operation *op = loop->getNextNode(); op != grid.getBody()->getTerminator();
       op = op->getNextNode())
    b.clone(*op, mapping);
  removeDead(stage.getBody());
}

void TwoLevelSplitter::outputs() {
  OpBuilder::InsertionGuard guard(b);
  IRMapping mapping;
  scf::ForallOp stage = open(/*chunks=*/true, mapping);
  cloneUntil(loop, grid.getBody(), mapping, /*stores=*/true);
  mapping.map(loop.getInductionVar(), chunk);
  for (auto [carried, kept] : llvm::zip(loop.getRegionIterArgs(), keeps))
    mapping.map(carried, load(kept, carried.getType()));
  cloneUntil(loop.getBody()->getTerminator(), loop.getBody(), mapping, /*stores=*/true);
  removeDead(stage.getBody());
}

void TwoLevelSplitter::run() {
  numItems = indexConstant(b, loc, 1);
  for (OpFoldResult size : grid.getMixedUpperBound())
    numItems =
        arith::MulIOp::create(b, loc, numItems, getValueOrCreateConstantIndexOp(b, loc, size));
  ArrayRef<int64_t> shape = advance.getState().getType().getShape();
  states = memory(shape);
  if (advance.getDecay())
    decays = memory(shape.take_front());
  if (advance.getSum())
    sums = memory(shape.take_front());
  keeps = {states, sums};
  local();
  scan();
  outputs();
  grid.erase();
}

} // namespace

LogicalResult splitTwoLevel(func::FuncOp function) {
  SmallVector<AdvanceOp> ops;
  function.walk([&](AdvanceOp op) { ops.push_back(op); });
  for (AdvanceOp op : ops) {
    auto loop = dyn_cast<scf::ForOp>(op->getParentOp());
    auto grid = loop ? dyn_cast<scf::ForallOp>(loop->getParentOp()) : scf::ForallOp();
    if (!grid || op.getState() != loop.getRegionIterArgs()[0])
      return op.emitOpError("expected a state carried by a loop in a grid");
    TwoLevelSplitter(grid, loop, op).run();
  }
  return success();
}

} // namespace heddle::attn
