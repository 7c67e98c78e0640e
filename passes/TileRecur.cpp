//===- TileRecur.cpp - recur becomes a loop over chunks of tokens ------------------------------===//
//
// Before:
//   %o = attn.recur add rows(%B, %H, %N) time 2 ... query {..} key {..} value {..} decay {..}
// after, for each row but time, and each block of value columns (a grid):
//   scf.for %c = 0 to chunks iter_args(%s = the initial state) {
//     %full = arith.cmpi ult, %c, %nfull               all tokens of this chunk exist
//     %q, %k, %v = attn.load ..   %a = attn.map rows(%tp) {the decay of each token}
//     %o, %s1 = attn.advance add %q, %k, %v from %s decay(%a)
//     attn.store %o ..
//   }
// Tokens beyond the last have a key of 0 and a decay of 1: the state after the last chunk is right.
//
// Needs: a schedule on the op. Leaves: memory arguments, one scf.forall, attn.advance in its loop.
//
//===----------------------------------------------------------------------------------------===//

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/Passes.h"
#include "passes/TileRegions.h"

using namespace mlir;

namespace heddle::attn {
#define GEN_PASS_DEF_TILERECUR
#include "passes/Passes.h.inc"

namespace {

/// Value columns of an item: blocks are of one size, so that none reaches behind the value. The largest
/// divisor up to the wish; where all of those are far below it, as of a prime, all columns.
int64_t columnsOf(int64_t wish, int64_t all) {
  if (wish == 0 || wish >= all)
    return all;
  int64_t columns = wish;
  while (all % columns)
    --columns;
  return 4 * columns < wish ? all : columns;
}

/// Tiles one recur. The members are what one work item knows.
class RecurTiler {
public:
  RecurTiler(RecurOp op, MemoryArguments &memory)
      : op(op), memory(memory), loc(op.getLoc()), b(op), once(op), schedule(*op.getSchedule()),
        C(schedule.getChunk()), D(op.getDepth()),
        E(columnsOf(schedule.getColumns(), op.getColumns())) {}
  void run();

private:
  bool hasSum() { return !op.getDivide().empty() || op.getOutputInit(Output::sum); }
  bool hasOut() { return bool(op.getOutputInit(Output::out)); }
  RankedTensorType vector(int64_t size) { return RankedTensorType::get(size, b.getI32Type()); }

  void openGrid();
  void bind(RegionCloner &cloner, Region &region, Value token);
  Value stateTile(Region &region, int64_t width);
  SmallVector<Value> initial();
  void chunk(scf::ForOp loop);
  Value tokens(Region &region, Value t0, Value tp, int64_t width, Value column, Value full);
  Value keepTokens(Value tile, Value tp, Value full);
  SmallVector<Value> others();
  Value decays(Value tp, Value full);
  Value exists(OpBuilder &body, Value token, Value full);
  void storeOut(Value out, Value norm, Value t0, Value tp);
  void finish(ValueRange last);

