//===- Visit.cpp - sequences of tile numbers as intervals --------------------------------------===//

#include "codegen/cpu/Emitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace heddle::attn;
using namespace heddle::cpu;

/// Ends of the intervals, full ones first.
void Emitter::emitVisit(VisitOp op) {
  Values &ends = visits[op.getTiles()];
  for (Value end : op.getFull())
    ends.push_back(scalars.lookup(end));
  for (Value end : op.getBoundary())
    ends.push_back(scalars.lookup(end));
  fullEnds[op.getTiles()] = op.getFull().size();
}

/// Tiles of one interval; `lo to hi` is empty if hi <= lo.
static Value lengthOf(ImplicitLocOpBuilder &b, Value lo, Value hi) {
  Value length = arith::SubIOp::create(b, hi, lo);
  return arith::MaxSIOp::create(b, length, arith::ConstantIndexOp::create(b, 0));
}

void Emitter::emitCount(CountOp op) {
  const Values &ends = visits[op.getTiles()];
  unsigned numFull = fullEnds[op.getTiles()];
  Value all = index(0), full = all;
  for (unsigned i = 0; i < ends.size(); i += 2) {
    all = plus(all, lengthOf(b, ends[i], ends[i + 1]));
    if (i + 2 == numFull)
      full = all;
  }
  scalars.map(op.getFull(), full);
  scalars.map(op.getAll(), all);
}

/// Total: beyond an end it is the tile there, of an empty sequence 0.
void Emitter::emitAt(AtOp op) {
  const Values &ends = visits[op.getTiles()];
  Value n = arith::MaxSIOp::create(b, scalars.lookup(op.getN()), index(0)), result = index(0);
  Value found = arith::ConstantIntOp::create(b, 0, 1);
  for (unsigned i = 0; i < ends.size(); i += 2) {
    Value length = lengthOf(b, ends[i], ends[i + 1]);
    Value some = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, length, index(0));
    Value in = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, n, length);
    Value last = plus(ends[i + 1], -1);
    Value here = arith::SelectOp::create(b, in, plus(ends[i], n), last);
    Value open = arith::XOrIOp::create(b, found, arith::ConstantIntOp::create(b, 1, 1));
    Value use = arith::AndIOp::create(b, open, some);
    result = arith::SelectOp::create(b, use, here, result);
    found = arith::OrIOp::create(b, found, arith::AndIOp::create(b, use, in));
    n = arith::SubIOp::create(b, n, length);
  }
  scalars.map(op.getTile(), result);
}
