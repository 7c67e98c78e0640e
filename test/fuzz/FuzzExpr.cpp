//===- FuzzExpr.cpp - any text as a score and a mask ---------------------------------------------===//

#include "specs/reader/SpecReader.h"
#include <cstdint>
#include <cstdlib>

using namespace heddle;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string expression;
  for (size_t i = 0; i < size; ++i) // inside a JSON string
    if (data[i] >= ' ' && data[i] != '"' && data[i] != '\\' && data[i] < 127)
      expression += char(data[i]);
  for (const char *key : {"score", "mask", "gate"}) {
    std::string text = R"({"heddle": 1, "name": "f", "dims": {"B": "any", "N": "any", "M": "any", "D": 8},
"params": {"W": 4, "cap": {"type": "f32", "default": 3.0}},
"tensors": {"q": {"dims": ["B", "N", "D"], "type": "f32"}, "k": {"dims": ["B", "M", "D"], "type": "f32"},
"v": {"dims": ["B", "M", "D"], "type": "f32"}, "i": {"dims": ["M"], "type": "i32", "range": [0, 9]},
"t": {"dims": ["M"], "type": "bool"}},
"steps": [{"attend": {"query": "q", "key": "k", "value": "v", ")" +
                       std::string(key) + "\": \"" + expression +
                       R"("}, "as": "o"}], "results": {"o": "f32"}})";
    Diagnostics diagnostics;
    std::optional<Spec> spec = readSpec(text, "fuzz.json", {}, diagnostics);
    if (bool(spec) == diagnostics.hasErrors())
      abort();
    diagnostics.print();
    if (spec) // what was read prints, and reads as the same again
      toString(spec->steps.front().getIf<AttendStep>()->sources.front().score);
  }
  return 0;
}
