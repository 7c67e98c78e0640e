//===- Emulator.h - PTX text executed on a CPU -------------------------------------------------===//
//
// A warp-vectorised interpreter of PTX: parsed once, decoded once into functions on 32 lanes, checked at
// every access. It refuses what it does not know and never guesses. What it checks: bounds and alignment
// of every access, reads of registers that were not written, barriers that not all threads reach, two
// blocks that write the same word of global memory in one launch. Approximate functions are evaluated in
// double and perturbed within their bound by a seed, so that no test depends on their exact value.
//
//===----------------------------------------------------------------------------------------===//

#ifndef HEDDLE_RUNTIME_EMULATOR_EMULATOR_H
#define HEDDLE_RUNTIME_EMULATOR_EMULATOR_H

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace heddle::ptx {

struct Kernel;

/// A parsed PTX module.
class Module {
public:
  /// Null: `error` says what, with line and text. Every instruction is decoded here, also those that no
  /// launch would reach.
  static std::unique_ptr<Module> parse(std::string_view text, std::string &error);
  ~Module();

  const Kernel *find(std::string_view kernel) const;
  std::vector<std::string> kernelNames() const;
  /// 80 for `.target sm_80`.
  int targetLevel() const { return level; }
  /// Of `.version`, 70 for 7.0.
  int version() const { return ptxVersion; }

private:
  friend class Parser;
  Module();
  int level = 0, ptxVersion = 0;
  std::map<std::string, std::unique_ptr<Kernel>, std::less<>> kernels;
};

/// Sizes in bytes of a kernel's parameters, in order.
std::vector<uint32_t> parameterSizes(const Kernel &kernel);
/// Offset of each parameter in the block that `launch` takes.
std::vector<uint32_t> parameterOffsets(const Kernel &kernel);
/// Threads that `.maxntid` or `.reqntid` allows in a block; 1024 without.
uint32_t maxThreads(const Kernel &kernel);
/// Static shared and local memory, bytes.
uint32_t sharedBytes(const Kernel &kernel);
uint32_t localBytes(const Kernel &kernel);

/// Global memory: host memory that was registered.
class Memory {
public:
  void add(uint64_t base, uint64_t bytes);
  void remove(uint64_t base);
  /// Base and size of the allocation that holds `address`; size 0: none does.
  std::pair<uint64_t, uint64_t> find(uint64_t address) const;

private:
  std::map<uint64_t, uint64_t> blocks;
};

struct LaunchOptions {
  uint64_t seed = 0;        // order of warps; 0: each runs until it must wait
  uint64_t perturb = 0;     // of approximate functions; 0: correctly rounded
  bool checkOverlap = true; // two blocks write the same word
};

struct LaunchResult {
  bool good = true;
  std::string fault; // kernel, block, thread, line, text, reason
  uint64_t warpInstructions = 0, threadInstructions = 0;
};

/// Runs a grid, block after block. `parameters` holds them at parameterOffsets.
LaunchResult launch(const Kernel &kernel, Memory &memory, const uint32_t grid[3],
                    const uint32_t block[3], uint32_t dynamicShared,
                    const std::vector<uint8_t> &parameters, const LaunchOptions &options);

} // namespace heddle::ptx

#endif // HEDDLE_RUNTIME_EMULATOR_EMULATOR_H
