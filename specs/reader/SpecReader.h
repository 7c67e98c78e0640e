//===- SpecReader.h - text of a spec to a checked Spec ----------------------===//
//
// The reader takes the whole of format 1 (the language page). It refuses what the page refuses and
// nothing else but the 8-bit float types; what the compiler cannot compile yet is told by a later
// stage, at the ranges the Spec carries.
//
//===----------------------------------------------------------------------===//

#ifndef HEDDLE_SPECS_READER_SPECREADER_H
#define HEDDLE_SPECS_READER_SPECREADER_H

#include "specs/reader/Diagnostics.h"
#include "specs/reader/Spec.h"

#include <map>
#include <optional>
#include <string>

namespace heddle {

/// What the command line may change before the spec is checked.
struct ReadOptions {
  /// --size D=64: makes a dim a compile-time constant. A fixed or derived dim must agree.
  std::map<std::string, int64_t> sizes;
  /// --param W=4096, as text: an integer, a float or true/false, of the param's own type. Compile
  /// time params get the value, run-time ones the default.
  std::map<std::string, std::string> params;
};

/// Reads and checks a spec. `fileName` serves in messages only ("<stdin>" for "-"). Returns
/// nothing if and only if `diagnostics` has errors. Throws nothing and never crashes on bad input.
std::optional<Spec> readSpec(std::string text, const std::string &fileName,
                             const ReadOptions &options, Diagnostics &diagnostics);

} // namespace heddle

#endif
