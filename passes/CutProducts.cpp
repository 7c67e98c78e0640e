//===- CutProducts.cpp - products of what a mask keeps of a boundary tile ----------------------===//
//
// A mask may keep a few keys of a boundary tile only. Before:
//   %_, %kept = attn.map rows(%qp) cols(%kp) reduce max per col {..}   // 1 where a query keeps the key
//   %vk = attn.map %v rows(%kept) {.. %v where %kept is more than 0, else 0 ..}
//   attn.strips 32 .. {
//     %x = attn.contract %q, %k t {attn.masked}
//     ...
//     attn.contract %p, %vk into %o * %a }
// after:
//   %lo, %hi, %dense = attn.span %kept
//   %vs = scf.if %dense {yield %v} else {yield (%v where %kept ..)}    // mostly no copy
//   attn.strips 32 .. {
//     %x = attn.contract %q, %k t span(%lo to %hi) {attn.masked}
//     ...
//     attn.contract %p, %vs span(%lo to %hi) into %o * %a }
//
// Rows of %vk outside the span are 0, and what a masked product gives for them is not read; nor is what the
// maps between the two products make of them, which are marked too.
//
// Where queries and keys are told apart by what was loaded, say documents, half of the queries of a tile may
// keep none of its keys. Where a strip is several registers of queries, products may leave out some of them:
//   %_, %live = attn.map rows(%docs_of_keys) cols(%docs_of_queries) reduce max per col {..}
//   attn.strips 32 of(%q, %live) .. {
//     %x = attn.contract %q, %k t span(%lo to %hi) live %l {attn.masked}
// Mostly, though, the same was loaded of all queries of a tile. Then one of them is asked which keys it keeps:
//   %kept, %live = scf.if %alike {(of the first query), 1} else {(of all queries), ..}
//
// Needs: tile ops. For machines whose loops over keys may start and end anywhere; elsewhere they are unrolled.
//
//===----------------------------------------------------------------------------------------===//

#include "dialect/AttnOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
#include "passes/KeptColumns.h"
#include "passes/Passes.h"

namespace heddle::attn {
#define GEN_PASS_DEF_CUTPRODUCTS
#include "passes/Passes.h.inc"
} // namespace heddle::attn

using namespace mlir;
using namespace heddle::attn;

/// A tile with rows of 0 where a vector holds nothing: that vector, or null.
static Value keptRows(MapOp map) {
  if (map.getTiles().size() != 1 || map.getRows().size() != 1 || !map.getCols().empty() ||
      map.getReduce())
    return {};
  Block &body = map.getBody().front();
  auto select = body.getTerminator()->getOperand(0).getDefiningOp<arith::SelectOp>();
  auto test = select ? select.getCondition().getDefiningOp<arith::CmpFOp>() : arith::CmpFOp();
  bool drops = test && test.getPredicate() == arith::CmpFPredicate::OGT &&
               test.getLhs() == body.getArgument(1) &&
               matchPattern(test.getRhs(), m_AnyZeroFloat()) &&
               select.getTrueValue() == body.getArgument(0) &&
               matchPattern(select.getFalseValue(), m_AnyZeroFloat());
  return drops ? map.getRows()[0] : Value();
}

/// The strips in which all uses of a tile are products with it on the right.
static StripsOp stripsOf(Value tile) {
  StripsOp strips;
  for (OpOperand &use : tile.getUses()) {
    auto product = dyn_cast<ContractOp>(use.getOwner());
    auto around = product ? dyn_cast<StripsOp>(product->getParentOp()) : StripsOp();
    if (!around || (strips && strips != around) || product.getRhs() != tile || product.getRhsT() ||
        product.getLhs() == tile)
      return {};
    strips = around;
  }
  return strips;
}

/// The values where they are if no row between is dropped.
static Value keepInPlace(MapOp dropped, SpanOp span) {
  OpBuilder b(dropped);
  auto branch = scf::IfOp::create(b, dropped.getLoc(), dropped.getResult().getType(),
                                  span.getDense(), /*withElse=*/true);
  dropped.getResult().replaceAllUsesWith(branch.getResult(0));
  OpBuilder yes = branch.getThenBodyBuilder(), no = branch.getElseBodyBuilder();
  scf::YieldOp::create(yes, dropped.getLoc(), dropped.getTiles()[0]);
  auto yield = scf::YieldOp::create(no, dropped.getLoc(), dropped.getResult());
  dropped->moveBefore(yield);
  return branch.getResult(0);
}

