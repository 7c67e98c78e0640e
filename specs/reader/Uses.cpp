//===- Uses.cpp - which steps and tensors of a spec are needed --------------===//

#include "specs/reader/Spec.h"

using namespace heddle;

static void each(const AttendStep &body, const std::function<void(const ExprRef &)> &visit) {
  for (const AttendSource &s : body.sources) {
    for (const ExprRef &expr : {s.query, s.key, s.value, s.pair, s.scale, s.score, s.mask, s.map,
                                s.given, s.group, s.leader, s.weight})
      visit(expr);
    for (const ExprRef &expr : s.statValues)
      visit(expr);
  }
  for (const ExprRef &expr : {body.offset, body.sink, body.prior, body.divide, body.gate})
    visit(expr);
}

static void each(const RecurStep &body, const std::function<void(const ExprRef &)> &visit) {
  for (const ExprRef &expr :
       {body.query, body.key, body.value, body.decay, body.beta, body.momentum, body.chunk,
        body.divide, body.initial, body.initialSum, body.initialMomentum})
    visit(expr);
}

void heddle::forEachExpr(const SpecStep &step, const std::function<void(const ExprRef &)> &visit) {
  auto present = [&](const ExprRef &expr) {
    if (expr)
      visit(expr);
  };
  if (const ComputeStep *compute = step.getIf<ComputeStep>()) {
    present(compute->value);
    present(compute->where);
  } else if (const ScanStep *scan = step.getIf<ScanStep>()) {
    present(scan->value);
  } else if (const AttendStep *attend = step.getIf<AttendStep>()) {
    each(*attend, present);
  } else if (const RecurStep *recur = step.getIf<RecurStep>()) {
    each(*recur, present);
  } else if (const SelectStep *select = step.getIf<SelectStep>()) {
    for (const ExprRef &expr :
         {select->value, select->where, select->always, select->above, select->count})
      present(expr);
    if (select->tree) {
      present(select->tree->first);
      present(select->tree->number);
    }
  }
}

void heddle::markUses(Spec &spec) {
  for (SpecTensor &tensor : spec.tensors)
    tensor.isUsed = tensor.isInput() || tensor.isResult;
  for (size_t i = spec.steps.size(); i-- > 0;) {
    bool live = false;
    for (const SpecTensor &tensor : spec.tensors)
      live |= tensor.step == int(i) && tensor.isUsed;
    if (!live)
      continue;
    forEachExpr(spec.steps[i], [&](const ExprRef &expr) {
      walk(expr, [&](const Expr &node) {
        if (node.kind != ExprKind::Read)
          return;
        for (SpecTensor &tensor : spec.tensors)
          if (tensor.name == node.name) {
            tensor.isUsed = true;
            tensor.lastStep = std::max(tensor.lastStep, int(i));
          }
      });
    });
  }
}

std::vector<const SpecTensor *> Spec::arguments() const {
  std::vector<const SpecTensor *> list;
  for (const SpecTensor &tensor : tensors)
    if (tensor.isInput())
      list.push_back(&tensor);
  for (const std::string &name : results)
    list.push_back(findTensor(name));
  return list;
}

std::vector<const SpecTensor *> Spec::temporaries() const {
  std::vector<const SpecTensor *> list;
  for (const SpecTensor &tensor : tensors)
    if (!tensor.isInput() && !tensor.isResult && tensor.isUsed)
      list.push_back(&tensor);
  return list;
}

bool Spec::isLive(size_t step) const {
  for (const SpecTensor &tensor : tensors)
    if (tensor.step == int(step) && tensor.isUsed)
      return true;
  return false;
}
