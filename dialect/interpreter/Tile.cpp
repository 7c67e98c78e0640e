//===- Tile.cpp - tile ops by their definitions --------------------------------------------===//

#include "dialect/interpreter/Machine.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include <algorithm>
#include <limits>

using namespace mlir;
using namespace heddle;
using namespace heddle::attn;

bool Machine::evalTile(Operation *op, bool &known) {
  known = true;
  if (auto visit = dyn_cast<VisitOp>(op))
    return evalVisit(visit);
  if (auto filter = dyn_cast<FilterOp>(op))
    return evalFilter(filter);
  if (auto count = dyn_cast<CountOp>(op)) {
    const Slot &tiles = env[count.getTiles()];
    set(op, {Array(double(tiles.numFull)), Array(double(tiles.tiles.size()))});
    return true;
  }
  if (auto at = dyn_cast<AtOp>(op)) { // total
    ArrayRef<int64_t> tiles = env[at.getTiles()].tiles;
    int64_t last = int64_t(tiles.size()) - 1, n = integer(at.getN());
    set(op, {Array(last < 0 ? 0 : double(tiles[std::clamp<int64_t>(n, 0, last)]))});
    return true;
  }
  if (auto iota = dyn_cast<IotaOp>(op)) {
    Array out(iota.getType().getShape());
    for (auto [i, x] : llvm::enumerate(out.data))
      x = double(integer(iota.getBase()) + int64_t(i));
    set(op, {std::move(out)});
    return true;
  }
  if (isa<LoadOp, StoreOp>(op))
    return evalAccess(op);
  if (auto strips = dyn_cast<StripsOp>(op))
    return evalStrips(strips);
  if (auto contract = dyn_cast<ContractOp>(op))
    return evalContract(contract);
  if (auto span = dyn_cast<SpanOp>(op)) {
    ArrayRef<double> in = array(span.getVector()).data;
    int64_t lo = 0, hi = in.size();
    while (hi && !(in[hi - 1] > 0))
      --hi;
    while (lo < hi && !(in[lo] > 0))
      ++lo;
    bool dense = llvm::all_of(llvm::seq(lo, hi), [&](int64_t i) { return in[i] > 0; });
    set(op, {Array(double(lo)), Array(double(hi)), Array(double(dense))});
    return true;
  }
  if (auto map = dyn_cast<MapOp>(op))
    return evalMap(map);
  if (auto shear = dyn_cast<ShearOp>(op)) {
    Array out(shear.getResult().getType().getShape());
    const Array &band = array(shear.getTile());
    int64_t rows = out.shape[0], cols = out.shape[1];
    for (int64_t i = 0; i < rows * cols; ++i)
      out.data[i] = band.at(i / cols * (cols + rows - 1) + i % cols - i / cols + rows - 1);
    set(op, {std::move(out)});
    return true;
  }
  if (auto scan = dyn_cast<ScanOp>(op))
    return evalScan(scan);
  if (auto advance = dyn_cast<AdvanceOp>(op))
    return evalAdvance(advance);
  known = false;
  return true;
}

bool Machine::evalVisit(VisitOp op) {
  Slot out;
  auto append = [&](OperandRange ends) {
    for (unsigned i = 0; i < ends.size(); i += 2)
      for (int64_t j = integer(ends[i]); j < integer(ends[i + 1]); ++j)
        out.tiles.push_back(j);
  };
  append(op.getFull());
  out.numFull = out.tiles.size();
  append(op.getBoundary());
  if (op.getAt() && !classify(op, out))
    return false;
  set(op, {out});
  return true;
}

