//===- NormalizeReader.cpp - attend: offset, normalize, stats, weight, gate --===//

#include "specs/reader/BodyReader.h"

#include <algorithm>

using namespace heddle;

bool BodyReader::offset(AttendStep &step) {
  const JsonValue *value = body.find("offset");
  const AttendSource &keys = step.sources.front();
  std::vector<std::string> names = namesOf(step.rows);
  auto q = std::find(names.begin(), names.end(), "q_idx");
  if (value)
    step.whereOffset = whereKey(body, "offset");
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
  if (keys.keys.size() == 1 && keys.keys[0].name == "kv_idx")
    step.offset = makeBinary(BinaryOp::Sub, keys.keys[0].extent.size,
                             step.rows[size_t(q - names.begin())].extent.size);
  return true;
}

static constexpr const char *normalizeHelp = "one of \"softmax\", {\"softmax\": {\"sink\": ..}}, "
                                             "{\"map\": .., \"divide\": ..}, {\"given\": ..}, "
                                             "{\"nested\": {\"group\": .., \"leader\": ..}}";

bool BodyReader::normalizeObject(AttendStep &step, AttendSource &keys, const JsonValue &value,
                                 const Scope::View &pair, const Scope::View &row) {
  if (!checkKeys(value, {"softmax", "map", "divide", "given", "nested"}, diagnostics))
    return false;
  if (const JsonValue *softmax = value.find("softmax")) {
    if (softmax->kind != JsonValue::Kind::Object)
      return fail(SpecCode::Type, softmax->where, "expected {\"sink\": ..}", normalizeHelp);
    return checkKeys(*softmax, {"sink"}, diagnostics) &&
           part(*softmax, "sink", row, ExprType::Float, step.sink);
  }
  if (const JsonValue *nested = value.find("nested")) {
    step.normalize = NormalizeKind::Nested;
    if (nested->kind != JsonValue::Kind::Object)
      return fail(SpecCode::Type, nested->where, "expected {\"group\": .., \"leader\": ..}",
                  normalizeHelp);
    for (const char *key : {"group", "leader"})
      if (!nested->find(key))
        return fail(SpecCode::Missing, nested->where, std::string("'") + key + "' is missing");
    return checkKeys(*nested, {"group", "leader"}, diagnostics) &&
           part(*nested, "group", pair, ExprType::Int, keys.group) &&
           part(*nested, "leader", pair, ExprType::Bool, keys.leader);
  }
  if (value.find("given")) {
    step.normalize = NormalizeKind::Given;
    return part(value, "given", pair, ExprType::Float, keys.given);
  }
  if (!value.find("map"))
    return fail(SpecCode::Missing, value.where, "'map' is missing", normalizeHelp);
  step.normalize = NormalizeKind::Map;
  Scope::View score = pair, sum = row;
  score.specials.insert(ExprSpecial::Score);
  sum.specials = {ExprSpecial::Sum};
  return part(value, "map", score, ExprType::Float, keys.map) &&
         part(value, "divide", sum, ExprType::Float, step.divide);
}

bool BodyReader::normalize(AttendStep &step, AttendSource &keys, const Scope::View &pair,
                           const Scope::View &row) {
  const JsonValue *value = body.find("normalize");
  if (!value)
    return true;
  step.whereNormalize = value->where;
  if (value->kind == JsonValue::Kind::String && value->text == "softmax")
    return true;
  if (value->kind != JsonValue::Kind::Object)
    return fail(SpecCode::Type, value->where, "'normalize' does not take this", normalizeHelp);
  return normalizeObject(step, keys, *value, pair, row);
}

