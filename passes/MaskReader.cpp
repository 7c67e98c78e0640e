//===- MaskReader.cpp - operations of a mask to linear forms and formulas ---------------------===//
//
// Integers are read as the mathematical ones they stand for: the language's are 64-bit, and a
// kernel uses fewer only where the result is the same. Casts between integer types therefore
// vanish.
//
//===----------------------------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "passes/MaskAnalysis.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace heddle::attn;

using Kind = MaskTerm::Kind;

MaskAnalysis::MaskAnalysis(Region &keep, ValueRange positions, Value part)
    : region(keep), condition(part) {
  formulas.push_back({Formula::Kind::constant, {}, 0});
  formulas.push_back({Formula::Kind::constant, {}, 1});
  for (Value position : positions) {
    LinearForm form;
    form.parts.push_back({unsigned(terms.size()), 1});
    terms.push_back({Kind::position, position, {}, {}});
    integers[position] = form;
    uniform[position] = false;
  }
  if (!condition && !keep.empty())
    condition = keep.front().getTerminator()->getOperand(0);
  if (condition)
    root = readBool(condition);
  unsigned dropped = negate(root);
  keeps = normalForm(root);
  drops = normalForm(dropped);
}

bool MaskAnalysis::isInside(Value value) const {
  return region.isAncestor(value.getParentRegion());
}

/// True if no position has a part in `value`, and it can be computed before the mask is.
bool MaskAnalysis::isUniform(Value value) {
  auto [at, isNew] = uniform.try_emplace(value, true);
  if (!isNew)
    return at->second;
  Operation *op = value.getDefiningOp();
  if (!isInside(value) || !op)
    return true;
  std::optional<SmallVector<MemoryEffects::EffectInstance>> effects = getEffectsRecursively(op);
  bool result = effects && llvm::all_of(*effects, [](const MemoryEffects::EffectInstance &effect) {
                  return isa<MemoryEffects::Read>(effect.getEffect());
                });
  op->walk([&](Operation *nested) {
    for (Value operand : nested->getOperands())
      if (!op->isAncestor(operand.getParentBlock()->getParentOp())) // comes from around `op`
        result = result && isUniform(operand);
  });
  return uniform[value] = result;
}

//===--- Integers ---------------------------------------------------------------------------===//

LinearForm MaskAnalysis::read(Value value) {
  auto known = integers.find(value);
  if (known != integers.end())
    return known->second;
  LinearForm form;
  APInt constant;
  Operation *op = value.getDefiningOp();
  if (matchPattern(value, m_ConstantInt(&constant)) && constant.getSignificantBits() <= 64)
    form.constant = constant.getSExtValue();
  else if (op && isa<arith::ArithDialect, math::MathDialect>(op->getDialect()))
    form = readOp(op, value);
  else
    form = isUniform(value) ? formOf({Kind::symbol, value, {}, {}}) : readData(op, value);
  integers[value] = form;
  return form;
}

/// An integer that a tensor holds at positions.
LinearForm MaskAnalysis::readData(Operation *op, Value value) {
  if (!isa_and_present<tensor::ExtractOp, memref::LoadOp>(op) || !value.getType().isIntOrIndex())
    return unknown(value);
  for (Value subscript : op->getOperands().drop_front())
    read(subscript); // their terms tell of blocks
  return formOf({Kind::data, value, {}, {}});
}

/// Sums of positions and symbols. Anything else of symbols only is a symbol of its own.
LinearForm MaskAnalysis::readOp(Operation *op, Value value) {
  LinearForm zero, a, b;
  if (isa<arith::AddIOp, arith::SubIOp>(op))
    return sum(read(op->getOperand(0)), read(op->getOperand(1)), isa<arith::AddIOp>(op) ? 1 : -1,
               value);
  if (isa<arith::MulIOp>(op)) {
    a = read(op->getOperand(0)), b = read(op->getOperand(1));
    if (b.parts.empty() || a.parts.empty())
      return b.parts.empty() ? sum(zero, a, b.constant, value) : sum(zero, b, a.constant, value);
  }
  bool fromBool = op->getNumOperands() == 1 && op->getOperand(0).getType().isInteger(1);
  if (isa<arith::IndexCastOp, arith::ExtSIOp, arith::TruncIOp, arith::IndexCastUIOp,
          arith::ExtUIOp>(op) &&
      !fromBool)
    return read(op->getOperand(0));
  if (isUniform(value))
    return formOf({Kind::symbol, value, {}, {}});
  if (isa<arith::ExtUIOp, arith::IndexCastUIOp>(op))
    return chosen(readBool(op->getOperand(0)), {{}, 1}, zero, value);
  if (isa<arith::MaxSIOp>(op))
    return larger(read(op->getOperand(0)), read(op->getOperand(1)), value);
  if (isa<arith::MinSIOp>(op)) {
    a = sum(zero, read(op->getOperand(0)), -1, value);
    b = sum(zero, read(op->getOperand(1)), -1, value);
    return sum(zero, larger(a, b, value), -1, value);
  }
  if (isa<math::AbsIOp>(op)) {
    a = read(op->getOperand(0));
    return larger(a, sum(zero, a, -1, value), value);
  }
  if (auto select = dyn_cast<arith::SelectOp>(op))
    return chosen(readBool(select.getCondition()), read(select.getTrueValue()),
                  read(select.getFalseValue()), value);
  return readDivision(op, value);
}