/// The definition of the classes: the mask at each position of each tile.
bool Machine::classify(VisitOp op, Slot &out) {
  int64_t tileQ = op.getTile()[0], tileK = op.getTile()[1], q0 = integer(op.getAt()) * tileQ;
  int64_t endQ = std::min(q0 + tileQ, integer(op.getOf()[0])), endK = integer(op.getOf()[1]);
  SmallVector<int64_t, 0> boundary;
  for (int64_t k0 = 0; k0 < endK && q0 < endQ; k0 += tileK) {
    int64_t width = std::min(tileK, endK - k0);
    Array q(ArrayRef<int64_t>{endQ - q0, width}), k = q;
    for (int64_t i = 0, size = q.data.size(); i < size; ++i) {
      q.data[i] = double(q0 + i / width);
      k.data[i] = double(k0 + i % width);
    }
    size_t count = q.data.size(), kept = 0;
    Slots results;
    if (!run(op.getKeep().front(), {q, k}, results))
      return false;
    for (size_t i = 0; i < count; ++i)
      kept += results[0].array.at(i) != 0;
    if (kept)
      (kept == size_t((endQ - q0) * tileK) ? out.tiles : boundary).push_back(k0 / tileK);
  }
  out.numFull = out.tiles.size();
  llvm::append_range(out.tiles, boundary);
  return true;
}

bool Machine::evalFilter(FilterOp op) {
  const SmallVector<int64_t, 0> all = env[op.getOf()].tiles;
  Slot out;
  SmallVector<int64_t, 0> boundary;
  int64_t from = integer(op.getFrom()),
          end = std::min<int64_t>(
              {int64_t(all.size()), integer(op.getTo()), from + FilterOp::length});
  for (int64_t n = std::max<int64_t>(from, 0); n < end; ++n) {
    Slots results;
    if (!run(op.getBody().front(), {Array(double(all[n]))}, results))
      return false;
    if (results[0].array.data[0] != 0)
      (results[1].array.data[0] != 0 ? out.tiles : boundary).push_back(all[n]);
  }
  out.numFull = out.tiles.size();
  llvm::append_range(out.tiles, boundary);
  set(op, {out});
  return true;
}

/// attn.load and attn.store: each element of the tile and where it lies, if it is inside.
bool Machine::evalAccess(Operation *op) {
  auto load = dyn_cast<LoadOp>(op);
  auto store = dyn_cast<StoreOp>(op);
  Value memref = load ? load.getMemory() : store.getMemory();
  auto type = cast<RankedTensorType>(load ? load.getTile().getType() : store.getTile().getType());
  const Slot &slot = env[memref];
  Array &memory = *slot.memory;
  SmallVector<int64_t> sizes(memory.shape.size());
  for (auto [axis, size] : llvm::enumerate(sizes))
    size = memory.shape[slot.permutation.empty() ? axis : slot.permutation[axis]];
  ValueRange lists = load ? load.getList() : store.getList();
  auto scaleAttr = load ? load.getScale() : store.getScale();
  double scale = scaleAttr ? scaleAttr->convertToDouble() : 1;
  int64_t limit = integer(load ? load.getLimit() : store.getLimit());
  SmallVector<int64_t> first;
  for (OpFoldResult i :
       getMixedValues(load ? load.getStaticIndices() : store.getStaticIndices(),
                      load ? load.getIndices() : store.getIndices(), op->getContext()))
    first.push_back(isa<Value>(i) ? integer(cast<Value>(i)) : *getConstantIntValue(i));
  int64_t rowDim = sizes.size() - type.getRank(),
          numCols = type.getRank() == 2 ? type.getDimSize(1) : 1;
  Array out(type.getShape());
  const Array *tile = store ? &array(store.getTile()) : nullptr;
  for (int64_t r = 0; r < type.getDimSize(0); ++r) {
    SmallVector<int64_t> at = first;
    for (auto [i, list] : llvm::enumerate(lists))
      at[rowDim + 1 + i - lists.size()] += toInteger(array(list).data[r]);
    if (lists.empty())
      at[rowDim] += r;
    if (at[rowDim] < 0 || at[rowDim] >= limit)
      continue;
    for (int64_t c = 0; c < numCols; ++c) {
      if (type.getRank() == 2 && at.back() + c >= sizes.back())
        break;
      int64_t address = 0;
      SmallVector<int64_t> place(sizes.size());
      for (auto [axis, index] : llvm::enumerate(at)) {
        int64_t element = axis + 1 == at.size() && type.getRank() == 2 ? index + c : index;
        if (element < 0 || element >= sizes[axis])
          return fail(op, "index " + Twine(element) + " of an axis of " + Twine(sizes[axis]));
        place[slot.permutation.empty() ? axis : slot.permutation[axis]] = element;
      }
      for (auto [index, size] : llvm::zip_equal(place, memory.shape))
        address = address * size + index;
      if (tile)
        memory.data[address] = tile->at(r * numCols + c) * scale;
      else
        out.data[r * numCols + c] = memory.data[address] * scale;
    }
  }
  if (load)
    set(op, {std::move(out)});
  return true;
}

