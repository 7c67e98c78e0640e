//===- Measure.h - the speed of a kernel as a fraction of the FMA peak --------------------------===//

#ifndef HEDDLE_TOOLS_MEASURE_H
#define HEDDLE_TOOLS_MEASURE_H

#include "Kernel.h"

namespace heddle {

struct Measurement {
  static constexpr int64_t enough = 30; // counted slices; fewer say nothing
  double useful = 0;                    // FLOP of a call
  bool exact = true;                    // else there are fewer: the mask depends on data
  double seconds = 0;                   // of a call, median
  double flops = 0;                     // useful FLOP per second
  double peak = 0;                      // FLOP per second of the threads that were used
  double medianFraction = 0;            // median slices together, over the peak around them
  double bestFraction = 0;
  int64_t counted = 0, slices = 0;
  int64_t parts = 0; // that a call is cut into: each is a slice of every round
};

/// Times calls on this machine for about `seconds`. One thread: groups of items, or parts of one, between
/// witnesses, CPU time of the thread. More: whole calls between witnesses, wall time, over the peak times the threads.
/// Inputs are filled. An error: the call is wrong, or its work is unknown.
llvm::Expected<Measurement> measure(Kernel &kernel, const Spec &spec,
                                    std::vector<HostTensor> &tensors, const ValueMap &sizes,
                                    const TargetInfo &target, double seconds);

} // namespace heddle

#endif // HEDDLE_TOOLS_MEASURE_H
