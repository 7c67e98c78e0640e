//===- KernelAbi.h - the arguments of a kernel, described once ---------------------------------===//
//
// A kernel gets its arguments as 64-bit words, the *slots*, in the order of the function's arguments: a
// tensor is its data pointer, the stride of each axis in elements and its sizes, a dim its value, a run-time param
// its 32 bits. On a CPU they are an array, on a GPU parameters. Header, descriptor, library and tests are
// made from this; there is no second list of kernel arguments.
//
//===----------------------------------------------------------------------------------------===//

#ifndef HEDDLE_CODEGEN_KERNELABI_H
#define HEDDLE_CODEGEN_KERNELABI_H

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/SmallVector.h"

namespace heddle {

struct KernelArgument {
  enum class Kind { Tensor, Dim, Param };
  Kind kind;
  mlir::Type type;    // tensor or memref, index, f32 or i32
  unsigned firstSlot; // a tensor's pointer; its strides follow, then its sizes
  unsigned numSlots() const;
};

struct KernelAbi {
  llvm::SmallVector<KernelArgument> arguments;
  unsigned numSlots = 0;

  /// Of the arguments of a function on surface ops or tiles.
  static KernelAbi of(mlir::TypeRange arguments);
};

} // namespace heddle

#endif // HEDDLE_CODEGEN_KERNELABI_H
