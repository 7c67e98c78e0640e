//===- FuseSteps.cpp - small steps put into the steps that read them -----------------------------===//

#include "dialect/FuseSteps.h"
#include "dialect/TileObstacle.h"

using namespace heddle;

namespace {
constexpr uint32_t mostNodes = 2048; // of an expression that grows

struct Uses {
  int count = 0;
  bool inDot = false;
};

Uses usesOf(const Spec &spec, const std::string &tensor) {
  Uses uses;
  std::function<void(const ExprRef &, bool)> visit = [&](const ExprRef &expr, bool inDot) {
    if (expr->kind == ExprKind::Read && expr->name == tensor) {
      ++uses.count;
      uses.inDot |= inDot;
    }
    for (const ExprRef &arg : expr->args)
      visit(arg, inDot || expr->kind == ExprKind::Dot);
  };
  for (size_t i = 0; i < spec.steps.size(); ++i)
    if (spec.isLive(i))
      forEachExpr(spec.steps[i], [&](const ExprRef &expr) { visit(expr, false); });
  return uses;
}

/// The indices of a step that may take another's value, with their ranges; null if it may not.
const std::vector<IndexRange> *takerOf(const Spec &spec, const SpecStep &step) {
  if (const ComputeStep *compute = step.getIf<ComputeStep>())
    return compute->over.empty() ? &compute->index : nullptr;
  if (!tileObstacle(spec, step).empty())
    return nullptr;
  if (const AttendStep *attend = step.getIf<AttendStep>())
    return &attend->rows;
  if (const RecurStep *recur = step.getIf<RecurStep>())
    return &recur->rows;
  return nullptr;
}

/// Where such a step takes it.
ExprRef &placeOf(SpecStep &step) {
  if (ComputeStep *compute = std::get_if<ComputeStep>(&step.body))
    return compute->value;
  if (AttendStep *attend = std::get_if<AttendStep>(&step.body))
    return attend->sources.front().query;
  return std::get<RecurStep>(step.body).query;
}

/// The producer's value at a read's subscripts, each moved into its axis unless it is an index of that very
/// range.
ExprRef valueAt(const ComputeStep &producer, const Expr &read,
                const std::vector<const IndexRange *> &ranges) {
  std::map<std::string, ExprRef> indices;
  for (size_t i = 0; i < producer.index.size(); ++i) {
    const IndexRange &axis = producer.index[i];
    ExprRef at = read.args[i];
    bool inside = false;
    for (const IndexRange *range : ranges)
      inside |= at->isIndex(range->name) && range->extent.text == axis.extent.text;
    if (!inside) {
      ExprRef last = makeBinary(BinaryOp::Sub, axis.extent.size, makeInt(1));
      at = makeCall(ExprFunction::Max, {makeCall(ExprFunction::Min, {at, last}), makeInt(0)});
    }
    indices[axis.name] = at;
  }
  return rewrite(producer.value, [&](const ExprRef &node) -> ExprRef {
    auto found = node->kind == ExprKind::Index ? indices.find(node->name) : indices.end();
    return found == indices.end() ? nullptr : found->second;
  });
}

/// Puts step `number` into its only reader, if that may be.
bool fuse(Spec &spec, size_t number) {
  const ComputeStep *producer = spec.steps[number].getIf<ComputeStep>();
  if (!producer || !producer->over.empty() || !spec.isLive(number))
    return false;
  const SpecTensor *tensor = spec.findTensor(spec.steps[number].outputs.front().tensor);
  Uses uses = usesOf(spec, tensor->name);
  if (tensor->isResult || uses.count != 1 || uses.inDot)
    return false;
  SpecStep &reader = spec.steps[tensor->lastStep];
  const std::vector<IndexRange> *taker = takerOf(spec, reader);
  if (!taker)
    return false;
  ExprRef &place = placeOf(reader);
  if (!place || !anyNode(place, [&](const Expr &node) {
        return node.kind == ExprKind::Read && node.name == tensor->name;
      }))
    return false;
  std::vector<const IndexRange *> ranges;
  for (const IndexRange &range : *taker)
    ranges.push_back(&range);
  if (const AttendStep *attend = reader.getIf<AttendStep>(); attend && attend->sources[0].depth)
    ranges.push_back(&*attend->sources[0].depth);
  if (const RecurStep *recur = reader.getIf<RecurStep>(); recur && recur->depth)
    ranges.push_back(&*recur->depth);
  const Expr *read = nullptr;
  walk(place, [&](const Expr &node) {
    if (node.kind == ExprKind::Read && node.name == tensor->name)
      read = &node;
  });
  for (const IndexRange *range :
       ranges) // one that the read does not mention would compute it again and again
    if (std::none_of(read->args.begin(), read->args.end(),
                     [&](const ExprRef &arg) { return arg->isIndex(range->name); }))
      return false;
  ExprRef fused = rewrite(place, [&](const ExprRef &node) -> ExprRef {
    bool taken = node->kind == ExprKind::Read && node->name == tensor->name;
    return taken ? valueAt(*producer, *node, ranges) : nullptr;
  });
  if (fused->treeSize > mostNodes)
    return false;
  ExprRef before = place;
  place = fused;
  if (!reader.getIf<ComputeStep>() && !tileObstacle(spec, reader).empty()) { // a dot() came in, say
    place = before;
    return false;
  }
  return true;
}
} // namespace

void heddle::fuseSteps(Spec &spec) {
  for (size_t i = 0; i < spec.steps.size(); ++i)
    if (fuse(spec, i)) {
      for (SpecTensor &tensor : spec.tensors)
        tensor.lastStep = -1;
      markUses(spec);
    }
}
