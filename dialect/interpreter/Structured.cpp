//===- Structured.cpp - loops, branches, reads of memory ---------------------------------------===//

#include "dialect/interpreter/Machine.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;
using namespace heddle;

/// Backwards: an item must not need another.
bool Machine::evalForall(scf::ForallOp op) {
  SmallVector<int64_t> sizes;
  for (OpFoldResult size : op.getMixedUpperBound())
    sizes.push_back(isa<Value>(size) ? integer(cast<Value>(size)) : *getConstantIntValue(size));
  Slots none;
  for (int64_t n = computeProduct(sizes) - 1; n >= 0; --n) {
    Slots position;
    for (int64_t i : delinearize(n, computeSuffixProduct(sizes)))
      position.push_back(Array(double(i)));
    if (!run(*op.getBody(), position, none))
      return false;
  }
  return true;
}

bool Machine::evalFor(scf::ForOp op) {
  Slots state;
  for (Value init : op.getInitArgs())
    state.push_back(env[init]);
  int64_t step = integer(op.getStep());
  if (step <= 0)
    return fail(op, "a step that is not positive");
  for (int64_t i = integer(op.getLowerBound()), end = integer(op.getUpperBound()); i < end; i += step) {
    state.insert(state.begin(), Slot(Array(double(i))));
    Slots next;
    if (!run(*op.getBody(), state, next))
      return false;
    state = std::move(next);
  }
  set(op, std::move(state));
  return true;
}

bool Machine::evalIf(scf::IfOp op) {
  Region &region = integer(op.getCondition()) ? op.getThenRegion() : op.getElseRegion();
  Slots results;
  if (!region.empty() && !run(region.front(), {}, results))
    return false;
  set(op, std::move(results));
  return true;
}

/// One element, or one per element of the subscripts.
bool Machine::evalRead(Operation *op, Value from, ValueRange subscripts) {
  const Slot &slot = env[from];
  const Array &whole = slot.memory ? *slot.memory : slot.array;
  Array out;
  for (Value subscript : subscripts)
    if (!array(subscript).isScalar())
      out = Array(array(subscript).shape);
  if (whole.data.empty()) { // reads as 0
    set(op, {std::move(out)});
    return true;
  }
  for (size_t i = 0; i < out.data.size(); ++i) {
    SmallVector<int64_t> at(whole.shape.size());
    for (auto [axis, subscript] : llvm::enumerate(subscripts))
      at[slot.permutation.empty() ? axis : slot.permutation[axis]] =
          int64_t(array(subscript).at(i));
    int64_t address = 0;
    for (auto [index, size] : llvm::zip_equal(at, whole.shape)) {
      if (index < 0 || index >= size)
        return fail(op, "index " + Twine(index) + " of an axis of " + Twine(size));
      address = address * size + index;
    }
    out.data[i] = whole.data[address];
  }
  set(op, {std::move(out)});
  return true;
}

bool Machine::evalMemory(Operation *op, bool &known) {
  known = true;
  if (auto forall = dyn_cast<scf::ForallOp>(op))
    return evalForall(forall);
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return evalFor(loop);
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return evalIf(branch);
  if (auto extract = dyn_cast<tensor::ExtractOp>(op))
    return evalRead(op, extract.getTensor(), extract.getIndices());
  if (auto load = dyn_cast<memref::LoadOp>(op))
    return evalRead(op, load.getMemRef(), load.getIndices());
  if (auto splat = dyn_cast<tensor::SplatOp>(op)) {
    set(op, {Array(splat.getType().getShape(), array(splat.getInput()).data[0])});
    return true;
  }
  if (isa<memref::DimOp, tensor::DimOp>(op)) {
    const Slot &slot = env[op->getOperand(0)];
    int64_t axis = integer(op->getOperand(1));
    set(op, {Array(double(slot.memory->shape[slot.permutation.empty() ? axis
                                                                      : slot.permutation[axis]]))});
    return true;
  }
  if (auto view = dyn_cast<memref::TransposeOp>(op)) {
    Slot slot = env[view.getIn()];
    for (AffineExpr axis : view.getPermutation().getResults())
      slot.permutation.push_back(cast<AffineDimExpr>(axis).getPosition());
    set(op, {slot});
    return true;
  }
  if (auto alloc = dyn_cast<memref::AllocOp>(op)) {
    SmallVector<int64_t> shape(alloc.getType().getShape());
    unsigned dynamic = 0;
    for (int64_t &size : shape)
      if (ShapedType::isDynamic(size))
        size = integer(alloc.getDynamicSizes()[dynamic++]);
    // Nothing has been written: what reads it too early becomes NaN.
    set(op, {Slot(std::make_shared<Array>(shape, std::numeric_limits<double>::quiet_NaN()))});
    return true;
  }
  known = false;
  return true;
}