bool Machine::evalStrips(StripsOp op) {
  int64_t width = op.getWidth();
  Slots wholes, results;
  for (Value value : op->getOperands())
    wholes.push_back(array(value));
  for (Value value : op.getCarried())
    results.push_back(array(value));
  if (wholes.empty())
    return true;
  int64_t numStrips = wholes.front().array.shape[0] / width;
  for (int64_t n = 0; n < numStrips; ++n) {
    int64_t s = options.forwards ? n : numStrips - 1 - n;
    Slots strips, next;
    for (const Slot &whole : wholes) {
      Array strip = whole.array;
      strip.shape[0] = width;
      size_t size = Array::count(strip.shape);
      strip.data.assign(whole.array.data.begin() + s * size,
                        whole.array.data.begin() + (s + 1) * size);
      strips.push_back(std::move(strip));
    }
    if (!run(op.getBody().front(), std::move(strips), next))
      return false;
    for (auto [whole, strip] : llvm::zip_equal(results, next))
      llvm::copy(strip.array.data, whole.array.data.begin() + s * strip.array.data.size());
  }
  set(op, std::move(results));
  return true;
}

/// What a span or a row left out leaves open is no number: nothing may depend on it.
bool Machine::evalContract(ContractOp op) {
  const Array &a = array(op.getLhs()), &b = array(op.getRhs());
  bool cut = !op.getSpan().empty();
  auto inSpan = [&](int64_t row) {
    return !cut || (row >= integer(op.getSpan()[0]) && row < integer(op.getSpan()[1]));
  };
  Array out = op.getAcc() ? array(op.getAcc()) : Array(op.getType().getShape());
  int64_t rows = out.shape[0], cols = out.shape[1], inner = a.shape[!op.getLhsT()];
  for (int64_t r = 0; r < rows; ++r) {
    bool isLeftOut = op.getLive() && array(op.getLive()).data[r] == 0;
    for (int64_t c = 0; c < cols; ++c) {
      double &x = out.data[r * cols + c];
      x *= op.getDecay() ? array(op.getDecay()).data[r] : 1;
      if ((op.getRhsT() && !inSpan(c)) || (isLeftOut && !op.getAcc()))
        x = std::numeric_limits<double>::quiet_NaN();
      for (int64_t i = 0; i < inner && !isLeftOut; ++i)
        if (op.getRhsT() || inSpan(i))
          x += a.data[op.getLhsT() ? i * rows + r : r * inner + i] *
               b.data[op.getRhsT() ? c * inner + i : i * cols + c];
    }
  }
  set(op, {std::move(out)});
  return true;
}

/// The product with a span, at the end of masked maps, that looks at what a map gives.
static ContractOp takerOf(MapOp op) {
  if (!op->hasAttr(AttnDialect::MaskedAttrHelper::getNameStr()) || !op.getResult().hasOneUse())
    return {};
  Operation *user = *op.getResult().user_begin();
  if (auto next = dyn_cast<MapOp>(user))
    return takerOf(next);
  auto taker = dyn_cast<ContractOp>(user);
  return taker && !taker.getSpan().empty() ? taker : ContractOp();
}

