//===- Contract.cpp - products of tiles by register tiles --------------------------------------===//
//
// A register tile is `rows` broadcast elements by some registers of lanes, one SSA value per accumulator,
// carried by the loop over the inner dimension, which is unrolled by two, or by more where it fetches. In strips lanes run along
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

/// Registers of a strip, from `first` on.
struct Emitter::StripPart {
  int64_t first, count;
  bool masked;     // columns outside the span may be left as they are
  Value live = {}; // null, or whether one of the rows is
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

/// Fetches the rows that come next, if any, line by line.
Values Emitter::product(const RegisterTile &tile, Values acc, const SharedRows &next) {
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
  int64_t done = 0;
  if (!next.rows.empty()) {
    int64_t turn = next.span * linesOf(next.rows[0]);
    done = std::min(tile.depth / turn, next.each) * turn;
    acc.push_back(next.list);
    acc = loop(index(0), index(done), turn, acc, [&](Value k, ValueRange carried) {
      Values sums(carried);
      Value place = sums.pop_back_val();
      Value row = LLVM::LoadOp::create(b, place.getType(), place, 8);
      for (int64_t u = 0; u < turn; ++u) {
        step(k, u, sums);
        if ((u + 1) % next.span == 0)
          fetchLine(next.rows[0], row, u / next.span);
      }
      sums.push_back(address(place, index(1), b.getI64Type()));
      return sums;
    });
    acc.pop_back();
  }
  constexpr int64_t unroll = 2;
  int64_t whole = done + (tile.depth - done) / unroll * unroll;
  if (done < whole)
    acc = loop(index(done), index(whole), unroll, acc, [&](Value k, ValueRange carried) {
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

/// Accumulators that are computed if `condition` holds.
static Values where(ImplicitLocOpBuilder &b, Value condition, const Values &acc,
                    function_ref<Values()> compute) {
  auto branch = scf::IfOp::create(b, ValueRange(acc).getTypes(), condition, /*withElse=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  scf::YieldOp::create(b, compute());
  b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(b, acc);
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

/// In a strip: result[r, c] = acc[r, c] * decay[r] + sum_i lhs[r, i] rhs[i, c]. Registers of which one is not
/// live go one by one.
void Emitter::contractStrip(ContractOp op, const Storage &result, Epilogue epilogue, bool masked) {
  int64_t registers = of(op.getLhs()).pitch / lanes, group = groupOf(registers);
  for (int64_t v0 = 0; v0 < registers; v0 += group) {
    Values live = liveRegisters(op, v0, group);
    if (live.empty()) {
      contractRegisters(op, result, epilogue, {v0, group, masked});
      continue;
    }
    Value all = live[0];
    for (Value one : ArrayRef(live).drop_front())
      all = arith::AndIOp::create(b, all, one);
    auto branch = scf::IfOp::create(b, all, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    contractRegisters(op, result, epilogue, {v0, group, masked});
    b.setInsertionPointToStart(branch.elseBlock());
    for (int64_t v = 0; v < group; ++v)
      contractRegisters(op, result, epilogue, {v0 + v, 1, masked, live[v]});
  }
}

/// Some registers of a strip.
void Emitter::contractRegisters(ContractOp op, const Storage &result, Epilogue epilogue,
                                const StripPart &part) {
  const Storage &lhs = of(op.getLhs()), &rhs = of(op.getRhs());
  bool t = op.getRhsT(), cut = !op.getSpan().empty();
  int64_t first = part.first, count = part.count;
  SharedRows shared = takeDue(op);
  blocks(result.cols, registerRows, [&](Value c, int64_t rows) {
    OpBuilder::InsertionGuard guard(b);
    bool skips = cut && t && part.masked; // what comes of other columns is not read
    if (skips) {
      auto branch = scf::IfOp::create(b, isMet(op, c, rows), /*withElseRegion=*/false);
      b.setInsertionPointToStart(branch.thenBlock());
    }
    Value at = plus(times(c, result.pitch), first * lanes);
    Values acc;
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t v = 0; v < count; ++v)
        acc.push_back(initial(op, at, i * result.pitch + v * lanes, index((first + v) * lanes)));
    RegisterTile tile{
        unsigned(rows),    unsigned(count),      lhs.cols,  lhs.base,
        rhs.base,          index(first * lanes), lhs.pitch, t ? times(c, rhs.pitch) : c,
        t ? rhs.pitch : 1, t ? 1 : rhs.pitch};
    if (cut && !t)
      std::tie(tile.from, tile.to) = spanOf(op);
    SharedRows next = rows == registerRows ? shared : SharedRows();
    if (!next.rows.empty())
      next.list = listOfTile(next, arith::DivUIOp::create(b, c, index(rows)));
    Value condition = cut && t && !skips ? isMet(op, c, rows) : Value();
    if (part.live)
      condition =
          condition ? arith::AndIOp::create(b, condition, part.live).getResult() : part.live;
    acc = condition ? where(b, condition, acc, [&] { return product(tile, acc); })
                    : product(tile, acc, next);
    if (epilogue)
      epilogue(c, rows, first, count, acc);
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t v = 0; v < count; ++v)
        storeVector(acc[i * count + v], result.base, plus(at, i * result.pitch + v * lanes));
  });
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

/// Registers of lanes and rows of a register tile where lanes run along columns. Two registers are enough for one
/// broadcast; with one, take twice the rows.
std::pair<int64_t, int64_t> Emitter::tileOfRows(int64_t registers) const {
  if (registers % 2 == 0)
    return {2, registerRows};
  return {1, 2 * registerRows};
}

ProductShape Emitter::shapeOf(ContractOp op) const {
  auto lhs = cast<RankedTensorType>(op.getLhs().getType());
  ArrayRef<int64_t> result = cast<RankedTensorType>(op.getType()).getShape();
  if (auto strips = dyn_cast<StripsOp>(op->getParentOp())) {
    int64_t vectors = groupOf(padded(int64_t(strips.getWidth())) / lanes);
    return {result[1] / registerRows, lhs.getDimSize(1), registerRows * vectors};
  }
  int64_t registers = padded(result[1]) / lanes;
  auto [group, rowsAtOnce] = tileOfRows(registers);
  return {registers / group * (result[0] / rowsAtOnce), lhs.getDimSize(op.getLhsT() ? 0 : 1),
          group * rowsAtOnce};
}

/// Row by row of the result, lanes along its columns.
void Emitter::contractRows(ContractOp op, const Storage &result) {
  const Storage &lhs = of(op.getLhs());
  Storage rhs = op.getRhsT() ? transposed(of(op.getRhs())) : of(op.getRhs());
  bool t = op.getLhsT();
  int64_t depth = t ? lhs.rows : lhs.cols, registers = result.pitch / lanes, group, rowsAtOnce;
  std::tie(group, rowsAtOnce) = tileOfRows(registers);
  SharedRows shared = takeDue(op);
  blocks(registers, group, [&](Value v0, int64_t) {
    Value column = times(v0, lanes);
    Value before = times(arith::DivUIOp::create(b, v0, index(group)), result.rows / rowsAtOnce);
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
      SharedRows next = rows == rowsAtOnce ? shared : SharedRows();
      if (!next.rows.empty())
        next.list = listOfTile(next, plus(before, arith::DivUIOp::create(b, r, index(rows))));
      acc = product(tile, acc, next);
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
  strip ? contractStrip(op, result, nullptr, /*masked=*/false) : contractRows(op, result);
  storages[op.getResult()] = result;
  return success();
}
