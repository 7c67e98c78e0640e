//===- TileAttend.cpp - attend becomes a grid of query tiles over key tiles --------------------===//
//
// The one place where a normaliser is written. Before:
//   %o = attn.attend softmax rows(%B, %H, %N) keys(%M) ... query {..} key {..} value {..} keep {..}
// after, for each tile of queries (a grid) and each tile of keys (a loop):
//   %tiles = attn.visit keep at(%i) of(%N, %M) tile [192, 128] {..}
//   scf.for .. iter_args(%m, %l, %o) {
//     %full = arith.cmpi ult, %n, %nf                      all pairs of this tile are kept
//     %k = attn.load ..   %v = attn.load ..
//     attn.strips 48 of(%q, %qp) carry(%m, %l, %o) {       one strip of rows
//       s = q k'   m' = max(m, s)   a = exp(m - m')   p = exp(s - m')   l = l a + sum p   o = o a + p v
//
// Scores are base 2 where they are the scaled product (log2(e) goes into the scale of the load) or a
// constant times something (log2(e) joins it), else natural. A value row that no query of the tile keeps
// is zeroed, or a NaN there would reach rows that drop it: a weight of 0 does not stop it.
//
// Needs: a schedule on the op. Leaves: memory arguments, one scf.forall; boundary tiles not yet apart.
//
//===----------------------------------------------------------------------------------------===//

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "passes/AttendTiler.h"
#include "passes/Passes.h"
#include <limits>

using namespace mlir;

