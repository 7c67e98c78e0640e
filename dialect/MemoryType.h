//===- MemoryType.h - how tensors of a call lie in memory --------------------------------------===//

#ifndef HEDDLE_DIALECT_MEMORYTYPE_H
#define HEDDLE_DIALECT_MEMORYTYPE_H

#include "mlir/IR/BuiltinTypes.h"

namespace heddle {

/// Any strides but the innermost, which is 1 (the runtime has checked it).
inline mlir::MemRefType memoryType(mlir::RankedTensorType tensor) {
  llvm::SmallVector<int64_t> strides(tensor.getRank(), mlir::ShapedType::kDynamic);
  if (!strides.empty())
    strides.back() = 1;
  auto layout =
      mlir::StridedLayoutAttr::get(tensor.getContext(), mlir::ShapedType::kDynamic, strides);
  return mlir::MemRefType::get(tensor.getShape(), tensor.getElementType(), layout);
}

} // namespace heddle

#endif // HEDDLE_DIALECT_MEMORYTYPE_H