bool BodyReader::statistic(AttendStep &step, AttendSource &keys, const std::string &name,
                           const JsonValue &value, SourceRange where, const Scope::View &pair,
                           bool isFirst) {
  if (value.kind != JsonValue::Kind::Object)
    return fail(SpecCode::Type, value.where,
                std::string("a statistic is an object, got ") + value.kindName());
  if (!checkKeys(value, {"value", "with", "over", "index"}, diagnostics))
    return false;
  if (!value.find("value"))
    return fail(SpecCode::Missing, value.where, "'value' is missing");
  AttendStatistic statistic;
  statistic.name = name;
  statistic.where = where;
  if (!isName(name) || isReserved(name) || scope.isTaken(name) || scope.findIndex(name))
    return fail(SpecCode::Shadow, where,
                "'" + name + "' already means something here, or is no name",
                "give the statistic another name");
  using K = ReductionKind;
  if (!reduction(value,
                 {K::Sum, K::Prod, K::Max, K::Min, K::Mean, K::Any, K::All, K::ArgMax, K::ArgMin,
                  K::LogSumExp},
                 statistic.with) ||
      !declarations(value, "index", statistic.index))
    return false;
  statistic.over = namesOf(keys.keys);
  if (const JsonValue *over = value.find("over")) {
    statistic.over.clear();
    if (over->kind != JsonValue::Kind::Array)
      return fail(SpecCode::Type, over->where,
                  std::string("expected a list of names, got ") + over->kindName());
    for (const JsonValue &element : over->elements) {
      bool known =
          std::find(pair.indices.begin(), pair.indices.end(), element.text) != pair.indices.end();
      if (!known)
        return fail(SpecCode::UnknownName, element.where, "'" + element.text + "' is no index here",
                    "known here: " + joinNames(pair.indices));
      statistic.over.push_back(element.text);
    }
  }
  statistic.perRow = statistic.index.empty() && statistic.over == namesOf(keys.keys);
  Scope::View seen = pair;
  seen.specials.insert({ExprSpecial::Score, ExprSpecial::Weight});
  for (const IndexRange &range : statistic.index)
    seen.indices.push_back(range.name);
  RawRef raw = parseExpr(*value.find("value"), diagnostics);
  ExprRef expr = raw ? scope.resolve(raw, seen) : nullptr;
  if (!expr)
    return false;
  bool logic = statistic.with == K::Any || statistic.with == K::All;
  if (logic != (expr->type == ExprType::Bool))
    return fail(SpecCode::Type, value.find("value")->where,
                std::string(spelling(statistic.with)) + " takes " + (logic ? "bools" : "numbers") +
                    ", got " + std::string(spelling(expr->type)));
  statistic.type = reducedType(statistic.with, expr->type);
  if (statistic.with == K::LogSumExp || statistic.with == K::Mean)
    expr = makeFloatOf(expr);
  keys.statValues.push_back(expr);
  if (isFirst)
    step.stats.push_back(statistic);
  return true;
}

bool BodyReader::statistics(AttendStep &step, AttendSource &keys, const Scope::View &pair,
                            bool isFirst) {
  const JsonValue *value = body.find("stats");
  if (!value)
    return true;
  if (value->kind != JsonValue::Kind::Object)
    return fail(SpecCode::Type, value->where,
                std::string("expected an object, got ") + value->kindName());
  for (size_t i = 0; i < value->members.size(); ++i)
    if (!statistic(step, keys, value->members[i].first, value->members[i].second, value->keys[i],
                   pair, isFirst))
      return false;
  return true;
}

bool BodyReader::weightAndGate(AttendStep &step, AttendSource &keys, const Scope::View &pair,
                               bool isFirst) {
  Scope::View weighted = pair, gated{namesOf(step.rows)};
  weighted.specials.insert({ExprSpecial::Weight, ExprSpecial::Score});
  for (const AttendStatistic &statistic : step.stats)
    if (statistic.perRow)
      weighted.statistics[statistic.name] = gated.statistics[statistic.name] = statistic.type;
  if (body.find("weight")) {
    step.whereWeight = whereKey(body, "weight");
    if (!part(body, "weight", weighted, ExprType::Float, keys.weight))
      return false;
  }
  if (!isFirst || !body.find("gate"))
    return true;
  step.whereGate = whereKey(body, "gate");
  RawRef raw = parseExpr(*body.find("gate"), diagnostics);
  std::vector<std::string> ignored;
  if (!raw || !infer(raw, ignored))
    return false;
  if (!step.column)
    step.column = rangeOf("e");
  if (step.column)
    gated.indices.push_back("e");
  return resolve(raw, gated, ExprType::Float, step.gate);
}
