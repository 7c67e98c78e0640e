//===- JsonSource.cpp - a JSON text with the place of everything in it ------===//
//
// nlohmann/json parses; its SAX events come in the order of the text, so a cursor that skips what stands
// between two tokens finds the place of each.
//
//===----------------------------------------------------------------------===//

#include "specs/reader/JsonSource.h"

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

using namespace heddle;

const JsonValue *JsonValue::find(std::string_view key) const {
  for (const auto &[name, value] : members)
    if (name == key)
      return &value;
  return nullptr;
}

const char *JsonValue::kindName() const {
  static const char *const names[] = {"null",     "a bool",   "an integer", "a float",
                                      "a string", "an array", "an object"};
  return names[size_t(kind)];
}

/// Steps over escapes from the opening quote on: one decoded byte may be six of the file.
SourceRange JsonValue::inside(const SourceText &source, size_t begin, size_t end) const {
  if (kind != Kind::String)
    return where;
  const std::string &bytes = source.text();
  size_t at = where.begin + 1, decoded = 0, first = at, last = at;
  while (decoded <= end && at < where.end) {
    if (decoded == begin)
      first = at;
    if (decoded == end) {
      last = at;
      break;
    }
    size_t produced = 1, taken = 1;
    if (bytes[at] == '\\') {
      taken = at + 1 < bytes.size() && bytes[at + 1] == 'u' ? 6 : 2;
      if (taken == 6) {
        long code = std::strtol(bytes.substr(at + 2, 4).c_str(), nullptr, 16);
        produced = code < 0x80 ? 1 : code < 0x800 ? 2 : 3;
        if (code >= 0xd800 && code < 0xdc00)
          taken = 12, produced = 4;
      }
    }
    at += taken;
    decoded += produced;
    last = at;
  }
  return source.range(first, std::max(last, first + 1));
}

namespace {
constexpr size_t maxBytes = 1 << 20, maxDepth = 32, maxValues = 10000;
constexpr int64_t maxInteger = int64_t(1) << 53;

class Builder : public nlohmann::json_sax<nlohmann::json> {
public:
  explicit Builder(Diagnostics &diagnostics)
      : diagnostics(diagnostics), text(diagnostics.getSource().text()) {
    if (text.compare(0, 3, "\xEF\xBB\xBF") == 0)
      cursor = 3;
  }
  JsonValue root;

