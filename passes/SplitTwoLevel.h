//===- SplitTwoLevel.h - the state of a recurrence as a grid, a scan and a grid ----------------===//

#ifndef HEDDLE_PASSES_SPLITTWOLEVEL_H
#define HEDDLE_PASSES_SPLITTWOLEVEL_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace heddle::attn {

/// Turns each grid of recurrences whose chunks follow each other (a loop with one attn.advance) into
/// three: what each chunk adds to the state, the state before each chunk, the outputs of each chunk.
/// The states between live in memory of chunks x depth x columns. Every advance that is left starts
/// from a loaded state. Fails, with an error, on a loop of another form.
mlir::LogicalResult splitTwoLevel(mlir::func::FuncOp function);

} // namespace heddle::attn

#endif // HEDDLE_PASSES_SPLITTWOLEVEL_H
