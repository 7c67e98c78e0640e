//===- StepReader.h - one step of a spec, checked ---------------------------===//

#ifndef HEDDLE_SPECS_READER_STEPREADER_H
#define HEDDLE_SPECS_READER_STEPREADER_H

#include "specs/reader/Scope.h"

namespace heddle {

/// Tells of keys of an object that are not allowed, with the nearest that is; false if there were some.
bool checkKeys(const JsonValue &object, const std::vector<std::string> &allowed,
               Diagnostics &diagnostics);

/// Reads the step `{KIND: {...}, "as": ...}` number `number` and adds its outputs to the spec's tensors;
/// the first fault is told.
bool readStep(const JsonValue &json, size_t number, Spec &spec, Diagnostics &diagnostics);

} // namespace heddle

#endif
