//===- PipelineTiles.cpp - the next tile is loaded ahead of the products of this one ----------===//
//
// With stages = 1 nothing changes. With two, before:
//   scf.for %n = %lo to %hi step %c1 {
//     %j = attn.at %tiles[%n]    %k = attn.load %K[%j * 64, 0] ...    products of %k
// after:
//   %j0 = attn.at %tiles[%lo]    %k0 = attn.load %K[%j0 * 64, 0] ...
//   scf.for %n = %lo to %hi step %c1 iter_args(%k = %k0) {
//     %j1 = attn.at %tiles[%n + 1]    %k1 = attn.load %K[%j1 * 64, 0] ...
//     products of %k
//     scf.yield %k1
// and so on: stages - 1 tiles are ahead. Past the end `attn.at` gives the last tile again and a
// load zeros beyond its limit, so that no test is needed.
//
// Needs: #attn.schedule on the function, or the option. Leaves: loads that depend on what the loop
// carries, on reads that are not loads of tiles, or on memory the loop writes, and tiles of which
// it chooses the columns, where they were.
//
//===----------------------------------------------------------------------------------------===//

#include "dialect/AttnOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "passes/EraseDead.h"
#include "passes/Passes.h"

namespace heddle::attn {
#define GEN_PASS_DEF_PIPELINETILES
#include "passes/Passes.h.inc"
} // namespace heddle::attn

using namespace mlir;
using namespace heddle::attn;

/// The memory behind views of it.
static Value baseOf(Value memory) {
  while (Operation *op = memory.getDefiningOp()) {
    if (auto view = dyn_cast<ViewLikeOpInterface>(op))
      memory = view.getViewSource();
    else if (auto turned = dyn_cast<memref::TransposeOp>(op)) // no such interface
      memory = turned.getIn();
    else
      break;
  }
  return memory;
}

namespace {

/// The loads of a loop that can go ahead, and what they need of its body, in order.
class Ahead {
public:
  explicit Ahead(scf::ForOp loop);
  bool empty() const { return loads.empty(); }
  void pipeline(int64_t distance);

private:
  bool isTotal(LoadOp load);
  bool computable(Operation *op);
  SmallVector<Value> cloneAt(OpBuilder &b, Value counter);

  scf::ForOp loop;
  llvm::SmallDenseSet<Value> written;
  llvm::DenseMap<Operation *, bool> known;
  SmallVector<LoadOp> loads;
};

} // namespace

Ahead::Ahead(scf::ForOp loop) : loop(loop) {
  loop.walk([&](Operation *op) {
    if (auto store = dyn_cast<StoreOp>(op))
      written.insert(baseOf(store.getMemory()));
    if (auto store = dyn_cast<memref::StoreOp>(op))
      written.insert(baseOf(store.getMemRef()));
  });
  for (auto load : loop.getBody()->getOps<LoadOp>()) {
    bool varies = llvm::any_of(load->getOperands(), [&](Value v) {
      return !loop.isDefinedOutsideOfLoop(v); // else it is for LICM or stays
    });
    if (varies && computable(load))
      loads.push_back(load);
  }
}

/// A load has a limit for its rows only: any other index that the loop chooses, and any list but
/// that of the rows, may go out of range a step ahead.
bool Ahead::isTotal(LoadOp load) {
  SmallVector<OpFoldResult> indices =
      getMixedValues(load.getStaticIndices(), load.getIndices(), load.getContext());
  indices.erase(indices.end() - load.getTile().getType().getRank());
  if (!load.getList().empty())
    llvm::append_range(indices, load.getList().drop_back());
  return llvm::all_of(indices, [&](OpFoldResult index) {
    auto value = dyn_cast<Value>(index);
    return !value || loop.isDefinedOutsideOfLoop(value);
  });
}

