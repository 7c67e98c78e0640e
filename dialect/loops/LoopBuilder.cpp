//===- LoopBuilder.cpp - steps as plain loops over memory --------------------------------------===//

#include "dialect/loops/LoopBuilder.h"
#include "dialect/AttnDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::attn;

int64_t LoopBuilder::fixedSize(const std::optional<IndexRange> &range) const {
  return range ? evaluateSize(*range->extent.size, values.known).value_or(1) : 1;
}

const SpecTensor *heddle::outputOf(const Spec &spec, const SpecStep &step, std::string_view kind) {
  for (const StepOutput &output : step.outputs)
    if (const SpecTensor *tensor = spec.findTensor(output.tensor);
        output.kind == kind && tensor->isUsed)
      return tensor;
  return nullptr;
}

//===--- Control flow ------------------------------------------------------------------------===//

void LoopBuilder::grid(const Ranges &ranges, GridKind kind, StringRef reason,
                       function_ref<void(ExprBuilder &)> body) {
  SmallVector<OpFoldResult> sizes;
  for (const IndexRange *range : ranges)
    sizes.push_back(sizeOf(*range));
  if (sizes.empty())
    sizes.push_back(b.getIndexAttr(1));
  auto forall = scf::ForallOp::create(b, loc, sizes, ValueRange(), std::nullopt);
  forall->setAttr(AttnDialect::LoopsAttrHelper::getNameStr(),
                  b.getStringAttr(kind == GridKind::Elements ? "elements" : "rows"));
  if (!reason.empty())
    forall->setAttr(AttnDialect::PlainAttrHelper::getNameStr(), b.getStringAttr(reason));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(forall.getBody());
  ExprBuilder scope = outermost();
  for (auto [range, position] : llvm::zip(ranges, forall.getInductionVars()))
    scope.setIndex(*range, position);
  body(scope);
}

Values LoopBuilder::count(Value end, ValueRange init,
                          function_ref<Values(Value, ValueRange)> body) {
  auto loop = scf::ForOp::create(b, loc, index(0), end, index(1), init);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Values next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  if (!init.empty())
    scf::YieldOp::create(b, loc, next);
  return Values(loop.getResults());
}

Values LoopBuilder::loop(ExprBuilder &scope, const IndexRange &range, ValueRange init, Body body) {
  return loops(scope, {&range}, init, body);
}

Values LoopBuilder::loops(ExprBuilder &scope, ArrayRef<const IndexRange *> ranges, ValueRange init,
                          Body body, Value active) {
  if (ranges.empty())
    return body(scope, init);
  Value end = sizeOf(*ranges.front());
  if (active)
    end = select(active, end, index(0));
  return count(end, init, [&](Value i, ValueRange carried) {
    ExprBuilder inner = scope;
    inner.setIndex(*ranges.front(), i);
    return loops(inner, ranges.drop_front(), carried, body);
  });
}

Values LoopBuilder::when(Value condition, ValueRange otherwise, function_ref<Values()> body) {
  auto branch = scf::IfOp::create(b, loc, otherwise.getTypes(), condition, !otherwise.empty());
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&branch.getThenRegion().front());
  Values yielded = body();
  if (otherwise.empty())
    return {};
  scf::YieldOp::create(b, loc, yielded);
  b.setInsertionPointToStart(&branch.getElseRegion().front());
  scf::YieldOp::create(b, loc, otherwise);
  return Values(branch.getResults());
}

//===--- Memory ------------------------------------------------------------------------------===//

Value LoopBuilder::local(int64_t size) {
  return memref::AllocaOp::create(b, loc, MemRefType::get({size}, b.getF32Type()));
}

Value LoopBuilder::shared(const Ranges &ranges, Type element, ValueRange more) {
  Values sizes;
  for (const IndexRange *range : ranges)
    sizes.push_back(sizeOf(*range));
  llvm::append_range(sizes, more);
  SmallVector<int64_t> shape(sizes.size(), ShapedType::kDynamic);
  return memref::AllocOp::create(b, loc, MemRefType::get(shape, element), sizes);
}

