//===- LowerToCpu.h - mapped tile functions to an LLVM module for one CPU ----------------------===//

#ifndef HEDDLE_CODEGEN_LOWERTOCPU_H
#define HEDDLE_CODEGEN_LOWERTOCPU_H

#include "dialect/target/TargetInfo.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>

namespace heddle {

/// What a library needs to know of the code of one function.
struct CpuStages {
  unsigned count = 0;       // functions NAME_grid0, NAME_item0, ...
  int64_t scratchBytes = 0; // of one thread
  bool loops = false;       // no tiles, and simple enough for LLVM's vectoriser
};

/// A module of one function: the functions of its stages, in the LLVM dialect, named FUNCTION + suffix +
/// `_grid0(slots, out[3])`, `_item0(slots, item, scratch, workspace)`, ..., `_workspace(slots) -> bytes`
/// (KernelAbi.h). Null: an error was emitted.
mlir::OwningOpRef<mlir::ModuleOp> lowerToCpu(mlir::ModuleOp mapped, const TargetInfo &target,
                                             llvm::StringRef suffix, CpuStages &stages);

/// What lowerToCpu would find of a module of any functions, without making code: all counts, and the most
/// scratch. Empty: an error was emitted.
std::optional<CpuStages> measureCpu(mlir::ModuleOp mapped, const TargetInfo &target);

} // namespace heddle

#endif // HEDDLE_CODEGEN_LOWERTOCPU_H
