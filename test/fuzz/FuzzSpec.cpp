//===- FuzzSpec.cpp - any bytes as a spec: errors with places, never a crash --------------------===//

#include "specs/reader/SpecReader.h"
#include <cstdint>
#include <cstdlib>

using namespace heddle;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Diagnostics diagnostics;
  std::string text(reinterpret_cast<const char *>(data), size);
  std::optional<Spec> spec = readSpec(text, "fuzz.json", {}, diagnostics);
  if (bool(spec) == diagnostics.hasErrors())
    abort(); // a spec or an error, never both, never neither
  diagnostics.print();
  return 0;
}
