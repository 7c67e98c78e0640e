//===- Parser.h - PTX text to kernels ----------------------------------------------------------===//

#ifndef HEDDLE_RUNTIME_EMULATOR_PARSER_H
#define HEDDLE_RUNTIME_EMULATOR_PARSER_H

#include "runtime/emulator/Statement.h"
#include "runtime/emulator/Warp.h"

namespace heddle::ptx {

/// Words, numbers and punctuation of PTX. Throws std::string on what is none.
class Lexer {
public:
  explicit Lexer(std::string_view text) : all(text) {}
  std::string_view text() const { return all; }
  bool atEnd() { return skip(), at >= all.size(); }
  char peek() { return skip(), at < all.size() ? all[at] : '\0'; }
  bool accept(char c);
  void expect(char c);
  /// An identifier, a directive, a mnemonic with its dots, a version.
  std::string word();
  /// A decimal or hexadecimal integer.
  int64_t number();
  /// Integer, 0f or 0d; nothing is read if it is none.
  std::optional<uint64_t> immediate();
  void skipTo(char c);
  uint32_t line() { return skip(), lineNumber; }

private:
  void skip();
  std::string_view all;
  size_t at = 0;
  uint32_t lineNumber = 1;
};

class Parser {
public:
  Parser(std::string_view text, Module &module) : lexer(text), module(module) {}
  /// Throws std::string.
  void run();

private:
  struct Symbol {
    Space space;
    uint64_t offset;
  };
  struct Scope {
    std::map<std::string, int32_t> registers, labels;
    std::map<std::string, Symbol> symbols;
  };
  struct Pending {
    size_t at; // the branch
    std::string label;
    size_t depth;
    bool done = false;
  };

  void splitLines();
  void parseEntry();
  void parseParameters();
  void parseTuning();
  void parseVariable(Space space, std::map<std::string, Symbol> &symbols, uint32_t &used);
  void parseBody();
  void parseRegisters();
  void parseStatement();
  OperandText parseOperand(bool isLabel);
  OperandText parseAddress();
  int32_t parseValue();
  int32_t immediate(uint64_t value);
  int32_t registerNamed(const std::string &name);
  const Symbol *symbolNamed(const std::string &name) const;
  void closeScope();
  void resolveLabels();
  [[noreturn]] void fail(const std::string &why);
  [[noreturn]] void fail(const std::string &why, uint32_t line);

  Lexer lexer;
  Module &module;
  std::vector<std::string> lines;
  std::unique_ptr<Kernel> kernel;
  std::vector<Scope> scopes;
  std::map<std::string, Symbol> moduleSymbols;
  uint32_t moduleShared = 0;
  bool isExtern = false, hasDynamic = false;
  std::map<uint64_t, int32_t> immediates;
  std::map<Special, int32_t> specials;
  std::vector<Pending> pending;
};

} // namespace heddle::ptx

#endif // HEDDLE_RUNTIME_EMULATOR_PARSER_H
