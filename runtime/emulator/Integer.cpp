//===- Integer.cpp - integer arithmetic and bits (PTX ISA 9.7.1, 9.7.2, 9.7.8) -------------------===//

#include "runtime/emulator/Lanes.h"
#include <algorithm>
#include <limits>
#include <type_traits>

using namespace heddle::ptx;

namespace {
template <typename T> using Wide = std::conditional_t<sizeof(T) == 8, __int128, int64_t>;

/// Calls f with a value of the type: signed or unsigned, 16, 32 or 64 bits.
template <typename F> bool onInteger(TypeName type, F f) {
  bool isSigned = type.kind == TypeName::Signed;
  switch (type.bits) {
  case 16:
    return isSigned ? f(int16_t()) : f(uint16_t());
  case 32:
    return isSigned ? f(int32_t()) : f(uint32_t());
  case 64:
    return isSigned ? f(int64_t()) : f(uint64_t());
  default:
    return false;
  }
}
template <typename T> using Unsigned = std::make_unsigned_t<T>;

// Arithmetic wraps, so it is done without signs.
template <typename T> T add(T a, T b) { return T(Unsigned<T>(Unsigned<T>(a) + Unsigned<T>(b))); }
template <typename T> T sub(T a, T b) { return T(Unsigned<T>(Unsigned<T>(a) - Unsigned<T>(b))); }
template <typename T> T mulLow(T a, T b) {
  return T(Unsigned<T>(uint64_t(Unsigned<T>(a)) * uint64_t(Unsigned<T>(b))));
}
template <typename T> T mulHigh(T a, T b) {
  using W = std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>;
  return T((W(a) * W(b)) >> (8 * sizeof(T)));
}
// Division by zero is undefined in PTX; what a GPU gives is all ones.
template <typename T> T divide(T a, T b) {
  if (b == 0)
    return T(-1);
  if (std::is_signed_v<T> && b == T(-1))
    return sub(T(0), a);
  return T(a / b);
}
template <typename T> T remainder(T a, T b) {
  if (b == 0)
    return a;
  if (std::is_signed_v<T> && b == T(-1))
    return 0;
  return T(a % b);
}

template <typename T, int code> void run2(Warp &w, const Instruction &i, uint32_t mask) {
  binary<T>(w, i, mask, [](T a, T b) -> T {
    if constexpr (code == 0)
      return add(a, b);
    else if constexpr (code == 1)
      return sub(a, b);
    else if constexpr (code == 2)
      return mulLow(a, b);
    else if constexpr (code == 3)
      return mulHigh(a, b);
    else if constexpr (code == 4)
      return divide(a, b);
    else if constexpr (code == 5)
      return remainder(a, b);
    else if constexpr (code == 6)
      return std::min(a, b);
    else
      return std::max(a, b);
  });
}
template <typename T> void mulWide(Warp &w, const Instruction &i, uint32_t mask) {
  using W =
      std::conditional_t<sizeof(T) == 4, std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>,
                         std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>>;
  const Row &a = w.read(i.operands[0], mask), &b = w.read(i.operands[1], mask);
  bool adds = i.operands.size() == 3;
  Row out;
  for (uint32_t n = 0; n < lanes; ++n)
    out[n] = bitsOf(W(W(as<T>(a[n])) * W(as<T>(b[n]))));
  if (adds) {
    const Row &c = w.read(i.operands[2], mask);
    for (uint32_t n = 0; n < lanes; ++n)
      out[n] = bitsOf(add(as<W>(out[n]), as<W>(c[n])));
  }
  w.write(i.results[0], out, mask);
}
template <typename T, bool high> void mad(Warp &w, const Instruction &i, uint32_t mask) {
  ternary<T>(w, i, mask, [](T a, T b, T c) { return add(high ? mulHigh(a, b) : mulLow(a, b), c); });
}
template <typename T> void negate(Warp &w, const Instruction &i, uint32_t mask) {
  unary<T>(w, i, mask, [](T a) { return sub(T(0), a); });
}
template <typename T> void absolute(Warp &w, const Instruction &i, uint32_t mask) {
  unary<T>(w, i, mask, [](T a) { return a < 0 ? sub(T(0), a) : a; });
}

/// mul and mad: which half of the product.
bool decodeProduct(Statement &s, Instruction &i, bool adds) {
  TypeName type = s.takeType();
  if (type.isFloat() || type.kind == TypeName::Bits)
    return false;
  int half = s.takeOne({"lo", "hi", "wide"});
  if (half < 0)
    s.refuse("needs .lo, .hi or .wide");
  plainOperands(s, i, adds ? 3 : 2);
  return onInteger(type, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (sizeof(T) < 8)
      if (half == 2)
        return i.execute = mulWide<T>, true;
    if (half == 2)
      return false;
    i.execute = adds ? (half ? mad<T, true> : mad<T, false>) : (half ? run2<T, 3> : run2<T, 2>);
    return true;
  });
}

