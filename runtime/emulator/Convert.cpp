//===- Convert.cpp - cvt and cvta (PTX ISA 9.7.9) -----------------------------------------------===//

#include "runtime/emulator/Lanes.h"
#include <algorithm>
#include <cmath>

using namespace heddle::ptx;

namespace {
enum Rounding { None, Nearest, Zero, Down, Up };

double toDouble(TypeName type, uint64_t bits) {
  if (type.kind == TypeName::Brain)
    return fromBrain(uint16_t(bits));
  return type.bits == 16   ? fromHalf(uint16_t(bits))
         : type.bits == 32 ? as<float>(bits)
                           : as<double>(bits);
}

uint64_t fromDouble(TypeName type, double x, bool ftz) {
  if (type.kind == TypeName::Brain)
    return toBrain(x);
  if (type.bits == 16)
    return toHalf(x);
  if (type.bits == 64)
    return bitsOf(x);
  return bitsOf(ftz ? flush(float(x)) : float(x));
}

/// The integer of a register, extended by its own sign.
__int128 toInteger(TypeName type, uint64_t bits) {
  uint32_t unused = 64u - type.bits;
  bits <<= unused;
  return type.kind == TypeName::Signed ? __int128(int64_t(bits) >> unused)
                                       : __int128(bits >> unused);
}

struct Range {
  __int128 low, high;
};
Range rangeOf(TypeName type) {
  bool isSigned = type.kind == TypeName::Signed;
  __int128 one = 1;
  return isSigned ? Range{-(one << (type.bits - 1)), (one << (type.bits - 1)) - 1}
                  : Range{0, (one << type.bits) - 1};
}

double roundInteger(int rounding, double x) {
  switch (rounding) {
  case Nearest:
    return std::nearbyint(x);
  case Down:
    return std::floor(x);
  case Up:
    return std::ceil(x);
  default:
    return std::trunc(x);
  }
}

/// Float to integer saturates, NaN gives 0 (for 64-bit results of f32 and smaller too).
uint64_t saturated(TypeName type, double x) {
  Range range = rangeOf(type);
  if (std::isnan(x))
    return 0;
  __int128 value = x <= double(range.low)    ? range.low
                   : x >= double(range.high) ? range.high
                                             : __int128(x);
  return uint64_t(value) & (type.bits == 64 ? ~uint64_t(0) : (uint64_t(1) << type.bits) - 1);
}

/// From an integer to a float, rounded once.
uint64_t integerToFloat(TypeName to, __int128 value) {
  if (to.bits == 64)
    return bitsOf(double(value));
  if (to.bits == 32)
    return bitsOf(float(value));
  return fromDouble(to, double(value), false); // exact: up to 2^53, and 16-bit floats end before
}

constexpr int32_t ftzFlag = 1, satFlag = 2, integral = 4;

void convert(Warp &w, const Instruction &i, uint32_t mask) {
  TypeName from{TypeName::Kind(i.code), i.bytes}, to{TypeName::Kind(i.code2), uint8_t(i.offset)};
  int rounding = i.extra & 15, flags = i.extra >> 4;
  const Row &a = w.read(i.operands[0], mask);
  Row out;
  for (uint32_t n = 0; n < lanes; ++n) {
    if (!from.isFloat()) {
      __int128 value = toInteger(from, a[n]);
      if (to.isFloat()) {
        out[n] = integerToFloat(to, value);
        continue;
      }
      Range range = rangeOf(to);
      if (flags & satFlag)
        value = std::min(std::max(value, range.low), range.high);
      // A narrow value fills a wide register with its sign.
      out[n] = uint64_t(value);
      if (to.bits < 64 && to.kind != TypeName::Signed)
        out[n] &= (uint64_t(1) << to.bits) - 1;
      else if (to.bits < 64)
        out[n] = uint64_t(int64_t(out[n] << (64 - to.bits)) >> (64 - to.bits));
      continue;
    }
    double x = toDouble(from, a[n]);
    if (flags & ftzFlag && from.bits == 32)
      x = flush(float(x));
    if (!to.isFloat()) {
      out[n] = saturated(to, roundInteger(rounding, x));
      continue;
    }
    if (flags & integral)
      x = roundInteger(rounding, x);
    if (flags & satFlag)
      x = std::isnan(x) ? 0 : std::min(std::max(x, 0.0), 1.0);
    out[n] = fromDouble(to, x, flags & ftzFlag);
  }
  w.write(i.results[0], out, mask);
}

/// cvt.rn.bf16x2.f32 d, a, b: a in the upper half.
template <bool brain> void convertPair(Warp &w, const Instruction &i, uint32_t mask) {
  const Row &a = w.read(i.operands[0], mask), &b = w.read(i.operands[1], mask);
  Row out;
  auto narrow = [](uint64_t bits) {
    return uint64_t(brain ? toBrain(as<float>(bits)) : toHalf(as<float>(bits)));
  };
  for (uint32_t n = 0; n < lanes; ++n)
    out[n] = narrow(a[n]) << 16 | narrow(b[n]);
  w.write(i.results[0], out, mask);
}

/// Generic addresses of shared and local memory are in windows; global ones are themselves.
template <bool to> void convertAddress(Warp &w, const Instruction &i, uint32_t mask) {
  uint64_t window = i.space == Space::Shared  ? sharedWindow
                    : i.space == Space::Local ? localWindow
                                              : 0;
  unary<uint64_t>(w, i, mask, [window](uint64_t a) { return to ? a - window : a + window; });
}

bool decodeAddress(Statement &s, Instruction &i) {
  bool to = s.take("to");
  int space = s.takeOne({"global", "shared", "local", "const", "param"});
  if (space < 0 || space > 2)
    s.refuse("has no state space that is supported");
  if (s.takeType().bits != 64)
    s.refuse("is supported for 64-bit addresses");
  plainOperands(s, i, 1);
  i.space = space == 0 ? Space::Global : space == 1 ? Space::Shared : Space::Local;
  i.execute = to ? convertAddress<true> : convertAddress<false>;
  return true;
}
} // namespace

