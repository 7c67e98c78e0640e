//===- RawExpr.h - an expression as written: syntax, no meaning yet ---------===//

#ifndef HEDDLE_SPECS_READER_RAWEXPR_H
#define HEDDLE_SPECS_READER_RAWEXPR_H

#include "specs/reader/JsonSource.h"

#include <functional>
#include <memory>

namespace heddle {

struct RawExpr;
using RawRef = std::shared_ptr<const RawExpr>;

struct RawExpr {
  enum class Kind { Integer, Float, Name, Read, Call, Unary, Binary, Select, WholeAxis };
  Kind kind = Kind::Name;
  std::string text; ///< name, operator, number
  int64_t integer = 0;
  double number = 0;
  std::vector<RawRef> args;
  SourceRange where;
};

/// Parses a string, or takes a JSON number or bool as an expression. Null: told.
RawRef parseExpr(const JsonValue &value, Diagnostics &diagnostics);

/// Calls `visit` on every node, parents first.
void walkRaw(const RawRef &expr, const std::function<void(const RawExpr &)> &visit);

/// "NAME < RANGE": the name, and the range; false: told.
bool parseDeclaration(const JsonValue &value, Diagnostics &diagnostics, std::string &name,
                      SourceRange &where, RawRef &range, std::string &rangeText);

bool isName(std::string_view text);

} // namespace heddle

#endif
