//===- Reference.h - what a spec should give, and the numeric contract --------------------------===//

#ifndef HEDDLE_TOOLS_REFERENCE_H
#define HEDDLE_TOOLS_REFERENCE_H

#include "Tensors.h"

namespace heddle {

/// How far a result is from the truth.
struct Deviation {
  std::string tensor;
  int64_t checked = 0;       // elements
  double worst = 0;          // |got - ref64|
  double share = 0;          // the largest part of what the contract allows that an element used
  int64_t worstElement = -1; // row-major number
  double got = 0, expected = 0;
  bool good = true;
};

/// Evaluates the spec by definition, in double, and compares the results in `tensors` with it under the
/// contract: |got - ref64| <= r E + 2 ulp(S). E is the largest error of the definition evaluated in f32
/// (where it is not one surface op: also on inputs moved in their last place, some times, until nothing is
/// beyond it: that tells what a chain of steps makes of a rounding). S is the sum of |weight| |value| of
/// the element (of a result of loops or of several steps, whose terms nobody hands out: the largest element
/// of the result). r is 1 for 16-bit storage, 3 for f32. lse: 4e-6 + 2e-6 |lse|. Masked rows are exact. When
/// all rows cost more than `budget` multiplications, a seeded choice of rows is checked. Empty: `fault`;
/// `gaveUp` if that is for want of time (loops are interpreted operation by operation, and have no rows to
/// choose from) or of digits.
std::optional<std::vector<Deviation>> compareWithDefinition(const Spec &spec, const ValueMap &sizes,
                                                            std::vector<HostTensor> &tensors,
                                                            double budget, std::string &fault,
                                                            std::string &gaveUp);

/// Evaluates the spec by definition, in double, and puts the results into `tensors`. False: `fault`.
bool evaluateDefinition(const Spec &spec, const ValueMap &sizes, std::vector<HostTensor> &tensors,
                        std::string &fault);

} // namespace heddle

#endif // HEDDLE_TOOLS_REFERENCE_H
