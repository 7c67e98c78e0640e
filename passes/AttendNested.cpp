//===- AttendNested.cpp - a nested softmax as a softmax of other scores ------------------------===//
//
// Of TileAttend: a tile of keys is a group. Its leader's share goes to the members by their own softmax, so
// a member with the score s has, in the softmax over all, the score s + leader - log sum of exp(members):
//   %z, %i = attn.map %x rows(%qp) cols(%kp) reduce max per row { member ? x : -inf }
//   %l = attn.map %z rows(%i) reduce add per row { exp(z - i) }
//   %t = attn.map %x .. reduce max per row { leader ? x : -inf }
//   %y, %high = attn.map %x rows(%qp, %t - %i - log %l) cols(%kp) reduce max per row
//                 { leader ? -inf : member ? x + shift : x }
// A leader without members has its part in the sum of all, and no weight.
//
//===----------------------------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/AttendTiler.h"
#include <limits>

using namespace mlir;
using namespace heddle::attn;

AttendTiler::NestedScores AttendTiler::nest(OpBuilder &s, Value x, Value qs, Value kp) {
  RankedTensorType pairs = cast<RankedTensorType>(x.getType());
  RankedTensorType rows = tileType(s, pairs.getShape().take_front());
  constexpr double infinity = std::numeric_limits<double>::infinity();
  auto of = [&](Region &region, OpBuilder &body, Value qi, Value ki) {
    RegionCloner cloner(once, memory);
    bind(cloner, region, qi, ki);
    return cloner.clone(region, body);
  };
  auto choose = [&](OpBuilder &body, Value condition, Value a, Value b) -> Value {
    return arith::SelectOp::create(body, loc, condition, a, b);
  };
  auto pick = [&](bool leader) {
    MapOperands operands{{x}, {qs}, {kp}, Combine::max, Axis::row};
    return buildMap(s, loc, pairs, operands, [&](OpBuilder &body, ValueRange in) {
      Value leads = of(op.getLeader(), body, in[1], in[2]),
            none = floatConstant(body, loc, -infinity);
      Value grouped = of(op.getGrouped(), body, in[1], in[2]);
      Value wanted = leader ? choose(body, leads, in[0], none) : choose(body, leads, none, in[0]);
      return choose(body, grouped, wanted, none);
    });
  };
  auto [members, most] = pick(/*leader=*/false);
  Value lead = pick(/*leader=*/true).second;
  Value base = arith::MaximumFOp::create(s, loc, most, splatConstant(s, loc, rows.getShape(), low));
  MapOperands weights{{members}, {base}, {}, Combine::add, Axis::row};
  Value sum = buildMap(s, loc, pairs, weights, [&](OpBuilder &body, ValueRange in) {
                return exp(body, arith::SubFOp::create(body, loc, in[0], in[1]));
              }).second;

  auto noMember = [&](OpBuilder &body, Value total) -> Value {
    return arith::CmpFOp::create(body, loc, arith::CmpFPredicate::OEQ, total,
                                 floatConstant(body, loc, 0));
  };
  MapOperands ofRow{{lead, base, sum}, {}, {}};
  Value shift = buildMap(s, loc, rows, ofRow, [&](OpBuilder &body, ValueRange in) {
                  Value log = base2 ? math::Log2Op::create(body, loc, in[2]).getResult()
                                    : math::LogOp::create(body, loc, in[2]).getResult();
                  Value whole = arith::AddFOp::create(body, loc, in[1], log);
                  return choose(body, noMember(body, in[2]), floatConstant(body, loc, 0),
                                arith::SubFOp::create(body, loc, in[0], whole));
                }).first;
  MapOperands left{{lead, sum}, {}, {}};
  Value orphan =
      buildMap(s, loc, rows, left, [&](OpBuilder &body, ValueRange in) {
        return choose(body, noMember(body, in[1]), in[0], floatConstant(body, loc, -infinity));
      }).first;
  MapOperands all{{x}, {qs, shift}, {kp}, Combine::max, Axis::row};
  auto [scores, high] = buildMap(s, loc, pairs, all, [&](OpBuilder &body, ValueRange in) {
    Value moved = arith::AddFOp::create(body, loc, in[0], in[2]);
    Value leads = of(op.getLeader(), body, in[1], in[3]);
    moved = choose(body, leads, floatConstant(body, loc, -infinity), moved);
    return choose(body, of(op.getGrouped(), body, in[1], in[3]), moved, in[0]);
  });
  return {scores, arith::MaximumFOp::create(s, loc, high, orphan), orphan};
}
