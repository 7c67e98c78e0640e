//===- Surface.cpp - attend and recur by their definitions ---------------------------------===//
//
// Row by row; a region runs once for all keys of a row. What mentions fewer row indices than there
// are (keys, values) is kept for the next row that has the same ones.
//
//===----------------------------------------------------------------------------------------===//

#include "dialect/interpreter/Machine.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "llvm/Support/InterleavedRange.h"
#include <cmath>
#include <limits>

using namespace mlir;
using namespace heddle;
using namespace heddle::attn;

static const double infinity = std::numeric_limits<double>::infinity();

/// For each axis of a grid, the index along it of each element; all have the shape `shape`.
static std::vector<Array> indexArrays(ArrayRef<int64_t> sizes, ArrayRef<int64_t> shape) {
  std::vector<Array> arrays;
  SmallVector<int64_t> strides = computeSuffixProduct(sizes);
  for (auto [size, stride] : llvm::zip_equal(sizes, strides)) {
    Array &array = arrays.emplace_back(shape);
    for (size_t i = 0; i < array.data.size(); ++i)
      array.data[i] = double(int64_t(i) / stride % size);
  }
  return arrays;
}

bool Machine::region(Region &region, ArrayRef<int64_t> row, ArrayRef<Array> free,
                     ArrayRef<Array> numbers, Array &result) {
  Block &block = region.front();
  Slots arguments, results;
  for (int64_t index : row)
    arguments.push_back(Array(double(index)));
  for (ArrayRef<Array> arrays : {free, numbers})
    for (const Array &array : arrays) { // an array nobody looks at need not be copied
      bool used = !block.getArgument(arguments.size()).use_empty();
      arguments.push_back(used ? array : Array());
    }
  if (!run(block, std::move(arguments), results))
    return false;
  result = std::move(results[0].array);
  return true;
}

const Array *Machine::memoized(Attend &attend, Region &body, ArrayRef<int64_t> row,
                               ArrayRef<Array> free) {
  constexpr size_t limit = size_t(1) << 25; // elements held
  std::vector<int64_t> mentioned;
  for (auto [i, index] : llvm::enumerate(row))
    if (!body.getArgument(i).use_empty())
      mentioned.push_back(index);
  auto &memo = attend.memo[&body];
  auto found = memo.find(mentioned);
  if (found != memo.end())
    return &found->second;
  Array result;
  if (!region(body, row, free, {}, result))
    return nullptr;
  attend.memoSize += result.data.size();
  if (attend.memoSize > limit) { // of this region: the others may be in use
    for (auto &[key, value] : memo)
      attend.memoSize -= std::min(attend.memoSize, value.data.size());
    memo.clear();
  }
  return &memo.emplace(std::move(mentioned), std::move(result)).first->second;
}

bool Machine::openOutputs(Operation *op, ValueRange outs, ArrayRef<SmallVector<int64_t>> shapes,
                          Slots &slots) {
  for (auto [out, shape] : llvm::zip_equal(outs, shapes)) {
    const Slot &slot = env[out];
    if (!slot.memory || slot.memory->shape != shape) {
      std::string text;
      llvm::raw_string_ostream(text) << "a tensor written: expected the sizes ("
                                     << llvm::interleaved(shape) << "), as the ranges say";
      return fail(op, text);
    }
    slots.push_back(Slot(std::make_shared<Array>(*slot.memory)));
  }
  return true;
}

bool Machine::evalAttend(AttendOp op) {
  Attend attend;
  attend.op = op;
  SmallVector<int64_t> rows, keys;
  for (auto [range, sizes] : {std::pair(op.getRows(), &rows), std::pair(op.getKeys(), &keys)})
    for (Value size : range) {
      sizes->push_back(integer(size));
      if (sizes->back() < 0)
        return fail(op, "a range of " + Twine(sizes->back()));
    }
  int64_t depth = op.getDepth(), columns = op.getColumns();
  attend.numKeys = computeProduct(keys);
  attend.keys = indexArrays(keys, {attend.numKeys});
  auto withInner = [&](int64_t inner) {
    SmallVector<int64_t> sizes = keys;
    sizes.push_back(inner);
    return indexArrays(sizes, {attend.numKeys * inner});
  };
  if (depth > 0) {
    attend.keysD = withInner(depth);
    attend.depth = indexArrays({depth}, {depth});
  }
  attend.keysE = columns > 0 ? withInner(columns) : attend.keys;

  std::vector<SmallVector<int64_t>> shapes;
  for (int32_t output : op.getOutputs()) {
    shapes.push_back(rows);
    if (Output(output) == Output::out && columns > 0)
      shapes.back().push_back(columns);
  }
  Slots slots;
  if (!openOutputs(op, op.getOuts(), shapes, slots))
    return false;
  for (auto [output, slot] : llvm::zip_equal(op.getOutputs(), slots))
    (Output(output) == Output::out ? attend.out : attend.lse) = slot.memory.get();
  SmallVector<int64_t> strides = computeSuffixProduct(rows);
  for (int64_t n = 0, count = computeProduct(rows); n < count; ++n) {
    int64_t number = options.forwards ? n : count - 1 - n;
    SmallVector<int64_t> row = delinearize(number, strides);
    if ((!options.rows || options.rows(row)) && !attendRow(attend, row, number))
      return false;
  }
  if (options.round)
    for (auto [value, slot] : llvm::zip_equal(op.getResults(), slots))
      roundTo(value.getType(), slot.memory->data);
  set(op, std::move(slots));
  return true;
}

