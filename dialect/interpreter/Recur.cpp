//===- Recur.cpp - the surface op of recurrences by its definition -------------------------===//

#include "dialect/interpreter/Machine.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"
#include <cmath>

using namespace mlir;
using namespace heddle;
using namespace heddle::attn;

bool Machine::evalRecur(RecurOp op) {
  SmallVector<int64_t> rows;
  for (Value size : op.getRows()) {
    rows.push_back(integer(size));
    if (rows.back() < 0)
      return fail(op, "a range of " + Twine(rows.back()));
  }
  int64_t depth = op.getDepth(), columns = op.getColumns();
  SmallVector<int64_t> heads = rows;
  heads.erase(heads.begin() + op.getTime());
  std::vector<SmallVector<int64_t>> shapes;
  for (int32_t output : op.getOutputs()) {
    bool isOut = Output(output) == Output::out;
    SmallVector<int64_t> &shape = shapes.emplace_back(isOut ? rows : heads);
    if (!isOut)
      shape.push_back(depth);
    if (Output(output) != Output::sum)
      shape.push_back(columns);
  }
  Slots slots;
  if (!openOutputs(op, op.getOuts(), shapes, slots))
    return false;
  SmallVector<Array *> memories(4, nullptr); // by Output
  for (auto [output, slot] : llvm::zip_equal(op.getOutputs(), slots))
    memories[output] = slot.memory.get();
  for (int64_t n = 0, count = computeProduct(heads); n < count; ++n) {
    int64_t number = options.forwards ? n : count - 1 - n;
    if (!recurHead(op, rows, delinearize(number, computeSuffixProduct(heads)), number, memories))
      return false;
  }
  if (options.round)
    for (auto [value, slot] : llvm::zip_equal(op.getResults(), slots))
      roundTo(value.getType(), slot.memory->data);
  set(op, std::move(slots));
  return true;
}

namespace {
/// What the regions of a recur say for one head, all tokens at once.
struct Head {
  Array query, key, value, decay{1}, state, sum;
  Array norm; // per token: sum_d query z
};
} // namespace

/// Arrays of t and an inner index, in the place of the row index `time`.
static std::vector<Array> tokenIndices(int64_t tokens, int64_t inner) {
  Array t(ArrayRef<int64_t>{tokens * inner}), i = t;
  for (int64_t n = 0; n < tokens * inner; ++n) {
    t.data[n] = double(n / inner);
    i.data[n] = double(n % inner);
  }
  return {std::move(t), std::move(i)};
}

/// A region of a recur on a head: row indices, t among them an array, then an index or numbers.
static Slots headArguments(ArrayRef<int64_t> head, int64_t time, const Array &t,
                           ArrayRef<Array> more) {
  Slots arguments;
  for (int64_t index : head)
    arguments.push_back(Array(double(index)));
  arguments.insert(arguments.begin() + time, Slot(t));
  for (const Array &array : more)
    arguments.push_back(array);
  return arguments;
}

bool Machine::recurHead(RecurOp op, ArrayRef<int64_t> sizes, ArrayRef<int64_t> head, int64_t number,
                        ArrayRef<Array *> memories) {
  int64_t time = op.getTime(), tokens = sizes[time], depth = op.getDepth(),
          columns = op.getColumns();
  std::vector<Array> td = tokenIndices(tokens, depth), te = tokenIndices(tokens, columns);
  Array t = tokenIndices(tokens, 1)[0];
  Head h;
  auto perToken = [&](Region &body, std::vector<Array> &indices, bool inner, Array &result) {
    Slots results;
    ArrayRef<Array> more = ArrayRef<Array>(indices).drop_front();
    if (!run(body.front(), headArguments(head, time, indices[0], inner ? more : ArrayRef<Array>()),
             results))
      return false;
    result = std::move(results[0].array);
    return true;
  };
  std::vector<Array> justT = {t};
  std::vector<Array> de = tokenIndices(depth, columns), d = {tokenIndices(depth, 1)[0]};
  h.state = Array(ArrayRef<int64_t>{depth * columns});
  h.sum = Array(ArrayRef<int64_t>{depth});
  h.norm = Array(ArrayRef<int64_t>{tokens});
  Array initial, initialSum, divisor(1);
  if (!perToken(op.getQuery(), td, true, h.query) || !perToken(op.getKey(), td, true, h.key) ||
      !perToken(op.getValue(), te, true, h.value) ||
      (!op.getDecay().empty() && !perToken(op.getDecay(), justT, false, h.decay)) ||
      (!op.getInitial().empty() && !region(op.getInitial(), head, de, {}, initial)) ||
      (!op.getInitialSum().empty() && !region(op.getInitialSum(), head, d, {}, initialSum)))
    return false;
  auto size = [&](double x) { return options.magnitudes ? std::fabs(x) : x; };
  for (int64_t i = 0; i < depth * columns; ++i)
    h.state.data[i] = size(initial.at(i));
  for (int64_t i = 0; i < depth; ++i)
    h.sum.data[i] = initialSum.at(i);

  Array out(ArrayRef<int64_t>{tokens * columns});
  for (int64_t n = 0; n < tokens; ++n) {
    double decay = h.decay.at(n);
    for (int64_t i = 0; i < depth; ++i) {
      double q = h.query.at(n * depth + i), k = h.key.at(n * depth + i), &z = h.sum.data[i];
      z = rounded(rounded(decay * z) + k);
      h.norm.data[n] = rounded(h.norm.data[n] + q * z);
      for (int64_t e = 0; e < columns; ++e) {
        double &s = h.state.data[i * columns + e];
        s = rounded(rounded(size(decay) * s) + size(k * h.value.at(n * columns + e)));
        double &o = out.data[n * columns + e];
        o = rounded(o + size(q) * s);
      }
    }
  }
  if (!op.getDivide().empty()) {
    Slots results;
    if (!run(op.getDivide().front(), headArguments(head, time, t, h.norm), results))
      return false;
    divisor = std::move(results[0].array);
  }
  if (Array *memory = memories[int(Output::state)])
    llvm::copy(h.state.data, memory->data.begin() + number * depth * columns);
  if (Array *memory = memories[int(Output::sum)])
    llvm::copy(h.sum.data, memory->data.begin() + number * depth);
  Array *memory = memories[int(Output::out)];
  for (int64_t n = 0; memory && n < tokens; ++n) {
    SmallVector<int64_t> row(head);
    row.insert(row.begin() + time, n);
    if (options.rows && !options.rows(row))
      continue;
    int64_t first = linearize(row, computeSuffixProduct(sizes)) * columns;
    for (int64_t e = 0; e < columns; ++e)
      memory->data[first + e] = rounded(out.data[n * columns + e] / size(divisor.at(n)));
  }
  return true;
}
