//===- Control.cpp - branches, ends, barriers, fences (PTX ISA 9.7.12, 9.7.13) -------------------===//

#include "runtime/emulator/Lanes.h"

using namespace heddle::ptx;

static void nothing(Warp &, const Instruction &, uint32_t) {}
static void trap(Warp &, const Instruction &, uint32_t mask) {
  throw Fault{"trap", __builtin_ctz(mask)};
}

static bool decodeBarrier(Statement &s, Instruction &i) {
  if (s.take("warp")) {
    if (!s.take("sync"))
      s.refuse("is not supported");
    s.noModifiersLeft();
    i.flow = Flow::Meet;
    i.execute = nothing;
    return true;
  }
  s.take("cta");
  if (!s.take("sync"))
    s.refuse("is not supported; .sync is");
  s.take("aligned");
  s.noModifiersLeft();
  // Barrier 0 of all threads. Others, and counts, come with what needs them.
  if (s.operands.size() != 1)
    s.refuse("with a count of threads is not supported");
  i.operands = {s.reg(0)};
  i.flow = Flow::Barrier;
  i.execute = [](Warp &w, const Instruction &in, uint32_t mask) {
    if (uint32_t(w.read(in.operands[0], mask)[__builtin_ctz(mask)]) != 0)
      throw Fault{"only barrier 0 is supported"};
  };
  return true;
}

bool heddle::ptx::decodeControl(Statement &s, Instruction &i) {
  if (s.op == "bra") {
    s.take("uni");
    s.finish(1);
    i.flow = Flow::Branch;
    i.execute = nothing;
    return true;
  }
  if (s.op == "ret" || s.op == "exit") {
    s.take("uni");
    s.finish(0);
    i.flow = Flow::Exit;
    i.execute = nothing;
    return true;
  }
  if (s.op == "trap") {
    s.finish(0);
    i.execute = trap;
    return true;
  }
  if (s.op == "bar" || s.op == "barrier")
    return decodeBarrier(s, i);
  if (s.op == "membar" || s.op == "fence") {
    s.takeOne({"sc", "acq_rel"});
    if (s.takeOne({"cta", "gpu", "gl", "sys"}) < 0)
      s.refuse("is not supported");
    s.finish(0);
    i.execute = nothing;
    return true;
  }
  return false;
}
