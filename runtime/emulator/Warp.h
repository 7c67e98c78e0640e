//===- Warp.h - 32 lanes, their registers, and the block around them ----------------------------===//

#ifndef HEDDLE_RUNTIME_EMULATOR_WARP_H
#define HEDDLE_RUNTIME_EMULATOR_WARP_H

#include "runtime/emulator/Kernel.h"
#include <unordered_map>

namespace heddle::ptx {

/// Which block wrote a word of global memory, in one launch.
class Shadow {
public:
  /// False: another block wrote one of the words.
  bool write(uint64_t base, uint64_t size, uint64_t address, uint32_t bytes, uint32_t block);

private:
  std::unordered_map<uint64_t, std::vector<uint32_t>> owners; // by allocation; block + 1 per word
};

/// What the warps of a block share.
struct Block {
  const Kernel &kernel;
  Memory &memory;
  const LaunchOptions &options;
  Shadow &shadow;
  const std::vector<uint8_t> &parameters;
  uint32_t number = 0;
  std::vector<uint8_t> shared, local; // local: of all threads, one after the other
  uint64_t draws = 0;                 // of approximate functions
  std::pair<uint64_t, uint64_t> lastAllocation{0, 0};
};

class Warp {
public:
  Warp(Block &block, uint32_t number, uint32_t threads, const uint32_t grid[3],
       const uint32_t block3[3], const uint32_t cta[3]);

  enum class State { Ready, AtBarrier, Done };
  /// Runs up to `quantum` instructions, or until it must wait. Counts into `result`.
  State run(uint64_t quantum, LaunchResult &result);
  /// The barrier has opened.
  void release();
  State state() const { return current; }

  // For instructions.
  Block &block;
  /// Checked: lanes of the mask have written it.
  const Row &read(int32_t reg, uint32_t mask) {
    if (mask & ~initialised[reg])
      unwritten(reg, mask);
    return registers[reg];
  }
  /// Unchecked, for moves; `writtenOf` then says which lanes are good.
  const Row &peek(int32_t reg) const { return registers[reg]; }
  uint32_t writtenOf(int32_t reg) const { return initialised[reg]; }
  void write(int32_t reg, const Row &row, uint32_t mask);
  void markWritten(int32_t reg, uint32_t mask, uint32_t good) {
    initialised[reg] = (initialised[reg] & ~mask) | (mask & good);
  }
  uint32_t thread(uint32_t lane) const { return first + lane; }
  uint32_t live() const { return alive; }
  /// The line that runs, for messages.
  uint32_t line() const { return block.kernel.code[at].line; }

private:
  [[noreturn]] void unwritten(int32_t reg, uint32_t mask);
  uint32_t guard(const Instruction &instruction, uint32_t mask);
  void fillSpecials(const uint32_t grid[3], const uint32_t block3[3], const uint32_t cta[3]);
  bool choose();
  bool step(LaunchResult &result);
  void branch(const Instruction &instruction, uint32_t taken);

  std::vector<Row> registers;
  std::vector<uint32_t> initialised; // lanes, per register
  uint32_t first;                    // thread
  uint32_t alive;                    // lanes that have not ended
  uint32_t parked = 0;               // lanes at an instruction where all must meet
  std::array<uint32_t, lanes> pc{};
  uint32_t group = 0, at = 0; // lanes that run now, and where
  State current = State::Ready;
};

/// Decodes one statement: mnemonic with modifiers apart, operands as registers. Throws std::string.
struct Statement;
void decode(Statement &statement, Instruction &instruction);

} // namespace heddle::ptx

#endif // HEDDLE_RUNTIME_EMULATOR_WARP_H
