//===- Diagnostics.cpp - faults of a spec, with their places ----------------===//

#include "specs/reader/Diagnostics.h"

#include <algorithm>

using namespace heddle;

std::string_view heddle::spelling(SpecCode code) {
  static constexpr std::string_view names[] = {
      "syntax", "unknown_key", "unknown_name", "shadow", "type", "rank",     "range",
      "scope",  "cycle",       "missing",      "size",   "later", "too_large"};
  return names[size_t(code)];
}

SourceText::SourceText(std::string text, std::string name)
    : bytes(std::move(text)), fileName(std::move(name)) {
  lineStarts.push_back(0);
  for (size_t i = 0; i < bytes.size(); ++i)
    if (bytes[i] == '\n')
      lineStarts.push_back(uint32_t(i + 1));
}

SourceRange SourceText::range(size_t begin, size_t end) const {
  SourceRange range;
  range.begin = uint32_t(std::min(begin, bytes.size()));
  range.end = uint32_t(std::min(std::max(end, begin), bytes.size()));
  auto next = std::upper_bound(lineStarts.begin(), lineStarts.end(), range.begin);
  range.line = uint32_t(next - lineStarts.begin());
  range.col = 1;
  for (uint32_t i = *(next - 1); i < range.begin; ++i)
    range.col += (bytes[i] & 0xc0) != 0x80; // continuation bytes are no characters
  return range;
}

std::string_view SourceText::line(uint32_t number) const {
  if (!number || number > lineStarts.size())
    return {};
  uint32_t begin = lineStarts[number - 1];
  uint32_t end = number < lineStarts.size() ? lineStarts[number] - 1 : uint32_t(bytes.size());
  while (end > begin && (bytes[end - 1] == '\r' || bytes[end - 1] == '\n'))
    --end;
  return std::string_view(bytes).substr(begin, end - begin);
}

SpecDiagnostic &Diagnostics::error(SpecCode code, SourceRange where, std::string message,
                                   std::string help) {
  SpecDiagnostic diagnostic{Severity::Error, code, where, std::move(message), std::move(help), {}};
  if (++errorCount > maxErrors)
    return dropped = std::move(diagnostic);
  return list.emplace_back(std::move(diagnostic));
}

SpecDiagnostic &Diagnostics::warning(SpecCode code, SourceRange where, std::string message,
                                     std::string help) {
  return list.emplace_back(
      SpecDiagnostic{Severity::Warning, code, where, std::move(message), std::move(help), {}});
}

/// The source line and, below it, the caret under the first byte and tildes under the others.
std::string Diagnostics::caretLines(SourceRange where) const {
  if (!where.isValid())
    return {};
  std::string line(source.line(where.line)), carets;
  if (line.size() > 160) // a line of thousands of characters helps nobody
    return {};
  for (uint32_t col = 1, i = 0; i < line.size() && col < where.col; ++i) {
    carets += line[i] == '\t' ? "\t" : (line[i] & 0xc0) != 0x80 ? " " : "";
    col += (line[i] & 0xc0) != 0x80 && (i + 1 >= line.size() || (line[i + 1] & 0xc0) != 0x80);
  }
  uint32_t width = where.end > where.begin ? where.end - where.begin : 1;
  uint32_t room = uint32_t(line.size()) > carets.size() ? uint32_t(line.size() - carets.size()) : 1;
  carets += '^';
  carets.append(std::min(width, std::max(room, 1u)) - 1, '~');
  return line + "\n" + carets + "\n";
}

std::string Diagnostics::print(const SpecDiagnostic &diagnostic) const {
  auto place = [&](SourceRange where) {
    std::string text = source.name();
    if (where.isValid())
      text += ":" + std::to_string(where.line) + ":" + std::to_string(where.col);
    return text;
  };
  std::string kind = diagnostic.severity == Severity::Error ? "error" : "warning";
  std::string out = place(diagnostic.where) + ": " + kind + ": " + diagnostic.message + " [" +
                    std::string(spelling(diagnostic.code)) + "]\n" + caretLines(diagnostic.where);
  for (const SpecNote &note : diagnostic.notes)
    out += place(note.where) + ": note: " + note.message + "\n" + caretLines(note.where);
  if (!diagnostic.help.empty())
    out += "help: " + diagnostic.help + "\n";
  return out;
}

std::string Diagnostics::print() const {
  std::vector<const SpecDiagnostic *> sorted;
  for (const SpecDiagnostic &diagnostic : list)
    sorted.push_back(&diagnostic);
  // Those at one place stand as they were found: they lie in one vector.
  std::sort(sorted.begin(), sorted.end(), [](const auto *a, const auto *b) {
    return std::pair(a->where.begin, a) < std::pair(b->where.begin, b);
  });
  std::string out;
  for (const SpecDiagnostic *diagnostic : sorted)
    out += print(*diagnostic);
  if (errorCount > maxErrors)
    out += source.name() + ": " + std::to_string(errorCount - maxErrors) + " more errors\n";
  return out;
}

static size_t editDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j)
    row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string heddle::nearestName(std::string_view word, const std::vector<std::string> &candidates) {
  size_t best = std::max<size_t>(1, word.size() / 3) + 1;
  std::string nearest;
  for (const std::string &candidate : candidates)
    if (size_t distance = editDistance(word, candidate); distance < best) {
      best = distance;
      nearest = candidate;
    }
  return nearest;
}

std::string heddle::joinNames(const std::vector<std::string> &names, size_t limit) {
  std::string out;
  for (size_t i = 0; i < names.size() && i < limit; ++i)
    out += (i ? ", " : "") + names[i];
  return names.size() > limit ? out + ", ..." : out;
}
