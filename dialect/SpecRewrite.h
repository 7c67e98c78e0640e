//===- SpecRewrite.h - steps of a spec in the place of one of them ---------------------------------===//

#ifndef HEDDLE_DIALECT_SPECREWRITE_H
#define HEDDLE_DIALECT_SPECREWRITE_H

#include "specs/reader/Spec.h"

namespace heddle {

using Indices = std::vector<const IndexRange *>;

/// Steps that together do what one step did, and the tensors they hand on: f32, with names that no spec can
/// write.
struct StepChain {
  std::string name; // of the tensors, before their own
  std::vector<SpecStep> steps;
  std::vector<SpecTensor> hidden;       // SpecTensor::step is a number in `steps`
  std::map<std::string, size_t> makers; // of what the step has made, if not the last one

  /// A tensor that output `kind` of the next step makes, as an expression of the indices.
  ExprRef add(const std::string &tensor, const char *kind, const Indices &indices);
  /// Adds a step that computes one value for all indices, into a tensor of its own.
  ExprRef compute(const std::string &tensor, ExprRef value, const Indices &indices,
                  const SpecStep &from);
  /// The same into a tensor that the step has made.
  void computeInto(const SpecTensor &tensor, ExprRef value, const Indices &indices,
                   const SpecStep &from);
};

/// The tensor at its indices.
ExprRef readOf(const SpecTensor &tensor, const Indices &indices);

/// Puts the chain in the place of step number `at`.
void replaceStep(Spec &spec, size_t at, const StepChain &chain);

} // namespace heddle

#endif // HEDDLE_DIALECT_SPECREWRITE_H
