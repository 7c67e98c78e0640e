//===- JsonSource.h - a JSON text with the place of everything in it --------===//

#ifndef HEDDLE_SPECS_READER_JSONSOURCE_H
#define HEDDLE_SPECS_READER_JSONSOURCE_H

#include "specs/reader/Diagnostics.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace heddle {

struct JsonValue {
  enum class Kind { Null, Bool, Integer, Float, String, Array, Object };
  Kind kind = Kind::Null;
  SourceRange where;
  bool boolean = false;
  int64_t integer = 0;
  double number = 0; ///< Integer and Float
  std::string text;  ///< String, decoded; a number as written
  std::vector<JsonValue> elements;
  std::vector<std::pair<std::string, JsonValue>> members;
  std::vector<SourceRange> keys; ///< of the members

  const JsonValue *find(std::string_view key) const;
  /// "an object", "a string", ...
  const char *kindName() const;
  /// Where bytes [begin, end) of a decoded string stand in the file.
  SourceRange inside(const SourceText &source, size_t begin, size_t end) const;
};

/// Parses a file of at most 1 MiB, 32 levels and 10,000 values. A key given twice, an integer beyond
/// 2^53 and everything RFC 8259 does not allow is an error; then nothing is returned.
std::optional<JsonValue> parseJson(Diagnostics &diagnostics);

} // namespace heddle

#endif
