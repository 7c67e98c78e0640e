//===- EmitObject.h - modules in the LLVM dialect to machine code ------------------------------===//

#ifndef HEDDLE_CODEGEN_EMITOBJECT_H
#define HEDDLE_CODEGEN_EMITOBJECT_H

#include "dialect/target/TargetInfo.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"
#include <string>

namespace llvm {
class Module;
} // namespace llvm

namespace heddle {

/// CheckedObject: every access to memory asks AddressSanitizer, whose runtime the program links.
enum class CodeKind { Object, CheckedObject, Assembly };
/// Tiles are vectors already; scalar loops are for LLVM's vectoriser.
enum class CodeForm { Tiles, Loops };

/// The bytes of an ELF object, or assembly text: of PTX for a GPU target. Deterministic. The module is in
/// the LLVM dialect (and NVVM for a GPU).
llvm::Expected<std::string> emitCode(mlir::ModuleOp module, const TargetInfo &target, CodeKind kind,
                                     CodeForm form = CodeForm::Tiles);
/// The same for a module of LLVM IR, which it changes.
llvm::Expected<std::string> emitCode(llvm::Module &module, const TargetInfo &target, CodeKind kind,
                                     CodeForm form = CodeForm::Tiles);

/// Any x86-64: for what a library does before it knows the processor.
const TargetInfo &baselineTarget();

} // namespace heddle

#endif // HEDDLE_CODEGEN_EMITOBJECT_H
