//===- Decode.cpp - which family an instruction belongs to --------------------------------------===//

#include "runtime/emulator/Statement.h"
#include "runtime/emulator/Warp.h"
#include <algorithm>

using namespace heddle::ptx;

std::optional<TypeName> heddle::ptx::typeNamed(std::string_view name) {
  static const std::map<std::string_view, TypeName> types = {
      {"s8", {TypeName::Signed, 8}},     {"s16", {TypeName::Signed, 16}},
      {"s32", {TypeName::Signed, 32}},   {"s64", {TypeName::Signed, 64}},
      {"u8", {TypeName::Unsigned, 8}},   {"u16", {TypeName::Unsigned, 16}},
      {"u32", {TypeName::Unsigned, 32}}, {"u64", {TypeName::Unsigned, 64}},
      {"b8", {TypeName::Bits, 8}},       {"b16", {TypeName::Bits, 16}},
      {"b32", {TypeName::Bits, 32}},     {"b64", {TypeName::Bits, 64}},
      {"f16", {TypeName::Float, 16}},    {"f32", {TypeName::Float, 32}},
      {"f64", {TypeName::Float, 64}},    {"bf16", {TypeName::Brain, 16}},
      {"pred", {TypeName::Predicate, 1}}};
  auto found = types.find(name);
  return found == types.end() ? std::nullopt : std::optional(found->second);
}

std::string Statement::mnemonic() const {
  std::string text;
  for (const std::string &word : all)
    text += (text.empty() ? "" : ".") + word;
  return text;
}

void Statement::refuse(const std::string &why) const {
  throw std::string("'" + mnemonic() + "' " + why);
}

bool Statement::take(std::string_view modifier) {
  auto found = std::find(modifiers.begin(), modifiers.end(), modifier);
  if (found == modifiers.end())
    return false;
  modifiers.erase(found);
  return true;
}

int Statement::takeOne(std::initializer_list<std::string_view> list) {
  int place = 0;
  for (std::string_view modifier : list) {
    if (take(modifier))
      return place;
    ++place;
  }
  return -1;
}

std::optional<TypeName> Statement::tryType() {
  for (size_t i = 0; i < modifiers.size(); ++i)
    if (std::optional<TypeName> type = typeNamed(modifiers[i])) {
      modifiers.erase(modifiers.begin() + i);
      return type;
    }
  return std::nullopt;
}

TypeName Statement::takeType() {
  std::optional<TypeName> type = tryType();
  if (!type)
    refuse("has no type that is known");
  return *type;
}

void Statement::noModifiersLeft() {
  if (!modifiers.empty())
    refuse("has a modifier that is not supported: '." + modifiers.front() + "'");
}

void Statement::finish(size_t numOperands) {
  noModifiersLeft();
  if (operands.size() != numOperands)
    refuse("has " + std::to_string(operands.size()) + " operands, expected " +
           std::to_string(numOperands));
}

int32_t Statement::reg(size_t operand) const {
  const OperandText &o = operands[operand];
  if (o.kind != OperandText::Register || o.second || o.registers[0] < 0)
    refuse("has an operand " + std::to_string(operand + 1) + " of a form that is not supported");
  return o.registers[0];
}

void heddle::ptx::decode(Statement &statement, Instruction &instruction) {
  for (auto family : {decodeMemory, decodeInteger, decodeFloat, decodeCompare, decodeControl,
                      decodeConvert, decodeApproximate, decodeWarp, decodeAtomic})
    if (family(statement, instruction))
      return;
  statement.refuse("is not supported");
}