namespace heddle::attn {
#define GEN_PASS_DEF_TILEATTEND
#include "passes/Passes.h.inc"

namespace {

constexpr double log2e = 1.4426950408889634074, ln2 = 0.69314718055994530942;
constexpr double infinity = std::numeric_limits<double>::infinity();

/// The score is a constant times something: log2(e) joins the constant. False: it is not.
bool takesLog2e(Region &score) {
  auto last = score.front().getTerminator()->getOperand(0).getDefiningOp<arith::MulFOp>();
  if (!last || !last->hasOneUse())
    return false;
  for (OpOperand &operand : last->getOpOperands()) {
    APFloat factor(0.0f);
    if (!matchPattern(operand.get(), m_ConstantFloat(&factor)))
      continue;
    OpBuilder b(last);
    operand.set(floatConstant(b, last.getLoc(), factor.convertToDouble() * log2e));
    return true;
  }
  return false;
}

} // namespace

LogicalResult AttendTiler::run() {
  if (op.getKeys().size() != 1)
    return op.emitOpError("expected one key index, got ") << op.getKeys().size();
  std::optional<unsigned> shared = tileRow(op);
  rowAxis = shared.value_or(op.getRows().size() - 1);
  if (!shared && Q != 1)
    return op.emitOpError("expected tiles of one query where keys differ from row to row, got ")
           << Q;
  base2 = softmax() && hasProduct() && op.getSink().empty() && op.getRowScale().empty() &&
          (op.getScore().empty() || takesLog2e(op.getScore()));
  openGrid();
  if (hasProduct()) {
    double scale = op.getScale().convertToDouble() * (base2 && op.getScore().empty() ? log2e : 1);
    TileRows rows{rowAxis, q0, N, qp, int64_t(op.getDepth())};
    q = tileOf(b, once, memory, op.getQuery(), rows, scale,
               [&](RegionCloner &c) { bind(c, op.getQuery(), qp, Value()); });
  }
  finish(overKeys());
  return success();
}

Value AttendTiler::exp(OpBuilder &at, Value x) {
  // The error of a weight cancels in the quotient: a machine may take a cheaper function.
  constexpr arith::FastMathFlags flags = arith::FastMathFlags::afn;
  if (base2)
    return math::Exp2Op::create(at, loc, x, flags);
  return math::ExpOp::create(at, loc, x, flags);
}

/// One item for each row index but the tile's, and for each tile of it.
void AttendTiler::openGrid() {
  M = op.getKeys()[0];
  SmallVector<OpFoldResult> sizes;
  for (auto [i, range] : llvm::enumerate(op.getRows()))
    if (i != rowAxis)
      sizes.push_back(range);
  N = op.getRows()[rowAxis];
  sizes.push_back(ceilDiv(b, loc, N, Q));
  auto grid = scf::ForallOp::create(b, loc, sizes, ValueRange(), std::nullopt);
  b.setInsertionPointToStart(grid.getBody());
  SmallVector<Value> numbers(grid.getInductionVars());
  item = numbers.pop_back_val();
  q0 = scaledIndex(b, loc, item, Q);
  qp = IotaOp::create(b, loc, vector(Q), q0);
  row.assign(op.getRows().size(), Value());
  for (unsigned i = 0, at = 0; i < row.size(); ++i)
    if (i != rowAxis)
      row[i] = numbers[at++];
  zero = indexConstant(b, loc, 0);
  once.setInsertionPoint(zero.getDefiningOp());
}

/// Row and key indices of a region: scalars of the item, and the positions of an element.
void AttendTiler::bind(RegionCloner &cloner, Region &region, Value rowPosition, Value keyPosition) {
  for (unsigned i = 0, e = row.size(); i < e; ++i) {
    if (i == rowAxis)
      cloner.varying(region.getArgument(i), rowPosition, N);
    else
      cloner.uniform(region.getArgument(i), row[i]);
  }
  if (keyPosition)
    cloner.varying(region.getArgument(row.size()), keyPosition, M);
}

/// One number per row of the tile.
Value AttendTiler::rowVector(Region &region) {
  auto fill = [&](OpBuilder &body, ValueRange args) {
    RegionCloner cloner(once, memory);
    bind(cloner, region, args[0], Value());
    return cloner.clone(region, body);
  };
  return buildMap(b, loc, tileType(b, {Q}), {{}, {qp}, {}}, fill).first;
}

/// A tile of keys or values. Their rows run along the key index; the row index has no part in them.
Value AttendTiler::keySide(Region &region, Value k0, Value kp, int64_t width) {
  TileRows rows{unsigned(row.size()), k0, M, kp, width};
  return tileOf(b, once, memory, region, rows, 1, [&](RegionCloner &c) {
    // At rowAxis it is mentioned by tiles of one row only.
    for (auto [i, index] : llvm::enumerate(row))
      c.uniform(region.getArgument(i), index ? index : q0);
  });
}

/// The score of an element, not yet masked.
Value AttendTiler::scores(OpBuilder &body, Value e, Value relative, Value qi, Value ki) {
  if (!op.getRowScale().empty()) {
    RegionCloner cloner(once, memory);
    bind(cloner, op.getRowScale(), qi, Value());
    e = arith::MulFOp::create(body, loc, e, cloner.clone(op.getRowScale(), body));
  }
  for (Region *region : {&op.getScore(), &op.getMap()}) {
    if (region->empty())
      continue;
    RegionCloner cloner(once, memory);
    bind(cloner, *region, qi, ki);
    bool both = relative && region == &op.getScore();
    cloner.varying(region->getArgument(row.size() + 1), e, Value());
    if (both)
      cloner.varying(region->getArguments().back(), relative, Value());
    e = cloner.clone(*region, body);
  }
  return e;
}

SmallVector<Value> AttendTiler::overKeys() {
  Type tilesType = TilesType::get(b.getContext());
  auto visit = VisitOp::create(b, loc, tilesType, ValueRange(), ValueRange(), item,
                               ValueRange{N, M}, ArrayRef<int64_t>{Q, K});
  Block *mask = new Block;
  visit.getKeep().push_back(mask);
  mask->addArguments({b.getI32Type(), b.getI32Type()}, {loc, loc});
  OpBuilder inMask = OpBuilder::atBlockEnd(mask);
  Value kept;
  if (op.getKeep().empty()) {
    kept = arith::ConstantIntOp::create(inMask, loc, 1, 1);
  } else {
    RegionCloner cloner(once, memory);
    bind(cloner, op.getKeep(), mask->getArgument(0), mask->getArgument(1));
    kept = cloner.clone(op.getKeep(), inMask);
  }
  YieldOp::create(inMask, loc, kept);

  auto count = CountOp::create(b, loc, b.getIndexType(), b.getIndexType(), visit);
  Value one = indexConstant(b, loc, 1);
  SmallVector<Value> init = initial();
  auto loop = scf::ForOp::create(b, loc, zero, count.getAll(), one, init);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value n = loop.getInductionVar();
  Value full = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, n, count.getFull());
  scf::YieldOp::create(b, loc, keyTile(n, full, visit, loop.getRegionIterArgs()));
  return SmallVector<Value>(loop.getResults());
}

