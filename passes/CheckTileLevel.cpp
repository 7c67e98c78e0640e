//===- CheckTileLevel.cpp - only tile ops are left, and what they stand among ------------------===//
//
// A promise of the road, checked after every pass from TileAttend to PipelineTiles: what is legal here
// is all that the mappings of both machines have to know. The IR is not changed.
//
//===----------------------------------------------------------------------------------------===//

#include "dialect/AttnOps.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/Passes.h"

using namespace mlir;

namespace heddle::attn {
#define GEN_PASS_DEF_CHECKTILELEVEL
#include "passes/Passes.h.inc"

namespace {

bool isTileLevel(Operation *op) {
  if (isa<AttendOp, RecurOp>(op))
    return false;
  if (isa<AttnDialect, arith::ArithDialect, math::MathDialect>(op->getDialect()))
    return true;
  // Steps that have no tiles: loops over single elements.
  if (auto grid = op->getParentOfType<scf::ForallOp>();
      grid && grid->hasAttr(AttnDialect::LoopsAttrHelper::getNameStr()) &&
      isa<memref::StoreOp, memref::AllocaOp>(op))
    return true;
  return isa<scf::ForallOp, scf::ForOp, scf::IfOp, scf::YieldOp, scf::InParallelOp,
             affine::AffineMinOp, affine::AffineMaxOp, affine::AffineApplyOp, tensor::ExtractOp,
             tensor::SplatOp, memref::DimOp, memref::LoadOp, memref::AllocOp, memref::TransposeOp,
             func::ReturnOp>(op);
}

struct CheckTileLevel : impl::CheckTileLevelBase<CheckTileLevel> {
  void runOnOperation() override {
    WalkResult result = getOperation()->walk([&](Operation *op) {
      if (op == getOperation().getOperation() || isTileLevel(op))
        return WalkResult::advance();
      op->emitError("'") << op->getName() << "' is not a tile op, nor among those around them";
      return WalkResult::interrupt();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
} // namespace heddle::attn
