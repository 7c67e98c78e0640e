//===- Parser.cpp - PTX text to kernels --------------------------------------------------------===//

#include "runtime/emulator/Parser.h"
#include <algorithm>
#include <cstdlib>

using namespace heddle::ptx;

//===--- Directives outside kernels -----------------------------------------------------------===//

void Parser::run() {
  splitLines();
  while (!lexer.atEnd()) {
    std::string word = lexer.word();
    if (word == ".version") {
      std::string number = lexer.word();
      module.ptxVersion = int(std::atof(number.c_str()) * 10 + 0.5);
    } else if (word == ".target") {
      std::string target = lexer.word();
      if (target.rfind("sm_", 0) != 0)
        fail("expected a target such as sm_80, got '" + target + "'");
      module.level = std::atoi(target.c_str() + 3);
      while (lexer.accept(','))
        lexer.word();
    } else if (word == ".address_size") {
      if (std::string size = lexer.word(); size != "64")
        fail("expected 64-bit addresses, got " + size);
    } else if (word == ".visible" || word == ".weak" || word == ".extern") {
      isExtern = word == ".extern";
    } else if (word == ".entry") {
      parseEntry();
    } else if (word == ".shared") {
      parseVariable(Space::Shared, moduleSymbols, moduleShared);
    } else {
      fail("'" + word + "' is not supported here");
    }
  }
}

void Parser::splitLines() {
  lines.push_back("");
  std::string line;
  for (char c : lexer.text()) {
    if (c == '\n') {
      lines.push_back(line);
      line.clear();
    } else {
      line += c;
    }
  }
  lines.push_back(line);
}

void Parser::parseEntry() {
  kernel = std::make_unique<Kernel>();
  kernel->name = lexer.word();
  kernel->shared = moduleShared;
  kernel->dynamicShared = hasDynamic;
  scopes.assign(1, Scope());
  scopes.back().symbols = moduleSymbols;
  immediates.clear();
  specials.clear();
  pending.clear();
  if (lexer.accept('('))
    parseParameters();
  parseTuning();
  lexer.expect('{');
  parseBody();
  resolveLabels();
  kernel->lines = lines;
  std::string name = kernel->name;
  if (!module.kernels.emplace(name, std::move(kernel)).second)
    fail("kernel '" + name + "' is defined twice");
}

void Parser::parseParameters() {
  while (!lexer.accept(')')) {
    if (std::string word = lexer.word(); word != ".param")
      fail("expected .param, got '" + word + "'");
    uint32_t alignment = 0;
    std::string word = lexer.word();
    while (word == ".align" || word == ".ptr" || word == ".global" || word == ".const") {
      if (word == ".align")
        alignment = uint32_t(lexer.number());
      word = lexer.word();
    }
    std::optional<TypeName> type = typeNamed(word.substr(1));
    if (!type)
      fail("unknown type '" + word + "' of a parameter");
    word = lexer.word();
    while (word == ".ptr" || word == ".global" || word == ".align" || word == ".const") {
      if (word == ".align")
        lexer.number();
      word = lexer.word();
    }
    uint32_t bytes = type->bits / 8;
    alignment = std::max(alignment, bytes);
    if (lexer.accept('[')) {
      bytes *= uint32_t(lexer.number());
      lexer.expect(']');
    }
    uint32_t offset = (kernel->parameterBytes + alignment - 1) / alignment * alignment;
    kernel->parameters.push_back({word, offset, bytes});
    kernel->parameterBytes = offset + bytes;
    scopes.back().symbols[word] = {Space::Param, offset};
    lexer.accept(',');
  }
}

/// .maxntid and its like, in front of the body.
void Parser::parseTuning() {
  while (lexer.peek() == '.') {
    std::string word = lexer.word();
    if (word != ".maxntid" && word != ".reqntid" && word != ".minnctapersm" && word != ".maxnreg")
      fail("unknown directive '" + word + "'");
    int64_t product = lexer.number();
    while (lexer.accept(','))
      product *= lexer.number();
    if (word == ".maxntid" || word == ".reqntid")
      kernel->maxThreads = uint32_t(product);
  }
}

