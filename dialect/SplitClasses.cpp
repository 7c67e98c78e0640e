//===- SplitClasses.cpp - weights that go by classes of keys, as one attend for each class ---------===//

#include "dialect/SplitClasses.h"
#include "dialect/SpecRewrite.h"
#include "dialect/TileObstacle.h"
#include <limits>

using namespace heddle;

namespace {

constexpr size_t mostClasses = 4;
constexpr double infinity = std::numeric_limits<double>::infinity();

ExprRef add(const ExprRef &a, const ExprRef &b) { return a ? makeBinary(BinaryOp::Add, a, b) : b; }
ExprRef mul(const ExprRef &a, const ExprRef &b) { return makeBinary(BinaryOp::Mul, a, b); }
ExprRef is(const ExprRef &a, double value) { return makeBinary(BinaryOp::Eq, a, makeFloat(value)); }

/// One attend whose weights go by classes. Class i: the first i conditions fail, and condition i holds.
class Splitter {
public:
  Splitter(const Spec &spec, size_t at, const AttendStep &body)
      : spec(spec), at(at), step(spec.steps[at]), body(body), source(body.sources.front()) {}

  bool split(StepChain &chain);

private:
  bool isCandidate() const;
  bool isOfRow(const ExprRef &expr) const;
  bool isLinear(const ExprRef &expr) const;
  void collect(const ExprRef &expr);
  ExprRef inClass(const ExprRef &expr, size_t number, bool &known) const;
  ExprRef factorOf(const ExprRef &expr, size_t number) const;
  ExprRef maskOf(size_t number) const;
  ExprRef atRow(const ExprRef &expr, const ExprRef &weight) const;
  bool attends(StepChain &chain);
  void joinRows(StepChain &chain);
  void joinOut(StepChain &chain);

