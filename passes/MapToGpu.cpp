//===- MapToGpu.cpp - where a GPU keeps its tiles ----------------------------------------------===//

#include "passes/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace heddle::attn {
#define GEN_PASS_DEF_MAPTOGPU
#include "passes/Passes.h.inc"

namespace {
struct MapToGpu : impl::MapToGpuBase<MapToGpu> {
  void runOnOperation() override {
    getOperation().emitError("a GPU target cannot be compiled yet");
    signalPassFailure();
  }
};
} // namespace
} // namespace heddle::attn