template <typename T, int code> void bits2(Warp &w, const Instruction &i, uint32_t mask) {
  binary<T>(w, i, mask, [](T a, T b) -> T {
    return code == 0 ? T(a & b) : code == 1 ? T(a | b) : T(a ^ b);
  });
}
template <typename T> void shiftLeft(Warp &w, const Instruction &i, uint32_t mask) {
  const Row &a = w.read(i.operands[0], mask), &b = w.read(i.operands[1], mask);
  Row out;
  for (uint32_t n = 0; n < lanes; ++n) {
    uint32_t by = uint32_t(b[n]);
    out[n] = by >= 8 * sizeof(T) ? 0 : bitsOf(T(as<T>(a[n]) << by));
  }
  w.write(i.results[0], out, mask);
}
template <typename T> void shiftRight(Warp &w, const Instruction &i, uint32_t mask) {
  const Row &a = w.read(i.operands[0], mask), &b = w.read(i.operands[1], mask);
  Row out;
  for (uint32_t n = 0; n < lanes; ++n) {
    uint32_t by = std::min<uint32_t>(uint32_t(b[n]), 8 * sizeof(T) - 1);
    T value = as<T>(a[n]);
    bool gone = uint32_t(b[n]) >= 8 * sizeof(T) && !std::is_signed_v<T>;
    out[n] = bitsOf(gone ? T(0) : T(value >> by));
  }
  w.write(i.results[0], out, mask);
}
template <typename T> void invert(Warp &w, const Instruction &i, uint32_t mask) {
  unary<T>(w, i, mask, [](T a) { return T(~a); });
}
void invertPredicate(Warp &w, const Instruction &i, uint32_t mask) {
  unary<uint64_t>(w, i, mask, [](uint64_t a) { return a ^ 1; });
}
template <int code> void countBits(Warp &w, const Instruction &i, uint32_t mask) {
  const Row &a = w.read(i.operands[0], mask);
  bool wide = i.bytes == 8;
  Row out;
  for (uint32_t n = 0; n < lanes; ++n) {
    uint64_t x = wide ? a[n] : uint32_t(a[n]);
    if (code == 0)
      out[n] = uint64_t(__builtin_popcountll(x));
    else
      out[n] = x ? uint64_t(__builtin_clzll(x)) - (wide ? 0 : 32) : (wide ? 64 : 32);
  }
  w.write(i.results[0], out, mask);
}
void reverseBits(Warp &w, const Instruction &i, uint32_t mask) {
  unary<uint32_t>(w, i, mask, [](uint32_t a) {
    uint32_t out = 0;
    for (int n = 0; n < 32; ++n)
      out |= (a >> n & 1) << (31 - n);
    return out;
  });
}
/// A bit of the result for each three bits of the operands, by the table.
void lop3(Warp &w, const Instruction &i, uint32_t mask) {
  uint32_t table = uint8_t(w.read(i.extra, mask)[0]);
  ternary<uint32_t>(w, i, mask, [table](uint32_t a, uint32_t b, uint32_t c) {
    uint32_t out = 0;
    for (uint32_t row = 0; row < 8; ++row)
      if (table >> row & 1)
        out |= (row & 4 ? a : ~a) & (row & 2 ? b : ~b) & (row & 1 ? c : ~c);
    return out;
  });
}
/// Picks four of the eight bytes of b:a; bit 3 of a selector spreads the sign.
void prmt(Warp &w, const Instruction &i, uint32_t mask) {
  ternary<uint32_t>(w, i, mask, [](uint32_t a, uint32_t b, uint32_t selectors) {
    uint64_t all = uint64_t(b) << 32 | a;
    uint32_t out = 0;
    for (int n = 0; n < 4; ++n) {
      uint32_t selector = selectors >> (4 * n) & 15;
      uint32_t byte = uint32_t(all >> (8 * (selector & 7))) & 255;
      if (selector & 8)
        byte = byte & 128 ? 255 : 0;
      out |= byte << (8 * n);
    }
    return out;
  });
}
/// `shf`: 64 bits b:a shifted by c, which wraps at 32 or stops there; left the high half, right the low.
template <bool left, bool wraps> void funnel(Warp &w, const Instruction &i, uint32_t mask) {
  ternary<uint32_t>(w, i, mask, [](uint32_t a, uint32_t b, uint32_t count) {
    uint64_t all = uint64_t(b) << 32 | a;
    unsigned by = wraps ? count & 31 : std::min(count, 32u);
    return uint32_t(left ? (all << by) >> 32 : all >> by);
  });
}
/// `bfe`: length c bits of a from position b.
template <typename T> void extractBits(Warp &w, const Instruction &i, uint32_t mask) {
  const Row &a = w.read(i.operands[0], mask), &b = w.read(i.operands[1], mask),
            &c = w.read(i.operands[2], mask);
  constexpr uint32_t width = 8 * sizeof(T);
  Row out;
  for (uint32_t n = 0; n < lanes; ++n) {
    uint32_t from = b[n] & 255, length = c[n] & 255;
    Unsigned<T> x = as<Unsigned<T>>(a[n]);
    uint32_t top = std::min(from + length, width);
    bool sign = std::is_signed_v<T> && length && (x >> std::min(top - 1, width - 1) & 1);
    Unsigned<T> value = from >= width ? 0 : Unsigned<T>(x >> from);
    if (length < width) {
      Unsigned<T> keep = Unsigned<T>((Unsigned<T>(1) << length) - 1);
      uint32_t there = from >= width ? 0 : std::min(length, width - from);
      Unsigned<T> inside =
          there >= width ? Unsigned<T>(-1) : Unsigned<T>((Unsigned<T>(1) << there) - 1);
      value = Unsigned<T>(value & keep);
      if (sign)
        value = Unsigned<T>(value | ~inside);
    }
    out[n] = bitsOf(value);
  }
  w.write(i.results[0], out, mask);
}

