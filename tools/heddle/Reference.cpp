//===- Reference.cpp - what a spec should give, and the numeric contract -----------------------===//

#include "Reference.h"
#include "codegen/Compile.h"
#include "dialect/BuildFromSpec.h"
#include "dialect/TileObstacle.h"
#include "dialect/interpreter/Interpreter.h"
#include <cmath>
#include <random>

using namespace mlir;
using namespace heddle;

namespace {
constexpr uint64_t maxOps = 30000000; // of one evaluation: some seconds

/// A spec of one surface op: the interpreter hands out the S of its elements.
bool isSurface(const Spec &spec) {
  return spec.steps.size() == 1 && tileObstacle(spec, spec.steps.front()).empty();
}

/// The attend of a spec that is nothing else: its definition can be evaluated row by row.
const AttendStep *rowByRow(const Spec &spec) {
  return isSurface(spec) ? spec.steps.front().getIf<AttendStep>() : nullptr;
}

/// Multiplications: rows x keys x (D + Dv).
double costOf(const AttendStep &step, const ValueMap &sizes) {
  auto extent = [&](const IndexRange &range) {
    std::optional<ExprValue> size = evaluateConstant(*range.extent.size, sizes);
    return size ? double(size->i) : 1.0;
  };
  double cost = 1;
  for (const IndexRange &row : step.rows)
    cost *= extent(row);
  const AttendSource &source = step.sources.front();
  return cost * extent(source.keys.front()) *
         ((source.depth ? extent(*source.depth) : 1) + (step.column ? extent(*step.column) : 1));
}

/// One unit in the last place of a storage type at x.
double ulp(StorageType type, double x) {
  int mantissa = type == StorageType::F32 ? 23 : type == StorageType::F16 ? 10 : 7;
  int least = type == StorageType::F16 ? -14 : -126;
  int exponent = x > 0 && std::isfinite(x) ? std::max(std::ilogb(x), least) : least;
  return std::ldexp(1.0, exponent - mantissa);
}

/// The largest finite value: beyond it a result may round to infinity.
double largest(StorageType type) {
  return type == StorageType::F16 ? 65504.0 : type == StorageType::BF16 ? 3.3895e38 : 3.4028e38;
}

class Definition {
public:
  Definition(const Spec &spec, const ValueMap &sizes, std::vector<HostTensor> &tensors)
      : spec(spec), sizes(sizes), tensors(tensors), context(createContext()),
        module(buildFromSpec(*context, spec)) {}

  /// One array per tensor. Rows that were not chosen are NaN. `seed` other than 0: float inputs are moved by
  /// at most a unit in their last place of f32.
  bool run(InterpreterOptions options, std::vector<Array> &arrays, std::string &fault,
           uint64_t seed = 0) {
    std::mt19937_64 random(seed);
    auto moved = [&](const HostTensor &tensor, double x) {
      bool moves = seed && valueType(*tensor.spec.storage) == ExprType::Float;
      return moves ? x * (1 + (double(random() >> 11) * 0x1p-52 - 1) * 0x1p-23) : x;
    };
    arrays.clear();
    for (HostTensor &tensor : tensors) {
      Array &array = arrays.emplace_back(llvm::ArrayRef<int64_t>(tensor.shape), NAN);
      for (int64_t i = 0; tensor.spec.isInput() && i < int64_t(array.data.size()); ++i)
        array.data[i] = moved(tensor, tensor.get(i));
    }
    for (const SpecTensor *tensor : spec.temporaries())
      arrays.push_back(Array(shapeOf(*tensor), NAN));
    for (const SpecDim &dim : spec.dims)
      if (!dim.isCompileTime())
        arrays.push_back(Array(double(sizes.at(dim.name).i)));
    for (const SpecParam &param : spec.params)
      if (param.isRuntime)
        arrays.push_back(param.value.type == ExprType::Int
                             ? Array(double(sizes.at(param.name).i))
                             : Array(double(float(sizes.at(param.name).asFloat()))));
    for (auto function : module->getOps<func::FuncOp>()) // one per step
      if (!interpret(function, arrays, options, fault))
        return false;
    return true;
  }

private:
  llvm::SmallVector<int64_t> shapeOf(const SpecTensor &tensor) const {
    llvm::SmallVector<int64_t> shape;
    for (const Extent &axis : tensor.axes)
      shape.push_back(evaluateConstant(*axis.size, sizes)->i);
    return shape;
  }

