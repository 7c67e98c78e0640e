//===- PeelTiles.cpp - full tiles in a loop without predicates, boundary ones apart -----------===//
//
// A loop over tiles knows by a marker, `%full`, which of them need no mask. Before:
//   %r = scf.for %n = %c0 to %na step %c1 iter_args(%o = %init) {
//     %full = arith.cmpi ult, %n, %nf
//     %vk = scf.if %full {yield %v} else {yield (%v where a query keeps it)}
//     attn.map %x rows(%qp) cols(%kp) {
//       ...  %ok = arith.ori %full, %keep    arith.select %ok, %e, %ninf }
// after:
//   %f = scf.for %n = %c0 to %nf step %c1 iter_args(%o = %init) { attn.map %x { ... %e } }
//   %r = scf.for %n = %nf to %na step %c1 iter_args(%o = %f) {
//     %vk = (%v where a query keeps it)
//     attn.map %x rows(%qp) cols(%kp) { ...  arith.select %keep, %e, %ninf }
//
// Needs: step 1, a marker that compares the loop's own counter with a value from outside. Leaves:
// no marker in such loops, no operand of a body that the body does not look at. One loop only where
// a visit has no full or no boundary tiles. A loop over the chunks of a recurrence is peeled alike.
//
//===----------------------------------------------------------------------------------------===//

#include "dialect/AttnOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/IRMapping.h"
#include "passes/EraseDead.h"
#include "passes/Passes.h"

namespace heddle::attn {
#define GEN_PASS_DEF_PEELTILES
#include "passes/Passes.h.inc"
} // namespace heddle::attn

using namespace mlir;
using namespace heddle::attn;

/// The comparison of the loop's counter with a number of full tiles that the loop does not change.
static arith::CmpIOp findMarker(scf::ForOp loop) {
  if (!isConstantIntValue(loop.getStep(), 1))
    return {};
  for (auto marker : loop.getBody()->getOps<arith::CmpIOp>())
    if (marker.getPredicate() == arith::CmpIPredicate::ult &&
        marker.getLhs() == loop.getInductionVar() && loop.isDefinedOutsideOfLoop(marker.getRhs()))
      return marker;
  return {};
}

//===--- Putting a constant in --------------------------------------------------------------===//

/// The values of the taken side of a branch, in its place.
static void inlineBranch(scf::IfOp branch, bool taken) {
  Region &region = taken ? branch.getThenRegion() : branch.getElseRegion();
  SmallVector<Value> results;
  if (!region.empty()) {
    Operation *yield = region.front().getTerminator();
    results.append(yield->operand_begin(), yield->operand_end());
    yield->erase();
    branch->getBlock()->getOperations().splice(branch->getIterator(),
                                               region.front().getOperations());
  }
  branch->replaceAllUsesWith(results);
  branch->erase();
}

static void replaceByConstant(Value condition, bool value);

/// Replaces what `user` makes of the constant. False if it needs the constant itself.
static bool foldUser(Operation *user, Value condition, bool value) {
  if (auto branch = dyn_cast<scf::IfOp>(user)) {
    inlineBranch(branch, value);
    return true;
  }
  auto select = dyn_cast<arith::SelectOp>(user);
  if (select && select.getCondition() == condition) {
    select.replaceAllUsesWith(value ? select.getTrueValue() : select.getFalseValue());
  } else if (isa<arith::OrIOp, arith::AndIOp>(user)) {
    Value result = user->getResult(0), other = user->getOperand(user->getOperand(0) == condition);
    if (isa<arith::OrIOp>(user) == value) // true or x, false and x
      replaceByConstant(result, value);
    else
      result.replaceAllUsesWith(other);
  } else {
    return false;
  }
  user->erase();
  return true;
}

/// Replaces a condition by a constant, and folds what uses it.
static void replaceByConstant(Value condition, bool value) {
  llvm::SmallPtrSet<Operation *, 4> kept;
  for (bool changed = true; changed;) { // a fold may erase other users: look again after each
    changed = false;
    for (Operation *user : condition.getUsers()) {
      if (kept.contains(user))
        continue;
      changed = foldUser(user, condition, value);
      if (changed)
        break;
      kept.insert(user);
    }
  }
  if (condition.use_empty())
    return;
  OpBuilder b(condition.getContext());
  b.setInsertionPointAfterValue(condition);
  BoolAttr constant = b.getBoolAttr(value);
  condition.replaceAllUsesWith(arith::ConstantOp::create(b, condition.getLoc(), constant));
}

//===--- Peeling ----------------------------------------------------------------------------===//

static void specialize(scf::ForOp loop, arith::CmpIOp marker, bool full) {
  replaceByConstant(marker.getResult(), full);
  marker->erase();
  eraseDead(*loop.getBody());
}

/// What a visit says of its classes without a look at its numbers: all tiles are full, or none is.
static std::optional<bool> onlyClass(Value numFull) {
  auto count = numFull.getDefiningOp<CountOp>();
  auto visit = count ? count.getTiles().getDefiningOp<VisitOp>() : VisitOp();
  if (!visit || !visit.getKeep().empty() || numFull != count.getFull())
    return std::nullopt;
  if (visit.getBoundary().empty())
    return true;
  if (visit.getFull().empty())
    return false;
  return std::nullopt;
}

/// The number of full tiles, at most that of all. `attn.count` gives them in this order.
static Value clampToEnd(scf::ForOp loop, Value numFull) {
  auto count = numFull.getDefiningOp<CountOp>();
  if (count && numFull == count.getFull() && loop.getUpperBound() == count.getAll())
    return numFull;
  OpBuilder b(loop);
  return arith::MinSIOp::create(b, loop.getLoc(), numFull, loop.getUpperBound());
}

static void peel(scf::ForOp loop, arith::CmpIOp marker) {
  Value numFull = marker.getRhs();
  if (std::optional<bool> only = onlyClass(numFull))
    return specialize(loop, marker, *only);
  Value end = clampToEnd(loop, numFull);
  OpBuilder b(loop);
  b.setInsertionPointAfter(loop);
  IRMapping mapping;
  auto boundary = cast<scf::ForOp>(b.clone(*loop, mapping));
  auto inBoundary = cast<arith::CmpIOp>(mapping.lookup(marker.getOperation()));
  loop->replaceAllUsesWith(boundary);
  loop.setUpperBound(end);
  boundary.setLowerBound(end);
  boundary.getInitArgsMutable().assign(loop.getResults());
  specialize(loop, marker, true);
  specialize(boundary, inBoundary, false);
}

namespace {
struct PeelTiles : heddle::attn::impl::PeelTilesBase<PeelTiles> {
  void runOnOperation() override {
    SmallVector<scf::ForOp> loops;
    getOperation().walk([&](scf::ForOp loop) { loops.push_back(loop); });
    for (scf::ForOp loop : loops)
      if (arith::CmpIOp marker = findMarker(loop))
        peel(loop, marker);
  }
};
} // namespace
