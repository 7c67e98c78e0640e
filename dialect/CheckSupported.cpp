//===- CheckSupported.cpp - what of the language is compiled, and what not yet -----------------===//

#include "dialect/CheckSupported.h"
#include "llvm/ADT/Twine.h"

using namespace heddle;

namespace {

class Supported {
public:
  Supported(const Spec &spec, Diagnostics &diagnostics) : spec(spec), diagnostics(diagnostics) {}
  void check();

private:
  void later(SourceRange where, const llvm::Twine &what, std::string help = {}) {
    diagnostics.error(SpecCode::Later, where, (what + " cannot be compiled yet").str(),
                      std::move(help));
  }
  void attend(const SpecStep &step, const AttendStep &body);
  void source(const AttendStep &body, const AttendSource &source);
  void recur(const SpecStep &step, const RecurStep &body);
  void expression(const ExprRef &expr);
  void size(const std::optional<IndexRange> &range, const char *what);
  void outputs(const SpecStep &step, std::initializer_list<std::string_view> allowed);
  std::map<std::string, int64_t> known;

  const Spec &spec;
  Diagnostics &diagnostics;
  size_t before = diagnostics.getErrorCount();
};

/// Nodes that no region holds yet.
void Supported::expression(const ExprRef &expr) {
  if (!expr)
    return;
  bool told = false;
  walk(expr, [&](const Expr &node) {
    if (told)
      return;
    bool shift = node.kind == ExprKind::Binary &&
                 (node.binary == BinaryOp::Shl || node.binary == BinaryOp::Shr);
    bool smallCount = shift && node.args[1]->isNumber() && node.args[1]->intValue >= 0 &&
                      node.args[1]->intValue < 31;
    told = true;
    if (node.kind == ExprKind::Dot)
      later(node.where, "dot()");
    else if (node.isSpecial(ExprSpecial::Source))
      later(node.where, "'source'");
    else if (node.kind == ExprKind::Statistic)
      later(node.where, "a statistic");
    else if (shift && !smallCount)
      later(node.where, "a shift by another count than a constant from 0 to 30");
    else
      told = false;
  });
}

/// Depth and value width are compiled in.
void Supported::size(const std::optional<IndexRange> &range, const char *what) {
  if (!range)
    return;
  const std::string &dim = range->extent.text;
  if (std::optional<int64_t> size = evaluateSize(*range->extent.size, known)) {
    constexpr int64_t most = 1024;
    if (*size < 1 || *size > most)
      diagnostics.error(*size < 1 ? SpecCode::Size : SpecCode::TooLarge, range->where,
                        std::string("the range of ") + what + ", " + dim + ", is " +
                            std::to_string(*size) + "; expected 1 to 1024");
    return;
  }
  diagnostics.error(SpecCode::Size, range->where,
                    std::string("the range of ") + what + ", " + dim + ", is not known",
                    "it is compiled in: give it in the spec, or by --size " + dim + "=64");
}

void Supported::outputs(const SpecStep &step, std::initializer_list<std::string_view> allowed) {
  for (const StepOutput &output : step.outputs)
    if (std::find(allowed.begin(), allowed.end(), output.kind) == allowed.end())
      later(output.where, "the output '" + output.kind + "'");
}

void Supported::source(const AttendStep &body, const AttendSource &source) {
  if (source.keys.size() != 1)
    later(source.where, "more than one key index");
  if (source.pair)
    later(source.pair->where, "'pair'");
  for (const IndexRange &key : source.keys)
    if (source.query && mentionsIndex(source.query, key.name))
      later(source.query->where, "a query that mentions the key index '" + key.name + "'");
  if (!source.weight->isSpecial(ExprSpecial::Weight))
    later(body.whereWeight, "'weight'");
  size(source.depth, "d");
  for (const ExprRef &expr : {source.query, source.key, source.value, source.scale, source.score,
                              source.mask, source.map})
    expression(expr);
}

void Supported::attend(const SpecStep &step, const AttendStep &body) {
  if (body.sources.size() != 1)
    later(body.sources[1].where, "more than one of 'sources'");
  if (body.normalize == NormalizeKind::Given || body.normalize == NormalizeKind::Nested)
    later(body.whereNormalize,
          body.normalize == NormalizeKind::Given ? "normalize 'given'" : "normalize 'nested'");
  if (!body.stats.empty())
    later(body.stats.front().where, "'stats'");
  if (!body.gate->isNumber() || body.gate->floatValue != 1)
    later(body.whereGate, "'gate'");
  if (body.rows.empty())
    later(step.whereKind, "an attend without row indices");
  source(body, body.sources.front());
  size(body.column, "e");
  for (const ExprRef &expr : {body.sink, body.divide, body.offset})
    expression(expr);
  outputs(step, {"out", "lse"});
}

void Supported::recur(const SpecStep &step, const RecurStep &body) {
  if (body.rule != RecurRule::Add)
    later(body.whereRule, "another rule than 'add'");
  if (body.readBefore)
    later(step.whereKind, "read 'before'");
  if (body.reverse)
    later(body.whereReverse, "'reverse'");
  if (!body.depth || !body.column)
    later(step.whereKind, "a state without d or without e");
  if ((body.depth && mentionsIndex(body.decay, body.depth->name)) ||
      (body.column && mentionsIndex(body.decay, body.column->name)))
    later(body.whereDecay, "a decay per channel");
  size(body.depth, "d");
  size(body.column, "e");
  for (const ExprRef &expr :
       {body.query, body.key, body.value, body.decay, body.divide, body.initial, body.initialSum})
    expression(expr);
  outputs(step, {"out", "state", "sum"});
}

void Supported::check() {
  for (const SpecDim &dim : spec.dims)
    if (dim.isCompileTime())
      known[dim.name] = dim.size;
  for (const SpecStep &step : spec.steps) {
    if (const AttendStep *body = step.getIf<AttendStep>())
      attend(step, *body);
    else if (const RecurStep *body = step.getIf<RecurStep>())
      recur(step, *body);
    else
      later(step.whereKind, "the step '" + std::string(step.kindName()) + "'");
  }
  bool told = diagnostics.getErrorCount() != before;
  if (spec.steps.size() > 1 && !told)
    later(spec.steps[1].where, "a second step");
}

} // namespace

bool heddle::checkSupported(const Spec &spec, Diagnostics &diagnostics) {
  size_t before = diagnostics.getErrorCount();
  Supported(spec, diagnostics).check();
  return diagnostics.getErrorCount() == before;
}
