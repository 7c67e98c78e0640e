//===- Atomic.cpp - atom and red (PTX ISA 9.7.13) -----------------------------------------------===//
//
// Blocks run one after the other and lanes in order, so an update is atomic as it stands. What several
// blocks add to is not an overlap of writes.
//
//===----------------------------------------------------------------------------------------===//

#include "runtime/emulator/Lanes.h"
#include "runtime/emulator/MemoryOps.h"
#include <algorithm>

using namespace heddle::ptx;

namespace {
enum Code { Add, Min, Max, And, Or, Xor, Exchange, CompareAndSwap };

template <typename T> void atomic(Warp &w, const Instruction &i, uint32_t mask) {
  const Row *base = i.address >= 0 ? &w.read(i.address, mask) : nullptr;
  const Row &value = w.read(i.operands[0], mask);
  const Row *other = i.operands.size() > 1 ? &w.read(i.operands[1], mask) : nullptr;
  Row out{};
  for (uint32_t n = 0; n < lanes; ++n) {
    if (!(mask >> n & 1))
      continue;
    uint8_t *at =
        resolve(w, i.space, (base ? (*base)[n] : 0) + uint64_t(i.offset), sizeof(T), false, n);
    T old, x = as<T>(value[n]), next;
    memcpy(&old, at, sizeof old);
    out[n] = bitsOf(old);
    next = x;
    if (i.code == Add)
      next = T(old + x);
    else if (i.code == Min)
      next = std::min(old, x);
    else if (i.code == Max)
      next = std::max(old, x);
    else if (i.code == CompareAndSwap)
      next = bitsOf(old) == bitsOf(x) ? as<T>((*other)[n]) : old;
    else if constexpr (std::is_integral_v<T>)
      next = i.code == And   ? T(old & x)
             : i.code == Or  ? T(old | x)
             : i.code == Xor ? T(old ^ x)
                             : x;
    memcpy(at, &next, sizeof next);
  }
  if (!i.results.empty() && i.results[0] >= 0)
    w.write(i.results[0], out, mask);
}
} // namespace

bool heddle::ptx::decodeAtomic(Statement &s, Instruction &i) {
  bool isAtom = s.op == "atom";
  if (!isAtom && s.op != "red")
    return false;
  takeSpace(s, i);
  s.takeOne({"relaxed", "acq_rel", "acquire", "release"});
  s.takeOne({"cta", "gpu", "sys"});
  int code = s.takeOne({"add", "min", "max", "and", "or", "xor", "exch", "cas"});
  if (code < 0)
    s.refuse("has no operation that is supported");
  i.code = int8_t(code);
  TypeName type = s.takeType();
  size_t values = code == CompareAndSwap ? 2 : 1;
  s.finish((isAtom ? 2 : 1) + values);
  size_t next = 0;
  if (isAtom)
    i.results = {s.operands[next++].registers.at(0)};
  takeAddress(s, i, next++);
  for (size_t n = 0; n < values; ++n)
    i.operands.push_back(s.reg(next++));
  if (type.kind == TypeName::Float && (code == Add || code == Exchange))
    i.execute = type.bits == 32 ? atomic<float> : type.bits == 64 ? atomic<double> : nullptr;
  else if (!type.isFloat() && type.bits == 32)
    i.execute = type.kind == TypeName::Signed ? atomic<int32_t> : atomic<uint32_t>;
  else if (!type.isFloat() && type.bits == 64)
    i.execute = type.kind == TypeName::Signed ? atomic<int64_t> : atomic<uint64_t>;
  if (!i.execute)
    s.refuse("is not supported for this type");
  return true;
}
