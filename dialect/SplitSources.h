//===- SplitSources.h - one attend over several key sets as a chain of attends ---------------------===//

#ifndef HEDDLE_DIALECT_SPLITSOURCES_H
#define HEDDLE_DIALECT_SPLITSOURCES_H

#include "specs/reader/Spec.h"

namespace heddle {

/// Puts in the place of a softmax over several sources one attend for each, in their order. Each takes what
/// the one before it made as one more pair: its `lse` is the sink, its `out` that sink's value. The last
/// one has the gate and the outputs of the step. A step stays as it is where one of them would not become
/// tiles.
void splitSources(Spec &spec);

} // namespace heddle

#endif // HEDDLE_DIALECT_SPLITSOURCES_H
