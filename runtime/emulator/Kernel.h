//===- Kernel.h - a kernel as it is executed ---------------------------------------------------===//

#ifndef HEDDLE_RUNTIME_EMULATOR_KERNEL_H
#define HEDDLE_RUNTIME_EMULATOR_KERNEL_H

#include "runtime/emulator/Emulator.h"
#include <array>

namespace heddle::ptx {

constexpr uint32_t lanes = 32;

/// A register of a warp: one value for each lane, in the low bits.
using Row = std::array<uint64_t, lanes>;

class Warp;
struct Instruction;
/// Does an instruction for the lanes in `mask`. Throws Fault.
using Execute = void (*)(Warp &warp, const Instruction &instruction, uint32_t mask);

enum class Space : uint8_t { Generic, Param, Global, Shared, Local, Const };

/// What a warp does with the instruction beside its effect.
enum class Flow : uint8_t {
  Next,    // goes on
  Branch,  // lanes in the mask go to `target`
  Exit,    // lanes in the mask are done
  Barrier, // all threads of the block meet
  Meet     // all live lanes of the warp meet, then goes on
};

/// Decoded: operands are numbers of registers; immediates and special registers have one of their own.
struct Instruction {
  Execute execute = nullptr;
  Flow flow = Flow::Next;
  Space space = Space::Generic;
  uint8_t bytes = 0;          // of an element in memory
  bool isSigned = false;      // load: extend the sign
  bool negated = false;       // @!p
  int8_t code = 0, code2 = 0; // of the family
  int32_t predicate = -1;
  int32_t target = -1;  // of a branch
  int32_t extra = 0;    // of the family
  int32_t address = -1; // register
  int64_t offset = 0;
  std::vector<int32_t> results, operands;
  uint32_t line = 0;
};

struct Parameter {
  std::string name;
  uint32_t offset = 0, bytes = 0;
};

/// What a special register means.
enum class Special : uint8_t {
  TidX,
  TidY,
  TidZ,
  NtidX,
  NtidY,
  NtidZ,
  CtaX,
  CtaY,
  CtaZ,
  NctaX,
  NctaY,
  NctaZ,
  Lane,
  Warp,
  Clock
};

struct Kernel {
  std::string name;
  std::vector<Parameter> parameters;
  uint32_t parameterBytes = 0;
  uint32_t maxThreads = 1024;
  uint32_t shared = 0, local = 0; // bytes
  bool dynamicShared = false;     // has an `.extern .shared` array behind the static ones
  int32_t numRegisters = 0;
  std::vector<std::pair<int32_t, uint64_t>> immediates; // register, value
  std::vector<std::pair<int32_t, Special>> specials;
  std::vector<Instruction> code;
  std::vector<std::string> lines; // of the text, for messages; [line]
};

/// Generic addresses of shared and local memory; global ones are host addresses.
constexpr uint64_t sharedWindow = uint64_t(1) << 60, localWindow = uint64_t(1) << 61;
/// The first byte of shared and of local memory: 0 stays a null pointer.
constexpr uint64_t firstAddress = 256;

struct Fault {
  std::string reason;
  int lane = -1;
};

} // namespace heddle::ptx

#endif // HEDDLE_RUNTIME_EMULATOR_KERNEL_H