  RecurOp op;
  MemoryArguments &memory;
  Location loc;
  OpBuilder b, once; // where the item is built; where stands what it computes once
  ScheduleAttr schedule;
  const int64_t C, D, E;  // tokens of a chunk, depth, value columns of an item
  SmallVector<Value> row; // each row index of this item, null for time
  Value e0, N, numChunks, numFull, zero, one;
  Value columnItem; // which of the items that share a row; null: there is one
};

void RecurTiler::run() {
  openGrid();
  SmallVector<Value> init = initial();
  auto loop = scf::ForOp::create(b, loc, zero, numChunks, one, init);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    chunk(loop);
  }
  finish(loop.getResults());
}

void RecurTiler::openGrid() {
  SmallVector<OpFoldResult> sizes;
  for (auto [i, range] : llvm::enumerate(op.getRows()))
    if (i != op.getTime())
      sizes.push_back(range);
  N = op.getRows()[op.getTime()];
  int64_t blocks = int64_t(op.getColumns()) / E;
  if (blocks > 1)
    sizes.push_back(b.getIndexAttr(blocks));
  if (sizes.empty())
    sizes.push_back(b.getIndexAttr(1));
  numChunks = ceilDiv(b, loc, N, C); // outside: SplitTwoLevel makes a grid of them
  numFull = floorDiv(b, loc, N, C);
  auto grid = scf::ForallOp::create(b, loc, sizes, ValueRange(), std::nullopt);
  b.setInsertionPointToStart(grid.getBody());
  SmallVector<Value> numbers(grid.getInductionVars());
  zero = indexConstant(b, loc, 0);
  if (blocks > 1)
    columnItem = numbers.back();
  e0 = columnItem ? scaledIndex(b, loc, columnItem, E) : zero;
  one = indexConstant(b, loc, 1);
  once.setInsertionPoint(one.getDefiningOp());
  row.assign(op.getRows().size(), Value());
  for (unsigned i = 0, at = 0; i < row.size(); ++i)
    if (i != op.getTime())
      row[i] = numbers[at++];
}

/// Row indices of a region: scalars of the item, and the position of a token.
void RecurTiler::bind(RegionCloner &cloner, Region &region, Value token) {
  for (auto [i, index] : llvm::enumerate(row)) {
    if (index)
      cloner.uniform(region.getArgument(i), index);
    else if (token)
      cloner.varying(region.getArgument(i), token, N);
  }
}

/// The initial state (depth x columns) or sum (depth): regions over the rows without time, and d.
Value RecurTiler::stateTile(Region &region, int64_t width) {
  unsigned outer = row.size() - 1;
  Value depth = indexConstant(once, loc, D);
  Value positions = IotaOp::create(b, loc, vector(D), zero);
  TileRows rows{outer, zero, depth, positions, width, width ? e0 : Value()};
  return tileOf(b, once, memory, region, rows, 1, [&](RegionCloner &c) {
    unsigned at = 0;
    for (Value index : row)
      if (index)
        c.uniform(region.getArgument(at++), index);
  });
}

SmallVector<Value> RecurTiler::initial() {
  SmallVector<Value> init;
  init.push_back(op.getInitial().empty() ? splatConstant(b, loc, {D, E}, 0)
                                         : stateTile(op.getInitial(), E));
  if (hasSum())
    init.push_back(op.getInitialSum().empty() ? splatConstant(b, loc, {D}, 0)
                                              : stateTile(op.getInitialSum(), 0));
  return init;
}

/// That there is such a token; `full`: it is known.
Value RecurTiler::exists(OpBuilder &body, Value token, Value full) {
  Value n32 = arith::IndexCastOp::create(once, loc, b.getI32Type(), N);
  Value in = arith::CmpIOp::create(body, loc, arith::CmpIPredicate::slt, token, n32);
  return arith::OrIOp::create(body, loc, full, in);
}

/// 0 in the rows of tokens that do not exist.
Value RecurTiler::keepTokens(Value tile, Value tp, Value full) {
  return buildMap(b, loc, tile.getType(), {{tile}, {tp}, {}},
                  [&](OpBuilder &body, ValueRange args) {
                    return arith::SelectOp::create(body, loc, exists(body, args[1], full), args[0],
                                                   floatConstant(body, loc, 0));
                  })
      .first;
}

/// The rows of a chunk. What is loaded is 0 beyond the last token; what is computed is made so.
Value RecurTiler::tokens(Region &region, Value t0, Value tp, int64_t width, Value column,
                         Value full) {
  if (region.empty()) // absent: 1
    return keepTokens(splatConstant(b, loc, {C, width}, 1), tp, full);
  TileRows rows{unsigned(op.getTime()), t0, N, tp, width, column};
  Value tile =
      tileOf(b, once, memory, region, rows, 1, [&](RegionCloner &c) { bind(c, region, Value()); });
  return isLoaded(region, rows) ? tile : keepTokens(tile, tp, full);
}

/// The decay of each token, 1 for those beyond the last; null without a decay.
Value RecurTiler::decays(Value tp, Value full) {
  if (op.getDecay().empty())
    return {};
  return buildMap(b, loc, tileType(b, {C}), {{}, {tp}, {}},
                  [&](OpBuilder &body, ValueRange args) {
                    RegionCloner cloner(once, memory);
                    bind(cloner, op.getDecay(), args[0]);
                    Value decay = cloner.clone(op.getDecay(), body);
                    return arith::SelectOp::create(body, loc, exists(body, args[0], full), decay,
                                                   floatConstant(body, loc, 1));
                  })
      .first;
}

void RecurTiler::chunk(scf::ForOp loop) {
  Value c = loop.getInductionVar();
  Value full = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, c, numFull);
  Value t0 = scaledIndex(b, loc, c, C);
  Value tp = IotaOp::create(b, loc, vector(C), t0);
  Value q = tokens(op.getQuery(), t0, tp, D, Value(), full);
  Value k = tokens(op.getKey(), t0, tp, D, Value(), full);
  Value v = tokens(op.getValue(), t0, tp, E, e0, full);
  Value a = decays(tp, full), state = loop.getRegionIterArgs()[0];
  Value sum = hasSum() ? Value(loop.getRegionIterArgs()[1]) : Value();
  Type norm = sum ? tileType(b, {C}) : Type(), lastSum = sum ? sum.getType() : Type();
  auto advance = AdvanceOp::create(b, loc, v.getType(), state.getType(), norm, lastSum,
                                   op.getRuleAttr(), q, k, v, state, a, sum);
  if (hasOut())
    storeOut(advance.getOut(), advance.getNorm(), t0, tp);
  SmallVector<Value> next = {advance.getLast()};
  if (sum)
    next.push_back(advance.getLastSum());
  scf::YieldOp::create(b, loc, next);
}