//===--- Live queries ------------------------------------------------------------------------===//

/// The strip of a vector, as an argument of the body of strips that cut it too.
static Value cutToo(StripsOp strips, Value vector) {
  unsigned at = strips.getSliced().size();
  auto type = RankedTensorType::get(strips.getWidth(), getElementTypeOrSelf(vector.getType()));
  strips.getSlicedMutable().append(vector);
  return strips.getBody().insertArgument(at, type, vector.getLoc());
}

/// Whether a strip of rows is more than one register.
static bool severalRegisters(StripsOp strips) {
  auto schedule = strips->getParentOfType<func::FuncOp>()->getAttrOfType<ScheduleAttr>(
      AttnDialect::ScheduleAttrHelper::getNameStr());
  return schedule && schedule.getCpu() && int64_t(strips.getWidth()) > schedule.getCpu().getLanes();
}

//===--- Columns outside the span ------------------------------------------------------------===//

static constexpr auto maskedName = AttnDialect::MaskedAttrHelper::getNameStr;

/// exp(tile - row): nothing where the tile is -inf, and nothing to a sum.
static bool isWeight(MapOp map) {
  Block &body = map.getBody().front();
  Operation *exp = body.getTerminator()->getOperand(0).getDefiningOp();
  auto difference = isa_and_present<math::ExpOp, math::Exp2Op>(exp)
                        ? exp->getOperand(0).getDefiningOp<arith::SubFOp>()
                        : arith::SubFOp();
  return difference && difference.getLhs() == body.getArgument(0) &&
         map.getReduce().value_or(Combine::add) == Combine::add;
}

/// Marks the maps between a masked product and one over its columns, if what they give outside the span goes
/// nowhere else: the mask's own, and that of the weights.
static void maskMaps(ContractOp taker) {
  SmallVector<MapOp> maps;
  Value tile = taker.getLhs();
  for (auto map = tile.getDefiningOp<MapOp>(); map; map = tile.getDefiningOp<MapOp>()) {
    if (!map.getResult().hasOneUse() || map.getTiles().empty())
      return;
    maps.push_back(map);
    tile = map.getTiles()[0];
  }
  auto product = tile.getDefiningOp<ContractOp>();
  if (!product || !product->hasAttr(maskedName()) || !product->hasOneUse() || maps.empty() ||
      !llvm::all_of(ArrayRef(maps).drop_back(), isWeight))
    return;
  for (MapOp map : maps)
    map->setAttr(maskedName(), UnitAttr::get(map.getContext()));
}

namespace {
struct CutProducts : heddle::attn::impl::CutProductsBase<CutProducts> {
  void runOnOperation() override {
    SmallVector<MapOp> maps;
    getOperation().walk([&](MapOp map) { maps.push_back(map); });
    for (MapOp map : maps)
      if (Value kept = keptRows(map))
        if (StripsOp strips = stripsOf(map.getResult()))
          cut(map, kept, strips);
  }

  void cut(MapOp dropped, Value kept, StripsOp strips) {
    OpBuilder b(dropped);
    Value live;
    if (auto map = kept.getDefiningOp<MapOp>(); map && findsColumns(map)) {
      live = severalRegisters(strips) ? liveRows(map) : Value();
      askFirstRow(map, kept, live);
    }
    Type index = b.getIndexType();
    auto span = SpanOp::create(b, dropped.getLoc(), index, index, b.getI1Type(), kept);
    Value values = keepInPlace(dropped, span);
    if (live)
      live = cutToo(strips, live);
    for (auto product : strips.getBody().getOps<ContractOp>()) {
      bool takes = product.getRhs() == values;
      if (!takes && !product->hasAttr(maskedName()))
        continue;
      product.getSpanMutable().assign({span.getLo(), span.getHi()});
      if (live)
        product.getLiveMutable().assign(live);
      if (takes)
        maskMaps(product);
    }
  }
};
} // namespace
