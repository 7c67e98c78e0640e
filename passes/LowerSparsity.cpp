//===- LowerSparsity.cpp - the tiles a mask leaves, as closed forms ---------------------------===//
//
// Before, causal with queries and keys aligned at the end, %offset = %M - %N:
//   %tiles = attn.visit keep at(%i) of(%N, %M) tile [96, 64] {
//   ^bb0(%q: i32, %k: i32):
//     %pos = arith.addi %q, %off : i32
//     %keep = arith.cmpi sle, %k, %pos : i32
//     attn.yield %keep : i1
//   }
// after:
//   %lo = affine.min (d0)[N, M] -> ((d0 * 96 + M - N + 1) floordiv 64, M floordiv 64)(%i)[%N, %M]
//   %hi = affine.min ...                // both then clamped to [0, number of tiles]
//   %tiles = attn.visit full(%c0 to %lo) boundary(%lo to %hi)
//
// Needs: one query and one key position. Leaves: intervals that are disjoint, in rising order
// within their class, inside [0, ceil(keys / tile)]; no visit with a `keep`. Never a kept pair
// outside the tiles, never a dropped one in a full tile. Where the mask rounds or reads integers, the
// loop over the tiles asks each of them (PlanVisit.cpp); where it reads floats or booleans computed from
// them, boundary tiles that need not be.
//
//===----------------------------------------------------------------------------------------===//

#include "dialect/AttnOps.h"
#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "passes/Passes.h"
#include "passes/PlanVisit.h"
#include "passes/TileRanges.h"

namespace heddle::attn {
#define GEN_PASS_DEF_LOWERSPARSITY
#include "passes/Passes.h.inc"
} // namespace heddle::attn

using namespace mlir;
using namespace heddle::attn;

// More ranges of one kind than this become their hull.
static constexpr size_t maxRanges = 8;
// More intervals of full tiles than this, and what is dropped between them becomes its hull.
static constexpr size_t maxIntervals = 16;

namespace {

/// [lo, hi). Before `close`, null stands for 0 and for the number of tiles.
struct Ends {
  Value lo, hi;
};

/// Writes the closed form of one visit in front of it.
class Writer {
public:
  Writer(VisitOp visit, MaskAnalysis &mask, const TileRanges &ranges, const LinearForm &keys)
      : b(visit), loc(visit.getLoc()), visit(visit), mask(mask), ranges(ranges), keys(keys) {}

  VisitOp write();
  bool tookHull() const { return hullTaken; }
  Value symbol(unsigned term);

private:
  bool isUsed(unsigned at);
  AffineExpr expression(const TileBound &bound);
  Value extreme(bool isMax, SmallVector<AffineExpr> expressions);
  Value condition(const TileRange &range);
  Ends ends(const TileRange &range, Value &condition);
  Ends close(Ends ends, Value condition);
  Ends hull(ArrayRef<Ends> intervals);
  void sort(MutableArrayRef<Ends> intervals);
  void separate(MutableArrayRef<Ends> intervals);
  SmallVector<Ends> keptIntervals();
  void classifyDrops();

  Value max(Value a, Value c) { return a ? arith::MaxSIOp::create(b, loc, a, c) : c; }
  Value min(Value a, Value c) { return a ? arith::MinSIOp::create(b, loc, a, c) : c; }
  Value select(Value condition, Value a, Value c) {
    return condition ? arith::SelectOp::create(b, loc, condition, a, c) : a;
  }

  OpBuilder b;
  Location loc;
  VisitOp visit;
  MaskAnalysis &mask;
  const TileRanges &ranges;
  const LinearForm &keys;
  bool hullTaken = false;

  Value zero, all;             // 0 and the number of key tiles
  SmallVector<Value> operands; // of affine maps: the query tile, then the symbols
  IRMapping cloned;
  // What is dropped: tiles below `prefix` and from `suffix` on, null if there are none,
  // and some between.
  Value prefix, suffix;
  bool noneFull = false; // something of every tile is dropped
  SmallVector<Ends> middles;
};

} // namespace

/// A symbol as an index. What the region reads or computes of symbols only is computed here again.
Value Writer::symbol(unsigned term) {
  Value value = mask.getTerms()[term].value;
  if (mask.isInside(value)) {
    SetVector<Operation *> slice;
    BackwardSliceOptions options;
    options.inclusive = true;
    options.omitBlockArguments = true;
    options.filter = [&](Operation *op) {
      return visit.getKeep().isAncestor(op->getParentRegion());
    };
    (void)getBackwardSlice(value, &slice, options);
    for (Operation *op : slice)
      if (op->getParentRegion() == &visit.getKeep() && !cloned.contains(op))
        b.clone(*op, cloned);
    value = cloned.lookup(value);
  }
  if (value.getType().isIndex())
    return value;
  if (value.getType().isInteger(1))
    return arith::IndexCastUIOp::create(b, loc, b.getIndexType(), value);
  return arith::IndexCastOp::create(b, loc, b.getIndexType(), value);
}