/// scale * row_scale * sum_d query key, then `score`, of kept keys; 0 elsewhere.
bool Machine::scores(Attend &attend, ArrayRef<int64_t> row, ArrayRef<char> kept, Array &result) {
  AttendOp op = attend.op;
  int64_t depth = op.getDepth();
  Array query, scale, raw(ArrayRef<int64_t>{attend.numKeys});
  if (depth > 0) {
    if (!region(op.getQuery(), row, attend.depth, {}, query))
      return false;
    const Array *key = memoized(attend, op.getKey(), row, attend.keysD);
    if (!key)
      return false;
    for (int64_t k = 0; k < attend.numKeys; ++k)
      for (int64_t d = 0; kept[k] && d < depth; ++d)
        raw.data[k] = rounded(raw.data[k] + query.at(d) * key->at(k * depth + d));
  }
  double factor = rounded(op.getScale().convertToDouble());
  if (!op.getRowScale().empty()) {
    if (!region(op.getRowScale(), row, {}, {}, scale))
      return false;
    factor = rounded(factor * scale.data[0]);
  }
  for (double &x : raw.data)
    x = rounded(factor * x);
  if (op.getScore().empty()) {
    result = std::move(raw);
    return true;
  }
  if (op.getRelRow().empty())
    return region(op.getScore(), row, attend.keys, raw, result);
  Array at, table, relative(ArrayRef<int64_t>{attend.numKeys});
  if (!region(op.getRelAt(), row, attend.keys, {}, at))
    return false;
  std::vector<Array> elements = indexArrays({attend.numKeys, depth}, {attend.numKeys * depth});
  for (int64_t i = 0; i < attend.numKeys * depth; ++i)
    elements[0].data[i] = at.at(i / depth);
  if (!region(op.getRelRow(), row, elements, {}, table))
    return false;
  for (int64_t i = 0; i < attend.numKeys * depth; ++i) {
    double &sum = relative.data[i / depth];
    sum = rounded(sum + query.at(i % depth) * table.at(i));
  }
  return region(op.getScore(), row, attend.keys, {raw, relative}, result);
}

/// What the normaliser makes of the scores. `none`: the row's `out` is 0, whatever its values are.
bool Machine::weights(Attend &attend, ArrayRef<int64_t> row, ArrayRef<char> kept, Array &result,
                      double &lse, bool &none) {
  AttendOp op = attend.op;
  bool isSoftmax = op.getNormaliser() == Normaliser::softmax;
  Array score, sink(-infinity), divisor(1);
  if (!op.getSink().empty() && !region(op.getSink(), row, {}, {}, sink))
    return false;
  none = !llvm::is_contained(kept, 1);
  lse = sink.data[0];
  if (none)
    return true;
  if (!scores(attend, row, kept, score))
    return false;
  result = Array(ArrayRef<int64_t>{attend.numKeys});
  double sum = 0;
  if (op.getGroup())
    return nestedWeights(attend, row, kept, score, result, lse, none);
  if (isSoftmax) {
    double high = -infinity;
    for (int64_t k = 0; k < attend.numKeys; ++k)
      if (kept[k])
        high = combineScalars(Combine::max, high, score.at(k));
    none = high == -infinity;
    if (none)
      return true;
    high = combineScalars(Combine::max, high, sink.data[0]);
    for (int64_t k = 0; k < attend.numKeys; ++k)
      if (kept[k]) {
        result.data[k] = rounded(std::exp(rounded(score.at(k) - high)));
        sum = rounded(sum + result.data[k]);
      }
    sum = rounded(sum + (op.getSink().empty() ? 0 : std::exp(sink.data[0] - high)));
    lse = rounded(high + rounded(std::log(sum)));
    divisor = sum;
  } else {
    Array mapped;
    if (!region(op.getMap(), row, attend.keys, score, mapped))
      return false;
    for (int64_t k = 0; k < attend.numKeys; ++k)
      if (kept[k]) {
        result.data[k] = mapped.at(k);
        sum = rounded(sum + result.data[k]);
      }
    if (!op.getDivide().empty() && !region(op.getDivide(), row, {}, Array(sum), divisor))
      return false;
  }
  for (double &x : result.data)
    x = rounded(x / divisor.data[0]);
  return true;
}