/// The other row indices of this item, in order.
SmallVector<Value> RecurTiler::others() {
  SmallVector<Value> indices;
  for (Value index : row)
    if (index)
      indices.push_back(index);
  return indices;
}

void RecurTiler::storeOut(Value out, Value norm, Value t0, Value tp) {
  if (!op.getDivide().empty())
    out = buildMap(b, loc, out.getType(), {{out}, {norm, tp}, {}},
                   [&](OpBuilder &body, ValueRange args) {
                     RegionCloner cloner(once, memory);
                     bind(cloner, op.getDivide(), args[2]);
                     cloner.varying(op.getDivide().getArguments().back(), args[1], Value());
                     Value divisor = cloner.clone(op.getDivide(), body);
                     return arith::DivFOp::create(body, loc, args[0], divisor);
                   })
              .first;
  storeTile(b, loc, memory, out, op.getOutputInit(Output::out), op.getTime(), others(), t0, e0, N);
}

/// Stores the last state and sum.
void RecurTiler::finish(ValueRange last) {
  Value depth = indexConstant(b, loc, D);
  unsigned axis = row.size() - 1;
  if (Value state = op.getOutputInit(Output::state))
    storeTile(b, loc, memory, last[0], state, axis, others(), zero, e0, depth);
  Value sum = op.getOutputInit(Output::sum);
  if (!sum)
    return;
  OpBuilder::InsertionGuard guard(b);
  if (columnItem) { // of all columns the same: the first item writes it
    Value first = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, columnItem, zero);
    b.setInsertionPointToStart(scf::IfOp::create(b, loc, first, false).thenBlock());
  }
  storeTile(b, loc, memory, last[1], sum, axis, others(), zero, OpFoldResult(), depth);
}

struct TileRecur : impl::TileRecurBase<TileRecur> {
  void runOnOperation() override {
    SmallVector<RecurOp> ops(getOperation().getOps<RecurOp>());
    if (ops.empty())
      return;
    MemoryArguments memory(getOperation());
    for (RecurOp op : ops) {
      if (!op.getSchedule()) {
        op.emitOpError("expected a schedule; run attn-choose-schedule first");
        return signalPassFailure();
      }
      getOperation()->setAttr(AttnDialect::ScheduleAttrHelper::getNameStr(), *op.getSchedule());
      RecurTiler(op, memory).run();
    }
    memory.dropResults();
    for (RecurOp op : ops)
      op.erase();
    memory.finish();
  }
};

} // namespace
} // namespace heddle::attn
