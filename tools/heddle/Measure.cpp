//===- Measure.cpp - the speed of a kernel as a fraction of the FMA peak ------------------------===//

#include "Measure.h"
#include "Tripwires.h"
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
/// What is timed as one slice, in every round.
using Part = std::vector<Witness::Slice>;

/// A run of consecutive items of a stage: one part, or, if one item takes too long for that, several.
struct Group {
  int64_t stage, first, end;
  double seconds; // about
  std::vector<Part> parts;
};
constexpr double shortest = 1e-4, longest = 6e-4; // seconds of a group, and of a part

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
  /// The least time of several.
  double undisturbed(const Group &group) {
    double least = group.seconds;
    for (int i = 0; i < 10; ++i) {
      double start = threadSeconds();
      run(group);
      least = std::min(least, threadSeconds() - start);
    }
    return least;
  }
  /// All items once, cut into groups by their time.
  std::vector<Group> plan() {
    std::vector<Group> groups;
    for (int64_t stage = 0; stage < variant.num_stages; ++stage) {
      int64_t grid[3] = {1, 1, 1};
      variant.stages[stage].grid(slots, grid);
      int64_t items = grid[0] * grid[1] * grid[2];
      for (int64_t first = 0; first < items;) {
        Group group{stage, first, first, 0, {}};
        double start = threadSeconds();
        for (; group.end < items && group.seconds < shortest;
             group.seconds = threadSeconds() - start)
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

/// Cuts of items that are too long: on their way through the smallest tensor that has pages enough, so that the least
/// is touched of how their memory is mapped. If every item goes through all of it, each needs few of the cuts.
Tripwires tripwires(Timer &timer, std::vector<Group> &groups, std::vector<HostTensor> &tensors) {
  auto isLong = [](const Group &group) { return group.seconds > longest; };
  double seconds = 0;
  for (Group &group : make_filter_range(groups, isLong))
    seconds += group.seconds = timer.undisturbed(group);
  int64_t parts = 1 + int64_t(seconds / longest);
  HostTensor *smallest = nullptr;
  for (HostTensor &tensor : tensors)
    if (tensor.bytes() >= parts * Tripwires::pageBytes() &&
        (!smallest || tensor.bytes() < smallest->bytes()))
      smallest = &tensor;
  if (!smallest)
    return {};
  Tripwires wires(smallest->data(), smallest->bytes(), parts);
  int64_t surplus = parts;
  for (const Group &group : make_filter_range(groups, isLong)) {
    int64_t met = 1, needed = 1 + int64_t(group.seconds / longest);
    wires.run([&] { timer.run(group); }, [&] { ++met; }, [] {});
    surplus = std::min(surplus, std::max<int64_t>(met / needed, 1));
  }
  wires.thin(surplus);
  return wires;
}

void measureItems(Timer timer, std::vector<HostTensor> &tensors, Witness &witness, double seconds,
                  Measurement &result) {
  FlushDenormals flush;
  timer.plan(); // warm
  std::vector<Group> groups = timer.plan();
  Tripwires wires = tripwires(timer, groups, tensors);
  auto round = [&](Group &group) {
    size_t number = 0;
    auto end = [&] {
      if (number == group.parts.size())
        group.parts.emplace_back();
      group.parts[number++].push_back(witness.end());
    };
    auto begin = [&] { witness.begin(); };
    auto whole = [&] {
      begin();
      timer.run(group);
      end();
    };
    group.seconds > longest ? wires.run(whole, end, begin) : whole();
  };
  auto counts = [&](const Witness::Slice &slice) { return witness.counts(slice); };
  // On a busy machine a part of the call may need more tries.
  auto covered = [&] {
    return all_of(groups, [&](const Group &group) {
      return all_of(group.parts, [&](const Part &part) { return any_of(part, counts); });
    });
  };
  for (double start = wall();
       wall() - start < seconds || (!covered() && wall() - start < 4 * seconds);)
    for_each(groups, round);
  bool isCovered = covered(); // else a part of the call was never undisturbed, and nothing counts
  double cycles = 0, best = 0;
  for (const Group &group : groups)
    for (const Part &part : group.parts) {
      ++result.parts;
      result.slices += int64_t(part.size());
      if (!isCovered)
        continue;
      std::vector<double> times, products; // seconds, and seconds x peak
      for (const Witness::Slice &slice : make_filter_range(part, counts)) {
        times.push_back(slice.seconds);
        products.push_back(slice.seconds * slice.peak);
      }
      result.counted += int64_t(times.size());
      cycles += median(products);
      best += *std::min_element(times.begin(), times.end()) * witness.peak();
      result.seconds += median(times);
    }
  if (!isCovered)
    return;
  result.medianFraction = result.useful / cycles;
  result.bestFraction = result.useful / best;
}

void measureCalls(Kernel &kernel, const Kernel::Call &call, Witness &witness, double seconds,
                  Measurement &result) {
  std::vector<Witness::Slice> calls;
  auto counts = [&](const Witness::Slice &slice) { return witness.counts(slice); };
  kernel.start(call);
  for (double start = wall();
       wall() - start < seconds || (none_of(calls, counts) && wall() - start < 4 * seconds);) {
    witness.begin();
    double begin = wall();
    kernel.start(call);
    double time = wall() - begin;
    calls.push_back(witness.end());
    calls.back().seconds = time;
  }
  std::vector<double> cycles, times;
  for (const Witness::Slice &slice : make_filter_range(calls, counts)) {
    cycles.push_back(slice.seconds * slice.peak * kernel.threads);
    times.push_back(slice.seconds);
  }
  result.parts = 1;
  result.slices = int64_t(calls.size());
  result.counted = int64_t(times.size());
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
    measureItems(Timer(*variant, slots, workspace), tensors, witness, seconds, result);
  } else {
    measureCalls(kernel, **call, witness, seconds, result);
  }
  result.peak = witness.peak() * kernel.threads;
  if (result.seconds > 0)
    result.flops = result.useful / result.seconds;
  return result;
}
