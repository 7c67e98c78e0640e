//===- Compute.cpp - products, maps, scans, an element at a time -------------------------------===//

#include "codegen/nvptx/Emitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace heddle::attn;
using namespace heddle::nvptx;

//===--- One element -------------------------------------------------------------------------===//

/// Unrolls the loop that makes `result` by `count` and keeps ptxas from going on: of loops over 200 and
/// more elements it makes one block, whose addresses do not fit in the registers of a thread.
static void unrollBy(Value result, int32_t count) {
  MLIRContext *context = result.getContext();
  Builder b(context);
  auto unroll =
      LLVM::LoopUnrollAttr::get(context, {}, b.getI32IntegerAttr(count), {}, {}, {}, {}, {});
  auto annotation = LLVM::LoopAnnotationAttr::get(context, {}, {}, {}, unroll, {}, {}, {}, {}, {},
                                                  {}, {}, {}, {}, {}, {});
  result.getDefiningOp()->setAttr("llvm.loop_annotation", annotation);
}

/// An element of a product, summed in f32 in the order of the inner axis.
Value Emitter::product(ContractOp op, Value row, Value col, ElementOf elementOf) {
  Type element = op.getResult().getType().getElementType();
  bool isFloat = isa<FloatType>(element);
  Type sum = isFloat ? f32 : element;
  auto wide = [&](Value x) { return isFloat ? convert(x, f32, Value()) : x; };
  Value init = arith::ConstantOp::create(b, b.getZeroAttr(sum));
  if (op.getAcc())
    init = wide(elementOf(op.getAcc(), row, col));
  if (op.getDecay()) {
    Value decay = wide(elementOf(op.getDecay(), row, index(0)));
    init = isFloat ? arith::MulFOp::create(b, init, decay).getResult()
                   : arith::MulIOp::create(b, init, decay).getResult();
  }
  int64_t inner = op.getLhs().getType().getDimSize(op.getLhsT() ? 0 : 1);
  Values total = loop(index(0), index(inner), index(1), init, [&](Value k, ValueRange carried) {
    Value x = wide(op.getLhsT() ? elementOf(op.getLhs(), k, row) : elementOf(op.getLhs(), row, k));
    Value y = wide(op.getRhsT() ? elementOf(op.getRhs(), col, k) : elementOf(op.getRhs(), k, col));
    if (isFloat)
      return Values{math::FmaOp::create(b, x, y, carried[0])};
    Value xy = arith::MulIOp::create(b, x, y);
    return Values{arith::AddIOp::create(b, carried[0], xy)};
  });
  unrollBy(total[0], 8);
  return isFloat ? convert(total[0], element, Value()) : total[0];
}

/// The body of a map on one element.
Value Emitter::evaluate(MapOp op, Value row, Value col, ElementOf elementOf) {
  Block &body = op.getBody().front();
  unsigned argument = 0;
  bool isVector = op.getResult().getType().getRank() == 1;
  for (Value tile : op.getTiles())
    scalars.map(body.getArgument(argument++), elementOf(tile, row, col));
  for (Value vector : op.getRows())
    scalars.map(body.getArgument(argument++), elementOf(vector, row, index(0)));
  for (Value vector : op.getCols())
    scalars.map(body.getArgument(argument++),
                elementOf(vector, isVector ? index(0) : col, index(0)));
  for (Operation &inner : body.without_terminator()) {
    if (auto load = dyn_cast<memref::LoadOp>(inner)) {
      const Memory &memory = memories[load.getMemRef()];
      Value at = index(0);
      for (auto [i, stride] : llvm::zip_equal(load.getIndices(), memory.strides))
        at = plus(at, times(scalars.lookupOrDefault(i), stride));
      scalars.map(load.getResult(), loadScalar(memory.base, at, load.getType()));
    } else if (auto extract = dyn_cast<tensor::ExtractOp>(inner)) {
      Values at = {index(0), index(0)};
      for (auto [i, subscript] : llvm::enumerate(extract.getIndices()))
        at[i] = scalars.lookupOrDefault(subscript);
      scalars.map(extract.getResult(), elementOf(extract.getTensor(), at[0], at[1]));
    } else {
      b.clone(inner, scalars);
    }
  }
  return scalars.lookupOrDefault(body.getTerminator()->getOperand(0));
}

