//===- CutProducts.cpp - products from the first kept key to the last --------------------------===//
//
// Of a boundary tile a mask may keep a few keys only. Before:
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
// Rows of %vk outside the span are 0, and what a masked product gives for them is not read. Needs: tile ops.
// For machines whose loops over keys may start and end anywhere; elsewhere they are unrolled.
//
//===----------------------------------------------------------------------------------------===//

#include "dialect/AttnOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
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
    Type index = b.getIndexType();
    auto span = SpanOp::create(b, dropped.getLoc(), index, index, b.getI1Type(), kept);
    Value values = keepInPlace(dropped, span);
    for (auto product : strips.getBody().getOps<ContractOp>()) {
      bool masked = product->hasAttr(AttnDialect::MaskedAttrHelper::getNameStr());
      if (masked || product.getRhs() == values)
        product.getSpanMutable().assign({span.getLo(), span.getHi()});
    }
  }
};
} // namespace
