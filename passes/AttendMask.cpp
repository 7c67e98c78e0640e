//===- AttendMask.cpp - what the mask of an attend keeps, in tiles ------------------------------===//
//
// Of TileAttend: the test of a pair, of a column (no query keeps the value), of a row (it kept something).
//
//===----------------------------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/AttendTiler.h"

using namespace mlir;
using namespace heddle::attn;

/// 1 where it holds, else 0.
static Value oneIf(OpBuilder &b, Value condition) {
  Location loc = condition.getLoc();
  Value one = floatConstant(b, loc, 1), zero = floatConstant(b, loc, 0);
  return arith::SelectOp::create(b, loc, condition, one, zero);
}

/// The mask of the element at two positions, and that there is such a key.
Value AttendTiler::keep(OpBuilder &body, Value qi, Value ki) {
  Value m32 = arith::IndexCastOp::create(once, loc, once.getI32Type(), M);
  Value in = arith::CmpIOp::create(body, loc, arith::CmpIPredicate::slt, ki, m32);
  if (op.getKeep().empty())
    return in;
  RegionCloner cloner(once, memory);
  bind(cloner, op.getKeep(), qi, ki);
  Value kept = cloner.clone(op.getKeep(), body);
  return arith::AndIOp::create(body, loc, kept, in);
}

/// The column test: values that no query of the tile keeps are 0. Rows beyond N keep nothing, or they
/// would let in values that no query keeps.
Value AttendTiler::dropUnkept(Value v, Value kp, Value full) {
  auto branch = scf::IfOp::create(b, loc, v.getType(), full, /*withElse=*/true);
  OpBuilder yes = branch.getThenBodyBuilder(), no = branch.getElseBodyBuilder();
  scf::YieldOp::create(yes, loc, v);
  MapOperands pairs{{}, {qp}, {kp}, Combine::max, Axis::col};
  Value n32 = arith::IndexCastOp::create(once, loc, b.getI32Type(), N);
  auto tested =
      buildMap(no, loc, tileType(b, {Q, K}), pairs, [&](OpBuilder &body, ValueRange args) {
        Value in = arith::CmpIOp::create(body, loc, arith::CmpIPredicate::slt, args[0], n32);
        Value kept = arith::AndIOp::create(body, loc, keep(body, args[0], args[1]), in);
        return oneIf(body, kept);
      });
  auto dropped = buildMap(
      no, loc, v.getType(), {{v}, {tested.second}, {}}, [&](OpBuilder &body, ValueRange args) {
        Value none = floatConstant(body, loc, 0);
        Value some = arith::CmpFOp::create(body, loc, arith::CmpFPredicate::OGT, args[1], none);
        return arith::SelectOp::create(body, loc, some, args[0], none);
      });
  scf::YieldOp::create(no, loc, dropped.first);
  return branch.getResult(0);
}

/// Per row, 1 if it kept a pair in this tile or before.
Value AttendTiler::anyKept(OpBuilder &s, Value qs, Value kp, Value full, Value before) {
  MapOperands pairs{{}, {qs}, {kp}, Combine::max, Axis::row};
  RankedTensorType type = tileType(s, {int64_t(schedule.getStrip()), K});
  auto fill = [&](OpBuilder &body, ValueRange in) {
    return oneIf(body, arith::OrIOp::create(body, loc, full, keep(body, in[0], in[1])));
  };
  Value now = buildMap(s, loc, type, pairs, fill).second;
  return arith::MaximumFOp::create(s, loc, before, now);
}
