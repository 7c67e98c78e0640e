//===- FuseSteps.h - small steps put into the steps that read them -------------------------------===//

#ifndef HEDDLE_DIALECT_FUSESTEPS_H
#define HEDDLE_DIALECT_FUSESTEPS_H

#include "specs/reader/Spec.h"

namespace heddle {

/// Puts an elementwise `compute` that one place reads, and no result is, into that place: the value of another
/// elementwise compute, or the query of an attend or recur that becomes tiles. Neither reads an element more
/// often than it was computed. The step is then not live, and its tensor not used.
void fuseSteps(Spec &spec);

} // namespace heddle

#endif // HEDDLE_DIALECT_FUSESTEPS_H
