//===- TileObstacle.h - which steps are tiles, and why others are loops -------------------------===//

#ifndef HEDDLE_DIALECT_TILEOBSTACLE_H
#define HEDDLE_DIALECT_TILEOBSTACLE_H

#include "specs/reader/Spec.h"

namespace heddle {

/// Why an attend or a recur of `spec` cannot be a surface op, which becomes tiles: "more than one key index". Empty:
/// it can. Other steps never are.
std::string tileObstacle(const Spec &spec, const SpecStep &step);

/// The groups of a nested softmax that tiles can hold: runs of `size` keys, each with one leader.
struct NestedGroups {
  int64_t size = 0; // 0: there are none
  ExprRef grouped;  // Bool of R, K
};
NestedGroups nestedGroups(const AttendStep &step);

} // namespace heddle

#endif // HEDDLE_DIALECT_TILEOBSTACLE_H
