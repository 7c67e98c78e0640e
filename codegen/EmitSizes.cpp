//===- EmitSizes.cpp - sizes that are expressions, computed at the call ------------------------===//

#include "codegen/EmitDescriptor.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

using namespace llvm;
using namespace heddle;

namespace {
class SizeBuilder {
public:
  SizeBuilder(IRBuilder<> &b) : b(b) {}
  StringMap<Value *> names;
  Value *build(const Expr &expr);

private:
  Value *binary(const Expr &expr, Value *x, Value *y);
  Value *floatBinary(BinaryOp op, Value *x, Value *y);
  Value *floorDiv(Value *x, Value *y, bool remainder);
  Value *shift(BinaryOp op, Value *x, Value *y);
  Value *call(const Expr &expr, ArrayRef<Value *> args);
  Value *library(std::string_view name, ArrayRef<Value *> args);
  Type *type(const Expr &expr) {
    return expr.type == ExprType::Float  ? b.getDoubleTy()
           : expr.type == ExprType::Bool ? Type::getInt1Ty(b.getContext())
                                         : static_cast<Type *>(b.getInt64Ty());
  }
  IRBuilder<> &b;
};
} // namespace

/// Floor, and 0 where the divisor is 0; the least integer by -1 wraps.
Value *SizeBuilder::floorDiv(Value *x, Value *y, bool remainder) {
  Value *zero = b.getInt64(0), *one = b.getInt64(1), *minus = b.getInt64(-1);
  Value *isZero = b.CreateICmpEQ(y, zero), *isMinus = b.CreateICmpEQ(y, minus);
  Value *safe = b.CreateSelect(b.CreateOr(isZero, isMinus), one, y);
  Value *quotient = b.CreateSDiv(x, safe), *rest = b.CreateSRem(x, safe);
  Value *differ = b.CreateICmpSLT(b.CreateXor(rest, safe), zero);
  Value *down = b.CreateAnd(b.CreateICmpNE(rest, zero), differ);
  quotient = b.CreateSub(quotient, b.CreateZExt(down, b.getInt64Ty()));
  quotient = b.CreateSelect(isMinus, b.CreateNeg(x), quotient);
  quotient = b.CreateSelect(isZero, zero, quotient);
  if (!remainder)
    return quotient;
  return b.CreateSelect(isZero, zero, b.CreateSub(x, b.CreateMul(quotient, y)));
}

Value *SizeBuilder::shift(BinaryOp op, Value *x, Value *y) {
  Value *bad = b.CreateICmpUGT(y, b.getInt64(63));
  Value *count = b.CreateSelect(bad, b.getInt64(0), y);
  Value *shifted = op == BinaryOp::Shl ? b.CreateShl(x, count) : b.CreateAShr(x, count);
  return b.CreateSelect(bad, b.getInt64(0), shifted);
}

Value *SizeBuilder::floatBinary(BinaryOp op, Value *x, Value *y) {
  switch (op) {
  case BinaryOp::Add:
    return b.CreateFAdd(x, y);
  case BinaryOp::Sub:
    return b.CreateFSub(x, y);
  case BinaryOp::Mul:
    return b.CreateFMul(x, y);
  case BinaryOp::Div:
    return b.CreateFDiv(x, y);
  case BinaryOp::Lt:
    return b.CreateFCmpOLT(x, y);
  case BinaryOp::Le:
    return b.CreateFCmpOLE(x, y);
  case BinaryOp::Gt:
    return b.CreateFCmpOGT(x, y);
  case BinaryOp::Ge:
    return b.CreateFCmpOGE(x, y);
  case BinaryOp::Eq:
    return b.CreateFCmpOEQ(x, y);
  default:
    return b.CreateFCmpUNE(x, y);
  }
}

Value *SizeBuilder::binary(const Expr &expr, Value *x, Value *y) {
  if (x->getType()->isDoubleTy())
    return floatBinary(expr.binary, x, y);
  switch (expr.binary) {
  case BinaryOp::Add:
    return b.CreateAdd(x, y);
  case BinaryOp::Sub:
    return b.CreateSub(x, y);
  case BinaryOp::Mul:
    return b.CreateMul(x, y);
  case BinaryOp::FloorDiv:
    return floorDiv(x, y, false);
  case BinaryOp::Mod:
    return floorDiv(x, y, true);
  case BinaryOp::BitAnd:
  case BinaryOp::And:
    return b.CreateAnd(x, y);
  case BinaryOp::BitOr:
  case BinaryOp::Or:
    return b.CreateOr(x, y);
  case BinaryOp::BitXor:
    return b.CreateXor(x, y);
  case BinaryOp::Shl:
  case BinaryOp::Shr:
    return shift(expr.binary, x, y);
  case BinaryOp::Lt:
    return b.CreateICmpSLT(x, y);
  case BinaryOp::Le:
    return b.CreateICmpSLE(x, y);
  case BinaryOp::Gt:
    return b.CreateICmpSGT(x, y);
  case BinaryOp::Ge:
    return b.CreateICmpSGE(x, y);
  case BinaryOp::Eq:
    return b.CreateICmpEQ(x, y);
  case BinaryOp::Ne:
    return b.CreateICmpNE(x, y);
  case BinaryOp::Div:
    break;
  }
  llvm_unreachable("the checker makes both operands of / floats");
}

