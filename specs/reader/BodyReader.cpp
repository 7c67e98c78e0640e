//===- BodyReader.cpp - what the steps have in common -----------------------===//

#include "specs/reader/BodyReader.h"

#include <algorithm>

using namespace heddle;

static const Roles heads = {{"B", "b"}, {"H", "h"}, {"Hkv", "h_kv"}};
Roles heddle::rolesWith(std::initializer_list<std::pair<const char *, const char *>> more) {
  Roles roles = heads;
  for (auto [dim, index] : more)
    roles[dim] = index;
  return roles;
}

const JsonValue *BodyReader::find(const char *key) const {
  const JsonValue *own = source ? source->find(key) : nullptr;
  return own ? own : body.find(key);
}

SourceRange BodyReader::whereKey(const JsonValue &object, const char *key) const {
  for (size_t i = 0; i < object.members.size(); ++i)
    if (object.members[i].first == key)
      return object.keys[i];
  return object.where;
}

bool BodyReader::lets() {
  const JsonValue *object = find("let");
  if (!object)
    return true;
  if (object->kind != JsonValue::Kind::Object)
    return fail(SpecCode::Type, object->where,
                std::string("expected an object, got ") + object->kindName());
  for (size_t i = 0; i < object->members.size(); ++i) {
    RawRef raw = parseExpr(object->members[i].second, diagnostics);
    if (!raw || !scope.addLet(object->members[i].first, object->keys[i], raw))
      return false;
  }
  return true;
}

bool BodyReader::parse(const char *key, RawRef &raw) {
  const JsonValue *value = find(key);
  if (!value)
    return true;
  raw = parseExpr(*value, diagnostics);
  return bool(raw);
}

/// A key of an object inside the step.
bool BodyReader::part(const JsonValue &object, const char *key, const Scope::View &view,
                      ExprType type, ExprRef &expr) {
  const JsonValue *value = object.find(key);
  if (!value)
    return true;
  RawRef raw = parseExpr(*value, diagnostics);
  return raw && resolve(raw, view, type, expr);
}

bool BodyReader::flag(const char *key, bool &value) {
  const JsonValue *json = find(key);
  if (!json)
    return true;
  if (json->kind != JsonValue::Kind::Bool)
    return fail(SpecCode::Type, json->where,
                std::string("'") + key + "' is true or false, got " + json->kindName());
  value = json->boolean;
  return true;
}

bool BodyReader::word(const char *key, const std::vector<std::string> &allowed,
                      std::string &value) {
  const JsonValue *json = find(key);
  if (!json)
    return true;
  value = json->text;
  if (json->kind == JsonValue::Kind::String &&
      std::find(allowed.begin(), allowed.end(), value) != allowed.end())
    return true;
  std::string nearest = nearestName(value, allowed);
  return fail(SpecCode::Type, json->where, std::string("'") + key + "' does not take this",
              nearest.empty() ? "one of " + joinNames(allowed) : "did you mean '" + nearest + "'?");
}

bool BodyReader::reduction(const JsonValue &object, std::initializer_list<ReductionKind> allowed,
                           ReductionKind &kind) {
  const JsonValue *value = object.find("with");
  if (!value)
    return true;
  std::vector<std::string> names;
  for (ReductionKind candidate : allowed) {
    names.emplace_back(spelling(candidate));
    if (value->kind == JsonValue::Kind::String && value->text == names.back()) {
      kind = candidate;
      return true;
    }
  }
  std::string nearest = nearestName(value->text, names);
  return fail(SpecCode::UnknownName, value->where, "unknown reduction '" + value->text + "'",
              nearest.empty() ? "one of " + joinNames(names) : "did you mean '" + nearest + "'?");
}

ExprType heddle::reducedType(ReductionKind kind, ExprType value) {
  switch (kind) {
  case ReductionKind::Any:
  case ReductionKind::All:
    return ExprType::Bool;
  case ReductionKind::ArgMax:
  case ReductionKind::ArgMin:
    return ExprType::Int;
  case ReductionKind::Mean:
  case ReductionKind::LogSumExp:
    return ExprType::Float;
  default:
    return value;
  }
}

/// A bare tensor is a read whose subscripts follow from the names of its dims.
bool BodyReader::parseBare(const char *key, const Roles &roles, RawRef &raw) {
  if (!parse(key, raw))
    return false;
  const SpecTensor *tensor =
      raw && raw->kind == RawExpr::Kind::Name ? spec.findTensor(raw->text) : nullptr;
  if (!tensor)
    return true;
  auto read = std::make_shared<RawExpr>(*raw);
  read->kind = RawExpr::Kind::Read;
  for (const Extent &axis : tensor->axes) {
    auto role = roles.find(axis.text);
    if (role == roles.end())
      return fail(SpecCode::Scope, raw->where,
                  "the dim " + axis.text + " of '" + tensor->name +
                      "' has no index by default in '" + key + "'",
                  "write the subscripts: " + tensor->name + "[...]");
    auto subscript = std::make_shared<RawExpr>();
    subscript->text = role->second;
    subscript->where = raw->where;
    read->args.push_back(subscript);
  }
  raw = read;
  return true;
}

