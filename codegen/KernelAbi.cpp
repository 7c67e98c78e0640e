//===- KernelAbi.cpp - the arguments of a kernel, described once -------------------------------===//

#include "codegen/KernelAbi.h"
#include "mlir/IR/TypeRange.h"

using namespace mlir;
using namespace heddle;

unsigned KernelArgument::numSlots() const {
  return kind == Kind::Tensor ? 1 + 2 * cast<ShapedType>(type).getRank() : 1;
}

KernelAbi KernelAbi::of(TypeRange types) {
  KernelAbi abi;
  for (Type type : types) {
    KernelArgument argument{KernelArgument::Kind::Param, type, abi.numSlots};
    if (isa<ShapedType>(type))
      argument.kind = KernelArgument::Kind::Tensor;
    else if (type.isIndex())
      argument.kind = KernelArgument::Kind::Dim;
    abi.numSlots += argument.numSlots();
    abi.arguments.push_back(argument);
  }
  return abi;
}
