//===- Measure.cpp - the speed of a kernel as a fraction of the FMA peak ------------------------===//

#include "Measure.h"
#include "Witness.h"
#include "Work.h"
#include <algorithm>
#include <chrono>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

using namespace llvm;
using namespace heddle;

namespace {
/// A run of consecutive items of a stage, long enough to time and short enough to be undisturbed.
struct Group {
  int64_t stage, first, end;
  std::vector<double> cycles; // seconds x peak of counted slices
  std::vector<double> seconds;
};
constexpr double shortest = 1e-4; // of a group, seconds

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

double wall() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// What the runtime does around the items of a call.
struct FlushDenormals {
#if defined(__x86_64__)
  unsigned before = _mm_getcsr();
  FlushDenormals() { _mm_setcsr(before | 0x8040u); }
  ~FlushDenormals() { _mm_setcsr(before); }
#endif
};

class Timer {
public:
  Timer(const heddle_kernel_variant &variant, const int64_t *slots, char *workspace)
      : variant(variant), slots(slots), workspace(workspace),
        scratch(workspace + (variant.workspace(slots) + 63) / 64 * 64) {}

  void run(const Group &group) {
    for (int64_t item = group.first; item < group.end; ++item)
      variant.stages[group.stage].item(slots, item, scratch, workspace);
  }
  /// All items once, cut into groups by their time.
  std::vector<Group> plan() {
    std::vector<Group> groups;
    for (int64_t stage = 0; stage < variant.num_stages; ++stage) {
      int64_t grid[3] = {1, 1, 1};
      variant.stages[stage].grid(slots, grid);
      int64_t items = grid[0] * grid[1] * grid[2];
      for (int64_t first = 0; first < items;) {
        Group group{stage, first, first, {}, {}};
        double start = threadSeconds();
        while (group.end < items && threadSeconds() - start < shortest)
          variant.stages[stage].item(slots, group.end++, scratch, workspace);
        first = group.end;
        groups.push_back(group);
      }
    }
    return groups;
  }

private:
  const heddle_kernel_variant &variant;
  const int64_t *slots;
  char *workspace, *scratch;
};

void measureItems(Timer timer, Witness &witness, double seconds, Measurement &result) {
  FlushDenormals flush;
  timer.plan(); // warm
  std::vector<Group> groups = timer.plan();
  // On a busy machine a part of the call may need more tries.
  auto covered = [&] { return all_of(groups, [](const Group &g) { return !g.cycles.empty(); }); };
  for (double start = wall();
       wall() - start < seconds || (!covered() && wall() - start < 4 * seconds);)
    for (Group &group : groups) {
      Witness::Slice slice = witness.measure([&] { timer.run(group); });
      ++result.slices;
      if (!slice.counts)
        continue;
      ++result.counted;
      group.cycles.push_back(slice.seconds * slice.peak);
      group.seconds.push_back(slice.seconds);
    }
  double cycles = 0, best = 0;
  for (const Group &group : groups) {
    if (group.cycles.empty()) {
      result.counted = 0; // a part of the call was never undisturbed
      return;
    }
    cycles += median(group.cycles);
    best += *std::min_element(group.seconds.begin(), group.seconds.end()) * witness.peak();
    result.seconds += median(group.seconds);
  }
  result.medianFraction = result.useful / cycles;
  result.bestFraction = result.useful / best;
}

void measureCalls(Kernel &kernel, const Kernel::Call &call, Witness &witness, double seconds,
                  Measurement &result) {
  std::vector<double> cycles, times;
  kernel.start(call);
  for (double start = wall();
       wall() - start < seconds || (cycles.empty() && wall() - start < 4 * seconds);) {
    double time = 0;
    Witness::Slice slice = witness.measure([&] {
      double begin = wall();
      kernel.start(call);
      time = wall() - begin;
    });
    ++result.slices;
    if (!slice.counts)
      continue;
    ++result.counted;
    cycles.push_back(time * slice.peak * kernel.threads);
    times.push_back(time);
  }
  if (cycles.empty())
    return;
  result.seconds = median(times);
  result.medianFraction = result.useful / median(cycles);
  result.bestFraction = result.useful / (*std::min_element(times.begin(), times.end()) *
                                         witness.peak() * kernel.threads);
}

/// Work by definition: the mask is read off the tiled IR.
Expected<Work> usefulWork(const Spec &spec, const ValueMap &sizes, const TargetInfo &target) {
  std::string error;
  std::unique_ptr<mlir::MLIRContext> context = createContext();
  auto tiled = compileUntil(*context, spec, target, {}, "tile-attend", error);
  if (!tiled)
    return createStringError(inconvertibleErrorCode(), error);
  Work work = countWork(*tiled, spec, sizes);
  if (!(work.flop > 0))
    return createStringError(inconvertibleErrorCode(), "the call has no work at these sizes");
  return work;
}
} // namespace

Expected<Measurement> heddle::measure(Kernel &kernel, const Spec &spec,
                                      std::vector<HostTensor> &tensors, const ValueMap &sizes,
                                      const TargetInfo &target, double seconds) {
  Measurement result;
  Expected<Work> useful = usefulWork(spec, sizes, target);
  if (!useful)
    return useful.takeError();
  result.useful = useful->flop;
  result.exact = useful->exact;
  Expected<std::unique_ptr<Kernel::Call>> call = kernel.prepare(spec, tensors, sizes);
  if (!call)
    return call.takeError();
  if (Error error = kernel.tryStart(**call))
    return std::move(error);
  Witness witness(target.lanes);
  if (kernel.threads == 1) {
    int64_t slots[HEDDLE_MAX_SLOTS];
    char *workspace;
    const heddle_kernel_variant *variant = kernel.bind(**call, slots, &workspace);
    measureItems(Timer(*variant, slots, workspace), witness, seconds, result);
  } else {
    measureCalls(kernel, **call, witness, seconds, result);
  }
  result.peak = witness.peak() * kernel.threads;
  if (result.seconds > 0)
    result.flops = result.useful / result.seconds;
  return result;
}