/// Division and remainder by a positive constant: floor(a / c), a - c * floor(a / c).
LinearForm MaskAnalysis::readDivision(Operation *op, Value value) {
  if (op->getNumOperands() != 2)
    return unknown(value);
  LinearForm zero, a = read(op->getOperand(0)), divisor = read(op->getOperand(1));
  int64_t by = divisor.constant;
  bool isMask = isa<arith::AndIOp>(op), isShift = isa<arith::ShRSIOp, arith::ShLIOp>(op);
  if (!divisor.parts.empty() || (isShift && (by < 0 || by > 31)))
    return unknown(value);
  if (isShift)
    by = int64_t(1) << by;
  if (isMask)
    ++by; // a & (2^n - 1) = a mod 2^n
  if (by <= 0 || by > INT32_MAX || (isMask && !llvm::isPowerOf2_64(by)))
    return unknown(value);
  if (isa<arith::ShLIOp>(op))
    return sum(zero, a, by, value);
  if (isa<arith::FloorDivSIOp, arith::ShRSIOp>(op))
    return floorDiv(a, by, value);
  if (isa<arith::CeilDivSIOp>(op))
    return floorDiv(sum(a, {{}, by - 1}, 1, value), by, value);
  if (isMask)
    return sum(a, floorDiv(a, by, value), -by, value);
  // The others round towards zero. Unsigned ones are left alone where a is negative.
  bool remainder = isa<arith::RemSIOp, arith::RemUIOp>(op);
  if (!remainder && !isa<arith::DivSIOp, arith::DivUIOp>(op))
    return unknown(value);
  unsigned isPositive = atLeastZero(a, value);
  LinearForm up = floorDiv(a, by, value);
  LinearForm down = sum(zero, floorDiv(sum(zero, a, -1, value), by, value), -1, value);
  if (isa<arith::DivUIOp, arith::RemUIOp>(op))
    return isPositive == 1
               ? (remainder ? sum(a, up, -by, value) : up)
               : chosen(isPositive, remainder ? sum(a, up, -by, value) : up, unknown(value), value);
  if (!remainder)
    return chosen(isPositive, up, down, value);
  return chosen(isPositive, sum(a, up, -by, value), sum(a, down, -by, value), value);
}

//===--- Conditions -------------------------------------------------------------------------===//

unsigned MaskAnalysis::readBool(Value value) {
  auto known = bools.find(value);
  if (known != bools.end())
    return known->second;
  APInt constant;
  Operation *op = value.getDefiningOp();
  unsigned formula;
  if (matchPattern(value, m_ConstantInt(&constant)))
    formula = !constant.isZero();
  else if (op &&
           isa<arith::CmpIOp, arith::AndIOp, arith::OrIOp, arith::XOrIOp, arith::SelectOp>(op))
    formula = readBoolOp(op, value);
  else if (isUniform(value)) // 0 or 1
    formula = isLess({}, formOf({Kind::symbol, value, {}, {}}), value);
  else
    formula = makeUnknown(value);
  return bools[value] = formula;
}

unsigned MaskAnalysis::readBoolOp(Operation *op, Value value) {
  auto cmp = dyn_cast<arith::CmpIOp>(op);
  if (cmp && !cmp.getLhs().getType().isInteger(1))
    return compare(op, value);
  if (cmp && cmp.getPredicate() != arith::CmpIPredicate::eq &&
      cmp.getPredicate() != arith::CmpIPredicate::ne)
    return makeUnknown(value);
  unsigned a = readBool(op->getOperand(0)), b = readBool(op->getOperand(1));
  if (isa<arith::AndIOp>(op))
    return both(a, b);
  if (isa<arith::OrIOp>(op))
    return either(a, b);
  if (isa<arith::SelectOp>(op))
    return either(both(a, b), both(negate(a), readBool(op->getOperand(2))));
  if (cmp && cmp.getPredicate() == arith::CmpIPredicate::eq)
    b = negate(b);
  return either(both(a, negate(b)), both(negate(a), b)); // exclusive or
}

unsigned MaskAnalysis::compare(Operation *op, Value value) {
  auto cmp = cast<arith::CmpIOp>(op);
  if (!cmp.getLhs().getType().isSignlessIntOrIndex())
    return makeUnknown(value); // vectors
  LinearForm a = read(cmp.getLhs()), b = read(cmp.getRhs());
  using Predicate = arith::CmpIPredicate;
  Predicate predicate = cmp.getPredicate();
  switch (predicate) {
  case Predicate::eq:
  case Predicate::ne: {
    unsigned differ = either(isLess(a, b, value), isLess(b, a, value));
    return predicate == Predicate::ne ? differ : negate(differ);
  }
  case Predicate::slt:
    return isLess(a, b, value);
  case Predicate::sgt:
    return isLess(b, a, value);
  case Predicate::sle:
    return negate(isLess(b, a, value));
  case Predicate::sge:
    return negate(isLess(a, b, value));
  default:
    break;
  }
  // Unsigned: a negative number is larger than any other.
  bool swapped = predicate == Predicate::ugt || predicate == Predicate::ule;
  if (swapped)
    std::swap(a, b);
  unsigned aNegative = isLess(a, {}, value), bNegative = isLess(b, {}, value);
  unsigned less = isLess(a, b, value);
  less = either(both(both(negate(aNegative), negate(bNegative)), less),
                both(bNegative, either(negate(aNegative), less)));
  bool strict = predicate == Predicate::ult || predicate == Predicate::ugt;
  return strict ? less : negate(less);
}
