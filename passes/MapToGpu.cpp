//===- MapToGpu.cpp - where a GPU keeps its tiles ----------------------------------------------===//
//
// Plain bodies: any tile op compiles. Before:
//   %q = attn.load .. : tensor<128x64xf32>
//   %r:2 = attn.strips 32 of(%q) carry(%l, %o) {..}
// after:
//   %q = attn.load .. {attn.homes = [#attn.home<thread>]}
//   %r:2 = attn.strips 32 of(%q) carry(%l, %o) {..} {attn.homes = [#attn.home<thread>, ..]}
//
// A strips whose body works on each row by itself becomes one thread for each row; what it cuts and
// carries, and what is computed row by row from that, lives in threads. All else is the block's. Products
// are marked `attn.plain`: there are no bodies of tensor cores.
//
// Needs: tile ops, no attn.visit by a mask. Leaves: homes on every op that makes tiles.
//
//===----------------------------------------------------------------------------------------===//

#include "dialect/AttnOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/Passes.h"
#include "passes/TileRegions.h"

using namespace mlir;

namespace heddle::attn {
#define GEN_PASS_DEF_MAPTOGPU
#include "passes/Passes.h.inc"

namespace {

bool isTile(Value value) { return isa<RankedTensorType>(value.getType()); }

/// Does the body compute each row from that row, and from tiles that are made outside?
bool isByRow(StripsOp strips) {
  auto isOwn = [&](Value value) { return strips.getBody().isAncestor(value.getParentRegion()); };
  for (Operation &op : strips.getBody().front().without_terminator()) {
    if (auto contract = dyn_cast<ContractOp>(op)) {
      if (contract.getLhsT() || isOwn(contract.getRhs()))
        return false;
    } else if (isa<ShearOp>(op)) {
      continue; // each row from that row
    } else if (auto map = dyn_cast<MapOp>(op)) {
      if (map.getReduced() && *map.getPer() != Axis::row)
        return false;
      if (llvm::any_of(map.getCols(), isOwn) ||
          op.getRegion(0)
              .walk([](Operation *inner) {
                return isa_and_nonnull<AttnDialect>(inner->getDialect()) && !isa<YieldOp>(inner)
                           ? WalkResult::interrupt()
                           : WalkResult::advance();
              })
              .wasInterrupted())
        return false;
    } else if (op.getNumRegions() || isa_and_nonnull<AttnDialect>(op.getDialect())) {
      return false;
    }
  }
  return true;
}

/// The values that live in threads, spread from the strips by row.
class ThreadValues {
public:
  void solve(func::FuncOp function) {
    function.walk([&](StripsOp strips) {
      if (!isByRow(strips))
        return;
      for (Value value : strips->getResults())
        mark(value);
      for (Value value : strips.getCarried())
        mark(value);
      for (Value value : strips.getSliced())
        if (auto load = value.getDefiningOp<LoadOp>(); load && onlyCut(load))
          mark(value);
    });
    while (changed) {
      changed = false;
      function.walk([&](Operation *op) { spread(op); });
    }
  }
  bool contains(Value value) const { return values.contains(value); }

private:
  void mark(Value value) {
    if (isTile(value) && values.insert(value).second)
      changed = true;
  }
  /// Every use cuts it into the rows of threads.
  bool onlyCut(LoadOp load) {
    return llvm::all_of(load.getTile().getUses(), [](OpOperand &use) {
      auto strips = dyn_cast<StripsOp>(use.getOwner());
      return strips && isByRow(strips);
    });
  }
  void spread(Operation *op) {
    if (auto loop = dyn_cast<scf::ForOp>(op)) {
      for (auto [carried, yielded, result] :
           llvm::zip_equal(loop.getRegionIterArgs(), loop.getYieldedValues(), loop.getResults()))
        if (contains(carried) || contains(yielded) || contains(result))
          for (Value value : {Value(carried), Value(result)})
            mark(value);
      return;
    }
    // What is computed row by row from rows of threads stays there.
    bool elementwise = !isa_and_nonnull<AttnDialect>(op->getDialect()) && op->getNumRegions() == 0;
    auto map = dyn_cast<MapOp>(op);
    if (op->getParentOfType<StripsOp>() || op->getNumResults() == 0 || !(elementwise || map))
      return;
    if (map && ((map.getReduced() && *map.getPer() != Axis::row) ||
                llvm::any_of(map.getCols(), [&](Value v) { return contains(v); })))
      return;
    if (llvm::any_of(op->getOperands(), [&](Value v) { return contains(v); }))
      for (Value result : op->getResults())
        mark(result);
  }

  llvm::DenseSet<Value> values;
  bool changed = true;
};

/// Memory that the function writes may not be read in place: a later read would see it.
llvm::DenseSet<Value> writtenMemory(func::FuncOp function) {
  llvm::DenseSet<Value> written;
  function.walk([&](StoreOp store) { written.insert(rootMemory(store.getMemory())); });
  return written;
}

struct MapToGpu : impl::MapToGpuBase<MapToGpu> {
  void runOnOperation() override {
    ThreadValues threads;
    threads.solve(getOperation());
    llvm::DenseSet<Value> written = writtenMemory(getOperation());
    Builder b(&getContext());
    bool failedAny = false;
    getOperation().walk([&](Operation *op) {
      if (auto visit = dyn_cast<VisitOp>(op); visit && visit.getAt()) {
        op->emitError("a visit by its mask reached the mapping; run attn-lower-sparsity first");
        failedAny = true;
      }
      if (!llvm::any_of(op->getResults(), isTile))
        return;
      if (isa<ContractOp>(op))
        op->setAttr(AttnDialect::PlainAttrHelper::getNameStr(),
                    b.getStringAttr("one thread a row or an element, no tensor cores"));
      SmallVector<Attribute> homes;
      for (Value result : op->getResults()) {
        Layout home = threads.contains(result) ? Layout::thread : Layout::block;
        auto load = dyn_cast<LoadOp>(op);
        // A vector is read about once; a tile of keys or values many times.
        bool small = load && cast<RankedTensorType>(result.getType()).getRank() == 1;
        if (small && home == Layout::block && !written.contains(rootMemory(load.getMemory())))
          home = Layout::memory;
        homes.push_back(HomeAttr::get(&getContext(), home, 0));
      }
      op->setAttr(AttnDialect::HomesAttrHelper::getNameStr(), b.getArrayAttr(homes));
    });
    if (failedAny)
      signalPassFailure();
  }
};

} // namespace
} // namespace heddle::attn
