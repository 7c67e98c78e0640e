//===- Warp.cpp - the order in which lanes run -------------------------------------------------===//
//
// Every lane has its own place in the code. The lanes at the lowest place run first; where all must meet
// (a barrier, a shuffle) a part of them is parked until the other live lanes come. All parked at
// different places is a fault.
//
//===----------------------------------------------------------------------------------------===//

#include "runtime/emulator/Warp.h"
#include <algorithm>

using namespace heddle::ptx;

Warp::Warp(Block &block, uint32_t number, uint32_t threads, const uint32_t grid[3],
           const uint32_t block3[3], const uint32_t cta[3])
    : block(block), registers(block.kernel.numRegisters), initialised(block.kernel.numRegisters, 0),
      first(number * lanes), alive(threads == lanes ? ~0u : (1u << threads) - 1) {
  Row poison;
  poison.fill(0xdeadbeefdeadbeefu);
  std::fill(registers.begin(), registers.end(), poison);
  for (const auto &[reg, value] : block.kernel.immediates) {
    registers[reg].fill(value);
    initialised[reg] = ~0u;
  }
  fillSpecials(grid, block3, cta);
  choose();
}

void Warp::fillSpecials(const uint32_t grid[3], const uint32_t block3[3], const uint32_t cta[3]) {
  for (const auto &[reg, special] : block.kernel.specials) {
    for (uint32_t n = 0; n < lanes; ++n) {
      uint32_t t = first + n, value = 0;
      uint32_t axes[] = {t % block3[0], t / block3[0] % block3[1], t / block3[0] / block3[1]};
      int code = int(special);
      if (code < 3)
        value = axes[code];
      else if (code < 6)
        value = block3[code - 3];
      else if (code < 9)
        value = cta[code - 6];
      else if (code < 12)
        value = grid[code - 9];
      else if (special == Special::Lane)
        value = n;
      else if (special == Special::Warp)
        value = first / lanes;
      registers[reg][n] = value;
    }
    initialised[reg] = ~0u;
  }
}

void Warp::write(int32_t reg, const Row &row, uint32_t mask) {
  Row &to = registers[reg];
  if (mask == ~0u) {
    to = row;
  } else {
    for (uint32_t n = 0; n < lanes; ++n)
      if (mask >> n & 1)
        to[n] = row[n];
  }
  initialised[reg] |= mask;
}

void Warp::unwritten(int32_t reg, uint32_t mask) {
  throw Fault{"a register is read that was never written", __builtin_ctz(mask & ~initialised[reg])};
}

/// The lanes at the lowest place that are not parked become the group. False: all are parked or done.
bool Warp::choose() {
  uint32_t running = alive & ~parked;
  group = 0;
  if (!running)
    return false;
  at = ~0u;
  for (uint32_t n = 0; n < lanes; ++n)
    if (running >> n & 1)
      at = std::min(at, pc[n]);
  for (uint32_t n = 0; n < lanes; ++n)
    if ((running >> n & 1) && pc[n] == at)
      group |= 1u << n;
  return true;
}

uint32_t Warp::guard(const Instruction &instruction, uint32_t mask) {
  if (instruction.predicate < 0)
    return mask;
  const Row &p = read(instruction.predicate, mask);
  uint32_t set = 0;
  for (uint32_t n = 0; n < lanes; ++n)
    set |= uint32_t(p[n] & 1) << n;
  return mask & (instruction.negated ? ~set : set);
}

void Warp::branch(const Instruction &instruction, uint32_t taken) {
  for (uint32_t n = 0; n < lanes; ++n)
    if (group >> n & 1)
      pc[n] = taken >> n & 1 ? uint32_t(instruction.target) : at + 1;
  choose();
}

/// One instruction of the group. False: the warp cannot go on by itself.
bool Warp::step(LaunchResult &result) {
  const Instruction &instruction = block.kernel.code[at];
  uint32_t mask = guard(instruction, group);
  ++result.warpInstructions;
  result.threadInstructions += uint32_t(__builtin_popcount(mask));
  auto park = [&] {
    for (uint32_t n = 0; n < lanes; ++n)
      if (group >> n & 1)
        pc[n] = at;
    parked |= group;
    return choose();
  };
  switch (instruction.flow) {
  case Flow::Next:
    if (mask)
      instruction.execute(*this, instruction, mask);
    break;
  case Flow::Branch:
    if (mask == group && group == alive) { // together
      at = uint32_t(instruction.target);
      return true;
    }
    if (mask == 0 && group == alive)
      break;
    branch(instruction, mask);
    return true;
  case Flow::Exit:
    for (uint32_t n = 0; n < lanes; ++n)
      if (group >> n & 1)
        pc[n] = at + 1;
    alive &= ~mask;
    if (choose())
      return true;
    return false;
  case Flow::Meet:
  case Flow::Barrier:
    if (mask != group)
      throw Fault{"an instruction where lanes must meet is predicated apart",
                  __builtin_ctz(group & ~mask)};
    if (group != alive)
      return park();
    instruction.execute(*this, instruction, mask);
    if (instruction.flow == Flow::Barrier) {
      current = State::AtBarrier;
      return false;
    }
    break;
  }
  // Straight on: together with lanes that wait there, and never past lanes that are further up.
  if (group == alive) {
    ++at;
    return true;
  }
  for (uint32_t n = 0; n < lanes; ++n)
    if (group >> n & 1)
      pc[n] = at + 1;
  return choose();
}

Warp::State Warp::run(uint64_t quantum, LaunchResult &result) {
  for (uint64_t done = 0; done < quantum; ++done) {
    if (step(result))
      continue;
    if (current == State::AtBarrier)
      return current;
    if (!alive)
      return current = State::Done;
    // All live lanes are parked: at one place they go on together.
    uint32_t place = ~0u;
    for (uint32_t n = 0; n < lanes; ++n) {
      if (!(alive >> n & 1))
        continue;
      if (place != ~0u && pc[n] != place)
        throw Fault{"lanes of a warp wait for each other at different instructions", int(n)};
      place = pc[n];
    }
    parked = 0;
    choose();
  }
  return current;
}

void Warp::release() {
  current = State::Ready;
  ++at;
  pc.fill(at);
  parked = 0;
  choose();
}
