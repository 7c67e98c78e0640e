//===- IntegerRange.cpp - whether 32 bits hold integers of tiles and intermediates ---------------===//

#include "dialect/IntegerRange.h"
#include <algorithm>
#include <cmath>

using namespace heddle;

namespace {
constexpr double mostIndex = 16777215, mostOfCall = 536870912; // below 2^24; 2^29
constexpr double exact = 9007199254740992, most64 = 9.3e18;    // 2^53, over 2^63
constexpr double least32 = -2147483648.0, most32 = 2147483647.0;

bool varies(const Expr &expr) {
  if (expr.kind == ExprKind::Index || expr.kind == ExprKind::Special || expr.kind == ExprKind::Read)
    return true;
  return std::any_of(expr.args.begin(), expr.args.end(),
                     [](const ExprRef &arg) { return varies(*arg); });
}
} // namespace

IntegerRanges::IntegerRanges(const Spec &spec, const SpecStep &step)
    : IntegerRanges(spec, step, std::make_shared<Outputs>()) {}
IntegerRanges::IntegerRanges(const Spec &spec, const SpecStep &step,
                             std::shared_ptr<Outputs> outputs)
    : spec(spec), outputs(std::move(outputs)) {
  auto add = [&](const IndexRange &index) { sizes[index.name] = index.extent.size; };
  auto addAll = [&](const auto &indices) {
    for (const IndexRange &index : indices)
      add(index);
  };
  if (const AttendStep *attend = step.getIf<AttendStep>()) {
    offset = attend->offset;
    offsetKind = attend->offsetKind;
    addAll(attend->rows);
    for (size_t i = 0; i + 1 < attend->rows.size(); ++i)
      if (attend->rows[i].name != "q_idx")
        blocks.insert(attend->rows[i].name);
    if (attend->column)
      add(*attend->column);
    for (const AttendSource &source : attend->sources) {
      addAll(source.keys);
      if (source.depth)
        add(*source.depth);
    }
  } else if (const RecurStep *recur = step.getIf<RecurStep>()) {
    addAll(recur->rows);
    for (size_t i = 0; i < recur->rows.size(); ++i)
      if (int(i) != recur->time)
        blocks.insert(recur->rows[i].name);
    for (const auto &index : {recur->depth, recur->column})
      if (index)
        add(*index);
  }
}

std::string IntegerRanges::tooWide(const ExprRef &expr) {
  ExprRef wide;
  auto check = [&](const ExprRef &part) {
    if (!wide && part->type == ExprType::Int && !of(*part).fits())
      wide = part;
  };
  std::function<void(const ExprRef &)> visit = [&](const ExprRef &node) {
    if (wide || !varies(*node)) // once for a tile, in 64 bits
      return;
    for (const ExprRef &arg : node->args)
      visit(arg);
    for (const ExprRef &arg : node->args)
      check(arg);
  };
  visit(expr);
  if (varies(*expr))
    check(expr);
  return wide ? toString(wide) : "";
}

IntegerRanges::Range IntegerRanges::of(const Expr &expr) {
  auto entry = known.find(&expr);
  if (entry != known.end())
    return entry->second;
  Range range = compute(expr);
  auto isOfCall = [&](const Expr &x) { return !varies(x) && of(x).low != of(x).high; };
  auto beginsBlock = [&](int index, int size) {
    return isBlockIndex(*expr.args[index]) && isOfCall(*expr.args[size]);
  };
  if (expr.type == ExprType::Float) { // for floor and ceil
    constexpr double unknown = 1e300; // stays so in a quotient
    if (range.low <= -most64 || range.high >= most64)
      range = {-unknown, unknown};
    return known[&expr] = range;
  }
  bool isProduct = expr.kind == ExprKind::Binary && expr.binary == BinaryOp::Mul;
  if ((isProduct && (beginsBlock(0, 1) || beginsBlock(1, 0))) ||
      (!varies(expr) && range.low != range.high))
    range = {std::max(range.low, -mostOfCall), std::min(range.high, mostOfCall)};
  if (range.low < -exact || range.high > exact) // it may wrap
    range = {-most64, most64};
  return known[&expr] = range;
}

