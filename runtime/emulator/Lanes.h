//===- Lanes.h - helpers that run a function on all lanes ---------------------------------------===//
//
// Arithmetic has no side effect, so it runs on all 32 lanes, in a loop that a compiler vectorises, and
// only the lanes of the mask keep the result.
//
//===----------------------------------------------------------------------------------------===//

#ifndef HEDDLE_RUNTIME_EMULATOR_LANES_H
#define HEDDLE_RUNTIME_EMULATOR_LANES_H

#include "runtime/emulator/Statement.h"
#include "runtime/emulator/Warp.h"
#include <cmath>
#include <cstring>

namespace heddle::ptx {

/// The low bits of a lane as a T, and a T as a lane.
template <typename T> T as(uint64_t bits) {
  T value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
template <typename T> uint64_t bitsOf(T value) {
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof value);
  return bits;
}

template <typename T, typename F> void unary(Warp &w, const Instruction &i, uint32_t mask, F f) {
  const Row &a = w.read(i.operands[0], mask);
  Row out;
  for (uint32_t n = 0; n < lanes; ++n)
    out[n] = bitsOf(f(as<T>(a[n])));
  w.write(i.results[0], out, mask);
}
template <typename T, typename F> void binary(Warp &w, const Instruction &i, uint32_t mask, F f) {
  const Row &a = w.read(i.operands[0], mask), &b = w.read(i.operands[1], mask);
  Row out;
  for (uint32_t n = 0; n < lanes; ++n)
    out[n] = bitsOf(f(as<T>(a[n]), as<T>(b[n])));
  w.write(i.results[0], out, mask);
}
template <typename T, typename F> void ternary(Warp &w, const Instruction &i, uint32_t mask, F f) {
  const Row &a = w.read(i.operands[0], mask), &b = w.read(i.operands[1], mask),
            &c = w.read(i.operands[2], mask);
  Row out;
  for (uint32_t n = 0; n < lanes; ++n)
    out[n] = bitsOf(f(as<T>(a[n]), as<T>(b[n]), as<T>(c[n])));
  w.write(i.results[0], out, mask);
}

/// result, operand, operand, ...: the usual form.
inline void plainOperands(Statement &s, Instruction &i, size_t numOperands) {
  s.finish(numOperands + 1);
  i.results = {s.reg(0)};
  for (size_t n = 1; n <= numOperands; ++n)
    i.operands.push_back(s.reg(n));
}

// 16-bit floats.
double fromHalf(uint16_t bits);
double fromBrain(uint16_t bits);
uint16_t toHalf(double value);  // to nearest even
uint16_t toBrain(double value); // to nearest even
/// A value in double rounded once to f32 (conversions of the host do that).
inline float flush(float x) {
  return x != 0 && std::abs(x) < 1.17549435e-38f ? std::copysign(0.0f, x) : x;
}

} // namespace heddle::ptx

#endif // HEDDLE_RUNTIME_EMULATOR_LANES_H
