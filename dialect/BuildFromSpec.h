//===- BuildFromSpec.h - a checked spec as surface ops -----------------------------------------===//

#ifndef HEDDLE_DIALECT_BUILDFROMSPEC_H
#define HEDDLE_DIALECT_BUILDFROMSPEC_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "specs/reader/Spec.h"

namespace heddle {

/// One function named like the spec: its arguments are the input tensors, the results as destinations,
/// then every dim that is not known at compile time (index, in the order of the file), then the
/// run-time params (f32 or i32). checkSupported must have passed.
mlir::OwningOpRef<mlir::ModuleOp> buildFromSpec(mlir::MLIRContext &context, const Spec &spec);

} // namespace heddle

#endif // HEDDLE_DIALECT_BUILDFROMSPEC_H
