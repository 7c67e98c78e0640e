//===- ExprParser.cpp - expressions, by precedence climbing -----------------===//
//
// The grammar of the language page, section 3. Positions are bytes of the decoded string; JsonValue::inside
// turns them into places of the file.
//
//===----------------------------------------------------------------------===//

#include "specs/reader/RawExpr.h"

#include <cctype>
#include <cerrno>
#include <cstdlib>

using namespace heddle;

bool heddle::isName(std::string_view text) {
  if (text.empty() || text.size() > 63 || std::isdigit(static_cast<unsigned char>(text[0])))
    return false;
  for (char c : text)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_')
      return false;
  return true;
}

void heddle::walkRaw(const RawRef &expr, const std::function<void(const RawExpr &)> &visit) {
  if (!expr)
    return;
  visit(*expr);
  for (const RawRef &arg : expr->args)
    walkRaw(arg, visit);
}

namespace {
constexpr size_t maxLength = 4096, maxNodes = 256, maxNesting = 64;

struct Token {
  enum class Kind { Number, Name, Operator, End } kind = Kind::End;
  std::string text;
  size_t begin = 0, end = 0;
};

int levelOf(const std::string &op) {
  static const std::pair<const char *, int> levels[] = {
      {"||", 1}, {"&&", 2}, {"<", 3}, {"<=", 3}, {">", 3},  {">=", 3}, {"==", 3},
      {"!=", 3}, {"|", 4},  {"^", 5}, {"&", 6},  {"<<", 7}, {">>", 7}, {"+", 8},
      {"-", 8},  {"*", 9},  {"/", 9}, {"//", 9}, {"%", 9}};
  for (auto [name, level] : levels)
    if (op == name)
      return level;
  return 0;
}
constexpr int compareLevel = 3;

class Parser {
public:
  Parser(const JsonValue &value, Diagnostics &diagnostics)
      : value(value), diagnostics(diagnostics), text(value.text) {}