/// The last index of a range.
double IntegerRanges::lastOf(const Expr &size) {
  Range range = of(size);
  double last = std::max(range.high - 1, 0.0);
  return range.low == range.high ? last : std::min(last, mostIndex);
}
bool IntegerRanges::isBlockIndex(const Expr &expr) const {
  return expr.kind == ExprKind::Index && blocks.count(expr.name);
}

IntegerRanges::Range IntegerRanges::compute(const Expr &expr) {
  const Range any{-most64, most64};
  switch (expr.kind) {
  case ExprKind::Number: {
    double value = expr.type == ExprType::Float ? expr.floatValue : double(expr.intValue);
    return std::isfinite(value) ? Range{value, value} : any;
  }
  case ExprKind::IntToFloat:
    return of(*expr.args[0]);
  case ExprKind::Dim: {
    const SpecDim *dim = spec.findDim(expr.name);
    if (dim && dim->isCompileTime())
      return {double(dim->size), double(dim->size)};
    return {0, mostOfCall};
  }
  case ExprKind::Param:
    return expr.type == ExprType::Int ? Range{-mostOfCall, mostOfCall} : any;
  case ExprKind::Index: {
    auto size = sizes.find(expr.name);
    return {0, size != sizes.end() ? lastOf(*size->second) : mostIndex};
  }
  case ExprKind::Special: {
    if (expr.type != ExprType::Int)
      return any;
    if (expr.special != ExprSpecial::Pos || !offset)
      return {0, mostIndex};
    if (offsetKind != OffsetKind::Expr) // from the first key, or to the last
      return {-mostIndex, mostIndex};
    auto queries = sizes.find("q_idx");
    Range from = of(*offset);
    return {from.low, from.high + (queries != sizes.end() ? lastOf(*queries->second) : mostIndex)};
  }
  case ExprKind::Unary: {
    Range x = of(*expr.args[0]);
    return {-x.high, -x.low};
  }
  case ExprKind::Select: {
    Range x = of(*expr.args[1]), y = of(*expr.args[2]);
    return {std::min(x.low, y.low), std::max(x.high, y.high)};
  }
  case ExprKind::Binary:
    return ofBinary(expr);
  case ExprKind::Call:
    return ofCall(expr);
  case ExprKind::Read:
    return ofRead(expr);
  case ExprKind::WholeAxis:
    return {0, mostIndex};
  default:
    return any;
  }
}

IntegerRanges::Range IntegerRanges::ofBinary(const Expr &expr) {
  Range x = of(*expr.args[0]), y = of(*expr.args[1]);
  double magnitude = std::max(std::fabs(x.low), std::fabs(x.high));
  switch (expr.binary) {
  case BinaryOp::Add:
    return {x.low + y.low, x.high + y.high};
  case BinaryOp::Sub:
    return {x.low - y.high, x.high - y.low};
  case BinaryOp::Shl: // by a constant in a tile
    y.low = y.high = std::ldexp(1.0, int(std::clamp(y.high, 0.0, 63.0)));
    [[fallthrough]];
  case BinaryOp::Mul: {
    auto [low, high] =
        std::minmax({x.low * y.low, x.low * y.high, x.high * y.low, x.high * y.high});
    return {low, high};
  }
  case BinaryOp::Div: {
    if (y.low <= 0 && y.high >= 0)
      return {-most64, most64};
    auto [low, high] =
        std::minmax({x.low / y.low, x.low / y.high, x.high / y.low, x.high / y.high});
    return {low, high};
  }
  case BinaryOp::FloorDiv:
    if (y.low >= 1)
      return {std::floor(std::min(x.low / y.low, x.low / y.high)),
              std::floor(std::max(x.high / y.low, x.high / y.high))};
    return {-magnitude, magnitude};
  case BinaryOp::Mod: // of the divisor's sign, and no larger than a dividend of that sign
    return {y.low < 0 ? y.low : 0, y.high > 0 ? std::min(y.high, x.low >= 0 ? x.high : y.high) : 0};
  case BinaryOp::Shr:
    return {std::min(x.low, 0.0), std::max(x.high, 0.0)};
  default: { // bits
    if (expr.binary == BinaryOp::BitAnd && (x.low >= 0 || y.low >= 0))
      return {0, std::min(x.low >= 0 ? x.high : most64, y.low >= 0 ? y.high : most64)};
    double all = std::max({magnitude, std::fabs(y.low), std::fabs(y.high), 1.0});
    double power = std::ldexp(1.0, std::ilogb(all) + 1);
    if (x.fits() && y.fits())
      return {std::max(-power, least32), std::min(power, most32)};
    return {-power, power};
  }
  }
}

