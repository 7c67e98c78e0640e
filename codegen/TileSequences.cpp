//===- TileSequences.cpp - which tile comes next, as scalar code -------------------------------===//

#include "codegen/TileSequences.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::attn;

Value TileSequences::index(int64_t value) {
  return arith::ConstantIndexOp::create(b, value).getResult();
}
Value TileSequences::bits(int64_t value) {
  return arith::ConstantIntOp::create(b, value, 64).getResult();
}

LogicalResult TileSequences::emit(Operation *op, EmitBlock emitBlock) {
  if (auto visit = dyn_cast<VisitOp>(op)) {
    emitVisit(visit);
  } else if (auto filter = dyn_cast<FilterOp>(op)) {
    return emitFilter(filter, emitBlock);
  } else if (auto counted = dyn_cast<CountOp>(op)) {
    const Sequence &tiles = known[counted.getTiles()];
    scalars.map(counted.getFull(), count(tiles, /*onlyFull=*/true));
    scalars.map(counted.getAll(), count(tiles, /*onlyFull=*/false));
  } else {
    auto one = cast<AtOp>(op);
    scalars.map(one.getTile(), at(known[one.getTiles()], scalars.lookup(one.getN())));
  }
  return success();
}

void TileSequences::emitVisit(VisitOp op) {
  Sequence &tiles = known[op.getTiles()];
  tiles = {};
  for (OperandRange ends : {op.getFull(), op.getBoundary()})
    for (Value end : ends)
      tiles.ends.push_back(scalars.lookup(end));
  tiles.numFullEnds = op.getFull().size();
}

/// The body for each tile of the stretch, its answers two sets of bits.
LogicalResult TileSequences::emitFilter(FilterOp op, EmitBlock emitBlock) {
  Sequence tiles;
  tiles.of = op.getOf();
  tiles.from = scalars.lookup(op.getFrom());
  const Sequence whole = known[tiles.of];
  Value end =
      arith::MinSIOp::create(b, count(whole, /*onlyFull=*/false), scalars.lookup(op.getTo()));
  Value rest = arith::SubIOp::create(b, end, tiles.from);
  Value length = arith::MinSIOp::create(b, rest, index(FilterOp::length)), none = bits(0);
  auto loop = scf::ForOp::create(b, index(0), length, index(1), ValueRange{none, none});
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Value n = loop.getInductionVar();
    Block &body = op.getBody().front();
    scalars.map(body.getArgument(0), at(whole, arith::AddIOp::create(b, tiles.from, n)));
    if (failed(emitBlock(body)))
      return failure();
    Value some = scalars.lookup(body.getTerminator()->getOperand(0));
    Value all = scalars.lookup(body.getTerminator()->getOperand(1));
    Value full = arith::AndIOp::create(b, some, all);
    Value boundary = arith::XOrIOp::create(b, some, full);
    Value shift = arith::IndexCastOp::create(b, b.getI64Type(), n);
    auto with = [&](Value set, Value bit) -> Value {
      Value wide = arith::ExtUIOp::create(b, b.getI64Type(), bit);
      return arith::OrIOp::create(b, set, arith::ShLIOp::create(b, wide, shift));
    };
    Value nextFull = with(loop.getRegionIterArg(0), full);
    Value nextBoundary = with(loop.getRegionIterArg(1), boundary);
    scf::YieldOp::create(b, ValueRange{nextFull, nextBoundary});
  }
  tiles.full = loop.getResult(0);
  tiles.boundary = loop.getResult(1);
  known[op.getTiles()] = tiles;
  return success();
}

Value TileSequences::bitCount(Value set) {
  return arith::IndexCastOp::create(b, b.getIndexType(), math::CtPopOp::create(b, set));
}

/// Tiles of one interval; `lo to hi` is empty if hi <= lo.
static Value lengthOf(ImplicitLocOpBuilder &b, Value lo, Value hi) {
  Value length = arith::SubIOp::create(b, hi, lo);
  return arith::MaxSIOp::create(b, length, arith::ConstantIndexOp::create(b, 0));
}

Value TileSequences::count(const Sequence &tiles, bool onlyFull) {
  if (tiles.of) {
    Value full = bitCount(tiles.full);
    return onlyFull ? full : arith::AddIOp::create(b, full, bitCount(tiles.boundary)).getResult();
  }
  Value sum = index(0);
  for (unsigned i = 0, end = onlyFull ? tiles.numFullEnds : tiles.ends.size(); i < end; i += 2)
    sum = arith::AddIOp::create(b, sum, lengthOf(b, tiles.ends[i], tiles.ends[i + 1]));
  return sum;
}

/// The place of the n-th bit that is set, found by halves; somewhere in the set if there is none.
Value TileSequences::setBit(Value set, Value n) {
  Value place = index(0);
  for (int64_t half = 32; half; half /= 2) {
    Value low = arith::AndIOp::create(b, set, bits((int64_t(1) << half) - 1));
    Value below = bitCount(low);
    Value past = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, n, below);
    Value high = arith::ShRUIOp::create(b, set, bits(half));
    set = arith::SelectOp::create(b, past, high, low);
    n = arith::SelectOp::create(b, past, arith::SubIOp::create(b, n, below), n);
    Value on = arith::AddIOp::create(b, place, index(half));
    place = arith::SelectOp::create(b, past, on, place);
  }
  return place;
}

/// Total: beyond an end it is the tile there, of an empty sequence 0.
Value TileSequences::at(const Sequence &tiles, Value n) {
  if (!tiles.of)
    return atInIntervals(tiles, n);
  Value full = count(tiles, /*onlyFull=*/true), last = count(tiles, /*onlyFull=*/false);
  last = arith::SubIOp::create(b, last, index(1));
  n = arith::MaxSIOp::create(b, arith::MinSIOp::create(b, n, last), index(0));
  Value inFull = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, n, full);
  Value set = arith::SelectOp::create(b, inFull, tiles.full, tiles.boundary);
  n = arith::SelectOp::create(b, inFull, n, arith::SubIOp::create(b, n, full));
  Value number = arith::AddIOp::create(b, tiles.from, setBit(set, n));
  Value none = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, last, index(0));
  return arith::SelectOp::create(b, none, index(0), at(known[tiles.of], number));
}

Value TileSequences::atInIntervals(const Sequence &tiles, Value n) {
  const llvm::SmallVector<Value> &ends = tiles.ends;
  n = arith::MaxSIOp::create(b, n, index(0));
  Value result = index(0), found = arith::ConstantIntOp::create(b, 0, 1);
  for (unsigned i = 0; i < ends.size(); i += 2) {
    Value length = lengthOf(b, ends[i], ends[i + 1]);
    Value some = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, length, index(0));
    Value in = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, n, length);
    Value last = arith::SubIOp::create(b, ends[i + 1], index(1));
    Value here = arith::SelectOp::create(b, in, arith::AddIOp::create(b, ends[i], n), last);
    Value open = arith::XOrIOp::create(b, found, arith::ConstantIntOp::create(b, 1, 1));
    Value use = arith::AndIOp::create(b, open, some);
    result = arith::SelectOp::create(b, use, here, result);
    found = arith::OrIOp::create(b, found, arith::AndIOp::create(b, use, in));
    n = arith::SubIOp::create(b, n, length);
  }
  return result;
}