/// True if `op` of the body can be computed for any value of the counter, in or out of range.
bool Ahead::computable(Operation *op) {
  auto [at, isNew] = known.try_emplace(op, false);
  if (!isNew)
    return at->second;
  auto load = dyn_cast<LoadOp>(op);
  bool result = load ? isTotal(load) && !written.contains(baseOf(load.getMemory()))
                     : isPure(op) && op->getNumRegions() == 0;
  for (Value operand : op->getOperands()) {
    if (loop.isDefinedOutsideOfLoop(operand) || operand == loop.getInductionVar())
      continue;
    Operation *producer = operand.getDefiningOp();
    result = result && producer && producer->getBlock() == loop.getBody() && computable(producer);
  }
  return known[op] = result;
}

/// The loads as they are when the counter is `counter`.
SmallVector<Value> Ahead::cloneAt(OpBuilder &b, Value counter) {
  llvm::SmallPtrSet<Operation *, 8> needed;
  SmallVector<Operation *> open(loads.begin(), loads.end());
  while (!open.empty()) {
    Operation *op = open.pop_back_val();
    if (!op || op->getBlock() != loop.getBody() || !needed.insert(op).second)
      continue;
    for (Value operand : op->getOperands())
      open.push_back(operand.getDefiningOp());
  }
  IRMapping mapping;
  mapping.map(loop.getInductionVar(), counter);
  SmallVector<Operation *> inOrder;
  for (Operation &op : *loop.getBody())
    if (needed.contains(&op))
      inOrder.push_back(&op);
  for (Operation *op : inOrder)
    b.clone(*op, mapping);
  return llvm::map_to_vector(loads, [&](LoadOp load) { return mapping.lookup(load.getTile()); });
}

/// Replaces the loop by one that carries the tiles of the next `distance` steps.
void Ahead::pipeline(int64_t distance) {
  OpBuilder b(loop);
  Location loc = loop.getLoc();
  auto counterAfter = [&](Value counter, int64_t steps) {
    Value jump = loop.getStep();
    if (steps != 1)
      jump = arith::MulIOp::create(b, loc, jump, arith::ConstantIndexOp::create(b, loc, steps));
    return arith::AddIOp::create(b, loc, counter, jump).getResult();
  };
  SmallVector<Value> first;
  for (int64_t step = 0; step < distance; ++step)
    first.append(
        cloneAt(b, step ? counterAfter(loop.getLowerBound(), step) : loop.getLowerBound()));
  b.setInsertionPointToStart(loop.getBody());
  SmallVector<Value> next = cloneAt(b, counterAfter(loop.getInductionVar(), distance));

  size_t carried = loop.getInitArgs().size();
  IRRewriter rewriter(loop);
  auto yields = [&](OpBuilder &, Location, ArrayRef<BlockArgument> arguments) {
    SmallVector<Value> values(arguments.drop_front(loads.size())); // each moves on by a step
    values.append(next);
    return values;
  };
  auto longer = cast<scf::ForOp>(*loop.replaceWithAdditionalYields(
      rewriter, first, /*replaceInitOperandUsesInLoop=*/false, yields));
  for (auto [load, now] : llvm::zip(loads, longer.getRegionIterArgs().slice(carried, loads.size())))
    load.getTile().replaceAllUsesWith(now);
  eraseDead(*longer.getBody());
}

namespace {
struct PipelineTiles : heddle::attn::impl::PipelineTilesBase<PipelineTiles> {
  using PipelineTilesBase::PipelineTilesBase;

  void runOnOperation() override {
    int64_t depth = stages;
    auto schedule =
        getOperation()->getAttrOfType<ScheduleAttr>(AttnDialect::ScheduleAttrHelper::getNameStr());
    if (!depth && schedule)
      depth = schedule.getStages();
    SmallVector<scf::ForOp> loops;
    getOperation().walk([&](scf::ForOp loop) { loops.push_back(loop); });
    for (scf::ForOp loop : loops) {
      Ahead ahead(loop);
      if (ahead.empty() || depth == 1)
        continue;
      if (depth <= 0) {
        loop.emitOpError("expected a schedule on the function; run attn-choose-schedule first");
        return signalPassFailure();
      }
      ahead.pipeline(depth - 1);
    }
  }
};
} // namespace
