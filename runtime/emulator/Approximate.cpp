//===- Approximate.cpp - functions that a GPU computes to a bound (PTX ISA 9.7.3) ----------------===//
//
// Evaluated in double and rounded, then moved within the bound by a seed. Bounds are relative unless said:
// ex2 2^-22, rcp 1 ulp, sqrt and rsqrt 2^-22.4, tanh 2^-11; lg2 2^-22 absolute where the result is within
// (-1, 1), else relative; sin and cos 2^-20.9 absolute within [-pi, pi].
//
//===----------------------------------------------------------------------------------------===//

#include "runtime/emulator/Lanes.h"
#include <cmath>

using namespace heddle::ptx;

namespace {
enum Code { Ex2, Lg2, Rcp, Rsqrt, Sqrt, Sin, Cos, Tanh };

/// Uniform in [-1, 1].
double draw(Block &block) {
  uint64_t x = block.options.perturb * 0x9e3779b97f4a7c15u + ++block.draws;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return double(int64_t(x ^ x >> 31)) * 0x1p-63;
}

double exact(int code, double x) {
  switch (code) {
  case Ex2:
    return std::exp2(x);
  case Lg2:
    return std::log2(x);
  case Rcp:
    return 1 / x;
  case Rsqrt:
    return 1 / std::sqrt(x);
  case Sqrt:
    return std::sqrt(x);
  case Sin:
    return std::sin(x);
  case Cos:
    return std::cos(x);
  default:
    return std::tanh(x);
  }
}

double boundOf(int code, double y) {
  switch (code) {
  case Ex2:
    return std::fabs(y) * 0x1p-22;
  case Lg2:
    return std::max(std::fabs(y), 1.0) * 0x1p-22;
  case Rcp:
    return std::fabs(y) * 0x1p-23;
  case Rsqrt:
  case Sqrt:
    return std::fabs(y) * 0x1.83p-23;
  case Sin:
  case Cos:
    return 0x1.1p-21;
  default:
    return std::fabs(y) * 0x1p-11;
  }
}

template <bool ftz> void approximate(Warp &w, const Instruction &i, uint32_t mask) {
  const Row &a = w.read(i.operands[0], mask);
  Row out{};
  for (uint32_t n = 0; n < lanes; ++n) {
    if (!(mask >> n & 1))
      continue;
    float x = as<float>(a[n]);
    double y = exact(i.code, ftz ? flush(x) : x);
    // Exact cases stay exact: 2^0, 1/inf, NaN.
    if (w.block.options.perturb && std::isfinite(y) && y != 0 && !(i.code == Ex2 && x == 0))
      y += draw(w.block) * boundOf(i.code, y);
    out[n] = bitsOf(ftz ? flush(float(y)) : float(y));
  }
  w.write(i.results[0], out, mask);
}

/// Rounded to nearest, not to a bound.
template <typename T, int code> void rounded(Warp &w, const Instruction &i, uint32_t mask) {
  unary<T>(w, i, mask, [](T x) -> T { return code == Rcp ? T(1) / x : std::sqrt(x); });
}
} // namespace

bool heddle::ptx::decodeApproximate(Statement &s, Instruction &i) {
  static const std::map<std::string, int> codes = {{"ex2", Ex2},     {"lg2", Lg2},   {"rcp", Rcp},
                                                   {"rsqrt", Rsqrt}, {"sqrt", Sqrt}, {"sin", Sin},
                                                   {"cos", Cos},     {"tanh", Tanh}};
  auto found = codes.find(s.op);
  if (found == codes.end())
    return false;
  i.code = int8_t(found->second);
  TypeName type = s.takeType();
  if (s.take("rn")) {
    if ((i.code != Rcp && i.code != Sqrt) || !type.isFloat() || type.bits < 32)
      s.refuse("is not supported");
    plainOperands(s, i, 1);
    bool isRcp = i.code == Rcp;
    if (type.bits == 32)
      i.execute = isRcp ? rounded<float, Rcp> : rounded<float, Sqrt>;
    else
      i.execute = isRcp ? rounded<double, Rcp> : rounded<double, Sqrt>;
    return true;
  }
  if (!s.take("approx") || type.kind != TypeName::Float || type.bits != 32)
    s.refuse("is not supported; .approx.f32 and .rn are");
  bool ftz = s.take("ftz");
  plainOperands(s, i, 1);
  i.execute = ftz ? approximate<true> : approximate<false>;
  return true;
}
