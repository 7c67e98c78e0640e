//===- AttendReader.cpp - the keys of attend --------------------------------===//

#include "specs/reader/BodyReader.h"

#include <algorithm>

using namespace heddle;

//===--- attend -------------------------------------------------------------===//

bool BodyReader::offset(AttendStep &step) {
  const JsonValue *value = body.find("offset");
  const AttendSource &source = step.sources.front();
  std::vector<std::string> names = namesOf(step.rows);
  auto q = std::find(names.begin(), names.end(), "q_idx");
  if (value)
    for (size_t i = 0; i < body.members.size(); ++i)
      if (body.members[i].first == "offset")
        step.whereOffset = body.keys[i];
  if (q == names.end())
    return true; // pos has no value
  if (value && value->kind == JsonValue::Kind::String && value->text == "top_left") {
    step.offsetKind = OffsetKind::TopLeft;
    step.offset = makeInt(0, value->where);
    return true;
  }
  if (value && !(value->kind == JsonValue::Kind::String && value->text == "bottom_right")) {
    step.offsetKind = OffsetKind::Expr;
    names.erase(q);
    RawRef raw = parseExpr(*value, diagnostics);
    return raw && resolve(raw, {names}, ExprType::Int, step.offset);
  }
  if (source.keys.size() == 1 && source.keys[0].name == "kv_idx")
    step.offset = makeBinary(BinaryOp::Sub, source.keys[0].extent.size,
                             step.rows[size_t(q - names.begin())].extent.size);
  return true;
}

bool BodyReader::normalize(AttendStep &step, AttendSource &source, const Scope::View &pair,
                           const Scope::View &row) {
  const JsonValue *value = body.find("normalize");
  if (!value)
    return true;
  step.whereNormalize = value->where;
  if (value->kind == JsonValue::Kind::String && value->text == "softmax")
    return true;
  std::string help = "one of \"softmax\", {\"softmax\": {\"sink\": ..}}, {\"map\": .., \"divide\": ..}";
  if (value->kind != JsonValue::Kind::Object)
    return fail(SpecCode::Type, value->where, "'normalize' does not take this", help);
  if (!checkKeys(*value, {"softmax", "map", "divide", "given", "nested"}, diagnostics))
    return false;
  if (value->find("given") || value->find("nested"))
    return fail(SpecCode::Later, value->where,
                std::string("'") + (value->find("given") ? "given" : "nested") + "' cannot be compiled yet");
  auto part = [&](const JsonValue *json, Scope::View view, ExprRef &expr) {
    RawRef raw = json ? parseExpr(*json, diagnostics) : nullptr;
    return !json || (raw && resolve(raw, view, ExprType::Float, expr));
  };
  if (const JsonValue *softmax = value->find("softmax")) {
    if (softmax->kind != JsonValue::Kind::Object)
      return fail(SpecCode::Type, softmax->where, "expected {\"sink\": ..}", help);
    return checkKeys(*softmax, {"sink"}, diagnostics) && part(softmax->find("sink"), row, step.sink);
  }
  const JsonValue *map = value->find("map");
  if (!map)
    return fail(SpecCode::Missing, value->where, "'map' is missing", help);
  step.normalize = NormalizeKind::Map;
  Scope::View score = pair, sum = row;
  score.specials = {ExprSpecial::Score};
  sum.specials = {ExprSpecial::Sum};
  return part(map, score, source.map) && part(value->find("divide"), sum, step.divide);
}

bool BodyReader::attend(AttendStep &step) {
  if (!checkKeys(body, {"index", "declare", "over", "query", "key", "value", "pair", "scale", "score",
                        "mask", "offset", "normalize", "stats", "weight", "gate", "sources", "let", "about"},
                 diagnostics) ||
      !refuse({"sources", "stats", "pair", "weight", "gate"}) || !lets())
    return false;
  AttendSource &source = step.sources.emplace_back();
  source.where = body.where;
  std::vector<IndexRange> declared;
  RawRef query, key, value, scale, score, mask, norm;
  if (!declarations("index", step.rows) || !declarations("over", source.keys) ||
      !declarations("declare", declared) ||
      !parseBare("query", rolesWith({{"N", "q_idx"}, {"D", "d"}}), query) ||
      !parseBare("key", rolesWith({{"N", "kv_idx"}, {"M", "kv_idx"}, {"D", "d"}}), key) ||
      !parseBare("value", rolesWith({{"N", "kv_idx"}, {"M", "kv_idx"}, {"D", "e"}, {"Dv", "e"}}), value) ||
      !parse("scale", scale) || !parse("score", score) || !parse("mask", mask))
    return false;
  if (bool(query) != bool(key))
    return fail(SpecCode::Missing, body.where, query ? "'key' is missing" : "'query' is missing",
                "query and key come together");
  std::vector<std::string> order, ignored;
  if (!infer(query, order))
    return false;
  std::set<std::string> notRows = {"d"};
  for (const IndexRange &range : source.keys)
    notRows.insert(range.name);
  rowsFrom(order, notRows, step.rows);
  for (const RawRef &raw : {key, value, score, mask})
    if (!infer(raw, ignored))
      return false;
  if (source.keys.empty()) {
    if (!scope.findIndex("kv_idx"))
      return fail(SpecCode::Missing, body.where, "the range of kv_idx is unknown: it stands alone in no read",
                  "give it: \"over\": [\"kv_idx < M\"]");
    source.keys.push_back(*scope.findIndex("kv_idx"));
  }
  requireGroups();
  source.depth = rangeOf("d");
  step.column = value ? rangeOf("e") : std::nullopt;
  Scope::View row{namesOf(step.rows)}, pair = row;
  pair.indices = namesOf(step.rows);
  for (const IndexRange &range : source.keys)
    pair.indices.push_back(range.name);
  Scope::View scored = pair;
  scored.specials = {ExprSpecial::Score};
  source.score = makeSpecial(ExprSpecial::Score, body.where);
  source.mask = makeBool(true, body.where);
  source.weight = makeSpecial(ExprSpecial::Weight, body.where);
  step.gate = makeFloat(1, body.where);
  source.scale = query && source.depth
                     ? makeCall(ExprFunction::Rsqrt, {source.depth->extent.size}, body.where)
                     : makeFloat(1, body.where);
  if (!query) // without a product there is no d
    source.depth = std::nullopt;
  return resolve(query, {plus(row.indices, {"d"})}, ExprType::Float, source.query) &&
         resolve(key, {plus(pair.indices, {"d"})}, ExprType::Float, source.key) &&
         resolve(value, {plus(pair.indices, {"e"})}, ExprType::Float, source.value) &&
         resolve(scale, row, ExprType::Float, source.scale) &&
         resolve(score, scored, ExprType::Float, source.score) &&
         resolve(mask, pair, ExprType::Bool, source.mask) && offset(step) &&
         normalize(step, source, pair, row);
}

