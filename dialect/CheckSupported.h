//===- CheckSupported.h - what of the language is compiled, and what not yet -------------------===//

#ifndef HEDDLE_DIALECT_CHECKSUPPORTED_H
#define HEDDLE_DIALECT_CHECKSUPPORTED_H

#include "specs/reader/Diagnostics.h"
#include "specs/reader/Spec.h"

namespace heddle {

/// Adds an error (code `later`, "not yet") for each part of a checked spec that the compiler cannot
/// compile, at the place of its key. Returns whether there was none.
bool checkSupported(const Spec &spec, Diagnostics &diagnostics);

} // namespace heddle

#endif // HEDDLE_DIALECT_CHECKSUPPORTED_H