  RawRef parse() {
    if (text.size() > maxLength) {
      diagnostics.error(SpecCode::TooLarge, value.where,
                        "an expression has at most 4096 characters");
      return nullptr;
    }
    advance();
    RawRef result = select();
    if (!failed && current.kind != Token::Kind::End)
      fail("expected an operator or the end");
    return failed ? nullptr : result;
  }

private:
  SourceRange place(size_t begin, size_t end) {
    return value.inside(diagnostics.getSource(), begin, end);
  }
  void fail(const std::string &expected) {
    if (failed)
      return;
    failed = true;
    std::string found = current.kind == Token::Kind::End ? "the end" : "'" + current.text + "'";
    // Spellings of other languages.
    static const std::pair<const char *, const char *> others[] = {
        {"and", "&&"},       {"or", "||"},     {"not", "!"},    {"=", "=="},
        {"**", "pow(x, y)"}, {"\u2264", "<="}, {"\u2265", ">="}};
    std::string help;
    for (auto [other, ours] : others)
      if (current.text == other)
        help = std::string("write ") + ours;
    diagnostics.error(SpecCode::Syntax,
                      place(current.begin, std::max(current.end, current.begin + 1)),
                      expected + ", found " + found, help);
  }
  void advance() {
    while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at])))
      ++at;
    current = {Token::Kind::End, "", at, at};
    if (at >= text.size())
      return;
    size_t begin = at;
    unsigned char c = static_cast<unsigned char>(text[at]);
    if (std::isdigit(c) || (c == '.' && at + 1 < text.size() &&
                            std::isdigit(static_cast<unsigned char>(text[at + 1])))) {
      number();
      current.kind = Token::Kind::Number;
    } else if (std::isalpha(c) || c == '_') {
      while (at < text.size() &&
             (std::isalnum(static_cast<unsigned char>(text[at])) || text[at] == '_'))
        ++at;
      current.kind = Token::Kind::Name;
    } else {
      // All of a character that is no ASCII: messages quote it.
      while (c >= 0x80 && at + 1 < text.size() &&
             (static_cast<unsigned char>(text[at + 1]) & 0xc0) == 0x80)
        ++at;
      static const char *const two[] = {"//", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||"};
      at += 1;
      for (const char *op : two)
        if (text.compare(begin, 2, op) == 0)
          at = begin + 2;
      current.kind = Token::Kind::Operator; // what is none is refused where it is met
    }
    current.begin = begin;
    current.end = at;
    current.text = text.substr(begin, at - begin);
  }
  void number() {
    auto digits = [&] {
      while (at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])))
        ++at;
    };
    if (text.compare(at, 2, "0x") == 0) {
      size_t mark = at + 1; // without a digit it is 0, and x is what the next token starts with
      at += 2;
      while (at < text.size() && std::isxdigit(static_cast<unsigned char>(text[at])))
        ++at;
      if (at == mark + 1)
        at = mark;
      return;
    }
    digits();
    if (at < text.size() && text[at] == '.') {
      ++at;
      digits();
    }
    if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
      size_t mark = at++;
      if (at < text.size() && (text[at] == '+' || text[at] == '-'))
        ++at;
      if (at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])))
        digits();
      else
        at = mark;
    }
  }
  bool isOperator(const char *op) const {
    return current.kind == Token::Kind::Operator && current.text == op;
  }
  bool accept(const char *op) {
    if (!isOperator(op))
      return false;
    last = current.end;
    advance();
    return true;
  }
  void expect(const char *op) {
    if (!accept(op))
      fail(std::string("expected '") + op + "'");
  }
  RawRef make(RawExpr::Kind kind, std::string name, std::vector<RawRef> args, size_t begin,
              size_t end) {
    if (++nodes > maxNodes && !failed) {
      failed = true;
      diagnostics.error(SpecCode::TooLarge, value.where,
                        "an expression has at most 256 operands and operators");
    }
    auto node = std::make_shared<RawExpr>();
    node->kind = kind;
    node->text = std::move(name);
    node->args = std::move(args);
    node->where = place(begin, end);
    return node;
  }

  RawRef select() {
    if (++nesting > maxNesting) {
      fail("nested too deeply");
      return nullptr;
    }
    size_t begin = current.begin;
    RawRef test = binary(1);
    if (!failed && accept("?")) {
      RawRef yes = select();
      expect(":");
      RawRef no = failed ? nullptr : select();
      test = failed ? nullptr : make(RawExpr::Kind::Select, "?:", {test, yes, no}, begin, last);
    }
    --nesting;
    return failed ? nullptr : test;
  }
  RawRef binary(int least) {
    size_t begin = current.begin;
    RawRef left = unary();
    while (!failed) {
      int level = current.kind == Token::Kind::Operator ? levelOf(current.text) : 0;
      if (level < least)
        return left;
      std::string op = current.text;
      advance();
      RawRef right = binary(level + 1);
      if (failed)
        return nullptr;
      if (level == compareLevel && current.kind == Token::Kind::Operator &&
          levelOf(current.text) == compareLevel)
        fail("comparisons do not chain; write a < b && b < c: expected another operator");
      left = failed ? nullptr : make(RawExpr::Kind::Binary, op, {left, right}, begin, last);
    }
    return nullptr;
  }
  RawRef unary() {
    size_t begin = current.begin;
    for (const char *op : {"-", "!"})
      if (isOperator(op)) {
        if (++nesting > maxNesting) {
          fail("nested too deeply");
          return nullptr;
        }
        advance();
        RawRef arg = unary();
        --nesting;
        return failed ? nullptr : make(RawExpr::Kind::Unary, op, {arg}, begin, last);
      }
    return primary();
  }
  RawRef primary() {
    Token token = current;
    if (token.kind == Token::Kind::Number)
      return literal(token);
    if (accept("(")) {
      RawRef inner = select();
      if (!failed)
        expect(")");
      return failed ? nullptr : inner;
    }
    if (token.kind != Token::Kind::Name) {
      fail("expected a value");
      return nullptr;
    }
    last = token.end;
    advance();
    if (accept("["))
      return items(RawExpr::Kind::Read, token, "]");
    if (accept("("))
      return items(RawExpr::Kind::Call, token, ")");
    return make(RawExpr::Kind::Name, token.text, {}, token.begin, token.end);
  }
  RawRef literal(const Token &token) {
    last = token.end;
    advance();
    bool isInteger = token.text.find_first_of(".eE") == std::string::npos || token.text[1] == 'x';
    RawRef node = make(isInteger ? RawExpr::Kind::Integer : RawExpr::Kind::Float, token.text, {},
                       token.begin, token.end);
    auto &made = const_cast<RawExpr &>(*node);
    errno = 0;
    made.integer = isInteger ? std::strtoll(token.text.c_str(), nullptr, 0) : 0;
    made.number = std::strtod(token.text.c_str(), nullptr);
    if (isInteger && (errno || made.integer > (int64_t(1) << 53))) {
      failed = true;
      diagnostics.error(SpecCode::TooLarge, node->where,
                        "the integer " + token.text + " is beyond 2^53");
    }
    return failed ? nullptr : node;
  }
  RawRef items(RawExpr::Kind kind, const Token &name, const char *close) {
    std::vector<RawRef> args;
    bool read = kind == RawExpr::Kind::Read;
    if (!(read && accept(close))) {
      do {
        size_t begin = current.begin;
        if (read && accept(":"))
          args.push_back(make(RawExpr::Kind::WholeAxis, ":", {}, begin, begin + 1));
        else
          args.push_back(select());
      } while (!failed && accept(","));
      if (!failed)
        expect(close);
    }
    return failed ? nullptr : make(kind, name.text, std::move(args), name.begin, last);
  }

  const JsonValue &value;
  Diagnostics &diagnostics;
  const std::string &text;
  Token current;
  size_t at = 0, last = 0, nodes = 0, nesting = 0;
  bool failed = false;
};
} // namespace

