//===- SplitIntraInter.cpp - a chunk of a recurrence as products of tiles ----------------------===//
//
// Inside a chunk every token sees those before it: a masked, quadratic product that needs no state.
// Between chunks there is only the state: a product without a mask. Before:
//   %o, %s1 = attn.advance add %q, %k, %v from %s decay(%a)
// after (form `carried`), with the products of decays between any two tokens in D:
//   %x = attn.contract %q, %k t     %p = attn.map %x, %D rows(%t) cols(%t) {c <= r ? x * d : 0}
//   %o1 = attn.contract %p, %v      %qd = attn.map %q rows(%g) {q * g}     g: product up to the token
//   %o = attn.contract %qd, %s into %o1
//   %kd = attn.map %k rows(%e) {k * e}                                      e: product after the token
//   %s1 = attn.contract %kd t, %v into %s * %last
// Products of decays are scans, not exponentials of sums of logarithms: a decay may be 0 or negative.
//
// Needs: nothing. Leaves: no attn.advance. Form `two_level`: SplitTwoLevel.cpp.
//
//===----------------------------------------------------------------------------------------===//

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/Passes.h"
#include "passes/SplitTwoLevel.h"
#include "passes/TileRegions.h"

using namespace mlir;

namespace heddle::attn {
#define GEN_PASS_DEF_SPLITINTRAINTER
#include "passes/Passes.h.inc"

namespace {

/// Rewrites one advance.
class AdvanceSplitter {
public:
  explicit AdvanceSplitter(AdvanceOp op) : op(op), loc(op.getLoc()), b(op) {}
  void run();

private:
  Value scaleRows(Value tile, Value factors);
  Value decaysBetween();
  Value intra(Value &rowSums);
  void inter(Value out, Value rowSums);
  void state();

