//===- SpecReader.cpp - text of a spec to a checked Spec --------------------===//

#include "specs/reader/FileReader.h"

#include <algorithm>

using namespace heddle;

static std::optional<StorageType> storageOf(const std::string &text) {
  static const std::pair<const char *, StorageType> types[] = {
      {"f32", StorageType::F32}, {"f16", StorageType::F16}, {"bf16", StorageType::BF16},
      {"i8", StorageType::I8},   {"i32", StorageType::I32}, {"bool", StorageType::Bool}};
  for (auto [name, type] : types)
    if (text == name)
      return type;
  return std::nullopt;
}

const JsonValue *FileReader::object(const JsonValue &root, const char *key, bool needed) {
  const JsonValue *value = root.find(key);
  if (!value) {
    if (needed)
      fail(SpecCode::Missing, diagnostics.getSource().range(root.where.begin, root.where.begin + 1),
           std::string("'") + key + "' is missing");
    return nullptr;
  }
  if (value->kind == JsonValue::Kind::Object)
    return value;
  fail(SpecCode::Type, value->where, std::string("expected an object, got ") + value->kindName());
  return nullptr;
}

bool FileReader::header(const JsonValue &root) {
  if (!checkKeys(root,
                 {"heddle", "name", "about", "source", "dims", "params", "require", "tensors",
                  "steps", "results", "example"},
                 diagnostics))
    return false;
  SourceRange start = diagnostics.getSource().range(root.where.begin, root.where.begin + 1);
  const JsonValue *format = root.find("heddle"), *name = root.find("name");
  if (!format)
    return fail(SpecCode::Missing, start, "'heddle' is missing",
                "a spec starts with \"heddle\": 1");
  if (format->kind != JsonValue::Kind::Integer || format->integer != 1)
    return fail(SpecCode::Type, format->where, "this reads format 1, got " + format->text);
  if (!name)
    return fail(SpecCode::Missing, start, "'name' is missing");
  bool good = name->kind == JsonValue::Kind::String && isName(name->text) && name->text[0] != '_';
  for (char c : name->text)
    good &= !std::isupper(static_cast<unsigned char>(c));
  if (!good)
    return fail(SpecCode::Syntax, name->where, "'" + name->text + "' cannot name a library",
                "a lower-case letter, then lower-case letters, digits and _, at most 63");
  spec.name = name->text;
  return true;
}

bool FileReader::newName(const std::string &name, SourceRange where) {
  if (!isName(name))
    return fail(SpecCode::Syntax, where, "'" + name + "' is no name");
  if (isReserved(name))
    return fail(SpecCode::Shadow, where, "'" + name + "' is a word of the language");
  if (spec.findDim(name) || spec.findParam(name))
    return fail(SpecCode::Shadow, where, "'" + name + "' is a dim or a param already");
  return true;
}

bool FileReader::tensorRange(SpecTensor &tensor, const JsonValue &value) {
  const JsonValue *range = value.find("range");
  bool isInteger = tensor.storage == StorageType::I32 || tensor.storage == StorageType::I8;
  if (!range) {
    if (!isInteger)
      return true;
    return fail(SpecCode::Missing, tensor.where,
                "'range' is missing: the values of '" + tensor.name + "'",
                "\"range\": [first, end]");
  }
  if (range->kind != JsonValue::Kind::Array || range->elements.size() != 2)
    return fail(SpecCode::Type, range->where, "expected [first, end]");
  ExprRef ends[2];
  for (int i = 0; i < 2; ++i) {
    RawRef raw = parseExpr(range->elements[i], diagnostics);
    if (!raw || !(ends[i] = scope.resolve(raw, Scope::View::constants(),
                                          isInteger ? ExprType::Int : ExprType::Float)))
      return false;
  }
  tensor.range = {ends[0], ends[1]};
  return true;
}

bool FileReader::tensor(const std::string &name, const JsonValue &value, SourceRange where) {
  if (!isName(name))
    return fail(SpecCode::Syntax, where, "'" + name + "' is no name");
  if (value.kind != JsonValue::Kind::Object)
    return fail(SpecCode::Type, value.where,
                std::string("expected an object, got ") + value.kindName());
  if (!checkKeys(value, {"dims", "type", "range", "sorted", "distinct", "about"}, diagnostics))
    return false;
  SpecTensor tensor;
  tensor.name = name;
  tensor.where = where;
  const JsonValue *type = value.find("type"), *dims = value.find("dims");
  if (!type || !dims)
    return fail(SpecCode::Missing, where,
                std::string("'") + (type ? "dims" : "type") + "' is missing");
  tensor.storage = storageOf(type->text);
  if (type->text == "e4m3" || type->text == "e5m2")
    return fail(SpecCode::Later, type->where,
                "the type '" + type->text + "' cannot be compiled yet");
  if (!tensor.storage)
    return fail(SpecCode::Type, type->where, "unknown type '" + type->text + "'",
                "one of f32, f16, bf16, i8, i32, bool");
  tensor.type = valueType(*tensor.storage);
  if (dims->kind != JsonValue::Kind::Array || dims->elements.size() > 8)
    return fail(SpecCode::Rank, dims->where, "a tensor has a list of 0 to 8 dims");
  for (const JsonValue &element : dims->elements) {
    Extent axis;
    RawRef raw = parseExpr(element, diagnostics);
    if (!raw || !(axis.size = scope.resolve(raw, Scope::View::constants(), ExprType::Int)))
      return false;
    for (char c : element.text)
      if (!std::isspace(static_cast<unsigned char>(c)))
        axis.text += c;
    tensor.axes.push_back(axis);
  }
  if (!tensorRange(tensor, value))
    return false;
  for (auto [key, flag] :
       {std::pair("sorted", &tensor.sorted), std::pair("distinct", &tensor.distinct)})
    if (const JsonValue *json = value.find(key)) {
      if (json->kind != JsonValue::Kind::Bool)
        return fail(SpecCode::Type, json->where,
                    std::string("expected true or false, got ") + json->kindName());
      *flag = json->boolean;
    }
  spec.tensors.push_back(tensor);
  return true;
}

