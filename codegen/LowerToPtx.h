//===- LowerToPtx.h - mapped tile functions to an LLVM module for one GPU ----------------------===//

#ifndef HEDDLE_CODEGEN_LOWERTOPTX_H
#define HEDDLE_CODEGEN_LOWERTOPTX_H

#include "dialect/target/TargetInfo.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/StringRef.h"
#include <string>
#include <vector>

namespace heddle {

/// One launch: a 1-D grid of blocks, one block for each item.
struct PtxStage {
  std::string entry;        // FUNCTION + suffix + `_kernel0`, ...
  std::string grid;         // what the host calls for the number of blocks
  int32_t threads = 0;      // of a block
  int64_t sharedBytes = 0;  // static
  int64_t scratchBytes = 0; // of a block, in the workspace behind the tensors that stages share
};

/// The kernels of a mapped function, in the LLVM dialect. Their parameters are the slots (KernelAbi.h),
/// each a .u64, then the workspace. Null: an error was emitted.
mlir::OwningOpRef<mlir::ModuleOp> lowerToPtx(mlir::ModuleOp mapped, const TargetInfo &target,
                                             llvm::StringRef suffix, std::vector<PtxStage> &stages);

/// What the host needs beside the kernels, in the LLVM dialect for a CPU: for each stage
/// `FUNCTION + suffix + _gridN(slots, out[3])`, the number of blocks, then 1 and 1; and
/// `_workspace(slots) -> bytes`, scratch of blocks included.
mlir::OwningOpRef<mlir::ModuleOp> lowerLaunches(mlir::ModuleOp mapped, llvm::StringRef suffix,
                                                const std::vector<PtxStage> &stages);

} // namespace heddle

#endif // HEDDLE_CODEGEN_LOWERTOPTX_H
