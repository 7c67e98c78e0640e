//===- MemoryOps.h - addresses of a lane, checked ----------------------------------------------===//

#ifndef HEDDLE_RUNTIME_EMULATOR_MEMORYOPS_H
#define HEDDLE_RUNTIME_EMULATOR_MEMORYOPS_H

#include "runtime/emulator/Statement.h"
#include "runtime/emulator/Warp.h"

namespace heddle::ptx {

/// Host memory behind an address, if all of the access is inside one thing and aligned. Throws Fault.
uint8_t *resolve(Warp &warp, Space space, uint64_t address, uint32_t bytes, bool writes,
                 uint32_t lane);

/// The state space among the modifiers, and the operand in brackets.
void takeSpace(Statement &statement, Instruction &instruction);
void takeAddress(Statement &statement, Instruction &instruction, size_t operand);

} // namespace heddle::ptx

#endif // HEDDLE_RUNTIME_EMULATOR_MEMORYOPS_H