SmallVector<Value> AttendTiler::keyTile(Value n, Value full, Value tiles, ValueRange carried) {
  Value k0 = scaledIndex(b, loc, AtOp::create(b, loc, b.getIndexType(), tiles, n), K);
  Value kp = IotaOp::create(b, loc, vector(K), k0);
  KeyTiles keys;
  if (hasProduct())
    keys.key = keySide(op.getKey(), k0, kp, op.getDepth());
  if (hasOut()) {
    int64_t columns = op.getColumns();
    Value v = keySide(op.getValue(), k0, kp, columns);
    if (!columns) // one column: a vector as a tile
      v = buildMap(b, loc, tileType(b, {K, 1}), {{}, {v}, {}}, [](OpBuilder &, ValueRange args) {
            return args[0];
          }).first;
    keys.value = dropUnkept(v, kp, full);
  }
  if (hasBand())
    keys.band = band(k0);
  SmallVector<Value> sliced;
  if (q)
    sliced.push_back(q);
  sliced.push_back(qp);
  auto strips = StripsOp::create(b, loc, TypeRange(carried), schedule.getStrip(), sliced, carried);
  Block *block = new Block;
  strips.getBody().push_back(block);
  for (Value operand : strips->getOperands()) {
    auto type = cast<RankedTensorType>(operand.getType());
    SmallVector<int64_t> shape(type.getShape());
    shape[0] = schedule.getStrip();
    block->addArgument(RankedTensorType::get(shape, type.getElementType()), loc);
  }
  OpBuilder s = OpBuilder::atBlockEnd(block);
  YieldOp::create(s, loc, strip(s, keys, kp, full, block->getArguments()));
  return SmallVector<Value>(strips.getResults());
}

/// The body of a strip: products, scores, normaliser.
SmallVector<Value> AttendTiler::strip(OpBuilder &s, const KeyTiles &keys, Value kp, Value full,
                                      ValueRange args) {
  int64_t rows = schedule.getStrip();
  RankedTensorType pairs = tileType(s, {rows, K});
  Value k = keys.key, v = keys.value, x, relative;
  if (keys.band) {
    RankedTensorType wide = tileType(s, {rows, K + rows - 1});
    Value products = ContractOp::create(s, loc, wide, args[0], keys.band, Value(), Value(),
                                        /*lhsT=*/false, /*rhsT=*/true);
    relative = ShearOp::create(s, loc, pairs, products);
  }
  if (q) {
    auto product = ContractOp::create(s, loc, pairs, args[0], k, Value(), Value(),
                                      /*lhsT=*/false, /*rhsT=*/true);
    product->setAttr(AttnDialect::MaskedAttrHelper::getNameStr(), s.getUnitAttr());
    x = product;
    args = args.drop_front();
  }
  Value qs = args[0];
  Value o = hasOut() ? args.back() : Value();
  MapOperands masked{{}, {qs}, {kp}};
  if (softmax() || divides())
    masked.reduce = softmax() ? Combine::max : Combine::add;
  if (x)
    masked.tiles.push_back(x);
  if (relative)
    masked.tiles.push_back(relative);
  double outside = softmax() ? -infinity : 0;
  auto [kept, most] = buildMap(s, loc, pairs, masked, [&](OpBuilder &body, ValueRange in) {
    unsigned at = masked.tiles.size();
    Value e = x ? in[0] : floatConstant(body, loc, 0), qi = in[at], ki = in[at + 1];
    Value kept = arith::OrIOp::create(body, loc, full, keep(body, qi, ki));
    return arith::SelectOp::create(body, loc, kept,
                                   scores(body, e, relative ? in[1] : Value(), qi, ki),
                                   floatConstant(body, loc, outside));
  });
  Value y = kept, reduced = most;
  if (!softmax()) {
    SmallVector<Value> next;
    if (divides())
      next = {arith::AddFOp::create(s, loc, args[1], reduced), anyKept(s, qs, kp, full, args[2])};
    if (o)
      next.push_back(ContractOp::create(s, loc, o.getType(), y, v, o));
    return next;
  }
  Value m = args[1], sum = args[2], orphan;
  if (op.getGroup()) {
    NestedScores nested = nest(s, y, qs, kp);
    y = nested.scores, reduced = nested.high, orphan = nested.orphan;
  }
  Value high = arith::MaximumFOp::create(s, loc, m, reduced);
  Value alpha = exp(s, arith::SubFOp::create(s, loc, m, high));
  MapOperands weights{{y}, {high}, {}, Combine::add, Axis::row};
  auto [p, ps] = buildMap(s, loc, pairs, weights, [&](OpBuilder &body, ValueRange in) {
    return exp(body, arith::SubFOp::create(body, loc, in[0], in[1]));
  });
  Value rescaled = arith::MulFOp::create(s, loc, sum, alpha);
  if (orphan)
    ps = arith::AddFOp::create(s, loc, ps, exp(s, arith::SubFOp::create(s, loc, orphan, high)));
  SmallVector<Value> next = {high, arith::AddFOp::create(s, loc, rescaled, ps)};
  if (o)
    next.push_back(ContractOp::create(s, loc, o.getType(), p, v, o, alpha));
  return next;
}

