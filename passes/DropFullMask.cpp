//===- DropFullMask.cpp - an attend needs no mask that keeps all ------------------------------===//
//
// A `keep` region that provably keeps every pair costs compares and buys nothing. Before:
//   %o = attn.attend softmax rows(%N) keys(%M) ... keep {
//   ^bb0(%q: index, %k: index):
//     %in = arith.cmpi sge, %k, %c0 : index   // no position is negative
//     attn.yield %in : i1
//   }
// after:
//   %o = attn.attend softmax rows(%N) keys(%M) ...
//
// Needs: nothing; sizes may be symbols. Leaves: the dead %c0, for CSE.
//
//===----------------------------------------------------------------------------------------===//

#include "dialect/AttnOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/Explain.h"
#include "passes/MaskPolyhedron.h"
#include "passes/Passes.h"

namespace heddle::attn {
#define GEN_PASS_DEF_DROPFULLMASK
#include "passes/Passes.h.inc"
} // namespace heddle::attn

using namespace mlir;
using namespace mlir::presburger;
using namespace heddle::attn;

/// The conditions of a mask that all have to hold, in the order written.
static void collectTerms(Value condition, SmallVectorImpl<Value> &terms) {
  if (auto both = condition.getDefiningOp<arith::AndIOp>()) {
    collectTerms(both.getLhs(), terms);
    collectTerms(both.getRhs(), terms);
  } else {
    terms.push_back(condition);
  }
}

/// True if some pair in range may fail `term`: a conjunct of its negation has a (rational) solution
/// with all positions in their ranges.
static bool mayDrop(AttendOp op, Value term) {
  MaskAnalysis mask(op.getKeep(), op.getKeep().getArguments(), term);
  SmallVector<Value> ranges(op.getRows());
  ranges.append(op.getKeys().begin(), op.getKeys().end());
  SmallVector<unsigned> symbols;
  SmallVector<LinearForm> sizes;
  for (Value range : ranges) {
    sizes.push_back(mask.read(range));
    collectSymbols(mask, sizes.back(), symbols);
  }
  for (const MaskConjunct &conjunct : mask.getDrops())
    for (const LinearForm &form : conjunct)
      collectSymbols(mask, form, symbols);
  auto columnOf = [&](unsigned number) -> unsigned {
    if (number < ranges.size()) // a position
      return number;
    return ranges.size() + (llvm::find(symbols, number) - symbols.begin());
  };
  return llvm::any_of(mask.getDrops(), [&](const MaskConjunct &conjunct) {
    IntegerPolyhedron p(PresburgerSpace::getSetSpace(ranges.size(), symbols.size()));
    for (auto [position, size] : llvm::enumerate(sizes)) {
      p.addBound(BoundType::LB, position, 0);
      std::vector<int64_t> inRange = rowOf(mask, size, p, columnOf);
      inRange[position] -= 1;
      inRange.back() -= 1;
      p.addInequality(inRange);
    }
    for (const LinearForm &form : conjunct)
      addForm(mask, form, p, columnOf);
    return !isEmpty(p);
  });
}

namespace {
struct DropMask : OpRewritePattern<AttendOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(AttendOp op, PatternRewriter &rewriter) const override {
    if (op.getKeep().empty())
      return failure();
    SmallVector<Value> terms;
    collectTerms(op.getKeep().front().getTerminator()->getOperand(0), terms);
    for (Value term : terms)
      if (mayDrop(op, term))
        return rewriter.notifyMatchFailure(op, [&](Diagnostic &diag) {
          diag << "the mask may drop a pair";
          diag.attachNote(term.getLoc()) << "by this term";
        });
    rewriter.modifyOpInPlace(op, [&] { rewriter.eraseBlock(&op.getKeep().front()); });
    return success();
  }
};

struct DropFullMask : heddle::attn::impl::DropFullMaskBase<DropFullMask> {
  using DropFullMaskBase::DropFullMaskBase;

  void runOnOperation() override {
    Explain listener;
    PatternRewriter rewriter(&getContext());
    if (explain)
      rewriter.setListener(&listener);
    DropMask pattern(&getContext());
    getOperation().walk([&](AttendOp op) {
      rewriter.setInsertionPoint(op);
      (void)succeeded(pattern.matchAndRewrite(op, rewriter)); // each op is met once
    });
  }
};
} // namespace
