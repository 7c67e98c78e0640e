//===- BodyReader.h - the object of a step ----------------------------------===//

#ifndef HEDDLE_SPECS_READER_BODYREADER_H
#define HEDDLE_SPECS_READER_BODYREADER_H

#include "specs/reader/StepReader.h"

namespace heddle {
using Roles = std::map<std::string, std::string>;

/// Reads the keys of one step. Every function returns false after the first fault, which is told.
class BodyReader {
public:
  BodyReader(const JsonValue &body, Spec &spec, Diagnostics &diagnostics)
      : body(body), spec(spec), diagnostics(diagnostics), scope(spec, diagnostics) {}

  bool attend(AttendStep &step);
  bool recur(RecurStep &step);
  bool compute(ComputeStep &step);
  bool scan(ScanStep &step);
  bool select(SelectStep &step);

private:
  bool fail(SpecCode code, SourceRange where, std::string message, std::string help = {}) {
    diagnostics.error(code, where, std::move(message), std::move(help));
    return false;
  }
  // BodyReader.cpp: keys, names, ranges.
  const JsonValue *find(const char *key) const;
  SourceRange whereKey(const JsonValue &object, const char *key) const;
  bool lets();
  bool parse(const char *key, RawRef &raw);
  bool parseBare(const char *key, const Roles &roles, RawRef &raw);
  bool declarations(const JsonValue &object, const char *key, std::vector<IndexRange> &ranges);
  bool declarations(const char *key, std::vector<IndexRange> &ranges);
  bool flag(const char *key, bool &value);
  bool word(const char *key, const std::vector<std::string> &allowed, std::string &value);
  bool infer(const RawRef &raw, std::vector<std::string> &order);
  bool resolve(const RawRef &raw, const Scope::View &view, ExprType type, ExprRef &expr) {
    if (!raw)
      return true;
    expr = scope.resolve(raw, view, type);
    return bool(expr);
  }
  bool part(const JsonValue &object, const char *key, const Scope::View &view, ExprType type,
            ExprRef &expr);
  void rowsFrom(const std::vector<std::string> &order, const std::set<std::string> &notRows,
                std::vector<IndexRange> &rows);
  void requireGroups(const std::vector<IndexRange> &rows);
  std::optional<IndexRange> rangeOf(const char *name) {
    const IndexRange *range = scope.findIndex(name);
    return range ? std::optional(*range) : std::nullopt;
  }
  bool reduction(const JsonValue &object, std::initializer_list<ReductionKind> allowed,
                 ReductionKind &kind);

  // AttendReader.cpp: a key source.
  struct SourceText;
  bool sourceText(AttendStep &step, AttendSource &source, SourceText &text, bool isFirst);
  bool sourceMeaning(AttendStep &step, AttendSource &source, const SourceText &text);
  bool oneSource(AttendStep &step, const JsonValue *object);
  // NormalizeReader.cpp: what comes behind the scores.
  bool offset(AttendStep &step);
  bool normalize(AttendStep &step, AttendSource &source, const Scope::View &pair,
                 const Scope::View &row);
  bool normalizeObject(AttendStep &step, AttendSource &source, const JsonValue &value,
                       const Scope::View &pair, const Scope::View &row);
  bool statistics(AttendStep &step, AttendSource &source, const Scope::View &pair, bool isFirst);
  bool statistic(AttendStep &step, AttendSource &source, const std::string &name,
                 const JsonValue &value, SourceRange where, const Scope::View &pair, bool isFirst);
  bool weightAndGate(AttendStep &step, AttendSource &source, const Scope::View &pair, bool isFirst);

  const JsonValue &body;
  const JsonValue *source = nullptr; // the object of `sources` that is read: its keys come first
  Spec &spec;
  Diagnostics &diagnostics;
  Scope scope;
  bool groupsRequired = false;
};

/// An output of a step.
struct OutputShape {
  std::vector<Extent> axes;
  ExprType type = ExprType::Float;
};
/// Empty if the step has no such output.
std::optional<OutputShape> outputOf(const SpecStep &step, const std::string &kind);
/// All it has, for a message.
std::vector<std::string> outputNames(const SpecStep &step);

/// The type of a reduction of values of a type.
ExprType reducedType(ReductionKind kind, ExprType value);

/// The roles of dims in a bare tensor: those of heads and batch, and more.
Roles rolesWith(std::initializer_list<std::pair<const char *, const char *>> more);
std::vector<std::string> namesOf(const std::vector<IndexRange> &ranges);
std::vector<std::string> plus(std::vector<std::string> names,
                              std::initializer_list<const char *> more);

} // namespace heddle

#endif
