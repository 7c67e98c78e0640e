//===- Lexer.cpp - words, numbers and punctuation of PTX ----------------------------------------===//

#include "runtime/emulator/Parser.h"
#include <algorithm>
#include <cctype>
#include <cstdlib>

using namespace heddle::ptx;

static bool isWord(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%' ||
         c == '.';
}

void Lexer::skip() {
  while (at < all.size()) {
    char c = all[at];
    if (c == '\n') {
      ++lineNumber;
      ++at;
    } else if (std::isspace(static_cast<unsigned char>(c))) {
      ++at;
    } else if (all.substr(at, 2) == "//") {
      at = std::min(all.find('\n', at), all.size());
    } else if (all.substr(at, 2) == "/*") {
      size_t end = all.find("*/", at);
      if (end == std::string_view::npos)
        throw std::string("line " + std::to_string(lineNumber) + ": a comment does not end");
      for (; at < end + 2; ++at)
        lineNumber += all[at] == '\n';
    } else {
      return;
    }
  }
}

bool Lexer::accept(char c) {
  if (peek() != c)
    return false;
  ++at;
  return true;
}

void Lexer::expect(char c) {
  if (accept(c))
    return;
  std::string got = at < all.size() ? std::string("'") + all[at] + "'" : "the end";
  throw std::string("line " + std::to_string(lineNumber) + ": expected '" + c + "', got " + got);
}

std::string Lexer::word() {
  skip();
  size_t begin = at;
  while (at < all.size() && isWord(all[at]))
    ++at;
  if (begin == at)
    throw std::string("line " + std::to_string(lineNumber) + ": expected a word, got " +
                      (at < all.size() ? std::string("'") + all[at] + "'" : "the end"));
  return std::string(all.substr(begin, at - begin));
}

std::optional<uint64_t> Lexer::immediate() {
  skip();
  size_t begin = at, from = at;
  bool negative = from < all.size() && all[from] == '-';
  from += negative;
  if (from >= all.size() || !std::isdigit(static_cast<unsigned char>(all[from])))
    return std::nullopt;
  at = from;
  std::string text = word();
  char *end = nullptr;
  uint64_t value;
  if (text.size() == 10 && (text[1] == 'f' || text[1] == 'F') && text[0] == '0')
    value = std::strtoull(text.c_str() + 2, &end, 16);
  else if (text.size() == 18 && (text[1] == 'd' || text[1] == 'D') && text[0] == '0')
    value = std::strtoull(text.c_str() + 2, &end, 16);
  else
    value = std::strtoull(text.c_str(), &end, 0);
  if (*end == 'U')
    ++end;
  if (*end) {
    at = begin;
    throw std::string("line " + std::to_string(lineNumber) + ": '" + text + "' is no number");
  }
  return negative ? 0 - value : value;
}

int64_t Lexer::number() {
  std::optional<uint64_t> value = immediate();
  if (!value)
    throw std::string("line " + std::to_string(lineNumber) + ": expected a number");
  return int64_t(*value);
}

void Lexer::skipTo(char c) {
  while (at < all.size() && all[at] != c) {
    lineNumber += all[at] == '\n';
    ++at;
  }
  expect(c);
}