IntegerRanges::Range IntegerRanges::ofCall(const Expr &expr) {
  Range x = of(*expr.args[0]);
  if (expr.function == ExprFunction::Floor || expr.function == ExprFunction::Ceil) {
    constexpr double roundings = 1e-4; // of an expression of f32; NaN gives 0
    return {std::min(std::floor(x.low - roundings * std::fabs(x.low)), 0.0),
            std::max(std::ceil(x.high + roundings * std::fabs(x.high)), 0.0)};
  }
  if (expr.function == ExprFunction::Abs)
    return {x.low <= 0 && x.high >= 0 ? 0 : std::min(std::fabs(x.low), std::fabs(x.high)),
            std::max(std::fabs(x.low), std::fabs(x.high))};
  if (expr.function == ExprFunction::Relu)
    return {std::max(x.low, 0.0), std::max(x.high, 0.0)};
  if (expr.function != ExprFunction::Min && expr.function != ExprFunction::Max)
    return {-most64, most64};
  for (const ExprRef &arg : expr.args) {
    Range y = of(*arg);
    bool isMin = expr.function == ExprFunction::Min;
    x = {isMin ? std::min(x.low, y.low) : std::max(x.low, y.low),
         isMin ? std::min(x.high, y.high) : std::max(x.high, y.high)};
  }
  return x;
}

IntegerRanges::Range IntegerRanges::ofRead(const Expr &expr) {
  const SpecTensor *tensor = spec.findTensor(expr.name);
  Range stored{least32, most32};
  if (!tensor || expr.type != ExprType::Int)
    return {-most64, most64};
  if (tensor->storage == StorageType::I8)
    stored = {-128, 127};
  if (tensor->range) { // promised; what is stored fits
    Range first = of(*tensor->range->first), end = of(*tensor->range->second);
    double last =
        end.low == end.high ? end.high - 1 : lastOf(*tensor->range->second); // of an index
    stored = {std::max(stored.low, first.low), std::min(stored.high, last)};
  } else if (!tensor->isInput() && !tensor->storage) {
    stored = ofOutput(*tensor);
  }
  return {std::min(stored.low, 0.0), std::max(stored.high, 0.0)}; // an empty tensor reads as 0
}

/// Many values that take part, or none.
static IntegerRanges::Range reduced(ReductionKind with, IntegerRanges::Range x) {
  constexpr double count = mostIndex + 1;
  switch (with) {
  case ReductionKind::Sum:
    return {count * std::min(x.low, 0.0), count * std::max(x.high, 0.0)};
  case ReductionKind::Max:
  case ReductionKind::Min:
    return {std::min(x.low, least32), std::max(x.high, most32)};
  case ReductionKind::ArgMax:
  case ReductionKind::ArgMin:
    return {-1, mostIndex};
  default:
    return {-most64, most64};
  }
}

IntegerRanges::Range IntegerRanges::ofOutput(const SpecTensor &tensor) {
  auto entry = outputs->find(tensor.name);
  if (entry != outputs->end())
    return entry->second;
  const SpecStep &step = spec.steps[size_t(tensor.step)];
  auto ofValue = [&](const ExprRef &value) {
    return IntegerRanges(spec, step, outputs).of(*value);
  };
  Range range{least32, most32}; // statistics
  if (const ComputeStep *compute = step.getIf<ComputeStep>()) {
    range = ofValue(compute->value);
    if (!compute->over.empty())
      range = reduced(compute->with, range);
  } else if (const ScanStep *scan = step.getIf<ScanStep>()) {
    range = reduced(scan->with, ofValue(scan->value));
  } else if (step.getIf<SelectStep>()) { // lists, ranks, counts
    range = {-1, mostIndex};
  }
  return (*outputs)[tensor.name] = range;
}

bool heddle::isWide(const Spec &spec, const SpecTensor &tensor) {
  return !tensor.storage && tensor.type == ExprType::Int &&
         !IntegerRanges(spec, spec.steps[size_t(tensor.step)]).ofOutput(tensor).fits();
}