  bool null() override { return leaf(word(), JsonValue::Kind::Null); }
  bool boolean(bool value) override {
    JsonValue *leafValue = add(word(), JsonValue::Kind::Bool);
    if (leafValue)
      leafValue->boolean = value;
    return leafValue;
  }
  bool number_integer(number_integer_t value) override {
    return number(double(value), value, true);
  }
  bool number_unsigned(number_unsigned_t value) override {
    return number(double(value), int64_t(std::min<uint64_t>(value, INT64_MAX)), true);
  }
  bool number_float(number_float_t value, const string_t &written) override {
    bool isInteger = written.find_first_of(".eE") == std::string::npos; // too long for 64 bits
    return number(value, isInteger ? INT64_MAX : 0, isInteger);
  }
  bool string(string_t &value) override {
    JsonValue *added = add(quoted(), JsonValue::Kind::String);
    if (added)
      added->text = value;
    return added;
  }
  bool binary(binary_t &) override { return false; }
  bool start_object(size_t) override { return open(JsonValue::Kind::Object); }
  bool start_array(size_t) override { return open(JsonValue::Kind::Array); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t &value) override {
    SourceRange where = quoted();
    JsonValue &object = *stack.back();
    for (size_t i = 0; i < object.members.size(); ++i)
      if (object.members[i].first == value) {
        auto &error =
            diagnostics.error(SpecCode::Syntax, where, "the key '" + value + "' is given twice");
        error.notes.push_back({object.keys[i], "it was given here first"});
        return false;
      }
    object.members.emplace_back(value, JsonValue());
    object.keys.push_back(where);
    return true;
  }
  bool parse_error(size_t position, const std::string &last,
                   const nlohmann::json::exception &exception) override {
    size_t at = position ? position - 1 : 0;
    std::string what = exception.what();
    if (size_t dash = what.find("; ");
        dash != std::string::npos) // "expected ..." or "last read ..."
      what = what.substr(dash + 2);
    bool end = at >= text.size();
    std::string message = end ? "the file ends too early" : "this is no JSON";
    if (!end && (text[at] == '}' || text[at] == ']'))
      message = "a value is missing before '" + std::string(1, text[at]) + "'";
    diagnostics.error(SpecCode::Syntax,
                      diagnostics.getSource().range(std::min(at, text.size()), at + 1), message,
                      end ? "" : "JSON has no comments and no comma behind the last element");
    (void)last;
    return false;
  }

private:
  SourceRange range(size_t begin, size_t end) {
    cursor = end;
    return diagnostics.getSource().range(begin, end);
  }
  size_t next() {
    while (cursor < text.size() && std::strchr(" \t\r\n,:", text[cursor]))
      ++cursor;
    return cursor;
  }
  SourceRange word() {
    size_t begin = next(), end = begin;
    while (end < text.size() &&
           (std::isalnum(static_cast<unsigned char>(text[end])) || std::strchr("+-.", text[end])))
      ++end;
    return range(begin, end);
  }
  SourceRange quoted() {
    size_t begin = next(), end = begin + 1;
    while (end < text.size() && text[end] != '"')
      end += text[end] == '\\' ? 2 : 1;
    return range(begin, end + 1);
  }
  /// Places a value in its parent; null after an error.
  JsonValue *add(SourceRange where, JsonValue::Kind kind) {
    if (++count > maxValues) {
      diagnostics.error(SpecCode::TooLarge, where, "more than 10000 values in a file");
      return nullptr;
    }
    JsonValue *place = &root;
    if (!stack.empty() && stack.back()->kind == JsonValue::Kind::Object)
      place = &stack.back()->members.back().second;
    else if (!stack.empty())
      place = &stack.back()->elements.emplace_back();
    place->kind = kind;
    place->where = where;
    return place;
  }
  bool leaf(SourceRange where, JsonValue::Kind kind) { return add(where, kind); }
  bool number(double value, int64_t integer, bool isInteger) {
    SourceRange where = word();
    JsonValue *added = add(where, isInteger ? JsonValue::Kind::Integer : JsonValue::Kind::Float);
    if (!added)
      return false;
    added->number = value;
    added->integer = integer;
    added->text = text.substr(where.begin, where.end - where.begin);
    if (isInteger && (integer > maxInteger || integer < -maxInteger)) {
      diagnostics.error(SpecCode::TooLarge, where,
                        "the integer " + added->text + " is beyond 2^53");
      return false;
    }
    return true;
  }
  bool open(JsonValue::Kind kind) {
    size_t begin = next();
    JsonValue *added = add(range(begin, begin + 1), kind);
    if (!added)
      return false;
    stack.push_back(added);
    if (stack.size() <= maxDepth)
      return true;
    diagnostics.error(SpecCode::TooLarge, added->where, "nested deeper than 32 levels");
    return false;
  }
  bool close() {
    size_t begin = next();
    range(begin, begin + 1);
    JsonValue &value = *stack.back();
    value.where = diagnostics.getSource().range(value.where.begin, cursor);
    stack.pop_back();
    return true;
  }

  Diagnostics &diagnostics;
  const std::string &text;
  size_t cursor = 0, count = 0;
  // A parent does not grow while a child is open: these stay valid.
  std::vector<JsonValue *> stack;
};
} // namespace

std::optional<JsonValue> heddle::parseJson(Diagnostics &diagnostics) {
  const std::string &text = diagnostics.getSource().text();
  if (text.size() > maxBytes) {
    diagnostics.error(SpecCode::TooLarge, diagnostics.getSource().range(maxBytes, maxBytes + 1),
                      "the file has " + std::to_string(text.size()) + " bytes; at most 1048576");
    return std::nullopt;
  }
  Builder builder(diagnostics);
  try {
    if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder))
      return std::nullopt;
  } catch (const std::exception &exception) {
    diagnostics.error(SpecCode::Syntax, diagnostics.getSource().range(0, 1), exception.what());
    return std::nullopt;
  }
  return std::move(builder.root);
}