/// Which input each dim is taken from.
void FileReader::standAlone() {
  for (SpecDim &dim : spec.dims)
    for (const SpecTensor &tensor : spec.tensors)
      for (size_t axis = 0; axis < tensor.axes.size() && dim.tensor.empty(); ++axis)
        if (tensor.axes[axis].text == dim.name) {
          dim.tensor = tensor.name;
          dim.axis = int(axis);
        }
}

bool FileReader::requirements(const JsonValue &root) {
  const JsonValue *list = root.find("require");
  if (!list)
    return true;
  if (list->kind != JsonValue::Kind::Array)
    return fail(SpecCode::Type, list->where,
                std::string("expected a list of conditions, got ") + list->kindName());
  for (const JsonValue &element : list->elements) {
    SpecRequire require;
    RawRef raw = parseExpr(element, diagnostics);
    if (!raw || !(require.condition = scope.resolve(raw, Scope::View::constants(), ExprType::Bool)))
      return false;
    require.text = element.text;
    require.where = element.where;
    spec.requires_.push_back(require);
  }
  return true;
}

bool FileReader::results(const JsonValue &root) {
  const JsonValue *list = object(root, "results", true);
  if (!list)
    return false;
  for (size_t i = 0; i < list->members.size(); ++i) {
    const auto &[name, value] = list->members[i];
    auto tensor =
        std::find_if(spec.tensors.begin(), spec.tensors.end(),
                     [&, wanted = &name](const SpecTensor &t) { return t.name == *wanted; });
    if (tensor == spec.tensors.end() || tensor->isInput())
      return fail(SpecCode::UnknownName, list->keys[i], "no step makes '" + name + "'");
    std::optional<StorageType> storage = storageOf(value.text);
    if (!storage || valueType(*storage) != tensor->type)
      return fail(SpecCode::Type, value.where,
                  "'" + name + "' is " +
                      (tensor->type == ExprType::Float ? "a float: its type is f32, f16 or bf16"
                       : tensor->type == ExprType::Int ? "an integer: its type is i32 or i8"
                                                       : "a bool: its type is bool") +
                      ", got '" + value.text + "'");
    tensor->storage = storage;
    tensor->isResult = true;
    spec.results.push_back(name);
  }
  if (spec.results.empty())
    return fail(SpecCode::Missing, list->where, "a spec has at least one result");
  return true;
}

bool FileReader::example(const JsonValue &root) {
  const JsonValue *list = object(root, "example", false);
  if (!list)
    return !root.find("example");
  for (size_t i = 0; i < list->members.size(); ++i) {
    const auto &[name, value] = list->members[i];
    if (!spec.findDim(name))
      return fail(SpecCode::UnknownName, list->keys[i], "the spec has no dim '" + name + "'");
    if (value.kind != JsonValue::Kind::Integer || value.integer < 0 || value.integer > maxSize)
      return fail(SpecCode::Size, value.where, "expected a size from 0 to 2147483647");
    spec.example[name] = value.integer;
  }
  return true;
}

std::optional<Spec> FileReader::read(const JsonValue &root, const std::string &fileName) {
  spec.fileName = fileName;
  if (root.kind != JsonValue::Kind::Object) {
    fail(SpecCode::Type, root.where, std::string("a spec is an object, got ") + root.kindName());
    return std::nullopt;
  }
  if (!header(root))
    return std::nullopt;
  if (const JsonValue *params = object(root, "params", false))
    for (size_t i = 0; i < params->members.size(); ++i)
      if (!param(params->members[i].first, params->members[i].second, params->keys[i]))
        return std::nullopt;
  const JsonValue *tensors = dims(root) ? object(root, "tensors", true) : nullptr;
  if (!tensors)
    return std::nullopt;
  for (size_t i = 0; i < tensors->members.size(); ++i) // every faulty tensor is told
    tensor(tensors->members[i].first, tensors->members[i].second, tensors->keys[i]);
  if (diagnostics.hasErrors() || !requirements(root))
    return std::nullopt;
  standAlone();
  const JsonValue *steps = root.find("steps");
  if (!steps || steps->kind != JsonValue::Kind::Array || steps->elements.empty() ||
      steps->elements.size() > 64) {
    fail(steps ? SpecCode::Type : SpecCode::Missing, steps ? steps->where : root.where,
         steps ? "'steps' is a list of 1 to 64 steps" : "'steps' is missing");
    return std::nullopt;
  }
  for (size_t i = 0; i < steps->elements.size(); ++i) // and every faulty step
    readStep(steps->elements[i], i, spec, diagnostics);
  if (diagnostics.hasErrors() || !results(root) || !example(root))
    return std::nullopt;
  markUses(spec);
  return std::move(spec);
}

std::optional<Spec> heddle::readSpec(std::string text, const std::string &fileName,
                                     const ReadOptions &options, Diagnostics &diagnostics) {
  diagnostics.setSource(SourceText(std::move(text), fileName));
  std::optional<JsonValue> root = parseJson(diagnostics);
  if (!root)
    return std::nullopt;
  return FileReader(options, diagnostics).read(*root, fileName);
}