/// An element of the accumulator, divided; 0 in a row that kept nothing.
Value AttendTiler::quotient(OpBuilder &body, Value o, Value sum, Value qi, Value any) {
  Value none = floatConstant(body, loc, 0), divisor = sum;
  if (!softmax()) {
    RegionCloner cloner(once, memory);
    bind(cloner, op.getDivide(), qi, Value());
    cloner.varying(op.getDivide().getArguments().back(), sum, Value());
    divisor = cloner.clone(op.getDivide(), body);
  }
  Value empty = arith::CmpFOp::create(body, loc, arith::CmpFPredicate::OEQ, any, none);
  Value result = arith::DivFOp::create(body, loc, o, divisor);
  return arith::SelectOp::create(body, loc, empty, none, result);
}

/// Where the gate is 0, 0: it hides what is no number.
Value AttendTiler::gated(Value out) {
  if (op.getGate().empty())
    return out;
  MapOperands operands{{out}, {qp}, {}};
  if (op.getColumns())
    operands.cols.push_back(IotaOp::create(b, loc, vector(width()), zero));
  auto fill = [&](OpBuilder &body, ValueRange args) -> Value {
    RegionCloner cloner(once, memory);
    bind(cloner, op.getGate(), args[1], Value());
    if (op.getColumns())
      cloner.varying(op.getGate().getArguments().back(), args[2],
                     indexConstant(once, loc, op.getColumns()));
    Value gate = cloner.clone(op.getGate(), body), none = floatConstant(body, loc, 0);
    Value shut = arith::CmpFOp::create(body, loc, arith::CmpFPredicate::OEQ, gate, none);
    return arith::SelectOp::create(body, loc, shut, none,
                                   arith::MulFOp::create(body, loc, gate, args[0]));
  };
  return buildMap(b, loc, out.getType(), operands, fill).first;
}

/// Divides, and stores what is asked for. A row that kept nothing: out 0, lse -inf.
void AttendTiler::finish(ValueRange carried) {
  if (!softmax() && !divides())
    return store(gated(carried.back()), Output::out, 1);
  Value sum = carried[softmax() ? 1 : 0], any = carried[1]; // with softmax the sum itself
  if (hasOut()) {
    Value o = carried.back();
    MapOperands operands{{o}, {sum, qp, any}, {}};
    Value out = buildMap(b, loc, o.getType(), operands, [&](OpBuilder &body, ValueRange args) {
                  return quotient(body, args[0], args[1], args[2], args[3]);
                }).first;
    store(gated(out), Output::out, 1);
  }
  if (!op.getOutputInit(Output::lse))
    return;
  MapOperands operands{{carried[0], sum}, {}, {}};
  auto fill = [&](OpBuilder &body, ValueRange args) -> Value {
    Value none = floatConstant(body, loc, 0), low = floatConstant(body, loc, -infinity);
    Value empty = arith::CmpFOp::create(body, loc, arith::CmpFPredicate::OEQ, args[1], none);
    Value log = base2 ? math::Log2Op::create(body, loc, args[1]).getResult()
                      : math::LogOp::create(body, loc, args[1]).getResult();
    Value total = arith::AddFOp::create(body, loc, args[0], log);
    return arith::SelectOp::create(body, loc, empty, low, total);
  };
  Value lse = buildMap(b, loc, sum.getType(), operands, fill).first;
  store(lse, Output::lse, base2 ? ln2 : 1);
}

void AttendTiler::store(Value tile, Output which, double scale) {
  SmallVector<Value> others;
  for (Value index : row)
    if (index)
      others.push_back(index);
  bool columns = which == Output::out && op.getColumns();
  auto same = [](OpBuilder &, ValueRange args) { return args[0]; };
  MapOperands one{{tile}, {}, {}, Combine::add, Axis::row};
  if (which == Output::out && !columns) // one column: a tile as a vector
    tile = buildMap(b, loc, tileType(b, {Q, 1}), one, same).second;
  OpFoldResult column = columns ? OpFoldResult(b.getIndexAttr(0)) : OpFoldResult();
  storeTile(b, loc, memory, tile, op.getOutputInit(which), rowAxis, others, q0, column, N, scale);
}

namespace {
struct TileAttend : impl::TileAttendBase<TileAttend> {
  void runOnOperation() override {
    SmallVector<AttendOp> ops(getOperation().getOps<AttendOp>());
    if (ops.empty())
      return;
    MemoryArguments memory(getOperation());
    for (AttendOp op : ops) {
      if (!op.getSchedule()) {
        op.emitOpError("expected a schedule; run attn-choose-schedule first");
        return signalPassFailure();
      }
      getOperation()->setAttr(AttnDialect::ScheduleAttrHelper::getNameStr(), *op.getSchedule());
      if (failed(AttendTiler(op, memory).run()))
        return signalPassFailure();
    }
    memory.dropResults();
    for (AttendOp op : ops)
      op.erase();
    memory.finish();
  }
};

} // namespace
} // namespace heddle::attn
