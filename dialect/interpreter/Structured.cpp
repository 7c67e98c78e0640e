//===- Structured.cpp - loops, branches, reads of memory -----------------------------------===//

#include "dialect/interpreter/Machine.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"
#include <algorithm>
#include <limits>

using namespace mlir;
using namespace heddle;

/// Backwards, unless asked otherwise: an item must not need another.
bool Machine::evalForall(scf::ForallOp op) {
  if (!op.isNormalized() || op.getNumResults())
    return fail(op, "expected a grid that counts from 0 by 1 and has no results");
  SmallVector<int64_t> sizes;
  for (OpFoldResult size : op.getMixedUpperBound())
    sizes.push_back(isa<Value>(size) ? integer(cast<Value>(size)) : *getConstantIntValue(size));
  Slots none;
  int64_t count = computeProduct(sizes);
  for (int64_t n = 0; n < count; ++n) {
    Slots position;
    for (int64_t i : delinearize(options.forwards ? n : count - 1 - n, computeSuffixProduct(sizes)))
      position.push_back(Array(double(i)));
    if (!run(*op.getBody(), std::move(position), none))
      return false;
  }
  return true;
}

bool Machine::evalFor(scf::ForOp op) {
  Slots arguments(1), next; // the index, then what is carried
  for (Value init : op.getInitArgs())
    arguments.push_back(env[init]);
  int64_t step = integer(op.getStep());
  if (step <= 0)
    return fail(op, "a step that is not positive");
  for (int64_t i = integer(op.getLowerBound()), end = integer(op.getUpperBound()); i < end;
       i += step) {
    arguments.front() = double(i);
    if (!run(*op.getBody(), std::move(arguments), next))
      return false;
    llvm::move(next, arguments.begin() + 1);
  }
  arguments.erase(arguments.begin());
  set(op, std::move(arguments));
  return true;
}

bool Machine::evalIf(scf::IfOp op) {
  if (!array(op.getCondition()).isScalar())
    return fail(op, "expected one condition for all elements");
  Region &region = integer(op.getCondition()) ? op.getThenRegion() : op.getElseRegion();
  Slots results;
  if (!region.empty() && !run(region.front(), {}, results))
    return false;
  set(op, std::move(results));
  return true;
}

namespace {
/// Where the elements lie that some subscripts name, in memory seen through a permutation.
class Addresses {
public:
  Addresses(const Slot &slot, const Array &memory, ArrayRef<const Array *> subscripts) {
    for (auto [i, subscript] : llvm::enumerate(subscripts)) {
      unsigned axis = slot.permutation.empty() ? i : slot.permutation[i];
      ArrayRef<int64_t> inner = ArrayRef<int64_t>(memory.shape).drop_front(axis + 1);
      axes.push_back({subscript, memory.shape[axis], computeProduct(inner)});
      if (!subscript->isScalar())
        shape = subscript->shape;
    }
  }
  /// Of element i, each subscript moved to the nearest one inside; `outside`: the subscript that
  /// needed it.
  int64_t at(size_t i, const double *&outside) const {
    int64_t address = 0;
    for (const Axis &axis : axes) {
      const double *x = &axis.subscript->data[axis.subscript->isScalar() ? 0 : i];
      if (!(*x >= 0 && *x < double(axis.size)))
        outside = x;
      address += toInteger(std::clamp(*x, 0.0, double(axis.size - 1))) * axis.stride;
    }
    return address;
  }
  ArrayRef<int64_t> shape; // of the elements named; empty: one

private:
  struct Axis {
    const Array *subscript;
    int64_t size, stride;
  };
  SmallVector<Axis, 6> axes;
};
} // namespace

/// One element, or one per element of the subscripts. Subscripts of a tensor are moved inside, as
/// the language says; those of memory and of tiles must be inside, but what has no elements reads
/// as 0.
bool Machine::evalRead(Operation *op, Value from, ValueRange subscripts) {
  const Slot &slot = env[from];
  const Array &whole = slot.memory ? *slot.memory : slot.array;
  SmallVector<const Array *> in;
  for (Value subscript : subscripts)
    in.push_back(&array(subscript));
  bool clamps = isa<tensor::ExtractOp>(op) && slot.memory;
  Addresses addresses(slot, whole, in);
  Array out;
  if (!addresses.shape.empty())
    out = Array(addresses.shape);
  if (!whole.data.empty())
    for (size_t i = 0; i < out.data.size(); ++i) {
      const double *outside = nullptr;
      out.data[i] = whole.data[addresses.at(i, outside)];
      if (!outside || clamps)
        continue;
      if (!options.unhoisted || !op->getParentOfType<attn::MapOp>())
        return fail(op, "index " + Twine(toInteger(*outside)) + " is out of bounds");
      out.data[i] = std::numeric_limits<double>::quiet_NaN();
    }
  return out.isScalar() ? give(op, out.data[0]) : give(op, std::move(out));
}

