//===- Map.cpp - bodies over elements, reductions, scans ---------------------------------------===//

#include "codegen/cpu/Emitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include <limits>

using namespace mlir;
using namespace heddle::attn;
using namespace heddle::cpu;

//===--- Reductions --------------------------------------------------------------------------===//

/// A NaN may be lost by max here: it is not by the weights that are computed from the same score.
Value Emitter::combine(Combine kind, Value x, Value y) {
  if (kind == Combine::add)
    return arith::AddFOp::create(b, x, y);
  if (kind == Combine::mul)
    return arith::MulFOp::create(b, x, y);
  Value greater = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, x, y);
  return arith::SelectOp::create(b, greater, x, y);
}
Value Emitter::neutral(Combine kind) {
  return splat(kind == Combine::max   ? -std::numeric_limits<double>::infinity()
               : kind == Combine::add ? 0
                                      : 1);
}

/// All lanes into one.
Value Emitter::across(Combine kind, Value x) {
  auto how = kind == Combine::max   ? vector::CombiningKind::MAXNUMF
             : kind == Combine::add ? vector::CombiningKind::ADD
                                    : vector::CombiningKind::MUL;
  return vector::ReductionOp::create(b, how, x);
}

//===--- Maps --------------------------------------------------------------------------------===//

/// The map that runs in the epilogue of a product: the only use, in the same block, over the same tile.
MapOp Emitter::fusedMap(ContractOp op) {
  if (!op->hasOneUse() || op.getAcc())
    return {};
  auto map = dyn_cast<MapOp>(*op->user_begin());
  bool plain = map && map->getBlock() == op->getBlock() && map.getTiles().size() == 1 &&
               map.getResult().getType() == op.getType() &&
               (!map.getReduce() || map.getPer() == Axis::row);
  // What the body takes must be there before the product.
  auto before = [&](Value value) {
    Operation *def = value.getDefiningOp();
    return !def || def->getBlock() != op->getBlock() || def->isBeforeInBlock(op);
  };
  if (!plain || !llvm::all_of(map.getRows(), before) || !llvm::all_of(map.getCols(), before))
    return {};
  WalkResult captured = map.getBody().walk([&](Operation *inner) {
    bool good = llvm::all_of(inner->getOperands(), [&](Value value) {
      return value.getParentRegion() == &map.getBody() || before(value);
    });
    return good ? WalkResult::advance() : WalkResult::interrupt();
  });
  return captured.wasInterrupted() ? MapOp() : map;
}

static bool isMasked(MapOp op) { return op->hasAttr(AttnDialect::MaskedAttrHelper::getNameStr()); }

// Registers of a product whose bodies take turns: by four a tanh a score costs a sixth of a softmax, else a fifth.
static constexpr int64_t together = 4;

LogicalResult Emitter::emitFused(ContractOp op, MapOp map) {
  done.insert(map);
  Storage result = allocate(map.getResult());
  int64_t registers = result.pitch / lanes;
  Storage reduced; // in scratch: a load and a store per block of columns, but no register
  if (map.getReduce()) {
    reduced = allocateVector(result.rows, f32);
    for (int64_t v = 0; v < registers; ++v)
      storeVector(neutral(*map.getReduce()), reduced.base, index(v * lanes));
  }
  auto epilogue = [&](Value c, int64_t rows, int64_t v0, int64_t count, Values &acc) {
    for (int64_t v = 0; v < count; ++v) {
      Value first = index((v0 + v) * lanes), sum;
      if (map.getReduce())
        sum = loadVector(reduced.base, first, f32);
      for (int64_t from = 0; from < rows; from += together)
        inTurns(std::min(together, rows - from), [&](int64_t i) {
          Value &x = acc[(from + i) * count + v];
          x = evaluate(map, stripArguments(map, {x}, rowRegisters(map, first), plus(c, from + i)));
        });
      for (int64_t i = 0; sum && i < rows; ++i)
        sum = combine(*map.getReduce(), acc[i * count + v], sum);
      if (sum)
        storeVector(sum, reduced.base, first);
    }
  };
  contractStrip(op, result, epilogue, isMasked(map));
  storages[map.getResult()] = result;
  if (map.getReduce())
    storages[map.getReduced()] = inRegisters(reduced);
  return success();
}

