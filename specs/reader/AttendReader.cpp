//===- AttendReader.cpp - attend: rows and key sources ----------------------===//

#include "specs/reader/BodyReader.h"

#include <algorithm>

using namespace heddle;

/// The expressions of a source, as written.
struct BodyReader::SourceText {
  RawRef query, key, value, pair, scale, score, mask;
};

/// Reads the keys, and finds the range of every index. The first source gives the rows.
bool BodyReader::sourceText(AttendStep &step, AttendSource &keys, SourceText &text, bool isFirst) {
  std::vector<IndexRange> declared;
  if (!lets() || !declarations("over", keys.keys) || !declarations("declare", declared) ||
      !parseBare("query", rolesWith({{"N", "q_idx"}, {"D", "d"}}), text.query) ||
      !parseBare("key", rolesWith({{"N", "kv_idx"}, {"M", "kv_idx"}, {"D", "d"}}), text.key) ||
      !parseBare("value", rolesWith({{"N", "kv_idx"}, {"M", "kv_idx"}, {"D", "e"}, {"Dv", "e"}}),
                 text.value) ||
      !parse("pair", text.pair) || !parse("scale", text.scale) || !parse("score", text.score) ||
      !parse("mask", text.mask))
    return false;
  if (bool(text.query) != bool(text.key) && !text.pair)
    return fail(SpecCode::Missing, keys.where,
                text.query ? "'key' is missing" : "'query' is missing",
                "query and key come together");
  std::vector<std::string> order, ignored;
  if (!infer(text.query, order))
    return false;
  if (isFirst) {
    std::set<std::string> notRows = {"d"};
    for (const IndexRange &range : keys.keys)
      notRows.insert(range.name);
    rowsFrom(order, notRows, step.rows);
  }
  for (const RawRef &raw : {text.key, text.value, text.pair, text.score, text.mask})
    if (!infer(raw, ignored))
      return false;
  if (keys.keys.empty()) {
    if (!scope.findIndex("kv_idx"))
      return fail(SpecCode::Missing, keys.where,
                  "the range of kv_idx is unknown: it stands alone in no read",
                  "give it: \"over\": [\"kv_idx < M\"]");
    keys.keys.push_back(*scope.findIndex("kv_idx"));
  }
  requireGroups(step.rows);
  return true;
}

/// Resolves the expressions of a source whose ranges are known.
bool BodyReader::sourceMeaning(AttendStep &step, AttendSource &keys, const SourceText &text) {
  keys.depth = rangeOf("d");
  if (!text.query && !text.pair) // without a product there is no d
    keys.depth = std::nullopt;
  if (std::optional<IndexRange> column = rangeOf("e"); column && text.value)
    step.column = column;
  Scope::View row{namesOf(step.rows)}, pair = row;
  row.specials = pair.specials = {};
  for (const IndexRange &range : keys.keys)
    pair.indices.push_back(range.name);
  pair.specials = {ExprSpecial::Source};
  Scope::View known = pair; // the vectors are known behind the product
  if (text.query && keys.depth) {
    known.specials.insert({ExprSpecial::QueryVector, ExprSpecial::KeyVector});
    known.depth = keys.depth->extent;
  }
  Scope::View scored = known, elements{plus(pair.indices, {"d"}), {ExprSpecial::Source}};
  scored.specials.insert(ExprSpecial::Score);
  if (text.query)
    elements.specials.insert({ExprSpecial::QueryElem, ExprSpecial::KeyElem});
  keys.score = makeSpecial(ExprSpecial::Score, keys.where);
  keys.mask = makeBool(true, keys.where);
  keys.weight = makeSpecial(ExprSpecial::Weight, keys.where);
  keys.scale = text.query && keys.depth
                   ? makeCall(ExprFunction::Rsqrt, {keys.depth->extent.size}, keys.where)
                   : makeFloat(1, keys.where);
  return resolve(text.query, {plus(pair.indices, {"d"}), {ExprSpecial::Source}}, ExprType::Float,
                 keys.query) &&
         resolve(text.key, {plus(pair.indices, {"d"}), {ExprSpecial::Source}}, ExprType::Float,
                 keys.key) &&
         resolve(text.value, {plus(pair.indices, {"e"}), {ExprSpecial::Source}}, ExprType::Float,
                 keys.value) &&
         resolve(text.pair, elements, ExprType::Float, keys.pair) &&
         resolve(text.scale, row, ExprType::Float, keys.scale) &&
         resolve(text.score, scored, ExprType::Float, keys.score) &&
         resolve(text.mask, known, ExprType::Bool, keys.mask);
}

bool BodyReader::oneSource(AttendStep &step, const JsonValue *object) {
  bool isFirst = step.sources.empty();
  source = object;
  scope.clear();
  AttendSource &keys = step.sources.emplace_back();
  keys.where = object ? object->where : body.where;
  SourceText text;
  if (isFirst) {
    if (!declarations(body, "index", step.rows))
      return false;
  } else {
    for (const IndexRange &row : step.rows)
      if (!scope.addIndex(row))
        return false;
  }
  if (!sourceText(step, keys, text, isFirst) || !sourceMeaning(step, keys, text))
    return false;
  if (isFirst && !offset(step))
    return false;
  Scope::View row{namesOf(step.rows)}, pair = row;
  for (const IndexRange &range : keys.keys)
    pair.indices.push_back(range.name);
  pair.specials.insert(ExprSpecial::Source);
  if (text.query && keys.depth) {
    pair.specials.insert({ExprSpecial::QueryVector, ExprSpecial::KeyVector});
    pair.depth = keys.depth->extent;
  }
  return normalize(step, keys, pair, row) && statistics(step, keys, pair, isFirst) &&
         weightAndGate(step, keys, pair, isFirst);
}

bool BodyReader::attend(AttendStep &step) {
  if (!checkKeys(body,
                 {"index", "declare", "over", "query", "key", "value", "pair", "scale", "score",
                  "mask", "offset", "normalize", "stats", "weight", "gate", "sources", "let",
                  "about"},
                 diagnostics))
    return false;
  step.gate = makeFloat(1, body.where);
  const JsonValue *list = body.find("sources");
  if (!list)
    return oneSource(step, nullptr);
  if (list->kind != JsonValue::Kind::Array || list->elements.empty() || list->elements.size() > 8)
    return fail(SpecCode::Type, list->where, "'sources' is a list of 1 to 8 objects");
  for (const JsonValue &element : list->elements) {
    if (element.kind != JsonValue::Kind::Object)
      return fail(SpecCode::Type, element.where,
                  std::string("a source is an object, got ") + element.kindName());
    if (!checkKeys(
            element,
            {"over", "declare", "query", "key", "value", "pair", "scale", "score", "mask", "let"},
            diagnostics) ||
        !oneSource(step, &element))
      return false;
  }
  return true;
}
