//===- BodyReader.cpp - what attend and recur have in common ----------------===//

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

bool BodyReader::refuse(std::initializer_list<const char *> keys) {
  for (const char *key : keys)
    for (size_t i = 0; i < body.members.size(); ++i)
      if (body.members[i].first == key)
        return fail(SpecCode::Later, body.keys[i], std::string("'") + key + "' cannot be compiled yet");
  return true;
}

bool BodyReader::lets() {
  const JsonValue *object = body.find("let");
  if (!object)
    return true;
  if (object->kind != JsonValue::Kind::Object)
    return fail(SpecCode::Type, object->where, std::string("expected an object, got ") + object->kindName());
  for (size_t i = 0; i < object->members.size(); ++i) {
    RawRef raw = parseExpr(object->members[i].second, diagnostics);
    if (!raw || !scope.addLet(object->members[i].first, object->keys[i], raw))
      return false;
  }
  return true;
}

bool BodyReader::parse(const char *key, RawRef &raw) {
  const JsonValue *value = body.find(key);
  if (!value)
    return true;
  raw = parseExpr(*value, diagnostics);
  return bool(raw);
}

/// A bare tensor is a read whose subscripts follow from the names of its dims.
bool BodyReader::parseBare(const char *key, const Roles &roles, RawRef &raw) {
  if (!parse(key, raw))
    return false;
  const SpecTensor *tensor = raw && raw->kind == RawExpr::Kind::Name ? spec.findTensor(raw->text) : nullptr;
  if (!tensor)
    return true;
  auto read = std::make_shared<RawExpr>(*raw);
  read->kind = RawExpr::Kind::Read;
  for (const Extent &axis : tensor->axes) {
    auto role = roles.find(axis.text);
    if (role == roles.end())
      return fail(SpecCode::Scope, raw->where,
                  "the dim " + axis.text + " of '" + tensor->name + "' has no index by default in '" + key + "'",
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
  const JsonValue *list = body.find(key);
  if (!list)
    return true;
  if (list->kind != JsonValue::Kind::Array)
    return fail(SpecCode::Type, list->where, std::string("expected a list of declarations, got ") + list->kindName());
  for (const JsonValue &element : list->elements) {
    IndexRange range;
    RawRef size;
    if (!parseDeclaration(element, diagnostics, range.name, range.where, size, range.extent.text))
      return false;
    range.declared = true;
    range.extent.size = scope.resolve(size, {}, ExprType::Int);
    if (!range.extent.size || !scope.addIndex(range))
      return false;
    ranges.push_back(range);
  }
  return true;
}

/// A name that stands alone as a subscript has the range of that axis. `order`: names as they appear.
bool BodyReader::infer(const RawRef &raw, std::vector<std::string> &order) {
  bool good = true;
  walkRaw(raw, [&](const RawExpr &node) {
    const SpecTensor *tensor = node.kind == RawExpr::Kind::Read ? spec.findTensor(node.text) : nullptr;
    if (!good || !tensor || tensor->axes.size() != node.args.size())
      return;
    for (size_t i = 0; i < node.args.size() && good; ++i) {
      const RawExpr &arg = *node.args[i];
      if (arg.kind != RawExpr::Kind::Name || scope.isTaken(arg.text))
        continue;
      const Extent &axis = tensor->axes[i];
      if (const IndexRange *known = scope.findIndex(arg.text)) {
        if (!known->declared && known->extent.text != axis.text) {
          auto &error = diagnostics.error(
              SpecCode::Range, arg.where,
              "the index '" + arg.text + "' has the range " + known->extent.text + " elsewhere and " +
                  axis.text + " here",
              "declare it: \"declare\" or \"index\": [\"" + arg.text + " < " + known->extent.text + "\"]");
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

bool BodyReader::rowsFrom(const std::vector<std::string> &order, const std::set<std::string> &notRows,
                          std::vector<IndexRange> &rows) {
  if (!rows.empty())
    return true;
  for (const std::string &name : order)
    if (!notRows.count(name))
      rows.push_back(*scope.findIndex(name));
  return true;
}

/// H % Hkv == 0, where both heads are used.
bool BodyReader::requireGroups() {
  const IndexRange *h = scope.findIndex("h"), *kv = scope.findIndex("h_kv");
  if (!h || !kv || kv->declared)
    return true;
  ExprRef rest = makeBinary(BinaryOp::Mod, h->extent.size, kv->extent.size, kv->where);
  ExprRef some = makeBinary(BinaryOp::Or, makeBinary(BinaryOp::Gt, kv->extent.size, makeInt(0)),
                            makeBinary(BinaryOp::Eq, h->extent.size, makeInt(0)));
  SpecRequire require;
  require.condition = makeBinary(BinaryOp::And, some, makeBinary(BinaryOp::Eq, rest, makeInt(0)));
  require.text = h->extent.text + " % " + kv->extent.text + " == 0";
  require.derived = true;
  require.where = kv->where;
  spec.requires_.push_back(require);
  return true;
}

std::vector<std::string> heddle::namesOf(const std::vector<IndexRange> &ranges) {
  std::vector<std::string> names;
  for (const IndexRange &range : ranges)
    names.push_back(range.name);
  return names;
}
std::vector<std::string> heddle::plus(std::vector<std::string> names, std::initializer_list<const char *> more) {
  names.insert(names.end(), more.begin(), more.end());
  return names;
}