/// True if a bound, or the number of keys, mentions symbol number `at`.
bool Writer::isUsed(unsigned at) {
  auto mentions = [&](const TileRange &range) {
    return llvm::any_of(range, [&](const TileBound &bound) { return bound.symbols[at] != 0; });
  };
  return keys.coefficient(ranges.symbols[at]) != 0 || llvm::any_of(ranges.keeps, mentions) ||
         llvm::any_of(ranges.drops, mentions);
}

/// tile * I + symbols + constant
AffineExpr Writer::expression(const TileBound &bound) {
  AffineExpr result = b.getAffineDimExpr(0) * bound.tile + bound.constant;
  for (auto [at, coefficient] : llvm::enumerate(bound.symbols))
    result = result + b.getAffineSymbolExpr(at) * coefficient;
  return result;
}

Value Writer::extreme(bool isMax, SmallVector<AffineExpr> expressions) {
  AffineMap map = AffineMap::get(1, ranges.symbols.size(), expressions, b.getContext());
  SmallVector<Value> used = operands;
  affine::canonicalizeMapAndOperands(&map, &used);
  if (map.getNumResults() == 1)
    return affine::AffineApplyOp::create(b, loc, map, used);
  if (isMax)
    return affine::AffineMaxOp::create(b, loc, map, used);
  return affine::AffineMinOp::create(b, loc, map, used);
}

/// What must hold for a range to have any tile, or null if there always may be one.
Value Writer::condition(const TileRange &range) {
  SmallVector<AffineExpr> expressions;
  for (const TileBound &bound : range)
    if (bound.factor == 0)
      expressions.push_back(expression(bound));
  if (expressions.empty())
    return {};
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sge, extreme(false, expressions),
                               zero);
}

Ends Writer::ends(const TileRange &range, Value &when) {
  when = condition(range);
  SmallVector<AffineExpr> lower, upper;
  for (const TileBound &bound : range)
    if (bound.factor > 0)
      lower.push_back((-expression(bound)).ceilDiv(bound.factor));
    else if (bound.factor < 0)
      upper.push_back(expression(bound).floorDiv(-bound.factor) + 1);
  return {lower.empty() ? Value() : extreme(true, lower),
          upper.empty() ? Value() : extreme(false, upper)};
}

/// The same tiles with both ends in [0, all], lo <= hi.
Ends Writer::close(Ends ends, Value when) {
  Value hi = ends.hi ? max(min(ends.hi, all), zero) : all;
  hi = select(when, hi, zero);
  return {ends.lo ? min(max(ends.lo, zero), hi) : zero, hi};
}

/// From the first tile to the last one of closed intervals; empty ones do not count.
Ends Writer::hull(ArrayRef<Ends> intervals) {
  Value lo = all, hi = zero;
  for (const Ends &e : intervals) {
    Value some = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, e.lo, e.hi);
    lo = min(lo, select(some, e.lo, all));
    hi = max(hi, select(some, e.hi, zero));
  }
  hullTaken = true;
  return {min(lo, hi), hi};
}

/// A network that sorts closed intervals by their lower end.
void Writer::sort(MutableArrayRef<Ends> intervals) {
  for (size_t end = intervals.size(); end > 1; --end)
    for (size_t i = 0; i + 1 < end; ++i) {
      Ends x = intervals[i], y = intervals[i + 1];
      Value inOrder = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sle, x.lo, y.lo);
      intervals[i] = {select(inOrder, x.lo, y.lo), select(inOrder, x.hi, y.hi)};
      intervals[i + 1] = {select(inOrder, y.lo, x.lo), select(inOrder, y.hi, x.hi)};
    }
}

/// Sorted intervals, each cut off where the ones before it have been.
void Writer::separate(MutableArrayRef<Ends> intervals) {
  for (size_t i = 1; i < intervals.size(); ++i) {
    Value before = intervals[i - 1].hi;
    intervals[i] = {max(intervals[i].lo, before), max(intervals[i].hi, before)};
  }
}

/// The tiles with a kept pair, as disjoint intervals in rising order.
SmallVector<Ends> Writer::keptIntervals() {
  SmallVector<Ends> intervals;
  Value first; // those that start with tile 0 are one
  for (ArrayRef<unsigned> group : ranges.exclusiveKeeps) {
    Ends closed;
    bool isPrefix = true;
    for (unsigned number : group) {
      Value when;
      Ends open = ends(ranges.keeps[number], when), one = close(open, when);
      closed =
          closed.lo ? Ends{select(when, one.lo, closed.lo), select(when, one.hi, closed.hi)} : one;
      isPrefix = isPrefix && !open.lo;
    }
    if (isPrefix)
      first = max(first, closed.hi);
    else
      intervals.push_back(closed);
  }
  if (intervals.size() > maxRanges)
    intervals = {hull(intervals)};
  sort(intervals);
  if (first)
    intervals.insert(intervals.begin(), Ends{zero, first});
  separate(intervals);
  return intervals;
}

