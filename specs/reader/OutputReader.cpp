//===- OutputReader.cpp - what a step can give ------------------------------===//

#include "specs/reader/BodyReader.h"

#include <algorithm>

using namespace heddle;

namespace {
std::vector<Extent> extentsOf(const std::vector<IndexRange> &ranges) {
  std::vector<Extent> axes;
  for (const IndexRange &range : ranges)
    axes.push_back(range.extent);
  return axes;
}
Extent fixed(ExprRef size, std::string text) { return {std::move(size), std::move(text)}; }

using Outputs = std::vector<std::pair<std::string, OutputShape>>;

Outputs attendOutputs(const AttendStep &step) {
  Outputs outputs;
  std::vector<Extent> rows = extentsOf(step.rows);
  if (step.sources.front().value) {
    OutputShape out{rows};
    if (step.column)
      out.axes.push_back(step.column->extent);
    outputs.emplace_back("out", out);
  }
  if (step.normalize == NormalizeKind::Softmax || step.normalize == NormalizeKind::Nested)
    outputs.emplace_back("lse", OutputShape{rows});
  for (const AttendStatistic &statistic : step.stats) {
    OutputShape shape{{}, statistic.type};
    auto reduced = [&](const IndexRange &range) {
      return std::find(statistic.over.begin(), statistic.over.end(), range.name) !=
             statistic.over.end();
    };
    for (const IndexRange &range : step.rows)
      if (!reduced(range))
        shape.axes.push_back(range.extent);
    for (const IndexRange &range : step.sources.front().keys)
      if (!reduced(range))
        shape.axes.push_back(range.extent);
    for (const IndexRange &range : statistic.index)
      shape.axes.push_back(range.extent);
    outputs.emplace_back(statistic.name, shape);
  }
  if (step.sources.size() == 1)
    for (const char *kind : {"weights", "scores"}) {
      OutputShape shape{rows};
      for (const IndexRange &range : step.sources.front().keys)
        shape.axes.push_back(range.extent);
      outputs.emplace_back(kind, shape);
    }
  return outputs;
}

Outputs recurOutputs(const RecurStep &step) {
  std::vector<Extent> rows, outer;
  for (size_t i = 0; i < step.rows.size(); ++i) {
    rows.push_back(step.rows[i].extent);
    if (int(i) != step.time)
      outer.push_back(step.rows[i].extent);
  }
  if (step.depth)
    outer.push_back(step.depth->extent);
  std::vector<Extent> sum = outer;
  if (step.column) {
    rows.push_back(step.column->extent);
    outer.push_back(step.column->extent);
  }
  Outputs outputs = {{"out", {rows}}, {"state", {outer}}};
  if (step.divide)
    outputs.emplace_back("sum", OutputShape{sum});
  if (step.rule == RecurRule::Momentum)
    outputs.emplace_back("momentum", OutputShape{outer});
  return outputs;
}

Outputs selectOutputs(const SelectStep &step) {
  std::vector<Extent> rows = extentsOf(step.index), list = rows, pairs = rows;
  list.push_back(step.count ? fixed(step.count, toString(step.count)) : step.over.extent);
  pairs.push_back(step.over.extent);
  return {{"list", {list, ExprType::Int}},
          {"keep", {pairs, ExprType::Bool}},
          {"rank", {pairs, ExprType::Int}},
          {"count", {rows, ExprType::Int}}};
}

Outputs outputsOf(const SpecStep &step) {
  if (const auto *body = step.getIf<AttendStep>())
    return attendOutputs(*body);
  if (const auto *body = step.getIf<RecurStep>())
    return recurOutputs(*body);
  if (const auto *body = step.getIf<SelectStep>())
    return selectOutputs(*body);
  if (const auto *body = step.getIf<ScanStep>())
    return {{"out", {extentsOf(body->index), body->value->type}}};
  const auto &body = *step.getIf<ComputeStep>();
  ExprType type = body.over.empty() ? body.value->type : reducedType(body.with, body.value->type);
  return {{"out", {extentsOf(body.index), type}}};
}
} // namespace

std::optional<OutputShape> heddle::outputOf(const SpecStep &step, const std::string &kind) {
  for (const auto &[name, shape] : outputsOf(step))
    if (name == kind)
      return shape;
  return std::nullopt;
}

std::vector<std::string> heddle::outputNames(const SpecStep &step) {
  std::vector<std::string> names;
  for (const auto &[name, shape] : outputsOf(step))
    names.push_back(name);
  return names;
}
