//===- PlanVisit.cpp - tiles that the kernel itself looks for ----------------------------------===//
//
// Of LowerSparsity: where intervals of tile numbers are wider than a mask, because it rounds or reads
// data, each tile in them is asked when the kernel runs. Before:
//   %tiles = attn.visit keep at(%i) of(%N, %M) tile [64, 32] {..}     %nf, %na = attn.count %tiles
//   %r = scf.for %n = %c0 to %na step %c1 iter_args(%o = %init) {.. attn.at %tiles[%n] ..}
// after:
//   %hull = attn.visit full(..) boundary(..)                          %f, %a = attn.count %hull
//   %r = scf.for %from = %c0 to %a step %c64 iter_args(%p = %init) {
//     %to = .. the end of the stretch, or %from if the mask keeps nothing of all its positions ..
//     %tiles = attn.filter %hull from %from to %to {.. the mask on a tile's positions ..}
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

namespace {
/// The positions of tiles, written at a place.
struct Positions {
  OpBuilder &b;
  Location loc;

  Value constant(int64_t value) { return arith::ConstantIndexOp::create(b, loc, value); }
  Value startOf(Value tile, int64_t size) {
    return arith::MulIOp::create(b, loc, tile, constant(size));
  }
  Value endOf(Value tile, int64_t size) {
    return arith::AddIOp::create(b, loc, startOf(tile, size), constant(size));
  }
  /// Of the tiles from one to another those below the limit.
  PlanEnds of(Value first, Value last, int64_t size, Value limit) {
    Value past = arith::MinSIOp::create(b, loc, endOf(last, size), limit);
    return {startOf(first, size), arith::SubIOp::create(b, loc, past, constant(1))};
  }
};
} // namespace

bool heddle::attn::planVisit(VisitOp visit, VisitOp hull, MaskAnalysis &mask,
                             llvm::function_ref<Value(unsigned)> symbol) {
  CountOp count;
  scf::ForOp loop = loopOver(visit, count);
  if (!loop)
    return false;
  OpBuilder b(visit);
  Location loc = visit.getLoc();
  Type index = b.getIndexType();
  auto candidates = CountOp::create(b, loc, index, index, hull.getTiles());
  b.setInsertionPoint(loop);
  Value step = arith::ConstantIndexOp::create(b, loc, FilterOp::length);
  auto stretches = scf::ForOp::create(b, loc, loop.getLowerBound(), candidates.getAll(), step,
                                      loop.getInitArgs());
  loop->replaceAllUsesWith(stretches.getResults());
  OpBuilder outside = OpBuilder::atBlockBegin(stretches.getBody());
  Positions around{outside, loc};
  ArrayRef<int64_t> sizes = visit.getTile();
  Value numQueries = visit.getOf()[0], numKeys = visit.getOf()[1];
  PlanEnds queries = around.of(visit.getAt(), visit.getAt(), sizes[0], numQueries);

  Value from = stretches.getInductionVar();
  Value to = arith::AddIOp::create(outside, loc, from, step);
  to = arith::MinSIOp::create(outside, loc, to, candidates.getAll());
  // In rising order a stretch runs from its first tile to its last one.
  if (hull.getFull().empty()) {
    auto tileAt = [&](Value n) -> Value {
      return AtOp::create(outside, loc, index, hull.getTiles(), n);
    };
    Value last = arith::SubIOp::create(outside, loc, to, around.constant(1));
    SmallVector<PlanEnds> ends = {queries,
                                  around.of(tileAt(from), tileAt(last), sizes[1], numKeys)};
    TilePlan stretch(mask, ends, {sizes[0], TilePlan::unbounded}, outside, outside, symbol);
    to = arith::SelectOp::create(outside, loc, stretch.evaluate().may, to, from);
  }
  auto filter =
      FilterOp::create(outside, loc, hull.getTiles().getType(), hull.getTiles(), from, to);
  outside.setInsertionPoint(filter);
  Block *body = new Block;
  filter.getBody().push_back(body);
  Value tile = body->addArgument(index, loc);
  OpBuilder inside = OpBuilder::atBlockEnd(body);
  Positions within{inside, loc};
  SmallVector<PlanEnds> ends = {queries, within.of(tile, tile, sizes[1], numKeys)};
  TilePlan plan(mask, ends, sizes, outside, inside, symbol);
  PlanTruth truth = plan.evaluate();
  Value whole = arith::CmpIOp::create(inside, loc, arith::CmpIPredicate::sle,
                                      within.endOf(tile, sizes[1]), numKeys);
  Value yes = arith::ConstantIntOp::create(inside, loc, 1, 1);
  Value every = arith::XOrIOp::create(inside, loc, truth.fail, yes);
  every = arith::AndIOp::create(inside, loc, every, whole);
  YieldOp::create(inside, loc, ValueRange{truth.may, every});

  outside.setInsertionPointAfter(filter);
  auto left = CountOp::create(outside, loc, index, index, filter.getTiles());
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
