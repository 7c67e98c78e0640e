//===- FoldScale.cpp - a constant factor of the score belongs to the scale ---------------------===//
//
// Before:
//   %o = attn.attend softmax .. scale 0.125 .. score {
//   ^bb0(.., %s: f32):
//     %c = arith.constant 2.0 : f32
//     %x = arith.mulf %s, %c : f32
//     attn.yield %x : f32
//   }
// after:
//   %o = attn.attend softmax .. scale 0.25 ..
//
// The scale is multiplied into the query while it is loaded, and scores without a region of their own
// are base 2: the factor costs nothing, and each score saves a multiplication. Factors are multiplied
// in double precision, as the attribute is.
//
// Needs: nothing. Leaves: no score region that is the score times a constant, or the score itself.
//
//===----------------------------------------------------------------------------------------===//

#include "dialect/AttnOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Matchers.h"
#include "passes/Passes.h"

using namespace mlir;

namespace heddle::attn {
#define GEN_PASS_DEF_FOLDSCALE
#include "passes/Passes.h.inc"

namespace {

/// The factor that `value` is of `score`, if it is a constant one.
std::optional<double> factorOf(Value value, Value score) {
  if (value == score)
    return 1;
  auto product = value.getDefiningOp<arith::MulFOp>();
  if (!product)
    return std::nullopt;
  for (auto [x, c] : {std::pair(product.getLhs(), product.getRhs()),
                      std::pair(product.getRhs(), product.getLhs())}) {
    APFloat constant(0.0f);
    if (!matchPattern(c, m_ConstantFloat(&constant)))
      continue;
    if (std::optional<double> inner = factorOf(x, score))
      return *inner * constant.convertToDouble();
  }
  return std::nullopt;
}

struct FoldScale : impl::FoldScaleBase<FoldScale> {
  using FoldScaleBase::FoldScaleBase;

  void runOnOperation() override {
    for (auto op : getOperation().getOps<AttendOp>()) {
      if (op.getScore().empty() || !op.getRelRow().empty()) // a band has no part in the scale
        continue;
      Block &block = op.getScore().front();
      Value yielded = block.getTerminator()->getOperand(0);
      std::optional<double> factor = factorOf(yielded, block.getArguments().back());
      if (!factor) {
        if (explain) {
          Diagnostic remark(yielded.getLoc(), DiagnosticSeverity::Remark);
          remark << "the score is not the scaled product times a constant";
          getContext().getDiagEngine().emit(std::move(remark));
        }
        continue;
      }
      op.setScaleAttr(Builder(op).getF64FloatAttr(op.getScale().convertToDouble() * *factor));
      block.erase();
    }
  }
};

} // namespace
} // namespace heddle::attn
