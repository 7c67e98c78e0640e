//===- DimReader.cpp - params and dims --------------------------------------===//

#include "specs/reader/FileReader.h"

#include <cstdlib>

using namespace heddle;

/// A value from the command line, of the param's own type.
bool FileReader::override(SpecParam &param) {
  auto given = options.params.find(param.name);
  if (given == options.params.end())
    return true;
  const std::string &text = given->second;
  char *end = nullptr;
  if (param.value.type == ExprType::Bool) {
    if (text != "true" && text != "false")
      return fail(SpecCode::Type, param.where,
                  "--param " + param.name + ": expected true or false, got '" + text + "'");
    param.value.i = text == "true";
    return true;
  }
  if (param.value.type == ExprType::Int)
    param.value.i = std::strtoll(text.c_str(), &end, 10);
  else
    param.value.f = std::strtod(text.c_str(), &end);
  if (text.empty() || *end)
    return fail(SpecCode::Type, param.where,
                "--param " + param.name + ": expected " + std::string(spelling(param.value.type)) +
                    ", got '" + text + "'");
  return true;
}

bool FileReader::param(const std::string &name, const JsonValue &value, SourceRange where) {
  if (!newName(name, where))
    return false;
  SpecParam param;
  param.name = name;
  param.where = where;
  const JsonValue *number = &value;
  if (value.kind == JsonValue::Kind::Object) {
    if (!checkKeys(value, {"type", "default"}, diagnostics))
      return false;
    const JsonValue *type = value.find("type");
    number = value.find("default");
    if (!type || !number)
      return fail(SpecCode::Missing, value.where,
                  type ? "'default' is missing" : "'type' is missing",
                  "{\"type\": \"f32\", \"default\": 1.0}");
    if (type->text != "f32" && type->text != "i32")
      return fail(SpecCode::Type, type->where,
                  "a run-time param is f32 or i32, got '" + type->text + "'");
    param.isRuntime = true;
    param.value.type = type->text == "f32" ? ExprType::Float : ExprType::Int;
    if (number->kind != JsonValue::Kind::Integer &&
        (number->kind != JsonValue::Kind::Float || param.value.type == ExprType::Int))
      return fail(SpecCode::Type, number->where,
                  std::string("expected a number of that type, got ") + number->kindName());
  } else if (value.kind == JsonValue::Kind::Bool) {
    param.value = ExprValue::ofBool(value.boolean);
  } else if (value.kind == JsonValue::Kind::Integer || value.kind == JsonValue::Kind::Float) {
    param.value.type = value.kind == JsonValue::Kind::Integer ? ExprType::Int : ExprType::Float;
  } else {
    return fail(SpecCode::Type, value.where,
                std::string("expected a number, a bool or an object, got ") + value.kindName());
  }
  if (param.value.type == ExprType::Int)
    param.value.i = number->integer;
  else if (param.value.type == ExprType::Float)
    param.value.f = number->number;
  if (!override(param))
    return false;
  if (param.isRuntime && param.value.type == ExprType::Int &&
      param.value.i != int32_t(param.value.i))
    return fail(SpecCode::TooLarge, number->where,
                "an i32 cannot be " + std::to_string(param.value.i));
  spec.params.push_back(param);
  return true;
}

bool FileReader::dims(const JsonValue &root) {
  const JsonValue *list = object(root, "dims", false);
  if (!list)
    return !root.find("dims");
  std::vector<std::pair<size_t, const JsonValue *>> derived;
  for (size_t i = 0; i < list->members.size(); ++i) {
    const auto &[name, value] = list->members[i];
    if (!newName(name, list->keys[i]))
      return false;
    SpecDim dim;
    dim.name = name;
    dim.where = list->keys[i];
    if (value.kind == JsonValue::Kind::Integer) {
      dim.kind = SpecDim::Kind::Fixed;
      dim.size = value.integer;
      if (dim.size < 0)
        return fail(SpecCode::Size, value.where, "a size is not negative, got " + value.text);
      if (dim.size > maxSize)
        return fail(SpecCode::TooLarge, value.where,
                    "a size is at most 2147483647, got " + value.text);
    } else if (value.kind == JsonValue::Kind::String && value.text != "any") {
      dim.kind = SpecDim::Kind::Derived;
      derived.push_back({spec.dims.size(), &value});
    } else if (value.kind != JsonValue::Kind::String) {
      return fail(SpecCode::Type, value.where,
                  std::string("a dim is an integer, \"any\" or an expression, got ") +
                      value.kindName());
    }
    if (auto given = options.sizes.find(name); given != options.sizes.end()) {
      if (dim.kind == SpecDim::Kind::Fixed && dim.size != given->second)
        return fail(SpecCode::Size, dim.where,
                    "--size: '" + name + "' is " + std::to_string(dim.size) + " in the spec, not " +
                        std::to_string(given->second));
      dim.overridden = dim.kind == SpecDim::Kind::Any;
      dim.size = given->second;
    }
    spec.dims.push_back(dim);
  }
  return resolveDims(derived);
}

/// Derived dims, each after those it mentions.
bool FileReader::resolveDims(const std::vector<std::pair<size_t, const JsonValue *>> &derived) {
  std::map<std::string, int64_t> known;
  for (const SpecDim &dim : spec.dims)
    if (dim.isCompileTime())
      known[dim.name] = dim.size;
  for (auto [number, value] : derived) {
    RawRef raw = parseExpr(*value, diagnostics);
    if (!raw ||
        !(spec.dims[number].expr = scope.resolve(raw, Scope::View::constants(), ExprType::Int)))
      return false;
  }
  std::set<std::string> open, done;
  std::function<bool(SpecDim &)> settle = [&](SpecDim &dim) {
    if (!dim.expr || done.count(dim.name))
      return true;
    if (!open.insert(dim.name).second)
      return fail(SpecCode::Cycle, dim.where, "the dim '" + dim.name + "' is defined by itself");
    bool good = true;
    walk(dim.expr, [&](const Expr &node) {
      for (SpecDim &other : spec.dims)
        if (good && node.kind == ExprKind::Dim && node.name == other.name)
          good = settle(other);
    });
    open.erase(dim.name);
    done.insert(dim.name);
    if (!good)
      return false;
    std::optional<int64_t> size = evaluateSize(*dim.expr, known);
    if (!size)
      return true;
    if (*size < 0 || *size > maxSize)
      return fail(SpecCode::Size, dim.where,
                  "the dim '" + dim.name + "' comes out as " + std::to_string(*size));
    if (dim.size >= 0 && dim.size != *size)
      return fail(SpecCode::Size, dim.where,
                  "--size: '" + dim.name + "' comes out as " + std::to_string(*size));
    dim.size = known[dim.name] = *size;
    return true;
  };
  for (SpecDim &dim : spec.dims)
    if (!settle(dim))
      return false;
  for (const auto &[name, size] : options.sizes)
    if (!spec.findDim(name))
      return fail(SpecCode::UnknownName, SourceRange(),
                  "--size: the spec has no dim '" + name + "'");
  for (const auto &[name, text] : options.params)
    if (!spec.findParam(name))
      return fail(SpecCode::UnknownName, SourceRange(),
                  "--param: the spec has no param '" + name + "'");
  return true;
}