/// .align 16 .b8 name[100]
void Parser::parseVariable(Space space, std::map<std::string, Symbol> &symbols, uint32_t &used) {
  uint32_t alignment = 0;
  std::string word = lexer.word();
  while (word == ".align") {
    alignment = uint32_t(lexer.number());
    word = lexer.word();
  }
  std::optional<TypeName> type = typeNamed(word.substr(1));
  if (!type || type->kind == TypeName::Predicate)
    fail("unknown type '" + word + "' of a variable");
  std::string name = lexer.word();
  uint64_t bytes = type->bits / 8;
  alignment = std::max<uint32_t>(alignment, type->bits / 8);
  bool open = false;
  if (lexer.accept('[')) {
    open = lexer.peek() == ']';
    if (!open)
      bytes *= uint64_t(lexer.number());
    lexer.expect(']');
  }
  if (open && !(isExtern && space == Space::Shared))
    fail("an array without a size is supported as .extern .shared only");
  used = (used + alignment - 1) / alignment * alignment;
  symbols[name] = {space, used};
  if (open)
    hasDynamic = true;
  else
    used += uint32_t(bytes);
  isExtern = false;
  lexer.expect(';');
}

//===--- Bodies -------------------------------------------------------------------------------===//

void Parser::parseBody() {
  for (size_t depth = 1; depth > 0;) {
    if (lexer.accept('{')) {
      scopes.emplace_back();
      ++depth;
      continue;
    }
    if (lexer.accept('}')) {
      closeScope();
      --depth;
      continue;
    }
    if (lexer.peek() == '@' || lexer.peek() != '.') {
      parseStatement();
      continue;
    }
    std::string word = lexer.word();
    if (word == ".reg")
      parseRegisters();
    else if (word == ".local")
      parseVariable(Space::Local, scopes.back().symbols, kernel->local);
    else if (word == ".shared")
      parseVariable(Space::Shared, scopes.back().symbols, kernel->shared);
    else if (word == ".pragma" || word == ".loc")
      lexer.skipTo(';');
    else
      fail("'" + word + "' is not supported in a kernel");
  }
}

/// .reg .b64 %rd<10>, %SP;
void Parser::parseRegisters() {
  std::string type = lexer.word();
  if (!typeNamed(type.substr(1)))
    fail("unknown type '" + type + "' of a register");
  do {
    std::string name = lexer.word();
    if (!lexer.accept('<')) {
      scopes.back().registers[name] = kernel->numRegisters++;
      continue;
    }
    int64_t count = lexer.number();
    lexer.expect('>');
    if (count < 0 || count > 1000000)
      fail("cannot have that many registers");
    for (int64_t i = 0; i < count; ++i)
      scopes.back().registers[name + std::to_string(i)] = kernel->numRegisters++;
  } while (lexer.accept(','));
  lexer.expect(';');
}

void Parser::parseStatement() {
  Instruction instruction;
  instruction.line = lexer.line();
  if (lexer.accept('@')) {
    instruction.negated = lexer.accept('!');
    instruction.predicate = registerNamed(lexer.word());
  }
  std::string word = lexer.word();
  if (lexer.accept(':')) {
    if (!scopes.back().labels.emplace(word, int32_t(kernel->code.size())).second)
      fail("label '" + word + "' stands twice");
    return;
  }
  Statement statement;
  for (size_t from = 0; from <= word.size();) {
    size_t dot = std::min(word.find('.', from), word.size());
    statement.all.push_back(word.substr(from, dot - from));
    from = dot + 1;
  }
  statement.op = statement.all.front();
  statement.modifiers.assign(statement.all.begin() + 1, statement.all.end());
  while (lexer.peek() != ';') {
    statement.operands.push_back(parseOperand(statement.op == "bra"));
    if (!lexer.accept(','))
      break;
  }
  lexer.expect(';');
  try {
    decode(statement, instruction);
  } catch (const std::string &why) {
    fail(why, instruction.line);
  }
  if (statement.op == "bra")
    pending.push_back({kernel->code.size(), statement.operands[0].label, scopes.size()});
  kernel->code.push_back(std::move(instruction));
}

OperandText Parser::parseOperand(bool isLabel) {
  OperandText operand;
  if (isLabel) {
    operand.kind = OperandText::Label;
    operand.label = lexer.word();
    return operand;
  }
  if (lexer.accept('{')) {
    operand.kind = OperandText::Vector;
    do
      operand.registers.push_back(parseValue());
    while (lexer.accept(','));
    lexer.expect('}');
    return operand;
  }
  if (lexer.accept('['))
    return parseAddress();
  operand.registers.push_back(parseValue());
  if (lexer.accept('|'))
    operand.second = registerNamed(lexer.word());
  return operand;
}

