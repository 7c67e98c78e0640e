//===- MemoryOps.cpp - ld and st, checked (PTX ISA 9.7.9) ---------------------------------------===//

#include "runtime/emulator/MemoryOps.h"
#include "runtime/emulator/Lanes.h"
#include <cstdio>

using namespace heddle::ptx;

static std::string hexadecimal(uint64_t value) {
  char text[32];
  snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

/// A byte range inside `size` bytes that start at `first`.
static uint8_t *inside(std::vector<uint8_t> &memory, uint64_t base, uint64_t size, uint64_t address,
                       uint32_t bytes, const char *what, uint32_t lane) {
  if (address < firstAddress || address - firstAddress > size ||
      size - (address - firstAddress) < bytes)
    throw Fault{"an access of " + std::to_string(bytes) + " bytes at " + hexadecimal(address) +
                    " is outside " + what + " memory (" + std::to_string(size) + " bytes)",
                int(lane)};
  return memory.data() + base + (address - firstAddress);
}

uint8_t *heddle::ptx::resolve(Warp &w, Space space, uint64_t address, uint32_t bytes, bool writes,
                              uint32_t lane) {
  Block &block = w.block;
  if (space == Space::Generic) {
    space = address >= localWindow    ? Space::Local
            : address >= sharedWindow ? Space::Shared
                                      : Space::Global;
    address -= space == Space::Local ? localWindow : space == Space::Shared ? sharedWindow : 0;
  }
  if (address % bytes)
    throw Fault{"an access of " + std::to_string(bytes) + " bytes at " + hexadecimal(address) +
                    " is misaligned",
                int(lane)};
  if (space == Space::Shared)
    return inside(block.shared, 0, block.shared.size(), address, bytes, "shared", lane);
  if (space == Space::Local) {
    uint64_t size = block.kernel.local;
    return inside(block.local, size * w.thread(lane), size, address, bytes, "local", lane);
  }
  auto &[base, size] = block.lastAllocation;
  if (address < base || address - base + bytes > size)
    block.lastAllocation = block.memory.find(address);
  if (size < bytes || address - base > size - bytes)
    throw Fault{"an access of " + std::to_string(bytes) + " bytes at " + hexadecimal(address) +
                    " is outside every allocation",
                int(lane)};
  if (writes && block.options.checkOverlap &&
      !block.shadow.write(base, size, address, bytes, block.number))
    throw Fault{"the word at " + hexadecimal(address) + " was written by another block, too",
                int(lane)};
  return reinterpret_cast<uint8_t *>(address);
}

namespace {
/// Base register and offset, of a lane.
struct Address {
  const Row *row;
  int64_t offset;
  uint64_t of(uint32_t lane) const { return (row ? (*row)[lane] : 0) + uint64_t(offset); }
};
Address addressOf(Warp &w, const Instruction &i, uint32_t mask) {
  return {i.address >= 0 ? &w.read(i.address, mask) : nullptr, i.offset};
}

uint64_t loadElement(const uint8_t *at, uint32_t bytes, bool isSigned) {
  uint64_t bits = 0;
  memcpy(&bits, at, bytes);
  if (isSigned && bytes < 8)
    bits = uint64_t(int64_t(bits << (64 - 8 * bytes)) >> (64 - 8 * bytes));
  return bits;
}

void load(Warp &w, const Instruction &i, uint32_t mask) {
  Row base;
  Address address = addressOf(w, i, mask);
  if (address.row) // a result may be the address register
    base = *address.row, address.row = &base;
  uint32_t count = uint32_t(i.results.size()), total = count * i.bytes;
  std::array<Row, 8> out;
  for (uint32_t n = 0; n < lanes; ++n) {
    if (!(mask >> n & 1))
      continue;
    const uint8_t *at = resolve(w, i.space, address.of(n), total, false, n);
    for (uint32_t part = 0; part < count; ++part)
      out[part][n] = loadElement(at + part * i.bytes, i.bytes, i.isSigned);
  }
  for (uint32_t part = 0; part < count; ++part)
    if (i.results[part] >= 0)
      w.write(i.results[part], out[part], mask);
}

void loadParameter(Warp &w, const Instruction &i, uint32_t mask) {
  uint32_t count = uint32_t(i.results.size());
  for (uint32_t part = 0; part < count; ++part) {
    Row out;
    out.fill(
        loadElement(w.block.parameters.data() + i.offset + part * i.bytes, i.bytes, i.isSigned));
    if (i.results[part] >= 0)
      w.write(i.results[part], out, mask);
  }
}

void store(Warp &w, const Instruction &i, uint32_t mask) {
  Address address = addressOf(w, i, mask);
  uint32_t count = uint32_t(i.operands.size()), total = count * i.bytes;
  std::array<const Row *, 8> rows;
  for (uint32_t part = 0; part < count; ++part)
    rows[part] = &w.read(i.operands[part], mask);
  for (uint32_t n = 0; n < lanes; ++n) {
    if (!(mask >> n & 1))
      continue;
    uint8_t *at = resolve(w, i.space, address.of(n), total, true, n);
    for (uint32_t part = 0; part < count; ++part)
      memcpy(at + part * i.bytes, &(*rows[part])[n], i.bytes);
  }
}
} // namespace

void heddle::ptx::takeSpace(Statement &s, Instruction &i) {
  int space = s.takeOne({"param", "global", "shared", "local", "const"});
  static constexpr Space spaces[] = {Space::Param, Space::Global, Space::Shared, Space::Local,
                                     Space::Const};
  i.space = space < 0 ? Space::Generic : spaces[space];
  if (i.space == Space::Const)
    s.refuse("reads constant memory, which is not supported");
  if (s.take("shared::cta"))
    i.space = Space::Shared;
}

void heddle::ptx::takeAddress(Statement &s, Instruction &i, size_t operand) {
  const OperandText &o = s.operands[operand];
  if (o.kind != OperandText::Address)
    s.refuse("needs an address in brackets");
  if (o.isSymbol && o.space != i.space)
    s.refuse("names a variable of another state space");
  i.offset = o.offset;
  i.address = o.isSymbol ? -1 : o.registers[0];
}

bool heddle::ptx::decodeMemory(Statement &s, Instruction &i) {
  if (s.op != "ld" && s.op != "st")
    return false;
  bool isLoad = s.op == "ld";
  takeSpace(s, i);
  s.take("volatile");
  s.take("relaxed") && s.takeOne({"cta", "gpu", "sys"});
  s.take("weak");
  if (s.take("nc") && !(isLoad && i.space == Space::Global))
    s.refuse("is for loads of global memory");
  s.takeOne({"ca", "cg", "cs", "lu", "cv", "wb", "wt"});
  int vector = s.takeOne({"v2", "v4", "v8"});
  size_t count = vector < 0 ? 1 : size_t(2) << vector;
  TypeName type = s.takeType();
  if (type.kind == TypeName::Predicate)
    s.refuse("cannot move predicates");
  s.finish(2);
  i.bytes = type.bits / 8;
  i.isSigned = type.kind == TypeName::Signed;
  const OperandText &data = s.operands[isLoad ? 0 : 1];
  if (data.registers.size() != count || (count > 1) != (data.kind == OperandText::Vector) ||
      data.second)
    s.refuse("and its operand differ in size");
  (isLoad ? i.results : i.operands) = data.registers;
  takeAddress(s, i, isLoad ? 1 : 0);
  if (i.space == Space::Param) {
    if (!isLoad || i.address >= 0)
      s.refuse("of a parameter needs its name");
    i.execute = loadParameter;
    return true;
  }
  i.execute = isLoad ? load : store;
  return true;
}
