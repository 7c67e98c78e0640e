//===- Prefix.h - a softmax over a growing prefix, as a scan ------------------------------------===//

#ifndef HEDDLE_DIALECT_LOOPS_PREFIX_H
#define HEDDLE_DIALECT_LOOPS_PREFIX_H

#include "specs/reader/Spec.h"

namespace heddle {

/// Whether nothing but a causal mask knows the query's place, so that each row continues the one before.
/// Statistics, a sink, weights and whole maps are out.
bool isPrefixScan(const SpecStep &step);

} // namespace heddle

#endif // HEDDLE_DIALECT_LOOPS_PREFIX_H
