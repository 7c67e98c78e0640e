//===- Float.cpp - floating-point arithmetic (PTX ISA 9.7.3, 9.7.4) -----------------------------===//
//
// f32 and f64 are the host's. 16-bit floats are computed in double and rounded once: exact for one
// operation, and for fma too, since a product of two 16-bit floats fits a double.
//
//===----------------------------------------------------------------------------------------===//

#include "runtime/emulator/Lanes.h"
#include <cmath>

using namespace heddle::ptx;

double heddle::ptx::fromHalf(uint16_t bits) {
  int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  double value = exponent == 0    ? std::ldexp(mantissa, -24)
                 : exponent == 31 ? (mantissa ? NAN : INFINITY)
                                  : std::ldexp(mantissa + 1024, exponent - 25);
  return bits & 0x8000 ? -value : value;
}
double heddle::ptx::fromBrain(uint16_t bits) { return as<float>(uint64_t(bits) << 16); }

/// Rounds to `mantissa` bits below the leading one, to nearest even; subnormals below 2^least.
static double roundTo(double x, int mantissa, int least) {
  if (x == 0 || !std::isfinite(x))
    return x;
  int exponent = std::max(std::ilogb(x), least);
  return std::ldexp(std::nearbyint(std::ldexp(x, mantissa - exponent)), exponent - mantissa);
}
uint16_t heddle::ptx::toHalf(double x) {
  if (std::isnan(x))
    return 0x7fff;
  uint16_t sign = std::signbit(x) ? 0x8000 : 0;
  double value = std::fabs(roundTo(x, 10, -14));
  if (value > 65504)
    return sign | 0x7c00;
  if (value < std::ldexp(1, -14))
    return sign | uint16_t(std::ldexp(value, 24));
  int exponent = std::ilogb(value);
  return uint16_t(sign | (exponent + 15) << 10 |
                  (uint16_t(std::ldexp(value, 10 - exponent)) & 1023));
}
uint16_t heddle::ptx::toBrain(double x) {
  if (std::isnan(x))
    return 0x7fff;
  uint16_t sign = std::signbit(x) ? 0x8000 : 0;
  double value = std::fabs(roundTo(x, 7, -126));
  float narrow = value > 3.4e38 ? INFINITY : float(value);
  return uint16_t(sign | bitsOf(narrow) >> 16);
}

