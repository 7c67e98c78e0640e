//===- Contract.cpp - products of tiles by register tiles --------------------------------------===//
//
// A register tile is `rows` broadcast elements by some registers of lanes, one SSA value per accumulator,
// carried by the loop over the inner dimension, which is unrolled by two here. In strips lanes run along
// rows and the broadcast elements are those of the right-hand side, read where it lies; else lanes run
// along columns and the broadcast elements are those of the left-hand side.
//
//===----------------------------------------------------------------------------------------===//

#include "codegen/cpu/Emitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace heddle::attn;
using namespace heddle::cpu;

/// One register tile: `rows` x `vectors` accumulators over `depth` steps.
struct Emitter::RegisterTile {
  unsigned rows, vectors;
  int64_t depth;
  Value lanesBase, rowsBase;    // f32
  Value lanesAt;                // element of step 0
  int64_t lanesStep;            // elements from step to step
  Value rowsAt;                 // element of row 0, step 0
  int64_t rowsStride, rowsStep; // from row to row, from step to step
  Value from = {}, to = {};     // null, or the steps there are
};

/// One step: the lanes once, then each broadcast element times them.
void Emitter::productStep(const RegisterTile &tile, Value lanesAt, Value rowsAt, Values &acc) {
  Values x;
  for (unsigned v = 0; v < tile.vectors; ++v)
    x.push_back(loadVector(tile.lanesBase, plus(lanesAt, v * lanes), f32));
  for (unsigned i = 0; i < tile.rows; ++i) {
    Value element = loadScalar(tile.rowsBase, plus(rowsAt, i * tile.rowsStride), f32);
    Value broadcast = vector::BroadcastOp::create(b, vectorOf(f32), element);
    for (unsigned v = 0; v < tile.vectors; ++v) {
      Value &sum = acc[i * tile.vectors + v];
      sum = vector::FMAOp::create(b, broadcast, x[v], sum);
    }
  }
}

Values Emitter::product(const RegisterTile &tile, Values acc) {
  constexpr int64_t unroll = 2;
  auto step = [&](Value k, int64_t ahead, Values &sums) {
    Value lanesAt = plus(plus(tile.lanesAt, times(k, tile.lanesStep)), ahead * tile.lanesStep);
    Value rowsAt = plus(plus(tile.rowsAt, times(k, tile.rowsStep)), ahead * tile.rowsStep);
    productStep(tile, lanesAt, rowsAt, sums);
  };
  if (tile.from)
    return loop(tile.from, tile.to, 1, acc, [&](Value k, ValueRange carried) {
      Values sums(carried);
      step(k, 0, sums);
      return sums;
    });
  int64_t whole = tile.depth / unroll * unroll;
  if (whole)
    acc = loop(index(0), index(whole), unroll, acc, [&](Value k, ValueRange carried) {
      Values sums(carried);
      for (int64_t u = 0; u < unroll; ++u)
        step(k, u, sums);
      return sums;
    });
  if (whole < tile.depth)
    step(index(whole), 0, acc);
  return acc;
}

/// Calls `body(first, count)` for blocks of `size` and for what remains, which has code of its own.
void Emitter::blocks(int64_t total, int64_t size, function_ref<void(Value, int64_t)> body) {
  int64_t whole = total / size * size;
  if (whole == size)
    body(index(0), size);
  else if (whole)
    loop(index(0), index(whole), size, {}, [&](Value i, ValueRange) {
      body(i, size);
      return Values();
    });
  if (whole < total)
    body(index(whole), total - whole);
}

/// Registers of a strip in groups that leave room for the accumulators.
int64_t Emitter::groupOf(int64_t registers) const {
  for (int64_t n = std::min(registers, registerVectors); n > 1; --n)
    if (registers % n == 0)
      return n;
  return registers <= registerVectors ? registers : 1;
}

std::pair<Value, Value> Emitter::spanOf(ContractOp op) {
  return {scalars.lookup(op.getSpan()[0]), scalars.lookup(op.getSpan()[1])};
}

