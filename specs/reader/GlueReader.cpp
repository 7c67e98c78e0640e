//===- GlueReader.cpp - compute, scan, select -------------------------------===//

#include "specs/reader/BodyReader.h"

#include <algorithm>
#include <cmath>

using namespace heddle;
using K = ReductionKind;

bool BodyReader::compute(ComputeStep &step) {
  if (!checkKeys(body, {"index", "over", "with", "value", "where", "let", "about"}, diagnostics))
    return false;
  for (const char *key : {"index", "value"})
    if (!body.find(key))
      return fail(SpecCode::Missing, body.where, std::string("'") + key + "' is missing");
  RawRef value, where;
  if (!lets() || !declarations("index", step.index) || !declarations("over", step.over) ||
      !reduction(body,
                 {K::Sum, K::Prod, K::Max, K::Min, K::Mean, K::Any, K::All, K::ArgMax, K::ArgMin,
                  K::LogSumExp},
                 step.with) ||
      !parse("value", value) || !parse("where", where))
    return false;
  for (const char *key : {"with", "where"})
    if (step.over.empty() && body.find(key))
      return fail(SpecCode::Missing, whereKey(body, key),
                  std::string("'") + key + "' needs 'over'");
  bool finds = step.with == K::ArgMax || step.with == K::ArgMin;
  if (finds && step.over.size() != 1)
    return fail(SpecCode::Rank, whereKey(body, "with"),
                "argmax and argmin take one index in 'over'");
  std::vector<std::string> names = namesOf(step.index);
  for (const IndexRange &range : step.over)
    names.push_back(range.name);
  std::vector<std::string> ignored;
  if (!infer(value, ignored) || !infer(where, ignored))
    return false;
  Scope::View view{names};
  step.where = makeBool(true, body.where);
  step.value = scope.resolve(value, view);
  if (!step.value || !resolve(where, view, ExprType::Bool, step.where))
    return false;
  bool logic = step.with == K::Any || step.with == K::All;
  if (!step.over.empty() && logic != (step.value->type == ExprType::Bool))
    return fail(SpecCode::Type, value->where,
                std::string(spelling(step.with)) + " takes " + (logic ? "bools" : "numbers") +
                    ", got " + std::string(spelling(step.value->type)));
  if (step.with == K::LogSumExp || step.with == K::Mean)
    step.value = makeFloatOf(step.value);
  return true;
}

bool BodyReader::scan(ScanStep &step) {
  if (!checkKeys(body, {"index", "along", "with", "value", "exclusive", "reverse", "let", "about"},
                 diagnostics))
    return false;
  for (const char *key : {"index", "along", "value"})
    if (!body.find(key))
      return fail(SpecCode::Missing, body.where, std::string("'") + key + "' is missing");
  RawRef value;
  std::string along;
  if (!lets() || !declarations("index", step.index) || !word("along", namesOf(step.index), along) ||
      !reduction(body, {K::Sum, K::Prod, K::Max, K::Min, K::Any, K::All, K::LogSumExp},
                 step.with) ||
      !parse("value", value) || !flag("exclusive", step.exclusive) ||
      !flag("reverse", step.reverse))
    return false;
  std::vector<std::string> names = namesOf(step.index);
  step.along = int(std::find(names.begin(), names.end(), along) - names.begin());
  step.value = scope.resolve(value, {names});
  if (!step.value)
    return false;
  bool logic = step.with == K::Any || step.with == K::All;
  if (logic != (step.value->type == ExprType::Bool))
    return fail(SpecCode::Type, value->where,
                std::string(spelling(step.with)) + " takes " + (logic ? "bools" : "numbers") +
                    ", got " + std::string(spelling(step.value->type)));
  if (step.with == K::LogSumExp)
    step.value = makeFloatOf(step.value);
  return true;
}

bool BodyReader::select(SelectStep &step) {
  if (!checkKeys(body,
                 {"index", "over", "value", "where", "always", "above", "count", "order", "search",
                  "let", "about"},
                 diagnostics))
    return false;
  for (const char *key : {"index", "over"})
    if (!body.find(key))
      return fail(SpecCode::Missing, body.where, std::string("'") + key + "' is missing");
  std::vector<IndexRange> over;
  RawRef value, where, always, above, count;
  std::string order = "index";
  if (!lets() || !declarations("index", step.index) || !declarations("over", over) ||
      !parse("value", value) || !parse("where", where) || !parse("always", always) ||
      !parse("above", above) || !parse("count", count) || !word("order", {"index", "value"}, order))
    return false;
  if (over.size() != 1)
    return fail(SpecCode::Rank, body.find("over")->where,
                "a selection has one index in 'over', got " + std::to_string(over.size()));
  step.over = over.front();
  step.orderByValue = order == "value";
  step.whereAlways = whereKey(body, "always");
  step.whereAbove = whereKey(body, "above");
  step.whereSearch = whereKey(body, "search");
  step.value = makeFloat(0, body.where);
  step.where = makeBool(true, body.where);
  step.always = makeBool(false, body.where);
  step.above = makeFloat(-INFINITY, body.where);
  Scope::View rows{namesOf(step.index)}, all = rows;
  all.indices.push_back(step.over.name);
  if (!resolve(value, all, ExprType::Float, step.value) ||
      !resolve(where, all, ExprType::Bool, step.where) ||
      !resolve(always, all, ExprType::Bool, step.always) ||
      !resolve(above, rows, ExprType::Float, step.above) ||
      !resolve(count, Scope::View::constants(), ExprType::Int, step.count))
    return false;
  const JsonValue *search = body.find("search");
  if (!search)
    return true;
  const JsonValue *tree = search->kind == JsonValue::Kind::Object ? search->find("tree") : nullptr;
  if (!tree || tree->kind != JsonValue::Kind::Object)
    return fail(SpecCode::Type, search->where,
                "expected {\"tree\": {\"first\": .., \"number\": ..}}");
  if (!checkKeys(*search, {"tree"}, diagnostics) ||
      !checkKeys(*tree, {"first", "number", "pick"}, diagnostics))
    return false;
  SelectStep::TreeSearch found;
  if (const JsonValue *pick = tree->find("pick")) {
    if (pick->text != "center" && pick->text != "first")
      return fail(SpecCode::Type, pick->where, "'pick' is \"center\" or \"first\"");
    found.pickCenter = pick->text == "center";
  }
  for (const char *key : {"first", "number"})
    if (!tree->find(key))
      return fail(SpecCode::Missing, tree->where, std::string("'") + key + "' is missing");
  step.tree = found;
  return part(*tree, "first", rows, ExprType::Int, step.tree->first) &&
         part(*tree, "number", rows, ExprType::Int, step.tree->number);
}
