//===- WarpOps.cpp - what lanes of a warp do together (PTX ISA 9.7.9.6, 9.7.13) -------------------===//

#include "runtime/emulator/Lanes.h"
#include <algorithm>

using namespace heddle::ptx;

namespace {
enum Mode { Up, Down, Butterfly, Index };

/// The lanes that an instruction names must be those that run it.
void checkMembers(uint32_t members, uint32_t mask) {
  if (members != mask)
    throw Fault{"the lanes that run a .sync instruction are not those of its mask",
                __builtin_ctz(mask)};
}

/// shfl.sync.mode.b32 d|p, a, b, c, members
void shuffle(Warp &w, const Instruction &i, uint32_t mask) {
  const Row &a = w.read(i.operands[0], mask), &b = w.read(i.operands[1], mask),
            &c = w.read(i.operands[2], mask), &members = w.read(i.operands[3], mask);
  Row out{}, valid{};
  for (uint32_t n = 0; n < lanes; ++n) {
    if (!(mask >> n & 1))
      continue;
    checkMembers(uint32_t(members[n]), mask);
    int by = int(b[n] & 31), clamp = int(c[n] & 31), segment = int(c[n] >> 8 & 31);
    int highest = (int(n) & segment) | (clamp & ~segment), lowest = int(n) & segment;
    int from = int(n);
    bool inRange = false;
    if (i.code == Up)
      from -= by, inRange = from >= highest;
    else if (i.code == Down)
      from += by, inRange = from <= highest;
    else if (i.code == Butterfly)
      from ^= by, inRange = from <= highest;
    else
      from = lowest | (by & ~segment), inRange = from <= highest;
    if (!inRange)
      from = int(n);
    if (!(mask >> from & 1))
      throw Fault{"shfl reads lane " + std::to_string(from) + ", which does not take part", int(n)};
    out[n] = uint32_t(a[from]);
    valid[n] = inRange;
  }
  w.write(i.results[0], out, mask);
  if (i.results.size() == 2)
    w.write(i.results[1], valid, mask);
}

enum Vote { All, Any, Uniform, Ballot };
void vote(Warp &w, const Instruction &i, uint32_t mask) {
  const Row &a = w.read(i.operands[0], mask), &members = w.read(i.operands[1], mask);
  uint32_t set = 0;
  for (uint32_t n = 0; n < lanes; ++n)
    if (mask >> n & 1) {
      checkMembers(uint32_t(members[n]), mask);
      set |= uint32_t(a[n] & 1) << n;
    }
  Row out;
  out.fill(i.code == All       ? set == mask
           : i.code == Any     ? set != 0
           : i.code == Uniform ? set == 0 || set == mask
                               : set);
  w.write(i.results[0], out, mask);
}

template <typename T> void reduce(Warp &w, const Instruction &i, uint32_t mask) {
  const Row &a = w.read(i.operands[0], mask), &members = w.read(i.operands[1], mask);
  bool isFirst = true;
  T total = 0;
  for (uint32_t n = 0; n < lanes; ++n) {
    if (!(mask >> n & 1))
      continue;
    checkMembers(uint32_t(members[n]), mask);
    T x = as<T>(a[n]);
    total = isFirst       ? x
            : i.code == 0 ? T(uint32_t(total) + uint32_t(x))
            : i.code == 1 ? std::min(total, x)
                          : std::max(total, x);
    isFirst = false;
  }
  Row out;
  out.fill(bitsOf(total));
  w.write(i.results[0], out, mask);
}

void activeMask(Warp &w, const Instruction &i, uint32_t mask) {
  Row out;
  out.fill(mask);
  w.write(i.results[0], out, mask);
}
} // namespace

bool heddle::ptx::decodeWarp(Statement &s, Instruction &i) {
  if (s.op == "activemask") {
    s.takeType();
    plainOperands(s, i, 0);
    i.execute = activeMask;
    return true;
  }
  if (s.op != "shfl" && s.op != "vote" && s.op != "redux")
    return false;
  if (!s.take("sync"))
    s.refuse("is supported with .sync only");
  i.flow = Flow::Meet;
  if (s.op == "shfl") {
    i.code = int8_t(s.takeOne({"up", "down", "bfly", "idx"}));
    if (i.code < 0 || s.takeType().bits != 32)
      s.refuse("is not supported");
    s.finish(5);
    i.results = {s.operands[0].registers.at(0)};
    if (s.operands[0].second)
      i.results.push_back(*s.operands[0].second);
    for (size_t n = 1; n < 5; ++n)
      i.operands.push_back(s.reg(n));
    i.execute = shuffle;
    return true;
  }
  bool isVote = s.op == "vote";
  i.code = int8_t(isVote ? s.takeOne({"all", "any", "uni", "ballot"})
                         : s.takeOne({"add", "min", "max"}));
  TypeName type = s.takeType();
  if (i.code < 0 || (!isVote && (type.bits != 32 || type.isFloat())))
    s.refuse("is not supported");
  plainOperands(s, i, 2);
  i.execute = isVote ? vote : type.kind == TypeName::Signed ? reduce<int32_t> : reduce<uint32_t>;
  return true;
}
