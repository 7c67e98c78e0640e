//===- NvvmFacade.h - what a GPU thread can do beyond plain LLVM -------------------------------===//
//
// The one place that knows NVPTX intrinsics. Everything is a plain value of the LLVM dialect.
//
//===----------------------------------------------------------------------------------------===//

#ifndef HEDDLE_CODEGEN_NVPTX_NVVMFACADE_H
#define HEDDLE_CODEGEN_NVPTX_NVVMFACADE_H

#include "mlir/IR/Builders.h"

namespace heddle::nvptx {

/// The thread's number in its block, i32.
mlir::Value threadId(mlir::OpBuilder &b, mlir::Location loc);

/// The block's number in the grid, i32.
mlir::Value blockId(mlir::OpBuilder &b, mlir::Location loc);

/// All threads of the block; memory written before is seen after (`bar.sync 0`).
void barrier(mlir::OpBuilder &b, mlir::Location loc);

/// 2^x in f32 within 2^-22 relative, subnormals flushed (`ex2.approx.ftz.f32`).
mlir::Value exp2Approx(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x);

/// Makes a function of the LLVM dialect a kernel that runs with blocks of `threads`.
void markKernel(mlir::Operation *kernel, int64_t threads);

} // namespace heddle::nvptx

#endif // HEDDLE_CODEGEN_NVPTX_NVVMFACADE_H
