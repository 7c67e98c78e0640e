//===- EmitPtx.h - kernels to PTX text, and to a cubin where ptxas is ---------------------------===//

#ifndef HEDDLE_CODEGEN_EMITPTX_H
#define HEDDLE_CODEGEN_EMITPTX_H

#include "dialect/target/TargetInfo.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace heddle {

/// PTX text of what lowerToPtx made: for exactly this target, in the lowest PTX version it has.
/// Deterministic.
llvm::Expected<std::string> emitPtx(mlir::ModuleOp module, const TargetInfo &target);

/// What `ptxas -v` says of one kernel. Bytes are per thread, `shared` per block.
struct PtxUsage {
  std::string entry;
  int64_t registers = 0, spillStores = 0, spillLoads = 0, stack = 0, shared = 0;
};

struct Cubin {
  std::string bytes;
  std::vector<PtxUsage> usage;
};

/// The path of `ptxas`: on PATH, in $CUDA_HOME/bin, or in /usr/local/cuda/bin. Empty: there is none.
std::string findPtxas();

/// Assembles in a process of its own; a rejected text, or a ptxas that dies, is an error with its words.
llvm::Expected<Cubin> assemblePtx(llvm::StringRef ptx, const TargetInfo &target);

} // namespace heddle

#endif // HEDDLE_CODEGEN_EMITPTX_H
