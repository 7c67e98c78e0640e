//===- Compare.cpp - setp, selp, mov, testp (PTX ISA 9.7.5, 9.7.9) -------------------------------===//

#include "runtime/emulator/Lanes.h"
#include <cmath>

using namespace heddle::ptx;

namespace {
enum Code { Eq, Ne, Lt, Le, Gt, Ge, Equ, Neu, Ltu, Leu, Gtu, Geu, Num, Nan };

template <typename T> bool compare(int code, T a, T b) {
  bool unordered = a != a || b != b;
  switch (code) {
  case Eq:
    return a == b;
  case Ne:
    return !unordered && a != b;
  case Lt:
    return a < b;
  case Le:
    return a <= b;
  case Gt:
    return a > b;
  case Ge:
    return a >= b;
  case Equ:
    return unordered || a == b;
  case Neu:
    return a != b;
  case Ltu:
    return unordered || a < b;
  case Leu:
    return unordered || a <= b;
  case Gtu:
    return unordered || a > b;
  case Geu:
    return unordered || a >= b;
  case Num:
    return !unordered;
  default:
    return unordered;
  }
}

template <typename T, bool ftz> void setp(Warp &w, const Instruction &i, uint32_t mask) {
  const Row &a = w.read(i.operands[0], mask), &b = w.read(i.operands[1], mask);
  const Row *c = i.operands.size() == 3 ? &w.read(i.operands[2], mask) : nullptr;
  Row yes, no;
  for (uint32_t n = 0; n < lanes; ++n) {
    T x = as<T>(a[n]), y = as<T>(b[n]);
    if constexpr (ftz)
      x = flush(x), y = flush(y);
    bool holds = compare<T>(i.code, x, y);
    auto join = [&](bool p) {
      if (!c)
        return p;
      bool q = (*c)[n] & 1;
      return i.code2 == 0 ? p && q : i.code2 == 1 ? p || q : p != q;
    };
    yes[n] = join(holds);
    no[n] = join(!holds);
  }
  if (i.results[0] >= 0)
    w.write(i.results[0], yes, mask);
  if (i.results.size() == 2)
    w.write(i.results[1], no, mask);
}

template <bool brain> void setpNarrow(Warp &w, const Instruction &i, uint32_t mask) {
  const Row &a = w.read(i.operands[0], mask), &b = w.read(i.operands[1], mask);
  Row out;
  for (uint32_t n = 0; n < lanes; ++n) {
    auto value = [](uint64_t bits) {
      return brain ? fromBrain(uint16_t(bits)) : fromHalf(uint16_t(bits));
    };
    out[n] = compare(i.code, value(a[n]), value(b[n]));
  }
  w.write(i.results[0], out, mask);
}

/// A select moves: what was not written may pass, and is told where it is used.
template <typename T> void selp(Warp &w, const Instruction &i, uint32_t mask) {
  const Row &a = w.peek(i.operands[0]), &b = w.peek(i.operands[1]),
            &p = w.read(i.operands[2], mask);
  uint32_t goodA = w.writtenOf(i.operands[0]), goodB = w.writtenOf(i.operands[1]), chosen = 0;
  Row out;
  for (uint32_t n = 0; n < lanes; ++n) {
    bool first = p[n] & 1;
    chosen |= uint32_t(first) << n;
    out[n] = bitsOf(as<T>(first ? a[n] : b[n]));
  }
  w.write(i.results[0], out, mask);
  w.markWritten(i.results[0], mask, (chosen & goodA) | (~chosen & goodB));
}

template <typename T> void move(Warp &w, const Instruction &i, uint32_t mask) {
  const Row &a = w.peek(i.operands[0]);
  uint32_t good = w.writtenOf(i.operands[0]);
  Row out;
  for (uint32_t n = 0; n < lanes; ++n)
    out[n] = bitsOf(as<T>(a[n]));
  w.write(i.results[0], out, mask);
  w.markWritten(i.results[0], mask, good);
}
/// mov.b32 %r, {%rs0, %rs1}, the first in the low bits; and back.
void pack(Warp &w, const Instruction &i, uint32_t mask) {
  uint32_t bits = 8u * i.bytes / uint32_t(i.operands.size());
  Row out{};
  for (size_t part = 0; part < i.operands.size(); ++part) {
    const Row &a = w.read(i.operands[part], mask);
    for (uint32_t n = 0; n < lanes; ++n)
      out[n] |= (a[n] & ((uint64_t(1) << bits) - 1)) << (bits * part);
  }
  w.write(i.results[0], out, mask);
}
void unpack(Warp &w, const Instruction &i, uint32_t mask) {
  uint32_t bits = 8u * i.bytes / uint32_t(i.results.size());
  Row all = w.read(i.operands[0], mask), out;
  for (size_t part = 0; part < i.results.size(); ++part) {
    for (uint32_t n = 0; n < lanes; ++n)
      out[n] = all[n] >> (bits * part) & ((uint64_t(1) << bits) - 1);
    if (i.results[part] >= 0)
      w.write(i.results[part], out, mask);
  }
}

Execute setpOf(TypeName type, bool ftz) {
  if (type.kind == TypeName::Float && type.bits == 32)
    return ftz ? setp<float, true> : setp<float, false>;
  if (type.kind == TypeName::Float && type.bits == 64)
    return setp<double, false>;
  if (type.bits == 16 && type.isFloat())
    return type.kind == TypeName::Brain ? setpNarrow<true> : setpNarrow<false>;
  bool isSigned = type.kind == TypeName::Signed;
  switch (type.bits) {
  case 16:
    return isSigned ? setp<int16_t, false> : setp<uint16_t, false>;
  case 32:
    return isSigned ? setp<int32_t, false> : setp<uint32_t, false>;
  case 64:
    return isSigned ? setp<int64_t, false> : setp<uint64_t, false>;
  default:
    return nullptr;
  }
}

bool decodeSetp(Statement &s, Instruction &i) {
  TypeName type = s.takeType();
  int code = s.takeOne(
      {"eq", "ne", "lt", "le", "gt", "ge", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"});
  if (code < 0) // unsigned names of the same
    if (int other = s.takeOne({"lo", "ls", "hi", "hs"}); other >= 0)
      code = Lt + other;
  if (code < 0)
    s.refuse("has no comparison that is known");
  if (!type.isFloat() && code > Ge)
    s.refuse("compares integers as if they could be NaN");
  i.code = int8_t(code);
  i.code2 = int8_t(s.takeOne({"and", "or", "xor"}));
  bool ftz = s.take("ftz");
  i.execute = setpOf(type, ftz);
  if (!i.execute || (ftz && type.bits != 32))
    s.refuse("is not supported for this type");
  s.finish(i.code2 >= 0 ? 4 : 3);
  if (s.operands[0].kind != OperandText::Register)
    s.refuse("needs a predicate to set");
  i.results = {s.operands[0].registers[0]};
  if (s.operands[0].second)
    i.results.push_back(*s.operands[0].second);
  bool narrow = type.isFloat() && type.bits == 16;
  if (narrow && (i.code2 >= 0 || i.results.size() == 2 || i.results[0] < 0))
    s.refuse("is not supported in this form for 16-bit floats");
  for (size_t n = 1; n < s.operands.size(); ++n)
    i.operands.push_back(s.reg(n));
  return true;
}

Execute byBits(uint8_t bits, Execute b16, Execute b32, Execute b64) {
  return bits == 16 ? b16 : bits == 32 ? b32 : bits == 64 ? b64 : nullptr;
}

bool decodeMove(Statement &s, Instruction &i) {
  TypeName type = s.takeType();
  s.finish(2);
  i.bytes = type.bits / 8;
  bool packs = s.operands[1].kind == OperandText::Vector,
       unpacks = s.operands[0].kind == OperandText::Vector;
  if (packs == unpacks && packs)
    return false;
  if (packs || unpacks) {
    i.results = unpacks ? s.operands[0].registers : std::vector<int32_t>{s.reg(0)};
    i.operands = packs ? s.operands[1].registers : std::vector<int32_t>{s.reg(1)};
    size_t parts = std::max(i.results.size(), i.operands.size());
    if (parts > 4 || 8u * i.bytes % parts || (8u * i.bytes) / parts < 8)
      s.refuse("has too many parts");
    i.execute = packs ? pack : unpack;
    return true;
  }
  i.results = {s.reg(0)};
  i.operands = {s.reg(1)};
  if (type.kind == TypeName::Predicate)
    i.execute = move<uint64_t>;
  else
    i.execute = byBits(type.bits, move<uint16_t>, move<uint32_t>, move<uint64_t>);
  return i.execute != nullptr;
}
} // namespace

bool heddle::ptx::decodeCompare(Statement &s, Instruction &i) {
  if (s.op == "setp")
    return decodeSetp(s, i);
  if (s.op == "mov")
    return decodeMove(s, i);
  if (s.op == "selp") {
    TypeName type = s.takeType();
    plainOperands(s, i, 3);
    i.execute = byBits(type.bits, selp<uint16_t>, selp<uint32_t>, selp<uint64_t>);
    return i.execute != nullptr;
  }
  return false;
}
