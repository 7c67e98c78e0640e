//===- SpecRewrite.cpp - steps of a spec in the place of one of them -------------------------------===//

#include "dialect/SpecRewrite.h"

using namespace heddle;

ExprRef heddle::readOf(const SpecTensor &tensor, const Indices &indices) {
  std::vector<ExprRef> subscripts;
  for (const IndexRange *index : indices)
    subscripts.push_back(makeName(ExprKind::Index, index->name, ExprType::Int));
  return makeRead(tensor.name, std::move(subscripts), ExprType::Float);
}

ExprRef StepChain::add(const std::string &tensor, const char *kind, const Indices &indices) {
  SpecTensor made;
  made.name = name + "." + tensor;
  made.step = int(steps.size());
  made.output = kind;
  for (const IndexRange *index : indices)
    made.axes.push_back(index->extent);
  hidden.push_back(made);
  return readOf(made, indices);
}

static SpecStep computeStep(const std::string &tensor, ExprRef value, const Indices &indices,
                            const SpecStep &from) {
  ComputeStep body;
  for (const IndexRange *index : indices)
    body.index.push_back(*index);
  body.value = std::move(value);
  body.where = makeBool(true);
  SpecStep step;
  step.body = std::move(body);
  step.outputs.push_back({"out", tensor, from.where});
  step.where = from.where;
  step.whereKind = from.whereKind;
  return step;
}

ExprRef StepChain::compute(const std::string &tensor, ExprRef value, const Indices &indices,
                           const SpecStep &from) {
  ExprRef result = add(tensor, "out", indices);
  steps.push_back(computeStep(hidden.back().name, std::move(value), indices, from));
  return result;
}

void StepChain::computeInto(const SpecTensor &tensor, ExprRef value, const Indices &indices,
                            const SpecStep &from) {
  makers[tensor.name] = steps.size();
  steps.push_back(computeStep(tensor.name, std::move(value), indices, from));
}

void heddle::replaceStep(Spec &spec, size_t at, const StepChain &chain) {
  int more = int(chain.steps.size()) - 1;
  for (SpecTensor &tensor : spec.tensors) {
    if (tensor.step > int(at))
      tensor.step += more;
    if (tensor.step != int(at))
      continue;
    auto maker = chain.makers.find(tensor.name);
    tensor.step += maker == chain.makers.end() ? more : int(maker->second);
    if (maker != chain.makers.end())
      tensor.output = "out";
  }
  for (SpecTensor tensor : chain.hidden) {
    tensor.step += int(at);
    spec.tensors.push_back(std::move(tensor));
  }
  spec.steps.erase(spec.steps.begin() + at);
  spec.steps.insert(spec.steps.begin() + at, chain.steps.begin(), chain.steps.end());
  for (SpecTensor &tensor : spec.tensors)
    tensor.lastStep = -1;
  markUses(spec);
}
