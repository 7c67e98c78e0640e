//===- BuildFromSpec.h - a checked spec as surface ops -----------------------------------------===//

#ifndef HEDDLE_DIALECT_BUILDFROMSPEC_H
#define HEDDLE_DIALECT_BUILDFROMSPEC_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "specs/reader/Spec.h"

namespace heddle {

/// One function per step that is needed, named like the spec, or NAME_stepN if there are several. All have
/// the same arguments: the input tensors, the results and the temporaries as destinations, then every dim
/// that is not known at compile time (index, in the order of the file), then the run-time params (f32 or
/// i32). An attend or recur is a surface op on tensors where tileObstacle finds nothing, all else loops on
/// memory (dialect/loops/). checkSupported must have passed.
mlir::OwningOpRef<mlir::ModuleOp> buildFromSpec(mlir::MLIRContext &context, const Spec &spec);

} // namespace heddle

#endif // HEDDLE_DIALECT_BUILDFROMSPEC_H