/// A short vector as registers.
Storage Emitter::inRegisters(const Storage &vector) {
  if (vector.pitch / lanes > 4)
    return vector;
  Storage result = vector;
  result.kind = Storage::Registers;
  for (int64_t v = 0; v < vector.pitch; v += lanes)
    result.registers.push_back(registerOf(vector, index(v)));
  return result;
}

/// What the body takes of rows where lanes run along them.
Values Emitter::rowRegisters(MapOp map, Value first) {
  Values registers;
  for (Value row : map.getRows())
    registers.push_back(registerOf(of(row), first));
  return registers;
}

/// All that the body takes there.
Values Emitter::stripArguments(MapOp map, Values tiles, const Values &rows, Value col) {
  tiles.append(rows);
  for (Value value : map.getCols())
    tiles.push_back(asVector(elementOf(of(value), col)));
  return tiles;
}

/// Of a masked map the span of the product that takes what it gives: the columns it goes over.
std::optional<std::pair<Value, Value>> Emitter::maskedSpan(MapOp op) {
  auto product = op.getResult().hasOneUse() ? dyn_cast<ContractOp>(*op.getResult().user_begin())
                                            : ContractOp();
  if (!product || product.getSpan().empty() || !isMasked(op))
    return std::nullopt;
  return spanOf(product);
}

/// One lane column at a time: no register is spilled.
void Emitter::mapStrip(MapOp op, const Storage &result, const Storage &reduced) {
  bool sums = op.getReduce() && op.getPer() == Axis::row;
  Combine kind = op.getReduce().value_or(Combine::add);
  for (int64_t v = 0; v < result.pitch; v += lanes) {
    Values total = sums ? Values{neutral(kind)} : Values(), rows = rowRegisters(op, index(v));
    auto step = [&](Value c, Values carried) -> Values {
      Value at = plus(times(c, result.pitch), v);
      Values tiles;
      for (Value tile : op.getTiles())
        tiles.push_back(tileRegister(of(tile), at));
      Value x = evaluate(op, stripArguments(op, tiles, rows, c));
      storeVector(x, result.base, at);
      if (sums)
        carried[0] = combine(kind, carried[0], x);
      return carried;
    };
    if (auto span = maskedSpan(op)) {
      total = loop(span->first, span->second, 1, total,
                   [&](Value c, ValueRange carried) { return step(c, Values(carried)); });
    } else {
      int64_t whole = result.cols / 2 * 2;
      total = loop(index(0), index(whole), 2, total, [&](Value c, ValueRange carried) {
        return step(plus(c, 1), step(c, Values(carried)));
      });
      if (whole < result.cols)
        total = step(index(whole), total);
    }
    if (sums)
      storeVector(total[0], reduced.base, index(v));
  }
}

/// The lanes of a tile at an element; of one value, that.
Value Emitter::tileRegister(const Storage &tile, Value at) {
  if (tile.kind == Storage::Splat)
    return asVector(tile.base);
  return loadVector(tile.base, at, tile.element);
}

