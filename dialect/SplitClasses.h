//===- SplitClasses.h - weights that go by classes of keys, as one attend for each class -----------===//

#ifndef HEDDLE_DIALECT_SPLITCLASSES_H
#define HEDDLE_DIALECT_SPLITCLASSES_H

#include "specs/reader/Spec.h"

namespace heddle {

/// Puts in the place of a softmax whose weight, or whose sums of weights, choose by conditions of the pair
/// one attend for each class of keys, and steps that put them together:
///   near = sum of (c ? weight : 0)          l0, o0: where c holds; l1, o1: where it does not
///   weight: c ? weight : weight * (1 - near)
///   s0 = exp(l0 - lse), s1 = exp(l1 - lse)  near = s0, out = s0 o0 + s1 (1 - near) o1
/// No pair is looked at twice. A step stays as it is where a weight is not a factor of the row alone times
/// `weight`, or where one of the attends would not become tiles.
void splitClasses(Spec &spec);

} // namespace heddle

#endif // HEDDLE_DIALECT_SPLITCLASSES_H
