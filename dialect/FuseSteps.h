//===- FuseSteps.h - small steps put into the steps that read them -------------------------------===//

#ifndef HEDDLE_DIALECT_FUSESTEPS_H
#define HEDDLE_DIALECT_FUSESTEPS_H

#include "specs/reader/Spec.h"

namespace heddle {

/// Puts an elementwise `compute` that one place reads, and that is no result, into that place: the value of
/// another elementwise compute, or the query of an attend or recur that becomes tiles. Every index of the reader
/// must be a subscript of the read, so that nothing is computed more often than before (but for a GPU's items
/// that share the columns of a recur). The step is then not live, and its tensor not used.
void fuseSteps(Spec &spec);

} // namespace heddle

#endif // HEDDLE_DIALECT_FUSESTEPS_H
