//===- SplitSources.cpp - one attend over several key sets as a chain of attends -------------------===//

#include "dialect/SplitSources.h"
#include "dialect/SpecRewrite.h"
#include "dialect/TileObstacle.h"

using namespace heddle;

namespace {

/// The source with its number in the place of `source`.
AttendSource numbered(AttendSource source, int64_t number) {
  for (ExprRef *expr : {&source.query, &source.key, &source.value, &source.pair, &source.scale,
                        &source.score, &source.mask, &source.weight})
    if (*expr)
      *expr = rewrite(*expr, [&](const ExprRef &node) {
        return node->isSpecial(ExprSpecial::Source) ? makeInt(number, node->where) : nullptr;
      });
  return source;
}

/// False if step number `at` is not to be split.
bool split(const Spec &spec, size_t at, StepChain &chain) {
  const SpecStep &step = spec.steps[at];
  const AttendStep *body = step.getIf<AttendStep>();
  if (!body || body->sources.size() < 2 || body->normalize != NormalizeKind::Softmax)
    return false;
  Indices rows, columns;
  for (const IndexRange &row : body->rows)
    rows.push_back(&row);
  columns = rows;
  if (body->column)
    columns.push_back(&*body->column);
  bool hasOut = spec.findOutput(at, "out");
  ExprRef out, lse; // of the link before
  for (size_t i = 0; i < body->sources.size(); ++i) {
    SpecStep link = step;
    AttendStep &attend = std::get<AttendStep>(link.body);
    attend.sources = {numbered(body->sources[i], int64_t(i))};
    if (i) {
      attend.sink = lse;
      attend.prior = out;
    }
    if (i + 1 < body->sources.size()) {
      chain.name = step.outputs.front().tensor + "." + std::to_string(i);
      attend.gate = makeFloat(1);
      link.outputs.clear();
      if (hasOut) {
        out = chain.add("out", "out", columns);
        link.outputs.push_back({"out", chain.hidden.back().name, step.where});
      }
      lse = chain.add("lse", "lse", rows);
      link.outputs.push_back({"lse", chain.hidden.back().name, step.where});
    }
    if (!tileObstacle(spec, link).empty())
      return false;
    chain.steps.push_back(std::move(link));
  }
  return true;
}

} // namespace

void heddle::splitSources(Spec &spec) {
  for (size_t at = 0; at < spec.steps.size(); ++at) {
    StepChain chain;
    if (!split(spec, at, chain))
      continue;
    replaceStep(spec, at, chain);
    at += chain.steps.size() - 1;
  }
}