void Writer::classifyDrops() {
  for (const TileRange &range : ranges.drops) {
    Value when;
    Ends open = ends(range, when);
    if (open.lo && open.hi)
      middles.push_back(close(open, when));
    else if (open.lo || (when && !open.hi))
      suffix = min(suffix, select(when, open.lo ? open.lo : zero, all));
    else if (open.hi)
      prefix = max(prefix, select(when, open.hi, zero));
    else
      noneFull = true;
  }
  if (middles.size() > maxRanges)
    middles = {hull(middles)};
}

VisitOp Writer::write() {
  zero = arith::ConstantIndexOp::create(b, loc, 0);
  operands.push_back(visit.getAt());
  for (auto [at, term] : llvm::enumerate(ranges.symbols))
    operands.push_back(isUsed(at) ? symbol(term) : zero);
  AffineExpr count = b.getAffineConstantExpr(keys.constant);
  for (auto [term, coefficient] : keys.parts)
    count =
        count + b.getAffineSymbolExpr(llvm::find(ranges.symbols, term) - ranges.symbols.begin()) *
                    coefficient;
  all = extreme(true, {count.ceilDiv(visit.getTile()[1])});

  SmallVector<Ends> kept = keptIntervals();
  classifyDrops();
  if (kept.size() * (middles.size() + 1) > maxIntervals)
    middles = {hull(middles)};
  sort(middles);
  separate(middles);

  // Gaps between what is dropped are full. In each kept interval they alternate with boundary
  // tiles.
  SmallVector<Ends> gaps = {{prefix, {}}};
  for (const Ends &middle : middles) {
    gaps.back().hi = min(suffix, middle.lo); // a middle may lie in the prefix or the suffix
    gaps.push_back({middle.hi, {}});
  }
  gaps.back().hi = suffix;
  SmallVector<Value> full, boundary;
  for (const Ends &interval : kept) {
    Value at = interval.lo;
    for (const Ends &gap : noneFull ? ArrayRef<Ends>() : gaps) {
      if (gap.lo) {
        Value from = min(max(at, gap.lo), interval.hi);
        boundary.append({at, from});
        at = from;
      }
      Value to = gap.hi ? max(min(gap.hi, interval.hi), at) : interval.hi;
      full.append({at, to});
      at = to;
    }
    if (gaps.back().hi || noneFull)
      boundary.append({at, interval.hi});
  }
  return VisitOp::create(b, loc, visit.getTiles().getType(), full, boundary, Value(), ValueRange(),
                         DenseI64ArrayAttr::get(b.getContext(), {}));
}

namespace {
struct LowerSparsity : heddle::attn::impl::LowerSparsityBase<LowerSparsity> {
  using LowerSparsityBase::LowerSparsityBase;

  void runOnOperation() override {
    SmallVector<VisitOp> visits;
    getOperation().walk([&](VisitOp visit) {
      if (!visit.getKeep().empty())
        visits.push_back(visit);
    });
    for (VisitOp visit : visits)
      lower(visit);
  }

  void lower(VisitOp visit) {
    MaskAnalysis mask(visit.getKeep(), visit.getKeep().getArguments());
    const LinearForm queries = mask.read(visit.getOf()[0]), keys = mask.read(visit.getOf()[1]);
    TileRanges ranges(mask, queries, keys, {visit.getTile()[0], visit.getTile()[1]});
    Writer writer(visit, mask, ranges, keys);
    VisitOp lowered = writer.write();
    bool byTile =
        llvm::any_of(mask.getBlames(), [](const MaskBlame &blame) { return blame.byTile; });
    bool planned =
        (byTile || writer.tookHull()) &&
        planVisit(visit, lowered, mask, [&](unsigned term) { return writer.symbol(term); });
    if (explain)
      report(visit, mask, writer.tookHull(), planned);
    visit.replaceAllUsesWith(lowered.getTiles());
    visit.erase();
  }

  /// One remark for all that keeps the ranges from being exact and that no plan decides.
  void report(VisitOp visit, const MaskAnalysis &mask, bool tookHull, bool planned) {
    tookHull = tookHull && !planned;
    auto remains = [&](const MaskBlame &blame) { return !planned || !blame.byTile; };
    if (llvm::none_of(mask.getBlames(), remains) && !tookHull)
      return;
    InFlightDiagnostic remark =
        mlir::emitRemark(visit.getLoc(), "tiles may be boundary ones that need not be");
    for (const MaskBlame &blame : mask.getBlames())
      if (remains(blame))
        remark.attachNote(blame.loc) << "this term " << blame.reason;
    if (tookHull)
      remark.attachNote(visit.getKeep().front().getTerminator()->getOperand(0).getLoc())
          << "this has more than " << maxRanges << " alternatives; tiles between them are visited";
  }
};
} // namespace
