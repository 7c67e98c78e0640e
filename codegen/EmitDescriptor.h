//===- EmitDescriptor.h - the constant that tells the runtime what a library is ----------------===//

#ifndef HEDDLE_CODEGEN_EMITDESCRIPTOR_H
#define HEDDLE_CODEGEN_EMITDESCRIPTOR_H

#include "codegen/KernelAbi.h"
#include "codegen/Variants.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <memory>

namespace llvm {
class BasicBlock;
class Function;
class LLVMContext;
class Module;
} // namespace llvm

namespace heddle {

/// An LLVM module with the heddle_kernel of a spec (runtime/include/heddle_kernel.h), the function that
/// derives sizes, and NAME_info, NAME_check, NAME_workspace, NAME_run. `abi` is that of the function that
/// was built from the spec. An error: the spec is beyond a limit of the runtime.
llvm::Expected<std::unique_ptr<llvm::Module>> emitDescriptor(llvm::LLVMContext &context,
                                                             const Spec &spec, const KernelAbi &abi,
                                                             llvm::ArrayRef<Variant> variants);

/// What a call's `values` hold (heddle_kernel.h): where each size that is an expression stands.
struct CallValues {
  llvm::SmallVector<ExprRef> derived;      // of dims, at the dim's own place; null: not derived
  llvm::SmallVector<ExprRef> sizes;        // of axes, behind dims and params
  llvm::SmallVector<ExprRef> requirements; // behind sizes
  int64_t firstSize = 0, firstRequirement = 0, count = 0;
};

/// `void NAME_derive(int64_t *values)`: integers in 64 bits, floats in double (LANGUAGE.md, section 3).
llvm::Function *emitDerive(llvm::Module &module, const Spec &spec, const CallValues &values);

} // namespace heddle

#endif // HEDDLE_CODEGEN_EMITDESCRIPTOR_H