/// Lanes along columns. A reduction per column stays in registers over all rows, two at a time: each
/// waits for its last row.
void Emitter::mapRows(MapOp op, const Storage &result, const Storage &reduced) {
  bool kept = !op.getResult().use_empty();
  Combine kind = op.getReduce().value_or(Combine::add);
  bool perCol = op.getReduce() && op.getPer() == Axis::col;
  auto step = [&](Value r, Value c) {
    Value at = plus(times(r, result.pitch), c);
    Values arguments;
    for (Value tile : op.getTiles())
      arguments.push_back(tileRegister(of(tile), at));
    for (Value row : op.getRows())
      arguments.push_back(asVector(elementOf(of(row), r)));
    for (Value col : op.getCols())
      arguments.push_back(registerOf(of(col), c));
    Value x = evaluate(op, arguments);
    if (kept)
      storeVector(x, result.base, at);
    return x;
  };
  if (perCol || !op.getReduce()) {
    blocks(result.pitch / lanes, perCol ? 2 : 1, [&](Value first, int64_t count) {
      Value c = times(first, lanes);
      Values start(perCol ? count : 0, neutral(kind));
      Values total = loop(index(0), index(result.rows), 1, start, [&](Value r, ValueRange carried) {
        Values next;
        for (int64_t v = 0; v < count; ++v) {
          Value x = step(r, plus(c, v * lanes));
          if (perCol)
            next.push_back(combine(kind, x, carried[v]));
        }
        return next;
      });
      for (auto [v, sum] : llvm::enumerate(total))
        storeVector(sum, reduced.base, plus(c, v * lanes));
    });
    return;
  }
  loop(index(0), index(result.rows), 1, {}, [&](Value r, ValueRange) {
    Value total = neutral(kind);
    for (int64_t c = 0; c < result.pitch; c += lanes) {
      Value x = step(r, index(c));
      if (c + lanes > result.cols) // lanes beyond the columns take no part
        x = insideLanes(x, result.cols - c, neutral(kind));
      total = combine(kind, total, x);
    }
    LLVM::StoreOp::create(b, across(kind, total), address(reduced.base, r, f32), 4);
    return Values();
  });
}

Value Emitter::insideLanes(Value x, int64_t count, Value outside) {
  SmallVector<bool> inside;
  for (int64_t i = 0; i < lanes; ++i)
    inside.push_back(i < count);
  Value mask = arith::ConstantOp::create(
      b, DenseElementsAttr::get(vectorOf(b.getI1Type()), ArrayRef<bool>(inside)));
  return arith::SelectOp::create(b, mask, x, outside);
}

LogicalResult Emitter::emitMap(MapOp op) {
  auto type = cast<RankedTensorType>(op.getResult().getType());
  if (!type.getElementType().isF32())
    return op.emitError("a map that gives ")
           << type.getElementType() << " cannot be compiled for a CPU";
  if (type.getRank() == 1)
    return emitElementwise(op);
  OpOperand *place = op.getInPlaceOperand();
  Storage result = place && !op.getResult().use_empty() ? take(*place, op.getResult())
                                                        : allocate(op.getResult());
  Storage reduced;
  if (op.getReduce())
    reduced = allocateVector(op.getPer() == Axis::row ? result.rows : result.cols, f32);
  if (result.width && op.getReduce() && op.getPer() == Axis::col)
    return op.emitError("a reduction per column of a strip cannot be compiled for a CPU");
  if (!result.width)
    mapRows(op, result, reduced);
  else if (result.rows == result.width)
    mapStrip(op, result, reduced);
  else if (failed(mapStrips(op, result, reduced)))
    return failure();
  storages[op.getResult()] = result;
  if (op.getReduce())
    storages[op.getReduced()] =
        result.width && result.rows == result.width ? inRegisters(reduced) : reduced;
  return success();
}

/// A tile of many strips, outside their loop: each like one.
LogicalResult Emitter::mapStrips(MapOp op, const Storage &result, const Storage &reduced) {
  SmallVector<std::pair<Value, Storage>> whole;
  for (Value operand : llvm::concat<Value>(Values(op.getTiles()), Values(op.getRows())))
    whole.push_back({operand, of(operand)});
  loop(index(0), index(result.rows / result.width), 1, {}, [&](Value number, ValueRange) {
    for (auto &[operand, storage] : whole)
      storages[operand] = strip(storage, number);
    mapStrip(op, strip(result, number), op.getReduce() ? strip(reduced, number) : reduced);
    return Values();
  });
  for (auto &[operand, storage] : whole)
    storages[operand] = storage;
  return success();
}
