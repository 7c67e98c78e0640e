//===- MaskPicture.h - the pairs that a mask keeps, as a picture --------------------------------===//

#ifndef HEDDLE_TOOLS_MASKPICTURE_H
#define HEDDLE_TOOLS_MASKPICTURE_H

#include "specs/reader/Spec.h"
#include <optional>

namespace heddle {

/// One head's pairs: rows x keys, all other row indices 0.
struct HeadMask {
  int64_t head = 0, rows = 0, keys = 0;
  std::vector<char> keep; // row-major

  char at(int64_t row, int64_t key) const { return keep[row * keys + key]; }
};

enum class TileClass { Empty, Boundary, Full };
TileClass classOf(const HeadMask &mask, int64_t row, int64_t key, int64_t tileRows,
                  int64_t tileKeys);

/// The mask of source `source` of the attend in step `step`, evaluated by definition on seeded inputs. Row
/// indices but b and h are rows, in order; all key indices are keys. Empty: `fault`.
std::optional<std::vector<HeadMask>> evaluateMask(const Spec &spec, size_t step, size_t source,
                                                  const ValueMap &sizes,
                                                  const std::vector<int64_t> &heads, uint64_t seed,
                                                  std::string &fault);

/// Tiles as characters: # full, + boundary, . empty; heads side by side.
std::string asText(const std::vector<HeadMask> &masks, int64_t tileRows, int64_t tileKeys);
/// The same with every kept pair; `lines` stand above.
std::string asSvg(const std::vector<HeadMask> &masks, int64_t tileRows, int64_t tileKeys,
                  const std::vector<std::string> &lines);

} // namespace heddle

#endif // HEDDLE_TOOLS_MASKPICTURE_H