Value *SizeBuilder::call(const Expr &expr, ArrayRef<Value *> args) {
  bool isFloat = args[0]->getType()->isDoubleTy();
  auto fold = [&](Intrinsic::ID onInts, Intrinsic::ID onFloats) {
    Value *value = args[0];
    for (Value *next : args.drop_front())
      value = b.CreateBinaryIntrinsic(isFloat ? onFloats : onInts, value, next);
    return value;
  };
  switch (expr.function) {
  case ExprFunction::Min:
    return fold(Intrinsic::smin, Intrinsic::minimum);
  case ExprFunction::Max:
    return fold(Intrinsic::smax, Intrinsic::maximum);
  case ExprFunction::Abs:
    return isFloat ? b.CreateUnaryIntrinsic(Intrinsic::fabs, args[0])
                   : b.CreateBinaryIntrinsic(Intrinsic::abs, args[0], b.getFalse());
  case ExprFunction::Floor:
  case ExprFunction::Ceil: {
    auto id = expr.function == ExprFunction::Floor ? Intrinsic::floor : Intrinsic::ceil;
    Value *rounded = b.CreateUnaryIntrinsic(id, args[0]);
    return b.CreateIntrinsic(Intrinsic::fptosi_sat, {b.getInt64Ty(), b.getDoubleTy()}, {rounded});
  }
  case ExprFunction::Relu:
    return isFloat ? b.CreateBinaryIntrinsic(Intrinsic::maximum, args[0],
                                             ConstantFP::get(b.getDoubleTy(), 0))
                   : b.CreateBinaryIntrinsic(Intrinsic::smax, args[0], b.getInt64(0));
  case ExprFunction::Sqrt:
    return b.CreateUnaryIntrinsic(Intrinsic::sqrt, args[0]);
  case ExprFunction::Rsqrt:
    return b.CreateFDiv(ConstantFP::get(b.getDoubleTy(), 1),
                        b.CreateUnaryIntrinsic(Intrinsic::sqrt, args[0]));
  case ExprFunction::Sigmoid: {
    Value *one = ConstantFP::get(b.getDoubleTy(), 1);
    return b.CreateFDiv(one, b.CreateFAdd(one, library("exp", {b.CreateFNeg(args[0])})));
  }
  default: // named as in C
    return library(spelling(expr.function), args);
  }
}

/// A function of libm.
Value *SizeBuilder::library(std::string_view name, ArrayRef<Value *> args) {
  SmallVector<Type *> types(args.size(), b.getDoubleTy());
  auto *type = FunctionType::get(b.getDoubleTy(), types, false);
  Module &module = *b.GetInsertBlock()->getModule();
  return b.CreateCall(module.getOrInsertFunction(name, type), args);
}

Value *SizeBuilder::build(const Expr &expr) {
  SmallVector<Value *> args;
  for (const ExprRef &arg : expr.args)
    args.push_back(build(*arg));
  switch (expr.kind) {
  case ExprKind::Number:
    if (expr.type == ExprType::Float)
      return ConstantFP::get(b.getDoubleTy(), expr.floatValue);
    return ConstantInt::get(type(expr), expr.intValue);
  case ExprKind::Dim:
  case ExprKind::Param:
    return names.lookup(expr.name);
  case ExprKind::IntToFloat:
    return b.CreateSIToFP(args[0], b.getDoubleTy());
  case ExprKind::Unary:
    if (expr.unary == UnaryOp::Not)
      return b.CreateNot(args[0]);
    return expr.type == ExprType::Float ? b.CreateFNeg(args[0]) : b.CreateNeg(args[0]);
  case ExprKind::Binary:
    return binary(expr, args[0], args[1]);
  case ExprKind::Select:
    return b.CreateSelect(args[0], args[1], args[2]);
  case ExprKind::Call:
    return call(expr, args);
  default:
    llvm_unreachable("sizes mention dims and params only");
  }
}

Function *heddle::emitDerive(Module &module, const Spec &spec, const CallValues &values) {
  IRBuilder<> b(module.getContext());
  auto *type = FunctionType::get(b.getVoidTy(), {b.getPtrTy()}, false);
  auto *function =
      Function::Create(type, GlobalValue::InternalLinkage, spec.name + "_derive", module);
  b.SetInsertPoint(BasicBlock::Create(module.getContext(), "", function));
  Value *array = function->getArg(0);
  auto at = [&](int64_t i) { return b.CreateConstGEP1_64(b.getInt64Ty(), array, i); };
  SizeBuilder builder(b);
  auto store = [&](const Expr &expr, int64_t place) -> Value * {
    Value *value = b.CreateZExtOrTrunc(builder.build(expr), b.getInt64Ty());
    b.CreateStore(value, at(place));
    return value;
  };
  int64_t place = int64_t(spec.dims.size());
  for (const SpecParam &param : spec.params) {
    if (!param.isRuntime)
      continue;
    Type *loaded =
        param.value.type == ExprType::Float ? b.getDoubleTy() : static_cast<Type *>(b.getInt64Ty());
    builder.names[param.name] = b.CreateLoad(loaded, at(place++));
  }
  // Dims may be given in any order; there are no cycles.
  for (auto [i, dim] : enumerate(spec.dims))
    if (!values.derived[i])
      builder.names[dim.name] = b.CreateLoad(b.getInt64Ty(), at(i));
  for (bool more = true; more;) {
    more = false;
    for (auto [i, dim] : enumerate(spec.dims)) {
      bool ready = values.derived[i] && !builder.names.count(dim.name) &&
                   !anyNode(values.derived[i], [&](const Expr &node) {
                     return node.kind == ExprKind::Dim && !builder.names.count(node.name);
                   });
      if (!ready)
        continue;
      builder.names[dim.name] = store(*values.derived[i], i);
      more = true;
    }
  }
  for (auto [i, expr] : enumerate(values.sizes))
    store(*expr, values.firstSize + i);
  for (auto [i, expr] : enumerate(values.requirements))
    store(*expr, values.firstRequirement + i);
  b.CreateRetVoid();
  return function;
}