Value Emitter::evaluateElementwise(Operation *op, Value row, Value col, ElementOf elementOf) {
  Values operands;
  for (Value operand : op->getOperands())
    operands.push_back(isa<RankedTensorType>(operand.getType()) ? elementOf(operand, row, col)
                                                                : scalars.lookup(operand));
  OperationState state(b.getLoc(), op->getName());
  state.addOperands(operands);
  state.addTypes(getElementTypeOrSelf(op->getResult(0).getType()));
  for (NamedAttribute attribute : op->getAttrs())
    if (!attribute.getName().strref().starts_with("attn."))
      state.addAttribute(attribute.getName(), attribute.getValue());
  return b.create(state)->getResult(0);
}

Value Emitter::valueOf(Operation *op, Value row, Value col, ElementOf elementOf) {
  if (auto contract = dyn_cast<ContractOp>(op))
    return product(contract, row, col, elementOf);
  if (auto map = dyn_cast<MapOp>(op))
    return evaluate(map, row, col, elementOf);
  if (auto shear = dyn_cast<ShearOp>(op)) {
    Value first =
        arith::SubIOp::create(b, index(shear.getResult().getType().getDimSize(0) - 1), row);
    return elementOf(shear.getTile(), row, plus(col, first));
  }
  return evaluateElementwise(op, row, col, elementOf);
}

//===--- Whole tiles -------------------------------------------------------------------------===//

/// Where a result lies decides who computes it.
void Emitter::emitTileOp(Operation *op) {
  SmallVector<Storage, 2> results;
  if (rowStrips) {
    for (Value result : op->getResults()) {
      bool isVector = cast<RankedTensorType>(result.getType()).getRank() == 1;
      results.push_back(isVector ? shapeOf(result) : allocateRow(result));
      if (isVector)
        results.back().kind = Storage::Scalar;
    }
    emitByRow(op, results, [&](Value v, Value r, Value c) { return rowElement(v, r, c); });
  } else {
    if (homeOf(op, 0) == Layout::block)
      return emitByBlock(op);
    for (unsigned i = 0; i < op->getNumResults(); ++i)
      results.push_back(allocate(op, i));
    forOwnedRows(results[0].rows, [&] {
      emitByRow(op, results, [&](Value v, Value r, Value c) { return element(of(v), r, c); });
    });
  }
  for (auto [result, storage] : llvm::zip_equal(op->getResults(), results))
    storages[result] = storage;
}

/// The row of `context`.
void Emitter::emitByRow(Operation *op, MutableArrayRef<Storage> results, ElementOf elementOf) {
  Value row = context->row;
  if (results[0].kind == Storage::Scalar) {
    results[0].base = valueOf(op, row, index(0), elementOf);
    return;
  }
  auto map = dyn_cast<MapOp>(op);
  bool reduces = map && map.getReduced();
  bool isUsed = !op->getResult(0).use_empty();
  Values init;
  if (reduces)
    init = {neutral(*map.getReduce(), results[1].element)};
  Values total =
      loop(index(0), index(results[0].cols), index(1), init, [&](Value c, ValueRange acc) {
        Value value = valueOf(op, row, c, elementOf);
        if (isUsed)
          setElement(results[0], row, c, value);
        return reduces ? Values{combine(*map.getReduce(), acc[0], value)} : Values();
      });
  if (!reduces)
    return;
  if (results[1].kind == Storage::Scalar)
    results[1].base = total[0];
  else
    setElement(results[1], row, index(0), total[0]);
}

