//===- Spec.cpp - look-ups in a spec, and its sizes -------------------------===//

#include "specs/reader/Spec.h"

using namespace heddle;

std::string_view heddle::spelling(StorageType type) {
  static constexpr std::string_view names[] = {"f32", "f16", "bf16", "i8", "i32", "bool"};
  return names[size_t(type)];
}
ExprType heddle::valueType(StorageType type) {
  if (type == StorageType::Bool)
    return ExprType::Bool;
  return type == StorageType::I8 || type == StorageType::I32 ? ExprType::Int : ExprType::Float;
}
std::string_view heddle::spelling(ReductionKind kind) {
  static constexpr std::string_view names[] = {"sum", "prod", "max",    "min",    "mean",
                                               "any", "all",  "argmax", "argmin", "logsumexp"};
  return names[size_t(kind)];
}

std::string_view SpecStep::kindName() const {
  static constexpr std::string_view names[] = {"compute", "scan", "attend", "recur", "select"};
  return names[body.index()];
}

template <typename T> static const T *byName(const std::vector<T> &list, std::string_view name) {
  for (const T &entry : list)
    if (entry.name == name)
      return &entry;
  return nullptr;
}
const SpecDim *Spec::findDim(std::string_view dim) const { return byName(dims, dim); }
const SpecParam *Spec::findParam(std::string_view param) const { return byName(params, param); }
const SpecTensor *Spec::findTensor(std::string_view tensor) const {
  return byName(tensors, tensor);
}
const SpecTensor *Spec::findOutput(size_t step, std::string_view kind) const {
  for (const StepOutput &output : steps[step].outputs)
    if (output.kind == kind)
      return findTensor(output.tensor);
  return nullptr;
}

std::optional<ValueMap> Spec::resolveSizes(const std::map<std::string, int64_t> &sizes,
                                           bool useExample, std::string *fault) const {
  auto fail = [&](std::string message) {
    if (fault)
      *fault = std::move(message);
    return std::nullopt;
  };
  ValueMap values;
  for (const SpecParam &param : params)
    values[param.name] = param.value;
  for (const SpecDim &dim : dims) {
    if (dim.isCompileTime()) {
      values[dim.name] = ExprValue::ofInt(dim.size);
    } else if (dim.kind == SpecDim::Kind::Any) {
      auto given = sizes.find(dim.name), shown = example.find(dim.name);
      if (given == sizes.end() && (!useExample || shown == example.end()))
        return fail("the size of '" + dim.name + "' is not known: give --shape " + dim.name +
                    "=..");
      int64_t size = given != sizes.end() ? given->second : shown->second;
      if (size < 0 || size > (int64_t(1) << 31) - 1)
        return fail("the size of '" + dim.name + "' is " + std::to_string(size) +
                    "; at most 2147483647");
      values[dim.name] = ExprValue::ofInt(size);
    }
  }
  for (size_t round = 0; round < dims.size(); ++round) // derived ones may build on each other
    for (const SpecDim &dim : dims)
      if (dim.expr && !values.count(dim.name))
        if (std::optional<ExprValue> value = evaluateConstant(*dim.expr, values)) {
          if (value->i < 0 || value->i > (int64_t(1) << 31) - 1)
            return fail("the dim '" + dim.name + "' comes out as " + std::to_string(value->i));
          values[dim.name] = *value;
        }
  for (const SpecRequire &require : requires_)
    if (std::optional<ExprValue> holds = evaluateConstant(*require.condition, values);
        holds && !holds->i)
      return fail("the spec requires " + require.text);
  return values;
}
