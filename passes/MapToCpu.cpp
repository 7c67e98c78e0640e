//===- MapToCpu.cpp - where a CPU keeps its tiles, and which bodies are fast -------------------===//
//
// Vector lanes run along the rows of a strip (queries), else along the columns of a tile. So a tile that
// is cut into strips lies strip by strip, in each column by column; all others lie row by row.
//   %q = attn.load .. : tensor<192x64xf32>
//   attn.strips 48 of(%q) carry(%o) {..}
// becomes
//   %q = attn.load .. {attn.homes = [#attn.home<strip_major, 48>]}
//   attn.strips 48 of(%q) carry(%o) {..} {attn.homes = [#attn.home<strip_major, 48>]}
// What is computed element by element from such a tile lies as it does. A body that reads memory at an
// index HoistReads could not hoist is marked `attn.plain` with the reason: it runs lane by lane.
//
// Needs: tile ops, no attn.visit by a mask. Leaves: homes on every op that makes tiles of two dimensions.
//
//===----------------------------------------------------------------------------------------===//

#include "dialect/AttnOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/Passes.h"

using namespace mlir;

namespace heddle::attn {
#define GEN_PASS_DEF_MAPTOCPU
#include "passes/Passes.h.inc"

namespace {

bool isTile(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getRank() == 2;
}

/// The strips that values are cut into, spread over all values that must lie alike.
class Homes {
public:
  void solve(func::FuncOp function) {
    function.walk([&](StripsOp op) {
      for (Value value : op->getOperands())
        mark(value, op.getWidth());
      for (BlockArgument argument : op.getBody().getArguments())
        mark(argument, op.getWidth());
    });
    while (changed) {
      changed = false;
      function.walk([&](Operation *op) { spread(op); });
    }
  }
  /// Rows of a strip; 0: row-major.
  int64_t width(Value value) const { return widths.lookup(value); }

private:
  void mark(Value value, int64_t width) {
    if (width && isTile(value) && widths.insert({value, width}).second)
      changed = true;
  }
  void tie(Value a, Value b) {
    mark(a, width(b));
    mark(b, width(a));
  }
  void tieAll(ValueRange values) {
    for (Value value : values.drop_front(values.empty() ? 0 : 1))
      tie(values.front(), value);
  }
  void spread(Operation *op) {
    if (auto loop = dyn_cast<scf::ForOp>(op)) {
      for (auto [init, carried, yielded, result] :
           llvm::zip_equal(loop.getInitArgs(), loop.getRegionIterArgs(), loop.getYieldedValues(),
                           loop.getResults()))
        tieAll(ValueRange{carried, init, yielded, result});
    } else if (auto strips = dyn_cast<StripsOp>(op)) {
      auto yielded = strips.getBody().front().getTerminator()->getOperands();
      for (auto [carried, result, inner] :
           llvm::zip_equal(strips.getCarried(), strips.getResults(), yielded)) {
        tie(carried, result);
        mark(inner, strips.getWidth());
      }
    } else if (auto shear = dyn_cast<ShearOp>(op)) {
      tie(shear.getTile(), shear.getResult());
    } else if (auto map = dyn_cast<MapOp>(op)) {
      for (Value tile : map.getTiles())
        tie(tile, map.getResult());
    } else if (auto contract = dyn_cast<ContractOp>(op)) {
      if (contract.getAcc())
        tie(contract.getAcc(), contract.getResult());
      if (!contract.getLhsT()) // lanes along rows on both sides
        tie(contract.getLhs(), contract.getResult());
    } else if (auto branch = dyn_cast<scf::IfOp>(op)) {
      for (unsigned i = 0; i < branch.getNumResults(); ++i) {
        tie(branch.getResult(i), branch.thenYield().getOperand(i));
        tie(branch.getResult(i), branch.elseYield().getOperand(i));
      }
    }
  }

  llvm::DenseMap<Value, int64_t> widths;
  bool changed = true;
};

struct MapToCpu : impl::MapToCpuBase<MapToCpu> {
  void runOnOperation() override {
    Homes homes;
    homes.solve(getOperation());
    MLIRContext *context = &getContext();
    bool failedAny = false;
    getOperation().walk([&](Operation *op) {
      if (auto visit = dyn_cast<VisitOp>(op); visit && visit.getAt()) {
        op->emitError("a visit by its mask reached the mapping; run attn-lower-sparsity first");
        failedAny = true;
      }
      if (auto map = dyn_cast<MapOp>(op))
        map.getBody().walk([&](memref::LoadOp load) {
          op->setAttr(AttnDialect::PlainAttrHelper::getNameStr(),
                      StringAttr::get(context, "reads memory at a computed index"));
        });
      if (!llvm::any_of(op->getResults(), isTile))
        return;
      SmallVector<Attribute> attrs;
      for (Value result : op->getResults()) {
        int64_t width = homes.width(result);
        attrs.push_back(
            HomeAttr::get(context, width ? Layout::strip_major : Layout::row_major, width));
      }
      op->setAttr(AttnDialect::HomesAttrHelper::getNameStr(), ArrayAttr::get(context, attrs));
    });
    if (failedAny)
      signalPassFailure();
  }
};

} // namespace
} // namespace heddle::attn
