//===- EraseDead.cpp - what a rewrite left without use goes, operands of bodies too -----------===//

#include "passes/EraseDead.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "passes/TileRegions.h"

using namespace mlir;
using namespace heddle::attn;

/// Takes from a strips the values it cuts and its body does not look at.
static void dropUncut(StripsOp op) {
  Block &block = op.getBody().front();
  for (unsigned i = op.getSliced().size(); i-- > 0;)
    if (block.getArgument(i).use_empty()) {
      block.eraseArgument(i);
      op.getSlicedMutable().erase(i);
    }
}

/// A map that yields its only tile as it is.
static bool isIdentity(MapOp op) {
  Block &body = op.getBody().front();
  return op.getTiles().size() == 1 && !op.getReduce() &&
         op.getTiles()[0].getType() == op.getResult().getType() &&
         body.getTerminator()->getOperand(0) == body.getArgument(0);
}

/// Users come behind what they use, so that one walk from the end finds all.
void heddle::attn::eraseDead(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block))) {
    if (isOpTriviallyDead(&op)) {
      op.erase();
      continue;
    }
    for (Region &region : op.getRegions())
      for (Block &nested : region)
        eraseDead(nested);
    if (auto map = dyn_cast<MapOp>(op)) {
      dropUnused(map);
      if (isIdentity(map)) {
        map.getResult().replaceAllUsesWith(map.getTiles()[0]);
        map.erase();
      }
    } else if (auto strips = dyn_cast<StripsOp>(op)) {
      dropUncut(strips);
    }
  }
}
