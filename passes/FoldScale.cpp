//===- FoldScale.cpp - constant factors of the score belong to the scale -----------------------===//
//
// Before:
//   %o = attn.attend softmax .. scale 0.125 .. score {
//   ^bb0(.., %s: f32):
//     %x = arith.divf %s, %c30 : f32
//     %y = math.tanh %x : f32
//     ..
//   }
//   %p = attn.attend map .. scale 0.125 .. map {
//   ^bb0(.., %s: f32):
//     %x = arith.subf %s, %c8 : f32
//     %y = math.exp %x : f32
//     ..
//   }
// after:
//   %o = attn.attend softmax .. scale 0.00416667 .. score {
//   ^bb0(.., %s: f32):
//     %y = math.tanh %s : f32
//     ..
//   }
//   %p = attn.attend map .. scale 0.180337 .. map {
//   ^bb0(.., %s: f32):
//     %x = arith.subf %s, %c11.54 : f32
//     %y = math.exp2 %x : f32
//     ..
//   }
//
// The scale is multiplied into the query while it is loaded: a factor costs nothing there, and each score
// saves a multiplication or a division; a power of two is the cheaper one by what the product of x and
// log2 e loses, which need not be mended. A score region that is nothing but a factor goes: what has none is
// base 2 altogether. Factors are multiplied in double precision, as the attribute is.
//
// Needs: nothing. Leaves: no score region that is the score times a constant, or the score itself.
//
//===----------------------------------------------------------------------------------------===//

#include "dialect/AttnOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "passes/Passes.h"
#include "llvm/ADT/SetVector.h"
#include <cmath>

using namespace mlir;

namespace heddle::attn {
#define GEN_PASS_DEF_FOLDSCALE
#include "passes/Passes.h.inc"

namespace {

constexpr double log2e = 1.4426950408889634074;

std::optional<double> constantOf(Value value) {
  APFloat constant(0.0f);
  if (!matchPattern(value, m_ConstantFloat(&constant)))
    return std::nullopt;
  return constant.convertToDouble();
}

/// The op that is all that looks at the product, if it multiplies or divides it by a constant; the factor.
Operation *onlyFactor(Value product, double &factor) {
  Operation *user = product.hasOneUse() ? *product.getUsers().begin() : nullptr;
  if (!user || !isa<arith::MulFOp, arith::DivFOp>(user))
    return nullptr;
  bool isFirst = user->getOperand(0) == product, divides = isa<arith::DivFOp>(user);
  std::optional<double> constant = constantOf(user->getOperand(isFirst ? 1 : 0));
  if (!constant || (divides && !isFirst))
    return nullptr;
  factor = divides ? 1 / *constant : *constant;
  return user;
}

/// What becomes of a product on its way to powers of e, if a factor in it is a factor in their exponents.
class Powers {
public:
  /// False: something else looks at it, or there is no power.
  bool follow(Value product) {
    linear.insert(product);
    for (size_t i = 0; i < linear.size(); ++i)
      for (OpOperand &use : linear[i].getUses())
        if (!take(use))
          return false;
    // The square of a product has the square of its factor.
    for (Operation *op : multiplied)
      if (linear.contains(op->getOperand(0)) && linear.contains(op->getOperand(1)))
        return false;
    return !powers.empty();
  }

  /// The product carries the factor log2 e: what is added to it or compared with it must, too.
  void rewrite() {
    for (Operation *op : alike)
      for (OpOperand &operand : op->getOpOperands())
        if (operand.get().getType().isF32() && !linear.contains(operand.get()))
          operand.set(scaled(op, operand.get()));
    for (math::ExpOp power : powers) {
      OpBuilder b(power);
      power.replaceAllUsesWith(
          math::Exp2Op::create(b, power.getLoc(), power.getOperand(), power.getFastmath())
              .getResult());
      power.erase();
    }
  }

private:
  bool take(OpOperand &use) {
    Operation *op = use.getOwner();
    if (auto power = dyn_cast<math::ExpOp>(op))
      return powers.push_back(power), true;
    if (isa<arith::CmpFOp>(op))
      return alike.insert(op), true;
    bool selects = isa<arith::SelectOp>(op) && use.getOperandNumber() > 0;
    if (selects || isa<arith::AddFOp, arith::SubFOp, arith::NegFOp, math::AbsFOp, arith::MaximumFOp,
                       arith::MinimumFOp>(op))
      alike.insert(op);
    else if (isa<arith::MulFOp>(op) || (isa<arith::DivFOp>(op) && use.getOperandNumber() == 0))
      multiplied.insert(op);
    else
      return false;
    return linear.insert(op->getResult(0)), true;
  }

  Value scaled(Operation *op, Value value) {
    OpBuilder b(op);
    auto constant = [&](double x) -> Value {
      return arith::ConstantOp::create(b, op->getLoc(), b.getF32FloatAttr(float(x)));
    };
    if (std::optional<double> number = constantOf(value))
      return *number * log2e == *number ? value : constant(*number * log2e);
    return arith::MulFOp::create(b, op->getLoc(), value, constant(log2e));
  }

  llvm::SetVector<Value> linear;                  // in the product
  llvm::SetVector<Operation *> alike, multiplied; // f(c x, c y) = c f(x, y), or the same for all c
  SmallVector<math::ExpOp> powers;
};

struct FoldScale : impl::FoldScaleBase<FoldScale> {
  using FoldScaleBase::FoldScaleBase;

  void runOnOperation() override {
    for (auto op : getOperation().getOps<AttendOp>()) {
      // A band has no part in the scale. The first region that takes the product is all that does.
      Region &region = op.getScore().empty() ? op.getMap() : op.getScore();
      if (region.empty() || !op.getRelRow().empty() || op.getQuery().empty())
        continue;
      Value product = region.front().getArguments().back();
      double factor = 1;
      while (Operation *user = onlyFactor(product, factor)) {
        if (!multiply(op, factor))
          break;
        user->getResult(0).replaceAllUsesWith(product);
        user->erase();
      }
      Powers powers;
      if (powers.follow(product) && multiply(op, log2e))
        powers.rewrite();
      Value yielded = region.front().getTerminator()->getOperand(0);
      if (&region != &op.getScore())
        continue;
      if (yielded == product)
        region.front().erase();
      else if (explain)
        tell(yielded.getLoc());
    }
  }

  /// Not where the query, which takes it up, would leave the middle of its range.
  static bool multiply(AttendOp op, double factor) {
    double scale = op.getScale().convertToDouble() * factor, size = std::fabs(scale);
    if (!(size > 1e-9 && size < 1e9))
      return false;
    op.setScaleAttr(Builder(op).getF64FloatAttr(scale));
    return true;
  }

  void tell(Location loc) {
    Diagnostic remark(loc, DiagnosticSeverity::Remark);
    remark << "the score is not the scaled product times a constant";
    getContext().getDiagEngine().emit(std::move(remark));
  }
};

} // namespace
} // namespace heddle::attn
