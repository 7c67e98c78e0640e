//===- RecurReader.cpp - recur ----------------------------------------------===//

#include "specs/reader/BodyReader.h"

#include <algorithm>

using namespace heddle;

/// Where the keys stand that are refused later.
static void remember(const JsonValue &body, RecurStep &step) {
  for (size_t i = 0; i < body.members.size(); ++i) {
    const std::string &key = body.members[i].first;
    if (key == "decay")
      step.whereDecay = body.keys[i];
    else if (key == "rule")
      step.whereRule = body.keys[i];
    else if (key == "divide")
      step.whereDivide = body.keys[i];
    else if (key == "reverse")
      step.whereReverse = body.keys[i];
  }
}

bool BodyReader::recur(RecurStep &step) {
  std::string rule = "add", read = "after";
  if (!checkKeys(body,
                 {"index", "declare", "query", "key", "value", "decay", "rule", "beta", "momentum",
                  "chunk", "read", "divide", "initial", "initial_sum", "initial_momentum",
                  "reverse", "let", "about"},
                 diagnostics) ||
      !lets() || !word("rule", {"add", "delta", "momentum"}, rule) ||
      !word("read", {"after", "before"}, read) || !flag("reverse", step.reverse))
    return false;
  remember(body, step);
  step.rule = rule == "add"     ? RecurRule::Add
              : rule == "delta" ? RecurRule::Delta
                                : RecurRule::Momentum;
  step.readBefore = read == "before";
  std::vector<IndexRange> declared;
  RawRef query, key, value, decay, divide, initial, initialSum, beta, momentum, chunk,
      initialMomentum;
  if (!declarations("index", step.rows) || !declarations("declare", declared) ||
      !parseBare("query", rolesWith({{"N", "t"}, {"D", "d"}}), query) ||
      !parseBare("key", rolesWith({{"N", "t"}, {"D", "d"}}), key) ||
      !parseBare("value", rolesWith({{"N", "t"}, {"D", "e"}, {"Dv", "e"}}), value) ||
      !parse("decay", decay) || !parse("divide", divide) || !parse("initial", initial) ||
      !parse("initial_sum", initialSum) || !parse("beta", beta) || !parse("momentum", momentum) ||
      !parse("chunk", chunk) || !parse("initial_momentum", initialMomentum))
    return false;
  std::vector<std::string> order, ignored;
  if (!infer(query, order))
    return false;
  rowsFrom(order, {"d", "e"}, step.rows);
  for (const RawRef &raw :
       {key, value, decay, divide, initial, initialSum, beta, momentum, initialMomentum})
    if (!infer(raw, ignored))
      return false;
  requireGroups(step.rows);
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
  if (divide && step.rule != RecurRule::Add)
    return fail(SpecCode::Scope, step.whereDivide, "'divide' is for the rule \"add\"");
  if ((momentum || chunk || initialMomentum) && step.rule != RecurRule::Momentum)
    return fail(SpecCode::Scope,
                whereKey(body, momentum ? "momentum"
                               : chunk  ? "chunk"
                                        : "initial_momentum"),
                "this is for the rule \"momentum\"");
  step.query = step.key = step.value = step.decay = step.beta = makeFloat(1, body.where);
  step.momentum = makeFloat(0, body.where);
  step.chunk = makeInt(1, body.where);
  Scope::View summed{rows, {ExprSpecial::Sum}}, state{plus(outer, {"d", "e"})},
      all{plus(rows, {"d", "e"})};
  if (!resolve(query, {plus(rows, {"d"})}, ExprType::Float, step.query) ||
      !resolve(key, {plus(rows, {"d"})}, ExprType::Float, step.key) ||
      !resolve(value, {plus(rows, {"e"})}, ExprType::Float, step.value) ||
      !resolve(decay, all, ExprType::Float, step.decay) ||
      !resolve(beta, all, ExprType::Float, step.beta) ||
      !resolve(momentum, all, ExprType::Float, step.momentum) ||
      !resolve(chunk, Scope::View::constants(), ExprType::Int, step.chunk) ||
      !resolve(divide, summed, ExprType::Float, step.divide) ||
      !resolve(initial, state, ExprType::Float, step.initial) ||
      !resolve(initialSum, {plus(outer, {"d"})}, ExprType::Float, step.initialSum) ||
      !resolve(initialMomentum, state, ExprType::Float, step.initialMomentum))
    return false;
  if (step.divide && mentionsIndex(step.decay, "e"))
    return fail(SpecCode::Scope, step.whereDecay, "with 'divide' the decay may not mention e");
  return true;
}
