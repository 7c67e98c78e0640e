//===- Launch.cpp - a grid, block after block --------------------------------------------------===//

#include "runtime/emulator/Warp.h"
#include <algorithm>
#include <deque>

using namespace heddle::ptx;

//===--- Memory -------------------------------------------------------------------------------===//

void Memory::add(uint64_t base, uint64_t bytes) { blocks[base] = bytes; }
void Memory::remove(uint64_t base) { blocks.erase(base); }
std::pair<uint64_t, uint64_t> Memory::find(uint64_t address) const {
  auto next = blocks.upper_bound(address);
  if (next == blocks.begin())
    return {0, 0};
  --next;
  return address - next->first < next->second ? std::pair(next->first, next->second)
                                              : std::pair<uint64_t, uint64_t>(0, 0);
}

bool Shadow::write(uint64_t base, uint64_t size, uint64_t address, uint32_t bytes, uint32_t block) {
  // By the half-word: neighbouring blocks may write the halves of a word.
  std::vector<uint32_t> &owner = owners[base];
  if (owner.empty())
    owner.assign((size + 1) / 2, 0);
  for (uint64_t word = (address - base) / 2; word <= (address - base + bytes - 1) / 2; ++word) {
    if (owner[word] && owner[word] != block + 1)
      return false;
    owner[word] = block + 1;
  }
  return true;
}

//===--- Kernels ------------------------------------------------------------------------------===//

namespace heddle::ptx {
std::vector<uint32_t> parameterSizes(const Kernel &kernel) {
  std::vector<uint32_t> sizes;
  for (const Parameter &parameter : kernel.parameters)
    sizes.push_back(parameter.bytes);
  return sizes;
}
std::vector<uint32_t> parameterOffsets(const Kernel &kernel) {
  std::vector<uint32_t> offsets;
  for (const Parameter &parameter : kernel.parameters)
    offsets.push_back(parameter.offset);
  return offsets;
}
uint32_t maxThreads(const Kernel &kernel) { return kernel.maxThreads; }
uint32_t sharedBytes(const Kernel &kernel) { return kernel.shared; }
uint32_t localBytes(const Kernel &kernel) { return kernel.local; }
} // namespace heddle::ptx

namespace {
/// Runs the warps of one block until all are done.
class BlockRunner {
public:
  BlockRunner(Block &block, const uint32_t grid[3], const uint32_t block3[3], const uint32_t cta[3])
      : block(block) {
    uint32_t threads = block3[0] * block3[1] * block3[2];
    for (uint32_t first = 0, number = 0; first < threads; first += lanes, ++number)
      warps.emplace_back(block, number, std::min(lanes, threads - first), grid, block3, cta);
    random = block.options.seed * 0x9e3779b97f4a7c15u + block.number;
  }

  void run(LaunchResult &result) {
    while (true) {
      Warp *warp = next();
      if (!warp && !openBarrier())
        return;
      if (!warp)
        continue;
      active = warp;
      warp->run(block.options.seed ? 1 + draw() % 200 : ~uint64_t(0), result);
    }
  }
  const Warp *active = nullptr;

private:
  uint64_t draw() {
    random ^= random << 13, random ^= random >> 7, random ^= random << 17;
    return random += !random;
  }
  /// A warp that can go on.
  Warp *next() {
    std::vector<Warp *> ready;
    for (Warp &warp : warps)
      if (warp.state() == Warp::State::Ready)
        ready.push_back(&warp);
    if (ready.empty())
      return nullptr;
    return block.options.seed ? ready[draw() % ready.size()] : ready.front();
  }
  /// All warps that live wait: they go on. False: none lives.
  bool openBarrier() {
    bool waits = false, ended = false;
    for (Warp &warp : warps) {
      waits |= warp.state() == Warp::State::AtBarrier;
      ended |= warp.state() == Warp::State::Done;
    }
    if (waits && ended)
      throw Fault{"some warps wait at a barrier, others have ended"};
    for (Warp &warp : warps)
      if (warp.state() == Warp::State::AtBarrier)
        warp.release();
    return waits;
  }

  Block &block;
  std::deque<Warp> warps;
  uint64_t random;
};

std::string triple(const uint32_t v[3]) {
  return "(" + std::to_string(v[0]) + "," + std::to_string(v[1]) + "," + std::to_string(v[2]) + ")";
}

std::string describe(const Kernel &kernel, const Fault &fault, const Warp *warp,
                     const uint32_t cta[3]) {
  std::string text = kernel.name + ", block " + triple(cta);
  if (!warp)
    return text + ": " + fault.reason;
  if (fault.lane >= 0)
    text += ", thread " + std::to_string(warp->thread(uint32_t(fault.lane)));
  uint32_t line = warp->line();
  std::string source = line < kernel.lines.size() ? kernel.lines[line] : "";
  source.erase(0, source.find_first_not_of(" \t"));
  return text + ", line " + std::to_string(line) + ": " + fault.reason + "\n  " + source;
}

std::string checkLaunch(const Kernel &kernel, const uint32_t grid[3], const uint32_t block[3],
                        uint32_t dynamicShared, size_t parameterBytes) {
  for (int axis = 0; axis < 3; ++axis)
    if (grid[axis] == 0 || block[axis] == 0)
      return "a launch of no block or no thread";
  uint64_t threads = uint64_t(block[0]) * block[1] * block[2];
  if (threads > kernel.maxThreads)
    return std::to_string(threads) + " threads in a block, at most " +
           std::to_string(kernel.maxThreads) + " are allowed";
  if (grid[1] > 65535 || grid[2] > 65535 || grid[0] > 0x7fffffffu)
    return "the grid is too large";
  if (dynamicShared && !kernel.dynamicShared)
    return "dynamic shared memory for a kernel that has none";
  if (uint64_t(kernel.shared) + dynamicShared > 228 * 1024)
    return "more shared memory than any GPU has";
  if (parameterBytes < kernel.parameterBytes)
    return "too few bytes of parameters";
  return "";
}
} // namespace

LaunchResult heddle::ptx::launch(const Kernel &kernel, Memory &memory, const uint32_t grid[3],
                                 const uint32_t block3[3], uint32_t dynamicShared,
                                 const std::vector<uint8_t> &parameters,
                                 const LaunchOptions &options) {
  LaunchResult result;
  result.fault = checkLaunch(kernel, grid, block3, dynamicShared, parameters.size());
  if (!result.fault.empty()) {
    result.fault = kernel.name + ": " + result.fault;
    result.good = false;
    return result;
  }
  Shadow shadow;
  uint32_t threads = block3[0] * block3[1] * block3[2], number = 0, cta[3];
  for (cta[2] = 0; cta[2] < grid[2]; ++cta[2])
    for (cta[1] = 0; cta[1] < grid[1]; ++cta[1])
      for (cta[0] = 0; cta[0] < grid[0]; ++cta[0], ++number) {
        Block block{kernel, memory, options, shadow, parameters, number, {}, {}, 0, {0, 0}};
        block.draws = uint64_t(number) << 32;
        block.shared.assign(kernel.shared + dynamicShared, 0xff);
        block.local.assign(uint64_t(kernel.local) * ((threads + lanes - 1) / lanes * lanes), 0xff);
        BlockRunner runner(block, grid, block3, cta);
        try {
          runner.run(result);
        } catch (const Fault &fault) {
          result.good = false;
          result.fault = describe(kernel, fault, runner.active, cta);
          return result;
        }
      }
  return result;
}