bool Machine::evalWrite(Operation *op, Value value, Value to, ValueRange subscripts) {
  const Slot &slot = env[to];
  SmallVector<const Array *> in;
  for (Value subscript : subscripts)
    in.push_back(&array(subscript));
  Addresses addresses(slot, *slot.memory, in);
  if (!addresses.shape.empty() || !array(value).isScalar())
    return fail(op, "expected one element to write");
  const double *outside = nullptr;
  int64_t address = slot.memory->data.empty() ? -1 : addresses.at(0, outside);
  if (outside || address < 0)
    return fail(op, "index " + Twine(outside ? toInteger(*outside) : 0) + " is out of bounds");
  slot.memory->data[address] = array(value).data[0];
  return true;
}

/// Nothing has been written: what reads it too early becomes NaN.
bool Machine::allocate(Operation *op, ShapedType type, ValueRange sizes) {
  SmallVector<int64_t> shape(type.getShape());
  unsigned dynamic = 0;
  double count = 1;
  for (int64_t &size : shape) {
    if (ShapedType::isDynamic(size))
      size = integer(sizes[dynamic++]);
    if (size < 0)
      return fail(op, "a size of " + Twine(size));
    count *= double(size);
  }
  if (count > double(int64_t(1) << 33))
    return fail(op, "more than 2^33 elements");
  set(op, {Slot(std::make_shared<Array>(shape, std::numeric_limits<double>::quiet_NaN()))});
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
  if (auto store = dyn_cast<memref::StoreOp>(op))
    return evalWrite(op, store.getValue(), store.getMemRef(), store.getIndices());
  if (auto alloca = dyn_cast<memref::AllocaOp>(op))
    return allocate(op, alloca.getType(), alloca.getDynamicSizes());
  if (auto alloc = dyn_cast<memref::AllocOp>(op))
    return allocate(op, alloc.getType(), alloc.getDynamicSizes());
  if (auto empty = dyn_cast<tensor::EmptyOp>(op))
    return allocate(op, empty.getType(), empty.getDynamicSizes());
  if (isa<memref::DeallocOp>(op))
    return true;
  return evalShape(op, known);
}

bool Machine::evalShape(Operation *op, bool &known) {
  if (auto splat = dyn_cast<tensor::SplatOp>(op)) {
    if (!splat.getType().hasStaticShape() || !array(splat.getInput()).isScalar())
      return fail(op, "expected a static shape and one number");
    set(op, {Array(splat.getType().getShape(), array(splat.getInput()).data[0])});
    return true;
  }
  if (isa<memref::DimOp, tensor::DimOp>(op)) {
    const Slot &slot = env[op->getOperand(0)];
    const Array &whole = slot.memory ? *slot.memory : slot.array;
    int64_t axis = integer(op->getOperand(1));
    if (axis < 0 || axis >= int64_t(whole.shape.size()))
      return fail(op, "axis " + Twine(axis) + " of " + Twine(whole.shape.size()));
    set(op, {Array(double(whole.shape[slot.permutation.empty() ? axis : slot.permutation[axis]]))});
    return true;
  }
  if (auto view = dyn_cast<memref::TransposeOp>(op)) {
    Slot slot = env[view.getIn()];
    SmallVector<unsigned, 0> before = slot.permutation;
    slot.permutation.clear();
    for (AffineExpr axis : view.getPermutation().getResults()) {
      unsigned position = cast<AffineDimExpr>(axis).getPosition();
      slot.permutation.push_back(before.empty() ? position : before[position]);
    }
    set(op, {slot});
    return true;
  }
  if (auto view = dyn_cast<memref::CastOp>(op)) {
    set(op, {env[view.getSource()]});
    return true;
  }
  if (auto view = dyn_cast<tensor::CastOp>(op)) {
    set(op, {env[view.getSource()]});
    return true;
  }
  known = false;
  return true;
}
