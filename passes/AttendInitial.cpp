//===- AttendInitial.cpp - what the loop over keys starts from ---------------------------------===//
//
// Of TileAttend: nothing, or the one pair that was there before.
//
//===----------------------------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "passes/AttendTiler.h"

using namespace mlir;
using namespace heddle::attn;

/// What is carried from key tile to key tile: with softmax the running maximum and the sum, with a map
/// that divides the sum and whether there was a pair; then the accumulator. A sink is a key that
/// was there before.
SmallVector<Value> AttendTiler::initial() {
  SmallVector<Value> carried;
  if (softmax() && op.getSink().empty()) {
    carried = {splatConstant(b, loc, {Q}, low), splatConstant(b, loc, {Q}, 0)};
  } else if (softmax()) {
    Value sink = rowVector(op.getSink());
    Value m = arith::MaximumFOp::create(b, loc, sink, splatConstant(b, loc, {Q}, low));
    carried = {m, exp(b, arith::SubFOp::create(b, loc, sink, m))};
  } else if (divides()) {
    carried.assign(2, splatConstant(b, loc, {Q}, 0));
  }
  if (hasOut())
    carried.push_back(op.getPrior().empty() ? splatConstant(b, loc, {Q, width()}, 0)
                                            : prior(carried[1]));
  return carried;
}

/// The value of the sink, weighted as the sink is; where that is nothing, nothing.
Value AttendTiler::prior(Value weight) {
  TileRows rows{rowAxis, q0, N, qp, int64_t(op.getColumns())};
  Value tile = tileOf(b, once, memory, op.getPrior(), rows, 1,
                      [&](RegionCloner &c) { bind(c, op.getPrior(), qp, Value()); });
  MapOperands operands{{}, {weight}, {}};
  (op.getColumns() ? operands.tiles : operands.rows).push_back(tile);
  return buildMap(b, loc, tileType(b, {Q, width()}), operands,
                  [&](OpBuilder &body, ValueRange args) {
                    Value none = floatConstant(body, loc, 0);
                    Value x = args[op.getColumns() ? 0 : 1], w = args[op.getColumns() ? 1 : 0];
                    Value empty =
                        arith::CmpFOp::create(body, loc, arith::CmpFPredicate::OEQ, w, none);
                    return arith::SelectOp::create(body, loc, empty, none,
                                                   arith::MulFOp::create(body, loc, w, x));
                  })
      .first;
}