  AdvanceOp op;
  Location loc;
  OpBuilder b;
  Value tokens;            // 0, 1, .. of the chunk, i32
  Value upTo, after, last; // products of decays: up to each token, after each token, of all
};

void AdvanceSplitter::run() {
  int64_t count = op.getQuery().getType().getDimSize(0);
  tokens = IotaOp::create(b, loc, RankedTensorType::get(count, b.getI32Type()),
                          indexConstant(b, loc, 0));
  if (Value decay = op.getDecay()) {
    UnitAttr yes = b.getUnitAttr(), no;
    auto mul = CombineAttr::get(b.getContext(), Combine::mul);
    upTo = ScanOp::create(b, loc, decay.getType(), mul, decay, no, no);
    after = ScanOp::create(b, loc, decay.getType(), mul, decay, yes, yes);
    last = tensor::ExtractOp::create(b, loc, upTo, indexConstant(b, loc, count - 1));
  }
  auto used = [](Value result) { return result && !result.use_empty(); };
  if (used(op.getOut()) || used(op.getNorm())) {
    Value rowSums;
    Value out = intra(rowSums);
    inter(out, rowSums);
  }
  if (used(op.getLast()) || used(op.getLastSum()))
    state();
  op.erase();
}

/// Each row of a tile times its factor.
Value AdvanceSplitter::scaleRows(Value tile, Value factors) {
  if (!factors)
    return tile;
  return buildMap(b, loc, tile.getType(), {{tile}, {factors}, {}},
                  [&](OpBuilder &body, ValueRange args) {
                    return arith::MulFOp::create(body, loc, args[0], args[1]);
                  })
      .first;
}

/// Of row r and column c <= r, the product of the decays of tokens c + 1 to r.
Value AdvanceSplitter::decaysBetween() {
  int64_t count = op.getQuery().getType().getDimSize(0);
  RankedTensorType pairs = tileType(b, {count, count});
  Value factors = buildMap(b, loc, pairs, {{}, {op.getDecay(), tokens}, {tokens}},
                           [&](OpBuilder &body, ValueRange args) {
                             Value later = arith::CmpIOp::create(
                                 body, loc, arith::CmpIPredicate::sgt, args[1], args[2]);
                             return arith::SelectOp::create(body, loc, later, args[0],
                                                            floatConstant(body, loc, 1));
                           })
                      .first;
  auto mul = CombineAttr::get(b.getContext(), Combine::mul);
  return ScanOp::create(b, loc, pairs, mul, factors, UnitAttr(), UnitAttr());
}

/// What the tokens of the chunk give each other; the sums of their weights if there is a sum.
Value AdvanceSplitter::intra(Value &rowSums) {
  int64_t count = op.getQuery().getType().getDimSize(0);
  RankedTensorType pairs = tileType(b, {count, count});
  Value x = ContractOp::create(b, loc, pairs, op.getQuery(), op.getKey(), Value(), Value(),
                               /*lhsT=*/false, /*rhsT=*/true);
  MapOperands operands{{x}, {tokens}, {tokens}};
  if (op.getDecay())
    operands.tiles.push_back(decaysBetween());
  if (op.getSum())
    operands.reduce = Combine::add;
  auto [p, sums] = buildMap(b, loc, pairs, operands, [&](OpBuilder &body, ValueRange args) {
    Value weight = args[0], r = args[args.size() - 2], c = args.back();
    if (op.getDecay())
      weight = arith::MulFOp::create(body, loc, weight, args[1]);
    Value seen = arith::CmpIOp::create(body, loc, arith::CmpIPredicate::sle, c, r);
    return arith::SelectOp::create(body, loc, seen, weight, floatConstant(body, loc, 0));
  });
  rowSums = sums;
  return ContractOp::create(b, loc, op.getOut().getType(), p, op.getValue());
}

/// What the tokens get from the state before the chunk.
void AdvanceSplitter::inter(Value out, Value rowSums) {
  Value q = scaleRows(op.getQuery(), upTo);
  op.getOut().replaceAllUsesWith(ContractOp::create(b, loc, out.getType(), q, op.getState(), out));
  if (!op.getSum())
    return;
  MapOperands operands{{q}, {}, {op.getSum()}, Combine::add, Axis::row};
  Value before = buildMap(b, loc, q.getType(), operands, [&](OpBuilder &body, ValueRange args) {
                   return arith::MulFOp::create(body, loc, args[0], args[1]);
                 }).second;
  op.getNorm().replaceAllUsesWith(arith::AddFOp::create(b, loc, rowSums, before));
}

void AdvanceSplitter::state() {
  Value k = scaleRows(op.getKey(), after), v = op.getValue();
  RankedTensorType depth = tileType(b, {op.getState().getType().getDimSize(0)});
  Value decay = last ? tensor::SplatOp::create(b, loc, depth, last).getResult() : Value();
  op.getLast().replaceAllUsesWith(ContractOp::create(b, loc, op.getState().getType(), k, v,
                                                     op.getState(), decay, /*lhsT=*/true));
  if (!op.getSum())
    return;
  MapOperands operands{{k}, {}, {}, Combine::add, Axis::col};
  Value added = buildMap(b, loc, k.getType(), operands, [](OpBuilder &, ValueRange args) {
                  return args[0];
                }).second;
  Value old = op.getSum();
  if (decay)
    old = arith::MulFOp::create(b, loc, old, decay);
  op.getLastSum().replaceAllUsesWith(arith::AddFOp::create(b, loc, old, added));
}

struct SplitIntraInter : impl::SplitIntraInterBase<SplitIntraInter> {
  void runOnOperation() override {
    auto schedule =
        getOperation()->getAttrOfType<ScheduleAttr>(AttnDialect::ScheduleAttrHelper::getNameStr());
    if (schedule && schedule.getForm() == Form::two_level && failed(splitTwoLevel(getOperation())))
      return signalPassFailure();
    SmallVector<AdvanceOp> ops;
    getOperation().walk([&](AdvanceOp op) { ops.push_back(op); });
    for (AdvanceOp op : ops)
      AdvanceSplitter(op).run();
  }
};

} // namespace
} // namespace heddle::attn
