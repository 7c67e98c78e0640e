//===- Work.h - how much a call has to do, by definition ---------------------------------------===//

#ifndef HEDDLE_TOOLS_WORK_H
#define HEDDLE_TOOLS_WORK_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/TileCounts.h"
#include "specs/reader/Spec.h"

namespace heddle {

/// Useful work of one call; what the code does beside it does not count.
struct Work {
  bool hasTiles = false;  // an attend whose sizes are known
  attn::TileCounts tiles; // of one head
  attn::TileSizes sizes{0, 0};
  double queries = 0, keys = 0;
  double flop =
      0; // attend: 2 (D + Dv) for each kept pair; recur: 4 D Dv + 32 (D + Dv) for each token
  bool exact = true; // else pairs are among them that the mask drops: it rounds or reads data
};

/// `tiled` is the spec's module after tile-attend: its visits carry the mask. All sizes are in `sizes`.
Work countWork(mlir::ModuleOp tiled, const Spec &spec, const ValueMap &sizes);

/// The function's index arguments with their sizes.
llvm::DenseMap<mlir::Value, int64_t> sizesOfArguments(mlir::func::FuncOp function, const Spec &spec,
                                                      const ValueMap &sizes);

} // namespace heddle

#endif // HEDDLE_TOOLS_WORK_H