/// What a masked map gives outside the span is no number, and has no part in its reduction.
bool Machine::evalMap(MapOp op) {
  auto type = cast<RankedTensorType>(op.getResult().getType());
  Array out(type.getShape());
  int64_t size = out.data.size(), numCols = size / std::max<int64_t>(out.shape[0], 1);
  Slots in, results;
  for (Value tile : op.getTiles())
    in.push_back(array(tile));
  auto broadcast = [&](Value vector, bool perRow) {
    Array tile(type.getShape());
    for (int64_t i = 0; i < size; ++i)
      tile.data[i] = array(vector).data[perRow ? i / numCols : i % numCols];
    in.push_back(std::move(tile));
  };
  for (Value row : op.getRows())
    broadcast(row, true);
  for (Value col : op.getCols())
    broadcast(col, false);
  if (!run(op.getBody().front(), std::move(in), results))
    return false;
  for (int64_t i = 0; i < size; ++i) // a body may yield a scalar
    out.data[i] = results[0].array.at(i);
  int64_t lo = 0, hi = numCols;
  if (ContractOp taker = takerOf(op))
    lo = integer(taker.getSpan()[0]), hi = integer(taker.getSpan()[1]);
  auto isRead = [&](int64_t i) { return i % numCols >= lo && i % numCols < hi; };
  for (int64_t i = 0; i < size; ++i)
    if (!isRead(i))
      out.data[i] = std::numeric_limits<double>::quiet_NaN();
  if (!op.getReduce()) {
    set(op, {std::move(out)});
    return true;
  }
  bool perRow = op.getPer() == Axis::row;
  Array reduced(cast<RankedTensorType>(op.getReduced().getType()).getShape(),
                neutralScalar(*op.getReduce()));
  for (int64_t i = 0; i < size; ++i) {
    double &x = reduced.data[perRow ? i / numCols : i % numCols];
    if (isRead(i))
      x = combineScalars(*op.getReduce(), x, out.data[i]);
  }
  set(op, {std::move(out), std::move(reduced)});
  return true;
}

bool Machine::evalScan(ScanOp op) {
  const Array &in = array(op.getTile());
  Array out(in.shape);
  int64_t rows = in.shape[0], cols = int64_t(in.data.size()) / std::max<int64_t>(rows, 1);
  for (int64_t c = 0; c < cols; ++c) {
    double running = neutralScalar(op.getKind());
    for (int64_t i = 0; i < rows; ++i) {
      int64_t at = (op.getReverse() ? rows - 1 - i : i) * cols + c;
      double next = combineScalars(op.getKind(), running, in.data[at]);
      out.data[at] = op.getExclusive() ? running : next;
      running = next;
    }
  }
  set(op, {std::move(out)});
  return true;
}

bool Machine::evalAdvance(AdvanceOp op) {
  const Array &q = array(op.getQuery()), &k = array(op.getKey()), &v = array(op.getValue());
  Array state = array(op.getState()), out(v.shape), norm, sum;
  int64_t tokens = q.shape[0], depth = q.shape[1], cols = v.shape[1];
  if (op.getSum()) {
    sum = array(op.getSum());
    norm = Array(ArrayRef<int64_t>{tokens});
  }
  for (int64_t t = 0; t < tokens; ++t) {
    double decay = op.getDecay() ? array(op.getDecay()).data[t] : 1;
    for (int64_t d = 0; d < depth; ++d) {
      for (int64_t e = 0; e < cols; ++e) {
        double &s = state.data[d * cols + e];
        s = decay * s + k.data[t * depth + d] * v.data[t * cols + e];
        out.data[t * cols + e] += q.data[t * depth + d] * s;
      }
      if (op.getSum()) {
        sum.data[d] = decay * sum.data[d] + k.data[t * depth + d];
        norm.data[t] += q.data[t * depth + d] * sum.data[d];
      }
    }
  }
  if (op.getSum())
    set(op, {std::move(out), std::move(state), std::move(norm), std::move(sum)});
  else
    set(op, {std::move(out), std::move(state)});
  return true;
}
