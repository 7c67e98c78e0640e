//===- PlanVisit.h - tiles that the kernel itself looks for ------------------------------------===//

#ifndef HEDDLE_PASSES_PLANVISIT_H
#define HEDDLE_PASSES_PLANVISIT_H

#include "dialect/AttnOps.h"
#include "passes/MaskAnalysis.h"

namespace heddle::attn {

/// Puts the loop over the tiles of `visit` into one over stretches of `hull`, the intervals around them, and
/// an attn.filter in front of it. False, and nothing done, if there is no such loop. `symbol` gives the
/// value of a term of the mask, in front of the visit.
bool planVisit(VisitOp visit, VisitOp hull, MaskAnalysis &mask,
               llvm::function_ref<mlir::Value(unsigned)> symbol);

} // namespace heddle::attn

#endif // HEDDLE_PASSES_PLANVISIT_H