RawRef heddle::parseExpr(const JsonValue &value, Diagnostics &diagnostics) {
  if (value.kind == JsonValue::Kind::String)
    return Parser(value, diagnostics).parse();
  auto node = std::make_shared<RawExpr>();
  node->where = value.where;
  switch (value.kind) {
  case JsonValue::Kind::Bool:
    node->text = value.boolean ? "true" : "false";
    return node;
  case JsonValue::Kind::Integer:
    node->kind = RawExpr::Kind::Integer;
    node->integer = value.integer;
    node->number = value.number;
    return node;
  case JsonValue::Kind::Float:
    node->kind = RawExpr::Kind::Float;
    node->number = value.number;
    return node;
  default:
    diagnostics.error(SpecCode::Type, value.where,
                      std::string("expected an expression, found ") + value.kindName(),
                      "an expression is a string, a number or a bool");
    return nullptr;
  }
}

static std::string withoutBlanks(std::string_view text) {
  std::string out;
  for (char c : text)
    if (!std::isspace(static_cast<unsigned char>(c)))
      out += c;
  return out;
}

bool heddle::parseDeclaration(const JsonValue &value, Diagnostics &diagnostics, std::string &name,
                              SourceRange &where, RawRef &range, std::string &rangeText) {
  RawRef expr = value.kind == JsonValue::Kind::String ? parseExpr(value, diagnostics) : nullptr;
  if (value.kind == JsonValue::Kind::String && !expr)
    return false;
  if (!expr || expr->kind != RawExpr::Kind::Binary || expr->text != "<" ||
      expr->args[0]->kind != RawExpr::Kind::Name) {
    diagnostics.error(SpecCode::Syntax, value.where, "an index is declared as \"NAME < RANGE\"");
    return false;
  }
  name = expr->args[0]->text;
  where = expr->args[0]->where;
  range = expr->args[1];
  rangeText = withoutBlanks(value.text.substr(value.text.find('<') + 1));
  return true;
}
