//===- Statement.h - an instruction between parsing and decoding -------------------------------===//

#ifndef HEDDLE_RUNTIME_EMULATOR_STATEMENT_H
#define HEDDLE_RUNTIME_EMULATOR_STATEMENT_H

#include "runtime/emulator/Kernel.h"
#include <functional>
#include <optional>

namespace heddle::ptx {

/// The type in a mnemonic.
struct TypeName {
  enum Kind : uint8_t { Signed, Unsigned, Bits, Float, Brain, Predicate } kind;
  uint8_t bits;
  bool isFloat() const { return kind == Float || kind == Brain; }
};
std::optional<TypeName> typeNamed(std::string_view name);

struct OperandText {
  enum Kind { Register, Vector, Address, Label } kind = Register;
  std::vector<int32_t> registers; // one, or of a vector; -1: `_`
  std::optional<int32_t> second;  // behind `|`
  Space space = Space::Generic;   // Address of a symbol: where it is
  bool isSymbol = false;          // Address: a symbol + offset, no register
  int64_t offset = 0;
  std::string label;
};

/// An instruction with its words apart. Modifiers are taken one by one; what is left over is unknown.
struct Statement {
  std::string op;                     // "ld"
  std::vector<std::string> modifiers; // "global", "v4", "b32"
  std::vector<OperandText> operands;

  /// Takes a modifier, if it is there.
  bool take(std::string_view modifier);
  /// The first of several that is there; the place in the list, or -1.
  int takeOne(std::initializer_list<std::string_view> list);
  /// Takes the next modifier that is a type. Throws if there is none.
  TypeName takeType();
  std::optional<TypeName> tryType();
  /// Throws if modifiers are left, or the number of operands differs.
  void finish(size_t numOperands);
  void noModifiersLeft();
  /// A plain register operand. Throws otherwise.
  int32_t reg(size_t operand) const;
  [[noreturn]] void refuse(const std::string &why) const;
  /// `ld.global.v4.b32`.
  std::string mnemonic() const;

private:
  std::vector<std::string> all;
  friend class Parser;
};

// One file per family; each tells whether the instruction is its own.
bool decodeInteger(Statement &statement, Instruction &instruction);
bool decodeFloat(Statement &statement, Instruction &instruction);
bool decodeApproximate(Statement &statement, Instruction &instruction);
bool decodeCompare(Statement &statement, Instruction &instruction);
bool decodeConvert(Statement &statement, Instruction &instruction);
bool decodeMemory(Statement &statement, Instruction &instruction);
bool decodeAtomic(Statement &statement, Instruction &instruction);
bool decodeControl(Statement &statement, Instruction &instruction);
bool decodeWarp(Statement &statement, Instruction &instruction);

} // namespace heddle::ptx

#endif // HEDDLE_RUNTIME_EMULATOR_STATEMENT_H