/// Elements spread over the threads. Whoever still reads an old value is done before, and all see the new
/// one behind.
void Emitter::emitByBlock(Operation *op) {
  DenseMap<Value, Storage> forms;
  auto form = [&](Value operand) {
    if (isa<RankedTensorType>(operand.getType()))
      forms.try_emplace(operand, blockForm(operand));
  };
  llvm::for_each(op->getOperands(), form);
  auto map = dyn_cast<MapOp>(op);
  if (map)
    map.getBody().walk([&](tensor::ExtractOp extract) { form(extract.getTensor()); });
  auto elementOf = [&](Value v, Value r, Value c) { return element(forms.lookup(v), r, c); };
  Value result = op->getResult(0);
  bool reduces = map && map.getReduced();
  Storage to;
  if (!reduces || !result.use_empty()) {
    to = storages[result] = allocate(op, 0);
    sync();
    forElements(to.rows, to.cols,
                [&](Value r, Value c) { setElement(to, r, c, valueOf(op, r, c, elementOf)); });
    sync();
  }
  if (!reduces)
    return;
  Storage reduced = storages[map.getReduced()] = allocate(op, 1);
  sync();
  reduceByBlock(map, reduced, to.kind == Storage::None ? nullptr : &to, elementOf);
  sync();
}

/// One thread for each result of the reduction, from the whole map or its elements as they come.
void Emitter::reduceByBlock(MapOp map, const Storage &reduced, const Storage *whole,
                            ElementOf elementOf) {
  auto type = map.getResult().getType();
  int64_t cols = type.getRank() == 2 ? type.getDimSize(1) : 1;
  bool perRow = *map.getPer() == Axis::row;
  forElements(reduced.rows, 1, [&](Value r, Value zero) {
    Values total =
        loop(index(0), index(perRow ? cols : type.getDimSize(0)), index(1),
             neutral(*map.getReduce(), reduced.element), [&](Value i, ValueRange acc) {
               Value row = perRow ? r : i, col = perRow ? i : r;
               Value x = whole ? element(*whole, row, col) : evaluate(map, row, col, elementOf);
               return Values{combine(*map.getReduce(), acc[0], x)};
             });
    setElement(reduced, r, zero, total[0]);
  });
}

/// One thread for each column.
void Emitter::emitScan(ScanOp op) {
  Storage from = blockForm(op.getTile());
  Storage to = storages[op.getResult()] = allocate(op, 0);
  sync();
  forElements(to.cols, 1, [&](Value c, Value) {
    loop(index(0), index(to.rows), index(1), neutral(op.getKind(), to.element),
         [&](Value i, ValueRange acc) {
           Value r =
               op.getReverse() ? arith::SubIOp::create(b, index(to.rows - 1), i).getResult() : i;
           Value next = combine(op.getKind(), acc[0], element(from, r, c));
           setElement(to, r, c, op.getExclusive() ? Value(acc[0]) : next);
           return Values{next};
         });
  });
  sync();
}

//===--- Reductions --------------------------------------------------------------------------===//

Value Emitter::combine(Combine kind, Value x, Value y) {
  bool isFloat = isa<FloatType>(x.getType());
  switch (kind) {
  case Combine::max:
    return isFloat ? arith::MaximumFOp::create(b, x, y).getResult()
                   : arith::MaxSIOp::create(b, x, y).getResult();
  case Combine::add:
    return isFloat ? arith::AddFOp::create(b, x, y).getResult()
                   : arith::AddIOp::create(b, x, y).getResult();
  case Combine::mul:
    return isFloat ? arith::MulFOp::create(b, x, y).getResult()
                   : arith::MulIOp::create(b, x, y).getResult();
  }
  llvm_unreachable("a reduction");
}

Value Emitter::neutral(Combine kind, Type type) {
  if (auto real = dyn_cast<FloatType>(type)) {
    const llvm::fltSemantics &semantics = real.getFloatSemantics();
    APFloat value = kind == Combine::max   ? APFloat::getInf(semantics, /*Negative=*/true)
                    : kind == Combine::add ? APFloat::getZero(semantics)
                                           : APFloat::getOne(semantics);
    return arith::ConstantOp::create(b, b.getFloatAttr(type, value));
  }
  unsigned bits = type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
  APInt value =
      kind == Combine::max ? APInt::getSignedMinValue(bits) : APInt(bits, kind == Combine::mul);
  return arith::ConstantOp::create(b, b.getIntegerAttr(type, value));
}
