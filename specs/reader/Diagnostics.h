//===- Diagnostics.h - faults of a spec, with their places -----------------===//
//
// A spec's faults are data: a code of the language page's section 5, a range of the file, the
// message, and the likely cure. Nothing here prints by itself or knows JSON; later stages of the
// compiler add faults of their own at the ranges a Spec carries.
//
//===----------------------------------------------------------------------===//

#ifndef HEDDLE_SPECS_READER_DIAGNOSTICS_H
#define HEDDLE_SPECS_READER_DIAGNOSTICS_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace heddle {

/// Bytes [begin, end) of a spec file, and where the first one stands. `line` and `col` count from
/// 1 (columns are UTF-8 characters, not bytes); line 0 means "no place".
struct SourceRange {
  uint32_t begin = 0, end = 0;
  uint32_t line = 0, col = 0;

  bool isValid() const { return line != 0; }
};

/// What kind of fault; printed in brackets behind the message (LANGUAGE.md, section 5).
enum class SpecCode {
  Syntax,
  UnknownKey,
  UnknownName,
  Shadow,
  Type,
  Rank,
  Range,
  Scope,
  Cycle,
  Missing,
  Size,
  Later,
  TooLarge,
};

/// The code as printed, e.g. "unknown_name".
std::string_view spelling(SpecCode code);

enum class Severity { Error, Warning };

/// A second place a fault involves, e.g. the first use of an index.
struct SpecNote {
  SourceRange where;
  std::string message;
};

struct SpecDiagnostic {
  Severity severity = Severity::Error;
  SpecCode code = SpecCode::Syntax;
  SourceRange where;
  std::string message; ///< lower case, no full stop
  std::string help;    ///< the cure; may be empty
  std::vector<SpecNote> notes;
};

/// The text of one file, with the means to turn a byte offset into line and column.
class SourceText {
public:
  SourceText() = default;
  SourceText(std::string text, std::string name);

  const std::string &name() const { return fileName; }
  const std::string &text() const { return bytes; }
  /// A range with line and column filled in. Offsets beyond the end mean the end.
  SourceRange range(size_t begin, size_t end) const;
  /// The line (counted from 1) without its line end.
  std::string_view line(uint32_t number) const;

private:
  std::string bytes, fileName;
  std::vector<uint32_t> lineStarts;
};

/// The faults of one file. At most `maxErrors` are kept; what comes later is only counted.
class Diagnostics {
public:
  static constexpr size_t maxErrors = 20;

  /// The file the ranges point into; called by readSpec before anything is added.
  void setSource(SourceText text) { source = std::move(text); }
  const SourceText &getSource() const { return source; }

  /// Adds an error. The reference returned serves to attach help and notes.
  SpecDiagnostic &error(SpecCode code, SourceRange where, std::string message,
                        std::string help = {});
  /// Adds a warning; it does not make hasErrors() true.
  SpecDiagnostic &warning(SpecCode code, SourceRange where, std::string message,
                          std::string help = {});

  bool hasErrors() const { return errorCount != 0; }
  /// All errors met, the dropped ones too.
  size_t getErrorCount() const { return errorCount; }
  const std::vector<SpecDiagnostic> &all() const { return list; }

  /// Every diagnostic in the order of the file:
  ///   FILE:LINE:COL: error: MESSAGE [CODE]
  ///   source line
  ///   caret line
  ///   help: ...
  std::string print() const;
  /// One of them, in the same shape.
  std::string print(const SpecDiagnostic &diagnostic) const;

private:
  std::string caretLines(SourceRange where) const;

  SourceText source;
  std::vector<SpecDiagnostic> list;
  SpecDiagnostic dropped; ///< takes what goes beyond maxErrors
  size_t errorCount = 0;
};

/// Of `candidates` the one nearest to `word` (edit distance at most a third of its length,
/// at least 1), or empty.
std::string nearestName(std::string_view word, const std::vector<std::string> &candidates);

/// "a, b, c"; at most `limit` of them, then "...".
std::string joinNames(const std::vector<std::string> &names, size_t limit = 24);

} // namespace heddle

#endif