bool BodyReader::declarations(const char *key, std::vector<IndexRange> &ranges) {
  bool own = source && source->find(key);
  return declarations(own ? *source : body, key, ranges);
}

bool BodyReader::declarations(const JsonValue &object, const char *key,
                              std::vector<IndexRange> &ranges) {
  const JsonValue *list = object.find(key);
  if (!list)
    return true;
  if (list->kind != JsonValue::Kind::Array)
    return fail(SpecCode::Type, list->where,
                std::string("expected a list of declarations, got ") + list->kindName());
  for (const JsonValue &element : list->elements) {
    IndexRange range;
    RawRef size;
    if (!parseDeclaration(element, diagnostics, range.name, range.where, size, range.extent.text))
      return false;
    range.declared = true;
    range.extent.size = scope.resolve(size, Scope::View::constants(), ExprType::Int);
    if (!range.extent.size || !scope.addIndex(range))
      return false;
    ranges.push_back(range);
  }
  if (ranges.size() > 8)
    return fail(SpecCode::TooLarge, list->where,
                "a step has at most 8 indices, got " + std::to_string(ranges.size()));
  return true;
}

/// A name that stands alone as a subscript has the range of that axis. `order`: names as they appear.
bool BodyReader::infer(const RawRef &raw, std::vector<std::string> &order) {
  bool good = true;
  walkRaw(raw, [&](const RawExpr &node) {
    const SpecTensor *tensor =
        node.kind == RawExpr::Kind::Read ? spec.findTensor(node.text) : nullptr;
    if (!good || !tensor || tensor->axes.size() != node.args.size())
      return;
    for (size_t i = 0; i < node.args.size() && good; ++i) {
      const RawExpr &arg = *node.args[i];
      if (arg.kind != RawExpr::Kind::Name || scope.isTaken(arg.text))
        continue;
      const Extent &axis = tensor->axes[i];
      if (const IndexRange *known = scope.findIndex(arg.text)) {
        if (!known->declared && known->extent.text != axis.text) {
          auto &error =
              diagnostics.error(SpecCode::Range, arg.where,
                                "the index '" + arg.text + "' has the range " + known->extent.text +
                                    " elsewhere and " + axis.text + " here",
                                "declare it: \"declare\" or \"index\": [\"" + arg.text + " < " +
                                    known->extent.text + "\"]");
          error.notes.push_back({known->where, "it has the range " + known->extent.text + " here"});
          good = false;
          return;
        }
      } else if (!scope.addIndex({arg.text, axis, false, arg.where})) {
        good = false;
        return;
      }
      if (std::find(order.begin(), order.end(), arg.text) == order.end())
        order.push_back(arg.text);
    }
  });
  return good;
}

void BodyReader::rowsFrom(const std::vector<std::string> &order,
                          const std::set<std::string> &notRows, std::vector<IndexRange> &rows) {
  if (!rows.empty())
    return;
  for (const std::string &name : order)
    if (!notRows.count(name))
      rows.push_back(*scope.findIndex(name));
}

/// H % Hkv == 0, where both heads are used.
void BodyReader::requireGroups(const std::vector<IndexRange> &rows) {
  const IndexRange *h = scope.findIndex("h"), *kv = scope.findIndex("h_kv");
  std::vector<std::string> names = namesOf(rows);
  bool isRow = std::find(names.begin(), names.end(), "h_kv") != names.end();
  if (!h || !kv || isRow || groupsRequired)
    return;
  groupsRequired = true;
  ExprRef rest = makeBinary(BinaryOp::Mod, h->extent.size, kv->extent.size, kv->where);
  ExprRef some = makeBinary(BinaryOp::Or, makeBinary(BinaryOp::Gt, kv->extent.size, makeInt(0)),
                            makeBinary(BinaryOp::Eq, h->extent.size, makeInt(0)));
  SpecRequire require;
  require.condition = makeBinary(BinaryOp::And, some, makeBinary(BinaryOp::Eq, rest, makeInt(0)));
  require.text = h->extent.text + " % " + kv->extent.text + " == 0";
  require.derived = true;
  require.where = kv->where;
  spec.requires_.push_back(require);
}

std::vector<std::string> heddle::namesOf(const std::vector<IndexRange> &ranges) {
  std::vector<std::string> names;
  for (const IndexRange &range : ranges)
    names.push_back(range.name);
  return names;
}
std::vector<std::string> heddle::plus(std::vector<std::string> names,
                                      std::initializer_list<const char *> more) {
  names.insert(names.end(), more.begin(), more.end());
  return names;
}
