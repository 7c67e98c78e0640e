//===- Diagnostics.cpp - faults of a spec, with their places ----------------===//

#include "specs/reader/Diagnostics.h"

#include <algorithm>

using namespace heddle;

std::string_view heddle::spelling(SpecCode code) {
  static constexpr std::string_view names[] = {
      "syntax", "unknown_key", "unknown_name", "shadow", "type",  "rank",     "range",
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
/// A line as characters; bytes that are no UTF-8 stand alone.
static std::vector<std::string> charactersOf(std::string_view line) {
  std::vector<std::string> characters;
  for (char c : line)
    if ((c & 0xc0) == 0x80 && !characters.empty())
      characters.back() += c;
    else
      characters.emplace_back(1, c);
  return characters;
}

std::string Diagnostics::caretLines(SourceRange where) const {
  constexpr size_t longest = 160, around = 60;
  if (!where.isValid())
    return {};
  std::vector<std::string> line = charactersOf(source.line(where.line));
  size_t first = std::min<size_t>(where.col - 1, line.size());
  std::string_view marked(source.text());
  marked = marked.substr(std::min<size_t>(where.begin, marked.size()), where.end - where.begin);
  size_t width = std::max<size_t>(charactersOf(marked).size(), 1);
  size_t from = 0, to = line.size();
  if (line.size() > longest) { // a window around the place
    from = first > around ? first - around : 0;
    to = std::min(line.size(), first + around);
  }
  std::string text = from ? "..." : "", carets = from ? "   " : "";
  for (size_t i = from; i < to; ++i) {
    text += line[i];
    if (i < first)
      carets += line[i] == "\t" ? "\t" : " ";
  }
  carets += '^';
  carets.append(std::min(width, std::max<size_t>(to - first, 1)) - 1, '~');
  return text + (to < line.size() ? "..." : "") + "\n" + carets + "\n";
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
    if (size_t distance = editDistance(word, candidate);
        distance < best && distance < word.size()) {
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