/// Softmax over pairs in no group and leaders; a leader's share goes to the members of its group.
bool Machine::nestedWeights(Attend &attend, ArrayRef<int64_t> row, ArrayRef<char> kept,
                            const Array &score, Array &result, double &lse, bool &none) {
  AttendOp op = attend.op;
  Array grouped, leader;
  if (!region(op.getGrouped(), row, attend.keys, {}, grouped) ||
      !region(op.getLeader(), row, attend.keys, {}, leader))
    return false;
  struct Group {
    double share = 0, high = -infinity, sum = 0; // the leaders' share; of the members
  };
  std::vector<Group> groups(attend.numKeys / op.getGroup() + 1);
  auto member = [&](int64_t k) { return grouped.at(k) != 0 && leader.at(k) == 0; };
  double high = -infinity, sum = 0;
  for (int64_t k = 0; k < attend.numKeys; ++k) {
    double &most = member(k) ? groups[k / op.getGroup()].high : high;
    if (kept[k])
      most = combineScalars(Combine::max, most, score.at(k));
  }
  none = high == -infinity;
  if (none)
    return true;
  for (int64_t k = 0; k < attend.numKeys; ++k) {
    Group &group = groups[k / op.getGroup()];
    double top = member(k) ? group.high : high;
    if (!kept[k] || top == -infinity)
      continue;
    double weight = rounded(std::exp(rounded(score.at(k) - top)));
    if (member(k))
      group.sum = rounded(group.sum + weight);
    else
      sum = rounded(sum + weight);
    if (grouped.at(k) != 0 && leader.at(k) != 0)
      group.share = rounded(group.share + weight);
    else
      result.data[k] = weight;
  }
  lse = rounded(high + rounded(std::log(sum)));
  for (int64_t k = 0; k < attend.numKeys; ++k) {
    const Group &group = groups[k / op.getGroup()];
    double factor = !member(k) ? 1 : group.sum > 0 ? rounded(group.share / group.sum) : 0;
    result.data[k] = rounded(rounded(result.data[k] * factor) / sum);
  }
  return true;
}

bool Machine::weighValues(Attend &attend, ArrayRef<int64_t> row, ArrayRef<char> kept,
                          const Array &weights, double *out) {
  AttendOp op = attend.op;
  int64_t columns = std::max<int64_t>(op.getColumns(), 1);
  const Array *value = memoized(attend, op.getValue(), row, attend.keysE);
  if (!value)
    return false;
  for (int64_t k = 0; k < attend.numKeys; ++k)
    for (int64_t e = 0; kept[k] && e < columns; ++e) {
      double term = weights.data[k] * value->at(k * columns + e);
      out[e] = rounded(out[e] + (options.magnitudes ? std::fabs(term) : term));
    }
  return true;
}

bool Machine::attendRow(Attend &attend, ArrayRef<int64_t> row, int64_t number) {
  AttendOp op = attend.op;
  SmallVector<char> kept(attend.numKeys, 1);
  if (!op.getKeep().empty()) {
    Array keep;
    if (!region(op.getKeep(), row, attend.keys, {}, keep))
      return false;
    for (int64_t k = 0; k < attend.numKeys; ++k)
      kept[k] = keep.at(k) != 0;
  }
  Array weight;
  double lse;
  bool none;
  if (!weights(attend, row, kept, weight, lse, none))
    return false;
  if (attend.lse)
    attend.lse->data[number] = lse;
  if (!attend.out)
    return true;
  int64_t columns = std::max<int64_t>(op.getColumns(), 1);
  double *out = &attend.out->data[number * columns];
  std::fill(out, out + columns, 0.0);
  if (!none && !weighValues(attend, row, kept, weight, out))
    return false;
  std::vector<Array> column = indexArrays({columns}, {columns});
  if (!op.getPrior().empty()) {
    Array prior, sink;
    if (!region(op.getSink(), row, {}, {}, sink) ||
        !region(op.getPrior(), row, op.getColumns() > 0 ? ArrayRef(column) : ArrayRef<Array>(), {},
                prior))
      return false;
    double share = lse == -infinity ? 0 : rounded(std::exp(sink.data[0] - lse));
    for (int64_t e = 0; e < columns && share != 0; ++e) {
      double term = share * prior.at(e);
      out[e] = rounded(out[e] + (options.magnitudes ? std::fabs(term) : term));
    }
  }
  if (op.getGate().empty())
    return true;
  Array gate;
  if (!region(op.getGate(), row, op.getColumns() > 0 ? ArrayRef(column) : ArrayRef<Array>(), {},
              gate))
    return false;
  for (int64_t e = 0; e < columns; ++e) {
    double factor = gate.at(e);
    double term = factor * out[e];
    out[e] = factor == 0 ? 0 : rounded(options.magnitudes ? std::fabs(term) : term);
  }
  return true;
}