namespace {
enum Code { Add, Sub, Mul, Div, Min, Max, MinNan, MaxNan, Fma, Neg, Abs, Copysign };

template <typename T> T apply2(int code, T a, T b) {
  switch (code) {
  case Add:
    return a + b;
  case Sub:
    return a - b;
  case Mul:
    return a * b;
  case Div:
    return a / b;
  case MinNan:
  case MaxNan:
    if (std::isnan(a) || std::isnan(b))
      return T(NAN);
    [[fallthrough]];
  case Min:
  case Max: {
    if (std::isnan(a) || std::isnan(b))
      return std::isnan(a) ? b : a;
    bool smaller = a < b || (a == b && std::signbit(a)); // -0 is below +0
    return (code == Min || code == MinNan) == smaller ? a : b;
  }
  default: // Copysign: the sign of a, the size of b
    return std::copysign(b, a);
  }
}

template <typename T, int code, bool ftz> void run2(Warp &w, const Instruction &i, uint32_t mask) {
  binary<T>(w, i, mask, [](T a, T b) -> T {
    if constexpr (ftz)
      return T(flush(float(apply2<T>(code, T(flush(float(a))), T(flush(float(b)))))));
    return apply2<T>(code, a, b);
  });
}
template <typename T, bool ftz> void fma3(Warp &w, const Instruction &i, uint32_t mask) {
  ternary<T>(w, i, mask, [](T a, T b, T c) -> T {
    if constexpr (ftz)
      return T(flush(std::fma(flush(float(a)), flush(float(b)), flush(float(c)))));
    return std::fma(a, b, c);
  });
}
template <typename T, bool ftz> void sign1(Warp &w, const Instruction &i, uint32_t mask) {
  bool isAbs = i.code == Abs;
  unary<T>(w, i, mask, [isAbs](T a) -> T {
    if constexpr (ftz)
      a = T(flush(float(a)));
    return isAbs ? std::fabs(a) : -a;
  });
}

/// 16-bit floats, in double.
template <bool brain> void narrow(Warp &w, const Instruction &i, uint32_t mask) {
  auto from = [](uint64_t bits) {
    return brain ? fromBrain(uint16_t(bits)) : fromHalf(uint16_t(bits));
  };
  auto to = [](double x) { return uint64_t(brain ? toBrain(x) : toHalf(x)); };
  const Row &a = w.read(i.operands[0], mask);
  Row out;
  if (i.code == Neg || i.code == Abs) {
    for (uint32_t n = 0; n < lanes; ++n)
      out[n] = i.code == Neg ? (a[n] ^ 0x8000) & 0xffff : a[n] & 0x7fff;
    return w.write(i.results[0], out, mask);
  }
  const Row &b = w.read(i.operands[1], mask);
  const Row &c = i.code == Fma ? w.read(i.operands[2], mask) : b;
  for (uint32_t n = 0; n < lanes; ++n)
    out[n] = to(i.code == Fma ? std::fma(from(a[n]), from(b[n]), from(c[n]))
                              : apply2(i.code, from(a[n]), from(b[n])));
  w.write(i.results[0], out, mask);
}

template <typename T, bool ftz> Execute choose(int code) {
  switch (code) {
  case Add:
    return run2<T, Add, ftz>;
  case Sub:
    return run2<T, Sub, ftz>;
  case Mul:
    return run2<T, Mul, ftz>;
  case Div:
    return run2<T, Div, ftz>;
  case Min:
    return run2<T, Min, ftz>;
  case Max:
    return run2<T, Max, ftz>;
  case MinNan:
    return run2<T, MinNan, ftz>;
  case MaxNan:
    return run2<T, MaxNan, ftz>;
  case Fma:
    return fma3<T, ftz>;
  case Copysign:
    return run2<T, Copysign, ftz>;
  default:
    return sign1<T, ftz>;
  }
}
} // namespace

bool heddle::ptx::decodeFloat(Statement &s, Instruction &i) {
  static const std::map<std::string, int> codes = {
      {"add", Add}, {"sub", Sub}, {"mul", Mul}, {"div", Div}, {"min", Min},
      {"max", Max}, {"fma", Fma}, {"neg", Neg}, {"abs", Abs}, {"copysign", Copysign}};
  auto found = codes.find(s.op);
  if (found == codes.end())
    return false;
  int code = found->second;
  std::optional<TypeName> type = s.tryType();
  if (!type || !type->isFloat())
    s.refuse("has no type that is supported");
  if (code == Div && s.takeOne({"approx", "full"}) >= 0)
    s.refuse("is an approximate division, which is not supported");
  bool rounds = code <= Div || code == Fma;
  bool toNearest = s.take("rn");
  if (code == Div && !toNearest)
    s.refuse("needs a rounding that is supported: .rn");
  if (toNearest && !rounds)
    s.refuse("does not round");
  bool ftz = s.take("ftz");
  if ((code == Min || code == Max) && s.take("NaN"))
    code = code == Min ? MinNan : MaxNan;
  plainOperands(s, i, code == Fma ? 3 : code == Neg || code == Abs ? 1 : 2);
  i.code = int8_t(code);
  if (type->bits == 16) {
    if (ftz || code == Div || code == Copysign)
      s.refuse("is not supported for 16-bit floats");
    i.execute = type->kind == TypeName::Brain ? narrow<true> : narrow<false>;
  } else if (type->bits == 32) {
    i.execute = ftz ? choose<float, true>(code) : choose<float, false>(code);
  } else {
    if (ftz)
      s.refuse("cannot flush doubles");
    i.execute = choose<double, false>(code);
  }
  return true;
}
