//===- Witness.h - the FMA peak, and whether the machine was quiet ------------------------------===//
//
// A shared machine steals speed in spells that a register-only loop does not see. A timed slice counts
// only if an L1-resident FMA loop of about 20 us, right before and right after it, reached 0.97 of its
// own best. That is per clock: the clock moves, and some kernels take it down by a tenth themselves, so
// that no slice of theirs would ever count. A chain of multiplications tells it, which takes what its
// latency is whatever the neighbours do. Times are thread CPU times. What a slice is divided by is the
// register-only FMA loop of the same width, right before and right after it.
//
//===----------------------------------------------------------------------------------------===//

#ifndef HEDDLE_TOOLS_WITNESS_H
#define HEDDLE_TOOLS_WITNESS_H

#include <array>
#include <cstdint>
#include <vector>

namespace heddle {

/// Seconds of CPU time of the calling thread.
double threadSeconds();

/// What a loop reaches per clock, and when that is its best.
class LoopRates {
public:
  /// The rate per clock, which two chains tell beside the loop: an interrupt makes one of them less.
  double add(double rate, double clock, double clockToo);
  /// At least 0.97 of the best of all so far, if that is known. Where both chains were held up a rate looks too
  /// good, by anything: the best is the highest that many rates come close to.
  bool isBest(double perClock) const {
    return best > 0 && perClock >= (1 - near) * best && perClock <= (1 + near) * best;
  }

private:
  // Half of the rates that are close to the best lie below it, by 0.5 % at most.
  static constexpr double near = 0.025;
  std::vector<double> rates; // where the clock was steady
  double best = 0;           // 0: not known
};

/// Measures slices against the FMA peak of `lanes` f32 (8: AVX2, 16: AVX-512), which the machine must
/// have.
class Witness {
public:
  static constexpr int depth = 64; // of the L1 loop's products
  explicit Witness(int lanes);

  struct Slice {
    double seconds; // of the slice
    double peak;    // FLOP per second around it, registers only
    double l1;      // of the L1 loop, per clock, the worse of both sides
  };
  /// A slice is what runs between these two.
  void begin();
  Slice end();
  /// By the best known now: what was counted early may count no more.
  bool counts(const Slice &slice) const { return l1Rates.isBest(slice.l1); }

  /// The register-only peak, the median over all slices so far, in FLOP per second.
  double peak() const;

private:
  double l1Loop();
  double peakLoop();
  double clockLoop();

  int lanes;
  LoopRates l1Rates;
  double peakBefore = 0, before = 0, start = 0; // of the slice that runs
  std::vector<double> peaks;
  alignas(64) std::array<float, depth * (8 + 3 * 16)> operands; // rows, then registers of lanes
};

} // namespace heddle

#endif // HEDDLE_TOOLS_WITNESS_H