bool heddle::ptx::decodeConvert(Statement &s, Instruction &i) {
  if (s.op == "cvta")
    return decodeAddress(s, i);
  if (s.op != "cvt")
    return false;
  int pair = s.takeOne({"bf16x2", "f16x2"});
  if (pair >= 0) {
    TypeName from = s.takeType();
    if (!s.take("rn") || from.kind != TypeName::Float || from.bits != 32)
      s.refuse("is not supported; .rn from .f32 is");
    plainOperands(s, i, 2);
    i.execute = pair ? convertPair<false> : convertPair<true>;
    return true;
  }
  int rounding = s.takeOne({"rn", "rz", "rm", "rp"}),
      whole = s.takeOne({"rni", "rzi", "rmi", "rpi"});
  int flags =
      (s.take("ftz") ? ftzFlag : 0) | (s.take("sat") ? satFlag : 0) | (whole >= 0 ? integral : 0);
  TypeName to = s.takeType(), from = s.takeType();
  if (to.kind == TypeName::Bits || from.kind == TypeName::Bits || to.kind == TypeName::Predicate)
    s.refuse("has a type that is not supported");
  bool narrows = to.isFloat() && (!from.isFloat() || to.bits < from.bits || to.kind != from.kind);
  if (rounding > 0 && narrows)
    s.refuse("rounds in a way that is not supported; .rn is");
  if (narrows && rounding != 0 && to.bits <= from.bits && whole < 0)
    s.refuse("needs a rounding");
  if (from.isFloat() && !to.isFloat() && whole < 0)
    s.refuse("needs .rni, .rzi, .rmi or .rpi");
  plainOperands(s, i, 1);
  i.code = int8_t(from.kind), i.bytes = from.bits;
  i.code2 = int8_t(to.kind), i.offset = to.bits;
  i.extra = (whole >= 0 ? Nearest + whole : None) | flags << 4;
  i.execute = convert;
  return true;
}
