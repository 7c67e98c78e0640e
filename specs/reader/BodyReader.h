//===- BodyReader.h - the object of an attend or a recur --------------------===//

#ifndef HEDDLE_SPECS_READER_BODYREADER_H
#define HEDDLE_SPECS_READER_BODYREADER_H

#include "specs/reader/StepReader.h"

namespace heddle {
using Roles = std::map<std::string, std::string>;

/// What attend and recur have in common. Every function returns false after the first fault.
class BodyReader {
public:
  BodyReader(const JsonValue &body, Spec &spec, Diagnostics &diagnostics)
      : body(body), spec(spec), diagnostics(diagnostics), scope(spec, diagnostics) {}

  bool attend(AttendStep &step);
  bool recur(RecurStep &step);
  /// Extents of an output; empty if the step has no such output.
  static std::optional<std::vector<Extent>> axesOf(const SpecStep &step, const std::string &kind);

private:
  bool fail(SpecCode code, SourceRange where, std::string message, std::string help = {}) {
    diagnostics.error(code, where, std::move(message), std::move(help));
    return false;
  }
  bool refuse(std::initializer_list<const char *> keys);
  bool lets();
  bool parse(const char *key, RawRef &raw);
  bool parseBare(const char *key, const Roles &roles, RawRef &raw);
  bool declarations(const char *key, std::vector<IndexRange> &ranges);
  bool infer(const RawRef &raw, std::vector<std::string> &order);
  bool resolve(const RawRef &raw, const Scope::View &view, ExprType type, ExprRef &expr) {
    if (!raw)
      return true;
    expr = scope.resolve(raw, view, type);
    return bool(expr);
  }
  bool rowsFrom(const std::vector<std::string> &order, const std::set<std::string> &notRows,
                std::vector<IndexRange> &rows);
  bool requireGroups();
  std::optional<IndexRange> rangeOf(const char *name) {
    const IndexRange *range = scope.findIndex(name);
    return range ? std::optional(*range) : std::nullopt;
  }
  bool offset(AttendStep &step);
  bool normalize(AttendStep &step, AttendSource &source, const Scope::View &pair, const Scope::View &row);

  const JsonValue &body;
  Spec &spec;
  Diagnostics &diagnostics;
  Scope scope;
};

/// The roles of dims in a bare tensor: those of heads and batch, and more.
Roles rolesWith(std::initializer_list<std::pair<const char *, const char *>> more);
std::vector<std::string> namesOf(const std::vector<IndexRange> &ranges);
std::vector<std::string> plus(std::vector<std::string> names, std::initializer_list<const char *> more);

} // namespace heddle

#endif
