//===- Witness.h - the FMA peak, and whether the machine was quiet ------------------------------===//
//
// A shared machine steals speed in spells that a register-only loop does not see. A timed slice counts
// only if an L1-resident FMA loop of about 20 us, right before and right after it, reached 0.97 of its
// own best. Times are thread CPU times. What a slice is divided by is the register-only FMA loop of the
// same width, right before and right after it, too: the clock moves.
//
//===----------------------------------------------------------------------------------------===//

#ifndef HEDDLE_TOOLS_WITNESS_H
#define HEDDLE_TOOLS_WITNESS_H

#include <cstdint>
#include <vector>

namespace heddle {

/// Seconds of CPU time of the calling thread.
double threadSeconds();

/// Measures slices against the FMA peak of `lanes` f32 (8: AVX2, 16: AVX-512), which the machine must
/// have.
class Witness {
public:
  explicit Witness(int lanes);

  struct Slice {
    double seconds; // of the slice
    double peak;    // FLOP per second around it, registers only
    bool counts;    // the witness was near its best on both sides
  };
  /// A slice is what runs between these two.
  void begin();
  Slice end();

  /// The register-only peak, the median over all slices so far, in FLOP per second.
  double peak() const;

private:
  double l1Loop();
  double peakLoop();

  int lanes;
  double best = 0;                              // of the L1 loop
  double peakBefore = 0, before = 0, start = 0; // of the slice that runs
  std::vector<double> peaks;
  std::vector<float> operands;
};

} // namespace heddle

#endif // HEDDLE_TOOLS_WITNESS_H
