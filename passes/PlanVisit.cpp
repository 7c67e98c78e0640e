//===- PlanVisit.cpp - tiles that the kernel itself looks for ----------------------------------===//
//
// Of LowerSparsity: where intervals of tile numbers are wider than a mask, because it rounds or reads
// data, each tile in them is asked when the kernel runs. Before:
//   %tiles = attn.visit keep at(%i) of(%N, %M) tile [64, 32] {..}     %nf, %na = attn.count %tiles
//   %r = scf.for %n = %c0 to %na step %c1 iter_args(%o = %init) {.. attn.at %tiles[%n] ..}
// after:
//   %hull = attn.visit full(..) boundary(..)                          %f, %a = attn.count %hull
//   %r = scf.for %from = %c0 to %a step %c64 iter_args(%p = %init) {
//     %tiles = attn.filter %hull from %from {.. the mask on the intervals of a tile's positions ..}
//     %nf, %na = attn.count %tiles
//     %s = scf.for %n = %c0 to %na step %c1 iter_args(%o = %p) {.. attn.at %tiles[%n] ..}
//     scf.yield %s }
//
//===----------------------------------------------------------------------------------------===//

#include "passes/PlanVisit.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "passes/TilePlan.h"

using namespace mlir;
using namespace heddle::attn;

/// The loop over all tiles of a visit, if nothing else looks at them.
static scf::ForOp loopOver(VisitOp visit, CountOp &count) {
  scf::ForOp loop;
  for (Operation *user : visit->getUsers()) {
    if (auto counted = dyn_cast<CountOp>(user); counted && !count)
      count = counted;
    else if (!isa<AtOp>(user))
      return {};
  }
  if (!count)
    return {};
  for (Operation *user : count.getAll().getUsers()) {
    auto over = dyn_cast<scf::ForOp>(user);
    if (!over || loop || over.getUpperBound() != count.getAll() ||
        !isConstantIntValue(over.getLowerBound(), 0) || !isConstantIntValue(over.getStep(), 1))
      return {};
    loop = over;
  }
  auto inLoop = [&](Operation *user) { return user == count || loop->isAncestor(user); };
  return loop && llvm::all_of(visit->getUsers(), inLoop) &&
                 llvm::all_of(count.getFull().getUsers(), inLoop)
             ? loop
             : scf::ForOp();
}

bool heddle::attn::planVisit(VisitOp visit, VisitOp hull, MaskAnalysis &mask,
                             llvm::function_ref<Value(unsigned)> symbol) {
  CountOp count;
  scf::ForOp loop = loopOver(visit, count);
  if (!loop)
    return false;
  OpBuilder b(visit);
  Location loc = visit.getLoc();
  auto candidates = CountOp::create(b, loc, b.getIndexType(), b.getIndexType(), hull.getTiles());
  b.setInsertionPoint(loop);
  Value step = arith::ConstantIndexOp::create(b, loc, FilterOp::length);
  auto stretches = scf::ForOp::create(b, loc, loop.getLowerBound(), candidates.getAll(), step,
                                      loop.getInitArgs());
  loop->replaceAllUsesWith(stretches.getResults());
  OpBuilder outside = OpBuilder::atBlockBegin(stretches.getBody());
  auto filter = FilterOp::create(outside, loc, hull.getTiles().getType(), hull.getTiles(),
                                 stretches.getInductionVar());
  outside.setInsertionPoint(filter);
  Block *body = new Block;
  filter.getBody().push_back(body);
  Value tile = body->addArgument(b.getIndexType(), loc);
  OpBuilder inside = OpBuilder::atBlockEnd(body);

  Value one = arith::ConstantIndexOp::create(outside, loc, 1);
  auto first = [&](OpBuilder &at, Value number, int64_t size) -> Value {
    Value by = arith::ConstantIndexOp::create(at, loc, size);
    return arith::MulIOp::create(at, loc, number, by);
  };
  auto end = [&](OpBuilder &at, Value start, int64_t size) -> Value {
    return arith::AddIOp::create(at, loc, start, arith::ConstantIndexOp::create(at, loc, size));
  };
  auto positions = [&](OpBuilder &at, Value start, int64_t size, Value limit) -> PlanEnds {
    Value past = arith::MinSIOp::create(at, loc, end(at, start, size), limit);
    return {start, arith::SubIOp::create(at, loc, past, one)};
  };
  ArrayRef<int64_t> sizes = visit.getTile();
  Value q0 = first(outside, visit.getAt(), sizes[0]), k0 = first(inside, tile, sizes[1]);
  SmallVector<PlanEnds> ends = {positions(outside, q0, sizes[0], visit.getOf()[0]),
                                positions(inside, k0, sizes[1], visit.getOf()[1])};
  TilePlan plan(mask, ends, sizes, outside, inside, symbol);
  PlanTruth truth = plan.evaluate();
  Value whole = arith::CmpIOp::create(inside, loc, arith::CmpIPredicate::sle,
                                      end(inside, k0, sizes[1]), visit.getOf()[1]);
  Value yes = arith::ConstantIntOp::create(inside, loc, 1, 1);
  Value every = arith::XOrIOp::create(inside, loc, truth.fail, yes);
  every = arith::AndIOp::create(inside, loc, every, whole);
  YieldOp::create(inside, loc, ValueRange{truth.may, every});

  outside.setInsertionPointAfter(filter);
  auto left = CountOp::create(outside, loc, b.getIndexType(), b.getIndexType(), filter.getTiles());
  count->replaceAllUsesWith(left);
  count->erase();
  visit.getTiles().replaceAllUsesWith(filter.getTiles());
  if (loop.getInitArgs().empty()) { // its body has a terminator
    loop->moveBefore(stretches.getBody()->getTerminator());
    return true;
  }
  loop->moveBefore(stretches.getBody(), stretches.getBody()->end());
  loop.getInitArgsMutable().assign(stretches.getRegionIterArgs());
  OpBuilder last = OpBuilder::atBlockEnd(stretches.getBody());
  scf::YieldOp::create(last, loc, loop.getResults());
  return true;
}
