//===- BuildRead.cpp - reads of tensors, and vectors of a step ----------------------------------===//

#include "dialect/AttnDialect.h"
#include "dialect/BuildExpr.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace heddle;

Value ExprBuilder::buildSpecial(const Expr &expr) {
  auto vector = vectors.find(expr.special);
  if (vector != vectors.end()) { // one element of it, inside a dot()
    ExprBuilder inner = *this;
    inner.setIndex(*vector->second.first, wholeAxis);
    return inner.build(vector->second.second);
  }
  if (expr.special != ExprSpecial::Pos)
    return specials.at(expr.special);
  Value q = indices.find("q_idx")->second.first;
  return arith::AddIOp::create(b, locate(expr), q, build(offset));
}

/// The sum over the axis `:`, one element after the other.
Value ExprBuilder::buildDot(const Expr &expr) {
  Location loc = locate(expr);
  Value zero = index(loc, 0), one = index(loc, 1), none = number(loc, 0);
  auto loop = scf::ForOp::create(b, loc, zero, build(expr.args[2]), one, none);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  ExprBuilder inner = *this;
  inner.wholeAxis = loop.getInductionVar();
  Value x = inner.build(expr.args[0]), y = inner.build(expr.args[1]);
  Value sum =
      arith::AddFOp::create(b, loc, loop.getRegionIterArg(0), arith::MulFOp::create(b, loc, x, y),
                            arith::FastMathFlags::reassoc);
  scf::YieldOp::create(b, loc, sum);
  return loop.getResult(0);
}

/// A subscript out of its axis means the nearest one in it. One that is an index of that very range, or
/// the key head, cannot leave it.
Value ExprBuilder::buildRead(const Expr &expr) {
  Location loc = locate(expr);
  const SpecTensor &tensor = *values.spec.findTensor(expr.name);
  SmallVector<Value> subscripts;
  for (auto [axis, arg] : llvm::zip_equal(tensor.axes, expr.args)) {
    Value x = build(arg);
    bool inside =
        arg->kind == ExprKind::WholeAxis || (arg->kind == ExprKind::Binary && arg->name == "h_kv");
    if (arg->kind == ExprKind::Index)
      inside = indices.find(arg->name)->second.second == axis.text;
    std::optional<int64_t> size = evaluateSize(*axis.size, values.known);
    if (arg->isNumber() && size)
      inside = arg->intValue >= 0 && arg->intValue < *size;
    if (!inside) {
      Value last = size
                       ? index(loc, *size - 1)
                       : arith::SubIOp::create(b, loc, build(axis.size), index(loc, 1)).getResult();
      x = arith::MinSIOp::create(b, loc, x, last); // first: of an empty axis it is 0
      x = arith::MaxSIOp::create(b, loc, x, index(loc, 0));
    }
    subscripts.push_back(x);
  }
  Value memory = values.tensors.lookup(expr.name);
  Value element = isa<MemRefType>(memory.getType())
                      ? memref::LoadOp::create(b, loc, memory, subscripts).getResult()
                      : tensor::ExtractOp::create(b, loc, memory, subscripts).getResult();
  if (tensor.sorted) // a promise: its values do not fall along its last axis
    element.getDefiningOp()->setAttr(attn::AttnDialect::SortedAttrHelper::getNameStr(),
                                     b.getUnitAttr());
  Type type = element.getType();
  if (tensor.type == ExprType::Bool) {
    Value zero = arith::ConstantIntOp::create(b, loc, 0, 8);
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, element, zero);
  }
  if (isa<IntegerType>(type))
    return arith::IndexCastOp::create(b, loc, b.getIndexType(), element);
  return type.isF32() ? element
                      : arith::ExtFOp::create(b, loc, b.getF32Type(), element).getResult();
}