Value LoopBuilder::load(Value memory, ValueRange at) {
  return memref::LoadOp::create(b, loc, memory, at);
}
void LoopBuilder::store(Value value, Value memory, ValueRange at) {
  memref::StoreOp::create(b, loc, value, memory, at);
}

void LoopBuilder::storeTo(const SpecTensor &tensor, Value value, ValueRange at) {
  Value memory = values.tensors.lookup(tensor.name);
  Type type = cast<MemRefType>(memory.getType()).getElementType();
  if (value.getType().isIndex())
    value = arith::IndexCastOp::create(b, loc, type, value);
  else if (value.getType().isInteger(1))
    value = arith::ExtUIOp::create(b, loc, type, value);
  else if (value.getType() != type)
    value = arith::TruncFOp::create(b, loc, type, value);
  store(value, memory, at);
}

Values LoopBuilder::indicesOf(ExprBuilder &scope, const Ranges &ranges) {
  Values indices;
  for (const IndexRange *range : ranges)
    indices.push_back(scope.indexOf(range->name));
  return indices;
}

//===--- Scalars -----------------------------------------------------------------------------===//

Value LoopBuilder::index(int64_t value) { return arith::ConstantIndexOp::create(b, loc, value); }
Value LoopBuilder::number(double value) {
  return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(float(value)));
}
Value LoopBuilder::boolean(bool value) { return arith::ConstantIntOp::create(b, loc, value, 1); }
Value LoopBuilder::add(Value x, Value y) {
  if (isa<FloatType>(x.getType()))
    return arith::AddFOp::create(b, loc, x, y, arith::FastMathFlags::reassoc);
  return arith::AddIOp::create(b, loc, x, y);
}
Value LoopBuilder::sub(Value x, Value y) {
  if (isa<FloatType>(x.getType()))
    return arith::SubFOp::create(b, loc, x, y);
  return arith::SubIOp::create(b, loc, x, y);
}
Value LoopBuilder::mul(Value x, Value y) {
  if (isa<FloatType>(x.getType()))
    return arith::MulFOp::create(b, loc, x, y);
  return arith::MulIOp::create(b, loc, x, y);
}
Value LoopBuilder::addProduct(Value sum, Value x, Value y) {
  Value product = arith::MulFOp::create(b, loc, x, y, arith::FastMathFlags::contract);
  return arith::AddFOp::create(b, loc, sum, product,
                               arith::FastMathFlags::reassoc | arith::FastMathFlags::contract);
}
Value LoopBuilder::div(Value x, Value y) { return arith::DivFOp::create(b, loc, x, y); }
Value LoopBuilder::remainder(Value x, Value y) {
  return arith::RemSIOp::create(b, loc, x, arith::MaxSIOp::create(b, loc, y, index(1)));
}
Value LoopBuilder::least(Value x, Value y) { return arith::MinSIOp::create(b, loc, x, y); }
Value LoopBuilder::most(Value x, Value y) { return arith::MaxSIOp::create(b, loc, x, y); }
Value LoopBuilder::exp(Value x) { return math::ExpOp::create(b, loc, x); }
Value LoopBuilder::log(Value x) { return math::LogOp::create(b, loc, x); }
Value LoopBuilder::select(Value condition, Value yes, Value no) {
  return arith::SelectOp::create(b, loc, condition, yes, no);
}
Value LoopBuilder::both(Value x, Value y) { return arith::AndIOp::create(b, loc, x, y); }
Value LoopBuilder::either(Value x, Value y) { return arith::OrIOp::create(b, loc, x, y); }
Value LoopBuilder::negate(Value x) { return arith::XOrIOp::create(b, loc, x, boolean(true)); }
Value LoopBuilder::equal(Value x, Value y) {
  if (isa<FloatType>(x.getType()))
    return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, x, y);
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, x, y);
}
Value LoopBuilder::less(Value x, Value y) {
  if (isa<FloatType>(x.getType()))
    return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, x, y);
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, x, y);
}
Value LoopBuilder::isNan(Value x) {
  return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, x, x);
}
Value LoopBuilder::toFloat(Value x) {
  Value wide = arith::IndexCastOp::create(b, loc, b.getI64Type(), x);
  return arith::SIToFPOp::create(b, loc, b.getF32Type(), wide);
}
