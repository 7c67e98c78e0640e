//===- AccessAnalysis.cpp - what the regions of a surface op read, and how ---------------------===//

#include "passes/AccessAnalysis.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace heddle::attn {

/// Whether `value`, somewhere in a region, is computed from `argument`.
static bool dependsOn(Value value, Value argument) {
  llvm::SetVector<Value> seen;
  seen.insert(value);
  for (size_t i = 0; i < seen.size(); ++i) {
    if (seen[i] == argument)
      return true;
    if (Operation *op = seen[i].getDefiningOp())
      seen.insert(op->operand_begin(), op->operand_end());
  }
  return false;
}

std::optional<PlainRead> matchPlainRead(Region &region, BlockArgument row, BlockArgument column) {
  Value value = region.front().getTerminator()->getOperand(0);
  if (auto widen = value.getDefiningOp<arith::ExtFOp>())
    value = widen.getIn();
  auto extract = value.getDefiningOp<tensor::ExtractOp>();
  if (!extract || !isa<FloatType>(extract.getTensor().getType().getElementType()))
    return std::nullopt;
  PlainRead read{extract.getTensor(), SmallVector<Value>(extract.getIndices()), 0};
  ArrayRef<Value> subscripts = read.subscripts;
  if (column) {
    if (subscripts.empty() || subscripts.back() != column)
      return std::nullopt;
    subscripts = subscripts.drop_back();
  }
  unsigned found = 0;
  for (auto [axis, subscript] : llvm::enumerate(subscripts)) {
    if (subscript == row) {
      read.rowAxis = axis;
      ++found;
    } else if (dependsOn(subscript, row) || (column && dependsOn(subscript, column))) {
      return std::nullopt;
    }
  }
  if (found != 1)
    return std::nullopt;
  return read;
}

std::optional<unsigned> tileRow(AttendOp op) {
  std::optional<unsigned> best;
  bool bestInMask = false;
  for (unsigned i = 0, e = op.getRows().size(); i < e; ++i) {
    auto mentioned = [&](Region &region) {
      return !region.empty() && !region.getArgument(i).use_empty();
    };
    if (mentioned(op.getKey()) || mentioned(op.getValue()))
      continue;
    if (!op.getRelAt().empty() && i != op.getRelAxis()) // the band runs along that one
      continue;
    if (!best || mentioned(op.getKeep()) || !bestInMask) {
      best = i;
      bestInMask = mentioned(op.getKeep());
    }
  }
  return best;
}

} // namespace heddle::attn