  const Spec &spec;
  const size_t at;
  const SpecStep &step;
  const AttendStep &body;
  const AttendSource &source;
  Indices rows, columns;
  std::vector<ExprRef> conditions;
  std::vector<ExprRef> factors;                // of the classes' weights; null: 0
  std::vector<std::vector<ExprRef>> statParts; // by statistic, by class
  std::vector<ExprRef> outs, lses, shares;     // by class
  std::map<std::string, ExprRef> statistics;
};

bool Splitter::isCandidate() const {
  bool plain = body.sources.size() == 1 && body.normalize == NormalizeKind::Softmax && !body.sink &&
               source.keys.size() == 1 && !body.rows.empty();
  bool weighs = !source.weight->isSpecial(ExprSpecial::Weight) || !body.stats.empty();
  for (const StepOutput &output : step.outputs)
    plain &= output.kind != "weights" && output.kind != "scores";
  for (const AttendStatistic &stat : body.stats)
    plain &= stat.perRow && stat.index.empty() && stat.with == ReductionKind::Sum &&
             stat.type == ExprType::Float;
  return plain && weighs;
}

/// The same for all keys of a row.
bool Splitter::isOfRow(const ExprRef &expr) const {
  return !mentionsIndex(expr, source.keys.front().name) && !anyNode(expr, [](const Expr &node) {
    return node.isSpecial(ExprSpecial::Weight) || node.isSpecial(ExprSpecial::Score) ||
           node.isSpecial(ExprSpecial::Source) || node.kind == ExprKind::Dot;
  });
}

/// A factor of the row times `weight`.
bool Splitter::isLinear(const ExprRef &expr) const {
  if (expr->isSpecial(ExprSpecial::Weight))
    return true;
  if (expr->kind == ExprKind::Unary)
    return expr->unary == UnaryOp::Neg && isLinear(expr->args[0]);
  if (expr->kind == ExprKind::Select)
    return isOfRow(expr->args[0]) && isLinear(expr->args[1]) && isLinear(expr->args[2]);
  if (expr->kind != ExprKind::Binary)
    return false;
  const ExprRef &a = expr->args[0], &b = expr->args[1];
  switch (expr->binary) {
  case BinaryOp::Add:
  case BinaryOp::Sub:
    return isLinear(a) && isLinear(b);
  case BinaryOp::Mul:
    return (isLinear(a) && isOfRow(b)) || (isOfRow(a) && isLinear(b));
  case BinaryOp::Div:
    return isLinear(a) && isOfRow(b);
  default:
    return false;
  }
}

/// The conditions of pairs that an expression chooses by, outermost first.
void Splitter::collect(const ExprRef &expr) {
  if (expr->kind == ExprKind::Select && !isOfRow(expr->args[0])) {
    bool known = false;
    for (const ExprRef &condition : conditions)
      known |= isSame(condition, expr->args[0]);
    if (!known)
      conditions.push_back(expr->args[0]);
  }
  for (const ExprRef &arg : expr->args)
    collect(arg);
}

/// What is left of an expression in a class. `known`: every choice is made.
ExprRef Splitter::inClass(const ExprRef &expr, size_t number, bool &known) const {
  return rewrite(expr, [&](const ExprRef &node) -> ExprRef {
    if (node->kind != ExprKind::Select || isOfRow(node->args[0]))
      return nullptr;
    for (size_t i = 0; i <= number && i < conditions.size(); ++i)
      if (isSame(conditions[i], node->args[0]))
        return inClass(node->args[i == number ? 1 : 2], number, known);
    known = false;
    return node;
  });
}

/// Null: 0. What is no factor of the row is given back as it is.
ExprRef Splitter::factorOf(const ExprRef &expr, size_t number) const {
  bool known = true;
  ExprRef left = inClass(expr, number, known);
  if (left->isNumber() && left->floatValue == 0 && left->intValue == 0)
    return nullptr;
  return known && isLinear(left) ? left : expr;
}

ExprRef Splitter::maskOf(size_t number) const {
  ExprRef mask = source.mask;
  auto also = [&](const ExprRef &condition) {
    mask = mask->isTrue() ? condition : makeBinary(BinaryOp::And, mask, condition);
  };
  for (size_t i = 0; i < number; ++i)
    also(makeUnary(UnaryOp::Not, conditions[i]));
  if (number < conditions.size())
    also(conditions[number]);
  return mask;
}

/// An expression of a compute step: `pos`, statistics and the weight as what they are there.
ExprRef Splitter::atRow(const ExprRef &expr, const ExprRef &weight) const {
  return rewrite(expr, [&](const ExprRef &node) -> ExprRef {
    if (node->isSpecial(ExprSpecial::Weight))
      return weight;
    if (node->isSpecial(ExprSpecial::Pos))
      return makeBinary(BinaryOp::Add, makeName(ExprKind::Index, "q_idx", ExprType::Int),
                        body.offset);
    auto found = node->kind == ExprKind::Statistic ? statistics.find(node->name) : statistics.end();
    return found == statistics.end() ? nullptr : found->second;
  });
}

bool Splitter::attends(StepChain &chain) {
  for (size_t i = 0; i <= conditions.size(); ++i) {
    SpecStep link = step;
    AttendStep &attend = std::get<AttendStep>(link.body);
    AttendSource &keys = attend.sources.front();
    attend.stats.clear();
    keys.statValues.clear();
    attend.gate = makeFloat(1);
    keys.weight = makeSpecial(ExprSpecial::Weight);
    keys.mask = maskOf(i);
    chain.name = step.outputs.front().tensor + "." + std::to_string(i);
    link.outputs.clear();
    if (source.value && factors[i]) {
      outs.push_back(chain.add("out", "out", columns));
      link.outputs.push_back({"out", chain.hidden.back().name, step.where});
    } else {
      outs.push_back(nullptr);
    }
    lses.push_back(chain.add("lse", "lse", rows));
    link.outputs.push_back({"lse", chain.hidden.back().name, step.where});
    if (!tileObstacle(spec, link).empty())
      return false;
    chain.steps.push_back(std::move(link));
  }
  return true;
}

/// The log of the whole sum, the classes' shares of it, the statistics.
void Splitter::joinRows(StepChain &chain) {
  chain.name = step.outputs.front().tensor;
  ExprRef high = lses.front(), sum;
  for (const ExprRef &lse : lses)
    high = makeCall(ExprFunction::Max, {high, lse});
  for (const ExprRef &lse : lses)
    sum = add(sum, makeCall(ExprFunction::Exp, {makeBinary(BinaryOp::Sub, lse, high)}));
  ExprRef whole = add(high, makeCall(ExprFunction::Log, {sum}));
  whole = chain.compute("lse", makeSelect(is(high, -infinity), high, whole), rows, step);
  for (size_t i = 0; i < lses.size(); ++i) {
    ExprRef share = makeCall(ExprFunction::Exp, {makeBinary(BinaryOp::Sub, lses[i], whole)});
    share = makeSelect(is(lses[i], -infinity), makeFloat(0), share);
    shares.push_back(chain.compute("share" + std::to_string(i), share, rows, step));
  }
  if (const SpecTensor *lse = spec.findOutput(at, "lse"))
    chain.computeInto(*lse, whole, rows, step);
  for (size_t s = 0; s < body.stats.size(); ++s) {
    ExprRef total = makeFloat(0);
    for (size_t i = 0; i < shares.size(); ++i)
      if (const ExprRef &part = statParts[s][i])
        total = add(total, atRow(part, shares[i]));
    const std::string &name = body.stats[s].name;
    statistics[name] = chain.compute("stat." + name, total, rows, step);
    if (const SpecTensor *tensor = spec.findOutput(at, name))
      chain.computeInto(*tensor, statistics[name], rows, step);
  }
}

/// The sum of the classes' results, each times its share and factor; a class that is empty has none.
void Splitter::joinOut(StepChain &chain) {
  const SpecTensor *out = spec.findOutput(at, "out");
  if (!out)
    return;
  ExprRef total = makeFloat(0);
  for (size_t i = 0; i < outs.size(); ++i) {
    if (!outs[i])
      continue;
    ExprRef factor = makeSelect(is(shares[i], 0), makeFloat(0), atRow(factors[i], shares[i]));
    factor = chain.compute("factor" + std::to_string(i), factor, rows, step);
    total = add(total, mul(factor, outs[i]));
  }
  bool gated = !body.gate->isNumber() || body.gate->floatValue != 1;
  if (gated) {
    ExprRef gate = atRow(body.gate, nullptr);
    total = makeSelect(is(gate, 0), makeFloat(0), mul(gate, total));
  }
  chain.computeInto(*out, total, columns, step);
}

bool Splitter::split(StepChain &chain) {
  if (!isCandidate())
    return false;
  collect(source.weight);
  for (const ExprRef &value : source.statValues)
    collect(value);
  if (conditions.size() >= mostClasses)
    return false;
  for (const ExprRef &condition : conditions)
    if (anyNode(condition, [](const Expr &node) {
          return node.isSpecial(ExprSpecial::Weight) || node.isSpecial(ExprSpecial::Score) ||
                 node.kind == ExprKind::Statistic;
        }))
      return false;
  auto good = [&](const ExprRef &factor) { return !factor || isLinear(factor); };
  for (size_t i = 0; i <= conditions.size(); ++i) {
    factors.push_back(factorOf(source.weight, i));
    if (!good(factors.back()))
      return false;
  }
  for (const ExprRef &value : source.statValues) {
    std::vector<ExprRef> &parts = statParts.emplace_back();
    for (size_t i = 0; i <= conditions.size(); ++i) {
      parts.push_back(factorOf(value, i));
      if (!good(parts.back()))
        return false;
    }
  }
  for (const IndexRange &row : body.rows)
    rows.push_back(&row);
  columns = rows;
  if (body.column)
    columns.push_back(&*body.column);
  if (!attends(chain))
    return false;
  joinRows(chain);
  joinOut(chain);
  return true;
}

} // namespace

void heddle::splitClasses(Spec &spec) {
  for (size_t at = 0; at < spec.steps.size(); ++at) {
    const AttendStep *body = spec.steps[at].getIf<AttendStep>();
    StepChain chain;
    if (!body || !Splitter(spec, at, *body).split(chain))
      continue;
    replaceStep(spec, at, chain);
    at += chain.steps.size() - 1;
  }
}
