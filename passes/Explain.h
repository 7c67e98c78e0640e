//===- Explain.h - why a pass left something alone, for the user to hear ----------------------===//

#ifndef HEDDLE_PASSES_EXPLAIN_H
#define HEDDLE_PASSES_EXPLAIN_H

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/PatternMatch.h"

namespace heddle::attn {

/// Turns the reason of each failed match into a remark. Debug logs would do, but release builds of
/// LLVM have none.
struct Explain : mlir::RewriterBase::Listener {
  void notifyMatchFailure(mlir::Location loc,
                          llvm::function_ref<void(mlir::Diagnostic &)> reason) override {
    mlir::Diagnostic diag(loc, mlir::DiagnosticSeverity::Remark);
    reason(diag);
    loc.getContext()->getDiagEngine().emit(std::move(diag));
  }
};

} // namespace heddle::attn

#endif // HEDDLE_PASSES_EXPLAIN_H