/// [%rd1], [%rd1+4], [%rd1+-4], [symbol+4]
OperandText Parser::parseAddress() {
  OperandText operand;
  operand.kind = OperandText::Address;
  std::string word = lexer.word();
  if (const Symbol *symbol = symbolNamed(word)) {
    operand.isSymbol = true;
    operand.space = symbol->space;
    operand.offset = int64_t(symbol->offset);
    if (symbol->space == Space::Shared || symbol->space == Space::Local)
      operand.offset += firstAddress;
  } else {
    operand.registers.push_back(registerNamed(word));
  }
  if (lexer.accept('+'))
    operand.offset += lexer.number();
  lexer.expect(']');
  return operand;
}

/// A register, a special one, an immediate, the address of a symbol; as the number of a register.
int32_t Parser::parseValue() {
  if (std::optional<uint64_t> value = lexer.immediate())
    return immediate(*value);
  std::string word = lexer.word();
  if (word == "_")
    return -1;
  if (const Symbol *symbol = symbolNamed(word)) {
    if (symbol->space == Space::Param)
      fail("the address of a parameter cannot be taken");
    return immediate(symbol->offset + firstAddress);
  }
  return registerNamed(word);
}

int32_t Parser::immediate(uint64_t value) {
  auto [at, isNew] = immediates.emplace(value, kernel->numRegisters);
  if (isNew)
    kernel->immediates.push_back({kernel->numRegisters++, value});
  return at->second;
}

int32_t Parser::registerNamed(const std::string &name) {
  for (size_t i = scopes.size(); i-- > 0;)
    if (auto found = scopes[i].registers.find(name); found != scopes[i].registers.end())
      return found->second;
  static const std::map<std::string, Special> names = {
      {"%tid.x", Special::TidX},     {"%tid.y", Special::TidY},     {"%tid.z", Special::TidZ},
      {"%ntid.x", Special::NtidX},   {"%ntid.y", Special::NtidY},   {"%ntid.z", Special::NtidZ},
      {"%ctaid.x", Special::CtaX},   {"%ctaid.y", Special::CtaY},   {"%ctaid.z", Special::CtaZ},
      {"%nctaid.x", Special::NctaX}, {"%nctaid.y", Special::NctaY}, {"%nctaid.z", Special::NctaZ},
      {"%laneid", Special::Lane},    {"%warpid", Special::Warp},    {"%clock64", Special::Clock},
      {"%clock", Special::Clock}};
  auto special = names.find(name);
  if (special == names.end())
    fail("'" + name + "' is not declared");
  auto [at, isNew] = specials.emplace(special->second, kernel->numRegisters);
  if (isNew)
    kernel->specials.push_back({kernel->numRegisters++, special->second});
  return at->second;
}

const Parser::Symbol *Parser::symbolNamed(const std::string &name) const {
  for (size_t i = scopes.size(); i-- > 0;)
    if (auto found = scopes[i].symbols.find(name); found != scopes[i].symbols.end())
      return &found->second;
  return nullptr;
}

/// Branches that stand in the scope find its labels before those outside.
void Parser::closeScope() {
  for (Pending &branch : pending) {
    if (branch.depth < scopes.size() || branch.done)
      continue;
    auto found = scopes.back().labels.find(branch.label);
    if (found != scopes.back().labels.end()) {
      kernel->code[branch.at].target = found->second;
      branch.done = true;
    } else {
      branch.depth = scopes.size() - 1;
    }
  }
  if (scopes.size() > 1)
    scopes.pop_back();
}

void Parser::resolveLabels() {
  for (const Pending &branch : pending)
    if (!branch.done)
      fail("there is no label '" + branch.label + "'", kernel->code[branch.at].line);
  for (const Instruction &instruction : kernel->code)
    if (instruction.target >= int32_t(kernel->code.size()))
      fail("a branch goes behind the last instruction", instruction.line);
  bool ends = !kernel->code.empty() &&
              (kernel->code.back().flow == Flow::Exit ||
               (kernel->code.back().flow == Flow::Branch && kernel->code.back().predicate < 0));
  if (!ends)
    fail("the kernel does not end in ret, exit or bra");
}

void Parser::fail(const std::string &why) { fail(why, lexer.line()); }

void Parser::fail(const std::string &why, uint32_t line) {
  std::string text = line < lines.size() ? lines[line] : "";
  text.erase(0, text.find_first_not_of(" \t"));
  throw std::string("line " + std::to_string(line) + ": " + why + "\n  " + text);
}