  const Spec &spec;
  const ValueMap &sizes;
  std::vector<HostTensor> &tensors;
  std::unique_ptr<MLIRContext> context;
  OwningOpRef<ModuleOp> module;
};

/// Where the S of elements is not known the largest element is taken.
void spreadLargest(Array &magnitude) {
  double most = 0;
  for (double x : magnitude.data)
    most = std::isfinite(x) ? std::max(most, std::fabs(x)) : most;
  for (double &x : magnitude.data)
    x = std::max(std::fabs(x), most);
}

double largestError(const Array &ref, const Array &naive) {
  double error = 0;
  for (size_t i = 0; i < ref.data.size(); ++i)
    if (std::isfinite(ref.data[i]) && std::isfinite(naive.data[i]))
      error = std::max(error, std::fabs(naive.data[i] - ref.data[i]));
  return error;
}

Deviation compareOne(HostTensor &got, const Array &ref, double error, const Array &magnitude,
                     bool isLse, bool sampled) {
  Deviation result{got.spec.name};
  StorageType type = *got.spec.storage;
  double factor = type == StorageType::F32 ? 3 : 1;
  for (size_t i = 0; i < ref.data.size(); ++i) {
    double want = ref.data[i], have = got.get(int64_t(i));
    if (sampled && std::isnan(want))
      continue;
    ++result.checked;
    bool equal = want == have || (std::isnan(want) && std::isnan(have));
    equal |= have == 0 && std::fabs(want) < std::numeric_limits<float>::min(); // flushed
    double away = std::fabs(have - want);
    // An integer is what floats made of it, to the last one.
    double roundings =
        valueType(type) == ExprType::Float ? 2 * ulp(type, std::fabs(magnitude.data[i])) : 0;
    double allowed = isLse ? 4e-6 + 2e-6 * std::fabs(want) : factor * error + roundings;
    if (std::isinf(have) && std::fabs(want) + allowed >= largest(type) &&
        std::signbit(have) == std::signbit(want))
      equal = true;
    if (equal)
      continue;
    double share = std::isnan(away) || std::isinf(away) ? INFINITY : away / allowed;
    if (share > result.share || result.worstElement < 0) {
      result.share = share;
      result.worst = away;
      result.worstElement = int64_t(i);
      result.got = have;
      result.expected = want;
    }
  }
  result.good = !(result.share > 1);
  return result;
}
} // namespace

std::optional<std::vector<Deviation>>
heddle::compareWithDefinition(const Spec &spec, const ValueMap &sizes,
                              std::vector<HostTensor> &tensors, double budget, std::string &fault,
                              std::string &gaveUp) {
  Definition definition(spec, sizes, tensors);
  InterpreterOptions options;
  options.maxOps = maxOps;
  options.gaveUp = &gaveUp;
  const AttendStep *attend = rowByRow(spec);
  double cost = attend ? costOf(*attend, sizes) : 0;
  bool sampled = cost > budget;
  if (sampled) {
    // Every row has the same chance, by a hash of its indices; the first row of all is in.
    uint64_t chance = uint64_t(budget / cost * 18446744073709549568.0);
    options.rows = [chance](llvm::ArrayRef<int64_t> row) {
      uint64_t hash = 0x9e3779b97f4a7c15u, sum = 0;
      for (int64_t index : row) {
        hash = (hash ^ uint64_t(index)) * 0xbf58476d1ce4e5b9u;
        hash ^= hash >> 29;
        sum += uint64_t(index);
      }
      return sum == 0 || hash * 0x94d049bb133111ebu < chance;
    };
  }
  std::vector<Array> ref, naive, magnitudes;
  if (!definition.run(options, ref, fault))
    return std::nullopt;
  options.magnitudes = true;
  if (!definition.run(options, magnitudes, fault))
    return std::nullopt;
  options.magnitudes = false;
  if (!isSurface(spec))
    for (Array &magnitude : magnitudes)
      spreadLargest(magnitude);
  options.round = true;
  std::vector<double> errors(tensors.size());
  // The largest of few errors says little: small results are tried more often. E only grows by that, so
  // the tries end when nothing is beyond it.
  int64_t elements = 0;
  for (const HostTensor &tensor : tensors)
    elements += tensor.spec.isResult ? tensor.count() : 0;
  const uint64_t moves = isSurface(spec) ? 0 : elements < 4096 ? 8 : 2;
  std::vector<Deviation> deviations;
  for (uint64_t seed = 0; seed <= moves; ++seed) {
    if (!definition.run(options, naive, fault, seed))
      return std::nullopt;
    deviations.clear();
    for (size_t i = 0; i < tensors.size(); ++i)
      if (tensors[i].spec.isResult) {
        errors[i] = std::max(errors[i], largestError(ref[i], naive[i]));
        deviations.push_back(compareOne(tensors[i], ref[i], errors[i], magnitudes[i],
                                        tensors[i].spec.output == "lse", sampled));
      }
    if (llvm::all_of(deviations, [](const Deviation &d) { return d.good; }))
      break;
  }
  return deviations;
}

bool heddle::evaluateDefinition(const Spec &spec, const ValueMap &sizes,
                                std::vector<HostTensor> &tensors, std::string &fault) {
  std::vector<Array> arrays;
  InterpreterOptions options;
  std::string gaveUp;
  options.maxOps = maxOps;
  options.gaveUp = &gaveUp;
  if (!Definition(spec, sizes, tensors).run(options, arrays, fault)) {
    if (!gaveUp.empty())
      fault = "the definition " + gaveUp;
    return false;
  }
  for (size_t i = 0; i < tensors.size(); ++i)
    for (int64_t n = 0; tensors[i].spec.isResult && n < tensors[i].count(); ++n)
      tensors[i].set(n, arrays[i].data[n]);
  return true;
}