/// Accumulators that are computed if `condition` holds, and else by `other`.
static Values where(ImplicitLocOpBuilder &b, Value condition, const Values &acc,
                    function_ref<Values()> compute, function_ref<Values()> other) {
  auto branch = scf::IfOp::create(b, ValueRange(acc).getTypes(), condition, /*withElse=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  scf::YieldOp::create(b, compute());
  b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(b, other());
  return Values(branch.getResults());
}

/// Whether the span of a product has a part in a block of columns.
Value Emitter::isMet(ContractOp op, Value column, int64_t count) {
  auto [from, to] = spanOf(op);
  Value before = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, column, to);
  Value after = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, plus(column, count), from);
  return arith::AndIOp::create(b, before, after);
}

/// For each of some registers of rows, whether one of its rows is live. None if all count as live.
Values Emitter::liveRegisters(ContractOp op, int64_t first, int64_t count) {
  Values live;
  for (int64_t v = first; op.getLive() && v < first + count; ++v) {
    Value x = registerOf(of(op.getLive()), index(v * lanes));
    Value some = arith::CmpFOp::create(b, arith::CmpFPredicate::UNE, x, splat(0));
    live.push_back(vector::ReductionOp::create(b, vector::CombiningKind::OR, some));
  }
  return live;
}

/// The product of a register tile: of all its registers at once if each is live, else one by one.
Values Emitter::productOfLive(const RegisterTile &tile, const Values &live, const Values &acc) {
  if (live.empty())
    return product(tile, acc);
  Value all = live[0];
  for (Value one : ArrayRef(live).drop_front())
    all = arith::AndIOp::create(b, all, one);
  auto oneByOne = [&] {
    Values sums = acc;
    for (unsigned v = 0; v < tile.vectors && tile.vectors > 1; ++v) {
      RegisterTile part = tile;
      part.vectors = 1;
      part.lanesAt = plus(tile.lanesAt, v * lanes);
      Values start;
      for (unsigned i = 0; i < tile.rows; ++i)
        start.push_back(acc[i * tile.vectors + v]);
      start = where(b, live[v], start, [&] { return product(part, start); }, [&] { return start; });
      for (unsigned i = 0; i < tile.rows; ++i)
        sums[i * tile.vectors + v] = start[i];
    }
    return sums;
  };
  return where(b, all, acc, [&] { return product(tile, acc); }, oneByOne);
}

/// In a strip: result[r, c] = acc[r, c] * decay[r] + sum_i lhs[r, i] rhs[i, c].
void Emitter::contractStrip(ContractOp op, const Storage &result, Epilogue epilogue) {
  const Storage &lhs = of(op.getLhs()), &rhs = of(op.getRhs());
  bool t = op.getRhsT();
  int64_t registers = lhs.pitch / lanes, group = groupOf(registers);
  for (int64_t v0 = 0; v0 < registers; v0 += group) {
    Values live = liveRegisters(op, v0, group);
    blocks(result.cols, registerRows, [&](Value c, int64_t rows) {
      Value at = plus(times(c, result.pitch), v0 * lanes);
      Values acc;
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t v = 0; v < group; ++v)
          acc.push_back(initial(op, at, i * result.pitch + v * lanes, index((v0 + v) * lanes)));
      RegisterTile tile{
          unsigned(rows),    unsigned(group),   lhs.cols,  lhs.base,
          rhs.base,          index(v0 * lanes), lhs.pitch, t ? times(c, rhs.pitch) : c,
          t ? rhs.pitch : 1, t ? 1 : rhs.pitch};
      bool cut = !op.getSpan().empty();
      if (cut && !t)
        std::tie(tile.from, tile.to) = spanOf(op);
      auto compute = [&] { return productOfLive(tile, live, acc); };
      acc = cut && t ? where(b, isMet(op, c, rows), acc, compute, [&] { return acc; }) : compute();
      if (epilogue)
        epilogue(c, rows, v0, group, acc);
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t v = 0; v < group; ++v)
          storeVector(acc[i * group + v], result.base, plus(at, i * result.pitch + v * lanes));
    });
  }
}

/// The accumulator at an element of the result, rescaled; `row` chooses the decay of a strip's register.
Value Emitter::initial(ContractOp op, Value at, int64_t offset, Value row) {
  if (!op.getAcc())
    return splat(0);
  const Storage &acc = of(op.getAcc());
  if (acc.kind == Storage::Splat)
    return vector::BroadcastOp::create(b, vectorOf(f32), acc.base);
  Value x = loadVector(acc.base, plus(at, offset), f32);
  if (!op.getDecay())
    return x;
  Value decay =
      acc.width ? registerOf(of(op.getDecay()), row)
                : vector::BroadcastOp::create(b, vectorOf(f32), elementOf(of(op.getDecay()), row))
                      .getResult();
  return arith::MulFOp::create(b, x, decay);
}

/// Row by row of the result, lanes along its columns.
void Emitter::contractRows(ContractOp op, const Storage &result) {
  const Storage &lhs = of(op.getLhs());
  Storage rhs = op.getRhsT() ? transposed(of(op.getRhs())) : of(op.getRhs());
  bool t = op.getLhsT();
  int64_t depth = t ? lhs.rows : lhs.cols, registers = result.pitch / lanes;
  // Two registers of lanes are enough for one broadcast; with one, take twice the rows.
  int64_t group = registers % 2 == 0 ? 2 : 1,
          rowsAtOnce = group == 2 ? registerRows : 2 * registerRows;
  blocks(registers, group, [&](Value v0, int64_t) {
    Value column = times(v0, lanes);
    blocks(result.rows, rowsAtOnce, [&](Value r, int64_t rows) {
      Value at = plus(times(r, result.pitch), column);
      Values acc;
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t v = 0; v < group; ++v)
          acc.push_back(initial(op, at, i * result.pitch + v * lanes, plus(r, i)));
      RegisterTile tile{unsigned(rows),    unsigned(group),  depth,     rhs.base,
                        lhs.base,          column,           rhs.pitch, t ? r : times(r, lhs.pitch),
                        t ? 1 : lhs.pitch, t ? lhs.pitch : 1};
      if (!op.getSpan().empty() && !op.getRhsT())
        std::tie(tile.from, tile.to) = spanOf(op);
      acc = product(tile, acc);
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t v = 0; v < group; ++v)
          storeVector(acc[i * group + v], result.base, plus(at, i * result.pitch + v * lanes));
    });
  });
}

/// A row-major tile with rows and columns exchanged.
Storage Emitter::transposed(const Storage &tile) {
  Storage result = allocateTile(tile.cols, tile.rows, 0, tile.element);
  int64_t rows = tile.rows / 8 * 8, cols = tile.cols / 8 * 8;
  auto one = [&](Value r, Value c) {
    Value x = loadScalar(tile.base, plus(times(r, tile.pitch), c), tile.element);
    LLVM::StoreOp::create(b, x, address(result.base, plus(times(c, result.pitch), r), tile.element),
                          4);
  };
  auto scalars = [&](int64_t r0, int64_t r1, int64_t c0, int64_t c1) {
    loop(index(r0), index(r1), 1, {}, [&](Value r, ValueRange) {
      loop(index(c0), index(c1), 1, {}, [&](Value c, ValueRange) {
        one(r, c);
        return Values();
      });
      return Values();
    });
  };
  if (result.pitch != result.cols)
    fill(result, arith::ConstantOp::create(b, b.getZeroAttr(tile.element)));
  loop(index(0), index(rows), 8, {}, [&](Value r, ValueRange) {
    loop(index(0), index(cols), 8, {}, [&](Value c, ValueRange) {
      Value from = address(tile.base, plus(times(r, tile.pitch), c), tile.element);
      Value to = address(result.base, plus(times(c, result.pitch), r), tile.element);
      transposeIn(from, index(tile.pitch), tile.element, to, index(result.pitch), Value());
      return Values();
    });
    return Values();
  });
  if (cols < tile.cols)
    scalars(0, rows, cols, tile.cols);
  if (rows < tile.rows)
    scalars(rows, tile.rows, 0, tile.cols);
  return result;
}

/// A tile of one value as memory.
void Emitter::materialise(Value value) {
  Storage splat = of(value);
  if (splat.kind != Storage::Splat || splat.isVector)
    return;
  Storage tile = allocateTile(splat.rows, splat.cols, 0, splat.element);
  fill(tile, splat.base);
  storages[value] = tile;
}

/// A tile that is cut into strips elsewhere, row by row: a query and a key may be the same values.
Storage Emitter::rowByRow(const Storage &tile) {
  Storage result = allocateTile(tile.rows, tile.cols, 0, tile.element);
  loop(index(0), index(tile.rows), 1, {}, [&](Value r, ValueRange) {
    loop(index(0), index(tile.cols), 1, {}, [&](Value c, ValueRange) {
      Value x = loadScalar(tile.base, elementAddress(tile, r, c), tile.element);
      LLVM::StoreOp::create(b, x, address(result.base, elementAddress(result, r, c), tile.element),
                            4);
      return Values();
    });
    return Values();
  });
  return result;
}

LogicalResult Emitter::emitContract(ContractOp op) {
  materialise(op.getLhs());
  materialise(op.getRhs());
  if (of(op.getLhs()).width && of(op.getRhs()).width && !op.getLhsT()) {
    Storage inStrips = of(op.getRhs());
    storages[op.getRhs()] = rowByRow(inStrips);
    LogicalResult done = emitContract(op);
    storages[op.getRhs()] = inStrips;
    return done;
  }
  bool strip = of(op.getLhs()).width;
  if (strip &&
      (op.getLhsT() || of(op.getLhs()).rows != of(op.getLhs()).width || of(op.getRhs()).width))
    return op.emitError("a product of these tiles cannot be compiled for a CPU");
  if (!strip && of(op.getRhs()).width)
    return op.emitError("a product with a tile in strips cannot be compiled for a CPU");
  MapOp map = strip ? fusedMap(op) : MapOp();
  if (map)
    return emitFused(op, map);
  Storage result =
      op.getAcc() ? take(op.getAccMutable()[0], op.getResult()) : allocate(op.getResult());
  strip ? contractStrip(op, result, nullptr) : contractRows(op, result);
  storages[op.getResult()] = result;
  return success();
}
