//===- CompileVariant.h - one variant's code, by kind of machine -------------------------------===//

#ifndef HEDDLE_CODEGEN_COMPILEVARIANT_H
#define HEDDLE_CODEGEN_COMPILEVARIANT_H

#include "codegen/Compile.h"

namespace heddle {

/// Adds the objects of a mapped function to the library, and their symbols to the variant. False: `error`.
bool compileForCpu(mlir::ModuleOp mapped, const CompileOptions &options, Variant &variant,
                   Library &library, std::string &error);
/// The same with PTX, and an object for what the host computes: grids and workspace.
bool compileForGpu(mlir::ModuleOp mapped, Variant &variant, Library &library, std::string &error);

} // namespace heddle

#endif // HEDDLE_CODEGEN_COMPILEVARIANT_H
