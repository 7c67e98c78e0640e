//===- TilePlan.h - a mask evaluated over the positions of one key tile, as IR -----------------===//
//
// Interval arithmetic on the formula of MaskAnalysis, written down for the kernel to do: what intervals of
// tile numbers cannot say of a mask that rounds, or reads what tensors hold. Like the conjuncts it may
// admit too much, never too little.
//
//===----------------------------------------------------------------------------------------===//

#ifndef HEDDLE_PASSES_TILEPLAN_H
#define HEDDLE_PASSES_TILEPLAN_H

#include "mlir/IR/Builders.h"
#include "passes/MaskAnalysis.h"
#include <optional>

namespace heddle::attn {

/// The least and the greatest value something takes (index).
struct PlanEnds {
  mlir::Value lo, hi;
};

/// Whether a condition holds, and fails, somewhere (i1).
struct PlanTruth {
  mlir::Value may, fail;
};

class TilePlan {
public:
  /// The extent of positions of which nobody knows how many they are.
  static constexpr int64_t unbounded = int64_t(1) << 40;

  /// Position number p of the mask runs over `positions[p]`, at most `extents[p]` of them. What the last
  /// one, the key, has no part in is written at `outside`, all else at `inside`. `symbol` gives the value
  /// (index) of a term of the mask.
  TilePlan(MaskAnalysis &mask, mlir::ArrayRef<PlanEnds> positions, mlir::ArrayRef<int64_t> extents,
           mlir::OpBuilder &outside, mlir::OpBuilder &inside,
           llvm::function_ref<mlir::Value(unsigned)> symbol)
      : mask(mask), positions(positions), extents(extents), outside(outside), inside(inside),
        symbol(symbol), loc(positions.front().lo.getLoc()) {}

  PlanTruth evaluate() { return truthOf(mask.getRoot()); }

private:
  bool mentionsKey(const LinearForm &form);
  bool mentionsKey(unsigned term);
  bool formulaMentionsKey(unsigned formula);
  mlir::OpBuilder &place(bool withKey) { return withKey ? inside : outside; }

  PlanTruth truthOf(unsigned formula);
  PlanTruth makeTruth(unsigned formula);
  std::optional<PlanEnds> endsOf(const LinearForm &form);
  std::optional<PlanEnds> endsOf(unsigned term);
  std::optional<PlanEnds> makeEnds(unsigned term);
  std::optional<PlanEnds> remainder(const LinearForm &form);
  std::optional<PlanEnds> chosen(const MaskTerm &term, mlir::OpBuilder &b);
  std::optional<PlanEnds> data(unsigned number, mlir::OpBuilder &b);
  PlanEnds scan(mlir::OpBuilder &b, mlir::Operation *read, mlir::ArrayRef<PlanEnds> subscripts,
                mlir::ArrayRef<bool> varies, unsigned axis, mlir::SmallVector<mlir::Value> &at);
  std::optional<int64_t> extentOf(const LinearForm &form);

  MaskAnalysis &mask;
  mlir::ArrayRef<PlanEnds> positions;
  mlir::SmallVector<int64_t> extents;
  mlir::OpBuilder &outside, &inside;
  llvm::function_ref<mlir::Value(unsigned)> symbol;
  mlir::Location loc;
  llvm::DenseMap<unsigned, PlanTruth> truths;
  llvm::DenseMap<unsigned, std::optional<PlanEnds>> ends;
};

} // namespace heddle::attn

#endif // HEDDLE_PASSES_TILEPLAN_H
