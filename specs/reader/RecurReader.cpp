//===- RecurReader.cpp - the keys of recur, the axes of outputs -------------===//

#include "specs/reader/BodyReader.h"

#include <algorithm>

using namespace heddle;

//===--- recur --------------------------------------------------------------===//

bool BodyReader::recur(RecurStep &step) {
  if (!checkKeys(body, {"index", "declare", "query", "key", "value", "decay", "rule", "beta", "momentum",
                        "chunk", "read", "divide", "initial", "initial_sum", "initial_momentum", "reverse",
                        "let", "about"},
                 diagnostics) ||
      !refuse({"beta", "momentum", "chunk", "initial_momentum", "reverse"}) || !lets())
    return false;
  for (auto [key, allowed] : {std::pair("rule", "add"), std::pair("read", "after")})
    if (const JsonValue *value = body.find(key); value && value->text != allowed)
      return fail(SpecCode::Later, value->where, std::string("another '") + key + "' than \"" + allowed +
                                                     "\" cannot be compiled yet");
  std::vector<IndexRange> declared;
  RawRef query, key, value, decay, divide, initial, initialSum;
  if (!declarations("index", step.rows) || !declarations("declare", declared) ||
      !parseBare("query", rolesWith({{"N", "t"}, {"D", "d"}}), query) ||
      !parseBare("key", rolesWith({{"N", "t"}, {"D", "d"}}), key) ||
      !parseBare("value", rolesWith({{"N", "t"}, {"D", "e"}, {"Dv", "e"}}), value) ||
      !parse("decay", decay) || !parse("divide", divide) || !parse("initial", initial) ||
      !parse("initial_sum", initialSum))
    return false;
  std::vector<std::string> order, ignored;
  if (!infer(query, order))
    return false;
  rowsFrom(order, {"d", "e"}, step.rows);
  for (const RawRef &raw : {key, value, decay, divide, initial, initialSum})
    if (!infer(raw, ignored))
      return false;
  requireGroups();
  step.depth = rangeOf("d");
  step.column = rangeOf("e");
  std::vector<std::string> rows = namesOf(step.rows), outer;
  step.time = -1;
  for (size_t i = 0; i < rows.size(); ++i)
    if (rows[i] == "t")
      step.time = int(i);
    else
      outer.push_back(rows[i]);
  if (step.time < 0)
    return fail(SpecCode::Missing, body.where, "the time index 't' is missing",
                "it stands alone in a read of 'query', or is declared in 'index'");
  step.query = step.key = step.value = step.decay = step.beta = makeFloat(1, body.where);
  step.momentum = makeFloat(0, body.where);
  step.chunk = makeInt(1, body.where);
  Scope::View summed{rows, {ExprSpecial::Sum}};
  return resolve(query, {plus(rows, {"d"})}, ExprType::Float, step.query) &&
         resolve(key, {plus(rows, {"d"})}, ExprType::Float, step.key) &&
         resolve(value, {plus(rows, {"e"})}, ExprType::Float, step.value) &&
         resolve(decay, {plus(rows, {"d", "e"})}, ExprType::Float, step.decay) &&
         resolve(divide, summed, ExprType::Float, step.divide) &&
         resolve(initial, {plus(outer, {"d", "e"})}, ExprType::Float, step.initial) &&
         resolve(initialSum, {plus(outer, {"d"})}, ExprType::Float, step.initialSum);
}

//===--- Outputs ------------------------------------------------------------===//

std::optional<std::vector<Extent>> BodyReader::axesOf(const SpecStep &step, const std::string &kind) {
  std::vector<Extent> rows, outer;
  if (const AttendStep *attend = step.getIf<AttendStep>()) {
    for (const IndexRange &range : attend->rows)
      rows.push_back(range.extent);
    if (kind == "lse" && attend->normalize == NormalizeKind::Softmax)
      return rows;
    if (kind != "out" || !attend->sources.front().value)
      return std::nullopt;
    if (attend->column)
      rows.push_back(attend->column->extent);
    return rows;
  }
  const RecurStep &recur = *step.getIf<RecurStep>();
  for (size_t i = 0; i < recur.rows.size(); ++i) {
    rows.push_back(recur.rows[i].extent);
    if (int(i) != recur.time)
      outer.push_back(recur.rows[i].extent);
  }
  if (recur.depth)
    outer.push_back(recur.depth->extent);
  if (kind == "sum" && recur.divide)
    return outer;
  if (recur.column) {
    rows.push_back(recur.column->extent);
    outer.push_back(recur.column->extent);
  }
  if (kind == "out")
    return rows;
  return kind == "state" ? std::optional(outer) : std::nullopt;
}