bool decodeBits(Statement &s, Instruction &i, int code) {
  TypeName type = s.takeType();
  plainOperands(s, i, 2);
  if (type.kind == TypeName::Predicate) {
    i.execute = code == 0   ? bits2<uint64_t, 0>
                : code == 1 ? bits2<uint64_t, 1>
                            : bits2<uint64_t, 2>;
    return true;
  }
  return type.kind == TypeName::Bits && onInteger(type, [&](auto zero) {
           using T = decltype(zero);
           i.execute = code == 0 ? bits2<T, 0> : code == 1 ? bits2<T, 1> : bits2<T, 2>;
           return true;
         });
}

bool decodeUnary(Statement &s, Instruction &i) {
  const std::string op = s.op;
  TypeName type = s.takeType();
  if (type.isFloat())
    return false;
  plainOperands(s, i, 1);
  i.bytes = type.bits / 8;
  if (op == "popc" || op == "clz")
    return i.execute = op == "popc" ? countBits<0> : countBits<1>, true;
  if (op == "brev" && type.bits == 32)
    return i.execute = reverseBits, true;
  if (op == "not" && type.kind == TypeName::Predicate)
    return i.execute = invertPredicate, true;
  return onInteger(type, [&](auto zero) {
    using T = decltype(zero);
    if (op == "not")
      i.execute = invert<T>;
    else if (op == "neg")
      i.execute = negate<T>;
    else if (op == "abs")
      i.execute = absolute<T>;
    return i.execute != nullptr;
  });
}

bool decodeShift(Statement &s, Instruction &i) {
  bool left = s.op == "shl";
  TypeName type = s.takeType();
  plainOperands(s, i, 2);
  return onInteger(type, [&](auto zero) {
    using T = decltype(zero);
    i.execute = left ? shiftLeft<T> : shiftRight<T>;
    return true;
  });
}
} // namespace

bool heddle::ptx::decodeInteger(Statement &s, Instruction &i) {
  const std::string op = s.op;
  Statement before = s;
  bool done = false;
  static const std::map<std::string, int> two = {{"add", 0}, {"sub", 1}, {"div", 4},
                                                 {"rem", 5}, {"min", 6}, {"max", 7}};
  if (auto found = two.find(op); found != two.end()) {
    TypeName type = s.takeType();
    if (!type.isFloat() && type.kind != TypeName::Bits) {
      plainOperands(s, i, 2);
      done = onInteger(type, [&](auto zero) {
        using T = decltype(zero);
        constexpr Execute table[] = {run2<T, 0>, run2<T, 1>, nullptr,    nullptr,
                                     run2<T, 4>, run2<T, 5>, run2<T, 6>, run2<T, 7>};
        return i.execute = table[found->second], true;
      });
    }
  } else if (op == "mul" || op == "mad") {
    done = decodeProduct(s, i, op == "mad");
  } else if (op == "and" || op == "or" || op == "xor") {
    done = decodeBits(s, i, op == "and" ? 0 : op == "or" ? 1 : 2);
  } else if (op == "shl" || op == "shr") {
    done = decodeShift(s, i);
  } else if (op == "not" || op == "neg" || op == "abs" || op == "popc" || op == "clz" ||
             op == "brev") {
    done = decodeUnary(s, i);
  } else if (op == "lop3" && s.operands.size() == 5) {
    if (s.takeType().bits == 32) {
      int32_t table = s.reg(4);
      s.operands.pop_back();
      plainOperands(s, i, 3);
      i.extra = table; // the register of the immediate
      i.execute = lop3;
      done = true;
    }
  } else if (op == "prmt") {
    done = s.takeType().bits == 32;
    plainOperands(s, i, 3);
    i.execute = prmt;
  } else if (op == "shf") {
    bool left = s.take("l"), right = !left && s.take("r"), wraps = s.take("wrap");
    done = (left || right) && (wraps || s.take("clamp")) && s.takeType().bits == 32;
    plainOperands(s, i, 3);
    i.execute = left ? (wraps ? funnel<true, true> : funnel<true, false>)
                     : (wraps ? funnel<false, true> : funnel<false, false>);
  } else if (op == "bfe") {
    TypeName type = s.takeType();
    plainOperands(s, i, 3);
    done = type.bits >= 32 && onInteger(type, [&](auto zero) {
             return i.execute = extractBits<decltype(zero)>, true;
           });
  }
  if (!done) {
    s = before;
    i.results.clear();
    i.operands.clear();
  }
  return done;
}
